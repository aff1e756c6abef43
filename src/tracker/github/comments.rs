//! Comments: news, each told once, and parts of a section that is too long for the body.
//!
//! They are found again by their markers, as the issue is. A comment of which nobody knows whether it was written is looked for
//! until the list had time to catch up, and only then written again.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::shapes::{Comment, List};
use super::update::part_marker;
use super::{Desk, LOOK_AGAIN, paced};
use crate::evidence::render::{marker, news_marker};
use crate::incident::IncidentId;
use crate::tracker::{Filing, TrackerError};

/// The most parts a section is looked for in: more than 6 MB.
const MOST_PARTS: usize = 100;

impl Desk<'_> {
    /// Makes the comments be as wanted: the guest's section, the parts of a section, the news that are not told yet.
    pub(super) async fn tell(
        &self,
        filing: &Filing<'_>,
        number: u64,
        parts: &[String],
        section: Option<String>,
    ) -> Result<(), TrackerError> {
        let incident = filing.incident.as_str();
        let issue = filing.issue;
        // A part that was needed once may have to say that it is not any more.
        let may_have_parts = filing.known.is_some();
        if issue.news.is_empty() && parts.is_empty() && section.is_none() && !may_have_parts {
            return Ok(());
        }
        let comments = self.comments(number).await?;
        if let Some(section) = &section {
            self.set(number, &comments, &marker(incident), section).await?;
        }
        for (place, part) in parts.iter().enumerate() {
            self.set(number, &comments, &part_marker(incident, place + 2), part).await?;
        }
        for left in parts.len() + 2..MOST_PARTS {
            let marker = part_marker(incident, left);
            let Some(comment) = written(&comments, &marker) else { break };
            self.edit(comment, &format!("{marker}\n_This part is needed no more._")).await?;
        }
        for news in &issue.news {
            self.say_once(number, &comments, filing.incident, &news.key, &news.text).await?;
        }
        Ok(())
    }

    /// Our comments on an issue.
    pub(super) async fn comments(&self, number: u64) -> Result<Vec<Comment>, TrackerError> {
        let mut all: Vec<Comment> = self.list(&format!("/issues/{number}/comments"), List::default()).await?;
        all.retain(|comment| self.is_ours(comment.user.as_ref()));
        Ok(all)
    }

    /// Writes a comment unless it is there.
    pub(super) async fn say_once(
        &self,
        number: u64,
        comments: &[Comment],
        incident: &IncidentId,
        key: &str,
        text: &str,
    ) -> Result<(), TrackerError> {
        let marker = news_marker(incident.as_str(), key);
        match written(comments, &marker) {
            Some(_) => Ok(()),
            None => self.write(number, &marker, &format!("{marker}\n{text}")).await,
        }
    }

    /// Makes the comment with this marker say this.
    async fn set(
        &self,
        number: u64,
        comments: &[Comment],
        marker: &str,
        text: &str,
    ) -> Result<(), TrackerError> {
        match written(comments, marker) {
            Some(comment) => self.edit(comment, text).await,
            None => self.write(number, marker, text).await,
        }
    }

    async fn edit(&self, comment: &Comment, text: &str) -> Result<(), TrackerError> {
        let old = comment.body.as_deref().unwrap_or_default();
        if old.replace("\r\n", "\n") == text {
            return Ok(());
        }
        let route = self.repository.route(&format!("/issues/comments/{}", comment.id));
        let _edited: Value =
            self.github.call(self.clients.writes.patch(route, Some(&json!({"body": text})))).await?;
        Ok(())
    }

    async fn write(&self, number: u64, marker: &str, text: &str) -> Result<(), TrackerError> {
        let doubtful = &self.github.learned.doubtful;
        let since = doubtful.lock().unwrap_or_else(PoisonError::into_inner).get(marker).copied();
        let lag = self.github.settings.list_lag;
        if since.is_some_and(|since| since.elapsed() < lag) {
            let wait = LOOK_AGAIN.min(lag / 4).max(Duration::from_millis(1));
            let why = "nobody knows yet whether a comment was written, and GitHub does not list it; looking again before writing";
            return Err(TrackerError::after(wait, why));
        }
        self.github.pace.take(Instant::now()).map_err(paced)?;
        let route = self.repository.route(&format!("/issues/{number}/comments"));
        let sent: Result<Value, _> =
            self.github.call(self.clients.writes.post(route, Some(&json!({"body": text})))).await;
        let mut doubtful = doubtful.lock().unwrap_or_else(PoisonError::into_inner);
        match sent {
            Err(failure) if failure.may_have_happened => {
                doubtful.insert(marker.to_owned(), Instant::now());
                Err(failure.into())
            }
            sent => {
                doubtful.remove(marker);
                sent.map(drop).map_err(TrackerError::from)
            }
        }
    }
}

fn written<'a>(comments: &'a [Comment], marker: &str) -> Option<&'a Comment> {
    comments.iter().find(|it| it.body.as_deref().is_some_and(|body| body.contains(marker)))
}
