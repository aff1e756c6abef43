//! Does the name resolve, and the same way everywhere? Each resolver is asked for each record type, all at once.
//!
//! Then the failures are looked into: SERVFAIL once more without validation (which tells a bogus zone from a broken server),
//! silence once more without EDNS, an alias target by its own name, and the zone's own name servers one by one. Different
//! addresses from different resolvers are normal; an answer from some and none from others is not.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use futures_util::future::join_all;
use hickory_proto::rr::{Name, RecordType};
use tokio::time::Instant;

use super::resolve::parse_name;
use super::{Environment, NotRun, Request, dial};
use crate::egress::Refusal;
use crate::outcome::{Outcome, Report};

mod delegation;
mod judge;
mod observe;

use delegation::Delegation;
pub(super) use delegation::Recent;
use observe::Answer;

/// Where the system says whom it asks.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Resolvers that are asked at once; more is no evidence and a burden.
const MAX_RESOLVERS: usize = 8;

/// Record types that are asked for at once.
const MAX_TYPES: usize = 8;

/// Types that are no question about a name: zone transfers and meta types.
const NOT_ASKED: [RecordType; 5] =
    [RecordType::ANY, RecordType::AXFR, RecordType::IXFR, RecordType::TSIG, RecordType::OPT];

/// A request, read.
struct Plan {
    /// The name as it was given.
    host: String,
    name: Name,
    types: Vec<RecordType>,
    resolvers: Vec<Resolver>,
    /// The request names no resolvers.
    is_default: bool,
    /// The records that are right, as they are shown; empty when any will do.
    expect: Vec<String>,
    /// The names that programs on this machine ask for, in order, given this one; only this one without a search list.
    tried: Vec<String>,
}

/// Whom we ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Resolver {
    addr: SocketAddr,
    is_system: bool,
}

impl std::fmt::Display for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_system { write!(f, "{} (system)", self.addr) } else { self.addr.fmt(f) }
    }
}

/// Everything that was seen.
#[derive(Debug, Clone)]
struct Observation {
    /// Per resolver, the answer for each type in the order of the plan.
    resolvers: Vec<(Resolver, Vec<Answer>)>,
    delegation: Option<Delegation>,
    /// Addresses that programs on this machine get for a name that DNS does not know.
    outside_dns: Vec<IpAddr>,
}

impl Plan {
    fn read(env: &Environment, request: &Request) -> Result<Self, NotRun> {
        let target = request.target.trim();
        let usage = |why: &str| {
            NotRun::Usage(format!(
                "`{target}` is no target for dns: {why}; write a name such as `api.example.com`"
            ))
        };
        if dial::literal(target).is_some() {
            return Err(usage("it is an address already"));
        }
        if target.contains([':', '/']) {
            return Err(usage("a name has no scheme, port or path"));
        }
        let name = parse_name(target).ok_or_else(|| usage("it cannot be a name"))?;
        let wanted = request.with.list("resolvers");
        let resolvers = resolvers(env, &wanted)?;
        let expect = request.with.list("expect").into_iter().map(canonical).collect();
        Ok(Self {
            host: target.to_owned(),
            name,
            types: types(&request.with.list("types"))?,
            resolvers,
            is_default: wanted.is_empty(),
            expect,
            tried: if wanted.is_empty() && env.resolvers.is_empty() { tried(target) } else { Vec::new() },
        })
    }
}

impl Plan {
    fn asks_for_addresses(&self) -> bool {
        self.types.iter().any(|it| it.is_ip_addr())
    }

    /// `localhost` never goes to DNS (RFC 6761 section 6.3), unless the request insists.
    fn is_local(&self) -> bool {
        self.name.is_localhost() && self.is_default && self.asks_for_addresses()
    }
}

/// Addresses are compared as addresses, names without case and final dot.
fn canonical(record: &str) -> String {
    let name = || record.trim_end_matches('.').to_ascii_lowercase();
    record.parse::<IpAddr>().map_or_else(|_| name(), |ip| ip.to_string())
}

