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

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serenity::all::{ApplicationId, ChannelId, CreateAllowedMentions, MessageId, UserId};
use serenity::http::Route as ApiRoute;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use url::Url;

use crate::chat::{ChatError, Inbound};
use crate::incident::Incident;
use crate::permission::Permissions;
use crate::routing::{Place, Route, Routing};
use crate::runbook::Question;
use crate::template::Templates;
use crate::triage::Note;

mod attachment;
mod board;
mod command;
mod components;
mod custom_id;
mod deliver;
mod examine;
mod gateway;
mod missed;
mod interaction;
mod pictures;
mod register;
mod said;
mod split;
mod thread;
mod wire;
mod words;

pub use examine::Seen;

use deliver::Letter;

/// Characters of a question's last message: who answered what still fits below.
const QUESTION: usize = split::MESSAGE - 400;
/// How long the gateway may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(3);
/// Discord's code for a channel or thread that is gone.
const UNKNOWN_CHANNEL: u32 = 10003;
/// Discord's code for a message that is gone.
const UNKNOWN_MESSAGE: u32 = 10008;
/// Discord's code for a permission that the bot lacks.
const MISSING_PERMISSION: u32 = 50013;
/// Discord's code for files that are larger than it takes.
const TOO_LARGE: u32 = 40005;
/// Discord's code for a thread that exists already.
const THREAD_EXISTS: u32 = 160_004;
/// Discord's code for a write into an archived thread.
const ARCHIVED: u32 = 50083;

/// What is needed to talk to Discord.
#[derive(Clone)]
pub struct Config {
    /// The bot's token.
    pub token: String,
    /// The server whose slash commands are registered and obeyed; without it the command is global.
    pub guild: Option<u64>,
    /// The text, forum or media channel in which threads are opened, where no route says another.
    pub channel: u64,
    /// The role that is mentioned when a thread opens, where no route says another.
    pub on_call_role: Option<u64>,
    /// Tags of a forum post, by name or id, where no route says others.
    pub tags: Vec<String>,
    /// Which incidents go elsewhere.
    pub routes: Vec<Route>,
    /// Where people reach the console, for links to it.
    pub console: Option<Url>,
    /// Who may do what.
    pub permissions: Permissions,
    /// Another place that speaks Discord's API (a proxy, a test), without `/api/v10`.
    pub api_url: Option<Url>,
    /// Another gateway; without it the API is asked.
    pub gateway_url: Option<Url>,
    /// Whether it is this process's turn to hold the gateway connection: one of several replicas does.
    pub turn: watch::Receiver<bool>,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            token: _,
            guild,
            channel,
            on_call_role,
            permissions,
            tags,
            routes,
            console,
            api_url,
            gateway_url,
            turn: _,
        } = self;
        f.debug_struct("Config")
            .field("guild", guild)
            .field("channel", channel)
            .field("on_call_role", on_call_role)
            .field("tags", tags)
            .field("routes", routes)
            .field("console", &console.as_ref().map(Url::as_str))
            .field("permissions", permissions)
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
    routing: Routing,
    templates: Arc<Templates>,
    wire: wire::Wire,
    openings: thread::Openings,
    /// When the bot came here: what began before may have been begun by another run.
    since: Timestamp,
    application: ApplicationId,
    bot: UserId,
    inbound: mpsc::Sender<Inbound>,
    board: board::Board,
    tally: Tally,
    /// Why the slash commands are not registered, where they are not.
    unregistered: Mutex<Option<ChatError>>,
    connected: watch::Sender<bool>,
    closing: watch::Sender<bool>,
    /// The connection must end until Discord allows more sessions.
    resting: watch::Sender<bool>,
}

/// What is counted of the gateway.
#[derive(Default)]
struct Tally {
    /// Events that serenity could not read.
    unread: AtomicU64,
    sessions: AtomicU64,
    resumed: AtomicU64,
}

