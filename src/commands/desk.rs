//! One incident at a person's own desk: what `drill` and `triage` share. The bot in this process, a terminal as its chat.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::app::{App, Parts};
use crate::chat::Chat;
use crate::chat::terminal::{Input, Style, Terminal};
use crate::checks::Environment;
use crate::config;
use crate::evidence::redact::Addresses;
use crate::incident::IncidentId;
use crate::profile::ServiceProfile;
use crate::question::QuestionId;
use crate::runbook::Knowledge;
use crate::store::Store;
use crate::template::Templates;
use crate::tracker::Tracker;

/// How long the last actions may take once the person is done; what is left is dropped with the temporary store.
const PATIENCE: Duration = Duration::from_secs(2);

/// Exit status after Ctrl-C, as shells report it (128 + SIGINT).
const INTERRUPTED: u8 = 130;

/// What a desk is set up with.
pub(super) struct Setup {
    /// The SQLite file.
    pub store: PathBuf,
    /// What checks run with.
    pub environment: Environment,
    /// Where the issue goes.
    pub tracker: Tracker,
    /// What is known of our services.
    pub services: Vec<ServiceProfile>,
    /// Where answers come from.
    pub input: Input,
    /// What triage knows.
    pub knowledge: Knowledge,
    /// Which IP addresses leave.
    pub addresses: Addresses,
    /// The wording.
    pub templates: Templates,
    /// The time one check may take.
    pub check_timeout: Duration,
}

/// The bot, and the terminal it talks on.
pub(super) struct Desk {
    /// The bot.
    pub app: Arc<App>,
    terminal: Terminal,
}

/// How an incident at the desk ended.
pub(super) enum Ended {
    /// Triage stopped and the issue is filed: the incident's document.
    Settled(Box<Value>),
    /// The person left before.
    Left,
}

impl Desk {
    /// Starts the bot.
    pub(super) async fn open(setup: Setup) -> anyhow::Result<Self> {
        let (said, inbound) = mpsc::channel(16);
        let style = Style::detect(io::stderr().is_terminal(), config::secret);
        let templates = Arc::new(setup.templates);
        let terminal =
            Terminal::new(Box::new(io::stderr()), setup.input, style, Arc::clone(&templates), said);
        let app = App::start(Parts {
            addresses: setup.addresses,
            store: Store::open(&setup.store).await.context("opening the temporary store")?,
            knowledge: Arc::new(setup.knowledge),
            environment: setup.environment,
            chat: Ok(Chat::Terminal(terminal.clone())),
            inbound: Some(inbound),
            tracker: setup.tracker,
            templates,
            services: setup.services,
            check_timeout: setup.check_timeout,
        })
        .await
        .context("starting the bot")?;
        Ok(Self { app, terminal })
    }

    /// Waits until the incident is settled, or the person leaves.
    pub(super) async fn settle(&self, id: &IncidentId) -> anyhow::Result<Ended> {
        tokio::select! {
            settled = self.app.settled(id) => settled.context("waiting for the incident")?,
            () = self.terminal.left() => return Ok(Ended::Left),
            _ = tokio::signal::ctrl_c() => return Ok(Ended::Left),
        };
        let document = self.app.document(id).await.context("reading the incident")?;
        Ok(Ended::Settled(Box::new(serde_json::to_value(document).context("writing the incident as JSON")?)))
    }

    /// Stops the bot and gives the terminal back.
    pub(super) async fn close(self) {
        self.app.stop(PATIENCE).await;
        self.terminal.close().await;
    }
}

impl Ended {
    /// The exit status of a person who left.
    pub(super) fn left() -> ExitCode {
        ExitCode::from(INTERRUPTED)
    }
}

/// Where answers come from: nobody when `no_input`, else the keyboard, else the lines of a pipe.
pub(super) fn input(no_input: bool, known: BTreeMap<QuestionId, String>) -> Input {
    if no_input {
        Input::Scripted(known)
    } else if io::stdin().is_terminal() && io::stderr().is_terminal() {
        Input::Keyboard
    } else {
        Input::Lines(Box::new(io::BufReader::new(io::stdin())))
    }
}
