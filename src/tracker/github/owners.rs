//! Who is assigned: whom the route names, and whom the repository's own `CODEOWNERS` names where it is asked.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::Desk;
use super::shapes::Content;
use crate::profile::owners::Owners;
use crate::tracker::{Filing, TrackerError};

impl Desk<'_> {
    /// Whom the route names, and whom `CODEOWNERS` names where it is asked.
    pub(super) async fn assignees(&self, filing: &Filing<'_>) -> Vec<String> {
        let mut route = filing.route.clone();
        if let Some(path) = &route.look_up {
            match self.owners().await {
                Ok(owners) => route.own(&owners.of(path)),
                // An issue without an assignee is better than none.
                Err(error) => {
                    tracing::warn!(%error, repository = %self.repository, "CODEOWNERS of {} could not be read", self.repository);
                }
            }
        }
        route.assignees
    }

    /// The repository's `CODEOWNERS`, from the three places where GitHub looks for it, read anew every ten minutes.
    async fn owners(&self) -> Result<Owners, TrackerError> {
        const FRESH: Duration = Duration::from_mins(10);
        let name = self.repository.to_string();
        let known =
            self.github.learned.owners.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        if let Some((_, owners)) = known.filter(|(read, _)| read.elapsed() < FRESH) {
            return Ok(owners);
        }
        let mut owners = Owners::default();
        for file in [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"] {
            let route = self.repository.route(&format!("/contents/{}", file.replace('/', "%2F")));
            match self.github.call(self.clients.reads.get::<Content, _, ()>(route, None)).await {
                Ok(content) => {
                    owners = Owners::parse(&decoded(content.content.as_deref().unwrap_or_default()));
                    break;
                }
                Err(failure) if failure.status == Some(404) => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        let mut learned = self.github.learned.owners.lock().unwrap_or_else(PoisonError::into_inner);
        learned.insert(name, (Instant::now(), owners.clone()));
        Ok(owners)
    }
}

/// What base64 with line ends in it says; nothing where it says nothing.
fn decoded(content: &str) -> String {
    use base64::Engine as _;

    let content: String = content.split_whitespace().collect();
    let bytes = base64::engine::general_purpose::STANDARD.decode(content).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_github_is_read() {
        assert_eq!(decoded("KiBAbWly\nYQo=\n"), "* @mira\n");
        assert_eq!(decoded("???"), "");
    }
}
