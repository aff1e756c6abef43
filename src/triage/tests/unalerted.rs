//! Without an alert's status: what the endpoint answers now stands in for it, as far as that is honest.

use super::*;
use crate::incident::NOBODY;

/// The status triage goes by for an alert of this source without one, when the endpoint answers like this.
fn status(source: &str, outcome: Outcome, status: Option<u16>) -> Option<String> {
    let profile = ServiceProfile {
        url: Some("https://api.example.com/v1".parse().unwrap()),
        ..ServiceProfile::default()
    };
    let facts = status.map_or(json!({}), |status| json!({"status": status}));
    let mut desk = Desk::new(profile).finds_with("http service", outcome, facts);
    desk.run(Event::AlertReceived { alert: Alert::titled(source, "orders fails") });
    let mut reasons = desk.incident.conclusion.unwrap().reasons.into_iter();
    let told = |it: crate::incident::Reason| {
        it.observation.strip_prefix("the failing status is ").map(str::to_owned)
    };
    reasons.find_map(told)
}

#[track_caller]
fn check(outcome: Outcome, answered: Option<u16>, expected: Option<&str>) {
    assert_eq!(status("terminal", outcome, answered).as_deref(), expected, "{outcome} {answered:?}");
}

#[test]
fn what_is_met_now_is_the_status() {
    check(Outcome::ServerError, Some(500), Some("500"));
    check(Outcome::GatewayError, Some(504), Some("504"));
    check(Outcome::ClientError, Some(404), Some("404"));
    check(Outcome::Limited, Some(429), Some("429"));
    check(Outcome::Unauthorized, Some(401), Some("401"));
    check(Outcome::Timeout, None, Some("timeout"));
    check(Outcome::Unresolved, None, Some("dns"));
    check(Outcome::Unreachable, None, Some("connect"));
    check(Outcome::Untrusted, None, Some("tls"));
    check(Outcome::Ok, Some(200), None);
}

#[test]
fn a_probe_without_credentials_says_nothing_of_a_monitors_401() {
    assert_eq!(status("generic", Outcome::Unauthorized, Some(401)), None);
    assert_eq!(status("generic", Outcome::ServerError, Some(500)).as_deref(), Some("500"));
}

#[test]
fn each_question_has_a_deadline_and_an_answer_in_the_last_moment_wins() {
    let mut incident = Incident::new(IncidentId::from_seed(7));
    let mut now = Timestamp::UNIX_EPOCH;
    let opened =
        Event::Opened { key: crate::alert::IncidentKey("k".into()), profile: ServiceProfile::default() };
    let mut actions = Vec::new();
    for event in [opened, Event::AlertReceived { alert: Alert::titled("generic", "orders fails") }] {
        let stepped = step(&KNOWLEDGE, incident, event, now);
        incident = stepped.incident;
        actions.extend(stepped.actions);
    }
    let asked: Vec<QuestionId> = incident.open_questions().map(|it| it.question).collect();
    let patience = SignedDuration::from_secs(900);
    for question in &asked {
        let at = now.checked_add(patience).unwrap();
        assert!(actions.contains(&Action::StopWaiting { question: *question, at }), "{actions:?}");
    }
    now = now.checked_add(patience).unwrap();
    let question = asked[0];
    let given = |by: &str, answer: Answer| Event::AnswerGiven { question, answer, by: by.to_owned() };
    let nobody = || given(NOBODY, Answer::Unknown);
    let in_time = step(&KNOWLEDGE, incident.clone(), given("ada", Answer::Unknown), now).incident;
    assert_eq!(step(&KNOWLEDGE, in_time, nobody(), now).recorded, []);

    let unanswered = step(&KNOWLEDGE, incident, nobody(), now).incident;
    assert_eq!(unanswered.answer(question), Some(&Answer::Unknown));
    let reply = question.answers().first().map_or("it broke at noon", |it| *it);
    let late = given("ada", Answer::parse(question, reply).unwrap());
    let late = step(&KNOWLEDGE, unanswered, late, now).incident;
    let record = late.questions.iter().find(|it| it.question == question).unwrap();
    assert_eq!(record.by.as_deref(), Some("ada"));
}

#[test]
fn questions_that_went_with_a_lost_thread_are_put_once_more() {
    let opened = |thread: &str| Event::ThreadOpened { thread: thread.to_owned() };
    let mut incident = Incident::new(IncidentId::from_seed(7));
    let mut take = |event: Event| {
        let stepped = step(&KNOWLEDGE, incident.clone(), event, Timestamp::UNIX_EPOCH);
        incident = stepped.incident;
        stepped.actions
    };
    assert_eq!(take(opened("1")), []);
    take(Event::QuestionAsked { question: QuestionId::ErrorOrigin, because: "it tells".to_owned() });
    take(Event::QuestionAsked { question: QuestionId::TokenState, because: String::new() });
    let answer = Answer::Picked(vec!["expired".to_owned()]);
    take(Event::AnswerGiven { question: QuestionId::TokenState, answer, by: "Ada".to_owned() });
    assert_eq!(take(opened("1")), [], "the same thread");
    let again = Action::Ask { question: QuestionId::ErrorOrigin, because: "it tells".to_owned() };
    let put = take(opened("2"));
    assert_eq!(put[0], again);
    let answered = |action: &Action| matches!(action, Action::Ask { question: QuestionId::TokenState, .. });
    assert!(
        put.iter().all(|action| matches!(action, Action::Ask { .. })) && !put.iter().any(answered),
        "{put:?}"
    );
}
