//! `firstcheck explain FILE`: a dry run of an alert. What it would open, which runbook leads and why not the others, what
//! would be checked and asked and what that is expected to tell, and where the issue and the thread would go.
//!
//! Nothing is probed, stored or sent: the file and the configuration are read, and that is all. What is shown went through
//! the redaction gate, as everything an alert says.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::{WRONG_USAGE, parts, say};
use crate::alert::{Alert, AlertStatus, IncidentKey, Source, Understood};
use crate::clock;
use crate::config::{self, Settings};
use crate::evidence::redact::{self, Gate};
use crate::evidence::{self, render};
use crate::incident::{Event, Incident, IncidentId, Reason};
use crate::profile::ServiceProfile;
use crate::profile::routing::Subject;
use crate::routing::Routing;
use crate::runbook::Knowledge;
use crate::template::Templates;
use crate::triage::forecast::{Forecast, ForeseenCheck, ForeseenQuestion, Ranked, When, forecast};

const MORE: &str = "\
Example:
  firstcheck explain --source generic alert.json
  echo '{\"title\": \"504s\", \"service\": \"orders\", \"status\": 504}' | firstcheck explain --source generic -

The services, runbooks, tracker and chat are those of firstcheck.yaml, where there is one.

Exit status: 0 explained, 2 wrong usage, configuration, or a file that is no alert.";

/// Explain what an alert would do, without doing it.
#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub struct Args {
    /// The alert: a file with the payload as the monitoring system sends it, or `-`.
    file: PathBuf,
    /// Which monitoring system's payload it is; without it the first source that finds an alert in it.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Print one JSON document on standard output.
    #[arg(long)]
    json: bool,
    /// Another configuration file than `firstcheck.yaml`.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What one incident of the delivery would be.
#[derive(Debug, Serialize)]
struct Explained {
    key: IncidentKey,
    title: String,
    service: Option<String>,
    endpoint: Option<String>,
    /// How many alerts of the delivery it takes.
    alerts: usize,
    /// The configured service, when there is one.
    profile: Option<String>,
    /// The leading runbook.
    runbook: String,
    #[serde(flatten)]
    forecast: Forecast,
    issue: Destination,
    chat: Value,
}

/// Where the issue would go.
#[derive(Debug, Serialize)]
struct Destination {
    tracker: &'static str,
    repository: Option<String>,
    folder: Option<String>,
    /// As it is filed; `bucket:…` joins them with the conclusion.
    labels: Vec<String>,
    /// Who is assigned. The repository's `CODEOWNERS`, where it is asked, is read when the issue is filed.
    assignees: Vec<String>,
    /// Owners who cannot be assigned: teams and addresses.
    other_owners: Vec<String>,
    /// What is looked up in `CODEOWNERS`.
    codeowners: Option<String>,
    /// Which rules say so.
    because: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// When the result cannot be written.
#[expect(clippy::unused_async, reason = "all commands are run the same way")]
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let document = match explain(&args) {
        Ok(document) => document,
        Err(error) => {
            say(format_args!("{error:#}"));
            return Ok(ExitCode::from(WRONG_USAGE));
        }
    };
    let text = if args.json {
        format!("{}\n", serde_json::to_string_pretty(&document.json()).context("writing JSON")?)
    } else {
        document.text()
    };
    std::io::stdout().lock().write_all(text.as_bytes()).context("writing the result")?;
    Ok(ExitCode::SUCCESS)
}

/// Everything there is to say about a delivery.
struct Document {
    source: Source,
    incidents: Vec<Explained>,
    /// Alerts that say a problem is over: (key, title).
    ends: Vec<(IncidentKey, String)>,
    ignored: Option<String>,
    knowledge: Knowledge,
}

