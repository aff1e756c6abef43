//! From what the addresses showed to an outcome: the table, pure.
//!
//! Two faults true: the first of [`RANK`] is the outcome and the others stand in the fact `also` (triage.md, "Reading
//! rules"). A warning (`expires_soon`) never hides a fault. An address that takes no connection is a fault of its own
//! unless a whole family is silent: that is the `tcp` check's `one_family_fails`, which this kind cannot say, so it stands
//! in `also`.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::certificate::{self, Expectation, Verdict};
use super::handshake::{Fault, Handshake, alert_name};
use super::{Finding, Observation, Reached, Variants, legacy, staple};
use crate::checks::dial::Failure;
use crate::checks::millis;
use crate::checks::tcp::{failure_outcome, finding, follows_family};
use crate::duration;
use crate::outcome::{CheckKind, Facts, Outcome, Report};

/// Which of two outcomes is told: the row of `triage.md`, with its more specific ones first and its warning last.
const RANK: [Outcome; 13] = [
    Outcome::Expired,
    Outcome::NotYetValid,
    Outcome::NameMismatch,
    Outcome::SelfSigned,
    Outcome::IncompleteChain,
    Outcome::UnknownIssuer,
    Outcome::WeakProtocol,
    Outcome::ClientCertRequired,
    Outcome::HandshakeFailure,
    Outcome::Timeout,
    Outcome::Unreachable,
    Outcome::ExpiresSoon,
    Outcome::Valid,
];

pub(super) fn rank(outcome: Outcome) -> usize {
    RANK.iter().position(|it| *it == outcome).unwrap_or(RANK.len())
}

/// Clocks further apart than this break tokens, signatures and dates (checks.md T23).
const MOST_SKEW_SECONDS: i64 = 60;

/// What one address amounts to.
struct Judged {
    addr: SocketAddr,
    findings: Vec<Finding>,
    facts: Facts,
    /// Connect and handshake.
    took: Option<(Duration, Duration)>,
}

/// Judges all addresses together.
pub(super) fn report(target: &str, observations: &[Observation], expected: Expectation<'_>) -> Report {
    let failed: Vec<(SocketAddr, Failure)> = observations
        .iter()
        .filter_map(|it| match it.reached {
            Reached::Failed(failure) => Some((it.addr, failure)),
            _ => None,
        })
        .collect();
    let reached: Vec<SocketAddr> = observations
        .iter()
        .filter(|it| matches!(it.reached, Reached::Shaken { .. }))
        .map(|it| it.addr)
        .collect();
    let is_family = follows_family(&reached, &failed);
    let mut judged: Vec<Judged> =
        observations.iter().filter_map(|it| judge_address(it, expected, is_family)).collect();
    if judged.is_empty() {
        let facts = Facts::from([("diagnosis".to_owned(), json!("no_route_here"))]);
        let summary = "this machine has no route to any of its addresses".to_owned();
        return finding(CheckKind::Tls, target, Outcome::Unreachable, facts, summary);
    }
    let addresses: Value = judged.iter().map(describe).collect();
    judged.sort_by_key(|it| it.findings.first().map_or(RANK.len(), |finding| rank(finding.outcome)));
    let mut also: Vec<Outcome> = judged.iter().flat_map(|it| &it.findings).map(|it| it.outcome).collect();
    also.sort_by_key(|outcome| rank(*outcome));
    also.dedup();

    let count = judged.len();
    let certificates: std::collections::BTreeSet<String> = judged
        .iter()
        .filter_map(|it| it.facts.get("fingerprint_sha256").and_then(Value::as_str).map(str::to_owned))
        .collect();
    let worst = judged.swap_remove(0);
    let told = worst.findings.first().cloned().unwrap_or_else(|| valid(&worst.facts, expected.now));
    also.retain(|outcome| *outcome != told.outcome);

    let mut facts = worst.facts;
    facts.insert("server_name".to_owned(), json!(expected.server_name.to_str()));
    facts.insert("address".to_owned(), json!(worst.addr.to_string()));
    let mut also: Vec<&str> = also.into_iter().map(Outcome::id).collect();
    if is_family {
        also.push(Outcome::OneFamilyFails.id());
    }
    if !also.is_empty() {
        facts.insert("also".to_owned(), json!(also));
    }
    if told.outcome == Outcome::Error {
        facts.insert("reason".to_owned(), json!(told.text));
    }
    let unstapled = staple::diagnosis(&facts).filter(|_| told.outcome == Outcome::Valid);
    if let Some(diagnosis) = told.diagnosis.or(unstapled) {
        facts.insert("diagnosis".to_owned(), json!(diagnosis));
    }
    if count > 1 {
        facts.insert("addresses".to_owned(), addresses);
        facts.insert("same_certificate".to_owned(), json!(certificates.len() <= 1));
    }
    let mut report = finding(CheckKind::Tls, target, told.outcome, facts, told.text);
    if let Some((connect, tls)) = worst.took {
        report.phases_ms.insert("connect".to_owned(), millis(connect));
        report.phases_ms.insert("tls".to_owned(), millis(tls));
    }
    report
}

