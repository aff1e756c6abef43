//! An incident's name.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An incident's name: `inc-` and ten letters and digits, safe in a URL, a file name and a chat.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentId(String);

/// A word that names no incident.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no incident id; one looks like inc-4k2m9qx7ab")]
pub struct NotAnIncidentId(pub String);

impl IncidentId {
    /// The id that belongs to this seed (the shell draws it at random; tests choose it).
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let letters = (0..10).map(|place| {
            let index = usize::try_from((seed >> (place * 5)) & 31).unwrap_or(0);
            char::from(LETTERS[index])
        });
        Self(format!("inc-{}", letters.collect::<String>()))
    }

    /// Reads an id.
    ///
    /// # Errors
    /// [`NotAnIncidentId`] when the text is not `inc-` and ten lower-case letters and digits.
    pub fn parse(text: &str) -> Result<Self, NotAnIncidentId> {
        let tail = text.strip_prefix("inc-").unwrap_or_default();
        let good = tail.len() == 10 && tail.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if good { Ok(Self(text.to_owned())) } else { Err(NotAnIncidentId(text.to_owned())) }
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
