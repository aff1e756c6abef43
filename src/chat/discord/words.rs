//! What an incident looks like in Discord: values for `templates/thread/*`, and their limits.
//!
//! Pure: an incident in, Markdown out. Foreign text is neutralised by the templates.

use serde::Serialize;

use super::split::{self, MESSAGE};
use crate::bucket::Bucket;
use crate::chat::ChatError;
use crate::incident::{Conclusion, Incident, IssueRef, Person, Stage, Stopped, Trouble};
use crate::outcome::{Outcome, Report};
use crate::runbook::Question;
use crate::template::{Templates, neutral};
use crate::triage::Note;

/// Cells of the longest bar.
const BAR: usize = 20;
/// Checks that the head shows at most; fewer when they are wordy.
const CHECKS: usize = 12;
/// Characters of the reason why something could not be done.
const REASON: usize = 200;
/// Characters of a thread's name.
const THREAD_NAME: usize = 100;

#[derive(Serialize)]
struct Head<'a> {
    mention: Option<String>,
    title: &'a str,
    id: &'a str,
    state: &'static str,
    severity: Option<&'static str>,
    deliveries: Option<u64>,
    service: Option<&'a str>,
    place: Option<String>,
    endpoint: Option<&'a str>,
    symptom: Option<String>,
    bars: Vec<String>,
    earlier: usize,
    done: Vec<Done<'a>>,
    running: Vec<String>,
    open: Vec<&'static str>,
    conclusion: Option<Verdict<'a>>,
    issue: Option<String>,
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
struct Done<'a> {
    mark: &'static str,
    check: String,
    outcome: &'static str,
    summary: &'a str,
}

#[derive(Serialize)]
struct Verdict<'a> {
    bucket: Bucket,
    probability: f64,
    next: &'a str,
}

/// The head message: how the incident stands, within one message. The older checks give way when it is too long.
pub(super) fn head(
    templates: &Templates,
    incident: &Incident,
    role: Option<u64>,
) -> Result<String, ChatError> {
    let mut values = head_values(incident, role);
    loop {
        let text = render(templates, "thread/head", &values)?;
        if text.chars().count() <= MESSAGE {
            return Ok(text);
        }
        if values.done.is_empty() {
            // Only a title or a service of more than a thousand characters comes here.
            return Ok(split::split(&text, MESSAGE).into_iter().next().unwrap_or_default());
        }
        values.done.remove(0);
        values.earlier += 1;
    }
}

fn head_values(incident: &Incident, role: Option<u64>) -> Head<'_> {
    let alert = incident.alerts.first();
    let place = [alert.and_then(|it| it.environment.as_deref()), alert.and_then(|it| it.region.as_deref())];
    let place: Vec<&str> = place.into_iter().flatten().collect();
    let reported: Vec<Done<'_>> = incident
        .steps
        .iter()
        .filter_map(|record| Some((record.step.key(), record.report()?)))
        .map(|(check, report)| Done {
            mark: mark(report),
            check,
            outcome: report.outcome.id(),
            summary: &report.summary,
        })
        .collect();
    let earlier = reported.len().saturating_sub(CHECKS);
    Head {
        mention: role.map(|role| format!("<@&{role}>")),
        title: incident.title(),
        id: incident.id.as_str(),
        state: state(incident.stage),
        severity: alert.map(|_| incident.severity().id()).filter(|severity| *severity != "unknown"),
        deliveries: Some(incident.alert_count).filter(|count| *count > 1),
        service: incident.service(),
        place: Some(place.join(", ")).filter(|place| !place.is_empty()),
        endpoint: incident.endpoint(),
        symptom: symptom(incident),
        bars: bars(&incident.buckets),
        earlier,
        done: reported.into_iter().skip(earlier).collect(),
        running: incident.pending_steps().map(|record| record.step.key()).collect(),
        open: incident.open_questions().map(|record| record.question.id()).collect(),
        conclusion: incident.conclusion.as_ref().map(|it| Verdict {
            bucket: it.bucket,
            probability: it.probability,
            next: &it.next_experiment,
        }),
        issue: incident.issue.as_ref().map(link),
        troubles: incident.troubles.iter().map(failed).collect(),
    }
}

