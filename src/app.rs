//! The loop: an event happens, [`triage::step`] decides, the store makes it durable, the actions are performed, and what
//! comes of them is the next event.
//!
//! It introduces the shell modules to each other and decides nothing itself. What leaves it is redacted
//! ([`App::incident`], [`Update`]); the raw incident stays inside. It promises that nothing accepted is lost: an event is
//! durable before anybody hears of it, and an action leaves the outbox together with the event that reports on it. The
//! surprise: an action may therefore be performed twice (after a crash), and each of them is made to bear that.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use tokio::sync::{Semaphore, broadcast, mpsc, watch};

use crate::alert::NotThisSource;
use crate::chat::{Chat, ChatError, Inbound};
use crate::checks::Environment;
use crate::clock;
use crate::evidence::redact::{Addresses, Gate};
use crate::incident::{Event, Incident, IncidentId, Recorded, Stopped};
use crate::profile::ServiceProfile;
use crate::question::QuestionId;
use crate::runbook::Knowledge;
use crate::store::{Commit, CommitError, Planned, Settled, Store};
use crate::template::Templates;
use crate::tracker::Tracker;
use crate::triage::{self, Action};

mod access;
mod asked;
mod changes;
pub mod clarity;
mod counters;
pub mod course;
mod deliveries;
mod doors;
mod drills;
mod endings;
mod failed;
mod filing;
mod inbound;
mod folds;
mod intake;
mod lanes;
mod once;
mod perform;
mod reading;
mod reconcile;
mod replicas;
mod rules;
mod shown;
mod silences;
mod sns;
mod suggest;
pub mod view;

pub use crate::store::{
    ChangeFilter, Cursor, Figures, Filter, Found, Kept, KeptFilter, NotACursor, RecordedChange, Search,
    Summary, Tally, Unavailable, Verdict,
};
pub use access::random;
pub use asked::reads_files_of_ours;
pub use changes::Recorded as RecordedChanges;
pub use counters::{LIMITS_S, Spans};
pub use deliveries::{Delivery, Replayed, Shown as ShownDelivery};
pub use doors::{Beat, Health, Heartbeat};
pub use intake::{Accepted, Joined};
pub use perform::CheckRefused;
pub use rules::{Poll, Rules};
pub use silences::ShownSilence;
pub use sns::SnsRefused;

use counters::Counters;
use folds::Folds;
use lanes::Lanes;
use once::Once;

/// Probes that run at once, over all incidents: each holds a socket or two and a few kilobytes, and the slowest waits for
/// its deadline, so this many keep a storm of a thousand incidents moving without starving the machine of sockets.
const PROBES_AT_ONCE: usize = 64;

/// Updates a slow listener may lag behind before it loses the oldest; each carries the whole state, so nothing is lost by that.
const UPDATES: usize = 256;

/// Incidents are spread over this many locks, so that updates of one incident are published in order. Correctness does not
/// depend on them: two writers meet in the database.
const STRIPES: usize = 64;

/// Everything the app is made of.
pub struct Parts {
    /// Where incidents are kept.
    pub store: Store,
    /// What triage knows.
    pub knowledge: Arc<Knowledge>,
    /// What checks run with.
    pub environment: Environment,
    /// Where people read and answer, or why it cannot be reached yet ([`App::connected`] brings it later).
    pub chat: Result<Chat, ChatError>,
    /// What people do in the chat.
    pub inbound: Option<mpsc::Receiver<Inbound>>,
    /// Where issues go.
    pub tracker: Tracker,
    /// The wording.
    pub templates: Arc<Templates>,
    /// What is known of our services.
    pub services: Vec<ServiceProfile>,
    /// The time one check may take.
    pub check_timeout: Duration,
    /// Which IP addresses leave.
    pub addresses: Addresses,
}

/// An incident has moved on.
#[derive(Debug, Clone)]
pub struct Update {
    /// Its redacted copy, as it is now.
    pub incident: Arc<Incident>,
}

/// Why the app did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// There is no such incident.
    #[error("there is no incident {0}")]
    NoSuchIncident(IncidentId),
    /// The incident's stage does not allow it, or the reply is no answer; says why, for the person.
    #[error("{0}")]
    Refused(String),
    /// There is no such kept delivery.
    #[error("no delivery {0} is kept (any more)")]
    NoSuchDelivery(i64),
    /// There is no such silence.
    #[error("there is no silence {0}")]
    NoSuchSilence(String),
    /// The body is not as expected; says what was.
    #[error("{0}")]
    Malformed(String),
    /// The body is not this source's; it was kept.
    #[error(transparent)]
    NotThisSource(#[from] NotThisSource),
    /// The store cannot be read or written now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl AppError {
    /// The reason without internals.
    fn for_people(&self) -> String {
        match self {
            Self::Unavailable(_) => {
                "The bot cannot write to its store now, so this was not taken. Please try again in a minute."
                    .to_owned()
            }
            _ => self.to_string(),
        }
    }
}

