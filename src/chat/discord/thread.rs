//! Opening an incident's thread: in a text channel from its head, in a forum or media channel as a post; and once more, when
//! somebody has deleted it.
//!
//! A thread made from a message has that message's id, and there can be only one: that makes opening twice unharmed in a text
//! channel. A post has nothing of the kind, so before a second try the channel's threads are searched for the incident's name.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use serenity::all::{ChannelId, GuildId, MessageId, UserId};
use serenity::http::{LightMethod, Route};
use tokio::sync::oneshot;

use super::deliver::{self, Letter};
use super::wire::Failure;
use super::{Session, THREAD_EXISTS, UNKNOWN_MESSAGE, words};
use crate::chat::{ChatError, Inbound};
use crate::incident::{Incident, IncidentId};

/// An incident older than this may have a head that an earlier run posted and could not record: Discord forgets a nonce after
/// "a few minutes".
const NONCE_LIVES: Duration = Duration::from_mins(2);
/// Minutes without a message after which Discord puts a thread away.
const ARCHIVED_AFTER: u64 = 4320;
/// Pages of a hundred messages that are searched for a lost head.
const PAGES: usize = 10;
/// How long a channel's kind and tags are believed to be what they were.
const KNOWN: Duration = Duration::from_mins(10);
/// The flag of a forum whose posts need a tag (Discord's documentation, `resources/channel`).
const REQUIRE_TAG: u64 = 1 << 4;

/// Where an incident is on Discord's side: its thread, and its head, which stands in the channel or in the thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) thread: ChannelId,
    pub(super) head: (ChannelId, MessageId),
}

impl Spot {
    fn from_head(channel: ChannelId, head: MessageId) -> Self {
        Self { thread: ChannelId::new(head.get()), head: (channel, head) }
    }

    fn post(thread: ChannelId) -> Self {
        Self { thread, head: (thread, MessageId::new(thread.get())) }
    }
}

/// A channel, as far as opening threads goes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Known {
    #[serde(rename = "type")]
    kind: u8,
    #[serde(default)]
    flags: u64,
    guild_id: Option<GuildId>,
    pub(super) parent_id: Option<ChannelId>,
    #[serde(default)]
    available_tags: Vec<Tag>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Tag {
    id: String,
    name: String,
    #[serde(default)]
    moderated: bool,
}

impl Known {
    pub(super) fn is_forum(&self) -> bool {
        matches!(self.kind, 15 | 16)
    }
}

/// What is remembered between openings.
#[derive(Default)]
pub(super) struct Openings {
    channels: Mutex<HashMap<ChannelId, (Instant, Arc<Known>)>>,
    /// Incidents for which a post was begun and not ended.
    begun: Mutex<BTreeSet<IncidentId>>,
    /// One thread is opened again at a time: a thread that is gone is noticed in several places at once.
    again: tokio::sync::Mutex<()>,
}

/// Opens the incident's thread; its head comes back too.
pub(super) async fn open(session: &Session, incident: &Incident) -> Result<(Spot, String), ChatError> {
    open_after(session, incident, None).await
}

/// Opens a thread in the place of one that is gone, and tells the app.
pub(super) async fn reopen(
    session: &Arc<Session>,
    incident: &Incident,
    lost: ChannelId,
) -> Result<Spot, ChatError> {
    let _one_at_a_time = session.openings.again.lock().await;
    if let Some(spot) = session.board.spot_for(incident).filter(|spot| spot.thread != lost) {
        return Ok(spot);
    }
    tracing::warn!(incident.id = %incident.id, thread = %lost, "the thread is gone; it is opened again");
    let (spot, head) = open_after(session, incident, Some(lost)).await?;
    session.board.opened(incident, spot, head);
    let (respond, recorded) = oneshot::channel();
    let moved = Inbound::Moved { incident: incident.id.clone(), thread: spot.thread.to_string(), respond };
    // A bot that is stopping finds the new thread at its next start by the head's words.
    let is_told = session.inbound.send(moved).await.is_ok();
    if is_told && recorded.await.is_err() {
        tracing::debug!(incident.id = %incident.id, "the new thread is recorded at the next start");
    }
    Ok(spot)
}

