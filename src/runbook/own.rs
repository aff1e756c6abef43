//! A runbook of the user's own: which alerts it is for, and what is checked, asked, called in and done for those.
//!
//! It adds to what triage would do by itself and takes nothing away: its checks run as soon as their `when` holds, its questions
//! come first, and what it calls in and does stands in the conclusion. Of several that fit, the one with the most conditions
//! is chosen, of equals the first by name. The surprise: a value an alert did not give leaves a check out, because half a URL
//! asks the wrong house.

mod file;
mod fill;
mod keys;
mod lint;

use crate::alert::Alert;
use crate::bucket::Bucket;
use crate::incident::{Incident, Step};
use crate::outcome::Outcome;
use crate::question::{Answer, QuestionId};
pub(super) use file::OwnFile;
pub use file::{Many, Match, OwnStep, When};
pub use fill::VARIABLES;
pub use keys::keys;
pub(super) use lint::problems;

use fill::Values;

/// One of the user's runbooks.
#[derive(Debug, Clone)]
pub struct Own {
    /// The file's name without its ending.
    pub name: String,
    /// What it is for, one line.
    pub title: String,
    /// The alerts it is for.
    pub matches: Match,
    /// What it adds, in order.
    pub steps: Vec<OwnStep>,
    /// The ids of the causes it brings.
    pub causes: Vec<String>,
}

/// What is believed when a `when` is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// What is known.
    pub incident: &'a Incident,
    /// The best boundary.
    pub bucket: Bucket,
    /// Its probability, 0 to 1.
    pub probability: f64,
    /// The best causes.
    pub causes: &'a [&'a str],
}

impl Own {
    /// Reads a file.
    pub(super) fn of(name: &str, file: &OwnFile) -> Self {
        Self {
            name: name.trim_end_matches(".yaml").trim_end_matches(".yml").to_owned(),
            title: file.title.clone(),
            matches: file.matches.clone(),
            steps: file.steps.clone(),
            causes: file.causes.iter().map(|cause| cause.entry.id.clone()).collect(),
        }
    }

    /// Why it is not for this incident: the first condition that fails; `None` when it is.
    #[must_use]
    pub fn refuses(&self, incident: &Incident) -> Option<String> {
        let refusals = incident.alerts.iter().map(|alert| self.matches.refuses(alert));
        let mut first = None;
        for refusal in refusals {
            first = Some(first.unwrap_or(refusal.clone()));
            refusal?;
        }
        first.flatten().or_else(|| incident.alerts.is_empty().then(|| "there is no alert".to_owned()))
    }

    /// The sentences of the steps that hold now, with their values.
    #[must_use]
    pub fn sentences(&self, now: &Moment<'_>, pick: fn(&OwnStep) -> Option<&String>) -> Vec<String> {
        let values = Values::of(now.incident);
        let holding = self.steps.iter().filter(|step| step.when.holds(now));
        holding.filter_map(pick).map(|text| values.sentence(text)).collect()
    }

    /// The questions it wants asked now, in its order.
    #[must_use]
    pub fn questions(&self, now: &Moment<'_>) -> Vec<QuestionId> {
        self.steps.iter().filter(|step| step.when.holds(now)).filter_map(|step| step.ask).collect()
    }

    /// The checks it wants run now; `available` has what the service's profile allows.
    #[must_use]
    pub fn checks(&self, now: &Moment<'_>, available: &[Step]) -> Vec<Step> {
        let values = Values::of(now.incident);
        let holding = self.steps.iter().filter(|step| step.when.holds(now));
        holding.filter_map(|step| check(step, &values, available)).collect()
    }
}

fn check(own: &OwnStep, values: &Values, available: &[Step]) -> Option<Step> {
    let kind = own.check?;
    let role = own.role.unwrap_or(crate::outcome::Role::Service);
    let same = |step: &&Step| {
        step.check == kind && step.role == role && (own.name.is_none() || step.name == own.name)
    };
    let known = available.iter().find(same);
    let target = match &own.target {
        Some(target) => values.strict(target)?,
        None => known?.target.clone(),
    };
    let mut with = known.filter(|_| own.target.is_none()).map(|step| step.with.clone()).unwrap_or_default();
    for (key, value) in &own.with {
        let filled = values.strict(&value.0)?;
        // A secret is named by the runbook's author, never by an alert.
        if filled.contains("env:") && !value.0.contains("env:") {
            return None;
        }
        with.insert(key.clone(), filled);
    }
    let name = own.name.clone().or_else(|| known.and_then(|step| step.name.clone()));
    Some(Step { check: kind, role, name, target, with })
}

