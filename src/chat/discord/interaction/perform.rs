//! What an interaction means, done after it was acknowledged, and its outcome told to whoever did it.
//!
//! Everything that changes something carries the interaction's id: told twice, it counts once.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use serenity::all::{InteractionId, MessageFlags};
use serenity::http::{LightMethod, Route};
use tokio::sync::oneshot;

use crate::chat::discord::command::Typed;
use crate::chat::discord::deliver::{self, CONTINUED, FILES, NO_FILES};
use crate::chat::discord::split::MESSAGE;
use crate::chat::discord::wire::{Failure, File};
use crate::chat::discord::{Session, components, nobody, words};
use crate::chat::{ChatError, Inbound, Suggest, Suggestion, Which};
use crate::evidence::redact;
use crate::incident::{Incident, IncidentId, Retry, Said};
use crate::outcome::Report;
use crate::question::QuestionId;
use crate::template::neutral;

/// How long a person is left waiting for a verdict on a reply; storing one takes milliseconds.
const VERDICT: Duration = Duration::from_secs(10);
/// How long for what takes longer: a check has its own deadline, and the interaction's token lives for 15 minutes.
const LONG: Duration = Duration::from_mins(3);
/// How long somebody who started an incident waits to be told its thread.
const OPENED: Duration = Duration::from_secs(3);
/// What is said when the app does not answer.
const STOPPING: &str = "The bot is stopping; try again in a minute.";
/// Discord's code for an interaction whose first answer it has not taken in yet.
const NOT_YET: u32 = 10015;
/// Tries to follow up before Discord has taken the first answer in, or while it takes no more, and the pause between them.
const TRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(250);
/// The longest pause: the interaction's token lives for 15 minutes.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Something to be done for somebody.
pub(in crate::chat::discord) struct Job {
    pub(in crate::chat::discord) id: InteractionId,
    /// With it the person can be answered for 15 minutes. A secret.
    pub(in crate::chat::discord) token: String,
    /// Who, as Discord names people.
    pub(in crate::chat::discord) by: String,
    pub(in crate::chat::discord) what: What,
}

/// What is to be done.
pub(in crate::chat::discord) enum What {
    Answer { incident: IncidentId, question: QuestionId, reply: String },
    PassOn { incident: IncidentId, said: Said },
    Command { typed: Typed, thread: String },
}

/// What somebody is told.
struct Told {
    text: String,
    files: Vec<File>,
}

impl From<String> for Told {
    fn from(text: String) -> Self {
        Self { text, files: Vec::new() }
    }
}

/// Where somebody is told it.
struct Way<'a> {
    first: First,
    /// Whether nobody else reads it.
    is_private: bool,
    /// The interaction's. A secret.
    token: &'a str,
}

/// Where the first message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    /// Below what was done.
    FollowUp,
    /// Into the deferred answer, as private as that is.
    Original,
    /// In place of the menu that was picked from.
    WithoutMenu,
}

pub(super) async fn perform(session: &Arc<Session>, job: Job) {
    let Job { id, token, by, what } = job;
    let once = Some(format!("discord {id}"));
    match what {
        What::Answer { incident, question, reply } => {
            let secrets = secrets(&reply);
            let told = match session.answer(incident, question, reply, by, once).await {
                Ok(()) => secrets.map(|kinds| taken_out(&kinds)),
                Err(why) => Some(why),
            };
            if let Some(told) = told {
                session
                    .answer_by(&Way { first: First::FollowUp, is_private: true, token: &token }, told.into())
                    .await;
            }
        }
        What::PassOn { incident, said } => {
            let to = match &said {
                Said::PassOn(_, to) => neutral::inline(&to.name),
                _ => String::new(),
            };
            let text = match session.say(Which::Id(incident), said, by, None, once).await {
                Ok(_) => format!("{to} is asked in the thread."),
                Err(why) => why,
            };
            session
                .answer_by(&Way { first: First::WithoutMenu, is_private: true, token: &token }, text.into())
                .await;
        }
        What::Command { typed, thread } => {
            let is_private = typed.is_private();
            let told = session.run(typed, thread, by, once).await;
            session.answer_by(&Way { first: First::Original, is_private, token: &token }, told).await;
        }
    }
}

