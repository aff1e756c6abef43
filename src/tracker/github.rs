//! Issues of GitHub repositories, through octocrab.
//!
//! GitHub has no idempotency key: a create that ends in a 502, a time-out or a cut connection may have happened. So nothing is
//! created before the incident's marker has been looked for among all issues, open and closed, by *list* (search lags by
//! minutes); that it is about to happen is recorded by the caller first (`GitHub::create`); and where a creation was begun and nobody
//! knows its end, none is begun again before the list had time to catch up ([`Settings::list_lag`]). octocrab's own retries, which
//! repeat POSTs, are not compiled in. Only our marked section of a body is rewritten, and labels that are not ours stay. What
//! surprises: labels are dropped in silence for accounts without push access; that is noticed and said.
//!
//! # Why there is no fence at GitHub itself
//! Two replicas cannot both win the record that precedes a creation, and whoever won sends its request within `FENCE` of it or
//! not at all. Together with the time-out of a request this bounds when a creation can still happen; [`Settings::list_lag`] is
//! longer, so whoever comes later sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use serde_json::{Value, json};
use url::Url;

use crate::evidence::render::marker;
use crate::incident::{IncidentId, IssueRef};
use crate::profile::owners::Owners;
use crate::profile::routing::{Route, Routing, Subject};
use crate::tracker::folder::REOPEN_WITHIN;
use crate::tracker::{Earlier, Filed, Filing, LeftOut, NotCreated, Placed, TrackerError, section};

mod account;
mod cache;
mod comments;
mod failure;
mod labels;
mod look;
mod owners;
mod pace;
mod shapes;
mod update;

use account::{Account, Clients};
use failure::Failure;
use pace::Pace;
use shapes::{Found, List, Repository};

/// How to reach GitHub.
#[derive(Clone)]
pub struct Settings {
    /// The API's base: `https://api.github.com`, a GitHub Enterprise Server's `https://HOST/api/v3`, or a test's.
    pub api_url: Url,
    /// Who we are there.
    pub credential: Credential,
    /// Where issues go, who is assigned, and which labels they get beside ours.
    pub routing: Routing,
    /// How long one request may take. GitHub itself cuts at 10 s, so less makes more outcomes unknown.
    pub timeout: Duration,
    /// How long the list of issues may lag behind a creation whose outcome is unknown. Seconds are normal; a minute and a half
    /// has been enough outside GitHub's own incidents.
    pub list_lag: Duration,
    /// How long after the end of an incident its issue is opened again when the same problem comes back; zero is never.
    pub reopen_within: Duration,
    /// Content that is created in a minute and in an hour, at most.
    pub per_minute: u32,
    /// See `per_minute`.
    pub per_hour: u32,
}

/// Who we are at GitHub.
#[derive(Clone)]
pub enum Credential {
    /// A fine-grained or classic personal access token.
    Token(String),
    /// An app.
    App {
        /// Its id.
        id: u64,
        /// Its private key, in PEM form.
        key: String,
        /// Its one installation; without it each repository's is looked up.
        installation: Option<u64>,
    },
}

/// Twice what GitHub itself takes before it cuts a request.
const TIMEOUT: Duration = Duration::from_secs(15);
/// A minute and a half has been enough outside GitHub's own incidents, and then nobody's issue is filed in time anyway.
const LIST_LAG: Duration = Duration::from_secs(90);
/// GitHub's are 80 and 500, shared with what the account's people do on the web.
const PER_MINUTE: u32 = 60;
/// See [`PER_MINUTE`].
const PER_HOUR: u32 = 400;