/// The running bot, without its doors.
pub struct App {
    store: Store,
    knowledge: RwLock<Arc<Knowledge>>,
    /// What is wrong with the runbooks on disk, while the last good ones are used.
    runbooks_broken: RwLock<Option<String>>,
    environment: Environment,
    chat: RwLock<Arc<Result<Chat, ChatError>>>,
    tracker: Tracker,
    templates: Arc<Templates>,
    services: Vec<ServiceProfile>,
    check_timeout: Duration,
    addresses: Addresses,
    lanes: Lanes,
    probes: Semaphore,
    /// Those who ask something in a chat.
    asking: Arc<Semaphore>,
    repositories: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
    stripes: [tokio::sync::Mutex<()>; STRIPES],
    updates: broadcast::Sender<Update>,
    ticks: watch::Sender<u64>,
    counters: Counters,
    doors: doors::State,
    folds: Folds,
    /// Incidents whose alerts were counted since they were shown, while somebody is about to show them.
    unshown: Mutex<Option<BTreeSet<IncidentId>>>,
    /// Questions somebody replied to in words that were no answer, once.
    misread: Mutex<BTreeSet<(IncidentId, QuestionId)>>,
    /// Drills that run here.
    apart: drills::Apart,
    /// Held while an answer is compared with the one before it.
    answering: tokio::sync::Mutex<()>,
}

/// The redaction gate of one incident in an installation with this key.
///
/// # Panics
/// Never: HMAC takes keys of any length.
#[must_use]
pub fn gate(secret: [u8; 32], id: &IncidentId) -> Gate {
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret).expect("HMAC takes keys of any length");
    mac.update(id.as_str().as_bytes());
    Gate::new(mac.finalize().into_bytes().into())
}

impl App {
    /// Starts the loop and carries on with whatever was pending when the last one ended.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot be read.
    pub async fn start(parts: Parts) -> Result<Arc<Self>, Unavailable> {
        let pending = parts.store.pending().await?;
        let app = Arc::new(Self {
            environment: parts.environment.with_told(Arc::new(changes::Told(parts.store.clone()))),
            store: parts.store,
            knowledge: RwLock::new(parts.knowledge),
            runbooks_broken: RwLock::default(),
            chat: RwLock::new(Arc::new(parts.chat)),
            tracker: parts.tracker,
            templates: parts.templates,
            services: parts.services,
            check_timeout: parts.check_timeout,
            addresses: parts.addresses,
            lanes: Lanes::default(),
            probes: Semaphore::new(PROBES_AT_ONCE),
            asking: asked::turns(),
            repositories: Mutex::default(),
            stripes: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            updates: broadcast::Sender::new(UPDATES),
            ticks: watch::Sender::new(0),
            counters: Counters::default(),
            doors: doors::State::default(),
            folds: Folds::default(),
            unshown: Mutex::default(),
            misread: Mutex::default(),
            apart: drills::Apart::default(),
            answering: tokio::sync::Mutex::default(),
        });
        app.read_silences().await?;
        app.learn_of_changes().await?;
        app.show_open_incidents().await?;
        if !pending.is_empty() {
            tracing::info!(actions = pending.len(), "carrying on with what was pending");
        }
        lanes::enqueue(&app, pending);
        doors::tend(&app);
        if app.store.is_shared() {
            replicas::beat(&app);
        }
        if let Some(inbound) = parts.inbound {
            inbound::listen(&app, inbound);
        }
        Ok(app)
    }

    /// Stops: no new action is begun, and those being performed are waited for, at most this long. What is left is
    /// carried on with at the next start.
    pub async fn stop(&self, patience: Duration) {
        if tokio::time::timeout(patience, self.lanes.stop()).await.is_err() {
            tracing::warn!(
                "stopped before every running action was done; they are repeated at the next start"
            );
        }
        if let Err(error) = self.write_tallies().await {
            tracing::warn!(%error, "what the doors counted lately is lost");
        }
        if let Err(error) = self.store.release().await {
            tracing::warn!(%error, "the leases of this replica run out by themselves");
        }
    }

