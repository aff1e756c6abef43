//! What a chat must do: open a thread per incident, show how it stands, ask, and say.
//!
//! A chat decides nothing: what is asked and said comes from triage, and what people reply goes back to the app as
//! [`Inbound`]. Everything given to a chat has passed the redaction gate already. The surprise: [`Chat::ask`] and
//! [`Chat::say`] return when the message is *out*, never when somebody has reacted; the reaction arrives later, perhaps
//! after a restart, through the channel of [`Inbound`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::incident::{Incident, IncidentId, Retry, Said};
use crate::outcome::{CheckKind, Report};
use crate::question::{Answer, QuestionId};
use crate::runbook::Question;
use crate::triage::Note;

pub mod discord;
#[cfg(test)]
mod samples;
pub mod terminal;

/// Where people read and answer. A cheap handle.
#[derive(Debug, Clone)]
pub enum Chat {
    /// The terminal of the person who started the program.
    Terminal(terminal::Terminal),
    /// A Discord channel with a thread per incident.
    Discord(discord::Discord),
    /// Nowhere of its own: people read and answer over the HTTP API, where everything is already.
    Console,
}

/// The chat could not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ChatError {
    /// Why, in one sentence that names what a person can change, where a person can.
    pub reason: String,
    /// Whether trying again may help.
    pub retry: Retry,
}

impl ChatError {
    /// A failure that another try may mend.
    #[must_use]
    pub fn again(reason: impl Into<String>, after: Duration) -> Self {
        Self { reason: reason.into(), retry: Retry::After(after) }
    }

    /// A failure that a person must mend first.
    #[must_use]
    pub fn never(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retry: Retry::Never }
    }
}

/// What people do in a chat. Each carries a way back to the person who did it; dropping it unanswered tells them that the
/// bot is stopping.
#[derive(Debug)]
pub enum Inbound {
    /// Somebody answered a question.
    Answer {
        /// The incident.
        incident: IncidentId,
        /// The question.
        question: QuestionId,
        /// The reply as given: an answer's id, several with commas, its number, `unknown`, or words.
        reply: String,
        /// Who, as the chat names people.
        by: String,
        /// Under this key it counts once, however often the chat tells it.
        once: Option<String>,
        /// Taken, or why not.
        respond: oneshot::Sender<Result<(), String>>,
    },
    /// Somebody starts an incident by hand.
    Start {
        /// What they said of it.
        start: Start,
        /// Who, as the chat names people.
        by: String,
        /// Under this key it counts once, however often the chat tells it.
        once: Option<String>,
        /// The new incident's (or the open one's, when it is already known) name, or why not.
        respond: oneshot::Sender<Result<IncidentId, String>>,
    },
    /// Somebody says something of an incident as a whole.
    Say {
        /// Which: by its id, or by the thread it was said in.
        which: Which,
        /// What.
        said: Said,
        /// Who, as the chat names people.
        by: String,
        /// Why, in their words.
        reason: Option<String>,
        /// Under this key it counts once, however often the chat tells it.
        once: Option<String>,
        /// The incident's name, or why it was not taken.
        respond: oneshot::Sender<Result<IncidentId, String>>,
    },
    /// The incident's thread was deleted, and the chat has opened another.
    Moved {
        /// The incident.
        incident: IncidentId,
        /// The new thread ([`Incident::thread`]).
        thread: String,
        /// It is recorded.
        respond: oneshot::Sender<()>,
    },
    /// Somebody asks how an incident stands.
    Status {
        /// Which: by its id, or by the thread the question was asked in.
        which: Which,
        /// Its redacted copy, or `None` when there is no such incident.
        respond: oneshot::Sender<Option<Arc<Incident>>>,
    },
    /// Somebody asks which incidents are open.
    List {
        /// Redacted copies, newest first.
        respond: oneshot::Sender<Vec<Arc<Incident>>>,
    },
    /// Somebody asks for the evidence pack.
    Evidence {
        /// Of which incident.
        which: Which,
        /// Its name and the pack as Markdown, redacted; or why not.
        respond: oneshot::Sender<Result<(IncidentId, String), String>>,
    },
    /// Somebody wants a check run, apart from any incident.
    Check {
        /// The kind.
        check: CheckKind,
        /// What to check, as on the command line.
        target: String,
        /// Its `with:` keys.
        with: BTreeMap<String, String>,
        /// What it found, redacted; or why it was not run.
        respond: oneshot::Sender<Result<Report, String>>,
    },
    /// Somebody asks for the runbooks, or for one of them or a cause.
    Runbooks {
        /// Which; all of them when nothing is said.
        name: Option<String>,
        /// In words, as Markdown; or that there is none.
        respond: oneshot::Sender<Result<String, String>>,
    },
    /// Somebody is typing, and may be spared the rest.
    Suggest {
        /// What they are naming.
        what: Suggest,
        /// What they have typed.
        typed: String,
        /// At most 25, the best first.
        respond: oneshot::Sender<Vec<Suggestion>>,
    },
}

