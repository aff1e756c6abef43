//! Who made this answer: a gateway, the network's edge, our application, or a dependency behind it. Pure.
//!
//! `Proxy-Status` (RFC 9209) is asked first, then the marks of `gateways.yaml`. The surprise: a status alone says nothing (any
//! hop may send any 5xx, RFC 9110 §15.6), and the maker of an answer is not yet the cause: an application that says whom it
//! could not reach is the maker, and what it wraps is told apart in [`Wrap`].

use serde_json::Value;

use crate::checks::catalogue::{Answer, Catalogues, Gateways, Hop, Made, Means, Place, Product, ProductMark};
use crate::checks::fields::{self, Bare, Member};

/// Who made an answer, and what says so.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::checks) struct Origin {
    /// `gateway`, `cdn`, `app`, `dependency` or `unknown`.
    pub(in crate::checks) who: &'static str,
    /// The product or the hop's own name.
    pub(in crate::checks) maker: Option<String>,
    /// `direct`, `strong` or `weak`; absent when the origin is unknown.
    pub(in crate::checks) strength: Option<&'static str>,
    /// What went wrong, when a mark says so.
    pub(in crate::checks) means: Option<Means>,
    /// The marks that tell, for a person.
    pub(in crate::checks) marks: Vec<String>,
    /// What misleads about the product.
    pub(in crate::checks) trap: Option<String>,
    /// The hop the maker was about to ask.
    pub(in crate::checks) next_hop: Option<String>,
    /// What the application says of somebody behind it.
    pub(in crate::checks) wraps: Option<Wrap>,
}

impl Origin {
    fn made_by(who: &'static str, strength: &'static str, marks: Vec<String>) -> Self {
        Self { who, strength: Some(strength), marks, ..Self::default() }
    }
}

/// A failure of somebody else that an application passes on as its own.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::checks) struct Wrap {
    /// What failed there.
    pub(in crate::checks) means: Means,
    /// Who failed, when it is named.
    pub(in crate::checks) dependency: Option<String>,
    /// What they answered, when it is told.
    pub(in crate::checks) status: Option<u16>,
}

/// Tells who made an answer.
pub(in crate::checks) fn attribute(catalogues: &Catalogues, answer: &Answer<'_>) -> Origin {
    let gateways = &catalogues.gateways;
    let wraps = wrapped(gateways, answer);
    let origin = by_proxy_status(gateways, answer)
        .filter(|it| it.who != "app" || wraps.is_some() || !has_maker_in_body(gateways, answer))
        .or_else(|| by_maker(gateways, answer))
        .or_else(|| by_vendor(catalogues, answer))
        .or_else(|| by_pass_through(gateways, answer))
        .or_else(|| by_application(gateways, answer))
        .or_else(|| by_shape(answer, wraps.is_some()))
        .unwrap_or_else(|| Origin {
            who: "unknown",
            marks: on_the_way(gateways, answer),
            ..Origin::default()
        });
    // A gateway's own page speaks of its upstream as a matter of course; only an application wraps.
    let wraps = wraps.filter(|_| matches!(origin.who, "app" | "dependency" | "unknown"));
    Origin { wraps, ..origin }
}

/// The members of `Proxy-Status`, the one nearest the origin first.
pub(in crate::checks) fn proxy_status(answer: &Answer<'_>) -> Vec<Member> {
    answer.joined("proxy-status").and_then(|text| fields::list(&text)).unwrap_or_default()
}

fn by_proxy_status(gateways: &Gateways, answer: &Answer<'_>) -> Option<Origin> {
    let members = proxy_status(answer);
    let text = |member: &Member, name: &str| member.parameter(name).and_then(Bare::text).map(str::to_owned);
    let name = |member: &Member| member.item.text().unwrap_or("a proxy").to_owned();
    for member in &members {
        let Some(error) = text(member, "error") else { continue };
        let known = gateways.proxy_status.iter().find(|it| it.error == error);
        let received = member.parameter("received-status").is_some();
        let made_here = known.is_some_and(|it| it.made == Made::Here);
        if received && !made_here {
            continue;
        }
        let strength = if made_here { "direct" } else { "strong" };
        let mark = format!("proxy-status: {}; error={error}", name(member));
        return Some(Origin {
            maker: Some(name(member)),
            means: known.map(|it| refined(it.means, &error, member)),
            next_hop: text(member, "next-hop"),
            ..Origin::made_by("gateway", strength, vec![mark])
        });
    }
    let passed = members.iter().find(|it| it.parameter("received-status").is_some())?;
    let status = passed.parameter("received-status").and_then(Bare::number)?;
    let mark = format!("proxy-status: {}; received-status={status}", name(passed));
    Some(Origin { next_hop: text(passed, "next-hop"), ..Origin::made_by("app", "strong", vec![mark]) })
}

