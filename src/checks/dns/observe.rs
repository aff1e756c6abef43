//! One resolver, one record type: the answer through all aliases, and what a second look at a failure showed.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::time::{Instant, timeout_at};

use crate::checks::resolve::{self, Aliases, Asked, MAX_ALIASES, Question, Silence, show_name};
use crate::outcome::Outcome;

/// The share of the time left that a question with EDNS may use; the rest is for asking without.
const EDNS_SHARE: f64 = 0.7;

/// The share of the time left after which a silent resolver is asked for the alias alone.
const ALIAS_SHARE: f64 = 0.5;

/// For how long a resolver has to say nothing about an alias's target before the target counts as dead: a slow one is not.
const DEAD_AFTER: Duration = Duration::from_secs(3);

/// Extended errors that say "the signatures do not verify" (RFC 8914: 1, 2 and 5 to 12).
const DNSSEC_CODES: [u16; 10] = [1, 2, 5, 6, 7, 8, 9, 10, 11, 12];

/// What one resolver said about one type.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// The name that was asked for.
    pub(super) name: Name,
    pub(super) record_type: RecordType,
    pub(super) aliases: Aliases,
    pub(super) end: End,
    /// The shortest TTL of the records and aliases, in seconds.
    pub(super) ttl: Option<u32>,
    /// For how long "there is none" may be remembered, in seconds (RFC 2308).
    pub(super) negative_ttl: Option<u32>,
    pub(super) extended: Vec<Extended>,
    pub(super) took: Duration,
    /// The resolver breaks on EDNS and answers without.
    pub(super) breaks_on_edns: bool,
    /// SERVFAIL first, an answer to the same question right after.
    pub(super) is_intermittent: bool,
    /// The server pointed to the zone's own servers, and one of those answered.
    pub(super) is_referred: bool,
}

/// How an answer ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// Records, as they are shown, sorted.
    Records(Vec<String>),
    /// The name exists and has none of this type.
    NoData,
    /// A server that should find out points elsewhere: it has not got the zone, and does not ask for others.
    Referral,
    /// The name does not exist.
    Nxdomain,
    /// The server failed; `bogus` when it answers with validation switched off.
    Servfail { bogus: bool },
    /// The server does not want to.
    Refused,
    /// The server knows the alias, and neither knows nor asks for what is behind it: it is no resolver.
    Beyond,
    /// The resolver tells the alias at once, and nothing of its target for as long as clients wait.
    DeadTarget,
    /// No answer.
    Silent(Silence),
}

/// An extended DNS error (RFC 8914).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Extended {
    pub(super) code: u16,
    pub(super) text: String,
}

impl Answer {
    /// Before anybody was asked.
    fn unanswered(name: &Name, record_type: RecordType) -> Self {
        Self {
            name: name.clone(),
            record_type,
            aliases: Aliases { links: Vec::new(), end: name.clone(), is_loop: false },
            end: End::Silent(Silence::Timeout),
            ttl: None,
            negative_ttl: None,
            extended: Vec::new(),
            took: Duration::ZERO,
            breaks_on_edns: false,
            is_intermittent: false,
            is_referred: false,
        }
    }

    /// The outcome of this answer alone. A failure behind an alias is the alias's: it points nowhere.
    pub(super) fn outcome(&self) -> Outcome {
        let is_aliased = !self.aliases.links.is_empty();
        match &self.end {
            _ if self.aliases.is_loop => Outcome::DanglingCname,
            End::Records(_) if self.is_intermittent => Outcome::Servfail,
            End::Records(_) => Outcome::Resolves,
            End::NoData => Outcome::NoRecords,
            End::Referral => Outcome::LameDelegation,
            End::Servfail { bogus: true } => Outcome::DnssecBogus,
            End::Nxdomain | End::Servfail { .. } if is_aliased => Outcome::DanglingCname,
            End::Nxdomain => Outcome::Nxdomain,
            End::Servfail { .. } => Outcome::Servfail,
            End::Refused => Outcome::Refused,
            End::Beyond => Outcome::Error,
            End::DeadTarget => Outcome::DanglingCname,
            End::Silent(_) => Outcome::Timeout,
        }
    }