async fn open_after(
    session: &Session,
    incident: &Incident,
    lost: Option<ChannelId>,
) -> Result<(Spot, String), ChatError> {
    let (place, _) = session.routing.place(incident);
    let channel = ChannelId::new(place.channel);
    let known = session.channel(channel).await?;
    let head =
        words::head_with(&session.templates, incident, place.on_call_role, session.config.console.as_ref())?;
    let spot = match known.kind {
        0 | 5 => from_head(session, incident, (channel, place.on_call_role), &head, lost).await?,
        15 | 16 => {
            as_post(session, incident, (channel, &known), (&place.tags, place.on_call_role), &head, lost)
                .await?
        }
        other => {
            return Err(ChatError::never(format!(
                "threads cannot be opened in channel {channel}, which is of type {other}; name a text, forum or media channel"
            )));
        }
    };
    Ok((spot, head))
}

async fn from_head(
    session: &Session,
    incident: &Incident,
    (channel, role): (ChannelId, Option<u64>),
    head: &str,
    lost: Option<ChannelId>,
) -> Result<Spot, ChatError> {
    let key = match lost {
        None => format!("head {}", incident.id),
        Some(lost) => format!("head {} after {lost}", incident.id),
    };
    let letter = |key| Letter { text: head, calls: deliver::role(role), key, ..Letter::default() };
    let found = match lost {
        None if is_fresh(incident) => None,
        _ => find_head(session, incident, channel).await?,
    };
    let starter = match found {
        Some(starter) => starter,
        None => session.post(channel, &letter(&key)).await?,
    };
    match thread_from(session, incident, channel, starter).await {
        Ok(()) => return Ok(Spot::from_head(channel, starter)),
        // The thread that is gone cannot be made from its head once more, and a head may have gone meanwhile.
        Err(failure) if failure.code == Some(THREAD_EXISTS) && !is_of(lost, starter) => {
            return Ok(Spot::from_head(channel, starter));
        }
        Err(failure) if matches!(failure.code, Some(THREAD_EXISTS | UNKNOWN_MESSAGE)) => {}
        Err(failure) => return Err(failure.into()),
    }
    let starter = session.post(channel, &letter(&format!("{key} and {starter}"))).await?;
    match thread_from(session, incident, channel, starter).await {
        Err(failure) if failure.code != Some(THREAD_EXISTS) => Err(failure.into()),
        Ok(()) | Err(_) => Ok(Spot::from_head(channel, starter)),
    }
}

fn is_of(lost: Option<ChannelId>, starter: MessageId) -> bool {
    lost.is_some_and(|lost| lost.get() == starter.get())
}

async fn thread_from(
    session: &Session,
    incident: &Incident,
    channel: ChannelId,
    starter: MessageId,
) -> Result<(), Failure> {
    let thread = json!({"name": words::thread_name(incident), "auto_archive_duration": ARCHIVED_AFTER});
    let route = Route::ChannelMessageThreads { channel_id: channel, message_id: starter };
    session.wire.tell(LightMethod::Post, route, &thread).await
}

async fn as_post(
    session: &Session,
    incident: &Incident,
    (channel, known): (ChannelId, &Known),
    (tags, role): (&[String], Option<u64>),
    head: &str,
    lost: Option<ChannelId>,
) -> Result<Spot, ChatError> {
    #[derive(Deserialize)]
    struct Opened {
        id: ChannelId,
    }
    let is_first = session.openings.begin(&incident.id) && is_fresh_since(incident, session.since);
    if (!is_first || lost.is_some())
        && let Some(thread) = find_post(session, incident, channel, known, lost).await?
    {
        session.openings.end(&incident.id);
        return Ok(Spot::post(thread));
    }
    let post = json!({
        "name": words::thread_name(incident),
        "auto_archive_duration": ARCHIVED_AFTER,
        "applied_tags": chosen(known, tags, channel)?,
        "message": {"content": head, "allowed_mentions": deliver::role(role)},
    });
    let opened: Result<Opened, Failure> = session
        .wire
        .send_json(LightMethod::Post, Route::ChannelForumPosts { channel_id: channel }, &post)
        .await;
    if opened.as_ref().is_err_and(|failure| failure.code.is_some()) {
        // Discord said no: nothing was opened, and its tags may have changed.
        session.openings.end(&incident.id);
        session.openings.forget(channel);
    }
    let opened = opened?;
    session.openings.end(&incident.id);
    Ok(Spot::post(opened.id))
}

