//! Discord's JSON shapes, as far as the bot reads them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{APPLICATION, BOT, FORUM, GUILD, MEDIA, PERSON, Posted, ROLE, Thread, VOICE};

/// The tags of the forum and the media channel: id, name, and whether moderators alone may use it.
pub(crate) const TAGS: [(&str, &str, bool); 3] = [
    ("910000000000000001", "Done", true),
    ("910000000000000002", "Incident", false),
    ("910000000000000003", "payments", false),
];

/// When everything here happened.
const TIME: &str = "2026-01-02T03:04:05.000000+00:00";

pub(crate) fn user(id: u64) -> Value {
    let (name, global) = match id {
        BOT => ("firstcheck", Value::Null),
        super::people::GUEST => ("grace", json!("Grace")),
        _ => ("ada", json!("Ada")),
    };
    json!({
        "id": id.to_string(), "username": name, "avatar": null, "discriminator": "0", "public_flags": 0, "flags": 0,
        "bot": id == BOT, "global_name": global, "primary_guild": null,
    })
}

pub(crate) fn me() -> Value {
    let mut me = user(BOT);
    me["mfa_enabled"] = json!(true);
    me["locale"] = json!("en-US");
    me["verified"] = json!(true);
    me
}

pub(crate) fn member() -> Value {
    json!({
        "roles": [ROLE.to_string()], "joined_at": TIME, "deaf": false, "mute": false, "flags": 0, "nick": null, "avatar": null, "banner": null,
        "pending": false, "premium_since": null, "permissions": "2147483647", "communication_disabled_until": null,
    })
}

/// `VIEW_CHANNEL`, `SEND_MESSAGES`, `ATTACH_FILES`, `READ_MESSAGE_HISTORY`, `CREATE_PUBLIC_THREADS`, `SEND_MESSAGES_IN_THREADS`.
pub(crate) const ENOUGH: u64 = 1 << 10 | 1 << 11 | 1 << 15 | 1 << 16 | 1 << 35 | 1 << 38;

/// The server's roles: everybody's, and one that the bot has with these rights.
pub(crate) fn roles(bot: u64) -> Value {
    let role = |id: u64, name: &str, permissions: u64| {
        json!({
            "id": id.to_string(), "name": name, "permissions": permissions.to_string(), "color": 0, "position": 0, "hoist": false,
            "colors": {"primary_color": 0, "secondary_color": null, "tertiary_color": null}, "managed": false,
            "mentionable": false, "icon": null, "unicode_emoji": null, "description": null, "flags": 0,
        })
    };
    json!([role(GUILD, "@everyone", 0), role(ROLE, "on call", bot)])
}

/// A member as they are asked for.
pub(crate) fn full_member(id: u64) -> Value {
    let mut member = member();
    member["user"] = user(id);
    if id == super::people::GUEST {
        member["roles"] = json!([]);
    }
    member["mute"] = json!(false);
    member["deaf"] = json!(false);
    member.as_object_mut().unwrap().remove("permissions");
    member
}

/// A channel of direct messages with somebody.
pub(crate) fn direct(person: u64) -> Value {
    json!({"id": super::DIRECT.to_string(), "type": 1, "flags": 0, "last_message_id": null, "recipients": [user(person)]})
}

pub(crate) fn application() -> Value {
    json!({
        "id": APPLICATION.to_string(), "name": "firstcheck", "icon": null, "description": "", "type": null,
        "verify_key": "00", "flags": 0, "flags_new": "0", "redirect_uris": [], "interactions_endpoint_url": null,
        "role_connections_verification_url": null, "owner": user(PERSON), "approximate_guild_count": 1,
        "approximate_user_install_count": 0, "approximate_user_authorization_count": 0, "explicit_content_filter": 0,
        "team": null, "eligible_oauth2_scopes": [],
    })
}

pub(crate) fn message(posted: &Posted) -> Value {
    let mut message = json!({
        "id": posted.id.to_string(), "channel_id": posted.channel.to_string(), "author": user(posted.author), "type": 0,
        "content": posted.content, "mentions": [], "attachments": attachments(posted), "embeds": [], "timestamp": TIME, "flags": 0,
        "mention_roles": posted.notified.iter().map(u64::to_string).collect::<Vec<_>>(), "pinned": false,
        "edited_timestamp": if posted.edits > 0 { json!(TIME) } else { Value::Null }, "mention_everyone": false,
        "tts": false, "components": numbered(&posted.components),
    });
    if let Some(nonce) = &posted.nonce {
        message["nonce"] = json!(nonce);
    }
    if let Some(to) = posted.replies_to {
        let channel = posted.channel.to_string();
        message["type"] = json!(19);
        message["message_reference"] = json!({"type": 0, "message_id": to.to_string(), "channel_id": channel, "guild_id": GUILD.to_string()});
    }
    message
}

