//! Discord as a chat: a thread per incident, questions as buttons and menus, answers by click or in words.
//!
//! Built on serenity, whose types stop in this module. Requests go through `wire`, which obeys Discord's limits and hands
//! long ones to the caller; events come over the gateway. Nothing that is said mentions anybody but the configured role,
//! and no text is cut without a word. The surprise: the head of an incident stands in the channel and is the message its
//! thread was opened from, so the thread's id is also the head's: opening twice cannot make two.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use serenity::all::{
    ApplicationId, AutoArchiveDuration, ChannelId, CreateActionRow, CreateAllowedMentions, CreateMessage,
    CreateThread, EditMessage, GuildId, MessageId, Nonce, RoleId, UserId,
};
use serenity::http::{LightMethod, Route};
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use url::Url;

use crate::chat::{ChatError, Inbound};
use crate::incident::Incident;
use crate::runbook::Question;
use crate::template::Templates;
use crate::triage::Note;

mod board;
mod command;
mod components;
mod custom_id;
mod gateway;
mod said;
mod split;
mod wire;
mod words;

/// An incident older than this may have a thread that an earlier run opened and could not record: Discord forgets a
/// nonce after "a few minutes".
const NONCE_LIVES: Duration = Duration::from_mins(2);
/// How long the gateway may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(3);
/// Discord's code for a thread that exists already.
const THREAD_EXISTS: u32 = 160_004;
/// Discord's code for a write into an archived thread.
const ARCHIVED: u32 = 50083;

/// What is needed to talk to Discord.
#[derive(Clone)]
pub struct Config {
    /// The bot's token.
    pub token: String,
    /// The server whose `/triage` command is registered and obeyed; without it the command is global.
    pub guild: Option<u64>,
    /// The text channel in which threads are opened.
    pub channel: u64,
    /// The role that is mentioned when a thread opens.
    pub on_call_role: Option<u64>,
    /// Another place that speaks Discord's API (a proxy, a test), without `/api/v10`.
    pub api_url: Option<Url>,
    /// Another gateway; without it the API is asked.
    pub gateway_url: Option<Url>,
    /// Whether it is this process's turn to hold the gateway connection: one of several replicas does.
    pub turn: watch::Receiver<bool>,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { token: _, guild, channel, on_call_role, api_url, gateway_url, turn: _ } = self;
        f.debug_struct("Config")
            .field("guild", guild)
            .field("channel", channel)
            .field("on_call_role", on_call_role)
            .field("api_url", &api_url.as_ref().map(Url::as_str))
            .field("gateway_url", &gateway_url.as_ref().map(Url::as_str))
            .finish_non_exhaustive()
    }
}

/// Discord as a chat. A cheap handle: clones speak through the same connection.
#[derive(Clone)]
pub struct Discord {
    session: Arc<Session>,
    holder: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl std::fmt::Debug for Discord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Discord").field("config", &self.session.config).finish_non_exhaustive()
    }
}

/// What everything in this module shares.
struct Session {
    config: Config,
    templates: Arc<Templates>,
    wire: wire::Wire,
    application: ApplicationId,
    bot: UserId,
    inbound: mpsc::Sender<Inbound>,
    board: board::Board,
    unread_events: AtomicU64,
    connected: watch::Sender<bool>,
    closing: watch::Sender<bool>,
}

/// The part of an answer that matters here.
#[derive(Deserialize)]
struct Posted {
    id: MessageId,
}

impl Discord {
    /// Connects: learns who the bot is, registers `/triage` if it changed, and holds a gateway connection until
    /// [`Self::close`].
    ///
    /// # Errors
    /// [`ChatError`] when the token is refused, the channel cannot be seen, or Discord cannot be reached.
    pub async fn connect(
        config: Config,
        templates: Arc<Templates>,
        inbound: mpsc::Sender<Inbound>,
    ) -> Result<Self, ChatError> {
        #[derive(Deserialize)]
        struct Application {
            id: ApplicationId,
        }
        #[derive(Deserialize)]
        struct Me {
            id: UserId,
        }
        #[derive(Deserialize)]
        struct Gateway {
            url: Url,
        }
        let wire = wire::Wire::new(&config.token, config.api_url.as_ref())?;
        let me: Me = wire.get(Route::UserMe, &[]).await?;
        let application: Application = wire.get(Route::Oauth2ApplicationCurrent, &[]).await?;
        let channel = Route::Channel { channel_id: ChannelId::new(config.channel) };
        let _: Value = wire.get(channel, &[]).await?;
        register(&wire, application.id, config.guild.map(GuildId::new)).await?;
        let gateway = match &config.gateway_url {
            Some(url) => url.clone(),
            None => wire.get::<Gateway>(Route::Gateway, &[]).await?.url,
        };
        let session = Arc::new(Session {
            config,
            templates,
            wire,
            application: application.id,
            bot: me.id,
            inbound,
            board: board::Board::default(),
            unread_events: AtomicU64::new(0),
            connected: watch::Sender::new(false),
            closing: watch::Sender::new(false),
        });
        let holder = tokio::spawn(gateway::hold_in_turn(Arc::clone(&session), gateway));
        Ok(Self { session, holder: Arc::new(Mutex::new(Some(holder))) })
    }

