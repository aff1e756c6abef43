//! The gateway connection: serenity's client, its events handed on, and the events it could not read counted.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serenity::all::{
    Client, Context, Event, EventHandler, GatewayIntents, Interaction, Message, RawEventHandler, Ready,
};
use serenity::client::ClientBuilder;
use serenity::gateway::GatewayError;
use serenity::http::HttpBuilder;
use serenity::{Error, async_trait};
use tokio::sync::watch;
use url::Url;

use super::{Session, board, said};

/// Before the first try to come back after a connection was lost.
const PAUSE: Duration = Duration::from_secs(2);
/// Between two tries at most: three hundred a day.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// Receives every event that serenity could read.
struct Handler(Arc<Session>);

#[async_trait]
impl EventHandler for Handler {
    async fn ready(&self, _: Context, ready: Ready) {
        tracing::info!(bot = ready.user.name, session = ready.session_id, "Discord's gateway is connected");
        self.0.connected.send_replace(true);
        // A new session starts where the old one was lost, or nowhere: what was written meanwhile is read from the threads.
        board::catch_up(&self.0);
    }

    async fn interaction_create(&self, _: Context, interaction: Interaction) {
        match interaction {
            Interaction::Component(click) => said::clicked(&self.0, click).await,
            Interaction::Modal(form) => said::filled_in(&self.0, form).await,
            Interaction::Command(command) => said::commanded(&self.0, command).await,
            // Nothing of ours completes itself, and pings come over HTTP only.
            _ => {}
        }
    }

    async fn message(&self, _: Context, message: Message) {
        said::written(&self.0, message).await;
    }
}

#[async_trait]
impl RawEventHandler for Handler {
    async fn raw_event(&self, _: Context, event: Event) {
        // serenity logs these at DEBUG only; an interaction among them is a person who waits in vain.
        if let Event::Unknown(unknown) = event {
            let count = self.0.unread_events.fetch_add(1, Ordering::Relaxed) + 1;
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

/// Holds a connection while it is our turn and the session is open; true when it is over for good. One that is lost is made anew, with growing pauses: Discord allows a
/// thousand greetings a day. A refused token ends it for good; a refused intent costs the words in threads alone.
async fn hold(session: &Arc<Session>, gateway: &Url) -> bool {
    let mut closing = session.closing.subscribe();
    let mut turn = session.config.turn.clone();
    let mut words = true;
    let mut pause = PAUSE;
    while !*closing.borrow() {
        if !*turn.borrow() {
            tracing::info!("another replica holds Discord's gateway");
            return false;
        }
        let ended = match client(session, gateway, intents(words)).await {
            Ok(mut client) => {
                let shards = Arc::clone(&client.shard_manager);
                let ended = tokio::select! {
                    ended = client.start() => Some(ended),
                    () = closed(&mut closing) => None,
                    () = lost(&mut turn) => None,
                };
                let Some(ended) = ended else {
                    shards.shutdown_all().await;
                    continue;
                };
                ended
            }
            Err(error) => Err(error),
        };
        if session.connected.send_replace(false) {
            pause = PAUSE;
        }
        match ended {
            Err(Error::Gateway(GatewayError::DisallowedGatewayIntents)) if words => {
                tracing::warn!(
                    "the bot may not read words in threads (message content intent); clicks and commands still work"
                );
                words = false;
                continue;
            }
            Err(Error::Gateway(
                refused @ (GatewayError::InvalidAuthentication
                | GatewayError::InvalidGatewayIntents
                | GatewayError::DisallowedGatewayIntents),
            )) => {
                tracing::error!(error = %refused, "Discord's gateway refuses the bot; nobody can answer there until it is mended");
                return true;
            }
            Err(error) => tracing::warn!(%error, ?pause, "Discord's gateway cannot be reached; trying again"),
            Ok(()) => tracing::warn!(?pause, "Discord's gateway ended the connection; connecting again"),
        }
        // A pause that ends early ends because the session closes.
        let _ = tokio::time::timeout(pause, closed(&mut closing)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    true
}

/// Resolves when it is another replica's turn.
async fn lost(turn: &mut watch::Receiver<bool>) {
    // Where nobody else can have a turn, the sender is gone.
    if turn.wait_for(|ours| !*ours).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Resolves when the session closes.
async fn closed(closing: &mut watch::Receiver<bool>) {
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
