//! The pictures of one incident, and what strange ones come to.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::alert::{Alert, IncidentKey};
use crate::incident::{Event, IncidentId, Step};
use crate::outcome::{CheckKind, Outcome, Role};
use crate::profile::ServiceProfile;
use crate::question::{Answer, QuestionId};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap() + SignedDuration::from_millis(ms)
}

fn report(check: CheckKind, outcome: Outcome, took_ms: f64, phases: &[(&str, f64)]) -> Report {
    let mut report =
        Report::error(check, "https://orders.example.com/v1/orders", "504 after 30.1 s, from the gateway");
    report.outcome = outcome;
    report.took_ms = took_ms;
    report.phases_ms = phases.iter().map(|(id, took)| ((*id).to_owned(), *took)).collect();
    report
}

fn timed_out() -> Report {
    let phases = [("dns", 12.0), ("connect", 24.0), ("tls", 51.0), ("send", 0.4)];
    report(CheckKind::Http, Outcome::Timeout, 5000.0, &phases)
}

/// An incident whose alert came 40 s after the fault, with a request that timed out.
fn incident() -> Incident {
    let mut incident = Incident::new(IncidentId::from_seed(0x1_2345_6789_abcd));
    incident
        .record(Event::Opened { key: IncidentKey("k".into()), profile: ServiceProfile::default() }, at(0));
    let mut alert = Alert::titled("alertmanager", "High 502 rate on /v1/orders <script>");
    alert.started_at = Some(at(-40_000));
    incident.record(Event::AlertReceived { alert }, at(0));
    let steps = [(CheckKind::Dns, Outcome::Resolves, 12.0), (CheckKind::Tls, Outcome::Valid, 90.0)];
    for (check, outcome, took) in steps {
        check_of(&mut incident, 200, report(check, outcome, took, &[]));
    }
    check_of(&mut incident, 5100, timed_out());
    let question = QuestionId::LatencyFirst;
    incident.record(Event::QuestionAsked { question, because: String::new() }, at(5200));
    let answer = Answer::Picked(vec!["yes".into()]);
    incident.record(Event::AnswerGiven { question, answer, by: "Ada".into() }, at(31_000));
    incident
}

fn check_of(incident: &mut Incident, came: i64, report: Report) {
    let step = Step {
        check: report.check,
        role: Role::Service,
        name: None,
        target: String::new(),
        with: BTreeMap::new(),
    };
    let key = step.key();
    incident.record(Event::ChecksPlanned { steps: vec![step] }, at(10));
    incident.record(Event::CheckReported { step: key, report }, at(came));
}

#[test]
fn a_waterfall_shows_where_the_time_went_and_what_never_ended() {
    let picture = waterfall(&Templates::builtin(), &incident()).unwrap().unwrap();
    insta::assert_snapshot!(picture.alt, @"Waterfall of http https://orders.example.com/v1/orders: timeout, 5.00 s in all: name lookup 12 ms, connection 24 ms, TLS handshake 51 ms, request sent 0.4 ms, no answer in time 4.91 s.");
    assert_eq!(picture.svg.matches("#c8453b").count(), 1, "{}", picture.svg);
}

#[test]
fn a_timeline_shows_checks_answers_and_when_it_became_clear() {
    let picture = timeline(&Templates::builtin(), &incident()).unwrap().unwrap();
    insta::assert_snapshot!(picture.alt, @"Timeline of inc-dyakrkn839: from 2026-09-21 14:13:20 UTC, detected after 40.0 s. http service: timeout (5.00 s); tls service: valid (90 ms); dns service: resolves (12 ms); asked: latency_first (25.8 s)");
    for words in ["fault began", "asked: latency_first", "alert"] {
        assert!(picture.svg.contains(words), "{words}: {}", picture.svg);
    }
}

#[test]
fn foreign_words_stay_words() {
    let picture = timeline(&Templates::builtin(), &incident()).unwrap().unwrap();
    assert!(picture.svg.contains("&lt;script&gt;") && !picture.svg.contains("<script"), "{}", picture.svg);
}

