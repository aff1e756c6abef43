//! The section `chat`: where people read and answer, and which incidents go where.

use url::Url;

use super::route::RouteSection;
use super::{Chat, Discord, Problem, Reader, file};
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
