//! An incident is a log of [`Event`]s, and [`Incident`] is their fold.
//!
//! [`Incident::apply`] knows nothing of runbooks, clocks or networks: folding the same log gives the same bytes, whatever
//! the runbooks say today. What to ask, check and conclude is decided in [`crate::triage`], and each decision is recorded as
//! an event of its own: a log can be replayed, audited and shown as a timeline without deciding anything again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alert::{Alert, AlertStatus, IncidentKey, Severity};
use crate::bucket::Bucket;
use crate::outcome::Report;
use crate::profile::ServiceProfile;
use crate::question::{Answer, QuestionId};

pub mod arrival;
mod conclusion;
mod event;
mod id;
mod said;

pub use arrival::{Earlier, FlappingNumbers, Turn};
pub use conclusion::{Conclusion, Hypothesis, Reason, Stopped};
pub use event::{Event, NOBODY, Recorded, Step};
pub use id::{IncidentId, NotAnIncidentId};
pub use said::{Person, Said};

use event::describe;

/// Whether a failed action is worth another try, as the side that failed sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Trying again cannot help: a person must change something first.
    Never,
    /// Not before this much time has passed.
    After(std::time::Duration),
}

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Asking and checking.
    Triaging,
    /// The failing boundary, the best hypotheses and the next experiment can be stated.
    Clarity,
    /// Nothing left is worth its cost; what is missing is stated.
    Unclear,
    /// The problem is over.
    Resolved,
    /// Nothing more is expected.
    Closed,
}

impl Stage {
    /// The id used in JSON.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Triaging => "triaging",
            Self::Clarity => "clarity",
            Self::Unclear => "unclear",
            Self::Resolved => "resolved",
            Self::Closed => "closed",
        }
    }
}

/// How far a check of this incident is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum StepState {
    /// Decided, not started.
    Planned,
    /// Started.
    Running,
    /// Done.
    Reported {
        /// What it found.
        report: Report,
        /// When it came back.
        at: Timestamp,
    },
}

/// A check of this incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// What was decided.
    pub step: Step,
    /// How far it is.
    #[serde(flatten)]
    pub state: StepState,
}

impl StepRecord {
    /// The report, when there is one.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        match &self.state {
            StepState::Reported { report, .. } => Some(report),
            StepState::Planned | StepState::Running => None,
        }
    }
}

/// A question of this incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuestionRecord {
    /// The question.
    pub question: QuestionId,
    /// Why it was asked, as it goes on after "asked because"; empty when somebody answered unasked.
    pub because: String,
    /// When it was asked.
    pub asked_at: Option<Timestamp>,
    /// The latest answer.
    pub answer: Option<Answer>,
    /// Who gave it.
    pub by: Option<String>,
    /// When.
    pub answered_at: Option<Timestamp>,
    /// Whom it was passed on to, the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_to: Option<Person>,
}

/// One line of the incident's history, for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TimelineEntry {
    /// When.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// What, one sentence, unredacted foreign text left out.
    pub what: String,
}

/// An action that failed and waits for its next try, or was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What was tried, in a person's words, as in "filing the issue failed".
    pub what: String,
    /// Why it failed.
    pub reason: String,
    /// When it is tried again; `None` when it is not. The log knows the first try of a kind of failure only.
    pub retry_at: Option<Timestamp>,
}

/// The issue in the tracker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueRef {
    /// The tracker's own reference.
    pub reference: String,
    /// Where a person can read it.
    pub url: String,
}

/// The creation of the issue, begun and not known to have ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Creating {
    /// Where (`owner/name`).
    pub repository: String,
    /// Since when.
    pub since: Timestamp,
}