fn explain(args: &Args) -> anyhow::Result<Document> {
    let settings = Settings::load(args.config.as_deref())?;
    let knowledge = parts::knowledge(&settings)?;
    let templates = parts::templates(&settings)?;
    let body = body(&args.file)?;
    let (source, understood) = understand(&body, args, &settings)?;
    let gate = Gate::new(super::redact::key()).hiding(settings.addresses);
    let (firing, over): (Vec<Alert>, Vec<Alert>) =
        understood.alerts.into_iter().partition(|alert| alert.status == AlertStatus::Firing);
    let mut groups: Vec<(IncidentKey, Vec<Alert>)> = Vec::new();
    for alert in firing {
        let key = alert.incident_key();
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, alerts)) => alerts.push(alert),
            None => groups.push((key, vec![alert])),
        }
    }
    let incidents = groups
        .into_iter()
        .map(|(key, alerts)| explained(key, alerts, &settings, &knowledge, &templates, &gate))
        .collect::<anyhow::Result<_>>()?;
    let ends = over.iter().map(|alert| (redacted_key(&alert.incident_key(), &gate), gate.text(&alert.title)));
    Ok(Document { source, incidents, ends: ends.collect(), ignored: understood.ignored, knowledge })
}

fn body(file: &Path) -> anyhow::Result<Value> {
    let name = file.display();
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).context("reading standard input")?;
    } else {
        text = std::fs::read_to_string(file).with_context(|| format!("reading {name}"))?;
    }
    serde_json::from_str(&text).with_context(|| format!("{name} is not JSON"))
}

/// The named source's reading; else the first with an alert in it, our own format last, since it takes nearly anything.
fn understand(body: &Value, args: &Args, settings: &Settings) -> anyhow::Result<(Source, Understood)> {
    // The shipped sources, and the operator's own in the place of those with the same name.
    let own = settings.sources.keys().cloned();
    let all: BTreeMap<String, Source> =
        Source::all().into_iter().chain(own).map(|source| (source.id().to_owned(), source)).collect();
    let known = || all.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let name = args.file.display();
    if let Some(wanted) = &args.source {
        let source = all.get(wanted).cloned().or_else(|| Source::named(wanted));
        let source = source.with_context(|| format!("no source `{wanted}`; there are {}", known()))?;
        let understood = source.read(body).with_context(|| format!("reading {name}"))?;
        return Ok((source, understood));
    }
    let (ours, foreign): (Vec<_>, Vec<_>) = all.values().partition(|source| source.id() == "generic");
    let understood = foreign.into_iter().chain(ours).find_map(|source| {
        let understood = source.read(body).ok()?;
        (!understood.alerts.is_empty()).then_some((source.clone(), understood))
    });
    match understood {
        Some(understood) => Ok(understood),
        None => bail!("{name} holds no alert of any source ({}); name one with --source", known()),
    }
}

fn redacted_key(key: &IncidentKey, gate: &Gate) -> IncidentKey {
    IncidentKey(key.0.split('|').map(|part| gate.url(part)).collect::<Vec<_>>().join("|"))
}

fn explained(
    key: IncidentKey,
    alerts: Vec<Alert>,
    settings: &Settings,
    knowledge: &Knowledge,
    templates: &Templates,
    gate: &Gate,
) -> anyhow::Result<Explained> {
    let count = alerts.len();
    let incident = opened(key, alerts, settings);
    let forecast = redacted(forecast(knowledge, &incident), &incident, gate);
    let shown = redact::incident(&incident, gate);
    let issue = render::issue(templates, &evidence::pack(&shown)).context("rendering the issue")?;
    let is_configured = settings.services.contains(&incident.profile);
    Ok(Explained {
        title: shown.title().to_owned(),
        service: shown.service().map(str::to_owned),
        endpoint: shown.endpoint().map(str::to_owned),
        key: shown.key,
        alerts: count,
        profile: is_configured.then(|| incident.profile.name.clone()),
        runbook: forecast.runbooks.first().map(|best| super::runbook::name(best.bucket)).unwrap_or_default(),
        forecast,
        issue: destination(settings, &incident, issue.labels),
        chat: match &settings.chat {
            config::Chat::Console => json!({"kind": "console"}),
            config::Chat::Discord(discord) => told_place(&discord.routing, &incident),
        },
    })
}

/// The channel, the tags and the role, and the place of the route that says so (from 1), as it stands in the file.
fn told_place(routing: &Routing, incident: &Incident) -> Value {
    let (place, route) = routing.place(incident);
    json!({
        "kind": "discord",
        "channel": place.channel.to_string(),
        "tags": place.tags,
        "on_call_role": place.on_call_role.map(|role| role.to_string()),
        "route": route.map(|number| number + 1),
    })
}

