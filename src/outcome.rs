//! Check kinds, their outcome codes and facts: the one vocabulary that checks and triage share.
//!
//! Which outcomes a kind can have is the table of [`CheckKind::outcomes`]; `error` (the check itself could not run) is
//! always possible and is never evidence for a bucket.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

mod plain;

pub use plain::visible;

macro_rules! outcomes {
    ($($variant:ident $id:literal)*) => {
        /// What a check found. A code, not a sentence; the facts behind it are in [`Report::facts`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[expect(missing_docs, reason = "the ids are the documentation: triage.md, `Checks and their outcomes`")]
        pub enum Outcome { $(#[serde(rename = $id)] $variant,)* }

        impl Outcome {
            /// Every outcome of every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The id used in YAML and JSON.
            #[must_use]
            pub fn id(self) -> &'static str { match self { $(Self::$variant => $id,)* } }
        }
    };
}

outcomes! {
    Error "error"
    // dns
    Resolves "resolves" Nxdomain "nxdomain" NoRecords "no_records" Servfail "servfail" LameDelegation "lame_delegation"
    ResolversDisagree "resolvers_disagree" DnssecBogus "dnssec_bogus" DanglingCname "dangling_cname" WrongRecords "wrong_records"
    // tcp
    Connects "connects" Refused "refused" Timeout "timeout" Reset "reset" Unreachable "unreachable" Unresolved "unresolved"
    OneFamilyFails "one_family_fails"
    // tls
    Valid "valid" ExpiresSoon "expires_soon" Expired "expired" NotYetValid "not_yet_valid" NameMismatch "name_mismatch"
    UnknownIssuer "unknown_issuer" SelfSigned "self_signed" IncompleteChain "incomplete_chain" WeakProtocol "weak_protocol"
    ClientCertRequired "client_cert_required" HandshakeFailure "handshake_failure"
    // http
    Ok "ok" Slow "slow" ClientError "client_error" Unauthorized "unauthorized" Forbidden "forbidden" Limited "limited"
    ServerError "server_error" GatewayError "gateway_error" BadBody "bad_body" RedirectLoop "redirect_loop"
    Unexpected "unexpected" Untrusted "untrusted"
    // status_page
    Operational "operational" Degraded "degraded" PartialOutage "partial_outage" MajorOutage "major_outage" Maintenance "maintenance"
    // rate_limit
    NotLimited "not_limited" NearLimit "near_limit" NoHeaders "no_headers"
    // token
    Missing "missing" WrongScheme "wrong_scheme" Malformed "malformed" WrongAudience "wrong_audience" WrongIssuer "wrong_issuer"
    BadSignature "bad_signature" InsufficientScope "insufficient_scope" ClockSkew "clock_skew"
    // cors
    PreflightRejected "preflight_rejected" AuthorizationNotAllowed "authorization_not_allowed" OriginNotAllowed "origin_not_allowed"
    // contract
    Matches "matches" UnknownPath "unknown_path" MethodNotAllowed "method_not_allowed" WrongContentType "wrong_content_type"
    SchemaViolation "schema_violation" TrailingSlash "trailing_slash" BasePath "base_path" VersionPath "version_path"
    // deadline
    Within "within" GatewayShorterThanBackend "gateway_shorter_than_backend" ClientShorterThanGateway "client_shorter_than_gateway"
    // deploys
    NoneNear "none_near" DeployNear "deploy_near" ConfigNear "config_near" FlagNear "flag_near"
    // metrics
    Normal "normal" LatencyLed "latency_led" Saturated "saturated" RetryStorm "retry_storm" TrafficSpike "traffic_spike" ErrorStep "error_step"
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// A word that is no outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown outcome `{0}`")]
pub struct UnknownOutcome(pub String);

impl FromStr for Outcome {
    type Err = UnknownOutcome;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|it| it.id() == text).ok_or_else(|| UnknownOutcome(text.to_owned()))
    }
}

macro_rules! kinds {
    ($($variant:ident $id:literal [$($outcome:ident)*] $doc:literal;)*) => {
        /// A kind of confirming check.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum CheckKind { $(#[doc = $doc] $variant,)* }

        impl CheckKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The id used in YAML, JSON and on the command line.
            #[must_use]
            pub fn id(self) -> &'static str { match self { $(Self::$variant => $id,)* } }

            /// The outcomes this kind can have, most specific first, `error` aside.
            #[must_use]
            pub fn outcomes(self) -> &'static [Outcome] { match self { $(Self::$variant => &[$(Outcome::$outcome),*],)* } }
        }
    };
}