    /// Resolves when the gateway has greeted the bot.
    pub async fn connected(&self) {
        let mut connected = self.session.connected.subscribe();
        // The sender lives as long as the session does.
        let _ = connected.wait_for(|connected| *connected).await;
    }

    /// How many events Discord sent that serenity could not read; each may have been somebody's click.
    #[must_use]
    pub fn unread_events(&self) -> u64 {
        self.session.unread_events.load(Ordering::Relaxed)
    }

    /// Ends the gateway connection.
    pub async fn close(&self) {
        self.session.closing.send_replace(true);
        let holder = self.holder.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut holder) = holder
            && tokio::time::timeout(GOODBYE, &mut holder).await.is_err()
        {
            holder.abort();
        }
    }

    pub(super) async fn open_thread(&self, incident: &Incident) -> Result<String, ChatError> {
        if let Some(thread) = &incident.thread {
            return Ok(thread.clone());
        }
        let session = &self.session;
        let channel = ChannelId::new(session.config.channel);
        let head = words::head(&session.templates, incident, session.config.on_call_role)?;
        let starter = match session.find_starter(incident).await? {
            Some(starter) => starter,
            None => {
                session
                    .post(channel, &head, Vec::new(), &format!("head {}", incident.id), session.on_call())
                    .await?
            }
        };
        let thread = CreateThread::new(words::thread_name(incident))
            .auto_archive_duration(AutoArchiveDuration::ThreeDays);
        let route = Route::ChannelMessageThreads { channel_id: channel, message_id: starter };
        match session.wire.tell(LightMethod::Post, route, &thread).await {
            Err(failure) if failure.code != Some(THREAD_EXISTS) => return Err(failure.error),
            Ok(()) | Err(_) => {}
        }
        session.board.opened(incident, ChannelId::new(starter.get()), head);
        Ok(starter.to_string())
    }

    pub(super) async fn ask(
        &self,
        incident: &Incident,
        question: &Question,
        because: &str,
        nonce: &str,
    ) -> Result<(), ChatError> {
        let session = &self.session;
        let thread = thread_of(incident)?;
        let text = words::question(&session.templates, question, because)?;
        let rows = components::answers(&incident.id, question);
        let message = session.post(thread, &text, rows, nonce, nobody()).await?;
        session.board.posted(&incident.id, question.id, message, text);
        board::show(session, incident);
        Ok(())
    }

    pub(super) async fn say(&self, incident: &Incident, note: &Note, nonce: &str) -> Result<(), ChatError> {
        let session = &self.session;
        let thread = thread_of(incident)?;
        for (place, part) in words::note(&session.templates, incident, note)?.iter().enumerate() {
            let nonce = format!("{nonce} {place}");
            session.post(thread, part, Vec::new(), &nonce, person_of(note)).await?;
        }
        board::show(session, incident);
        Ok(())
    }

    pub(super) fn show(&self, incident: &Incident) {
        board::show(&self.session, incident);
    }
}

impl Session {
    /// Calls the configured role, where there is one.
    fn on_call(&self) -> CreateAllowedMentions {
        self.config.on_call_role.map_or_else(nobody, |role| nobody().roles([RoleId::new(role)]))
    }

    /// Posts a message. The same `key` twice, within Discord's memory of a few minutes, is once.
    async fn post(
        &self,
        channel: ChannelId,
        text: &str,
        rows: Vec<CreateActionRow>,
        key: &str,
        calls: CreateAllowedMentions,
    ) -> Result<MessageId, ChatError> {
        let message = CreateMessage::new()
            .content(text)
            .components(rows)
            .nonce(Nonce::String(nonce(key)))
            .enforce_nonce(true)
            .allowed_mentions(calls);
        let route = Route::ChannelMessages { channel_id: channel };
        let posted: Posted = self.wire.send_json(LightMethod::Post, route, &message).await?;
        Ok(posted.id)
    }

