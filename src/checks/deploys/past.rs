//! What GitHub tells of a repository's past, made into changes; pure.
//!
//! A deployment is when code reached a place, a release is when it was offered; a merge or a commit says only that it was
//! written. So merges and commits count as changes only where the repository records no deployments at all: there, as far as can
//! be known, what is merged is what runs. Otherwise they are suspects to look at and nothing more: in a busy repository
//! something is merged before every incident.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{Origin, Seen};
use crate::profile::changes::{Change, ChangeKind};
use crate::profile::owners::wildcard;

/// A repository that deployed nothing for this long before the start records no deployments.
const RECORDS_DEPLOYMENTS: SignedDuration = SignedDuration::from_hours(24 * 30);

/// The lists, as they were read.
#[derive(Debug, Default)]
pub(super) struct Past {
    pub(super) deployments: Vec<Deployment>,
    pub(super) releases: Vec<Release>,
    pub(super) pulls: Vec<Pull>,
    pub(super) commits: Vec<Commit>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Deployment {
    pub(super) id: u64,
    pub(super) sha: String,
    #[serde(rename = "ref")]
    pub(super) reference: String,
    pub(super) environment: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) creator: Option<User>,
    #[serde(default)]
    pub(super) production_environment: Option<bool>,
    #[serde(default)]
    pub(super) transient_environment: Option<bool>,
    /// Its statuses, newest first, where they were asked for.
    #[serde(skip)]
    pub(super) statuses: Vec<Status>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Status {
    pub(super) state: String,
    pub(super) created_at: Timestamp,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Release {
    pub(super) tag_name: String,
    #[serde(default)]
    pub(super) draft: bool,
    pub(super) published_at: Option<Timestamp>,
    pub(super) author: Option<User>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Pull {
    pub(super) number: u64,
    pub(super) title: String,
    pub(super) merged_at: Option<Timestamp>,
    pub(super) updated_at: Option<Timestamp>,
    pub(super) user: Option<User>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Commit {
    pub(super) sha: String,
    #[serde(rename = "commit")]
    inner: Inner,
    author: Option<User>,
}

#[derive(Debug, Clone, Deserialize)]
struct Inner {
    message: String,
    committer: Option<Signature>,
}

#[derive(Debug, Clone, Deserialize)]
struct Signature {
    date: Option<Timestamp>,
}

/// Somebody; an account that is gone has no login.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct User {
    login: Option<String>,
}

/// What two deployments differ in.
#[derive(Debug, Deserialize)]
pub(super) struct Comparison {
    #[serde(default)]
    pub(super) total_commits: u64,
    #[serde(default)]
    pub(super) commits: Vec<Commit>,
}

impl Commit {
    /// The short name and the first line.
    pub(super) fn shown(&self) -> String {
        let line = self.inner.message.lines().next().unwrap_or_default();
        format!("{}: {line}", self.sha.get(..7).unwrap_or(&self.sha))
    }
}

impl Past {
    /// The deployments that matter: of this environment (`*` and `?` are wild), else of production where the repository has
    /// one, else all that last.
    pub(super) fn keep_environment(&mut self, wanted: Option<&str>) {
        let name = |it: &Deployment| it.environment.clone().unwrap_or_default().to_lowercase();
        if let Some(wanted) = wanted.map(str::to_lowercase) {
            self.deployments.retain(|it| wildcard(&wanted, &name(it)));
            return;
        }
        self.deployments.retain(|it| it.transient_environment != Some(true));
        let is_production =
            |it: &Deployment| it.production_environment == Some(true) || name(it).starts_with("prod");
        if self.deployments.iter().any(is_production) {
            self.deployments.retain(is_production);
        }
    }

    /// The deployment in force at this time and the one before it, by when they were created.
    pub(super) fn last_two(&self, at: Timestamp) -> Option<(&Deployment, &Deployment)> {
        let mut before: Vec<&Deployment> = self.deployments.iter().filter(|it| it.created_at <= at).collect();
        before.sort_by_key(|it| std::cmp::Reverse(it.created_at));
        Some((before.first().copied()?, before.get(1).copied()?))
            .filter(|(last, previous)| last.sha != previous.sha)
    }

    /// All of it as changes.
    pub(super) fn changes(&self, at: Timestamp) -> Vec<Seen> {
        let records_deployments = self
            .deployments
            .iter()
            .any(|it| it.created_at <= at && at.duration_since(it.created_at) <= RECORDS_DEPLOYMENTS);
        let mut seen: Vec<Seen> = self.deployments.iter().map(deployed).collect();
        let is_deployed = |tag: &str| self.deployments.iter().any(|it| it.reference == tag);
        let releases = self.releases.iter().filter(|it| !it.draft && !is_deployed(&it.tag_name));
        seen.extend(releases.filter_map(released));
        seen.extend(self.pulls.iter().filter_map(|it| merged(it, !records_deployments)));
        // A merge is told once: as the pull request it was.
        let is_merge = |it: &Commit| {
            let line = it.inner.message.lines().next().unwrap_or_default();
            self.pulls.iter().filter(|pull| pull.merged_at.is_some()).any(|pull| {
                line.ends_with(&format!("(#{})", pull.number))
                    || line.starts_with(&format!("Merge pull request #{} ", pull.number))
            })
        };
        let commits = self.commits.iter().filter(|it| !is_merge(it));
        seen.extend(commits.filter_map(|it| committed(it, !records_deployments)));
        seen
    }
}

fn login(user: Option<&User>) -> Option<String> {
    user.and_then(|user| user.login.clone())
}

/// A deployment takes effect with its first status of work or success, where it has one.
fn deployed(it: &Deployment) -> Seen {
    let begun =
        it.statuses.iter().filter(|status| matches!(status.state.as_str(), "success" | "in_progress"));
    let at = begun.map(|status| status.created_at).min().unwrap_or(it.created_at);
    let place = it.environment.as_deref().map(|name| format!(" to {name}")).unwrap_or_default();
    let state = it.statuses.first().map(|status| format!(" ({})", status.state)).unwrap_or_default();
    Seen {
        change: Change {
            at,
            kind: ChangeKind::Deploy,
            what: format!("{} deployed{place}{state}", it.reference),
            by: login(it.creator.as_ref()),
            service: None,
            version: Some(it.reference.clone()),
        },
        origin: Origin::Deployment,
        counts: true,
    }
}

fn released(it: &Release) -> Option<Seen> {
    Some(Seen {
        change: Change {
            at: it.published_at?,
            kind: ChangeKind::Deploy,
            what: format!("{} released", it.tag_name),
            by: login(it.author.as_ref()),
            service: None,
            version: Some(it.tag_name.clone()),
        },
        origin: Origin::Release,
        counts: true,
    })
}

fn merged(it: &Pull, counts: bool) -> Option<Seen> {
    Some(Seen {
        change: Change {
            at: it.merged_at?,
            kind: ChangeKind::Deploy,
            what: format!("merged #{}: {}", it.number, it.title),
            by: login(it.user.as_ref()),
            service: None,
            version: None,
        },
        origin: Origin::PullRequest,
        counts,
    })
}

fn committed(it: &Commit, counts: bool) -> Option<Seen> {
    Some(Seen {
        change: Change {
            at: it.inner.committer.as_ref()?.date?,
            kind: ChangeKind::Deploy,
            what: format!("commit {}", it.shown()),
            by: login(it.author.as_ref()),
            service: None,
            version: None,
        },
        origin: Origin::Commit,
        counts,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AT: &str = "2026-11-01T10:00:00Z";

    fn past(deployed_at: Option<&str>) -> Past {
        let deployments: Vec<_> = deployed_at
            .into_iter()
            .map(|at| json!({"id": 1, "sha": "a", "ref": "v1", "environment": "production", "created_at": at, "creator": null}))
            .collect();
        Past {
            deployments: serde_json::from_value(json!(deployments)).unwrap(),
            releases: serde_json::from_value(json!([
                {"tag_name": "v1", "draft": false, "published_at": "2026-11-01T09:00:00Z", "author": {"login": "mira"}},
                {"tag_name": "v2", "draft": true, "published_at": null, "author": null},
            ]))
            .unwrap(),
            pulls: serde_json::from_value(json!([
                {"number": 12, "title": "smaller pool", "merged_at": "2026-11-01T09:50:00Z", "updated_at": null, "user": {"login": "jo"}},
                {"number": 13, "title": "open", "merged_at": null, "updated_at": null, "user": null},
            ]))
            .unwrap(),
            commits: serde_json::from_value(json!([
                {"sha": "0123456789", "commit": {"message": "smaller pool (#12)\n\nmore", "committer": {"date": "2026-11-01T09:50:00Z"}}, "author": null},
                {"sha": "abcdef0123", "commit": {"message": "direct", "committer": {"date": "2026-11-01T09:55:00Z"}}, "author": {"login": "jo"}},
            ]))
            .unwrap(),
        }
    }

    fn told(past: &Past) -> Vec<(String, bool)> {
        past.changes(AT.parse().unwrap()).into_iter().map(|it| (it.change.what, it.counts)).collect()
    }

    #[test]
    fn merges_count_only_where_no_deployments_are_recorded() {
        let told_of = |what: &str, counts: bool| (what.to_owned(), counts);
        assert_eq!(
            told(&past(Some("2026-11-01T09:40:00Z"))),
            [
                told_of("v1 deployed to production", true),
                told_of("merged #12: smaller pool", false),
                told_of("commit abcdef0: direct", false)
            ]
        );
        assert_eq!(
            told(&past(None)),
            [
                told_of("v1 released", true),
                told_of("merged #12: smaller pool", true),
                told_of("commit abcdef0: direct", true)
            ]
        );
        assert!(told(&past(Some("2026-08-01T09:40:00Z")))[1].1, "the last deployment was months ago");
    }

    #[test]
    fn a_deployment_takes_effect_when_its_work_begins() {
        let mut past = past(Some("2026-11-01T09:40:00Z"));
        past.deployments[0].statuses = serde_json::from_value(json!([
            {"state": "success", "created_at": "2026-11-01T09:48:00Z"},
            {"state": "in_progress", "created_at": "2026-11-01T09:45:00Z"},
            {"state": "queued", "created_at": "2026-11-01T09:41:00Z"},
        ]))
        .unwrap();
        let seen = past.changes(AT.parse().unwrap()).remove(0);
        assert_eq!(seen.change.at.to_string(), "2026-11-01T09:45:00Z");
        assert_eq!(seen.change.what, "v1 deployed to production (success)");
    }

    #[test]
    fn previews_and_staging_are_no_deployments_to_production() {
        let of = |environment: &str, transient: bool| json!({"id": 1, "sha": "a", "ref": "v1", "environment": environment, "created_at": AT, "creator": null, "transient_environment": transient});
        let kept = |all: &[serde_json::Value], wanted: Option<&str>| {
            let mut past =
                Past { deployments: serde_json::from_value(json!(all)).unwrap(), ..Past::default() };
            past.keep_environment(wanted);
            past.deployments.into_iter().filter_map(|it| it.environment).collect::<Vec<_>>()
        };
        let all = [of("Production", false), of("staging", false), of("preview-7", true)];
        assert_eq!(kept(&all, None), ["Production"]);
        assert_eq!(kept(&all[1..], None), ["staging"]);
        assert_eq!(kept(&all, Some("preview-*")), ["preview-7"]);
    }
}
