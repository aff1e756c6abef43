//! What the terminal says, and how it is laid out: every word of this channel stands here.
//!
//! Pure: an incident in, lines out. Nothing here decides what is said or when.

use jiff::Timestamp;

use super::ink::{Ink, Mark, Span, Tone, columns, span};
use crate::alert::{Alert, Severity};
use crate::bucket::Bucket;
use crate::incident::{Conclusion, Hypothesis, Incident, IssueRef, Reason, Step, Stopped, Trouble};
use crate::outcome::{Outcome, Report, Role};
use crate::question::Answer;
use crate::runbook::Question;
use crate::triage::Note;

/// Columns of the labels at the left of facts: the longest is `mitigation`.
const LABEL: usize = 12;
/// Columns of the longest bar.
const BAR: usize = 30;
/// Reasons shown; the issue has all of them.
const REASONS: usize = 5;

/// The head of an incident: what the alert says.
pub(super) fn opened(ink: Ink, incident: &Incident) -> Vec<String> {
    let mut lines = vec![String::new()];
    lines.extend(ink.rule(Tone::Strong, incident.title(), incident.id.as_str()));
    lines.push(String::new());
    let alert = incident.alerts.first();
    if let Some(service) = incident.service() {
        let places: Vec<&str> =
            [alert.and_then(|it| it.environment.as_deref()), alert.and_then(|it| it.region.as_deref())]
                .into_iter()
                .flatten()
                .collect();
        let places = if places.is_empty() { String::new() } else { format!(" ({})", places.join(", ")) };
        lines.extend(fact(ink, "service", &[span(Tone::Plain, format!("{service}{places}"))]));
    }
    if let Some(endpoint) = incident.endpoint() {
        lines.extend(fact(ink, "endpoint", &[span(Tone::Plain, endpoint)]));
    }
    if let Some(alert) = alert {
        lines.extend(fact(ink, "alert", &alert_facts(alert, incident.severity())));
        if let Some(summary) = alert.summary.as_deref().filter(|summary| *summary != alert.title) {
            lines.extend(fact(ink, "", &[span(Tone::Dim, summary)]));
        }
    }
    lines.push(String::new());
    lines
}

fn alert_facts(alert: &Alert, severity: Severity) -> Vec<Span> {
    let mut facts = Vec::new();
    match severity {
        Severity::Critical | Severity::Error => facts.push(span(Tone::Bad, severity.id())),
        Severity::Warning => facts.push(span(Tone::Warn, severity.id())),
        Severity::Info => facts.push(span(Tone::Plain, severity.id())),
        Severity::Unknown => facts.push(span(Tone::Plain, "alert")),
    }
    facts.push(span(Tone::Plain, format!(" from {}", alert.source)));
    if let Some(status) = alert.http_status {
        facts.push(span(Tone::Plain, ", HTTP "));
        facts.push(span(Tone::Strong, status.to_string()));
    }
    if let Some(error) = alert.error {
        facts.push(span(Tone::Plain, format!(", {} error", error.id())));
    }
    if let Some(at) = alert.started_at {
        facts.push(span(Tone::Plain, format!(", since {}", clock(at))));
    }
    facts
}

/// A time as people at a terminal read it; UTC, to the second.
fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S UTC").to_string()
}

/// A check that came back.
pub(super) fn check(ink: Ink, step: &Step, report: &Report) -> Vec<String> {
    let (mark, tone) = verdict(report);
    let mut lead = vec![Span(Tone::Plain, "  ".into()), ink.mark(mark), Span(Tone::Plain, " ".into())];
    lead.push(span(Tone::Strong, check_name(step)));
    let target = format!("{}: ", report.target);
    let mut body = vec![span(Tone::Plain, target), span(tone, report.outcome.id())];
    if !report.summary.is_empty() && report.summary != report.outcome.id() {
        body.push(span(Tone::Plain, format!(" {} {}", ink.dash(), report.summary)));
    }
    body.push(span(Tone::Dim, format!(" ({})", took(report.took_ms))));
    ink.block(&lead, &body)
}

/// A check that is running, with what it waits for.
pub(super) fn running(ink: Ink, step: &Step, tick: usize, seconds: f64) -> String {
    let mut line = vec![Span(Tone::Plain, "  ".into()), ink.spinner(tick), Span(Tone::Plain, " ".into())];
    line.push(span(Tone::Strong, check_name(step)));
    let time = if seconds >= 1.0 { format!(" {seconds:.0} s") } else { String::new() };
    let room = ink.width().saturating_sub(columns(&line) + time.len());
    line.push(span(Tone::Plain, step.target.chars().take(room).collect::<String>()));
    line.push(span(Tone::Dim, time));
    ink.line(&line)
}

