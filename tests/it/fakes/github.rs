//! A GitHub with memory: issues, comments, labels and the history of one repository, behind the routes that GitHub has.
//!
//! Given GitHub's own API description it judges every request and every answer by it; without, by what we know by heart. What
//! the judge dislikes is kept and fails the test at [`GitHub::finish`]. It has GitHub's bad days too: see [`Fault`] and [`Sick`].

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::openapi::Description;

mod app;
mod exchange;
mod heart;
mod history;
mod issues;

use exchange::{Answer, Asked};

pub(crate) use app::{APP_ID, APP_KEY};
pub(crate) use history::History;

/// The repository there is.
pub(crate) const REPOSITORY: &str = "shop/incidents";
/// Whose token is good.
pub(crate) const LOGIN: &str = "firstcheck-bot";
/// The token that is good.
pub(crate) const TOKEN: &str = "fake-token";
/// The installation token begins like this; it is long, as GitHub's new ones are.
pub(crate) const INSTALLATION_TOKEN: &str = "ghs_77_";

/// Something that goes wrong with the next write to an issue or a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The work is done, and the answer is 502.
    BadGatewayAfter,
    /// The work is done, and the connection is cut.
    CutAfter,
    /// Nothing is done, and the connection is cut.
    CutBefore,
    /// Nothing is done: 429 with this `Retry-After`.
    TooMany(u64),
    /// Nothing is done: 403, secondary rate limit, no header.
    SecondaryLimit,
    /// Nothing is done: 403, the primary limit is used up for this many seconds.
    PrimaryLimit(i64),
    /// Nothing is done: 401.
    BadToken,
    /// Nothing is done: 422 with this field and code.
    Invalid(&'static str, &'static str),
}

/// What ails the repository for as long as it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sick {
    /// It is not there, or not for this account: 404.
    Gone,
    /// It is archived: reads work, writes are 403.
    Archived,
    /// Its issues are switched off: 410, or 404 for a list.
    WithoutIssues,
    /// Its token may not write issues: 403 that names what is needed.
    Forbidden,
}

type Watcher = Arc<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct Memory {
    issues: Vec<Value>,
    /// When each issue was created, by its place.
    born: Vec<Instant>,
    comments: Vec<(u64, Value)>,
    labels: Vec<Value>,
    history: History,
    files: Vec<(String, String)>,
    faults: VecDeque<Fault>,
    sick: Option<Sick>,
    /// How many more lists do not show the newest issue yet.
    lag: u32,
    /// How long lists do not show an issue.
    lag_time: Duration,
    /// Draws a fault for each write to an issue, when there is one.
    chaos: Option<Chaos>,
    may_push: bool,
    may_create_labels: bool,
    /// Logins that can be assigned.
    people: Vec<String>,
    tokens: BTreeSet<String>,
    minted: usize,
    watcher: Option<Watcher>,
    /// `METHOD path`, in order.
    requests: Vec<String>,
    not_modified: usize,
    complaints: Vec<String>,
}

/// A small generator of random numbers (SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Chaos(pub(crate) u64);

impl Chaos {
    pub(crate) fn draw(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    /// A fifth of the writes go wrong, in one of the ways that leave the outcome open.
    fn fault(&mut self) -> Option<Fault> {
        match self.draw(15) {
            0 => Some(Fault::BadGatewayAfter),
            1 => Some(Fault::CutAfter),
            2 => Some(Fault::CutBefore),
            _ => None,
        }
    }
}

struct Shared {
    description: Option<Description>,
    memory: Mutex<Memory>,
}

/// The running fake.
pub(crate) struct GitHub {
    shared: Arc<Shared>,
    addr: SocketAddr,
}

impl GitHub {
    /// A GitHub that judges by what we know by heart alone.
    pub(crate) async fn start() -> Self {
        Self::launch(None).await
    }

    /// A GitHub that judges by the official description too.
    pub(crate) async fn described() -> Self {
        Self::launch(Some(Description::load("github.openapi.json"))).await
    }

