//! What does the vendor say of itself? A page is opinion, a probe is evidence; this reads the opinion.
//!
//! A vendor's name is looked up in `vendors.yaml`; of any other page the usual places are tried, and a document counts only
//! when it has a known shape. The surprise: a page that cannot be read is `unreachable`, never green and never red, and a green
//! page rules nothing out, because posts lag by minutes to hours.

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

use super::fetch::{self, FetchError};
use super::{Environment, NotRun, Request};
use crate::outcome::{CheckKind, Facts, Outcome, Report};

mod page;
mod places;

use page::{Component, Page, State};
use places::Places;

/// A large vendor's summary is a few hundred KiB; Google's list of incidents is the largest known.
const MAX_DOCUMENT_BYTES: usize = 2 * 1024 * 1024;

/// How far apart an incident and the failure it explains may begin: posts lag (checks.md §5).
const WINDOW: SignedDuration = SignedDuration::from_mins(30);

/// Incidents that are told, the first ones of the page, which are the newest.
const MOST_INCIDENTS: usize = 10;

/// Probes and judges.
pub(super) async fn run(env: &Environment, request: &Request, deadline: Instant) -> Result<Report, NotRun> {
    let places = Places::of(&env.catalogues, &request.target)?;
    let component = request.with.get("component");
    let around = Around::read(request)?;
    if let Some(why) = &places.unreadable {
        return Ok(unreachable(&request.target, &format!("the page cannot be read by a program: {why}")));
    }
    let env = super::document::trusting(env, &request.with).await?;
    let found = match probe(&env, &places, component.is_some(), request.now, deadline).await {
        Ok(found) => found,
        Err(FetchError::Refused(refusal)) => return Err(NotRun::Refused(refusal)),
        Err(error) => {
            return Ok(unreachable(&request.target, &format!("the status page cannot be read: {error}")));
        }
    };
    let (url, page) = found;
    let mut report = judge(&request.target, &page, component, &around);
    report.facts.insert("url".to_owned(), url.as_str().into());
    report.facts.insert("vendor".to_owned(), places.vendor.map_or(Value::Null, Value::from));
    report.facts.retain(|_, value| !value.is_null());
    Ok(report)
}

/// When the failure began that the page may explain.
#[derive(Debug, Clone, Copy)]
struct Around {
    at: Timestamp,
    window: SignedDuration,
    /// Whether somebody said when; else it is now.
    is_told: bool,
}

impl Around {
    fn read(request: &Request) -> Result<Self, NotRun> {
        let at: Option<Timestamp> = request.with.parsed("at", "an instant such as `2026-11-01T10:02:00Z`")?;
        let window = request.with.duration("window")?.and_then(|it| SignedDuration::try_from(it).ok());
        Ok(Self { at: at.unwrap_or(request.now), window: window.unwrap_or(WINDOW), is_told: at.is_some() })
    }

    /// Whether an incident may explain the failure: it had begun by then, and was not over.
    fn holds(&self, incident: &page::Incident) -> bool {
        let instant = |text: &Option<String>| text.as_deref().and_then(|it| it.parse::<Timestamp>().ok());
        let begun = instant(&incident.started_at).is_none_or(|it| it.duration_since(self.at) <= self.window);
        let ended = instant(&incident.ended_at).is_some_and(|it| self.at.duration_since(it) > self.window);
        begun && !ended
    }
}

/// Asks all places of a round at once; the first in order whose document has a known shape counts.
async fn probe(
    env: &Environment,
    places: &Places,
    wants_component: bool,
    now: Timestamp,
    deadline: Instant,
) -> Result<(Url, Page), FetchError> {
    let mut failures = Vec::new();
    for round in &places.rounds {
        if let Some(found) = ask(env, places, round, wants_component, now, deadline, &mut failures).await {
            return Ok(found);
        }
    }
    if let Some(page) = &places.page
        && let Ok(document) = fetch::document(env, page, MAX_DOCUMENT_BYTES, deadline).await
    {
        let links = places::linked(&document.url, &String::from_utf8_lossy(&document.bytes));
        if let Some(found) = ask(env, places, &links, wants_component, now, deadline, &mut failures).await {
            return Ok(found);
        }
    }
    // A refusal by the policy is said first; else the first place is the likeliest, and its failure the most telling.
    failures.sort_by_key(|it| !matches!(it, FetchError::Refused(_)));
    Err(failures.into_iter().next().unwrap_or(FetchError::Late))
}

