//! Issues as Markdown files in a folder.

use std::path::PathBuf;

use crate::evidence::render::Issue;
use crate::incident::{IncidentId, IssueRef};
use crate::tracker::TrackerError;

/// A folder with one Markdown file per incident.
#[derive(Debug, Clone)]
pub struct Folder {
    dir: PathBuf,
}

impl Folder {
    /// Issues go into this folder, which is made when the first one is filed.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    pub(super) async fn file(
        &self,
        incident: &IncidentId,
        issue: &Issue,
        _known: Option<&IssueRef>,
    ) -> Result<IssueRef, TrackerError> {
        let path = self.dir.join(format!("{}-{incident}.md", issue.opened_on));
        let failed = |error: std::io::Error| {
            TrackerError::after(std::time::Duration::from_secs(5), format!("{}: {error}", path.display()))
        };
        tokio::fs::create_dir_all(&self.dir).await.map_err(failed)?;
        tokio::fs::write(&path, &issue.body).await.map_err(failed)?;
        let path = path.display().to_string();
        Ok(IssueRef { reference: path.clone(), url: path })
    }
}
