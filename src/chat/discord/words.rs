//! What an incident looks like in Discord: values for `templates/thread/*`, and their limits.
//!
//! Pure: an incident in, Markdown out. Foreign text is neutralised by the templates.

use serde::Serialize;
use url::Url;

use super::split::MESSAGE;
use crate::bucket::Bucket;
use crate::chat::ChatError;
use crate::incident::{
    Conclusion, Incident, IssueRef, Person, Stage, StepRecord, StepState, Stopped, Trouble,
};
use crate::outcome::{Outcome, Report};
use crate::runbook::Question;
use crate::template::{Templates, neutral};
use crate::triage::Note;

/// Cells of the longest bar.
const BAR: usize = 20;
/// Checks that the head shows at most; fewer when they are wordy.
const CHECKS: usize = 12;
/// Characters of a line of the head; fewer when the head would be too long.
const LINE: usize = 256;
/// Characters of the reason why something could not be done.
const REASON: usize = 200;
/// Characters of a thread's name.
const THREAD_NAME: usize = 100;

#[derive(Serialize)]
struct Head<'a> {
    mention: Option<String>,
    title: String,
    id: &'a str,
    state: &'static str,
    severity: Option<&'static str>,
    deliveries: Option<u64>,
    service: Option<String>,
    place: Option<String>,
    endpoint: Option<String>,
    symptom: Option<String>,
    bars: Vec<String>,
    earlier: usize,
    done: Vec<Done>,
    progress: Option<String>,
    running: Vec<Running>,
    more: usize,
    open: Vec<&'static str>,
    conclusion: Option<Verdict>,
    issue: Option<String>,
    console: Option<String>,
    troubles: Vec<Failed<'a>>,
}

/// Something that could not be done yet.
#[derive(Serialize)]
struct Failed<'a> {
    what: &'a str,
    reason: String,
    again: Option<String>,
}

#[derive(Serialize)]
struct Done {
    mark: &'static str,
    check: String,
    outcome: &'static str,
    summary: String,
}

/// A check without a report.
#[derive(Serialize)]
struct Running {
    check: String,
    begun: bool,
}

#[derive(Serialize)]
struct Verdict {
    bucket: Bucket,
    probability: f64,
    next: String,
}

/// How the incident stands, within one message, for somebody who asks.
pub(super) fn head(
    templates: &Templates,
    incident: &Incident,
    role: Option<u64>,
) -> Result<String, ChatError> {
    head_with(templates, incident, role, None)
}

/// The head message: as [`head`], with a link to the console. What is too long gives way, the older checks first, and says so.
pub(super) fn head_with(
    templates: &Templates,
    incident: &Incident,
    role: Option<u64>,
    console: Option<&Url>,
) -> Result<String, ChatError> {
    let mut line = LINE;
    loop {
        let mut values = head_values(incident, role, line);
        values.console = console.map(|url| console_link(url, incident));
        loop {
            let text = render(templates, "thread/head", &values)?;
            if text.chars().count() <= MESSAGE {
                return Ok(text);
            }
            if values.done.is_empty() {
                break;
            }
            values.done.remove(0);
            values.earlier += 1;
        }
        // Escapes may make a line many times as long; an operator's own template may hold anything.
        if line < 16 {
            return Err(ChatError::never(
                "the head's template makes more than 2000 characters of nearly nothing",
            ));
        }
        line /= 2;
    }
}

/// The incident's page.
fn console_link(console: &Url, incident: &Incident) -> String {
    format!("<{}/incidents/{}>", console.as_str().trim_end_matches('/'), incident.id)
}

/// The text, or its start and an ellipsis: the whole of it is in the issue and the console.
fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

