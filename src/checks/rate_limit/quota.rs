//! The quotas that an answer tells of, from any of the notations in `limiters.yaml`. Pure.

use jiff::Timestamp;
use serde_json::Value;

use super::moment;
use crate::checks::catalogue::{Answer, Form, Limiter, Quota};
use crate::checks::fields::{self, Bare};

/// One quota, as far as it was told.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Told {
    pub(super) policy: Option<String>,
    pub(super) scope: Option<String>,
    pub(super) limit: Option<f64>,
    pub(super) remaining: Option<f64>,
    /// Seconds until it is whole again, or less than none when that moment has passed.
    pub(super) resets_in: Option<f64>,
    /// Its length in seconds.
    pub(super) window: Option<f64>,
}

impl Told {
    /// The share that is left, from 0 to 1; `None` when that cannot be told.
    pub(super) fn share_left(&self) -> Option<f64> {
        let remaining = self.remaining?;
        match self.limit {
            Some(limit) if limit > 0.0 => Some((remaining / limit).min(1.0)),
            // None left of none: who let the request in counts nothing here.
            None if remaining <= 0.0 => Some(0.0),
            _ => None,
        }
    }

    fn is_something(&self) -> bool {
        self.limit.is_some() || self.remaining.is_some()
    }
}

/// Every quota that a limiter's dialect finds in an answer. A cached answer's numbers are old, and count as absent.
pub(super) fn read(limiter: &Limiter, answer: &Answer<'_>, now: Timestamp) -> Vec<Told> {
    if answer.header("age").and_then(moment::number).is_some_and(|age| age > 0.0) {
        return Vec::new();
    }
    let quotas = limiter.quotas.iter().flat_map(|quota| match quota.form {
        Form::Headers => by_headers(quota, answer, now),
        Form::Structured => structured(quota, answer),
        Form::Pairs => pairs(quota, answer, now),
        Form::Fraction => fraction(quota, answer),
        Form::Resources => resources(quota, answer),
        Form::Json => by_pointers(quota, answer),
    });
    quotas.filter(Told::is_something).collect()
}

/// The most exhausted; of equals the one that says when it ends.
pub(super) fn most_exhausted(quotas: &[Told]) -> Option<&Told> {
    let worth = |it: &Told| (it.share_left().unwrap_or(2.0), it.resets_in.is_none());
    quotas.iter().min_by(|a, b| worth(a).partial_cmp(&worth(b)).unwrap_or(std::cmp::Ordering::Equal))
}

/// The policies that a problem document names as violated (draft-ietf-httpapi-ratelimit-headers-10 §4): at most eight names.
pub(super) fn violated(answer: &Answer<'_>) -> Vec<String> {
    let body = answer.json();
    let named = body.as_ref().and_then(|it| it.get("violated-policies")).and_then(Value::as_array);
    named.into_iter().flatten().filter_map(Value::as_str).take(8).map(short).collect()
}

/// Of the quotas that were violated, the one that takes longest to be whole again: a caller has to wait for all of them.
pub(super) fn longest_violated<'a>(quotas: &'a [Told], violated: &[String]) -> Option<&'a Told> {
    let ends = |it: &Told| it.resets_in.or(it.window).unwrap_or_default();
    let is_violated = |it: &&Told| it.policy.as_ref().is_some_and(|policy| violated.contains(policy));
    quotas.iter().filter(is_violated).max_by(|a, b| ends(a).total_cmp(&ends(b)))
}