    /// Edits a message; a thread that was archived meanwhile is opened again.
    async fn edit(
        &self,
        channel: ChannelId,
        message: MessageId,
        text: &str,
        rows: Option<Vec<CreateActionRow>>,
    ) -> Result<(), ChatError> {
        // What was allowed when the message was posted does not count for its edits.
        let mut edit = EditMessage::new().content(text).allowed_mentions(nobody());
        if let Some(rows) = rows {
            edit = edit.components(rows);
        }
        let route = Route::ChannelMessage { channel_id: channel, message_id: message };
        match self.wire.tell(LightMethod::Patch, route, &edit).await {
            Err(failure) if failure.code == Some(ARCHIVED) => {
                let open = json!({"archived": false});
                self.wire.tell(LightMethod::Patch, Route::Channel { channel_id: channel }, &open).await?;
                Ok(self.wire.tell(LightMethod::Patch, route, &edit).await?)
            }
            other => Ok(other?),
        }
    }

    /// The head that an earlier run posted for this incident and could not record; looked for only when Discord may have
    /// forgotten the nonce.
    async fn find_starter(&self, incident: &Incident) -> Result<Option<MessageId>, ChatError> {
        #[derive(Deserialize)]
        struct Author {
            id: UserId,
        }
        #[derive(Deserialize)]
        struct Known {
            id: MessageId,
            author: Author,
            content: String,
        }
        let age = incident.alerted_at.map(|at| crate::clock::now().duration_since(at).unsigned_abs());
        if age.is_none_or(|age| age < NONCE_LIVES) {
            return Ok(None);
        }
        let route = Route::ChannelMessages { channel_id: ChannelId::new(self.config.channel) };
        let recent: Vec<Known> = self.wire.get(route, &[("limit", "100".to_owned())]).await?;
        let ours =
            |known: &&Known| known.author.id == self.bot && known.content.contains(incident.id.as_str());
        Ok(recent.iter().find(ours).map(|known| known.id))
    }
}

/// Registers the commands with one request, and only when Discord's copy differs: creations are counted per day.
async fn register(
    wire: &wire::Wire,
    application: ApplicationId,
    guild: Option<GuildId>,
) -> Result<(), ChatError> {
    let route = match guild {
        Some(guild_id) => Route::GuildCommands { application_id: application, guild_id },
        None => Route::Commands { application_id: application },
    };
    let wanted = [command::definition()];
    let registered: Vec<Value> = wire.get(route, &[]).await?;
    if !command::is_registered(&registered, &wanted) {
        wire.tell(LightMethod::Put, route, &wanted).await?;
        tracing::info!("the slash command /triage is registered");
    }
    Ok(())
}

fn thread_of(incident: &Incident) -> Result<ChannelId, ChatError> {
    let Some(thread) = &incident.thread else {
        return Err(ChatError::again("the incident has no thread yet", Duration::from_secs(1)));
    };
    match thread.parse() {
        Ok(id) if id != 0 => Ok(ChannelId::new(id)),
        _ => Err(ChatError::never(format!(
            "`{thread}` is no Discord thread; the chat was changed while the incident was open"
        ))),
    }
}

/// Twenty hexadecimal digits of the key's hash: Discord takes at most 25 characters.
fn nonce(key: &str) -> String {
    Sha256::digest(key.as_bytes()).iter().take(10).fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Mentions nobody, whatever the text says.
fn nobody() -> CreateAllowedMentions {
    CreateAllowedMentions::new()
}

/// Calls the one person a note hands something to, and nobody for every other note.
fn person_of(note: &Note) -> CreateAllowedMentions {
    let (Note::Assigned { to, .. } | Note::PassedOn { to, .. }) = note else { return nobody() };
    let id = to.mention.as_deref().and_then(|id| id.parse().ok()).filter(|id| *id != 0);
    id.map_or_else(nobody, |id| nobody().users([UserId::new(id)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_fits_and_is_the_same_for_the_same_key() {
        assert_eq!(nonce("a").len(), 20);
        assert_eq!(nonce("a"), nonce("a"));
        assert_ne!(nonce("a"), nonce("b"));
    }

    #[test]
    fn the_token_is_not_in_the_debug_form() {
        let config = Config {
            token: "secret".into(),
            guild: None,
            channel: 1,
            on_call_role: None,
            api_url: None,
            gateway_url: None,
            turn: watch::Sender::new(true).subscribe(),
        };
        assert!(!format!("{config:?}").contains("secret"));
    }

    #[test]
    fn a_thread_of_another_chat_is_refused_and_none_is_waited_for() {
        let mut incident = crate::chat::samples::incident();
        assert_ne!(thread_of(&incident).unwrap_err().retry, crate::incident::Retry::Never);
        incident.thread = Some("terminal".into());
        assert_eq!(thread_of(&incident).unwrap_err().retry, crate::incident::Retry::Never);
    }
}
