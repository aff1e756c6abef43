//! The zone's own name servers, asked one by one: a lame one fails only the share of lookups that meets it.
//!
//! Only servers whose address the egress policy allows are asked. When none of them answers us, that says nothing: many
//! networks let nobody but their resolver out to port 53.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::time::Instant;

use crate::checks::resolve::{self, Question, Silence, show_name};
use crate::checks::{Environment, socket};

/// Name servers that are asked; more than nearly every zone has.
const MAX_SERVERS: usize = 8;

/// How long a name server may take: far beyond a sound one's time, far below the whole check's.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The zone of a name and what its servers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Delegation {
    pub(super) zone: String,
    pub(super) servers: Vec<Server>,
}

/// One name server at one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) name: String,
    /// `None` when its name has no address.
    pub(super) addr: Option<SocketAddr>,
    pub(super) standing: Standing,
    /// The zone's serial number as this server has it.
    pub(super) serial: Option<u32>,
}

/// What a name server is to its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It answers with authority.
    Authoritative,
    /// It answers without authority: it has not got the zone.
    NotAuthoritative,
    /// It refuses.
    Refuses,
    /// It fails.
    Fails,
    /// It says nothing.
    Silent,
    /// Its name does not exist.
    HasNoAddress,
    /// We may or can not ask it.
    NotAsked,
}

impl Standing {
    /// The id used in facts.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Authoritative => "authoritative",
            Self::NotAuthoritative => "not_authoritative",
            Self::Refuses => "refused",
            Self::Fails => "servfail",
            Self::Silent => "silent",
            Self::HasNoAddress => "no_address",
            Self::NotAsked => "not_asked",
        }
    }

    /// What it does, for a person.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Authoritative => "answers",
            Self::NotAuthoritative => "does not have the zone",
            Self::Refuses => "refuses to answer",
            Self::Fails => "answers SERVFAIL",
            Self::Silent => "does not answer",
            Self::HasNoAddress => "has no address",
            Self::NotAsked => "was not asked",
        }
    }

    fn is_lame(self) -> bool {
        !matches!(self, Self::Authoritative | Self::NotAsked)
    }
}

impl Delegation {
    /// The lame servers, provided that one server is known to be well or to speak: silence all around is our own network's.
    pub(super) fn lame(&self) -> Vec<&Server> {
        let is_heard = |it: &Server| !matches!(it.standing, Standing::Silent | Standing::NotAsked);
        let lame = self.servers.iter().filter(|it| it.standing.is_lame());
        if self.servers.iter().any(is_heard) { lame.collect() } else { Vec::new() }
    }
}

/// How long what a zone's servers said is taken as what they say: many checks of one storm ask them once.
const FRESH: Duration = Duration::from_secs(1);

/// Zones that are remembered; beyond it all are forgotten, which only costs a question.
const MAX_REMEMBERED: usize = 1024;

/// What the servers of zones said within the last second, by who was asked for which name.
#[derive(Debug, Default)]
pub(in crate::checks) struct Recent(Mutex<BTreeMap<(SocketAddr, Name), (Instant, Delegation)>>);

