//! A name server on loopback that answers for its zones as a resolver would, faults included.
//!
//! It speaks real DNS over UDP and TCP on one port that the system chose. Whatever its zones do not know does not exist:
//! it never asks anybody else, so nothing in a drill leaves the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NS, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::{AbortHandle, JoinSet};

/// How long the zone's records may be cached, in seconds: short, so that a drill can heal.
const TTL: u32 = 30;

/// How long "does not exist" may be cached, in seconds.
const NEGATIVE_TTL: u32 = 60;

/// Aliases that are followed for a client, as resolvers do.
const MAX_ALIASES: usize = 16;

/// A zone: names below an origin, and what is wrong with some of them.
#[derive(Debug, Clone)]
pub struct Zone {
    origin: Name,
    records: BTreeMap<Name, Vec<Record>>,
    faults: BTreeMap<Name, Fault>,
    delegated: BTreeSet<Name>,
}

/// What is wrong with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    /// SERVFAIL, with these extended errors (code and text).
    Servfail(Vec<(u16, String)>),
    /// SERVFAIL with "DNSSEC Bogus", unless the client asked not to check (CD=1).
    Bogus,
    /// REFUSED.
    Refused,
    /// No answer at all.
    Silent,
    /// The UDP answer is cut off; TCP has it whole.
    Truncated,
    /// FORMERR to whoever offers EDNS.
    BreaksOnEdns,
    /// SERVFAIL for one type only.
    ServfailFor(RecordType),
    /// SERVFAIL to every other question for this name.
    EveryOther,
    /// No answer, and the names of other servers: the server has not got the zone.
    Referral,
}

impl Zone {
    /// An empty zone.
    ///
    /// # Panics
    /// When the origin is no name.
    #[must_use]
    pub fn new(origin: &str) -> Self {
        Self {
            origin: absolute(origin),
            records: BTreeMap::new(),
            faults: BTreeMap::new(),
            delegated: BTreeSet::new(),
        }
    }

    /// An IPv4 address. Here and below, `name` is relative to the origin, which itself is `@`.
    ///
    /// # Panics
    /// Here and below, when the name is none.
    #[must_use]
    pub fn a(self, name: &str, ip: Ipv4Addr) -> Self {
        self.record(name, RData::A(A(ip)))
    }

    /// An IPv6 address.
    #[must_use]
    pub fn aaaa(self, name: &str, ip: Ipv6Addr) -> Self {
        self.record(name, RData::AAAA(AAAA(ip)))
    }

