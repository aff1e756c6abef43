//! What does the vendor say of itself? A page is opinion, a probe is evidence; this reads the opinion.
//!
//! A vendor's name is looked up in `vendors.yaml`; of any other page the usual places are tried, and a document counts only
//! when it has a known shape. The surprise: a page that cannot be read is `unreachable`, never green and never red, and a green
//! page rules nothing out, because posts lag by minutes to hours.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

use super::catalogue::{Catalogues, Provider, Vendor};
use super::fetch::{self, FetchError};
use super::http::wire;
use super::{Environment, NotRun, Request};
use crate::outcome::{CheckKind, Facts, Outcome, Report};

mod page;

use page::{Component, Page, State};

/// The keys of `with:`.
pub(super) const KEYS: &[&str] = &["component"];

/// A large vendor's summary is a few hundred KiB; Google's list of incidents is the largest known.
const MAX_DOCUMENT_BYTES: usize = 2 * 1024 * 1024;

/// Incidents that are told, the first ones of the page, which are the newest.
const MOST_INCIDENTS: usize = 10;

/// Where providers put the machine-readable page, below the page people read.
const USUAL_PLACES: [&str; 4] =
    ["/api/v2/summary.json", "/summary.json", "/index.json", "/api/v2/status.json"];

/// Probes and judges.
pub(super) async fn run(env: &Environment, request: &Request, deadline: Instant) -> Result<Report, NotRun> {
    let places = Places::of(&env.catalogues, &request.target)?;
    let component = request.with.get("component");
    if let Some(why) = &places.unreadable {
        return Ok(unreachable(&request.target, &format!("the page cannot be read by a program: {why}")));
    }
    let found = match probe(env, &places, deadline).await {
        Ok(found) => found,
        Err(FetchError::Refused(refusal)) => return Err(NotRun::Refused(refusal)),
        Err(error) => {
            return Ok(unreachable(&request.target, &format!("the status page cannot be read: {error}")));
        }
    };
    let (url, mut page) = found;
    if component.is_some() && page.components.is_empty() && page.provider == "instatus" {
        page.components = instatus_components(env, &url, deadline).await;
    }
    let mut report = judge(&request.target, &page, component);
    report.facts.insert("url".to_owned(), url.as_str().into());
    report.facts.insert("vendor".to_owned(), places.vendor.map_or(Value::Null, Value::from));
    report.facts.retain(|_, value| !value.is_null());
    Ok(report)
}

/// Where to look.
#[derive(Debug, Default)]
struct Places {
    vendor: Option<String>,
    urls: Vec<Url>,
    unreadable: Option<String>,
    /// A bare empty list means calm only where the vendor is known to publish one.
    empty_is_calm: bool,
}

impl Places {
    fn of(catalogues: &Catalogues, target: &str) -> Result<Self, NotRun> {
        if let Some(vendor) = catalogues.vendor(target) {
            return Ok(Self::of_vendor(vendor));
        }
        if !target.contains("://") {
            let hint = "is no vendor that is known; give the URL of its status page";
            return Err(NotRun::Usage(format!("`{target}` {hint}")));
        }
        let url = wire::target(target)?;
        let by_page = catalogues.vendors.iter().find(|it| it.page.host_str() == url.host_str());
        match by_page.filter(|_| url.path() == "/") {
            Some(vendor) => Ok(Self::of_vendor(vendor)),
            None => Ok(Self { urls: around(&url), ..Self::default() }),
        }
    }

    fn of_vendor(vendor: &Vendor) -> Self {
        let usual: &[&str] = match vendor.provider {
            Provider::Statuspage => &USUAL_PLACES[..1],
            Provider::Instatus => &USUAL_PLACES[1..2],
            Provider::BetterStack => &USUAL_PLACES[2..3],
            _ => &[],
        };
        let mut urls: Vec<Url> = vendor.endpoint.iter().cloned().collect();
        urls.extend(
            usual.iter().filter(|_| vendor.endpoint.is_none()).filter_map(|path| vendor.page.join(path).ok()),
        );
        if urls.is_empty() {
            urls = around(&vendor.page);
        }
        Self {
            vendor: Some(vendor.id.clone()),
            urls,
            unreadable: vendor.unreadable.clone(),
            empty_is_calm: matches!(
                vendor.provider,
                Provider::Aws | Provider::Salesforce | Provider::GoogleCloud
            ),
        }
    }
}