/// `None` for an address that says nothing about the target.
fn judge_address(observation: &Observation, expected: Expectation<'_>, is_family: bool) -> Option<Judged> {
    let addr = observation.addr;
    match &observation.reached {
        Reached::NoRouteHere | Reached::NotAllowed => None,
        Reached::Silent => {
            let text =
                format!("{addr} took our connections, and answered none of them until the time was up");
            let told = Finding::new(Outcome::Timeout, text).because("silent_to_all");
            Some(Judged { addr, findings: vec![told], facts: Facts::new(), took: None })
        }
        Reached::Failed(_) if is_family => None,
        Reached::Failed(failure) => {
            let told = Finding::new(failure_outcome(CheckKind::Tls, *failure), format!("{addr} {failure}"));
            Some(Judged { addr, findings: vec![told], facts: Facts::new(), took: None })
        }
        Reached::Shaken { connect, handshake, variants } => {
            let expected = Expectation { fetched: &variants.fetched, ..expected };
            let Verdict { mut findings, mut facts } = certificate::judge(&handshake.chain, expected);
            findings.extend(staple::judge(&handshake.chain, &handshake.staple, &mut facts));
            clocks(&mut findings, &mut facts, variants, expected);
            without_name(&mut findings, &mut facts, handshake, variants, expected);
            let is_explained = findings.iter().any(|it| it.diagnosis == Some("weak_key"));
            findings.extend(
                judge_handshake(handshake, variants)
                    .filter(|it| !(is_explained && it.diagnosis == Some("broken_handshake"))),
            );
            findings.sort_by_key(|it| rank(it.outcome));
            facts.extend(handshake_facts(handshake, variants));
            Some(Judged { addr, findings, facts, took: Some((*connect, handshake.took)) })
        }
    }
}

/// Dates that do not fit our clock and fit the server's are a question of clocks.
fn clocks(findings: &mut [Finding], facts: &mut Facts, variants: &Variants, expected: Expectation<'_>) {
    let Some(date) = variants.server_date else { return };
    let skew = expected.now.as_second() - date.as_second();
    if skew.abs() <= MOST_SKEW_SECONDS {
        return;
    }
    facts.insert("clock_skew_s".to_owned(), json!(skew));
    let bound =
        |name: &str| facts.get(name).and_then(Value::as_str).and_then(|it| it.parse::<Timestamp>().ok());
    let (Some(from), Some(until)) = (bound("not_before"), bound("not_after")) else { return };
    if (from..=until).contains(&date) {
        let dated = |it: &&mut Finding| {
            matches!(it.outcome, Outcome::Expired | Outcome::NotYetValid) && it.diagnosis.is_none()
        };
        for finding in findings.iter_mut().filter(dated) {
            finding.diagnosis = Some("clocks_differ");
        }
    }
}

/// What a client sees that does not say the name: the same, or the default of a server with several certificates.
fn without_name(
    findings: &mut [Finding],
    facts: &mut Facts,
    handshake: &Handshake,
    variants: &Variants,
    expected: Expectation<'_>,
) {
    let Some(leaf) = variants.without_name.as_ref().and_then(|it| it.first()) else { return };
    let is_same = handshake.chain.first() == Some(leaf);
    let is_right = certificate::is_for(leaf, expected.server_name);
    let told = json!({
        "names": certificate::names_of(leaf),
        "fingerprint_sha256": certificate::fingerprint(leaf),
        "same_certificate": is_same,
    });
    facts.insert("without_server_name".to_owned(), told);
    if is_right && !is_same {
        for finding in findings.iter_mut().filter(|it| it.outcome == Outcome::NameMismatch) {
            finding.diagnosis = Some("right_only_without_server_name");
        }
    }
}

