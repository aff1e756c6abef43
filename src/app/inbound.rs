//! What people say: answers, corrections, ends, and starts by hand, from whichever door.
//!
//! A reply that is no answer gets a polite reason and changes nothing.

use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::access::{Principal, Scope, Via};
use crate::alert::Alert;
use crate::app::once::Once;
use crate::app::{App, AppError, asked};
use crate::chat::{Inbound, Start, Which};
use crate::incident::{Event, IncidentId, Person, QuestionRecord, Said};
use crate::question::{Answer, QuestionId};

/// Replies that were no answer and are remembered; beyond it all are forgotten, and people are asked once more.
const MAX_MISREAD: usize = 4096;

/// Characters of a person's name: more than any chat allows.
const NAME: usize = 100;

/// Characters of a reason.
const REASON: usize = 500;

impl App {
    /// Takes an answer to one of the questions; the latest counts.
    ///
    /// # Errors
    /// [`AppError::Refused`] with the reason for a reply that is no answer or an incident that takes none,
    /// [`AppError::NoSuchIncident`], and [`AppError::Unavailable`].
    pub async fn answer(
        self: &Arc<Self>,
        id: &IncidentId,
        question: QuestionId,
        reply: &str,
        by: &str,
    ) -> Result<(), AppError> {
        self.answer_once(id, question, reply, by, None).await
    }

    /// As [`Self::answer`]; under this key it counts once. Words are redacted before they are stored.
    async fn answer_once(
        self: &Arc<Self>,
        id: &IncidentId,
        question: QuestionId,
        reply: &str,
        by: &str,
        once: Option<&str>,
    ) -> Result<(), AppError> {
        let answer = match Answer::parse(question, reply) {
            Ok(Answer::Text(words)) => Answer::Text(self.gate(id).document(&words)),
            Ok(picked) => picked,
            Err(error) => return Err(AppError::Refused(error.to_string())),
        };
        self.happen(id, Event::AnswerGiven { question, answer, by: by.to_owned() }, once).await
    }

    /// Takes an answer, unless somebody else has answered since this person looked: `seen` is the time of the answer they saw.
    /// Then the answer that counts comes back. (Replicas that take two at once keep both, the latest counts.)
    ///
    /// # Errors
    /// As [`Self::answer`].
    pub async fn answer_after(
        self: &Arc<Self>,
        id: &IncidentId,
        question: QuestionId,
        reply: &str,
        by: &str,
        seen: Option<Timestamp>,
    ) -> Result<Option<QuestionRecord>, AppError> {
        let _one_by_one = self.answering.lock().await;
        let incident = self.incident(id).await?.ok_or_else(|| AppError::NoSuchIncident(id.clone()))?;
        let known = incident.questions.into_iter().find(|record| record.question == question);
        if let Some(known) = known.filter(|record| record.answer.is_some() && record.answered_at != seen) {
            return Ok(Some(known));
        }
        self.answer(id, question, reply, by).await?;
        Ok(None)
    }

    /// Takes what a person says of the incident as a whole, and why. The reason and the names are redacted before they are
    /// stored.
    ///
    /// # Errors
    /// As [`Self::answer`]; [`AppError::Refused`] too for a name or a reason that is empty or too long.
    pub async fn say(
        self: &Arc<Self>,
        id: &IncidentId,
        said: Said,
        by: &str,
        reason: Option<&str>,
    ) -> Result<(), AppError> {
        self.say_once(id, said, by, reason, None).await
    }

    /// As [`Self::say`]; under this key it counts once.
    async fn say_once(
        self: &Arc<Self>,
        id: &IncidentId,
        said: Said,
        by: &str,
        reason: Option<&str>,
        once: Option<&str>,
    ) -> Result<(), AppError> {
        let gate = self.gate(id);
        let fitting = |what: &str, text: &str, most: usize| -> Result<String, AppError> {
            let text = text.trim();
            if text.is_empty() || text.chars().count() > most {
                return Err(AppError::Refused(format!("{what} has 1 to {most} characters")));
            }
            Ok(gate.text(text))
        };
        let said = match said {
            Said::Assign(to) => Said::Assign(Person { name: fitting("a name", &to.name, NAME)?, ..to }),
            Said::PassOn(question, to) => {
                Said::PassOn(question, Person { name: fitting("a name", &to.name, NAME)?, ..to })
            }
            said => said,
        };
        let by = fitting("a name", by, NAME)?;
        let reason = reason.map(|reason| fitting("a reason", reason, REASON)).transpose()?;
        self.happen(id, said.event(by, reason), once).await
    }

    async fn happen(
        self: &Arc<Self>,
        id: &IncidentId,
        event: Event,
        once: Option<&str>,
    ) -> Result<(), AppError> {
        let recorded = self.advance_once(id, &[event], None, Once::under(once)).await?;
        let recorded = recorded.ok_or_else(|| AppError::NoSuchIncident(id.clone()))?;
        let refused = recorded.into_iter().find_map(|recorded| match recorded.event {
            Event::Refused { reason } => Some(reason),
            _ => None,
        });
        refused.map_or(Ok(()), |reason| Err(AppError::Refused(reason)))
    }