    async fn launch(description: Option<Description>) -> Self {
        let memory = Memory { may_push: true, may_create_labels: true, ..Memory::default() };
        let shared = Arc::new(Shared { description, memory: Mutex::new(memory) });
        let app = Router::new().fallback(serve).with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { shared, addr }
    }

    /// The base of its API.
    pub(crate) fn url(&self) -> url::Url {
        format!("http://{}", self.addr).parse().unwrap()
    }

    /// What goes wrong with the next write to an issue or a comment.
    pub(crate) fn fail_next(&self, fault: Fault) {
        self.memory().faults.push_back(fault);
    }

    /// What ails the repository from now on.
    pub(crate) fn is(&self, sick: Option<Sick>) {
        self.memory().sick = sick;
    }

    /// So many lists do not show the newest issue yet.
    pub(crate) fn lag(&self, lists: u32) {
        self.memory().lag = lists;
    }

    /// From now on lists show an issue only after this time, and a fifth of the writes go wrong.
    pub(crate) fn chaos(&self, seed: u64, lag: Duration) {
        let mut memory = self.memory();
        memory.chaos = Some(Chaos(seed));
        memory.lag_time = lag;
    }

    /// From now on nothing goes wrong, and lists show everything.
    pub(crate) fn calm(&self) {
        let mut memory = self.memory();
        memory.chaos = None;
        memory.lag_time = Duration::ZERO;
    }

    /// The account may not push from now on: labels are dropped in silence.
    pub(crate) fn no_push(&self) {
        self.memory().may_push = false;
    }

    /// Nobody may create labels from now on.
    pub(crate) fn no_new_labels(&self) {
        self.memory().may_create_labels = false;
    }

    /// These people can be assigned.
    pub(crate) fn knows(&self, people: &[&str]) {
        self.memory().people = people.iter().map(|it| (*it).to_owned()).collect();
    }

    /// A file of the repository.
    pub(crate) fn has_file(&self, path: &str, text: &str) {
        self.memory().files.push((path.to_owned(), text.to_owned()));
    }

    /// What happened in the repository.
    pub(crate) fn history(&self, history: History) {
        self.memory().history = history;
    }

    /// The installation tokens there are expire now.
    pub(crate) fn revoke_tokens(&self) {
        self.memory().tokens.clear();
    }

    /// How many installation tokens were minted.
    pub(crate) fn minted(&self) -> usize {
        self.memory().minted
    }

    /// Calls this at both moments of every write to an issue or a comment: before it is done, and after it, before the answer.
    pub(crate) fn watch(&self, watcher: impl Fn() + Send + Sync + 'static) {
        self.memory().watcher = Some(Arc::new(watcher));
    }

    /// A person does something to an issue on the web.
    pub(crate) fn edit(&self, number: u64, change: impl FnOnce(&mut Value)) {
        let mut memory = self.memory();
        let issue = memory.issues.iter_mut().find(|issue| issue["number"] == number).unwrap();
        change(issue);
    }

    /// Somebody files an issue.
    pub(crate) fn file_as(&self, login: &str, title: &str, body: &str) {
        let number = self.memory().issues.len() as u64 + 1;
        let mut issue = self.shared.blank_issue(number);
        issue["title"] = json!(title);
        issue["body"] = json!(body);
        issue["user"]["login"] = json!(login);
        let mut memory = self.memory();
        memory.issues.push(issue);
        memory.born.push(Instant::now());
    }

    /// All issues.
    pub(crate) fn issues(&self) -> Vec<Value> {
        self.memory().issues.clone()
    }

    /// The bodies of an issue's comments.
    pub(crate) fn comments(&self, number: u64) -> Vec<String> {
        let memory = self.memory();
        let of = memory.comments.iter().filter(|(issue, _)| *issue == number);
        of.map(|(_, comment)| comment["body"].as_str().unwrap().to_owned()).collect()
    }

