//! What a person decides about an incident: looked at again, quiet, somebody's, filed now, somebody else's question.

use jiff::{SignedDuration, Timestamp};

use super::{Desk, KNOWLEDGE};
use crate::alert::Alert;
use crate::bucket::Bucket;
use crate::incident::{Event, Incident, IncidentId, Person, Recorded, Said, Stage, Stopped};
use crate::profile::ServiceProfile;
use crate::question::{Answer, QuestionId};
use crate::triage::{Action, Note, step, waits_for};

/// An incident whose alert has come and whose first question waits, with its log and the last actions.
struct Open {
    incident: Incident,
    log: Vec<Recorded>,
    actions: Vec<Action>,
    now: Timestamp,
}

impl Open {
    fn new() -> Self {
        let (incident, log) = (Incident::new(IncidentId::from_seed(3)), Vec::new());
        let mut open = Self { incident, log, actions: Vec::new(), now: Timestamp::UNIX_EPOCH };
        let key = crate::alert::IncidentKey("k".into());
        open.take(Event::Opened { key, profile: ServiceProfile::default() });
        open.take(Event::AlertReceived { alert: Alert::titled("generic", "errors") });
        open
    }

    fn take(&mut self, event: Event) {
        self.now = self.now.checked_add(SignedDuration::from_secs(1)).unwrap();
        let stepped = step(&KNOWLEDGE, self.incident.clone(), event, self.now);
        self.incident = stepped.incident;
        self.log.extend(stepped.recorded);
        self.actions = stepped.actions;
    }

    fn says(&mut self, said: Said) {
        self.take(said.event("ann".into(), None));
    }

    fn in_hours(&self, hours: i64) -> Timestamp {
        self.now.checked_add(SignedDuration::from_hours(hours)).unwrap()
    }

    fn asked(&self) -> Option<QuestionId> {
        self.incident.open_questions().next().map(|record| record.question)
    }

    #[track_caller]
    fn refused(&self, words: &str) {
        let Some(Recorded { event: Event::Refused { reason }, .. }) = self.log.last() else {
            panic!("not refused: {:?}", self.log.last())
        };
        assert!(reason.contains(words), "{reason}");
        assert_eq!(self.actions, [], "whoever said it is told, and nobody else");
    }
}

#[test]
fn a_reopened_incident_that_was_clear_stays_clear_and_its_issue_follows() {
    let mut desk = Desk::new(ServiceProfile::default())
        .answers(QuestionId::TokenState, "expired")
        .alert("401s since the deploy", Some(401));
    assert_eq!(desk.incident.stage, Stage::Clarity);
    let (filed, concluded_at) = (desk.filed, desk.incident.concluded_at);
    desk.run(Event::Closed { by: "ann".into(), reason: Some("done".into()) });
    desk.run(Event::Reopened { by: "bob".into(), reason: Some("it is back".into()) });
    assert_eq!((desk.incident.stage, desk.incident.concluded_at), (Stage::Clarity, concluded_at));
    assert_eq!(desk.filed, filed + 2);
    let note = Note::Reopened { by: "bob".into(), reason: Some("it is back".into()) };
    assert_eq!(desk.said.last(), Some(&note));
    assert_eq!(desk.incident.timeline.last().unwrap().what, "reopened (bob): it is back");
}

#[test]
fn what_was_cut_short_is_triaged_on_and_the_end_that_was_told_was_none() {
    let mut open = Open::new();
    let asked = open.asked().unwrap();
    open.take(Event::Resolved { by: "ann".into(), reason: None });
    assert!(open.incident.mttr_s().is_some() && open.incident.conclusion.is_some());
    open.says(Said::Reopen);
    assert_eq!((open.incident.stage, open.incident.mttr_s()), (Stage::Triaging, None));
    let waits =
        |action: &&Action| matches!(action, Action::StopWaiting { question, .. } if *question == asked);
    assert_eq!(open.actions.iter().filter(waits).count(), 1, "{:?}", open.actions);
    assert!(waits_for(&open.incident, asked));
}

#[test]
fn only_what_is_over_or_quiet_is_reopened() {
    let mut open = Open::new();
    open.says(Said::Reopen);
    open.refused("nothing to reopen");
}

