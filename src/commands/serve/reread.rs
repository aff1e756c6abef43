//! Reads the folder of runbooks again when it has changed, and keeps the last good ones when that fails.
//!
//! It looks once a second at names, sizes and times: that works on every file system, mounted volumes of a container too, where
//! notifications do not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::app::App;
use crate::runbook::Knowledge;

/// How often the folder is looked at: an editor's save is noticed before the editor's user looks for it.
const EVERY: Duration = Duration::from_secs(1);

/// Size and time of every file.
type Seen = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Watches until it is stopped.
pub(super) async fn watch<R>(app: Arc<App>, folder: PathBuf, read: R)
where
    R: Fn() -> Result<Knowledge, String> + Send + Sync + 'static,
{
    let read = Arc::new(read);
    let mut hash = app.knowledge().hash().to_owned();
    // Nothing seen yet: the first look reads once more, so that an edit during the start is not missed.
    let mut known = None;
    let mut pause = tokio::time::interval(EVERY);
    loop {
        pause.tick().await;
        let (folder, read, before) = (folder.clone(), Arc::clone(&read), known.clone());
        let looked = tokio::task::spawn_blocking(move || {
            let mut seen = Seen::new();
            look(&folder, &mut seen);
            if before.as_ref() == Some(&seen) { None } else { Some((seen, read())) }
        });
        let Ok(Some((seen, result))) = looked.await else { continue };
        known = Some(seen);
        match result {
            Ok(knowledge) if knowledge.hash() == hash && app.runbooks_broken().is_none() => {}
            Ok(knowledge) => {
                knowledge.hash().clone_into(&mut hash);
                app.learn(Arc::new(knowledge));
            }
            Err(problems) if app.runbooks_broken().as_ref() == Some(&problems) => {}
            Err(problems) => app.not_learned(problems),
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
