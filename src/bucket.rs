//! The five boundaries at which a request can fail, as the framework names them.
//!
//! A bucket is where the *cause* sits. The HTTP status is only a symptom: a 500 may be a wrapped upstream failure.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The boundary that failed first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Bucket {
    /// Request formation: method, path, content type, shape.
    Client,
    /// Authentication and authorisation.
    Auth,
    /// Quota and throttling, ours or a vendor's.
    RateLimit,
    /// Network, DNS, TLS, a dependency.
    Upstream,
    /// Our own application.
    Server,
}

impl Bucket {
    /// All buckets, in the framework's order.
    pub const ALL: [Self; 5] = [Self::Client, Self::Auth, Self::RateLimit, Self::Upstream, Self::Server];

    /// The id used in YAML, JSON and the store.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Auth => "auth",
            Self::RateLimit => "rate_limit",
            Self::Upstream => "upstream",
            Self::Server => "server",
        }
    }

    /// The boundary in a person's words.
    #[must_use]
    pub fn boundary(self) -> &'static str {
        match self {
            Self::Client => "request formation",
            Self::Auth => "authentication and authorisation",
            Self::RateLimit => "quota and rate limits",
            Self::Upstream => "network and upstream dependencies",
            Self::Server => "our own application",
        }
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// A word that is no bucket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown bucket `{0}`; the buckets are client, auth, rate_limit, upstream and server")]
pub struct UnknownBucket(pub String);

impl FromStr for Bucket {
    type Err = UnknownBucket;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|bucket| bucket.id() == text).ok_or_else(|| UnknownBucket(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_parses_back() {
        for bucket in Bucket::ALL {
            assert_eq!(bucket.id().parse(), Ok(bucket));
            assert_eq!(serde_json::to_value(bucket).unwrap(), bucket.id());
        }
        assert!("network".parse::<Bucket>().is_err());
    }
}
