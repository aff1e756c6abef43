//! What is known of an incident, as observations of the runbooks' variables.
//!
//! `unknown`, `error` and absence are no observations: could-not-tell never slides into no. Where the alert, an answer and
//! a check tell the same thing, the variable is observed once, by whoever looked at the failing requests themselves.

use std::collections::BTreeMap;

use crate::alert::{Alert, TransportError};
use crate::incident::{Incident, StepRecord};
use crate::outcome::{CheckKind, Outcome, Report, Role};
use crate::question::{Answer, QuestionId};
use crate::runbook::{Knowledge, Place, Source, Variable, is_healthy};
use crate::triage::signal;

/// Sources of alerts that a person makes.
const BY_HAND: [&str; 2] = ["terminal", "by_hand"];

/// Who told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Teller {
    /// The alert.
    Alert,
    /// A check.
    Check,
    /// A person.
    Person,
}

/// One variable, observed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Observation {
    /// Index of the variable.
    pub(crate) variable: usize,
    /// The values it may have, with weights that add up to 1; several where the telling was coarse.
    pub(crate) values: Vec<(usize, f64)>,
    /// Who told.
    pub(crate) teller: Teller,
}

/// Whether the dependency's endpoint or ours is meant, and which report speaks for it.
pub(crate) struct Spoken<'a> {
    /// The step that speaks for its kind and role: the worst of several.
    pub(crate) record: &'a StepRecord,
    /// What it found.
    pub(crate) report: &'a Report,
}

/// Everything observed, in the order of the variables; each variable at most once.
pub(crate) fn observe(knowledge: &Knowledge, incident: &Incident) -> Vec<Observation> {
    let mut found: BTreeMap<usize, Observation> = BTreeMap::new();
    let mut note = |observation: Option<Observation>| {
        if let Some(observation) = observation {
            found.entry(observation.variable).or_insert(observation);
        }
    };
    for (index, variable) in knowledge.variables.iter().enumerate() {
        match variable.source {
            Source::Check(kind, role) => note(check(index, variable, spoken(incident, kind, role))),
            Source::Behind(kind) => note(check(index, variable, behind(incident, kind))),
            Source::Direct => note(direct(index, variable, incident)),
            Source::Status => note(status(index, variable, knowledge, incident)),
            Source::Question(question) => {
                note(answer(index, variable, incident.answer(question)));
            }
            Source::Text => {}
        }
    }
    for told in words(knowledge, incident) {
        note(Some(told));
    }
    note(scope_of_the_endpoint(knowledge, incident));
    found.into_values().collect()
}

/// The report that speaks for a kind and role: of several (dependencies), the first that found something, else the first.
pub(crate) fn spoken(incident: &Incident, kind: CheckKind, role: Role) -> Option<Spoken<'_>> {
    let of_service = |record: &StepRecord| role == Role::Dependency || record.step.name.is_none();
    pick(incident, kind, |record| record.step.role == role && of_service(record))
}

/// The report about the application behind the gateway.
pub(crate) fn behind(incident: &Incident, kind: CheckKind) -> Option<Spoken<'_>> {
    pick(incident, kind, |record| {
        record.step.name.as_deref() == Some("direct") && record.step.role == Role::Service
    })
}

fn pick(incident: &Incident, kind: CheckKind, wanted: impl Fn(&StepRecord) -> bool) -> Option<Spoken<'_>> {
    let mut told: Vec<Spoken<'_>> = incident
        .steps
        .iter()
        .filter(|record| record.step.check == kind && wanted(record))
        .filter_map(|record| Some(Spoken { record, report: record.report()? }))
        .filter(|spoken| spoken.report.outcome != Outcome::Error)
        .collect();
    let worst = told.iter().position(|spoken| !is_healthy(kind, spoken.report.outcome)).unwrap_or(0);
    if told.is_empty() { None } else { Some(told.swap_remove(worst)) }
}

fn check(index: usize, variable: &Variable, spoken: Option<Spoken<'_>>) -> Option<Observation> {
    let value = variable.value(spoken?.report.outcome.id())?;
    Some(Observation { variable: index, values: vec![(value, 1.0)], teller: Teller::Check })
}

/// The gateway's face fails: does the application behind it fail too? Says nothing while the face is healthy.
fn direct(index: usize, variable: &Variable, incident: &Incident) -> Option<Observation> {
    let face = spoken(incident, CheckKind::Http, Role::Service)?.report.outcome;
    let app = behind(incident, CheckKind::Http)?.report.outcome;
    if is_healthy(CheckKind::Http, face) {
        return None;
    }
    let value = if is_healthy(CheckKind::Http, app) { "healthy" } else { "same_failure" };
    let value = variable.value(value)?;
    Some(Observation { variable: index, values: vec![(value, 1.0)], teller: Teller::Check })
}