/// Checks that run without a line of their own.
pub(super) fn more_running(ink: Ink, more: usize) -> String {
    ink.line(&[span(Tone::Dim, format!("    and {more} more"))])
}

/// The kind, and whose endpoint where it is not the service's own; padded so that targets stand below one another.
fn check_name(step: &Step) -> String {
    let name = match (&step.name, step.role) {
        (Some(name), _) => format!("{} {name}", step.check),
        (None, Role::Dependency) => format!("{} dependency", step.check),
        (None, Role::Service) => step.check.to_string(),
    };
    format!("{name:<LABEL$} ")
}

fn verdict(report: &Report) -> (Mark, Tone) {
    match (report.exit_status(), report.outcome) {
        (0, _) => (Mark::Good, Tone::Good),
        (3, _) => (Mark::Unknown, Tone::Dim),
        (
            _,
            Outcome::ExpiresSoon
            | Outcome::Slow
            | Outcome::NearLimit
            | Outcome::Degraded
            | Outcome::Maintenance,
        ) => (Mark::Warn, Tone::Warn),
        _ => (Mark::Bad, Tone::Bad),
    }
}

fn took(ms: f64) -> String {
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else if ms < 1000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1000.0)
    }
}

/// A question's wording and why it is asked.
pub(super) fn question(ink: Ink, question: &Question, because: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    let lead = [Span(Tone::Plain, "  ".into()), ink.mark(Mark::Question), Span(Tone::Plain, " ".into())];
    let body = [span(Tone::Strong, &question.ask), span(Tone::Dim, format!("  [{}]", question.id))];
    lines.extend(ink.block(&lead, &body));
    lines.extend(asked_because(ink, because));
    lines
}

fn asked_because(ink: Ink, because: &str) -> Vec<String> {
    if because.is_empty() {
        return Vec::new();
    }
    ink.block(&[Span(Tone::Plain, "    ".into())], &[span(Tone::Dim, format!("asked because {because}"))])
}

/// One row of a question's answers; the row after the last is `unknown`.
pub(super) fn answer_row(
    ink: Ink,
    question: &Question,
    row: usize,
    lead: &[Span],
    tone: Tone,
) -> Vec<String> {
    let (number, id, label) = match question.answers.get(row) {
        Some(answer) => ((row + 1).to_string(), answer.id.as_str(), answer.label.as_str()),
        None => ("?".to_owned(), "unknown", "cannot tell"),
    };
    let ids = question.answers.iter().map(|answer| answer.id.len()).chain(["unknown".len()]);
    let pad = ids.max().unwrap_or(0);
    let places = question.answers.len().to_string().len();
    let mut lead = lead.to_vec();
    lead.push(span(Tone::Accent, format!("{number:>places$}")));
    lead.push(span(tone, format!("  {id:<pad$}  ")));
    let label = if label.replace(' ', "_") == id { "" } else { label };
    ink.block(&lead, &[span(Tone::Dim, label)])
}

/// A question as a pipe shows it: with its answers and how to reply.
pub(super) fn question_with_answers(ink: Ink, asked: &Question, because: &str) -> Vec<String> {
    let mut lines = question(ink, asked, because);
    for row in 0..=asked.answers.len() {
        lines.extend(answer_row(ink, asked, row, &[Span(Tone::Plain, "      ".into())], Tone::Plain));
    }
    lines
}

/// A question with its answer, once both are known.
pub(super) fn answered(ink: Ink, question: &Question, because: &str, reply: &str, by: &str) -> Vec<String> {
    let lead = [Span(Tone::Plain, "  ".into()), ink.mark(Mark::Answer), Span(Tone::Plain, " ".into())];
    let mut body =
        vec![span(Tone::Plain, &question.ask), span(Tone::Dim, format!(" {} ", ink.pick("→", "->")))];
    body.push(span(Tone::Accent, shown_reply(question, reply)));
    if by != super::BY {
        body.push(span(Tone::Dim, format!(" ({by})")));
    }
    let mut lines = ink.block(&lead, &body);
    lines.extend(asked_because(ink, because));
    lines
}

/// A reply that was taken, below the question it answers.
pub(super) fn taken(ink: Ink, question: &Question, reply: &str) -> Vec<String> {
    let lead = [Span(Tone::Plain, "    ".into()), ink.mark(Mark::Answer), Span(Tone::Plain, " ".into())];
    ink.block(&lead, &[span(Tone::Accent, shown_reply(question, reply))])
}

/// The reply as triage reads it; long words by their first line.
pub(super) fn shown_reply(question: &Question, reply: &str) -> String {
    let text =
        Answer::parse(question.id, reply).map_or_else(|_| reply.to_owned(), |answer| answer.to_string());
    let first = text.lines().next().unwrap_or_default();
    let shown: String = first.chars().take(70).collect();
    if shown.len() < text.len() { format!("{shown} …") } else { shown }
}