/// The incident as it would begin.
fn opened(key: IncidentKey, alerts: Vec<Alert>, settings: &Settings) -> Incident {
    let profile = alerts.first().map(|alert| ServiceProfile::of(&settings.services, alert));
    let now: Timestamp = clock::now();
    let mut incident = Incident::new(IncidentId::from_seed(0));
    incident.record(Event::Opened { key, profile: profile.unwrap_or_default() }, now);
    for alert in alerts {
        incident.record(Event::AlertReceived { alert }, now);
    }
    incident
}

/// The targets of checks may carry what callers put into their URLs.
fn redacted(mut forecast: Forecast, incident: &Incident, gate: &Gate) -> Forecast {
    let planned = forecast.checks.iter().map(|check| check.step.clone()).collect();
    let mut with_steps = incident.clone();
    with_steps.record(Event::ChecksPlanned { steps: planned }, Timestamp::UNIX_EPOCH);
    let shown = redact::incident(&with_steps, gate);
    for (check, record) in forecast.checks.iter_mut().zip(shown.steps) {
        check.step = record.step;
    }
    for ranked in &mut forecast.runbooks {
        for reason in &mut ranked.reasons {
            reason.observation = gate.text(&reason.observation);
        }
    }
    forecast
}

fn destination(settings: &Settings, incident: &Incident, labels: Vec<String>) -> Destination {
    match &settings.tracker {
        config::Tracker::Folder { dir, .. } => Destination {
            tracker: "folder",
            repository: None,
            folder: Some(dir.display().to_string()),
            labels,
            assignees: Vec::new(),
            other_owners: Vec::new(),
            codeowners: None,
            because: Vec::new(),
        },
        config::Tracker::GitHub(github) => {
            let alerted: BTreeMap<String, String> =
                incident.alerts.iter().rev().flat_map(|alert| alert.labels.clone()).collect();
            let route = github.routing.route(&Subject {
                profile: &incident.profile,
                service: incident.service(),
                endpoint: incident.endpoint(),
                severity: incident.severity(),
                bucket: incident.boundary(),
                labels: &alerted,
            });
            Destination {
                tracker: "github",
                repository: route.repository,
                folder: None,
                labels: labels.into_iter().chain(route.labels).collect(),
                assignees: route.assignees,
                other_owners: route.other_owners,
                codeowners: route.look_up,
                because: route.because,
            }
        }
    }
}

impl Document {
    fn json(&self) -> Value {
        let ends = self.ends.iter().map(|(key, title)| json!({"key": key, "title": title}));
        json!({
            "source": self.source.id(),
            "incidents": self.incidents,
            "ends": ends.collect::<Vec<_>>(),
            "ignored": self.ignored,
            "knowledge": self.knowledge.hash(),
        })
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for explained in &self.incidents {
            self.tell(&mut text, explained);
        }
        for (key, title) in &self.ends {
            let _ =
                writeln!(text, "The end of \"{title}\" resolves the incident that had it, and opens none.");
            let _ = writeln!(text, "  key         {key}\n");
        }
        if let Some(reason) = &self.ignored {
            let _ = writeln!(text, "Not an alert, kept as unmapped: {reason}\n");
        }
        if text.is_empty() {
            text.push_str("No alert in it: nothing would be opened.\n");
        }
        text
    }

