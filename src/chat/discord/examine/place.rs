//! The channels that incidents are told in: what the bot lacks there, whether its roles can be called, and its tags exist.
//!
//! Rights are computed as Discord computes them (its documentation, topics/permissions) so that each missing one can be named, and
//! tried with a request that leaves no trace.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serenity::all::{ChannelId, GuildId, Permissions as Rights};
use serenity::http::{LightMethod, Route};

use super::Seen;
use crate::chat::discord::Session;
use crate::chat::discord::wire::Failure;

/// What the bot needs in a channel, and what for.
pub(super) const NEEDED: [(Rights, &str); 6] = [
    (Rights::VIEW_CHANNEL, "View Channel"),
    (Rights::SEND_MESSAGES, "Send Messages"),
    (Rights::CREATE_PUBLIC_THREADS, "Create Public Threads"),
    (Rights::SEND_MESSAGES_IN_THREADS, "Send Messages in Threads"),
    (Rights::READ_MESSAGE_HISTORY, "Read Message History"),
    (Rights::ATTACH_FILES, "Attach Files"),
];

/// Kinds of channels that threads are opened in: text, announcements, forum, media.
const KINDS: [u8; 4] = [0, 5, 15, 16];

/// What is wanted of one channel.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    /// The roles called there.
    roles: BTreeSet<u64>,
    /// The tags of its posts, by name or id.
    tags: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Channel {
    #[serde(rename = "type")]
    kind: u8,
    guild_id: Option<GuildId>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    permission_overwrites: Vec<Overwrite>,
    #[serde(default)]
    available_tags: Vec<Tag>,
}

impl Channel {
    fn is_forum(&self) -> bool {
        matches!(self.kind, 15 | 16)
    }
}

#[derive(Deserialize)]
struct Tag {
    id: String,
    name: String,
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
    #[serde(default)]
    name: String,
    permissions: String,
    #[serde(default)]
    mentionable: bool,
}

#[derive(Deserialize)]
struct Member {
    roles: Vec<String>,
}

impl Session {
    /// Looks at every channel that incidents are told in.
    pub(super) async fn places(&self) -> Vec<Seen> {
        let mut wanted: BTreeMap<u64, Wanted> = BTreeMap::new();
        for place in self.routing.places() {
            let of = wanted.entry(place.channel).or_default();
            of.roles.extend(place.on_call_role);
            of.tags.extend(place.tags);
        }
        let mut seen = Vec::new();
        // In the order of the configuration, the usual one first.
        for channel in self.routing.channels() {
            match self.place(channel, &wanted[&channel]).await {
                Ok(found) => seen.extend(found),
                Err(reason) => seen.push(Seen::Broken(
                    format!("the bot's permissions in the channel {channel} cannot be told: {reason}"),
                    "invite the bot to the server and let it see the channel".to_owned(),
                )),
            }
        }
        seen
    }

    async fn place(&self, id: u64, wanted: &Wanted) -> Result<Vec<Seen>, String> {
        let reason = |failure: Failure| failure.error.reason;
        let channel_id = ChannelId::new(id);
        let channel: Channel = self.wire.get(Route::Channel { channel_id }, &[]).await.map_err(reason)?;
        let guild_id = channel.guild_id.ok_or("it is no channel of a server")?;
        if !KINDS.contains(&channel.kind) {
            return Ok(vec![Seen::Broken(
                format!("threads cannot be opened in #{}, which is of type {}", channel.name, channel.kind),
                "name a text, forum or media channel".to_owned(),
            )]);
        }
        let roles: Vec<Role> = self.wire.get(Route::GuildRoles { guild_id }, &[]).await.map_err(reason)?;
        let route = Route::GuildMember { guild_id, user_id: self.bot };
        let member: Member = self.wire.get(route, &[]).await.map_err(reason)?;
        let rights = rights(guild_id, &self.bot.to_string(), &member, &roles, &channel.permission_overwrites);
        let mut missing = missing(rights, channel.is_forum());
        // Whatever the lists say: "is typing" is refused to whoever may not post, and gone in ten seconds.
        if missing.is_empty()
            && !channel.is_forum()
            && self.wire.knock(LightMethod::Post, Route::ChannelTyping { channel_id }).await.is_err()
        {
            missing.push("Send Messages");
        }
        let name = &channel.name;
        let mut seen = vec![if missing.is_empty() {
            Seen::Works(format!("the bot may do everything it needs in #{name}"))
        } else {
            Seen::Broken(
                format!("in #{name} the bot lacks {}", missing.join(", ")),
                "give its role these permissions there: channel settings, Permissions".to_owned(),
            )
        }];
        seen.extend(wanted.roles.iter().filter_map(|role| called(*role, &roles, rights, name)));
        seen.extend(tags(&channel, &wanted.tags));
        Ok(seen)
    }
}

