//! One event in, what is known now and what to do next out.
//!
//! [`step`] never fails, never waits and gives the same answer twice: that makes replay, tests and crash recovery one
//! thing. Every decision it takes is recorded as an event of its own, so a log can be folded without deciding anything
//! again. It refuses to ask what the alert, an answer or a check already tells.
//!
//! The surprise: questions wait for the checks in flight. Probes answer in a second, a person in minutes, and the best
//! question is one no probe could have saved.

mod action;
mod belief;
mod conclude;
pub mod forecast;
mod next;
mod observe;
mod people;
mod plan;
mod signal;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

use crate::alert::{Alert, AlertStatus};
use crate::incident::{Event, Incident, NOBODY, Recorded, Stage, Step, StepRecord, Stopped, arrival};
use crate::outcome::{CheckKind, Report, Role};
use crate::question::QuestionId;
use crate::runbook::{Knowledge, Moment};

pub use self::action::{Action, Note};

use self::belief::Belief;

/// Whether a question still holds triage up: nobody answered it, nothing was concluded without it, and nobody wanted quiet.
#[must_use]
pub fn waits_for(incident: &Incident, question: QuestionId) -> bool {
    incident.stage == Stage::Triaging
        && incident.snoozed_until.is_none()
        && incident.open_questions().any(|record| record.question == question)
}

/// The report that speaks for a kind of check and whose endpoint: of several dependencies, the first that found something.
#[must_use]
pub fn speaks(incident: &Incident, kind: CheckKind, role: Role) -> Option<&Report> {
    observe::spoken(incident, kind, role).map(|spoken| spoken.report)
}

/// The open questions, to be put once more.
fn asked_again(incident: &Incident) -> Vec<Action> {
    let ask = |record: &crate::incident::QuestionRecord| Action::Ask {
        question: record.question,
        because: record.because.clone(),
    };
    incident.open_questions().map(ask).collect()
}

/// What came of one event.
#[derive(Debug, Clone, PartialEq)]
pub struct Stepped {
    /// The incident after the event and everything triage decided.
    pub incident: Incident,
    /// The event and the decisions, for the log; empty when the event was a duplicate.
    pub recorded: Vec<Recorded>,
    /// What to do now. Each may be performed twice unharmed.
    pub actions: Vec<Action>,
}

/// One step of triage, with the checks the incident's profile allows.
#[must_use]
pub fn step(knowledge: &Knowledge, incident: Incident, event: Event, now: Timestamp) -> Stepped {
    step_with(knowledge, incident, event, now, &plan::steps)
}

/// One step of triage with other checks at hand than the profile's: a replay has all of them.
pub(crate) fn step_with(
    knowledge: &Knowledge,
    incident: Incident,
    event: Event,
    now: Timestamp,
    available: &dyn Fn(&Incident) -> Vec<Step>,
) -> Stepped {
    let mut turn = Turn { knowledge, incident, now, available, recorded: Vec::new(), actions: Vec::new() };
    if !turn.is_duplicate(&event) {
        turn.take(event);
    }
    Stepped { incident: turn.incident, recorded: turn.recorded, actions: turn.actions }
}

/// One event being taken in.
struct Turn<'a> {
    knowledge: &'a Knowledge,
    incident: Incident,
    now: Timestamp,
    available: &'a dyn Fn(&Incident) -> Vec<Step>,
    recorded: Vec<Recorded>,
    actions: Vec<Action>,
}