/// A question that nobody needs to answer any more.
pub(super) fn withdrawn(ink: Ink, question: &Question) -> Vec<String> {
    news(ink, &[span(Tone::Plain, &question.ask), span(Tone::Dim, " no longer needed")])
}

/// A reply that was not taken.
pub(super) fn refused(ink: Ink, why: &str) -> Vec<String> {
    let lead = [Span(Tone::Plain, "  ".into()), ink.mark(Mark::Warn), Span(Tone::Plain, " ".into())];
    ink.block(&lead, &[span(Tone::Warn, why)])
}

/// Something worth saying.
pub(super) fn note(ink: Ink, incident: &Incident, note: &Note) -> Vec<String> {
    match note {
        Note::Concluded => {
            incident.conclusion.as_ref().map(|it| concluded(ink, incident, it)).unwrap_or_default()
        }
        Note::Changed { from } => {
            let words = format!("a late observation changes the conclusion, which was {from}");
            let mut lines = news(ink, &[span(Tone::Plain, words)]);
            lines.extend(
                incident.conclusion.as_ref().map(|it| concluded(ink, incident, it)).unwrap_or_default(),
            );
            lines
        }
        // The issue stands below the conclusion already, or is shown now: see `issue`.
        Note::Filed => Vec::new(),
        Note::Reclassified { bucket, by, reason } => {
            word(ink, &format!("{by} says it was {bucket}"), reason.as_deref())
        }
        Note::Resolved { by, reason } => {
            let says = because(&format!(", says {by}"), reason.as_deref());
            news(ink, &[span(Tone::Good, "resolved"), span(Tone::Plain, says)])
        }
        Note::Closed { by, reason } => word(ink, &format!("closed by {by}"), reason.as_deref()),
        Note::Reopened { by, reason } => word(ink, &format!("reopened by {by}"), reason.as_deref()),
        Note::Snoozed { until, by, reason } => {
            word(ink, &format!("{by} wants quiet until {until}"), reason.as_deref())
        }
        Note::Woke => news(ink, &[span(Tone::Plain, "the snooze is over, and the incident is not")]),
        Note::Assigned { to, by, reason } => {
            word(ink, &format!("{by} assigns it to {}", to.name), reason.as_deref())
        }
        Note::PassedOn { question, to, by } => {
            let says = format!("{by} thinks that {} can answer {question}", to.name);
            news(ink, &[span(Tone::Plain, says)])
        }
        Note::Refused { reason } => refused(ink, reason),
    }
}

/// What somebody said, and why.
fn word(ink: Ink, says: &str, reason: Option<&str>) -> Vec<String> {
    news(ink, &[span(Tone::Plain, because(says, reason))])
}

fn because(says: &str, reason: Option<&str>) -> String {
    reason.map_or_else(|| says.to_owned(), |reason| format!("{says}: {reason}"))
}

fn news(ink: Ink, body: &[Span]) -> Vec<String> {
    ink.block(&[Span(Tone::Plain, "  ".into()), ink.mark(Mark::News), Span(Tone::Plain, " ".into())], body)
}

fn concluded(ink: Ink, incident: &Incident, conclusion: &Conclusion) -> Vec<String> {
    let (tone, title) = match conclusion.stopped {
        Stopped::Clarity => {
            (Tone::Good, format!("Clear: {}, {}", conclusion.bucket, conclusion.bucket.boundary()))
        }
        Stopped::Unclear => (Tone::Warn, format!("Unclear; the best guess is {}", conclusion.bucket)),
    };
    let after = incident.mttc_s().map(|seconds| format!("after {}", span_of(seconds))).unwrap_or_default();
    let mut lines = vec![String::new()];
    lines.extend(ink.rule(tone, &title, &after));
    lines.push(String::new());
    lines.extend(bars(ink, conclusion));
    lines.push(String::new());
    lines.extend(why(ink, &conclusion.reasons));
    for (place, hypothesis) in conclusion.hypotheses.iter().enumerate() {
        let label = if place == 0 { "hypothesis" } else { "or else" };
        lines.extend(fact(ink, label, &hypothesis_facts(hypothesis)));
    }
    if !conclusion.next_experiment.is_empty() {
        lines.extend(fact(ink, "next", &[span(Tone::Strong, &conclusion.next_experiment)]));
    }
    if let Some(first) = conclusion.hypotheses.first().filter(|it| !it.mitigation.is_empty()) {
        lines.extend(fact(ink, "mitigation", &[span(Tone::Plain, &first.mitigation)]));
    }
    lines.extend(list(ink, "runbook", Tone::Plain, &conclusion.mitigate));
    lines.extend(list(ink, "escalate", Tone::Warn, &conclusion.escalate));
    lines.extend(list(ink, "ruled out", Tone::Plain, &conclusion.ruled_out));
    lines.extend(list(ink, "missing", Tone::Warn, &conclusion.missing));
    lines
}

