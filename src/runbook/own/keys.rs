//! The keys a check takes in `with:`, and what their values look like. The checks themselves refuse by the same list.

use std::net::{IpAddr, SocketAddr};

use crate::duration;
use crate::outcome::CheckKind;

/// The keys of a kind; `header.NAME` stands for every header.
#[must_use]
pub fn keys(kind: CheckKind) -> &'static [&'static str] {
    match kind {
        CheckKind::Dns => &["types", "resolvers", "expect", "control"],
        CheckKind::Tcp => &["connect_to", "control"],
        CheckKind::Tls => &["connect_to", "server_name", "ca_file", "warn_days", "alpn"],
        CheckKind::Http => &[
            "method",
            "header.NAME",
            "bearer",
            "body",
            "connect_to",
            "ca_file",
            "slow_after",
            "expect_status",
            "expect_json",
        ],
        CheckKind::StatusPage => &["component", "at", "window", "ca_file"],
        CheckKind::RateLimit => &["method", "header.NAME", "bearer", "connect_to", "ca_file"],
        CheckKind::Token => {
            &["issuer", "audience", "scope", "jwks", "leeway", "now", "scheme", "server_date", "ca_file"]
        }
        CheckKind::Cors => &["origin", "method", "headers", "credentials", "connect_to", "ca_file"],
        CheckKind::Contract => &["spec", "ca_file"],
        CheckKind::Deadline => &[
            "client",
            "gateway",
            "backend",
            "observed",
            "method",
            "header.NAME",
            "bearer",
            "connect_to",
            "ca_file",
        ],
        CheckKind::Deploys => &["at", "window", "service", "environment", "record"],
        CheckKind::Metrics => &["query", "at", "window", "match", "ca_file"],
    }
}

/// Whether a kind takes a key.
pub(super) fn takes(kind: CheckKind, key: &str) -> bool {
    let header = key.strip_prefix("header.").is_some_and(|name| !name.is_empty());
    keys(kind).contains(&key) || header && keys(kind).contains(&"header.NAME")
}

/// What a value should look like, when this one does not.
pub(super) fn unlike(key: &str, value: &str) -> Option<&'static str> {
    let is_address = |text: &str| text.parse::<SocketAddr>().is_ok() || text.parse::<IpAddr>().is_ok();
    let list = || value.split(',').map(str::trim);
    let good = match key {
        "slow_after" | "leeway" | "client" | "gateway" | "backend" | "observed" | "window" => {
            return duration::parse(value).is_none().then_some("a duration such as `250ms`, `5s` or `2m`");
        }
        "at" | "now" => {
            return value
                .parse::<jiff::Timestamp>()
                .is_err()
                .then_some("a time such as `2026-03-01T10:02:00Z`");
        }
        "connect_to" => is_address(value),
        "resolvers" => list().all(|it| it == "system" || is_address(it)),
        "warn_days" => return value.parse::<u32>().is_err().then_some("a number of days"),
        "expect_status" => {
            let is_status = |it: &str| {
                it.parse::<u16>().is_ok_and(|code| (100..600).contains(&code)) || it.ends_with("xx")
            };
            return (!list().all(is_status)).then_some("a status such as `200` or `2xx`");
        }
        _ => true,
    };
    (!good).then_some("an address such as `192.0.2.7:443`")
}
