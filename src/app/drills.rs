//! Drills inside a running bot: an incident whose checks run in a world of its own.
//!
//! The world's servers are on loopback, under names that only its name server knows, and its authority is trusted by nobody
//! else; so its incident's checks get the world's environment, and no other incident's checks do. The surprise: an incident
//! outlives its world. A check that comes later than that says so, and never probes the names of a drill out in the world.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::alert::Alert;
use crate::app::once::{Arrival, Once};
use crate::app::{App, AppError};
use crate::checks::Environment;
use crate::incident::IncidentId;
use crate::profile::ServiceProfile;

/// Drills whose end is remembered; at some 20 bytes each nobody feels it, and nobody drills as often.
const REMEMBERED: usize = 1000;

/// The world of a drill.
#[derive(Clone)]
enum World {
    Runs(Environment),
    Ended,
}

/// The worlds of the drills.
#[derive(Default)]
pub(super) struct Apart(Mutex<BTreeMap<IncidentId, World>>);

impl Apart {
    fn set(&self, id: &IncidentId, world: World) {
        let mut worlds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if worlds.len() >= REMEMBERED {
            worlds.retain(|_, world| matches!(world, World::Runs(_)));
        }
        worlds.insert(id.clone(), world);
    }

    fn forget(&self, id: &IncidentId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    fn get(&self, id: &IncidentId) -> Option<World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}

impl App {
    /// Opens the incident of a drill: its checks run in this environment. An open one of the same drill comes back instead, with
    /// `false`: its world runs already.
    ///
    /// # Errors
    /// [`AppError::Unavailable`] when it could not be made durable, [`AppError::Refused`] without an alert.
    pub async fn start_drill(
        self: &Arc<Self>,
        alerts: Vec<Alert>,
        profile: ServiceProfile,
        environment: Environment,
    ) -> Result<(IncidentId, bool), AppError> {
        let Some(key) = alerts.first().map(Alert::incident_key) else {
            return Err(AppError::Refused("the drill sent no alert".to_owned()));
        };
        let arrivals: Vec<Arrival> = alerts.into_iter().map(Arrival::from).collect();
        loop {
            if let Some(id) = self.store.open_incident(&key).await? {
                return Ok((id, false));
            }
            let id = IncidentId::from_seed(uuid::Uuid::new_v4().as_u64_pair().1);
            // Before its first check is planned.
            self.apart.set(&id, World::Runs(environment.clone()));
            let opened = Box::pin(self.open(&id, &key, profile.clone(), &arrivals, Once::No)).await;
            if !matches!(opened, Ok(true)) {
                self.apart.forget(&id);
            }
            if opened? {
                return Ok((id, true));
            }
        }
    }

    /// The world of this drill has ended.
    pub fn end_drill(&self, id: &IncidentId) {
        self.apart.set(id, World::Ended);
    }

    /// Where this incident's checks run; `None` when its world has ended.
    pub(super) fn environment_of(&self, id: &IncidentId) -> Option<Environment> {
        match self.apart.get(id) {
            None => Some(self.environment.clone()),
            Some(World::Runs(environment)) => Some(environment),
            Some(World::Ended) => None,
        }
    }
}