    /// Whether the resolver said anything at all.
    pub(super) fn is_heard(&self) -> bool {
        !matches!(self.end, End::Silent(_))
    }

    /// The records, if any.
    pub(super) fn records(&self) -> &[String] {
        match &self.end {
            End::Records(records) => records,
            _ => &[],
        }
    }
}

/// Asks until the end of the aliases.
pub(super) async fn answer(
    server: SocketAddr,
    name: &Name,
    record_type: RecordType,
    deadline: Instant,
) -> Answer {
    let started = Instant::now();
    let mut answer = Answer::unanswered(name, record_type);
    // A resolver follows aliases itself; an authoritative server may leave that to us.
    while answer.aliases.links.len() <= MAX_ALIASES {
        let asked = Instant::now();
        let name = answer.aliases.end.clone();
        let (looked, aliases) = look_for_alias_too(server, &name, record_type, deadline).await;
        let is_last = answer.take(looked, record_type);
        if answer.end == End::Silent(Silence::Timeout) {
            answer.follow(&aliases);
            if !answer.aliases.links.is_empty() && asked.elapsed() >= DEAD_AFTER {
                answer.end = End::DeadTarget;
            }
        }
        if is_last {
            break;
        }
    }
    if matches!(answer.end, End::Servfail { bogus: false }) && answer.aliases.links.is_empty() {
        answer.look_behind_alias(server, deadline).await;
    }
    answer.took = started.elapsed();
    answer
}

impl Answer {
    /// Takes in what was seen at the end of the aliases so far; `true` when there is no further alias to follow.
    fn take(&mut self, looked: Looked, record_type: RecordType) -> bool {
        self.breaks_on_edns |= looked.breaks_on_edns;
        self.is_intermittent |= looked.is_intermittent;
        let message = match looked.reply {
            Ok(message) => message,
            Err(silence) => {
                self.end = End::Silent(silence);
                return true;
            }
        };
        self.extended.extend(extended_errors(&message));
        let ttls = message.answers.iter().map(|record| record.ttl);
        self.ttl = ttls.chain(self.ttl).min();
        let before = self.aliases.links.len();
        if record_type != RecordType::CNAME {
            self.follow(&message.answers);
        }
        let mut records: Vec<String> = message
            .answers
            .iter()
            .filter(|record| record.record_type() == record_type)
            .map(|record| show_record(&record.data))
            .collect();
        records.sort();
        records.dedup();
        self.end = match message.metadata.response_code {
            ResponseCode::NoError if records.is_empty() => End::NoData,
            ResponseCode::NoError => End::Records(records),
            ResponseCode::NXDomain => End::Nxdomain,
            ResponseCode::Refused => End::Refused,
            _ => End::Servfail { bogus: looked.is_bogus },
        };
        let soa = negative_ttl(&message);
        if matches!(self.end, End::NoData | End::Nxdomain) {
            self.negative_ttl = soa;
        }
        let has_more = self.end == End::NoData && soa.is_none() && self.aliases.links.len() > before;
        if self.end == End::NoData && is_referral(&message) {
            self.end = End::Referral;
        }
        if before > 0
            && !message.metadata.recursion_available
            && matches!(self.end, End::Refused | End::Referral)
        {
            self.end = End::Beyond;
        }
        self.aliases.is_loop || !has_more
    }

    fn follow(&mut self, answers: &[Record]) {
        let more = resolve::aliases(answers, &self.aliases.end);
        let comes_back =
            more.links.iter().any(|link| *link == self.name || self.aliases.links.contains(link));
        self.aliases.is_loop |= more.is_loop || comes_back;
        self.aliases.links.extend(more.links);
        self.aliases.is_loop |= self.aliases.links.len() > MAX_ALIASES;
        self.aliases.end = more.end;
    }

