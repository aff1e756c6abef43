//! The HTTP doors: alert webhooks, the API, the console, and what operators watch.
//!
//! It decides nothing: it checks who knocks, reads what they bring, asks the [`App`] and answers in the shapes the interface
//! promises. Errors are RFC 9457 problem documents without internals; the log has those. The surprise: a store that cannot be
//! written is answered with 503 and never 429, because senders drop an alert on 429 (alert sources, section 2.1).

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware;
use axum::routing::{delete, get, post};
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use url::Url;

use crate::access::{Attempts, Scope};
use crate::alert::Source;
use crate::app::App;
use crate::egress::AddressSet;
use crate::incident::IncidentId;
use crate::question::QuestionId;

mod alerts;
mod assets;
mod changes;
mod check;
mod clarity;
mod connections;
mod console;
mod credentials;
mod doors;
mod etag;
mod filter;
mod form;
mod guard;
mod health;
mod incidents;
mod intake_body;
mod interactions;
mod live;
mod login;
pub mod oidc;
mod problem;
mod sender;
mod sources;
mod words;

pub use crate::alert::door::BODY_BYTES;
pub use credentials::Credentials;
pub use sources::Sources;

use live::{Live, Piece, Topic};
use problem::Problem;

/// Deliveries that are taken at once. More would only queue up behind the disk and be answered too late for their senders,
/// who give up after 1 s to 15 s; they are told to come again instead.
const DELIVERIES_AT_ONCE: usize = 256;

/// Who may come in.
#[derive(Clone, Default)]
pub struct Doors {
    /// The sources whose deliveries are taken, each with what its sender must show.
    pub sources: Sources,
    /// The token of the API, the console and the metrics, if any.
    pub api_token: Option<String>,
    /// Who else may use the API and the console.
    pub access: Access,
    /// The public key of whoever sends Discord's interactions over HTTP, if they are taken.
    pub interactions: Option<[u8; 32]>,
    /// Drills that may be started here, if they may.
    pub drills: Option<Arc<dyn Drills>>,
    /// What is on disk, where it may be read again.
    pub reread: Option<Arc<dyn Reread>>,
}

/// What people wrote, on disk.
pub trait Reread: Send + Sync {
    /// Reads it again, now. An error tells what is broken (file, line and column); then what was read last stays in use.
    fn reread(&self) -> BoxFuture<'_, Result<(), String>>;
}

/// The drills that may be started from the console.
pub trait Drills: Send + Sync {
    /// Each as `{"name", "title"}`.
    fn worlds(&self) -> Vec<Value>;

    /// Starts the world of this name and sends its alert; gives its incident, or why there is none.
    fn start(&self, name: &str) -> BoxFuture<'_, Result<IncidentId, String>>;

    /// What somebody on call in the drill of this incident would answer; `None` when it is none that runs.
    fn known(&self, incident: &IncidentId) -> Option<BTreeMap<QuestionId, String>>;
}

/// The ways into the API and the console besides the one token of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The bot's URL as people's browsers know it.
    pub url: Option<Url>,
    /// Whether tokens of the store let one in.
    pub tokens: bool,
    /// The OpenID provider.
    pub oidc: Option<oidc::Settings>,
    /// A proxy in front that says who it is.
    pub proxy: Option<Proxy>,
}

/// A proxy that authenticates people.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// The header that names the person.
    pub header: String,
    /// The proxy's addresses: from others the header counts for nothing.
    pub from: AddressSet,
    /// What people may do who come through it.
    pub scope: Scope,
}

impl Access {
    fn is_https(&self) -> bool {
        self.url.as_ref().is_some_and(|url| url.scheme() == "https")
    }

    /// The provider, and where it sends people back to.
    fn provider(&self) -> Option<(&oidc::Settings, &Url)> {
        self.oidc.as_ref().zip(self.url.as_ref())
    }
}

impl fmt::Debug for Doors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources = self.sources.all();
        f.debug_struct("Doors").field("sources", &sources.keys()).finish_non_exhaustive()
    }
}

impl Doors {
    /// Every source is taken and nobody needs a token: for a server on loopback.
    #[must_use]
    pub fn open() -> Self {
        Self {
            sources: Source::all().into_iter().map(|source| (source, Credentials::default())).collect(),
            ..Self::default()
        }
    }

    /// Whether nobody is asked who they are.
    fn is_open(&self) -> bool {
        let Access { tokens, oidc, proxy, .. } = &self.access;
        self.api_token.is_none() && !tokens && oidc.is_none() && proxy.is_none()
    }
}

/// What every handler sees. One pointer: each layer around a handler has a copy of its own for each request.
#[derive(Clone)]
struct Shared(Arc<House>);

impl Deref for Shared {
    type Target = House;

    fn deref(&self) -> &House {
        &self.0
    }
}

struct House {
    app: Arc<App>,
    doors: Doors,
    /// Whether only this machine can reach us: then a `Host` that is not this machine is a browser that was lied to.
    is_loopback: bool,
    deliveries: Semaphore,
    /// Turns of large bodies.
    large: Arc<Semaphore>,
    /// Log-ins that failed lately.
    attempts: Mutex<Attempts>,
    /// Whoever looks at what moves.
    live: Live,
}