    /// The chat can be reached now: it learns which incidents are open, and actions that wait for it find it at their next
    /// try.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot be read.
    pub async fn connected(&self, chat: Chat) -> Result<(), Unavailable> {
        *self.chat.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Ok(chat));
        self.show_open_incidents().await
    }

    /// What triage knows now.
    #[must_use]
    pub fn knowledge(&self) -> Arc<Knowledge> {
        Arc::clone(&self.knowledge.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The runbooks changed: open incidents use them from their next event on, and what was decided before stays decided.
    pub fn learn(&self, knowledge: Arc<Knowledge>) {
        let hash = knowledge.hash().to_owned();
        *self.knowledge.write().unwrap_or_else(PoisonError::into_inner) = knowledge;
        *self.runbooks_broken.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.counters.add("firstcheck_runbook_reloads_total", "result=\"good\"", 1);
        // Said once it is so: somebody may act on it at once.
        tracing::info!(hash, "the runbooks were read again and are used from now on");
        self.tick();
    }

    /// The runbooks changed and cannot be used, and why: the last good ones stay.
    pub fn not_learned(&self, problems: &str) {
        *self.runbooks_broken.write().unwrap_or_else(PoisonError::into_inner) = Some(problems.to_owned());
        self.counters.add("firstcheck_runbook_reloads_total", "result=\"broken\"", 1);
        tracing::error!(problems, "the runbooks on disk are broken; the last good ones stay in use");
        self.tick();
    }

    /// What is wrong with the runbooks on disk, while the last good ones are used.
    #[must_use]
    pub fn runbooks_broken(&self) -> Option<String> {
        self.runbooks_broken.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The chat cannot be reached, and why: what waits for it says so.
    pub fn not_connected(&self, error: ChatError) {
        *self.chat.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Err(error));
    }

    /// Takes something a person did in the chat that came as an HTTP request; gives what is answered at once.
    ///
    /// # Errors
    /// As [`Chat::interact`], and the reason for which the chat cannot be reached yet.
    pub async fn interact(&self, body: &[u8]) -> Result<Vec<u8>, ChatError> {
        match &*self.chat() {
            Ok(chat) => chat.interact(body).await,
            Err(error) => Err(error.clone()),
        }
    }

    /// Ends the chat's connection.
    pub async fn disconnect(&self) {
        match &*self.chat() {
            Ok(Chat::Discord(discord)) => discord.close().await,
            Ok(Chat::Terminal(terminal)) => terminal.close().await,
            Ok(Chat::Console) | Err(_) => {}
        }
    }

    /// Everything that changes from now on, redacted.
    #[must_use]
    pub fn updates(&self) -> broadcast::Receiver<Update> {
        self.updates.subscribe()
    }

    fn chat(&self) -> Arc<Result<Chat, ChatError>> {
        Arc::clone(&self.chat.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What leaves about this incident passes here.
    fn gate(&self, id: &IncidentId) -> Gate {
        gate(self.store.secret(), id).hiding(self.addresses)
    }

    fn stripe(&self, id: &IncidentId) -> &tokio::sync::Mutex<()> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(id);
        let index = usize::try_from(hash % (STRIPES as u64)).unwrap_or_default();
        &self.stripes[index]
    }

    /// Moves an incident on: decides on its present state, makes that durable, and performs what follows. Decides again
    /// when somebody else was faster. Gives what was recorded; `None` when there is no such incident.
    async fn advance(
        self: &Arc<Self>,
        id: &IncidentId,
        events: &[Event],
        settles: Option<Settled>,
    ) -> Result<Option<Vec<Recorded>>, Unavailable> {
        self.advance_once(id, events, settles, Once::No).await
    }

    /// As [`Self::advance`]; what was done before is not done again, and nothing is recorded.
    async fn advance_once(
        self: &Arc<Self>,
        id: &IncidentId,
        events: &[Event],
        settles: Option<Settled>,
        once: Once<'_>,
    ) -> Result<Option<Vec<Recorded>>, Unavailable> {
        let _in_order = self.stripe(id).lock().await;
        let mut events = events.to_vec();
        // Another replica may have moved it on, and what is then taken for known already is not looked up again.
        let mut remembered = if self.store.is_shared() { None } else { self.folds.take(id) };
        loop {
            let before = match remembered.take() {
                Some(incident) => incident,
                None => match self.incident_now(id).await? {
                    Some(incident) => incident,
                    None => return Ok(None),
                },
            };
            match Box::pin(self.decide_and_commit(before, &events, settles.clone(), once)).await {
                Ok(recorded) => return Ok(Some(recorded)),
                Err(CommitError::Conflict) => {}
                Err(CommitError::Repeated) => return Ok(Some(Vec::new())),
                // Only an incident that was over and is reopened can meet another one.
                Err(CommitError::KeyTaken(other)) => {
                    let reason = format!("{other} is open for the same problem; go on there");
                    events = vec![Event::Refused { reason }];
                }
                Err(CommitError::TakenOver) => {
                    tracing::info!(incident.id = %id, "another replica reports on an action first; ours counts for nothing");
                    return Ok(None);
                }
                Err(CommitError::Unavailable(error)) => return Err(error),
            }
        }
    }

    /// The incident as the store has it now; `None` when there is none of this name.
    async fn incident_now(&self, id: &IncidentId) -> Result<Option<Incident>, Unavailable> {
        let log = self.store.load(id).await?;
        Ok((!log.is_empty()).then(|| Incident::fold(id.clone(), &log)))
    }

    /// One try: steps through the events, commits, hands out the actions and publishes the new state.
    async fn decide_and_commit(
        self: &Arc<Self>,
        before: Incident,
        events: &[Event],
        settles: Option<Settled>,
        once: Once<'_>,
    ) -> Result<Vec<Recorded>, CommitError> {
        let now = clock::now();
        let expected_seq = before.seq;
        let told = before.timeline.len();
        let mut incident = before;
        let knowledge = self.knowledge();
        let (mut recorded, mut actions) = (Vec::new(), Vec::new());
        for event in events {
            let stepped = triage::step(&knowledge, incident, event.clone(), now);
            incident = stepped.incident;
            recorded.extend(stepped.recorded);
            actions.extend(stepped.actions);
        }
        let planned = actions.into_iter().map(|action| planned(&incident, action, now)).collect();
        let commit = Commit {
            incident: incident.clone(),
            expected_seq,
            events: recorded.clone(),
            actions: planned,
            settles,
            once: once.key(),
            pieces: once.pieces(),
        };
        let pending = self.store.commit(commit).await?;
        for entry in incident.timeline.iter().skip(told) {
            tracing::info!(incident.id = %incident.id, "{}: {}", incident.id, entry.what);
        }
        self.measure(&incident, &recorded);
        lanes::enqueue(self, pending);
        if !recorded.is_empty() {
            self.publish(&incident).await;
        }
        if !self.store.is_shared() {
            self.folds.keep(incident);
        }
        self.tick();
        Ok(recorded)
    }

    /// Counts what incidents came to, when they came to it.
    fn measure(&self, incident: &Incident, recorded: &[Recorded]) {
        let concluded = incident.conclusion.as_ref().map_or("none", |it| it.bucket.id());
        let bucket =
            format!("bucket=\"{}\"", incident.reclassified.as_ref().map_or(concluded, |it| it.0.id()));
        let took = |name, seconds: Option<f64>| {
            if let Some(seconds) = seconds {
                self.counters.took(name, &bucket, seconds);
            }
        };
        for it in recorded {
            match &it.event {
                Event::Concluded { conclusion } => {
                    took("firstcheck_mttd_seconds", incident.mttd_s());
                    took("firstcheck_mttc_seconds", incident.mttc_s());
                    let stopped = if conclusion.stopped == Stopped::Clarity { "clarity" } else { "unclear" };
                    let labels = format!("bucket=\"{}\",stopped=\"{stopped}\"", conclusion.bucket);
                    self.counters.add("firstcheck_conclusions_total", &labels, 1);
                }
                Event::Resolved { .. } => took("firstcheck_mttr_seconds", incident.mttr_s()),
                Event::Reclassified { bucket: to, .. } => {
                    let labels = format!("from=\"{concluded}\",to=\"{}\"", to.id());
                    self.counters.add("firstcheck_reclassified_total", &labels, 1);
                }
                _ => {}
            }
        }
    }

    /// Wakes those who wait for something to be settled.
    fn tick(&self) {
        self.ticks.send_modify(|count| *count += 1);
    }
}

/// Puts an action into its lane: a thread's messages keep their order, checks run side by side, and an issue waits only for
/// its own.
fn planned(incident: &Incident, action: Action, now: jiff::Timestamp) -> Planned {
    let id = &incident.id;
    let lane = match &action {
        Action::OpenThread | Action::Ask { .. } | Action::Say { .. } => format!("chat {id}"),
        Action::RunCheck { step } => format!("check {id} {}", step.key()),
        Action::FileIssue => format!("issue {id}"),
        Action::StopWaiting { question, .. } => format!("wait {id} {question}"),
        Action::Settle { at } => format!("settle {id} {at}"),
        Action::Wake { at } => format!("wake {id} {at}"),
    };
    let due_at = match &action {
        Action::StopWaiting { at, .. } | Action::Settle { at } | Action::Wake { at } => *at,
        _ => now,
    };
    Planned { lane, action, due_at }
}