/// A ClientHello without the name was taken, with the name it was not.
fn is_name_refused(variants: &Variants) -> bool {
    variants.without_name.is_some()
}

fn judge_handshake(handshake: &Handshake, variants: &Variants) -> Option<Finding> {
    let fault = match &handshake.end {
        Ok(agreed) => return agreed.refused_after.as_ref().and_then(refused_after),
        Err(fault) => fault,
    };
    if let Some(finding) = wants_certificate(fault, handshake.wants_certificate) {
        return Some(finding);
    }
    if let Some(version) = variants.old_version {
        if version != "TLSv1.2" {
            let text = format!("server speaks nothing newer than {version}");
            return Some(Finding::new(Outcome::WeakProtocol, text).because("old_version_only"));
        }
        // TLS 1.2 with ciphers that this program lacks: other clients speak them, so that is no fault by itself.
        let cipher = variants.old_cipher.unwrap_or_default();
        return legacy::is_weak(cipher).then(|| {
            let text = format!("server takes only weak ciphers such as {}", legacy::cipher_name(cipher));
            Finding::new(Outcome::WeakProtocol, text).because("weak_ciphers_only")
        });
    }
    if let Some(first) = &variants.plain_http {
        return Some(plaintext(first));
    }
    if let Some(group) = variants.beyond_group {
        let text = format!(
            "server agrees to the key exchange {group} alone, which other clients speak and this program does not; nothing can be said about its certificate"
        );
        return Some(Finding::new(Outcome::Error, text).because("group_not_spoken_here"));
    }
    let failure = |text: String, diagnosis| Finding::new(Outcome::HandshakeFailure, text).because(diagnosis);
    if handshake.chain.is_empty() && is_name_refused(variants) {
        let how = if let Fault::Alert(number) = fault {
            alert_text(*number)
        } else {
            "it ends the handshake".to_owned()
        };
        return Some(failure(
            format!("server takes no handshake for this name ({how})"),
            "name_not_configured",
        ));
    }
    let during = if handshake.chain.is_empty() { "after the client's hello" } else { "during the handshake" };
    Some(match fault {
        Fault::Timeout => {
            let text = "connection opened, and the TLS handshake got no answer in time";
            Finding::new(Outcome::Timeout, text).because("silent_after_hello")
        }
        Fault::NotTls(first) => plaintext(first),
        Fault::OldVersion => {
            let text = "server speaks nothing newer than TLS 1.1";
            Finding::new(Outcome::WeakProtocol, text).because("old_version_only")
        }
        // Its own words, and no older version that it would take either.
        Fault::Alert(number @ 70) => {
            let text = format!("server takes neither TLS 1.3 nor TLS 1.2 ({})", alert_text(*number));
            Finding::new(Outcome::WeakProtocol, text).because("old_version_only")
        }
        Fault::Closed => failure(format!("server closed the connection {during}"), "closed_during_handshake"),
        Fault::Reset => failure(format!("server reset the connection {during}"), "reset_during_handshake"),
        Fault::Alert(number @ (40 | 71)) => failure(
            format!("server found no protocol or cipher in common ({})", alert_text(*number)),
            "nothing_in_common",
        ),
        Fault::Alert(number @ 112) => {
            failure(format!("server knows no such name ({})", alert_text(*number)), "name_not_configured")
        }
        Fault::Alert(number @ 120) => failure(
            format!("server speaks none of the offered protocols ({})", alert_text(*number)),
            "no_shared_alpn",
        ),
        Fault::Alert(number) => {
            failure(format!("server ended the handshake ({})", alert_text(*number)), "alert")
        }
        Fault::HttpRefusal => failure("server refused the request".to_owned(), "refused"),
        Fault::Broken(why) => failure(format!("handshake failed: {why}"), "broken_handshake"),
    })
}