#[test]
fn a_snooze_asks_nobody_until_it_ends_and_then_asks_what_it_held_back() {
    let mut open = Open::new();
    let first = open.asked().unwrap();
    let until = open.in_hours(2);
    open.says(Said::Snooze(until));
    assert!(open.actions.contains(&Action::Wake { at: until }), "{:?}", open.actions);
    assert!(!waits_for(&open.incident, first), "its patience does not run out meanwhile");
    open.take(Event::AnswerGiven { question: first, answer: Answer::Unknown, by: "ann".into() });
    assert!(!open.actions.iter().any(|it| matches!(it, Action::Ask { .. })), "{:?}", open.actions);
    assert_eq!(open.incident.stage, Stage::Triaging);
    open.take(Event::Woke { until: open.in_hours(7) });
    assert!(open.incident.snoozed_until.is_some(), "that was another snooze's end");
    open.take(Event::Woke { until });
    assert_eq!(open.actions[0], Action::Say { note: Note::Woke });
    assert!(open.actions.iter().any(|it| matches!(it, Action::Ask { .. })), "{:?}", open.actions);
}

#[test]
fn a_snooze_ends_early_when_the_incident_is_reopened_or_over() {
    let mut open = Open::new();
    let until = open.in_hours(2);
    open.says(Said::Snooze(until));
    open.says(Said::Reopen);
    assert_eq!((open.incident.snoozed_until, open.incident.stage), (None, Stage::Triaging));
    open.says(Said::Snooze(open.in_hours(1)));
    open.says(Said::Close);
    assert_eq!(open.incident.snoozed_until, None);
}

#[test]
fn a_snooze_in_the_past_for_months_or_after_the_end_is_refused() {
    let mut open = Open::new();
    open.says(Said::Snooze(Timestamp::UNIX_EPOCH));
    open.refused("in the future");
    open.says(Said::Snooze(open.in_hours(31 * 24)));
    open.refused("30 days");
    open.says(Said::Close);
    open.says(Said::Snooze(open.in_hours(1)));
    open.refused("reopen it first");
}

#[test]
fn an_assignment_is_said_once_and_the_issue_is_filed_on_demand() {
    let mut open = Open::new();
    let grace = Person { name: "Grace".into(), mention: Some("42".into()) };
    open.says(Said::Assign(grace.clone()));
    let note = Note::Assigned { to: grace.clone(), by: "ann".into(), reason: None };
    assert_eq!(open.actions, [Action::Say { note }]);
    open.says(Said::Assign(grace.clone()));
    assert_eq!((&open.actions[..], open.incident.assignee.as_ref()), (&[][..], Some(&grace)));
    open.says(Said::File);
    assert_eq!((&open.actions[..], open.incident.stage), (&[Action::FileIssue][..], Stage::Triaging));
}

#[test]
fn a_question_is_passed_on_while_it_waits_and_not_after() {
    let mut open = Open::new();
    let question = open.asked().unwrap();
    open.says(Said::PassOn(question, Person::named("Grace")));
    let record = open.incident.open_questions().next().unwrap();
    assert_eq!(record.passed_to, Some(Person::named("Grace")));
    assert!(matches!(&open.actions[..], [Action::Say { note: Note::PassedOn { .. } }]), "{:?}", open.actions);
    open.take(Event::AnswerGiven { question, answer: Answer::Unknown, by: "grace".into() });
    open.says(Said::PassOn(question, Person::named("Grace")));
    open.refused("waits for nobody");
}

#[test]
fn an_answer_is_changed_until_clarity() {
    let mut desk = Desk::new(ServiceProfile::default()).alert("errors", Some(401));
    assert_eq!(desk.incident.conclusion.as_ref().unwrap().stopped, Stopped::Unclear);
    let answer = Answer::parse(QuestionId::TokenState, "expired").unwrap();
    desk.run(Event::AnswerGiven { question: QuestionId::TokenState, answer, by: "ann".into() });
    assert_eq!(
        (desk.incident.stage, desk.incident.conclusion.unwrap().bucket),
        (Stage::Clarity, Bucket::Auth)
    );
}

#[test]
fn every_word_is_folded_again_to_the_same_incident_and_decides_nothing_again() {
    let mut open = Open::new();
    let question = open.asked().unwrap();
    let until = open.in_hours(2);
    for said in [
        Said::PassOn(question, Person::named("Grace")),
        Said::Assign(Person::named("Grace")),
        Said::Snooze(until),
        Said::Reopen,
        Said::File,
        Said::Reclassify(Bucket::Auth),
        Said::Close,
        Said::Reopen,
        Said::Resolve,
        Said::Reopen,
    ] {
        open.says(said);
    }
    let json: Vec<Recorded> = serde_json::from_str(&serde_json::to_string(&open.log).unwrap()).unwrap();
    assert_eq!(Incident::fold(open.incident.id.clone(), &json), open.incident);
}
