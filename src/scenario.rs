//! Replays labelled incidents through triage without a network, and scores the conclusions.
//!
//! Triage sees the alert alone; an answer or an outcome becomes known when it is asked for or run, and `unknown` or `error`
//! come back where the file is silent. The file's name, `id`, `title`, `based_on` and `truth` never reach it.

pub mod record;
mod score;

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::alert::Alert;
use crate::bucket::Bucket;
use crate::incident::{Conclusion, Event, Incident, IncidentId, Recorded, Step};
use crate::outcome::{CheckKind, Facts, Outcome, Report, Role};
use crate::profile::ServiceProfile;
use crate::question::{Answer, QuestionId};
use crate::runbook::Knowledge;
use crate::triage::{self, Action};
use crate::yaml::{self, Problem};

pub use score::{Scored, Summary, is_correct, summary};

/// When a scenario's alert says no start. Any fixed moment will do: replays know no clock.
const SOME_MOMENT: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// One labelled incident.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The alert.
    pub alert: Alert,
    /// What the person on call would answer.
    pub answers: BTreeMap<QuestionId, Answer>,
    /// What each check would find.
    pub checks: Vec<Finding>,
    /// What it really was; absent when there is nothing to score against.
    pub truth: Option<Truth>,
}

/// What a check would find.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The kind of check.
    pub check: CheckKind,
    /// Whose endpoint.
    pub target: Role,
    /// The outcome.
    pub outcome: Outcome,
    /// Facts behind it, where the scenario has them.
    #[serde(default)]
    pub facts: Facts,
}

/// What it really was.
#[derive(Debug, Clone, Deserialize)]
pub struct Truth {
    /// The boundary that failed first.
    pub bucket: Bucket,
    /// In words.
    #[serde(default)]
    pub cause: String,
    /// The failing dependency's name.
    #[serde(default)]
    pub dependency: Option<String>,
    /// A second boundary, where the engineers themselves were divided.
    #[serde(default)]
    pub also_acceptable: Vec<Bucket>,
}

#[derive(Deserialize)]
struct File {
    alert: Alert,
    #[serde(default)]
    answers: BTreeMap<QuestionId, Reply>,
    #[serde(default)]
    checks: Vec<Finding>,
    #[serde(default)]
    truth: Option<Truth>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Reply {
    One(String),
    Several(Vec<String>),
}

impl Scenario {
    /// Reads a scenario file.
    ///
    /// # Errors
    /// The first problem, with its place.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problem> {
        let read: File = yaml::read(file, text)?;
        let mut answers = BTreeMap::new();
        for (question, reply) in read.answers {
            let reply = match reply {
                Reply::One(reply) => reply,
                Reply::Several(replies) => replies.join(", "),
            };
            let answer = Answer::parse(question, &reply).map_err(|error| {
                Problem::at(file, yaml::place(text, "answers:", question.id()), error.to_string())
            })?;
            answers.insert(question, answer);
        }
        let wrong =
            |it: &&Finding| it.outcome != Outcome::Error && !it.check.outcomes().contains(&it.outcome);
        if let Some(finding) = read.checks.iter().find(wrong) {
            let place = yaml::place(text, &format!("check: {}, ", finding.check), finding.outcome.id());
            let message = format!("`{}` is no outcome of {}", finding.outcome, finding.check);
            let known = finding.check.outcomes().iter().map(|outcome| outcome.id());
            return Err(Problem::at(file, place, message).did_you_mean(finding.outcome.id(), known));
        }
        Ok(Self { alert: read.alert, answers, checks: read.checks, truth: read.truth })
    }

    fn find(&self, step: &Step) -> Report {
        let found = self.checks.iter().find(|it| it.check == step.check && it.target == step.role);
        match found {
            Some(finding) => Report {
                check: finding.check,
                target: step.target.clone(),
                outcome: finding.outcome,
                facts: finding.facts.clone(),
                summary: String::new(),
                took_ms: 0.0,
                phases_ms: BTreeMap::new(),
            },
            None => Report::error(step.check, &step.target, "it cannot be run here"),
        }
    }
}

/// A replayed incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// Questions put to a person, in order.
    pub asked: Vec<QuestionId>,
    /// Checks run, in order.
    pub checked: Vec<(CheckKind, Role)>,
    /// What triage said at its end.
    pub conclusion: Conclusion,
    /// The whole log.
    pub log: Vec<Recorded>,
}

/// Replays a scenario: the same scenario and knowledge give the same bytes.
///
/// # Panics
/// Never: triage always ends in a conclusion (a property test holds that).
#[must_use]
pub fn replay(knowledge: &Knowledge, scenario: &Scenario) -> Replay {
    let mut now = scenario.alert.started_at.unwrap_or(SOME_MOMENT);
    let mut incident = Incident::new(IncidentId::from_seed(0));
    let mut log = Vec::new();
    let mut asked = Vec::new();
    let mut checked = Vec::new();
    let opened = Event::Opened { key: scenario.alert.incident_key(), profile: ServiceProfile::default() };
    let mut events = VecDeque::from([opened, Event::AlertReceived { alert: scenario.alert.clone() }]);
    while let Some(event) = events.pop_front() {
        now = now.checked_add(SignedDuration::from_secs(1)).unwrap_or(now);
        let stepped = triage::step_with(knowledge, incident, event, now, &|_| every_check());
        incident = stepped.incident;
        log.extend(stepped.recorded);
        for action in stepped.actions {
            match action {
                Action::RunCheck { step } => {
                    checked.push((step.check, step.role));
                    events.push_back(Event::CheckReported { step: step.key(), report: scenario.find(&step) });
                }
                Action::Ask { question, .. } => {
                    asked.push(question);
                    let answer = scenario.answers.get(&question).cloned().unwrap_or(Answer::Unknown);
                    events.push_back(Event::AnswerGiven { question, answer, by: "scenario".to_owned() });
                }
                Action::OpenThread
                | Action::StopWaiting { .. }
                | Action::Settle { .. }
                | Action::Wake { .. }
                | Action::Say { .. }
                | Action::FileIssue => {}
            }
        }
    }
    let conclusion = incident.conclusion.expect("every check and question is answered, so triage has ended");
    Replay { asked, checked, conclusion, log }
}

/// In a replay every check can be asked for; what cannot be run says `error`.
fn every_check() -> Vec<Step> {
    let kinds = CheckKind::ALL.iter();
    kinds
        .flat_map(|check| [Role::Service, Role::Dependency].map(|role| (*check, role)))
        .map(|(check, role)| Step {
            check,
            role,
            name: None,
            target: role.id().to_owned(),
            with: BTreeMap::new(),
        })
        .collect()
}

#[cfg(test)]
mod tests;
