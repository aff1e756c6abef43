//! What the thread says, as people see it, and that it always fits.

use super::*;
use crate::chat::samples::{conclude, incident, question as shipped, report, step};
use crate::incident::Event;
use crate::outcome::CheckKind;
use crate::question::QuestionId;

fn reported(incident: &mut Incident, check: CheckKind, outcome: Outcome, summary: &str) {
    let at = jiff::Timestamp::UNIX_EPOCH;
    incident.record(Event::ChecksPlanned { steps: vec![step(check)] }, at);
    incident.record(
        Event::CheckReported { step: step(check).key(), report: report(check, outcome, summary) },
        at,
    );
}

#[test]
fn the_head_shows_how_the_incident_stands() {
    let mut incident = incident();
    reported(&mut incident, CheckKind::Tls, Outcome::Expired, "certificate expired 41 days ago");
    let at = jiff::Timestamp::UNIX_EPOCH;
    incident.record(Event::ChecksPlanned { steps: vec![step(CheckKind::Dns)] }, at);
    incident.record(Event::QuestionAsked { question: QuestionId::LatencyFirst, because: String::new() }, at);
    insta::assert_snapshot!(head(&Templates::builtin(), &incident, Some(42)).unwrap());
}

#[test]
fn the_conclusion_is_one_message() {
    let mut incident = incident();
    conclude(&mut incident);
    let text = note(&Templates::builtin(), &incident, &Note::Concluded).unwrap();
    assert!(text.chars().count() <= MESSAGE);
    insta::assert_snapshot!(text);
}

#[test]
fn the_head_of_a_finished_incident_links_the_issue() {
    let mut incident = incident();
    conclude(&mut incident);
    incident.issue =
        Some(IssueRef { reference: "a/b#1".into(), url: "https://example.com/a/b/issues/1".into() });
    insta::assert_snapshot!(head(&Templates::builtin(), &incident, None).unwrap());
}

#[test]
fn the_head_says_what_could_not_be_done_and_when_it_is_tried_again() {
    let mut incident = incident();
    for (what, seconds) in [("filing the issue", Some(60)), ("asking a question", None)] {
        let retry_at = seconds.map(|it| jiff::Timestamp::from_second(1_790_000_000 + it).unwrap());
        let (what, reason) = (what.to_owned(), "GitHub answered 502".to_owned());
        incident.record(Event::ActionFailed { what, reason, retry_at }, jiff::Timestamp::UNIX_EPOCH);
    }
    let text = head(&Templates::builtin(), &incident, None).unwrap();
    let waits = "⚠️ filing the issue failed: GitHub answered 502; tried again <t:1790000060:R>";
    let over = "⚠️ asking a question failed: GitHub answered 502; given up";
    assert!(text.contains(waits) && text.contains(over), "{text}");
}

#[test]
fn a_wordy_head_keeps_to_one_message_and_says_what_it_left_out() {
    let mut incident = incident();
    for kind in CheckKind::ALL {
        reported(&mut incident, *kind, Outcome::Error, &"words ".repeat(60));
    }
    let text = head(&Templates::builtin(), &incident, None).unwrap();
    assert!(text.chars().count() <= MESSAGE && text.contains("earlier checks"), "{text}");
}

#[test]
fn words_that_grow_when_they_are_made_harmless_still_fit_and_show_that_they_were_shortened() {
    let mut incident = incident();
    incident.alerts[0].title = "*_@#<`".repeat(500);
    incident.alerts[0].endpoint = Some("``".repeat(2000));
    for kind in CheckKind::ALL {
        reported(&mut incident, *kind, Outcome::Error, &"*".repeat(3000));
    }
    let text = head(&Templates::builtin(), &incident, Some(1)).unwrap();
    assert!(text.chars().count() <= MESSAGE && text.contains('…'), "{text}");
}

#[test]
fn the_head_links_the_console_and_tells_how_far_the_checks_are() {
    let mut incident = incident();
    reported(&mut incident, CheckKind::Tls, Outcome::Valid, "");
    let at = jiff::Timestamp::UNIX_EPOCH;
    incident.record(Event::ChecksPlanned { steps: vec![step(CheckKind::Dns), step(CheckKind::Http)] }, at);
    incident.record(Event::CheckStarted { step: step(CheckKind::Dns).key() }, at);
    let console = Url::parse("https://ops.example.com/fc/").unwrap();
    let text = head_with(&Templates::builtin(), &incident, None, Some(&console)).unwrap();
    for words in [
        "<https://ops.example.com/fc/incidents/inc-dyakrkn839>",
        "1 of 3 checks",
        "⏳ `dns service`",
        "🕒 `http service`",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn an_answer_of_any_length_fits_below_its_question() {
    let asked = "q ".repeat(790);
    let text = answered(&Templates::builtin(), &asked, (&"*word ".repeat(9000), "*Ada*"), true).unwrap();
    assert!(text.chars().count() <= MESSAGE && text.contains('…'), "{text}");
}

#[test]
fn a_question_tells_why_it_is_asked_and_later_who_answered() {
    let asked =
        question(&Templates::builtin(), &shipped(QuestionId::EndpointScope), "it tells code from network")
            .unwrap();
    let text = answered(&Templates::builtin(), &asked, ("several", "Ada"), true).unwrap();
    insta::assert_snapshot!(text);
}

#[test]
fn a_question_is_found_again_below_its_answer() {
    let templates = Templates::builtin();
    for can_change in [true, false] {
        let says = answered(&templates, "**Which?**\n-# because", ("one ↳ two", "Ada"), can_change).unwrap();
        assert_eq!(without_answer(&templates, &says), "**Which?**\n-# because");
    }
    assert_eq!(without_answer(&templates, "**Which?**"), "**Which?**");
}

#[test]
fn foreign_words_mention_nobody() {
    let mut incident = incident();
    incident.alerts[0].title = "@everyone <@&42> [click](https://evil.example)".into();
    let text = head(&Templates::builtin(), &incident, None).unwrap();
    assert!(!text.contains("@everyone") && !text.contains("<@&42>") && !text.contains("[click]("), "{text}");
}

#[test]
fn every_note_has_words() {
    let notes = [
        Note::Changed { from: Bucket::Server },
        Note::Filed,
        Note::Reclassified { bucket: Bucket::Auth, by: "Ada".into(), reason: None },
        Note::Resolved { by: "alertmanager".into(), reason: None },
        Note::Closed { by: "Ada".into(), reason: Some("a duplicate".into()) },
        Note::Reopened { by: "Ada".into(), reason: None },
        Note::Snoozed { until: jiff::Timestamp::UNIX_EPOCH, by: "Ada".into(), reason: None },
        Note::Woke,
        Note::Assigned { to: Person::named("Grace"), by: "Ada".into(), reason: None },
        Note::PassedOn {
            question: QuestionId::TokenState,
            to: Person { name: "Grace".into(), mention: Some("42".into()) },
            by: "Ada".into(),
        },
        Note::Refused { reason: "an answer after the end".into() },
    ];
    let mut incident = incident();
    incident.issue =
        Some(IssueRef { reference: "a/b#1".into(), url: "https://example.com/a/b/issues/1".into() });
    for it in notes {
        assert!(!note(&Templates::builtin(), &incident, &it).unwrap().is_empty(), "{it:?}");
    }
}

#[test]
fn a_threads_name_fits() {
    let mut incident = incident();
    incident.alerts[0].title = "long ".repeat(60);
    assert_eq!(thread_name(&incident).chars().count(), THREAD_NAME);
}
