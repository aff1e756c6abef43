//! Change events as deploy tools send them: our own shape, GitHub's deployment and release webhooks, CloudEvents.
//!
//! Nothing is guessed: a body of none of these shapes is refused, and an event that changes nothing (a deployment that only
//! waits, a draft release) is no change and says why. GitHub: docs *webhook events and payloads*, `deployment`,
//! `deployment_status`, `release`. The surprise: GitHub tells one deployment several times, under one key, so that it is one
//! change whose time is that of its last word.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::{Change, ChangeKind};
use crate::alert::reading;

/// Characters of a text that are kept: a version, a flag's name, a sentence.
const MOST_CHARS: usize = 300;

/// Changes in one delivery, at most.
const MOST_CHANGES: usize = 1000;

/// A change as somebody told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What tells it from every other change of the same sender; told again it is the same change.
    pub key: String,
    /// The change.
    pub change: Change,
    /// `owner/name`.
    pub repository: Option<String>,
    /// Where a person can read more.
    pub url: Option<String>,
}

/// What a delivery says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Understood {
    /// The changes.
    pub changes: Vec<Told>,
    /// Why (some of) it is no change.
    pub ignored: Option<String>,
}

/// A body that tells of no change at all, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoChange(pub String);

/// The source a delivery is from, by its headers (names in lower case): `github`, `cloudevents`, else `generic`.
#[must_use]
pub fn source(headers: &BTreeMap<String, String>) -> &'static str {
    let is_event = headers.get("content-type").is_some_and(|it| it.starts_with("application/cloudevents"));
    if headers.contains_key("x-github-event") {
        "github"
    } else if is_event || headers.contains_key("ce-specversion") {
        "cloudevents"
    } else {
        "generic"
    }
}

/// Reads a delivery of one of the three shapes.
///
/// # Errors
/// [`NoChange`] with what was expected.
pub fn read(
    source: &str,
    body: &Value,
    headers: &BTreeMap<String, String>,
    now: Timestamp,
) -> Result<Understood, NoChange> {
    let elements: Vec<&Value> = match (body, body.get("changes")) {
        (_, Some(Value::Array(all))) | (Value::Array(all), _) => all.iter().collect(),
        _ => vec![body],
    };
    if elements.len() > MOST_CHANGES {
        return Err(NoChange(format!("more than {MOST_CHANGES} changes in one delivery")));
    }
    let mut understood = Understood::default();
    for element in elements {
        let read = match source {
            "github" => github(element, headers.get("x-github-event").map(String::as_str)),
            "cloudevents" => cloud_event(element, now),
            _ => generic(element, now),
        }?;
        match read {
            Ok(told) => understood.changes.push(told),
            Err(why) => understood.ignored = Some(why),
        }
    }
    if understood.changes.is_empty() && understood.ignored.is_none() {
        understood.ignored = Some("the list holds no change".to_owned());
    }
    Ok(understood)
}

/// A change; or why there is none although the shape is right; or why the shape is wrong.
type Read = Result<Result<Told, String>, NoChange>;

fn text(value: &Value, names: &[&str]) -> Option<String> {
    let found = names.iter().find_map(|name| value.get(*name)).and_then(reading::text)?;
    let line = found.lines().next().unwrap_or_default().trim();
    Some(line.chars().take(MOST_CHARS).collect())
}

fn link(value: &Value, names: &[&str]) -> Option<String> {
    text(value, names).filter(|url| url.starts_with("https://") || url.starts_with("http://"))
}

fn time(value: &Value, names: &[&str]) -> Option<Timestamp> {
    names.iter().find_map(|name| value.get(*name)).and_then(reading::time)
}

fn kind(word: &str) -> Option<ChangeKind> {
    Some(match word.to_ascii_lowercase().as_str() {
        "deploy" | "deployment" | "release" | "rollback" | "deployed" | "migration" => ChangeKind::Deploy,
        "config" | "configuration" | "setting" | "infrastructure" | "dns" | "certificate" => {
            ChangeKind::Config
        }
        "flag" | "feature_flag" | "feature-flag" | "experiment" => ChangeKind::Flag,
        _ => return None,
    })
}

