//! The pack as an issue and as Markdown.
//!
//! The templates hold the wording; here is what they cannot do: choose the verdict's sentence, keep within the tracker's limits
//! and say what was left out, and look once more for secrets before the text leaves. A limit is never met in silence.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::gantt;
use super::reading::clipped;
use super::redact::withhold;
use crate::bucket::Bucket;
use crate::evidence::{Classification, Fact, Pack};
use crate::incident::{Stage, Stopped};
use crate::outcome::Outcome;
use crate::template::{TemplateError, Templates, neutral, percent};

/// The longest body GitHub takes, in characters; longer is a 422 "Body is too long".
pub const BODY_LIMIT: usize = 65_536;
/// The longest title GitHub is sure to take, in characters.
pub const TITLE_LIMIT: usize = 256;
/// The longest label GitHub takes, in characters.
const LABEL_LIMIT: usize = 50;
/// How long our section may be, in characters: a tracker that takes less at once gets it in parts (four of GitHub's comments).
pub const SECTION_LIMIT: usize = 240_000;

/// An issue as it should stand in the tracker now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Issue {
    /// At most 256 characters.
    pub title: String,
    /// Markdown, at most [`SECTION_LIMIT`] characters and its frame, between the incident's markers ([`marker`],
    /// [`end_marker`]).
    pub body: String,
    /// `firstcheck`, `bucket:…`, `severity:…`, `service:…`.
    pub labels: Vec<String>,
    /// The date (`2026-03-01`) the incident opened: in the name of a file.
    pub opened_on: String,
    /// Whether nothing more is expected.
    pub closed: bool,
    /// What happened after the issue was filed, each told once, in order.
    pub news: Vec<News>,
}

/// Something worth a comment: it happened after the conclusion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// What tells it from the incident's other news: `resolved`, `reclassified-auth`.
    pub key: String,
    /// Markdown.
    pub text: String,
}

/// The hidden line by which an issue is known to be this incident's; what it marks is ours to rewrite.
#[must_use]
pub fn marker(incident: &str) -> String {
    format!("<!-- firstcheck:{incident} -->")
}

/// The hidden line after which people's text begins.
#[must_use]
pub fn end_marker(incident: &str) -> String {
    format!("<!-- /firstcheck:{incident} -->")
}

/// The hidden line by which a comment is known to tell these news.
#[must_use]
pub fn news_marker(incident: &str, key: &str) -> String {
    format!("<!-- firstcheck:{incident}:{key} -->")
}

/// The body with our section replaced by a newer one; what people wrote before and after it stays. A body without the
/// markers (somebody deleted them) keeps its text below ours.
#[must_use]
pub fn spliced(incident: &str, old: &str, new: &str) -> String {
    let (start, end) = (marker(incident), end_marker(incident));
    let Some(from) = old.find(&start) else {
        return if old.trim().is_empty() { new.to_owned() } else { format!("{new}\n\n{}", old.trim_start()) };
    };
    let to = old[from..].find(&end).map_or(old.len(), |at| from + at + end.len());
    format!("{}{new}{}", &old[..from], &old[to..])
}

/// The issue for this pack.
///
/// # Errors
/// [`TemplateError`] when a template (an overridden one, in practice) does not fit the pack.
pub fn issue(templates: &Templates, pack: &Pack) -> Result<Issue, TemplateError> {
    let opened = pack
        .timeline
        .alerted_at
        .or(pack.timeline.started_at)
        .or_else(|| pack.timeline.entries.first().map(|it| it.at));
    Ok(Issue {
        title: within_title(withhold(&title(pack)).0),
        body: section(templates, pack)?,
        labels: labels(pack),
        opened_on: opened.map_or_else(|| "undated".to_owned(), |at| at.strftime("%Y-%m-%d").to_string()),
        closed: pack.stage == Stage::Closed,
        news: news(pack),
    })
}

/// The pack as a Markdown document.
///
/// # Errors
/// As [`issue`].
pub fn markdown(templates: &Templates, pack: &Pack) -> Result<String, TemplateError> {
    Ok(withhold(&templates.render("evidence", &view(pack, &[]))?).0)
}

