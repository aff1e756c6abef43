//! Hostile name servers: packets by hand.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use firstcheck::outcome::CheckKind;
use hickory_proto::op::{Edns, Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::rdata::{A, CNAME, NS, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;

use super::name_server::{Names, OverTcp};
use super::trial::{Row, Trial, row};

const NAME: &str = "api.hostile.test";

/// Nothing can be said of the name.
const NO_ANSWER: &[&str] = &["timeout", "servfail", "error"];

fn name(text: &str) -> Name {
    Name::from_ascii(format!("{text}.")).unwrap()
}

/// The start of an answer to this query.
pub(super) fn reply(query: &Message) -> Message {
    let mut reply = Message::response(query.metadata.id, OpCode::Query);
    reply.metadata.recursion_available = true;
    reply.metadata.recursion_desired = true;
    query.queries.iter().for_each(|it| {
        reply.add_query(it.clone());
    });
    reply
}

pub(super) fn asks_for_addresses(query: &Message) -> bool {
    query.queries.iter().any(|it| it.query_type() == RecordType::A)
}

fn address(of: &str, last: u8) -> Record {
    Record::from_rdata(name(of), 60, RData::A(A(Ipv4Addr::new(127, 0, 0, last))))
}

/// A good answer to what is asked for the addresses of a name, none for the rest.
fn good(query: &Message) -> Message {
    let mut reply = reply(query);
    if asks_for_addresses(query) {
        let asked = query.queries[0].name().clone();
        reply.add_answer(Record::from_rdata(asked, 60, RData::A(A(Ipv4Addr::LOCALHOST))));
    } else {
        let soa = SOA::new(name("ns.hostile.test"), name("a.hostile.test"), 1, 1, 1, 1, u32::MAX);
        reply.authorities.push(Record::from_rdata(name("hostile.test"), u32::MAX, RData::SOA(soa)));
    }
    reply
}

pub(super) fn bytes(message: &Message) -> Vec<u8> {
    message.to_vec().unwrap()
}

fn checks(
    name: &'static str,
    packets: impl Fn(&Message, &[u8]) -> Vec<Vec<u8>> + Send + Sync + 'static,
    tcp: OverTcp,
    expected: &'static [&'static str],
) -> Row {
    row(name, async move {
        let names = Names::start(packets, tcp).await;
        let trial =
            Trial::new(CheckKind::Dns, NAME).with("types", "A,TXT").with("resolvers", names.addr.to_string());
        trial.ends(expected).await?;
        // Whoever only wants the addresses meets the same server.
        let http = Trial::new(CheckKind::Http, format!("http://{NAME}:9/")).resolved_by(names.addr);
        let http = http.within(std::time::Duration::from_millis(600));
        http.ends(&["unresolved", "timeout", "unreachable", "error"]).await.map(drop)
    })
}

/// One packet to each query.
fn packet(
    name: &'static str,
    of: impl Fn(&Message, &[u8]) -> Vec<u8> + Send + Sync + 'static,
    expected: &'static [&'static str],
) -> Row {
    checks(name, move |query, raw| vec![of(query, raw)], OverTcp::Same, expected)
}

/// The header of an answer to this query with these counts, its question, and this tail.
fn raw_answer(query: &[u8], counts: [u16; 3], tail: &[u8]) -> Vec<u8> {
    let end = 12 + query[12..].iter().position(|it| *it == 0).unwrap() + 5;
    let mut packet = [&query[..2], &[0x81, 0x80, 0, 1]].concat();
    packet.extend(counts.iter().flat_map(|it| it.to_be_bytes()));
    packet.extend(&query[12..end]);
    packet.extend(tail);
    packet
}

fn truncated(query: &Message) -> Vec<u8> {
    let mut reply = reply(query);
    reply.metadata.truncation = true;
    bytes(&reply)
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = forged();
    rows.extend(broken());
    rows.extend(aliases());
    rows.extend(streams());
    rows.extend(texts());
    rows
}

fn forged() -> Vec<Row> {
    vec![
        packet(
            "an answer to another id",
            |query, _| {
                let mut reply = good(query);
                reply.metadata.id = !reply.metadata.id;
                bytes(&reply)
            },
            NO_ANSWER,
        ),
        packet(
            "an answer to another question",
            |query, _| {
                let mut reply = good(query);
                reply.queries = vec![Query::query(name("other.hostile.test"), RecordType::A)];
                bytes(&reply)
            },
            NO_ANSWER,
        ),
        packet("the query itself sent back", |_, raw| raw.to_vec(), NO_ANSWER),
        checks(
            "five thousand forged answers before the true one",
            |query, _| {
                let mut packets: Vec<_> = (0..5000_u16)
                    .map(|it| {
                        let mut reply = good(query);
                        reply.metadata.id = query.metadata.id ^ (it + 1);
                        bytes(&reply)
                    })
                    .collect();
                packets.push(bytes(&good(query)));
                packets
            },
            OverTcp::Same,
            &["resolves", "timeout"],
        ),
        checks("a flood of garbage", |_, _| vec![vec![0xff; 1200]; 3000], OverTcp::Same, NO_ANSWER),
        row("an answer from another port", async {
            let spoofer = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
            let names = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let addr = names.local_addr().unwrap();
            let task = tokio::spawn(async move {
                let mut buffer = [0; 2048];
                while let Ok((size, from)) = names.recv_from(&mut buffer).await {
                    let query = Message::from_vec(&buffer[..size]).unwrap();
                    spoofer.send_to(&bytes(&good(&query)), from).await.unwrap();
                }
            });
            let trial =
                Trial::new(CheckKind::Dns, NAME).with("types", "A").with("resolvers", addr.to_string());
            let ended = trial.ends(&["timeout"]).await;
            task.abort();
            ended.map(drop)
        }),
    ]
}

