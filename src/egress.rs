//! May this address be probed? A pure yes or no with its reason.
//!
//! When the bot serves, strangers choose targets (an alert's label is enough), so only public unicast addresses are
//! probed unless the configuration allows more by name. It judges addresses, never names: whoever resolves a name asks about
//! each address and then connects to that very address, or DNS rebinding defeats the check.
//!
//! The surprise: an IPv6 address that carries an IPv4 one (mapped, NAT64, 6to4) must pass twice, as itself and as what it
//! carries, and cloud metadata is opened only by its exact address, never by a range that happens to hold it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Which addresses may be probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy(Rule);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    Anything,
    PublicAnd(Vec<Allowed>),
}

/// One entry of `egress.allow`: a network, one address, or a class of addresses by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    Network { base: IpAddr, prefix: u8 },
    Class(Class),
}

/// What kind of address it is, when it is not a public unicast one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Metadata,
    Unspecified,
    Loopback,
    Private,
    CarrierNat,
    LinkLocal,
    UniqueLocal,
    Multicast,
    Broadcast,
    Documentation,
    Translated,
    Reserved,
}

impl Class {
    const ALL: [Self; 12] = [
        Self::Metadata,
        Self::Unspecified,
        Self::Loopback,
        Self::Private,
        Self::CarrierNat,
        Self::LinkLocal,
        Self::UniqueLocal,
        Self::Multicast,
        Self::Broadcast,
        Self::Documentation,
        Self::Translated,
        Self::Reserved,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::Unspecified => "unspecified",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::CarrierNat => "carrier-nat",
            Self::LinkLocal => "link-local",
            Self::UniqueLocal => "unique-local",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Documentation => "documentation",
            Self::Translated => "translated",
            Self::Reserved => "reserved",
        }
    }
}

/// Addresses that hand out a machine's credentials to whoever asks: AWS, Azure, Google and most others; AWS over IPv6
/// (EC2 user guide, "Instance metadata"); Alibaba Cloud (its "instance metadata" page).
const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
];

impl Policy {
    /// Public unicast addresses only: what the bot starts with when it serves.
    #[must_use]
    pub fn public_only() -> Self {
        Self(Rule::PublicAnd(Vec::new()))
    }

    /// Every address: the terminal commands run with their user's own rights.
    #[must_use]
    pub fn unrestricted() -> Self {
        Self(Rule::Anything)
    }

    /// Public addresses, and what `egress.allow` lists: networks (`10.20.0.0/16`), addresses (`127.0.0.1`) or classes
    /// (`loopback`, `private`, …).
    ///
    /// # Errors
    /// The first entry that is none of these, with what an entry looks like.
    pub fn allowing<S: AsRef<str>>(nets: &[S]) -> Result<Self, BadEntry> {
        nets.iter()
            .map(|entry| entry.as_ref().parse())
            .collect::<Result<_, _>>()
            .map(Rule::PublicAnd)
            .map(Self)
    }

    /// Whether `host` may be probed at this address.
    ///
    /// # Errors
    /// The refusal, whose text says what to put in the configuration.
    pub fn check(&self, host: &str, ip: IpAddr) -> Result<(), Refusal> {
        let Rule::PublicAnd(allowed) = &self.0 else { return Ok(()) };
        let refuse = |class: Class| Refusal { host: host.to_owned(), ip, class: class.name() };
        if let Some(class) = class_of(ip)
            && !allowed.iter().any(|entry| entry.admits(ip, class))
        {
            return Err(refuse(class));
        }
        if let Some(inner) = carried(ip)
            && let Some(class) = class_of(IpAddr::V4(inner))
            && !allowed.iter().any(|entry| entry.admits(IpAddr::V4(inner), class))
        {
            return Err(refuse(class));
        }
        Ok(())
    }
}

/// Addresses that are listed somewhere, in the words of `egress.allow`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressSet(Vec<Allowed>);

impl AddressSet {
    /// Reads networks, addresses and classes.
    ///
    /// # Errors
    /// The first entry that is none of these.
    pub fn read<S: AsRef<str>>(entries: &[S]) -> Result<Self, BadEntry> {
        entries.iter().map(|entry| entry.as_ref().parse()).collect::<Result<_, _>>().map(Self)
    }

    /// Whether this address is among them. An IPv4 address that came in over IPv6 counts as what it is.
    #[must_use]
    pub fn holds(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|entry| match *entry {
            Allowed::Network { base, prefix } => contains(base, prefix, ip),
            Allowed::Class(class) => class_of(ip) == Some(class),
        })
    }
}

