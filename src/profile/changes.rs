//! The release record: what changed when, one JSON object a line.
//!
//! ```json
//! {"at": "2026-11-01T09:58:00Z", "kind": "deploy", "what": "orders-api 2.14.0", "by": "mira", "service": "orders-api"}
//! ```
//!
//! A deploy script appends a line with `echo`; nothing else writes here. A line that cannot be read is a [`Problem`] beside
//! the changes that could: a record with one bad line still answers. Order does not matter.

use std::fmt;

pub mod webhook;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Change {
    /// When it took effect.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// What kind of thing changed.
    pub kind: ChangeKind,
    /// What, in a person's words: a version, a setting, a flag's name. No secret.
    pub what: String,
    /// Who or what did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The service it touched; absent means it may be any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The version that runs since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// What kind of thing changed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Code: a release, a rollback, a migration.
    #[serde(alias = "release", alias = "rollback")]
    Deploy,
    /// Settings, certificates, credentials, DNS, infrastructure.
    #[serde(alias = "configuration")]
    Config,
    /// A feature flag or an experiment.
    #[serde(alias = "feature_flag")]
    Flag,
}

impl ChangeKind {
    /// The id used in JSON.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Config => "config",
            Self::Flag => "flag",
        }
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// A line that is no change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Problem {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

/// Reads a record: the changes that could be read, and the lines that could not. Empty lines and `#` comments are passed
/// over.
#[must_use]
pub fn read(text: &str) -> (Vec<Change>, Vec<Problem>) {
    let mut changes = Vec::new();
    let mut problems = Vec::new();
    // Windows editors begin a file with a byte order mark.
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match serde_json::from_str(line) {
            Ok(change) => changes.push(change),
            Err(error) => problems.push(Problem { line: index + 1, why: error.to_string() }),
        }
    }
    (changes, problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_one_line_and_read_back() {
        let change = Change {
            at: "2026-11-01T09:58:00Z".parse().unwrap(),
            kind: ChangeKind::Flag,
            what: "new-pricing on".into(),
            by: None,
            service: Some("orders-api".into()),
            version: None,
        };
        let line = serde_json::to_string(&change).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(read(&line), (vec![change], vec![]));
    }

    #[test]
    fn a_bad_line_is_named_and_the_others_count() {
        let text = "\u{feff}# releases\n\n{\"at\": \"2026-11-01T10:00:00+02:00\", \"kind\": \"release\", \"what\": \"x\"}\n{\"kind\": \"deploy\"}\nnope";
        let (changes, problems) = read(text);
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].at.to_string(), "2026-11-01T08:00:00Z");
        assert_eq!(changes[0].kind, ChangeKind::Deploy);
        assert_eq!(problems.iter().map(|it| it.line).collect::<Vec<_>>(), [4, 5]);
        assert!(problems[0].to_string().starts_with("line 4: missing field"), "{}", problems[0]);
    }
}
