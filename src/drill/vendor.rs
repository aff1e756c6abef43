//! A third party: an API that works, throttles or is down, and the status page on which it says so, or does not.
//!
//! The two are set apart on purpose. A vendor whose API fails while its page is green is the ordinary case.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::json;

use super::http_server::{HttpServer, Reply};
use super::pki::Identity;

/// How the vendor's API behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It works.
    Ok,
    /// It refuses with 429, `X-RateLimit-*` headers and `Retry-After`.
    Throttling {
        /// How many calls a minute it allows.
        limit: u32,
        /// Seconds until it allows calls again.
        retry_after: u32,
    },
    /// It answers every call with 503.
    Outage,
    /// It takes the call and never answers.
    Silent,
}

/// The vendor's API.
#[derive(Debug)]
pub struct Vendor {
    server: HttpServer,
    mode: Arc<Mutex<Mode>>,
}

impl Vendor {
    /// Starts it, with TLS when it gets an identity.
    ///
    /// # Errors
    /// When the port cannot be opened.
    pub async fn start(name: &str, mode: Mode, identity: Option<&Identity>) -> std::io::Result<Self> {
        let mode = Arc::new(Mutex::new(mode));
        let (now, name) = (Arc::clone(&mode), name.to_owned());
        let handler = move |_request| {
            let reply = reply(&name, *now.lock().unwrap_or_else(PoisonError::into_inner));
            async move { reply }
        };
        let server = match identity {
            Some(identity) => HttpServer::tls(identity, handler).await?,
            None => HttpServer::plain(handler).await?,
        };
        Ok(Self { server, mode })
    }

    /// Changes how it behaves from the next call on.
    pub fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }

    /// The server behind it.
    #[must_use]
    pub fn server(&self) -> &HttpServer {
        &self.server
    }
}

fn reply(name: &str, mode: Mode) -> Reply {
    match mode {
        Mode::Ok => Reply::json(200, &json!({"vendor": name, "ok": true}))
            .header("x-ratelimit-limit", "100")
            .header("x-ratelimit-remaining", "87")
            .header("x-ratelimit-reset", "41"),
        Mode::Throttling { limit, retry_after } => Reply::json(
            429,
            &json!({"error": {"code": "rate_limit_exceeded", "message": format!("{name}: more than {limit} calls a minute")}}),
        )
        .header("x-ratelimit-limit", &limit.to_string())
        .header("x-ratelimit-remaining", "0")
        .header("x-ratelimit-reset", &retry_after.to_string())
        .header("retry-after", &retry_after.to_string()),
        Mode::Outage => Reply::json(
            503,
            &json!({"error": {"code": "service_unavailable", "message": format!("{name} is having problems")}}),
        ),
        Mode::Silent => Reply::Silence,
    }
}

/// What a status page says, in the shape of Atlassian Statuspage.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Posted {
    /// `none`, `minor`, `major`, `critical` or `maintenance`.
    pub indicator: &'static str,
    /// Component names and their status (`operational`, `degraded_performance`, `partial_outage`, `major_outage`, `under_maintenance`).
    pub components: Vec<(String, String)>,
    /// Titles of open incidents and their impact.
    pub incidents: Vec<(String, String)>,
}

impl Posted {
    /// A page on which all is well.
    #[must_use]
    pub fn green(components: &[&str]) -> Self {
        let components = components.iter().map(|it| ((*it).to_owned(), "operational".to_owned())).collect();
        Self { indicator: "none", components, incidents: Vec::new() }
    }

    /// A page with one open incident of this impact on these components.
    #[must_use]
    pub fn incident(title: &str, impact: &str, components: &[&str], status: &str) -> Self {
        Self {
            indicator: match impact {
                "critical" => "critical",
                "major" => "major",
                _ => "minor",
            },
            components: components.iter().map(|it| ((*it).to_owned(), status.to_owned())).collect(),
            incidents: vec![(title.to_owned(), impact.to_owned())],
        }
    }
}

/// A status page at `/api/v2/summary.json`.
#[derive(Debug)]
pub struct StatusPage {
    server: HttpServer,
    posted: Arc<Mutex<Posted>>,
}

impl StatusPage {
    /// Starts it, with TLS when it gets an identity.
    ///
    /// # Errors
    /// When the port cannot be opened.
    pub async fn start(name: &str, posted: Posted, identity: Option<&Identity>) -> std::io::Result<Self> {
        let posted = Arc::new(Mutex::new(posted));
        let (now, name) = (Arc::clone(&posted), name.to_owned());
        let handler = move |request: hyper::Request<hyper::body::Bytes>| {
            let reply = if request.uri().path() == "/api/v2/summary.json" {
                Reply::json(200, &summary(&name, &now.lock().unwrap_or_else(PoisonError::into_inner)))
            } else {
                Reply::html(404, "<h1>Not found</h1>")
            };
            async move { reply }
        };
        let server = match identity {
            Some(identity) => HttpServer::tls(identity, handler).await?,
            None => HttpServer::plain(handler).await?,
        };
        Ok(Self { server, posted })
    }

    /// Posts something else.
    pub fn post(&self, posted: Posted) {
        *self.posted.lock().unwrap_or_else(PoisonError::into_inner) = posted;
    }

    /// The server behind it.
    #[must_use]
    pub fn server(&self) -> &HttpServer {
        &self.server
    }
}

fn summary(name: &str, posted: &Posted) -> serde_json::Value {
    let components: Vec<_> = posted
        .components
        .iter()
        .enumerate()
        .map(|(index, (name, status))| {
            json!({"id": format!("component-{index}"), "name": name, "status": status, "group": false, "position": index})
        })
        .collect();
    let incidents: Vec<_> = posted
        .incidents
        .iter()
        .enumerate()
        .map(|(index, (title, impact))| {
            json!({"id": format!("incident-{index}"), "name": title, "status": "investigating", "impact": impact,
                "started_at": "2026-03-01T10:00:00.000Z", "resolved_at": null, "components": components})
        })
        .collect();
    json!({
        "page": {"id": "drill", "name": name, "url": "http://localhost", "time_zone": "Etc/UTC"},
        "status": {"indicator": posted.indicator, "description": "posted by the drill"},
        "components": components,
        "incidents": incidents,
        "scheduled_maintenances": [],
    })
}
