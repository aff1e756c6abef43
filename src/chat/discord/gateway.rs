//! The gateway connection: serenity's client, its events handed on, and the events it could not read counted.
//!
//! serenity resumes a session by itself and greets anew when it cannot; here every new session is followed by reading the
//! threads, and greetings are counted against Discord's limit: the thousand and first of a day costs the bot its token.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Deserialize;
use serenity::all::{
    Client, ConnectionStage, Context, Event, EventHandler, GatewayIntents, Interaction, Message,
    RawEventHandler, Ready, ResumedEvent, ShardStageUpdateEvent,
};
use serenity::client::ClientBuilder;
use serenity::gateway::GatewayError;
use serenity::http::{HttpBuilder, Route};
use serenity::{Error, async_trait};
use tokio::sync::watch;
use url::Url;

use super::{Session, board, interaction, said};
use crate::chat::ChatError;

/// Before the first try to come back after a connection was lost.
const PAUSE: Duration = Duration::from_secs(2);
/// Between two tries at most: three hundred a day.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// Greetings that are left for people who start the bot by hand, of the thousand a day.
const SPARED: u64 = 50;

/// What `GET /gateway/bot` says.
#[derive(Debug, Deserialize)]
pub(super) struct Gateway {
    pub(super) url: Url,
    session_start_limit: Greetings,
}

/// How often the bot may still greet.
#[derive(Debug, Deserialize)]
struct Greetings {
    remaining: u64,
    /// Milliseconds.
    reset_after: u64,
}

impl Gateway {
    /// Asks Discord.
    pub(super) async fn ask(session: &super::wire::Wire) -> Result<Self, ChatError> {
        Ok(session.get(Route::GatewayBot, &[]).await?)
    }

    /// How long no session may be begun.
    fn rest(&self) -> Option<Duration> {
        let limit = &self.session_start_limit;
        (limit.remaining <= SPARED).then(|| Duration::from_millis(limit.reset_after))
    }
}

/// Receives every event that serenity could read.
struct Handler(Arc<Session>);

#[async_trait]
impl EventHandler for Handler {
    async fn ready(&self, _: Context, ready: Ready) {
        tracing::info!(bot = ready.user.name, session = ready.session_id, "Discord's gateway is connected");
        self.0.tally.sessions.fetch_add(1, Ordering::Relaxed);
        self.0.connected.send_replace(true);
        // A new session starts where the old one was lost, or nowhere: what was written meanwhile is read from the threads.
        board::catch_up(&self.0);
        // serenity greets anew without asking anybody: whether that went too far is asked here.
        if let Ok(gateway) = Gateway::ask(&self.0.wire).await
            && gateway.rest().is_some()
        {
            tracing::warn!("Discord allows hardly any more sessions today; the connection rests");
            self.0.resting.send_replace(true);
        }
    }

    async fn resume(&self, _: Context, _: ResumedEvent) {
        tracing::info!("Discord's gateway went on where it was");
        self.0.tally.resumed.fetch_add(1, Ordering::Relaxed);
        self.0.connected.send_replace(true);
    }

    async fn shard_stage_update(&self, _: Context, stage: ShardStageUpdateEvent) {
        if stage.old == ConnectionStage::Connected {
            self.0.connected.send_replace(false);
        }
    }

    async fn interaction_create(&self, _: Context, interaction: Interaction) {
        interaction::came(&self.0, interaction).await;
    }

    async fn message(&self, _: Context, message: Message) {
        // A session that is resumed may bring a message twice, and reading the thread may have brought it before.
        if !message.author.bot && self.0.board.is_new(message.channel_id, message.id) {
            said::written(&self.0, message).await;
        }
    }
}

#[async_trait]
impl RawEventHandler for Handler {
    async fn raw_event(&self, _: Context, event: Event) {
        // serenity logs these at DEBUG only; an interaction among them is a person who waits in vain.
        if let Event::Unknown(unknown) = event {
            let count = self.0.tally.unread.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::warn!(event = unknown.kind, count, "Discord sent an event that serenity cannot read");
        }
    }
}

/// What is listened to: clicks and commands need no privileged intent, reading words in threads needs one.
fn intents(words: bool) -> GatewayIntents {
    let clicks = GatewayIntents::GUILDS | GatewayIntents::GUILD_MESSAGES;
    if words { clicks | GatewayIntents::MESSAGE_CONTENT } else { clicks }
}

/// Holds a connection whenever it is this process's turn, until the session closes or Discord refuses the bot.
pub(super) async fn hold_in_turn(session: Arc<Session>, gateway: Url) {
    let mut turn = session.config.turn.clone();
    let mut closing = session.closing.subscribe();
    loop {
        let ours = tokio::select! {
            ours = turn.wait_for(|ours| *ours) => ours.is_ok(),
            () = closed(&mut closing) => false,
        };
        if !ours || hold(&session, &gateway).await {
            return;
        }
        session.connected.send_replace(false);
    }
}

