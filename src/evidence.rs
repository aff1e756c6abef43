//! The evidence pack of an incident: what another engineer needs to confirm or refute the finding, and nothing else.
//!
//! Built from the *redacted* incident only (see [`redact::incident`]), in the order of the framework's template. It is independent
//! of what the runbooks say today: packing an old incident gives the same bytes, and so the same [`Pack::hash`]. A part that
//! nobody could give is named in `missing`, never invented.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::alert::Severity;
use crate::bucket::Bucket;
use crate::incident::{Hypothesis, Incident, Reason, Stage, Stopped, TimelineEntry};
use crate::outcome::{CheckKind, Facts, Outcome, Role};
use crate::question::QuestionId;

mod collect;
mod drift;
mod gantt;
mod reading;
pub mod redact;
pub mod render;
mod reproduce;
mod response;
mod schema;
mod shape;
mod specific;

pub use drift::{Change, Drift, FieldChange, Side};
pub use schema::schema;

/// The version of the pack's shape, in `schema`. Raised when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// The evidence pack. Its fields stand in the order in which they are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pack {
    /// [`SCHEMA`].
    pub schema: u32,
    /// `sha256:` and the hash of the rest of the pack: two packs with one hash say the same.
    pub hash: String,
    /// The incident.
    pub incident: String,
    /// Its title, as the alert gave it.
    pub title: String,
    /// The failing service.
    pub service: Option<String>,
    /// The endpoint that fails.
    pub endpoint: Option<String>,
    /// The highest severity any alert said.
    pub severity: Severity,
    /// Where the incident stands.
    pub stage: Stage,
    /// One representative failing request.
    pub request: Option<Request>,
    /// A curl command that sends the request again, with placeholders for what is redacted or unknown.
    pub reproduce: Option<String>,
    /// What came back.
    pub response: Option<Response>,
    /// How the bodies differ from earlier ones, or from the contract.
    pub drift: Vec<Drift>,
    /// How long what took.
    pub timing: Timing,
    /// Where and in which version.
    pub environment: Environment,
    /// What triggered the request, and what happened right before.
    pub journey: Option<String>,
    /// Who and what is hit.
    pub impact: Impact,
    /// What the bucket needs most.
    pub specifics: Vec<Fact>,
    /// The checks, in order of planning.
    pub checks: Vec<Check>,
    /// The answers, in order of asking.
    pub answers: Vec<Answered>,
    /// The finding and its reasons; absent while triage goes on.
    pub classification: Option<Classification>,
    /// The one or two best hypotheses, best first.
    pub hypotheses: Vec<Hypothesis>,
    /// The experiment that settles it.
    pub next_experiment: Option<String>,
    /// The user's runbook that was chosen for the alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
    /// Whom that runbook calls in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub escalate: Vec<String>,
    /// What that runbook does first against the pain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mitigate: Vec<String>,
    /// What was ruled out, and by what.
    pub ruled_out: Vec<String>,
    /// What nobody could give.
    pub missing: Vec<String>,
    /// The history and its measures.
    pub timeline: Timeline,
    /// Where to look further: dashboards, runbooks, the alert itself.
    pub links: BTreeMap<String, String>,
}

/// The request fingerprint: everything but values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Request {
    /// Where it comes from: `curl command`, `alert`, …
    pub source: String,
    /// The method.
    pub method: Option<String>,
    /// Host and port.
    pub host: Option<String>,
    /// The full path, ids as `{id}`.
    pub path: String,
    /// Query parameters, values as shapes unless they are known to be safe.
    pub query: Vec<Fact>,
    /// Headers, values as shapes unless they are known to be safe.
    pub headers: Vec<Fact>,
    /// The body's shape.
    pub body: Option<String>,
}

/// The response facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Response {
    /// Where they come from.
    pub source: String,
    /// The status.
    pub status: Option<u16>,
    /// Why there was no response at all.
    pub transport_error: Option<String>,
    /// The body's own error code.
    pub error_code: Option<String>,
    /// Who answered, as its marks tell: `gateway`, `app`, `dependency`, `cdn`.
    pub origin: Option<String>,
    /// Headers.
    pub headers: Vec<Fact>,
    /// The start of the body; of a JSON body the shape (`"string"`, `"number"`), with the values of its error alone.
    pub snippet: Option<String>,
    /// By what a log finds the exchange: the trace id that the http check sent.
    pub trace_id: Option<String>,
    /// What else must be known to read these facts, e.g. that the http check got another status.
    pub note: Option<String>,
}

/// A named value, as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fact {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Fact {
    /// A named value.
    fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// How long what took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timing {
    /// Who measured: `the http check, which got 504`.
    pub source: Option<String>,
    /// The whole, as a client saw it, in milliseconds.
    pub client_ms: Option<f64>,
    /// Its phases, in milliseconds.
    pub phases_ms: BTreeMap<String, f64>,
    /// What the server says it took.
    pub server: Option<String>,
    /// Who gives up when.
    pub thresholds: Vec<Fact>,
}

