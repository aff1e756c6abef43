//! Which alerts a runbook is for, what it adds, and what its lint says.

use std::sync::LazyLock;

use crate::alert::Alert;
use crate::incident::Incident;
use crate::runbook::{Knowledge, Own};
use crate::scenario::{Scenario, replay};

const GOOD: &str = r#"title: Payments fails
match:
  service: "pay*"
  status: [502, 503]
  labels: {team: payments}
steps:
  - check: http
    role: dependency
    name: bank
    target: "https://bank.example.com/health?for={{labels.team}}"
    with: {expect_status: 200}
  - ask: change_at_start
    when: {status: 502}
  - escalate: "Page the bank team of {{labels.team}}."
    when: {outcomes: {http.dependency: timeout}}
  - escalate: "Never said."
    when: {outcomes: {http.dependency: ok}}
  - mitigate: "Switch {{service}} to the second bank."
causes:
  - id: bank_window
    bucket: upstream
    prior: common
    in_dependency: true
    says: "{{dependency}} is in its nightly window."
    next_experiment: Ask the bank.
    mitigation: Queue.
    confirm: {check: http, role: dependency}
    expect: {http.dependency: {timeout: always}, status: {"502": always}}
"#;

static KNOWLEDGE: LazyLock<Knowledge> = LazyLock::new(|| with(GOOD));

fn with(text: &str) -> Knowledge {
    Knowledge::with_overrides(&[("pay.yaml".to_owned(), text.to_owned())]).unwrap()
}

fn alert() -> Alert {
    let mut alert = Alert::titled("alertmanager", "502s");
    alert.service = Some("payments".into());
    alert.http_status = Some(502);
    alert.labels.insert("team".into(), "payments".into());
    alert
}

fn refusal(alert: Alert) -> Option<String> {
    let mut incident = Incident::new(crate::incident::IncidentId::from_seed(1));
    incident.alerts.push(alert);
    let own: &Own = &KNOWLEDGE.own[0];
    own.refuses(&incident)
}

#[test]
fn a_runbook_is_for_the_alerts_that_meet_every_condition() {
    assert_eq!(refusal(alert()), None);
    let other = Alert { service: Some("shop".into()), ..alert() };
    assert_eq!(refusal(other).as_deref(), Some("service is `shop`, not `pay*`"));
    let other = Alert { http_status: None, ..alert() };
    assert_eq!(refusal(other).as_deref(), Some("status is not said, not `502` or `503`"));
    let other = Alert { labels: [("team".to_owned(), "x".to_owned())].into(), ..alert() };
    assert_eq!(refusal(other).as_deref(), Some("label team is `x`, not `payments`"));
}

#[test]
fn its_checks_and_questions_come_first_and_its_words_stand_in_the_conclusion() {
    let scenario = "alert: {title: 502s, source: alertmanager, service: payments, http_status: 502, labels: {team: payments}}\n\
                    checks: [{check: http, target: dependency, outcome: timeout}]\n";
    let scenario = Scenario::parse("a.yaml", scenario).unwrap();
    let with_it = replay(&KNOWLEDGE, &scenario);
    assert_eq!(with_it.asked.first(), Some(&crate::question::QuestionId::ChangeAtStart));
    let conclusion = &with_it.conclusion;
    assert_eq!(conclusion.runbook.as_deref(), Some("pay"));
    assert_eq!(conclusion.escalate, ["Page the bank team of payments."]);
    assert_eq!(conclusion.mitigate, ["Switch payments to the second bank."]);
    assert_eq!(conclusion.runbooks, KNOWLEDGE.hash());
    assert!(KNOWLEDGE.causes.iter().any(|cause| cause.id == "bank_window"));
    let without = replay(&Knowledge::builtin(), &scenario);
    assert_eq!((without.conclusion.runbook, without.conclusion.escalate), (None, vec![]));
}

/// The good runbook with one piece replaced: the first problem is told exactly so.
#[track_caller]
fn check(old: &str, new: &str, expected: &str) {
    assert!(GOOD.contains(old), "{old}");
    let text = GOOD.replacen(old, new, 1);
    let problems = Knowledge::with_overrides(&[("pay.yaml".to_owned(), text)]).unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|it| it.starts_with(expected)), "{expected}: {told:#?}");
}

