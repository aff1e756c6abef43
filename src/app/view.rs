//! What leaves the app of one incident: its JSON document ([`Document`]).
//!
//! Nothing here is raw. The document's field names are promised in the interface; fields may be added, none changes its
//! meaning.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::alert::{Alert, Severity};
use crate::app::perform;
use crate::bucket::Bucket;
use crate::incident::{
    Conclusion, Hypothesis, Incident, IncidentId, Reason, Stage, StepState, Stopped, TimelineEntry,
};
use crate::outcome::{CheckKind, Facts, Outcome, Role};
use crate::question::{Answer, Choice, QuestionId};
use crate::runbook::{self, Knowledge};
use crate::store::Pending;

/// An incident as `GET /api/incidents/{id}` shows it. Redacted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Document {
    /// Its name.
    pub id: IncidentId,
    /// `triaging`, `clarity`, `unclear`, `resolved` or `closed`.
    pub state: Stage,
    /// One line.
    pub title: String,
    /// The service.
    pub service: Option<String>,
    /// URL, path or host that fails.
    pub endpoint: Option<String>,
    /// The highest severity any alert said.
    pub severity: Severity,
    /// What triage says the boundary is (a person's correction wins), or the best guess so far; null before the first.
    pub bucket: Option<Bucket>,
    /// The probability of the best bucket, 0 to 1.
    pub probability: Option<f64>,
    /// The next likely boundary.
    pub runner_up: Option<Bucket>,
    /// All boundaries; they add up to 1.
    pub buckets: BTreeMap<Bucket, f64>,
    /// `clarity` or `unclear` once triage stopped.
    pub stopped: Option<Stopped>,
    /// The one or two best hypotheses, best first.
    pub hypotheses: Vec<Hypothesis>,
    /// The same, by id and probability alone.
    pub causes: Vec<Cause>,
    /// The experiment that settles it.
    pub next_experiment: Option<String>,
    /// The failing dependency, when the best hypothesis lies in one.
    pub dependency: Option<String>,
    /// What moved the belief, strongest first.
    pub reasons: Vec<Reason>,
    /// What was ruled out, and by what.
    pub ruled_out: Vec<String>,
    /// What nobody could tell.
    pub missing: Vec<String>,
    /// Whose it is.
    pub assignee: Option<String>,
    /// Until when nobody is asked.
    pub snoozed_until: Option<Timestamp>,
    /// Questions that wait for a person.
    pub open_questions: Vec<OpenQuestion>,
    /// Every question that was put to a person, in order.
    pub asked: Vec<QuestionId>,
    /// Every question and its latest answer.
    pub answers: Vec<Answered>,
    /// Checks, in order of planning.
    pub checks: Vec<Check>,
    /// Its alerts, the latest state of each.
    pub alerts: Vec<Alert>,
    /// How many alert deliveries were folded in.
    pub alert_count: u64,
    /// The history.
    pub timeline: Vec<TimelineEntry>,
    /// When the fault began.
    pub started_at: Option<Timestamp>,
    /// When the first alert arrived.
    pub alerted_at: Option<Timestamp>,
    /// When triage stopped.
    pub concluded_at: Option<Timestamp>,
    /// When the problem ended.
    pub resolved_at: Option<Timestamp>,
    /// Seconds from the fault's start to the first alert.
    pub mttd_s: Option<f64>,
    /// Seconds from the first alert to clarity.
    pub mttc_s: Option<f64>,
    /// Seconds from the fault's start to its end.
    pub mttr_s: Option<f64>,
    /// Seconds that triage waited for people.
    pub human_wait_s: f64,
    /// Where the issue can be read: a URL, or a path of the folder tracker.
    pub issue: Option<String>,
    /// The tracker's own reference to it (`owner/repo#12`).
    pub issue_reference: Option<String>,
    /// Actions that failed and wait, or were given up.
    pub troubles: Vec<Trouble>,
}

/// A named cause and its probability.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cause {
    /// Its id in the runbooks.
    pub id: String,
    /// Its probability, 0 to 1.
    pub probability: f64,
}

