//! What `doctor` sees of GitHub: who we are, and whether each repository takes issues and labels from us.

use super::shapes::{About, Repository};
use super::{GitHub, parse};
use crate::tracker::{Look, TrackerError};

impl GitHub {
    /// Asks who we are, and about each repository that is named in the configuration.
    pub(in crate::tracker) async fn look(&self, repositories: &[&str]) -> Vec<Look> {
        let who = match self.account.login().await {
            Ok(Some(login)) => login,
            Ok(None) => "an installation without a name of its own".to_owned(),
            Err(error) => return vec![Look::Broken(error.reason)],
        };
        let mut looks = vec![Look::Works(format!("GitHub knows {} as {who}", self.account.kind()))];
        if repositories.is_empty() {
            looks.push(Look::Broken(
                "no repository is named: set `tracker.github.repository`, a route, or `repository` of each service"
                    .to_owned(),
            ));
        }
        for name in repositories {
            looks.push(match parse(name) {
                Ok(repository) => self
                    .look_at(&repository)
                    .await
                    .unwrap_or_else(|error| Look::Broken(format!("{name}: {}", error.reason))),
                Err(error) => Look::Broken(error.reason),
            });
        }
        looks
    }

    async fn look_at(&self, repository: &Repository) -> Result<Look, TrackerError> {
        let clients = self.account.clients(repository).await?;
        let about: About = self.call(clients.reads.get(repository.route(""), None::<&()>)).await?;
        if about.archived == Some(true) {
            return Ok(Look::Broken(format!(
                "{repository} is archived and takes no issues; unarchive it, or name another repository"
            )));
        }
        if about.has_issues == Some(false) {
            return Ok(Look::Broken(format!(
                "{repository} has its issues switched off; switch them on in its settings, or name another repository"
            )));
        }
        if let Some(may) = self.account.issues_permission(repository).await? {
            return Ok(match may.as_str() {
                "write" => Look::Works(format!("{repository} takes issues and labels from the app")),
                may => Look::Broken(format!(
                    "the app's installation for {repository} has the permission `issues: {may}` and needs `issues: write`"
                )),
            });
        }
        let may_label =
            about.permissions.as_ref().is_none_or(|it| it.push == Some(true) || it.triage == Some(true));
        Ok(if may_label {
            Look::Works(format!("{repository} takes issues"))
        } else {
            Look::Note(
                format!("{repository} takes issues, but GitHub will drop their labels and assignees"),
                "give the account the role triage or write there".to_owned(),
            )
        })
    }
}
