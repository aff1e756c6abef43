//! Channels and threads: what they are, how they are opened, put away, and found.

use serde_json::{Value, json};

use super::rest::{Answer, ok, refused, written};
use super::{CHANNEL, FORUM, GUILD, MEDIA, OTHER, Thread, VOICE, World, limits, shapes};

pub(super) fn is_forum(channel: u64) -> bool {
    matches!(channel, FORUM | MEDIA)
}

pub(super) fn exists(world: &World, channel: u64) -> bool {
    matches!(channel, CHANNEL | OTHER | FORUM | MEDIA | VOICE) || world.threads.contains_key(&channel)
}

pub(super) fn channel(world: &World, id: u64) -> Answer {
    match world.threads.get(&id) {
        Some(thread) => ok(shapes::thread(id, thread)),
        None if exists(world, id) => {
            let mut channel = shapes::channel(id, world.needs_tag);
            if let Some((_, denied)) = world.forbidden_in.filter(|(forbidden, _)| *forbidden == id) {
                let everyone =
                    json!({"id": GUILD.to_string(), "type": 0, "allow": "0", "deny": denied.to_string()});
                channel["permission_overwrites"] = json!([everyone]);
            }
            ok(channel)
        }
        None => refused(404, 10003, "Unknown Channel"),
    }
}

pub(super) fn open_again(world: &mut World, id: u64, body: &Value) -> Answer {
    let Some(thread) = world.threads.get_mut(&id) else { return refused(404, 10003, "Unknown Channel") };
    if thread.locked {
        return refused(403, 50013, "Missing Permissions");
    }
    thread.archived = body["archived"].as_bool().unwrap_or(thread.archived);
    ok(shapes::thread(id, thread))
}

/// A thread from a message: its id is the message's, and there is one.
pub(super) fn from_message(world: &mut World, (channel, message): (u64, u64), body: &Value) -> Answer {
    if world.messages.get(&message).is_none_or(|it| it.channel != channel) {
        return refused(404, 10008, "Unknown Message");
    }
    if world.threads.contains_key(&message) || world.had_threads.contains(&message) {
        return refused(400, 160_004, "A thread has already been created for this message");
    }
    match begun(world, channel, body) {
        Ok(thread) => opened(world, message, thread),
        Err(refusal) => refusal,
    }
}

/// A post in a forum or media channel: a thread and its first message at once, with the same id.
pub(super) fn post(world: &mut World, channel: u64, body: &Value) -> Answer {
    if !is_forum(channel) {
        return refused(400, 50024, "Cannot execute action on this channel type");
    }
    let tags: Vec<String> = body["applied_tags"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|it| it.as_str().map(str::to_owned))
        .collect();
    let known = |tag: &String| shapes::TAGS.iter().any(|(id, _, _)| id == tag);
    if tags.len() > 5 || !tags.iter().all(known) {
        return refused(400, 50035, "applied_tags: at most 5, each of this forum");
    }
    if tags.is_empty() && world.needs_tag {
        return refused(400, 40067, "A tag is required to create a forum post in this channel");
    }
    if let Some((code, wrong)) = limits::of_message(&body["message"], true) {
        return refused(400, code, &wrong);
    }
    let thread = match begun(world, channel, body) {
        Ok(thread) => Thread { tags, ..thread },
        Err(refusal) => return refusal,
    };
    let id = world.fresh_id();
    let posted = written(id, id, &body["message"]);
    world.messages.insert(id, posted);
    opened(world, id, thread)
}

fn begun(world: &World, parent: u64, body: &Value) -> Result<Thread, Answer> {
    let active = world.threads.values().filter(|thread| !thread.archived).count();
    if world.active_threads.is_some_and(|most| active >= most) {
        return Err(refused(400, 160_006, "Maximum number of active threads reached"));
    }
    let name = body["name"].as_str().unwrap_or_default().to_owned();
    if let Some(wrong) = limits::of_name(&name) {
        return Err(refused(400, 50035, &wrong));
    }
    Ok(Thread { name, parent, archived: false, locked: false, tags: Vec::new() })
}

fn opened(world: &mut World, id: u64, thread: Thread) -> Answer {
    let answer = shapes::thread(id, &thread);
    world.threads.insert(id, thread);
    world.had_threads.insert(id);
    (201, Some(answer))
}

pub(super) fn list(world: &World, wanted: impl Fn(&Thread) -> bool) -> Answer {
    let found = world.threads.iter().filter(|(_, thread)| wanted(thread));
    let threads: Vec<Value> = found.map(|(id, thread)| shapes::thread(*id, thread)).collect();
    ok(json!({"threads": threads, "members": [], "has_more": false}))
}

impl World {
    /// Somebody deletes a thread: its messages go with it, the one it was opened from stays in its channel.
    pub(crate) fn delete_thread(&mut self, id: u64) {
        self.threads.remove(&id).expect("a thread that is there");
        self.messages.retain(|_, message| message.channel != id);
    }
}