/// What is known of an incident: the fold of its events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its name.
    pub id: IncidentId,
    /// Two alerts with this key are the same incident.
    pub key: IncidentKey,
    /// Place of the last event folded in.
    pub seq: u64,
    /// Where it stands.
    pub stage: Stage,
    /// The service, as it was known at the start.
    pub profile: ServiceProfile,
    /// One per (source, fingerprint), the latest state of each, in order of arrival.
    pub alerts: Vec<Alert>,
    /// How many alert deliveries were folded in.
    pub alert_count: u64,
    /// Those of them that said nothing new: they are counted beside the log.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeats: u64,
    /// Starts of episodes that a newer one has followed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Earlier>,
    /// When all of its alerts were over, and when one came back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Turn>,
    /// Questions asked or answered, in order.
    pub questions: Vec<QuestionRecord>,
    /// Checks, in order of planning.
    pub steps: Vec<StepRecord>,
    /// The latest belief; empty before the first.
    pub buckets: BTreeMap<Bucket, f64>,
    /// What triage said at its end.
    pub conclusion: Option<Conclusion>,
    /// What a person says it really was, and who.
    pub reclassified: Option<(Bucket, String)>,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<Person>,
    /// Until when nobody is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snoozed_until: Option<Timestamp>,
    /// The chat's thread.
    pub thread: Option<String>,
    /// The issue.
    pub issue: Option<IssueRef>,
    /// The issue may have been created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creating: Option<Creating>,
    /// What could not be done yet, one of each kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<Trouble>,
    /// The history, for people.
    pub timeline: Vec<TimelineEntry>,
    /// When the first alert arrived.
    pub alerted_at: Option<Timestamp>,
    /// When the last delivery of an alert arrived, whatever it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_alert_at: Option<Timestamp>,
    /// When triage stopped.
    pub concluded_at: Option<Timestamp>,
    /// When the problem ended.
    pub resolved_at: Option<Timestamp>,
}

impl Incident {
    /// An incident before its first event.
    #[must_use]
    pub fn new(id: IncidentId) -> Self {
        Self {
            id,
            key: IncidentKey(String::new()),
            seq: 0,
            stage: Stage::Triaging,
            profile: ServiceProfile::default(),
            alerts: Vec::new(),
            alert_count: 0,
            repeats: 0,
            earlier: Vec::new(),
            turns: Vec::new(),
            questions: Vec::new(),
            steps: Vec::new(),
            buckets: BTreeMap::new(),
            conclusion: None,
            reclassified: None,
            assignee: None,
            snoozed_until: None,
            thread: None,
            issue: None,
            creating: None,
            troubles: Vec::new(),
            timeline: Vec::new(),
            alerted_at: None,
            last_alert_at: None,
            concluded_at: None,
            resolved_at: None,
        }
    }

    /// The incident whose log this is.
    #[must_use]
    pub fn fold(id: IncidentId, log: &[Recorded]) -> Self {
        let mut incident = Self::new(id);
        for recorded in log {
            incident.apply(recorded);
        }
        incident
    }

    /// Records an event at this time: gives it the next place, folds it in and returns it for the log. A clock that was set back (or another
    /// replica's, which is behind) does not turn the history round: nothing happens before what the timeline shows last.
    pub fn record(&mut self, event: Event, at: Timestamp) -> Recorded {
        let at = self.timeline.last().map_or(at, |last| at.max(last.at));
        let recorded = Recorded { seq: self.seq + 1, at, event };
        self.apply(&recorded);
        recorded
    }

