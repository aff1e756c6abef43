//! What is on Discord's side of each open incident, and the edits that bring it up to date.
//!
//! Showing an incident only notes its newest state. One task per incident, alive while there is something to bring up to
//! date, edits what differs and then rests: ten events in a second are one edit. What is known here is a cache: after a
//! restart it is read back from the thread itself. What a head does not show (raw alerts, facts, the timeline) is not kept.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serenity::all::{ChannelId, Message, MessageId};
use tokio::sync::Notify;

use super::deliver::{self, Letter};
use super::thread::{self, Spot};
use super::wire::Failure;
use super::{Session, UNKNOWN_CHANNEL, UNKNOWN_MESSAGE, missed, nobody, words};
use crate::alert::Raw;
use crate::chat::ChatError;
use crate::incident::{Incident, IncidentId, Retry, Stage, StepState};
use crate::question::QuestionId;
use crate::template::Templates;
use asked::{Asked, Shown};

mod asked;

/// Between two edits of one head: Discord allows about five edits in five seconds per channel, and a person reads slower.
const REST: Duration = Duration::from_millis(1100);
/// The longest wait before another try of an edit.
const LONGEST: Duration = Duration::from_mins(2);
/// Messages that are remembered as taken, beyond those below the last one that was read.
const TAKEN: usize = 256;

/// Every incident with a thread.
#[derive(Default)]
pub(super) struct Board {
    cards: Mutex<BTreeMap<IncidentId, Card>>,
    /// Told whenever an incident's thread becomes known.
    grown: Notify,
}

/// One incident's side of Discord.
struct Card {
    incident: Arc<Incident>,
    spot: Spot,
    head: Option<String>,
    posted: BTreeMap<QuestionId, Asked>,
    /// Whether the thread has been read since we came here or came back.
    read: bool,
    taken: Taken,
    working: bool,
}

/// Which messages of people have been taken: a session may bring one twice, and reading back brings it once more.
#[derive(Default)]
struct Taken {
    /// Everything up to this message was read back.
    up_to: Option<MessageId>,
    beyond: BTreeSet<MessageId>,
}

/// The next thing to bring up to date.
enum Job {
    ReadThread,
    Question { question: QuestionId, message: MessageId, text: String, shown: Shown },
    Head { text: String },
}

impl Card {
    fn new(incident: &Incident, spot: Spot) -> Self {
        let incident = Arc::new(slim(incident));
        let posted = BTreeMap::new();
        Self { incident, spot, head: None, posted, read: false, taken: Taken::default(), working: false }
    }
}

impl Taken {
    /// Takes a message; false when it was taken before.
    fn take(&mut self, message: MessageId) -> bool {
        if self.up_to.is_some_and(|up_to| message <= up_to) || !self.beyond.insert(message) {
            return false;
        }
        if self.beyond.len() > TAKEN {
            self.up_to = self.beyond.pop_first();
        }
        true
    }

    fn read(&mut self, up_to: MessageId) {
        self.up_to = self.up_to.max(Some(up_to));
        self.beyond = self.beyond.split_off(&up_to);
    }
}

