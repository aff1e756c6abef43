//! What is on Discord's side of each open incident, and the edits that bring it up to date.
//!
//! Showing an incident only notes its newest state. One task per incident, alive while there is something to bring up to
//! date, edits what differs and then rests: ten events in a second are one edit. What is known here is a cache: after a
//! restart it is read back from the thread itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serenity::all::{ChannelId, MessageId};

use super::Session;
use super::words;
use crate::chat::ChatError;
use crate::incident::{Incident, IncidentId, Retry, Stage};
use crate::question::QuestionId;

/// Between two edits of one head: Discord allows about five edits in five seconds per channel, and a person reads slower.
const REST: Duration = Duration::from_millis(1100);

/// Every incident with a thread.
#[derive(Default)]
pub(super) struct Board {
    cards: Mutex<BTreeMap<IncidentId, Card>>,
}

/// One incident's side of Discord.
struct Card {
    incident: Arc<Incident>,
    thread: ChannelId,
    head: Option<String>,
    posted: BTreeMap<QuestionId, Posted>,
    /// Whether the thread has been read since we came here or came back.
    read: bool,
    working: bool,
}

/// A question's message.
struct Posted {
    message: MessageId,
    content: String,
    answer: Option<(String, String)>,
}

/// The next thing to bring up to date.
enum Job {
    ReadThread,
    Answered { question: QuestionId, message: MessageId, content: String, answer: (String, String) },
    Head { text: String },
}

impl Board {
    fn cards(&self) -> MutexGuard<'_, BTreeMap<IncidentId, Card>> {
        self.cards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread of ours, as it was just opened.
    pub(super) fn opened(&self, incident: &Incident, thread: ChannelId, head: String) {
        let incident = Arc::new(incident.clone());
        let card =
            Card { incident, thread, head: Some(head), posted: BTreeMap::new(), read: true, working: false };
        self.cards().insert(card.incident.id.clone(), card);
    }

    /// A question's message is out.
    pub(super) fn posted(&self, id: &IncidentId, question: QuestionId, message: MessageId, content: String) {
        if let Some(card) = self.cards().get_mut(id) {
            card.posted.entry(question).or_insert(Posted { message, content, answer: None });
        }
    }

    /// The incident whose thread this is, as it was last shown.
    pub(super) fn in_thread(&self, thread: ChannelId) -> Option<Arc<Incident>> {
        self.cards().values().find(|card| card.thread == thread).map(|card| Arc::clone(&card.incident))
    }

    /// The question that this message asks.
    pub(super) fn asked_by(&self, id: &IncidentId, message: MessageId) -> Option<QuestionId> {
        let cards = self.cards();
        cards
            .get(id)?
            .posted
            .iter()
            .find(|(_, posted)| posted.message == message)
            .map(|(question, _)| *question)
    }

    /// Notes the newest state, and whether somebody must be found to show it.
    fn note(&self, incident: &Incident) -> bool {
        let Some(thread) =
            incident.thread.as_deref().and_then(|thread| thread.parse().ok()).map(ChannelId::new)
        else {
            return false;
        };
        let mut cards = self.cards();
        let card = cards.entry(incident.id.clone()).or_insert_with(|| Card {
            incident: Arc::new(incident.clone()),
            thread,
            head: None,
            posted: BTreeMap::new(),
            read: false,
            working: false,
        });
        if card.incident.seq <= incident.seq {
            card.incident = Arc::new(incident.clone());
        }
        !std::mem::replace(&mut card.working, true)
    }

    /// Every thread must be read again: events may have been missed.
    pub(super) fn came_back(&self) -> Vec<IncidentId> {
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
    fn next_job(&self, id: &IncidentId, session: &Session) -> Result<Option<(ChannelId, Job)>, ChatError> {
        let mut cards = self.cards();
        let Some(card) = cards.get_mut(id) else { return Ok(None) };
        let thread = card.thread;
        if !card.read {
            return Ok(Some((thread, Job::ReadThread)));
        }
        for (question, posted) in &card.posted {
            let answer =
                card.incident.questions.iter().find(|it| it.question == *question).and_then(|record| {
                    Some((record.answer.as_ref()?.to_string(), record.by.clone().unwrap_or_default()))
                });
            if let Some(answer) = answer.filter(|answer| Some(answer) != posted.answer.as_ref()) {
                let (message, content) = (posted.message, posted.content.clone());
                return Ok(Some((thread, Job::Answered { question: *question, message, content, answer })));
            }
        }
        let text = words::head(&session.templates, &card.incident, session.config.on_call_role)?;
        if card.head.as_ref() != Some(&text) {
            return Ok(Some((thread, Job::Head { text })));
        }
        card.working = false;
        if card.incident.stage == Stage::Closed {
            cards.remove(id);
        }
        Ok(None)
    }

    /// Notes that the thread says it now, or that it cannot be made to.
    fn done(&self, id: &IncidentId, job: Job) {
        let mut cards = self.cards();
        let Some(card) = cards.get_mut(id) else { return };
        match job {
            Job::ReadThread => card.read = true,
            Job::Answered { question, answer, .. } => {
                if let Some(posted) = card.posted.get_mut(&question) {
                    posted.answer = Some(answer);
                }
            }
            Job::Head { text } => card.head = Some(text),
        }
    }

    fn stop_working(&self, id: &IncidentId) {
        if let Some(card) = self.cards().get_mut(id) {
            card.working = false;
        }
    }
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
    loop {
        let (thread, job) = match session.board.next_job(&id, &session) {
            Ok(Some(job)) => job,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(incident.id = %id, %error, "the incident cannot be put into words");
                return session.board.stop_working(&id);
            }
        };
        let is_head = matches!(job, Job::Head { .. });
        match perform(&session, &id, thread, &job).await {
            Ok(()) => {
                session.board.done(&id, job);
                if is_head {
                    tokio::time::sleep(REST).await;
                }
            }
            Err(ChatError { reason, retry: Retry::After(wait) }) => {
                tracing::debug!(incident.id = %id, reason, "the thread cannot be brought up to date yet");
                tokio::time::sleep(wait.max(REST)).await;
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
    id: &IncidentId,
    thread: ChannelId,
    job: &Job,
) -> Result<(), ChatError> {
    match job {
        Job::ReadThread => super::said::read_thread(session, id, thread).await,
        Job::Answered { message, content, answer: (answer, by), .. } => {
            let text = words::answered(&session.templates, content, answer, by)?;
            session.edit(thread, *message, &text, Some(Vec::new())).await
        }
        Job::Head { text } => {
            // The thread was opened from the head, so their ids are the same; the head stands in the channel.
            session
                .edit(ChannelId::new(session.config.channel), MessageId::new(thread.get()), text, None)
                .await
        }
    }
}
