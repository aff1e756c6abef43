//! The evidence pack of an incident: what another engineer needs to confirm or refute the finding, and nothing else.
//!
//! Built from the *redacted* incident only (see [`redact::incident`]). It is independent of what the runbooks say today: packing
//! an old incident gives the same bytes. A part that nobody could give is named in `missing`, never invented.

use serde::{Deserialize, Serialize};

use crate::incident::Incident;

pub mod redact;
pub mod render;
mod shape;

/// The version of the pack's shape, in `schema`. Raised when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// The evidence pack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pack {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The incident.
    pub incident: String,
    /// Its title.
    pub title: String,
}

/// Packs a redacted incident.
#[must_use]
pub fn pack(incident: &Incident) -> Pack {
    Pack { schema: SCHEMA, incident: incident.id.to_string(), title: incident.title().to_owned() }
}
