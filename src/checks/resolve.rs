//! One question to one name server, over our own sockets: UDP with EDNS, TCP when the answer was truncated.
//!
//! A resolver library would hide what a check needs to see: which server said what, with which flags and extended errors.
//! Each question has its own random id and its own port, and only an answer to that very question from that very server
//! counts. What a server said is data, even SERVFAIL; that it said nothing is [`Silence`].

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use crate::checks::socket;

/// The UDP payload we offer: what passes without fragments nearly everywhere (RFC 9715).
const UDP_PAYLOAD_BYTES: u16 = 1232;

/// The longest datagram that is read whole: thrice what was offered. 64 KiB, which is what one may have, are a megabyte for sixteen questions at once.
const LONGEST_DATAGRAM: usize = 4096;

/// How often a question is sent before silence is believed: UDP loses packets.
const ATTEMPTS: u32 = 2;

/// How long one attempt waits; half of what common stub resolvers wait, since a check has a deadline.
const ATTEMPT: Duration = Duration::from_secs(2);

/// Aliases that are followed. Longer chains are a fault (checks.md D9), and some clients stop here too.
pub const MAX_ALIASES: usize = 8;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The name, absolute.
    pub name: Name,
    /// The record type.
    pub record_type: RecordType,
    /// RD: ask a resolver to find out, instead of an authoritative server for what it has.
    pub recursion: bool,
    /// CD: skip DNSSEC validation; tells a bogus zone from a broken server.
    pub checking_disabled: bool,
    /// Offer EDNS, without which there are no extended errors and no large answers.
    pub edns: bool,
}

impl Question {
    /// The question a client asks its resolver.
    #[must_use]
    pub fn new(name: Name, record_type: RecordType) -> Self {
        Self { name, record_type, recursion: true, checking_disabled: false, edns: true }
    }

    fn message(&self) -> Message {
        let mut message = Message::query();
        message.metadata.recursion_desired = self.recursion;
        message.metadata.checking_disabled = self.checking_disabled;
        message.add_query(Query::query(self.name.clone(), self.record_type));
        if self.edns {
            let mut edns = Edns::new();
            edns.set_max_payload(UDP_PAYLOAD_BYTES);
            message.set_edns(edns);
        }
        message
    }
}

/// What became of one question.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The server that was asked.
    pub server: SocketAddr,
    /// Its answer, whatever the answer says.
    pub reply: Result<Message, Silence>,
    /// The UDP answer was cut off, so that TCP was needed.
    pub truncated: bool,
    /// From the first packet to the answer.
    pub took: Duration,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// Nothing came in time.
    Timeout,
    /// The machine is there and nothing listens on the port.
    PortClosed,
    /// No route to the machine.
    Unreachable,
    /// The answer was truncated and TCP failed.
    TcpFailed,
    /// What came was no DNS message.
    Malformed,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout => "did not answer in time",
            Self::PortClosed => "has its port closed",
            Self::Unreachable => "cannot be reached",
            Self::TcpFailed => "sent a truncated answer and does not take TCP",
            Self::Malformed => "answered with something that is no DNS message",
        })
    }
}