fn generic(element: &Value, now: Timestamp) -> Read {
    let Some(what) = text(element, &["what", "title", "summary", "description", "version"]) else {
        return Err(NoChange(
            "a JSON object with `what` was expected: `{\"kind\": \"deploy\", \"what\": \"orders-api 2.14.0\", \"service\": \"orders-api\"}`"
                .to_owned(),
        ));
    };
    let kind = match text(element, &["kind", "type"]) {
        None => ChangeKind::Deploy,
        Some(word) => match kind(&word) {
            Some(kind) => kind,
            None => {
                return Err(NoChange(format!(
                    "`{word}` is no kind of change; write `deploy`, `config` or `flag`"
                )));
            }
        },
    };
    let said = time(element, &["at", "time", "timestamp", "finished_at"]);
    let service = text(element, &["service", "app", "application"]);
    let version = text(element, &["version"]);
    let id = text(element, &["id", "key"]);
    let key = id.unwrap_or_else(|| {
        let at = said.unwrap_or(now).to_string();
        reading::fingerprint([at.as_str(), kind.id(), &what, service.as_deref().unwrap_or_default()])
    });
    let by = text(element, &["by", "user", "author", "actor"]);
    let change = Change { at: said.unwrap_or(now).min(now), kind, what, by, service, version };
    let repository = text(element, &["repository", "repo"]);
    Ok(Ok(Told { key, change, repository, url: link(element, &["url", "link"]) }))
}

fn cloud_event(event: &Value, now: Timestamp) -> Read {
    let (Some(id), Some(name)) = (text(event, &["id"]), text(event, &["type"])) else {
        return Err(NoChange("a CloudEvent with `id` and `type` was expected".to_owned()));
    };
    let data = event.get("data").cloned().unwrap_or_default();
    let data = match &data {
        Value::String(inner) => serde_json::from_str(inner).unwrap_or_default(),
        _ => data,
    };
    let words = || name.split(['.', '_', '-', '/']);
    let Some(kind) = text(&data, &["kind"]).as_deref().and_then(kind).or_else(|| words().find_map(kind))
    else {
        return Ok(Err(format!("`{name}` names no kind of change")));
    };
    let subject = text(event, &["subject"]);
    let what =
        text(&data, &["what", "title", "summary", "description", "version"]).or_else(|| subject.clone());
    let source = text(event, &["source"]).unwrap_or_default();
    let at = time(&data, &["at"]).or_else(|| time(event, &["time"])).unwrap_or(now).min(now);
    let change = Change {
        at,
        kind,
        what: what.unwrap_or(name),
        by: text(&data, &["by", "user", "actor"]),
        service: text(&data, &["service", "app", "application"]),
        version: text(&data, &["version"]),
    };
    let repository = text(&data, &["repository"]);
    Ok(Ok(Told { key: format!("{source}|{id}"), change, repository, url: link(&data, &["url"]) }))
}

fn github(event: &Value, name: Option<&str>) -> Read {
    let repository = event.get("repository").and_then(|it| text(it, &["full_name"]));
    let inside = |field: &str| event.get(field).filter(|it| it.is_object());
    let told = match (name, inside("deployment_status"), inside("deployment"), inside("release")) {
        (_, Some(status), Some(deployment), _) => deployment_of(deployment, Some(status), repository),
        (_, None, Some(deployment), _) => deployment_of(deployment, None, repository),
        (_, _, _, Some(release)) => release_of(release, text(event, &["action"]), repository),
        (Some("ping"), ..) => Err("a ping: the webhook is set up".to_owned()),
        (Some(other), ..) => Err(format!("`{other}` events tell of no change")),
        (None, ..) => {
            return Err(NoChange(
                "neither `deployment`, `deployment_status` nor `release`, and no X-GitHub-Event header"
                    .to_owned(),
            ));
        }
    };
    Ok(told)
}

