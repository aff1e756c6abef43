//! How the terminal's words are laid out: an incident in, lines out.
//!
//! Pure. What is said stands in `templates/terminal`; here are columns, tones and bars, and the values the templates want.
//! Nothing here decides what is said or when.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::ink::{Ink, Mark, Span, Tone, columns, span};
use crate::alert::Severity;
use crate::bucket::Bucket;
use crate::incident::{Conclusion, Incident, IssueRef, Reason, Step, Stopped, Trouble};
use crate::outcome::{Outcome, Report, Role};
use crate::question::{Answer, QuestionId};
use crate::runbook::Question;
use crate::template::Templates;
use crate::template::marked::{self, Piece};
use crate::triage::Note;

/// Columns of the labels at the left of facts: the longest is `mitigation`.
const LABEL: usize = crate::template::LABEL;
/// Columns of the longest bar.
const BAR: usize = 30;
/// Reasons shown; the issue has all of them.
const REASONS: usize = 5;

/// What words and lines are made with.
#[derive(Clone)]
pub(super) struct Pen {
    pub(super) ink: Ink,
    pub(super) templates: Arc<Templates>,
}

impl Pen {
    /// The lines of a template that is filled with these values. One that cannot be filled says so in its place: an operator's
    /// own wording must not end an incident.
    fn lines(&self, name: &str, values: &impl Serialize) -> Vec<String> {
        match self.templates.render(&format!("terminal/{name}"), values) {
            Ok(text) => text.lines().flat_map(|line| self.paragraph(line)).collect(),
            Err(error) => self.ink.block(&[], &[span(Tone::Bad, error.to_string())]),
        }
    }

    fn paragraph(&self, line: &str) -> Vec<String> {
        if let [Piece::Rule { tone, right, title }] = marked::pieces(line).as_slice() {
            return self.ink.rule(tone_of(tone), title, right);
        }
        match line.split_once('\t') {
            Some((lead, body)) => self.ink.block(&self.spans(lead), &self.spans(body)),
            None => vec![self.ink.line(&self.spans(line))],
        }
    }

    fn spans(&self, line: &str) -> Vec<Span> {
        let one = |piece| match piece {
            Piece::Words { tone, text } | Piece::Rule { tone, title: text, .. } => Span(tone_of(&tone), text),
            Piece::Mark(name) => self.ink.mark(mark_of(&name)),
            Piece::Pick { rich, plain, tone } => {
                Span(tone_of(&tone), if self.ink.is_rich() { rich } else { plain })
            }
        };
        marked::pieces(line).into_iter().map(one).collect()
    }
}

/// Unknown words are plain: an operator's own template may hold any.
fn tone_of(name: &str) -> Tone {
    match name {
        "strong" => Tone::Strong,
        "dim" => Tone::Dim,
        "good" => Tone::Good,
        "bad" => Tone::Bad,
        "warn" => Tone::Warn,
        "accent" => Tone::Accent,
        _ => Tone::Plain,
    }
}

fn mark_of(name: &str) -> Mark {
    match name {
        "good" => Mark::Good,
        "bad" => Mark::Bad,
        "warn" => Mark::Warn,
        "unknown" => Mark::Unknown,
        "question" => Mark::Question,
        "answer" => Mark::Answer,
        _ => Mark::News,
    }
}

/// The head of an incident: what the alert says.
pub(super) fn opened(pen: &Pen, incident: &Incident) -> Vec<String> {
    let alert = incident.alerts.first();
    let places = [alert.and_then(|it| it.environment.as_deref()), alert.and_then(|it| it.region.as_deref())];
    let places: Vec<&str> = places.into_iter().flatten().collect();
    let (tone, severity) = match incident.severity() {
        Severity::Critical | Severity::Error => ("bad", incident.severity().id()),
        Severity::Warning => ("warn", "warning"),
        Severity::Info => ("plain", "info"),
        Severity::Unknown => ("plain", "alert"),
    };
    let values = json!({
        "id": incident.id,
        "title": incident.title(),
        "service": incident.service(),
        "places": Some(places.join(", ")).filter(|places| !places.is_empty()),
        "endpoint": incident.endpoint(),
        "tone": tone,
        "severity": severity,
        "source": alert.map(|alert| &alert.source),
        "status": alert.and_then(|alert| alert.http_status),
        "error": alert.and_then(|alert| alert.error).map(crate::alert::TransportError::id),
        "since": alert.and_then(|alert| alert.started_at).map(clock),
        "summary": alert.and_then(|alert| alert.summary.as_ref().filter(|summary| **summary != alert.title)),
    });
    pen.lines("opened", &values)
}

