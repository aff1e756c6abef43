//! The rules by which alerts are sorted into incidents and incidents end without a person, as the configuration says them.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use crate::alert::KeyPart;

/// How alerts are sorted, and what ends an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// How often each source is expected to be heard of.
    pub heartbeats: BTreeMap<String, Duration>,
    /// What makes two alerts the same incident.
    pub group_by: Vec<KeyPart>,
    /// For how long after its last alert an open incident takes other alerts in; `None`: as long as it is open.
    pub window: Option<Duration>,
    /// For how long after its end an incident is opened again by the same alert, instead of a new one.
    pub reopen_within: Duration,
    /// How long nothing is heard of an open incident before time ends it; `None`: never.
    pub resolve_after: Option<Duration>,
    /// How often the checks that found the fault are run again to see whether it is over; `None`: never.
    pub recheck: Option<Duration>,
    /// Alertmanagers that are asked for what their webhooks may have missed.
    pub polls: Vec<Poll>,
}

/// An Alertmanager that is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poll {
    /// The source whose alerts they are.
    pub source: String,
    /// Its base, as people open it.
    pub url: Url,
    /// How often.
    pub every: Duration,
    /// For how long it must lack an alert before that is over: one that was restarted knows nothing until it is told again.
    pub gone_after: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            heartbeats: BTreeMap::new(),
            group_by: KeyPart::USUAL.to_vec(),
            window: None,
            // Most flapping is faster; what comes back later deserves a fresh look.
            reopen_within: Duration::from_mins(10),
            // A long weekend: some sources tell the beginning alone, and tell it once.
            resolve_after: Some(Duration::from_hours(72)),
            recheck: Some(Duration::from_mins(5)),
            polls: Vec::new(),
        }
    }
}