/// RFC 9209 has no type for a limiter; gateways put it into the details.
fn refined(means: Means, error: &str, member: &Member) -> Means {
    let details = member.parameter("details").and_then(Bare::text).unwrap_or_default().to_ascii_lowercase();
    if details.contains("rate limit") && matches!(error, "http_request_denied" | "connection_limit_reached") {
        Means::Limit
    } else {
        means
    }
}

fn holding<'a>(
    gateways: &'a Gateways,
    answer: &'a Answer<'_>,
    made: Made,
) -> impl Iterator<Item = (&'a Product, &'a ProductMark)> {
    gateways.products.iter().flat_map(move |product| {
        let marks = product.marks.iter();
        marks.filter(move |it| it.made == made && it.mark.holds(answer)).map(move |it| (product, it))
    })
}

fn has_maker_in_body(gateways: &Gateways, answer: &Answer<'_>) -> bool {
    holding(gateways, answer, Made::Here).any(|(_, it)| !it.mark.body.is_empty())
}

/// A maker mark in the body beats everything; one in a header alone loses when the same product says it passed something on.
fn by_maker(gateways: &Gateways, answer: &Answer<'_>) -> Option<Origin> {
    let passed: Vec<_> = holding(gateways, answer, Made::Behind).map(|(product, _)| &product.id).collect();
    let makers: Vec<_> = holding(gateways, answer, Made::Here)
        .filter(|(product, it)| !it.mark.body.is_empty() || !passed.contains(&&product.id))
        .collect();
    let by_worth = |(product, it): &&(&Product, &ProductMark)| {
        (it.mark.is_double(), !it.mark.body.is_empty(), product.place == Place::Gateway, it.means.is_some())
    };
    // Of equals the first in the file: `max_by_key` would take the last.
    let (product, best) = makers.iter().rev().max_by_key(by_worth)?;
    let agreeing: Vec<_> = makers.iter().filter(|(it, _)| it.id == product.id).collect();
    let has = |of: fn(&ProductMark) -> bool| agreeing.iter().any(|(_, it)| of(it));
    let direct =
        best.mark.is_double() || has(|it| it.mark.header.is_some()) && has(|it| !it.mark.body.is_empty());
    let means = best.means.or_else(|| agreeing.iter().find_map(|(_, it)| it.means));
    let marks = agreeing.iter().map(|(_, it)| it.mark.shown(answer)).collect();
    let who = if product.place == Place::Cdn { "cdn" } else { "gateway" };
    Some(Origin {
        maker: Some(product.id.clone()),
        means,
        trap: product.trap.clone(),
        ..Origin::made_by(who, if direct { "direct" } else { "strong" }, marks)
    })
}

/// Headers of a vendor on an answer of another host: the vendor's answer was passed on.
fn by_vendor(catalogues: &Catalogues, answer: &Answer<'_>) -> Option<Origin> {
    let (limiter, mark) =
        catalogues.limiters.iter().filter(|it| it.hop == Hop::Vendor).find_map(|limiter| {
            let by_header = limiter.when.iter().filter(|mark| mark.header.is_some() && mark.body.is_empty());
            by_header
                .into_iter()
                .find(|mark| names_a_vendor(mark.header.as_deref()) && mark.holds(answer))
                .map(|mark| (limiter, mark))
        })?;
    let host = catalogues.vendor_of_host(answer.host);
    if host.is_some_and(|vendor| vendor.id == limiter.id) {
        return None;
    }
    Some(Origin {
        maker: Some(limiter.id.clone()),
        ..Origin::made_by("dependency", "strong", vec![mark.shown(answer)])
    })
}

/// Whether a header belongs to one vendor alone: every dialect of `X-RateLimit-*` may be spoken by our own application.
fn names_a_vendor(header: Option<&str>) -> bool {
    let general = [
        "x-ratelimit",
        "x-rate-limit",
        "ratelimit",
        "retry-after",
        "beta-ratelimit",
        "apim-",
        "x-amz",
        "x-complexity",
    ];
    header.is_some_and(|name| !general.iter().any(|start| name.starts_with(start)))
}

fn by_pass_through(gateways: &Gateways, answer: &Answer<'_>) -> Option<Origin> {
    let marks: Vec<_> =
        holding(gateways, answer, Made::Behind).map(|(_, it)| it.mark.shown(answer)).collect();
    if marks.is_empty() { None } else { Some(Origin::made_by("app", "strong", marks)) }
}