/// Where and in which version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// `production`, …
    pub name: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// Version, commit or release of the service.
    pub release: Option<String>,
    /// Feature flags.
    pub flags: Option<String>,
    /// The gateway and its version.
    pub gateway: Option<String>,
    /// What changed around the start.
    pub changes: Option<String>,
}

/// Who and what is hit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Impact {
    /// How many or which users.
    pub users: Option<String>,
    /// Which endpoints.
    pub endpoints: Option<String>,
    /// Which clients.
    pub clients: Option<String>,
    /// Since when.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub since: Option<Timestamp>,
    /// How it began.
    pub onset: Option<String>,
    /// Which statuses at which rate.
    pub rate: Option<String>,
    /// How many alerts told of it.
    pub alerts: u64,
}

/// A check and what it found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// Its key in the incident, e.g. `tls service`.
    pub key: String,
    /// The kind.
    pub check: CheckKind,
    /// Whose endpoint.
    pub role: Role,
    /// The dependency's name, or which of two.
    pub name: Option<String>,
    /// What was checked.
    pub target: String,
    /// The finding; absent when the check has not come back.
    pub outcome: Option<Outcome>,
    /// One sentence.
    pub summary: String,
    /// The facts that tell most.
    pub telling: Vec<Fact>,
    /// All facts.
    pub facts: Facts,
    /// How long it took, in milliseconds.
    pub took_ms: Option<f64>,
    /// When it came back.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub at: Option<Timestamp>,
}

/// An answer and who gave it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answered {
    /// The question.
    pub question: QuestionId,
    /// The question's id in words.
    pub about: String,
    /// Why it was asked.
    pub because: String,
    /// The answer; absent when nobody has answered.
    pub answer: Option<String>,
    /// Whether the answer is a text of several lines.
    pub long: bool,
    /// Who gave it.
    pub by: Option<String>,
    /// When.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub at: Option<Timestamp>,
    /// How long it took them, in seconds.
    pub waited_s: Option<f64>,
}

/// The finding and its reasons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Classification {
    /// Clarity, or an honest "unclear".
    pub stopped: Stopped,
    /// The boundary that failed first.
    pub bucket: Bucket,
    /// In a person's words.
    pub boundary: String,
    /// Its probability, 0 to 1.
    pub probability: f64,
    /// The next likely boundary.
    pub runner_up: Bucket,
    /// Its probability, 0 to 1.
    pub runner_up_probability: f64,
    /// All boundaries.
    pub buckets: BTreeMap<Bucket, f64>,
    /// What moved the belief, strongest first.
    pub reasons: Vec<Reason>,
    /// The failing dependency.
    pub dependency: Option<String>,
    /// Content hash of the runbooks that were used.
    pub runbooks: String,
    /// What a person says it really was.
    pub reclassified: Option<Reclassified>,
}

/// A person's correction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reclassified {
    /// The bucket it really was.
    pub bucket: Bucket,
    /// Who says so.
    pub by: String,
}

/// The history and its measures, in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timeline {
    /// When the fault began.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub started_at: Option<Timestamp>,
    /// When the first alert arrived.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub alerted_at: Option<Timestamp>,
    /// When triage stopped.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub concluded_at: Option<Timestamp>,
    /// When the problem ended.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub resolved_at: Option<Timestamp>,
    /// From the fault's start to the first alert.
    pub mttd_s: Option<f64>,
    /// From the first alert to clarity.
    pub mttc_s: Option<f64>,
    /// The same without what it waited for people.
    pub mttc_unattended_s: Option<f64>,
    /// From the fault's start to its end.
    pub mttr_s: Option<f64>,
    /// How much of the time to clarity was waiting for people.
    pub human_wait_s: f64,
    /// What happened.
    pub entries: Vec<TimelineEntry>,
}

/// Packs a redacted incident.
#[must_use]
pub fn pack(incident: &Incident) -> Pack {
    pack_after(incident, None)
}

/// As [`pack`], knowing the redacted incident with the same key before it: bodies are compared with those of then.
#[must_use]
pub fn pack_after(incident: &Incident, before: Option<&Incident>) -> Pack {
    let mut pack = collect::pack(incident, before);
    pack.hash = hash(&pack);
    pack
}

/// The hash of a pack without its hash.
fn hash(pack: &Pack) -> String {
    let mut bare = pack.clone();
    bare.hash.clear();
    let bytes = serde_json::to_vec(&bare).unwrap_or_default();
    let digest = Sha256::digest(&bytes);
    digest.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

#[cfg(test)]
mod tests;
