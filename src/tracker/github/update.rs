//! Bringing an issue up to date: our section, our labels, and its state.
//!
//! An incident's section stands in the body of the issue that was created for it, or, where it joined an earlier incident's
//! issue, in a comment there. Hidden lines at its end tell what we did last, so that a person's later word stands: the title
//! we gave, that we closed the issue, that we opened it again. They are written by the same request that does it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::shapes::{Found, Label};
use super::{Desk, GitHub};
use crate::evidence::render::{BODY_LIMIT, marker, news_marker, spliced};
use crate::tracker::section::{closed_line, reopened_line, title_line};
use crate::tracker::{Filing, LeftOut, Placed, TrackerError, section, split};

/// Room for the hidden lines and the sentence that says where a text goes on, in characters.
const FRAME: usize = 600;
/// A section that could not have this much of the body is put into a comment.
const LEAST: usize = 2000;

impl Desk<'_> {
    /// Makes the issue be as wanted; sends nothing when it is.
    pub(super) async fn bring_up_to_date(
        &self,
        filing: &Filing<'_>,
        found: Found,
        mut left_out: Vec<LeftOut>,
    ) -> Result<Placed, TrackerError> {
        let incident = filing.incident.as_str();
        let issue = GitHub::reference(&self.repository, &found);
        let is_host = found.body().contains(&marker(incident)) || !found.body().contains("<!-- firstcheck:");
        let around = spliced(incident, found.body(), "").chars().count();
        if is_host && around + FRAME + LEAST <= BODY_LIMIT {
            let pieces = self.update_body(filing, &found, around, &mut left_out).await?;
            self.tell(filing, found.number, &pieces[1..], None).await?;
        } else {
            self.update_as_guest(filing, &found, &mut left_out).await?;
        }
        Ok(Placed { issue, left_out })
    }

    /// Title, body, labels and state, in one request. Gives the pieces of our section.
    async fn update_body(
        &self,
        filing: &Filing<'_>,
        found: &Found,
        around: usize,
        left_out: &mut Vec<LeftOut>,
    ) -> Result<Vec<String>, TrackerError> {
        let incident = filing.incident.as_str();
        let old = found.body();
        let mut change = Map::new();
        let is_titled_by_us = section::is_our_title(incident, old, &found.title);
        if found.title != filing.issue.title && is_titled_by_us {
            change.insert("title".to_owned(), json!(filing.issue.title));
        }
        let title = if is_titled_by_us { &filing.issue.title } else { "" };
        let mut trailer = title_line(incident, title);
        let was_closed = old.replace("\r\n", "\n").contains(&closed_line(incident));
        if filing.issue.closed {
            trailer.push_str(&closed_line(incident));
        }
        match (filing.issue.closed, was_closed, found.is_open()) {
            (true, false, true) => set_state(&mut change, "closed", "completed"),
            // The incident itself was opened again.
            (false, true, false) if !found.is_unwanted() => set_state(&mut change, "open", "reopened"),
            _ => {}
        }
        let pieces = pieces(filing, around, &trailer);
        let body = spliced(incident, old, &pieces[0]);
        // GitHub keeps bodies with CRLF when a person edited them on the web.
        if body.replace("\r\n", "\n") != old.replace("\r\n", "\n") {
            change.insert("body".to_owned(), json!(body));
        }
        self.change(filing, found, change, left_out).await?;
        Ok(pieces)
    }

    /// Our section in a comment on somebody else's issue, which is opened again when it may be.
    async fn update_as_guest(
        &self,
        filing: &Filing<'_>,
        found: &Found,
        left_out: &mut Vec<LeftOut>,
    ) -> Result<(), TrackerError> {
        let incident = filing.incident.as_str();
        let comments = self.comments(found.number).await?;
        let own =
            comments.iter().find_map(|it| it.body.as_deref().filter(|body| body.contains(&marker(incident))));
        let closed = closed_line(incident);
        let was_closed = own.is_some_and(|body| body.replace("\r\n", "\n").contains(&closed));
        let reopened = reopened_line(incident);
        let was_reopened = found.body().contains(reopened.trim_end());
        let mut change = Map::new();
        if !filing.issue.closed && !found.is_open() && !found.is_unwanted() && (own.is_none() || was_closed) {
            set_state(&mut change, "open", "reopened");
            if !was_reopened {
                // In the same request, so that it is known whose doing this is.
                let body = format!("{}\n\n{}", found.body(), reopened.trim_end());
                if body.chars().count() <= BODY_LIMIT {
                    change.insert("body".to_owned(), json!(body));
                }
            }
        }
        // What a person left open, or opened again, stays open.
        if filing.issue.closed && was_reopened && !was_closed && found.is_open() {
            set_state(&mut change, "closed", "completed");
        }
        let trailer = if filing.issue.closed { closed } else { String::new() };
        self.change(filing, found, change, left_out).await?;
        let mut pieces = pieces(filing, 0, &trailer);
        let first = pieces.remove(0);
        self.tell(filing, found.number, &pieces, Some(first)).await
    }

    /// Sends a change, with our labels in it.
    async fn change(
        &self,
        filing: &Filing<'_>,
        found: &Found,
        mut change: Map<String, Value>,
        left_out: &mut Vec<LeftOut>,
    ) -> Result<(), TrackerError> {
        let has: BTreeSet<&str> = found.labels.iter().map(Label::name).collect();
        let ours = section::labels(filing);
        let wanted = section::merged(&has, &ours);
        let mut asked = Vec::new();
        // After the creation these were asked for and compared already.
        if wanted != has && left_out.is_empty() {
            let (may, not) = self.labels(&ours).await?;
            left_out.extend(not);
            let kept = wanted
                .iter()
                .copied()
                .filter(|name| has.contains(name) || may.iter().any(|label| label.as_str() == *name));
            let kept: BTreeSet<&str> = kept.collect();
            if kept != has {
                change.insert("labels".to_owned(), json!(kept));
                asked = may;
            }
        }
        if change.is_empty() {
            return Ok(());
        }
        let updated = self.patch(found.number, &Value::Object(change)).await?;
        if !asked.is_empty() {
            left_out.extend(self.missing_from(&updated, &asked, &[]));
        }
        Ok(())
    }
}

