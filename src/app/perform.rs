//! Performing one action, and what happens when it fails.
//!
//! Each action may be performed twice unharmed: a message carries the action's nonce, an issue its marker, a probe only
//! looks. A failure is recorded when it is new, not at each try (but shown with its present time), and waits 1 s, 2 s, 4 s … 5 min, or as long as the other side
//! asks. The surprise: a bug (a panic) in a check ends in the outcome `error`, like every check that could not run.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::{SignedDuration, Timestamp};

use super::failed::{Failed, STORE_WAIT};
use crate::app::{App, filing};
use crate::chat::ChatError;
use crate::checks::{self, Environment, NotRun, With};
use crate::clock;
use crate::incident::{Event, Incident, IncidentId, NOBODY, Retry, Step, arrival};
use crate::outcome::{CheckKind, Report};
use crate::question::{Answer, QuestionId};
use crate::store::{Pending, Settled, Unavailable};
use crate::triage::{self, Action, Note};

/// The first wait after a failure.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait: a chat or tracker that is back is noticed within five minutes.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// What became of a try.
#[derive(Debug)]
pub(super) enum Performed {
    /// It is out of the outbox: done, or given up.
    Done,
    /// It failed and waits.
    Later(Pending),
}

/// Performs an action once.
pub(super) async fn perform(app: &Arc<App>, pending: &Pending) -> Performed {
    let begun = std::time::Instant::now();
    let tried = AssertUnwindSafe(attempt(app, pending)).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!(incident.id = %pending.incident, action = kind(&pending.action), "performing an action panicked");
        Err(Failed::never("an error of firstcheck itself; its log has the details".to_owned()))
    });
    let outcome = if tried.is_ok() { "ok" } else { "failed" };
    app.counters.add(
        "firstcheck_actions_total",
        &format!("action=\"{}\",outcome=\"{outcome}\"", kind(&pending.action)),
        1,
    );
    app.counters.took(
        "firstcheck_action_seconds",
        &format!("action=\"{}\"", kind(&pending.action)),
        begun.elapsed().as_secs_f64(),
    );
    match tried {
        Ok(()) => Performed::Done,
        Err(failed) => match note_failure(app, pending, failed).await {
            Ok(performed) => performed,
            Err(error) => {
                tracing::error!(%error, incident.id = %pending.incident, "a failed action could not be noted");
                Performed::Later(while_the_store_is_away(pending.clone()))
            }
        },
    }
}

/// The action once more, in a moment: nothing can be noted now.
pub(super) fn while_the_store_is_away(pending: Pending) -> Pending {
    Pending { due_at: later(clock::now(), STORE_WAIT), ..pending }
}

/// Takes an action out of the outbox that needs no performing.
pub(super) async fn finish(app: &Arc<App>, pending: &Pending) {
    if let Err(error) = app.store.settle(Settled::Done(pending.id)).await {
        tracing::warn!(%error, incident.id = %pending.incident, "an action stays in the outbox and is repeated at the next start");
    }
    app.tick();
}

async fn attempt(app: &Arc<App>, pending: &Pending) -> Result<(), Failed> {
    let id = &pending.incident;
    // An incident that was forgotten meanwhile has nothing to be performed for; the commit will say so.
    let incident = app.incident_now(id).await?.unwrap_or_else(|| Incident::new(id.clone()));
    let mut events = match &pending.action {
        Action::OpenThread => vec![open_thread(app, &incident).await?],
        Action::Ask { question, because } => {
            ask(app, &incident, *question, because, pending).await?;
            Vec::new()
        }
        Action::Say { note } => {
            say(app, &incident, note, pending).await?;
            Vec::new()
        }
        Action::RunCheck { step } => vec![run_check(app, id, step).await?],
        Action::StopWaiting { question, .. } => Vec::from_iter(stop_waiting(&incident, *question)),
        Action::Settle { .. } => Vec::from_iter(settle(app, &incident)),
        Action::Wake { at } => vec![Event::Woke { until: *at }],
        Action::FileIssue => Box::pin(filing::file(app, &incident)).await?,
    };
    let what = what(&pending.action);
    if incident.troubles.iter().any(|trouble| trouble.what == what) {
        events.push(Event::ActionRecovered { what: what.to_owned() });
    }
    if events.is_empty() {
        app.store.settle(Settled::Done(pending.id)).await?;
    } else {
        app.advance(id, &events, Some(Settled::Done(pending.id))).await?;
    }
    app.tick();
    Ok(())
}

