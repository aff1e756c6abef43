//! Sound names: aliases, families, rotation, oddities of servers that RFC 1034, 2308, 6891, 7766 and 8914 allow.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use firstcheck::drill::name_server::{NameServer, Zone};
use hickory_proto::op::Message;
use hickory_proto::rr::rdata::{A, AAAA, NS, SOA};
use hickory_proto::rr::{RData, RecordType};

use super::servers::{Server, name, record, reply};
use super::{Asked, Table};

pub(super) const HERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
pub(super) const THERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 8);
const HERE6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7);

pub(super) fn zone() -> Zone {
    Zone::new("lab.test")
}

/// One zone at one server that answers as a resolver does.
pub(super) async fn at(target: &str, zone: Zone) -> Asked {
    let server = NameServer::start(vec![zone]).await.unwrap();
    Asked::new(target).with("resolvers", server.addr().to_string()).holding(server)
}

/// Two servers, each with its own idea of the zone.
async fn at_two(target: &str, zones: [Zone; 2]) -> Asked {
    let [first, second] = zones;
    let (first, second) =
        (NameServer::start(vec![first]).await.unwrap(), NameServer::start(vec![second]).await.unwrap());
    let both = format!("{},{}", first.addr(), second.addr());
    Asked::new(target).with("resolvers", both).holding(first).holding(second)
}

/// A server that builds its packets itself; `fill` gets the answer with its question, and whether it goes over TCP.
pub(super) async fn odd(
    target: &str,
    fill: impl Fn(&mut Message, &Message, bool) + Send + Sync + 'static,
) -> Asked {
    packets(target, move |query, is_tcp| {
        let mut answer = reply(query);
        fill(&mut answer, query, is_tcp);
        vec![answer.to_vec().unwrap()]
    })
    .await
}

pub(super) async fn packets(
    target: &str,
    answer: impl Fn(&Message, bool) -> Vec<Vec<u8>> + Send + Sync + 'static,
) -> Asked {
    let server = Server::dns(answer).await;
    Asked::new(target).with("resolvers", server.addr.to_string()).holding(server)
}

pub(super) fn a(ip: Ipv4Addr) -> RData {
    RData::A(A(ip))
}

pub(super) fn aaaa(ip: Ipv6Addr) -> RData {
    RData::AAAA(AAAA(ip))
}

pub(super) fn soa(serial: u32) -> RData {
    RData::SOA(SOA::new(name("ns1.lab.test"), name("admin.lab.test"), serial, 300, 60, 86_400, 60))
}

/// Answers `A` with these records; for every other type there is none, and the SOA says so.
pub(super) fn addresses(answer: &mut Message, query: &Message, records: Vec<hickory_proto::rr::Record>) {
    if query.queries[0].query_type() == RecordType::A {
        answer.add_answers(records);
    } else {
        answer.add_authority(record("lab.test", 60, soa(1)));
    }
}

/// A zone with two name servers on one port: the resolver's own address, and 127.0.0.2.
async fn delegated(target: &str, mine: Zone, second: Zone) -> Asked {
    let mine = mine
        .ns("@", "ns1.lab.test")
        .ns("@", "ns2.lab.test")
        .a("ns1", Ipv4Addr::LOCALHOST)
        .a("ns2", Ipv4Addr::new(127, 0, 0, 2));
    let resolver = NameServer::start(vec![mine]).await.unwrap();
    let at = SocketAddr::new(Ipv4Addr::new(127, 0, 0, 2).into(), resolver.addr().port());
    let second = NameServer::start_authority(at, vec![second]).await.unwrap();
    Asked::new(target).with("resolvers", resolver.addr().to_string()).holding(resolver).holding(second)
}

fn chain(hops: usize) -> Zone {
    let alias = |hop: usize| if hop == 0 { "api".to_owned() } else { format!("hop{hop}") };
    let chained =
        (0..hops).fold(zone(), |zone, hop| zone.cname(&alias(hop), &format!("{}.lab.test", alias(hop + 1))));
    chained.a(&alias(hops), HERE)
}

pub(super) fn rows(table: &mut Table) {
    aliases_and_families(table);
    names(table);
    several_servers(table);
}