    // Writing to a String cannot fail.
    fn tell(&self, text: &mut String, explained: &Explained) {
        let _ = writeln!(text, "An incident: {}", explained.title);
        let _ = writeln!(text, "  key         {}", explained.key);
        let _ = writeln!(
            text,
            "              an open incident with this key takes the alert, else one is opened"
        );
        let _ = writeln!(text, "  alerts      {} from {}", explained.alerts, self.source.id());
        let service = explained.service.as_deref().unwrap_or("not named");
        let known =
            explained.profile.as_ref().map_or("not in the configuration", |_| "from the configuration");
        let _ = writeln!(text, "  service     {service}, {known}");
        let _ = writeln!(text, "  issue       {}", told_destination(&explained.issue));
        let _ =
            writeln!(text, "  labels      {}, and bucket:… at the end", explained.issue.labels.join(", "));
        if let Some(assigned) = told_assignees(&explained.issue) {
            let _ = writeln!(text, "  assigned    {assigned}");
        }
        for why in &explained.issue.because {
            let _ = writeln!(text, "              {why}");
        }
        let _ = writeln!(text, "  thread      {}", told_thread(&explained.chat));
        text.push_str("\nRunbooks, by what the alert alone makes likely:\n");
        for (place, ranked) in explained.forecast.runbooks.iter().enumerate() {
            let _ = writeln!(text, "  {}", told_runbook(place, ranked));
        }
        text.push_str("\nChecks, in the order they would be run:\n");
        for check in &explained.forecast.checks {
            let _ = writeln!(text, "  {}", told_check(check));
        }
        if explained.forecast.checks.is_empty() {
            text.push_str("  none: no URL is known of this service; add it to `services:`\n");
        }
        text.push_str(
            "\nQuestions, in the order they would be asked; checks come first and may save them:\n",
        );
        for question in explained.forecast.questions.iter().filter(|it| it.when != When::NotNow) {
            let _ = writeln!(text, "  {}", self.told_question(question));
        }
        let known: Vec<&str> =
            explained.forecast.questions.iter().filter(|it| it.is_known).map(|it| it.question.id()).collect();
        if !known.is_empty() {
            let _ = writeln!(text, "  not asked, since it is known: {}", known.join(", "));
        }
        let dear = explained.forecast.questions.iter().filter(|it| !it.is_known && it.when == When::NotNow);
        let dear: Vec<&str> = dear.map(|it| it.question.id()).collect();
        if !dear.is_empty() {
            let _ = writeln!(text, "  not asked, since it would tell too little: {}", dear.join(", "));
        }
        text.push('\n');
    }

    fn told_question(&self, foreseen: &ForeseenQuestion) -> String {
        let wording = self.knowledge.question(foreseen.question);
        let id = foreseen.question.id();
        format!("{:<26} {:.3} bits per cost; {}", id, foreseen.bits_per_cost, wording.ask)
    }
}

fn told_destination(destination: &Destination) -> String {
    match (&destination.folder, &destination.repository) {
        (Some(folder), _) => format!("a file in {folder}"),
        (None, Some(repository)) => format!("GitHub repository {repository}"),
        (None, None) => "GitHub, but no repository is configured for this service".to_owned(),
    }
}

fn told_thread(chat: &Value) -> String {
    let Some(channel) = chat["channel"].as_str() else { return "the console".to_owned() };
    let route =
        chat["route"].as_u64().map_or("the usual one".to_owned(), |route| format!("by route {route}"));
    let tags: Vec<&str> = chat["tags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let tags = if tags.is_empty() { String::new() } else { format!("; tags {}", tags.join(", ")) };
    let calls = chat["on_call_role"].as_str().map_or("nobody".to_owned(), |role| format!("role {role}"));
    format!("Discord channel {channel}, {route}{tags}; calls {calls}")
}

fn told_assignees(destination: &Destination) -> Option<String> {
    let mut told: Vec<String> = destination.assignees.clone();
    let others = destination.other_owners.iter().map(|it| format!("{it} (an owner, and cannot be assigned)"));
    told.extend(others);
    if let Some(path) = &destination.codeowners {
        let of = if path.is_empty() { String::new() } else { format!(" for {path}") };
        told.push(format!("whom the repository's CODEOWNERS names{of}, read when the issue is filed"));
    }
    (!told.is_empty()).then(|| told.join(", "))
}

fn told_runbook(place: usize, ranked: &Ranked) -> String {
    let name = super::runbook::name(ranked.bucket);
    let wanted = |reason: &&Reason| if place == 0 { reason.decibans > 0.0 } else { reason.decibans < 0.0 };
    let why = match ranked.reasons.iter().find(wanted) {
        Some(reason) if place == 0 => {
            format!("leads, since {} ({:+.1} dB)", reason.observation, reason.decibans)
        }
        Some(reason) => format!("not first: {} ({:+.1} dB)", reason.observation, reason.decibans),
        None if place == 0 => "leads, by how often it is the cause".to_owned(),
        None => "not first: nothing speaks against it, others are likelier".to_owned(),
    };
    format!("{name:<12} {:>3.0} %  {why}; first {}", ranked.probability * 100.0, ranked.best_cause)
}

fn told_check(foreseen: &ForeseenCheck) -> String {
    let when = match foreseen.when {
        When::AtOnce => "at once",
        When::IfStillOpen => "if still open",
        When::NotNow => "not now",
    };
    let key = foreseen.step.key();
    format!("{key:<26} {:.3} bits, {when}; {}", foreseen.gain_bits, foreseen.step.target)
}