fn deployment_of(
    deployment: &Value,
    status: Option<&Value>,
    repository: Option<String>,
) -> Result<Told, String> {
    let state = status.and_then(|it| text(it, &["state"]));
    let outcome = match state.as_deref() {
        // Waiting, or replaced by another: nothing happens now.
        Some(word @ ("pending" | "queued" | "waiting" | "inactive")) => {
            return Err(format!("a deployment that is {word} changes nothing now"));
        }
        Some("failure" | "error") => " (failed)",
        Some("in_progress") => " (in progress)",
        _ => "",
    };
    let id = text(deployment, &["id"]).ok_or("the deployment has no id")?;
    let at = status
        .and_then(|it| time(it, &["updated_at", "created_at"]))
        .or_else(|| time(deployment, &["created_at"]))
        .ok_or("the deployment has no time")?;
    let sha = text(deployment, &["sha"]).map(|sha| sha.chars().take(7).collect::<String>());
    let version = text(deployment, &["ref"]).or_else(|| sha.clone());
    let shown = match (&version, &sha) {
        (Some(version), Some(sha)) if !version.starts_with(sha.as_str()) => format!("{version} ({sha})"),
        (Some(version), _) => version.clone(),
        (None, _) => "a deployment".to_owned(),
    };
    let environment = text(deployment, &["environment"]).unwrap_or_else(|| "an environment".to_owned());
    let creator = status.and_then(|it| it.get("creator")).or_else(|| deployment.get("creator"));
    let change = Change {
        at,
        kind: ChangeKind::Deploy,
        what: format!("{shown} to {environment}{outcome}"),
        by: creator.and_then(|it| text(it, &["login"])),
        service: None,
        version,
    };
    let url = status.and_then(|it| link(it, &["log_url", "target_url"]));
    let key = format!("{}|deployment|{id}", repository.as_deref().unwrap_or_default());
    Ok(Told { key, change, repository, url })
}

