//! Sound names at servers of unusual make: packets, options and transports that RFC 1035, 2181, 6891, 7766 and 8914 allow.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};

use firstcheck::drill::name_server::NameServer;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::rdata::{CNAME, NS, NULL};
use hickory_proto::rr::{RData, RecordType};

use super::dns::{HERE, THERE, a, aaaa, addresses, at, odd, packets, zone};
use super::servers::{name, record, reply};
use super::{Asked, Table};

pub(super) fn unknown(code: u16, data: &[u8]) -> RData {
    RData::Unknown { code: RecordType::from(code), rdata: NULL::with(data.to_vec()) }
}

fn with_error(code: u16, text: &'static str) -> impl Future<Output = Asked> + Send {
    odd("api.lab.test", move |answer, query, _| {
        addresses(answer, query, vec![record("api.lab.test", 60, a(HERE))]);
        let data = [code.to_be_bytes().as_slice(), text.as_bytes()].concat();
        if let Some(edns) = &mut answer.edns {
            edns.options_mut().insert(EdnsOption::Unknown(15, data));
        }
    })
}

pub(super) fn rows(table: &mut Table) {
    packets_as_strangers_build_them(table);
    extras(table);
    odd_transports(table);
}

fn packets_as_strangers_build_them(table: &mut Table) {
    table.row("answers that rotate with every query", "resolves", async {
        let turn = AtomicU8::new(0);
        odd("api.lab.test", move |answer, query, _| {
            let turn = turn.fetch_add(1, Ordering::Relaxed) % 4;
            addresses(answer, query, vec![record("api.lab.test", 5, a(Ipv4Addr::new(192, 0, 2, turn)))]);
        })
        .await
    });
    table.row(
        "a TTL of zero",
        "resolves",
        odd("api.lab.test", |answer, query, _| {
            addresses(answer, query, vec![record("api.lab.test", 0, a(HERE))]);
        }),
    );
    table.row(
        "the longest TTL (RFC 2181)",
        "resolves",
        odd("api.lab.test", |answer, query, _| {
            addresses(answer, query, vec![record("api.lab.test", 0x7fff_ffff, a(HERE))]);
        }),
    );
    table.row(
        "two TTLs within one record set",
        "resolves",
        odd("api.lab.test", |answer, query, _| {
            addresses(
                answer,
                query,
                vec![record("api.lab.test", 60, a(HERE)), record("api.lab.test", 300, a(THERE))],
            );
        }),
    );
    table.row(
        "the owner's name comes back in other letters",
        "resolves",
        odd("api.lab.test", |answer, query, _| {
            addresses(answer, query, vec![record("aPi.LAB.tEst", 60, a(HERE))]);
        }),
    );
    table.row(
        "an alias whose target is written in other letters than its own records",
        "resolves",
        odd("api.lab.test", |answer, query, _| {
            addresses(
                answer,
                query,
                vec![
                    record("api.lab.test", 60, RData::CNAME(CNAME(name("Edge.Lab.Test")))),
                    record("edge.lab.test", 60, a(HERE)),
                ],
            );
        }),
    );
    table.row(
        "the chain is not in its order within the answer",
        "resolves",
        odd("api.lab.test", |answer, query, _| {
            addresses(
                answer,
                query,
                vec![
                    record("edge.lab.test", 60, a(HERE)),
                    record("api.lab.test", 60, RData::CNAME(CNAME(name("edge.lab.test")))),
                ],
            );
        }),
    );
    table.row(
        "a DNAME with the alias made from it (RFC 6672)",
        "resolves",
        odd("api.old.lab.test", |answer, query, _| {
            addresses(
                answer,
                query,
                vec![
                    record("old.lab.test", 60, unknown(39, b"\x03new\x03lab\x04test\x00")),
                    record("api.old.lab.test", 0, RData::CNAME(CNAME(name("api.new.lab.test")))),
                    record("api.new.lab.test", 60, a(HERE)),
                ],
            );
        }),
    );
    table.row(
        "signatures beside the answer",
        "resolves",
        odd("api.lab.test", |answer, query, _| {
            let signature = [
                &[0, 1, 13, 3, 0, 0, 1, 44, 0x70, 0, 0, 0, 0x60, 0, 0, 0, 0x12, 0x34][..],
                b"\x03lab\x04test\x00",
                &[7; 64],
            ]
            .concat();
            addresses(
                answer,
                query,
                vec![
                    record("api.lab.test", 300, a(HERE)),
                    record("api.lab.test", 300, unknown(46, &signature)),
                ],
            );
        }),
    );
    table.row(
        "NODATA without an SOA, as small servers give it",
        "resolves",
        odd("api.lab.test", |answer, query, _| {
            if query.queries[0].query_type() == RecordType::A {
                answer.add_answer(record("api.lab.test", 60, a(HERE)));
            }
        }),
    );
    table.row(
        "an authority asked directly: AA and no recursion",
        "resolves",
        odd("api.lab.test", |answer, query, _| {
            answer.metadata.authoritative = true;
            answer.metadata.recursion_available = false;
            addresses(answer, query, vec![record("api.lab.test", 60, a(HERE))]);
        }),
    );
    table.row(
        "validated data: AD is set",
        "resolves",
        odd("api.lab.test", |answer, query, _| {
            answer.metadata.authentic_data = true;
            addresses(answer, query, vec![record("api.lab.test", 60, a(HERE))]);
        }),
    );
    table.row(
        "wildcard: whatever name is asked for is there",
        "resolves",
        odd("any.thing.lab.test", |answer, query, _| {
            addresses(answer, query, vec![record("any.thing.lab.test", 60, a(HERE))]);
        }),
    );
    table.row(
        "the same record twice",
        "resolves",
        odd("api.lab.test", |answer, query, _| {
            addresses(
                answer,
                query,
                vec![record("api.lab.test", 60, a(HERE)), record("api.lab.test", 60, a(HERE))],
            );
        }),
    );
    table.row(
        "the name servers stand in the authority section, their addresses in the additional one",
        "resolves",
        odd("api.lab.test", |answer, query, _| {
            addresses(answer, query, vec![record("api.lab.test", 60, a(HERE))]);
            answer.add_authority(record("lab.test", 60, RData::NS(NS(name("ns1.lab.test")))));
            answer.add_additional(record("ns1.lab.test", 60, a(Ipv4Addr::LOCALHOST)));
            answer.add_additional(record("ns1.lab.test", 60, aaaa(Ipv6Addr::LOCALHOST)));
        }),
    );
    table.row(
        "a record of an unknown type among the answers",
        "resolves",
        odd("api.lab.test", |answer, query, _| {
            addresses(
                answer,
                query,
                vec![
                    record("api.lab.test", 60, unknown(65_280, b"private")),
                    record("api.lab.test", 60, a(HERE)),
                ],
            );
        }),
    );
}