impl Board {
    fn cards(&self) -> MutexGuard<'_, BTreeMap<IncidentId, Card>> {
        self.cards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, id: &IncidentId, look: impl FnOnce(&mut Card) -> T) -> Option<T> {
        self.cards().get_mut(id).map(look)
    }

    /// A thread of ours, as it was just opened.
    pub(super) fn opened(&self, incident: &Incident, spot: Spot, head: String) {
        let mut cards = self.cards();
        let is_working = cards.get(&incident.id).is_some_and(|card| card.working);
        let card = Card { head: Some(head), read: true, working: is_working, ..Card::new(incident, spot) };
        cards.insert(incident.id.clone(), card);
        drop(cards);
        self.grown.notify_waiters();
    }

    /// The incident's thread, once it has one.
    pub(super) async fn thread_of(&self, id: &IncidentId) -> ChannelId {
        loop {
            let mut grown = pin!(self.grown.notified());
            // What happens from here on is heard.
            grown.as_mut().enable();
            if let Some(thread) = self.with(id, |card| card.spot.thread) {
                return thread;
            }
            grown.await;
        }
    }

    /// Where this incident's thread is, unless another replica has opened it again and recorded that.
    pub(super) fn spot_for(&self, incident: &Incident) -> Option<Spot> {
        self.with(&incident.id, |card| (card.incident.thread == incident.thread).then_some(card.spot))?
    }

    /// A question's message is out.
    pub(super) fn posted(&self, id: &IncidentId, question: QuestionId, message: MessageId, content: String) {
        self.with(id, |card| card.posted.entry(question).or_insert(Asked::posted(message, content)).message);
    }

    /// A question's message was found in the thread.
    pub(super) fn question_found(
        &self,
        id: &IncidentId,
        question: QuestionId,
        (message, says): (MessageId, String),
        templates: &Templates,
    ) {
        self.with(id, |card| {
            card.posted.entry(question).or_insert_with(|| Asked::found(templates, message, says)).message
        });
    }

    /// The head is another message than the thread began with.
    pub(super) fn head_found(&self, id: &IncidentId, head: (ChannelId, MessageId), content: String) {
        self.with(id, |card| {
            card.spot.head = head;
            card.head = Some(content);
        });
    }

    /// The incident whose thread this is, as it was last shown.
    pub(super) fn in_thread(&self, thread: ChannelId) -> Option<Arc<Incident>> {
        self.cards().values().find(|card| card.spot.thread == thread).map(|card| Arc::clone(&card.incident))
    }

    /// The question that this message asks.
    pub(super) fn asked_by(&self, id: &IncidentId, message: MessageId) -> Option<QuestionId> {
        self.with(id, |card| {
            let mut posted = card.posted.iter();
            posted.find(|(_, posted)| posted.message == message).map(|(question, _)| *question)
        })?
    }

    /// The question that this message replies to.
    pub(super) fn asks(&self, id: &IncidentId, reply: &Message) -> Option<QuestionId> {
        self.asked_by(id, reply.message_reference.as_ref()?.message_id?)
    }

    /// The last message of the thread that was read back.
    pub(super) fn read_up_to(&self, id: &IncidentId) -> Option<MessageId> {
        self.with(id, |card| card.taken.up_to)?
    }

    /// Everything in the thread up to this message was read back.
    pub(super) fn has_read(&self, id: &IncidentId, up_to: MessageId) {
        self.with(id, |card| card.taken.read(up_to));
    }

    /// Whether a message in a thread of ours comes for the first time; notes that it came.
    pub(super) fn is_new(&self, thread: ChannelId, message: MessageId) -> bool {
        let mut cards = self.cards();
        cards
            .values_mut()
            .find(|card| card.spot.thread == thread)
            .is_some_and(|card| card.taken.take(message))
    }

    /// Notes the newest state, and whether somebody must be found to show it.
    fn note(&self, incident: &Incident) -> bool {
        let thread = incident.thread.as_deref().and_then(|thread| thread.parse().ok()).filter(|id| *id != 0);
        let Some(thread) = thread.map(ChannelId::new) else { return false };
        let mut cards = self.cards();
        let begins = Spot { thread, head: (thread, MessageId::new(thread.get())) };
        let card = cards.entry(incident.id.clone()).or_insert_with(|| {
            self.grown.notify_waiters();
            Card::new(incident, begins)
        });
        if card.incident.seq > incident.seq {
            return false;
        }
        // Another replica opened the thread again: this one knows nothing of the new one.
        if card.spot.thread != thread && card.incident.thread != incident.thread {
            *card = Card { working: card.working, ..Card::new(incident, begins) };
        }
        card.incident = Arc::new(slim(incident));
        !std::mem::replace(&mut card.working, true)
    }

    /// Every thread must be read again: events may have been missed.
    fn came_back(&self) -> Vec<IncidentId> {
        let mut cards = self.cards();
        let mut idle = Vec::new();
        for (id, card) in cards.iter_mut() {
            card.read = false;
            if !std::mem::replace(&mut card.working, true) {
                idle.push(id.clone());
            }
        }
        idle
    }

    /// What differs between the incident and its thread; when nothing does, the task ends.
    fn next_job(
        &self,
        id: &IncidentId,
        session: &Session,
    ) -> Result<Option<(Arc<Incident>, Spot, Job)>, ChatError> {
        let mut cards = self.cards();
        let Some(card) = cards.get_mut(id) else { return Ok(None) };
        let job = |card: &Card, job| Ok(Some((Arc::clone(&card.incident), card.spot, job)));
        if !card.read {
            return job(card, Job::ReadThread);
        }
        for (question, posted) in &mut card.posted {
            let question = *question;
            if let Some((text, shown)) = posted.differs(&session.templates, &card.incident, question)? {
                let message = posted.message;
                return job(card, Job::Question { question, message, text, shown });
            }
        }
        let (place, _) = session.routing.place(&card.incident);
        let console = session.config.console.as_ref();
        let text = words::head_with(&session.templates, &card.incident, place.on_call_role, console)?;
        if card.head.as_ref() != Some(&text) {
            return job(card, Job::Head { text });
        }
        card.working = false;
        if card.incident.stage == Stage::Closed {
            cards.remove(id);
        }
        Ok(None)
    }

    /// Notes that the thread says it now, or that it cannot be made to.
    fn done(&self, id: &IncidentId, job: Job) {
        self.with(id, |card| match job {
            Job::ReadThread => card.read = true,
            Job::Question { question, shown, .. } => {
                if let Some(posted) = card.posted.get_mut(&question) {
                    posted.says(shown);
                }
            }
            Job::Head { text } => card.head = Some(text),
        });
    }
}

