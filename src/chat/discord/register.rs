//! The slash commands at Discord: registered when they differ, and again later when Discord takes none for now.
//!
//! One request registers all of them, and only when Discord's copy differs: two hundred creations a day are allowed.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::Value;
use serenity::all::{ApplicationId, GuildId};
use serenity::http::{LightMethod, Route};

use super::gateway::closed;
use super::{Session, command};
use crate::chat::ChatError;
use crate::incident::Retry;

/// Between two tries at least, however soon Discord wants the next.
const PAUSE: Duration = Duration::from_millis(100);

/// Where the commands are registered.
fn commands_of(application: ApplicationId, guild: Option<GuildId>) -> Route<'static> {
    match guild {
        Some(guild_id) => Route::GuildCommands { application_id: application, guild_id },
        None => Route::Commands { application_id: application },
    }
}

/// Registers the commands, and goes on trying while Discord says that it may work later. Without its commands the bot still opens
/// threads, asks, and is answered.
pub(super) async fn register(session: &Arc<Session>) {
    let Some(wait) = attempt(session).await else { return };
    let session = Arc::clone(session);
    tokio::spawn(async move {
        let mut closing = session.closing.subscribe();
        let mut next = Some(wait);
        while let Some(wait) = next {
            if tokio::time::timeout(wait.max(PAUSE), closed(&mut closing)).await.is_ok() {
                return;
            }
            next = attempt(&session).await;
        }
    });
}

/// Tries once; how long to wait for the next try, where that may help.
async fn attempt(session: &Session) -> Option<Duration> {
    let tried = session.register().await;
    if let Err(error) = &tried {
        tracing::warn!(reason = error.reason, "the slash commands could not be registered");
    }
    let wait = match &tried {
        Err(ChatError { retry: Retry::After(wait), .. }) => Some(*wait),
        _ => None,
    };
    *session.unregistered.lock().unwrap_or_else(PoisonError::into_inner) = tried.err();
    wait
}

impl Session {
    async fn register(&self) -> Result<(), ChatError> {
        let wanted = command::definitions();
        if !command::is_registered(&self.registered().await?, &wanted) {
            let route = commands_of(self.application, self.config.guild.map(GuildId::new));
            self.wire.tell(LightMethod::Put, route, &wanted).await?;
            tracing::info!(commands = wanted.len(), "the slash commands are registered");
        }
        Ok(())
    }

    /// The commands as Discord has them.
    pub(super) async fn registered(&self) -> Result<Vec<Value>, ChatError> {
        let route = commands_of(self.application, self.config.guild.map(GuildId::new));
        // Without them Discord's copy says nothing in other languages, and would always differ.
        Ok(self.wire.get(route, &[("with_localizations", "true".to_owned())]).await?)
    }
}
