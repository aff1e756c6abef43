//! A release record as a deploy script keeps it: a file that only grows, one change a line.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use crate::profile::changes::{Change, ChangeKind};

/// A record in a file.
#[derive(Debug, Clone)]
pub struct ReleaseRecord {
    path: PathBuf,
}

impl ReleaseRecord {
    /// A record without a change yet, in a new (or emptied) file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        File::create(&path)?;
        Ok(Self { path })
    }

    /// Where it is: the TARGET of the `deploys` check and `releases.record` of a profile.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a change.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn append(&self, change: &Change) -> io::Result<()> {
        let line = serde_json::to_string(change)?;
        let mut file = OpenOptions::new().append(true).open(&self.path)?;
        writeln!(file, "{line}")
    }

    /// Appends a change of this service, so many minutes before this instant.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn changed(
        &self,
        service: &str,
        kind: ChangeKind,
        what: &str,
        minutes_before: i64,
        start: Timestamp,
    ) -> io::Result<()> {
        let at = start.saturating_sub(SignedDuration::from_mins(minutes_before)).unwrap_or(start);
        self.append(&Change {
            at,
            kind,
            what: what.to_owned(),
            by: Some("drill".to_owned()),
            service: Some(service.to_owned()),
            version: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::changes;

    #[test]
    fn what_is_appended_is_read_back_in_order() {
        let path = std::env::temp_dir().join(format!("firstcheck-release-record-{}", std::process::id()));
        let record = ReleaseRecord::create(&path).unwrap();
        let start: Timestamp = "2026-11-01T10:00:00Z".parse().unwrap();
        record.changed("orders-api", ChangeKind::Deploy, "2.14.0", 12, start).unwrap();
        record.changed("orders-api", ChangeKind::Flag, "new-pricing on", 3, start).unwrap();
        let (changes, problems) = changes::read(&std::fs::read_to_string(record.path()).unwrap());
        std::fs::remove_file(&path).unwrap();
        assert!(problems.is_empty());
        assert_eq!(
            changes.iter().map(|it| it.what.as_str()).collect::<Vec<_>>(),
            ["2.14.0", "new-pricing on"]
        );
        assert_eq!(changes[0].at.to_string(), "2026-11-01T09:48:00Z");
    }
}
