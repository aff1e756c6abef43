//! An incident's page as values: the thread, the checks, the charts. Pure: what the API shows in, what the templates need out.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::chart::{self, Bar, Belief, Phase};
use crate::alert::Severity;
use crate::app::course::{Course, Entry, Question};
use crate::app::view::{Check, Document};
use crate::bucket::Bucket;
use crate::question::{Choice, QuestionId};

/// The parts of the page that move by themselves, each a template `console/incident/NAME` and an element with this id.
pub(super) const PARTS: [&str; 6] = ["head", "thread", "belief", "causes", "checks", "timeline"];

/// Answers that are buttons side by side; more are a menu.
const BUTTONS: usize = 6;

/// Something a person must read before the rest: why a reply was not taken.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Notice {
    pub(super) says: String,
    /// The words that were not taken, so that nobody has to type them again.
    pub(super) words: Option<String>,
}

/// Everything the templates of an incident need.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is one `if` of a template")]
pub(super) struct Page {
    pub(super) incident: Document,
    pub(super) seq: u64,
    pub(super) notice: Option<Notice>,
    /// Whether the page is to look again by itself where there is no script: checks are under way, and nobody is typing.
    pub(super) reload: bool,
    /// Where the issue can be read in a browser.
    issue_link: Option<String>,
    /// Whether people may still say something.
    pub(super) open: bool,
    /// Whether it can be looked at again: it is over, or quiet.
    reopens: bool,
    bars: Vec<Bar>,
    boundary: Option<&'static str>,
    thread: Vec<Item>,
    checks: Vec<Row>,
    belief: Belief,
    buckets: [&'static str; 5],
    /// Whether this is a drill that runs here.
    drill: bool,
}

/// One message of the thread.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Item {
    seq: u64,
    at: Timestamp,
    /// `note`, `alert`, `checks`, `question` or `conclusion`.
    kind: &'static str,
    says: String,
    question: Option<Asked>,
    checks: Vec<Tick>,
    alert: Option<Reported>,
}

/// What the first alert says.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Reported {
    source: String,
    severity: Severity,
    endpoint: Option<String>,
    summary: Option<String>,
}

/// A question in the thread.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is one `if` of a template")]
struct Asked {
    #[serde(flatten)]
    question: Question,
    /// How it is answered: one of a menu, any of some boxes, one of some buttons, words on one line, or lines of them.
    menu: bool,
    several: bool,
    buttons: bool,
    words: bool,
    lines: bool,
    /// Whether it needs a button to send what was picked or written.
    sends: bool,
    /// Whether it can still be answered.
    open: bool,
    /// What somebody on call in this drill would know.
    known: Option<String>,
}

/// A check as a line of the thread.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Tick {
    key: String,
    state: &'static str,
    finding: &'static str,
    outcome: Option<String>,
}

/// A check with everything known of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Row {
    key: String,
    target: String,
    state: &'static str,
    finding: &'static str,
    outcome: Option<String>,
    summary: Option<String>,
    took_ms: Option<f64>,
    phases: Vec<Phase>,
    facts: Vec<Fact>,
}

/// A fact, its value as text.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Fact {
    name: String,
    value: String,
}

impl Page {
    /// The page of this incident; `known` is what somebody on call would know, in a drill that runs here.
    pub(super) fn of(
        incident: Document,
        course: &Course,
        known: Option<&BTreeMap<QuestionId, String>>,
    ) -> Self {
        let open = !matches!(incident.state.id(), "closed" | "resolved");
        let slowest = incident.checks.iter().filter_map(|check| check.took_ms).fold(0.0, f64::max);
        Self {
            seq: course.seq,
            notice: None,
            reload: incident.open_questions.is_empty()
                && incident.checks.iter().any(|check| check.state != "reported"),
            issue_link: incident.issue.as_ref().map(|url| {
                let is_web = url.starts_with("https:") || url.starts_with("http:");
                if is_web { url.clone() } else { format!("/incidents/{}/issue", incident.id) }
            }),
            open,
            reopens: !open || incident.snoozed_until.is_some(),
            bars: chart::bars(&incident.buckets),
            boundary: incident.bucket.map(Bucket::boundary),
            thread: thread(&incident, course, open, known),
            checks: incident.checks.iter().map(|check| row(check, slowest)).collect(),
            belief: chart::belief(&course.entries),
            buckets: Bucket::ALL.map(Bucket::id),
            drill: known.is_some(),
            incident,
        }
    }