/// The ids of the tags that a post gets: those that are named and exist, and any that people may use where one is needed.
fn chosen(known: &Known, named: &[String], channel: ChannelId) -> Result<Vec<String>, ChatError> {
    let found = |name: &String| {
        let tag =
            known.available_tags.iter().find(|tag| tag.id == *name || tag.name.eq_ignore_ascii_case(name));
        if tag.is_none() {
            tracing::warn!(tag = name, %channel, "the forum has no such tag");
        }
        tag.map(|tag| tag.id.clone())
    };
    let tags: Vec<String> = named.iter().filter_map(found).collect();
    if !tags.is_empty() || known.flags & REQUIRE_TAG == 0 {
        return Ok(tags);
    }
    let any = known.available_tags.iter().find(|tag| !tag.moderated).or(known.available_tags.first());
    any.map(|tag| vec![tag.id.clone()]).ok_or_else(|| {
        ChatError::never(format!("forum {channel} needs a tag and has none; make one, or do not require it"))
    })
}

/// The head that an earlier run posted for this incident and could not record.
async fn find_head(
    session: &Session,
    incident: &Incident,
    channel: ChannelId,
) -> Result<Option<MessageId>, ChatError> {
    #[derive(Deserialize)]
    struct Author {
        id: UserId,
    }
    #[derive(Deserialize)]
    struct Written {
        id: MessageId,
        author: Author,
        content: String,
    }
    let begun = incident.alerted_at.unwrap_or_default();
    let mut before: Option<MessageId> = None;
    for _ in 0..PAGES {
        let mut params = vec![("limit", "100".to_owned())];
        params.extend(before.map(|id| ("before", id.to_string())));
        let route = Route::ChannelMessages { channel_id: channel };
        let page: Vec<Written> = session.wire.get(route, &params).await?;
        let ours = |it: &&Written| it.author.id == session.bot && it.content.contains(incident.id.as_str());
        if let Some(found) = page.iter().find(ours) {
            return Ok(Some(found.id));
        }
        let Some(oldest) = page.iter().map(|it| it.id).min() else { break };
        if written_at(oldest) < begun {
            break;
        }
        before = Some(oldest);
    }
    Ok(None)
}

/// The post that an earlier try made for this incident, active or put away.
async fn find_post(
    session: &Session,
    incident: &Incident,
    channel: ChannelId,
    known: &Known,
    lost: Option<ChannelId>,
) -> Result<Option<ChannelId>, ChatError> {
    #[derive(Deserialize)]
    struct Thread {
        id: ChannelId,
        name: String,
        parent_id: Option<ChannelId>,
        owner_id: Option<UserId>,
    }
    #[derive(Deserialize)]
    struct Threads {
        threads: Vec<Thread>,
    }
    let ours = |thread: &&Thread| {
        thread.parent_id == Some(channel)
            && thread.owner_id == Some(session.bot)
            && thread.name.starts_with(incident.id.as_str())
            && Some(thread.id) != lost
    };
    if let Some(guild_id) = known.guild_id {
        let active: Threads = session.wire.get(Route::GuildThreadsActive { guild_id }, &[]).await?;
        if let Some(found) = active.threads.iter().find(ours) {
            return Ok(Some(found.id));
        }
    }
    let route = Route::ChannelArchivedPublicThreads { channel_id: channel };
    let away: Threads = session.wire.get(route, &[("limit", "100".to_owned())]).await?;
    Ok(away.threads.iter().find(ours).map(|thread| thread.id))
}

/// When a message was written: its id says so (Discord's documentation, `reference#snowflakes`).
pub(super) fn written_at(message: MessageId) -> Timestamp {
    let ms = i64::try_from(message.get() >> 22).unwrap_or_default() + 1_420_070_400_000;
    Timestamp::from_millisecond(ms).unwrap_or_default()
}

