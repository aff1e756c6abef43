//! A whole house on loopback: a broken world, a Discord, a GitHub, and the bot between them, which can go to sleep and wake again.

use std::cell::Cell;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Once};
use std::time::Duration;

use firstcheck::app::{App, Parts};
use firstcheck::chat::Chat;
use firstcheck::chat::discord::Discord as Chatting;
use firstcheck::checks::Environment;
use firstcheck::clock;
use firstcheck::drill::client::Client;
use firstcheck::drill::{Running, Scene, World};
use firstcheck::egress::Policy;
use firstcheck::incident::{Incident, IncidentId};
use firstcheck::profile::routing::Routing;
use firstcheck::runbook::Knowledge;
use firstcheck::server::{self, Doors};
use firstcheck::store::Store;
use firstcheck::template::Templates;
use firstcheck::tracker::{Tracker, github};
use firstcheck::triage::Action;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::fakes::discord::{BOT, CHANNEL, Discord, Posted, World as Known};
use crate::fakes::github::{GitHub, REPOSITORY, TOKEN};
use crate::worlds::Folder;

/// A story waits for events; this only ends one that would hang. Retries with backoff take some of it.
const LONG: Duration = Duration::from_secs(45);
/// In place of GitHub's minute and a half: ours lists what it has.
const LISTED_AFTER: Duration = Duration::from_secs(20);

thread_local! {
    /// Panics on this thread, where all tasks of one story run.
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

/// Counts panics by thread: a task that dies takes nobody with it, and must not go unnoticed.
fn count_panics() {
    static COUNTING: Once = Once::new();
    COUNTING.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.with(|panics| panics.set(panics.get() + 1));
            before(panic);
        }));
    });
}

/// The house.
pub(super) struct House {
    pub(super) discord: Discord,
    pub(super) github: GitHub,
    world: Running,
    alertmanager: Client,
    folder: Folder,
    bot: Option<Awake>,
    incident: Option<IncidentId>,
}

/// The bot while it runs.
struct Awake {
    app: Arc<App>,
    chat: Chatting,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

/// An issue as people read it.
#[derive(Debug)]
pub(super) struct Issue {
    pub(super) url: String,
    pub(super) body: String,
    pub(super) labels: Vec<String>,
}

impl House {
    /// A house before this world, with the bot awake.
    pub(super) async fn built(world: &str, discord: Discord, github: GitHub) -> Self {
        count_panics();
        let folder = Folder::new("story");
        let world = World::find(world).unwrap().start(&folder.0.join("world"), clock::now()).await.unwrap();
        let alertmanager = Client::new(world.resolver(), &world.authority_pem()).unwrap();
        let mut house = Self { discord, github, world, alertmanager, folder, bot: None, incident: None };
        house.wakes().await;
        house
    }