    /// An address of either family.
    #[must_use]
    pub fn address(self, name: &str, ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => self.a(name, ip),
            IpAddr::V6(ip) => self.aaaa(name, ip),
        }
    }

    /// An alias; the target is absolute.
    #[must_use]
    pub fn cname(self, name: &str, target: &str) -> Self {
        self.record(name, RData::CNAME(CNAME(absolute(target))))
    }

    /// A name server of the zone; the server's name is absolute.
    #[must_use]
    pub fn ns(self, name: &str, server: &str) -> Self {
        self.record(name, RData::NS(NS(absolute(server))))
    }

    /// A text.
    #[must_use]
    pub fn txt(self, name: &str, text: &str) -> Self {
        self.record(name, RData::TXT(TXT::new(vec![text.to_owned()])))
    }

    /// A mail server; its name is absolute.
    #[must_use]
    pub fn mx(self, name: &str, preference: u16, server: &str) -> Self {
        self.record(name, RData::MX(MX::new(preference, absolute(server))))
    }

    /// Any record.
    #[must_use]
    pub fn record(mut self, name: &str, data: RData) -> Self {
        let name = self.name(name);
        self.records.entry(name.clone()).or_default().push(Record::from_rdata(name, TTL, data));
        self
    }

    /// The name answers SERVFAIL.
    #[must_use]
    pub fn servfail(self, name: &str) -> Self {
        self.fault(name, Fault::Servfail(Vec::new()))
    }

    /// The name answers SERVFAIL and says why (RFC 8914).
    #[must_use]
    pub fn servfail_because(self, name: &str, code: u16, text: &str) -> Self {
        self.fault(name, Fault::Servfail(vec![(code, text.to_owned())]))
    }

    /// The name answers SERVFAIL for one record type and is well otherwise.
    #[must_use]
    pub fn servfail_for(self, name: &str, record_type: RecordType) -> Self {
        self.fault(name, Fault::ServfailFor(record_type))
    }

    /// The name answers SERVFAIL to the first question for it and every other one after.
    #[must_use]
    pub fn servfail_every_other_time(self, name: &str) -> Self {
        self.fault(name, Fault::EveryOther)
    }

    /// The name's signatures do not verify: SERVFAIL, unless the client asks not to check.
    #[must_use]
    pub fn bogus(self, name: &str) -> Self {
        self.fault(name, Fault::Bogus)
    }

    /// The name answers REFUSED.
    #[must_use]
    pub fn refused(self, name: &str) -> Self {
        self.fault(name, Fault::Refused)
    }

    /// Questions for the name get no answer.
    #[must_use]
    pub fn silent(self, name: &str) -> Self {
        self.fault(name, Fault::Silent)
    }

    /// The name's UDP answers are truncated.
    #[must_use]
    pub fn truncated(self, name: &str) -> Self {
        self.fault(name, Fault::Truncated)
    }

    /// The name answers FORMERR to questions with EDNS.
    #[must_use]
    pub fn breaks_on_edns(self, name: &str) -> Self {
        self.fault(name, Fault::BreaksOnEdns)
    }

    /// The name is answered with a referral to a server that knows no better.
    #[must_use]
    pub fn referral(self, name: &str) -> Self {
        self.fault(name, Fault::Referral)
    }

    /// The name and all below it belong to other servers: those of its NS records, with the addresses that the zone knows.
    #[must_use]
    pub fn delegates(mut self, name: &str) -> Self {
        let name = self.name(name);
        self.delegated.insert(name);
        self
    }

    fn fault(mut self, name: &str, fault: Fault) -> Self {
        let name = self.name(name);
        self.faults.insert(name, fault);
        self
    }

    fn name(&self, relative: &str) -> Name {
        if relative == "@" || relative.is_empty() {
            return self.origin.clone();
        }
        let name = Name::from_str_relaxed(relative).and_then(|name| name.append_domain(&self.origin));
        name.expect("the drill's own names are valid").to_lowercase()
    }

    fn exists(&self, name: &Name) -> bool {
        *name == self.origin || self.records.keys().any(|known| name.zone_of(known))
    }
}

fn absolute(name: &str) -> Name {
    let mut name = Name::from_str_relaxed(name).expect("the drill's own names are valid").to_lowercase();
    name.set_fqdn(true);
    name
}

/// A question that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The name asked for, lower case, without the final dot.
    pub name: String,
    /// The record type.
    pub record_type: RecordType,
    /// Over TCP.
    pub is_tcp: bool,
}

/// A running name server; it stops when dropped.
#[derive(Debug)]
pub struct NameServer {
    addr: SocketAddr,
    world: Arc<World>,
    task: AbortHandle,
}

#[derive(Debug)]
struct World {
    zones: Mutex<Vec<Zone>>,
    queries: Mutex<Vec<Query>>,
    is_authority: bool,
}

