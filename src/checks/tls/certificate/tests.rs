//! Chains as servers send them, and what is wrong with each.

use super::*;
use crate::drill::pki::{Authority, Identity, Validity};

fn now() -> Timestamp {
    "2026-03-01T10:00:00Z".parse().unwrap()
}

#[track_caller]
fn check(
    identity: &Identity,
    trusted: &Authority,
    name: &str,
    expected: &[(Outcome, Option<&str>)],
) -> Facts {
    check_trusting(identity, &Authorities::default().and_pem(&trusted.pem()).unwrap(), name, expected)
}

#[track_caller]
fn check_trusting(
    identity: &Identity,
    roots: &Authorities,
    name: &str,
    expected: &[(Outcome, Option<&str>)],
) -> Facts {
    let server_name = ServerName::try_from(name.to_owned()).unwrap();
    let expectation =
        Expectation { server_name: &server_name, roots, now: now(), warn: Warning::Usual, fetched: &[] };
    let verdict = judge(&identity.chain, expectation);
    let found: Vec<_> = verdict.findings.iter().map(|it| (it.outcome, it.diagnosis)).collect();
    assert_eq!(found, expected, "{:?}", verdict.findings);
    verdict.facts
}

#[test]
fn a_good_chain_has_no_fault() {
    let root = Authority::new("Drill Root");
    let ordinary = Validity::ordinary(now());
    let facts = check(&root.issue(&["api.drill.test"], ordinary), &root, "api.drill.test", &[]);
    assert_eq!(facts["days_left"], 60);
    assert_eq!(facts["not_after"], "2026-04-30T10:00:00Z");
    assert_eq!(facts["issuer"], "CN=Drill Root");
    assert_eq!(facts["names"], json!(["api.drill.test"]));
    let identity = root.intermediate("Drill Intermediate").issue(&["api.drill.test", "127.0.0.1"], ordinary);
    assert_eq!(check(&identity, &root, "api.drill.test", &[])["chain_length"], 2);
    check(&identity, &root, "127.0.0.1", &[]);
}

#[test]
fn dates_are_told_apart() {
    let root = Authority::new("Drill Root");
    let identity = |validity| root.issue(&["a.test"], validity);
    check(&identity(Validity::expired(now())), &root, "a.test", &[(Outcome::Expired, None)]);
    check(&identity(Validity::not_yet(now())), &root, "a.test", &[(Outcome::NotYetValid, None)]);
    check(&identity(Validity::days(now(), -80, 5)), &root, "a.test", &[(Outcome::ExpiresSoon, None)]);
}

#[test]
fn a_certificate_of_less_than_seven_days_is_renewed_in_its_last_third_and_others_at_fourteen_days() {
    let root = Authority::new("Drill Root");
    let identity = |from, until| root.issue(&["a.test"], Validity::days(now(), from, until));
    for (from, until) in [(0, 6), (-3, 3), (-1, 1), (-30, 17), (-20, 15), (-2, 4), (0, 1)] {
        check(&identity(from, until), &root, "a.test", &[]);
    }
    for (from, until) in [(-5, 1), (-34, 13), (-9, 4), (-30, 10)] {
        check(&identity(from, until), &root, "a.test", &[(Outcome::ExpiresSoon, None)]);
    }
    for until in [7, 10] {
        let expected = [(Outcome::ExpiresSoon, Some("short_lived_certificate"))];
        check(&identity(0, until), &root, "a.test", &expected);
    }
}

#[test]
fn an_intermediate_that_ends_before_the_leaf_does_is_told_in_its_last_third() {
    let root = Authority::new("Drill Root");
    let leaf = |from, until| {
        let middle = root.valid_intermediate("Drill Intermediate", Validity::days(now(), from, until));
        middle.issue(&["a.test"], Validity::days(now(), -1, 80))
    };
    let expected = [(Outcome::ExpiresSoon, Some("intermediate_expires_soon"))];
    check(&leaf(-300, 10), &root, "a.test", &expected);
    check(&leaf(-300, 30), &root, "a.test", &[]);
    check(&leaf(-2, 4), &root, "a.test", &[]);
    let expected = [(Outcome::Expired, Some("intermediate_expired"))];
    check(&leaf(-300, -1), &root, "a.test", &expected);
    // An older version of the root beside a good path, as some servers send it: nothing ends with it.
    let mut identity = leaf(-300, 300);
    identity.chain.push(root.renewed("Drill Root", Validity::expired(now())).der().clone());
    check(&identity, &root, "a.test", &[]);
}

/// OpenSSL 3 and Go refuse the first ("certificate has expired" at the depth of the root) and take the others.
#[test]
fn a_chain_to_an_authority_that_has_expired_is_expired_when_no_other_leads_further() {
    let old = Authority::valid("Drill Root", Validity::expired(now()));
    let leaf = old.issue(&["a.test"], Validity::ordinary(now()));
    let facts = check(&leaf, &old, "a.test", &[(Outcome::Expired, Some("authority_expired"))]);
    assert_eq!(facts["authority"]["subject"], "CN=Drill Root");
    assert_eq!(facts["authority"]["not_after"], "2026-01-19T10:00:00Z");

    let early = Authority::valid("Drill Root", Validity::not_yet(now()));
    let expected = [(Outcome::NotYetValid, Some("authority_not_yet_valid"))];
    check(&early.issue(&["a.test"], Validity::ordinary(now())), &early, "a.test", &expected);

    // The same key under a new certificate, as roots are renewed.
    let renewed = old.renewed("Drill Root", Validity::ordinary(now()));
    let both = Authorities::default().and_pem(&old.pem()).unwrap().and_pem(&renewed.pem()).unwrap();
    assert!(!check_trusting(&leaf, &both, "a.test", &[]).contains_key("authority"));

    // A leaf that ended before its authority did is one finding, and a chain that is not of it another.
    let ended = old.issue(&["a.test"], Validity::days(now(), -100, -50));
    check(&ended, &old, "a.test", &[(Outcome::Expired, None)]);
    let strange = Authority::new("Other Root").issue(&["a.test"], Validity::ordinary(now()));
    check(&strange, &old, "a.test", &[(Outcome::UnknownIssuer, Some("untrusted_authority"))]);
}