/// A name as a person writes it, absolute.
#[must_use]
pub fn parse_name(text: &str) -> Option<Name> {
    let text = text.trim().trim_end_matches('.');
    if text.is_empty() || text.contains(char::is_whitespace) {
        return None;
    }
    let mut name = Name::from_str_relaxed(text).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// A name as a person reads it: lower case, without the final dot.
#[must_use]
pub fn show_name(name: &Name) -> String {
    name.to_lowercase().to_ascii().trim_end_matches('.').to_owned()
}

/// Asks one server one question.
pub async fn ask(server: SocketAddr, question: &Question, deadline: Instant) -> Asked {
    let started = Instant::now();
    let mut reply = Err(Silence::Timeout);
    for left in (1..=ATTEMPTS).rev() {
        let share = deadline.saturating_duration_since(Instant::now()) / left;
        reply = over_udp(server, question, Instant::now() + share.min(ATTEMPT)).await;
        if !matches!(reply, Err(Silence::Timeout)) {
            break;
        }
    }
    let truncated = reply.as_ref().is_ok_and(|message| message.metadata.truncation);
    if truncated {
        reply = over_tcp(server, question, deadline).await;
    }
    Asked { server, reply, truncated, took: started.elapsed() }
}

/// Whether a server answers the question over TCP too, as every server must (RFC 7766 section 5).
pub async fn takes_tcp(server: SocketAddr, question: &Question, deadline: Instant) -> bool {
    over_tcp(server, question, deadline).await.is_ok()
}

async fn over_udp(server: SocketAddr, question: &Question, deadline: Instant) -> Result<Message, Silence> {
    let local: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let exchange = async {
        let socket = UdpSocket::bind((local, 0)).await?;
        socket.connect(server).await?;
        let query = question.message();
        socket.send(&query.to_vec().map_err(std::io::Error::other)?).await?;
        let mut buffer = vec![0; LONGEST_DATAGRAM];
        let mut was_malformed = false;
        loop {
            let size = match timeout_at(deadline, socket.recv(&mut buffer)).await {
                Ok(size) => size?,
                Err(_) if was_malformed => return Ok(Err(Silence::Malformed)),
                Err(_) => return Ok(Err(Silence::Timeout)),
            };
            match Message::from_vec(&buffer[..size]) {
                Ok(message) if answers(&message, &query) => return Ok(Ok(message)),
                Ok(_) => {}
                Err(_) => was_malformed = true,
            }
        }
    };
    match exchange.await {
        Ok(reply) => reply,
        Err(error) => Err(silence(&error)),
    }
}

async fn over_tcp(server: SocketAddr, question: &Question, deadline: Instant) -> Result<Message, Silence> {
    let query = question.message();
    let exchange = async {
        let mut stream = socket::open(server).await?;
        let bytes = query.to_vec().map_err(std::io::Error::other)?;
        let length = u16::try_from(bytes.len()).map_err(std::io::Error::other)?;
        stream.write_all(&[length.to_be_bytes().as_slice(), &bytes].concat()).await?;
        let length = stream.read_u16().await?;
        let mut buffer = vec![0; usize::from(length)];
        stream.read_exact(&mut buffer).await?;
        std::io::Result::Ok(buffer)
    };
    let Ok(Ok(buffer)) = timeout_at(deadline, exchange).await else { return Err(Silence::TcpFailed) };
    match Message::from_vec(&buffer) {
        Ok(message) if answers(&message, &query) => Ok(message),
        _ => Err(Silence::Malformed),
    }
}

/// Whether this message answers that query, and not a forged or an older one. FORMERR may leave the question out.
fn answers(message: &Message, query: &Message) -> bool {
    let same_question = message.queries == query.queries;
    let bare_error = message.queries.is_empty() && message.metadata.response_code != ResponseCode::NoError;
    message.metadata.id == query.metadata.id
        && message.metadata.message_type == MessageType::Response
        && (same_question || bare_error)
}

fn silence(error: &std::io::Error) -> Silence {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => Silence::PortClosed,
        std::io::ErrorKind::TimedOut => Silence::Timeout,
        _ => Silence::Unreachable,
    }
}

/// The aliases of an answer, in order from the asked name, and the name at their end.
#[must_use]
pub fn aliases(answers: &[Record], name: &Name) -> Aliases {
    let mut links: Vec<Name> = Vec::new();
    let mut end = name.clone();
    while let Some(target) = answers.iter().find_map(|record| alias_target(record, &end)) {
        let is_loop = target == *name || links.contains(&target);
        links.push(target.clone());
        if is_loop || links.len() > MAX_ALIASES {
            return Aliases { links, end: target, is_loop: true };
        }
        end = target;
    }
    Aliases { links, end, is_loop: false }
}

/// A chain of aliases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aliases {
    /// Each target, in order.
    pub links: Vec<Name>,
    /// The name that should have the records.
    pub end: Name,
    /// The chain comes back to itself, or is longer than [`MAX_ALIASES`].
    pub is_loop: bool,
}

