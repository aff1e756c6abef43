//! A route of `chat.discord.routes`, as people write it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use super::scalar::{OneOrMore, Snowflake};
use crate::alert::Severity;
use crate::routing::Calls;

/// Incidents that fit go to another channel, get other tags, or call another role.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteSection {
    #[serde(default)]
    pub(super) service: OneOrMore<String>,
    #[serde(default)]
    pub(super) severity: OneOrMore<Severity>,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, OneOrMore<String>>,
    pub(super) channel: Option<Snowflake>,
    pub(super) tags: Option<OneOrMore<String>>,
    pub(super) on_call_role: Option<RoleOrNone>,
}

/// A role, or `none`.
#[derive(Debug, Clone, Copy)]
pub(super) struct RoleOrNone(Calls);

impl From<RoleOrNone> for Calls {
    fn from(written: RoleOrNone) -> Self {
        written.0
    }
}

impl<'de> Deserialize<'de> for RoleOrNone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Role;
        impl Visitor<'_> for Role {
            type Value = Calls;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a Discord id of a role (17 to 20 digits), or `none`")
            }

            fn visit_u64<E: de::Error>(self, id: u64) -> Result<Calls, E> {
                Ok(Calls::Role(id))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Calls, E> {
                if text == "none" {
                    return Ok(Calls::Nobody);
                }
                text.parse().map(Calls::Role).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Role).map(Self)
    }
}