impl Settings {
    /// Settings with the usual limits.
    #[must_use]
    pub fn new(api_url: Url, credential: Credential, routing: Routing) -> Self {
        Self {
            api_url,
            credential,
            routing,
            timeout: TIMEOUT,
            list_lag: LIST_LAG,
            reopen_within: REOPEN_WITHIN,
            per_minute: PER_MINUTE,
            per_hour: PER_HOUR,
        }
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("api_url", &self.api_url.as_str())
            .field("repository", &self.routing.repository)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// How soon a creation must follow its record. Longer means that this process was held up, and another may have begun.
const FENCE: Duration = Duration::from_secs(5);
/// How soon to look again while the list may lag.
const LOOK_AGAIN: Duration = Duration::from_secs(15);
/// Issues on a page: GitHub's maximum.
const PER_PAGE: u8 = 100;
/// Pages that are read: beyond it something is wrong with the list.
const MOST_PAGES: u32 = 200;

/// GitHub, as one account. Clones share what they have learned.
#[derive(Debug, Clone)]
pub struct GitHub {
    account: Arc<Account>,
    settings: Settings,
    pace: Arc<Pace>,
    learned: Arc<Learned>,
}

/// What was learned of the other side.
#[derive(Debug, Default)]
struct Learned {
    /// Comments (by their marker) of which nobody knows whether they were written, and since when.
    doubtful: Mutex<BTreeMap<String, Instant>>,
    /// Repositories that drop our labels: since when it is known, and why.
    without_labels: Mutex<BTreeMap<String, (Instant, String)>>,
    /// Labels that are known to exist, in lower case, by repository.
    labels: Mutex<BTreeMap<String, BTreeSet<String>>>,
    /// Labels (repository and name) that do not exist and cannot be created: since when it is known, and why.
    refused_labels: Mutex<BTreeMap<(String, String), (Instant, String)>>,
    /// The owners of repositories that have a `CODEOWNERS`.
    owners: Mutex<BTreeMap<String, (Instant, Owners)>>,
}

/// One repository and the clients for it.
struct Desk<'a> {
    github: &'a GitHub,
    repository: Repository,
    clients: Arc<Clients>,
    login: Option<String>,
}

impl GitHub {
    /// A client with these settings. Nothing is sent yet. Must be called inside a Tokio runtime, where octocrab spawns its
    /// queue.
    ///
    /// # Errors
    /// [`TrackerError`] when the client cannot be built from the settings.
    pub fn new(settings: Settings) -> Result<Self, TrackerError> {
        let account = Arc::new(Account::new(&settings)?);
        let pace = Arc::new(Pace::new(settings.per_minute, settings.per_hour));
        Ok(Self { account, settings, pace, learned: Arc::default() })
    }

    pub(super) fn route(&self, subject: &Subject<'_>) -> Route {
        self.settings.routing.route(subject)
    }

    pub(super) async fn file(&self, filing: &Filing<'_>) -> Result<Filed, TrackerError> {
        let known = filing.known.and_then(|it| place(&it.reference));
        if known.is_none() {
            // Looking costs requests too: not while nothing may be created.
            self.pace.room(Instant::now()).map_err(paced)?;
        }
        let repository = match (&known, filing.creating) {
            (Some((repository, _)), _) => repository.clone(),
            (None, Some(begun)) => parse(&begun.repository)?,
            (None, None) => Self::repository(filing)?,
        };
        let desk = self.desk(repository).await?;
        let found = match known {
            Some((_, number)) => Some(desk.issue(number).await?),
            None => desk.find(filing).await?,
        };
        if let Some(found) = found {
            return desk.bring_up_to_date(filing, found, Vec::new()).await.map(Filed::There);
        }
        // What was begun as a creation stays one: it may be there already.
        if filing.creating.is_none()
            && let Some(placed) = desk.join_earlier(filing).await?
        {
            return Ok(Filed::There(placed));
        }
        let lag = SignedDuration::try_from(self.settings.list_lag).unwrap_or(SignedDuration::MAX);
        if filing.creating.is_some_and(|begun| filing.now.duration_since(begun.since) < lag) {
            return Err(TrackerError::after(
                LOOK_AGAIN.min(self.settings.list_lag / 4),
                format!(
                    "nobody knows yet whether the issue in {} was created, and GitHub does not list it; looking again before creating",
                    desk.repository
                ),
            ));
        }
        // The configuration may name another place by now; where nothing was begun, nothing can be.
        Ok(Filed::Missing { repository: Self::repository(filing)?.to_string() })
    }

