//! The rules by which alerts are sorted into incidents and incidents end without a person, as the configuration says them.

use std::collections::BTreeMap;
use std::time::Duration;

/// How alerts are sorted, and what ends an incident.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// How often each source is expected to be heard of.
    pub heartbeats: BTreeMap<String, Duration>,
}