/// The names of what the bot lacks. A post in a forum is a message there, and no thread of one.
fn missing(rights: Rights, is_forum: bool) -> Vec<&'static str> {
    let needed = NEEDED.iter().filter(|(right, _)| !(is_forum && *right == Rights::CREATE_PUBLIC_THREADS));
    needed.filter(|(right, _)| !rights.contains(*right)).map(|(_, name)| *name).collect()
}

/// What is wrong with calling a role: one that may not be mentioned is shown, and nobody hears of it.
fn called(id: u64, roles: &[Role], rights: Rights, channel: &str) -> Option<Seen> {
    let id = id.to_string();
    let Some(role) = roles.iter().find(|role| role.id == id) else {
        return Some(Seen::Broken(
            format!("the role {id}, which is called in #{channel}, is no role of the server"),
            "name a role of the server under `on_call_role`, or `none` in a route".to_owned(),
        ));
    };
    if role.mentionable || rights.contains(Rights::MENTION_EVERYONE) {
        return None;
    }
    Some(Seen::Lacks(
        format!("calling the role {} in #{channel} notifies nobody: the bot may not mention it", role.name),
        "allow anyone to mention the role (server settings, Roles), or give the bot Mention Everyone there"
            .to_owned(),
    ))
}

/// The tags that are named and do not exist; elsewhere than in a forum, tags mean nothing.
fn tags(channel: &Channel, wanted: &BTreeSet<String>) -> Option<Seen> {
    let exists = |name: &String| {
        let mut known = channel.available_tags.iter();
        known.any(|tag| tag.id == *name || tag.name.eq_ignore_ascii_case(name))
    };
    let unknown: Vec<&str> = wanted.iter().filter(|name| !exists(name)).map(String::as_str).collect();
    (channel.is_forum() && !unknown.is_empty()).then(|| {
        Seen::Lacks(
            format!("#{} has no tag {}; its posts go without", channel.name, unknown.join(", ")),
            "make the tag in the forum's settings, or name one that it has under `tags`".to_owned(),
        )
    })
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
        Role {
            id: id.into(),
            name: format!("role {id}"),
            permissions: rights.bits().to_string(),
            mentionable: false,
        }
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
    fn a_role_that_is_not_there_or_cannot_be_called_is_told() {
        let none = Rights::empty();
        let mut roles = vec![role("2", none)];
        assert!(matches!(called(3, &roles, Rights::all(), "ops"), Some(Seen::Broken(..))));
        assert!(matches!(called(2, &roles, none, "ops"), Some(Seen::Lacks(..))));
        assert_eq!(called(2, &roles, Rights::MENTION_EVERYONE, "ops"), None);
        roles[0].mentionable = true;
        assert_eq!(called(2, &roles, none, "ops"), None);
    }

    #[test]
    fn a_forum_needs_its_tags_and_no_threads_from_messages() {
        let tag = Tag { id: "7".into(), name: "Incident".into() };
        let (guild_id, name) = (None, "forum".to_owned());
        let mut channel =
            Channel { kind: 15, guild_id, name, permission_overwrites: vec![], available_tags: vec![tag] };
        let wanted = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect();
        assert_eq!(tags(&channel, &wanted(&["incident", "7"])), None);
        let told = tags(&channel, &wanted(&["incident", "payments"])).unwrap();
        assert!(matches!(&told, Seen::Lacks(says, _) if says.contains("no tag payments")), "{told:?}");
        channel.kind = 0;
        assert_eq!(tags(&channel, &wanted(&["payments"])), None);
        let all_but = Rights::all() - Rights::CREATE_PUBLIC_THREADS;
        assert_eq!(
            (missing(all_but, true), missing(all_but, false)),
            (vec![], vec!["Create Public Threads"])
        );
    }
}