    /// Folds one event in.
    pub fn apply(&mut self, recorded: &Recorded) {
        let at = recorded.at;
        if let Event::AlertRepeated { times } = recorded.event {
            self.alert_count += times;
            self.repeats = times;
            self.last_alert_at = self.last_alert_at.max(Some(at));
            return;
        }
        self.seq = recorded.seq;
        if let Some(what) = describe(&recorded.event) {
            self.timeline.push(TimelineEntry { at, what });
        }
        match &recorded.event {
            Event::Opened { key, profile } => {
                self.key = key.clone();
                self.profile = profile.clone();
            }
            Event::AlertReceived { alert } => self.fold_alert(alert, at),
            Event::ThreadOpened { thread } => self.thread = Some(thread.clone()),
            Event::ChecksPlanned { steps } => {
                let new =
                    steps.iter().map(|step| StepRecord { step: step.clone(), state: StepState::Planned });
                self.steps.extend(new);
            }
            Event::CheckStarted { step } => self.set_step(step, &StepState::Running),
            Event::CheckReported { step, report } => {
                self.set_step(step, &StepState::Reported { report: report.clone(), at });
            }
            Event::QuestionAsked { question, because } => {
                let record = self.question_mut(*question);
                record.because.clone_from(because);
                record.asked_at = Some(at);
            }
            Event::AnswerGiven { question, answer, by } => {
                let record = self.question_mut(*question);
                record.answer = Some(answer.clone());
                record.by = Some(by.clone());
                record.answered_at = Some(at);
            }
            Event::Believed { buckets } => self.buckets.clone_from(buckets),
            Event::Concluded { conclusion } => {
                self.buckets.clone_from(&conclusion.buckets);
                let was_clear = self.conclusion.as_ref().is_some_and(|it| it.stopped == Stopped::Clarity);
                // A late answer can still bring clarity; then that is when it was reached.
                if matches!(self.stage, Stage::Triaging | Stage::Unclear) {
                    self.stage = match conclusion.stopped {
                        Stopped::Clarity => Stage::Clarity,
                        Stopped::Unclear => Stage::Unclear,
                    };
                }
                if conclusion.stopped == Stopped::Clarity && !was_clear {
                    self.concluded_at = Some(at);
                }
                self.conclusion = Some(conclusion.clone());
                self.concluded_at.get_or_insert(at);
            }
            Event::IssueBegun { repository, .. } => {
                self.creating = Some(Creating { repository: repository.clone(), since: at });
            }
            Event::IssueNotCreated { .. } => self.creating = None,
            Event::IssueFiled { reference, url } => {
                self.creating = None;
                self.issue = Some(IssueRef { reference: reference.clone(), url: url.clone() });
            }
            Event::Reclassified { bucket, by, .. } => self.reclassified = Some((*bucket, by.clone())),
            Event::Resolved { .. } => {
                self.end(Stage::Resolved);
                self.resolved_at.get_or_insert(at);
            }
            Event::Closed { .. } => self.end(Stage::Closed),
            Event::Reopened { .. } => self.reopen(),
            Event::Snoozed { until, .. } => self.snoozed_until = Some(*until),
            Event::Woke { .. } => self.snoozed_until = None,
            Event::Assigned { to, .. } => self.assignee = Some(to.clone()),
            Event::PassedOn { question, to, .. } => {
                self.question_mut(*question).passed_to = Some(to.clone());
            }
            Event::ActionFailed { what, reason, retry_at } => {
                let trouble = Trouble { what: what.clone(), reason: reason.clone(), retry_at: *retry_at };
                match self.troubles.iter_mut().find(|known| known.what == *what) {
                    Some(known) => *known = trouble,
                    None => self.troubles.push(trouble),
                }
            }
            Event::ActionRecovered { what } => self.troubles.retain(|known| known.what != *what),
            Event::AlertRepeated { .. } | Event::FilingAsked { .. } | Event::Refused { .. } => {}
        }
    }

    /// What is over needs no quiet any more.
    fn end(&mut self, stage: Stage) {
        self.stage = stage;
        self.snoozed_until = None;
    }

    /// Back to where it was: what was clear stays so, and what was given up or cut short is triaged on. The end that was
    /// told was none.
    fn reopen(&mut self) {
        self.snoozed_until = None;
        if self.is_open() {
            return;
        }
        self.resolved_at = None;
        if self.conclusion.as_ref().is_some_and(|it| it.stopped == Stopped::Clarity) {
            self.stage = Stage::Clarity;
        } else {
            self.stage = Stage::Triaging;
            self.conclusion = None;
            self.concluded_at = None;
        }
    }