fn types(wanted: &[&str]) -> Result<Vec<RecordType>, NotRun> {
    if wanted.is_empty() {
        return Ok(vec![RecordType::A, RecordType::AAAA]);
    }
    let mut types = Vec::new();
    for text in wanted {
        let read: Option<RecordType> = text.to_ascii_uppercase().parse().ok();
        let read = read.filter(|it| !NOT_ASKED.contains(it));
        let read = read.ok_or_else(|| {
            NotRun::Usage(format!("`types` holds `{text}`; write record types such as `A,AAAA,CNAME,MX,TXT`"))
        })?;
        if !types.contains(&read) {
            types.push(read);
        }
    }
    if types.len() > MAX_TYPES {
        return Err(NotRun::Usage(format!("`types` holds more than {MAX_TYPES} record types")));
    }
    Ok(types)
}

/// The resolvers to ask. Those that the request names must pass the egress policy: the configuration and the system are
/// trusted, a request is not.
fn resolvers(env: &Environment, wanted: &[&str]) -> Result<Vec<Resolver>, NotRun> {
    let mut resolvers: Vec<Resolver> = Vec::new();
    for text in wanted {
        if *text == "system" {
            resolvers.extend(system_resolvers());
            continue;
        }
        let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(text);
        let addr = text.parse().or_else(|_| bare.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53)));
        let addr = addr.map_err(|_| {
            NotRun::Usage(format!(
                "`resolvers` holds `{text}`; write `system`, an address, or `address:port`"
            ))
        })?;
        if !env.resolvers.contains(&addr) {
            env.policy
                .check(&addr.ip().to_string(), addr.ip())
                .map_err(|why: Refusal| NotRun::Refused(why))?;
        }
        resolvers.push(Resolver { addr, is_system: false });
    }
    if wanted.is_empty() {
        resolvers = own_resolvers(env);
    }
    let mut seen = Vec::new();
    resolvers.retain(|it| {
        !seen.contains(&it.addr) && {
            seen.push(it.addr);
            true
        }
    });
    if resolvers.len() > MAX_RESOLVERS {
        return Err(NotRun::Usage(format!("`resolvers` holds more than {MAX_RESOLVERS} resolvers")));
    }
    Ok(resolvers)
}

/// Whom we ask unless a request says otherwise: the configured ones, else the system's.
fn own_resolvers(env: &Environment) -> Vec<Resolver> {
    if env.resolvers.is_empty() {
        return system_resolvers();
    }
    env.resolvers.iter().map(|addr| Resolver { addr: *addr, is_system: false }).collect()
}

/// The addresses of [`own_resolvers`].
pub(super) fn default_resolvers(env: &Environment) -> Vec<SocketAddr> {
    own_resolvers(env).into_iter().take(MAX_RESOLVERS).map(|it| it.addr).collect()
}

fn resolv_conf() -> resolv_conf::Config {
    let text = std::fs::read(RESOLV_CONF).unwrap_or_default();
    resolv_conf::Config::parse_with_errors(&text).0
}

/// The names that the C library asks for, given one (resolv.conf(5), `search` and `ndots`).
fn tried(host: &str) -> Vec<String> {
    let config = resolv_conf();
    let search: Vec<String> = config.get_last_search_or_domain().cloned().collect();
    search_order(host, config.ndots, &search)
}

/// A name with fewer dots than `ndots` is looked for below each domain first, and by itself last.
fn search_order(host: &str, ndots: u32, search: &[String]) -> Vec<String> {
    if host.ends_with('.') || search.is_empty() {
        return vec![host.to_owned()];
    }
    let mut names: Vec<String> =
        search.iter().map(|domain| format!("{host}.{}", domain.trim_end_matches('.'))).collect();
    let dots = host.matches('.').count();
    let at = if dots >= usize::try_from(ndots).unwrap_or(usize::MAX) { 0 } else { names.len() };
    names.insert(at, host.to_owned());
    names
}

