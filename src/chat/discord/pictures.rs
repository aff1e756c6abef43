//! The pictures that go with a conclusion: once, when it is clear.
//!
//! A picture that cannot be drawn is left out and told in the log: words matter more.

use std::sync::Arc;

use super::Session;
use super::wire::File;
use crate::incident::{Incident, Stopped};
use crate::picture::{self, Picture};
use crate::triage::Note;

/// The files that go with a note.
pub(super) async fn of(session: &Arc<Session>, incident: &Incident, note: &Note) -> Vec<File> {
    let is_clear = incident.conclusion.as_ref().is_some_and(|it| it.stopped == Stopped::Clarity);
    if *note != Note::Concluded || !is_clear {
        return Vec::new();
    }
    let (templates, incident) = (Arc::clone(&session.templates), incident.clone());
    // Tens of milliseconds of computing: not on a thread that answers clicks.
    let drawn = tokio::task::spawn_blocking(move || {
        let drawn = [picture::waterfall(&templates, &incident), picture::timeline(&templates, &incident)];
        drawn
            .into_iter()
            .filter_map(|drawn| match drawn {
                Ok(picture) => picture.and_then(file),
                Err(error) => {
                    tracing::warn!(incident.id = %incident.id, %error, "a picture cannot be drawn");
                    None
                }
            })
            .collect()
    });
    drawn.await.unwrap_or_default()
}

fn file(picture: Picture) -> Option<File> {
    match picture.png() {
        Ok(bytes) => {
            let name = format!("{}.png", picture.name);
            Some(File { name, alt: picture.alt, kind: "image/png", bytes })
        }
        Err(error) => {
            tracing::warn!(picture = picture.name, %error, "a picture cannot be drawn");
            None
        }
    }
}