    /// Notes a change that somebody makes through the chat, before it is made. Nothing of what they say is in the note.
    async fn noted(&self, by: &str, action: String) -> Result<(), String> {
        let who = Principal { name: by.to_owned(), via: Via::Chat, scope: Scope::Answer };
        let noted = self.audit(&who, None, action).await;
        noted.map_err(|error| AppError::from(error).for_people())
    }

    async fn hear(self: &Arc<Self>, inbound: Inbound) {
        // Whoever no longer waits for the reply has gone away; what they said counts all the same.
        match inbound {
            Inbound::Answer { incident, question, reply, by, once, respond } => {
                let taken = self.reply(&incident, question, &reply, &by, once.as_deref()).await;
                let _ = respond.send(taken);
            }
            Inbound::Start { start, by, once, respond } => {
                let started = match self.noted(&by, "start".to_owned()).await {
                    Ok(()) => self
                        .start_once(alert(&start, &by), &by, once.as_deref())
                        .await
                        .map_err(|error| error.for_people()),
                    Err(unavailable) => Err(unavailable),
                };
                let _ = respond.send(started);
            }
            Inbound::Moved { incident, thread, respond } => {
                let moved = self.happen(&incident, Event::ThreadOpened { thread }, None).await;
                if let Err(error) = &moved {
                    tracing::warn!(incident.id = %incident, %error, "the new thread could not be recorded");
                }
                let _ = moved.map(|()| respond.send(()));
            }
            Inbound::Say { which, said, by, reason, once, respond } => {
                let said = self.take_word(&which, said, &by, reason.as_deref(), once.as_deref()).await;
                let _ = respond.send(said);
            }
            // Whoever asks changes nothing, and may take a while: nobody waits behind them.
            asked => asked::answer(self, asked).await,
        }
    }

    /// Takes a reply in a chat. One that is no answer is sent back once, with examples; the second counts as `unknown`, so that
    /// nobody is held up by a question they cannot answer in its terms.
    async fn reply(
        self: &Arc<Self>,
        id: &IncidentId,
        question: QuestionId,
        reply: &str,
        by: &str,
        once: Option<&str>,
    ) -> Result<(), String> {
        let key = (id.clone(), question);
        let Err(misread) = Answer::parse(question, reply) else {
            self.misread.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            self.noted(by, format!("answer {question} {id}")).await?;
            let taken = self.answer_once(id, question, reply, by, once).await;
            return taken.map_err(|error| error.for_people());
        };
        let is_first = {
            let mut all = self.misread.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= MAX_MISREAD {
                all.clear();
            }
            all.insert(key.clone())
        };
        if is_first {
            return Err(misread.to_string());
        }
        self.misread.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        self.noted(by, format!("answer {question} {id}")).await?;
        let taken = self.answer_once(id, question, "unknown", by, once).await;
        taken.map_err(|error| error.for_people())
    }

    /// Takes what somebody says of an incident in a chat; gives its name.
    async fn take_word(
        self: &Arc<Self>,
        which: &Which,
        said: Said,
        by: &str,
        reason: Option<&str>,
        once: Option<&str>,
    ) -> Result<IncidentId, String> {
        let id = self.named(which).await.map_err(|error| error.for_people())?;
        self.noted(by, format!("{} {id}", said.id())).await?;
        self.say_once(&id, said, by, reason, once).await.map_err(|error| error.for_people())?;
        Ok(id)
    }
}

/// Listens to the chat until the app stops or the chat hangs up.
pub(super) fn listen(app: &Arc<App>, mut inbound: mpsc::Receiver<Inbound>) {
    let app = Arc::clone(app);
    tokio::spawn(async move {
        loop {
            let heard = tokio::select! {
                heard = inbound.recv() => heard,
                () = app.lanes.stopped() => None,
            };
            let Some(heard) = heard else { return };
            app.hear(heard).await;
        }
    });
}

/// What a person said of a problem, as an alert.
fn alert(start: &Start, by: &str) -> Alert {
    let place = start.endpoint.as_deref().or(start.service.as_deref());
    let title = start.title.clone().unwrap_or_else(|| match (start.status, place) {
        (Some(status), Some(place)) => format!("{status} on {place}"),
        (Some(status), None) => format!("{status} reported by {by}"),
        (None, Some(place)) => format!("{place} fails"),
        (None, None) => format!("a problem reported by {by}"),
    });
    let mut alert = Alert::titled("by_hand", &title);
    alert.service.clone_from(&start.service);
    alert.endpoint.clone_from(&start.endpoint);
    alert.http_status = start.status;
    alert
}