impl Allowed {
    fn admits(self, ip: IpAddr, class: Class) -> bool {
        match self {
            Self::Class(named) => named == class,
            Self::Network { base, prefix } if class == Class::Metadata => base == ip && prefix == bits(ip),
            Self::Network { base, prefix } => contains(base, prefix, ip),
        }
    }
}

fn bits(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

fn contains(base: IpAddr, prefix: u8, ip: IpAddr) -> bool {
    match (base, ip) {
        (IpAddr::V4(base), IpAddr::V4(ip)) => {
            let shift = 32 - u32::from(prefix);
            base.to_bits().checked_shr(shift) == ip.to_bits().checked_shr(shift)
        }
        (IpAddr::V6(base), IpAddr::V6(ip)) => {
            let shift = 128 - u32::from(prefix);
            base.to_bits().checked_shr(shift) == ip.to_bits().checked_shr(shift)
        }
        _ => false,
    }
}

/// An entry of `egress.allow`, or of another list of addresses, that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no network, address or class; write `10.20.0.0/16`, `127.0.0.1`, or one of {names}", names = class_names())]
pub struct BadEntry(pub String);

fn class_names() -> String {
    Class::ALL.map(Class::name).join(", ")
}

impl FromStr for Allowed {
    type Err = BadEntry;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let bad = || BadEntry(text.to_owned());
        if let Some(class) = Class::ALL.into_iter().find(|class| class.name() == text) {
            return Ok(Self::Class(class));
        }
        let (base, prefix) = match text.split_once('/') {
            Some((base, prefix)) => (base, Some(prefix)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| bad())?;
        let prefix = prefix.map_or(Ok(bits(base)), str::parse).map_err(|_| bad())?;
        if prefix > bits(base) {
            return Err(bad());
        }
        Ok(Self::Network { base, prefix })
    }
}

/// The class of an address that is not public unicast; `None` for one that is.
fn class_of(ip: IpAddr) -> Option<Class> {
    if METADATA.contains(&ip) {
        return Some(Class::Metadata);
    }
    match ip {
        IpAddr::V4(ip) => class_of_v4(ip),
        IpAddr::V6(ip) => class_of_v6(ip),
    }
}

/// IANA's IPv4 special-purpose address registry (RFC 6890), the rows that are not globally reachable.
fn class_of_v4(ip: Ipv4Addr) -> Option<Class> {
    Some(match ip.octets() {
        [0, 0, 0, 0] => Class::Unspecified,
        [127, ..] => Class::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Class::Private,
        [100, 64..=127, ..] => Class::CarrierNat,
        [169, 254, ..] => Class::LinkLocal,
        [224..=239, ..] => Class::Multicast,
        [255, 255, 255, 255] => Class::Broadcast,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Class::Documentation,
        [0 | 240..=255, ..] | [192, 0, 0, _] | [192, 88, 99, _] | [198, 18..=19, ..] => Class::Reserved,
        _ => return None,
    })
}

/// IANA's IPv6 special-purpose address registry; whatever lies outside 2000::/3 is not public unicast.
fn class_of_v6(ip: Ipv6Addr) -> Option<Class> {
    if carried(IpAddr::V6(ip)).is_some() {
        return Some(Class::Translated);
    }
    Some(match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Class::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Class::Loopback,
        [0xfc00..=0xfdff, ..] => Class::UniqueLocal,
        [0xfe80..=0xfebf, ..] => Class::LinkLocal,
        [0xff00..=0xffff, ..] => Class::Multicast,
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Class::Documentation,
        [0x2001, 0..=0x01ff, ..] => Class::Reserved,
        [0x2000..=0x3fff, ..] => return None,
        _ => Class::Reserved,
    })
}

/// The IPv4 address an IPv6 one stands for: mapped (RFC 4291), compatible (deprecated), NAT64 (RFC 6052, RFC 8215),
/// SIIT (RFC 2765), 6to4 (RFC 3056) and Teredo's client (RFC 4380, stored inverted).
fn carried(ip: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(ip) = ip else { return None };
    let join = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0 | 0xffff, 0, high, low]
        | [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0x2002, high, low, ..] => Some(join(high, low)),
        [0x2001, 0, _, _, _, _, high, low] => Some(join(!high, !low)),
        _ => None,
    }
}