#[test]
fn a_png_is_drawn_with_our_own_fonts_and_weighs_little() {
    let templates = Templates::builtin();
    for picture in [waterfall(&templates, &incident()), timeline(&templates, &incident())] {
        let picture = picture.unwrap().unwrap();
        let png = picture.png().unwrap();
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
        assert!(png.len() < 200_000, "{} has {} bytes", picture.name, png.len());
        // Text that is drawn changes pixels: without a font both would be the same picture.
        let wordless =
            Picture { svg: picture.svg.replace("<text", "<desc").replace("</text", "</desc"), ..picture };
        assert_ne!(wordless.png().unwrap(), png);
    }
}

#[test]
fn an_incident_without_measured_phases_has_no_waterfall_and_one_without_alert_no_timeline() {
    let empty = Incident::new(IncidentId::from_seed(1));
    assert_eq!(waterfall(&Templates::builtin(), &empty).unwrap(), None);
    assert_eq!(timeline(&Templates::builtin(), &empty).unwrap(), None);
}

#[test]
fn the_failing_request_is_shown_and_not_the_healthy_one() {
    let mut incident = incident();
    let healthy = report(CheckKind::Http, Outcome::Ok, 90.0, &[("dns", 1.0), ("transfer", 2.0)]);
    let step = Step {
        check: CheckKind::Http,
        role: Role::Dependency,
        name: None,
        target: String::new(),
        with: BTreeMap::new(),
    };
    let key = step.key();
    incident.record(Event::ChecksPlanned { steps: vec![step] }, at(10));
    incident.record(Event::CheckReported { step: key, report: healthy }, at(100));
    assert_eq!(waterfall::shown(&incident).unwrap().outcome, Outcome::Timeout);
}

#[test]
fn a_picture_of_too_many_pixels_is_refused() {
    let svg = r#"<svg xmlns="http://www.w3.org/2000/svg" width="90000" height="90000"/>"#.to_owned();
    let picture = Picture { name: "x", svg, alt: String::new() };
    assert!(matches!(picture.png(), Err(NotDrawn::Size { .. })));
    let none = Picture { name: "x", svg: "no picture".into(), alt: String::new() };
    assert!(matches!(none.png(), Err(NotDrawn::Svg(_))));
}

proptest! {
    #[test]
    fn any_times_and_words_become_a_picture(
        phases in proptest::collection::btree_map("dns|connect|tls|send|first_byte|transfer", -5.0..1e7f64, 0..6),
        took in -1.0..1e7f64,
        words in "\\PC{0,300}",
        ends in proptest::collection::vec(-100_000i64..100_000_000, 0..30),
    ) {
        let mut incident = incident();
        incident.alerts[0].title.clone_from(&words);
        let mut odd = report(CheckKind::Http, Outcome::ServerError, took, &[]);
        odd.phases_ms = phases;
        odd.summary = words;
        let picture = of_report(&Templates::builtin(), &odd).unwrap();
        prop_assert!(resvg::usvg::roxmltree::Document::parse(&picture.svg).is_ok());
        prop_assert!(picture.alt.chars().count() <= ALT && !picture.svg.contains("NaN"));
        for end in ends {
            let step = format!("dns dependency {end}");
            let report = report(CheckKind::Dns, Outcome::Timeout, took, &[]);
            let planned = Step { check: CheckKind::Dns, role: Role::Dependency, name: Some(end.to_string()), target: String::new(), with: BTreeMap::new() };
            incident.record(Event::ChecksPlanned { steps: vec![planned] }, at(0));
            incident.record(Event::CheckReported { step, report }, at(end));
        }
        let picture = timeline(&Templates::builtin(), &incident).unwrap().unwrap();
        prop_assert!(resvg::usvg::roxmltree::Document::parse(&picture.svg).is_ok());
        prop_assert!(picture.alt.chars().count() <= ALT && !picture.svg.contains("NaN"));
    }
}
