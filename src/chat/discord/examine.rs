//! What of Discord's side is set up, and what is missing: rights in the channel, intents, commands, the door for interactions.
//!
//! Rights are computed as Discord computes them (its documentation, topics/permissions) so that each missing one can be named, and
//! tried with a request that leaves no trace. Nothing is posted.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serenity::all::{ApplicationId, ChannelId, GuildId, Permissions as Rights};
use serenity::http::{LightMethod, Route};

use super::{Discord, Session, command};

/// `GATEWAY_MESSAGE_CONTENT` and its form for small bots (Discord's documentation, resources/application).
const MESSAGE_CONTENT: u64 = (1 << 18) | (1 << 19);

/// What the bot needs in its channel, and what for.
const NEEDED: [(Rights, &str); 6] = [
    (Rights::VIEW_CHANNEL, "View Channel"),
    (Rights::SEND_MESSAGES, "Send Messages"),
    (Rights::CREATE_PUBLIC_THREADS, "Create Public Threads"),
    (Rights::SEND_MESSAGES_IN_THREADS, "Send Messages in Threads"),
    (Rights::READ_MESSAGE_HISTORY, "Read Message History"),
    (Rights::ATTACH_FILES, "Attach Files"),
];

/// How something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It works; says what was seen.
    Works(String),
    /// It works without; says what is lost by that, and what to do.
    Lacks(String, String),
    /// It does not work; says why, and what to do.
    Broken(String, String),
}

#[derive(Deserialize)]
struct Application {
    #[serde(default)]
    flags: u64,
    verify_key: String,
    interactions_endpoint_url: Option<String>,
}

#[derive(Deserialize)]
struct Channel {
    guild_id: Option<GuildId>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    permission_overwrites: Vec<Overwrite>,
}

#[derive(Deserialize)]
struct Overwrite {
    id: String,
    allow: String,
    deny: String,
}

#[derive(Deserialize)]
struct Role {
    id: String,
    permissions: String,
}

#[derive(Deserialize)]
struct Member {
    roles: Vec<String>,
}

impl Discord {
    /// Looks at everything that must be set up on Discord's side, by trying it. `public_key` is the configured one.
    pub async fn examine(&self, public_key: Option<&[u8; 32]>) -> Vec<Seen> {
        let session = &self.session;
        let mut seen = vec![session.rights_in(session.config.channel).await];
        seen.push(session.commands().await);
        match session.wire.get::<Application>(Route::Oauth2ApplicationCurrent, &[]).await {
            Ok(application) => {
                seen.push(intents(application.flags));
                seen.extend(door(&application, public_key));
            }
            Err(failure) => seen.push(Seen::Broken(
                format!("the application cannot be looked at: {}", failure.error),
                "check the token".to_owned(),
            )),
        }
        seen
    }
}

impl Session {
    async fn rights_in(&self, channel: u64) -> Seen {
        match self.missing_in(ChannelId::new(channel)).await {
            Ok((name, missing)) if missing.is_empty() => {
                Seen::Works(format!("the bot may do everything it needs in #{name}"))
            }
            Ok((name, missing)) => Seen::Broken(
                format!("in #{name} the bot lacks {}", missing.join(", ")),
                "give its role these permissions there: channel settings, Permissions".to_owned(),
            ),
            Err(reason) => Seen::Broken(
                format!("the bot's permissions in the channel {channel} cannot be told: {reason}"),
                "invite the bot to the server and let it see the channel".to_owned(),
            ),
        }
    }

    /// The channel's name, and the names of what the bot lacks there.
    async fn missing_in(&self, id: ChannelId) -> Result<(String, Vec<&'static str>), String> {
        let reason = |failure: super::wire::Failure| failure.error.reason;
        let channel: Channel = self.wire.get(Route::Channel { channel_id: id }, &[]).await.map_err(reason)?;
        let guild_id = channel.guild_id.ok_or("it is no channel of a server")?;
        let roles: Vec<Role> = self.wire.get(Route::GuildRoles { guild_id }, &[]).await.map_err(reason)?;
        let route = Route::GuildMember { guild_id, user_id: self.bot };
        let member: Member = self.wire.get(route, &[]).await.map_err(reason)?;
        let rights = rights(guild_id, &self.bot.to_string(), &member, &roles, &channel.permission_overwrites);
        let mut missing: Vec<&str> =
            NEEDED.iter().filter(|(right, _)| !rights.contains(*right)).map(|(_, name)| *name).collect();
        // Whatever the lists say: "is typing" is refused to whoever may not post, and gone in ten seconds.
        let tried = self.wire.knock(LightMethod::Post, Route::ChannelTyping { channel_id: id }).await;
        if tried.is_err() && missing.is_empty() {
            missing.push("Send Messages");
        }
        Ok((channel.name, missing))
    }

    async fn commands(&self) -> Seen {
        let guild = self.config.guild.map(GuildId::new);
        let route = super::commands_of(self.application, guild);
        let scope = guild.map_or_else(|| "everywhere".to_owned(), |guild| format!("in the server {guild}"));
        let remedy = invitation(self.application);
        match self.wire.get::<Vec<Value>>(route, &super::with_localizations()).await {
            Ok(known) if command::is_registered(&known, &command::definitions()) => {
                Seen::Works(format!("/triage, /incident, /check and /runbook are registered {scope}"))
            }
            Ok(_) => Seen::Broken(format!("the slash commands are not registered {scope}"), remedy),
            Err(failure) => {
                Seen::Broken(format!("the slash commands cannot be read {scope}: {}", failure.error), remedy)
            }
        }
    }
}

