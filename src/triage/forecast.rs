//! What would come of an alert, before anything is probed and anybody is asked: a dry run.
//!
//! The same belief, plan and worth that [`super::step`] decides with, written down instead of acted on. What comes after the
//! first observation depends on it, so the order here is the order as things stand now.

use serde::Serialize;

use crate::bucket::Bucket;
use crate::incident::{Incident, Reason, Step};
use crate::question::QuestionId;
use crate::runbook::Knowledge;
use crate::triage::belief::Belief;
use crate::triage::{conclude, next, observe, plan};

/// What triage would do with an incident that has just begun.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Forecast {
    /// The five runbooks, likeliest first.
    pub runbooks: Vec<Ranked>,
    /// The checks the profile allows, in the order in which they would be run.
    pub checks: Vec<ForeseenCheck>,
    /// The questions, in the order in which they would be asked.
    pub questions: Vec<ForeseenQuestion>,
}

/// A runbook and how far the alert speaks for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranked {
    /// Its boundary.
    pub bucket: Bucket,
    /// Its probability, 0 to 1.
    pub probability: f64,
    /// Its best cause so far.
    pub best_cause: String,
    /// What of the alert speaks for it or against it, strongest first, in decibans.
    pub reasons: Vec<Reason>,
}

/// When something would come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// At once.
    AtOnce,
    /// After what comes at once, as far as that leaves it worth its cost.
    IfStillOpen,
    /// Not as things stand: it would tell too little for its cost, or the alert tells it already.
    NotNow,
}

/// A check, foreseen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ForeseenCheck {
    /// The check with everything its probe needs.
    #[serde(flatten)]
    pub step: Step,
    /// When it would be run.
    pub when: When,
    /// By how many bits it is expected to reduce the uncertainty about the boundary.
    pub gain_bits: f64,
    /// The same per unit of cost; a glance at a dashboard costs 1.
    pub bits_per_cost: f64,
}

/// A question, foreseen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ForeseenQuestion {
    /// The question.
    pub question: QuestionId,
    /// When it would be asked: never at once while there are checks to run, since questions wait for them.
    pub when: When,
    /// Whether it is known, or of no use to ask.
    pub is_known: bool,
    /// By how many bits a known answer is expected to reduce the uncertainty about the boundary.
    pub gain_bits: f64,
    /// The same, for somebody who may not be able to tell, per unit of cost.
    pub bits_per_cost: f64,
}

/// Foresees what triage would do next with this incident.
#[must_use]
pub fn forecast(knowledge: &Knowledge, incident: &Incident) -> Forecast {
    let belief = Belief::new(knowledge, observe::observe(knowledge, incident));
    let checks = checks(&belief, incident);
    Forecast {
        runbooks: runbooks(&belief, incident),
        questions: questions(&belief, incident, checks.iter().any(|check| check.when == When::AtOnce)),
        checks,
    }
}

fn runbooks(belief: &Belief<'_>, incident: &Incident) -> Vec<Ranked> {
    let mut ranked: Vec<Ranked> = belief
        .buckets()
        .into_iter()
        .map(|(bucket, probability)| Ranked {
            bucket,
            probability,
            best_cause: conclude::best_cause(belief, bucket),
            reasons: conclude::reasons_for(belief, incident, bucket),
        })
        .collect();
    ranked.sort_by(|left, right| right.probability.total_cmp(&left.probability));
    ranked
}

/// What is run at once stands in the framework's order, as it is run; the rest by what it would tell.
fn checks(belief: &Belief<'_>, incident: &Incident) -> Vec<ForeseenCheck> {
    let available = plan::steps(incident);
    let first = next::checks(belief, incident, &available, incident.steps.is_empty());
    let foreseen = |step: Step| {
        let (gain_bits, bits_per_cost) = next::worth_of_check(belief, &step);
        let when = if first.contains(&step) { When::AtOnce } else { When::NotNow };
        ForeseenCheck { step, when, gain_bits, bits_per_cost }
    };
    let mut all: Vec<ForeseenCheck> = available.into_iter().map(foreseen).collect();
    all.sort_by(|left, right| match (left.when, right.when) {
        (When::AtOnce, When::AtOnce) => std::cmp::Ordering::Equal,
        (When::AtOnce, _) => std::cmp::Ordering::Less,
        (_, When::AtOnce) => std::cmp::Ordering::Greater,
        _ => right.bits_per_cost.total_cmp(&left.bits_per_cost),
    });
    all
}

