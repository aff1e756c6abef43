//! Sound names at resolvers and authorities that have their ways: half an answer, no questions without recursion, lost packets.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU8, Ordering};

use firstcheck::drill::name_server::{NameServer, Zone};
use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{CNAME, NS};
use hickory_proto::rr::{RData, RecordType};

use super::dns::{HERE, a, addresses, at, odd, packets, soa, zone};
use super::dns_odd::unknown;
use super::servers::{name, record, reply};
use super::{Asked, Table};

/// Answers this name's A question with an alias only, and the alias's own question with the address.
fn half_chain(answer: &mut Message, query: &Message) {
    let asked = query.queries[0].name().to_lowercase().to_ascii();
    let alias = record("api.lab.test", 60, RData::CNAME(CNAME(name("edge.cdn.test"))));
    match (asked.as_str(), query.queries[0].query_type()) {
        ("api.lab.test.", _) => answer.add_answer(alias),
        ("edge.cdn.test.", RecordType::A) => answer.add_answer(record("edge.cdn.test", 60, a(HERE))),
        _ => answer.add_authority(record("cdn.test", 60, soa(1))),
    };
}

pub(super) fn rows(table: &mut Table) {
    table.row(
        "the resolver gives the alias and leaves its target to the client",
        "resolves",
        odd("api.lab.test", |answer, query, _| half_chain(answer, query)),
    );
    table.row(
        "an alias without IPv6 at its end, whose SOA is another zone's",
        "resolves",
        odd("api.lab.test", |answer, query, _| {
            answer.add_answer(record("api.lab.test", 60, RData::CNAME(CNAME(name("edge.cdn.test")))));
            if query.queries[0].query_type() == RecordType::A {
                answer.add_answer(record("edge.cdn.test", 60, a(HERE)));
            } else {
                answer.add_authority(record("cdn.test", 60, soa(1)));
            }
        }),
    );
    table.row(
        "a resolver that refuses questions without recursion, as unbound does",
        "resolves",
        odd("api.lab.test", |answer, query, _| {
            if query.metadata.recursion_desired {
                served(answer, query);
            } else {
                answer.metadata.response_code = ResponseCode::Refused;
            }
        }),
    );
    table.row(
        "a resolver in front of a name server on the same address that only it can reach",
        "resolves",
        odd("api.lab.test", |answer, query, _| served(answer, query)),
    );
    table.row(
        "a hidden primary: the SOA names a server that is no name server",
        "resolves",
        odd("api.lab.test", |answer, query, _| {
            answer.metadata.authoritative = true;
            served(answer, query);
        }),
    );
    table.row(
        "FORMERR to EDNS with nothing but a head",
        "resolves",
        packets("api.lab.test", |query, _| {
            let mut answer = reply(query);
            if query.edns.is_some() {
                let mut bare = Message::error_msg(query.metadata.id, OpCode::Query, ResponseCode::FormErr);
                bare.metadata.recursion_available = true;
                return vec![bare.to_vec().unwrap()];
            }
            addresses(&mut answer, query, vec![record("api.lab.test", 60, a(HERE))]);
            vec![answer.to_vec().unwrap()]
        }),
    );
    table.row(
        "EDNS is dropped on the way, plain questions are answered",
        "resolves",
        packets("api.lab.test", |query, _| {
            let mut answer = reply(query);
            addresses(&mut answer, query, vec![record("api.lab.test", 60, a(HERE))]);
            if query.edns.is_some() { Vec::new() } else { vec![answer.to_vec().unwrap()] }
        }),
    );
    table.row("the first packet is lost", "resolves", async {
        let seen = AtomicU8::new(0);
        packets("api.lab.test", move |query, _| {
            let mut answer = reply(query);
            addresses(&mut answer, query, vec![record("api.lab.test", 60, a(HERE))]);
            if seen.fetch_add(1, Ordering::Relaxed) == 0 {
                Vec::new()
            } else {
                vec![answer.to_vec().unwrap()]
            }
        })
        .await
    });
    table.row(
        "a TTL with its highest bit set counts as zero (RFC 2181 section 8)",
        "resolves",
        odd("api.lab.test", |answer, query, _| {
            addresses(answer, query, vec![record("api.lab.test", 0x8000_0001, a(HERE))]);
        }),
    );
    table.row(
        "NSEC records that prove there is no IPv6",
        "resolves",
        odd("api.lab.test", |answer, query, _| {
            addresses(answer, query, vec![record("api.lab.test", 60, a(HERE))]);
            if query.queries[0].query_type() == RecordType::AAAA {
                answer.add_authority(record(
                    "api.lab.test",
                    60,
                    unknown(47, b"\x04next\x03lab\x04test\x00\x00\x01\x40"),
                ));
            }
        }),
    );
    table.row("two name servers' names at one address", "resolves", async {
        let zone = zone()
            .ns("@", "ns1.lab.test")
            .ns("@", "ns2.lab.test")
            .a("ns1", Ipv4Addr::LOCALHOST)
            .a("ns2", Ipv4Addr::LOCALHOST)
            .a("api", HERE);
        at("api.lab.test", zone).await
    });
    table.row("the name server's name is in another zone", "resolves", async {
        let server = NameServer::start(vec![
            zone().ns("@", "ns1.provider.test").a("api", HERE),
            Zone::new("provider.test").a("ns1", Ipv4Addr::LOCALHOST),
        ])
        .await
        .unwrap();
        Asked::new("api.lab.test").with("resolvers", server.addr().to_string()).holding(server)
    });
    table.row("a service record", "resolves", async {
        odd("_sip._tcp.lab.test", |answer, _, _| {
            answer.add_answer(record(
                "_sip._tcp.lab.test",
                60,
                unknown(33, b"\x00\x0a\x00\x05\x13\xc4\x03sip\x03lab\x04test\x00"),
            ));
        })
        .await
        .with("types", "SRV")
    });
    table.row("a record that names who may issue certificates", "resolves", async {
        odd("lab.test", |answer, _, _| {
            answer.add_answer(record("lab.test", 60, unknown(257, b"\x00\x05issueletsencrypt.org")));
        })
        .await
        .with("types", "CAA")
    });
}

/// The zone lab.test as a resolver has it, with one name server at 127.0.0.1 where only the resolver itself answers.
fn served(answer: &mut Message, query: &Message) {
    let asked = query.queries[0].name().to_lowercase().to_ascii();
    match (asked.as_str(), query.queries[0].query_type()) {
        ("api.lab.test.", RecordType::A) => answer.add_answer(record("api.lab.test", 60, a(HERE))),
        ("lab.test.", RecordType::NS) => {
            answer.add_answer(record("lab.test", 60, RData::NS(NS(name("ns2.lab.test")))))
        }
        ("lab.test.", RecordType::SOA) => answer.add_answer(record("lab.test", 60, soa(1))),
        ("ns2.lab.test.", RecordType::A) => {
            answer.add_answer(record("ns2.lab.test", 60, a(Ipv4Addr::LOCALHOST)))
        }
        _ => answer.add_authority(record("lab.test", 60, soa(1))),
    };
}
