//! A GitHub with memory: issues and comments of one repository, behind the routes that GitHub has.
//!
//! Given GitHub's own API description it judges every request and every answer by it; without, by what we know by heart. What
//! the judge dislikes is kept and fails the test at [`GitHub::finish`]. It has GitHub's bad days too: see [`Fault`].

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::openapi::{Description, Operation};

/// The repository there is.
pub(crate) const REPOSITORY: &str = "shop/incidents";
/// Whose token is good.
pub(crate) const LOGIN: &str = "firstcheck-bot";
/// The token that is good.
pub(crate) const TOKEN: &str = "fake-token";
/// The longest body and title.
const BODY_LIMIT: usize = 65_536;
const TITLE_LIMIT: usize = 256;

/// Something that goes wrong with the next write (POST or PATCH).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The work is done, and the answer is 502.
    BadGatewayAfter,
    /// The work is done, and the connection is cut.
    CutAfter,
    /// Nothing is done: 429 with this `Retry-After`.
    TooMany(u64),
    /// Nothing is done: 403, secondary rate limit, no header.
    SecondaryLimit,
    /// Nothing is done: 401.
    BadToken,
    /// Nothing is done: 410, issues are disabled.
    Disabled,
}

#[derive(Default)]
struct Memory {
    issues: Vec<Value>,
    comments: Vec<(u64, Value)>,
    faults: VecDeque<Fault>,
    /// How many more lists do not show the newest issue yet.
    lag: u32,
    may_push: bool,
    /// `METHOD path`, in order.
    requests: Vec<String>,
    complaints: Vec<String>,
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

struct Answer {
    status: u16,
    body: Option<Value>,
    headers: Vec<(&'static str, String)>,
    cut: bool,
}

impl Answer {
    fn new(status: u16, body: Value) -> Self {
        Self { status, body: Some(body), headers: Vec::new(), cut: false }
    }

    fn refusal(status: u16, message: &str) -> Self {
        Self::new(
            status,
            json!({"message": message, "documentation_url": "https://docs.github.com/rest", "status": status.to_string()}),
        )
    }
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
        let memory = Memory { may_push: true, ..Memory::default() };
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

    /// What goes wrong with the next write.
    pub(crate) fn fail_next(&self, fault: Fault) {
        self.memory().faults.push_back(fault);
    }

    /// So many lists do not show the newest issue yet.
    pub(crate) fn lag(&self, lists: u32) {
        self.memory().lag = lists;
    }

    /// The account may not push from now on: labels are dropped in silence.
    pub(crate) fn no_push(&self) {
        self.memory().may_push = false;
    }

    /// A person does something to an issue on the web.
    pub(crate) fn edit(&self, number: u64, change: impl FnOnce(&mut Value)) {
        let mut memory = self.memory();
        let issue = memory.issues.iter_mut().find(|issue| issue["number"] == number).unwrap();
        change(issue);
    }

    /// Somebody else files an issue.
    pub(crate) fn file_as(&self, login: &str, title: &str, body: &str) {
        let number = self.memory().issues.len() as u64 + 1;
        let mut issue = self.shared.blank_issue(number);
        issue["title"] = json!(title);
        issue["body"] = json!(body);
        issue["user"]["login"] = json!(login);
        self.memory().issues.push(issue);
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
    let answer = shared.handle(&parts.method, &parts.uri, &parts.headers, &bytes);
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
            None => by_heart(method, uri.path()),
        };
        let operation = match known {
            Ok(operation) => operation,
            Err(complaint) => {
                memory.complaints.push(complaint);
                return Answer::refusal(404, "Not Found");
            }
        };
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let absolute = format!("http://{}{}", header("host").unwrap_or_default(), uri.path());
        if header("user-agent").is_none() || header("x-github-api-version") != Some("2022-11-28") {
            memory.complaints.push(format!("{method} {uri}: user agent or API version is missing"));
        }
        if header("authorization") != Some(&format!("Bearer {TOKEN}")) {
            return Answer::refusal(401, "Bad credentials");
        }
        let query: Vec<(String, String)> =
            url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let body: Option<Value> = if body.is_empty() { None } else { serde_json::from_slice(body).ok() };
        let described = self.description.as_ref();
        let judged = described.map_or(Ok(()), |it| it.check_request(&operation, &query, body.as_ref()));
        let answer = match judged {
            Ok(()) => self.perform(&mut memory, &operation, &query, &body.unwrap_or_default(), &absolute),
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
        answer
    }