fn broken() -> Vec<Row> {
    /// A pointer to the name, type A, class IN, a TTL.
    const RECORD: &[u8] = &[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60];
    let with_record = |data: &'static [u8]| {
        move |_: &Message, raw: &[u8]| raw_answer(raw, [1, 0, 0], &[RECORD, data].concat())
    };
    vec![
        packet(
            "a name that points to itself",
            |_, raw| {
                let at = u8::try_from(raw_answer(raw, [1, 0, 0], &[]).len()).unwrap();
                raw_answer(raw, [1, 0, 0], &[0xc0, at, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1])
            },
            NO_ANSWER,
        ),
        packet(
            "names that point to each other",
            |_, raw| {
                let at = u8::try_from(raw_answer(raw, [1, 0, 0], &[]).len()).unwrap();
                raw_answer(raw, [1, 0, 0], &[1, b'a', 0xc0, at + 4, 1, b'b', 0xc0, at])
            },
            NO_ANSWER,
        ),
        packet(
            "a pointer beyond the end",
            |_, raw| raw_answer(raw, [1, 0, 0], &[0xff, 0xff, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]),
            NO_ANSWER,
        ),
        packet("an address of no bytes", with_record(&[0, 0]), NO_ANSWER),
        packet("an address of one byte", with_record(&[0, 1, 192]), NO_ANSWER),
        packet(
            "data that is said to be longer than the packet",
            with_record(&[0xff, 0xff, 127, 0, 0, 1]),
            NO_ANSWER,
        ),
        packet(
            "65,535 records that are not there",
            |_, raw| raw_answer(raw, [65_535, 65_535, 65_535], &[]),
            NO_ANSWER,
        ),
        packet(
            "an answer without a question",
            |query, _| {
                let mut reply = good(query);
                reply.queries.clear();
                bytes(&reply)
            },
            NO_ANSWER,
        ),
        packet("a header alone", |_, raw| raw[..12].to_vec(), NO_ANSWER),
        packet("a packet of one byte", |_, _| vec![0], NO_ANSWER),
        packet("an empty packet", |_, _| Vec::new(), NO_ANSWER),
        packet(
            "a code that nobody knows",
            |query, _| {
                let mut reply = reply(query);
                reply.metadata.response_code = ResponseCode::Unknown(3841);
                bytes(&reply)
            },
            NO_ANSWER,
        ),
        packet(
            "seconds that overflow",
            |query, _| {
                let mut reply = good(query);
                reply.answers.iter_mut().for_each(|it| it.ttl = u32::MAX);
                bytes(&reply)
            },
            &["resolves"],
        ),
    ]
}

fn aliases() -> Vec<Row> {
    let link = |from: String, to: String| Record::from_rdata(name(&from), 60, RData::CNAME(CNAME(name(&to))));
    vec![
        packet(
            "a name that is its own alias",
            move |query, _| {
                let mut reply = reply(query);
                reply.add_answer(link(NAME.to_owned(), NAME.to_owned()));
                bytes(&reply)
            },
            &["dangling_cname"],
        ),
        checks(
            "a chain of a thousand aliases",
            move |query, _| {
                let mut reply = reply(query);
                reply.add_answer(link(NAME.to_owned(), "a0.hostile.test".to_owned()));
                for at in 0..1000 {
                    reply
                        .add_answer(link(format!("a{at}.hostile.test"), format!("a{}.hostile.test", at + 1)));
                }
                vec![if bytes(&reply).len() > 60_000 { truncated(query) } else { bytes(&reply) }]
            },
            OverTcp::Same,
            &["dangling_cname", "timeout", "no_records"],
        ),
        row("an alias of an alias, as often as one asks", async {
            let count = AtomicUsize::new(0);
            let names = Names::start(
                move |query, _| {
                    let mut reply = reply(query);
                    let next = name(&format!("a{}.hostile.test", count.fetch_add(1, Ordering::SeqCst)));
                    let asked = query.queries[0].name().clone();
                    reply.add_answer(Record::from_rdata(asked, 60, RData::CNAME(CNAME(next))));
                    vec![bytes(&reply)]
                },
                OverTcp::Same,
            )
            .await;
            let trial =
                Trial::new(CheckKind::Dns, NAME).with("types", "A").with("resolvers", names.addr.to_string());
            trial.ends(&["dangling_cname"]).await?;
            let http = Trial::new(CheckKind::Http, format!("http://{NAME}:9/")).resolved_by(names.addr);
            http.ends(&["unresolved"]).await.map(drop)
        }),
        packet(
            "name servers that are each other's",
            |query, _| {
                let mut reply = reply(query);
                reply.metadata.recursion_available = false;
                for at in 0..40 {
                    let server = name(&format!("ns{at}.sub{}.hostile.test", at + 1));
                    reply.authorities.push(Record::from_rdata(
                        name("hostile.test"),
                        60,
                        RData::NS(NS(server)),
                    ));
                }
                bytes(&reply)
            },
            &["lame_delegation", "timeout", "servfail", "error", "no_records"],
        ),
        packet(
            "addresses of other names",
            |query, _| {
                let mut reply = reply(query);
                (0..20).for_each(|it| {
                    reply.add_answer(address("other.hostile.test", it));
                });
                bytes(&reply)
            },
            &["resolves", "no_records", "timeout"],
        ),
    ]
}

