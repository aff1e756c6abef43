//! What of Discord's side is set up, and what is missing: rights in the channel, intents, commands, the door for interactions.
//!
//! Every channel that a route leads to is looked at, with the roles called there. Nothing is posted.

use std::sync::PoisonError;

use serde::Deserialize;
use serenity::all::{ApplicationId, Permissions as Rights};
use serenity::http::Route;

use super::{Discord, Session, command};
use crate::incident::Retry;

mod place;

use place::NEEDED;

/// `GATEWAY_MESSAGE_CONTENT` and its form for small bots (Discord's documentation, resources/application).
const MESSAGE_CONTENT: u64 = (1 << 18) | (1 << 19);

/// What to do about commands that Discord takes later.
const LATER: &str = "nothing: a running bot tries again by itself, and works without them meanwhile";

/// How something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It works; says what was seen.
    Works(String),
    /// It works without; says what is lost by that, and what to do.
    Lacks(String, String),
    /// It does not work; says why, and what to do.
    Broken(String, String),
}

#[derive(Deserialize)]
struct Application {
    #[serde(default)]
    flags: u64,
    verify_key: String,
    interactions_endpoint_url: Option<String>,
}

impl Discord {
    /// Looks at everything that must be set up on Discord's side, by trying it. `public_key` is the configured one.
    pub async fn examine(&self, public_key: Option<&[u8; 32]>) -> Vec<Seen> {
        let session = &self.session;
        let mut seen = session.places().await;
        seen.push(session.commands().await);
        match session.wire.get::<Application>(Route::Oauth2ApplicationCurrent, &[]).await {
            Ok(application) => {
                seen.push(intents(application.flags));
                seen.extend(door(&application, public_key));
            }
            Err(failure) => seen.push(Seen::Broken(
                format!("the application cannot be looked at: {}", failure.error),
                "check the token".to_owned(),
            )),
        }
        seen
    }
}

impl Session {
    async fn commands(&self) -> Seen {
        let guild = self.config.guild;
        let scope = guild.map_or_else(|| "everywhere".to_owned(), |guild| format!("in the server {guild}"));
        let remedy = invitation(self.application);
        match self.registered().await {
            Ok(known) if command::is_registered(&known, &command::definitions()) => {
                Seen::Works(format!("/triage, /incident, /check and /runbook are registered {scope}"))
            }
            Ok(_) => {
                let why = self.unregistered.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let is_later = why.as_ref().is_some_and(|why| why.retry != Retry::Never);
                let why = why.map(|why| format!(": {why}")).unwrap_or_default();
                let says = format!("the slash commands are not registered {scope}{why}");
                Seen::Broken(says, if is_later { LATER.to_owned() } else { remedy })
            }
            Err(error) => Seen::Broken(format!("the slash commands cannot be read {scope}: {error}"), remedy),
        }
    }
}

/// Where somebody who manages the server lets the bot in with what it needs.
fn invitation(application: ApplicationId) -> String {
    let rights = NEEDED.iter().fold(Rights::empty(), |all, (right, _)| all | *right).bits();
    format!(
        "invite the bot with its commands: https://discord.com/oauth2/authorize?client_id={application}&scope=bot%20applications.commands&permissions={rights}"
    )
}

fn intents(flags: u64) -> Seen {
    if flags & MESSAGE_CONTENT != 0 {
        return Seen::Works(
            "the message content intent is granted: plain replies in a thread are understood".to_owned(),
        );
    }
    Seen::Lacks(
        "the message content intent is not granted: plain replies in a thread cannot be read; buttons, forms and mentions of the bot \
         work"
            .to_owned(),
        "turn on Message Content Intent: Developer Portal, Bot, Privileged Gateway Intents".to_owned(),
    )
}

/// The door for interactions over HTTP, as both sides have it.
fn door(application: &Application, public_key: Option<&[u8; 32]>) -> Option<Seen> {
    let ours = public_key.map(|key| super::hexadecimal(key));
    let url = application.interactions_endpoint_url.as_deref();
    match (ours, url) {
        (Some(ours), _) if !ours.eq_ignore_ascii_case(&application.verify_key) => Some(Seen::Broken(
            "`public_key` is not this application's: every interaction over HTTP would be refused".to_owned(),
            format!("write `public_key: {}`", application.verify_key),
        )),
        (Some(_), Some(url)) => Some(Seen::Works(format!("interactions come over HTTP, to {url}"))),
        (Some(_), None) => Some(Seen::Works(
            "interactions come over the gateway; the door for HTTP is open, and Discord is told of none"
                .to_owned(),
        )),
        (None, Some(url)) => Some(Seen::Broken(
            format!(
                "Discord sends clicks and commands to {url} and not over the gateway, and they are not taken there"
            ),
            format!(
                "write `public_key: {}`, or empty Interactions Endpoint URL in the Developer Portal",
                application.verify_key
            ),
        )),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_that_does_not_fit_its_key_is_told() {
        let application = |url: Option<&str>| Application {
            flags: 0,
            verify_key: "00".repeat(32),
            interactions_endpoint_url: url.map(str::to_owned),
        };
        assert_eq!(door(&application(None), None), None);
        assert!(matches!(door(&application(Some("https://bot.example")), None), Some(Seen::Broken(..))));
        assert!(matches!(door(&application(None), Some(&[1; 32])), Some(Seen::Broken(..))));
        assert!(matches!(
            door(&application(Some("https://bot.example")), Some(&[0; 32])),
            Some(Seen::Works(_))
        ));
    }

    #[test]
    fn what_is_lost_without_an_intent_is_said() {
        assert!(matches!(intents(0), Seen::Lacks(..)));
        assert!(matches!(intents(1 << 19), Seen::Works(_)));
        assert!(invitation(ApplicationId::new(7)).contains("client_id=7&scope=bot%20applications.commands"));
    }
}