fn by_application(gateways: &Gateways, answer: &Answer<'_>) -> Option<Origin> {
    let found = gateways.applications.iter().find(|it| it.mark.holds(answer))?;
    Some(Origin {
        maker: Some(found.id.clone()),
        ..Origin::made_by("app", "strong", vec![found.mark.shown(answer)])
    })
}

/// A JSON error of no known gateway is most likely an application's: gateways write HTML or plain text. A bare 502 or 504
/// is not, unless it says whom it waited for.
fn by_shape(answer: &Answer<'_>, wraps: bool) -> Option<Origin> {
    let content_type = answer.header("content-type").unwrap_or_default();
    let is_json =
        content_type.contains("json") && matches!(answer.json(), Some(Value::Object(_) | Value::Array(_)));
    let is_gateway_status = matches!(answer.status, 502 | 504);
    let is_problem = content_type.starts_with("application/problem+json");
    // The bare words of the status as plain text are what proxies written in Go say (Traefik and its kin).
    let words = match answer.status {
        502 => "Bad Gateway",
        504 => "Gateway Timeout",
        _ => "",
    };
    if content_type.starts_with("text/plain") && !words.is_empty() && answer.body.trim() == words {
        return Some(Origin::made_by("gateway", "weak", vec![format!("body: {words}")]));
    }
    if is_json && (wraps || is_problem || !is_gateway_status) {
        Some(Origin::made_by("app", "weak", vec![format!("content-type: {content_type}")]))
    } else {
        None
    }
}

/// Products that were on the way, though none of them can be said to have answered.
fn on_the_way(gateways: &Gateways, answer: &Answer<'_>) -> Vec<String> {
    holding(gateways, answer, Made::Unsaid)
        .map(|(_, it)| format!("on the way: {}", it.mark.shown(answer)))
        .collect()
}

/// What an application's error says of somebody behind it. Only a 5xx wraps: a 4xx speaks of the request.
fn wrapped(gateways: &Gateways, answer: &Answer<'_>) -> Option<Wrap> {
    if answer.status < 500 {
        return None;
    }
    let words = &gateways.wrapped;
    let body = answer.json();
    let told = |fields: &[String]| body.as_ref().and_then(|body| find_field(body, fields, 0));
    let dependency = told(&words.name_fields).and_then(|value| value.as_str().map(short));
    let status = told(&words.status_fields).and_then(|value| status_of(&value));
    let status = status.or_else(|| received_limit(answer));
    let code = body
        .as_ref()
        .and_then(|body| find_field(body, &["error", "code", "type", "reason"].map(str::to_owned), 0));
    let code = code.and_then(|value| value.as_str().map(str::to_ascii_lowercase)).unwrap_or_default();
    let text = answer.body.to_ascii_lowercase();
    let is_markup = text.trim_start().starts_with('<');
    let by_code =
        words.codes.iter().find(|it| !code.is_empty() && code.contains(&it.contains.to_ascii_lowercase()));
    let by_phrase =
        words.phrases.iter().find(|it| !is_markup && text.contains(&it.contains.to_ascii_lowercase()));
    if by_code.is_none() && by_phrase.is_none() && dependency.is_none() && status.is_none() {
        return None;
    }
    let by_status = status.map(|status| match status {
        429 => Means::Limit,
        401 | 403 => Means::Auth,
        408 | 504 => Means::Timeout,
        _ => Means::Upstream,
    });
    let means = by_phrase.map(|it| it.means).or(by_status).or(by_code.map(|it| it.means));
    Some(Wrap { means: means.unwrap_or(Means::Upstream), dependency, status })
}

/// A proxy that says it received 429 and that passed on a failure (RFC 9209 §2.1.5): somebody behind made one of the other.
fn received_limit(answer: &Answer<'_>) -> Option<u16> {
    let received = |it: &Member| it.parameter("received-status").and_then(Bare::number);
    proxy_status(answer).iter().any(|it| received(it) == Some(429.0)).then_some(429)
}

fn status_of(value: &Value) -> Option<u16> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    u16::try_from(number).ok().filter(|status| (100..600).contains(status))
}

/// The first field of one of these names, at most three levels deep; spelling aside.
fn find_field(value: &Value, names: &[String], depth: usize) -> Option<Value> {
    let plain = |name: &str| {
        name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
    };
    let fields = value.as_object().filter(|_| depth < 3)?;
    let here = names.iter().find_map(|name| {
        fields.iter().find(|(key, it)| plain(key) == plain(name) && !it.is_object() && !it.is_null())
    });
    here.map(|(_, it)| it.clone()).or_else(|| fields.values().find_map(|it| find_field(it, names, depth + 1)))
}

/// A name for a fact: one line, at most 80 characters.
fn short(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests;