impl Discord {
    /// Connects: learns who the bot is, registers the slash commands if they changed, and holds a gateway connection until
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
        let wire = wire::Wire::new(&config.token, config.api_url.as_ref())?;
        let me: Me = wire.get(ApiRoute::UserMe, &[]).await?;
        let application: Application = wire.get(ApiRoute::Oauth2ApplicationCurrent, &[]).await?;
        let routing = config.routing();
        for id in routing.channels() {
            let channel = ApiRoute::Channel { channel_id: ChannelId::new(id) };
            let seen: Result<Value, wire::Failure> = wire.get(channel, &[]).await;
            if let Err(wire::Failure { error: ChatError { reason, retry }, .. }) = seen {
                return Err(ChatError { reason: format!("channel {id}: {reason}"), retry });
            }
        }
        let gateway = match &config.gateway_url {
            Some(url) => url.clone(),
            None => gateway::Gateway::ask(&wire).await?.url,
        };
        let session = Arc::new(Session {
            config,
            routing,
            templates,
            wire,
            openings: thread::Openings::default(),
            since: crate::clock::now(),
            application: application.id,
            bot: me.id,
            inbound,
            board: board::Board::default(),
            tally: Tally::default(),
            unregistered: Mutex::default(),
            connected: watch::Sender::new(false),
            closing: watch::Sender::new(false),
            resting: watch::Sender::new(false),
        });
        register::register(&session).await;
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
        self.session.tally.unread.load(Ordering::Relaxed)
    }

    /// Counters since the start, for the metrics page: name, labels, count.
    #[must_use]
    pub fn counters(&self) -> Vec<(&'static str, String, u64)> {
        let Tally { unread, sessions, resumed } = &self.session.tally;
        let sessions = [("new", sessions), ("resumed", resumed)];
        let sessions = sessions
            .map(|(kind, count)| ("firstcheck_chat_sessions_total", format!("kind=\"{kind}\""), count));
        let unread = ("firstcheck_chat_unread_events_total", "chat=\"discord\"".to_owned(), unread);
        sessions
            .into_iter()
            .chain([unread])
            .map(|(name, labels, count)| (name, labels, count.load(Ordering::Relaxed)))
            .collect()
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

    pub(super) async fn interact(&self, body: &[u8]) -> Result<Vec<u8>, ChatError> {
        interaction::posted(&self.session, body).await
    }

    pub(super) async fn open_thread(&self, incident: &Incident) -> Result<String, ChatError> {
        if let Some(thread) = &incident.thread {
            return Ok(thread.clone());
        }
        let (spot, head) = thread::open(&self.session, incident).await?;
        self.session.board.opened(incident, spot, head);
        Ok(spot.thread.to_string())
    }

    pub(super) async fn ask(
        &self,
        incident: &Incident,
        question: &Question,
        because: &str,
        nonce: &str,
    ) -> Result<(), ChatError> {
        let session = &self.session;
        let text = words::question(&session.templates, question, because)?;
        let rows = components::answers(&incident.id, question);
        let parts = split::split(&text, QUESTION);
        let (last, before) =
            parts.split_last().ok_or_else(|| ChatError::never("a question without words"))?;
        for (place, part) in before.iter().enumerate() {
            let key = format!("{nonce} {place}");
            session.send(incident, || Letter { text: part, key: &key, ..Letter::default() }).await?;
        }
        let letter = || Letter { text: last, rows: rows.clone(), key: nonce, ..Letter::default() };
        let message = session.send(incident, letter).await?;
        session.board.posted(&incident.id, question.id, message, last.clone());
        board::show(session, incident);
        Ok(())
    }

    pub(super) async fn say(&self, incident: &Incident, note: &Note, nonce: &str) -> Result<(), ChatError> {
        let session = &self.session;
        let text = words::note(&session.templates, incident, note)?;
        let files = pictures::of(session, incident, note).await;
        let letter = || Letter {
            text: &text,
            files: files.clone(),
            calls: person_of(note),
            key: nonce,
            ..Letter::default()
        };
        session.send(incident, letter).await?;
        board::show(session, incident);
        Ok(())
    }

    pub(super) fn show(&self, incident: &Incident) {
        board::show(&self.session, incident);
    }
}

impl Session {
    /// Posts into the incident's thread, in as many parts as it takes; a thread that is gone is opened again.
    async fn send<'a>(
        self: &Arc<Self>,
        incident: &Incident,
        letter: impl Fn() -> Letter<'a>,
    ) -> Result<MessageId, ChatError> {
        let thread = self.thread_of(incident)?;
        match self.post_all(thread, letter()).await {
            Err(failure) if failure.code == Some(UNKNOWN_CHANNEL) => {
                let spot = thread::reopen(self, incident, thread).await?;
                Ok(self.post_all(spot.thread, letter()).await?)
            }
            other => Ok(other?),
        }
    }

    /// The incident's thread: the one that was opened last, which the incident may not know yet.
    fn thread_of(&self, incident: &Incident) -> Result<ChannelId, ChatError> {
        let recorded = thread_of(incident)?;
        Ok(self.board.spot_for(incident).map_or(recorded, |spot| spot.thread))
    }
}

impl Config {
    /// Where incidents go.
    fn routing(&self) -> Routing {
        let usual = Place { channel: self.channel, tags: self.tags.clone(), on_call_role: self.on_call_role };
        Routing { usual, routes: self.routes.clone() }
    }
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
    hexadecimal(&Sha256::digest(key.as_bytes())[..10])
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
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
            tags: Vec::new(),
            routes: Vec::new(),
            console: None,
            permissions: Permissions::default(),
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
