//! What a replica of a shared store does besides its own work: it says that it lives, takes over what nobody performs, and shows
//! what others did.

use std::sync::{Arc, Weak};

use crate::app::{App, lanes};
use crate::incident::Incident;
use crate::store::{HEARTBEAT, Unavailable};

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

async fn once(app: &Arc<App>) -> Result<(), Unavailable> {
    let adopted = app.store.adopt(&app.lanes.ids()).await?;
    if !adopted.is_empty() {
        tracing::info!(actions = adopted.len(), "taking over what nobody performs");
        lanes::enqueue(app, adopted);
    }
    for id in app.store.changed().await? {
        let log = app.store.load(&id).await?;
        app.publish(&Incident::fold(id, &log)).await;
        app.tick();
    }
    Ok(())
}