fn by_headers(quota: &Quota, answer: &Answer<'_>, now: Timestamp) -> Vec<Told> {
    let whole = [String::new()];
    let dimensions = if quota.each.is_empty() { &whole[..] } else { &quota.each[..] };
    let of = |dimension: &String| {
        let header = |name: &Option<String>| {
            name.as_ref().and_then(|name| answer.header(&name.replace("{}", dimension)))
        };
        let amount = |name| header(name).and_then(quantity);
        let (limit, used) = (amount(&quota.limit), amount(&quota.used));
        let named = Some(dimension).filter(|it| !it.is_empty()).cloned();
        let remaining = amount(&quota.remaining).or_else(|| Some((limit? - used?).max(0.0)));
        // Reddit tells what is used and what is left, and not the sum.
        let limit = limit.or_else(|| Some(used? + remaining?));
        let window =
            header(&quota.window).and_then(|text| moment::seconds_until(text, quota.window_unit, now));
        Told {
            policy: header(&quota.policy_from)
                .map(short)
                .or_else(|| quota.policy.clone())
                .or_else(|| named.clone()),
            scope: quota.scope.clone(),
            limit,
            remaining,
            resets_in: header(&quota.reset).and_then(|text| moment::seconds_until(text, quota.unit, now)),
            window: window
                .or_else(|| header(&quota.limit).and_then(window_parameter))
                .or_else(|| named.as_deref().and_then(window_of)),
        }
    };
    dimensions.iter().map(of).collect()
}

/// `100;w=21600`: the window behind a limit, as Docker Hub, Envoy and the drafts up to -06 write it.
fn window_parameter(text: &str) -> Option<f64> {
    // `10, 10;w=60` names the limit and then its policies; of several policies the window is nobody's.
    let mut windows = text.split([',', ';']).filter_map(|part| part.trim().strip_prefix("w="));
    let window = windows.next().and_then(quantity);
    window.filter(|_| windows.next().is_none())
}

/// The windows that are named by their unit, in seconds.
fn window_of(unit: &str) -> Option<f64> {
    Some(match unit {
        "second" => 1.0,
        "minute" => 60.0,
        "hour" => 3600.0,
        "day" => 86_400.0,
        _ => return None,
    })
}

/// `RateLimit-Policy: "burst";q=100;w=60` and `RateLimit: "burst";r=50;t=30`; before draft -08 `RateLimit: limit=100, remaining=50, reset=30`.
fn structured(quota: &Quota, answer: &Answer<'_>) -> Vec<Told> {
    let field = |name: &Option<String>| name.as_ref().and_then(|name| answer.joined(name));
    let policies = field(&quota.limit).and_then(|text| fields::list(&text)).unwrap_or_default();
    let number = |member: &fields::Member, name: &str| {
        member.parameter(name).and_then(Bare::number).filter(|it| *it >= 0.0)
    };
    let silent_policy = |policy: &fields::Member| Told {
        policy: policy.item.text().map(short),
        limit: number(policy, "q"),
        window: number(policy, "w"),
        ..Told::default()
    };
    let state = field(&quota.remaining).unwrap_or_default();
    let Some(states) = fields::list(&state) else {
        return dictionary(&state)
            .map_or_else(|| policies.iter().map(silent_policy).collect(), |told| vec![told]);
    };
    let told = |state: &fields::Member| {
        let policy = policies.iter().find(|it| it.item == state.item);
        Told {
            policy: state.item.text().map(short),
            scope: None,
            limit: policy.and_then(|it| number(it, "q")),
            remaining: number(state, "r"),
            resets_in: number(state, "t"),
            window: policy.and_then(|it| number(it, "w")),
        }
    };
    // A policy whose state is not told is one all the same: it may be the one that was violated.
    let silent = policies.iter().filter(|policy| states.iter().all(|it| it.item != policy.item));
    states.iter().map(told).chain(silent.map(silent_policy)).collect()
}

fn dictionary(text: &str) -> Option<Told> {
    let value = |name: &str| {
        let mut parts = text.split(',').filter_map(|part| part.trim().split_once('='));
        parts.find(|(key, _)| *key == name).and_then(|(_, value)| quantity(value))
    };
    let told = Told {
        limit: value("limit"),
        remaining: value("remaining"),
        resets_in: value("reset"),
        ..Told::default()
    };
    Some(told).filter(|it| it.remaining.is_some())
}