    /// A resolver that fails for the target of an alias often drops the aliases from its answer. Asked for each alias
    /// itself, link by link, it has no target to fail on.
    async fn look_behind_alias(&mut self, server: SocketAddr, deadline: Instant) {
        while !self.aliases.is_loop && self.aliases.links.len() <= MAX_ALIASES {
            let question = Question::new(self.aliases.end.clone(), RecordType::CNAME);
            let Ok(message) = resolve::ask(server, &question, deadline).await.reply else { return };
            let before = self.aliases.links.len();
            self.follow(&message.answers);
            if self.aliases.links.len() == before {
                break;
            }
        }
        if self.aliases.links.is_empty() || self.aliases.is_loop {
            return;
        }
        let question = Question::new(self.aliases.end.clone(), self.record_type);
        if let Ok(message) = resolve::ask(server, &question, deadline).await.reply
            && message.metadata.response_code == ResponseCode::NXDomain
        {
            self.end = End::Nxdomain;
        }
    }
}

/// Looks a name up. A resolver says nothing at all about an alias while it waits for the target's servers; asked for the alias
/// alone, it has nobody to wait for. The records of the aliases are empty unless the resolver kept us waiting.
async fn look_for_alias_too(
    server: SocketAddr,
    name: &Name,
    record_type: RecordType,
    deadline: Instant,
) -> (Looked, Vec<Record>) {
    let left = deadline.saturating_duration_since(Instant::now());
    let patience = Instant::now() + left.mul_f64(ALIAS_SHARE);
    let mut look = std::pin::pin!(look(server, name, record_type, deadline));
    if let Ok(looked) = timeout_at(patience, &mut look).await {
        return (looked, Vec::new());
    }
    tokio::join!(look, alias_records(server, name, deadline))
}

/// The aliases from this name on, link by link, as far as the server tells them.
async fn alias_records(server: SocketAddr, name: &Name, deadline: Instant) -> Vec<Record> {
    let mut records = Vec::new();
    let mut end = name.clone();
    for _ in 0..=MAX_ALIASES {
        let question = Question::new(end.clone(), RecordType::CNAME);
        let Ok(message) = resolve::ask(server, &question, deadline).await.reply else { break };
        let more = resolve::aliases(&message.answers, &end);
        if more.links.is_empty() {
            break;
        }
        records.extend(message.answers);
        if more.is_loop {
            break;
        }
        end = more.end;
    }
    records
}

/// One name looked up, with a second look where the first failed.
struct Looked {
    reply: Result<Message, Silence>,
    breaks_on_edns: bool,
    is_bogus: bool,
    is_intermittent: bool,
}

async fn look(server: SocketAddr, name: &Name, record_type: RecordType, deadline: Instant) -> Looked {
    let question = Question::new(name.clone(), record_type);
    let left = deadline.saturating_duration_since(Instant::now());
    let first = resolve::ask(server, &question, Instant::now() + left.mul_f64(EDNS_SHARE)).await;
    let mut looked =
        Looked { reply: first.reply.clone(), breaks_on_edns: false, is_bogus: false, is_intermittent: false };
    if may_be_edns(&first) {
        let plain = Question { edns: false, ..question.clone() };
        let second = resolve::ask(server, &plain, deadline).await;
        if second.reply.is_ok() && !may_be_edns(&second) {
            looked.reply = second.reply;
            looked.breaks_on_edns = true;
        }
    }
    if let Ok(message) = &looked.reply
        && message.metadata.response_code == ResponseCode::ServFail
    {
        look_without_checking(server, &question, deadline, &mut looked).await;
    }
    looked
}