/// Our section of the body, shortened part by part until it fits.
fn section(templates: &Templates, pack: &Pack) -> Result<String, TemplateError> {
    let framed =
        |text: &str| format!("{}\n{}\n{}", marker(&pack.incident), text.trim(), end_marker(&pack.incident));
    let mut pack = pack.clone();
    let mut left_out: Vec<String> = Vec::new();
    let mut cuts = CUTS.iter();
    loop {
        let text = templates.render("issue", &view(&pack, &left_out))?;
        if text.chars().count() <= SECTION_LIMIT {
            return Ok(framed(&withhold(&text).0));
        }
        let Some((what, cut)) = cuts.next() else {
            // An overridden template with more text than that: its end goes, and the marker stays.
            let text: String = text.chars().take(SECTION_LIMIT).collect();
            let note = "> [!NOTE]\n> The rest was left out to stay within the tracker's limit.";
            return Ok(framed(&format!("{}\n\n{note}", withhold(&text).0)));
        };
        let before = serde_json::to_string(&pack).unwrap_or_default().len();
        cut(&mut pack);
        if serde_json::to_string(&pack).unwrap_or_default().len() < before {
            left_out.push((*what).to_owned());
        }
    }
}

/// The phases of an exchange, in the order in which they happen.
const PHASES: [&str; 6] = ["dns", "connect", "tls", "send", "first_byte", "transfer"];