    /// How many requests began like this (`POST /repos/shop/incidents/issues`).
    pub(crate) fn count(&self, request: &str) -> usize {
        self.memory().requests.iter().filter(|it| it.as_str() == request).count()
    }

    /// How many reads were answered with 304.
    pub(crate) fn not_modified(&self) -> usize {
        self.memory().not_modified
    }

    /// Nothing was sent or answered that GitHub would not know, and no fault is left over.
    #[track_caller]
    pub(crate) fn finish(&self) {
        let memory = self.memory();
        assert!(memory.complaints.is_empty(), "{}", memory.complaints.join("\n"));
        assert!(memory.faults.is_empty(), "{:?}", memory.faults);
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.shared.memory.lock().unwrap()
    }
}

async fn serve(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, 4 * 1024 * 1024).await.unwrap();
    let is_watched = parts.method != Method::GET && parts.uri.path().contains("/issues");
    let watcher = shared.memory.lock().unwrap().watcher.clone().filter(|_| is_watched);
    let tell = || {
        if let Some(watcher) = &watcher {
            watcher();
        }
    };
    tell();
    let answer = shared.handle(&parts.method, &parts.uri, &parts.headers, &bytes);
    tell();
    let mut response = Response::builder().status(StatusCode::from_u16(answer.status).unwrap());
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    if answer.cut {
        let cut = futures_util::stream::once(async { Err::<Bytes, _>(std::io::Error::other("cut")) });
        return response.body(Body::from_stream(cut)).unwrap();
    }
    let body = answer.body.map(|body| body.to_string()).unwrap_or_default();
    response.header("content-type", "application/json; charset=utf-8").body(Body::from(body)).unwrap()
}

impl Shared {
    fn handle(&self, method: &Method, uri: &axum::http::Uri, headers: &HeaderMap, body: &[u8]) -> Answer {
        let mut memory = self.memory.lock().unwrap();
        memory.requests.push(format!("{method} {}", uri.path()));
        let known = match &self.description {
            Some(description) => description.operation(method.as_str(), uri.path()),
            None => heart::operation(method, uri.path()),
        };
        let operation = match known {
            Ok(operation) => operation,
            Err(complaint) => {
                memory.complaints.push(complaint);
                return Answer::refusal(404, "Not Found");
            }
        };
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        // octocrab mints without a version, which is this one until GitHub says otherwise.
        let is_minting = operation.path.ends_with("/access_tokens");
        let version = header("x-github-api-version").or(is_minting.then_some("2022-11-28"));
        if header("user-agent").is_none() || version != Some("2022-11-28") {
            memory.complaints.push(format!("{method} {uri}: user agent or API version is missing"));
        }
        if method != Method::GET && header("if-none-match").is_some() {
            memory.complaints.push(format!("{method} {uri}: a write is no conditional request"));
        }
        let Some(who) = app::who(&memory, header("authorization").unwrap_or_default(), &operation) else {
            return Answer::refusal(401, "Bad credentials");
        };
        let query: Vec<(String, String)> =
            url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let absolute = format!("http://{}{}", header("host").unwrap_or_default(), uri.path());
        let body: Option<Value> = if body.is_empty() { None } else { serde_json::from_slice(body).ok() };
        let described = self.description.as_ref();
        let judged = described.map_or(Ok(()), |it| it.check_request(&operation, &query, body.as_ref()));
        let asked = Asked {
            operation: &operation,
            query: &query,
            body: &body.unwrap_or_default(),
            url: &absolute,
            who,
        };
        let mut answer = match judged {
            Ok(()) => self.perform(&mut memory, &asked),
            Err(complaint) => {
                memory.complaints.push(format!("{method} {uri}: {complaint}"));
                Answer::refusal(422, "Validation Failed")
            }
        };
        if let Some(description) = described
            && let Err(complaint) = description.check_answer(&operation, answer.status, answer.body.as_ref())
        {
            memory.complaints.push(format!("the fake's own answer to {method} {uri}: {complaint}"));
        }
        if method == Method::GET && answer.status == 200 {
            let etag = heart::etag(answer.body.as_ref());
            if header("if-none-match") == Some(&etag) {
                memory.not_modified += 1;
                return Answer { body: None, ..Answer::new(304, Value::Null) }.with("etag", &etag);
            }
            answer = answer.with("etag", &etag);
        }
        answer
    }