/// What somebody is naming while they type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suggest {
    /// An open incident.
    OpenIncidents,
    /// Any incident.
    Incidents,
    /// A service.
    Services,
    /// A runbook or a cause.
    Runbooks,
    /// What a check of this kind can be pointed at; of any kind when it is not said yet.
    Targets(Option<CheckKind>),
}

/// Something somebody may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// What is sent.
    pub value: String,
    /// What is read.
    pub label: String,
}

/// What a person says of a problem when they start an incident by hand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Start {
    /// One line.
    pub title: Option<String>,
    /// The service's name.
    pub service: Option<String>,
    /// URL, path or host that fails.
    pub endpoint: Option<String>,
    /// The HTTP status people see.
    pub status: Option<u16>,
}

/// Which incident is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The one with this id.
    Id(IncidentId),
    /// The one this thread belongs to ([`Incident::thread`]).
    Thread(String),
}

impl Chat {
    /// Opens the incident's thread and returns the chat's own reference to it ([`Incident::thread`]). Twice is once.
    ///
    /// # Errors
    /// [`ChatError`] when the chat cannot be reached or refuses.
    pub async fn open_thread(&self, incident: &Incident) -> Result<String, ChatError> {
        match self {
            Self::Terminal(terminal) => Ok(terminal.open_thread(incident)),
            Self::Discord(discord) => discord.open_thread(incident).await,
            Self::Console => Ok("console".to_owned()),
        }
    }

    /// Puts a question into the incident's thread. The same `nonce` (the action's id, at most 25 characters) twice is once.
    ///
    /// # Errors
    /// [`ChatError`] when the chat cannot be reached or refuses.
    pub async fn ask(
        &self,
        incident: &Incident,
        question: &Question,
        because: &str,
        nonce: &str,
    ) -> Result<(), ChatError> {
        match self {
            Self::Terminal(terminal) => {
                terminal.ask(incident, question, because);
                Ok(())
            }
            Self::Discord(discord) => discord.ask(incident, question, because, nonce).await,
            Self::Console => Ok(()),
        }
    }

    /// Says something in the incident's thread. The same `nonce` twice is once.
    ///
    /// # Errors
    /// [`ChatError`] when the chat cannot be reached or refuses.
    pub async fn say(&self, incident: &Incident, note: &Note, nonce: &str) -> Result<(), ChatError> {
        match self {
            Self::Terminal(terminal) => {
                terminal.say(incident, note);
                Ok(())
            }
            Self::Discord(discord) => discord.say(incident, note, nonce).await,
            Self::Console => Ok(()),
        }
    }