/// What looks like a secret in words somebody sent, by kind.
pub(in crate::chat::discord) fn secrets(reply: &str) -> Option<String> {
    let mut kinds: Vec<String> =
        redact::scan(reply).into_iter().map(|leak| format!("`{}`", leak.kind)).collect();
    kinds.sort();
    kinds.dedup();
    (!kinds.is_empty()).then(|| kinds.join(", "))
}

/// Told to whoever sent a secret.
pub(in crate::chat::discord) fn taken_out(kinds: &str) -> String {
    format!(
        "Your answer was taken. What looked like a secret in it ({kinds}) was taken out before anything was stored. If it \
         was a real one, revoke it: it has been sent over a chat."
    )
}

/// What somebody may mean; `None` when the app does not answer.
pub(super) async fn suggestions(session: &Session, what: Suggest, typed: String) -> Option<Vec<Suggestion>> {
    let (respond, found) = oneshot::channel();
    ask_app(session, VERDICT, Inbound::Suggest { what, typed, respond }, found).await
}

async fn ask_app<T>(
    session: &Session,
    patience: Duration,
    inbound: Inbound,
    verdict: oneshot::Receiver<T>,
) -> Option<T> {
    let asked = async {
        session.inbound.send(inbound).await.ok()?;
        verdict.await.ok()
    };
    tokio::time::timeout(patience, asked).await.ok().flatten()
}

fn stopping() -> String {
    STOPPING.to_owned()
}

impl Session {
    /// Gives an answer to the app and waits for its verdict.
    pub(in crate::chat::discord) async fn answer(
        &self,
        incident: IncidentId,
        question: QuestionId,
        reply: String,
        by: String,
        once: Option<String>,
    ) -> Result<(), String> {
        let (respond, verdict) = oneshot::channel();
        let answer = Inbound::Answer { incident, question, reply, by, once, respond };
        ask_app(self, VERDICT, answer, verdict).await.unwrap_or_else(|| Err(stopping()))
    }

    async fn say(
        &self,
        which: Which,
        said: Said,
        by: String,
        reason: Option<String>,
        once: Option<String>,
    ) -> Result<IncidentId, String> {
        let (respond, verdict) = oneshot::channel();
        let word = Inbound::Say { which, said, by, reason, once, respond };
        ask_app(self, VERDICT, word, verdict).await.unwrap_or_else(|| Err(stopping()))
    }

    /// Does what a command says; gives what is answered.
    async fn run(&self, typed: Typed, thread: String, by: String, once: Option<String>) -> Told {
        let which = |id: Option<IncidentId>| id.map_or_else(|| Which::Thread(thread.clone()), Which::Id);
        let done = match typed {
            Typed::Start(start) => {
                let (respond, verdict) = oneshot::channel();
                let started =
                    ask_app(self, VERDICT, Inbound::Start { start, by, once, respond }, verdict).await;
                match started.unwrap_or_else(|| Err(stopping())) {
                    Ok(id) => Ok(self.opened(&id).await),
                    Err(why) => Err(why),
                }
            }
            Typed::Status(id) => {
                let (respond, verdict) = oneshot::channel();
                let asked = Inbound::Status { which: which(id), respond };
                match ask_app(self, VERDICT, asked, verdict).await {
                    Some(Some(incident)) => words::head(&self.templates, &incident, None)
                        .map_err(|error| format!("The incident cannot be put into words: {error}")),
                    Some(None) => Err("No such incident. Say its id, or ask in its thread.".to_owned()),
                    None => Err(stopping()),
                }
            }
            Typed::List => {
                let (respond, verdict) = oneshot::channel();
                let asked = ask_app(self, VERDICT, Inbound::List { respond }, verdict).await;
                asked.map(|incidents| listed(&incidents)).ok_or_else(stopping)
            }
            Typed::Say(id, said, reason) => {
                let done = done(&said);
                self.say(which(id), said, by, reason, once).await.map(|id| format!("`{id}` {done}."))
            }
            Typed::Evidence(id) => {
                let (respond, verdict) = oneshot::channel();
                let asked = Inbound::Evidence { which: which(id), respond };
                let pack = ask_app(self, VERDICT, asked, verdict).await.unwrap_or_else(|| Err(stopping()));
                return pack.map_or_else(Told::from, |(id, markdown)| evidence(&id, &markdown));
            }
            Typed::Check { check, target, with, share: _ } => {
                let (respond, verdict) = oneshot::channel();
                let asked = Inbound::Check { check, target, with, respond };
                let report = ask_app(self, LONG, asked, verdict).await.unwrap_or_else(|| Err(stopping()));
                report.and_then(|report| self.reported(&report))
            }
            Typed::Runbooks(name) => {
                let (respond, verdict) = oneshot::channel();
                let asked = Inbound::Runbooks { name, respond };
                ask_app(self, VERDICT, asked, verdict).await.unwrap_or_else(|| Err(stopping()))
            }
        };
        done.unwrap_or_else(|why| why).into()
    }