#[test]
fn an_expired_certificate_hides_neither_name_nor_path() {
    let (root, other) = (Authority::new("Drill Root"), Authority::new("Other Root"));
    let identity = root.issue(&["a.test"], Validity::expired(now()));
    let expected = [
        (Outcome::Expired, None),
        (Outcome::NameMismatch, Some("other_name")),
        (Outcome::UnknownIssuer, Some("untrusted_authority")),
    ];
    check(&identity, &other, "b.test", &expected);
}

#[test]
fn an_intermediate_that_is_missing_above_another_is_told() {
    let root = Authority::new("Drill Root");
    let upper = root.intermediate("Drill Intermediate 1");
    let mut identity =
        upper.intermediate("Drill Intermediate 2").issue(&["a.test"], Validity::ordinary(now()));
    check(&identity, &root, "a.test", &[]);
    let without_upper = |identity: &mut Identity| identity.chain.retain(|it| *it != upper.certificate());
    without_upper(&mut identity);
    assert_eq!(identity.chain.len(), 2);
    let expected = [(Outcome::IncompleteChain, Some("missing_intermediate"))];
    check(&identity, &root, "a.test", &expected);
    // A root that nobody trusts is never sent, and missing in the same way.
    let private = Authority::new("Private Root");
    let other = private.intermediate("Other Intermediate").issue(&["a.test"], Validity::ordinary(now()));
    check(&other, &root, "a.test", &[(Outcome::UnknownIssuer, Some("untrusted_authority"))]);
}

#[test]
fn a_chain_in_the_wrong_order_holds_and_is_told() {
    let root = Authority::new("Drill Root");
    let upper = root.intermediate("Drill Intermediate 1");
    let mut identity =
        upper.intermediate("Drill Intermediate 2").issue(&["a.test"], Validity::ordinary(now()));
    assert!(!check(&identity, &root, "a.test", &[]).contains_key("chain_in_order"));
    identity.chain[1..].reverse();
    assert_eq!(check(&identity, &root, "a.test", &[])["chain_in_order"], false);
}

#[test]
fn a_half_chain_is_told_from_an_unknown_authority() {
    let root = Authority::new("Drill Root");
    let other = Authority::new("Other Root");
    let ordinary = Validity::ordinary(now());
    let identity = root.intermediate("Drill Authority 2").issue(&["a.test"], ordinary);
    let half = identity.clone().without_intermediates();
    check(&half, &root, "a.test", &[(Outcome::IncompleteChain, Some("missing_intermediate"))]);
    check(&identity, &other, "a.test", &[(Outcome::UnknownIssuer, Some("untrusted_authority"))]);
    let direct = root.issue(&["a.test"], ordinary);
    check(&direct, &other, "a.test", &[(Outcome::UnknownIssuer, Some("untrusted_authority"))]);
    check(
        &direct.with_root(&root),
        &other,
        "a.test",
        &[(Outcome::UnknownIssuer, Some("untrusted_authority"))],
    );
}

#[test]
fn a_certificate_that_vouches_for_itself_is_self_signed() {
    let root = Authority::new("Drill Root");
    let identity = Identity::self_signed(&["a.test"], Validity::ordinary(now()));
    check(&identity, &root, "a.test", &[(Outcome::SelfSigned, Some("self_signed"))]);
    let expired = Identity::self_signed(&["a.test"], Validity::expired(now()));
    let expected = [(Outcome::Expired, None), (Outcome::SelfSigned, Some("self_signed"))];
    check(&expired, &root, "a.test", &expected);
}

#[test]
fn a_wildcard_covers_one_label() {
    let root = Authority::new("Drill Root");
    let identity = root.issue(&["*.drill.test"], Validity::ordinary(now()));
    check(&identity, &root, "api.drill.test", &[]);
    check(&identity, &root, "a.b.drill.test", &[(Outcome::NameMismatch, Some("wildcard_one_label_only"))]);
    check(&identity, &root, "127.0.0.1", &[(Outcome::NameMismatch, Some("other_name"))]);
}

#[test]
fn an_authority_that_calls_itself_intermediate_is_one() {
    for name in ["CN=Acme Intermediate CA", "O=Acme, CN=Acme Issuing 2", "CN=acme-int-1"] {
        assert!(trust::is_intermediate(name), "{name}");
    }
    for name in ["CN=Acme Root CA", "CN=Internal CA", "O=Internet Trust", "CN=Subway CA"] {
        assert!(!trust::is_intermediate(name), "{name}");
    }
}

#[test]
fn garbage_is_no_panic() {
    let expectation = Expectation {
        server_name: &ServerName::try_from("a.test").unwrap(),
        roots: &Authorities::default(),
        now: now(),
        warn: Warning::Never,
        fetched: &[],
    };
    let verdict = judge(&[CertificateDer::from(vec![0x30, 0x03, 1, 2, 3])], expectation);
    assert_eq!(verdict.findings[0].outcome, Outcome::HandshakeFailure);
    assert!(judge(&[], expectation).findings.is_empty());
}