/// The order of questions without (`true`) and with signatures checked. A resolver that fails now and then, or every other
/// time, does not happen to fail in just this order: of such that fail half the time, four in a thousand do.
const WITHOUT_CHECKING: [bool; 8] = [true, true, false, true, false, false, false, true];

/// Tells signatures that do not verify from a server that fails now and then: the first answers whenever nobody checks, and
/// never otherwise. An extended error that says so is believed at once.
async fn look_without_checking(
    server: SocketAddr,
    question: &Question,
    deadline: Instant,
    looked: &mut Looked,
) {
    let unchecked = Question { checking_disabled: true, ..question.clone() };
    if !is_answered(&resolve::ask(server, &unchecked, deadline).await) {
        return;
    }
    let extended = looked.reply.as_ref().map(extended_errors).unwrap_or_default();
    looked.is_bogus = extended.iter().any(|it| DNSSEC_CODES.contains(&it.code));
    if looked.is_bogus {
        return;
    }
    looked.is_bogus = true;
    for is_unchecked in WITHOUT_CHECKING {
        let again = resolve::ask(server, if is_unchecked { &unchecked } else { question }, deadline).await;
        if is_answered(&again) == is_unchecked {
            continue;
        }
        looked.is_bogus = false;
        if !is_unchecked {
            looked.is_intermittent = true;
            looked.reply = again.reply;
            return;
        }
    }
}

/// FORMERR and the like are how servers say that they do not know EDNS (RFC 6891 section 7).
pub(super) fn refuses_edns(message: &Message) -> bool {
    matches!(
        message.metadata.response_code,
        ResponseCode::FormErr | ResponseCode::NotImp | ResponseCode::BADVERS
    )
}

/// Some servers that do not know EDNS say nothing at all.
fn may_be_edns(asked: &Asked) -> bool {
    match &asked.reply {
        Ok(message) => refuses_edns(message),
        Err(silence) => matches!(silence, Silence::Timeout | Silence::Malformed),
    }
}

fn is_answered(asked: &Asked) -> bool {
    asked.reply.as_ref().is_ok_and(|message| {
        matches!(message.metadata.response_code, ResponseCode::NoError | ResponseCode::NXDomain)
    })
}

/// Option 15: two bytes of code, then text (RFC 8914 section 2).
fn extended_errors(message: &Message) -> Vec<Extended> {
    let options = message.edns.iter().flat_map(|edns| &edns.options().options);
    let read = |option: &EdnsOption| match option {
        EdnsOption::Unknown(15, data) => {
            let (code, text) = data.split_first_chunk()?;
            let text =
                String::from_utf8_lossy(text).chars().filter(|it| !it.is_control()).take(200).collect();
            Some(Extended { code: u16::from_be_bytes(*code), text })
        }
        _ => None,
    };
    options.filter_map(|(_, option)| read(option)).collect()
}

/// No answer, no authority, and the names of other servers (RFC 1034 section 4.3.2): what a lame server says.
pub(super) fn is_referral(message: &Message) -> bool {
    let has = |kind| message.authorities.iter().any(|record| record.record_type() == kind);
    message.answers.is_empty()
        && !message.metadata.authoritative
        && has(RecordType::NS)
        && !has(RecordType::SOA)
}

/// The lesser of the SOA's own TTL and its minimum field (RFC 2308 section 5).
fn negative_ttl(message: &Message) -> Option<u32> {
    message.authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
        _ => None,
    })
}

/// A record for a person and for comparison: addresses as such, names lower-case without the final dot.
fn show_record(data: &RData) -> String {
    match data {
        RData::CNAME(name) => show_name(&name.0),
        RData::NS(name) => show_name(&name.0),
        RData::PTR(name) => show_name(&name.0),
        RData::MX(mx) => format!("{} {}", mx.preference, show_name(&mx.exchange)),
        RData::TXT(text) => {
            let parts: Vec<_> = text.txt_data.iter().map(|part| String::from_utf8_lossy(part)).collect();
            parts.concat()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
