//! A whole bot on loopback: the app, its server on a free port, a store and an issue folder of its own, and a caller.

use std::fmt::Write as _;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use firstcheck::app::{App, Parts};
use firstcheck::chat::{Chat, Inbound};
use firstcheck::checks::Environment;
use firstcheck::drill::http_server::{HttpServer, Reply};
use firstcheck::egress::Policy;
use firstcheck::incident::IncidentId;
use firstcheck::runbook::Knowledge;
use firstcheck::server::{self, Doors};
use firstcheck::store::Store;
use firstcheck::template::Templates;
use firstcheck::tracker::{Tracker, folder};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::fakes::openapi::Description;
pub(crate) use crate::worlds::Folder;

/// A story waits for events; this only ends a test that would hang, and says what it waited for.
const LONG: Duration = Duration::from_mins(1);

/// Waits for something, and says what it was when it does not come.
pub(crate) async fn within<T>(limit: Duration, what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(limit, future).await.unwrap_or_else(|_| panic!("waited {limit:?} in vain: {what}"))
}

/// What a bot of a test is made of.
pub(crate) struct Setup {
    pub(crate) folder: Option<PathBuf>,
    pub(crate) policy: Policy,
    pub(crate) doors: Doors,
    pub(crate) tracker: Option<Tracker>,
    pub(crate) knowledge: Option<Knowledge>,
    pub(crate) inbound: Option<mpsc::Receiver<Inbound>>,
    pub(crate) resolvers: Vec<SocketAddr>,
    /// An authority that is trusted besides the system's, as PEM.
    pub(crate) authority: Option<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            folder: None,
            policy: Policy::unrestricted(),
            doors: Doors::open(),
            tracker: None,
            knowledge: None,
            inbound: None,
            resolvers: Vec::new(),
            authority: None,
        }
    }
}

pub(crate) struct Bot {
    pub(crate) app: Arc<App>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
    /// Removed when the bot is dropped.
    _folder: Option<Folder>,
}