fn head_values(incident: &Incident, role: Option<u64>, line: usize) -> Head<'_> {
    let short = |text: &str| shortened(text, line);
    let alert = incident.alerts.first();
    let place = [alert.and_then(|it| it.environment.as_deref()), alert.and_then(|it| it.region.as_deref())];
    let place: Vec<&str> = place.into_iter().flatten().collect();
    let reported: Vec<Done> = incident
        .steps
        .iter()
        .filter_map(|record| Some((record.step.key(), record.report()?)))
        .map(|(check, report)| Done {
            mark: mark(report),
            check: short(&check),
            outcome: report.outcome.id(),
            summary: short(&report.summary),
        })
        .collect();
    let earlier = reported.len().saturating_sub(CHECKS);
    let pending = incident.pending_steps().count();
    Head {
        mention: role.map(|role| format!("<@&{role}>")),
        title: short(incident.title()),
        id: incident.id.as_str(),
        state: state(incident.stage),
        severity: alert.map(|_| incident.severity().id()).filter(|severity| *severity != "unknown"),
        deliveries: Some(incident.alert_count).filter(|count| *count > 1),
        service: incident.service().map(short),
        place: Some(short(&place.join(", "))).filter(|place| !place.is_empty()),
        endpoint: incident.endpoint().map(short),
        symptom: symptom(incident),
        bars: bars(&incident.buckets),
        earlier,
        done: reported.into_iter().skip(earlier).collect(),
        progress: (pending > 0)
            .then(|| format!("{} of {} checks", incident.steps.len() - pending, incident.steps.len())),
        running: incident.pending_steps().take(CHECKS).map(|record| running(record, line)).collect(),
        more: pending.saturating_sub(CHECKS),
        open: incident.open_questions().map(|record| record.question.id()).collect(),
        conclusion: incident.conclusion.as_ref().map(|it| Verdict {
            bucket: it.bucket,
            probability: it.probability,
            next: short(&it.next_experiment),
        }),
        issue: incident.issue.as_ref().map(link),
        console: None,
        troubles: incident.troubles.iter().map(|trouble| failed(trouble, line)).collect(),
    }
}

/// A link to the issue without a preview, or the tracker's own reference where people cannot follow one.
fn link(issue: &IssueRef) -> String {
    let is_link = issue.url.starts_with("https://") || issue.url.starts_with("http://");
    if is_link { format!("<{}>", issue.url) } else { format!("`{}`", issue.reference) }
}

/// Discord counts the time down for everybody who reads it.
fn failed(trouble: &Trouble, line: usize) -> Failed<'_> {
    Failed {
        what: &trouble.what,
        reason: shortened(&trouble.reason, line.min(REASON)),
        again: trouble.retry_at.map(|at| format!("<t:{}:R>", at.as_second())),
    }
}

fn running(record: &StepRecord, line: usize) -> Running {
    Running { check: shortened(&record.step.key(), line), begun: record.state == StepState::Running }
}

fn symptom(incident: &Incident) -> Option<String> {
    let alert = incident.alerts.first()?;
    let mut parts = vec![format!("alert from {}", alert.source)];
    parts.extend(alert.http_status.map(|status| format!("HTTP {status}")));
    parts.extend(alert.error.map(|error| format!("{} error", error.id())));
    parts.extend(alert.started_at.map(|at| format!("since {}", at.strftime("%H:%M:%S UTC"))));
    Some(parts.join(", "))
}

fn state(stage: Stage) -> &'static str {
    match stage {
        Stage::Triaging => "triage is going on",
        Stage::Clarity => "clear",
        Stage::Unclear => "unclear",
        Stage::Resolved => "resolved",
        Stage::Closed => "closed",
    }
}

fn mark(report: &Report) -> &'static str {
    match (report.exit_status(), report.outcome) {
        (0, _) => "✅",
        (3, _) => "➖",
        (
            _,
            Outcome::ExpiresSoon
            | Outcome::Slow
            | Outcome::NearLimit
            | Outcome::Degraded
            | Outcome::Maintenance,
        ) => "⚠️",
        _ => "❌",
    }
}

