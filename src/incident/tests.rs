//! What the fold promises, and the figures read from it.

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn asked(incident: &mut Incident, question: QuestionId, second: i64) {
    incident.record(Event::QuestionAsked { question, because: "test".into() }, at(second));
}

fn answered(incident: &mut Incident, question: QuestionId, second: i64) {
    let event = Event::AnswerGiven { question, answer: Answer::Unknown, by: "test".into() };
    incident.record(event, at(second));
}

#[test]
fn an_id_is_read_back_and_nothing_else_is() {
    let id = IncidentId::from_seed(0x1234_5678_9abc);
    assert_eq!(IncidentId::parse(id.as_str()), Ok(id));
    assert!(IncidentId::parse("inc-../../etc").is_err());
    assert!(IncidentId::parse("inc-4K2M9QX7AB").is_err());
}

#[test]
fn folding_the_log_again_gives_the_same_bytes() {
    let mut incident = Incident::new(IncidentId::from_seed(1));
    let mut log =
        vec![incident.record(
            Event::Opened { key: IncidentKey("k".into()), profile: ServiceProfile::default() },
            at(0),
        )];
    log.push(incident.record(Event::AlertReceived { alert: Alert::titled("generic", "500s") }, at(1)));
    log.push(incident.record(Event::Resolved { by: "test".into(), reason: None }, at(9)));
    let json: Vec<Recorded> = serde_json::from_str(&serde_json::to_string(&log).unwrap()).unwrap();
    assert_eq!(Incident::fold(incident.id.clone(), &json), incident);
    assert_eq!(incident.mttr_s(), Some(8.0));
}

#[test]
fn a_trouble_lasts_until_it_waits_no_more() {
    let mut incident = Incident::new(IncidentId::from_seed(1));
    let mut fails = |what: &str, reason: &str, retry_at| {
        let (what, reason) = (what.to_owned(), reason.to_owned());
        incident.record(Event::ActionFailed { what, reason, retry_at }, at(0));
        incident.troubles.clone()
    };
    fails("filing the issue", "GitHub answered 502", Some(at(1)));
    fails("opening the thread", "Discord answered 503", Some(at(1)));
    let troubles = fails("filing the issue", "the token was refused", None);
    assert_eq!(troubles.len(), 2);
    assert_eq!((troubles[0].reason.as_str(), troubles[0].retry_at), ("the token was refused", None));
    incident.record(Event::ActionRecovered { what: "filing the issue".into() }, at(2));
    assert_eq!(incident.troubles, troubles[1..]);
}

#[test]
fn a_clock_that_is_set_back_does_not_turn_the_history_round() {
    let mut incident = Incident::new(IncidentId::from_seed(1));
    let mut alert = Alert::titled("generic", "500s");
    alert.started_at = Some(at(50));
    let mut log = vec![incident.record(Event::AlertReceived { alert }, at(60))];
    log.push(incident.record(Event::ThreadOpened { thread: "t".into() }, at(-3600)));
    log.push(incident.record(Event::Resolved { by: "test".into(), reason: None }, at(-3000)));
    assert_eq!(log.iter().map(|it| it.at).collect::<Vec<_>>(), [at(60), at(60), at(60)]);
    assert_eq!(incident.mttr_s(), Some(10.0));
    assert_eq!(Incident::fold(incident.id.clone(), &log), incident);
    log.push(incident.record(Event::ThreadOpened { thread: "u".into() }, at(70)));
    assert_eq!(log[3].at, at(70));
}

#[test]
fn waiting_for_two_people_at_once_is_counted_once() {
    let mut incident = Incident::new(IncidentId::from_seed(1));
    asked(&mut incident, QuestionId::EndpointScope, 0);
    asked(&mut incident, QuestionId::LatencyFirst, 2);
    answered(&mut incident, QuestionId::EndpointScope, 5);
    answered(&mut incident, QuestionId::LatencyFirst, 7);
    asked(&mut incident, QuestionId::TokenState, 10);
    answered(&mut incident, QuestionId::TokenState, 11);
    assert!((incident.human_wait_s() - 8.0).abs() < f64::EPSILON);
}

#[test]
fn a_fault_cannot_begin_after_its_alert() {
    let mut incident = Incident::new(IncidentId::from_seed(1));
    let mut alert = Alert::titled("generic", "500s");
    alert.started_at = Some(at(60));
    incident.record(Event::AlertReceived { alert }, at(0));
    assert_eq!(incident.started_at(), Some(at(0)));
    assert_eq!(incident.mttd_s(), Some(0.0));
}
