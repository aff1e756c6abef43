//! The section `chat`: where people read and answer, and which incidents go where.

use std::collections::BTreeSet;

use url::Url;

use super::route::RouteSection;
use super::{Chat, Discord, Problem, Reader, file};
use crate::permission::{Permissions, Verb, Who};
use crate::routing::{Place, Route, Routing};

/// Tags of a forum post (Discord's documentation, `resources/channel`).
const MAX_TAGS: usize = 5;

impl Reader<'_> {
    pub(super) fn chat(&self, written: file::ChatSection, console: Option<Url>) -> Result<Chat, Problem> {
        let Some(discord) = written.discord else { return Ok(Chat::Console) };
        Ok(Chat::Discord(Box::new(Discord {
            token: self.needed_secret("discord", &discord.secret())?,
            routing: self.routing(&discord)?,
            console,
            public_key: discord.public_key.as_deref().map(|key| self.public_key(key)).transpose()?,
            permissions: permissions(discord.permissions.clone(), discord.on_call_role.map(|id| id.0)),
            guild: discord.guild.map(|id| id.0),
            api_url: discord.api_url,
            gateway_url: discord.gateway_url,
        })))
    }

    /// Sixty-four hexadecimal digits, as Discord shows them.
    fn public_key(&self, written: &str) -> Result<[u8; 32], Problem> {
        let digits = written.trim().as_bytes();
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Option<Vec<u8>> = digits.chunks(2).map(pair).collect();
        let is_hexadecimal = digits.iter().all(u8::is_ascii_hexdigit);
        let key = bytes.filter(|_| is_hexadecimal).and_then(|bytes| bytes.try_into().ok());
        key.ok_or_else(|| {
            let message = "the application's public key has 64 hexadecimal digits: Developer Portal, General Information";
            self.problem("public_key", "public_key", message)
        })
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

fn permissions(written: Option<file::PermissionsSection>, on_call: Option<u64>) -> Permissions {
    let Some(written) = written else { return Permissions::Usual { on_call: on_call.into_iter().collect() } };
    let file::PermissionsSection { read, answer, start, check, manage } = written;
    let given = [
        (Verb::Read, read),
        (Verb::Answer, answer),
        (Verb::Start, start),
        (Verb::Check, check),
        (Verb::Manage, manage),
    ];
    let who = |who: file::WhoSection| match who {
        file::WhoSection::Word(file::WhoWord::Everyone) => Who::Everyone,
        file::WhoSection::Word(file::WhoWord::Nobody) => {
            Who::Those { roles: BTreeSet::new(), users: BTreeSet::new() }
        }
        file::WhoSection::Those(those) => Who::Those {
            roles: those.roles.iter().map(|id| id.0).collect(),
            users: those.users.iter().map(|id| id.0).collect(),
        },
    };
    Permissions::Given(given.into_iter().filter_map(|(verb, named)| Some((verb, who(named?)))).collect())
}