/// One thing a line, the label before the first.
fn list(ink: Ink, label: &str, tone: Tone, things: &[String]) -> Vec<String> {
    let label = |place| if place == 0 { label } else { "" };
    things
        .iter()
        .enumerate()
        .flat_map(|(place, thing)| fact(ink, label(place), &[span(tone, thing)]))
        .collect()
}

/// Every boundary with its probability, the most likely first; its meaning too where there is room for it.
fn bars(ink: Ink, conclusion: &Conclusion) -> Vec<String> {
    let mut buckets: Vec<_> = conclusion.buckets.iter().collect();
    buckets.sort_by(|a, b| b.1.total_cmp(a.1).then(a.0.cmp(b.0)));
    let wide = ink.width() >= 2 + LABEL + BAR + 8 + 38;
    let line = |(place, (bucket, share)): (usize, (&Bucket, &f64))| {
        let (bar_tone, tone) =
            if place == 0 { (Tone::Accent, Tone::Strong) } else { (Tone::Dim, Tone::Plain) };
        let bar = span(bar_tone, ink.bar(*share, BAR));
        let pad = " ".repeat(BAR - columns(std::slice::from_ref(&bar)));
        let name = span(tone, format!("  {:<LABEL$}", bucket.id()));
        let mut line = vec![name, bar, Span(Tone::Plain, pad), span(tone, format!("{:>6}", percent(*share)))];
        if wide {
            line.push(span(Tone::Dim, format!("  {}", bucket.boundary())));
        }
        ink.line(&line)
    };
    buckets.into_iter().enumerate().map(line).collect()
}

/// A probability in whole percents; what is not nothing is not shown as nothing, nor a doubt as none.
fn percent(share: f64) -> String {
    format!("{} %", crate::chat::percent(share))
}

/// The strongest observations, each with the odds by which it moved the belief.
fn why(ink: Ink, reasons: &[Reason]) -> Vec<String> {
    let mut lines = Vec::new();
    for (place, reason) in reasons.iter().take(REASONS).enumerate() {
        let tone = if reason.decibans >= 0.0 { Tone::Good } else { Tone::Bad };
        let label = if place == 0 { "why" } else { "" };
        let weight = format!("{:>6}  ", odds(ink, reason.decibans));
        let lead = [span(Tone::Dim, format!("  {label:<LABEL$}")), span(tone, weight)];
        lines.extend(ink.block(&lead, &[span(Tone::Plain, &reason.observation)]));
    }
    let left = reasons.len().saturating_sub(REASONS);
    if left > 0 {
        let lead = [span(Tone::Plain, " ".repeat(2 + LABEL + 8))];
        lines.extend(ink.block(&lead, &[span(Tone::Dim, format!("and {left} more, in the issue"))]));
    }
    lines
}

/// [`crate::chat::odds`], in ASCII where the terminal has no more.
fn odds(ink: Ink, decibans: f64) -> String {
    crate::chat::odds(decibans).replace('×', ink.pick("×", "x")).replace('÷', ink.pick("÷", "/"))
}

fn hypothesis_facts(hypothesis: &Hypothesis) -> Vec<Span> {
    vec![
        span(Tone::Plain, format!("{} ", hypothesis.says)),
        span(Tone::Dim, format!("({}, {})", hypothesis.id, percent(hypothesis.probability))),
    ]
}

/// A span of time as people say it.
fn span_of(seconds: f64) -> String {
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1000.0)
    } else if seconds < 100.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{:.0} min", seconds / 60.0)
    }
}

/// Where the issue is, in one piece however long it is: it wants to be copied, or clicked.
pub(super) fn issue(ink: Ink, issue: &IssueRef) -> Vec<String> {
    let place = if issue.url.is_empty() { &issue.reference } else { &issue.url };
    vec![ink.line(&[label("issue"), span(Tone::Accent, place)])]
}

/// Something that could not be done, and when it is tried again.
pub(super) fn trouble(ink: Ink, trouble: &Trouble) -> Vec<String> {
    let next = match trouble.retry_at {
        Some(at) => format!("; next try at {}", clock(at)),
        None => "; given up".to_owned(),
    };
    refused(ink, &format!("{} failed: {}{next}", trouble.what, trouble.reason))
}

/// A label, and what it labels.
fn fact(ink: Ink, label: &str, body: &[Span]) -> Vec<String> {
    ink.block(&[self::label(label)], body)
}

fn label(label: &str) -> Span {
    span(Tone::Dim, format!("  {label:<LABEL$}"))
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