/// A link to the issue without a preview, or the tracker's own reference where people cannot follow one.
fn link(issue: &IssueRef) -> String {
    let is_link = issue.url.starts_with("https://") || issue.url.starts_with("http://");
    if is_link { format!("<{}>", issue.url) } else { format!("`{}`", issue.reference) }
}

/// Discord counts the time down for everybody who reads it.
fn failed(trouble: &Trouble) -> Failed<'_> {
    Failed {
        what: &trouble.what,
        reason: trouble.reason.chars().take(REASON).collect(),
        again: trouble.retry_at.map(|at| format!("<t:{}:R>", at.as_second())),
    }
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
}

/// A question's message once it is answered: what it said, and below it who answered what.
pub(super) fn answered(
    templates: &Templates,
    asked: &str,
    answer: &str,
    by: &str,
) -> Result<String, ChatError> {
    let answer: String = answer.lines().next().unwrap_or_default().chars().take(200).collect();
    let text = render(templates, "thread/answered", &Answered { question: asked, answer: &answer, by })?;
    Ok(split::split(&text, MESSAGE).into_iter().next().unwrap_or_default())
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

/// What is said in the thread, in messages of a size that Discord takes.
pub(super) fn note(
    templates: &Templates,
    incident: &Incident,
    note: &Note,
) -> Result<Vec<String>, ChatError> {
    let mut values = NoteValues::of(note);
    values.issue = incident.issue.as_ref().map(link);
    let mut text = render(templates, "thread/note", &values)?;
    if let (Note::Concluded | Note::Changed { .. }, Some(conclusion)) = (note, &incident.conclusion) {
        let concluded = render(templates, "thread/concluded", &concluded(incident, conclusion))?;
        text = format!("{text}\n{concluded}");
    }
    Ok(split::split(text.trim(), MESSAGE))
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

/// The name of an incident's thread.
pub(super) fn thread_name(incident: &Incident) -> String {
    let title = incident.title().split_whitespace().collect::<Vec<_>>().join(" ");
    format!("{} · {title}", incident.id).chars().take(THREAD_NAME).collect()
}

fn render(templates: &Templates, name: &str, values: &impl Serialize) -> Result<String, ChatError> {
    let text = templates.render(name, values).map_err(|error| ChatError::never(error.to_string()))?;
    Ok(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::samples::{conclude, incident, question as shipped, report, step};
    use crate::incident::Event;
    use crate::outcome::CheckKind;
    use crate::question::QuestionId;

    fn reported(incident: &mut Incident, check: CheckKind, outcome: Outcome, summary: &str) {
        let at = jiff::Timestamp::UNIX_EPOCH;
        incident.record(Event::ChecksPlanned { steps: vec![step(check)] }, at);
        incident.record(
            Event::CheckReported { step: step(check).key(), report: report(check, outcome, summary) },
            at,
        );
    }

    #[test]
    fn the_head_shows_how_the_incident_stands() {
        let mut incident = incident();
        reported(&mut incident, CheckKind::Tls, Outcome::Expired, "certificate expired 41 days ago");
        let at = jiff::Timestamp::UNIX_EPOCH;
        incident.record(Event::ChecksPlanned { steps: vec![step(CheckKind::Dns)] }, at);
        incident
            .record(Event::QuestionAsked { question: QuestionId::LatencyFirst, because: String::new() }, at);
        insta::assert_snapshot!(head(&Templates::builtin(), &incident, Some(42)).unwrap());
    }

    #[test]
    fn the_conclusion_is_one_message() {
        let mut incident = incident();
        conclude(&mut incident);
        let messages = note(&Templates::builtin(), &incident, &Note::Concluded).unwrap();
        insta::assert_snapshot!(messages.join("\n=====\n"));
    }

    #[test]
    fn the_head_of_a_finished_incident_links_the_issue() {
        let mut incident = incident();
        conclude(&mut incident);
        incident.issue =
            Some(IssueRef { reference: "a/b#1".into(), url: "https://example.com/a/b/issues/1".into() });
        insta::assert_snapshot!(head(&Templates::builtin(), &incident, None).unwrap());
    }

    #[test]
    fn the_head_says_what_could_not_be_done_and_when_it_is_tried_again() {
        let mut incident = incident();
        for (what, seconds) in [("filing the issue", Some(60)), ("asking a question", None)] {
            let retry_at = seconds.map(|it| jiff::Timestamp::from_second(1_790_000_000 + it).unwrap());
            let (what, reason) = (what.to_owned(), "GitHub answered 502".to_owned());
            incident.record(Event::ActionFailed { what, reason, retry_at }, jiff::Timestamp::UNIX_EPOCH);
        }
        let text = head(&Templates::builtin(), &incident, None).unwrap();
        let waits = "⚠️ filing the issue failed: GitHub answered 502; tried again <t:1790000060:R>";
        let over = "⚠️ asking a question failed: GitHub answered 502; given up";
        assert!(text.contains(waits) && text.contains(over), "{text}");
    }

    #[test]
    fn a_wordy_head_keeps_to_one_message_and_says_what_it_left_out() {
        let mut incident = incident();
        for kind in CheckKind::ALL {
            reported(&mut incident, *kind, Outcome::Error, &"words ".repeat(60));
        }
        let text = head(&Templates::builtin(), &incident, None).unwrap();
        assert!(text.chars().count() <= MESSAGE && text.contains("earlier checks"), "{text}");
    }

    #[test]
    fn a_question_tells_why_it_is_asked_and_later_who_answered() {
        let asked = question(
            &Templates::builtin(),
            &shipped(QuestionId::EndpointScope),
            "it tells code from network",
        )
        .unwrap();
        let text = answered(&Templates::builtin(), &asked, "several", "Ada").unwrap();
        insta::assert_snapshot!(text);
    }

    #[test]
    fn foreign_words_mention_nobody() {
        let mut incident = incident();
        incident.alerts[0].title = "@everyone <@&42> [click](https://evil.example)".into();
        let text = head(&Templates::builtin(), &incident, None).unwrap();
        assert!(
            !text.contains("@everyone") && !text.contains("<@&42>") && !text.contains("[click]("),
            "{text}"
        );
    }

    #[test]
    fn every_note_has_words() {
        let notes = [
            Note::Changed { from: Bucket::Server },
            Note::Filed,
            Note::Reclassified { bucket: Bucket::Auth, by: "Ada".into(), reason: None },
            Note::Resolved { by: "alertmanager".into(), reason: None },
            Note::Closed { by: "Ada".into(), reason: Some("a duplicate".into()) },
            Note::Reopened { by: "Ada".into(), reason: None },
            Note::Snoozed { until: jiff::Timestamp::UNIX_EPOCH, by: "Ada".into(), reason: None },
            Note::Woke,
            Note::Assigned { to: Person::named("Grace"), by: "Ada".into(), reason: None },
            Note::PassedOn {
                question: QuestionId::TokenState,
                to: Person { name: "Grace".into(), mention: Some("42".into()) },
                by: "Ada".into(),
            },
            Note::Refused { reason: "an answer after the end".into() },
        ];
        let mut incident = incident();
        incident.issue =
            Some(IssueRef { reference: "a/b#1".into(), url: "https://example.com/a/b/issues/1".into() });
        for it in notes {
            assert_eq!(note(&Templates::builtin(), &incident, &it).unwrap().len(), 1, "{it:?}");
        }
    }

    #[test]
    fn a_threads_name_fits() {
        let mut incident = incident();
        incident.alerts[0].title = "long ".repeat(60);
        assert_eq!(thread_name(&incident).chars().count(), THREAD_NAME);
    }
}