    fn perform(&self, memory: &mut Memory, asked: &Asked<'_>) -> Answer {
        let operation = asked.operation;
        let (method, path) = (operation.method.as_str(), operation.path.as_str());
        let is_write = method != "get";
        if let Some(answer) = app::perform(self, memory, asked) {
            return answer;
        }
        if let Some(owner) = operation.parameters.get("owner")
            && (format!("{owner}/{}", operation.parameters["repo"]) != REPOSITORY
                || memory.sick == Some(Sick::Gone))
        {
            return Answer::refusal(404, "Not Found");
        }
        match memory.sick {
            Some(Sick::Archived) if is_write => {
                return Answer::refusal(403, "Repository was archived so is read-only.");
            }
            Some(Sick::WithoutIssues) if path.contains("/issues") && is_write => {
                return Answer::refusal(410, "Issues has been disabled in this repository.");
            }
            Some(Sick::Forbidden) if is_write => {
                return Answer::refusal(403, "Resource not accessible by integration")
                    .with("x-accepted-github-permissions", &"issues=write");
            }
            _ => {}
        }
        let is_faulty = is_write && path.contains("/issues");
        let drawn = || memory.chaos.as_mut().and_then(Chaos::fault);
        let fault = if is_faulty { memory.faults.pop_front().or_else(drawn) } else { None };
        if let Some(refusal) = fault.and_then(heart::refusal) {
            return refusal;
        }
        let answer = match path {
            "/user" => Answer::new(200, self.user()),
            "/repos/{owner}/{repo}" => Answer::new(200, self.about(memory)),
            _ if path.contains("/issues") => self.issues(memory, asked),
            "/repos/{owner}/{repo}/labels" => self.labels(memory, asked),
            _ => self.past(memory, asked),
        };
        match fault {
            Some(Fault::BadGatewayAfter) => Answer::refusal(502, "Server Error"),
            Some(Fault::CutAfter) => Answer { cut: true, ..answer },
            _ => answer,
        }
    }

    /// The description's example, to be filled in; by heart, an object with nothing but what is filled in.
    fn example(&self, name: &str) -> Value {
        let described = self.description.as_ref().map(|description| description.example(name));
        described
            .unwrap_or_else(|| json!({"user": {}, "creator": {}, "commit": {}, "owner": {}, "author": {}}))
    }

    /// The first of the description's examples of a list.
    fn item(&self, name: &str) -> Value {
        let described = self.description.as_ref().map(|description| description.example(name)[0].clone());
        described.unwrap_or_else(|| self.example(name))
    }

    fn user(&self) -> Value {
        let mut user = self.example("private-user-response-with-public-and-private-profile-information");
        user["login"] = json!(LOGIN);
        user
    }

    fn about(&self, memory: &Memory) -> Value {
        let mut about = self.example("full-repository-default-response");
        // The example's own origin contradicts its description.
        if let Some(fields) = about.as_object_mut() {
            fields.retain(|name, _| !matches!(name.as_str(), "source" | "parent" | "template_repository"));
        }
        about["language"] = Value::Null;
        about["full_name"] = json!(REPOSITORY);
        about["has_issues"] = json!(memory.sick != Some(Sick::WithoutIssues));
        about["archived"] = json!(memory.sick == Some(Sick::Archived));
        let may = memory.may_push;
        about["permissions"] =
            json!({"admin": false, "maintain": false, "push": may, "triage": may, "pull": true});
        about
    }
}