    fn perform(
        &self,
        memory: &mut Memory,
        operation: &Operation,
        query: &[(String, String)],
        body: &Value,
        url: &str,
    ) -> Answer {
        if let Some(owner) = operation.parameters.get("owner")
            && format!("{owner}/{}", operation.parameters["repo"]) != REPOSITORY
        {
            return Answer::refusal(404, "Not Found");
        }
        let fault = if operation.method == "get" { None } else { memory.faults.pop_front() };
        match fault {
            Some(Fault::TooMany(wait)) => {
                return Answer {
                    headers: vec![("retry-after", wait.to_string())],
                    ..Answer::refusal(429, "Too many requests")
                };
            }
            Some(Fault::SecondaryLimit) => {
                return Answer::refusal(
                    403,
                    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
                );
            }
            Some(Fault::BadToken) => return Answer::refusal(401, "Bad credentials"),
            Some(Fault::Disabled) => return Answer::refusal(410, "Issues are disabled for this repo"),
            Some(Fault::BadGatewayAfter | Fault::CutAfter) | None => {}
        }
        let number = operation.parameters.get("issue_number").and_then(|number| number.parse::<u64>().ok());
        let answer = match (operation.method.as_str(), operation.path.as_str(), number) {
            ("get", "/user", _) => Answer::new(200, self.user()),
            ("get", "/repos/{owner}/{repo}/issues", _) => list_issues(memory, query, url),
            ("post", "/repos/{owner}/{repo}/issues", _) => self.create(memory, body),
            (_, _, Some(number)) => match memory.issues.iter().position(|issue| issue["number"] == number) {
                None => Answer::refusal(404, "Not Found"),
                Some(place) => self.issue(memory, operation, place, query, body, url),
            },
            _ => Answer::refusal(404, "this fake does not do that"),
        };
        match fault {
            Some(Fault::BadGatewayAfter) => Answer::refusal(502, "Server Error"),
            Some(Fault::CutAfter) => Answer { cut: true, ..answer },
            _ => answer,
        }
    }

    fn issue(
        &self,
        memory: &mut Memory,
        operation: &Operation,
        place: usize,
        query: &[(String, String)],
        body: &Value,
        url: &str,
    ) -> Answer {
        let number = memory.issues[place]["number"].as_u64().unwrap();
        match (operation.method.as_str(), operation.path.ends_with("/comments")) {
            ("get", true) => {
                let of: Vec<Value> = memory
                    .comments
                    .iter()
                    .filter(|(issue, _)| *issue == number)
                    .map(|(_, it)| it.clone())
                    .collect();
                page(of, query, url)
            }
            ("post", true) => {
                let mut comment = self.example("issue-comment");
                comment["body"] = body["body"].clone();
                comment["user"]["login"] = json!(LOGIN);
                memory.comments.push((number, comment.clone()));
                Answer::new(201, comment)
            }
            ("get", false) => Answer::new(200, memory.issues[place].clone()),
            ("patch", false) => {
                let may_push = memory.may_push;
                match write(&mut memory.issues[place], body, may_push) {
                    Ok(()) => Answer::new(200, memory.issues[place].clone()),
                    Err(refusal) => refusal,
                }
            }
            _ => Answer::refusal(404, "this fake does not do that"),
        }
    }

    fn create(&self, memory: &mut Memory, body: &Value) -> Answer {
        let mut issue = self.blank_issue(memory.issues.len() as u64 + 1);
        match write(&mut issue, body, memory.may_push) {
            Ok(()) => {
                memory.issues.push(issue.clone());
                Answer::new(201, issue)
            }
            Err(refusal) => refusal,
        }
    }

    fn blank_issue(&self, number: u64) -> Value {
        let mut issue = self.example("issue");
        issue["number"] = json!(number);
        issue["id"] = json!(number + 1000);
        issue["html_url"] = json!(format!("https://github.com/{REPOSITORY}/issues/{number}"));
        issue["user"]["login"] = json!(LOGIN);
        issue["state"] = json!("open");
        issue["state_reason"] = Value::Null;
        issue["labels"] = json!([]);
        let now = firstcheck::clock::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        issue["created_at"] = json!(now);
        issue["updated_at"] = json!(now);
        if let Some(fields) = issue.as_object_mut() {
            fields.remove("pull_request");
        }
        issue
    }

