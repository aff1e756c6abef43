//! The normalised alert: what every monitoring system's payload becomes before anything else looks at it.
//!
//! It never guesses: a field nobody sent is absent. Where a payload's words are interpreted (`severity`, HTTP status in
//! free text) the rules are those of the alert-source reference. One alert is one problem at one moment; the incident
//! it belongs to is found by its [`IncidentKey`].

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub mod alertmanager;
pub mod body;
pub mod door;
pub mod generic;
pub mod jq;
pub mod mapping;
mod raw;
pub mod reading;
pub mod signature;
pub mod silence;
pub mod sns;
pub mod source;

pub use raw::Raw;
pub use source::Source;

/// What a delivery says, once it is understood. No alert is normal: a test message, an empty group.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Understood {
    /// The alerts, in the order of the body.
    pub alerts: Vec<Alert>,
    /// Why (some of) it became no alert although it is this source's: an unknown word, an empty group. The delivery is
    /// kept as unmapped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignored: Option<String>,
    /// What a person should know of it, e.g. that the sender left alerts out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A body with none of this source's marks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no {source_name} delivery: {why}")]
pub struct NotThisSource {
    /// The source in the URL path.
    pub source_name: String,
    /// What is missing, for the person who set up the sender.
    pub why: String,
}

/// Whether the problem is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    /// Going on; acknowledged and escalated count as firing.
    Firing,
    /// Over, as far as the sender knows.
    Resolved,
}

/// How bad the sender says it is.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The sender did not say, or used a word nobody knows.
    #[default]
    Unknown,
    /// Worth knowing.
    Info,
    /// Worth looking at.
    Warning,
    /// Something fails.
    Error,
    /// Page somebody.
    Critical,
}

impl Severity {
    /// The id used in YAML and JSON.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

/// Why there was no response at all.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TransportError {
    /// Nothing came in time.
    Timeout,
    /// The name did not resolve.
    Dns,
    /// The handshake or the certificate failed.
    Tls,
    /// Refused or unroutable.
    Connect,
    /// The connection was cut.
    Reset,
}

impl TransportError {
    /// The id used in YAML and JSON.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Connect => "connect",
            Self::Reset => "reset",
        }
    }
}

/// One problem as one monitoring system reported it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Alert {
    /// The source's name in the URL path (`alertmanager`, `generic`, …).
    #[serde(default)]
    pub source: String,
    /// Equal for firing, repeats and resolved of one problem; different for another. Never empty once normalised.
    #[serde(default)]
    pub fingerprint: String,
    /// Firing or resolved.
    #[serde(default = "firing")]
    pub status: AlertStatus,
    /// One line a person understands.
    pub title: String,
    /// How bad the sender says it is.
    #[serde(default)]
    pub severity: Severity,
    /// The service that fails, from labels only.
    #[serde(default)]
    pub service: Option<String>,
    /// `production`, `staging`, …
    #[serde(default)]
    pub environment: Option<String>,
    /// Where.
    #[serde(default)]
    pub region: Option<String>,
    /// URL, path or host that was probed or fails; never a link into the monitoring system.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Status of the failing or last observed response (100–599, unregistered ones too).
    #[serde(default)]
    pub http_status: Option<u16>,
    /// Why there was no response.
    #[serde(default)]
    pub error: Option<TransportError>,
    /// When the problem began; not when the alert was sent.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub started_at: Option<Timestamp>,
    /// The rest, flat.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Named URLs: `source`, `runbook`, `dashboard`, `silence`, `repository`.
    #[serde(default)]
    pub links: BTreeMap<String, String>,
    /// Free text as the monitoring system wrote it.
    #[serde(default)]
    pub summary: Option<String>,
    /// The element of the body this alert came from, after redaction.
    #[serde(default, skip_serializing_if = "Raw::is_nothing")]
    #[schemars(with = "serde_json::Value")]
    pub raw: Raw,
}

fn firing() -> AlertStatus {
    AlertStatus::Firing
}

impl Alert {
    /// An alert with a title and nothing else, firing.
    #[must_use]
    pub fn titled(source: &str, title: &str) -> Self {
        Self {
            source: source.to_owned(),
            fingerprint: String::new(),
            status: AlertStatus::Firing,
            title: title.to_owned(),
            severity: Severity::Unknown,
            service: None,
            environment: None,
            region: None,
            endpoint: None,
            http_status: None,
            error: None,
            started_at: None,
            labels: BTreeMap::new(),
            links: BTreeMap::new(),
            summary: None,
            raw: Raw::default(),
        }
    }

    /// What the alert says, in 32 hexadecimal digits: equal for two deliveries of which the second tells nothing new. The raw element does not
    /// count, since nothing is decided on it and senders put the time of sending into it.
    ///
    /// # Panics
    /// Never: an alert is JSON, and a digest takes every byte.
    #[must_use]
    pub fn digest(&self) -> String {
        // Taken apart, so that a new field is not forgotten here.
        let Self {
            source,
            fingerprint,
            status,
            title,
            severity,
            service,
            environment,
            region,
            endpoint,
            http_status,
            error,
            started_at,
            labels,
            links,
            summary,
            raw: _,
        } = self;
        let named = (source, fingerprint, status, title, severity, summary);
        let placed = (service, environment, region, endpoint, http_status, error, started_at);
        let mut hash = Sha256::new();
        serde_json::to_writer(&mut hash, &(named, placed, labels, links)).expect("an alert is JSON");
        hash.finalize().iter().take(16).fold(String::with_capacity(32), |mut text, byte| {
            let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
            text.extend([digit(byte >> 4), digit(byte & 15)]);
            text
        })
    }

    /// The key by which two alerts are the same incident: service, environment and endpoint where the alert says them,
    /// else the sender's own fingerprint.
    #[must_use]
    pub fn incident_key(&self) -> IncidentKey {
        self.incident_key_by(&KeyPart::USUAL)
    }

    /// As [`Self::incident_key`], by other parts. An alert that says none of them but where it is stands for itself.
    #[must_use]
    pub fn incident_key_by(&self, parts: &[KeyPart]) -> IncidentKey {
        let says = |part: &KeyPart| match part {
            KeyPart::Service => self.service.as_deref(),
            KeyPart::Environment => self.environment.as_deref(),
            KeyPart::Region => self.region.as_deref(),
            KeyPart::Endpoint => self.endpoint.as_deref(),
        };
        let names = [KeyPart::Service, KeyPart::Endpoint];
        if !parts.iter().any(|part| names.contains(part) && says(part).is_some()) {
            return IncidentKey(format!("{}#{}", self.source, self.fingerprint));
        }
        let said: Vec<&str> = parts.iter().map(|part| says(part).unwrap_or("-")).collect();
        IncidentKey(said.join("|"))
    }
}

/// A part of the key by which alerts are the same incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyPart {
    /// The service.
    Service,
    /// The environment.
    Environment,
    /// The region.
    Region,
    /// The endpoint.
    Endpoint,
}

impl KeyPart {
    /// What is used unless the configuration says otherwise.
    pub const USUAL: [Self; 3] = [Self::Service, Self::Environment, Self::Endpoint];
}

/// Two alerts with the same key belong to the same open incident.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentKey(pub String);

impl fmt::Display for IncidentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