fn questions(belief: &Belief<'_>, incident: &Incident, checks_come_first: bool) -> Vec<ForeseenQuestion> {
    let stop = &belief.knowledge().stop;
    let mut all: Vec<ForeseenQuestion> = QuestionId::ALL
        .into_iter()
        .filter(|question| *question != QuestionId::EvidenceComplete)
        .map(|question| {
            let is_known = next::is_known(belief, incident, question);
            let bits_per_cost = next::rate(belief, question);
            let when = if is_known || bits_per_cost < stop.gain { When::NotNow } else { When::IfStillOpen };
            ForeseenQuestion {
                question,
                when,
                is_known,
                gain_bits: next::gain_of_question(belief, question),
                bits_per_cost,
            }
        })
        .collect();
    // Stable: of equals, the framework's order.
    all.sort_by(|left, right| {
        left.is_known.cmp(&right.is_known).then(right.bits_per_cost.total_cmp(&left.bits_per_cost))
    });
    if !checks_come_first && let Some(best) = all.first_mut().filter(|it| it.when == When::IfStillOpen) {
        best.when = When::AtOnce;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Alert;
    use crate::incident::{Event, IncidentId};
    use crate::outcome::CheckKind;
    use crate::profile::ServiceProfile;

    fn foreseen(status: Option<u16>, url: Option<&str>) -> Forecast {
        let mut alert = Alert::titled("generic", "orders fails");
        alert.http_status = status;
        let profile =
            ServiceProfile { url: url.map(|url| url.parse().unwrap()), ..ServiceProfile::default() };
        let mut incident = Incident::new(IncidentId::from_seed(0));
        let opened = Event::Opened { key: alert.incident_key(), profile };
        for event in [opened, Event::AlertReceived { alert }] {
            incident.record(event, jiff::Timestamp::UNIX_EPOCH);
        }
        forecast(&Knowledge::builtin(), &incident)
    }

    #[test]
    fn the_alerts_status_ranks_the_runbooks_and_says_so() {
        let forecast = foreseen(Some(429), None);
        assert_eq!(forecast.runbooks[0].bucket, Bucket::RateLimit);
        assert!(forecast.runbooks[0].reasons[0].decibans > 0.0, "{:?}", forecast.runbooks[0]);
        let server = forecast.runbooks.iter().find(|ranked| ranked.bucket == Bucket::Server).unwrap();
        assert!(server.reasons[0].decibans < 0.0, "{server:?}");
        let sum: f64 = forecast.runbooks.iter().map(|ranked| ranked.probability).sum();
        assert!((sum - 1.0).abs() < 1e-9);
    }

    #[test]
    fn questions_wait_for_the_checks_and_without_any_the_best_is_asked_at_once() {
        let with = foreseen(Some(504), Some("https://api.example.com/v1"));
        assert!(with.checks.iter().any(|it| it.step.check == CheckKind::Http && it.when == When::AtOnce));
        assert!(with.questions.iter().all(|it| it.when != When::AtOnce));
        let without = foreseen(Some(504), None);
        assert_eq!(without.checks, []);
        assert_eq!(without.questions[0].when, When::AtOnce);
        assert!(without.questions[0].bits_per_cost >= without.questions[1].bits_per_cost);
    }

    #[test]
    fn what_the_alert_tells_is_never_asked() {
        let told = foreseen(Some(500), None);
        let status = told.questions.iter().find(|it| it.question == QuestionId::StatusDistribution).unwrap();
        assert!(status.is_known && status.when == When::NotNow);
    }

    /// The forecast's order is the order of [`crate::triage::step`]: the same checks at once, or the same first question.
    #[test]
    fn what_is_foreseen_is_what_triage_does() {
        use crate::triage::{Action, step};
        let knowledge = Knowledge::builtin();
        for url in [Some("https://api.example.com/v1"), None] {
            let mut alert = Alert::titled("generic", "orders fails");
            alert.http_status = Some(503);
            let profile =
                ServiceProfile { url: url.map(|url| url.parse().unwrap()), ..ServiceProfile::default() };
            let mut incident = Incident::new(IncidentId::from_seed(0));
            let now = jiff::Timestamp::UNIX_EPOCH;
            incident.record(Event::Opened { key: alert.incident_key(), profile }, now);
            let stepped = step(&knowledge, incident, Event::AlertReceived { alert }, now);
            let forecast = foreseen(Some(503), url);
            let at_once: Vec<Step> =
                forecast.checks.into_iter().filter(|it| it.when == When::AtOnce).map(|it| it.step).collect();
            let ran: Vec<Step> = stepped
                .actions
                .iter()
                .filter_map(|action| match action {
                    Action::RunCheck { step } => Some(step.clone()),
                    _ => None,
                })
                .collect();
            assert_eq!(at_once, ran);
            let asked = stepped.actions.iter().find_map(|action| match action {
                Action::Ask { question, .. } => Some(*question),
                _ => None,
            });
            let first = forecast.questions.iter().find(|it| it.when == When::AtOnce).map(|it| it.question);
            assert_eq!(asked, first);
        }
    }
}