async fn ask(
    env: &Environment,
    places: &Places,
    urls: &[Url],
    wants_component: bool,
    now: Timestamp,
    deadline: Instant,
    failures: &mut Vec<FetchError>,
) -> Option<(Url, Page)> {
    let asked = urls.iter().map(|url| fetch::document(env, url, MAX_DOCUMENT_BYTES, deadline));
    for answer in join_all(asked).await {
        match answer {
            Ok(document) if (200..300).contains(&document.status) => {
                let is_empty_list = document.bytes.trim_ascii() == b"[]";
                let page =
                    page::read(&document.bytes, now).filter(|_| !is_empty_list || places.empty_is_calm);
                if let Some(mut page) = page {
                    complete(env, &document.url, &mut page, wants_component, now, deadline).await;
                    if !page.is_incomplete {
                        return Some((document.url, page));
                    }
                }
                failures.push(FetchError::Unavailable("it has no shape that is known".to_owned()));
            }
            Ok(document) => failures.push(FetchError::Unavailable(format!("it answers {}", document.status))),
            Err(error) => failures.push(error),
        }
    }
    None
}

/// Reads what belongs to a page and stands beside it.
async fn complete(
    env: &Environment,
    url: &Url,
    page: &mut Page,
    wants_component: bool,
    now: Timestamp,
    deadline: Instant,
) {
    let beside = page.companions(url.path(), wants_component);
    let urls: Vec<Url> = beside.iter().filter_map(|path| url.join(path).ok()).collect();
    let asked = urls.iter().map(|url| fetch::document(env, url, MAX_DOCUMENT_BYTES, deadline));
    for answer in join_all(asked).await {
        if let Ok(document) = answer
            && (200..300).contains(&document.status)
        {
            page.take_in(&document.bytes, now);
        }
    }
}

fn unreachable(target: &str, why: &str) -> Report {
    let mut report = Report::error(CheckKind::StatusPage, target, why);
    report.outcome = Outcome::Unreachable;
    report
}

/// Judges a page, or one component of it.
fn judge(target: &str, page: &Page, component: Option<&str>, around: &Around) -> Report {
    let verdict = match component {
        Some(name) => of_component(page, name),
        None => Some((of_page(page), Value::Null)),
    };
    let Some((state, named)) = verdict else {
        let known: Vec<_> = page.components.iter().map(|it| it.name.as_str()).take(20).collect();
        let why = format!(
            "the page has no component `{}`; it has {}",
            component.unwrap_or_default(),
            if known.is_empty() { "none that a program can read".to_owned() } else { known.join(", ") }
        );
        return Report::error(CheckKind::StatusPage, target, why);
    };
    let outcome = outcome(state);
    Report {
        check: CheckKind::StatusPage,
        target: target.to_owned(),
        outcome,
        facts: facts(page, named, around),
        summary: summary(page, component, outcome),
        took_ms: 0.0,
        phases_ms: std::collections::BTreeMap::new(),
    }
}

/// The outcome for a document; `None` when it has no known shape.
pub(super) fn judge_bytes(bytes: &[u8], now: Timestamp) -> Option<Outcome> {
    Some(outcome(of_page(&page::read(bytes, now)?)))
}

fn outcome(state: State) -> Outcome {
    match state {
        State::Operational => Outcome::Operational,
        State::Maintenance => Outcome::Maintenance,
        State::Degraded => Outcome::Degraded,
        State::PartialOutage => Outcome::PartialOutage,
        State::MajorOutage => Outcome::MajorOutage,
    }
}

/// The page's own indicator, raised by open incidents; where it has none, its components decide: all out is major, some partial.
fn of_page(page: &Page) -> State {
    let own = page.indicator.as_ref().map_or_else(|| of_components(page), |(_, state)| *state);
    let raised = page.incidents.iter().filter_map(|it| it.impact).max().unwrap_or(State::Operational);
    let at_work = if page.maintenances.is_empty() { State::Operational } else { State::Maintenance };
    own.max(raised).max(at_work)
}

fn of_components(page: &Page) -> State {
    let parts: Vec<_> = page.components.iter().filter(|it| !it.is_group).map(|it| it.state).collect();
    let out = parts.iter().filter(|it| it.is_out()).count();
    if out == 0 {
        parts.into_iter().max().unwrap_or(State::Operational)
    } else if out == parts.len() {
        State::MajorOutage
    } else {
        State::PartialOutage
    }
}

