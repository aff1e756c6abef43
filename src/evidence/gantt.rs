//! The incident's course as a Mermaid Gantt chart, which GitHub draws (<https://mermaid.js.org/syntax/gantt.html>). Pure.
//!
//! Labels hold foreign words (a dependency's name): only letters, digits and a few marks get through, and every label begins
//! with a word of ours, so that no label is a keyword, a comment, a date, the end of a label (`:`) or of a fence. The chart is
//! short enough to be whole in any comment; checks that have no place are counted in its heading.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use super::Pack;

/// The longest chart, in characters: less than the least room that a body leaves to our section.
const LONGEST: usize = 1800;
/// Room that the lines besides the checks need.
const OTHERS: usize = 900;
/// The longest label, in characters.
const LABEL: usize = 40;
/// A phase this many times as long as the triage would squeeze it to nothing: it is told in words.
const FAR: i32 = 10;

/// A bar: what, of which kind, from when to when.
struct Bar {
    label: String,
    kind: &'static str,
    from: Timestamp,
    to: Timestamp,
}

impl Bar {
    fn line(&self) -> String {
        // A bar of no length is not drawn.
        let least = self.from.checked_add(SignedDuration::from_millis(1)).unwrap_or(self.from);
        let time = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%S%.3f").to_string();
        format!("  {} :{}, {}, {}\n", self.label, self.kind, time(self.from), time(self.to.max(least)))
    }
}

/// The chart; `None` while nothing took any time.
pub(super) fn chart(pack: &Pack) -> Option<String> {
    let timeline = &pack.timeline;
    let alerted = timeline.alerted_at?;
    let checks = checks(pack);
    let people = people(pack);
    let ended = checks.iter().chain(&people).map(|bar| bar.to).chain(timeline.concluded_at).max()?;
    let triage = ended.duration_since(alerted).max(SignedDuration::from_millis(1));
    let is_near = |span: SignedDuration| span <= triage.saturating_mul(FAR);
    let mut course = Vec::new();
    let mut since = String::new();
    if let Some(began) = timeline.started_at.filter(|began| *began < alerted) {
        let unseen = words(alerted.duration_since(began));
        if is_near(alerted.duration_since(began)) {
            course.push(Bar { label: format!("unseen {unseen}"), kind: "crit", from: began, to: alerted });
        } else {
            since = format!(", {unseen} after the fault began");
        }
    }
    course.push(Bar { label: format!("alerted{since}"), kind: "milestone", from: alerted, to: alerted });
    let clear = match timeline.mttc_s {
        Some(_) => format!("until clarity {}", words(ended.duration_since(alerted))),
        None => "triage".to_owned(),
    };
    let to = timeline.concluded_at.unwrap_or(ended);
    course.push(Bar { label: clear, kind: "active", from: alerted, to });
    if let (Some(concluded), Some(resolved)) = (timeline.concluded_at, timeline.resolved_at)
        && resolved > concluded
        && is_near(resolved.duration_since(concluded))
    {
        let label = format!("until resolved {}", words(resolved.duration_since(concluded)));
        course.push(Bar { label, kind: "done", from: concluded, to: resolved });
    }
    let mut out = String::from(
        "gantt\n  dateFormat YYYY-MM-DDTHH:mm:ss.SSS\n  axisFormat %H:%M:%S\n  todayMarker off\n  section Incident\n",
    );
    for bar in &course {
        out.push_str(&bar.line());
    }
    let asked = people.iter().take(3);
    if !people.is_empty() {
        out.push_str(&heading("People", asked.len(), people.len()));
        for bar in asked {
            out.push_str(&bar.line());
        }
    }
    let lines: Vec<String> = checks.iter().map(Bar::line).collect();
    let mut room = LONGEST.saturating_sub(out.chars().count().max(OTHERS));
    let fitting = lines.iter().take_while(|line| {
        let length = line.chars().count();
        let fits = length <= room;
        room = room.saturating_sub(length);
        fits
    });
    let shown: Vec<&String> = fitting.collect();
    if !shown.is_empty() {
        out.push_str(&heading("Checks", shown.len(), lines.len()));
        for line in shown {
            out.push_str(line);
        }
    }
    Some(out.trim_end().to_owned())
}

fn heading(name: &str, shown: usize, all: usize) -> String {
    let mut out = format!("  section {name}");
    if shown < all {
        let _infallible = write!(out, " (the first {shown} of {all})");
    }
    out.push('\n');
    out
}

/// The checks that came back, by their start.
fn checks(pack: &Pack) -> Vec<Bar> {
    let bar = |check: &super::Check| {
        let to = check.at?;
        #[expect(clippy::cast_possible_truncation, reason = "a check's milliseconds, below a day")]
        let took = SignedDuration::from_millis(check.took_ms?.clamp(0.0, 86_400_000.0) as i64);
        // Of a check that a restarted bot did again, the start is no earlier than the alert.
        let from = to.checked_sub(took).ok()?.max(pack.timeline.alerted_at?.min(to));
        let kind =
            if check.outcome.is_some_and(|it| check.check.exit_status(it) == 1) { "crit" } else { "done" };
        let name = check.name.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
        let outcome = check.outcome.map_or("pending", crate::outcome::Outcome::id);
        let label = label(&format!("{} {}{name} {outcome}", check.check, check.role));
        Some(Bar { label, kind, from, to })
    };
    let mut bars: Vec<Bar> = pack.checks.iter().filter_map(bar).collect();
    bars.sort_by_key(|bar| bar.from);
    bars
}

/// What waited for people.
fn people(pack: &Pack) -> Vec<Bar> {
    let bar = |answer: &super::Answered| {
        let (to, waited) = (answer.at?, answer.waited_s.filter(|it| *it > 0.0)?);
        let from = to.checked_sub(SignedDuration::try_from_secs_f64(waited).ok()?).ok()?;
        Some(Bar { label: label(&format!("asked {}", answer.about)), kind: "active", from, to })
    };
    pack.answers.iter().filter_map(bar).collect()
}

/// What may stand in a label.
fn label(text: &str) -> String {
    let fit = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/') { c } else { ' ' };
    let plain: String = text.chars().take(LABEL * 2).map(fit).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ").chars().take(LABEL).collect()
}

fn words(span: SignedDuration) -> String {
    crate::template::seconds(Some(span.as_secs_f64()))
}
