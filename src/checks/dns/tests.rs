//! The dns check against real name servers on loopback.

use std::net::Ipv6Addr;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::checks::With;
use crate::drill::name_server::{NameServer, Zone};
use crate::egress::Policy;
use crate::outcome::{CheckKind, Outcome};

const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;

async fn ask(name: &str, servers: &[&NameServer], with: &[(&str, &str)]) -> Report {
    let addrs: Vec<String> = servers.iter().map(|it| it.addr().to_string()).collect();
    let mut keys = With::from([("resolvers", addrs.join(","))]);
    keys.0.extend(with.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    let env = Environment::new(Policy::unrestricted());
    checked(&env, name, keys, Duration::from_secs(5)).await.unwrap()
}

async fn checked(env: &Environment, name: &str, with: With, timeout: Duration) -> Result<Report, NotRun> {
    let now = "2026-03-01T10:00:00Z".parse().unwrap();
    let request = Request { check: CheckKind::Dns, target: name.to_owned(), with, timeout, now };
    crate::checks::run(env, &request).await
}

#[track_caller]
fn expect(report: &Report, outcome: Outcome, diagnosis: Option<&str>) {
    let found = report.facts.get("diagnosis").and_then(|it| it.as_str());
    assert_eq!((report.outcome, found), (outcome, diagnosis), "{report:#?}");
}

/// One name, one zone, one server: what comes out.
async fn check(zone: Zone, name: &str, outcome: Outcome, diagnosis: Option<&str>) -> Report {
    let server = NameServer::start(vec![zone]).await.unwrap();
    let report = ask(name, &[&server], &[]).await;
    expect(&report, outcome, diagnosis);
    report
}

fn zone() -> Zone {
    Zone::new("drill.test")
}

#[tokio::test]
async fn a_name_with_one_family_resolves() {
    let report = check(zone().a("api", HERE), "api.drill.test", Outcome::Resolves, None).await;
    assert_eq!(report.summary, "resolves to 127.0.0.1");
    assert_eq!(report.facts["addresses"], json!(["127.0.0.1"]));
    assert_eq!(report.facts["types"], json!({"A": "resolves", "AAAA": "no_records"}));
    assert_eq!(report.facts["ttl"], 30);
    assert!(!report.facts.contains_key("also"), "{report:#?}");
}

#[tokio::test]
async fn nodata_is_not_nxdomain() {
    let report = check(zone().txt("api", "x"), "api.drill.test", Outcome::NoRecords, None).await;
    assert_eq!(report.facts["negative_ttl"], 60);
    let report = check(zone().txt("api", "x"), "gone.drill.test", Outcome::Nxdomain, None).await;
    assert_eq!(report.facts["negative_ttl"], 60);
    // A name in between has no records and does exist (RFC 8020).
    check(zone().a("a.b", HERE), "b.drill.test", Outcome::NoRecords, None).await;
}

#[tokio::test]
async fn an_alias_to_nowhere_is_told_with_the_broken_link() {
    let broken = zone().cname("pay", "eu.drill.test").cname("eu", "gone.vendor.test");
    let report = check(broken, "pay.drill.test", Outcome::DanglingCname, Some("alias_target_missing")).await;
    assert_eq!(report.facts["cname_chain"], json!(["eu.drill.test", "gone.vendor.test"]));
    assert_eq!(report.facts["broken_link"], "gone.vendor.test");
    assert_eq!(report.summary, "the name is an alias of `gone.vendor.test`, which does not exist");
}

#[tokio::test]
async fn an_alias_to_a_failing_name_is_dangling_too() {
    let broken = zone().cname("pay", "eu.drill.test").servfail("eu");
    check(broken, "pay.drill.test", Outcome::DanglingCname, Some("alias_target_fails")).await;
}

#[tokio::test]
async fn aliases_in_a_circle_are_dangling() {
    let circle = zone().cname("a", "b.drill.test").cname("b", "a.drill.test");
    let report = check(circle, "a.drill.test", Outcome::DanglingCname, Some("alias_loop")).await;
    assert!(report.summary.starts_with("aliases run in a circle"), "{}", report.summary);
}

#[tokio::test]
async fn a_good_alias_is_shown() {
    let report = check(
        zone().cname("www", "api.drill.test").a("api", HERE),
        "www.drill.test",
        Outcome::Resolves,
        None,
    )
    .await;
    assert_eq!(report.summary, "resolves to 127.0.0.1 through the alias `api.drill.test`");
}

#[tokio::test]
async fn servfail_keeps_what_the_resolver_said() {
    check(zone().servfail("api"), "api.drill.test", Outcome::Servfail, None).await;
    let said = zone().servfail_because("api", 22, "at delegation drill.test");
    let report = check(said, "api.drill.test", Outcome::Servfail, Some("no_reachable_authority")).await;
    assert_eq!(report.facts["extended_errors"][0]["name"], "No Reachable Authority");
    assert!(
        report.summary.ends_with("(No Reachable Authority: at delegation drill.test)"),
        "{}",
        report.summary
    );
}

#[tokio::test]
async fn an_answer_without_checking_means_bogus_signatures() {
    let bogus = zone().a("api", HERE).bogus("api");
    let report = check(bogus, "api.drill.test", Outcome::DnssecBogus, Some("dnssec_bogus")).await;
    assert_eq!(report.facts["extended_errors"][0]["code"], 6);
}

#[tokio::test]
async fn a_server_that_fails_every_other_time_has_no_bogus_signatures() {
    let flaky = zone().a("api", HERE).servfail_every_other_time("api");
    let server = NameServer::start(vec![flaky]).await.unwrap();
    let report = ask("api.drill.test", &[&server], &[("types", "A")]).await;
    expect(&report, Outcome::Servfail, Some("intermittent_servfail"));
    assert_eq!(report.facts["addresses"], json!(["127.0.0.1"]));
}

#[tokio::test]
async fn a_server_that_is_no_resolver_says_nothing_about_what_is_behind_an_alias() {
    let zone = zone().cname("www", "www.elsewhere.test");
    let authority = NameServer::start_authority((HERE, 0).into(), vec![zone]).await.unwrap();
    let report = ask("www.drill.test", &[&authority], &[]).await;
    expect(&report, Outcome::Error, Some("alias_leaves_the_server"));
    assert_eq!(report.facts["cname_chain"], json!(["www.elsewhere.test"]));
    let resolver = NameServer::start(vec![Zone::new("drill.test").a("www", HERE)]).await.unwrap();
    let report = ask("www.drill.test", &[&authority, &resolver], &[]).await;
    assert_eq!(report.outcome, Outcome::Resolves, "{report:#?}");
    let report = ask("www.drill.test", &[&authority], &[("types", "CNAME")]).await;
    expect(&report, Outcome::Resolves, None);
}

#[tokio::test]
async fn a_name_server_that_takes_no_tcp_is_told() {
    let zone = zone().a("api", HERE).ns("@", "ns1.drill.test").a("ns1", HERE);
    let server = NameServer::start_without_tcp(vec![zone]).await.unwrap();
    let report = ask("api.drill.test", &[&server], &[]).await;
    expect(&report, Outcome::Resolves, Some("name_server_without_tcp"));
    assert_eq!(report.facts["delegation"]["servers"][0]["tcp"], false);
}

#[test]
fn the_search_list_says_which_names_programs_ask_for() {
    let order = |host: &str, ndots| search_order(host, ndots, &["svc.local".to_owned(), "lan.".to_owned()]);
    assert_eq!(order("api", 1), ["api.svc.local", "api.lan", "api"]);
    assert_eq!(order("api.example", 1), ["api.example", "api.example.svc.local", "api.example.lan"]);
    assert_eq!(order("api.example", 5), ["api.example.svc.local", "api.example.lan", "api.example"]);
    assert_eq!(order("api.", 5), ["api."]);
    assert_eq!(search_order("api", 1, &[]), ["api"]);
}

#[tokio::test]
async fn one_type_that_fails_speaks_for_the_name() {
    let half = zone().a("api", HERE).servfail_for("api", RecordType::AAAA);
    let report = check(half, "api.drill.test", Outcome::Servfail, Some("one_type_fails")).await;
    assert_eq!(report.facts["types"], json!({"A": "resolves", "AAAA": "servfail"}));
}

#[tokio::test]
async fn a_server_that_breaks_on_edns_still_resolves() {
    let old = zone().a("api", HERE).breaks_on_edns("api");
    check(old, "api.drill.test", Outcome::Resolves, Some("breaks_on_edns")).await;
}

#[tokio::test]
async fn truncation_needs_tcp() {
    let big = || zone().a("api", HERE).truncated("api");
    check(big(), "api.drill.test", Outcome::Resolves, None).await;
    let server = NameServer::start_without_tcp(vec![big()]).await.unwrap();
    let report = ask("api.drill.test", &[&server], &[]).await;
    expect(&report, Outcome::Timeout, Some("truncated_and_tcp_closed"));
}

#[tokio::test]
async fn refusal_and_silence_are_told_apart() {
    check(zone().refused("api"), "api.drill.test", Outcome::Refused, None).await;
    let server = NameServer::start(vec![zone().silent("api")]).await.unwrap();
    let with = With::from([("resolvers", server.addr().to_string())]);
    let env = Environment::new(Policy::unrestricted());
    let report = checked(&env, "api.drill.test", with, Duration::from_millis(400)).await.unwrap();
    expect(&report, Outcome::Timeout, Some("resolver_silent"));
    assert!(report.took_ms < 2000.0, "{}", report.took_ms);
}

#[tokio::test]
async fn an_alias_whose_target_nobody_answers_for_is_dangling() {
    let dead = zone().cname("pay", "eu.drill.test").silent("eu");
    let server = NameServer::start(vec![dead]).await.unwrap();
    let with = || With::from([("resolvers", server.addr().to_string())]);
    let env = Environment::new(Policy::unrestricted());
    let patient = Duration::from_millis(3500);
    let report = checked(&env, "pay.drill.test", with(), patient).await.unwrap();
    expect(&report, Outcome::DanglingCname, Some("alias_target_fails"));
    assert_eq!(report.facts["broken_link"], "eu.drill.test");
    assert_eq!(report.summary, "the name is an alias of `eu.drill.test`, which nobody answers for");
    // A target that is only slow is not dead.
    let report = checked(&env, "pay.drill.test", with(), Duration::from_millis(400)).await.unwrap();
    assert_eq!(report.outcome, Outcome::Timeout, "{report:#?}");
}

/// A resolver that remembers for another 37 seconds that there is no such name.
async fn remembers_nothing() -> SocketAddr {
    use hickory_proto::op::{Message, OpCode, ResponseCode};
    use hickory_proto::rr::rdata::SOA;
    use hickory_proto::rr::{RData, Record};
    let socket = tokio::net::UdpSocket::bind((HERE, 0)).await.unwrap();
    let addr = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut question = [0; 1500];
        while let Ok((size, from)) = socket.recv_from(&mut question).await {
            let asked = Message::from_vec(&question[..size]).unwrap();
            let mut message = Message::response(asked.metadata.id, OpCode::Query);
            message.add_query(asked.queries[0].clone());
            message.metadata.response_code = ResponseCode::NXDomain;
            let zone = parse_name("drill.test").unwrap();
            let soa = RData::SOA(SOA::new(zone.clone(), zone.clone(), 1, 1, 1, 1, 300));
            message.authorities.push(Record::from_rdata(zone, 37, soa));
            socket.send_to(&message.to_vec().unwrap(), from).await.ok();
        }
    });
    addr
}

