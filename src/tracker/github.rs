//! Issues of GitHub repositories, through octocrab.
//!
//! GitHub has no idempotency key: a create that ends in a 502, a time-out or a cut connection may have happened. So nothing is
//! created before the incident's marker has been looked for among all issues, open and closed, by *list* (search lags by
//! minutes); and after an unknown outcome not before the list had time to catch up ([`GitHub::with_patience`]). octocrab's own
//! retries, which repeat POSTs, are not compiled in. Only our marked section of a body is rewritten, and labels that are not ours
//! stay. What surprises: labels are dropped in silence for accounts without push access; that is noticed and said once.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use octocrab::{Octocrab, Page};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;
use url::Url;

use crate::evidence::render::{Issue, marker, news_marker, spliced};
use crate::incident::{IncidentId, IssueRef};
use crate::tracker::TrackerError;

mod failure;

use failure::Failure;

/// How to reach GitHub.
#[derive(Clone)]
pub struct Settings {
    /// The API's base: `https://api.github.com`, a GitHub Enterprise Server's `https://HOST/api/v3`, or a test's.
    pub api_url: Url,
    /// A personal access token or an app's installation token.
    pub token: String,
    /// The repository (`owner/name`) for services that name none.
    pub repository: Option<String>,
    /// How long one request may take. GitHub itself cuts at 10 s, so less makes more outcomes unknown.
    pub timeout: Duration,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("api_url", &self.api_url.as_str())
            .field("repository", &self.repository)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// How long the list of issues may lag behind a create whose outcome is unknown. Seconds are normal; a minute and a half has
/// been enough outside GitHub's own incidents, and then nobody's issue is filed in time anyway.
const PATIENCE: Duration = Duration::from_secs(90);
/// How soon to look again meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(15);
/// Issues on a page: GitHub's maximum.
const PER_PAGE: u8 = 100;
/// The prefixes of labels that are ours to take away again.
const OUR_LABELS: [&str; 3] = ["bucket:", "severity:", "service:"];

/// GitHub, as one account. Clones share what they have learned.
#[derive(Debug, Clone)]
pub struct GitHub {
    client: Octocrab,
    settings: Settings,
    patience: Duration,
    learned: Arc<Learned>,
}

/// What was learned of the other side.
#[derive(Debug, Default)]
struct Learned {
    /// The account's login; `None` inside when the token has no user (an app's installation token).
    login: OnceCell<Option<String>>,
    /// Incidents whose create has an unknown outcome, and since when.
    doubtful: Mutex<BTreeMap<IncidentId, Instant>>,
    /// Repositories that dropped our labels.
    without_labels: Mutex<BTreeSet<String>>,
}

/// The part of GitHub's issue that matters here.
#[derive(Debug, Clone, Deserialize)]
struct Found {
    number: u64,
    html_url: String,
    state: String,
    title: String,
    body: Option<String>,
    user: Option<User>,
    #[serde(default)]
    labels: Vec<Label>,
    /// The list of issues holds pull requests too.
    pull_request: Option<Value>,
}

#[derive(Debug, Clone, Deserialize)]
struct User {
    login: String,
}

/// A label comes as an object, or as its name alone.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Label {
    Named { name: String },
    Name(String),
}

