//! What a person decides about an incident beside its end: look again, be quiet, whose it is, file it now, ask somebody else.
//!
//! A word the stage does not allow is refused: noted on the timeline and told to whoever said it, without effect and
//! without a message in the thread.

use jiff::SignedDuration;

use super::{Action, Note, Turn};
use crate::incident::{Event, Stage};
use crate::question::QuestionId;

/// The longest snooze, in hours: thirty days. What is quiet for longer should be closed, or its alert mended.
const LONGEST_SNOOZE_H: i64 = 30 * 24;

impl Turn<'_> {
    /// Takes such a word, or refuses it.
    pub(super) fn word(&mut self, event: Event) {
        if let Some(reason) = self.objection(&event) {
            self.record(Event::Refused { reason });
            return;
        }
        let note = note(&event);
        let after = event.clone();
        self.record(event);
        self.actions.extend(note.map(|note| Action::Say { note }));
        match after {
            Event::Reopened { .. } => {
                self.actions.push(Action::FileIssue);
                self.go_on();
            }
            Event::Woke { .. } => self.go_on(),
            Event::Snoozed { until, .. } => self.actions.push(Action::Wake { at: until }),
            Event::FilingAsked { .. } => self.actions.push(Action::FileIssue),
            _ => {}
        }
    }

    /// Why the present stage does not allow it.
    fn objection(&self, event: &Event) -> Option<String> {
        let incident = &self.incident;
        let over = || format!("the incident is {}; reopen it first", incident.stage.id());
        match event {
            Event::Reopened { .. } if incident.is_open() && incident.snoozed_until.is_none() => {
                Some(format!("there is nothing to reopen: the incident is {}", open(incident.stage)))
            }
            Event::Snoozed { .. } | Event::PassedOn { .. } if !incident.is_open() => Some(over()),
            Event::Assigned { .. } if incident.stage == Stage::Closed => Some(over()),
            Event::Snoozed { until, .. } if *until <= self.now => {
                Some("a snooze ends in the future".to_owned())
            }
            Event::Snoozed { until, .. }
                if until.duration_since(self.now) > SignedDuration::from_hours(LONGEST_SNOOZE_H) =>
            {
                Some("a snooze lasts 30 days at most; close the incident instead".to_owned())
            }
            Event::PassedOn { question, .. } if !self.is_asked(*question) => {
                Some(format!("{question} waits for nobody any more"))
            }
            _ => None,
        }
    }

    fn is_asked(&self, question: QuestionId) -> bool {
        self.incident.open_questions().any(|record| record.question == question)
    }

    /// What was held back is asked now, and what is open has its whole patience again.
    pub(super) fn go_on(&mut self) {
        if self.incident.stage != Stage::Triaging {
            return;
        }
        let open: Vec<QuestionId> = self.incident.open_questions().map(|record| record.question).collect();
        for question in open {
            self.wait_for(question);
        }
        self.think();
    }
}

/// How an open incident stands, for somebody who thought it was over.
fn open(stage: Stage) -> &'static str {
    match stage {
        Stage::Triaging => "being triaged",
        Stage::Clarity | Stage::Unclear | Stage::Resolved | Stage::Closed => "open",
    }
}

fn note(event: &Event) -> Option<Note> {
    match event.clone() {
        Event::Reopened { by, reason } => Some(Note::Reopened { by, reason }),
        Event::Snoozed { until, by, reason } => Some(Note::Snoozed { until, by, reason }),
        Event::Woke { .. } => Some(Note::Woke),
        Event::Assigned { to, by, reason } => Some(Note::Assigned { to, by, reason }),
        Event::PassedOn { question, to, by } => Some(Note::PassedOn { question, to, by }),
        _ => None,
    }
}
