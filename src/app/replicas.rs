//! What a replica of a shared store does besides its own work: it says that it lives, takes over what nobody performs, and shows
//! what others did.

use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::SignedDuration;

use crate::app::{App, lanes};
use crate::clock;
use crate::store::{HEARTBEAT, Unavailable};

/// Between two looks for what is too old.
const ROUND: Duration = Duration::from_hours(1);

/// Beats until the app stops. A heartbeat that fails is tried again; what is leased meanwhile is taken over by others.
pub(super) fn beat(app: &Arc<App>) {
    let app = Arc::downgrade(app);
    tokio::spawn(async move {
        let mut was_well = true;
        while let Some(app) = Weak::upgrade(&app) {
            let beaten = once(&app).await;
            if let Err(error) = &beaten
                && was_well
            {
                tracing::error!(%error, "the heartbeat of this replica failed; others take over in a few seconds");
            }
            was_well = beaten.is_ok();
            tokio::select! {
                () = tokio::time::sleep(HEARTBEAT) => {}
                () = app.lanes.stopped() => return,
            }
        }
    });
}

impl App {
    /// Forgets incidents that have been over for so many days, now and every hour until the app stops.
    pub fn forget_after(self: &Arc<Self>, days: u32) {
        let app = Arc::downgrade(self);
        tokio::spawn(async move {
            while let Some(app) = Weak::upgrade(&app) {
                if let Err(error) = forget(&app, days).await {
                    tracing::warn!(%error, "old incidents could not be forgotten; trying again in an hour");
                }
                tokio::select! {
                    () = tokio::time::sleep(ROUND) => {}
                    () = app.lanes.stopped() => return,
                }
            }
        });
    }
}

async fn forget(app: &App, days: u32) -> Result<(), Unavailable> {
    let age = SignedDuration::from_hours(24 * i64::from(days));
    let Ok(before) = clock::now().checked_sub(age) else { return Ok(()) };
    let mut total = 0;
    loop {
        match app.store.forget(before).await? {
            0 => break,
            count => total += count,
        }
    }
    if total > 0 {
        tracing::info!(incidents = total, days, "forgot what was over for long");
    }
    Ok(())
}

async fn once(app: &Arc<App>) -> Result<(), Unavailable> {
    let adopted = app.store.adopt(&app.lanes.ids()).await?;
    if !adopted.is_empty() {
        tracing::info!(actions = adopted.len(), "taking over what nobody performs");
        lanes::enqueue(app, adopted);
    }
    for id in app.store.changed().await? {
        if let Some(incident) = app.incident_now(&id).await? {
            app.publish(&incident).await;
        }
        app.tick();
    }
    Ok(())
}