impl Bot {
    pub(crate) async fn start(setup: Setup) -> Self {
        let own = if setup.folder.is_none() { Some(Folder::new("bot")) } else { None };
        let root = setup.folder.or_else(|| own.as_ref().map(|it| it.0.clone())).unwrap();
        let environment = Environment::new(setup.policy).with_resolvers(setup.resolvers);
        let environment = match setup.authority {
            Some(pem) => environment.with_ca_file(&pem).unwrap(),
            None => environment,
        };
        let app = App::start(Parts {
            addresses: firstcheck::evidence::redact::Addresses::Clients,
            store: Store::open(&root.join("firstcheck.db")).await.unwrap(),
            knowledge: Arc::new(setup.knowledge.unwrap_or_else(Knowledge::builtin)),
            environment,
            chat: Ok(Chat::Console),
            inbound: setup.inbound,
            tracker: setup
                .tracker
                .unwrap_or_else(|| Tracker::Folder(folder::Folder::new(root.join("issues")))),
            templates: Arc::new(Templates::builtin()),
            services: Vec::new(),
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
        let serving = tokio::spawn(server::serve(listener, Arc::clone(&app), setup.doors, until));
        Self { app, address, stop, serving, _folder: own }
    }

    /// Ends the story: the server and the app end cleanly, and no task has died.
    pub(crate) async fn finish(self) {
        self.stop.send(()).ok();
        within(LONG, "the server ends", self.serving).await.unwrap().unwrap();
        within(LONG, "the app stops", self.app.stop(LONG)).await;
    }

    /// The process goes away in the middle: nothing that is being performed is waited for.
    pub(crate) async fn stop_at_once(self) {
        self.stop.send(()).ok();
        within(LONG, "the server ends", self.serving).await.unwrap().unwrap();
        self.app.stop(Duration::ZERO).await;
        // The store is released with the last action that still runs; its result is lost, as in a crash.
        let app = Arc::downgrade(&self.app);
        drop(self.app);
        within(LONG, "the last action ends", async {
            while app.upgrade().is_some() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A connection on which nothing was said yet.
    pub(crate) async fn connection(&self) -> TcpStream {
        TcpSocket::new_v4().unwrap().connect(self.address).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], &body.to_string()).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let answer = within(LONG, path, send(self.address, method, path, headers, body)).await;
        fits_the_description(method, path, &answer);
        answer
    }

    /// As [`Self::send`], with a body of any bytes.
    pub(crate) async fn send_bytes(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        within(LONG, path, send_bytes(self.address, method, path, headers, body)).await
    }

    /// The incident's document once `ready` holds.
    pub(crate) async fn until(&self, id: &str, what: &str, ready: impl Fn(&Value) -> bool) -> Value {
        let mut updates = self.app.updates();
        within(LONG, what, async {
            loop {
                let document = self.get(&format!("/api/incidents/{id}")).await.json();
                if ready(&document) {
                    return document;
                }
                updates.recv().await.ok();
            }
        })
        .await
    }

    /// A question that waits for a person.
    pub(crate) async fn an_open_question(&self, id: &str) -> String {
        let document = self.until(id, "a question is asked", |it| it["open_questions"][0].is_object()).await;
        document["open_questions"][0]["question"].as_str().unwrap().to_owned()
    }

    /// Answers `unknown` to whatever is asked until triage stops.
    pub(crate) async fn answer_everything_with_unknown(&self, id: &str) -> Value {
        loop {
            let moved = |it: &Value| it["state"] != "triaging" || it["open_questions"][0].is_object();
            let document = self.until(id, "a question or the end of triage", moved).await;
            let Some(open) =
                document["open_questions"].as_array().filter(|_| document["state"] == "triaging")
            else {
                return document;
            };
            for question in open {
                let reply = json!({"question": question["question"], "answer": "unknown", "by": "ada"});
                let answer = self.post(&format!("/api/incidents/{id}/answers"), &reply).await;
                assert_eq!(answer.status, 200, "{}", answer.text());
            }
        }
    }

    /// The incident's document once nothing is pending any more.
    pub(crate) async fn settled(&self, id: &str) -> Value {
        let name = IncidentId::parse(id).unwrap();
        within(LONG, "everything is settled", self.app.settled(&name)).await.unwrap();
        self.get(&format!("/api/incidents/{id}")).await.json()
    }

    /// The API's own description fits what it answered.
    pub(crate) async fn is_described(&self, document: &Value, schema: &str) {
        let mut description = self.get("/api/openapi.json").await.json();
        description["$ref"] = format!("#/components/schemas/{schema}").into();
        let validator = jsonschema::validator_for(&description).unwrap();
        let problems: Vec<String> =
            validator.iter_errors(document).map(|problem| problem.to_string()).collect();
        assert!(problems.is_empty(), "{problems:#?}");
    }
}

/// What the server answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    body: String,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        self.body.clone()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// Every answer of the API in every story is one that its description allows.
#[track_caller]
fn fits_the_description(method: &str, path: &str, answer: &Answer) {
    static OWN: OnceLock<Description> = OnceLock::new();
    let is_json = answer.header("content-type").is_some_and(|kind| kind.ends_with("json"));
    if !path.starts_with("/api/") || !is_json {
        return;
    }
    let own = OWN.get_or_init(Description::own);
    if answer.status >= 400 {
        let wrong = own.violations("#/components/schemas/Problem", &answer.json());
        assert!(wrong.is_empty(), "{method} {path}: {wrong:#?}");
        return;
    }
    let operation = own.operation(method, path.split('?').next().unwrap()).unwrap();
    if let Err(wrong) = own.check_answer(&operation, answer.status, Some(&answer.json())) {
        panic!("{method} {path} answered what its description does not allow:\n{wrong}");
    }
}

/// One request over a connection of its own, written by hand: senders are not all polite libraries.
pub(crate) async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    send_bytes(address, method, path, headers, body.as_bytes()).await
}

async fn send_bytes(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "content-length") {
        write!(request, "content-length: {}\r\n", body.len()).unwrap();
    }
    if !headers.iter().any(|(name, _)| *name == "host") {
        write!(request, "host: {address}\r\n").unwrap();
    }
    for (name, value) in headers {
        write!(request, "{name}: {value}\r\n").unwrap();
    }
    request += "\r\n";
    let mut stream = TcpSocket::new_v4().unwrap().connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    // A server that refuses a large body may close before it has read it all.
    stream.write_all(body).await.ok();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status =
        head.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("no answer: {head}"));
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// A service that answers 503 to everything.
pub(crate) async fn broken_service() -> HttpServer {
    HttpServer::plain(|_| async { Reply::json(503, &json!({"error": "overloaded"})) }).await.unwrap()
}

/// A service that accepts requests and never answers.
pub(crate) async fn silent_service() -> HttpServer {
    HttpServer::plain(|_| std::future::pending::<Reply>()).await.unwrap()
}