#[tokio::test]
async fn the_negative_cache_of_who_denies_the_name_is_told() {
    // The one lacks addresses of the other family for a minute; what matters is how long the other denies the name.
    let one = NameServer::start(vec![zone().a("api", HERE)]).await.unwrap();
    let resolvers = format!("{},{}", one.addr(), remembers_nothing().await);
    let env = Environment::new(Policy::unrestricted());
    let with = With::from([("resolvers", resolvers)]);
    let report = checked(&env, "api.drill.test", with, Duration::from_secs(5)).await.unwrap();
    assert_eq!((report.outcome, &report.facts["negative_ttl"]), (Outcome::ResolversDisagree, &json!(37)));
}

#[tokio::test]
async fn a_server_that_points_elsewhere_is_lame() {
    let lame = zone().referral("api");
    check(lame, "api.drill.test", Outcome::LameDelegation, Some("referral_instead_of_answer")).await;
}

#[tokio::test]
async fn an_answer_here_and_none_there_is_disagreement() {
    let one = NameServer::start(vec![zone().a("api", HERE)]).await.unwrap();
    let other = NameServer::start(vec![zone()]).await.unwrap();
    let report = ask("api.drill.test", &[&one, &other], &[]).await;
    expect(&report, Outcome::ResolversDisagree, Some("partial"));
    assert_eq!(report.facts["also"], json!(["nxdomain"]));
    assert_eq!(report.facts["resolvers"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn different_addresses_are_no_disagreement() {
    let one = NameServer::start(vec![zone().a("api", HERE)]).await.unwrap();
    let other = NameServer::start(vec![zone().a("api", Ipv4Addr::new(127, 0, 0, 2))]).await.unwrap();
    let report = ask("api.drill.test", &[&one, &other], &[]).await;
    expect(&report, Outcome::Resolves, Some("answers_vary"));
    assert_eq!(report.summary, "resolves to 127.0.0.1, 127.0.0.2");
    let expected = [("expect", "127.0.0.2,127.0.0.1")];
    expect(&ask("api.drill.test", &[&one, &other], &expected).await, Outcome::Resolves, Some("answers_vary"));
}

#[tokio::test]
async fn bogus_signatures_explain_a_disagreement() {
    let validating = NameServer::start(vec![zone().a("api", HERE).bogus("api")]).await.unwrap();
    let lax = NameServer::start(vec![zone().a("api", HERE)]).await.unwrap();
    let report = ask("api.drill.test", &[&lax, &validating], &[]).await;
    expect(&report, Outcome::DnssecBogus, Some("dnssec_bogus"));
    assert_eq!(report.facts["also"], json!(["resolvers_disagree"]));
}

#[tokio::test]
async fn answers_that_are_not_expected_are_wrong() {
    let server =
        NameServer::start(vec![zone().a("api", HERE).aaaa("api", Ipv6Addr::LOCALHOST)]).await.unwrap();
    for (expected, outcome, diagnosis) in [
        ("127.0.0.1,::1", Outcome::Resolves, None),
        ("127.0.0.1, 0:0:0:0:0:0:0:1", Outcome::Resolves, None),
        ("127.0.0.1", Outcome::WrongRecords, Some("unexpected_records")),
        ("127.0.0.1,::1,192.0.2.1", Outcome::WrongRecords, Some("unexpected_records")),
    ] {
        expect(&ask("api.drill.test", &[&server], &[("expect", expected)]).await, outcome, diagnosis);
    }
    let only = [("types", "A"), ("expect", "127.0.0.1")];
    expect(&ask("api.drill.test", &[&server], &only).await, Outcome::Resolves, None);
}

#[tokio::test]
async fn other_types_can_be_asked_for() {
    let zone = zone().mx("@", 10, "mail.drill.test").txt("@", "v=spf1 -all").cname("www", "drill.test");
    let server = NameServer::start(vec![zone]).await.unwrap();
    let report = ask("drill.test", &[&server], &[("types", "mx,TXT,CNAME")]).await;
    expect(&report, Outcome::Resolves, None);
    assert_eq!(
        report.facts["records"],
        json!({"CNAME": [], "MX": ["10 mail.drill.test"], "TXT": ["v=spf1 -all"]})
    );
    let alias = [("types", "CNAME"), ("expect", "Drill.test.")];
    expect(&ask("www.drill.test", &[&server], &alias).await, Outcome::Resolves, None);
}

/// A zone with two name servers: the resolver's own address and one more on the same port.
async fn delegated(second: Vec<Zone>) -> (NameServer, NameServer) {
    let zone = zone()
        .a("api", HERE)
        .ns("@", "ns1.drill.test")
        .ns("@", "ns2.drill.test")
        .a("ns1", HERE)
        .a("ns2", Ipv4Addr::new(127, 0, 0, 2));
    // The port must be free at both addresses; nobody else binds to 127.0.0.2.
    let resolver = NameServer::start(vec![zone]).await.unwrap();
    let at = SocketAddr::new(Ipv4Addr::new(127, 0, 0, 2).into(), resolver.addr().port());
    (resolver, NameServer::start_authority(at, second).await.unwrap())
}

#[tokio::test]
async fn a_name_server_without_the_zone_is_lame() {
    let (resolver, _second) = delegated(vec![]).await;
    let report = ask("api.drill.test", &[&resolver], &[]).await;
    expect(&report, Outcome::LameDelegation, Some("lame_name_servers"));
    assert_eq!(report.facts["delegation"]["zone"], "drill.test");
    assert_eq!(report.facts["delegation"]["servers"][1]["result"], "refused");
    assert_eq!(report.facts["addresses"], json!(["127.0.0.1"]));
    assert!(report.summary.contains("1 of 2 name servers of `drill.test` are lame"), "{}", report.summary);
}

#[tokio::test]
async fn two_sound_name_servers_are_no_finding() {
    let (resolver, _second) = delegated(vec![zone()]).await;
    expect(&ask("api.drill.test", &[&resolver], &[]).await, Outcome::Resolves, None);
}

#[tokio::test]
async fn a_request_cannot_name_a_resolver_beyond_the_policy() {
    let env = Environment::new(Policy::public_only());
    let with = With::from([("resolvers", "169.254.169.254")]);
    let error = checked(&env, "api.drill.test", with, Duration::from_secs(1)).await.unwrap_err();
    assert!(matches!(error, NotRun::Refused(_)), "{error:?}");
}

#[tokio::test]
async fn the_configured_resolver_is_asked_by_default() {
    let server = NameServer::start(vec![zone().a("api", HERE)]).await.unwrap();
    let env = Environment::new(Policy::public_only()).with_resolvers(vec![server.addr()]);
    let report = checked(&env, "api.drill.test.", With::default(), Duration::from_secs(5)).await.unwrap();
    expect(&report, Outcome::Resolves, None);
}

#[tokio::test]
async fn what_is_no_name_is_wrong_usage() {
    let env = Environment::new(Policy::unrestricted());
    for target in ["127.0.0.1", "[::1]", "https://api.drill.test", "api.drill.test:443", "", "a b"] {
        let error = checked(&env, target, With::default(), Duration::from_secs(1)).await.unwrap_err();
        assert!(error.to_string().contains("write a name such as"), "{error}");
    }
    for (key, value) in [("types", "NOPE"), ("types", "ANY"), ("resolvers", "dns.example.com")] {
        let with = With::from([(key, value)]);
        assert!(matches!(checked(&env, "a.test", with, Duration::from_secs(1)).await, Err(NotRun::Usage(_))));
    }
}

#[tokio::test]
async fn localhost_resolves_without_dns() {
    let env = Environment::new(Policy::unrestricted());
    let report = checked(&env, "localhost", With::default(), Duration::from_secs(5)).await.unwrap();
    expect(&report, Outcome::Resolves, Some("outside_dns"));
    assert!(report.summary.ends_with("on this machine, not through DNS"), "{}", report.summary);
    let with = With::from([("expect", "192.0.2.1")]);
    let report = checked(&env, "localhost", with, Duration::from_secs(5)).await.unwrap();
    expect(&report, Outcome::WrongRecords, Some("outside_dns"));
}

#[tokio::test]
async fn what_this_machine_knows_counts_for_the_families_that_are_asked_for() {
    let env = Environment::new(Policy::unrestricted());
    for (types, is_v4) in [("A", true), ("AAAA", false)] {
        let request = Request {
            check: CheckKind::Dns,
            target: "localhost".to_owned(),
            with: With::from([("types", types)]),
            timeout: Duration::from_secs(5),
            now: "2026-03-01T10:00:00Z".parse().unwrap(),
        };
        let plan = Plan::read(&env, &request).unwrap();
        let found = system_addresses(&env, &plan, Instant::now() + Duration::from_secs(5)).await;
        assert!(found.iter().all(|ip| ip.is_ipv4() == is_v4), "{types}: {found:?}");
    }
}

#[tokio::test]
async fn the_servers_of_a_zone_are_not_asked_again_at_once() {
    let server = NameServer::start(vec![zone().ns("@", "ns1.drill.test").a("ns1", HERE).a("api", HERE)])
        .await
        .unwrap();
    let env = Environment::new(Policy::unrestricted());
    let with = || With::from([("resolvers", server.addr().to_string())]);
    let zone_questions =
        || server.queries().iter().filter(|it| it.record_type == RecordType::SOA && !it.is_tcp).count();
    for _ in 0..2 {
        let report = checked(&env, "api.drill.test", with(), Duration::from_secs(5)).await.unwrap();
        assert_eq!(report.facts["delegation"]["servers"][0]["result"], "authoritative", "{report:#?}");
    }
    assert_eq!(zone_questions(), 1);
}

#[tokio::test]
async fn a_referral_is_followed_to_the_servers_that_know() {
    let child = Zone::new("shop.drill.test").a("api", HERE).ns("@", "ns2.drill.test");
    let parent = zone().ns("shop", "ns2.drill.test").a("ns2", Ipv4Addr::new(127, 0, 0, 2)).delegates("shop");
    let above = NameServer::start(vec![parent]).await.unwrap();
    let at = SocketAddr::new(Ipv4Addr::new(127, 0, 0, 2).into(), above.addr().port());
    let _below = NameServer::start_authority(at, vec![child]).await.unwrap();
    let report = ask("api.shop.drill.test", &[&above], &[]).await;
    expect(&report, Outcome::Resolves, Some("referral_followed"));
    assert_eq!(report.facts["addresses"], json!(["127.0.0.1"]));
    assert_eq!(report.facts["delegation"]["zone"], "shop.drill.test");
}

#[tokio::test]
async fn every_server_that_a_referral_names_is_asked() {
    let child = Zone::new("shop.drill.test").a("api", HERE).ns("@", "ns2.drill.test");
    let parent = zone()
        .ns("@", "ns1.drill.test")
        .a("ns1", HERE)
        .ns("shop", "ns2.drill.test")
        .ns("shop", "ns3.drill.test")
        .a("ns2", Ipv4Addr::new(127, 0, 0, 2))
        .a("ns3", Ipv4Addr::new(127, 0, 0, 2))
        .delegates("shop");
    let above = NameServer::start(vec![parent]).await.unwrap();
    let at = SocketAddr::new(Ipv4Addr::new(127, 0, 0, 2).into(), above.addr().port());
    let _below = NameServer::start_authority(at, vec![child]).await.unwrap();
    let report = ask("api.shop.drill.test", &[&above], &[]).await;
    expect(&report, Outcome::Resolves, Some("referral_followed"));
    assert_eq!(report.facts["delegation"]["servers"].as_array().map(Vec::len), Some(2));
}
