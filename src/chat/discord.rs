//! Discord through serenity, whose types stop here.

use tokio::sync::mpsc;
use url::Url;

use crate::chat::{ChatError, Inbound};
use crate::incident::Incident;
use crate::runbook::Question;
use crate::triage::Note;

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
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { token: _, guild, channel, on_call_role, api_url, gateway_url } = self;
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
#[derive(Debug, Clone)]
pub struct Discord {
    inbound: mpsc::Sender<Inbound>,
}

impl Discord {
    /// Connects: learns who the bot is, registers `/triage` if it changed, and holds a gateway connection until
    /// [`Self::close`].
    ///
    /// # Errors
    /// [`ChatError`] when the token is refused, the channel cannot be seen, or Discord cannot be reached.
    #[expect(clippy::unused_async, reason = "the connection follows")]
    pub async fn connect(_config: Config, inbound: mpsc::Sender<Inbound>) -> Result<Self, ChatError> {
        Ok(Self { inbound })
    }

    /// Ends the gateway connection and finishes what is being sent.
    #[expect(clippy::unused_async, reason = "the connection follows")]
    pub async fn close(&self) {}

    #[expect(clippy::unused_async, reason = "the connection follows")]
    pub(super) async fn open_thread(&self, _incident: &Incident) -> Result<String, ChatError> {
        Err(ChatError::never("this version has no Discord yet"))
    }

    #[expect(clippy::unused_async, reason = "the connection follows")]
    pub(super) async fn ask(
        &self,
        _incident: &Incident,
        _question: &Question,
        _because: &str,
        _nonce: &str,
    ) -> Result<(), ChatError> {
        Err(ChatError::never("this version has no Discord yet"))
    }

    #[expect(clippy::unused_async, reason = "the connection follows")]
    pub(super) async fn say(
        &self,
        _incident: &Incident,
        _note: &Note,
        _nonce: &str,
    ) -> Result<(), ChatError> {
        Err(ChatError::never("this version has no Discord yet"))
    }

    pub(super) fn show(&self, _incident: &Incident) {
        let _ = &self.inbound;
    }
}