/// The buckets as bars, the most likely first; nothing before the first belief.
fn bars(buckets: &std::collections::BTreeMap<Bucket, f64>) -> Vec<String> {
    let mut buckets: Vec<(&Bucket, &f64)> = buckets.iter().collect();
    buckets.sort_by(|a, b| b.1.total_cmp(a.1).then(a.0.cmp(b.0)));
    buckets.into_iter().map(|(bucket, share)| bar(*bucket, *share)).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of twenty cells")]
#[expect(clippy::cast_precision_loss, reason = "twenty cells")]
fn bar(bucket: Bucket, share: f64) -> String {
    let cells = (share.clamp(0.0, 1.0) * BAR as f64).round() as usize;
    let percent = crate::chat::percent(share);
    format!("{:<11}{}{} {percent:>3} %", bucket.id(), "█".repeat(cells), "░".repeat(BAR - cells))
}

#[derive(Serialize)]
struct Asked<'a> {
    ask: &'a str,
    because: &'a str,
    who: &'a str,
}

/// A question as it is put.
pub(super) fn question(
    templates: &Templates,
    question: &Question,
    because: &str,
) -> Result<String, ChatError> {
    render(templates, "thread/question", &Asked { ask: &question.ask, because, who: &question.who })
}

#[derive(Serialize)]
struct Answered<'a> {
    question: &'a str,
    answer: &'a str,
    by: &'a str,
    can_change: bool,
}

/// A question's message once it is answered: what it said, below it who answered what, and whether that can be changed.
pub(super) fn answered(
    templates: &Templates,
    asked: &str,
    (answer, by): (&str, &str),
    can_change: bool,
) -> Result<String, ChatError> {
    let answer = answer.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut line = 200;
    loop {
        let (answer, by) = (shortened(&answer, line), shortened(by, line));
        let values = Answered { question: asked, answer: &answer, by: &by, can_change };
        let text = render(templates, "thread/answered", &values)?;
        if text.chars().count() <= MESSAGE {
            return Ok(text);
        }
        if line < 16 {
            return Err(ChatError::never("the question leaves no room for its answer"));
        }
        line /= 2;
    }
}

/// What a question's message said before it said its answer, whatever the template puts between them.
pub(super) fn without_answer<'a>(templates: &Templates, says: &'a str) -> &'a str {
    // Of the private use area: in no question, and no template changes them.
    let [question, answer] = ["\u{e000}", "\u{e001}"];
    let marked = answered(templates, question, (answer, ""), true).unwrap_or_default();
    let between = marked.split_once(question).and_then(|(_, after)| Some(after.split_once(answer)?.0));
    let end = between.filter(|between| !between.trim().is_empty()).and_then(|between| says.rfind(between));
    end.map_or(says, |end| &says[..end])
}

#[derive(Serialize)]
struct Concluded<'a> {
    clear: bool,
    bucket: Bucket,
    boundary: &'static str,
    probability: f64,
    runner_up: Bucket,
    after: Option<f64>,
    bars: Vec<String>,
    hypotheses: &'a [crate::incident::Hypothesis],
    next: &'a str,
    mitigation: &'a str,
    runbook_mitigate: &'a [String],
    escalate: &'a [String],
    reasons: Vec<Weighed<'a>>,
    ruled_out: &'a [String],
    missing: &'a [String],
}

#[derive(Serialize)]
struct Weighed<'a> {
    odds: String,
    observation: &'a str,
}

/// What is said in the thread, of any length.
pub(super) fn note(templates: &Templates, incident: &Incident, note: &Note) -> Result<String, ChatError> {
    let mut values = NoteValues::of(note);
    values.issue = incident.issue.as_ref().map(link);
    let mut text = render(templates, "thread/note", &values)?;
    if let (Note::Concluded | Note::Changed { .. }, Some(conclusion)) = (note, &incident.conclusion) {
        let concluded = render(templates, "thread/concluded", &concluded(incident, conclusion))?;
        text = format!("{text}\n{concluded}");
    }
    Ok(text.trim().to_owned())
}