fn aliases_and_families(table: &mut Table) {
    table.row("an alias of one hop", "resolves", at("api.lab.test", chain(1)));
    table.row("an alias chain of five hops, as CDNs have", "resolves", at("api.lab.test", chain(5)));
    table.row("an alias chain of eight hops is still followed", "resolves", at("api.lab.test", chain(8)));
    table.row("IPv4 only: no AAAA record is no fault", "resolves", at("api.lab.test", zone().a("api", HERE)));
    table.row(
        "IPv6 only: no A record is no fault",
        "resolves",
        at("api.lab.test", zone().aaaa("api", HERE6)),
    );
    table.row("both families", "resolves", at("api.lab.test", zone().a("api", HERE).aaaa("api", HERE6)));
    table.row(
        "an alias whose target has IPv6 only",
        "resolves",
        at("api.lab.test", zone().cname("api", "six.lab.test").aaaa("six", HERE6)),
    );
    table.row(
        "a private address of an internal service",
        "resolves",
        at("api.lab.test", zone().a("api", Ipv4Addr::new(10, 20, 0, 5))),
    );
    table.row(
        "a unique local address",
        "resolves",
        at("api.lab.test", zone().aaaa("api", Ipv6Addr::new(0xfd12, 0, 0, 0, 0, 0, 0, 1))),
    );
    table.row(
        "a loopback address on purpose",
        "resolves",
        at("api.lab.test", zone().a("api", Ipv4Addr::LOCALHOST)),
    );
    table.row("twelve addresses", "resolves", async {
        let zone = (1..=12).fold(zone(), |zone, n| zone.a("api", Ipv4Addr::new(192, 0, 2, n)));
        at("api.lab.test", zone).await
    });
    table.row("a text record alone, asked for as such", "resolves", async {
        at("api.lab.test", zone().txt("api", "v=spf1 -all")).await.with("types", "TXT")
    });
    table.row("HTTPS asked for beside A, and only A there", "resolves", async {
        at("api.lab.test", zone().a("api", HERE)).await.with("types", "A,HTTPS")
    });
    table.row("mail servers without an address of their own name", "resolves", async {
        at("lab.test", zone().mx("@", 10, "mail.lab.test")).await.with("types", "MX")
    });
    table.row("the addresses expected, in another order", "resolves", async {
        at("api.lab.test", zone().a("api", HERE).a("api", THERE))
            .await
            .with("expect", format!("{THERE},{HERE}"))
    });
    table.row("an IPv6 address expected in its long form", "resolves", async {
        at("api.lab.test", zone().aaaa("api", HERE6)).await.with("expect", "2001:0DB8:0:0:0:0:0:0007")
    });
    table.row("an alias expected by its target, with a final dot and capitals", "resolves", async {
        at("www.lab.test", zone().cname("www", "Edge.CDN.test").a("x", HERE))
            .await
            .with("types", "CNAME")
            .with("expect", "edge.cdn.TEST.")
    });
}

fn names(table: &mut Table) {
    table.row("a final dot", "resolves", at("api.lab.test.", zone().a("api", HERE)));
    table.row("capitals in the name asked for", "resolves", at("API.Lab.TEST", zone().a("api", HERE)));
    table.row("a label of 63 octets", "resolves", async {
        let label = "a".repeat(63);
        at(&format!("{label}.lab.test"), zone().a(&label, HERE)).await
    });
    table.row("a name of 253 octets", "resolves", async {
        let labels = [&"a".repeat(61), &"b".repeat(61), &"c".repeat(61), &"d".repeat(58)]
            .map(String::as_str)
            .join(".");
        let full = format!("{labels}.lab.test");
        assert_eq!(full.len(), 253);
        at(&full, zone().a(&labels, HERE)).await
    });
    table.row("an underscore, as service records have", "resolves", async {
        at("_acme-challenge.api.lab.test", zone().txt("_acme-challenge.api", "x")).await.with("types", "TXT")
    });
    table.row(
        "an international name in its ASCII form",
        "resolves",
        at("xn--bcher-kva.lab.test", zone().a("xn--bcher-kva", HERE)),
    );
    table.row(
        "an international name as a person writes it",
        "resolves",
        at("bücher.lab.test", zone().a("xn--bcher-kva", HERE)),
    );
    table.row(
        "a single label of a company's network",
        "resolves",
        at("intranet", Zone::new("intranet").a("@", HERE)),
    );
    table.row("a label of digits", "resolves", at("4711.lab.test", zone().a("4711", HERE)));
    table.row(
        "an empty non-terminal above the name",
        "resolves",
        at("x.deep.lab.test", zone().a("x.deep", HERE)),
    );
    table.row("the apex of a zone", "resolves", at("lab.test", zone().a("@", HERE)));
}

