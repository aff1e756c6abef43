//! Reads the folder of runbooks and alert mappings again, and keeps the last good ones when that fails: when it has changed, on SIGHUP, and
//! before a kept delivery is taken again.
//!
//! It looks once a second at names, sizes and times: that works on every file system, mounted volumes of a container too, where
//! notifications do not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use crate::app::{App, Rules};
use crate::commands::parts;
use crate::config::Settings;
use crate::runbook::Knowledge;
use crate::server::{Credentials, Reread, Sources};

/// How often the folder is looked at: an editor's save is noticed before the editor's user looks for it.
const EVERY: Duration = Duration::from_secs(1);

/// Size and time of every file.
type Seen = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// What people wrote, on disk, and who uses it.
pub(super) struct Disk {
    app: Arc<App>,
    sources: Sources,
    folder: Option<PathBuf>,
    config: Option<PathBuf>,
    /// What the folder looked like when it was read last; nothing yet: the first look reads once more, so that an edit during the
    /// start is not missed. Held while it is read.
    seen: Mutex<Option<Seen>>,
}

/// What was read, all of it good.
struct Fresh {
    knowledge: Knowledge,
    sources: Vec<(crate::alert::Source, Credentials)>,
    rules: Rules,
}

impl Disk {
    pub(super) fn new(
        app: &Arc<App>,
        sources: Sources,
        folder: Option<PathBuf>,
        config: Option<PathBuf>,
    ) -> Self {
        Self { app: Arc::clone(app), sources, folder, config, seen: Mutex::default() }
    }

    /// Reads what has changed, or everything anyway; the error is what is broken.
    async fn read(&self, anyway: bool) -> Result<(), String> {
        let mut known = self.seen.lock().await;
        let (folder, config, before) = (self.folder.clone(), self.config.clone(), known.clone());
        let looked = tokio::task::spawn_blocking(move || {
            let mut seen = Seen::new();
            if let Some(folder) = folder {
                look(&folder, &mut seen);
            }
            let is_same = !anyway && before.as_ref() == Some(&seen);
            (!is_same).then(|| (seen, fresh(config.as_deref())))
        });
        let Ok(Some((seen, result))) = looked.await else { return Ok(()) };
        let is_first = known.replace(seen).is_none();
        match result {
            Ok(fresh) => {
                self.use_from_now_on(fresh, anyway || !is_first);
                Ok(())
            }
            Err(problems) => {
                if anyway || self.app.runbooks_broken().as_ref() != Some(&problems) {
                    self.app.not_learned(&problems);
                }
                Err(problems)
            }
        }
    }

    fn use_from_now_on(&self, fresh: Fresh, is_told: bool) {
        let Fresh { knowledge, sources, rules } = fresh;
        let count = sources.len();
        self.sources.replace(sources);
        self.app.follow(rules);
        if knowledge.hash() != self.app.knowledge().hash() || self.app.runbooks_broken().is_some() {
            self.app.learn(Arc::new(knowledge));
        }
        if is_told {
            tracing::info!(sources = count, "the sources were read again and are used from now on");
        }
    }
}

impl Reread for Disk {
    fn reread(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(self.read(true))
    }
}

/// Everything that may change while the bot serves.
fn fresh(config: Option<&Path>) -> Result<Fresh, String> {
    let settings = Settings::load(config).map_err(|problem| problem.to_string())?;
    parts::catalogues(&settings).map_err(|broken| broken.to_string())?;
    let knowledge = parts::knowledge(&settings).map_err(|broken| broken.to_string())?;
    Ok(Fresh { knowledge, sources: super::taken(&settings).collect(), rules: super::rules(&settings) })
}

/// Watches until it is stopped. What is broken is told by whoever reads it.
pub(super) async fn watch(disk: Arc<Disk>) {
    let mut pause = tokio::time::interval(EVERY);
    #[cfg(unix)]
    let mut told = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok();
    loop {
        #[cfg(unix)]
        let is_told = tokio::select! {
            _ = pause.tick() => false,
            Some(()) = async { told.as_mut()?.recv().await } => true,
        };
        #[cfg(not(unix))]
        let is_told = {
            pause.tick().await;
            false
        };
        if is_told || disk.folder.is_some() {
            drop(disk.read(is_told).await);
        }
    }
}

/// A folder that cannot be read looks empty; reading the runbooks then tells why.
fn look(folder: &Path, seen: &mut Seen) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(about) = std::fs::metadata(&path) else { continue };
        if about.is_dir() {
            look(&path, seen);
        } else {
            seen.insert(path, (about.len(), about.modified().ok()));
        }
    }
}
