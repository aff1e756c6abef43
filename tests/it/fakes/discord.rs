//! A Discord with memory on loopback: channels, messages, threads, commands and interactions behind REST routes, and a
//! gateway over WebSocket.
//!
//! It keeps the limits we know by heart and refuses what Discord would refuse, by the same codes. Given the official
//! description it also judges every request and each of its own answers by it. A test plays the people: it clicks, picks,
//! fills in, commands and writes, and waits for what the bot does. [`Discord::finish`] ends a story: nothing was complained
//! about, and every interaction was acknowledged in time.

#![expect(clippy::unwrap_used, reason = "a server that cannot be set up ends the story")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::{any, get};
use serde_json::{Value, json};
use tokio::sync::{Notify, broadcast, watch};
use url::Url;

use super::openapi::Description;
use firstcheck::chat::discord::Config;
use firstcheck::permission::Permissions;

// By path, so that `benches/chat.rs` can take this Discord in too.
#[path = "discord/form.rs"]
mod form;
#[path = "discord/gateway.rs"]
mod gateway;
#[path = "discord/limits.rs"]
mod limits;
#[path = "discord/people.rs"]
pub(crate) mod people;
#[path = "discord/rest.rs"]
mod rest;
#[path = "discord/shapes.rs"]
pub(crate) mod shapes;
#[path = "discord/threads.rs"]
mod threads;

pub(crate) const TOKEN: &str = "MTIz.test.token";
pub(crate) const GUILD: u64 = 900_000_000_000_000_001;
pub(crate) const CHANNEL: u64 = 900_000_000_000_000_002;
pub(crate) const FORUM: u64 = 900_000_000_000_000_007;
pub(crate) const MEDIA: u64 = 900_000_000_000_000_008;
pub(crate) const VOICE: u64 = 900_000_000_000_000_009;
pub(crate) const OTHER: u64 = 900_000_000_000_000_010;
pub(crate) const APPLICATION: u64 = 900_000_000_000_000_003;
pub(crate) const BOT: u64 = 900_000_000_000_000_004;
pub(crate) const PERSON: u64 = 900_000_000_000_000_005;
pub(crate) const ROLE: u64 = 900_000_000_000_000_006;

/// The channel of direct messages.
pub(crate) const DIRECT: u64 = 900_000_000_000_000_016;

/// Discord waits this long for the first answer to an interaction.
const INTERACTION_WAITS: Duration = Duration::from_secs(3);
/// How long a story waits for something before it fails; far above what anything takes, and serenity takes its time to
/// come back to a gateway that forgot it.
const STORY_WAITS: Duration = Duration::from_secs(45);

/// The local Discord.
#[derive(Clone)]
pub(crate) struct Discord {
    addr: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    world: Mutex<World>,
    changed: watch::Sender<u64>,
    happened: watch::Sender<u64>,
    orders: broadcast::Sender<gateway::Order>,
    description: Option<Description>,
}

/// Everything this Discord knows.
#[derive(Default, Debug)]
pub(crate) struct World {
    next_id: u64,
    pub(crate) messages: BTreeMap<u64, Posted>,
    pub(crate) threads: BTreeMap<u64, Thread>,
    /// Messages that a thread was once opened from.
    had_threads: BTreeSet<u64>,
    pub(crate) commands: Vec<Value>,
    /// Commands that were created today.
    pub(crate) created: usize,
    pub(crate) interactions: BTreeMap<u64, Interaction>,
    /// Every request, as `METHOD /path`.
    pub(crate) requests: Vec<String>,
    /// What the real Discord would not have taken.
    pub(crate) complaints: Vec<String>,
    /// The gateway.
    pub(crate) desk: gateway::Desk,
    /// Threads that may be active at once.
    pub(crate) active_threads: Option<usize>,
    /// The forum's posts need a tag.
    pub(crate) needs_tag: bool,
    /// Requests a window takes per route, and how long it is.
    window: Option<(usize, Duration)>,
    windows: BTreeMap<String, (Instant, usize)>,
    /// Requests answered with 429.
    pub(crate) limited: usize,
    /// Files that people pasted, by path.
    pastes: BTreeMap<String, String>,
    /// What the bot's role allows it.
    pub(crate) bot_rights: u64,
    /// A channel, and what everybody is forbidden there.
    pub(crate) forbidden_in: Option<(u64, u64)>,
    /// The application's flags: its privileged intents among them.
    pub(crate) flags: u64,
    /// Where the application wants its interactions.
    pub(crate) endpoint: Option<String>,
    /// People who take no direct messages.
    pub(crate) shy: bool,
    faults: Vec<(String, Fault)>,
    /// Every request is answered with 503.
    down: bool,
}