/// What goes first when a section is too long, and in what words that is said.
type Cut = (&'static str, fn(&mut Pack));
const CUTS: &[Cut] = &[
    ("the middle of the timeline", |pack| {
        let entries = &mut pack.timeline.entries;
        if entries.len() > 40 {
            entries.drain(20..entries.len() - 20);
        }
    }),
    ("the ends of long answers and bodies", |pack| each_text(pack, 2000)),
    ("all but the first twenty headers and parameters of a message", |pack| {
        if let Some(request) = &mut pack.request {
            request.headers.truncate(20);
            request.query.truncate(20);
        }
        if let Some(response) = &mut pack.response {
            response.headers.truncate(20);
        }
    }),
    ("reasons, exclusions and missing parts after the first fifteen", |pack| {
        if let Some(classification) = &mut pack.classification {
            classification.reasons.truncate(15);
        }
        pack.ruled_out.truncate(15);
        pack.missing.truncate(15);
        pack.links.clear();
    }),
    ("the facts behind the checks", |pack| {
        for check in &mut pack.checks {
            check.telling.truncate(1);
        }
    }),
    ("the ends of all texts", |pack| each_text(pack, 300)),
    ("the timeline", |pack| pack.timeline.entries.clear()),
    ("checks and answers after the first thirty", |pack| {
        pack.checks.truncate(30);
        pack.answers.truncate(15);
        pack.hypotheses.truncate(2);
        pack.specifics.truncate(20);
    }),
];

/// Clips every text that somebody else wrote.
fn each_text(pack: &mut Pack, chars: usize) {
    let clip = |text: &mut String| *text = clipped(text, chars);
    let facts =
        |facts: &mut Vec<Fact>| facts.iter_mut().for_each(|fact| fact.value = clipped(&fact.value, chars));
    if let Some(request) = &mut pack.request {
        request.body.iter_mut().for_each(clip);
        clip(&mut request.path);
        // A command of which the end is missing is none.
        pack.reproduce = pack.reproduce.take().filter(|it| it.chars().count() <= chars.max(1000));
        facts(&mut request.headers);
        facts(&mut request.query);
    }
    if let Some(response) = &mut pack.response {
        response.snippet.iter_mut().for_each(clip);
        response.error_code.iter_mut().chain(&mut response.note).for_each(clip);
        facts(&mut response.headers);
    }
    for answer in &mut pack.answers {
        answer.answer.iter_mut().chain(&mut answer.by).for_each(clip);
        clip(&mut answer.because);
    }
    for check in &mut pack.checks {
        clip(&mut check.summary);
        clip(&mut check.target);
        clip(&mut check.key);
    }
    for hypothesis in &mut pack.hypotheses {
        clip(&mut hypothesis.says);
        clip(&mut hypothesis.next_experiment);
        clip(&mut hypothesis.mitigation);
    }
    if let Some(classification) = &mut pack.classification {
        classification.reasons.iter_mut().for_each(|reason| clip(&mut reason.observation));
    }
    pack.next_experiment.iter_mut().for_each(clip);
    pack.ruled_out.iter_mut().for_each(clip);
    pack.missing.iter_mut().for_each(clip);
    pack.timeline.entries.iter_mut().for_each(|entry| clip(&mut entry.what));
    facts(&mut pack.specifics);
    let Pack { impact, environment, timing, .. } = pack;
    let texts =
        [&mut impact.users, &mut impact.endpoints, &mut impact.clients, &mut impact.onset, &mut impact.rate];
    texts.into_iter().flatten().for_each(clip);
    let texts = [
        &mut environment.release,
        &mut environment.flags,
        &mut environment.gateway,
        &mut environment.changes,
    ];
    texts.into_iter().flatten().chain(&mut timing.server).chain(&mut pack.journey).for_each(clip);
}

/// What the templates see: the pack, and what only code can say of it.
fn view(pack: &Pack, left_out: &[String]) -> Value {
    let mut view = serde_json::to_value(pack).unwrap_or_default();
    let classification = pack.classification.as_ref();
    view["verdict"] = json!(verdict(pack));
    view["left_out"] = json!(left_out);
    view["reclassified"] = json!(classification.and_then(|it| it.reclassified.as_ref()));
    view["reasons"] = json!(classification.map(|it| it.reasons.as_slice()).unwrap_or_default());
    view["link_list"] = pack
        .links
        .iter()
        .map(|(name, url)| json!({"name": name, "value": url, "linked": is_followable(url)}))
        .collect();
    if let Some(request) = &pack.request {
        view["request"]["line"] = json!(request_line(request));
    }
    for (place, hypothesis) in view["hypotheses"].as_array_mut().into_iter().flatten().enumerate() {
        hypothesis["place"] = json!(place + 1);
        // Said once, under its own heading.
        if place == 0 && hypothesis["next_experiment"].as_str() == pack.next_experiment.as_deref() {
            hypothesis["next_experiment"] = Value::Null;
        }
    }
    for (shown, check) in view["checks"].as_array_mut().into_iter().flatten().zip(&pack.checks) {
        shown["outcome"] = json!(check.outcome.map_or("pending", Outcome::id));
        let is_fault = |it: &Outcome| *it != Outcome::Error && check.check.exit_status(*it) == 1;
        shown["finding"] = json!(check.outcome.as_ref().is_some_and(is_fault));
    }
    // 0 is a measure and not "none": handlebars takes it for false.
    for (measure, has) in [("mttd_s", "has_mttd"), ("mttc_s", "has_mttc"), ("mttr_s", "has_mttr")] {
        view["timeline"][has] = json!(view["timeline"][measure].is_number());
    }
    view["timeline"]["waited"] = json!(pack.timeline.human_wait_s > 0.0);
    view["picture"] = json!(gantt::chart(pack));
    view["timing"]["has_client"] = json!(pack.timing.client_ms.is_some());
    let mut phases: Vec<(&String, &f64)> = pack.timing.phases_ms.iter().collect();
    phases.sort_by_key(|(name, _)| PHASES.iter().position(|known| known == name).unwrap_or(PHASES.len()));
    view["timing"]["phases"] =
        phases.iter().map(|(name, ms)| json!({"name": name.replace('_', " "), "ms": ms})).collect();
    view["impact"]["one_alert"] = json!(pack.impact.alerts == 1);
    view
}

/// Whether a link may be one: a web address, and none of an issue, on which GitHub would leave a "mentioned this".
fn is_followable(url: &str) -> bool {
    let web = url.starts_with("https://") || url.starts_with("http://");
    let clean = !url.contains(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '`' | '"' | '[' | ']'));
    web && clean && !["/issues/", "/pull/", "/discussions/", "/commit/"].iter().any(|part| url.contains(part))
}

fn request_line(request: &super::Request) -> String {
    let query: Vec<String> = request.query.iter().map(|it| format!("{}={}", it.name, it.value)).collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    let host = request.host.as_deref().map(|host| format!(" ({host})")).unwrap_or_default();
    let method = request.method.as_deref().map(|method| format!("{method} ")).unwrap_or_default();
    format!("{method}{}{query}{host}", request.path)
}