/// A missing client certificate ends a TLS 1.2 handshake with one of several alerts, or without a word; 116 is TLS 1.3's.
fn wants_certificate(fault: &Fault, was_asked: bool) -> Option<Finding> {
    let how = match fault {
        Fault::Alert(number @ 116) => alert_text(*number),
        Fault::Alert(number @ (40 | 41 | 42 | 46 | 48 | 49)) if was_asked => alert_text(*number),
        Fault::Closed | Fault::Reset if was_asked => "it ended the handshake without one".to_owned(),
        _ => return None,
    };
    Some(client_certificate(&how))
}

fn refused_after(fault: &Fault) -> Option<Finding> {
    match fault {
        Fault::Alert(number) => Some(client_certificate(&alert_text(*number))),
        Fault::Reset => Some(client_certificate("it reset the connection without one")),
        Fault::HttpRefusal => Some(client_certificate("it answered 400 without one")),
        _ => None,
    }
}

fn client_certificate(how: &str) -> Finding {
    let text = format!("server wants a client certificate ({how})");
    Finding::new(Outcome::ClientCertRequired, text).because("client_certificate_required")
}

fn plaintext(first: &[u8]) -> Finding {
    let speaks = match first {
        // Some servers answer a request they cannot read with the page alone, as HTTP/0.9 did.
        [b'H', b'T', b'T', b'P', ..] | [b'<', ..] => "plain HTTP",
        [b'S', b'S', b'H', ..] => "SSH",
        [b'2', b'2', b'0', ..] => "plain SMTP or FTP",
        _ => "something else",
    };
    let text = format!("port speaks {speaks}, not TLS");
    Finding::new(Outcome::HandshakeFailure, text).because("plaintext_on_port")
}

fn valid(facts: &Facts, now: Timestamp) -> Finding {
    let end = facts.get("not_after").and_then(Value::as_str).and_then(|it| it.parse::<Timestamp>().ok());
    let left = end.map_or(0, |it| it.as_second() - now.as_second());
    let left = duration::show(Duration::from_secs(u64::try_from(left).unwrap_or_default()));
    let protocol = facts.get("protocol").and_then(Value::as_str).unwrap_or("TLS");
    Finding::new(Outcome::Valid, format!("certificate is valid for another {left} ({protocol})"))
}

fn alert_text(number: u8) -> String {
    format!("alert {number} {}", alert_name(number))
}

fn handshake_facts(handshake: &Handshake, variants: &Variants) -> Facts {
    let mut facts = Facts::new();
    let mut put = |key: &str, value: Value| facts.insert(key.to_owned(), value);
    match &handshake.end {
        Ok(agreed) => {
            put("protocol", json!(agreed.protocol));
            put("cipher", json!(agreed.cipher));
            put("alpn", json!(agreed.alpn));
        }
        Err(Fault::NotTls(first)) => {
            put("first_bytes", json!(printable(first)));
        }
        Err(_) => {}
    }
    if let Some(version) = variants.old_version {
        put("protocol", json!(version));
    }
    if let Some(cipher) = variants.old_cipher {
        put("cipher", json!(legacy::cipher_name(cipher)));
        put("old_ciphers_only", json!(true));
    }
    if let Some(first) = &variants.plain_http {
        put("first_bytes", json!(printable(first)));
    }
    if let Some(group) = variants.beyond_group {
        put("group", json!(group));
    }
    if variants.needs_no_alpn {
        put("alpn_refused", json!(true));
    }
    let refusal = match &handshake.end {
        Ok(agreed) => agreed.refused_after.as_ref(),
        Err(fault) => Some(fault),
    };
    if let Some(Fault::Alert(number)) = refusal {
        put("alert", json!(number));
        put("alert_name", json!(alert_name(*number)));
    }
    if handshake.wants_certificate && variants.old_version.is_none() {
        put("client_certificate", json!(if refusal.is_some() { "required" } else { "optional" }));
    }
    facts
}

fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().next().unwrap_or_default().chars().filter(|it| !it.is_control()).collect()
}

fn describe(judged: &Judged) -> Value {
    let outcome = judged.findings.first().map_or(Outcome::Valid, |it| it.outcome);
    let mut facts = json!({"address": judged.addr.to_string(), "outcome": outcome.id()});
    for key in ["fingerprint_sha256", "not_after"] {
        if let Some(value) = judged.facts.get(key) {
            facts[key] = value.clone();
        }
    }
    facts
}
