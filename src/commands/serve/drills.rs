//! Drills inside a bot that serves: the worlds that the console may start, and when they end.
//!
//! Only a bot on loopback whose thread and issues stay on this machine has them: a drill's incident stands among the others. A
//! world is no process; its servers live in this one until its incident is over, or for half an hour.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use crate::alert::Source;
use crate::app::App;
use crate::clock;
use crate::commands::drill;
use crate::drill::{Running, WORLDS, World};
use crate::incident::IncidentId;
use crate::question::QuestionId;
use crate::server::Drills;

/// Worlds at once: each has some five servers.
const AT_ONCE: usize = 3;

/// How long a world waits for its people.
const LIFE: Duration = Duration::from_mins(30);

type Known = Arc<Mutex<BTreeMap<IncidentId, BTreeMap<QuestionId, String>>>>;

/// The drills of this bot.
pub(super) struct Here {
    app: Weak<App>,
    /// The drills that run, and what somebody on call would know in each.
    running: Known,
}

impl Here {
    pub(super) fn new(app: &Arc<App>) -> Self {
        Self { app: Arc::downgrade(app), running: Known::default() }
    }

    async fn begin(&self, name: &str) -> Result<IncidentId, String> {
        let world = World::find(name).ok_or_else(|| format!("there is no world `{name}`"))?;
        let app = self.app.upgrade().ok_or("the bot is stopping")?;
        if self.running.lock().unwrap_or_else(PoisonError::into_inner).len() >= AT_ONCE {
            return Err(format!("{AT_ONCE} drills run already; close one of their incidents"));
        }
        let folder = std::env::temp_dir().join(format!("firstcheck-drill-{}", uuid::Uuid::new_v4()));
        let started = world.start(&folder, clock::now()).await;
        let running = started.map_err(|error| format!("the world cannot be started: {error}"))?;
        let environment = drill::environment(&running).map_err(|error| format!("{error:#}"))?;
        let source = Source::named("alertmanager").ok_or("there is no source `alertmanager`")?;
        let understood = source.read(&running.webhook(clock::now()));
        let alerts = understood.map_err(|error| error.to_string())?.alerts;
        let profile = running.scene().profile.clone();
        let (id, is_new) =
            app.start_drill(alerts, profile, environment).await.map_err(|error| error.to_string())?;
        if is_new {
            let known = running.scene().answers.clone();
            self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), known);
            tokio::spawn(live(Arc::downgrade(&app), id.clone(), running, folder, Arc::clone(&self.running)));
        } else {
            clear(folder);
        }
        Ok(id)
    }
}

impl Drills for Here {
    fn worlds(&self) -> Vec<Value> {
        WORLDS.iter().map(|world| json!({"name": world.name, "title": world.title})).collect()
    }

    fn start(&self, name: &str) -> BoxFuture<'_, Result<IncidentId, String>> {
        let name = name.to_owned();
        Box::pin(async move { self.begin(&name).await })
    }

    fn known(&self, incident: &IncidentId) -> Option<BTreeMap<QuestionId, String>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).get(incident).cloned()
    }
}

/// Keeps a world until its incident is over, or its time is.
async fn live(app: Weak<App>, id: IncidentId, world: Running, folder: PathBuf, running: Known) {
    let Some(mut updates) = app.upgrade().map(|app| app.updates()) else { return };
    let over = async {
        loop {
            match updates.recv().await {
                Ok(update) if update.incident.id == id => {
                    if matches!(update.incident.stage.id(), "resolved" | "closed") {
                        return;
                    }
                }
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    };
    let _ = tokio::time::timeout(LIFE, over).await;
    if let Some(app) = app.upgrade() {
        app.end_drill(&id);
    }
    running.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    drop(world);
    clear(folder);
}

/// Best effort: the system clears its temporary folder too.
fn clear(folder: PathBuf) {
    let _ = std::fs::remove_dir_all(folder);
}