fn is_fresh(incident: &Incident) -> bool {
    let age = incident.alerted_at.map(|at| crate::clock::now().duration_since(at).unsigned_abs());
    age.is_none_or(|age| age < NONCE_LIVES)
}

/// Whether nobody can have opened a post before us: the incident began while we were here, a moment ago.
fn is_fresh_since(incident: &Incident, since: Timestamp) -> bool {
    is_fresh(incident) && incident.alerted_at.is_none_or(|at| at > since)
}

impl Openings {
    /// Notes that a post is being made; false when one was begun before.
    fn begin(&self, id: &IncidentId) -> bool {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone())
    }

    fn end(&self, id: &IncidentId) {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    fn forget(&self, channel: ChannelId) {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner).remove(&channel);
    }
}

impl Session {
    /// What a channel is; asked again after ten minutes.
    pub(super) async fn channel(&self, id: ChannelId) -> Result<Arc<Known>, Failure> {
        let cached = {
            let channels = self.openings.channels.lock().unwrap_or_else(PoisonError::into_inner);
            channels.get(&id).filter(|(at, _)| at.elapsed() < KNOWN).map(|(_, known)| Arc::clone(known))
        };
        if let Some(known) = cached {
            return Ok(known);
        }
        let known: Arc<Known> = Arc::new(self.wire.get(Route::Channel { channel_id: id }, &[]).await?);
        let mut channels = self.openings.channels.lock().unwrap_or_else(PoisonError::into_inner);
        channels.insert(id, (Instant::now(), Arc::clone(&known)));
        Ok(known)
    }

    /// What a thread is now: never remembered, since each is asked for once.
    pub(super) async fn thread(&self, id: ChannelId) -> Result<Known, Failure> {
        self.wire.get(Route::Channel { channel_id: id }, &[]).await
    }

    /// A message's words; `None` when it is gone.
    pub(super) async fn words_of(
        &self,
        (channel, message): (ChannelId, MessageId),
    ) -> Result<Option<String>, Failure> {
        let route = Route::ChannelMessage { channel_id: channel, message_id: message };
        match self.wire.get::<Value>(route, &[]).await {
            Ok(found) => Ok(found["content"].as_str().map(str::to_owned)),
            Err(failure) if failure.code == Some(UNKNOWN_MESSAGE) => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forum(flags: u64, tags: &[(&str, &str, bool)]) -> Known {
        let tag = |(id, name, moderated): &(&str, &str, bool)| Tag {
            id: (*id).into(),
            name: (*name).into(),
            moderated: *moderated,
        };
        Known {
            kind: 15,
            flags,
            guild_id: None,
            parent_id: None,
            available_tags: tags.iter().map(tag).collect(),
        }
    }

    #[track_caller]
    fn check(known: &Known, named: &[&str], expected: Result<&[&str], &str>) {
        let named: Vec<String> = named.iter().map(|it| (*it).to_owned()).collect();
        match (chosen(known, &named, ChannelId::new(1)), expected) {
            (Ok(tags), Ok(expected)) => assert_eq!(tags, expected),
            (Err(error), Err(words)) => assert!(error.reason.contains(words), "{error}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn tags_are_found_by_name_or_id_and_one_is_there_where_one_is_needed() {
        let tags = [("11", "Closed", true), ("12", "Incident", false), ("13", "P1", false)];
        check(&forum(0, &tags), &["incident", "13", "nowhere"], Ok(&["12", "13"]));
        check(&forum(0, &tags), &["nowhere"], Ok(&[]));
        check(&forum(REQUIRE_TAG, &tags), &["nowhere"], Ok(&["12"]));
        check(&forum(REQUIRE_TAG, &[]), &[], Err("needs a tag and has none"));
    }

    #[test]
    fn a_messages_id_says_when_it_was_written() {
        // The example of Discord's documentation.
        assert_eq!(
            written_at(MessageId::new(175_928_847_299_117_063)).to_string(),
            "2016-04-30T11:18:25.796Z"
        );
    }
}