    /// Whether something is still expected: neither resolved nor closed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !matches!(self.stage, Stage::Resolved | Stage::Closed)
    }

    fn fold_alert(&mut self, alert: &Alert, at: Timestamp) {
        self.alert_count += 1;
        self.last_alert_at = self.last_alert_at.max(Some(at));
        if alert.status == AlertStatus::Firing {
            self.alerted_at.get_or_insert(at);
        }
        let same = |it: &&mut Alert| it.source == alert.source && it.fingerprint == alert.fingerprint;
        match self.alerts.iter_mut().find(same) {
            Some(known) => {
                arrival::remember(&mut self.earlier, known, alert);
                *known = alert.clone();
            }
            None => self.alerts.push(alert.clone()),
        }
        let over = self.alerts.iter().all(|alert| alert.status == AlertStatus::Resolved);
        arrival::turn(&mut self.turns, at, over);
    }

    /// What is known of this alert: its latest word.
    #[must_use]
    pub fn known(&self, alert: &Alert) -> Option<&Alert> {
        self.alerts.iter().find(|it| it.source == alert.source && it.fingerprint == alert.fingerprint)
    }

    fn set_step(&mut self, key: &str, state: &StepState) {
        if let Some(record) = self.steps.iter_mut().find(|record| record.step.key() == key) {
            record.state = state.clone();
        }
    }

    fn question_mut(&mut self, question: QuestionId) -> &mut QuestionRecord {
        let index =
            self.questions.iter().position(|record| record.question == question).unwrap_or_else(|| {
                self.questions.push(QuestionRecord {
                    question,
                    because: String::new(),
                    asked_at: None,
                    answer: None,
                    by: None,
                    answered_at: None,
                    passed_to: None,
                });
                self.questions.len() - 1
            });
        &mut self.questions[index]
    }

    /// One line: the first alert's title.
    #[must_use]
    pub fn title(&self) -> &str {
        self.alerts.first().map_or("incident without an alert", |alert| alert.title.as_str())
    }

    /// The service's name, from the profile or the first alert that says one.
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        let named = Some(self.profile.name.as_str()).filter(|name| !name.is_empty());
        named.or_else(|| self.alerts.iter().find_map(|alert| alert.service.as_deref()))
    }

    /// The endpoint that fails, from the first alert that says one, or the profile.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        let said = self.alerts.iter().find_map(|alert| alert.endpoint.as_deref());
        said.or_else(|| self.profile.url.as_ref().map(url::Url::as_str))
    }

    /// The highest severity any alert said.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.alerts.iter().map(|alert| alert.severity).max().unwrap_or_default()
    }

    /// The boundary at fault: what a person says, else what triage said at its end.
    #[must_use]
    pub fn boundary(&self) -> Option<Bucket> {
        let said = self.reclassified.as_ref().map(|(bucket, _)| *bucket);
        said.or_else(|| self.conclusion.as_ref().map(|it| it.bucket))
    }

    /// When the fault began: the earliest start any alert said, never after the first alert's arrival.
    #[must_use]
    pub fn started_at(&self) -> Option<Timestamp> {
        let said = self.alerts.iter().filter_map(|alert| alert.started_at).min();
        match (said, self.alerted_at) {
            (Some(said), Some(alerted)) => Some(said.min(alerted)),
            (said, alerted) => said.or(alerted),
        }
    }

    /// The latest answer to a question.
    #[must_use]
    pub fn answer(&self, question: QuestionId) -> Option<&Answer> {
        self.questions.iter().find(|record| record.question == question)?.answer.as_ref()
    }

    /// Questions asked and not answered yet, in order.
    pub fn open_questions(&self) -> impl Iterator<Item = &QuestionRecord> {
        self.questions.iter().filter(|record| record.asked_at.is_some() && record.answer.is_none())
    }

    /// Checks that have not reported yet, in order of planning.
    pub fn pending_steps(&self) -> impl Iterator<Item = &StepRecord> {
        self.steps.iter().filter(|record| record.report().is_none())
    }

    /// Seconds from the fault's start to the first alert (MTTD); absent when no alert says when it began.
    #[must_use]
    pub fn mttd_s(&self) -> Option<f64> {
        self.alerts.iter().find_map(|alert| alert.started_at)?;
        Some(seconds(self.started_at()?, self.alerted_at?))
    }

    /// Seconds from the first alert to clarity (MTTC); absent while triage goes on and when it ended unclear.
    #[must_use]
    pub fn mttc_s(&self) -> Option<f64> {
        let clear = self.conclusion.as_ref().is_some_and(|it| it.stopped == Stopped::Clarity);
        if clear { Some(seconds(self.alerted_at?, self.concluded_at?)) } else { None }
    }

    /// Seconds from the fault's start to its end (MTTR); from the first alert when no alert says when it began.
    #[must_use]
    pub fn mttr_s(&self) -> Option<f64> {
        Some(seconds(self.started_at()?, self.resolved_at?))
    }

    /// Seconds that triage waited for people: the union of the spans in which a question was open before clarity.
    #[must_use]
    pub fn human_wait_s(&self) -> f64 {
        let mut spans: Vec<(Timestamp, Timestamp)> = self
            .questions
            .iter()
            .filter_map(|record| {
                let end = record.answered_at.or(self.concluded_at)?;
                Some((record.asked_at?, self.concluded_at.map_or(end, |concluded| end.min(concluded))))
            })
            .collect();
        spans.sort_unstable();
        let mut total = 0.0;
        let mut reached: Option<Timestamp> = None;
        for (from, to) in spans {
            let from = reached.map_or(from, |reached| from.max(reached));
            total += seconds(from, to).max(0.0);
            reached = Some(reached.map_or(to, |reached| reached.max(to)));
        }
        total
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

#[cfg(test)]
mod tests;
