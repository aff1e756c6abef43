//! The zone's own name servers, asked one by one: a lame one fails only the share of lookups that meets it.
//!
//! Only servers whose address the egress policy allows are asked. When none of them answers us, that says nothing: many
//! networks let nobody but their resolver out to port 53. The servers that the zone above names (in its referral) are asked
//! as well as those that the zone itself names: resolvers use both.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use hickory_proto::op::Message;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::time::{Instant, timeout_at};

use super::observe::is_referral;
use crate::checks::resolve::{self, Question, show_name};
use crate::checks::{Environment, socket};

mod authority;

use authority::{Seen, ask_authority};

/// Name servers that are asked; more than nearly every zone has.
const MAX_SERVERS: usize = 8;

/// Labels that are taken off a name to find the zone above.
const MAX_CLIMB: usize = 4;

/// How long a name server may take: far beyond a sound one's time, far below the whole check's.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The zone of a name and what its servers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Delegation {
    pub(super) zone: String,
    pub(super) servers: Vec<Server>,
    /// Servers that only the zone above names.
    pub(super) only_at_parent: Vec<String>,
    /// Servers that only the zone itself names.
    pub(super) only_at_child: Vec<String>,
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
    /// Whether it answers over TCP too; `None` when it was not asked.
    pub(super) takes_tcp: Option<bool>,
    /// Addresses that the zone above gives for its name and the name itself has not.
    pub(super) stale_glue: Vec<IpAddr>,
}

impl Server {
    fn is_on_loopback(&self) -> bool {
        self.addr.is_some_and(|it| it.ip().is_loopback())
    }

    fn is_good_on_loopback(&self) -> bool {
        self.standing == Standing::Authoritative && self.is_on_loopback()
    }
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
    /// A server that answers for the zone.
    pub(super) fn authority(&self) -> Option<SocketAddr> {
        self.servers.iter().find(|it| it.standing == Standing::Authoritative)?.addr
    }

    /// Every server was asked and none said anything.
    pub(super) fn is_silent(&self) -> bool {
        !self.servers.is_empty() && self.servers.iter().all(|it| it.standing == Standing::Silent)
    }

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
    let walk = Walk { env, resolver, deadline: deadline.min(Instant::now() + 3 * PATIENCE) };
    // A resolver that meets only lame servers may try them for longer than anybody waits.
    let mut cut = match timeout_at(Instant::now() + PATIENCE, walk.own(name)).await.ok().flatten() {
        Some(cut) => cut,
        // A resolver that meets only lame servers cannot name them; the zone above can.
        None => walk.told_from_above(name).await?,
    };
    let above = match cut.told_by {
        Teller::Child => walk.told_from_above(&cut.zone).await.filter(|above| above.zone == cut.zone),
        Teller::Parent => None,
    };
    let (parent, glue) = match above {
        Some(above) => (Some(above.servers), above.glue),
        None => (None, std::mem::take(&mut cut.glue)),
    };
    let child = (cut.told_by == Teller::Child).then(|| cut.servers.clone());
    let all: BTreeSet<Name> = cut.servers.iter().chain(parent.iter().flatten()).cloned().collect();
    let asked = all.iter().take(MAX_SERVERS).map(|it| walk.stand(it, &cut.zone, &glue, cut.port));
    let mut servers: Vec<Server> = join_all(asked).await.into_iter().flatten().collect();
    forget_guesses(cut.port, &mut servers);
    let only = |these: &BTreeSet<Name>, those: &BTreeSet<Name>| -> Vec<String> {
        these.difference(those).map(show_name).collect()
    };
    let (only_at_parent, only_at_child) = match (&parent, &child) {
        (Some(parent), Some(child)) => (only(parent, child), only(child, parent)),
        _ => (Vec::new(), Vec::new()),
    };
    Some(Delegation { zone: show_name(&cut.zone), servers, only_at_parent, only_at_child })
}

/// One look at a zone's servers.
struct Walk<'a> {
    env: &'a Environment,
    resolver: SocketAddr,
    deadline: Instant,
}