    /// The description's example, to be filled in; by heart, an object with nothing but what is filled in.
    fn example(&self, name: &str) -> Value {
        let described = self.description.as_ref().map(|description| description.example(name));
        described.unwrap_or_else(|| json!({"user": {}}))
    }

    fn user(&self) -> Value {
        let mut user = self.example("private-user-response-with-public-and-private-profile-information");
        user["login"] = json!(LOGIN);
        user
    }
}

/// The operations that are known without the description.
fn by_heart(method: &Method, path: &str) -> Result<Operation, String> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (described, parameters): (&str, Vec<(&str, &str)>) = match (method.as_str(), parts.as_slice()) {
        ("GET", ["user"]) => ("/user", Vec::new()),
        ("GET" | "POST", ["repos", owner, repo, "issues"]) => {
            ("/repos/{owner}/{repo}/issues", vec![("owner", owner), ("repo", repo)])
        }
        ("GET" | "PATCH", ["repos", owner, repo, "issues", number]) => (
            "/repos/{owner}/{repo}/issues/{issue_number}",
            vec![("owner", owner), ("repo", repo), ("issue_number", number)],
        ),
        ("GET" | "POST", ["repos", owner, repo, "issues", number, "comments"]) => (
            "/repos/{owner}/{repo}/issues/{issue_number}/comments",
            vec![("owner", owner), ("repo", repo), ("issue_number", number)],
        ),
        _ => return Err(format!("{method} {path} is no route here")),
    };
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Ok(Operation {
        path: described.to_owned(),
        method: method.as_str().to_ascii_lowercase(),
        parameters: parameters.into_iter().map(owned).collect(),
    })
}

/// Writes the given fields into an issue, as far as GitHub would.
fn write(issue: &mut Value, body: &Value, may_push: bool) -> Result<(), Answer> {
    let too_long =
        |field: &str, limit: usize| body[field].as_str().is_some_and(|text| text.chars().count() > limit);
    if too_long("body", BODY_LIMIT) || too_long("title", TITLE_LIMIT) {
        return Err(Answer::refusal(422, "Validation Failed: body is too long"));
    }
    for field in ["title", "body", "state", "state_reason"] {
        if let Some(value) = body.get(field) {
            issue[field] = value.clone();
        }
    }
    if let (true, Some(labels)) = (may_push, body["labels"].as_array()) {
        let label = |name: &Value| json!({"id": 1, "node_id": "L", "url": "https://api.github.com/l", "name": name, "color": "ededed", "default": false, "description": null});
        issue["labels"] = labels.iter().map(label).collect();
    }
    Ok(())
}

fn list_issues(memory: &mut Memory, query: &[(String, String)], url: &str) -> Answer {
    let wants = |key: &str| query.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
    let hidden = if memory.lag > 0 {
        memory.lag -= 1;
        memory.issues.last().map(|issue| issue["number"].clone())
    } else {
        None
    };
    let state = wants("state").unwrap_or_else(|| "open".to_owned());
    let creator = wants("creator");
    let since = wants("since");
    let of: Vec<Value> = memory
        .issues
        .iter()
        .rev()
        .filter(|it| Some(&it["number"]) != hidden.as_ref())
        .filter(|it| state == "all" || it["state"] == state)
        .filter(|it| creator.as_ref().is_none_or(|creator| it["user"]["login"] == *creator))
        .filter(|it| since.as_deref().is_none_or(|since| it["updated_at"].as_str().unwrap() >= since))
        .cloned()
        .collect();
    page(of, query, url)
}

/// One page and the link to the next.
fn page(all: Vec<Value>, query: &[(String, String)], url: &str) -> Answer {
    let number = |key: &str, default: usize| {
        query
            .iter()
            .find(|(name, _)| name == key)
            .and_then(|(_, value)| value.parse().ok())
            .unwrap_or(default)
    };
    let (size, at) = (number("per_page", 30).min(100), number("page", 1));
    let more = all.len() > at * size;
    let page: Vec<Value> = all.into_iter().skip((at - 1) * size).take(size).collect();
    let mut answer = Answer::new(200, Value::Array(page));
    if more {
        let others: Vec<String> = query
            .iter()
            .filter(|(name, _)| name != "page")
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        answer
            .headers
            .push(("link", format!("<{}?{}&page={}>; rel=\"next\"", url, others.join("&"), at + 1)));
    }
    answer
}