    /// Where an incident that was just started is: its thread, or the channel in which that will be opened.
    async fn opened(&self, id: &IncidentId) -> String {
        if let Ok(thread) = tokio::time::timeout(OPENED, self.board.thread_of(id)).await {
            return format!("Incident `{id}` is open; its thread is <#{thread}>.");
        }
        let (respond, verdict) = oneshot::channel();
        let asked = Inbound::Status { which: Which::Id(id.clone()), respond };
        let incident = ask_app(self, VERDICT, asked, verdict).await.flatten();
        let channel =
            incident.map_or(self.config.channel, |incident| self.routing.place(&incident).0.channel);
        format!("Incident `{id}` is open; its thread will be opened in <#{channel}>.")
    }

    fn reported(&self, report: &Report) -> Result<String, String> {
        #[derive(Serialize)]
        struct Values<'a> {
            report: &'a Report,
            facts: String,
        }
        let facts = serde_json::to_string_pretty(&report.facts).unwrap_or_default();
        let facts = if report.facts.is_empty() { String::new() } else { facts };
        self.templates
            .render("thread/report", &Values { report, facts })
            .map_err(|error| format!("The report cannot be put into words: {error}"))
    }

    /// Answers somebody: in as many messages and files as it takes.
    async fn answer_by(&self, way: &Way<'_>, told: Told) {
        let (texts, mut files) = deliver::laid_out(&told.text, told.files);
        let count = texts.len().max(files.len().div_ceil(FILES)).max(1);
        for place in 0..count {
            let text = texts.get(place).map_or(CONTINUED, String::as_str);
            let files: Vec<File> = files.drain(..files.len().min(FILES)).collect();
            let first = if place == 0 { way.first } else { First::FollowUp };
            let way = Way { first, ..*way };
            let put = match self.put(&way, text, &files).await {
                Err(failure) if !files.is_empty() && deliver::takes_no_files(&failure) => {
                    self.put_bare(&way, text, &files).await
                }
                put => put,
            };
            if let Err(failure) = put {
                tracing::warn!(reason = failure.error.reason, "a person could not be told what came of it");
                return;
            }
        }
    }

    /// Where files are not taken, their texts are said.
    async fn put_bare(&self, way: &Way<'_>, text: &str, files: &[File]) -> Result<(), Failure> {
        let (method, route) = self.route(way);
        self.wire.believe_in(method, route);
        self.put(way, &components::shortened(&format!("{NO_FILES}\n{text}"), MESSAGE), &[]).await?;
        for text in deliver::in_place_of(files) {
            self.put(&Way { first: First::FollowUp, ..*way }, &text, &[]).await?;
        }
        Ok(())
    }

    /// One message about an interaction. Over HTTP the first answer may still be on its way: until Discord has taken it in, the
    /// interaction has no message. A limit is waited out.
    async fn put(&self, way: &Way<'_>, text: &str, files: &[File]) -> Result<(), Failure> {
        let mut body = json!({"content": text, "allowed_mentions": nobody()});
        if !files.is_empty() {
            body["attachments"] = deliver::described(files);
        }
        if way.first == First::WithoutMenu {
            body["components"] = json!([]);
        }
        if way.first == First::FollowUp && way.is_private {
            body["flags"] = json!(MessageFlags::EPHEMERAL.bits());
        }
        let (method, route) = self.route(way);
        let mut tries = 1;
        loop {
            let told = self.wire.tell_with_files(method, route, &body, files).await;
            let wait = match &told {
                Err(failure) if failure.code == Some(NOT_YET) => PAUSE,
                // Twice is better than never.
                Err(Failure { error: ChatError { retry: Retry::After(wait), .. }, .. }) => {
                    (*wait).clamp(PAUSE, LONGEST_PAUSE)
                }
                _ => return told,
            };
            if tries == TRIES {
                return told;
            }
            tries += 1;
            tokio::time::sleep(wait).await;
        }
    }

    fn route<'a>(&self, way: &Way<'a>) -> (LightMethod, Route<'a>) {
        let (application_id, token) = (self.application, way.token);
        match way.first {
            First::FollowUp => (LightMethod::Post, Route::WebhookFollowupMessages { application_id, token }),
            First::Original | First::WithoutMenu => {
                (LightMethod::Patch, Route::WebhookOriginalInteractionResponse { application_id, token })
            }
        }
    }
}

