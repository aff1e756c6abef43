//! What is read from packets, whole and damaged.

use hickory_proto::op::{Edns, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::{A, CNAME, NS, SOA};
use proptest::prelude::*;

use super::*;

fn name(text: &str) -> Name {
    resolve::parse_name(text).unwrap()
}

/// An alias with an address, a delegation and an extended error, as a resolver sends them.
fn packet() -> Vec<u8> {
    let mut message = Message::response(7, OpCode::Query);
    message.add_query(Query::query(name("api.drill.test"), RecordType::A));
    let alias = RData::CNAME(CNAME(name("eu.drill.test")));
    message.add_answer(Record::from_rdata(name("api.drill.test"), 30, alias));
    message.add_answer(Record::from_rdata(name("eu.drill.test"), 60, RData::A(A([127, 0, 0, 1].into()))));
    let soa = SOA::new(name("ns1.drill.test"), name("admin.drill.test"), 7, 1, 1, 1, 60);
    message.authorities.push(Record::from_rdata(name("drill.test"), 90, RData::SOA(soa)));
    let ns = RData::NS(NS(name("ns1.drill.test")));
    message.authorities.push(Record::from_rdata(name("drill.test"), 90, ns));
    let mut edns = Edns::new();
    edns.options_mut().insert(EdnsOption::Unknown(15, b"\0\x06bad signature".to_vec()));
    message.set_edns(edns);
    message.to_vec().unwrap()
}

/// Everything that is read from a packet, as the check reads it.
fn read(bytes: &[u8]) -> Option<Answer> {
    let message = Message::from_vec(bytes).ok()?;
    let mut answer = Answer::unanswered(&name("api.drill.test"), RecordType::A);
    let looked =
        Looked { reply: Ok(message), breaks_on_edns: false, is_bogus: false, is_intermittent: false };
    answer.take(looked, RecordType::A);
    assert!(answer.aliases.links.len() <= MAX_ALIASES + 1);
    let _ = (answer.outcome(), answer.records());
    Some(answer)
}

#[test]
fn an_answer_is_read_with_its_alias_and_its_extended_error() {
    let answer = read(&packet()).unwrap();
    assert_eq!(answer.end, End::Records(vec!["127.0.0.1".to_owned()]));
    assert_eq!(answer.aliases.links, [name("eu.drill.test")]);
    assert_eq!(answer.extended, [Extended { code: 6, text: "bad signature".to_owned() }]);
    assert_eq!(answer.ttl, Some(30));
    assert_eq!(Message::from_vec(&packet()).unwrap().metadata.message_type, MessageType::Response);
}

proptest! {
    #[test]
    fn arbitrary_bytes_end_in_an_answer_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        read(&bytes);
    }

    #[test]
    fn a_damaged_answer_ends_in_an_answer_or_none(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        keep in any::<prop::sample::Index>(),
    ) {
        let mut bytes = packet();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        read(&bytes);
        read(&bytes[..keep.index(bytes.len())]);
    }
}
