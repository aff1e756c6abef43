//! What people say: answers, corrections, ends, and starts by hand, from whichever door.
//!
//! A reply that is no answer gets a polite reason and changes nothing.

use std::sync::{Arc, PoisonError};

use tokio::sync::mpsc;

use crate::alert::Alert;
use crate::app::{App, AppError, Filter};
use crate::chat::{Inbound, Start, Which};
use crate::incident::{Event, Incident, IncidentId, Person, Said};
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
        let answer = Answer::parse(question, reply).map_err(|error| AppError::Refused(error.to_string()))?;
        self.happen(id, Event::AnswerGiven { question, answer, by: by.to_owned() }).await
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
        self.happen(id, said.event(by, reason)).await
    }

    async fn happen(self: &Arc<Self>, id: &IncidentId, event: Event) -> Result<(), AppError> {
        let recorded =
            self.advance(id, &[event], None).await?.ok_or_else(|| AppError::NoSuchIncident(id.clone()))?;
        let refused = recorded.into_iter().find_map(|recorded| match recorded.event {
            Event::Refused { reason } => Some(reason),
            _ => None,
        });
        refused.map_or(Ok(()), |reason| Err(AppError::Refused(reason)))
    }

    async fn hear(self: &Arc<Self>, inbound: Inbound) {
        // Whoever no longer waits for the reply has gone away; what they said counts all the same.
        match inbound {
            Inbound::Answer { incident, question, reply, by, respond } => {
                let taken = self.reply(&incident, question, &reply, &by).await;
                let _ = respond.send(taken);
            }
            Inbound::Start { start, by, respond } => {
                let started = self.start_by_hand(alert(&start, &by), &by).await;
                let _ = respond.send(started.map_err(|error| for_people(&error)));
            }
            Inbound::Say { which, said, by, reason, respond } => {
                let _ = respond.send(self.take_word(&which, said, &by, reason.as_deref()).await);
            }
            Inbound::Moved { incident, thread, respond } => {
                let moved = self.happen(&incident, Event::ThreadOpened { thread }).await;
                if let Err(error) = &moved {
                    tracing::warn!(incident.id = %incident, %error, "the new thread could not be recorded");
                }
                let _ = moved.map(|()| respond.send(()));
            }
            Inbound::Status { which, respond } => {
                let _ = respond.send(self.find(&which).await);
            }
            Inbound::List { respond } => {
                let _ = respond.send(self.open_incidents().await);
            }
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
    ) -> Result<(), String> {
        let key = (id.clone(), question);
        let Err(misread) = Answer::parse(question, reply) else {
            self.misread.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            return self.answer(id, question, reply, by).await.map_err(|error| for_people(&error));
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
        self.answer(id, question, "unknown", by).await.map_err(|error| for_people(&error))
    }

    /// Takes what somebody says of an incident in a chat; gives its name.
    async fn take_word(
        self: &Arc<Self>,
        which: &Which,
        said: Said,
        by: &str,
        reason: Option<&str>,
    ) -> Result<IncidentId, String> {
        let id = match which {
            Which::Id(id) => id.clone(),
            Which::Thread(_) => match self.find(which).await {
                Some(incident) => incident.id.clone(),
                None => return Err("This is no open incident's thread; say the incident's id.".to_owned()),
            },
        };
        self.say(&id, said, by, reason).await.map_err(|error| for_people(&error))?;
        Ok(id)
    }

    async fn find(&self, which: &Which) -> Option<Arc<Incident>> {
        match which {
            Which::Id(id) => self.incident(id).await.ok().flatten().map(Arc::new),
            Which::Thread(thread) => {
                let open = self.open_incidents().await;
                open.into_iter().find(|incident| incident.thread.as_ref() == Some(thread))
            }
        }
    }

    async fn open_incidents(&self) -> Vec<Arc<Incident>> {
        let mut open = Vec::new();
        for summary in self.store.list(Filter::Open, 100).await.unwrap_or_default() {
            if let Ok(Some(incident)) = self.incident(&summary.id).await {
                open.push(Arc::new(incident));
            }
        }
        open
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

/// The reason without internals.
fn for_people(error: &AppError) -> String {
    match error {
        AppError::Unavailable(_) => {
            "The bot cannot write to its store now, so this was not taken. Please try again in a minute."
                .to_owned()
        }
        _ => error.to_string(),
    }
}