impl Recent {
    /// As [`walk`], but asks nobody twice within a second.
    pub(super) async fn walk(
        &self,
        env: &Environment,
        resolver: SocketAddr,
        name: &Name,
        deadline: Instant,
    ) -> Option<Delegation> {
        let key = (resolver, name.to_lowercase());
        let known = self.all().get(&key).filter(|(at, _)| at.elapsed() < FRESH).map(|(_, it)| it.clone());
        if known.is_some() {
            return known;
        }
        let asked_at = Instant::now();
        let found = walk(env, resolver, name, deadline).await?;
        let mut all = self.all();
        if all.len() >= MAX_REMEMBERED {
            all.clear();
        }
        all.insert(key, (asked_at, found.clone()));
        Some(found)
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<(SocketAddr, Name), (Instant, Delegation)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Finds the zone of a name with a resolver's help and asks each of its servers; `None` when the zone cannot be found.
async fn walk(env: &Environment, resolver: SocketAddr, name: &Name, deadline: Instant) -> Option<Delegation> {
    let deadline = deadline.min(Instant::now() + 2 * PATIENCE);
    let (zone, servers) = name_servers(resolver, name, deadline).await?;
    let asked = servers.iter().take(MAX_SERVERS).map(|server| stand(env, resolver, server, &zone, deadline));
    let servers: Vec<Server> = join_all(asked).await.into_iter().flatten().collect();
    Some(Delegation { zone: show_name(&zone), servers })
}

/// The NS set of the zone that holds the name: of the name itself, or of the zone whose SOA came with "none here".
async fn name_servers(resolver: SocketAddr, name: &Name, deadline: Instant) -> Option<(Name, Vec<Name>)> {
    let mut zone = name.clone();
    for _ in 0..2 {
        let question = Question::new(zone.clone(), RecordType::NS);
        let message = resolve::ask(resolver, &question, deadline).await.reply.ok()?;
        let servers: BTreeSet<Name> = message
            .answers
            .iter()
            .filter(|record| record.name == zone)
            .filter_map(|record| match &record.data {
                RData::NS(server) => Some(server.0.to_lowercase()),
                _ => None,
            })
            .collect();
        if !servers.is_empty() {
            return Some((zone, servers.into_iter().collect()));
        }
        let apex = message.authorities.iter().find(|record| record.record_type() == RecordType::SOA)?;
        if apex.name == zone || apex.name.is_root() {
            return None;
        }
        zone = apex.name.clone();
    }
    None
}

async fn stand(
    env: &Environment,
    resolver: SocketAddr,
    server: &Name,
    zone: &Name,
    deadline: Instant,
) -> Vec<Server> {
    let name = show_name(server);
    let addresses = match resolve::lookup(&[resolver], &name, deadline).await {
        Ok(addresses) => addresses,
        Err(why) => {
            use resolve::Unresolved::{NoRecords, Nxdomain};
            let standing =
                if matches!(why, Nxdomain | NoRecords) { Standing::HasNoAddress } else { Standing::NotAsked };
            return vec![Server { name, addr: None, standing, serial: None }];
        }
    };
    let asked = addresses.into_iter().take(2).map(async |ip| {
        let addr = SocketAddr::new(ip, port(ip, resolver));
        let (standing, serial) =
            if env.policy.check(&name, ip).is_ok() && socket::has_route_to_family_of(addr) {
                ask_authority(addr, zone, deadline).await
            } else {
                (Standing::NotAsked, None)
            };
        Server { name: name.clone(), addr: Some(addr), standing, serial }
    });
    join_all(asked).await
}

/// Name servers listen on 53. On loopback nobody may, so servers there share the port of the resolver that named them.
fn port(ip: IpAddr, resolver: SocketAddr) -> u16 {
    if ip.is_loopback() && resolver.ip().is_loopback() { resolver.port() } else { 53 }
}

async fn ask_authority(addr: SocketAddr, zone: &Name, deadline: Instant) -> (Standing, Option<u32>) {
    let question = Question { recursion: false, ..Question::new(zone.clone(), RecordType::SOA) };
    let until = deadline.min(Instant::now() + PATIENCE);
    let message = match resolve::ask(addr, &question, until).await.reply {
        Ok(message) => message,
        Err(Silence::Unreachable) => return (Standing::NotAsked, None),
        Err(_) => return (Standing::Silent, None),
    };
    let serial = message.answers.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(soa.serial),
        _ => None,
    });
    let standing = match message.metadata.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain if message.metadata.authoritative => {
            Standing::Authoritative
        }
        ResponseCode::NoError | ResponseCode::NXDomain => Standing::NotAuthoritative,
        ResponseCode::Refused => Standing::Refuses,
        _ => Standing::Fails,
    };
    (standing, serial)
}
