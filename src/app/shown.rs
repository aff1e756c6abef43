//! What people see of an incident while it moves: the chat's message, the terminal's board, whoever listens to updates.
//!
//! A commit is shown at once. Alerts that are merely counted are shown a moment later, and a few incidents at a time: a storm changes a thousand numbers a
//! second, and nobody reads that fast.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::app::{App, Update};
use crate::chat::Chat;
use crate::incident::{Incident, IncidentId};
use crate::store::{Filter, Unavailable};

/// How long a number may be behind.
const PAUSE: Duration = Duration::from_secs(2);

/// Incidents whose numbers are shown after one pause; the others wait for the next.
const AT_ONCE: usize = 20;

impl App {
    /// Shows the new state to the chat and to whoever listens.
    pub(super) async fn publish(&self, incident: &Incident) {
        if !self.is_watched() {
            return;
        }
        let redacted = Arc::new(self.presented(incident).await);
        if let Ok(chat) = &*self.chat() {
            chat.show(&redacted);
        }
        // Nobody listens: fine.
        let _ = self.updates.send(Update { incident: redacted });
    }

    fn is_watched(&self) -> bool {
        let shows = matches!(&*self.chat(), Ok(Chat::Terminal(_) | Chat::Discord(_)));
        shows || self.updates.receiver_count() > 0
    }

    pub(super) async fn show_open_incidents(&self) -> Result<(), Unavailable> {
        let chat = self.chat();
        let Ok(chat @ (Chat::Terminal(_) | Chat::Discord(_))) = &*chat else { return Ok(()) };
        for summary in self.store.list(Filter::Open, 1000).await? {
            if let Some(incident) = self.incident_now(&summary.id).await? {
                chat.show(&self.presented(&incident).await);
            }
        }
        Ok(())
    }

    /// An alert of this incident was counted.
    pub(super) fn show_soon(self: &Arc<Self>, id: &IncidentId) {
        if !self.is_watched() {
            return;
        }
        let mut unshown = self.unshown.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(unshown) = unshown.as_mut() {
            unshown.insert(id.clone());
            return;
        }
        *unshown = Some(BTreeSet::from([id.clone()]));
        tokio::spawn(show_counted(Arc::clone(self)));
    }

    /// The next few incidents that wait to be shown; after the last there is nobody who shows them.
    fn next_unshown(&self) -> Vec<IncidentId> {
        let mut unshown = self.unshown.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(waiting) = unshown.as_mut() else { return Vec::new() };
        let next: Vec<IncidentId> = (0..AT_ONCE).map_while(|_| waiting.pop_first()).collect();
        if next.is_empty() {
            *unshown = None;
        }
        next
    }
}

async fn show_counted(app: Arc<App>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = app.lanes.stopped() => return,
        }
        let next = app.next_unshown();
        if next.is_empty() {
            return;
        }
        for id in next {
            // A store that cannot be read now is read at the next commit.
            let Ok(Some(incident)) = app.incident_now(&id).await else { continue };
            app.publish(&incident).await;
            app.folds.recount(&incident);
        }
    }
}