    pub(super) async fn create(&self, filing: &Filing<'_>, recorded: Instant) -> Result<Placed, NotCreated> {
        let certain = |error: TrackerError| NotCreated { error, is_certain: true };
        let desk = async {
            let repository = Self::repository(filing)?;
            self.desk(repository).await
        };
        let desk = desk.await.map_err(certain)?;
        let (labels, mut left_out) = desk.labels(&section::labels(filing)).await.map_err(certain)?;
        let assignees = desk.assignees(filing).await;
        let mut body = json!({
            "title": filing.issue.title,
            "body": Desk::first_body(filing),
            "labels": labels,
            "assignees": assignees,
        });
        self.pace.take(Instant::now()).map_err(|wait| certain(paced(wait)))?;
        if recorded.elapsed() > FENCE {
            let why = "creating the issue was held up; looking again before creating";
            return Err(certain(TrackerError::after(Duration::from_secs(1), why)));
        }
        let route = desk.repository.route("/issues");
        let mut created = self.call(desk.clients.writes.post::<_, Found>(&route, Some(&body))).await;
        if let Err(failure) = &created
            && failure.status == Some(422)
            && !(labels.is_empty() && assignees.is_empty())
        {
            // Certainly not created; of what was asked, these are what an issue can do without.
            left_out.push(LeftOut::labels(format!(
                "labels and assignees, which GitHub refuses together with the issue ({})",
                failure.reason()
            )));
            body["labels"] = json!([]);
            body["assignees"] = json!([]);
            created = self.call(desk.clients.writes.post::<_, Found>(&route, Some(&body))).await;
        }
        let created = match created {
            Ok(created) => created,
            Err(failure) if failure.may_have_happened => {
                // Mostly it has happened, and the list says so at once.
                match desk.find(filing).await {
                    Ok(Some(found)) => found,
                    Ok(None) | Err(_) => {
                        return Err(NotCreated { error: failure.into(), is_certain: false });
                    }
                }
            }
            Err(failure) => {
                // What ails the repository may have been why its labels were refused too.
                desk.forget_refusals();
                return Err(certain(failure.into()));
            }
        };
        left_out.extend(desk.missing_from(&created, &labels, &assignees));
        let updated = desk.bring_up_to_date(filing, created, left_out).await;
        // It was created: what follows is an update, and is tried again as one.
        updated.map_err(|error| NotCreated { error, is_certain: false })
    }

    fn repository(filing: &Filing<'_>) -> Result<Repository, TrackerError> {
        parse(filing.route.repository.as_deref().ok_or_else(|| {
            TrackerError::never(
                "no repository is configured: set `tracker.github.repository`, a route, or `repository` of the service",
            )
        })?)
    }

    async fn desk(&self, repository: Repository) -> Result<Desk<'_>, TrackerError> {
        let clients = self.account.clients(&repository).await?;
        let login = self.account.login().await?;
        Ok(Desk { github: self, repository, clients, login })
    }

    /// One request. A limit that it meets holds up everything that is written.
    async fn call<T>(&self, request: impl Future<Output = octocrab::Result<T>>) -> Result<T, Failure> {
        self.account.call(request).await.inspect_err(|failure| {
            if let Some(wait) = failure.limit_wait() {
                self.pace.hold(Instant::now() + wait);
            }
        })
    }
}