fn alias_target(record: &Record, name: &Name) -> Option<Name> {
    match &record.data {
        RData::CNAME(target) if record.name == *name => Some(target.0.clone()),
        _ => None,
    }
}

/// The addresses an answer holds.
pub fn addresses(answers: &[Record]) -> impl Iterator<Item = IpAddr> {
    answers.iter().filter_map(|record| match &record.data {
        RData::A(ip) => Some(IpAddr::V4(ip.0)),
        RData::AAAA(ip) => Some(IpAddr::V6(ip.0)),
        _ => None,
    })
}

/// Why a name has no address for us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// It does not exist.
    #[error("the name does not exist")]
    Nxdomain,
    /// It exists and has no address.
    #[error("the name has no address")]
    NoRecords,
    /// The name server failed.
    #[error("the name server failed (SERVFAIL)")]
    Servfail,
    /// The name server does not want to answer us.
    #[error("the name server refuses to answer")]
    Refused,
    /// No name server answered in time.
    #[error("no name server answered")]
    Timeout,
    /// The text cannot be a name.
    #[error("it is no name")]
    NotAName,
    /// What the operating system said.
    #[error("{0}")]
    System(String),
}

impl Unresolved {
    /// Whether the name itself is the reason, so that another name server need not be asked.
    fn is_verdict(&self) -> bool {
        matches!(self, Self::Nxdomain | Self::NoRecords)
    }
}