impl Match {
    /// The first condition that this alert does not meet, in words.
    #[must_use]
    pub fn refuses(&self, alert: &Alert) -> Option<String> {
        let words = [
            ("service", &self.service, alert.service.as_deref()),
            ("endpoint", &self.endpoint, alert.endpoint.as_deref()),
            ("source", &self.source, Some(alert.source.as_str())),
            ("environment", &self.environment, alert.environment.as_deref()),
            ("region", &self.region, alert.region.as_deref()),
            ("title", &self.title, Some(alert.title.as_str())),
        ];
        let mut refusals =
            words.into_iter().filter_map(|(field, wanted, found)| unlike(field, wanted.as_ref(), found));
        if let Some(refusal) = refusals.next() {
            return Some(refusal);
        }
        if let Some(wanted) =
            self.status.as_ref().filter(|it| alert.http_status.is_none_or(|code| !it.0.contains(&code)))
        {
            let found = alert.http_status.map_or("not said".to_owned(), |code| code.to_string());
            return Some(format!("status is {found}, not {}", wanted.words()));
        }
        if let Some(wanted) =
            self.error.as_ref().filter(|it| alert.error.is_none_or(|error| !it.0.contains(&error)))
        {
            let ids: Vec<&str> = wanted.0.iter().map(|it| it.id()).collect();
            return Some(format!(
                "error is {}, not {}",
                alert.error.map_or("not said", |it| it.id()),
                ids.join(" or ")
            ));
        }
        if let Some(wanted) = self.severity.as_ref().filter(|it| !it.0.contains(&alert.severity)) {
            let ids: Vec<&str> = wanted.0.iter().map(|it| it.id()).collect();
            return Some(format!("severity is {}, not {}", alert.severity.id(), ids.join(" or ")));
        }
        self.labels.iter().find_map(|(label, wanted)| {
            unlike(&format!("label {label}"), Some(wanted), alert.labels.get(label).map(String::as_str))
        })
    }

    /// How many conditions it has.
    #[must_use]
    pub fn conditions(&self) -> usize {
        let words =
            [&self.service, &self.endpoint, &self.source, &self.environment, &self.region, &self.title];
        let said = words.into_iter().flatten().count();
        let listed = [self.status.is_some(), self.error.is_some(), self.severity.is_some()];
        said + listed.into_iter().filter(|it| *it).count() + self.labels.len()
    }
}

fn unlike(field: &str, wanted: Option<&Many<String>>, found: Option<&str>) -> Option<String> {
    let wanted = wanted?;
    if found.is_some_and(|found| wanted.0.iter().any(|pattern| is_like(pattern, found))) {
        return None;
    }
    Some(format!(
        "{field} is {}, not {}",
        found.map_or("not said".to_owned(), |it| format!("`{it}`")),
        wanted.words()
    ))
}

/// Whether a text is like a pattern; `*` stands for anything, and case matters.
fn is_like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(found) = rest.find(part) else { return false };
        rest = &rest[found + part.len()..];
    }
    rest.ends_with(last)
}

impl When {
    /// Whether all of its conditions hold; none at all always hold.
    #[must_use]
    pub fn holds(&self, now: &Moment<'_>) -> bool {
        let incident = now.incident;
        let status = |wanted: &Many<u16>| {
            incident.alerts.iter().any(|alert| alert.http_status.is_some_and(|it| wanted.0.contains(&it)))
        };
        let answered = |(question, wanted): (&QuestionId, &Many<String>)| match incident.answer(*question) {
            Some(Answer::Picked(picked)) => picked.iter().any(|it| wanted.0.contains(it)),
            Some(Answer::Text(text)) => wanted.0.iter().any(|it| it == text),
            Some(Answer::Unknown) => wanted.0.iter().any(|it| it == "unknown"),
            None => false,
        };
        let found = |(check, wanted): (&String, &Many<Outcome>)| {
            let reports = incident
                .steps
                .iter()
                .filter(|record| format!("{}.{}", record.step.check, record.step.role) == *check);
            reports.filter_map(|record| record.report()).any(|report| wanted.0.contains(&report.outcome))
        };
        self.status.as_ref().is_none_or(status)
            && self.answers.iter().all(answered)
            && self.outcomes.iter().all(found)
            && self.bucket.as_ref().is_none_or(|it| it.0.contains(&now.bucket))
            && self.cause.as_ref().is_none_or(|it| it.0.iter().any(|id| now.causes.contains(&id.as_str())))
            && self.probability.is_none_or(|least| now.probability >= least)
            && self.severity.as_ref().is_none_or(|it| it.0.contains(&incident.severity()))
    }
}

#[cfg(test)]
mod tests;
