//! Issues as Markdown files in a folder: `<dir>/<date>-<incident>-<slug>.md`, for work without an account.
//!
//! A file is found again by the incident in its name, whatever a person made of the slug. It begins with front matter (`state`,
//! `labels`), holds our marked section, and whatever people write around it stays. It is replaced in one step (written beside,
//! synced, renamed), so that a reader or a crash never meets half a file.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::evidence::render::{Issue, end_marker, marker, news_marker, spliced};
use crate::incident::{IncidentId, IssueRef};
use crate::tracker::TrackerError;

/// The longest slug of a title in a file name, in characters: the whole name stays below 100.
const SLUG_LIMIT: usize = 50;
/// A full disk or a vanished mount is looked at again after this time.
const RETRY: Duration = Duration::from_secs(10);

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

    /// Makes the folder, writes a file into it and takes it away again.
    pub(super) async fn look(&self) -> Result<String, TrackerError> {
        let dir = self.dir.clone();
        let tried = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&dir)?;
            let probe = dir.join(".firstcheck-doctor");
            std::fs::write(&probe, "written and removed by firstcheck doctor")?;
            std::fs::remove_file(&probe)
        });
        let place = self.dir.display();
        match tried.await {
            Ok(Ok(())) => Ok(format!("issues can be written to {place}")),
            Ok(Err(error)) => {
                Err(TrackerError::after(RETRY, format!("issues cannot be written to {place}: {error}")))
            }
            Err(error) => Err(TrackerError::after(RETRY, format!("the trial was cut short: {error}"))),
        }
    }

    pub(super) async fn file(
        &self,
        incident: &IncidentId,
        issue: &Issue,
        known: Option<&IssueRef>,
    ) -> Result<IssueRef, TrackerError> {
        let folder = self.clone();
        let (incident, issue) = (incident.clone(), issue.clone());
        let known = known.map(|it| PathBuf::from(&it.reference));
        let written = tokio::task::spawn_blocking(move || folder.write(&incident, &issue, known)).await;
        let path = match written {
            Ok(Ok(path)) => path,
            Ok(Err(error)) => {
                return Err(TrackerError::after(
                    RETRY,
                    format!("the issue cannot be written to {}: {error}", self.dir.display()),
                ));
            }
            Err(error) => {
                return Err(TrackerError::after(RETRY, format!("writing the issue was cut short: {error}")));
            }
        };
        let path = path.display().to_string();
        Ok(IssueRef { reference: path.clone(), url: path })
    }

    fn write(&self, incident: &IncidentId, issue: &Issue, known: Option<PathBuf>) -> io::Result<PathBuf> {
        std::fs::create_dir_all(&self.dir)?;
        let known = known.filter(|path| path.is_file());
        let path = match known.map_or_else(|| self.find(incident), |path| Ok(Some(path)))? {
            Some(path) => path,
            None => self.dir.join(format!("{}-{incident}-{}.md", issue.opened_on, slug(&issue.title))),
        };
        let old = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let text = document(incident, issue, &old);
        if text != old {
            replace(&path, &text)?;
        }
        Ok(path)
    }

    /// The incident's file, by the id in its name.
    fn find(&self, incident: &IncidentId) -> io::Result<Option<PathBuf>> {
        let mut found: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let ours = name.contains(incident.as_str())
                && path.extension().is_some_and(|it| it == "md")
                && !name.starts_with('.');
            if ours && path.is_file() {
                found.push(path);
            }
        }
        found.sort();
        Ok(found.into_iter().next())
    }
}

/// The whole file: front matter, what people wrote, our section, the news.
fn document(incident: &IncidentId, issue: &Issue, old: &str) -> String {
    let (old_front, rest) = front_matter(old);
    let body = spliced(incident.as_str(), rest, &issue.body);
    let mut out = front(issue, old_front);
    out.push_str(body.trim());
    out.push('\n');
    for news in &issue.news {
        let marker = news_marker(incident.as_str(), &news.key);
        if !out.contains(&marker) {
            let _infallible = write!(out, "\n{marker}\n{}\n", news.text);
        }
    }
    debug_assert!(out.contains(&marker(incident.as_str())) && out.contains(&end_marker(incident.as_str())));
    out
}