fn attachments(posted: &Posted) -> Value {
    let attachment = |(place, file): (usize, &super::Attached)| {
        let url = format!("https://cdn.example.com/attachments/{}/{place}/{}", posted.channel, file.name);
        json!({
            "id": (posted.id + place as u64).to_string(), "filename": file.name, "size": file.size, "url": url, "proxy_url": url,
            "description": file.alt,
        })
    };
    posted.files.iter().enumerate().map(attachment).collect()
}

/// Components as Discord gives them back: each with a number of its own.
fn numbered(components: &Value) -> Value {
    fn number(component: &Value, next: &mut u32) -> Value {
        let mut component = component.clone();
        *next += 1;
        component["id"] = json!(*next);
        if let Some(inner) = component["components"].as_array() {
            component["components"] = inner.iter().map(|it| number(it, next)).collect();
        }
        component
    }
    let mut next = 0;
    components.as_array().into_iter().flatten().map(|it| number(it, &mut next)).collect()
}

pub(crate) fn channel(id: u64, needs_tag: bool) -> Value {
    let kind = match id {
        VOICE => 2,
        FORUM => 15,
        MEDIA => 16,
        _ => 0,
    };
    let mut channel = json!({
        "id": id.to_string(), "type": kind, "flags": 0, "guild_id": GUILD.to_string(), "name": format!("channel-{id}"), "position": 0,
        "permission_overwrites": [], "parent_id": null, "nsfw": false, "topic": null, "last_message_id": null,
        "rate_limit_per_user": 0,
    });
    if matches!(kind, 15 | 16) {
        channel["flags"] = json!(if needs_tag { 1 << 4 } else { 0 });
        let tag = |(id, name, moderated): &(&str, &str, bool)| json!({"id": id, "name": name, "moderated": moderated, "emoji_id": null, "emoji_name": null});
        channel["available_tags"] = TAGS.iter().map(tag).collect();
    }
    channel
}

pub(crate) fn gateway(url: &str, (remaining, reset_after): (u64, Duration)) -> Value {
    let limit = json!({
        "total": 1000, "remaining": remaining, "max_concurrency": 1,
        "reset_after": u64::try_from(reset_after.as_millis()).unwrap(),
    });
    json!({"url": url, "shards": 1, "session_start_limit": limit})
}

pub(crate) fn thread(id: u64, thread: &Thread) -> Value {
    json!({
        "id": id.to_string(), "type": 11, "flags": 0, "guild_id": GUILD.to_string(), "name": thread.name,
        "parent_id": thread.parent.to_string(), "owner_id": BOT.to_string(), "last_message_id": null,
        "thread_metadata": {
            "archived": thread.archived, "archive_timestamp": TIME, "auto_archive_duration": 4320, "locked": thread.locked,
            "create_timestamp": TIME,
        },
        "message_count": 0, "member_count": 1, "total_message_sent": 0, "rate_limit_per_user": 0,
        "applied_tags": thread.tags,
    })
}

/// A registered command: what was sent, and what Discord adds.
pub(crate) fn command(id: u64, sent: &Value) -> Value {
    let mut command = said(sent);
    command["id"] = json!(id.to_string());
    command["application_id"] = json!(APPLICATION.to_string());
    command["guild_id"] = json!(GUILD.to_string());
    command["version"] = json!(id.to_string());
    command["default_member_permissions"] = Value::Null;
    command["type"] = json!(1);
    command["nsfw"] = json!(false);
    command
}

/// What was sent, without what says nothing: Discord gives back neither nulls nor empty lists nor `false`.
fn said(sent: &Value) -> Value {
    match sent {
        Value::Object(fields) => {
            let nothing = |value: &Value| {
                value.is_null() || *value == json!(false) || *value == json!([]) || *value == json!({})
            };
            fields
                .iter()
                .filter(|(_, value)| !nothing(value))
                .map(|(name, value)| (name.clone(), said(value)))
                .collect()
        }
        Value::Array(items) => items.iter().map(said).collect(),
        other => other.clone(),
    }
}

pub(crate) fn interaction(
    id: u64,
    token: &str,
    kind: u8,
    channel: u64,
    data: &Value,
    message: Option<Value>,
) -> Value {
    let mut member = member();
    member["user"] = user(PERSON);
    member["guild_id"] = json!(GUILD.to_string());
    let mut interaction = json!({
        "id": id.to_string(), "application_id": APPLICATION.to_string(), "type": kind, "token": token, "version": 1,
        "guild_id": GUILD.to_string(), "channel_id": channel.to_string(), "member": member, "data": data,
        "app_permissions": "2147483647", "locale": "en-US", "guild_locale": "en-US", "entitlements": [],
        "authorizing_integration_owners": {"0": GUILD.to_string()}, "context": 0, "attachment_size_limit": 10_485_760,
    });
    if let Some(message) = message {
        interaction["message"] = message;
    }
    interaction
}

pub(crate) fn ready(gateway: &str, session: &str) -> Value {
    json!({
        "v": 10, "user": me(), "guilds": [{"id": GUILD.to_string(), "unavailable": true}], "session_id": session,
        "resume_gateway_url": gateway, "shard": [0, 1], "application": {"id": APPLICATION.to_string(), "flags": 0},
    })
}