fn answer(index: usize, variable: &Variable, given: Option<&Answer>) -> Option<Observation> {
    let values: Vec<usize> = match given? {
        Answer::Unknown => return None,
        Answer::Picked(picked) => picked.iter().filter_map(|it| variable.value(it)).collect(),
        Answer::Text(text) => match variable.source {
            Source::Question(QuestionId::SpikeStart) => variable.value("instant").into_iter().collect(),
            Source::Question(QuestionId::CorrelatedDependency) => {
                variable.value("named").into_iter().collect()
            }
            // The headers themselves.
            Source::Question(QuestionId::LimitHeaders) => {
                let none = text.to_ascii_lowercase();
                let value = if none.starts_with("no ") { "no" } else { "yes" };
                variable.value(value).into_iter().collect()
            }
            _ => return None,
        },
    };
    mixed(index, values.into_iter().map(|value| (value, 1.0)), Teller::Person)
}

/// The failing status: the alert's own, else its transport error, else what its words or a failing request name, else
/// what a person says of the distribution, else what is met there now.
fn status(
    index: usize,
    variable: &Variable,
    knowledge: &Knowledge,
    incident: &Incident,
) -> Option<Observation> {
    let code = |status: u16| variable.codes.get(&status).copied();
    if let Some(value) =
        incident.alerts.iter().find_map(|alert| alert_status(knowledge, alert).and_then(code))
    {
        return mixed(index, [(value, 1.0)], Teller::Alert);
    }
    if let Some(error) = incident.alerts.iter().find_map(|alert| alert.error) {
        let value = variable.value(transport_value(error))?;
        return mixed(index, [(value, 1.0)], Teller::Alert);
    }
    let request = match incident.answer(QuestionId::FailingRequest) {
        Some(Answer::Text(text)) => signal::status(knowledge, text).and_then(code),
        _ => None,
    };
    if let Some(value) = request {
        return mixed(index, [(value, 1.0)], Teller::Person);
    }
    let said: Vec<(usize, f64)> = match incident.answer(QuestionId::StatusDistribution) {
        None | Some(Answer::Unknown) => return seen_now(index, variable, incident),
        Some(Answer::Text(text)) => signal::shares(text)
            .into_iter()
            .filter_map(|(status, share)| Some((code(status)?, share)))
            .collect(),
        Some(Answer::Picked(picked)) => {
            picked.iter().flat_map(|answer| stands_for(variable, answer)).collect()
        }
    };
    mixed(index, said, Teller::Person)
}

/// Nobody says with what status it fails: then what our endpoint answers now stands in for the alert's, and is as little a
/// test of itself as an alert is. A monitor's endpoint that only asks who we are has told nothing: the probe carries no token,
/// the failing callers do. A person who names the address means what is met there.
fn seen_now(index: usize, variable: &Variable, incident: &Incident) -> Option<Observation> {
    let spoken = spoken(incident, CheckKind::Http, Role::Service)?;
    let with = &spoken.record.step.with;
    let by_hand = incident.alerts.iter().any(|alert| BY_HAND.contains(&alert.source.as_str()));
    let is_known = by_hand || with.keys().any(|key| key == "bearer" || key == "header.authorization");
    let asks_who = matches!(spoken.report.outcome, Outcome::Unauthorized | Outcome::Forbidden);
    if asks_who && !is_known {
        return None;
    }
    let answered = || {
        let status = spoken.report.facts.get("status")?.as_u64()?;
        variable.codes.get(&u16::try_from(status).ok()?).copied()
    };
    let value = match spoken.report.outcome {
        Outcome::Timeout => variable.value("timeout"),
        Outcome::Reset => variable.value("reset"),
        Outcome::Unresolved => variable.value("dns"),
        Outcome::Unreachable => variable.value("connect"),
        Outcome::Untrusted => variable.value("tls"),
        Outcome::BadBody => variable.value("2xx"),
        Outcome::RedirectLoop => variable.value("3xx"),
        outcome if is_healthy(CheckKind::Http, outcome) => None,
        _ => answered(),
    }?;
    mixed(index, [(value, 1.0)], Teller::Alert)
}

/// A picked class of statuses, spread evenly over its members.
fn stands_for(variable: &Variable, answer: &str) -> Vec<(usize, f64)> {
    let members = variable.answers.get(answer).cloned();
    let members = members.unwrap_or_else(|| variable.value(answer).into_iter().collect());
    // Each member in full: "one of these" is as likely as the most likely of them, not as their mean.
    members.into_iter().map(|value| (value, 1.0)).collect()
}

fn alert_status(knowledge: &Knowledge, alert: &Alert) -> Option<u16> {
    alert.http_status.filter(|status| *status >= 300).or_else(|| {
        if alert.error.is_some() {
            return None;
        }
        let title = signal::status(knowledge, &alert.title);
        title.or_else(|| signal::status(knowledge, alert.summary.as_deref()?)).filter(|status| *status >= 400)
    })
}

fn transport_value(error: TransportError) -> &'static str {
    error.id()
}

/// How much more a fact weighs than a word: somebody measured it.
const FACT: f64 = 3.0;