/// A question that waits for a person.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OpenQuestion {
    /// The question.
    pub question: QuestionId,
    /// Its wording.
    pub ask: String,
    /// Why it is asked, as it goes on after "asked because".
    pub because: String,
    /// The closed answers; `unknown` is always taken.
    pub answers: Vec<Choosable>,
    /// How many may be picked, and whether words are understood.
    pub choice: Choice,
    /// When it was asked.
    pub asked_at: Option<Timestamp>,
    /// Whom it was passed on to.
    pub passed_to: Option<String>,
}

/// A closed answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choosable {
    /// What to send.
    pub id: String,
    /// What the person reads.
    pub label: String,
}

impl Choosable {
    /// The closed answers of a question.
    pub(super) fn of(wording: &runbook::Question) -> Vec<Self> {
        wording.answers.iter().map(|it| Self { id: it.id.clone(), label: it.label.clone() }).collect()
    }
}

/// A question and its latest answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answered {
    /// The question.
    pub question: QuestionId,
    /// The answer as text: ids with commas, `unknown`, or words.
    pub answer: String,
    /// Who gave it.
    pub by: Option<String>,
    /// When.
    pub at: Option<Timestamp>,
}

/// A check of the incident.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// Its kind.
    pub check: CheckKind,
    /// `service` or `dependency`.
    pub role: Role,
    /// The dependency's name, or what tells it from others of its kind.
    pub name: Option<String>,
    /// What was checked.
    pub target: String,
    /// `planned`, `running` or `reported`.
    pub state: &'static str,
    /// The finding.
    pub outcome: Option<Outcome>,
    /// One sentence.
    pub summary: Option<String>,
    /// The facts behind it.
    pub facts: Facts,
    /// How long it took, in milliseconds.
    pub took_ms: Option<f64>,
    /// How long its phases took, in milliseconds.
    pub phases_ms: BTreeMap<String, f64>,
    /// What `firstcheck check` would exit with: 0 healthy, 1 a finding, 3 it could not be run. For pages, not for the API.
    #[serde(skip)]
    pub exit_status: Option<u8>,
}

impl Check {
    /// What tells it from every other check of the incident, as [`crate::incident::Step::key`].
    #[must_use]
    pub fn key(&self) -> String {
        match &self.name {
            Some(name) => format!("{} {} {name}", self.check, self.role),
            None => format!("{} {}", self.check, self.role),
        }
    }
}

/// An action that failed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trouble {
    /// What was tried.
    pub what: &'static str,
    /// Why it failed the last time.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried again; null when it was given up.
    pub retry_at: Option<Timestamp>,
}

impl Document {
    /// The document of a redacted incident.
    pub(super) fn of(incident: Incident, knowledge: &Knowledge, troubles: Vec<Trouble>) -> Self {
        let ranked = ranked(&incident);
        let conclusion = incident.conclusion.as_ref();
        let corrected = incident.reclassified.as_ref().map(|(bucket, _)| *bucket);
        let texts = |pick: fn(&Conclusion) -> &Vec<String>| conclusion.map(pick).cloned().unwrap_or_default();
        let hypotheses = conclusion.map(|it| it.hypotheses.clone()).unwrap_or_default();
        Self {
            bucket: corrected.or_else(|| ranked.first().map(|(bucket, _)| *bucket)),
            probability: ranked.first().map(|(_, probability)| *probability),
            runner_up: ranked.get(1).map(|(bucket, _)| *bucket),
            stopped: conclusion.map(|it| it.stopped),
            causes: hypotheses
                .iter()
                .map(|it| Cause { id: it.id.clone(), probability: it.probability })
                .collect(),
            hypotheses,
            next_experiment: conclusion.map(|it| it.next_experiment.clone()),
            dependency: conclusion.and_then(|it| it.dependency.clone()),
            reasons: conclusion.map(|it| it.reasons.clone()).unwrap_or_default(),
            ruled_out: texts(|it| &it.ruled_out),
            missing: texts(|it| &it.missing),
            assignee: incident.assignee.as_ref().map(|it| it.name.clone()),
            snoozed_until: incident.snoozed_until,
            open_questions: open_questions(&incident, knowledge),
            asked: incident
                .questions
                .iter()
                .filter(|it| it.asked_at.is_some())
                .map(|it| it.question)
                .collect(),
            answers: answers(&incident),
            checks: checks(&incident),
            title: incident.title().to_owned(),
            service: incident.service().map(str::to_owned),
            endpoint: incident.endpoint().map(str::to_owned),
            severity: incident.severity(),
            started_at: incident.started_at(),
            mttd_s: incident.mttd_s(),
            mttc_s: incident.mttc_s(),
            mttr_s: incident.mttr_s(),
            human_wait_s: incident.human_wait_s(),
            issue: incident.issue.as_ref().map(|issue| issue.url.clone()),
            issue_reference: incident.issue.as_ref().map(|issue| issue.reference.clone()),
            troubles,
            id: incident.id,
            state: incident.stage,
            buckets: incident.buckets,
            alerts: incident.alerts,
            alert_count: incident.alert_count,
            timeline: incident.timeline,
            alerted_at: incident.alerted_at,
            concluded_at: incident.concluded_at,
            resolved_at: incident.resolved_at,
        }
    }
}