/// The finding in one sentence or two.
fn verdict(pack: &Pack) -> String {
    let Some(it) = &pack.classification else {
        return "**Triage is still going on.**".to_owned();
    };
    let (first, next) = (percent(Some(it.probability)), percent(Some(it.runner_up_probability)));
    let dependency =
        it.dependency.as_deref().map(|name| format!(" in {}", neutral::code(name))).unwrap_or_default();
    let runner_up = format!("next likely: {} ({next})", it.runner_up);
    match it.stopped {
        Stopped::Clarity => format!(
            "**{} failed first{dependency}: {}, {first} likely** ({runner_up}).",
            capital(it.bucket),
            it.boundary
        ),
        Stopped::Unclear => format!(
            "**Unclear.** Best guess: {} ({}), {first} likely{dependency}; {runner_up}. What is missing is named below.",
            it.bucket, it.boundary
        ),
    }
}

fn capital(bucket: Bucket) -> String {
    let words = bucket.id().replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// `reports-api: High 504 rate on /v1/reports (upstream)`. Titles are no Markdown, so that only what notifies is broken up.
fn title(pack: &Pack) -> String {
    let one_line = |text: &str| -> String {
        let plain = neutral::plain(text).replace(['\n', '\t'], " ").replace("<!--", "<! --");
        plain.replace('@', &format!("@{}", neutral::BREAK))
    };
    let service = match &pack.service {
        Some(service) if !pack.title.contains(service.as_str()) => {
            format!("{}: ", one_line(&clipped(service, 60)))
        }
        _ => String::new(),
    };
    let bucket = match &pack.classification {
        Some(Classification { reclassified: Some(it), .. }) => format!(" ({})", it.bucket),
        Some(it) if it.stopped == Stopped::Clarity => format!(" ({})", it.bucket),
        Some(_) => " (unclear)".to_owned(),
        None => String::new(),
    };
    let mut room = TITLE_LIMIT - service.chars().count() - bucket.chars().count();
    let title = one_line(&pack.title);
    let title = title.trim();
    if title.chars().count() <= room {
        return format!("{service}{title}{bucket}");
    }
    room -= 1;
    format!("{service}{}…{bucket}", title.chars().take(room).collect::<String>())
}

/// The title within the tracker's limit: what stands for a secret may be longer than the secret was.
fn within_title(title: String) -> String {
    if title.chars().count() <= TITLE_LIMIT {
        return title;
    }
    title.chars().take(TITLE_LIMIT - 1).chain(['…']).collect()
}

fn labels(pack: &Pack) -> Vec<String> {
    let mut labels = vec!["firstcheck".to_owned()];
    if let Some(it) = &pack.classification {
        let bucket = it.reclassified.as_ref().map_or(it.bucket, |it| it.bucket);
        labels.push(format!("bucket:{bucket}"));
    }
    labels.push(format!("severity:{}", pack.severity.id()));
    if let Some(service) = &pack.service {
        // A comma separates labels in a query, and white space at the ends is lost.
        let clean: String = neutral::plain(service)
            .chars()
            .map(|c| if c == ',' || c.is_whitespace() { '-' } else { c })
            .collect();
        let label: String = format!("service:{clean}").chars().take(LABEL_LIMIT).collect();
        labels.push(label);
    }
    labels
}

/// What happened after the conclusion.
fn news(pack: &Pack) -> Vec<News> {
    let mut news = Vec::new();
    if let Some((it, said)) =
        pack.classification.as_ref().and_then(|it| Some((it, it.reclassified.as_ref()?)))
    {
        news.push(News {
            key: format!("reclassified-{}", said.bucket),
            text: format!(
                "{} says that it was **{}** ({}); triage had said {}.",
                neutral::inline(&said.by),
                said.bucket,
                said.bucket.boundary(),
                it.bucket
            ),
        });
    }
    if let Some(at) = pack.timeline.resolved_at {
        let mttr = pack
            .timeline
            .mttr_s
            .map(|mttr| format!(", {} after the fault began", crate::template::seconds(Some(mttr))))
            .unwrap_or_default();
        news.push(News { key: "resolved".to_owned(), text: format!("Resolved at `{at}`{mttr}.") });
    }
    news
}
