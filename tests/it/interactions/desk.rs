//! A whole bot at the local Discord: app, doors, chat, a store of its own, and an incident whose first question waits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use firstcheck::app::{App, Parts};
use firstcheck::chat::Chat;
use firstcheck::chat::discord::{Config, Discord as Chatting};
use firstcheck::checks::Environment;
use firstcheck::egress::Policy;
use firstcheck::incident::IncidentId;
use firstcheck::profile::ServiceProfile;
use firstcheck::runbook::Knowledge;
use firstcheck::server::{self, Doors};
use firstcheck::store::Store;
use firstcheck::template::Templates;
use firstcheck::tracker::{Tracker, folder};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::fakes::discord::people::{self, Signed, Who, ada};
use crate::fakes::discord::{Discord, Posted};
use crate::serve::bot::{self, Answer};
use crate::worlds::Folder;

/// Ends a story that would hang.
const LONG: Duration = Duration::from_mins(1);

pub(crate) struct Desk {
    pub(crate) discord: Discord,
    pub(crate) app: Arc<App>,
    pub(crate) chat: Chatting,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
    _folder: Folder,
}

impl Desk {
    pub(crate) async fn at(discord: Discord) -> Self {
        let config = discord.config();
        Self::with(discord, config, Policy::unrestricted()).await
    }

    pub(crate) async fn with(discord: Discord, config: Config, policy: Policy) -> Self {
        let folder = Folder::new("interactions");
        let templates = Arc::new(Templates::builtin());
        let (sender, inbound) = mpsc::channel(64);
        let chat = Chatting::connect(config, Arc::clone(&templates), sender).await.unwrap();
        chat.connected().await;
        let orders = ServiceProfile { name: "orders-api".into(), ..ServiceProfile::default() };
        let app = App::start(Parts {
            addresses: firstcheck::evidence::redact::Addresses::Clients,
            store: Store::open(&folder.0.join("firstcheck.db")).await.unwrap(),
            knowledge: Arc::new(Knowledge::builtin()),
            environment: Environment::new(policy),
            chat: Ok(Chat::Discord(chat.clone())),
            inbound: Some(inbound),
            tracker: Tracker::Folder(folder::Folder::new(folder.0.join("issues"))),
            templates,
            services: vec![orders],
            check_timeout: Duration::from_secs(5),
        })
        .await
        .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let until = async {
            stopped.await.ok();
        };
        let key = people::bytes(people::PUBLIC_KEY).try_into().unwrap();
        let doors = Doors { interactions: Some(key), ..Doors::open() };
        let serving = tokio::spawn(server::serve(listener, Arc::clone(&app), doors, until));
        Self { discord, app, chat, address, stop, serving, _folder: folder }
    }

    /// Ends the story: everything ends cleanly, and Discord has nothing to complain about.
    pub(crate) async fn finish(self) {
        self.stop.send(()).ok();
        bot::within(LONG, "the server ends", self.serving).await.unwrap().unwrap();
        bot::within(LONG, "the app stops", self.app.stop(LONG)).await;
        self.chat.close().await;
        self.discord.finish();
    }

    /// An incident that Ada starts by command: its name, its thread, and its first question's message.
    pub(crate) async fn incident(&self) -> (IncidentId, u64, Posted) {
        let options = people::under("start", &json!([people::text("service", "mail")]));
        let typed = self.discord.types(&ada(), crate::fakes::discord::CHANNEL, "triage", &options);
        let told = self.discord.told(typed).await;
        let id = IncidentId::parse(told.split('`').nth(1).unwrap()).unwrap();
        let document =
            self.until(&id, "a thread", |it| !it["open_questions"].as_array().unwrap().is_empty()).await;
        let thread = self.thread_of(&id).await;
        let because = document["open_questions"][0]["because"].as_str().unwrap().to_owned();
        let asked = self.discord.message_with(thread, because.split(" (").next().unwrap()).await;
        (id, thread, asked)
    }

    async fn thread_of(&self, id: &IncidentId) -> u64 {
        let mut updates = self.app.updates();
        bot::within(LONG, "a thread", async {
            loop {
                if let Some(thread) = self.app.incident(id).await.unwrap().unwrap().thread {
                    return thread.parse().unwrap();
                }
                // A lost update is followed by another look.
                let _ = updates.recv().await;
            }
        })
        .await
    }

    /// Waits until the incident is as the story wants it.
    pub(crate) async fn until(&self, id: &IncidentId, what: &str, ready: impl Fn(&Value) -> bool) -> Value {
        let mut updates = self.app.updates();
        bot::within(LONG, what, async {
            loop {
                let document = serde_json::to_value(self.app.document(id).await.unwrap()).unwrap();
                if ready(&document) {
                    return document;
                }
                // A lost update is followed by another look.
                let _ = updates.recv().await;
            }
        })
        .await
    }

    /// Somebody says something by command; gives what they are told.
    pub(crate) async fn command(&self, who: &Who, channel: u64, name: &str, options: &Value) -> String {
        let typed = self.discord.types(who, channel, name, options);
        self.discord.told(typed).await
    }

    /// Whether only the person reads the answer to an interaction.
    pub(crate) async fn is_private(&self, interaction: u64) -> bool {
        self.discord.first_answer(interaction).await["data"]["flags"] == 64
    }

    /// Sends a request to the door of interactions.
    pub(crate) async fn post(&self, signed: &Signed) -> Answer {
        let headers = [
            ("content-type", "application/json"),
            ("x-signature-ed25519", signed.signature.as_str()),
            ("x-signature-timestamp", signed.timestamp.as_str()),
        ];
        bot::send(self.address, "POST", "/discord/interactions", &headers, &signed.body).await
    }
}

/// The custom id of a message's component that ends so.
pub(crate) fn id_ending(posted: &Posted, end: &str) -> String {
    let rows = posted.components.as_array().into_iter().flatten();
    let components = rows.flat_map(|row| row["components"].as_array().into_iter().flatten());
    let mut ids = components.map(|component| component["custom_id"].as_str().unwrap().to_owned());
    ids.find(|id| id.ends_with(end)).unwrap_or_else(|| panic!("no id ends in {end}: {}", posted.components))
}
