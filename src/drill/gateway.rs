//! A small reverse proxy that behaves as a real gateway does: it passes on, limits, strips headers, gives up, and says so.
//!
//! Every answer carries `Server`, `Via` and `Proxy-Status` (RFC 9209); whether the gateway or its upstream made it stands
//! in the last one. Its upstream leg is our own [`exchange`]: a real connection with real DNS, TCP and TLS, so that what
//! breaks there breaks as in the wild. The surprise: the caller's `Host` is passed on, the TLS name is the upstream's.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Request, Response};
use serde_json::json;
use tokio::time::Instant;
use url::Url;

use super::http_server::{HttpServer, Reply};
use super::pki::Identity;
use crate::checks::dial::{DialError, Failure};
use crate::checks::exchange::{self, Ask, Exchange, ExchangeError, Failed};
use crate::checks::{BadAuthorities, Budget, Environment};
use crate::egress::Policy;

/// What the gateway calls itself in `Server`, `Via` and `Proxy-Status`.
pub const NAME: &str = "edge-gw";

/// Headers that belong to one connection (RFC 9110 §7.6.1) or that the gateway writes itself.
const OWN_HEADERS: [&str; 7] =
    ["connection", "keep-alive", "transfer-encoding", "te", "upgrade", "proxy-connection", "content-length"];

/// How a gateway is set up.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Whom it passes requests to: scheme, host, port and a path that stands before the request's.
    pub upstream: Url,
    /// An authority it trusts, in PEM form, for an `https` upstream.
    pub ca_pem: Option<String>,
    /// The name servers it asks for the upstream's address; empty means the system's.
    pub resolvers: Vec<SocketAddr>,
    /// How long it waits for the upstream.
    pub timeout: Duration,
    /// Request headers it does not pass on.
    pub strip: Vec<String>,
    /// Its limiter, where it has one.
    pub limit: Option<Limit>,
}

impl Setup {
    /// A gateway in front of this upstream that gives up after 30 seconds, as many do.
    #[must_use]
    pub fn to(upstream: Url) -> Self {
        Self {
            upstream,
            ca_pem: None,
            resolvers: Vec::new(),
            timeout: Duration::from_secs(30),
            strip: Vec::new(),
            limit: None,
        }
    }
}

/// A fixed-window limiter over all callers.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Requests a window lets through; 0 refuses everything, as a misconfigured limiter does.
    pub requests: u32,
    /// How long a window is.
    pub window: Duration,
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    server: HttpServer,
    limiter: Arc<Mutex<Limiter>>,
}

impl Gateway {
    /// Starts it, with TLS towards callers when it gets an identity.
    ///
    /// # Errors
    /// When the port cannot be opened or the CA text is none.
    pub async fn start(setup: Setup, identity: Option<&Identity>) -> std::io::Result<Self> {
        let env = environment(&setup).map_err(std::io::Error::other)?;
        let limiter = Arc::new(Mutex::new(Limiter::new(setup.limit)));
        let hop = Arc::new(Hop { env, setup, limiter: Arc::clone(&limiter) });
        let handler = move |request| {
            let hop = Arc::clone(&hop);
            async move { hop.pass(request).await }
        };
        let server = match identity {
            Some(identity) => HttpServer::tls(identity, handler).await?,
            None => HttpServer::plain(handler).await?,
        };
        Ok(Self { server, limiter })
    }

    /// Changes the limiter, as a configuration push would.
    pub fn limit(&self, limit: Option<Limit>) {
        *self.limiter.lock().unwrap_or_else(PoisonError::into_inner) = Limiter::new(limit);
    }

    /// The server behind it.
    #[must_use]
    pub fn server(&self) -> &HttpServer {
        &self.server
    }
}

fn environment(setup: &Setup) -> Result<Environment, BadAuthorities> {
    // A gateway is inside the house: it may go anywhere. The drill only ever names loopback.
    // A gateway has no manners: it passes on whatever comes.
    let budget = Budget::new(Some(u32::MAX), Some(u32::MAX), None);
    let env =
        Environment::new(Policy::unrestricted()).with_resolvers(setup.resolvers.clone()).with_budget(budget);
    match &setup.ca_pem {
        Some(pem) => env.with_ca_file(pem),
        None => Ok(env),
    }
}