/// Votes for the values of variables, and the best teller of each.
#[derive(Default)]
struct Votes(BTreeMap<usize, (BTreeMap<usize, f64>, Option<Teller>)>);

impl Votes {
    fn add(&mut self, (variable, value): (usize, usize), weight: f64, teller: Teller) {
        let (values, best) = self.0.entry(variable).or_default();
        let known = values.entry(value).or_insert(weight);
        *known = known.max(weight);
        *best = (*best).max(Some(teller));
    }

    fn read(&mut self, knowledge: &Knowledge, place: Place, teller: Teller, text: &str) {
        for set in signal::read(knowledge, place, text) {
            self.add(set, 1.0, teller);
        }
    }
}

/// What facts of checks and the words of the alert, the failing request and error bodies speak of. Several signals of one
/// variable share it. What is said of a healthy answer tells nothing about a failing one.
fn words(knowledge: &Knowledge, incident: &Incident) -> Vec<Observation> {
    let mut votes = Votes::default();
    for report in [CheckKind::Http, CheckKind::Token].into_iter().filter_map(|kind| failing(incident, kind)) {
        for rule in knowledge.facts.iter().filter(|rule| rule.check.is_none_or(|kind| kind == report.check)) {
            let told = report.facts.get(&rule.fact);
            if told.is_some_and(|value| rule.is.is_empty() || is_one_of(value, &rule.is)) {
                rule.sets.iter().for_each(|set| votes.add(*set, FACT, Teller::Check));
            }
        }
    }
    for alert in &incident.alerts {
        votes.read(knowledge, Place::Alert, Teller::Alert, &alert.title);
        votes.read(knowledge, Place::Alert, Teller::Alert, alert.summary.as_deref().unwrap_or_default());
    }
    if let Some(Answer::Text(text)) = incident.answer(QuestionId::FailingRequest) {
        votes.read(knowledge, Place::Request, Teller::Person, text);
    }
    for report in incident.steps.iter().filter_map(StepRecord::report) {
        if report.check == CheckKind::Http && !is_healthy(report.check, report.outcome) {
            for text in knowledge.bodies.iter().filter_map(|path| text_at(report, path)) {
                votes.read(knowledge, Place::Body, Teller::Check, text);
            }
        }
    }
    let told = votes.0.into_iter();
    told.filter_map(|(variable, (values, teller))| mixed(variable, values, teller?)).collect()
}

/// The report on our endpoint, when it found something.
fn failing(incident: &Incident, kind: CheckKind) -> Option<&Report> {
    let report = spoken(incident, kind, Role::Service)?.report;
    (!is_healthy(kind, report.outcome)).then_some(report)
}

/// The text at a dotted path of a report's facts.
fn text_at<'a>(report: &'a Report, path: &str) -> Option<&'a str> {
    let mut keys = path.split('.');
    let first = report.facts.get(keys.next()?)?;
    keys.try_fold(first, |value, key| value.get(key))?.as_str()
}

fn is_one_of(value: &serde_json::Value, words: &[String]) -> bool {
    match value {
        serde_json::Value::String(text) => words.contains(text),
        serde_json::Value::Number(number) => words.contains(&number.to_string()),
        serde_json::Value::Array(items) => items.iter().any(|item| is_one_of(item, words)),
        _ => false,
    }
}

/// An alert on `/*` speaks of all endpoints, or at least of several.
fn scope_of_the_endpoint(knowledge: &Knowledge, incident: &Incident) -> Option<Observation> {
    let index = knowledge.variable(Source::Question(QuestionId::EndpointScope))?;
    let variable = &knowledge.variables[index];
    let everything = incident.alerts.iter().any(|alert| alert.endpoint.as_deref() == Some("/*"));
    let weights = [(variable.value("all")?, 0.75), (variable.value("several")?, 0.25)];
    if everything { mixed(index, weights, Teller::Alert) } else { None }
}

/// An observation whose weights add up to 1; none without values.
fn mixed(
    variable: usize,
    values: impl IntoIterator<Item = (usize, f64)>,
    teller: Teller,
) -> Option<Observation> {
    let mut merged: BTreeMap<usize, f64> = BTreeMap::new();
    for (value, weight) in values {
        *merged.entry(value).or_default() += weight;
    }
    let sum: f64 = merged.values().sum();
    let values: Vec<(usize, f64)> = merged.into_iter().map(|(value, weight)| (value, weight / sum)).collect();
    if values.is_empty() { None } else { Some(Observation { variable, values, teller }) }
}

/// The observation in a person's words.
pub(crate) fn say(knowledge: &Knowledge, observation: &Observation, dependency: &str) -> String {
    let variable = &knowledge.variables[observation.variable];
    let value = |index: usize| variable.values[index].replace('_', " ");
    let values: Vec<String> = observation.values.iter().map(|(index, _)| value(*index)).collect();
    let values =
        if values.len() > 3 { format!("{} and others", values[..2].join(", ")) } else { values.join(" or ") };
    variable.says.replace("{{value}}", &values).replace("{{dependency}}", dependency)
}