/// A component's state, by its whole name or id, else by the only name that contains the word or all of its parts.
fn of_component(page: &Page, wanted: &str) -> Option<(State, Value)> {
    let plain = |text: &str| text.trim().to_lowercase();
    let wanted = plain(wanted);
    let exact = |it: &&Component| plain(&it.name) == wanted || plain(&it.id) == wanted;
    // Of several with that name (`API` in each region's group) the worst: which one is meant, nobody said.
    let mut by_name: Vec<_> = page.components.iter().filter(exact).collect();
    by_name.sort_by_key(|it| (it.is_group, std::cmp::Reverse(it.state)));
    let only = |fits: &dyn Fn(&str) -> bool| {
        let mut fitting = page.components.iter().filter(|it| fits(&plain(&it.name)));
        fitting.next().filter(|_| fitting.next().is_none())
    };
    let found = by_name.first().copied();
    let found = found.or_else(|| only(&|name| name.contains(&wanted)));
    let found = found.or_else(|| only(&|name| has_all_parts(name, &wanted)));
    if let Some(component) = found {
        return Some((component.state, component.name.clone().into()));
    }
    if !page.lists_only_trouble {
        return None;
    }
    let concerned = |it: &&page::Incident| {
        it.components.iter().any(|name| plain(name).contains(&wanted) || has_all_parts(&plain(name), &wanted))
            || has_all_parts(&it.components.join(" ").to_lowercase(), &wanted)
            || !it.text.is_empty() && has_all_parts(&it.text, &wanted)
    };
    let worst = page.incidents.iter().filter(concerned).filter_map(|it| it.impact).max();
    let at_work = page.maintenances.iter().any(|it| has_all_parts(&plain(it), &wanted));
    let calm = if at_work { State::Maintenance } else { State::Operational };
    Some((worst.unwrap_or(calm), wanted.into()))
}

/// Whether a text has all words of another, in any order: `s3 us-east-1` is in `s3-us-east-1`.
fn has_all_parts(text: &str, wanted: &str) -> bool {
    let parts = |text: &str| -> Vec<String> {
        text.split(|it: char| !it.is_alphanumeric()).filter(|it| !it.is_empty()).map(str::to_owned).collect()
    };
    let (have, want) = (parts(text), parts(wanted));
    !want.is_empty() && want.iter().all(|it| have.contains(it))
}

fn facts(page: &Page, component: Value, around: &Around) -> Facts {
    let affected: Vec<_> = page
        .components
        .iter()
        .filter(|it| it.state > State::Operational && !it.is_group)
        .map(|it| json!({"name": it.name, "state": outcome(it.state).id()}))
        .collect();
    let told = |it: &page::Incident| {
        let mut told = json!({"title": it.title, "in_window": around.holds(it)});
        let mut put = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                told[name] = value.into();
            }
        };
        put("impact", it.impact.map(|impact| outcome(impact).id().to_owned()));
        put("status", it.status.clone());
        put("started_at", it.started_at.clone());
        put("ended_at", it.ended_at.clone());
        if !it.components.is_empty() {
            told["components"] = json!(it.components);
        }
        told
    };
    let past: Vec<Value> = page
        .past
        .iter()
        .filter(|it| around.is_told && around.holds(it))
        .take(MOST_INCIDENTS)
        .map(told)
        .collect();
    let in_window = page.incidents.iter().any(|it| around.holds(it));
    let diagnosis = match (page.incidents.is_empty(), in_window, past.is_empty()) {
        _ if !around.is_told => None,
        (false, false, true) => Some("incident_started_later"),
        (true, _, false) => Some("was_in_window_and_is_over"),
        _ => None,
    };
    Facts::from([
        ("provider".to_owned(), page.provider.into()),
        ("indicator".to_owned(), page.indicator.as_ref().map_or(Value::Null, |(word, _)| json!(word))),
        ("component".to_owned(), component),
        ("components_affected".to_owned(), affected.into()),
        ("incidents".to_owned(), page.incidents.iter().take(MOST_INCIDENTS).map(told).collect()),
        ("past_incidents".to_owned(), if past.is_empty() { Value::Null } else { past.into() }),
        ("diagnosis".to_owned(), diagnosis.map_or(Value::Null, Value::from)),
        ("open_incidents".to_owned(), page.incidents.len().into()),
        ("maintenances".to_owned(), json!(page.maintenances)),
    ])
}

fn summary(page: &Page, component: Option<&str>, outcome: Outcome) -> String {
    let what = component.map_or_else(|| "the page".to_owned(), |name| format!("component `{name}`"));
    let state = outcome.id().replace('_', " ");
    match page.incidents.first() {
        Some(first) if outcome != Outcome::Operational => {
            format!("{what} says {state}; open: {}", first.title.chars().take(120).collect::<String>())
        }
        Some(_) => format!("{what} says {state}, though {} incidents are open", page.incidents.len()),
        None => format!("{what} says {state}"),
    }
}

#[cfg(test)]
mod tests;