    /// Takes something a person did that comes as an HTTP request of the chat's service (its body, whose sender is proved), and
    /// gives what is answered at once, as JSON. Never waits for anything but, within half a second, suggestions.
    ///
    /// # Errors
    /// [`ChatError`] when this chat takes none, or it cannot be read.
    pub async fn interact(&self, body: &[u8]) -> Result<Vec<u8>, ChatError> {
        match self {
            Self::Discord(discord) => discord.interact(body).await,
            Self::Terminal(_) | Self::Console => {
                Err(ChatError::never("this bot's chat takes no interactions over HTTP"))
            }
        }
    }

    /// Shows how the incident stands now: checks as they run, answers as they come, the belief. Never waits and never
    /// fails; a newer state replaces one that is not shown yet. Call it after every event, and once per open incident
    /// after a restart: that is how a chat learns again which threads are its own.
    pub fn show(&self, incident: &Incident) {
        match self {
            Self::Terminal(terminal) => terminal.show(incident),
            Self::Discord(discord) => discord.show(incident),
            Self::Console => {}
        }
    }
}

impl Chat {
    /// What the chat counted since the start, for the metrics page: name, labels, count.
    #[must_use]
    pub fn counters(&self) -> Vec<(&'static str, String, u64)> {
        match self {
            Self::Discord(discord) => discord.counters(),
            Self::Terminal(_) | Self::Console => Vec::new(),
        }
    }
}

/// The open question that loose words in a thread answer, if any: the oldest whose closed list has them, else the oldest
/// that takes words when `addressed` says that they were meant for the bot. People talk in an incident's thread; talk is
/// no answer.
#[must_use]
pub fn question_for(incident: &Incident, words: &str, addressed: bool) -> Option<QuestionId> {
    let open = || incident.open_questions().map(|record| record.question);
    let listed = open()
        .find(|question| matches!(Answer::parse(*question, words), Ok(Answer::Picked(_) | Answer::Unknown)));
    listed.or_else(|| open().find(|question| addressed && question.choice().takes_text()))
}

/// Decibans as the factor by which the odds moved: `×20`, or `÷4.0` against.
fn odds(decibans: f64) -> String {
    let factor = 10_f64.powf(decibans.abs() / 10.0);
    let sign = if decibans >= 0.0 { '×' } else { '÷' };
    if factor >= 1000.0 {
        format!("{sign}999+")
    } else if factor >= 9.95 {
        format!("{sign}{factor:.0}")
    } else {
        format!("{sign}{factor:.1}")
    }
}

/// A probability in whole percents, never rounded to certainty.
fn percent(share: f64) -> String {
    if share < 0.005 {
        "<1".to_owned()
    } else if share > 0.995 {
        ">99".to_owned()
    } else {
        format!("{:.0}", share * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odds_are_factors() {
        assert_eq!(odds(13.0), "×20");
        assert_eq!(odds(-6.0), "÷4.0");
        assert_eq!(odds(90.0), "×999+");
    }

    #[test]
    fn nothing_is_impossible_or_certain() {
        assert_eq!([0.0, 0.004, 0.93, 0.994, 0.9999].map(percent), ["<1", "<1", "93", "99", ">99"]);
    }

    #[track_caller]
    fn check(asked: &[QuestionId], words: &str, addressed: bool, expected: Option<QuestionId>) {
        let mut incident = samples::incident();
        for question in asked {
            let event = crate::incident::Event::QuestionAsked { question: *question, because: String::new() };
            incident.record(event, jiff::Timestamp::UNIX_EPOCH);
        }
        assert_eq!(question_for(&incident, words, addressed), expected, "{words}");
    }

    #[test]
    fn words_in_a_thread_answer_the_question_whose_list_has_them() {
        use QuestionId::{EndpointScope, FailingRequest, LatencyFirst};
        check(&[EndpointScope, LatencyFirst], "several", false, Some(EndpointScope));
        check(&[EndpointScope, LatencyFirst], "yes", false, Some(LatencyFirst));
        check(&[LatencyFirst, FailingRequest], "I am looking at the graphs", false, None);
        check(&[LatencyFirst, FailingRequest], "curl https://api.example.com", true, Some(FailingRequest));
        check(&[], "yes", true, None);
    }
}
