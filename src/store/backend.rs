//! One store, two databases: a file of one bot, or a server that several replicas share.
//!
//! The surprise: only a shared store knows of leases. With a file every action is this process's own, so [`Store::begin`] asks
//! nobody and [`Store::adopt`] finds nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::access::Token;
use crate::access::audit::Entry;
use crate::alert::silence::Silence;
use crate::alert::{Alert, IncidentKey};
use crate::incident::{IncidentId, Recorded};
use crate::store::access::AccessChange;
use crate::store::postgres::{Leader, Postgres};
use crate::store::sqlite::{self, Sqlite};
use crate::store::{
    ActionId, ChangeFilter, Commit, CommitError, Figures, Filter, Found, Heard, Kept, KeptDelivery,
    KeptFilter, Note, OpenError, Pending, Piece, RecordedChange, Search, Settled, Sighting, Summary, Taken,
    Tally, Unavailable, doors, rows,
};

/// How long the server may take for one statement or commit before the caller is told that the store is not available: a
/// sender of webhooks waits for 10 s.
const PATIENCE: Duration = Duration::from_secs(8);

/// Incidents and pending actions. Cheap to clone; what it holds is released when the last clone is gone.
#[derive(Debug, Clone)]
pub struct Store(Backend);

#[derive(Debug, Clone)]
enum Backend {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// A store that is changed beside the bot that uses it.
#[derive(Clone)]
pub enum Beside {
    /// A SQLite file.
    File(std::path::PathBuf),
    /// A PostgreSQL URL.
    Server(String),
}

/// Asks the database there is; a server that does not answer is not available. Its futures are large: they live on the heap.
macro_rules! ask {
    ($store:expr, $name:ident($($argument:expr),*)) => {
        match &$store.0 {
            Backend::Sqlite(sqlite) => sqlite.$name($($argument),*).await,
            Backend::Postgres(postgres) => match tokio::time::timeout(PATIENCE, Box::pin(postgres.$name($($argument),*))).await {
                Ok(answered) => answered,
                Err(_) => Err(no_answer().into()),
            },
        }
    };
}

/// As [`ask`], for what only the doors read.
macro_rules! look {
    ($store:expr, $name:ident($($argument:expr),*)) => {
        match &$store.0 {
            Backend::Sqlite(sqlite) => doors::sqlite::$name(sqlite.readers(), $($argument),*).await,
            Backend::Postgres(postgres) => {
                match tokio::time::timeout(PATIENCE, doors::postgres::$name(postgres.pool(), $($argument),*)).await {
                    Ok(answered) => answered,
                    Err(_) => Err(no_answer()),
                }
            }
        }
    };
}

impl Store {
    /// Opens a SQLite file, creates it when there is none, and brings its tables up to date.
    ///
    /// # Errors
    /// [`OpenError`] when another process owns it, or when it cannot be opened.
    pub async fn open(file: &Path) -> Result<Self, OpenError> {
        Ok(Self(Backend::Sqlite(Sqlite::open(file).await?)))
    }

    /// Opens a SQLite file for reading alone, beside a bot that may be using it. Whatever would write is refused.
    ///
    /// # Errors
    /// [`OpenError`] when there is none, or when it is no store.
    pub async fn look(file: &Path) -> Result<Self, OpenError> {
        Ok(Self(Backend::Sqlite(Sqlite::look(file).await?)))
    }

    /// Puts a copy of a SQLite store in the place of another, which nobody may be using.
    ///
    /// # Errors
    /// [`OpenError`] when a bot uses it, when it is there and `replace` is not said, or when it cannot be written.
    pub fn restore(from: &Path, to: &Path, replace: bool) -> Result<(), OpenError> {
        sqlite::restore(from, to, replace)
    }

    /// Connects to a PostgreSQL database and brings its tables up to date. Any number of replicas may share it.
    ///
    /// # Errors
    /// [`OpenError::Unusable`] when it cannot be reached or brought up to date; names the server, never the password.
    pub async fn connect(url: &str) -> Result<Self, OpenError> {
        Ok(Self(Backend::Postgres(Postgres::connect(url).await?)))
    }

    /// Whether other replicas may work on the same store.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.0, Backend::Postgres(_))
    }

    /// The key of this installation, drawn when the store was created: redaction derives its tokens from it.
    #[must_use]
    pub fn secret(&self) -> [u8; 32] {
        match &self.0 {
            Backend::Sqlite(sqlite) => sqlite.secret(),
            Backend::Postgres(postgres) => postgres.secret(),
        }
    }

    /// Makes events and the actions they cause durable, together; gives those back that this process is to perform.
    ///
    /// # Errors
    /// [`CommitError`]: look again and decide again, or the store is not available.
    pub async fn commit(&self, commit: Commit) -> Result<Vec<Pending>, CommitError> {
        ask!(self, commit(commit))
    }