/// Those of `resolv.conf`, in its order; without any, the local one, as the C library does.
fn system_resolvers() -> Vec<Resolver> {
    let config = resolv_conf();
    let found = config.nameservers.iter().map(|it| IpAddr::from(it.clone()));
    let mut addrs: Vec<SocketAddr> = found.map(|ip| SocketAddr::new(ip, 53)).collect();
    if addrs.is_empty() {
        addrs.push((Ipv4Addr::LOCALHOST, 53).into());
    }
    addrs.into_iter().map(|addr| Resolver { addr, is_system: true }).collect()
}

pub(super) async fn run(env: &Environment, request: &Request, deadline: Instant) -> Result<Report, NotRun> {
    let plan = Plan::read(env, request)?;
    let observation = probe(env, &plan, deadline).await;
    Ok(judge::report(&request.target, &plan, &observation))
}

async fn probe(env: &Environment, plan: &Plan, deadline: Instant) -> Observation {
    if plan.is_local() {
        let outside_dns = system_addresses(env, plan, deadline).await;
        let outside_dns = if outside_dns.is_empty() { vec![Ipv4Addr::LOCALHOST.into()] } else { outside_dns };
        return Observation { resolvers: Vec::new(), delegation: None, outside_dns };
    }
    let asked = plan.resolvers.iter().map(async |resolver| {
        let types = plan.types.iter();
        let answers = types.map(|it| observe::answer(resolver.addr, &plan.name, *it, deadline));
        (*resolver, join_all(answers).await)
    });
    // Any resolver that speaks can say who the zone's own servers are; mostly the first one does.
    let walk = async |resolver: Option<SocketAddr>| match resolver {
        Some(resolver) => env.zones.walk(env, resolver, &plan.name, deadline).await,
        None => None,
    };
    let first = plan.resolvers.first().map(|it| it.addr);
    let (mut resolvers, mut delegation) = tokio::join!(join_all(asked), walk(first));
    if delegation.is_none() {
        let speaks = |(_, answers): &&(Resolver, Vec<Answer>)| answers.iter().any(Answer::is_heard);
        let speaking = resolvers.iter().find(speaks).map(|(it, _)| it.addr);
        delegation = walk(speaking.filter(|it| Some(*it) != first)).await;
    }
    if let Some(authority) = delegation.as_ref().and_then(Delegation::authority) {
        follow_referrals(plan, &mut resolvers, authority, deadline).await;
    }
    // The hosts file and the search list come before DNS for programs.
    let is_unknown = |answer: &Answer| matches!(answer.outcome(), Outcome::Nxdomain | Outcome::NoRecords);
    let is_unknown_here =
        resolvers.iter().all(|(it, answers)| it.is_system && answers.iter().all(is_unknown));
    let outside_dns = if is_unknown_here && plan.asks_for_addresses() {
        system_addresses(env, plan, deadline).await
    } else {
        Vec::new()
    };
    Observation { resolvers, delegation, outside_dns }
}

/// A server that holds only the zone above points to those who know; what they say is the answer.
async fn follow_referrals(
    plan: &Plan,
    resolvers: &mut [(Resolver, Vec<Answer>)],
    authority: SocketAddr,
    deadline: Instant,
) {
    let answers = resolvers.iter_mut().flat_map(|(_, answers)| answers);
    let referred = answers.filter(|it| it.end == observe::End::Referral && it.aliases.links.is_empty());
    join_all(referred.map(async |answer| {
        let followed = observe::answer(authority, &plan.name, answer.record_type, deadline).await;
        *answer = Answer { is_referred: true, took: answer.took + followed.took, ..followed };
    }))
    .await;
}

/// What programs on this machine get for the name, of the families that are asked for.
async fn system_addresses(env: &Environment, plan: &Plan, deadline: Instant) -> Vec<IpAddr> {
    let env = Environment { resolvers: Vec::new(), ..env.clone() };
    let found = dial::addresses(&env, &plan.host, None, 0, deadline).await;
    let is_asked_for =
        |ip: &IpAddr| plan.types.contains(if ip.is_ipv4() { &RecordType::A } else { &RecordType::AAAA });
    let found = found.map(|found| found.addrs.iter().map(SocketAddr::ip).filter(is_asked_for).collect());
    found.unwrap_or_default()
}

#[cfg(test)]
mod tests;