/// The URL itself when it names a document, then the usual places on its host.
fn around(url: &Url) -> Vec<Url> {
    let mut urls = Vec::new();
    let is_document = url.path() != "/" || url.query().is_some();
    urls.extend(is_document.then(|| url.clone()));
    let base = url.path().trim_end_matches('/').to_owned();
    let is_file = base.rsplit('/').next().is_some_and(|last| last.contains('.'));
    if is_file {
        return urls;
    }
    let native = url.host_str().map(|host| format!("/proxy/{host}"));
    for path in native.iter().map(String::as_str).chain(USUAL_PLACES) {
        let below = Some(format!("{base}{path}")).filter(|_| !base.is_empty());
        urls.extend(below.iter().map(String::as_str).chain([path]).filter_map(|path| url.join(path).ok()));
    }
    urls
}

/// Asks all places at once; the first in order whose document has a known shape counts.
async fn probe(env: &Environment, places: &Places, deadline: Instant) -> Result<(Url, Page), FetchError> {
    let asked = places.urls.iter().map(|url| fetch::document(env, url, MAX_DOCUMENT_BYTES, deadline));
    let mut failures = Vec::new();
    for answer in join_all(asked).await {
        match answer {
            Ok(document) if (200..300).contains(&document.status) => {
                let is_empty_list = document.bytes.trim_ascii() == b"[]";
                let page = page::read(&document.bytes).filter(|_| !is_empty_list || places.empty_is_calm);
                if let Some(page) = page {
                    return Ok((document.url, page));
                }
                failures.push(FetchError::Unavailable("it has no shape that is known".to_owned()));
            }
            Ok(document) => failures.push(FetchError::Unavailable(format!("it answers {}", document.status))),
            Err(error) => failures.push(error),
        }
    }
    // A refusal by the policy is said first; else the first place is the likeliest, and its failure the most telling.
    failures.sort_by_key(|it| !matches!(it, FetchError::Refused(_)));
    Err(failures.into_iter().next().unwrap_or(FetchError::Late))
}

/// Instatus keeps the components in a document of their own.
async fn instatus_components(env: &Environment, summary: &Url, deadline: Instant) -> Vec<Component> {
    let Ok(url) = summary.join("components.json") else { return Vec::new() };
    let Ok(document) = fetch::document(env, &url, MAX_DOCUMENT_BYTES, deadline).await else {
        return Vec::new();
    };
    page::read(&document.bytes).map(|page| page.components).unwrap_or_default()
}

fn unreachable(target: &str, why: &str) -> Report {
    let mut report = Report::error(CheckKind::StatusPage, target, why);
    report.outcome = Outcome::Unreachable;
    report
}

/// Judges a page, or one component of it.
fn judge(target: &str, page: &Page, component: Option<&str>) -> Report {
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
        facts: facts(page, named),
        summary: summary(page, component, outcome),
        took_ms: 0.0,
        phases_ms: std::collections::BTreeMap::new(),
    }
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

/// A component's state, by its whole name or id, else by the only name that contains the word.
fn of_component(page: &Page, wanted: &str) -> Option<(State, Value)> {
    let plain = |text: &str| text.trim().to_lowercase();
    let wanted = plain(wanted);
    let exact = |it: &&Component| plain(&it.name) == wanted || plain(&it.id) == wanted;
    let mut by_name: Vec<_> = page.components.iter().filter(exact).collect();
    by_name.sort_by_key(|it| it.is_group);
    let part: Vec<_> = page.components.iter().filter(|it| plain(&it.name).contains(&wanted)).collect();
    let found =
        by_name.first().copied().or_else(|| if part.len() == 1 { part.first().copied() } else { None });
    if let Some(component) = found {
        return Some((component.state, component.name.clone().into()));
    }
    if !page.lists_only_trouble {
        return None;
    }
    let concerned = |it: &&page::Incident| it.components.iter().any(|name| plain(name).contains(&wanted));
    let worst = page.incidents.iter().filter(concerned).filter_map(|it| it.impact).max();
    Some((worst.unwrap_or(State::Operational), wanted.into()))
}

fn facts(page: &Page, component: Value) -> Facts {
    let affected: Vec<_> = page
        .components
        .iter()
        .filter(|it| it.state > State::Operational && !it.is_group)
        .map(|it| json!({"name": it.name, "state": outcome(it.state).id()}))
        .collect();
    let incidents = page.incidents.iter().take(MOST_INCIDENTS).map(|it| {
        let mut told = json!({"title": it.title});
        let mut put = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                told[name] = value.into();
            }
        };
        put("impact", it.impact.map(|impact| outcome(impact).id().to_owned()));
        put("status", it.status.clone());
        put("started_at", it.started_at.clone());
        if !it.components.is_empty() {
            told["components"] = json!(it.components);
        }
        told
    });
    Facts::from([
        ("provider".to_owned(), page.provider.into()),
        ("indicator".to_owned(), page.indicator.as_ref().map_or(Value::Null, |(word, _)| json!(word))),
        ("component".to_owned(), component),
        ("components_affected".to_owned(), affected.into()),
        ("incidents".to_owned(), incidents.collect()),
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