/// The addresses of a name, from the first resolver that gives a verdict: addresses, or that there are none.
///
/// The questions are plain, as a client's stub resolver puts them: a server or a middlebox that breaks EDNS breaks no client.
///
/// # Errors
/// Why there are none.
pub async fn lookup(
    resolvers: &[SocketAddr],
    host: &str,
    deadline: Instant,
) -> Result<Vec<IpAddr>, Unresolved> {
    let name = parse_name(host).ok_or(Unresolved::NotAName)?;
    if name.is_localhost() {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let mut verdict = Unresolved::Timeout;
    for (index, resolver) in resolvers.iter().enumerate() {
        let left = u32::try_from(resolvers.len() - index).unwrap_or(u32::MAX);
        let until = Instant::now() + deadline.saturating_duration_since(Instant::now()) / left;
        let (v4, v6) = tokio::join!(
            lookup_family(*resolver, &name, RecordType::A, until),
            lookup_family(*resolver, &name, RecordType::AAAA, until),
        );
        match (v4, v6) {
            (Ok(v4), Ok(v6)) => return Ok([v4, v6].concat()),
            (Ok(found), Err(_)) | (Err(_), Ok(found)) => return Ok(found),
            (Err(why), Err(_)) | (Err(_), Err(why)) if why.is_verdict() => return Err(why),
            (Err(why), Err(_)) => verdict = why,
        }
    }
    Err(verdict)
}

async fn lookup_family(
    resolver: SocketAddr,
    name: &Name,
    family: RecordType,
    deadline: Instant,
) -> Result<Vec<IpAddr>, Unresolved> {
    let mut name = name.clone();
    for _ in 0..=MAX_ALIASES {
        let question = Question { edns: false, ..Question::new(name.clone(), family) };
        let asked = ask(resolver, &question, deadline).await;
        let message = asked.reply.map_err(|_| Unresolved::Timeout)?;
        let found: Vec<IpAddr> = addresses(&message.answers).collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let aliases = aliases(&message.answers, &name);
        match message.metadata.response_code {
            ResponseCode::NoError => {}
            ResponseCode::NXDomain => return Err(Unresolved::Nxdomain),
            ResponseCode::Refused => return Err(Unresolved::Refused),
            _ => return Err(Unresolved::Servfail),
        }
        if aliases.links.is_empty() || aliases.is_loop {
            return Err(Unresolved::NoRecords);
        }
        name = aliases.end;
    }
    Err(Unresolved::NoRecords)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::name_server::{NameServer, Zone};

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    fn zone() -> Zone {
        Zone::new("drill.test")
            .a("api", Ipv4Addr::LOCALHOST)
            .aaaa("api", Ipv6Addr::LOCALHOST)
            .cname("www", "api.drill.test")
            .cname("pay", "gone.vendor.test")
            .cname("ring", "ring2.drill.test")
            .cname("ring2", "ring.drill.test")
            .txt("words", "hello")
            .servfail("broken")
            .refused("locked")
            .a("big", Ipv4Addr::new(127, 0, 0, 2))
            .truncated("big")
    }

    #[track_caller]
    fn check_names(found: Result<Vec<IpAddr>, Unresolved>, expected: &[&str]) {
        let found: Vec<String> = found.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[tokio::test]
    async fn a_name_has_the_addresses_of_both_families_through_its_aliases() {
        let server = NameServer::start(vec![zone()]).await.unwrap();
        let resolvers = [server.addr()];
        check_names(lookup(&resolvers, "api.drill.test", soon()).await, &["127.0.0.1", "::1"]);
        check_names(lookup(&resolvers, "WWW.drill.test.", soon()).await, &["127.0.0.1", "::1"]);
    }

    #[tokio::test]
    async fn a_server_that_breaks_on_edns_gives_addresses_all_the_same() {
        let server = NameServer::start(vec![zone().breaks_on_edns("api")]).await.unwrap();
        check_names(lookup(&[server.addr()], "www.drill.test", soon()).await, &["127.0.0.1", "::1"]);
    }

    #[tokio::test]
    async fn each_reason_for_no_address_is_told() {
        let server = NameServer::start(vec![zone()]).await.unwrap();
        for (host, expected) in [
            ("gone.drill.test", Unresolved::Nxdomain),
            ("elsewhere.example", Unresolved::Nxdomain),
            ("pay.drill.test", Unresolved::Nxdomain),
            ("words.drill.test", Unresolved::NoRecords),
            ("ring.drill.test", Unresolved::NoRecords),
            ("broken.drill.test", Unresolved::Servfail),
            ("locked.drill.test", Unresolved::Refused),
            ("..", Unresolved::NotAName),
        ] {
            assert_eq!(lookup(&[server.addr()], host, soon()).await, Err(expected), "{host}");
        }
    }

    #[tokio::test]
    async fn a_truncated_answer_is_asked_for_over_tcp() {
        let server = NameServer::start(vec![zone()]).await.unwrap();
        check_names(lookup(&[server.addr()], "big.drill.test", soon()).await, &["127.0.0.2"]);
        assert!(server.queries().iter().any(|query| query.is_tcp));
    }

    #[tokio::test]
    async fn without_tcp_a_truncated_answer_stays_out_of_reach() {
        let server = NameServer::start_without_tcp(vec![zone()]).await.unwrap();
        let question = Question::new(parse_name("big.drill.test").unwrap(), RecordType::A);
        let asked = ask(server.addr(), &question, soon()).await;
        assert_eq!(asked.reply, Err(Silence::TcpFailed));
        assert!(asked.truncated);
    }

    #[tokio::test]
    async fn the_next_resolver_is_asked_when_the_first_fails() {
        let broken = NameServer::start(vec![Zone::new("drill.test").servfail("api")]).await.unwrap();
        let sound = NameServer::start(vec![zone()]).await.unwrap();
        let resolvers = [broken.addr(), sound.addr()];
        check_names(lookup(&resolvers, "api.drill.test", soon()).await, &["127.0.0.1", "::1"]);
    }

    #[tokio::test]
    async fn a_closed_port_does_not_cost_the_whole_time() {
        let server = NameServer::start(vec![]).await.unwrap();
        let addr = server.addr();
        drop(server);
        let question = Question::new(parse_name("api.drill.test").unwrap(), RecordType::A);
        // The task that holds the socket ends on its own time; until then it may still answer.
        loop {
            let asked = ask(addr, &question, soon()).await;
            if asked.reply.is_err() {
                assert_eq!(asked.reply, Err(Silence::PortClosed));
                break;
            }
        }
    }

    #[test]
    fn localhost_is_never_asked_for() {
        let found = futures_util::FutureExt::now_or_never(lookup(&[], "localhost", soon()));
        check_names(found.unwrap(), &["127.0.0.1", "::1"]);
    }
}