/// The incident without what no head, question or answer needs.
fn slim(incident: &Incident) -> Incident {
    let mut slim = incident.clone();
    slim.timeline = Vec::new();
    for alert in &mut slim.alerts {
        alert.raw = Raw::default();
        alert.links = BTreeMap::new();
    }
    for record in &mut slim.steps {
        record.step.with = BTreeMap::new();
        if let StepState::Reported { report, .. } = &mut record.state {
            report.facts = BTreeMap::new();
            report.phases_ms = BTreeMap::new();
        }
    }
    slim
}

/// Shows an incident's newest state, soon.
pub(super) fn show(session: &Arc<Session>, incident: &Incident) {
    if session.board.note(incident) {
        tokio::spawn(work(Arc::clone(session), incident.id.clone()));
    }
}

/// Reads every thread for what was said while nobody listened.
pub(super) fn catch_up(session: &Arc<Session>) {
    for id in session.board.came_back() {
        tokio::spawn(work(Arc::clone(session), id));
    }
}

/// Brings one incident's side of Discord up to date, edit by edit, until nothing differs.
async fn work(session: Arc<Session>, id: IncidentId) {
    let mut failures = 0;
    loop {
        let (incident, spot, job) = match session.board.next_job(&id, &session) {
            Ok(Some(job)) => job,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(incident.id = %id, %error, "the incident cannot be put into words");
                session.board.with(&id, |card| card.working = false);
                return;
            }
        };
        let is_head = matches!(job, Job::Head { .. });
        match perform(&session, &incident, spot, &job).await {
            Ok(()) => {
                failures = 0;
                session.board.done(&id, job);
                if is_head {
                    tokio::time::sleep(REST).await;
                }
            }
            Err(ChatError { reason, retry: Retry::After(asked) }) => {
                tracing::debug!(incident.id = %id, reason, "the thread cannot be brought up to date yet");
                let doubled = REST.saturating_mul(1 << failures.min(10)).min(LONGEST);
                failures += 1;
                tokio::time::sleep(asked.max(doubled)).await;
            }
            Err(ChatError { reason, retry: Retry::Never }) => {
                tracing::warn!(incident.id = %id, reason, "part of the thread cannot be brought up to date");
                session.board.done(&id, job);
            }
        }
    }
}