/// A time as people at a terminal read it; UTC, to the second.
fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S UTC").to_string()
}

/// A check that came back.
pub(super) fn check(pen: &Pen, step: &Step, report: &Report) -> Vec<String> {
    let (mark, tone) = verdict(report);
    let outcome = report.outcome.id();
    let summary = Some(report.summary.as_str()).filter(|summary| !summary.is_empty() && *summary != outcome);
    let values = json!({
        "mark": mark,
        "tone": tone,
        "name": check_name(step),
        "target": report.target,
        "outcome": outcome,
        "summary": summary,
        "took": took(report.took_ms),
    });
    pen.lines("check", &values)
}

/// A check that is running, with what it waits for.
pub(super) fn running(pen: &Pen, step: &Step, tick: usize, seconds: f64) -> String {
    let ink = pen.ink;
    let mut line = vec![Span(Tone::Plain, "  ".into()), ink.spinner(tick), Span(Tone::Plain, " ".into())];
    line.push(span(Tone::Strong, check_name(step)));
    let time = if seconds >= 1.0 { format!(" {seconds:.0} s") } else { String::new() };
    let room = ink.width().saturating_sub(columns(&line) + time.len());
    line.push(span(Tone::Plain, step.target.chars().take(room).collect::<String>()));
    line.push(span(Tone::Dim, time));
    ink.line(&line)
}