    /// The bot starts on whatever its store holds, with a new connection to Discord.
    pub(super) async fn wakes(&mut self) {
        assert!(self.bot.is_none(), "it is awake");
        let templates = Arc::new(Templates::builtin());
        let (sender, inbound) = mpsc::channel(16);
        let connecting = Chatting::connect(self.discord.config(), Arc::clone(&templates), sender);
        let chat = connecting.await.unwrap();
        self.within("the gateway's greeting", chat.connected()).await;
        let routing = Routing { repository: Some(REPOSITORY.to_owned()), ..Routing::default() };
        let token = github::Credential::Token(TOKEN.to_owned());
        let usual = github::Settings::new(self.github.url(), token, routing);
        let tracker = github::GitHub::new(github::Settings { list_lag: LISTED_AFTER, ..usual });
        let environment = Environment::new(Policy::allowing(&["127.0.0.0/8"]).unwrap())
            .with_resolvers(vec![self.world.resolver()])
            .with_ca_file(&self.world.authority_pem())
            .unwrap()
            .with_secrets(self.scene().secrets.clone());
        let app = App::start(Parts {
            addresses: firstcheck::evidence::redact::Addresses::Clients,
            store: Store::open(&self.folder.0.join("firstcheck.db")).await.unwrap(),
            knowledge: Arc::new(Knowledge::builtin()),
            environment,
            chat: Ok(Chat::Discord(chat.clone())),
            inbound: Some(inbound),
            tracker: Tracker::GitHub(tracker.unwrap()),
            templates,
            services: vec![self.scene().profile.clone()],
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
        let serving = tokio::spawn(server::serve(listener, Arc::clone(&app), Doors::open(), until));
        self.bot = Some(Awake { app, chat, address, stop, serving });
    }

    /// The bot stops, whatever is open.
    pub(super) async fn goes_to_sleep(&mut self) {
        let bot = self.bot.take().expect("it is awake");
        bot.stop.send(()).ok();
        self.within("the server's end", bot.serving).await.unwrap().unwrap();
        self.within("the app's end", bot.app.stop(LONG)).await;
        self.within("the goodbye to Discord", bot.app.disconnect()).await;
        assert_eq!(bot.chat.unread_events(), 0, "serenity could read every event");
    }

    /// The world's Alertmanager tells of the problem.
    pub(super) async fn alert(&mut self) {
        let webhook = self.world.webhook(clock::now());
        let id = self.delivers(&webhook).await;
        self.about(&id);
    }

    /// The world's Alertmanager says that it is over.
    pub(super) async fn resolved(&self) {
        let mut webhook = self.world.webhook(clock::now());
        webhook["status"] = json!("resolved");
        webhook["alerts"][0]["status"] = json!("resolved");
        webhook["alerts"][0]["endsAt"] = json!(clock::now().to_string());
        let id = self.delivers(&webhook).await;
        assert_eq!(id, self.id().as_str(), "the end belongs to the incident");
    }

    async fn delivers(&self, webhook: &Value) -> String {
        let answer = self.post("/alerts/alertmanager", webhook).await;
        answer["incidents"][0]["id"].as_str().unwrap_or_else(|| panic!("not taken: {answer}")).to_owned()
    }

    /// The story is about this incident from now on.
    pub(super) fn about(&mut self, id: &str) {
        self.incident = Some(IncidentId::parse(id).unwrap());
    }

    pub(super) fn id(&self) -> &IncidentId {
        self.incident.as_ref().expect("something happened")
    }

    pub(super) fn scene(&self) -> &Scene {
        self.world.scene()
    }

    /// The hidden line that tells the incident's issue from others.
    pub(super) fn marker(&self) -> String {
        format!("<!-- firstcheck:{} -->", self.id())
    }

    fn app(&self) -> &Arc<App> {
        &self.bot.as_ref().expect("the bot is awake").app
    }

    /// Posts over HTTP, and gives what the bot answers.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("http://{}{path}", self.bot.as_ref().expect("the bot is awake").address);
        let answer = self.alertmanager.post(&url.parse().unwrap(), body).await.unwrap();
        assert!(answer.status.is_success(), "{path}: {} {}", answer.status, answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    /// Somebody asks over HTTP for the issue to be filed now.
    pub(super) async fn asks_to_file(&self) {
        self.post(&format!("/api/incidents/{}/file", self.id()), &json!({"by": "ada"})).await;
    }

    /// The incident as the API shows it.
    pub(super) async fn document(&self) -> Value {
        let bot = self.bot.as_ref().expect("the bot is awake");
        let url = format!("http://{}/api/incidents/{}", bot.address, self.id());
        serde_json::from_str(&self.alertmanager.get(&url.parse().unwrap()).await.unwrap().body).unwrap()
    }

    /// The incident once it is as the story wants it; fails with the whole incident when it does not become so.
    pub(super) async fn becomes(&self, what: &str, ready: impl Fn(&Incident) -> bool) -> Arc<Incident> {
        let mut updates = self.app().updates();
        let mut incident = Arc::new(self.app().incident(self.id()).await.unwrap().unwrap());
        let deadline = tokio::time::Instant::now() + LONG;
        while !ready(&incident) {
            let update = tokio::time::timeout_at(deadline, updates.recv()).await;
            let update = update.unwrap_or_else(|_| panic!("{what}: not in {LONG:?}; {incident:#?}"));
            match update {
                Ok(update) if update.incident.id == *self.id() => incident = update.incident,
                Ok(_) | Err(_) => {}
            }
        }
        incident
    }

    /// The incident's thread.
    pub(super) async fn thread(&self) -> u64 {
        let incident = self.becomes("the thread", |it| it.thread.is_some()).await;
        incident.thread.as_ref().unwrap().parse().unwrap()
    }

    /// Waits for these words in the incident's thread.
    pub(super) async fn reads(&self, words: &str) -> Posted {
        self.discord.message_with(self.thread().await, words).await
    }

    /// Waits for these words in the channel: the incident's head stands there.
    pub(super) async fn reads_in_the_channel(&self, words: &str) -> Posted {
        self.discord.message_with(CHANNEL, words).await
    }

    /// Waits until the incident's head has no such words.
    pub(super) async fn the_head_says_nothing_of(&self, words: &str) {
        let gone = |world: &Known| {
            let mut heads = world.messages.values().filter(|it| it.channel == CHANNEL && it.author == BOT);
            heads.all(|head| !head.content.contains(words)).then_some(())
        };
        self.discord.until(&format!("no {words:?} in the head"), gone).await;
    }

    /// How often the role was called.
    pub(super) fn calls_for_help(&self) -> usize {
        self.discord.world().messages.values().map(|it| it.notified.len()).sum()
    }

    /// The incident's issue, once everything that is known now is in it: there is exactly one.
    pub(super) async fn issue(&self) -> Issue {
        self.settles().await;
        let mut issues = self.github.issues();
        assert_eq!(issues.len(), 1, "one issue: {issues:#?}");
        let issue = issues.remove(0);
        let text = |field: &str| issue[field].as_str().unwrap().to_owned();
        let labels = issue["labels"].as_array().unwrap();
        Issue {
            url: text("html_url"),
            body: text("body"),
            labels: labels.iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect(),
        }
    }

    /// The issue's only comment, which has these words.
    pub(super) async fn reads_comment(&self, words: &str) {
        self.settles().await;
        let comments = self.github.comments(1);
        assert!(comments.len() == 1 && comments[0].contains(words), "{words}: {comments:#?}");
    }

    /// Waits until nothing is pending any more.
    pub(super) async fn settles(&self) -> Arc<Incident> {
        let settled = self.app().settled(self.id());
        let Ok(settled) = tokio::time::timeout(LONG, settled).await else {
            panic!("still pending after {LONG:?}: {:#}", self.document().await);
        };
        settled.unwrap()
    }

    /// The end of a story: nothing is pending, given up or said twice; nothing was sent that the far ends would not take; no
    /// task has died.
    pub(super) async fn finish(mut self) {
        self.settles().await;
        assert_eq!(self.document().await["troubles"], json!([]), "nothing is pending or given up");
        self.goes_to_sleep().await;
        let store = Store::open(&self.folder.0.join("firstcheck.db")).await.unwrap();
        // The deadline of a question lies there until it passes, answered or not.
        let mut pending = store.pending().await.unwrap();
        pending.retain(|it| !matches!(it.action, Action::StopWaiting { .. }));
        assert!(pending.is_empty(), "{pending:#?}");
        self.discord.finish();
        self.github.finish();
        self.nothing_was_said_twice();
        assert_eq!(self.github.issues().len(), 1, "one issue");
        assert_eq!(PANICS.get(), 0, "a task has died");
    }

    fn nothing_was_said_twice(&self) {
        let world = self.discord.world();
        assert_eq!(world.threads.len(), 1, "one thread: {:?}", world.threads);
        let mut said: Vec<(u64, &str)> = world
            .messages
            .values()
            .filter(|it| it.author == BOT)
            .map(|it| (it.channel, it.content.as_str()))
            .collect();
        assert_eq!(said.iter().filter(|(channel, _)| *channel == CHANNEL).count(), 1, "one head: {said:#?}");
        let all = said.len();
        said.sort_unstable();
        said.dedup();
        assert_eq!(said.len(), all, "each message once: {said:#?}");
    }

    async fn within<T>(&self, what: &str, event: impl Future<Output = T>) -> T {
        let came = tokio::time::timeout(LONG, event).await;
        came.unwrap_or_else(|_| panic!("{what}: not in {LONG:?}; Discord is {:#?}", self.discord.world()))
    }
}