/// Why a connection ended.
enum Ended {
    /// The session closes, or it is another replica's turn.
    Told,
    /// No more sessions may be begun today.
    Resting,
    /// Discord or the network ended it.
    By(serenity::Result<()>),
}

/// Holds a connection while it is our turn and the session is open; true when it is over for good. One that is lost is made anew, with growing pauses: Discord allows a
/// thousand greetings a day. A refused token ends it for good; a refused intent costs the words in threads alone.
async fn hold(session: &Arc<Session>, gateway: &Url) -> bool {
    let mut closing = session.closing.subscribe();
    let turn = session.config.turn.clone();
    let mut words = true;
    let mut pause = PAUSE;
    while !*closing.borrow() {
        if !*turn.borrow() {
            tracing::info!("another replica holds Discord's gateway");
            return false;
        }
        if let Some(rest) = Gateway::ask(&session.wire).await.ok().and_then(|gateway| gateway.rest()) {
            tracing::error!(
                ?rest,
                "Discord allows no more sessions of this bot for now; clicks are not heard until then"
            );
            // A pause that ends early ends because the session closes.
            let _ = tokio::time::timeout(rest, closed(&mut closing)).await;
            continue;
        }
        let ended = connection(session, gateway, words).await;
        if session.connected.send_replace(false) {
            pause = PAUSE;
        }
        match ended {
            Ended::Told | Ended::Resting => continue,
            Ended::By(Err(Error::Gateway(GatewayError::DisallowedGatewayIntents))) if words => {
                tracing::warn!(
                    "the bot may not read words in threads (message content intent); clicks and commands still work"
                );
                words = false;
                continue;
            }
            Ended::By(Err(Error::Gateway(
                refused @ (GatewayError::InvalidAuthentication
                | GatewayError::InvalidShardData
                | GatewayError::OverloadedShard
                | GatewayError::InvalidGatewayIntents
                | GatewayError::DisallowedGatewayIntents),
            ))) => {
                tracing::error!(error = %refused, "Discord's gateway refuses the bot; nobody can answer there until it is mended");
                return true;
            }
            Ended::By(Err(error)) => {
                tracing::warn!(%error, ?pause, "Discord's gateway cannot be reached; trying again");
            }
            Ended::By(Ok(())) => {
                tracing::warn!(?pause, "Discord's gateway ended the connection; connecting again");
            }
        }
        let _ = tokio::time::timeout(pause, closed(&mut closing)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    true
}

/// One connection, from its beginning to its end.
async fn connection(session: &Arc<Session>, gateway: &Url, words: bool) -> Ended {
    let mut closing = session.closing.subscribe();
    let mut turn = session.config.turn.clone();
    let mut resting = session.resting.subscribe();
    session.resting.send_replace(false);
    let mut client = match client(session, gateway, intents(words)).await {
        Ok(client) => client,
        Err(error) => return Ended::By(Err(error)),
    };
    let shards = Arc::clone(&client.shard_manager);
    let ended = tokio::select! {
        ended = client.start() => return Ended::By(ended),
        () = closed(&mut closing) => Ended::Told,
        () = lost(&mut turn) => Ended::Told,
        _ = resting.wait_for(|resting| *resting) => Ended::Resting,
    };
    shards.shutdown_all().await;
    ended
}

/// Resolves when it is another replica's turn.
async fn lost(turn: &mut watch::Receiver<bool>) {
    // Where nobody else can have a turn, the sender is gone.
    if turn.wait_for(|ours| !*ours).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Resolves when the session closes.
pub(super) async fn closed(closing: &mut watch::Receiver<bool>) {
    // The sender lives in the session, which the caller holds.
    let _ = closing.wait_for(|closing| *closing).await;
}

/// A client for this session, with the gateway at this address.
async fn client(session: &Arc<Session>, gateway: &Url, intents: GatewayIntents) -> serenity::Result<Client> {
    let mut http = HttpBuilder::new(&session.config.token).application_id(session.application);
    if let Some(proxy) = &session.config.api_url {
        http = http.proxy(proxy.as_str().trim_end_matches('/')).ratelimiter_disabled(true);
    }
    let client = ClientBuilder::new_with_http(http.build(), intents)
        .event_handler(Handler(Arc::clone(session)))
        .raw_event_handler(Handler(Arc::clone(session)))
        .await?;
    // serenity falls back to the public address in silence when it cannot ask for one.
    gateway.as_str().trim_end_matches('/').clone_into(&mut *client.ws_url.lock().await);
    Ok(client)
}