/// A message in a channel or thread.
#[derive(Debug, Clone)]
pub(crate) struct Posted {
    pub(crate) id: u64,
    pub(crate) channel: u64,
    pub(crate) author: u64,
    pub(crate) content: String,
    pub(crate) components: Value,
    pub(crate) nonce: Option<String>,
    /// The roles that were notified.
    pub(crate) notified: Vec<u64>,
    pub(crate) edits: usize,
    pub(crate) replies_to: Option<u64>,
    pub(crate) files: Vec<Attached>,
}

/// A file that came with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attached {
    pub(crate) name: String,
    pub(crate) alt: String,
    pub(crate) size: usize,
    /// The first bytes.
    pub(crate) begins: Vec<u8>,
}

/// A thread.
#[derive(Debug, Clone)]
pub(crate) struct Thread {
    pub(crate) name: String,
    pub(crate) parent: u64,
    pub(crate) archived: bool,
    pub(crate) locked: bool,
    pub(crate) tags: Vec<String>,
}

/// Something a person did that waits for the bot.
#[derive(Debug, Clone)]
pub(crate) struct Interaction {
    token: String,
    begun: Instant,
    /// Its one callback.
    pub(crate) callback: Option<Value>,
    /// How long that took.
    pub(crate) took: Option<Duration>,
    /// The answer as it was edited last.
    pub(crate) original: Option<Value>,
    /// Further messages to the person.
    pub(crate) followups: Vec<Value>,
    /// The files that came with any of them.
    pub(crate) files: Vec<Attached>,
}

/// What goes wrong, once.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// 429 with these seconds to wait.
    Limited { retry_after: f64, global: bool },
    /// 429 of a limit that has a code of its own.
    LimitedBy { code: u32, retry_after: f64 },
    /// 429 of what stands in front of Discord: the header alone, and a page in place of JSON.
    LimitedInFront { seconds: u64 },
    /// This status, before anything is done.
    Status(u16),
    /// This status, after everything is done: the answer is lost.
    DoneThen(u16),
    /// A refusal with Discord's code.
    Refusal { status: u16, code: u32 },
    /// Nothing is done or answered until this is notified.
    Held(Arc<Notify>),
}

impl Discord {
    /// A Discord that judges by what we know by heart alone.
    pub(crate) async fn start() -> Self {
        Self::launch(None).await
    }

    /// A Discord that judges by the official description too.
    pub(crate) async fn described() -> Self {
        Self::launch(Some(Description::load("discord.openapi.json"))).await
    }