/// A zone and the servers that one side of its cut names.
struct Cut {
    zone: Name,
    servers: BTreeSet<Name>,
    /// Addresses that came along.
    glue: Vec<(Name, IpAddr)>,
    told_by: Teller,
    port: Port,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Teller {
    Parent,
    Child,
}

/// Where name servers on loopback listen. Elsewhere it is 53.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    /// Where the server that spoke with authority listens: one program plays them all.
    SharedWith(SocketAddr),
    /// The resolver knows, we do not: without one good answer none counts.
    Unknown,
    /// A server of the zone above answers on port 53.
    Standard,
}

impl Port {
    fn of(resolver: SocketAddr, message: &Message) -> Self {
        let speaks_itself = message.metadata.authoritative || is_referral(message);
        if speaks_itself || resolver.port() == 53 { Self::SharedWith(resolver) } else { Self::Unknown }
    }

    fn at(self, ip: IpAddr) -> SocketAddr {
        match self {
            Self::SharedWith(server) if ip.is_loopback() && server.ip().is_loopback() => {
                SocketAddr::new(ip, server.port())
            }
            _ => SocketAddr::new(ip, 53),
        }
    }
}

impl Walk<'_> {
    /// The NS set of the zone that holds the name: of the name itself, or of the zone whose SOA came with "none here".
    async fn own(&self, name: &Name) -> Option<Cut> {
        let mut zone = name.clone();
        for _ in 0..2 {
            let question = Question::new(zone.clone(), RecordType::NS);
            let message = resolve::ask(self.resolver, &question, self.deadline).await.reply.ok()?;
            let port = Port::of(self.resolver, &message);
            if let Some(cut) = referred(&message, name, port) {
                return Some(cut);
            }
            let servers = names_of_servers(&message.answers, &zone);
            if !servers.is_empty() {
                let glue = addresses_of(&message);
                return Some(Cut { zone, servers, glue, told_by: Teller::Child, port });
            }
            let apex = message.authorities.iter().find(|record| record.record_type() == RecordType::SOA)?;
            if apex.name == zone || apex.name.is_root() {
                return None;
            }
            zone = apex.name.clone();
        }
        None
    }

    /// What the servers of the zone above say about whose the name is: the first referral of one of them.
    async fn told_from_above(&self, name: &Name) -> Option<Cut> {
        let mut above: Vec<Name> = Vec::new();
        while above.len() < MAX_CLIMB {
            let next = above.last().unwrap_or(name).base_name();
            if next.is_root() {
                break;
            }
            above.push(next);
        }
        // All at once: for a zone whose servers are lame, the resolver does not answer soon.
        let until = self.deadline.min(Instant::now() + PATIENCE);
        let asked = above.iter().map(|zone| {
            let question = Question::new(zone.clone(), RecordType::NS);
            async move { (zone, resolve::ask(self.resolver, &question, until).await.reply) }
        });
        let told = join_all(asked).await.into_iter().find_map(|(zone, reply)| {
            let message = reply.ok()?;
            let servers = names_of_servers(&message.answers, zone);
            (!servers.is_empty()).then_some((servers, message))
        });
        let (servers, message) = told?;
        let port = Port::of(self.resolver, &message);
        let asked = servers.iter().take(2).map(|server| self.refer(server, name, port));
        join_all(asked).await.into_iter().flatten().next()
    }

    /// Asks one server of the zone above.
    async fn refer(&self, server: &Name, name: &Name, port: Port) -> Option<Cut> {
        let host = show_name(server);
        let ip = *resolve::lookup(&[self.resolver], &host, self.deadline).await.ok()?.first()?;
        let addr = port.at(ip);
        if !self.may_ask(&host, addr) {
            return None;
        }
        let question = Question { recursion: false, ..Question::new(name.clone(), RecordType::NS) };
        let until = self.deadline.min(Instant::now() + PATIENCE);
        let message = resolve::ask(addr, &question, until).await.reply.ok()?;
        // Who refers us to the name's servers is the server that we took it for.
        referred(&message, name, if port == Port::Unknown { Port::Standard } else { port })
    }

    fn may_ask(&self, host: &str, addr: SocketAddr) -> bool {
        self.env.policy.check(host, addr.ip()).is_ok() && socket::has_route_to_family_of(addr)
    }

    async fn stand(&self, server: &Name, zone: &Name, glue: &[(Name, IpAddr)], port: Port) -> Vec<Server> {
        let name = show_name(server);
        let found = resolve::lookup(&[self.resolver], &name, self.deadline).await;
        let glue: Vec<IpAddr> = glue.iter().filter(|(it, _)| it == server).map(|(_, ip)| *ip).collect();
        let addresses = match found {
            Ok(addresses) => addresses,
            // Inside a lame zone only the zone above knows the address.
            Err(_) if !glue.is_empty() => glue.clone(),
            Err(why) => {
                use resolve::Unresolved::{NoRecords, Nxdomain};
                let standing = if matches!(why, Nxdomain | NoRecords) {
                    Standing::HasNoAddress
                } else {
                    Standing::NotAsked
                };
                let nobody = Seen { standing, serial: None, takes_tcp: None };
                return vec![nobody.at(name, None, Vec::new())];
            }
        };
        // A family that could not be looked up says nothing about its glue.
        let is_stale = |ip: &&IpAddr| {
            !addresses.contains(ip) && addresses.iter().any(|known| known.is_ipv4() == ip.is_ipv4())
        };
        let stale_glue: Vec<IpAddr> = glue.iter().filter(is_stale).copied().collect();
        let asked = addresses.into_iter().take(2).map(async |ip| {
            let addr = port.at(ip);
            let mut seen = Seen { standing: Standing::NotAsked, serial: None, takes_tcp: None };
            if self.may_ask(&name, addr) {
                seen = ask_authority(addr, zone, self.deadline).await;
            }
            seen.at(name.clone(), Some(addr), stale_glue.clone())
        });
        join_all(asked).await
    }
}