/// The buckets, likeliest first; the conclusion's own order where there is one.
fn ranked(incident: &Incident) -> Vec<(Bucket, f64)> {
    let mut ranked: Vec<(Bucket, f64)> = incident.buckets.iter().map(|(bucket, p)| (*bucket, *p)).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    if let Some(conclusion) = &incident.conclusion {
        ranked.retain(|(bucket, _)| ![conclusion.bucket, conclusion.runner_up].contains(bucket));
        let runner_up = conclusion.buckets.get(&conclusion.runner_up).copied().unwrap_or_default();
        ranked.splice(0..0, [(conclusion.bucket, conclusion.probability), (conclusion.runner_up, runner_up)]);
    }
    ranked
}

fn open_questions(incident: &Incident, knowledge: &Knowledge) -> Vec<OpenQuestion> {
    let open = incident.open_questions().map(|record| {
        let wording = knowledge.question(record.question);
        OpenQuestion {
            question: record.question,
            ask: wording.ask.clone(),
            because: record.because.clone(),
            answers: Choosable::of(wording),
            choice: record.question.choice(),
            asked_at: record.asked_at,
            passed_to: record.passed_to.as_ref().map(|it| it.name.clone()),
        }
    });
    open.collect()
}

fn answers(incident: &Incident) -> Vec<Answered> {
    let answered = incident.questions.iter().filter_map(|record| {
        Some(Answered {
            question: record.question,
            answer: record.answer.as_ref().map(Answer::to_string)?,
            by: record.by.clone(),
            at: record.answered_at,
        })
    });
    answered.collect()
}

fn checks(incident: &Incident) -> Vec<Check> {
    let check = |record: &crate::incident::StepRecord| {
        let report = record.report();
        Check {
            check: record.step.check,
            role: record.step.role,
            name: record.step.name.clone(),
            target: record.step.target.clone(),
            state: match record.state {
                StepState::Planned => "planned",
                StepState::Running => "running",
                StepState::Reported { .. } => "reported",
            },
            outcome: report.map(|report| report.outcome),
            summary: report.map(|report| report.summary.clone()),
            facts: report.map(|report| report.facts.clone()).unwrap_or_default(),
            took_ms: report.map(|report| report.took_ms),
            phases_ms: report.map(|report| report.phases_ms.clone()).unwrap_or_default(),
            exit_status: report.map(crate::outcome::Report::exit_status),
        }
    };
    incident.steps.iter().map(check).collect()
}

pub(super) fn trouble(pending: &Pending, given_up: bool) -> Option<Trouble> {
    Some(Trouble {
        what: perform::what(&pending.action),
        reason: pending.last_error.clone()?,
        attempts: pending.attempts,
        retry_at: (!given_up).then_some(pending.due_at),
    })
}
