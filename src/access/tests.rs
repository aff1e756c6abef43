//! Scopes, roles, names, guessing, and the chain of the audit log.

use proptest::prelude::*;
use serde_json::json;

use super::audit::{Chain, Entry, Note, verify};
use super::*;

#[track_caller]
fn needs(method: &str, path: &str, scope: Scope) {
    assert_eq!(Scope::needed(method, path), scope, "{method} {path}");
}

#[test]
fn reading_changing_and_ruling_need_more_each() {
    needs("GET", "/", Scope::Read);
    needs("GET", "/api/incidents/abc/evidence", Scope::Read);
    needs("GET", "/metrics", Scope::Read);
    needs("GET", "/api/check/dns", Scope::Answer);
    needs("HEAD", "/api/check/dns", Scope::Answer);
    needs("POST", "/api/incidents/abc/answers", Scope::Answer);
    needs("POST", "/incidents/abc/say", Scope::Answer);
    needs("DELETE", "/api/silences/7", Scope::Answer);
    needs("POST", "/api/deliveries/7/replay", Scope::Admin);
    needs("BREW", "/", Scope::Answer);
    assert!(Scope::Read < Scope::Answer && Scope::Answer < Scope::Admin);
    assert_eq!("answer".parse(), Ok(Scope::Answer));
    assert!("root".parse::<Scope>().unwrap_err().contains("read, answer and admin"));
}

#[test]
fn a_person_answers_under_their_own_name_and_a_program_for_others() {
    let principal = |via| Principal { name: "ada@example.com".to_owned(), via, scope: Scope::Answer };
    assert_eq!(principal(Via::Oidc).by(Some("grace"), "api"), "ada@example.com");
    assert_eq!(principal(Via::Proxy).by(None, "api"), "ada@example.com");
    assert_eq!(principal(Via::Token).by(Some("grace"), "api"), "grace");
    assert_eq!(principal(Via::Token).by(None, "api"), "ada@example.com");
    assert_eq!(Principal::of_this_machine().by(None, "console"), "console");
}

#[test]
fn claims_give_the_most_they_allow() {
    let roles: Roles = serde_json::from_value(json!({
        "claim": "groups", "admin": ["sre"], "answer": ["oncall"], "read": ["*"],
    }))
    .unwrap();
    assert_eq!(roles.scope(&json!({"groups": ["oncall", "sre"]})), Some(Scope::Admin));
    assert_eq!(roles.scope(&json!({"groups": "oncall"})), Some(Scope::Answer));
    assert_eq!(roles.scope(&json!({"groups": ["sre-readers"]})), Some(Scope::Read));
    let strict = Roles { read: Vec::new(), ..roles };
    assert_eq!(strict.scope(&json!({"groups": [1, null]})), None);
    assert_eq!(strict.scope(&json!({})), None);
}

#[test]
fn an_address_names_somebody_only_when_it_was_verified() {
    let named = |claims| name_of(&claims);
    assert_eq!(named(json!({"sub": "7", "email": "a@b.c", "email_verified": true})).unwrap(), "a@b.c");
    assert_eq!(named(json!({"sub": "7", "email": "a@b.c"})).unwrap(), "7");
    let user = json!({"sub": "7", "email": "a@b.c", "email_verified": false, "preferred_username": "ada"});
    assert_eq!(named(user).unwrap(), "ada");
    assert_eq!(named(json!({})), None);
}

#[test]
fn guessing_is_slowed_down_by_address_and_in_all() {
    let mut attempts = Attempts::default();
    let start: Timestamp = "2026-11-27T03:00:00Z".parse().unwrap();
    let one: IpAddr = "192.0.2.1".parse().unwrap();
    let other: IpAddr = "192.0.2.2".parse().unwrap();
    for _ in 0..Attempts::OF_ONE {
        assert_eq!(attempts.wait_s(one, start), None);
        attempts.failed(one, start);
    }
    assert_eq!(attempts.wait_s(one, start + SignedDuration::from_mins(1)), Some(240));
    assert_eq!(attempts.wait_s(other, start), None);
    assert_eq!(attempts.wait_s(one, start + Attempts::WINDOW), None);
    attempts.succeeded(one);
    assert_eq!(attempts.wait_s(one, start), None);
    for last in 0..Attempts::OF_ALL {
        attempts.failed(IpAddr::from([10, 0, 0, u8::try_from(last % 250).unwrap()]), start);
    }
    assert!(attempts.wait_s(other, start).is_some());
}

fn log(count: usize) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for index in 0..count {
        let note = Note {
            at: "2026-11-27T03:00:00Z".parse().unwrap(),
            who: "ada".to_owned(),
            via: Via::Token,
            scope: Some(Scope::Answer),
            from: None,
            action: format!("POST /api/incidents/{index}/close"),
        };
        let last = entries.last().map(|entry| (entry.seq, entry.hash.as_str()));
        entries.push(Entry::after(last, &note).unwrap());
    }
    entries
}

#[test]
fn a_chain_holds_over_batches() {
    let entries = log(10);
    let mut chain = Chain::default();
    verify(&mut chain, &entries[..4]).unwrap();
    verify(&mut chain, &entries[4..]).unwrap();
    assert_eq!((chain.entries, &chain.head), (10, &entries[9].hash));
}

proptest! {
    #[test]
    fn whatever_is_done_to_an_entry_breaks_the_chain(at in 0_usize..9, kind in 0..4) {
        let mut entries = log(10);
        match kind {
            0 => entries[at].text = entries[at].text.replace("ada", "eve"),
            1 => drop(entries.remove(at)),
            2 => entries.swap(at, at + 1),
            _ => entries[at].hash = entries[at + 1].hash.clone(),
        }
        prop_assert!(verify(&mut Chain::default(), &entries).is_err());
    }
}