/// An address that the policy does not let a check reach.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// What was to be probed.
    pub host: String,
    /// The address that is refused.
    pub ip: IpAddr,
    /// Its class: `loopback`, `private`, `link-local`, `metadata`, …
    pub class: &'static str,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, ip, class } = self;
        if host.parse() == Ok(*ip) {
            write!(f, "{ip} is a {class} address, which this bot may not probe")?;
        } else {
            write!(f, "`{host}` is at {ip}, a {class} address, which this bot may not probe")?;
        }
        write!(f, "; to allow it, put `{ip}/{}` into `egress.allow` in the configuration", bits(*ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ip: &str, class: Option<&str>) {
        let refused = Policy::public_only().check("host.test", ip.parse().unwrap());
        assert_eq!(refused.err().map(|it| it.class), class, "{ip}");
        Policy::unrestricted().check("host.test", ip.parse().unwrap()).unwrap();
    }

    #[track_caller]
    fn check_allowed(allow: &[&str], ip: &str, expected: bool) {
        let policy = Policy::allowing(allow).unwrap();
        assert_eq!(policy.check("host.test", ip.parse().unwrap()).is_ok(), expected, "{allow:?} {ip}");
    }

    #[test]
    fn public_addresses_pass() {
        for ip in ["93.184.216.34", "1.1.1.1", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"]
        {
            check(ip, None);
        }
    }

    #[test]
    fn every_special_range_is_refused_by_name() {
        check("127.0.0.1", Some("loopback"));
        check("127.255.255.254", Some("loopback"));
        check("::1", Some("loopback"));
        check("10.1.2.3", Some("private"));
        check("172.16.0.1", Some("private"));
        check("192.168.1.1", Some("private"));
        check("100.64.0.1", Some("carrier-nat"));
        check("169.254.1.1", Some("link-local"));
        check("fe80::1", Some("link-local"));
        check("fd12::1", Some("unique-local"));
        check("224.0.0.1", Some("multicast"));
        check("ff02::1", Some("multicast"));
        check("255.255.255.255", Some("broadcast"));
        check("0.0.0.0", Some("unspecified"));
        check("::", Some("unspecified"));
        check("0.1.2.3", Some("reserved"));
        check("240.0.0.1", Some("reserved"));
        check("203.0.113.9", Some("documentation"));
        check("2001:db8::1", Some("documentation"));
        check("100::1", Some("reserved"));
        check("4000::1", Some("reserved"));
    }

    #[test]
    fn metadata_has_its_own_name() {
        check("169.254.169.254", Some("metadata"));
        check("fd00:ec2::254", Some("metadata"));
        check("100.100.100.200", Some("metadata"));
    }

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_is_seen_through() {
        for ip in ["::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "::127.0.0.1"]
        {
            check(ip, Some("translated"));
        }
    }

    #[test]
    fn allowing_a_translation_does_not_allow_what_it_carries() {
        check_allowed(&["64:ff9b::/96"], "64:ff9b::8.8.8.8", true);
        check_allowed(&["64:ff9b::/96"], "64:ff9b::127.0.0.1", false);
        check_allowed(&["translated", "loopback"], "64:ff9b::127.0.0.1", true);
        check_allowed(&["127.0.0.0/8"], "::ffff:127.0.0.1", false);
    }

    #[test]
    fn a_network_an_address_and_a_class_can_be_allowed() {
        check_allowed(&["127.0.0.0/8"], "127.3.2.1", true);
        check_allowed(&["127.0.0.0/8"], "10.0.0.1", false);
        check_allowed(&["10.20.0.7"], "10.20.0.7", true);
        check_allowed(&["10.20.0.7"], "10.20.0.8", false);
        check_allowed(&["private"], "192.168.0.1", true);
        check_allowed(&["0.0.0.0/0"], "192.168.0.1", true);
        check_allowed(&["::/0"], "::1", true);
        check_allowed(&["::/0"], "127.0.0.1", false);
    }

    #[test]
    fn a_range_around_metadata_does_not_open_it() {
        check_allowed(&["0.0.0.0/0", "link-local"], "169.254.169.254", false);
        check_allowed(&["169.254.169.254/32"], "169.254.169.254", true);
        check_allowed(&["metadata"], "fd00:ec2::254", true);
    }

    #[test]
    fn a_bad_entry_says_what_an_entry_looks_like() {
        for text in ["10.0.0.0/33", "localhost", "", "10.0.0/8"] {
            let error = Policy::allowing(&[text]).unwrap_err().to_string();
            assert!(error.contains("10.20.0.0/16"), "{error}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_configure() {
        let refusal = Policy::public_only().check("api.internal", "10.0.0.5".parse().unwrap()).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "`api.internal` is at 10.0.0.5, a private address, which this bot may not probe; to allow it, put \
             `10.0.0.5/32` into `egress.allow` in the configuration"
        );
        let refusal = Policy::public_only().check("::1", "::1".parse().unwrap()).unwrap_err();
        assert!(refusal.to_string().starts_with("::1 is a loopback address"), "{refusal}");
    }
}