/// Serves until `shutdown` is ready, then finishes the requests that are being answered.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    doors: Doors,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let is_loopback = listener.local_addr()?.ip().is_loopback();
    let deliveries = Semaphore::new(DELIVERIES_AT_ONCE);
    let large = Arc::new(Semaphore::new(intake_body::LARGE_AT_ONCE));
    let attempts = Mutex::default();
    let (close, closing) = watch::channel(false);
    let live = Live::new(look, closing);
    let shared = Shared(Arc::new(House { app, doors, is_loopback, deliveries, large, attempts, live }));
    // Streams go on for ever: they end first, so that the connections can.
    let until = async move {
        shutdown.await;
        close.send_replace(true);
    };
    connections::serve(listener, router(shared), connections::Limits::default(), until).await
}

/// What those who look at a topic are shown now.
fn look(shared: Shared, topic: Topic) -> BoxFuture<'static, Result<Vec<Piece>, Problem>> {
    Box::pin(async move {
        match topic {
            Topic::Events(id) => incidents::pieces(&shared, &id).await,
            Topic::Page(id) => console::incident_pieces(&shared, &id).await,
            Topic::Board(search) => console::board_pieces(&shared, &search).await,
        }
    })
}

fn router(shared: Shared) -> Router {
    let private = Router::new()
        .route("/", get(console::board))
        .route("/live", get(console::board_live))
        .route("/clarity", get(clarity::page))
        .route("/sources", get(console::doors::sources))
        .route("/deliveries", get(console::doors::deliveries))
        .route("/deliveries/{id}/replay", post(console::doors::replay))
        .route("/runbooks", get(console::runbooks::page))
        .route("/drills", post(console::drill))
        .route("/incidents/{id}", get(console::incident))
        .route("/incidents/{id}/live", get(console::incident_live))
        .route("/incidents/{id}/evidence", get(console::evidence))
        .route("/incidents/{id}/issue", get(console::issue))
        .route("/incidents/{id}/answers", post(console::answer))
        .route("/incidents/{id}/say", post(console::say))
        .route("/api/incidents", get(incidents::list).post(incidents::start))
        .route("/api/incidents/{id}", get(incidents::show))
        .route("/api/incidents/{id}/answers", post(incidents::answer))
        .route("/api/incidents/{id}/events", get(incidents::events))
        .route("/api/incidents/{id}/evidence", get(incidents::evidence))
        .route("/api/incidents/{id}/reclassify", post(words::reclassify))
        .route("/api/incidents/{id}/resolve", post(words::resolve))
        .route("/api/incidents/{id}/close", post(words::close))
        .route("/api/incidents/{id}/reopen", post(words::reopen))
        .route("/api/incidents/{id}/snooze", post(words::snooze))
        .route("/api/incidents/{id}/assign", post(words::assign))
        .route("/api/incidents/{id}/file", post(words::file))
        .route("/api/sources", get(doors::sources))
        .route("/api/deliveries", get(doors::deliveries))
        .route("/api/deliveries/{id}/replay", post(doors::replay))
        .route("/api/silences", get(doors::silences).post(doors::silence))
        .route("/api/silences/{id}", delete(doors::end_silence))
        .route("/api/changes", get(doors::changes))
        .route("/api/check/{kind}", get(check::run))
        .route("/api/clarity", get(clarity::json))
        .route("/api/clarity.csv", get(clarity::csv))
        .route("/api/openapi.json", get(health::openapi))
        .route("/metrics", get(health::metrics))
        .route_layer(middleware::from_fn(etag::tag))
        .route_layer(middleware::from_fn_with_state(shared.clone(), guard::private));
    Router::new()
        .route("/alerts/{source}", post(alerts::receive).fallback(alerts::receive))
        .route("/alerts/{source}/", post(alerts::receive).fallback(alerts::receive))
        .route("/alerts/{source}/{token}", post(alerts::receive).fallback(alerts::receive))
        .route("/alerts/{source}/{token}/", post(alerts::receive).fallback(alerts::receive))
        .route("/changes", post(changes::receive))
        .route("/changes/", post(changes::receive))
        .route("/changes/{source}", post(changes::receive_of))
        .route("/discord/interactions", post(interactions::receive))
        .route("/assets/{name}", get(assets::asset))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/login", get(login::page).post(login::log_in))
        .route("/login/oidc", get(login::to_provider))
        .route("/login/oidc/callback", get(login::from_provider))
        .route("/logout", post(login::log_out))
        .merge(private)
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(middleware::from_fn_with_state(shared.clone(), guard::same_origin))
        .layer(middleware::map_response(harden))
        .with_state(shared)
}

/// Headers that every answer carries: nothing here is to be framed, sniffed or told to other sites, nothing but our own script
/// runs, and nothing is cached that does not say so itself.
async fn harden(mut response: axum::response::Response) -> axum::response::Response {
    const ALWAYS: [(HeaderName, &str); 3] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`: under that a browser sends our own forms with `Origin: null`.
        (header::REFERRER_POLICY, "same-origin"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
             base-uri 'none'; frame-ancestors 'none'",
        ),
    ];
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