fn several_servers(table: &mut Table) {
    table.row(
        "geographic answers: each resolver another address",
        "resolves",
        at_two("api.lab.test", [zone().a("api", HERE), zone().a("api", THERE)]),
    );
    table.row(
        "one resolver gives a subset",
        "resolves",
        at_two("api.lab.test", [zone().a("api", HERE), zone().a("api", HERE).a("api", THERE)]),
    );
    table.row(
        "one resolver sees the alias, the other a flattened apex",
        "resolves",
        at_two("api.lab.test", [zone().cname("api", "edge.lab.test").a("edge", HERE), zone().a("api", HERE)]),
    );
    table.row(
        "aliases to two CDNs",
        "resolves",
        at_two(
            "api.lab.test",
            [zone().cname("api", "a.lab.test").a("a", HERE), zone().cname("api", "b.lab.test").a("b", THERE)],
        ),
    );
    table.row(
        "one resolver has IPv6 as well",
        "resolves",
        at_two("api.lab.test", [zone().a("api", HERE), zone().a("api", HERE).aaaa("api", HERE6)]),
    );
    table.row(
        "one of two resolvers gives its answer over TCP only",
        "resolves",
        at_two("api.lab.test", [zone().a("api", HERE), zone().a("api", HERE).truncated("api")]),
    );
    table.row(
        "two sound name servers",
        "resolves",
        delegated("api.lab.test", zone().a("api", HERE), zone().a("api", HERE)),
    );
    table.row(
        "two name servers that rotate what they give",
        "resolves",
        delegated("api.lab.test", zone().a("api", HERE), zone().a("api", THERE)),
    );
    table.row(
        "a name below a name that exists",
        "resolves",
        delegated("a.b.c.lab.test", zone().a("a.b.c", HERE), zone().a("a.b.c", HERE)),
    );
    table.row("a zone with one name server only", "resolves", async {
        at("api.lab.test", zone().ns("@", "ns1.lab.test").a("ns1", Ipv4Addr::LOCALHOST).a("api", HERE)).await
    });
    table.row("a child zone whose server has an address as glue only", "resolves", async {
        let parent =
            zone().ns("shop", "ns.shop.lab.test").a("ns.shop", Ipv4Addr::new(127, 0, 0, 2)).delegates("shop");
        let above = NameServer::start(vec![parent]).await.unwrap();
        let at = SocketAddr::new(IpAddr::from([127, 0, 0, 2]), above.addr().port());
        let child = Zone::new("shop.lab.test")
            .a("api", HERE)
            .ns("@", "ns.shop.lab.test")
            .a("ns", Ipv4Addr::new(127, 0, 0, 2));
        let below = NameServer::start_authority(at, vec![child]).await.unwrap();
        Asked::new("api.shop.lab.test")
            .with("resolvers", above.addr().to_string())
            .holding(above)
            .holding(below)
    });
    table.row(
        "secondaries one serial apart, in the minute of a transfer",
        "resolves",
        serials(2_026_110_101, 2_026_110_102),
    );
    table.row("serials on both sides of the wrap (RFC 1982)", "resolves", serials(u32::MAX, 3));
}

/// Two authoritative servers that answer alike and are at different serials.
async fn serials(first: u32, second: u32) -> Asked {
    let fill = |serial: u32| {
        move |query: &Message, _: bool| {
            let mut answer = reply(query);
            answer.metadata.authoritative = true;
            let asked = query.queries[0].query_type();
            let owner = query.queries[0].name().to_lowercase().to_ascii();
            match (owner.as_str(), asked) {
                ("api.lab.test.", RecordType::A) => answer.add_answer(record("api.lab.test", 300, a(HERE))),
                ("lab.test.", RecordType::SOA) => answer.add_answer(record("lab.test", 300, soa(serial))),
                ("lab.test.", RecordType::NS) => answer
                    .add_answer(record("lab.test", 300, RData::NS(NS(name("ns1.lab.test")))))
                    .add_answer(record("lab.test", 300, RData::NS(NS(name("ns2.lab.test"))))),
                ("ns1.lab.test.", RecordType::A) => {
                    answer.add_answer(record("ns1.lab.test", 300, a(Ipv4Addr::LOCALHOST)))
                }
                ("ns2.lab.test.", RecordType::A) => {
                    answer.add_answer(record("ns2.lab.test", 300, a(Ipv4Addr::new(127, 0, 0, 2))))
                }
                _ => answer.add_authority(record("lab.test", 60, soa(serial))),
            };
            vec![answer.to_vec().unwrap()]
        }
    };
    let one = Server::dns(fill(first)).await;
    let two = Server::dns_at(SocketAddr::new(IpAddr::from([127, 0, 0, 2]), one.addr.port()), fill(second))
        .await
        .unwrap();
    Asked::new("api.lab.test").with("resolvers", one.addr.to_string()).holding(one).holding(two)
}