impl Desk<'_> {
    /// Looks the marker up among all issues since the incident opened. Anybody can paste a marker: where we know who we are, only our
    /// own issues count. Should there be several, the others are closed as duplicates of the first.
    async fn find(&self, filing: &Filing<'_>) -> Result<Option<Found>, TrackerError> {
        // A day of slack for a clock that is wrong.
        let since =
            filing.issue.opened_on.parse::<jiff::civil::Date>().ok().and_then(|day| day.yesterday().ok());
        let query = List {
            state: Some("all"),
            sort: Some("created"),
            // An app is not asked for by name: how its name is written in a query is not described.
            creator: self.login.clone().filter(|login| !login.ends_with("[bot]")),
            since: since.map(|day| format!("{day}T00:00:00Z")),
            ..List::default()
        };
        let all: Vec<Found> = self.list("/issues", query).await?;
        let wanted = marker(filing.incident.as_str());
        let mut ours: Vec<Found> = all
            .into_iter()
            .filter(|it| it.pull_request.is_none())
            .filter(|it| it.body().contains(&wanted))
            .filter(|it| self.is_ours(it.user.as_ref()))
            .collect();
        ours.sort_by_key(|it| it.number);
        let mut ours = ours.into_iter();
        let first = ours.next();
        if let Some(first) = &first {
            for duplicate in ours.filter(Found::is_open) {
                self.close_duplicate(filing.incident, first, &duplicate).await?;
            }
        }
        Ok(first)
    }

    /// "Duplicate of #12" in a comment is what GitHub itself takes for a mark.
    async fn close_duplicate(
        &self,
        incident: &IncidentId,
        first: &Found,
        other: &Found,
    ) -> Result<(), TrackerError> {
        tracing::warn!(incident.id = %incident, "{}#{} has the marker of {incident} too; it is closed as a duplicate of #{}", self.repository, other.number, first.number);
        let text = format!("Duplicate of #{}", first.number);
        let comments = self.comments(other.number).await?;
        self.say_once(other.number, &comments, incident, "duplicate", &text).await?;
        let change = json!({"state": "closed", "state_reason": "duplicate"});
        self.patch(other.number, &change).await.map(|_| ())
    }

    /// The issue of an earlier incident with the same key, when that one was over only lately: it is this incident's too.
    async fn join_earlier(&self, filing: &Filing<'_>) -> Result<Option<Placed>, TrackerError> {
        let within = self.github.settings.reopen_within;
        let Some(earlier) = filing.earlier.filter(|it| it.over_for < within) else { return Ok(None) };
        let Some((_, number)) = self.number_here(earlier) else { return Ok(None) };
        match self.try_issue(number).await {
            Ok(found) => self.bring_up_to_date(filing, found, Vec::new()).await.map(Some),
            // Somebody deleted or moved it: this incident gets one of its own.
            Err(failure) if matches!(failure.status, Some(301 | 404 | 410)) => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    /// The earlier issue, if it is of this repository.
    fn number_here(&self, earlier: &Earlier) -> Option<(Repository, u64)> {
        place(&earlier.issue.reference).filter(|(repository, _)| *repository == self.repository)
    }

    /// The body of a new issue: our section, and the earlier issue where there is one.
    fn first_body(filing: &Filing<'_>) -> String {
        let body = update::pieces(filing, 0, &update::trailer(filing)).swap_remove(0);
        match filing.earlier {
            Some(earlier) => format!("{body}\n\n{}", section::linked(earlier)),
            None => body,
        }
    }

    fn is_ours(&self, user: Option<&shapes::User>) -> bool {
        self.login.is_none() || user.map(|user| &user.login) == self.login.as_ref()
    }

    async fn issue(&self, number: u64) -> Result<Found, TrackerError> {
        Ok(self.try_issue(number).await?)
    }

    async fn try_issue(&self, number: u64) -> Result<Found, Failure> {
        let route = self.repository.route(&format!("/issues/{number}"));
        self.github.call(self.clients.reads.get(route, None::<&()>)).await
    }

    async fn patch(&self, number: u64, change: &Value) -> Result<Found, TrackerError> {
        let route = self.repository.route(&format!("/issues/{number}"));
        Ok(self.github.call(self.clients.writes.patch(route, Some(change))).await?)
    }

    /// All pages of a list. Pages are asked for by number: the link GitHub gives is absolute, and an app's token would not go there.
    async fn list<T: serde::de::DeserializeOwned>(
        &self,
        rest: &str,
        query: List,
    ) -> Result<Vec<T>, TrackerError> {
        Ok(self.try_list(rest, query).await?)
    }

    async fn try_list<T: serde::de::DeserializeOwned>(
        &self,
        rest: &str,
        query: List,
    ) -> Result<Vec<T>, Failure> {
        let route = self.repository.route(rest);
        let mut all = Vec::new();
        for page in 1..=MOST_PAGES {
            let query = List { per_page: PER_PAGE, page, ..query.clone() };
            let mut found: octocrab::Page<T> =
                self.github.call(self.clients.reads.get(&route, Some(&query))).await?;
            all.append(&mut found.take_items());
            if found.next.is_none() {
                return Ok(all);
            }
        }
        Err(Failure::endless(&route))
    }
}

/// `owner/name#12`.
fn place(reference: &str) -> Option<(Repository, u64)> {
    let (repository, number) = reference.rsplit_once('#')?;
    Some((Repository::parse(repository)?, number.parse().ok()?))
}

fn parse(named: &str) -> Result<Repository, TrackerError> {
    Repository::parse(named)
        .ok_or_else(|| TrackerError::never(format!("`{named}` is no repository; one looks like owner/name")))
}

fn paced(wait: Duration) -> TrackerError {
    TrackerError::after(
        wait,
        "as many issues and comments were written as GitHub's limits allow in this time; the filing waits its turn",
    )
}

impl GitHub {
    fn reference(repository: &Repository, found: &Found) -> IssueRef {
        IssueRef { reference: format!("{repository}#{}", found.number), url: found.html_url.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_and_a_key_are_not_shown() {
        let credential = Credential::App { id: 1, key: "secret".into(), installation: None };
        let url = "https://api.github.com".parse().unwrap();
        let settings = Settings::new(url, credential, Routing::default());
        assert!(!format!("{settings:?}").contains("secret"));
        assert!(GitHub::new(settings).unwrap_err().reason.contains("no RSA key"));
    }
}