/// Our keys first, then the lines that people added.
fn front(issue: &Issue, old: &str) -> String {
    let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let state = if issue.closed { "closed" } else { "open" };
    let labels: Vec<String> = issue.labels.iter().map(|label| quoted(label)).collect();
    let ours = ["title:", "state:", "labels:"];
    let theirs = old.lines().filter(|line| !ours.iter().any(|key| line.starts_with(key)));
    let theirs: String = theirs.flat_map(|line| [line, "\n"]).collect();
    format!(
        "---\ntitle: {}\nstate: {state}\nlabels: [{}]\n{theirs}---\n\n",
        quoted(&issue.title),
        labels.join(", ")
    )
}

/// The front matter (without its fences) and what follows it.
fn front_matter(text: &str) -> (&str, &str) {
    let inner = text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n"));
    inner.map_or(("", text), |(front, rest)| (front, rest.trim_start_matches('\n')))
}

/// Replaces a file in one step.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write as _;

    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("issue");
    // One writer per incident (its actions run in order), so that the name need not be drawn.
    let beside = path.with_file_name(format!(".{name}.new"));
    let mut file = std::fs::File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    drop(file);
    std::fs::rename(&beside, path).inspect_err(|_| {
        // What cannot be put in place is not left lying about; that it cannot be removed either says nothing new.
        let _removed = std::fs::remove_file(&beside);
    })
}

/// A title as part of a file name: lower-case letters, digits and single hyphens.
fn slug(title: &str) -> String {
    let mut slug = String::new();
    for c in title.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= SLUG_LIMIT {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "incident".to_owned() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::render::News;

    fn issue(body: &str) -> Issue {
        let id = incident();
        Issue {
            title: "reports-api: \"High\" 504 rate (upstream)".into(),
            body: format!("{}\n{body}\n{}", marker(id.as_str()), end_marker(id.as_str())),
            labels: vec!["bucket:upstream".into()],
            opened_on: "2026-03-01".into(),
            closed: false,
            news: Vec::new(),
        }
    }

    fn incident() -> IncidentId {
        IncidentId::from_seed(7)
    }

    fn folder(name: &str) -> Folder {
        let dir = std::env::temp_dir().join(format!("firstcheck-folder-{name}-{}", std::process::id()));
        let _gone = std::fs::remove_dir_all(&dir);
        Folder::new(dir)
    }

    #[test]
    fn a_file_is_named_by_date_incident_and_title() {
        let folder = folder("name");
        let path = folder.write(&incident(), &issue("one"), None).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(name, "2026-03-01-inc-7000000000-reports-api-high-504-rate-upstream.md");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("---\ntitle: \"reports-api: \\\"High\\\" 504 rate (upstream)\"\nstate: open\nlabels: [\"bucket:upstream\"]\n---\n\n<!-- firstcheck:"), "{text}");
        assert_eq!(std::fs::read_dir(&folder.dir).unwrap().count(), 1);
    }

    #[test]
    fn an_update_keeps_what_people_wrote_and_the_file_they_renamed() {
        let folder = folder("update");
        let first = folder.write(&incident(), &issue("one"), None).unwrap();
        let text = std::fs::read_to_string(&first).unwrap();
        let edited = text.replace("---\n\n", "owner: jane\n---\n\nSeen before.\n\n") + "\nI restarted it.\n";
        let renamed = folder.dir.join("2026-03-01-inc-7000000000-mine.md");
        std::fs::write(&renamed, edited).unwrap();
        std::fs::remove_file(&first).unwrap();

        let mut later = issue("two");
        later.closed = true;
        later.news = vec![News { key: "resolved".into(), text: "Resolved.".into() }];
        for _ in 0..2 {
            let known = Some(first.clone());
            assert_eq!(folder.write(&incident(), &later, known).unwrap(), renamed);
        }
        let text = std::fs::read_to_string(&renamed).unwrap();
        for kept in ["owner: jane\n", "Seen before.", "I restarted it.", "state: closed", "two"] {
            assert_eq!(text.matches(kept).count(), 1, "{kept}: {text}");
        }
        assert_eq!(text.matches("Resolved.").count(), 1, "{text}");
        assert!(!text.contains("one\n"), "{text}");
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_made_says_where() {
        let folder = folder("blocked");
        std::fs::write(&folder.dir, "a file").unwrap();
        let error = folder.file(&incident(), &issue("one"), None).await.unwrap_err();
        assert!(error.reason.contains("firstcheck-folder-blocked"), "{error}");
        assert_ne!(error.retry, crate::incident::Retry::Never);
    }
}