    /// Counts the alerts of which the store knows that they say nothing new (the same digest as the last time, and their incident is
    /// open), and gives the incident of each; `None` for all others, of which nothing is written. Durable when this returns.
    ///
    /// # Errors
    /// [`Unavailable`]; then some may have been counted.
    pub async fn repeat(
        &self,
        heard: Vec<Heard>,
        at: Timestamp,
    ) -> Result<Vec<Option<IncidentId>>, Unavailable> {
        if heard.is_empty() {
            return Ok(Vec::new());
        }
        ask!(self, repeat(heard, at))
    }

    /// Notes what became of an action of which there is nothing else to say.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn settle(&self, settled: Settled) -> Result<(), Unavailable> {
        ask!(self, settle(settled))
    }

    /// Keeps a delivery that became no alert; as a piece of another one, once.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn keep(&self, delivery: Kept, piece: Option<Piece>) -> Result<(), Unavailable> {
        ask!(self, keep(delivery, piece))
    }

    /// Whether something can be written now: writes as much as a small commit would.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn ping(&self) -> Result<(), Unavailable> {
        ask!(self, ping())
    }

    /// Forgets incidents that have been over since before this moment, and older kept deliveries, a batch of them; gives the number of
    /// incidents. Call again until it is zero.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn forget(&self, before: Timestamp) -> Result<u64, Unavailable> {
        ask!(self, forget(before))
    }

    /// The log of an incident, in order; empty when there is no such incident.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn load(&self, id: &IncidentId) -> Result<Vec<Recorded>, Unavailable> {
        ask!(self, load(id))
    }

    /// The open incident with this key.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn open_incident(&self, key: &IncidentKey) -> Result<Option<IncidentId>, Unavailable> {
        ask!(self, open_incident(key))
    }

    /// The last incident before this one with the same key, of those that are over.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn previous(&self, id: &IncidentId) -> Result<Option<IncidentId>, Unavailable> {
        ask!(self, previous(id))
    }

    /// The last incident this alert's identity was part of.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn sighting(&self, alert: &Alert) -> Result<Option<Sighting>, Unavailable> {
        ask!(self, sighting(alert))
    }

    /// Every action that waits for this process at its start, in order. Those of a shared store come with [`Self::adopt`].
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn pending(&self) -> Result<Vec<Pending>, Unavailable> {
        ask!(self, pending())
    }

    /// The actions of one incident that are not done: waiting first, then given up (`attempts` tells which were tried).
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn pending_of(&self, id: &IncidentId) -> Result<Vec<(Pending, bool)>, Unavailable> {
        ask!(self, pending_of(id))
    }

    /// The newest incidents, at most `limit` (1 to 1,000).
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn list(&self, filter: Filter, limit: u32) -> Result<Vec<Summary>, Unavailable> {
        Ok(self.search(&Search::newest(filter, limit)).await?.incidents)
    }

    /// A page of the incidents that are looked for, newest first.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn search(&self, search: &Search) -> Result<Found, Unavailable> {
        ask!(self, search(search))
    }

    /// The newest kept deliveries.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn kept(&self, limit: u32) -> Result<Vec<Kept>, Unavailable> {
        ask!(self, kept(limit))
    }

    /// Remembers something beside incidents.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn note(&self, note: Note) -> Result<(), Unavailable> {
        ask!(self, note(note))
    }

    /// Which pieces of a delivery with this id were taken within the last 72 hours.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn taken(&self, source: &str, id: &str) -> Result<Taken, Unavailable> {
        look!(self, taken(source, id))
    }

    /// Takes pieces of one delivery that tell nothing new; those that were taken before stay as they are.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn take(
        &self,
        pieces: Vec<Piece>,
        incident: Option<IncidentId>,
        at: Timestamp,
    ) -> Result<(), Unavailable> {
        if pieces.is_empty() {
            return Ok(());
        }
        ask!(self, take(pieces, incident, at))
    }

    /// All silences that are remembered, those that end last first, each with how many alerts it held back.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn silences(&self) -> Result<Vec<(Silence, u64)>, Unavailable> {
        look!(self, silences())
    }

    /// The newest changes.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn changes(&self, filter: &ChangeFilter) -> Result<Vec<RecordedChange>, Unavailable> {
        look!(self, changes(filter))
    }

    /// What came of each source's deliveries.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn tallies(&self) -> Result<BTreeMap<String, Tally>, Unavailable> {
        look!(self, tallies())
    }

    /// The newest kept deliveries of those that are wanted.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn deliveries(&self, filter: &KeptFilter) -> Result<Vec<KeptDelivery>, Unavailable> {
        look!(self, deliveries(filter))
    }

    /// The alerts of one source that belong to open incidents: fingerprint and incident.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn open_alerts(&self, source: &str) -> Result<Vec<(String, IncidentId)>, Unavailable> {
        let found = look!(self, open_alerts(source))?;
        found.into_iter().map(|(fingerprint, id)| Ok((fingerprint, rows::incident_id(&id)?))).collect()
    }

    /// Figures for the metrics page.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn figures(&self, now: Timestamp) -> Result<Figures, Unavailable> {
        ask!(self, figures(now))
    }

    /// Whether this process may perform the action now: it still waits, the lease on it is ours, and it is its lane's first.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn begin(&self, action: &Pending) -> Result<bool, Unavailable> {
        if !self.is_shared() {
            return Ok(true);
        }
        ask!(self, begin(action))
    }

    /// Renews this replica's lease and takes over what nobody performs: the heads of lanes whose replica is gone, or that none has
    /// taken yet, and after a lost answer what is ours and not among `known`. Call it every [`super::HEARTBEAT`].
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn adopt(&self, known: &[ActionId]) -> Result<Vec<Pending>, Unavailable> {
        ask!(self, adopt(known))
    }

    /// The next action of this lane, if nobody performs it: for whoever has just finished the one before.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn next_in(&self, lane: &str) -> Result<Option<Pending>, Unavailable> {
        ask!(self, next_in(lane))
    }

    /// Gives back every action this replica has not performed, so that another takes it at once.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn release(&self) -> Result<(), Unavailable> {
        ask!(self, release())
    }

    /// The incidents that another replica may have moved on since the last call.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn changed(&self) -> Result<Vec<IncidentId>, Unavailable> {
        ask!(self, changed())
    }

    /// Whether this replica is the one that does what only one may do (a chat's gateway connection). Changes when the leader goes.
    #[must_use]
    pub fn lead(&self) -> watch::Receiver<bool> {
        match &self.0 {
            Backend::Sqlite(_) => watch::Sender::new(true).subscribe(),
            Backend::Postgres(postgres) => Leader::run_for(postgres),
        }
    }

    /// Writes a complete copy of the store into a new SQLite file while it is being used.
    ///
    /// # Errors
    /// [`Unavailable`], also when the file exists.
    pub async fn backup(&self, file: &Path) -> Result<(), Unavailable> {
        match &self.0 {
            Backend::Sqlite(sqlite) => sqlite.backup(file).await,
            Backend::Postgres(_) => Err(Unavailable {
                reason: "a PostgreSQL store is backed up with pg_dump; firstcheck copies SQLite files"
                    .to_owned(),
            }),
        }
    }

    /// What is wrong inside the database, in its own words; empty when nothing is.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn integrity(&self) -> Result<Vec<String>, Unavailable> {
        match &self.0 {
            Backend::Sqlite(sqlite) => sqlite.integrity().await,
            Backend::Postgres(postgres) => postgres.integrity().await,
        }
    }

    /// The names of all incidents after this one, in order, at most 500: to walk through the whole store.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn incidents_after(&self, last: Option<&IncidentId>) -> Result<Vec<IncidentId>, Unavailable> {
        ask!(self, incidents_after(last))
    }

    /// Changes tokens, sessions or the audit log; gives whether anything changed.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn change_access(&self, change: AccessChange) -> Result<bool, Unavailable> {
        ask!(self, change_access(change))
    }

    /// Makes these changes, all or none, in a store that a bot may be using.
    ///
    /// # Errors
    /// [`OpenError`] when it cannot be opened or written.
    pub async fn change_beside(place: &Beside, changes: &[AccessChange]) -> Result<bool, OpenError> {
        match place {
            Beside::File(file) => sqlite::beside(file, changes).await,
            Beside::Server(url) => {
                let unusable = |error: Unavailable| OpenError::Unusable {
                    file: "the PostgreSQL store".to_owned(),
                    reason: error.reason,
                };
                Postgres::connect(url).await?.change_all(changes).await.map_err(unusable)
            }
        }
    }

    /// The token with this SHA-256, expired or not.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn token(&self, hash: &str) -> Result<Option<Token>, Unavailable> {
        ask!(self, token(hash))
    }

    /// Every token, by name.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn tokens(&self) -> Result<Vec<Token>, Unavailable> {
        ask!(self, tokens())
    }

    /// What was kept with the session of this SHA-256, if it is not over.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn session(&self, hash: &str, now: Timestamp) -> Result<Option<String>, Unavailable> {
        ask!(self, session(hash, now))
    }

    /// The entries of the audit log after this place, at most [`super::AUDIT_PAGE`].
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn audited(&self, after: u64) -> Result<Vec<Entry>, Unavailable> {
        ask!(self, audited(after))
    }
}

fn no_answer() -> Unavailable {
    Unavailable { reason: format!("the database did not answer within {} s", PATIENCE.as_secs()) }
}