/// The evidence as a file: nobody reads a pack in messages.
fn evidence(id: &IncidentId, markdown: &str) -> Told {
    let text = format!("The evidence of `{id}`, without secrets.");
    let mut files = deliver::text_files(&format!("evidence-{id}"), markdown);
    for file in &mut files {
        file.alt = format!("The evidence pack of incident {id}.");
    }
    Told { text, files }
}

/// What was done, as it goes on after the incident's name.
fn done(said: &Said) -> String {
    match said {
        Said::Reclassify(bucket) => format!("was `{bucket}`, and its issue will say so"),
        Said::Resolve => "is resolved".to_owned(),
        Said::Close => "is closed".to_owned(),
        Said::Reopen => "is open again".to_owned(),
        Said::Snooze(until) => format!("asks nobody until <t:{}:f>", until.as_second()),
        Said::Assign(to) => format!("is assigned to {}", neutral::inline(&to.name)),
        Said::File => "is being filed; the thread says where".to_owned(),
        Said::PassOn(question, to) => format!("asks {} for `{question}`", neutral::inline(&to.name)),
    }
}

/// The open incidents, one line each.
fn listed(incidents: &[Arc<Incident>]) -> String {
    if incidents.is_empty() {
        return "No incident is open.".to_owned();
    }
    let line = |incident: &Arc<Incident>| {
        let thread = incident.thread.as_ref().map(|thread| format!(" <#{thread}>")).unwrap_or_default();
        let title = neutral::inline(incident.title());
        let whose = incident.assignee.as_ref().map(|to| format!(", {}", neutral::inline(&to.name)));
        let whose = whose.unwrap_or_default();
        format!("- `{}` {title} ({}{whose}){thread}", incident.id, incident.stage.id())
    };
    incidents.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::samples::incident;

    #[test]
    fn a_list_names_each_incident_and_its_thread() {
        let mut incident = incident();
        incident.thread = Some("77".into());
        let text = listed(&[Arc::new(incident)]);
        assert!(text.contains("High 502 rate") && text.ends_with("(triaging) <#77>"), "{text}");
        assert_eq!(listed(&[]), "No incident is open.");
    }

    #[test]
    fn a_secret_in_a_reply_is_named_by_its_kind_and_not_shown() {
        let token = format!("ghp_{}", "a1B2c3D4e5F6".repeat(3));
        let kinds = secrets(&format!("curl -H 'X-Token: {token}' https://api.example.com")).unwrap();
        assert!(!kinds.contains("ghp_") && taken_out(&kinds).contains("revoke it"), "{kinds}");
        assert_eq!(secrets("GET /v1/orders -> 502"), None);
    }
}