/// Checks that run without a line of their own.
pub(super) fn more_running(pen: &Pen, more: usize) -> Vec<String> {
    noted(pen, "more", json!({"more": more}))
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

/// The mark and the tone of a report, as the templates name them.
fn verdict(report: &Report) -> (&'static str, &'static str) {
    match (report.exit_status(), report.outcome) {
        (0, _) => ("good", "good"),
        (3, _) => ("unknown", "dim"),
        (
            _,
            Outcome::ExpiresSoon
            | Outcome::Slow
            | Outcome::NearLimit
            | Outcome::Degraded
            | Outcome::Maintenance,
        ) => ("warn", "warn"),
        _ => ("bad", "bad"),
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
pub(super) fn question(pen: &Pen, question: &Question, because: &str) -> Vec<String> {
    pen.lines("question", &json!({"ask": question.ask, "id": question.id, "because": because}))
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
pub(super) fn question_with_answers(pen: &Pen, asked: &Question, because: &str) -> Vec<String> {
    let mut lines = question(pen, asked, because);
    for row in 0..=asked.answers.len() {
        lines.extend(answer_row(pen.ink, asked, row, &[Span(Tone::Plain, "      ".into())], Tone::Plain));
    }
    lines
}

/// How an earlier answer is changed.
pub(super) fn change_hint(pen: &Pen, earlier: QuestionId) -> String {
    let ink = pen.ink;
    ink.line(&[span(Tone::Dim, format!("    {earlier}=… changes that answer"))])
}

/// A question with its answer, once both are known.
pub(super) fn answered(pen: &Pen, question: &Question, because: &str, reply: &str, by: &str) -> Vec<String> {
    let values = json!({
        "ask": question.ask,
        "reply": shown_reply(question, reply),
        "by": Some(by).filter(|by| *by != super::BY),
        "because": because,
    });
    pen.lines("answered", &values)
}

/// A reply that was taken, below the question it answers.
pub(super) fn taken(pen: &Pen, question: &Question, reply: &str) -> Vec<String> {
    let ink = pen.ink;
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
pub(super) fn withdrawn(pen: &Pen, question: &Question) -> Vec<String> {
    noted(pen, "withdrawn", json!({"ask": question.ask}))
}

/// A reply that was not taken.
pub(super) fn refused(pen: &Pen, why: &str) -> Vec<String> {
    noted(pen, "refused", json!({"reason": why}))
}

/// A reply that nobody takes any more.
pub(super) fn stopping(pen: &Pen) -> Vec<String> {
    noted(pen, "stopping", json!({}))
}

/// Something worth saying.
pub(super) fn note(pen: &Pen, incident: &Incident, note: &Note) -> Vec<String> {
    let concluded =
        || incident.conclusion.as_ref().map(|it| concluded(pen, incident, it)).unwrap_or_default();
    match note {
        Note::Concluded => concluded(),
        Note::Changed { from } => {
            let mut lines = noted(pen, "changed", json!({"from": from}));
            lines.extend(concluded());
            lines
        }
        // The issue stands below the conclusion already, or is shown now: see `issue`.
        Note::Filed => Vec::new(),
        Note::Reclassified { bucket, by, reason } => {
            noted(pen, "reclassified", json!({"bucket": bucket, "by": by, "reason": reason}))
        }
        Note::Resolved { by, reason } => noted(pen, "resolved", json!({"by": by, "reason": reason})),
        Note::Closed { by, reason } => noted(pen, "closed", json!({"by": by, "reason": reason})),
        Note::Reopened { by, reason } => noted(pen, "reopened", json!({"by": by, "reason": reason})),
        Note::Snoozed { until, by, reason } => {
            noted(pen, "snoozed", json!({"until": until, "by": by, "reason": reason}))
        }
        Note::Woke => noted(pen, "woke", json!({})),
        Note::Assigned { to, by, reason } => {
            noted(pen, "assigned", json!({"whom": to.name, "by": by, "reason": reason}))
        }
        Note::PassedOn { question, to, by } => {
            noted(pen, "passed_on", json!({"question": question, "whom": to.name, "by": by}))
        }
        Note::Refused { reason } => refused(pen, reason),
    }
}

/// A line of `note.hbs`. Templates are strict, so every field is there.
fn noted(pen: &Pen, note: &str, given: Value) -> Vec<String> {
    let mut values = json!({
        "note": note, "from": null, "bucket": null, "by": null, "reason": null, "ask": null, "what": null, "again": null,
        "place": null, "more": null, "whom": null, "until": null, "question": null,
    });
    if let (Some(values), Value::Object(given)) = (values.as_object_mut(), given) {
        values.extend(given);
    }
    pen.lines("note", &values)
}

fn concluded(pen: &Pen, incident: &Incident, conclusion: &Conclusion) -> Vec<String> {
    let hypothesis = |it: &crate::incident::Hypothesis| json!({"says": it.says, "id": it.id, "share": percent(it.probability)});
    let values = json!({
        "clear": conclusion.stopped == Stopped::Clarity,
        "bucket": conclusion.bucket,
        "boundary": conclusion.bucket.boundary(),
        "after": incident.mttc_s().map(span_of),
        "bars": bars(pen.ink, conclusion),
        "reasons": conclusion.reasons.iter().take(REASONS).map(|it| weighed(pen.ink, it)).collect::<Vec<_>>(),
        "more": conclusion.reasons.len().saturating_sub(REASONS),
        "hypotheses": conclusion.hypotheses.iter().map(hypothesis).collect::<Vec<_>>(),
        "next": conclusion.next_experiment,
        "mitigation": conclusion.hypotheses.first().map(|it| &it.mitigation),
        "mitigate": conclusion.mitigate,
        "escalate": conclusion.escalate,
        "ruled_out": conclusion.ruled_out,
        "missing": conclusion.missing,
    });
    pen.lines("concluded", &values)
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

/// An observation with the odds by which it moved the belief.
fn weighed(ink: Ink, reason: &Reason) -> Value {
    let tone = if reason.decibans >= 0.0 { "good" } else { "bad" };
    json!({"tone": tone, "weight": format!("{:>6}  ", odds(ink, reason.decibans)), "observation": reason.observation})
}

/// [`crate::chat::odds`], in ASCII where the terminal has no more.
fn odds(ink: Ink, decibans: f64) -> String {
    crate::chat::odds(decibans).replace('×', ink.pick("×", "x")).replace('÷', ink.pick("÷", "/"))
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
pub(super) fn issue(pen: &Pen, issue: &IssueRef) -> Vec<String> {
    let place = if issue.url.is_empty() { &issue.reference } else { &issue.url };
    noted(pen, "filed", json!({"place": place}))
}

/// Something that could not be done, and when it is tried again.
pub(super) fn trouble(pen: &Pen, trouble: &Trouble) -> Vec<String> {
    let again = trouble.retry_at.map(clock);
    noted(pen, "failed", json!({"what": trouble.what, "reason": trouble.reason, "again": again}))
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
