//! The audit log: who asked for which change, in a chain of hashes.
//!
//! An entry is written before the change it names is carried out, so nothing is changed without one; what became of it, the incident's own log
//! tells. Each entry's hash covers the hash before it: whoever alters, removes or moves one breaks the chain from there on. The
//! surprise: cutting off the end breaks no chain. Whoever fears that notes the newest hash elsewhere and gives it to [`verify`].

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Scope, Via, hex};

/// What is to be noted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// How they showed who they are.
    pub via: Via,
    /// What they may do.
    pub scope: Option<Scope>,
    /// The address the request came from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<String>,
    /// What they asked for: a method and path, or a word such as `log_in`.
    pub action: String,
}

/// One entry, as it is kept: its place, its text, and the hash over the hash before it and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// 1 for the first.
    pub seq: u64,
    /// JSON of [`Noted`].
    pub text: String,
    /// In hexadecimal.
    pub hash: String,
}

/// What an entry's text says: the note and its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// 1 for the first.
    pub seq: u64,
    /// The note.
    #[serde(flatten)]
    pub note: Note,
}

impl Entry {
    /// The entry after the one with this place and hash; `None` for the first of a log.
    ///
    /// # Errors
    /// Never in practice: the note is plain text and numbers.
    pub fn after(last: Option<(u64, &str)>, note: &Note) -> Result<Self, serde_json::Error> {
        let (seq, previous) = last.map_or((1, ""), |(seq, hash)| (seq + 1, hash));
        let text = serde_json::to_string(&Noted { seq, note: note.clone() })?;
        let hash = link(previous, &text);
        Ok(Self { seq, text, hash })
    }
}

/// The hash of an entry: SHA-256 over the hash before it, a line feed, and its text.
fn link(previous: &str, text: &str) -> String {
    hex(&Sha256::new().chain_update(previous).chain_update("\n").chain_update(text).finalize())
}

/// Where a chain stands: the place and hash of the last entry that was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Chain {
    /// Entries so far.
    pub entries: u64,
    /// The hash of the last.
    pub head: String,
}

/// Follows the chain over the next entries.
///
/// # Errors
/// The first entry that does not follow from those before it, in one sentence.
pub fn verify(chain: &mut Chain, entries: &[Entry]) -> Result<(), String> {
    for entry in entries {
        let place = chain.entries + 1;
        if entry.seq != place {
            return Err(format!("entry {place} is missing: after it comes {}", entry.seq));
        }
        if link(&chain.head, &entry.text) != entry.hash {
            return Err(format!("entry {place} is not what was written: its hash does not match"));
        }
        let said = serde_json::from_str::<Noted>(&entry.text).ok().map(|noted| noted.seq);
        if said != Some(place) {
            return Err(format!("entry {place} says it stands elsewhere"));
        }
        chain.entries = place;
        chain.head.clone_from(&entry.hash);
    }
    Ok(())
}
