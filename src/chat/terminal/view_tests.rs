//! What the terminal says, as people see it.

use super::*;
use crate::chat::samples::{conclude, incident, question as shipped, report, step};
use crate::chat::terminal::Style;
use crate::outcome::CheckKind;
use crate::question::QuestionId;

fn pen(style: Style) -> Pen {
    Pen { ink: Ink::new(style), templates: Arc::new(Templates::builtin()) }
}

fn plain() -> Pen {
    pen(Style::plain())
}

#[test]
fn an_opened_incident_shows_what_the_alert_says() {
    insta::assert_snapshot!(opened(&plain(), &incident()).join("\n"));
}

#[test]
fn a_conclusion_is_read_in_one_look() {
    let mut incident = incident();
    conclude(&mut incident);
    insta::assert_snapshot!(note(&plain(), &incident, &Note::Concluded).join("\n"));
}

#[test]
fn a_narrow_terminal_without_unicode_gets_the_same() {
    let mut incident = incident();
    conclude(&mut incident);
    let pen = pen(Style { unicode: false, width: 60, ..Style::plain() });
    let lines = note(&pen, &incident, &Note::Concluded);
    assert!(lines.iter().all(|line| line.is_ascii()), "{lines:?}");
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn checks_stand_below_one_another() {
    let mut payments = step(CheckKind::Http);
    payments.role = Role::Dependency;
    payments.name = Some("payments".into());
    let lines = [
        check(&plain(), &step(CheckKind::Dns), &report(CheckKind::Dns, Outcome::Resolves, "2 addresses")),
        check(
            &plain(),
            &step(CheckKind::Tls),
            &report(CheckKind::Tls, Outcome::Expired, "certificate expired 41 days ago"),
        ),
        check(&plain(), &step(CheckKind::Http), &report(CheckKind::Http, Outcome::Slow, "200 after 3.2 s")),
        check(
            &plain(),
            &payments,
            &report(CheckKind::Http, Outcome::Error, "refused by the egress policy: loopback"),
        ),
    ]
    .concat();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_question_over_a_pipe_shows_its_answers() {
    let asked = shipped(QuestionId::EndpointScope);
    insta::assert_snapshot!(
        question_with_answers(&plain(), &asked, "a fault of one endpoint points to its code").join("\n")
    );
}

#[test]
fn a_long_reply_is_shown_by_its_first_line() {
    let asked = shipped(QuestionId::FailingRequest);
    assert_eq!(
        shown_reply(&asked, "curl https://api.example.com \\\n -v"),
        "curl https://api.example.com \\ …"
    );
}

#[test]
fn every_note_has_words_and_a_broken_template_says_so_in_its_place() {
    use crate::incident::Person;
    let (by, reason) = (|| "Ada".to_owned(), || Some("a\u{1b}[2Jduplicate".to_owned()));
    let notes = [
        Note::Changed { from: Bucket::Server },
        Note::Reclassified { bucket: Bucket::Auth, by: by(), reason: reason() },
        Note::Resolved { by: by(), reason: None },
        Note::Closed { by: by(), reason: reason() },
        Note::Reopened { by: by(), reason: None },
        Note::Snoozed { until: Timestamp::UNIX_EPOCH, by: by(), reason: None },
        Note::Woke,
        Note::Assigned { to: Person::named("Grace"), by: by(), reason: None },
        Note::PassedOn { question: QuestionId::TokenState, to: Person::named("Grace"), by: by() },
        Note::Refused { reason: "no".into() },
    ];
    let lines: Vec<String> = notes.iter().flat_map(|it| note(&plain(), &incident(), it)).collect();
    insta::assert_snapshot!(lines.join("\n"));
    let templates = Templates::builtin().with_overrides([("terminal/note", "{{nonsense}}")]).unwrap();
    let pen = Pen { templates: Arc::new(templates), ..plain() };
    let lines = note(&pen, &incident(), &notes[0]);
    assert!(lines.concat().contains("templates/terminal/note.hbs:1"), "{lines:?}");
}

#[test]
fn what_waits_and_what_was_filed_are_told() {
    let told = |retry_at| Trouble {
        what: "filing the issue".into(),
        reason: "GitHub answered 502".into(),
        retry_at,
    };
    let filed = IssueRef { reference: "a/b#1".into(), url: String::new() };
    let lines = [
        trouble(&plain(), &told(Some(Timestamp::UNIX_EPOCH))),
        trouble(&plain(), &told(None)),
        issue(&plain(), &filed),
        more_running(&plain(), 3),
        withdrawn(&plain(), &shipped(QuestionId::LatencyFirst)),
        stopping(&plain()),
    ];
    insta::assert_snapshot!(lines.concat().join("\n"));
}