async fn open_thread(app: &App, incident: &Incident) -> Result<Event, Failed> {
    let chat = app.chat();
    let chat = chat.as_ref().as_ref().map_err(ChatError::clone)?;
    let thread = chat.open_thread(&app.presented(incident).await).await?;
    Ok(Event::ThreadOpened { thread })
}

async fn ask(
    app: &App,
    incident: &Incident,
    question: QuestionId,
    because: &str,
    pending: &Pending,
) -> Result<(), Failed> {
    if incident.answer(question).is_some() {
        return Ok(());
    }
    let chat = app.chat();
    let chat = chat.as_ref().as_ref().map_err(ChatError::clone)?;
    let nonce = pending.id.nonce(&incident.id);
    chat.ask(&app.presented(incident).await, app.knowledge().question(question), because, &nonce).await?;
    Ok(())
}

/// A question nobody answered in time is `unknown`; one that was answered, or that no longer matters, is left alone.
fn stop_waiting(incident: &Incident, question: QuestionId) -> Option<Event> {
    let unknown = || Event::AnswerGiven { question, answer: Answer::Unknown, by: NOBODY.to_owned() };
    triage::waits_for(incident, question).then(unknown)
}

/// The end of alerts that went on and off, once they stayed over for long enough; a later turn waits for itself.
fn settle(app: &App, incident: &Incident) -> Option<Event> {
    let numbers = &app.knowledge().stop.flapping;
    let last = incident.turns.last().filter(|last| last.over && incident.is_open())?;
    let steady = arrival::steady_at(&incident.turns, numbers).unwrap_or(last.at);
    let by = incident.alerts.last().map_or_else(|| "its source".to_owned(), |alert| alert.source.clone());
    let reason = Some("the alerts stayed quiet after going on and off".to_owned());
    (clock::now() >= steady).then_some(Event::Resolved { by, reason })
}

async fn say(app: &App, incident: &Incident, note: &Note, pending: &Pending) -> Result<(), Failed> {
    let chat = app.chat();
    let chat = chat.as_ref().as_ref().map_err(ChatError::clone)?;
    chat.say(&app.presented(incident).await, note, &pending.id.nonce(&incident.id)).await?;
    Ok(())
}

async fn run_check(app: &Arc<App>, id: &IncidentId, step: &Step) -> Result<Event, Failed> {
    // The semaphore is never closed.
    let _turn = app.probes.acquire().await;
    app.advance(id, &[Event::CheckStarted { step: step.key() }], None).await?;
    let request = checks::Request {
        check: step.check,
        target: step.target.clone(),
        with: With(step.with.clone()),
        timeout: app.check_timeout,
        now: clock::now(),
    };
    let report = match app.environment_of(id) {
        Some(environment) => probe(&environment, &request, id).await,
        None => Report::error(step.check, &step.target, "the drill's world has ended; start the drill again"),
    };
    app.counters.add(
        "firstcheck_checks_total",
        &format!("check=\"{}\",outcome=\"{}\"", report.check, report.outcome),
        1,
    );
    app.counters.took(
        "firstcheck_check_seconds",
        &format!("check=\"{}\"", report.check),
        report.took_ms / 1000.0,
    );
    Ok(Event::CheckReported { step: step.key(), report })
}

/// One check, whatever becomes of it.
async fn probe(environment: &Environment, request: &checks::Request, id: &IncidentId) -> Report {
    match AssertUnwindSafe(checks::run(environment, request)).catch_unwind().await {
        Ok(Ok(report)) => report,
        Ok(Err(not_run)) => Report::error(request.check, &request.target, not_run.to_string()),
        Err(_) => {
            tracing::error!(incident.id = %id, check = %request.check, "a check panicked");
            let reason = "the check itself broke; this is an error of firstcheck";
            Report::error(request.check, &request.target, reason)
        }
    }
}