#[test]
fn every_mistake_is_told_at_its_exact_place() {
    check(
        "  service: ",
        "  servce: ",
        "pay.yaml:3:3: match: unknown field `servce`; did you mean `service`?",
    );
    check("[502, 503]", "[502, 999]", "pay.yaml:4:17: this can never match: `999` is no HTTP status");
    check("[502, 503]", "[]", "pay.yaml:4:3: this can never match: the list is empty");
    check(
        "status: [502, 503]",
        "source: promethus",
        "pay.yaml:4:11: this can never match: there is no source `promethus`",
    );
    check(
        "  labels: {team: payments}",
        "  error: timeout",
        "pay.yaml:5:3: this can never match: an alert with an `error`",
    );
    check(
        "expect_status: 200",
        "expect_stats: 200",
        "pay.yaml:11:12: the http check has no key `expect_stats`",
    );
    check(
        "{expect_status: 200}",
        "{slow_after: soon}",
        "pay.yaml:11:24: `slow_after` is `soon`; write a duration",
    );
    check("{{service}} to", "{{servce}} to", "pay.yaml:18:25: `{{servce}}` is not known here");
    check(
        "http.dependency: timeout}",
        "http.dependency: expired}",
        "pay.yaml:15:40: `expired` is no outcome of http",
    );
    check(
        "http.dependency: timeout}",
        "htp.dependency: timeout}",
        "pay.yaml:15:23: `htp.dependency` is no check and role",
    );
    check(
        "when: {status: 502}",
        "when: {answers: {change_at_start: deplyo}}",
        "pay.yaml:13:39: `deplyo` is no answer of",
    );
    check(
        "when: {status: 502}",
        "when: {cause: bank_windo}",
        "pay.yaml:13:19: there is no cause `bank_windo`",
    );
    check("  - ask: change_at_start\n", "  - name: x\n", "pay.yaml:12:5: a step has exactly one of");
    check(
        "{timeout: always}",
        "{timeot: always}",
        "pay.yaml:28:32: unknown outcome `timeot` of `http.dependency`",
    );
    check(
        "    confirm: {check: http, role: dependency}\n",
        "",
        "pay.yaml:20:5: cause `bank_window` has no confirming check",
    );
}

#[test]
fn a_runbook_with_the_match_of_another_can_never_be_chosen() {
    let files = ["a.yaml", "b.yaml"].map(|name| (name.to_owned(), GOOD.replace("bank_window", name)));
    let problems = Knowledge::with_overrides(&files).unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "b.yaml:2:1: this runbook can never be chosen: a.yaml has the same `match`"
    );
}

#[test]
fn a_cause_that_can_never_win_is_told() {
    let (_, server) = crate::runbook::BUILTIN.iter().find(|(name, _)| *name == "likelihoods.yaml").unwrap();
    let zero = server.replacen("rare: 1}", "rare: 0}", 1);
    let problems = Knowledge::with_overrides(&[("likelihoods.yaml".to_owned(), zero)]).unwrap_err();
    assert!(problems[0].to_string().contains("causes that are `rare` can never win"), "{problems:?}");
    let twin = GOOD.replacen(
        "causes:\n",
        &format!("causes:\n{}", GOOD.split_once("causes:\n").unwrap().1.replace("bank_window", "twin")),
        1,
    );
    let problems = Knowledge::with_overrides(&[("pay.yaml".to_owned(), twin)]).unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "pay.yaml:29:5: cause `bank_window` can never win: `twin` expects exactly the same and is met as often"
    );
}

#[test]
fn a_secret_is_named_by_the_author_and_never_by_an_alert() {
    let text = GOOD.replacen("{expect_status: 200}", "{header.x: \"{{labels.team}}\"}", 1);
    let knowledge = with(&text);
    let mut incident = Incident::new(crate::incident::IncidentId::from_seed(1));
    let mut hostile = alert();
    hostile.labels.insert("team".into(), "env:TOKEN".into());
    incident.alerts.push(hostile);
    let now = super::Moment {
        incident: &incident,
        bucket: crate::bucket::Bucket::Upstream,
        probability: 0.5,
        causes: &[],
    };
    assert_eq!(knowledge.own[0].checks(&now, &[]), []);
}

#[test]
fn the_guide_shows_a_runbook_that_reads() {
    let guide = include_str!("../../../runbooks/README.md");
    let examples: Vec<&str> =
        guide.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(examples.len(), 1);
    let knowledge = with(examples[0]);
    assert_eq!((knowledge.own.len(), knowledge.own[0].steps.len()), (1, 5));
}

proptest::proptest! {
    #[test]
    fn any_text_ends_in_knowledge_or_problems(text in "\\PC{0,200}|(title|match|steps|causes|- |: |\\{|\\[|\n|  |status|502|check|when){0,40}") {
        let _ = Knowledge::with_overrides(&[("any.yaml".to_owned(), text)]);
    }
}

#[test]
fn a_step_takes_every_key_that_its_check_takes() {
    let text = "\
title: Curves of one job
match: {service: orders}
steps:
  - check: metrics
    target: https://prometheus.example.com
    with: {match: 'job=\"orders\"'}
  - check: dns
    target: orders.example.com
    with: {control: good.example.com}
";
    let read = Knowledge::with_overrides(&[("orders.yaml".to_owned(), text.to_owned())]);
    assert!(read.is_ok(), "{:?}", read.err());
}