impl NameServer {
    /// Starts one on 127.0.0.1 that answers like a resolver.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(zones: Vec<Zone>) -> io::Result<Self> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), zones, Transports::Both, false).await
    }

    /// Starts one that takes no TCP, as behind a firewall that thinks DNS is UDP.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start_without_tcp(zones: Vec<Zone>) -> io::Result<Self> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), zones, Transports::UdpOnly, false).await
    }

    /// Starts an authoritative server for its zones at an address: it answers REFUSED for every other name.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn start_authority(at: SocketAddr, zones: Vec<Zone>) -> io::Result<Self> {
        Self::start_at(at, zones, Transports::Both, true).await
    }

    async fn start_at(
        at: SocketAddr,
        zones: Vec<Zone>,
        transports: Transports,
        is_authority: bool,
    ) -> io::Result<Self> {
        let (udp, tcp) = bind(at).await?;
        let addr = udp.local_addr()?;
        let world = Arc::new(World { zones: Mutex::new(zones), queries: Mutex::default(), is_authority });
        let tcp = Some(tcp).filter(|_| transports == Transports::Both);
        let serving = serve(Arc::clone(&world), udp, tcp);
        Ok(Self { addr, world, task: tokio::spawn(serving).abort_handle() })
    }

    /// Where it listens, for UDP and TCP.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What was asked so far.
    #[must_use]
    pub fn queries(&self) -> Vec<Query> {
        self.world.queries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts other zones in place, so that a fault can appear or heal.
    pub fn set_zones(&self, zones: Vec<Zone>) {
        *self.world.zones.lock().unwrap_or_else(PoisonError::into_inner) = zones;
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transports {
    Both,
    UdpOnly,
}

/// UDP and TCP on one port; a port that is free for one may be taken for the other, hence the tries.
async fn bind(at: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let mut tries = 16;
    loop {
        let udp = UdpSocket::bind(at).await?;
        match TcpListener::bind(udp.local_addr()?).await {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) if tries == 0 || at.port() != 0 => return Err(error),
            Err(_) => tries -= 1,
        }
    }
}

async fn serve(world: Arc<World>, udp: UdpSocket, tcp: Option<TcpListener>) {
    let mut connections = JoinSet::new();
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        tokio::select! {
            Ok((size, from)) = udp.recv_from(&mut buffer) => {
                if let Some(reply) = answer(&world, &buffer[..size], false) {
                    let _ = udp.send_to(&reply, from).await;
                }
            }
            Ok((stream, _)) = accept(tcp.as_ref()) => {
                connections.spawn(serve_connection(Arc::clone(&world), stream));
            }
            Some(_) = connections.join_next() => {}
            else => {}
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

async fn serve_connection(world: Arc<World>, mut stream: TcpStream) -> io::Result<()> {
    loop {
        let mut query = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut query).await?;
        let Some(reply) = answer(&world, &query, true) else { return std::future::pending().await };
        let length = u16::try_from(reply.len()).map_err(io::Error::other)?;
        stream.write_all(&[length.to_be_bytes().as_slice(), &reply].concat()).await?;
    }
}

/// The reply to a packet; `None` for what gets no answer.
fn answer(world: &World, packet: &[u8], is_tcp: bool) -> Option<Vec<u8>> {
    let query = Message::from_vec(packet).ok()?;
    if query.metadata.message_type != MessageType::Query || query.metadata.op_code != OpCode::Query {
        return None;
    }
    let question = query.queries.first()?.clone();
    let name = question.name().to_lowercase();
    let seen = Query {
        name: name.to_ascii().trim_end_matches('.').to_owned(),
        record_type: question.query_type(),
        is_tcp,
    };
    let nth = {
        let mut queries = world.queries.lock().unwrap_or_else(PoisonError::into_inner);
        queries.push(seen.clone());
        let is_same = |it: &&Query| it.name == seen.name && it.record_type == seen.record_type;
        queries.iter().filter(is_same).count()
    };

    let mut reply = Message::response(query.metadata.id, OpCode::Query);
    reply.metadata.recursion_desired = query.metadata.recursion_desired;
    reply.metadata.recursion_available = !world.is_authority;
    reply.metadata.checking_disabled = query.metadata.checking_disabled;
    reply.add_query(question.clone());
    if query.edns.is_some() {
        reply.set_edns(Edns::new());
    }
    let zones = world.zones.lock().unwrap_or_else(PoisonError::into_inner);
    Answering { zones: &zones, query: &query, is_tcp, is_authority: world.is_authority, nth }
        .fill(&mut reply, name, question.query_type())
        .then(|| reply.to_vec().ok())
        .flatten()
}

/// Points to the servers of a delegated name (RFC 1034 section 4.3.2), with their addresses.
fn refer(reply: &mut Message, zone: &Zone, cut: &Name) {
    reply.metadata.authoritative = false;
    let records = |name: &Name| zone.records.get(name).map_or(&[][..], Vec::as_slice);
    for record in records(cut) {
        let RData::NS(server) = &record.data else { continue };
        let glue = records(&server.0).iter().filter(|it| it.record_type().is_ip_addr());
        reply.additionals.extend(glue.cloned());
        reply.authorities.push(record.clone());
    }
}

struct Answering<'a> {
    zones: &'a [Zone],
    query: &'a Message,
    is_tcp: bool,
    is_authority: bool,
    /// How often this was asked for, this time included.
    nth: usize,
}

impl Answering<'_> {
    /// Fills the reply; `false` when there is to be none.
    fn fill(&self, reply: &mut Message, mut name: Name, record_type: RecordType) -> bool {
        reply.metadata.authoritative = self.zone_of(&name).is_some();
        let mut seen = BTreeSet::new();
        for _ in 0..MAX_ALIASES {
            let Some(zone) = self.zone_of(&name) else {
                if self.is_authority {
                    reply.metadata.response_code =
                        if seen.is_empty() { ResponseCode::Refused } else { ResponseCode::NoError };
                } else {
                    negative(reply, &Name::root(), ResponseCode::NXDomain);
                }
                return true;
            };
            if let Some(cut) = zone.delegated.iter().find(|cut| cut.zone_of(&name)) {
                refer(reply, zone, cut);
                return true;
            }
            if let Some(fault) = zone.faults.get(&name)
                && let Some(is_answered) = self.fail(reply, fault, record_type)
            {
                return is_answered;
            }
            let records = zone.records.get(&name).map_or(&[][..], Vec::as_slice);
            let found = records.iter().filter(|record| record.record_type() == record_type);
            let before = reply.answers.len();
            reply.add_answers(found.cloned());
            if record_type == RecordType::SOA && name == zone.origin {
                reply.add_answer(soa(&zone.origin));
            }
            if reply.answers.len() > before {
                return true;
            }
            let alias = records.iter().find_map(|record| match &record.data {
                RData::CNAME(target) => Some((record, target.0.to_lowercase())),
                _ => None,
            });
            let Some((record, target)) = alias else {
                let code = if zone.exists(&name) { ResponseCode::NoError } else { ResponseCode::NXDomain };
                negative(reply, &zone.origin, code);
                return true;
            };
            if !seen.insert(name) {
                return true;
            }
            reply.add_answer(record.clone());
            name = target;
        }
        true
    }

    fn zone_of(&self, name: &Name) -> Option<&Zone> {
        let holding = self.zones.iter().filter(|zone| zone.origin.zone_of(name));
        holding.max_by_key(|zone| zone.origin.num_labels())
    }

    /// Applies a fault: whether there is an answer, or `None` when this question does not meet the fault.
    fn fail(&self, reply: &mut Message, fault: &Fault, record_type: RecordType) -> Option<bool> {
        let code = match fault {
            Fault::Silent => return Some(false),
            Fault::Truncated if !self.is_tcp => {
                reply.metadata.truncation = true;
                return Some(true);
            }
            Fault::Servfail(reasons) => {
                for (code, text) in reasons {
                    extended_error(reply, *code, text);
                }
                ResponseCode::ServFail
            }
            Fault::Bogus if !self.query.metadata.checking_disabled => {
                extended_error(reply, 6, "signature expired");
                ResponseCode::ServFail
            }
            Fault::ServfailFor(broken) if *broken == record_type => ResponseCode::ServFail,
            Fault::EveryOther if self.nth % 2 == 1 => ResponseCode::ServFail,
            Fault::Refused => ResponseCode::Refused,
            Fault::Referral => {
                reply.metadata.authoritative = false;
                let server = NS(absolute("ns.elsewhere.test"));
                reply.add_authority(Record::from_rdata(Name::root(), TTL, RData::NS(server)));
                ResponseCode::NoError
            }
            Fault::BreaksOnEdns if self.query.edns.is_some() => {
                reply.edns = None;
                ResponseCode::FormErr
            }
            Fault::Truncated
            | Fault::Bogus
            | Fault::ServfailFor(_)
            | Fault::EveryOther
            | Fault::BreaksOnEdns => return None,
        };
        reply.metadata.response_code = code;
        Some(true)
    }
}

/// "Does not exist", or "has none of these": the zone's SOA says for how long (RFC 2308).
fn negative(reply: &mut Message, origin: &Name, code: ResponseCode) {
    reply.metadata.response_code = code;
    reply.add_authority(soa(origin));
}

fn soa(origin: &Name) -> Record {
    let server =
        Name::from_ascii("ns").and_then(|it| it.append_domain(origin)).unwrap_or_else(|_| origin.clone());
    let data = SOA::new(server, origin.clone(), 1, 300, 60, 86_400, NEGATIVE_TTL);
    Record::from_rdata(origin.clone(), NEGATIVE_TTL, RData::SOA(data))
}

/// An extended DNS error (RFC 8914): option 15, two bytes of code, then text.
fn extended_error(reply: &mut Message, code: u16, text: &str) {
    let Some(edns) = &mut reply.edns else { return };
    let data = [code.to_be_bytes().as_slice(), text.as_bytes()].concat();
    edns.options_mut().insert(EdnsOption::Unknown(15, data));
}