/// `total=100; remaining=99; resets=60`, several separated by commas.
fn pairs(quota: &Quota, answer: &Answer<'_>, now: Timestamp) -> Vec<Told> {
    let pattern = quota.limit.as_deref().unwrap_or_default();
    let tail =
        |name: &str| name.strip_prefix(pattern.trim_end_matches('*')).filter(|it| !it.is_empty()).map(short);
    let mut quotas = Vec::new();
    for (name, value) in answer.fitting(pattern) {
        for part in value.split(',') {
            let find = |key: &Option<String>| {
                let mut pairs = part.split(';').filter_map(|pair| pair.trim().split_once('='));
                pairs.find(|(known, _)| Some(*known) == key.as_deref()).map(|(_, value)| value.trim())
            };
            let (used, of) = find(&quota.keys.fraction).and_then(|it| it.split_once('/')).unzip();
            let (used, of) = (used.and_then(quantity), of.and_then(quantity));
            quotas.push(Told {
                policy: find(&quota.keys.name)
                    .map(|it| short(it.trim_matches('"')))
                    .or_else(|| tail(name))
                    .or_else(|| quota.policy.clone()),
                scope: quota.scope.clone(),
                limit: find(&quota.keys.limit).and_then(quantity).or(of),
                remaining: find(&quota.keys.remaining)
                    .and_then(quantity)
                    .or_else(|| Some((of? - used?).max(0.0))),
                resets_in: find(&quota.keys.reset)
                    .and_then(|text| moment::seconds_until(text, quota.unit, now)),
                window: None,
            });
        }
    }
    quotas
}

/// `32/40`: 32 of 40 used.
fn fraction(quota: &Quota, answer: &Answer<'_>) -> Vec<Told> {
    let header = quota.limit.as_deref().and_then(|name| answer.header(name));
    let parts = header.and_then(|text| text.split_once('/'));
    let told = parts.and_then(|(used, limit)| {
        let limit = quantity(limit)?;
        let remaining = Some((limit - quantity(used)?).max(0.0));
        Some(Told { policy: quota.policy.clone(), limit: Some(limit), remaining, ..Told::default() })
    });
    told.into_iter().collect()
}

/// `Microsoft.Compute/HighCostGet3Min;133,Microsoft.Compute/HighCostGet30Min;657`.
fn resources(quota: &Quota, answer: &Answer<'_>) -> Vec<Told> {
    let header = quota.remaining.as_deref().and_then(|name| answer.joined(name)).unwrap_or_default();
    let parts = header.split(',').filter_map(|part| part.trim().rsplit_once(';'));
    parts
        .map(|(name, left)| Told { policy: Some(short(name)), remaining: quantity(left), ..Told::default() })
        .collect()
}

fn by_pointers(quota: &Quota, answer: &Answer<'_>) -> Vec<Told> {
    let Some(body) = answer.json() else { return Vec::new() };
    let number = |pointer: &Option<String>| {
        pointer
            .as_ref()
            .and_then(|pointer| body.pointer(pointer))
            .and_then(Value::as_f64)
            .filter(|it| *it >= 0.0)
    };
    let (limit, remaining) = (number(&quota.limit), number(&quota.remaining));
    // A leaky bucket is ready when it holds what the call wants, or, where that is not told, when it is full.
    let rate = number(&quota.restores).filter(|it| *it > 0.0);
    let goal = number(&quota.wanted).or(limit);
    let resets_in = rate.zip(goal).zip(remaining).map(|((rate, goal), left)| ((goal - left) / rate).max(0.0));
    vec![Told { policy: quota.policy.clone(), limit, remaining, resets_in, ..Told::default() }]
}

/// A count. A negative one means "not reported" (Azure OpenAI has sent -1).
fn quantity(text: &str) -> Option<f64> {
    moment::number(text).filter(|it| *it >= 0.0)
}

/// A name for a fact: at most 80 characters.
fn short(text: &str) -> String {
    text.trim().chars().take(80).collect()
}
