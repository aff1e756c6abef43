//! Changes that somebody told the bot of (`POST /changes`), as a release record.
//!
//! A target `told:SERVICE` or `told:SERVICE|OWNER/NAME` names them. Only a bot that is told of changes has any.

use std::future::Future;
use std::pin::Pin;

use super::Environment;
use super::document::Unreadable;
use crate::profile::changes::Change;

/// What such a target begins with.
const PREFIX: &str = "told:";

/// Whoever remembers what was told.
pub trait ToldChanges: Send + Sync {
    /// The newest changes of this service and repository, and those of none in particular.
    fn told<'a>(&'a self, service: &'a str, repository: Option<&'a str>) -> Answer<'a>;
}

/// Changes, or why there are none now.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Vec<Change>, String>> + Send + 'a>>;

/// The target that names what was told of this service.
#[must_use]
pub fn target(service: &str, repository: Option<&str>) -> String {
    match repository {
        Some(repository) => format!("{PREFIX}{service}|{repository}"),
        None => format!("{PREFIX}{service}"),
    }
}

/// The record such a target names; `None` for any other target.
pub(super) async fn record(env: &Environment, target: &str) -> Option<Result<String, Unreadable>> {
    let scope = target.strip_prefix(PREFIX)?;
    let (service, repository) = match scope.split_once('|') {
        Some((service, repository)) => (service, Some(repository)),
        None => (scope, None),
    };
    let missing =
        |why: String| Unreadable::Missing { what: "the told changes", place: scope.to_owned(), why };
    let Some(told) = &env.told else {
        return Some(Err(missing("only a running bot is told of changes".to_owned())));
    };
    Some(match told.told(service, repository).await {
        Ok(changes) => {
            let lines = changes.iter().filter_map(|change| serde_json::to_string(change).ok());
            Ok(lines.collect::<Vec<_>>().join("\n"))
        }
        Err(why) => Err(missing(why)),
    })
}