fn streams() -> Vec<Row> {
    let cut = |name, tcp| checks(name, |query, _| vec![truncated(query)], tcp, NO_ANSWER);
    vec![
        checks(
            "truncated over TCP too",
            |query, _| vec![truncated(query)],
            OverTcp::Same,
            &["no_records", "timeout", "servfail", "error"],
        ),
        cut("a length over TCP that lies", OverTcp::Bytes(&[0xff, 0xff, 1, 2, 3])),
        cut("a length of zero over TCP", OverTcp::Bytes(&[0, 0])),
        cut("garbage over TCP", OverTcp::Bytes(&[0, 8, 1, 2, 3, 4, 5, 6, 7, 8])),
        cut("half a length over TCP", OverTcp::Bytes(&[0])),
        cut("nothing over TCP", OverTcp::Bytes(&[])),
        cut("a byte per 100 ms over TCP", OverTcp::Drip),
        checks(
            "a set of 3000 addresses",
            |query, _| {
                if !asks_for_addresses(query) {
                    return vec![bytes(&good(query))];
                }
                let mut reply = reply(query);
                for at in 0..3000_u16 {
                    let [high, low] = at.to_be_bytes();
                    reply.add_answer(Record::from_rdata(
                        query.queries[0].name().clone(),
                        60,
                        RData::A(A(Ipv4Addr::new(127, 1, high, low))),
                    ));
                }
                // The large one does not fit into a datagram; the small one says so.
                vec![truncated(query), bytes(&reply)]
            },
            OverTcp::Same,
            &["resolves", "timeout"],
        ),
    ]
}

fn texts() -> Vec<Row> {
    const ESCAPES: &str = "\u{1b}[2J\u{202e}evil\u{9b}31m\n\0";
    vec![
        packet(
            "escapes in a text record",
            |query, _| {
                let mut reply = reply(query);
                if asks_for_addresses(query) {
                    return bytes(&good(query));
                }
                let text = RData::TXT(TXT::new(vec![ESCAPES.to_owned(); 3]));
                reply.add_answer(Record::from_rdata(query.queries[0].name().clone(), 60, text));
                bytes(&reply)
            },
            &["resolves"],
        ),
        packet(
            "escapes in an extended error",
            |query, _| {
                let mut reply = reply(query);
                reply.metadata.response_code = ResponseCode::ServFail;
                let mut edns = Edns::new();
                let text = [&[0, 22], ESCAPES.as_bytes()].concat();
                edns.options_mut().insert(EdnsOption::Unknown(15, text));
                reply.set_edns(edns);
                bytes(&reply)
            },
            &["servfail"],
        ),
        packet(
            "escapes in an alias",
            |query, _| {
                let mut reply = reply(query);
                let target = Name::from_labels([b"\x1b[2J\xe2\x80\xaeevil\0".as_slice(), b"test"]).unwrap();
                reply.add_answer(Record::from_rdata(
                    query.queries[0].name().clone(),
                    60,
                    RData::CNAME(CNAME(target)),
                ));
                reply.metadata.response_code = ResponseCode::NXDomain;
                bytes(&reply)
            },
            &["dangling_cname"],
        ),
        row("a name of escapes", async {
            let trial = Trial::new(CheckKind::Dns, "\u{1b}[2J\u{202e}.test").with("resolvers", "127.0.0.1:1");
            trial.ends(&["usage", "timeout"]).await.map(drop)
        }),
        row("a name of a hundred thousand letters", async {
            let trial = Trial::new(CheckKind::Dns, "a.".repeat(50_000)).with("resolvers", "127.0.0.1:1");
            trial.ends(&["usage"]).await.map(drop)
        }),
    ]
}