/// Where somebody who manages the server lets the bot in with what it needs.
fn invitation(application: ApplicationId) -> String {
    let rights = NEEDED.iter().fold(Rights::empty(), |all, (right, _)| all | *right).bits();
    format!(
        "invite the bot with its commands: https://discord.com/oauth2/authorize?client_id={application}&scope=bot%20applications.commands&permissions={rights}"
    )
}

fn intents(flags: u64) -> Seen {
    if flags & MESSAGE_CONTENT != 0 {
        return Seen::Works(
            "the message content intent is granted: plain replies in a thread are understood".to_owned(),
        );
    }
    Seen::Lacks(
        "the message content intent is not granted: plain replies in a thread cannot be read; buttons, forms and mentions of the bot \
         work"
            .to_owned(),
        "turn on Message Content Intent: Developer Portal, Bot, Privileged Gateway Intents".to_owned(),
    )
}

/// The door for interactions over HTTP, as both sides have it.
fn door(application: &Application, public_key: Option<&[u8; 32]>) -> Option<Seen> {
    let ours = public_key.map(|key| super::hexadecimal(key));
    let url = application.interactions_endpoint_url.as_deref();
    match (ours, url) {
        (Some(ours), _) if !ours.eq_ignore_ascii_case(&application.verify_key) => Some(Seen::Broken(
            "`public_key` is not this application's: every interaction over HTTP would be refused".to_owned(),
            format!("write `public_key: {}`", application.verify_key),
        )),
        (Some(_), Some(url)) => Some(Seen::Works(format!("interactions come over HTTP, to {url}"))),
        (Some(_), None) => Some(Seen::Works(
            "interactions come over the gateway; the door for HTTP is open, and Discord is told of none"
                .to_owned(),
        )),
        (None, Some(url)) => Some(Seen::Broken(
            format!(
                "Discord sends clicks and commands to {url} and not over the gateway, and they are not taken there"
            ),
            format!(
                "write `public_key: {}`, or empty Interactions Endpoint URL in the Developer Portal",
                application.verify_key
            ),
        )),
        (None, None) => None,
    }
}

/// What a member may do in a channel (Discord's documentation, topics/permissions).
fn rights(guild: GuildId, user: &str, member: &Member, roles: &[Role], overwrites: &[Overwrite]) -> Rights {
    let bits = |text: &str| Rights::from_bits_truncate(text.parse().unwrap_or_default());
    let everyone = guild.to_string();
    let has = |id: &str| id == everyone || member.roles.iter().any(|role| role == id);
    let base = roles
        .iter()
        .filter(|role| has(&role.id))
        .fold(Rights::empty(), |all, role| all | bits(&role.permissions));
    if base.administrator() {
        return Rights::all();
    }
    let by_id: BTreeMap<&str, (Rights, Rights)> =
        overwrites.iter().map(|it| (it.id.as_str(), (bits(&it.allow), bits(&it.deny)))).collect();
    let of = |id: &str| by_id.get(id).copied().unwrap_or((Rights::empty(), Rights::empty()));
    let (allow, deny) = of(&everyone);
    let mut rights = (base - deny) | allow;
    let (mut allow, mut deny) = (Rights::empty(), Rights::empty());
    for role in &member.roles {
        let (more, less) = of(role);
        (allow, deny) = (allow | more, deny | less);
    }
    rights = (rights - deny) | allow;
    let (allow, deny) = of(user);
    (rights - deny) | allow
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(id: &str, rights: Rights) -> Role {
        Role { id: id.into(), permissions: rights.bits().to_string() }
    }

    fn over(id: &str, allow: Rights, deny: Rights) -> Overwrite {
        Overwrite { id: id.into(), allow: allow.bits().to_string(), deny: deny.bits().to_string() }
    }

    #[track_caller]
    fn check(roles: &[Role], overwrites: &[Overwrite], expected: Rights) {
        let member = Member { roles: vec!["2".into()] };
        assert_eq!(rights(GuildId::new(1), "9", &member, roles, overwrites), expected);
    }

    #[test]
    fn overwrites_count_in_discords_order() {
        let (view, send, attach) = (Rights::VIEW_CHANNEL, Rights::SEND_MESSAGES, Rights::ATTACH_FILES);
        let none = Rights::empty();
        let roles = [role("1", view), role("2", send), role("3", attach)];
        check(&roles, &[], view | send);
        check(&roles, &[over("1", none, view | send)], none);
        check(&roles, &[over("1", none, view), over("2", view, send)], view);
        check(&roles, &[over("2", none, view | send), over("9", send | attach, none)], send | attach);
        check(&[role("2", Rights::ADMINISTRATOR)], &[over("1", none, view)], Rights::all());
    }

    #[test]
    fn a_door_that_does_not_fit_its_key_is_told() {
        let application = |url: Option<&str>| Application {
            flags: 0,
            verify_key: "00".repeat(32),
            interactions_endpoint_url: url.map(str::to_owned),
        };
        assert_eq!(door(&application(None), None), None);
        assert!(matches!(door(&application(Some("https://bot.example")), None), Some(Seen::Broken(..))));
        assert!(matches!(door(&application(None), Some(&[1; 32])), Some(Seen::Broken(..))));
        assert!(matches!(
            door(&application(Some("https://bot.example")), Some(&[0; 32])),
            Some(Seen::Works(_))
        ));
    }

    #[test]
    fn what_is_lost_without_an_intent_is_said() {
        assert!(matches!(intents(0), Seen::Lacks(..)));
        assert!(matches!(intents(1 << 19), Seen::Works(_)));
        assert!(invitation(ApplicationId::new(7)).contains("client_id=7&scope=bot%20applications.commands"));
    }
}
