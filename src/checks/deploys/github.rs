//! Reading a repository's past through octocrab, under the egress policy.
//!
//! octocrab asks, and [`Gate`] carries: every request is an [exchange](fetch::exchange) as any probe's, under the policy, within the budget and
//! its two connections, with our name and a trace, and not before the time for which GitHub asked to be left alone. The API's address and the credential are the tracker's (or the user's environment), never a
//! key of the check: whoever names a target is not told a secret. The surprise: one list that cannot be read makes the
//! whole check an error, because "nothing changed" must not be said by accident.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::try_join;
use http_body_util::Full;
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{HeaderName, HeaderValue, InvalidHeaderName};
use jiff::{SignedDuration, Timestamp};
use octocrab::auth::AppAuth;
use octocrab::models::{AppId, InstallationId};
use octocrab::{AuthState, OctoBody, Octocrab, OctocrabBuilder};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::AFTER;
use super::past::{Comparison, Deployment, Past, Pull};
use crate::checks::fetch::{self, FetchError};
use crate::checks::{Environment, GitHubAccess, GitHubCredential, NotRun};

/// Items on a page: GitHub's maximum.
const PER_PAGE: u8 = 100;
/// Pages of one list that are read.
const MOST_PAGES: u32 = 5;
/// Deployments near the start whose statuses are read.
const MOST_STATUSES: usize = 5;
/// The longest answer that is read: a hundred pull requests are about 2 MiB.
const ANSWER_MAX_BYTES: usize = 8 * 1024 * 1024;

/// What was read of a repository.
pub(super) struct Found {
    pub(super) past: Past,
    /// What the last deployment before the start brought, or why that could not be read.
    pub(super) comparison: Option<(String, Result<Comparison, String>)>,
}

#[derive(Debug, Default, Serialize)]
struct Query {
    per_page: u8,
    page: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

/// Reads the lists of a repository (`owner/name`).
pub(super) async fn read(
    env: &Environment,
    repository: &str,
    environment: Option<&str>,
    at: Timestamp,
    window: SignedDuration,
    deadline: Instant,
) -> Result<Result<Found, String>, NotRun> {
    let Some(access) = &env.github else {
        return Err(NotRun::Usage(format!(
            "`{repository}` is a repository, and no GitHub is configured: set `tracker.github`, or on the command line the environment variables GITHUB_TOKEN and, for another server, GITHUB_API_URL; or name a release record instead: a file with one JSON object a line"
        )));
    };
    let reading = async {
        let gate = Gate::new(env, access, deadline);
        let desk = Desk::open(gate, access, repository).await?;
        desk.read(environment, at, window).await
    };
    let read = timeout_at(deadline, reading)
        .await
        .unwrap_or_else(|_| Err(Trouble::Other("the time was up".to_owned())));
    match read {
        Ok(found) => Ok(Ok(found)),
        Err(Trouble::Refused(refusal)) => Err(NotRun::Refused(refusal)),
        Err(Trouble::Other(why)) => Ok(Err(why)),
    }
}

/// Why something could not be read.
enum Trouble {
    Refused(crate::egress::Refusal),
    Other(String),
}

impl From<FetchError> for Trouble {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Refused(refusal) => Self::Refused(refusal),
            other => Self::Other(format!("GitHub could not be reached: {other}")),
        }
    }
}

struct Desk {
    client: Octocrab,
    root: String,
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
}

impl Desk {
    async fn open(gate: Gate, access: &GitHubAccess, repository: &str) -> Result<Self, Trouble> {
        let root = format!("/repos/{repository}");
        let auth = match &access.credential {
            GitHubCredential::None => AuthState::None,
            GitHubCredential::Token(token) => AuthState::AccessToken { token: token.clone().into() },
            GitHubCredential::App { id, key, .. } => AuthState::App(AppAuth {
                app_id: AppId(*id),
                key: jsonwebtoken::EncodingKey::from_rsa_pem(key.as_bytes()).map_err(|_| {
                    Trouble::Other("the app's private key is no RSA key in PEM form".to_owned())
                })?,
            }),
        };
        let built = OctocrabBuilder::new_empty().with_service(gate).with_auth(auth).build();
        let mut client = built.unwrap_or_else(|never| match never {});
        if let GitHubCredential::App { installation, .. } = &access.credential {
            let id = match installation {
                Some(id) => *id,
                None => {
                    get::<Installation>(&client, &format!("{root}/installation"), "the app's installation")
                        .await?
                        .id
                }
            };
            let installed = client.installation(InstallationId(id));
            client = installed.map_err(|error| Trouble::Other(error.to_string()))?;
        }
        Ok(Self { client, root })
    }