struct Hop {
    env: Environment,
    setup: Setup,
    limiter: Arc<Mutex<Limiter>>,
}

impl Hop {
    async fn pass(&self, request: Request<Bytes>) -> Reply {
        let verdict = self.limiter.lock().unwrap_or_else(PoisonError::into_inner).admit(Instant::now());
        if let Verdict::Refused(quota) = verdict {
            let reply = Reply::json(429, &json!({"message": "rate limit exceeded"}));
            return signed(quota.headers(reply), "error=http_request_denied; details=\"rate limit\"");
        }
        let ask = match self.ask(request) {
            Ok(ask) => ask,
            Err(why) => {
                let reply = Reply::json(500, &json!({"message": "bad upstream configuration"}));
                return signed(reply, &format!("error=proxy_configuration_error; details=\"{why}\""));
            }
        };
        let next_hop = format!("next-hop=\"{}\"", ask.host());
        let reply = match exchange::exchange(&self.env, &ask, Instant::now() + self.setup.timeout).await {
            Ok(exchange) => passed(&exchange, &next_hop),
            Err(failed) => own_error(&failed, &next_hop),
        };
        match verdict {
            Verdict::Let(Some(quota)) => quota.headers(reply),
            _ => reply,
        }
    }

    fn ask(&self, request: Request<Bytes>) -> Result<Ask, &'static str> {
        let (head, body) = request.into_parts();
        let mut url = self.setup.upstream.clone();
        let path = format!("{}{}", url.path().trim_end_matches('/'), head.uri.path());
        url.set_path(&path);
        url.set_query(head.uri.query());
        let stripped = |name: &str| {
            OWN_HEADERS.contains(&name) || self.setup.strip.iter().any(|it| it.eq_ignore_ascii_case(name))
        };
        let mut headers: Vec<_> = head
            .headers
            .iter()
            .filter(|(name, _)| !stripped(name.as_str()))
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        headers.push(("via".to_owned(), format!("1.1 {NAME}")));
        if url.host_str().is_none() {
            return Err("the upstream has no host");
        }
        let ask = Ask::get(url, self.env.roots.clone());
        Ok(Ask { method: head.method, headers, body, max_body: 8 * 1024 * 1024, ..ask })
    }
}

/// The upstream's own answer, signed by the gateway.
fn passed(exchange: &Exchange, next_hop: &str) -> Reply {
    if exchange.ended == exchange::Ended::Late {
        let reply = Reply::json(504, &json!({"message": "upstream request timeout"}));
        return signed(reply, &format!("error=http_response_timeout; {next_hop}"));
    }
    let mut answer = Response::new(exchange.body.clone());
    if let Ok(status) = hyper::StatusCode::from_u16(exchange.status) {
        *answer.status_mut() = status;
    }
    let is_own = |name: &str| OWN_HEADERS.contains(&name) || name == "date" || name == "server";
    let reply = exchange
        .headers
        .iter()
        .filter(|(name, _)| !is_own(name))
        .fold(Reply::Answer(answer), |reply, (name, value)| reply.header(name, value));
    signed(reply, &format!("received-status={}; {next_hop}", exchange.status))
}