impl Label {
    fn name(&self) -> &str {
        match self {
            Self::Named { name } | Self::Name(name) => name,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
struct Comment {
    body: Option<String>,
    user: Option<User>,
}

/// The query of a list.
#[derive(Debug, Serialize)]
struct List {
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    creator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    per_page: u8,
}

impl GitHub {
    /// A client with these settings. Nothing is sent yet. Must be called inside a Tokio runtime, where octocrab spawns its
    /// queue.
    ///
    /// # Errors
    /// [`TrackerError`] when the client cannot be built from the settings.
    pub fn new(settings: Settings) -> Result<Self, TrackerError> {
        let base = settings.api_url.as_str().trim_end_matches('/').to_owned();
        let client = Octocrab::builder()
            .base_uri(base)
            .and_then(|builder| {
                builder
                    .personal_token(settings.token.clone())
                    .set_connect_timeout(Some(settings.timeout))
                    .set_read_timeout(Some(settings.timeout))
                    .set_write_timeout(Some(settings.timeout))
                    .build()
            })
            .map_err(|error| TrackerError::never(format!("the GitHub client cannot be built: {error}")))?;
        Ok(Self { client, settings, patience: PATIENCE, learned: Arc::default() })
    }

    /// The same, creating again sooner after an unknown outcome; for tests and for servers whose list does not lag.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Whether this repository (`owner/name`) dropped our labels: the account has no push access there.
    #[must_use]
    pub fn drops_labels(&self, repository: &str) -> bool {
        self.learned.without_labels.lock().unwrap_or_else(PoisonError::into_inner).contains(repository)
    }

    /// Who GitHub says we are, and whether the repository takes issues.
    pub(super) async fn look(&self) -> Result<String, TrackerError> {
        let who = self.login().await?.unwrap_or_else(|| "an app".to_owned());
        let Some(repository) = &self.settings.repository else {
            return Ok(format!("GitHub knows the token as {who}; each service names its repository"));
        };
        let route = format!("/repos/{repository}");
        let found: serde_json::Value = self.call(self.client.get(route, None::<&()>)).await?;
        if found.get("has_issues").and_then(serde_json::Value::as_bool) == Some(false) {
            return Err(TrackerError::never(format!("{repository} has its issues switched off")));
        }
        Ok(format!("GitHub knows the token as {who}, and {repository} takes issues"))
    }

    pub(super) async fn file(
        &self,
        incident: &IncidentId,
        repository: Option<&str>,
        issue: &Issue,
        known: Option<&IssueRef>,
    ) -> Result<IssueRef, TrackerError> {
        let known = known.and_then(|it| {
            let (repository, number) = it.reference.rsplit_once('#')?;
            Some((Repository::parse(repository)?, number.parse::<u64>().ok()?))
        });
        let (repository, found) = if let Some((repository, number)) = known {
            let found = self.get(&repository.route(&format!("/issues/{number}"))).await?;
            (repository, found)
        } else {
            let named = repository.or(self.settings.repository.as_deref()).ok_or_else(|| {
                TrackerError::never("no repository is configured: set `tracker.github.repository`, or `repository` of the service")
            })?;
            let repository = Repository::parse(named).ok_or_else(|| {
                TrackerError::never(format!("`{named}` is no repository; one looks like owner/name"))
            })?;
            let found = self.find_or_create(incident, &repository, issue).await?;
            (repository, found)
        };
        self.update(incident, &repository, issue, &found).await?;
        self.tell(incident, &repository, issue, found.number).await?;
        Ok(IssueRef { reference: format!("{repository}#{}", found.number), url: found.html_url })
    }

    /// The incident's issue: the one there is, or a new one; never a second one.
    async fn find_or_create(
        &self,
        incident: &IncidentId,
        repository: &Repository,
        issue: &Issue,
    ) -> Result<Found, TrackerError> {
        if let Some(found) = self.find(incident, repository, issue).await? {
            self.settle(incident);
            return Ok(found);
        }
        let doubtful =
            self.learned.doubtful.lock().unwrap_or_else(PoisonError::into_inner).get(incident).copied();
        if doubtful.is_some_and(|since| since.elapsed() < self.patience) {
            return Err(TrackerError::after(
                LOOK_AGAIN.min(self.patience),
                format!(
                    "GitHub has not said whether the issue in {repository} was created, and does not list it yet; looking again before creating"
                ),
            ));
        }
        let route = repository.route("/issues");
        let labels = if self.drops_labels(&repository.to_string()) { &[][..] } else { &issue.labels };
        let body = json!({"title": issue.title, "body": issue.body, "labels": labels});
        match self.call(self.client.post::<_, Found>(route, Some(&body))).await {
            Ok(created) => {
                self.settle(incident);
                self.notice_labels(repository, labels, &created);
                Ok(created)
            }
            Err(failure) if failure.may_have_happened => {
                self.learned
                    .doubtful
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(incident.clone(), Instant::now());
                // Mostly it has happened, and the list says so at once.
                match self.find(incident, repository, issue).await {
                    Ok(Some(found)) => {
                        self.settle(incident);
                        Ok(found)
                    }
                    Ok(None) | Err(_) => Err(failure.into()),
                }
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// The outcome of the incident's create is known.
    fn settle(&self, incident: &IncidentId) {
        self.learned.doubtful.lock().unwrap_or_else(PoisonError::into_inner).remove(incident);
    }

    /// Looks the marker up among all issues since the incident opened. Anybody can paste a marker: where we know who we are, only our
    /// own issues count.
    async fn find(
        &self,
        incident: &IncidentId,
        repository: &Repository,
        issue: &Issue,
    ) -> Result<Option<Found>, TrackerError> {
        let login = self.login().await?;
        // A day of slack for a clock that is wrong.
        let since = issue.opened_on.parse::<jiff::civil::Date>().ok().and_then(|day| day.yesterday().ok());
        let query = List {
            state: Some("all"),
            sort: Some("created"),
            creator: login.clone(),
            since: since.map(|day| format!("{day}T00:00:00Z")),
            per_page: PER_PAGE,
        };
        let all: Vec<Found> = self.list(&repository.route("/issues"), &query).await?;
        let wanted = marker(incident.as_str());
        let mut ours: Vec<Found> = all
            .into_iter()
            .filter(|it| it.pull_request.is_none())
            .filter(|it| it.body.as_deref().is_some_and(|body| body.contains(&wanted)))
            .filter(|it| login.is_none() || it.user.as_ref().map(|user| &user.login) == login.as_ref())
            .collect();
        ours.sort_by_key(|it| it.number);
        if ours.len() > 1 {
            tracing::warn!(incident.id = %incident, repository = %repository, count = ours.len(), "several issues carry the marker of {incident}; the first is kept up to date");
        }
        Ok(ours.into_iter().next())
    }

    /// Makes title, our section, our labels and the state be as wanted; sends nothing when they are.
    async fn update(
        &self,
        incident: &IncidentId,
        repository: &Repository,
        issue: &Issue,
        found: &Found,
    ) -> Result<(), TrackerError> {
        let mut change = Map::new();
        if found.title != issue.title {
            change.insert("title".to_owned(), json!(issue.title));
        }
        let old = found.body.as_deref().unwrap_or_default();
        let body = spliced(incident.as_str(), old, &issue.body);
        // GitHub keeps bodies with CRLF when a person edited them on the web.
        if body.replace("\r\n", "\n") != old.replace("\r\n", "\n") {
            change.insert("body".to_owned(), json!(body));
        }
        let has: BTreeSet<&str> = found.labels.iter().map(Label::name).collect();
        let theirs =
            has.iter().copied().filter(|name| !OUR_LABELS.iter().any(|prefix| name.starts_with(prefix)));
        let wants: BTreeSet<&str> = theirs.chain(issue.labels.iter().map(String::as_str)).collect();
        if wants != has && !self.drops_labels(&repository.to_string()) {
            change.insert("labels".to_owned(), json!(wants));
        }
        if issue.closed && found.state == "open" {
            change.insert("state".to_owned(), json!("closed"));
            change.insert("state_reason".to_owned(), json!("completed"));
        }
        if change.is_empty() {
            return Ok(());
        }
        let sent_labels = change.contains_key("labels");
        let route = repository.route(&format!("/issues/{}", found.number));
        let updated: Found = self.call(self.client.patch(route, Some(&Value::Object(change)))).await?;
        if sent_labels {
            self.notice_labels(repository, &issue.labels, &updated);
        }
        Ok(())
    }

    /// Comments what is new, each once.
    async fn tell(
        &self,
        incident: &IncidentId,
        repository: &Repository,
        issue: &Issue,
        number: u64,
    ) -> Result<(), TrackerError> {
        if issue.news.is_empty() {
            return Ok(());
        }
        let route = repository.route(&format!("/issues/{number}/comments"));
        let query = List { state: None, sort: None, creator: None, since: None, per_page: PER_PAGE };
        let comments: Vec<Comment> = self.list(&route, &query).await?;
        let login = self.login().await?;
        let told = |wanted: &str| {
            comments.iter().any(|it| {
                let ours = login.is_none() || it.user.as_ref().map(|user| &user.login) == login.as_ref();
                ours && it.body.as_deref().is_some_and(|body| body.contains(wanted))
            })
        };
        for news in &issue.news {
            let marker = news_marker(incident.as_str(), &news.key);
            if !told(&marker) {
                let body = json!({"body": format!("{marker}\n{}", news.text)});
                let _created: Value = self.call(self.client.post(route.clone(), Some(&body))).await?;
            }
        }
        Ok(())
    }

    /// Labels are dropped without a word for accounts that may not push: compare what came back with what was asked.
    fn notice_labels(&self, repository: &Repository, asked: &[String], got: &Found) {
        let has = |name: &String| got.labels.iter().any(|label| label.name().eq_ignore_ascii_case(name));
        if asked.iter().all(has) {
            return;
        }
        let mut without = self.learned.without_labels.lock().unwrap_or_else(PoisonError::into_inner);
        if without.insert(repository.to_string()) {
            tracing::warn!(repository = %repository, "GitHub dropped the labels of an issue in {repository}: the account needs push (triage) access for labels; issues are filed without them");
        }
    }

    /// Who we are; an app's installation token has no user.
    async fn login(&self) -> Result<Option<String>, TrackerError> {
        let ask = || async {
            match self.call(self.client.get::<User, _, ()>("/user", None)).await {
                Ok(user) => Ok(Some(user.login)),
                Err(failure) if matches!(failure.status, Some(403 | 404)) && !failure.is_limit => Ok(None),
                Err(failure) => Err(TrackerError::from(failure)),
            }
        };
        self.learned.login.get_or_try_init(ask).await.cloned()
    }

    async fn get(&self, route: &str) -> Result<Found, TrackerError> {
        Ok(self.call(self.client.get(route, None::<&()>)).await?)
    }

    /// All pages of a list.
    async fn list<T: serde::de::DeserializeOwned>(
        &self,
        route: &str,
        query: &List,
    ) -> Result<Vec<T>, TrackerError> {
        let mut page: Page<T> = self.call(self.client.get(route, Some(query))).await?;
        let mut all = page.take_items();
        while let Some(mut next) = self.call(self.client.get_page::<T>(&page.next)).await? {
            all.append(&mut next.take_items());
            page = next;
        }
        Ok(all)
    }

    /// One request, within its time.
    async fn call<T>(&self, request: impl Future<Output = octocrab::Result<T>>) -> Result<T, Failure> {
        match tokio::time::timeout(self.settings.timeout, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Failure::of(&error)),
            Err(_) => Err(Failure::timed_out(self.settings.timeout)),
        }
    }
}

/// `owner/name`, safe in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Repository {
    owner: String,
    name: String,
}

impl Repository {
    fn parse(text: &str) -> Option<Self> {
        let (owner, name) = text.split_once('/')?;
        let good = |part: &str, more: &[u8]| {
            !part.is_empty()
                && part.len() <= 100
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
        };
        let is = good(owner, b"-_") && good(name, b"-_.") && name != "." && name != "..";
        is.then(|| Self { owner: owner.to_owned(), name: name.to_owned() })
    }

    fn route(&self, rest: &str) -> String {
        format!("/repos/{}/{}{rest}", self.owner, self.name)
    }
}

impl std::fmt::Display for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_two_plain_names() {
        assert_eq!(Repository::parse("shop/api.v2").unwrap().route("/issues"), "/repos/shop/api.v2/issues");
        for text in ["shop", "shop/", "/api", "shop/api/issues", "../x", "shop/..", "shop/a?b", "sh op/api"] {
            assert_eq!(Repository::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        let settings = Settings {
            api_url: "https://api.github.com".parse().unwrap(),
            token: "ghp_secret".into(),
            repository: None,
            timeout: Duration::from_secs(1),
        };
        assert!(!format!("{settings:?}").contains("secret"));
    }
}