    async fn read(
        &self,
        environment: Option<&str>,
        at: Timestamp,
        window: SignedDuration,
    ) -> Result<Found, Trouble> {
        let begin = at.checked_sub(window).unwrap_or(Timestamp::MIN);
        let end = at.checked_add(AFTER).unwrap_or(Timestamp::MAX);
        // Two chains: a check opens no more than two connections at once.
        let deployed = async {
            let deployments = self.list("deployments", Query::default(), |_: &Deployment| true, 1).await?;
            let mut past = Past { deployments, ..Past::default() };
            past.keep_environment(environment);
            let near =
                past.deployments.iter_mut().filter(|it| it.created_at >= begin && it.created_at <= end);
            for deployment in near.take(MOST_STATUSES) {
                let route = format!("deployments/{}/statuses", deployment.id);
                deployment.statuses = self.list(&route, Query::default(), |_| true, 1).await?;
            }
            let comparison = match past.last_two(at) {
                Some((last, previous)) if last.created_at >= begin => {
                    let between = format!("{}...{}", previous.reference, last.reference);
                    let route = format!("{}/compare/{}...{}", self.root, previous.sha, last.sha);
                    let compared = get::<Comparison>(&self.client, &route, "the comparison").await;
                    Some((
                        between,
                        compared.map_err(|trouble| match trouble {
                            Trouble::Refused(refusal) => refusal.to_string(),
                            Trouble::Other(why) => why,
                        }),
                    ))
                }
                _ => None,
            };
            Ok::<_, Trouble>((past, comparison))
        };
        let written = async {
            let releases = self.list("releases", Query::default(), |_| true, 1).await?;
            let by_update = Query {
                state: Some("closed"),
                sort: Some("updated"),
                direction: Some("desc"),
                ..Query::default()
            };
            let is_late = |pull: &Pull| pull.updated_at.is_none_or(|updated| updated >= begin);
            let pulls = self.list("pulls", by_update, is_late, MOST_PAGES).await?;
            let around =
                Query { since: Some(begin.to_string()), until: Some(end.to_string()), ..Query::default() };
            let commits = self.list("commits", around, |_| true, MOST_PAGES).await?;
            Ok::<_, Trouble>((releases, pulls, commits))
        };
        let ((past, comparison), (releases, pulls, commits)) = try_join(deployed, written).await?;
        Ok(Found { past: Past { releases, pulls, commits, ..past }, comparison })
    }

    /// Pages of a list, while there is another and the last item is one that is `wanted`; at most so many.
    async fn list<T: DeserializeOwned>(
        &self,
        what: &str,
        query: Query,
        wanted: impl Fn(&T) -> bool,
        most: u32,
    ) -> Result<Vec<T>, Trouble> {
        let route = format!("{}/{what}", self.root);
        let mut all: Vec<T> = Vec::new();
        let mut query = Query { per_page: PER_PAGE, ..query };
        for page in 1..=most {
            query.page = page;
            let found = self.client.get::<Vec<T>, _, _>(&route, Some(&query)).await;
            let mut found = found.map_err(|error| trouble(&error, what))?;
            let is_full = found.len() >= usize::from(PER_PAGE);
            let goes_on = is_full && found.last().is_some_and(&wanted);
            all.append(&mut found);
            if !goes_on {
                break;
            }
        }
        Ok(all)
    }
}

async fn get<T: DeserializeOwned>(client: &Octocrab, route: &str, what: &str) -> Result<T, Trouble> {
    client.get::<T, _, ()>(route, None).await.map_err(|error| trouble(&error, what))
}

fn trouble(error: &octocrab::Error, what: &str) -> Trouble {
    match error {
        octocrab::Error::GitHub { source, .. } => {
            let said = source.message.lines().next().unwrap_or_default();
            let hint = match source.status_code.as_u16() {
                401 => "; the token is wrong, expired or revoked",
                404 => "; there is no such repository, or the token has no access to it",
                403 | 429 => {
                    "; a limit, or a missing permission (contents, deployments and pull requests: read)"
                }
                _ => "",
            };
            Trouble::Other(format!(
                "{what} could not be read: GitHub answers {} ({said}){hint}",
                source.status_code.as_u16()
            ))
        }
        octocrab::Error::Service { source, .. } => match source.downcast_ref::<FetchError>() {
            Some(error) => error.clone().into(),
            None => Trouble::Other(format!("{what} could not be read: {source}")),
        },
        // What could not be read is not quoted: it may be anything.
        _ => Trouble::Other(format!("{what} could not be read: the answer is not what GitHub sends")),
    }
}

/// Carries octocrab's requests to the API, and nowhere else.
#[derive(Clone)]
struct Gate {
    env: Arc<Environment>,
    base: Url,
    deadline: Instant,
}

impl Gate {
    fn new(env: &Environment, access: &GitHubAccess, deadline: Instant) -> Self {
        Self { env: Arc::new(env.clone()), base: access.api_url.clone(), deadline }
    }
}

impl tower_service::Service<hyper::Request<OctoBody>> for Gate {
    type Response = hyper::Response<Full<Bytes>>;
    type Error = FetchError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: hyper::Request<OctoBody>) -> Self::Future {
        let gate = self.clone();
        Box::pin(async move {
            use http_body_util::BodyExt as _;

            let (parts, body) = request.into_parts();
            let path = parts.uri.path_and_query().map_or("/", |it| it.as_str());
            let url = format!("{}{path}", gate.base.as_str().trim_end_matches('/'));
            let url = Url::parse(&url).map_err(|error| FetchError::Unavailable(error.to_string()))?;
            let body = body.collect().await.map_err(|error| FetchError::Unavailable(error.to_string()))?;
            let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let headers = parts.headers.iter().map(|(name, it)| (name.as_str().to_owned(), text(it)));
            let (what, body) = ((parts.method, url), body.to_bytes());
            let asked =
                fetch::exchange(&gate.env, what, headers.collect(), body, ANSWER_MAX_BYTES, gate.deadline);
            let answer = asked.await?;
            let odd = |_: hyper::http::Error| {
                FetchError::Unavailable("its answer is not HTTP as it is written".to_owned())
            };
            let mut response = hyper::Response::new(Full::new(answer.body));
            *response.status_mut() = StatusCode::from_u16(answer.status).map_err(|why| odd(why.into()))?;
            for (name, value) in &answer.headers {
                let name: HeaderName = name.parse().map_err(|why: InvalidHeaderName| odd(why.into()))?;
                let value = HeaderValue::from_str(value).map_err(|why| odd(why.into()))?;
                response.headers_mut().append(name, value);
            }
            Ok(response)
        })
    }
}