async fn perform(
    session: &Arc<Session>,
    incident: &Incident,
    spot: Spot,
    job: &Job,
) -> Result<(), ChatError> {
    let performed = match job {
        Job::ReadThread => read_back(session, &incident.id, spot).await,
        Job::Question { message, text, shown, .. } => {
            // Rows that are not named stay.
            let rows = (!shown.can_change).then(Vec::new);
            match session.edit((spot.thread, *message), text, rows, nobody()).await {
                // The answer counts all the same, and the head and the issue have it.
                Err(failure) if failure.code == Some(UNKNOWN_MESSAGE) => Ok(()),
                edited => edited,
            }
        }
        Job::Head { text } => show_head(session, incident, spot, text).await,
    };
    match performed {
        Err(failure) if failure.code == Some(UNKNOWN_CHANNEL) && is_going_on(incident) => {
            thread::reopen(session, incident, spot.thread).await.map(drop)
        }
        other => Ok(other?),
    }
}

/// Whether people still need the thread: nobody wants one back of an incident that is over.
fn is_going_on(incident: &Incident) -> bool {
    !matches!(incident.stage, Stage::Resolved | Stage::Closed)
}

async fn read_back(session: &Arc<Session>, id: &IncidentId, spot: Spot) -> Result<(), Failure> {
    if session.board.with(id, |card| card.head.is_none()) == Some(true) {
        let (spot, head) = missed::locate(session, spot.thread).await?;
        session.board.with(id, |card| {
            card.spot = spot;
            card.head = head;
        });
    }
    missed::read(session, id, spot.thread).await
}

/// Edits the head; one that was deleted is posted once more, in the thread.
async fn show_head(
    session: &Arc<Session>,
    incident: &Incident,
    spot: Spot,
    text: &str,
) -> Result<(), Failure> {
    let (place, _) = session.routing.place(incident);
    match session.edit(spot.head, text, None, deliver::role(place.on_call_role)).await {
        Err(failure) if failure.code == Some(UNKNOWN_MESSAGE) => {
            tracing::warn!(incident.id = %incident.id, "the head is gone; it is posted again in the thread");
            let key = format!("head {} in {} after {}", incident.id, spot.thread, spot.head.1);
            let letter = Letter { text, key: &key, ..Letter::default() };
            let message = session.post(spot.thread, &letter).await?;
            session.board.with(&incident.id, |card| card.spot.head = (spot.thread, message));
            Ok(())
        }
        edited => edited,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_once_however_often_it_comes() {
        let mut taken = Taken::default();
        let id = MessageId::new;
        assert!(taken.take(id(12)) && !taken.take(id(12)));
        taken.read(id(10));
        assert!(!taken.take(id(9)) && !taken.take(id(12)) && taken.take(id(11)));
        for message in 100..100 + 2 * TAKEN as u64 {
            assert!(taken.take(id(message)));
        }
        assert!(taken.beyond.len() <= TAKEN && !taken.take(id(100)));
    }

    #[test]
    fn a_thread_that_another_replica_opened_again_is_believed() {
        let board = Board::default();
        let mut incident = crate::chat::samples::incident();
        incident.thread = Some("5".into());
        let spot = Spot { thread: ChannelId::new(7), head: (ChannelId::new(1), MessageId::new(7)) };
        board.opened(&incident, spot, String::new());
        assert_eq!(board.spot_for(&incident), Some(spot), "ours, which is not recorded yet");
        incident.thread = Some("9".into());
        assert_eq!(board.spot_for(&incident), None, "theirs, which is");
    }

    #[test]
    fn what_is_kept_of_an_incident_still_makes_the_same_head() {
        let mut incident = crate::chat::samples::incident();
        crate::chat::samples::conclude(&mut incident);
        incident.alerts[0].raw = serde_json::json!({"large": "x".repeat(10_000)}).into();
        let templates = crate::template::Templates::builtin();
        let head = |incident| words::head(&templates, incident, None).unwrap();
        assert_eq!(head(&slim(&incident)), head(&incident));
        assert!(serde_json::to_string(&slim(&incident)).unwrap().len() < 8000);
    }
}
