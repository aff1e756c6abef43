//! Lanes: actions of one lane are performed one after the other, and lanes never wait for each other.
//!
//! A lane is a queue and a task that lives while the queue is not empty. An action is handed to its lane by whoever
//! committed it, so an idle lane starts at once and nothing polls; a failed action waits in its place until it is due again.
//! The surprise: of several filings of one issue only the last is performed, because it says everything the others would.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::app::App;
use crate::app::perform::{self, Performed};
use crate::clock;
use crate::store::{ActionId, Pending};
use crate::triage::Action;

/// No try of an action waits longer, whatever the other side asked for and the clock says.
const LONGEST_ASKED: Duration = Duration::from_hours(1);

/// The queues, and how many of them are at work.
#[derive(Debug)]
pub(super) struct Lanes {
    queues: Mutex<HashMap<String, VecDeque<Pending>>>,
    at_work: watch::Sender<usize>,
    stopping: watch::Sender<bool>,
}

impl Default for Lanes {
    fn default() -> Self {
        Self { queues: Mutex::default(), at_work: watch::Sender::new(0), stopping: watch::Sender::new(false) }
    }
}

impl Lanes {
    /// Begins nothing new and waits until what is being performed is done.
    pub(super) async fn stop(&self) {
        self.stopping.send_replace(true);
        let mut at_work = self.at_work.subscribe();
        // The sender is ours: it cannot be gone.
        let _ = at_work.wait_for(|count| *count == 0).await;
    }

    /// Becomes ready when the app is told to stop.
    pub(super) async fn stopped(&self) {
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }

    pub(super) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Everything that is in a queue.
    pub(super) fn ids(&self) -> Vec<ActionId> {
        self.queues().values().flatten().map(|pending| pending.id).collect()
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<String, VecDeque<Pending>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lane's next action; the lane ends when there is none. Filings that a later one covers come back apart.
    fn next(&self, lane: &str) -> (Option<Pending>, Vec<Pending>) {
        let mut queues = self.queues();
        let Some(queue) = queues.get_mut(lane) else { return (None, Vec::new()) };
        let mut covered = Vec::new();
        while queue.front().is_some_and(|it| it.action == Action::FileIssue)
            && queue.get(1).is_some_and(|it| it.action == Action::FileIssue)
        {
            let (Some(earlier), Some(later)) = (queue.pop_front(), queue.front_mut()) else { break };
            // A tracker that is down stays down for the later filing too: it goes on waiting.
            later.attempts = earlier.attempts;
            later.due_at = later.due_at.max(earlier.due_at);
            later.last_error.clone_from(&earlier.last_error);
            covered.push(earlier);
        }
        let next = queue.front().cloned();
        if next.is_none() {
            queues.remove(lane);
        }
        (next, covered)
    }

    fn done(&self, lane: &str) {
        if let Some(queue) = self.queues().get_mut(lane) {
            queue.pop_front();
        }
    }

    fn postponed(&self, lane: &str, action: Pending) {
        if let Some(front) = self.queues().get_mut(lane).and_then(VecDeque::front_mut) {
            *front = action;
        }
    }
}

/// Counts a lane as at work as long as it lives, however it ends.
struct AtWork(watch::Sender<usize>);

impl AtWork {
    fn begin(lanes: &Lanes) -> Self {
        lanes.at_work.send_modify(|count| *count += 1);
        Self(lanes.at_work.clone())
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Hands actions to their lanes; a lane that sleeps begins at once.
pub(super) fn enqueue(app: &Arc<App>, actions: Vec<Pending>) {
    let mut queues = app.lanes.queues();
    for action in actions {
        if let Some(queue) = queues.get_mut(&action.lane) {
            queue.push_back(action);
            continue;
        }
        let lane = action.lane.clone();
        queues.insert(lane.clone(), VecDeque::from([action]));
        let at_work = AtWork::begin(&app.lanes);
        tokio::spawn(run(Arc::clone(app), lane, at_work));
    }
}

async fn run(app: Arc<App>, lane: String, _at_work: AtWork) {
    while !app.lanes.is_stopping() {
        let (next, covered) = app.lanes.next(&lane);
        for earlier in covered {
            perform::finish(&app, &earlier).await;
        }
        let Some(action) = next else { return take_next(&app, &lane).await };
        if !due(&app, &action).await {
            return;
        }
        match app.store.begin(&action).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::info!(incident.id = %action.incident, "an action was taken over by another replica");
                app.lanes.done(&lane);
                continue;
            }
            Err(error) => {
                tracing::warn!(%error, incident.id = %action.incident, "an action waits for the store");
                app.lanes.postponed(&lane, perform::while_the_store_is_away(action));
                continue;
            }
        }
        // Boxed: a lane that waits for a question's deadline, perhaps for hours, must not hold the room of what it will do then.
        match Box::pin(perform::perform(&app, &action)).await {
            Performed::Done => app.lanes.done(&lane),
            Performed::Later(action) => app.lanes.postponed(&lane, action),
        }
    }
}

/// What another replica added to a lane while it was ours is performed by whoever looks first: we do.
async fn take_next(app: &Arc<App>, lane: &str) {
    match app.store.next_in(lane).await {
        Ok(next) => enqueue(app, next.into_iter().collect()),
        Err(error) => tracing::debug!(%error, lane, "the next of a lane is left to the heartbeat"),
    }
}

/// How long the action waits, seen from this moment. A clock that was set back makes nothing wait that is to be done at once, and nothing else longer
/// than it was ever to wait.
fn wait(action: &Pending, now: Timestamp, patience: Duration, calm: Duration) -> Duration {
    let longest = match action.action {
        Action::StopWaiting { .. } => patience,
        Action::Settle { .. } => calm,
        // A person said until when.
        Action::Wake { .. } => Duration::MAX,
        _ if action.attempts == 0 && action.last_error.is_none() => Duration::ZERO,
        _ => LONGEST_ASKED,
    };
    Duration::try_from(action.due_at.duration_since(now)).unwrap_or_default().min(longest)
}

/// Waits until the action is due; false when the app stops first.
async fn due(app: &App, action: &Pending) -> bool {
    let knowledge = app.knowledge();
    let [patience, calm] =
        [knowledge.stop.patience_s, knowledge.stop.flapping.calm_s].map(|it| Duration::from_secs(it.into()));
    let wait = wait(action, clock::now(), patience, calm);
    if wait.is_zero() {
        return true;
    }
    tokio::select! {
        () = tokio::time::sleep(wait) => true,
        () = app.lanes.stopped() => false,
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::incident::IncidentId;
    use crate::question::QuestionId;

    const PATIENCE: Duration = Duration::from_mins(15);
    const CALM: Duration = Duration::from_mins(5);

    /// How many seconds this action, due after so many seconds, waits on a clock that was set back by an hour and a half.
    #[track_caller]
    fn waits_s(action: Action, due_s: i64, attempts: u32) -> u64 {
        let planned = Timestamp::from_second(1_790_000_000).unwrap();
        let due_at = planned.checked_add(SignedDuration::from_secs(due_s)).unwrap();
        let incident = IncidentId::from_seed(1);
        let last_error = (attempts > 0).then(|| "502".to_owned());
        let lane = "lane".to_owned();
        let pending = Pending { id: ActionId(1), incident, lane, action, due_at, attempts, last_error };
        assert_eq!(wait(&pending, due_at, PATIENCE, CALM), Duration::ZERO, "due is due");
        let set_back = planned.checked_sub(SignedDuration::from_mins(90)).unwrap();
        wait(&pending, set_back, PATIENCE, CALM).as_secs()
    }

    #[test]
    fn a_clock_that_is_set_back_holds_nothing_up_for_longer_than_it_was_to_wait() {
        assert_eq!(waits_s(Action::OpenThread, 0, 0), 0);
        assert_eq!(waits_s(Action::FileIssue, 8, 3), 3600);
        let at = Timestamp::from_second(1_790_000_900).unwrap();
        assert_eq!(waits_s(Action::StopWaiting { question: QuestionId::LatencyFirst, at }, 900, 0), 900);
        assert_eq!(waits_s(Action::Settle { at }, 300, 0), 300);
    }
}
