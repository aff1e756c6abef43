//! The one task that writes. It takes whatever has queued up while the last group was being flushed and commits it
//! together ([`group`]): under a storm of alerts a hundred commits share one `fsync`, and alone a commit waits for nobody.
//!
//! One that is refused (a conflict, a taken key) leaves the rest of its group as it is; one that the database cannot bear is told apart
//! from the others by writing each of them alone. Nobody is answered before the group is on disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::{mpsc, oneshot};

use crate::incident::IncidentId;
use crate::store::access::AccessChange;
use crate::store::sqlite::{group, is_damage, unavailable};
use crate::store::{Commit, CommitError, Heard, Kept, Note, Pending, Piece, Settled, Unavailable};

/// Writes that may queue up before callers wait: far more than a group, so that waiting means the disk is slow.
const QUEUE: usize = 1024;

/// Writes in one transaction: enough to share the flush, few enough to answer within a second on a slow disk.
const GROUP: usize = 256;

#[derive(Debug, Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<(Write, oneshot::Sender<Done>)>,
}

#[derive(Debug)]
pub(super) enum Write {
    Commit(Box<Commit>),
    Repeat(Vec<Heard>, Timestamp),
    Settle(Box<Settled>),
    Keep(Kept, Option<Piece>),
    /// Pieces that tell nothing new, of this incident.
    Take(Vec<Piece>, Option<IncidentId>, Timestamp),
    /// These incidents, and deliveries kept before this moment.
    Forget(Vec<String>, Timestamp),
    Note(Box<Note>),
    Access(AccessChange),
    Probe,
}

/// What came of a write.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// The actions of a commit, in its order.
    pub(super) pending: Vec<Pending>,
    /// The incident of each alert that was counted.
    pub(super) counted: Vec<Option<IncidentId>>,
}

pub(super) type Done = Result<Written, CommitError>;

impl Writer {
    /// Starts the task; `options` open the file again after a group that failed.
    pub(super) fn start(
        connection: SqliteConnection,
        options: SqliteConnectOptions,
        damaged: Arc<AtomicBool>,
    ) -> Self {
        let (queue, requests) = mpsc::channel(QUEUE);
        tokio::spawn(write_all(Open { connection: Some(connection), options, damaged }, requests));
        Self { queue }
    }

    /// A writer that refuses: for a store that is only looked at.
    pub(super) fn nobody() -> Self {
        let (queue, _) = mpsc::channel(1);
        Self { queue }
    }

    pub(super) async fn commit(&self, commit: Commit) -> Result<Vec<Pending>, CommitError> {
        Ok(self.send(Write::Commit(Box::new(commit))).await?.pending)
    }

    pub(super) async fn repeat(
        &self,
        heard: Vec<Heard>,
        at: Timestamp,
    ) -> Result<Vec<Option<IncidentId>>, Unavailable> {
        Ok(self.simple(Write::Repeat(heard, at)).await?.counted)
    }

    pub(super) async fn settle(&self, settled: Settled) -> Result<(), Unavailable> {
        self.simple(Write::Settle(Box::new(settled))).await.map(drop)
    }

    pub(super) async fn keep(&self, delivery: Kept, piece: Option<Piece>) -> Result<(), Unavailable> {
        self.simple(Write::Keep(delivery, piece)).await.map(drop)
    }

    pub(super) async fn take(
        &self,
        pieces: Vec<Piece>,
        incident: Option<IncidentId>,
        at: Timestamp,
    ) -> Result<(), Unavailable> {
        self.simple(Write::Take(pieces, incident, at)).await.map(drop)
    }

    pub(super) async fn note(&self, note: Note) -> Result<(), Unavailable> {
        self.simple(Write::Note(Box::new(note))).await.map(drop)
    }

    pub(super) async fn ping(&self) -> Result<(), Unavailable> {
        self.simple(Write::Probe).await.map(drop)
    }

    pub(super) async fn forget(&self, over: Vec<String>, before: Timestamp) -> Result<(), Unavailable> {
        self.simple(Write::Forget(over, before)).await.map(drop)
    }