/// The gateway's own answer when there was none, with the status and error type RFC 9209 §2.3 recommends.
fn own_error(failed: &Failed, next_hop: &str) -> Reply {
    let (status, error, message) = match &failed.error {
        ExchangeError::Dial(DialError::Unresolved { .. }) => {
            (502, "dns_error", "upstream name does not resolve")
        }
        ExchangeError::Dial(
            DialError::Connection { kind: Failure::Timeout, .. }
            | DialError::Silent { .. }
            | DialError::Deadline,
        ) => (504, "connection_timeout", "upstream connect timeout"),
        ExchangeError::Dial(DialError::Connection { .. }) => {
            (502, "connection_refused", "upstream connect error")
        }
        ExchangeError::Dial(DialError::Refused(_)) => {
            (502, "destination_ip_prohibited", "upstream address is prohibited")
        }
        ExchangeError::Dial(DialError::Busy { .. } | DialError::Full { .. }) => {
            (503, "connection_limit_reached", "too many connections")
        }
        ExchangeError::Untrusted(_) => (502, "tls_certificate_error", "upstream certificate does not verify"),
        ExchangeError::Handshake(_) | ExchangeError::NotTls | ExchangeError::BeyondUs { .. } => {
            (502, "tls_protocol_error", "upstream TLS handshake failed")
        }
        ExchangeError::Alert(_) => (502, "tls_alert_received", "upstream refused the TLS handshake"),
        ExchangeError::Http2 { .. } => (502, "http_protocol_error", "upstream broke off HTTP/2"),
        ExchangeError::Timeout(_) => (504, "http_response_timeout", "upstream request timeout"),
        ExchangeError::Reset(_) => (502, "connection_terminated", "upstream closed the connection"),
        ExchangeError::NotHttp(_) => (502, "http_protocol_error", "invalid response from upstream"),
        ExchangeError::Unsendable(_) => (500, "proxy_configuration_error", "bad upstream configuration"),
    };
    let details = failed.error.to_string().replace(['"', '\\'], "'");
    let details: String = details.chars().filter(|it| it.is_ascii_graphic() || *it == ' ').collect();
    signed(
        Reply::json(status, &json!({"message": message})),
        &format!("error={error}; {next_hop}; details=\"{details}\""),
    )
}

/// With the gateway's own three headers.
fn signed(reply: Reply, proxy_status: &str) -> Reply {
    reply
        .header("server", NAME)
        .header("via", &format!("1.1 {NAME}"))
        .header("proxy-status", &format!("{NAME}; {proxy_status}"))
}

#[derive(Debug)]
struct Limiter {
    limit: Option<Limit>,
    used: u32,
    began: Option<Instant>,
}

/// Whether a request goes through, and what its answer says of the quota.
enum Verdict {
    Let(Option<QuotaLeft>),
    Refused(QuotaLeft),
}

#[derive(Debug, Clone, Copy)]
struct QuotaLeft {
    limit: Limit,
    remaining: u32,
    resets_in: u64,
}

impl Limiter {
    fn new(limit: Option<Limit>) -> Self {
        Self { limit, used: 0, began: None }
    }

    fn admit(&mut self, now: Instant) -> Verdict {
        let Some(limit) = self.limit else { return Verdict::Let(None) };
        let began = match self.began {
            Some(began) if now < began + limit.window => began,
            _ => {
                self.used = 0;
                *self.began.insert(now)
            }
        };
        let left = (began + limit.window).saturating_duration_since(now);
        // Rounded up: a caller that waits this long is let through.
        let resets_in = left.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX);
        if self.used >= limit.requests {
            return Verdict::Refused(QuotaLeft { limit, remaining: 0, resets_in });
        }
        self.used += 1;
        Verdict::Let(Some(QuotaLeft { limit, remaining: limit.requests - self.used, resets_in }))
    }
}

impl QuotaLeft {
    /// The quota in both notations that gateways use, and `Retry-After` once nothing is left.
    fn headers(self, reply: Reply) -> Reply {
        let (limit, remaining, resets_in) = (self.limit.requests, self.remaining, self.resets_in);
        let window = self.limit.window.as_secs();
        let reply = reply
            .header("ratelimit-policy", &format!("\"gateway\";q={limit};w={window}"))
            .header("ratelimit", &format!("\"gateway\";r={remaining};t={resets_in}"))
            .header("x-ratelimit-limit", &limit.to_string())
            .header("x-ratelimit-remaining", &remaining.to_string())
            .header("x-ratelimit-reset", &resets_in.to_string());
        let is_refused = matches!(&reply, Reply::Answer(answer) if answer.status() == hyper::StatusCode::TOO_MANY_REQUESTS);
        if remaining == 0 && is_refused { reply.header("retry-after", &resets_in.to_string()) } else { reply }
    }
}

#[cfg(test)]
mod tests;