/// Notes a failure in the outbox, and in the incident when it is a new one.
async fn note_failure(app: &Arc<App>, pending: &Pending, failed: Failed) -> Result<Performed, Unavailable> {
    let what = what(&pending.action);
    let Failed { reason, retry, mut events } = failed;
    tracing::warn!(incident.id = %pending.incident, action = what, reason, "an action failed");
    let Retry::After(asked) = retry else {
        let settled = Settled::GivenUp(pending.id, reason.clone());
        events.push(Event::ActionFailed { what: what.to_owned(), reason, retry_at: None });
        app.advance(&pending.incident, &events, Some(settled)).await?;
        return Ok(Performed::Done);
    };
    let is_new = pending.last_error.as_ref() != Some(&reason);
    let mut again = pending.clone();
    again.attempts += 1;
    again.due_at = later(clock::now(), wait(again.attempts, asked));
    again.last_error = Some(reason.clone());
    let settled = Settled::Postponed(again.clone());
    if is_new {
        events.push(Event::ActionFailed { what: what.to_owned(), reason, retry_at: Some(again.due_at) });
    }
    if events.is_empty() {
        app.store.settle(settled).await?;
        if let Some(incident) = app.incident_now(&pending.incident).await? {
            app.publish(&incident).await;
        }
    } else {
        app.advance(&pending.incident, &events, Some(settled)).await?;
    }
    Ok(Performed::Later(again))
}

/// The wait after this many failures: doubling, and never less than the other side asked for.
fn wait(attempts: u32, asked: Duration) -> Duration {
    let doubled = FIRST_WAIT.saturating_mul(1 << attempts.saturating_sub(1).min(16));
    doubled.min(LONGEST_WAIT).max(asked)
}

fn later(now: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::from_hours(1));
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

fn kind(action: &Action) -> &'static str {
    match action {
        Action::OpenThread => "open_thread",
        Action::RunCheck { .. } => "run_check",
        Action::Ask { .. } => "ask",
        Action::StopWaiting { .. } => "stop_waiting",
        Action::Settle { .. } => "settle",
        Action::Wake { .. } => "wake",
        Action::Say { .. } => "say",
        Action::FileIssue => "file_issue",
    }
}

/// In a person's words, as in "filing the issue failed".
pub(super) fn what(action: &Action) -> &'static str {
    match action {
        Action::OpenThread => "opening the thread",
        Action::RunCheck { .. } => "running a check",
        Action::Ask { .. } => "asking a question",
        Action::StopWaiting { .. } => "going on without an answer",
        Action::Settle { .. } => "waiting for a calm end",
        Action::Wake { .. } => "ending the snooze",
        Action::Say { .. } => "saying it in the thread",
        Action::FileIssue => "filing the issue",
    }
}

/// Why a check that somebody asked for was not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckRefused {
    /// The question makes no sense as asked.
    #[error("{0}")]
    Usage(String),
    /// The egress policy does not let us reach the target.
    #[error("{0}")]
    Egress(String),
}

impl App {
    /// Runs one check for somebody, apart from any incident, under the bot's egress policy. Secrets of the configuration
    /// (`env:NAME`) are not known to it: whoever names the target would be sent them.
    ///
    /// # Errors
    /// [`CheckRefused`] when the target or a key makes no sense, or the policy refuses the target.
    pub async fn check(
        &self,
        check: CheckKind,
        target: &str,
        with: BTreeMap<String, String>,
        timeout: Option<Duration>,
    ) -> Result<Report, CheckRefused> {
        let environment = self.environment.clone().with_secrets(BTreeMap::new());
        let request = checks::Request {
            check,
            target: target.to_owned(),
            with: With(with),
            timeout: timeout.unwrap_or(self.check_timeout),
            now: clock::now(),
        };
        let _turn = self.probes.acquire().await;
        checks::run(&environment, &request).await.map_err(|not_run| match not_run {
            NotRun::Usage(reason) => CheckRefused::Usage(reason),
            NotRun::Refused(refusal) => CheckRefused::Egress(refusal.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes_and_obey_the_other_side() {
        let waits: Vec<u64> = (1..=11).map(|attempts| wait(attempts, Duration::ZERO).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(wait(1, Duration::from_mins(15)).as_secs(), 900);
        assert_eq!(wait(u32::MAX, Duration::ZERO).as_secs(), 300);
    }
}
