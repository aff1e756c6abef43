//! `limiters.yaml`, typed: who limits, and in which dialect it says how much is left and until when.

use serde::Deserialize;

use super::mark::{Mark, Status};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitersFile {
    pub(super) limiters: Vec<Limiter>,
}

/// A limiter and the dialect in which it speaks.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limiter {
    /// The value of the fact `limiter`.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Where it usually runs.
    pub hop: Hop,
    /// What gives it away: any of these.
    pub when: Vec<Mark>,
    /// How its numbers are written.
    #[serde(default)]
    pub quotas: Vec<Quota>,
    /// What says how long to wait, besides `Retry-After`.
    #[serde(default)]
    pub wait: Vec<Wait>,
    /// The header that names who shares the quota.
    #[serde(default)]
    pub scope: Option<String>,
    /// Who shares the quota, where it is always the same.
    #[serde(default)]
    pub scope_is: Option<String>,
    /// The header that names the rule.
    #[serde(default)]
    pub reason: Option<String>,
    /// The JSON pointer to the rule's name in the body.
    #[serde(default)]
    pub reason_json: Option<String>,
    /// What is a refusal besides status 429.
    #[serde(default)]
    pub limited: Vec<Refused>,
    /// What is none, although the status is 429.
    #[serde(default)]
    pub no_limit: Vec<Refused>,
}

/// Where a limiter runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hop {
    /// At a third party.
    Vendor,
    /// At the edge of the network.
    Edge,
    /// In front of the application.
    Gateway,
    /// In the application, or unknown.
    App,
}

marked! {
    /// What is a refusal of a limiter.
    Refused {
        /// The rule it names.
        policy: Option<String>,
    }
}

/// How one quota is written. `{}` in the header names is filled from `each`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// The notation.
    #[serde(default)]
    pub form: Form,
    /// What `{}` stands for, one dimension each.
    #[serde(default)]
    pub each: Vec<String>,
    /// The rule's name.
    #[serde(default)]
    pub policy: Option<String>,
    /// The header that holds the rule's name.
    #[serde(default)]
    pub policy_from: Option<String>,
    /// Where the limit stands.
    #[serde(default)]
    pub limit: Option<String>,
    /// Where the remainder stands.
    #[serde(default)]
    pub remaining: Option<String>,
    /// Where the use so far stands.
    #[serde(default)]
    pub used: Option<String>,
    /// Where the reset stands.
    #[serde(default)]
    pub reset: Option<String>,
    /// Where the units regained a second stand, of a bucket that leaks (`form: json`).
    #[serde(default)]
    pub restores: Option<String>,
    /// Where the units that the call wanted stand (`form: json`).
    #[serde(default)]
    pub wanted: Option<String>,
    /// The unit of the reset.
    #[serde(default)]
    pub unit: Unit,
    /// Where the window stands.
    #[serde(default)]
    pub window: Option<String>,
    /// The unit of the window.
    #[serde(default = "Unit::seconds")]
    pub window_unit: Unit,
    /// The names inside a `pairs` header.
    #[serde(default)]
    pub keys: Keys,
    /// Who shares this quota.
    #[serde(default)]
    pub scope: Option<String>,
}

/// The notation of a quota.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// One header per number.
    #[default]
    Headers,
    /// `RateLimit` and `RateLimit-Policy` as structured fields (draft-ietf-httpapi-ratelimit-headers-10).
    Structured,
    /// `total=100; remaining=99; resets=60`.
    Pairs,
    /// `32/40`: used of limit.
    Fraction,
    /// `Microsoft.Compute/X3Min;197,…`: a name and its remainder.
    Resources,
    /// JSON pointers into the body.
    Json,
}

/// The names inside a `pairs` header.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// The rule's name.
    #[serde(default)]
    pub name: Option<String>,
    /// The limit.
    #[serde(default)]
    pub limit: Option<String>,
    /// The remainder.
    #[serde(default)]
    pub remaining: Option<String>,
    /// The reset.
    #[serde(default)]
    pub reset: Option<String>,
    /// A value such as `18/5000`: used of limit.
    #[serde(default)]
    pub fraction: Option<String>,
}

/// How long to wait, as a header or in the body says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// The header.
    #[serde(default)]
    pub header: Option<String>,
    /// The JSON pointer; `*` stands for any element of a list.
    #[serde(default)]
    pub json: Option<String>,
    /// Its unit.
    pub unit: Unit,
}

/// The unit in which a time is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Seconds from now, decimals allowed.
    Seconds,
    /// Milliseconds from now.
    Milliseconds,
    /// Seconds since 1970.
    EpochSeconds,
    /// Milliseconds since 1970.
    EpochMilliseconds,
    /// `1s`, `6m0s`, `12ms`.
    GoDuration,
    /// RFC 3339.
    Rfc3339,
    /// An HTTP date (RFC 9110 §5.6.7).
    HttpDate,
    /// To be told from the value's size and letters.
    #[default]
    Auto,
}

impl Unit {
    const fn seconds() -> Self {
        Self::Seconds
    }
}