    /// The same, with why a reply was not taken.
    pub(super) fn with_notice(self, says: String, words: Option<String>) -> Self {
        Self { notice: Some(Notice { says, words }), reload: false, ..self }
    }
}

fn thread(
    incident: &Document,
    course: &Course,
    open: bool,
    known: Option<&BTreeMap<QuestionId, String>>,
) -> Vec<Item> {
    let last = course.entries.iter().rev().find(|entry| entry.event == "concluded").map(|entry| entry.seq);
    let mut planned = incident.checks.iter();
    let mut is_first = true;
    let mut items = Vec::new();
    for entry in &course.entries {
        let mut item = Item {
            seq: entry.seq,
            at: entry.at,
            kind: "note",
            says: entry.what.clone().unwrap_or_default(),
            question: None,
            checks: Vec::new(),
            alert: None,
        };
        match entry.event.as_str() {
            "alert_received" if std::mem::take(&mut is_first) => {
                item.kind = "alert";
                item.alert = incident.alerts.first().map(|alert| Reported {
                    source: alert.source.clone(),
                    severity: alert.severity,
                    endpoint: alert.endpoint.clone(),
                    summary: alert.summary.clone(),
                });
            }
            "checks_planned" => {
                item.kind = "checks";
                item.checks = planned.by_ref().take(entry.steps.unwrap_or(0)).map(tick).collect();
            }
            // Told by the checks and questions they belong to, by the alert, and by the chart.
            "opened" | "thread_opened" | "check_started" | "check_reported" | "believed" => continue,
            "question_asked" => {
                item.kind = "question";
                item.question = asked(entry, course, open, known);
            }
            "answer_given" if was_asked(entry, course) => continue,
            "concluded" if Some(entry.seq) == last => item.kind = "conclusion",
            _ if item.says.is_empty() => continue,
            _ => {}
        }
        items.push(item);
    }
    items
}

fn was_asked(entry: &Entry, course: &Course) -> bool {
    course.questions.iter().any(|it| Some(it.question) == entry.question && it.asked_at.is_some())
}

fn asked(
    entry: &Entry,
    course: &Course,
    open: bool,
    known: Option<&BTreeMap<QuestionId, String>>,
) -> Option<Asked> {
    let question = course.questions.iter().find(|it| Some(it.question) == entry.question)?;
    let several = question.choice.is_multiple();
    let menu = !several && question.answers.len() > BUTTONS;
    let words = question.choice.takes_text();
    Some(Asked {
        menu,
        several,
        buttons: !several && !menu,
        words,
        lines: question.choice == Choice::Text,
        sends: several || menu || words,
        open,
        known: known.map(|known| {
            known.get(&question.question).cloned().unwrap_or_else(|| "nothing: you cannot tell".to_owned())
        }),
        question: question.clone(),
    })
}

fn tick(check: &Check) -> Tick {
    Tick {
        key: check.key(),
        state: check.state,
        finding: finding(check),
        outcome: check.outcome.map(|outcome| outcome.id().to_owned()),
    }
}

/// What the check says of its target, in one word for the style sheet.
fn finding(check: &Check) -> &'static str {
    match (check.exit_status, check.state) {
        (Some(0), _) => "healthy",
        (Some(1), _) => "fault",
        (Some(_), _) => "unknown",
        (None, "running") => "running",
        (None, _) => "planned",
    }
}

fn row(check: &Check, slowest_ms: f64) -> Row {
    let fact = |(name, value): (&String, &Value)| Fact {
        name: name.clone(),
        value: match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        },
    };
    Row {
        key: check.key(),
        target: check.target.clone(),
        state: check.state,
        finding: finding(check),
        outcome: check.outcome.map(|outcome| outcome.id().to_owned()),
        summary: check.summary.clone(),
        took_ms: check.took_ms,
        phases: chart::phases(check, slowest_ms),
        facts: check.facts.iter().map(fact).collect(),
    }
}
