//! What the terminal says, as people see it.

use super::*;
use crate::chat::samples::{conclude, incident, question, report, step};
use crate::chat::terminal::Style;
use crate::outcome::CheckKind;
use crate::question::QuestionId;

fn plain() -> Ink {
    Ink::new(Style::plain())
}

#[test]
fn an_opened_incident_shows_what_the_alert_says() {
    insta::assert_snapshot!(opened(plain(), &incident()).join("\n"));
}

#[test]
fn a_conclusion_is_read_in_one_look() {
    let mut incident = incident();
    conclude(&mut incident);
    insta::assert_snapshot!(note(plain(), &incident, &Note::Concluded).join("\n"));
}

#[test]
fn a_narrow_terminal_without_unicode_gets_the_same() {
    let mut incident = incident();
    conclude(&mut incident);
    let ink = Ink::new(Style { unicode: false, width: 60, ..Style::plain() });
    let lines = note(ink, &incident, &Note::Concluded);
    assert!(lines.iter().all(|line| line.is_ascii()), "{lines:?}");
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn checks_stand_below_one_another() {
    let mut payments = step(CheckKind::Http);
    payments.role = Role::Dependency;
    payments.name = Some("payments".into());
    let lines = [
        check(plain(), &step(CheckKind::Dns), &report(CheckKind::Dns, Outcome::Resolves, "2 addresses")),
        check(
            plain(),
            &step(CheckKind::Tls),
            &report(CheckKind::Tls, Outcome::Expired, "certificate expired 41 days ago"),
        ),
        check(plain(), &step(CheckKind::Http), &report(CheckKind::Http, Outcome::Slow, "200 after 3.2 s")),
        check(
            plain(),
            &payments,
            &report(CheckKind::Http, Outcome::Error, "refused by the egress policy: loopback"),
        ),
    ]
    .concat();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_question_over_a_pipe_shows_its_answers() {
    let asked = question(QuestionId::EndpointScope);
    insta::assert_snapshot!(
        question_with_answers(plain(), &asked, "a fault of one endpoint points to its code").join("\n")
    );
}

#[test]
fn a_long_reply_is_shown_by_its_first_line() {
    let asked = question(QuestionId::FailingRequest);
    assert_eq!(
        shown_reply(&asked, "curl https://api.example.com \\\n -v"),
        "curl https://api.example.com \\ …"
    );
}