kinds! {
    Dns "dns" [Resolves Nxdomain NoRecords Servfail Refused Timeout LameDelegation ResolversDisagree DnssecBogus DanglingCname WrongRecords] "Does the name resolve?";
    Tcp "tcp" [Connects Refused Timeout Reset Unreachable Unresolved OneFamilyFails] "Does the port accept connections?";
    Tls "tls" [Valid ExpiresSoon Expired NotYetValid NameMismatch UnknownIssuer SelfSigned IncompleteChain WeakProtocol ClientCertRequired HandshakeFailure Timeout Unreachable Unresolved] "Is the certificate what clients need?";
    Http "http" [Ok Slow ClientError Unauthorized Forbidden Limited ServerError GatewayError Timeout Reset BadBody RedirectLoop Unexpected Unresolved Unreachable Untrusted] "What does the endpoint answer, and who answers?";
    StatusPage "status_page" [Operational Degraded PartialOutage MajorOutage Maintenance Unreachable] "What does the vendor say of itself?";
    RateLimit "rate_limit" [NotLimited NearLimit Limited NoHeaders] "Is a limiter at work, and which?";
    Token "token" [Valid Missing WrongScheme Malformed Expired NotYetValid WrongAudience WrongIssuer BadSignature InsufficientScope ClockSkew] "Is the token what the API wants?";
    Cors "cors" [Ok PreflightRejected AuthorizationNotAllowed OriginNotAllowed] "Does the preflight let the call through?";
    Contract "contract" [Matches UnknownPath MethodNotAllowed WrongContentType SchemaViolation TrailingSlash BasePath VersionPath] "Is the request what the API description asks for?";
    Deadline "deadline" [Within GatewayShorterThanBackend ClientShorterThanGateway] "Does somebody give up before the work is done?";
    Deploys "deploys" [NoneNear DeployNear ConfigNear FlagNear] "What changed around the start?";
    Metrics "metrics" [Normal LatencyLed Saturated RetryStorm TrafficSpike ErrorStep] "What do the curves say?";
}

impl fmt::Display for CheckKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// A word that is no check kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown check `{0}`; the kinds are dns, tcp, tls, http, status_page, rate_limit, token, cors, contract, deadline, deploys and metrics"
)]
pub struct UnknownCheck(pub String);

impl FromStr for CheckKind {
    type Err = UnknownCheck;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|it| it.id() == text).ok_or_else(|| UnknownCheck(text.to_owned()))
    }
}

/// Whose endpoint a check looks at.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Ours.
    Service,
    /// A named upstream.
    Dependency,
}

impl Role {
    /// The id used in YAML and JSON.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Dependency => "dependency",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// The facts behind an outcome: numbers, names, headers, certificates, times. Keys are stable and in `snake_case`.
pub type Facts = BTreeMap<String, Value>;

/// What one check found: the document that `firstcheck check --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Report {
    /// The kind of check.
    pub check: CheckKind,
    /// What was checked, as the user named it.
    pub target: String,
    /// The finding.
    pub outcome: Outcome,
    /// The facts behind it.
    #[serde(default)]
    pub facts: Facts,
    /// One sentence for a person.
    #[serde(default)]
    pub summary: String,
    /// How long the whole check took, in milliseconds.
    #[serde(default)]
    pub took_ms: f64,
    /// How long its phases took, in milliseconds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub phases_ms: BTreeMap<String, f64>,
}

impl Report {
    /// A report of a check that could not run: `error`, with the reason for a person and in the fact `reason`.
    #[must_use]
    pub fn error(check: CheckKind, target: &str, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self {
            check,
            target: target.to_owned(),
            outcome: Outcome::Error,
            facts: Facts::from([("reason".to_owned(), Value::from(reason.clone()))]),
            summary: reason,
            took_ms: 0.0,
            phases_ms: BTreeMap::new(),
        }
    }

    /// The exit status of `firstcheck check`: 0 healthy (and `no_headers`), 1 a finding, 3 the check could not be run.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        self.check.exit_status(self.outcome)
    }
}

impl CheckKind {
    /// What the exit status of `firstcheck check` is with this outcome; 1 is a finding.
    #[must_use]
    pub fn exit_status(self, outcome: Outcome) -> u8 {
        match (self, outcome) {
            (_, Outcome::Error) | (CheckKind::StatusPage, Outcome::Unreachable) => 3,
            (
                _,
                Outcome::Resolves
                | Outcome::Connects
                | Outcome::Valid
                | Outcome::Ok
                | Outcome::Operational
                | Outcome::NotLimited
                | Outcome::NoHeaders
                | Outcome::Matches
                | Outcome::Within
                | Outcome::NoneNear
                | Outcome::Normal,
            ) => 0,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_parses_back() {
        for outcome in Outcome::ALL {
            assert_eq!(outcome.id().parse(), Ok(*outcome));
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.id());
        }
        for kind in CheckKind::ALL {
            assert_eq!(kind.id().parse(), Ok(*kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.id());
            assert!(!kind.outcomes().contains(&Outcome::Error));
        }
    }

    #[test]
    fn a_status_page_that_cannot_be_read_is_not_a_finding() {
        let mut report = Report::error(CheckKind::StatusPage, "https://status.example.com", "gone");
        assert_eq!(report.exit_status(), 3);
        report.outcome = Outcome::Unreachable;
        assert_eq!(report.exit_status(), 3);
        report.check = CheckKind::Tls;
        assert_eq!(report.exit_status(), 1);
    }
}