fn set_state(change: &mut Map<String, Value>, state: &str, reason: &str) {
    change.insert("state".to_owned(), json!(state));
    change.insert("state_reason".to_owned(), json!(reason));
}

/// Our section as texts that each fit: the first between the markers, for a body with `around` characters of other text or for
/// a comment; the others for comments.
pub(super) fn pieces(filing: &Filing<'_>, around: usize, trailer: &str) -> Vec<String> {
    let incident = filing.incident.as_str();
    let room = BODY_LIMIT.saturating_sub(FRAME);
    let parts =
        split::parts(section::inner(incident, filing.issue), room.saturating_sub(around).max(LEAST), room);
    let count = parts.len();
    let framed = |(place, part): (usize, String)| {
        let more = if place + 1 < count { "\n\n_This goes on in a comment below._" } else { "" };
        if place == 0 {
            return section::framed(incident, &format!("{}{more}", part.trim()), trailer);
        }
        let number = place + 1;
        format!("{}\n_Part {number} of {count}._\n\n{}{more}", part_marker(incident, number), part.trim())
    };
    parts.into_iter().enumerate().map(framed).collect()
}

/// The hidden line before a part of a section that is too long for one place.
pub(super) fn part_marker(incident: &str, number: usize) -> String {
    news_marker(incident, &format!("part-{number}"))
}

/// The hidden lines of a new issue.
pub(super) fn trailer(filing: &Filing<'_>) -> String {
    section::title_line(filing.incident.as_str(), &filing.issue.title)
}