fn extras(table: &mut Table) {
    table.row("an extended error that says nothing (0)", "resolves", with_error(0, ""));
    table.row(
        "an algorithm the resolver does not know: insecure, not bogus (1)",
        "resolves",
        with_error(1, "unsupported DNSKEY algorithm"),
    );
    table.row("a stale answer (3) still resolves", "resolves", with_error(3, "serve-stale"));
    table.row("a negative trust anchor (33)", "resolves", with_error(33, "nta"));
    table.row("a synthesised answer (29, RFC 8914 registry)", "resolves", with_error(29, "synthesized"));
    table.row("a private extended error", "resolves", with_error(49_200, "cache warm"));
    table.row(
        "cookie, NSID and padding in EDNS",
        "resolves",
        odd("api.lab.test", |answer, query, _| {
            addresses(answer, query, vec![record("api.lab.test", 60, a(HERE))]);
            if let Some(edns) = &mut answer.edns {
                edns.options_mut().insert(EdnsOption::Unknown(10, vec![7; 24]));
                edns.options_mut().insert(EdnsOption::Unknown(3, b"fra1".to_vec()));
                edns.options_mut().insert(EdnsOption::Unknown(12, vec![0; 100]));
            }
        }),
    );
    table.row(
        "a server that ignores EDNS",
        "resolves",
        odd("api.lab.test", |answer, query, _| {
            addresses(answer, query, vec![record("api.lab.test", 60, a(HERE))]);
            answer.edns = None;
        }),
    );
    table.row(
        "a server that knows no EDNS and says FORMERR",
        "resolves",
        at("api.lab.test", zone().a("api", HERE).breaks_on_edns("api")),
    );
    table.row(
        "a server that knows no EDNS and says NOTIMP",
        "resolves",
        odd("api.lab.test", |answer, query, _| {
            if query.edns.is_some() {
                answer.edns = None;
                answer.metadata.response_code = ResponseCode::NotImp;
            } else {
                addresses(answer, query, vec![record("api.lab.test", 60, a(HERE))]);
            }
        }),
    );
}

fn odd_transports(table: &mut Table) {
    table.row(
        "truncated, and whole over TCP",
        "resolves",
        at("api.lab.test", zone().a("api", HERE).truncated("api")),
    );
    table.row(
        "a hundred addresses: a part over UDP, all over TCP",
        "resolves",
        odd("api.lab.test", |answer, query, is_tcp| {
            let count = if is_tcp { 100 } else { 20 };
            addresses(
                answer,
                query,
                (0..count).map(|n| record("api.lab.test", 60, a(Ipv4Addr::new(198, 51, 100, n)))).collect(),
            );
            answer.metadata.truncation = !is_tcp && query.queries[0].query_type() == RecordType::A;
        }),
    );
    table.row(
        "the answer comes twice",
        "resolves",
        packets("api.lab.test", |query, _| {
            let mut answer = reply(query);
            addresses(&mut answer, query, vec![record("api.lab.test", 60, a(HERE))]);
            vec![answer.to_vec().unwrap(); 2]
        }),
    );
    table.row(
        "a stray packet with another id comes first",
        "resolves",
        packets("api.lab.test", |query, is_tcp| {
            let mut answer = reply(query);
            addresses(&mut answer, query, vec![record("api.lab.test", 60, a(HERE))]);
            let mut stray = reply(query);
            stray.metadata.id = query.metadata.id.wrapping_add(1);
            stray.metadata.response_code = ResponseCode::NXDomain;
            let strays = usize::from(!is_tcp);
            [vec![stray.to_vec().unwrap(); strays], vec![answer.to_vec().unwrap()]].concat()
        }),
    );
    table.row(
        "a packet that is no DNS comes first",
        "resolves",
        packets("api.lab.test", |query, is_tcp| {
            let mut answer = reply(query);
            addresses(&mut answer, query, vec![record("api.lab.test", 60, a(HERE))]);
            let strays = usize::from(!is_tcp);
            [vec![b"not a packet of yours".to_vec(); strays], vec![answer.to_vec().unwrap()]].concat()
        }),
    );
    table.row("a name server on IPv6", "resolves", async {
        let at = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 0);
        let server = NameServer::start_authority(at, vec![zone().a("api", HERE)]).await.unwrap();
        Asked::new("api.lab.test").with("resolvers", server.addr().to_string()).holding(server)
    });
    table.row("localhost, which no name server needs to know", "resolves", async { Asked::new("localhost") });
}