    /// Whether it changed anything.
    pub(super) async fn change_access(&self, change: AccessChange) -> Result<bool, Unavailable> {
        match self.send(Write::Access(change)).await {
            Ok(_) => Ok(true),
            Err(CommitError::Unavailable(error)) => Err(error),
            Err(_) => Ok(false),
        }
    }

    async fn simple(&self, write: Write) -> Result<Written, Unavailable> {
        self.send(write).await.map_err(|error| match error {
            CommitError::Unavailable(error) => error,
            refused => Unavailable { reason: refused.to_string() },
        })
    }

    async fn send(&self, write: Write) -> Done {
        let gone = || Unavailable { reason: "it was closed".to_owned() };
        let (reply, answer) = oneshot::channel();
        self.queue.send((write, reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

async fn write_all(mut file: Open, mut requests: mpsc::Receiver<(Write, oneshot::Sender<Done>)>) {
    let mut group = Vec::with_capacity(GROUP);
    while requests.recv_many(&mut group, GROUP).await > 0 {
        let (writes, replies): (Vec<Write>, Vec<_>) = group.drain(..).unzip();
        let answers = file.write_all(&writes).await;
        for (reply, answer) in replies.into_iter().zip(answers) {
            // Somebody who no longer waits has gone away; what was written stays written.
            let _ = reply.send(answer);
        }
    }
    if let Some(connection) = file.connection
        && let Err(error) = connection.close().await
    {
        tracing::warn!(%error, "the store did not close cleanly");
    }
}

/// The file, as long as nothing failed.
struct Open {
    connection: Option<SqliteConnection>,
    options: SqliteConnectOptions,
    damaged: Arc<AtomicBool>,
}

impl Open {
    async fn write_all(&mut self, writes: &[Write]) -> Vec<Done> {
        match self.write(writes).await {
            Ok(answers) => answers,
            Err(error) if writes.len() > 1 && is_of_one(&error) => {
                tracing::warn!(%error, "something in a group of writes was refused; each is written alone");
                let mut answers = Vec::with_capacity(writes.len());
                for write in writes.chunks(1) {
                    let answer = self.write(write).await;
                    answers.extend(answer.unwrap_or_else(|error| vec![Err(unavailable(&error).into())]));
                }
                answers
            }
            Err(error) => {
                let failed = unavailable(&error);
                tracing::error!(
                    error = failed.reason,
                    count = writes.len(),
                    "the store could not be written"
                );
                let refused = |_: &Write| Err(Unavailable { reason: failed.reason.clone() }.into());
                writes.iter().map(refused).collect()
            }
        }
    }

    /// Writes a group. After one that failed (a full disk, a lock) the connection is in a state nobody should guess at: it is closed, which
    /// rolls back, and the next group has a new one. So the store recovers as soon as the disk does.
    async fn write(&mut self, writes: &[Write]) -> Result<Vec<Done>, sqlx::Error> {
        let mut open = match self.connection.take() {
            Some(open) => open,
            None => self.options.connect().await?,
        };
        let written = self.write_with(&mut open, writes).await;
        match &written {
            Ok(_) => self.connection = Some(open),
            Err(error) => {
                if is_damage(error) {
                    self.damaged.store(true, Ordering::Release);
                }
                // What closing says is what the group has said already.
                drop(open.close().await);
            }
        }
        written
    }

    /// Of a damaged file, some pages can be written all the same: whoever asks whether it is well has all of it read.
    async fn write_with(
        &self,
        open: &mut SqliteConnection,
        writes: &[Write],
    ) -> Result<Vec<Done>, sqlx::Error> {
        let asked = writes.iter().any(|write| matches!(write, Write::Probe));
        if asked && self.damaged.load(Ordering::Acquire) {
            let said: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut *open).await?;
            if said != "ok" {
                return Err(sqlx::Error::Protocol(format!("the database file is damaged: {said}")));
            }
            self.damaged.store(false, Ordering::Release);
            tracing::info!("the database file is sound again");
        }
        group::write(open, writes).await
    }
}

/// Whether one of the writes is to blame, and not the disk.
fn is_of_one(error: &sqlx::Error) -> bool {
    use sqlx::error::ErrorKind;
    matches!(error, sqlx::Error::Database(error) if !matches!(error.kind(), ErrorKind::Other))
}