fn concluded<'a>(incident: &Incident, conclusion: &'a Conclusion) -> Concluded<'a> {
    Concluded {
        clear: conclusion.stopped == Stopped::Clarity,
        bucket: conclusion.bucket,
        boundary: conclusion.bucket.boundary(),
        probability: conclusion.probability,
        runner_up: conclusion.runner_up,
        after: incident.mttc_s(),
        bars: bars(&conclusion.buckets),
        hypotheses: &conclusion.hypotheses,
        next: &conclusion.next_experiment,
        mitigation: conclusion.hypotheses.first().map_or("", |it| it.mitigation.as_str()),
        runbook_mitigate: &conclusion.mitigate,
        escalate: &conclusion.escalate,
        reasons: conclusion
            .reasons
            .iter()
            .map(|it| Weighed { odds: crate::chat::odds(it.decibans), observation: &it.observation })
            .collect(),
        ruled_out: &conclusion.ruled_out,
        missing: &conclusion.missing,
    }
}

/// Every field a note may have: templates are strict, a field that is not there is an error.
#[derive(Default, Serialize)]
struct NoteValues<'a> {
    note: &'static str,
    from: Option<Bucket>,
    bucket: Option<Bucket>,
    by: Option<&'a str>,
    reason: Option<&'a str>,
    issue: Option<String>,
    question: Option<&'static str>,
    whom: Option<String>,
    until: Option<String>,
}

impl<'a> NoteValues<'a> {
    fn of(note: &'a Note) -> Self {
        match note {
            Note::Concluded => Self { note: "concluded", ..Self::default() },
            Note::Filed => Self { note: "filed", ..Self::default() },
            Note::Changed { from } => Self { note: "changed", from: Some(*from), ..Self::default() },
            Note::Reclassified { bucket, by, reason } => {
                Self { bucket: Some(*bucket), ..Self::word("reclassified", by, reason.as_deref()) }
            }
            Note::Resolved { by, reason } => Self::word("resolved", by, reason.as_deref()),
            Note::Closed { by, reason } => Self::word("closed", by, reason.as_deref()),
            Note::Reopened { by, reason } => Self::word("reopened", by, reason.as_deref()),
            Note::Snoozed { until, by, reason } => {
                let until = format!("<t:{0}:f> (<t:{0}:R>)", until.as_second());
                Self { until: Some(until), ..Self::word("snoozed", by, reason.as_deref()) }
            }
            Note::Woke => Self { note: "woke", ..Self::default() },
            Note::Assigned { to, by, reason } => {
                Self { whom: Some(called(to)), ..Self::word("assigned", by, reason.as_deref()) }
            }
            Note::PassedOn { question, to, by } => {
                let question = Some(question.id());
                Self { question, whom: Some(called(to)), ..Self::word("passed_on", by, None) }
            }
            Note::Refused { reason } => Self { note: "refused", reason: Some(reason), ..Self::default() },
        }
    }

    fn word(note: &'static str, by: &'a str, reason: Option<&'a str>) -> Self {
        Self { note, by: Some(by), reason, ..Self::default() }
    }
}

/// Somebody as Discord calls them, or by their name where that is all that is known.
fn called(person: &Person) -> String {
    let id = person.mention.as_deref().filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()));
    id.map_or_else(|| neutral::inline(&person.name), |id| format!("<@{id}>"))
}

/// The name of an incident's thread; one that is too long shows that it is cut.
pub(super) fn thread_name(incident: &Incident) -> String {
    let title = incident.title().split_whitespace().collect::<Vec<_>>().join(" ");
    shortened(&format!("{} · {title}", incident.id), THREAD_NAME)
}

fn render(templates: &Templates, name: &str, values: &impl Serialize) -> Result<String, ChatError> {
    let text = templates.render(name, values).map_err(|error| ChatError::never(error.to_string()))?;
    Ok(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests;
