//! What happened in the repository: deployments and their statuses, releases, merged pull requests, commits, one comparison; and
//! its files.

use serde_json::{Value, json};

use super::{Answer, Asked, Memory, Shared};

/// The past of the repository, each at an instant such as `2026-11-01T09:58:00Z`.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// Instant, id, reference, and the states of its statuses (newest first).
    pub(crate) deployments: Vec<(&'static str, u64, &'static str, &'static [&'static str])>,
    /// Instant and tag.
    pub(crate) releases: Vec<(&'static str, &'static str)>,
    /// Instant of the merge (none: still open), number, and title.
    pub(crate) pulls: Vec<(Option<&'static str>, u64, &'static str)>,
    /// Instant, SHA, and message.
    pub(crate) commits: Vec<(&'static str, &'static str, &'static str)>,
    /// The list (`deployments`, `releases`, `pulls`, `commits`, `compare`) that fails, and with which status.
    pub(crate) failing: Option<(&'static str, u16)>,
}

impl Shared {
    pub(super) fn past(&self, memory: &Memory, asked: &Asked<'_>) -> Answer {
        let history = &memory.history;
        let path = asked.operation.path.trim_start_matches("/repos/{owner}/{repo}/");
        let name = path.split('/').next().unwrap_or_default();
        if let Some((_, status)) = history.failing.filter(|(failing, _)| *failing == name) {
            return Answer::refusal(status, "it does not work today");
        }
        match path {
            "contents/{path}" => self.file(memory, asked.parameter("path").unwrap_or_default()),
            "deployments" => asked.page(
                history
                    .deployments
                    .iter()
                    .map(|(at, id, reference, _)| self.deployment(at, *id, reference))
                    .collect(),
            ),
            "deployments/{deployment_id}/statuses" => {
                let id = asked.parameter("deployment_id").and_then(|id| id.parse::<u64>().ok());
                let of = history.deployments.iter().find(|it| Some(it.1) == id);
                let Some((at, _, _, states)) = of else { return Answer::refusal(404, "Not Found") };
                asked.page(states.iter().map(|state| self.status(at, state)).collect())
            }
            "releases" => {
                asked.page(history.releases.iter().map(|(at, tag)| self.release(at, tag)).collect())
            }
            "pulls" => asked.page(
                history.pulls.iter().map(|(at, number, title)| self.pull(*at, *number, title)).collect(),
            ),
            "commits" => {
                let (since, until) =
                    (asked.wants("since").unwrap_or_default(), asked.wants("until").unwrap_or("9"));
                let of = history.commits.iter().filter(|(at, _, _)| *at >= since && *at <= until);
                asked.page(of.map(|(at, sha, message)| self.commit(at, sha, message)).collect())
            }
            "compare/{basehead}" => {
                let mut compared = self.example("commit-comparison");
                compared["commits"] = history
                    .commits
                    .iter()
                    .rev()
                    .map(|(at, sha, message)| self.commit(at, sha, message))
                    .collect();
                compared["total_commits"] = json!(history.commits.len());
                compared["files"] = json!([]);
                Answer::new(200, compared)
            }
            _ => Answer::refusal(404, "this fake does not do that"),
        }
    }

    fn file(&self, memory: &Memory, path: &str) -> Answer {
        use base64::Engine as _;

        let path = path.replace("%2F", "/");
        let Some((_, text)) = memory.files.iter().find(|(name, _)| *name == path) else {
            return Answer::refusal(404, "Not Found");
        };
        let mut content = self.example("content-file-response-if-content-is-a-file");
        let encoded = base64::engine::general_purpose::STANDARD.encode(text);
        content["content"] = json!(
            encoded
                .as_bytes()
                .chunks(60)
                .map(|it| String::from_utf8_lossy(it).into_owned() + "\n")
                .collect::<String>()
        );
        Answer::new(200, content)
    }

    fn deployment(&self, at: &str, id: u64, reference: &str) -> Value {
        let mut it = self.item("deployment-items");
        it["id"] = json!(id);
        it["ref"] = json!(reference);
        it["sha"] = json!(format!("{id:040x}"));
        it["environment"] = json!("production");
        it["creator"]["login"] = json!("mira");
        it["created_at"] = json!(at);
        it["updated_at"] = json!(at);
        it
    }

    fn status(&self, at: &str, state: &str) -> Value {
        let mut it = self.item("deployment-status-items");
        it["state"] = json!(state);
        it["created_at"] = json!(at);
        it
    }

    fn release(&self, at: &str, tag: &str) -> Value {
        let mut it = self.item("release-items");
        it["tag_name"] = json!(tag);
        it["name"] = json!(tag);
        it["draft"] = json!(false);
        it["published_at"] = json!(at);
        it["author"]["login"] = json!("mira");
        it
    }

    fn pull(&self, merged_at: Option<&str>, number: u64, title: &str) -> Value {
        let mut it = self.item("pull-request-simple-items");
        // The example's teams contradict their description.
        it["requested_teams"] = json!([]);
        it["number"] = json!(number);
        it["title"] = json!(title);
        it["merged_at"] = json!(merged_at);
        it["state"] = json!(if merged_at.is_some() { "closed" } else { "open" });
        it["updated_at"] = json!(merged_at.unwrap_or("2026-11-01T00:00:00Z"));
        it["user"]["login"] = json!("jo");
        it
    }

    fn commit(&self, at: &str, sha: &str, message: &str) -> Value {
        let mut it = self.item("commit-items");
        it["sha"] = json!(sha);
        it["commit"]["message"] = json!(message);
        for who in ["author", "committer"] {
            if !it["commit"][who].is_object() {
                it["commit"][who] = json!({});
            }
            it["commit"][who]["date"] = json!(at);
        }
        it["author"]["login"] = json!("jo");
        it
    }
}
