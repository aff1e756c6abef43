//! What to find out next: the question or check that is expected to reduce the uncertainty most for what it costs.
//!
//! A person's attention is dearer than a probe's milliseconds. Of equals, the framework's order decides. What the alert,
//! an answer or a check already tells is never asked.

use crate::incident::{Incident, Step};
use crate::outcome::{CheckKind, Outcome, Role};
use crate::question::{Answer, QuestionId};
use crate::runbook::{Knowledge, Source};
use crate::triage::belief::Belief;
use crate::triage::observe::spoken;

/// A check is worth running from this share of the gain per cost that is asked of a question: it bothers nobody.
const CHECKS_ARE_CHEAPER: f64 = 0.1;

/// A question with what it is expected to tell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Worth {
    pub(crate) question: QuestionId,
    /// Bits per unit of cost.
    pub(crate) rate: f64,
}

/// The checks worth running now, of those not planned yet: cheap ones without asking what they tell, dearer ones when
/// they are expected to tell something.
pub(crate) fn checks(belief: &Belief<'_>, incident: &Incident, available: &[Step], first: bool) -> Vec<Step> {
    let knowledge = belief.knowledge();
    let planned = |step: &Step| incident.steps.iter().any(|record| record.step.key() == step.key());
    let worth = |step: &Step| {
        let cost = knowledge.cost(step.check);
        let (_, rate) = worth_of_check(belief, step);
        (first && cost <= knowledge.checks.first_wave) || rate >= knowledge.stop.gain * CHECKS_ARE_CHEAPER
    };
    available.iter().filter(|step| !planned(step) && worth(step)).cloned().collect()
}

/// What a check is expected to tell: bits, and bits per unit of cost.
pub(crate) fn worth_of_check(belief: &Belief<'_>, step: &Step) -> (f64, f64) {
    let knowledge = belief.knowledge();
    let gain = knowledge.variable(source_of(step)).map_or(0.0, |variable| belief.expected_gain(variable));
    (gain, gain / knowledge.cost(step.check))
}

/// The variable a step observes.
fn source_of(step: &Step) -> Source {
    match (step.role, step.name.as_deref()) {
        (Role::Service, Some("direct")) if step.check == CheckKind::Http => Source::Direct,
        (Role::Service, Some("direct")) => Source::Behind(step.check),
        (role, _) => Source::Check(step.check, role),
    }
}

/// The questions worth a person's attention, best first.
pub(crate) fn questions(belief: &Belief<'_>, incident: &Incident) -> Vec<Worth> {
    let knowledge = belief.knowledge();
    let mut worth: Vec<Worth> = QuestionId::ALL
        .into_iter()
        .filter(|question| !is_known(belief, incident, *question))
        .map(|question| Worth { question, rate: rate(belief, question) })
        .filter(|worth| worth.rate >= knowledge.stop.gain)
        .collect();
    // Stable: of equals, the framework's order.
    worth.sort_by(|left, right| right.rate.total_cmp(&left.rate));
    worth
}

/// Bits per cost, for a question that somebody may not be able to answer.
pub(crate) fn rate(belief: &Belief<'_>, question: QuestionId) -> f64 {
    let knowledge = belief.knowledge();
    let wording = knowledge.question(question);
    gain_of_question(belief, question) * wording.known / wording.cost
}

/// Bits that an answer is expected to tell.
pub(crate) fn gain_of_question(belief: &Belief<'_>, question: QuestionId) -> f64 {
    let variables: Vec<usize> = observed_by(belief.knowledge(), question);
    variables.iter().map(|variable| belief.expected_gain(*variable)).fold(0.0, f64::max)
}

/// The variables a question's answer observes.
fn observed_by(knowledge: &Knowledge, question: QuestionId) -> Vec<usize> {
    let sources = match question {
        QuestionId::StatusDistribution => vec![Source::Status],
        QuestionId::FailingRequest => vec![Source::Text, Source::Status],
        other => vec![Source::Question(other)],
    };
    sources.into_iter().filter_map(|source| knowledge.variable(source)).collect()
}

/// Whether there is no need, or no use, to ask.
pub(crate) fn is_known(belief: &Belief<'_>, incident: &Incident, question: QuestionId) -> bool {
    let asked = incident.questions.iter().any(|record| record.question == question);
    let told = |source: Source| belief.knowledge().variable(source).is_some_and(|it| belief.is_observed(it));
    let found =
        |kind: CheckKind, role: Role| spoken(incident, kind, role).map(|spoken| spoken.report.outcome);
    asked
        || match question {
            QuestionId::StatusDistribution => told(Source::Status),
            QuestionId::SpikeStart => incident.alerts.iter().any(|alert| alert.started_at.is_some()),
            QuestionId::TokenState => {
                [Role::Service, Role::Dependency]
                    .into_iter()
                    .any(|role| found(CheckKind::Token, role).is_some())
                    || told(Source::Question(question))
            }
            QuestionId::LimitHeaders => [Role::Service, Role::Dependency]
                .into_iter()
                .any(|role| found(CheckKind::RateLimit, role).is_some()),
            QuestionId::ChangeAtStart => {
                found(CheckKind::Deploys, Role::Service).is_some_and(|outcome| outcome != Outcome::NoneNear)
            }
            QuestionId::FailingRequest => matches!(incident.answer(question), Some(Answer::Text(_))),
            QuestionId::EvidenceComplete => true,
            other => told(Source::Question(other)),
        }
}
