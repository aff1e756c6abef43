//! From what the resolvers said to an outcome: the table, pure.
//!
//! Within one resolver, a record type that fails speaks for it; "has none" does only when no type has any. Among
//! resolvers, an answer from some and none or an error from others is `resolvers_disagree`, unless bogus signatures
//! explain it: then it is those that validate that fail.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Value, json};

use super::delegation::Delegation;
use super::observe::{Answer, End};
use super::{Observation, Plan, Resolver};
use crate::checks::millis;
use crate::checks::resolve::{Silence, show_name};
use crate::checks::tcp::finding;
use crate::egress::Policy;
use crate::outcome::{CheckKind, Facts, Outcome, Report};

/// Which of two failures is told: the specific ones, then the row of `triage.md`.
const RANK: [Outcome; 8] = [
    Outcome::DnssecBogus,
    Outcome::DanglingCname,
    Outcome::LameDelegation,
    Outcome::Nxdomain,
    Outcome::NoRecords,
    Outcome::Servfail,
    Outcome::Refused,
    Outcome::Timeout,
];

/// Judges everything that was seen.
pub(super) fn report(target: &str, plan: &Plan, observation: &Observation) -> Report {
    let judged: Vec<Judged<'_>> =
        observation.resolvers.iter().map(|(it, answers)| Judged::new(*it, answers)).collect();
    let Told { outcome, summary, diagnosis, mut also } = match observation.outside_dns.as_slice() {
        [] => tell(plan, &judged, observation.delegation.as_ref()),
        addresses => tell_outside_dns(plan, addresses),
    };

    let mut facts = facts(&judged);
    if !observation.outside_dns.is_empty() {
        facts.insert("addresses".to_owned(), json!(observation.outside_dns));
    }
    if let Some(delegation) = &observation.delegation {
        facts.insert("delegation".to_owned(), describe_delegation(delegation));
    }
    if plan.tried.len() > 1 {
        facts.insert("search_order".to_owned(), json!(plan.tried));
    }
    if !plan.expect.is_empty() {
        facts.insert("expected".to_owned(), json!(plan.expect));
    }
    if let Some(diagnosis) = diagnosis {
        facts.insert("diagnosis".to_owned(), json!(diagnosis));
    }
    if outcome == Outcome::Error {
        facts.insert("reason".to_owned(), json!(summary));
    }
    also.remove(&outcome);
    also.remove(&Outcome::Resolves);
    if !also.is_empty() {
        facts.insert("also".to_owned(), also.into_iter().map(|it| json!(it.id())).collect());
    }
    let mut report = finding(CheckKind::Dns, target, outcome, facts, summary);
    let slowest = observation.resolvers.iter().flat_map(|(_, answers)| answers).map(|it| it.took).max();
    report.phases_ms.insert("dns".to_owned(), millis(slowest.unwrap_or_default()));
    report
}

/// What one resolver amounts to.
struct Judged<'a> {
    resolver: Resolver,
    answers: &'a [Answer],
    outcome: Outcome,
    /// The answer that speaks for it.
    telling: &'a Answer,
}

impl<'a> Judged<'a> {
    fn new(resolver: Resolver, answers: &'a [Answer]) -> Self {
        let rank = |it: &&Answer| RANK.iter().position(|known| *known == it.outcome()).unwrap_or(RANK.len());
        let is_failure = |it: &&Answer| !matches!(it.outcome(), Outcome::Resolves | Outcome::NoRecords);
        let failing = answers.iter().filter(is_failure).min_by_key(rank);
        let resolving = || answers.iter().find(|it| it.outcome() == Outcome::Resolves);
        let telling = failing.or_else(resolving).or(answers.first()).expect("a plan has at least one type");
        Self { resolver, answers, outcome: telling.outcome(), telling }
    }

    fn is_good(&self) -> bool {
        self.outcome == Outcome::Resolves
    }

    fn has_records(&self) -> bool {
        self.answers.iter().any(|it| !it.records().is_empty())
    }
}

/// The verdict and its words.
struct Told {
    outcome: Outcome,
    summary: String,
    diagnosis: Option<&'static str>,
    also: BTreeSet<Outcome>,
}