/// What listens on port 53 of this machine may be anybody, unless it shows that it is who we take it for.
fn forget_guesses(port: Port, servers: &mut [Server]) {
    if port != Port::Unknown || servers.iter().any(Server::is_good_on_loopback) {
        return;
    }
    for server in servers.iter_mut().filter(|it| it.is_on_loopback()) {
        server.standing = Standing::NotAsked;
    }
}

/// The cut that a referral tells of, when it leads to the name.
fn referred(message: &Message, name: &Name, port: Port) -> Option<Cut> {
    if !is_referral(message) {
        return None;
    }
    let zone = &message.authorities.iter().find(|record| record.record_type() == RecordType::NS)?.name;
    if zone.is_root() || !zone.zone_of(name) {
        return None;
    }
    let servers = names_of_servers(&message.authorities, zone);
    let glue = addresses_of(message);
    Some(Cut { zone: zone.clone(), servers, glue, told_by: Teller::Parent, port })
}

fn names_of_servers(records: &[Record], zone: &Name) -> BTreeSet<Name> {
    let of_zone = records.iter().filter(|record| record.name == *zone);
    let names = of_zone.filter_map(|record| match &record.data {
        RData::NS(server) => Some(server.0.to_lowercase()),
        _ => None,
    });
    names.collect()
}

fn addresses_of(message: &Message) -> Vec<(Name, IpAddr)> {
    let found = message.additionals.iter().filter_map(|record| {
        let ip = resolve::addresses(std::slice::from_ref(record)).next()?;
        Some((record.name.to_lowercase(), ip))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(addr: &str, standing: Standing) -> Server {
        Seen { standing, serial: None, takes_tcp: None }.at(
            "ns.drill.test".to_owned(),
            addr.parse().ok(),
            vec![],
        )
    }

    #[track_caller]
    fn check(port: Port, servers: &[(&str, Standing)], expected: &[Standing]) {
        let mut servers: Vec<_> = servers.iter().map(|(addr, standing)| at(addr, *standing)).collect();
        forget_guesses(port, &mut servers);
        assert_eq!(servers.iter().map(|it| it.standing).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_guessed_port_of_this_machine_counts_once_somebody_there_is_who_we_take_it_for() {
        use Standing::{Authoritative, NotAsked, Refuses, Silent};
        let refuses = ("127.0.0.11:53", Refuses);
        let elsewhere = ("192.0.2.1:53", Silent);
        check(Port::Unknown, &[refuses, elsewhere], &[NotAsked, Silent]);
        check(Port::Unknown, &[refuses, ("127.0.0.12:53", Authoritative)], &[Refuses, Authoritative]);
        check(Port::Standard, &[refuses], &[Refuses]);
    }
}