fn release_of(release: &Value, action: Option<String>, repository: Option<String>) -> Result<Told, String> {
    let action = action.unwrap_or_default();
    if !matches!(action.as_str(), "published" | "released" | "prereleased") {
        return Err(format!("a release that is `{action}` changes nothing"));
    }
    let id = text(release, &["id"]).ok_or("the release has no id")?;
    let at = time(release, &["published_at", "created_at"]).ok_or("the release has no time")?;
    let version = text(release, &["tag_name", "name"]);
    let change = Change {
        at,
        kind: ChangeKind::Deploy,
        what: format!("release {}", version.as_deref().unwrap_or("without a tag")),
        by: release.get("author").and_then(|it| text(it, &["login"])),
        service: None,
        version,
    };
    let key = format!("{}|release|{id}", repository.as_deref().unwrap_or_default());
    Ok(Told { key, change, repository, url: link(release, &["html_url"]) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-01T10:00:00Z".parse().unwrap()
    }

    fn one(source: &str, body: &Value, event: &str) -> Result<Told, String> {
        let headers = if event.is_empty() {
            BTreeMap::new()
        } else {
            BTreeMap::from([("x-github-event".to_owned(), event.to_owned())])
        };
        let mut understood = read(source, body, &headers, now()).map_err(|error| error.0)?;
        understood.changes.pop().ok_or_else(|| understood.ignored.unwrap())
    }

    #[test]
    fn a_line_of_a_deploy_script_is_enough() {
        let told =
            one("generic", &json!({"what": "orders-api 2.14.0", "service": "orders-api"}), "").unwrap();
        assert_eq!((told.change.kind, told.change.at), (ChangeKind::Deploy, now()));
        let flag = json!({"kind": "feature_flag", "what": "new-pricing on", "at": "2026-11-01T09:58:00Z", "id": 7, "by": "mira"});
        let told = one("generic", &flag, "").unwrap();
        assert_eq!((told.change.kind, told.key.as_str()), (ChangeKind::Flag, "7"));
        assert_eq!(told.change.at.to_string(), "2026-11-01T09:58:00Z");
        assert!(one("generic", &json!({"kind": "deploy"}), "").unwrap_err().contains("`what`"));
        let error = one("generic", &json!({"kind": "party", "what": "x"}), "").unwrap_err();
        assert!(error.contains("`party` is no kind"), "{error}");
        assert!(one("generic", &json!(7), "").is_err());
    }

    #[test]
    fn a_deployment_is_one_change_and_its_last_word_counts() {
        let deployment = json!({"id": 42, "sha": "0123456789ab", "ref": "main", "environment": "production",
            "created_at": "2026-11-01T09:40:00Z", "creator": {"login": "mira"}});
        let repository = json!({"full_name": "acme/orders-api"});
        let begun = one(
            "github",
            &json!({"action": "created", "deployment": deployment, "repository": repository}),
            "deployment",
        )
        .unwrap();
        assert_eq!(begun.change.what, "main (0123456) to production");
        assert_eq!(begun.repository.as_deref(), Some("acme/orders-api"));
        let status = |state: &str| {
            json!({"deployment": deployment, "repository": repository,
                "deployment_status": {"id": 1, "state": state, "created_at": "2026-11-01T09:45:00Z", "target_url": "https://ci.test/1"}})
        };
        let done = one("github", &status("success"), "deployment_status").unwrap();
        assert_eq!(
            (done.key.as_str(), done.change.at.to_string().as_str()),
            (begun.key.as_str(), "2026-11-01T09:45:00Z")
        );
        assert_eq!(done.url.as_deref(), Some("https://ci.test/1"));
        let failed = one("github", &status("failure"), "deployment_status").unwrap();
        assert!(failed.change.what.ends_with("(failed)"), "{}", failed.change.what);
        assert!(one("github", &status("inactive"), "deployment_status").unwrap_err().contains("inactive"));
    }

    #[test]
    fn a_release_counts_when_it_is_published() {
        let release = |action: &str| {
            json!({"action": action, "repository": {"full_name": "acme/orders-api"},
                "release": {"id": 9, "tag_name": "v2.14.0", "published_at": "2026-11-01T09:30:00Z", "author": {"login": "ben"}}})
        };
        let told = one("github", &release("published"), "release").unwrap();
        assert_eq!(
            (told.change.what.as_str(), told.change.version.as_deref()),
            ("release v2.14.0", Some("v2.14.0"))
        );
        assert!(one("github", &release("deleted"), "release").unwrap_err().contains("deleted"));
        assert!(one("github", &json!({"zen": "x"}), "ping").unwrap_err().contains("ping"));
        assert!(one("github", &json!({"ref": "x"}), "push").unwrap_err().contains("`push`"));
        assert!(one("github", &json!({"ref": "x"}), "").unwrap_err().contains("X-GitHub-Event"));
    }

    #[test]
    fn a_cloud_event_says_its_kind_in_its_type() {
        let event = json!({"specversion": "1.0", "id": "1", "source": "/argo", "type": "dev.cdevents.service.deployed.0.1.1",
            "subject": "orders-api", "time": "2026-11-01T09:50:00Z", "data": {"service": "orders-api", "version": "2.14.0"}});
        let typed = BTreeMap::from([(
            "content-type".to_owned(),
            "application/cloudevents+json; charset=utf-8".to_owned(),
        )]);
        assert_eq!(source(&typed), "cloudevents");
        let told = one("cloudevents", &event, "").unwrap();
        assert_eq!(
            (told.change.kind, told.change.what.as_str(), told.key.as_str()),
            (ChangeKind::Deploy, "2.14.0", "/argo|1")
        );
        let other = json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "shop.order.paid"});
        assert!(one("cloudevents", &other, "").unwrap_err().contains("no kind"));
    }

    proptest::proptest! {
        #[test]
        fn no_body_makes_it_panic(text in "[\\[\\]{}\":,a-z0-9]{0,80}") {
            if let Ok(body) = serde_json::from_str::<Value>(&text) {
                for source in ["generic", "github", "cloudevents"] {
                    let _ = read(source, &body, &BTreeMap::new(), now());
                }
            }
        }
    }
}