fn tell(plan: &Plan, judged: &[Judged<'_>], delegation: Option<&Delegation>) -> Told {
    let mut also: BTreeSet<Outcome> = judged.iter().flat_map(|it| it.answers).map(Answer::outcome).collect();
    also.remove(&Outcome::NoRecords);
    // Who can say nothing about the name disagrees with nobody.
    also.remove(&Outcome::Error);
    let lame = delegation.map(Delegation::lame).unwrap_or_default();
    if !lame.is_empty() {
        also.insert(Outcome::LameDelegation);
    }
    let rank = |it: &&Judged<'_>| RANK.iter().position(|known| *known == it.outcome).unwrap_or(RANK.len());
    let bad: Vec<&Judged<'_>> =
        judged.iter().filter(|it| !it.is_good() && it.outcome != Outcome::Error).collect();
    let good: Vec<&Judged<'_>> = judged.iter().filter(|it| it.is_good()).collect();
    let (outcome, summary, diagnosis) = match bad.iter().copied().min_by_key(rank) {
        Some(worst) if !good.is_empty() => {
            also.insert(Outcome::ResolversDisagree);
            also.extend(bad.iter().map(|it| it.outcome));
            if worst.outcome == Outcome::DnssecBogus {
                (worst.outcome, words(worst), diagnosis(worst))
            } else {
                let summary = format!("{} resolves the name; {}", good[0].resolver, words(worst));
                (Outcome::ResolversDisagree, summary, diagnosis(worst).or(Some("partial")))
            }
        }
        Some(worst) => match (lame.is_empty(), delegation, worst.outcome) {
            (false, Some(delegation), Outcome::Servfail | Outcome::Timeout) => {
                (Outcome::LameDelegation, lame_words(delegation), Some("lame_name_servers"))
            }
            (_, Some(delegation), Outcome::Servfail) if delegation.is_silent() => {
                (worst.outcome, words(worst), diagnosis(worst).or(Some("no_reachable_authority")))
            }
            _ => (worst.outcome, words(worst), diagnosis(worst)),
        },
        None if good.is_empty() => (Outcome::Error, words(&judged[0]), Some("alias_leaves_the_server")),
        None if !lame.is_empty() => {
            let delegation = delegation.expect("a lame server has a delegation");
            if !is_expected(plan, judged) {
                also.insert(Outcome::WrongRecords);
            }
            (Outcome::LameDelegation, lame_words(delegation), Some("lame_name_servers"))
        }
        None if !is_expected(plan, judged) => {
            let summary = format!("resolves to {}, not to {}", list(&records(judged)), list(&plan.expect));
            (Outcome::WrongRecords, summary, Some("unexpected_records"))
        }
        None => (Outcome::Resolves, resolved_words(judged), healthy_diagnosis(judged, delegation)),
    };
    Told { outcome, summary, diagnosis, also }
}

/// The machine's hosts file or search list knows the name and DNS does not: programs here resolve it all the same.
fn tell_outside_dns(plan: &Plan, addresses: &[IpAddr]) -> Told {
    let mut found: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    found.dedup();
    let is_expected = plan.expect.is_empty()
        || found.iter().collect::<BTreeSet<_>>() == plan.expect.iter().collect::<BTreeSet<_>>();
    let found = list(&found);
    let (outcome, summary) = if is_expected {
        (Outcome::Resolves, format!("resolves to {found} on this machine, not through DNS"))
    } else {
        (Outcome::WrongRecords, format!("resolves to {found} on this machine, not to {}", list(&plan.expect)))
    };
    Told { outcome, summary, diagnosis: Some("outside_dns"), also: BTreeSet::new() }
}

/// All resolvers together gave the expected records, no more and no fewer: one alone may rotate them.
fn is_expected(plan: &Plan, judged: &[Judged<'_>]) -> bool {
    let found: BTreeSet<String> = records(judged).into_iter().collect();
    plan.expect.is_empty() || found == plan.expect.iter().cloned().collect()
}

/// Every record of every resolver, each once, IPv4 before IPv6 before the rest.
fn records(judged: &[Judged<'_>]) -> Vec<String> {
    let all: BTreeSet<&String> = judged.iter().flat_map(|it| it.answers).flat_map(Answer::records).collect();
    let mut all: Vec<String> = all.into_iter().cloned().collect();
    all.sort_by_key(|record| match record.parse() {
        Ok(IpAddr::V4(_)) => 0,
        Ok(IpAddr::V6(_)) => 1,
        Err(_) => 2,
    });
    all
}

fn resolved_words(judged: &[Judged<'_>]) -> String {
    let alias = judged.iter().flat_map(|it| it.answers).find(|it| !it.aliases.links.is_empty());
    let through = alias.map(|it| format!(" through the alias `{}`", show_name(&it.aliases.end)));
    format!("resolves to {}{}", list(&records(judged)), through.unwrap_or_default())
}

/// What is worth knowing of a name that resolves.
fn healthy_diagnosis(judged: &[Judged<'_>], delegation: Option<&Delegation>) -> Option<&'static str> {
    let answers = || judged.iter().flat_map(|it| it.answers);
    let servers = || delegation.iter().flat_map(|it| &it.servers);
    if answers().any(|it| it.breaks_on_edns) {
        Some("breaks_on_edns")
    } else if answers().flat_map(|it| &it.extended).any(|it| matches!(it.code, 3 | 19)) {
        Some("stale_answer")
    } else if judged.iter().any(leaks_special_address) {
        Some("special_address_from_public_resolver")
    } else if servers().filter_map(|it| it.serial).collect::<BTreeSet<_>>().len() > 1 {
        Some("serials_differ")
    } else if delegation.is_some_and(|it| !it.only_at_parent.is_empty() || !it.only_at_child.is_empty()) {
        Some("parent_and_child_differ")
    } else if servers().any(|it| !it.stale_glue.is_empty()) {
        Some("stale_glue")
    } else if servers().any(|it| it.takes_tcp == Some(false)) {
        Some("name_server_without_tcp")
    } else if answers().any(|it| it.is_referred) {
        Some("referral_followed")
    } else if judged.len() > 1 && judged.iter().any(|it| records(std::slice::from_ref(it)) != records(judged))
    {
        Some("answers_vary")
    } else {
        None
    }
}

/// A public resolver that hands out an address nobody can reach: a leak of an inner view, or a sinkhole.
fn leaks_special_address(judged: &Judged<'_>) -> bool {
    let is_public = |ip: IpAddr| Policy::public_only().check("", ip).is_ok();
    let addresses = judged.answers.iter().flat_map(Answer::records).filter_map(|it| it.parse().ok());
    is_public(judged.resolver.addr.ip()) && addresses.into_iter().any(|ip| !is_public(ip))
}

fn words(judged: &Judged<'_>) -> String {
    let Judged { resolver, telling, answers, .. } = judged;
    let which = if judged.has_records() { format!(" for {}", telling.record_type) } else { String::new() };
    let said = telling.extended.first().map(|it| {
        let text = if it.text.is_empty() { String::new() } else { format!(": {}", it.text) };
        format!(" ({}{text})", extended_name(it.code))
    });
    let said = said.unwrap_or_default();
    let end = show_name(&telling.aliases.end);
    let links: Vec<String> = telling.aliases.links.iter().map(show_name).collect();
    match telling.outcome() {
        Outcome::DanglingCname if telling.aliases.is_loop => {
            format!("aliases run in a circle: {}", links.join(" → "))
        }
        Outcome::DanglingCname => {
            let why = match telling.end {
                End::Nxdomain => "does not exist",
                End::DeadTarget => "nobody answers for",
                _ => "cannot be resolved",
            };
            format!("the name is an alias of `{end}`, which {why}{said}")
        }
        Outcome::DnssecBogus => {
            format!("signatures do not verify{said}: {resolver} answers only with checking disabled")
        }
        Outcome::Nxdomain => format!("{resolver} says the name does not exist{which} (NXDOMAIN){said}"),
        Outcome::NoRecords => {
            let types: Vec<String> = answers.iter().map(|it| it.record_type.to_string()).collect();
            format!("{resolver} says the name exists and has no {} record", types.join(" or "))
        }
        Outcome::Servfail if telling.is_intermittent => {
            format!("{resolver} answers SERVFAIL{which} at times and well at others")
        }
        Outcome::Servfail => format!("{resolver} answers SERVFAIL{which}{said}"),
        Outcome::Refused => format!("{resolver} refuses to answer{which}{said}"),
        Outcome::Error => {
            format!(
                "{resolver} knows the alias of `{end}`, and is no resolver that could say what is behind it"
            )
        }
        Outcome::LameDelegation => {
            format!("{resolver} does not have the zone and points to other servers{which}")
        }
        _ => match &telling.end {
            End::Silent(silence) => format!("{resolver} {silence}{which}"),
            _ => format!("{resolver} gives no answer{which}"),
        },
    }
}

fn diagnosis(judged: &Judged<'_>) -> Option<&'static str> {
    let telling = judged.telling;
    let codes: Vec<u16> = telling.extended.iter().map(|it| it.code).collect();
    Some(match (&telling.end, telling.outcome()) {
        (_, Outcome::DanglingCname) if telling.aliases.is_loop => "alias_loop",
        (End::Nxdomain, Outcome::DanglingCname) => "alias_target_missing",
        (_, Outcome::DanglingCname) => "alias_target_fails",
        (_, Outcome::DnssecBogus) => "dnssec_bogus",
        (End::Referral, _) => "referral_instead_of_answer",
        (_, Outcome::Servfail) if telling.is_intermittent => "intermittent_servfail",
        (End::Silent(Silence::PortClosed), _) => "resolver_port_closed",
        (End::Silent(Silence::Unreachable), _) => "resolver_unreachable",
        (End::Silent(Silence::TcpFailed), _) => "truncated_and_tcp_closed",
        (End::Silent(Silence::Malformed), _) => "malformed_answer",
        _ if codes.iter().any(|code| matches!(code, 15..=18)) => "filtered",
        _ if codes.iter().any(|code| matches!(code, 22 | 23)) => "no_reachable_authority",
        _ if judged.has_records() => "one_type_fails",
        (End::Silent(Silence::Timeout), _) => "resolver_silent",
        _ => return None,
    })
}

fn lame_words(delegation: &Delegation) -> String {
    let lame = delegation.lame();
    let first = lame.first().map(|it| {
        let addr = it.addr.map(|addr| format!(" ({addr})")).unwrap_or_default();
        format!("{}{addr} {}", it.name, it.standing.words())
    });
    let (count, all) = (lame.len(), delegation.servers.len());
    format!("{count} of {all} name servers of `{}` are lame: {}", delegation.zone, first.unwrap_or_default())
}

fn list(records: &[String]) -> String {
    match records {
        [] => "nothing".to_owned(),
        records if records.len() <= 4 => records.join(", "),
        records => format!("{} and {} more", records[..4].join(", "), records.len() - 4),
    }
}

fn facts(judged: &[Judged<'_>]) -> Facts {
    let answers = || judged.iter().flat_map(|it| it.answers);
    let mut records_by_type: BTreeMap<String, BTreeSet<&String>> = BTreeMap::new();
    let mut outcome_by_type: BTreeMap<String, &str> = BTreeMap::new();
    for answer in answers() {
        let record_type = answer.record_type.to_string();
        records_by_type.entry(record_type.clone()).or_default().extend(answer.records());
        let outcome = outcome_by_type.entry(record_type).or_insert(answer.outcome().id());
        if answer.outcome() != Outcome::Resolves && answer.outcome() != Outcome::NoRecords {
            *outcome = answer.outcome().id();
        }
    }
    let addresses: Vec<String> =
        records(judged).into_iter().filter(|it| it.parse::<IpAddr>().is_ok()).collect();
    let mut facts = Facts::from([
        ("addresses".to_owned(), json!(addresses)),
        ("records".to_owned(), json!(records_by_type)),
        ("types".to_owned(), json!(outcome_by_type)),
        ("resolvers".to_owned(), judged.iter().map(describe).collect()),
    ]);
    if let Some(aliased) =
        answers().max_by_key(|it| it.aliases.links.len()).filter(|it| !it.aliases.links.is_empty())
    {
        let links: Vec<String> = aliased.aliases.links.iter().map(show_name).collect();
        facts.insert("cname_chain".to_owned(), json!(links));
    }
    if let Some(broken) = answers().find(|it| it.outcome() == Outcome::DanglingCname) {
        facts.insert("broken_link".to_owned(), json!(show_name(&broken.aliases.end)));
    }
    if let Some(ttl) = answers().filter_map(|it| it.ttl).min() {
        facts.insert("ttl".to_owned(), json!(ttl));
    }
    // Of a resolver that says there is no such name, before those that only lack one type of it.
    let missing = answers().filter(|it| it.end == End::Nxdomain).filter_map(|it| it.negative_ttl).max();
    if let Some(ttl) = missing.or_else(|| answers().filter_map(|it| it.negative_ttl).max()) {
        facts.insert("negative_ttl".to_owned(), json!(ttl));
    }
    let extended: BTreeSet<(u16, &str)> =
        answers().flat_map(|it| &it.extended).map(|it| (it.code, it.text.as_str())).collect();
    if !extended.is_empty() {
        let describe = |(code, text)| json!({"code": code, "name": extended_name(code), "text": text});
        facts.insert("extended_errors".to_owned(), extended.into_iter().map(describe).collect());
    }
    facts
}

fn describe(judged: &Judged<'_>) -> Value {
    let types: BTreeMap<String, &str> =
        judged.answers.iter().map(|it| (it.record_type.to_string(), it.outcome().id())).collect();
    let took = judged.answers.iter().map(|it| it.took).max().unwrap_or_default();
    json!({
        "resolver": judged.resolver.addr.to_string(),
        "system": judged.resolver.is_system,
        "outcome": judged.outcome.id(),
        "types": types,
        "records": records(std::slice::from_ref(judged)),
        "took_ms": millis(took),
    })
}

fn describe_delegation(delegation: &Delegation) -> Value {
    let server = |it: &super::delegation::Server| {
        let addr = it.addr.map(|addr| addr.to_string());
        let mut facts =
            json!({"name": it.name, "address": addr, "result": it.standing.id(), "serial": it.serial});
        if let Some(takes_tcp) = it.takes_tcp {
            facts["tcp"] = json!(takes_tcp);
        }
        if !it.stale_glue.is_empty() {
            facts["stale_glue"] = json!(it.stale_glue);
        }
        facts
    };
    let servers: Vec<Value> = delegation.servers.iter().map(server).collect();
    let mut facts = json!({"zone": delegation.zone, "servers": servers});
    for (key, names) in
        [("only_at_parent", &delegation.only_at_parent), ("only_at_child", &delegation.only_at_child)]
    {
        if !names.is_empty() {
            facts[key] = json!(names);
        }
    }
    facts
}

/// The registered names of extended DNS errors (RFC 8914 and IANA's registry).
fn extended_name(code: u16) -> &'static str {
    match code {
        0 => "Other",
        1 => "Unsupported DNSKEY Algorithm",
        2 => "Unsupported DS Digest Type",
        3 => "Stale Answer",
        4 => "Forged Answer",
        5 => "DNSSEC Indeterminate",
        6 => "DNSSEC Bogus",
        7 => "Signature Expired",
        8 => "Signature Not Yet Valid",
        9 => "DNSKEY Missing",
        10 => "RRSIGs Missing",
        11 => "No Zone Key Bit Set",
        12 => "NSEC Missing",
        13 => "Cached Error",
        14 => "Not Ready",
        15 => "Blocked",
        16 => "Censored",
        17 => "Filtered",
        18 => "Prohibited",
        19 => "Stale NXDOMAIN Answer",
        20 => "Not Authoritative",
        21 => "Not Supported",
        22 => "No Reachable Authority",
        23 => "Network Error",
        24 => "Invalid Data",
        30 => "Invalid Query Type",
        33 => "Negative Trust Anchor",
        _ => "unregistered code",
    }
}
