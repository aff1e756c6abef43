//! Issues as Markdown files in a folder: `<dir>/<date>-<incident>-<slug>.md`, for work without an account.
//!
//! A file is found again by the incident in its name, whatever a person made of the slug. It begins with front matter (`state`,
//! `labels`), holds our marked section, and whatever people write around it stays. It is replaced in one step (written beside,
//! synced, renamed), so that a reader or a crash never meets half a file.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::evidence::render::{end_marker, marker, news_marker, spliced};
use crate::incident::{IncidentId, IssueRef};
use crate::tracker::section::{closed_line, reopened_line};
use crate::tracker::{Filing, Placed, TrackerError, section};

/// The longest slug of a title in a file name, in characters: the whole name stays below 100.
const SLUG_LIMIT: usize = 50;
/// A full disk or a vanished mount is looked at again after this time.
const RETRY: Duration = Duration::from_secs(10);

/// A folder with one Markdown file per incident.
#[derive(Debug, Clone)]
pub struct Folder {
    dir: PathBuf,
    reopen_within: Duration,
}

/// An issue is opened again when the same problem comes back within this time after its end: a day, so that a nightly flap is one
/// issue. The same default holds for GitHub.
pub const REOPEN_WITHIN: Duration = Duration::from_hours(24);

impl Folder {
    /// Issues go into this folder, which is made when the first one is filed.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), reopen_within: REOPEN_WITHIN }
    }

    /// The same, with another reopen window; zero is never.
    #[must_use]
    pub fn with_reopen_within(mut self, reopen_within: Duration) -> Self {
        self.reopen_within = reopen_within;
        self
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

    pub(super) async fn file(&self, filing: &Filing<'_>) -> Result<Placed, TrackerError> {
        let folder = self.clone();
        let (incident, issue, route) = (filing.incident.clone(), filing.issue.clone(), filing.route.clone());
        let (known, earlier) = (filing.known.cloned(), filing.earlier.cloned());
        let now = filing.now;
        let written = tokio::task::spawn_blocking(move || {
            folder.write(&Filing {
                incident: &incident,
                issue: &issue,
                route: &route,
                known: known.as_ref(),
                earlier: earlier.as_ref(),
                creating: None,
                now,
            })
        });
        let path = match written.await {
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
        Ok(Placed { issue: IssueRef { reference: path.clone(), url: path }, left_out: Vec::new() })
    }

    fn write(&self, filing: &Filing<'_>) -> io::Result<PathBuf> {
        std::fs::create_dir_all(&self.dir)?;
        let issue = filing.issue;
        let new =
            || self.dir.join(format!("{}-{}-{}.md", issue.opened_on, filing.incident, slug(&issue.title)));
        let path = self.find(filing)?.unwrap_or_else(new);
        let old = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let text = document(filing, &old);
        if text != old {
            replace(&path, &text)?;
        }
        Ok(path)
    }

    /// The incident's file: where it was, else by the id in its name, else by its section in the file of the earlier incident, which
    /// it joins while that one was over only lately.
    fn find(&self, filing: &Filing<'_>) -> io::Result<Option<PathBuf>> {
        let at = |issue: &IssueRef| Some(PathBuf::from(&issue.reference)).filter(|path| path.is_file());
        if let Some(path) = filing.known.and_then(at) {
            return Ok(Some(path));
        }
        let mut named = self.named(filing.incident)?;
        if !named.is_empty() {
            let first = named.remove(0);
            for duplicate in named {
                close_duplicate(&duplicate, &first)?;
            }
            return Ok(Some(first));
        }
        let Some(earlier) = filing.earlier else { return Ok(None) };
        let Some(path) = at(&earlier.issue).or(self.named(&earlier.incident)?.into_iter().next()) else {
            return Ok(None);
        };
        let has_joined = std::fs::read_to_string(&path)?.contains(&marker(filing.incident.as_str()));
        Ok((has_joined || earlier.over_for < self.reopen_within).then_some(path))
    }

    /// The files with the incident's id in their name, in order.
    fn named(&self, incident: &IncidentId) -> io::Result<Vec<PathBuf>> {
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
        Ok(found)
    }
}

/// Another file with the incident's id in its name: closed, and it says of which it is the duplicate.
fn close_duplicate(path: &Path, first: &Path) -> io::Result<()> {
    let text = std::fs::read_to_string(path)?;
    let (front, rest) = Front::of(&text);
    if front.value("state_reason") == Some("duplicate") {
        return Ok(());
    }
    let name = first.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let front =
        front.with("state", "closed").with("state_reason", "duplicate").with("duplicate_of", &quoted(name));
    replace(path, &format!("{}\n{rest}", front.text()))
}

/// The whole file: front matter, what people wrote, our section, the news.
fn document(filing: &Filing<'_>, old: &str) -> String {
    let incident = filing.incident.as_str();
    let (issue, is_new) = (filing.issue, old.is_empty());
    let (mut front, rest) = Front::of(old);
    let is_host =
        rest.contains(&marker(incident)) && !is_guest(incident, rest) || !rest.contains("<!-- firstcheck:");
    let had = |line: &str| rest.contains(line.trim_end());
    let (closed, reopened) = (closed_line(incident), reopened_line(incident));
    let is_open = front.value("state") != Some("closed");
    let is_unwanted = front.value("state_reason") == Some("not_planned");
    let mut hidden = String::new();
    let mut state = None;
    if is_host {
        let title: String =
            front.value("title").and_then(|it| serde_json::from_str(it).ok()).unwrap_or_default();
        let is_ours = is_new || section::is_our_title(incident, rest, &title);
        if is_ours {
            front = front.with("title", &quoted(&issue.title));
        }
        hidden.push_str(&section::title_line(incident, if is_ours { &issue.title } else { "" }));
        if is_new {
            state = Some("open");
        }
        if issue.closed && !had(&closed) && (is_new || is_open) {
            state = Some("closed");
        }
        // The incident itself was opened again.
        if !issue.closed && had(&closed) && !is_open && !is_unwanted {
            state = Some("open");
        }
    } else {
        let reopens = !rest.contains(&marker(incident)) && !issue.closed && !is_open && !is_unwanted;
        if reopens {
            state = Some("open");
        }
        if reopens || had(&reopened) {
            hidden.push_str(&reopened);
        }
        if issue.closed && had(&reopened) && !had(&closed) && is_open {
            state = Some("closed");
        }
    }
    if issue.closed {
        hidden.push_str(&closed);
    }
    if let Some(state) = state {
        front = front.with("state", state).without("state_reason");
    }
    let theirs: Vec<String> =
        front.value("labels").and_then(|it| serde_json::from_str(it).ok()).unwrap_or_default();
    let (theirs, wanted) = (theirs.iter().map(String::as_str).collect(), section::labels(filing));
    let labels: Vec<String> = section::merged(&theirs, &wanted).into_iter().map(quoted).collect();
    front = front.with("labels", &format!("[{}]", labels.join(", ")));
    if is_new && !filing.route.assignees.is_empty() {
        let assignees: Vec<String> = filing.route.assignees.iter().map(quoted).collect();
        front = front.with("assignees", &format!("[{}]", assignees.join(", ")));
    }
    let own = section::framed(incident, section::inner(incident, issue), &hidden);
    let body = if rest.contains(&marker(incident)) || is_host {
        spliced(incident, rest, &own)
    } else {
        format!("{}\n\n{own}", rest.trim_end())
    };
    let mut out = format!("{}\n{}\n", front.text(), body.trim());
    if let Some(earlier) = filing.earlier.filter(|_| is_new) {
        let _infallible = write!(out, "\n{}\n", section::linked(earlier));
    }
    for news in &issue.news {
        let marker = news_marker(incident, &news.key);
        if !out.contains(&marker) {
            let _infallible = write!(out, "\n{marker}\n{}\n", news.text);
        }
    }
    debug_assert!(out.contains(&marker(incident)) && out.contains(&end_marker(incident)));
    out
}

/// Whether another incident's section stands before ours: the file was made for that one.
fn is_guest(incident: &str, text: &str) -> bool {
    let own = text.find(&marker(incident));
    own.is_some_and(|own| text.find("<!-- firstcheck:").is_some_and(|first| first < own))
}

fn quoted(text: impl AsRef<str>) -> String {
    serde_json::to_string(text.as_ref()).unwrap_or_default()
}

/// The front matter, line by line: our keys first, then the lines that people added.
struct Front(Vec<String>);

impl Front {
    /// The keys that stand first, in order.
    const OURS: [&str; 6] = ["title", "state", "state_reason", "duplicate_of", "labels", "assignees"];

    /// The front matter of a file (without its fences) and what follows it.
    fn of(text: &str) -> (Self, &str) {
        let inner = text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n"));
        let (front, rest) = inner.map_or(("", text), |(front, rest)| (front, rest.trim_start_matches('\n')));
        (Self(front.lines().map(str::to_owned).collect()), rest)
    }

    fn value(&self, key: &str) -> Option<&str> {
        self.0.iter().find_map(|line| Some(line.strip_prefix(key)?.strip_prefix(':')?.trim()))
    }

    fn with(self, key: &str, value: &str) -> Self {
        let mut front = self.without(key);
        front.0.push(format!("{key}: {value}"));
        front
    }

    fn without(mut self, key: &str) -> Self {
        self.0.retain(|line| line.strip_prefix(key).is_none_or(|rest| !rest.starts_with(':')));
        self
    }

    fn text(mut self) -> String {
        let place = |line: &String| {
            let key = line.split(':').next().unwrap_or_default();
            Self::OURS.iter().position(|known| *known == key).unwrap_or(Self::OURS.len())
        };
        self.0.sort_by_key(place);
        format!("---\n{}\n---\n", self.0.join("\n"))
    }
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
mod tests;
