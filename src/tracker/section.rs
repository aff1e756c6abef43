//! What both trackers know of our section: the hidden lines that tell what we did last, and which labels are ours.
//!
//! A hidden line is written by the same step that does what it tells: so a person's later word (another title, an issue opened
//! again) is known from ours, whatever was repeated or cut.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::evidence::render::{Issue, end_marker, marker, news_marker};
use crate::tracker::{Earlier, Filing};

/// The prefixes of labels that are ours to take away again.
const OUR_LABELS: [&str; 3] = ["bucket:", "severity:", "service:"];

/// Tells that we closed the issue: it is not done twice.
pub(super) fn closed_line(incident: &str) -> String {
    format!("{}\n", news_marker(incident, "closed"))
}

/// Tells that we opened the issue again: so we may close it.
pub(super) fn reopened_line(incident: &str) -> String {
    format!("{}\n", news_marker(incident, "reopened"))
}

/// Tells which title we gave.
pub(super) fn title_line(incident: &str, title: &str) -> String {
    format!("{}{} -->\n", title_begin(incident), hash(title))
}

/// Whether this title is the one we gave, as far as the body tells.
pub(super) fn is_our_title(incident: &str, body: &str, title: &str) -> bool {
    body.split_once(&title_begin(incident)).is_none_or(|(_, rest)| rest.starts_with(&hash(title)))
}

fn title_begin(incident: &str) -> String {
    format!("<!-- firstcheck:{incident}:title-")
}

fn hash(text: &str) -> String {
    let mut shown = String::new();
    for byte in &Sha256::digest(text.as_bytes())[..4] {
        let _infallible = write!(shown, "{byte:02x}");
    }
    shown
}

/// Our section without the lines that mark it.
pub(super) fn inner<'a>(incident: &str, issue: &'a Issue) -> &'a str {
    let text = issue.body.trim();
    let text = text.strip_prefix(marker(incident).as_str()).unwrap_or(text);
    text.strip_suffix(end_marker(incident).as_str()).unwrap_or(text).trim()
}

/// A text as our section, with hidden lines at its end.
pub(super) fn framed(incident: &str, text: &str, hidden: &str) -> String {
    format!("{}\n{}\n{hidden}{}", marker(incident), text.trim(), end_marker(incident))
}

/// Our labels and the route's.
pub(super) fn labels(filing: &Filing<'_>) -> Vec<String> {
    let mut labels = filing.issue.labels.clone();
    for label in &filing.route.labels {
        if !labels.iter().any(|known| known.eq_ignore_ascii_case(label)) {
            labels.push(label.clone());
        }
    }
    labels
}

/// People's labels and ours: those of ours that are not wanted any more go.
pub(super) fn merged<'a>(has: &BTreeSet<&'a str>, wanted: &'a [String]) -> BTreeSet<&'a str> {
    let theirs = has.iter().copied().filter(|name| !OUR_LABELS.iter().any(|prefix| name.starts_with(prefix)));
    theirs.chain(wanted.iter().map(String::as_str)).collect()
}

/// The line that links an earlier issue.
pub(super) fn linked(earlier: &Earlier) -> String {
    format!(
        "An earlier incident of the same service and endpoint: {} (`{}`)",
        earlier.issue.reference, earlier.incident
    )
}