    async fn launch(description: Option<Description>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            world: Mutex::new(World { bot_rights: shapes::ENOUGH, flags: 1 << 19, ..World::default() }),
            changed: watch::Sender::new(0),
            happened: watch::Sender::new(0),
            orders: broadcast::Sender::new(4),
            description,
        });
        let discord = Self { addr, inner };
        let router = Router::new()
            .route("/gateway", get(gateway::connect))
            .route("/attachments/{id}", get(rest::file))
            .fallback(any(rest::answer))
            .with_state(discord.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        discord
    }

    /// A configuration that leads here.
    pub(crate) fn config(&self) -> Config {
        Config {
            token: TOKEN.to_owned(),
            guild: Some(GUILD),
            channel: CHANNEL,
            on_call_role: Some(ROLE),
            tags: Vec::new(),
            routes: Vec::new(),
            console: None,
            permissions: Permissions::Usual { on_call: [ROLE].into() },
            api_url: Some(Url::parse(&format!("http://{}", self.addr)).unwrap()),
            gateway_url: None,
            turn: tokio::sync::watch::Sender::new(true).subscribe(),
        }
    }

    /// The next time a request whose `METHOD /path` contains this comes, this happens.
    pub(crate) fn fault(&self, request: &str, fault: Fault) {
        self.world().faults.push((request.to_owned(), fault));
    }

    /// The API answers 503 to everything from now on; the gateway stays.
    pub(crate) fn go_down(&self) {
        self.world().down = true;
    }

    /// The API is back.
    pub(crate) fn come_back(&self) {
        self.world().down = false;
    }

    /// Every route takes so many requests in so much time from now on, says so in its headers, and answers 429 to more.
    pub(crate) fn limit_routes(&self, requests: usize, window: Duration) {
        self.world().window = Some((requests, window));
    }

    /// Ends every gateway connection with this close code; sessions can be resumed.
    pub(crate) fn hang_up(&self, code: u16) {
        self.order(gateway::Order::Close(Some(code)));
    }

    /// Cuts every gateway connection without a close frame.
    pub(crate) fn cut(&self) {
        self.order(gateway::Order::Close(None));
    }

    /// Asks every connection to come again (op 7).
    pub(crate) fn ask_to_reconnect(&self) {
        self.order(gateway::Order::Reconnect);
    }

    /// Says that every session is invalid (op 9).
    pub(crate) fn invalidate(&self, may_resume: bool) {
        self.order(gateway::Order::Invalid(may_resume));
    }

    /// Forgets every session: nobody can resume.
    pub(crate) fn forget_sessions(&self) {
        self.world().desk.forget();
    }

    fn order(&self, order: gateway::Order) {
        // Nobody connected is nobody to be told.
        let _ = self.inner.orders.send(order);
    }

    /// Somebody clicks the component with this custom id on this message (values: what was picked from a menu).
    pub(crate) fn click(&self, message: &Posted, custom_id: &str, values: &[&str]) -> u64 {
        let kind = if values.is_empty() { 2 } else { 3 };
        let data = json!({"custom_id": custom_id, "component_type": kind, "values": values});
        self.interact(3, message.channel, &data, Some(shapes::message(message)))
    }

    /// Somebody sends the form with this custom id.
    pub(crate) fn fill_in(&self, channel: u64, custom_id: &str, words: &str) -> u64 {
        let field = json!({"type": 4, "custom_id": "words", "value": words});
        let data = json!({"custom_id": custom_id, "components": [{"type": 1, "components": [field]}]});
        self.interact(5, channel, &data, None)
    }

    /// Somebody types `/triage …` with these options.
    pub(crate) fn command(&self, channel: u64, options: &Value) -> u64 {
        let data = json!({"id": "900000000000000077", "name": "triage", "type": 1, "options": options});
        self.interact(2, channel, &data, None)
    }

    /// A new interaction that nobody has acknowledged: its id and its token.
    fn begin_interaction(&self) -> (u64, String) {
        let mut world = self.world();
        let id = world.fresh_id();
        let token = format!("interaction-token-{id}");
        let interaction = Interaction {
            token: token.clone(),
            begun: Instant::now(),
            callback: None,
            took: None,
            original: None,
            followups: Vec::new(),
            files: Vec::new(),
        };
        world.interactions.insert(id, interaction);
        (id, token)
    }

    fn interact(&self, kind: u8, channel: u64, data: &Value, message: Option<Value>) -> u64 {
        let (id, token) = self.begin_interaction();
        self.dispatch("INTERACTION_CREATE", &shapes::interaction(id, &token, kind, channel, data, message));
        id
    }

    /// Somebody writes into a channel.
    pub(crate) fn write(&self, channel: u64, content: &str, replies_to: Option<u64>) -> u64 {
        let posted = {
            let mut world = self.world();
            let posted = Posted::by(PERSON, world.fresh_id(), channel, content, replies_to);
            world.messages.insert(posted.id, posted.clone());
            posted
        };
        let mut event = shapes::message(&posted);
        event["guild_id"] = json!(GUILD.to_string());
        event["member"] = shapes::member();
        self.dispatch("MESSAGE_CREATE", &event);
        posted.id
    }

    /// An event as it comes over the gateway.
    pub(crate) fn dispatch(&self, kind: &str, data: &Value) {
        self.world().desk.dispatch(kind, data);
        self.inner.happened.send_modify(|count| *count += 1);
    }

    /// Waits until the world is as the story wants it; fails with the whole world when it does not become so.
    pub(crate) async fn until<T>(&self, what: &str, look: impl Fn(&World) -> Option<T>) -> T {
        let mut changed = self.inner.changed.subscribe();
        let deadline = tokio::time::Instant::now() + STORY_WAITS;
        loop {
            changed.borrow_and_update();
            if let Some(found) = look(&self.world()) {
                return found;
            }
            let came = tokio::time::timeout_at(deadline, changed.changed()).await.is_ok();
            assert!(came, "{what}: not in {STORY_WAITS:?}; the world is {:#?}", self.world());
        }
    }

    /// Waits for a message of the bot's in this channel that contains these words.
    pub(crate) async fn message_with(&self, channel: u64, words: &str) -> Posted {
        self.until(words, |world| {
            let mut said = world.messages.values().filter(|it| it.channel == channel && it.author == BOT);
            said.find(|it| it.content.contains(words)).cloned()
        })
        .await
    }

    /// Waits for what a person is told about something they did.
    pub(crate) async fn told(&self, interaction: u64) -> String {
        self.until("an answer to an interaction", |world| {
            let interaction = &world.interactions[&interaction];
            let told = interaction.followups.last().or(interaction.original.as_ref())?;
            Some(told["content"].as_str()?.to_owned())
        })
        .await
    }

    /// The end of a story.
    pub(crate) fn finish(&self) {
        let world = self.world();
        assert!(world.complaints.is_empty(), "{}", world.complaints.join("\n\n"));
        for (id, interaction) in &world.interactions {
            assert!(interaction.callback.is_some(), "interaction {id} was never acknowledged");
        }
        assert!(world.faults.is_empty(), "faults that never came: {:?}", world.faults);
    }

    /// What is known now.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.inner.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_change(&self) {
        self.inner.changed.send_modify(|changes| *changes += 1);
    }
}

impl Posted {
    /// What a person writes.
    fn by(author: u64, id: u64, channel: u64, content: &str, replies_to: Option<u64>) -> Self {
        Self {
            id,
            channel,
            author,
            content: content.to_owned(),
            components: json!([]),
            nonce: None,
            notified: Vec::new(),
            edits: 0,
            replies_to,
            files: Vec::new(),
        }
    }
}

impl World {
    /// Ids say when they were made, as Discord's do.
    fn fresh_id(&mut self) -> u64 {
        let now = u64::try_from(firstcheck::clock::now().as_millisecond()).unwrap() - 1_420_070_400_000;
        self.next_id = (self.next_id + 1).max(now << 22);
        self.next_id
    }

    fn take_fault(&mut self, request: &str) -> Option<Fault> {
        let place = self.faults.iter().position(|(wanted, _)| request.contains(wanted.as_str()))?;
        Some(self.faults.remove(place).1)
    }

    /// The interaction with this token, or Discord's refusal of it.
    fn interaction_of(&mut self, token: &str) -> Option<&mut Interaction> {
        self.interactions.values_mut().find(|interaction| interaction.token == token)
    }
}
