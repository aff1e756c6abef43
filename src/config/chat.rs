//! The section `chat`: where people read and answer, and which incidents go where.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use url::Url;

use super::file::{OneOrMore, Snowflake};
use super::{Chat, Discord, Problem, Reader, file};
use crate::alert::Severity;
use crate::routing::{Calls, Place, Route, Routing};

/// Tags of a forum post (Discord's documentation, `resources/channel`).
const MAX_TAGS: usize = 5;

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

impl Reader<'_> {
    pub(super) fn chat(&self, written: file::ChatSection, console: Option<Url>) -> Result<Chat, Problem> {
        let Some(discord) = written.discord else { return Ok(Chat::Console) };
        Ok(Chat::Discord(Box::new(Discord {
            token: self.needed_secret("discord", &discord.secret())?,
            routing: self.routing(&discord)?,
            console,
            public_key: discord.public_key.as_deref().map(|key| self.public_key(key)).transpose()?,
            permissions: super::permissions(discord.permissions.clone(), discord.on_call_role.map(|id| id.0)),
            guild: discord.guild.map(|id| id.0),
            api_url: discord.api_url,
            gateway_url: discord.gateway_url,
        })))
    }

    fn routing(&self, written: &file::DiscordSection) -> Result<Routing, Problem> {
        let usual = Place {
            channel: written.channel.0,
            tags: written.tags.0.clone(),
            on_call_role: written.on_call_role.map(|id| id.0),
        };
        let route = |written: &RouteSection| {
            if written.service.0.is_empty() && written.severity.0.is_empty() && written.labels.is_empty() {
                let message = "a route needs a `service`, a `severity` or `labels` to fit; what no route fits goes to \
                               `chat.discord.channel`";
                return Err(self.problem("routes", "routes", message));
            }
            Ok(Route {
                services: written.service.0.clone(),
                severities: written.severity.0.clone(),
                labels: written
                    .labels
                    .iter()
                    .map(|(name, values)| (name.clone(), values.0.clone()))
                    .collect(),
                channel: written.channel.map(|id| id.0),
                tags: written.tags.as_ref().map(|tags| tags.0.clone()),
                calls: written.on_call_role.map(Into::into),
            })
        };
        let routes = written.routes.iter().map(route).collect::<Result<Vec<_>, _>>()?;
        let most =
            routes.iter().filter_map(|route| route.tags.as_ref()).chain([&usual.tags]).map(Vec::len).max();
        if most > Some(MAX_TAGS) {
            return Err(self.problem(
                "discord",
                "tags",
                format!("a forum post takes at most {MAX_TAGS} tags"),
            ));
        }
        Ok(Routing { usual, routes })
    }

    pub(super) fn public_url(&self, written: Option<Url>) -> Result<Option<Url>, Problem> {
        match written {
            Some(url) if !matches!(url.scheme(), "http" | "https") => {
                let message = "people reach the console by `http://` or `https://`";
                Err(self.problem("public_url", "public_url", message))
            }
            other => Ok(other),
        }
    }
}