impl Turn<'_> {
    /// Whether the event says what is known already: actions may run twice, deliveries may repeat.
    fn is_duplicate(&self, event: &Event) -> bool {
        let incident = &self.incident;
        match event {
            Event::Opened { .. } => incident.seq > 0,
            Event::ThreadOpened { thread } => incident.thread.as_ref() == Some(thread),
            Event::IssueFiled { reference, url } => incident
                .issue
                .as_ref()
                .is_some_and(|known| known.reference == *reference && known.url == *url),
            // Another replica begins, or has begun: its turn.
            Event::IssueBegun { instead_of, .. } => {
                incident.issue.is_some() || incident.creating.as_ref().map(|it| it.since) != *instead_of
            }
            Event::IssueNotCreated { begun } => {
                incident.creating.as_ref().is_none_or(|it| it.since != *begun)
            }
            Event::ActionRecovered { what } => !incident.troubles.iter().any(|known| known.what == *what),
            Event::CheckStarted { step } => {
                self.step_record(step).is_none_or(|known| known.report().is_some())
            }
            // The first report stands; one for a check nobody planned is nobody's.
            Event::CheckReported { step, .. } => {
                self.step_record(step).is_none_or(|known| known.report().is_some())
            }
            // Whoever answered in the last moment was in time.
            Event::AnswerGiven { question, by, .. } if by == NOBODY => !waits_for(incident, *question),
            Event::AnswerGiven { question, answer, .. } => incident.answer(*question) == Some(answer),
            Event::Reclassified { bucket, by, .. } => {
                incident.reclassified.as_ref().is_some_and(|(known, who)| known == bucket && who == by)
            }
            Event::Resolved { .. } => matches!(incident.stage, Stage::Resolved | Stage::Closed),
            Event::Closed { .. } => incident.stage == Stage::Closed,
            Event::Snoozed { until, .. } => incident.snoozed_until == Some(*until),
            Event::Woke { until } => incident.snoozed_until != Some(*until),
            Event::Assigned { to, .. } => incident.assignee.as_ref() == Some(to),
            Event::AlertReceived { alert } => incident
                .known(alert)
                .is_some_and(|known| arrival::is_overtaken(known, &incident.earlier, alert)),
            _ => false,
        }
    }

    fn step_record(&self, key: &str) -> Option<&StepRecord> {
        self.incident.steps.iter().find(|record| record.step.key() == key)
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::AlertReceived { alert } => self.alert(alert),
            Event::AnswerGiven { question: QuestionId::EvidenceComplete, .. } => {
                self.refuse("evidence_complete is answered by the bot itself".to_owned());
            }
            Event::AnswerGiven { question, .. } if self.incident.stage == Stage::Closed => {
                self.refuse(format!("{question} was answered after the incident was closed"));
            }
            Event::AnswerGiven { .. } | Event::CheckReported { .. } => {
                self.record(event);
                self.think();
            }
            Event::Reclassified { bucket, ref by, ref reason } => {
                let note = Note::Reclassified { bucket, by: by.clone(), reason: reason.clone() };
                self.record(event);
                self.end_with(note);
            }
            Event::Resolved { ref by, ref reason } => {
                let note = Note::Resolved { by: by.clone(), reason: reason.clone() };
                self.record(event);
                self.end_with(note);
            }
            Event::Closed { ref by, ref reason } => {
                let note = Note::Closed { by: by.clone(), reason: reason.clone() };
                self.record(event);
                self.end_with(note);
            }
            Event::Reopened { .. }
            | Event::Snoozed { .. }
            | Event::Woke { .. }
            | Event::Assigned { .. }
            | Event::FilingAsked { .. }
            | Event::PassedOn { .. } => self.word(event),
            Event::IssueFiled { .. } => {
                self.record(event);
                self.actions.push(Action::Say { note: Note::Filed });
            }
            // The questions went with the thread that is gone.
            Event::ThreadOpened { .. } if self.incident.thread.is_some() => {
                self.record(event);
                self.actions.extend(asked_again(&self.incident));
            }
            other => self.record(other),
        }
    }

    fn alert(&mut self, alert: Alert) {
        let first = self.incident.alert_count == 0;
        let firing = alert.status == AlertStatus::Firing;
        let source = alert.source.clone();
        let same = |known: &Alert| known.source == alert.source && known.fingerprint == alert.fingerprint;
        let mut same = self.incident.alerts.iter().filter(|known| same(known));
        let known = same.any(|known| known.digest() == alert.digest());
        self.record(Event::AlertReceived { alert });
        if first {
            self.actions.push(Action::OpenThread);
        }
        let over = self.incident.alerts.iter().all(|alert| alert.status == AlertStatus::Resolved);
        let flapping = arrival::is_flapping(&self.incident.turns, &self.knowledge.stop.flapping, self.now);
        if over && self.incident.is_open() && flapping {
            let at = arrival::steady_at(&self.incident.turns, &self.knowledge.stop.flapping);
            self.actions.extend(at.map(|at| Action::Settle { at }));
        } else if firing && self.incident.stage == Stage::Resolved {
            self.come_back(source, flapping);
        } else if over && self.incident.is_open() {
            self.record(Event::Resolved { by: source.clone(), reason: None });
            self.end_with(Note::Resolved { by: source, reason: None });
        } else if firing && !known {
            self.think();
        }
    }

    /// The problem is there again. Whoever is told of each return of one that goes on and off stops reading.
    fn come_back(&mut self, source: String, quietly: bool) {
        let reason = Some("it fires again".to_owned());
        self.record(Event::Reopened { by: source.clone(), reason: reason.clone() });
        if !quietly {
            self.actions.push(Action::Say { note: Note::Reopened { by: source, reason } });
        }
        self.actions.push(Action::FileIssue);
        self.go_on();
    }

    fn record(&mut self, event: Event) {
        let recorded = self.incident.record(event, self.now);
        self.recorded.push(recorded);
    }

    fn refuse(&mut self, reason: String) {
        self.record(Event::Refused { reason: reason.clone() });
        self.actions.push(Action::Say { note: Note::Refused { reason } });
    }

    /// A person or a monitor has the last word: whatever is believed now is written down, and the issue follows.
    fn end_with(&mut self, note: Note) {
        self.actions.push(Action::Say { note });
        if self.incident.conclusion.is_none() {
            let observations = observe::observe(self.knowledge, &self.incident);
            let conclusion = conclude::conclusion(&Belief::new(self.knowledge, observations), &self.incident);
            self.record(Event::Concluded { conclusion });
        }
        self.actions.push(Action::FileIssue);
    }

    /// Something new is known: believe, then check, ask, conclude, or wait.
    fn think(&mut self) {
        let knowledge = self.knowledge;
        let belief = Belief::new(knowledge, observe::observe(knowledge, &self.incident));
        if self.incident.conclusion.is_some() {
            self.think_again(&belief);
            return;
        }
        if belief.buckets() != self.incident.buckets {
            self.record(Event::Believed { buckets: belief.buckets() });
        }
        let first = self.incident.steps.is_empty();
        if self.check(&belief, first) || self.incident.pending_steps().next().is_some() {
            return;
        }
        let is_done = conclude::is_sure(&belief) && self.own_questions(&belief).is_empty();
        if is_done || !self.ask(&belief) {
            self.conclude(&belief, Note::Concluded);
        }
    }

    /// Plans the checks worth running now. Once the boundary is clear, nothing more is.
    fn check(&mut self, belief: &Belief<'_>, first: bool) -> bool {
        let available = (self.available)(&self.incident);
        let own = self.own_checks(belief, &available);
        let is_own = |step: &Step| own.iter().any(|it| it.key() == step.key());
        let mut steps = if first || !conclude::is_sure(belief) {
            next::checks(belief, &self.incident, &available, first)
        } else {
            Vec::new()
        };
        steps.retain(|step| !is_own(step));
        steps.extend(own);
        if steps.is_empty() {
            return false;
        }
        self.actions.extend(steps.iter().map(|step| Action::RunCheck { step: step.clone() }));
        self.record(Event::ChecksPlanned { steps });
        true
    }

    /// The checks the chosen runbook wants now, of those not planned yet.
    fn own_checks(&self, belief: &Belief<'_>, available: &[Step]) -> Vec<Step> {
        let Some(own) = self.knowledge.chosen(&self.incident) else { return Vec::new() };
        let mut steps = own.checks(&self.moment(belief, &conclude::best_ids(belief)), available);
        let mut seen: Vec<String> = self.incident.steps.iter().map(|record| record.step.key()).collect();
        steps.retain(|step| {
            let is_new = !seen.contains(&step.key());
            seen.push(step.key());
            is_new
        });
        steps
    }

    /// The questions the chosen runbook wants asked now, of those nobody was asked and nothing tells.
    fn own_questions(&self, belief: &Belief<'_>) -> Vec<QuestionId> {
        let Some(own) = self.knowledge.chosen(&self.incident) else { return Vec::new() };
        let mut questions = own.questions(&self.moment(belief, &conclude::best_ids(belief)));
        questions.retain(|question| !next::is_known(belief, &self.incident, *question));
        questions.dedup();
        questions
    }

    fn moment<'b>(&'b self, belief: &Belief<'_>, causes: &'b [&'b str]) -> Moment<'b> {
        let [(bucket, probability), _] = belief.ranking();
        Moment { incident: &self.incident, bucket, probability, causes }
    }

    /// Asks what is worth asking; false when nothing is asked and nothing is open.
    fn ask(&mut self, belief: &Belief<'_>) -> bool {
        let stop = &self.knowledge.stop;
        let open = self.incident.open_questions().count();
        let asked = self.incident.questions.iter().filter(|record| record.asked_at.is_some()).count();
        let room = stop.at_once.saturating_sub(open).min(stop.questions.saturating_sub(asked));
        let [(best, p), (other, q)] = belief.ranking();
        let worth = next::questions(belief, &self.incident);
        // A second question at once only when it would be worth asking whatever the first one brings.
        let wanted =
            worth.iter().enumerate().filter(|(place, worth)| *place == 0 || worth.rate >= SECOND * stop.gain);
        let own = self.own_questions(belief);
        let by_worth = wanted.map(|(_, worth)| worth.question).filter(|question| !own.contains(question));
        // Once the boundary is sure, only the runbook still wants to know something.
        let by_worth = by_worth.filter(|_| !conclude::is_sure(belief));
        let wanted: Vec<QuestionId> = own.iter().copied().chain(by_worth).take(room).collect();
        if self.incident.snoozed_until.is_some() {
            // Asked when the snooze is over.
            return open > 0 || !wanted.is_empty();
        }
        let runbook = self.knowledge.chosen(&self.incident).map(|it| it.name.clone()).unwrap_or_default();
        for question in &wanted {
            let because = if own.contains(question) {
                format!("the runbook {runbook} wants to know it")
            } else {
                format!("it would best tell {best} ({:.0} %) from {other} ({:.0} %)", p * 100.0, q * 100.0)
            };
            self.record(Event::QuestionAsked { question: *question, because: because.clone() });
            self.actions.push(Action::Ask { question: *question, because });
            self.wait_for(*question);
        }
        open > 0 || !wanted.is_empty()
    }

    /// From now on an open question has the runbooks' patience.
    fn wait_for(&mut self, question: QuestionId) {
        let patience = SignedDuration::from_secs(i64::from(self.knowledge.stop.patience_s));
        let at = self.now.checked_add(patience).unwrap_or(Timestamp::MAX);
        self.actions.push(Action::StopWaiting { question, at });
    }

    fn conclude(&mut self, belief: &Belief<'_>, note: Note) {
        let conclusion = conclude::conclusion(belief, &self.incident);
        self.record(Event::Concluded { conclusion });
        self.actions.push(Action::Say { note });
        self.actions.push(Action::FileIssue);
    }

    /// After the conclusion: late observations update it quietly; only a changed boundary, or clarity at last, is said.
    fn think_again(&mut self, belief: &Belief<'_>) {
        let Some(before) = self.incident.conclusion.clone() else { return };
        let after = conclude::conclusion(belief, &self.incident);
        if after == before {
            return;
        }
        if after.bucket != before.bucket {
            self.conclude(belief, Note::Changed { from: before.bucket });
        } else if before.stopped == Stopped::Unclear && after.stopped == Stopped::Clarity {
            self.conclude(belief, Note::Concluded);
        } else {
            self.record(Event::Concluded { conclusion: after });
            self.actions.push(Action::FileIssue);
        }
    }
}

/// How many times the least worthwhile gain a second question needs to be asked together with the first.
const SECOND: f64 = 3.0;
