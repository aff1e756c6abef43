//! `firstcheck triage [URL]`: the same journey against the user's own endpoint, from the terminal, with the user's own rights.
//!
//! `firstcheck.yaml` is read when it is there: its services, resolvers, runbooks and tracker. Without it the URL alone makes the
//! service, and the issue goes into the folder `issues`.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::Value;
use url::Url;

use super::desk::{self, Desk, Ended, Setup};
use super::parts::{self, Broken};
use super::{NOT_RUN, WRONG_USAGE, say};
use crate::alert::{Alert, Source};
use crate::checks::Environment;
use crate::config::Settings;
use crate::egress::Policy;
use crate::incident::IncidentId;
use crate::profile::ServiceProfile;
use crate::question::{Answer, QuestionId};
use crate::runbook::Knowledge;
use crate::template::Templates;

const MORE: &str = "\
Examples:
  firstcheck triage https://api.example.com/v1/orders
  firstcheck triage https://api.example.com/v1/orders --alert alert.json --source generic
  firstcheck triage https://api.example.com/v1/orders --no-input --answer change_at_start=deploy --json

The questions and their answers: firstcheck runbook show questions.
At a question, QUESTION=ANSWER changes an earlier answer, such as endpoint_scope=several.
The issue goes where `tracker:` in firstcheck.yaml says, without one into the folder `issues`; its path is printed.

Exit status: 0 the issue is filed, 2 wrong usage or configuration, 3 it could not be run, 130 left with Ctrl-C.";

/// Triage a failing endpoint from this terminal.
#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub struct Args {
    /// The endpoint that fails, as its callers write it, such as `https://api.example.com/v1/orders`.
    #[arg(value_parser = parse_url)]
    url: Option<Url>,
    /// The alert that reported it: a file with the payload, or `-`.
    #[arg(long, value_name = "FILE")]
    alert: Option<PathBuf>,
    /// Which monitoring system's payload it is.
    #[arg(long, value_name = "NAME", default_value = "alertmanager", requires = "alert")]
    source: String,
    /// What is already known; may be given again.
    #[arg(long = "answer", value_name = "ID=VALUE", value_parser = parse_answer)]
    answers: Vec<(QuestionId, String)>,
    /// Ask nobody: what is not given with --answer is `unknown`.
    #[arg(long)]
    no_input: bool,
    /// Print the incident as one JSON document.
    #[arg(long)]
    json: bool,
    /// Another configuration file than `firstcheck.yaml`.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

fn parse_url(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        Ok(url) if text.contains("://") => Err(format!("`{}` is not http or https", url.scheme())),
        Err(error) if text.contains("://") => Err(error.to_string()),
        Ok(_) | Err(_) => {
            let name = text.split(['/', ':']).next().unwrap_or_default();
            let scheme = if name == "localhost" || name.starts_with("127.") { "http" } else { "https" };
            Err(format!("a URL begins with its scheme: {scheme}://{text}"))
        }
    }
}

fn parse_answer(text: &str) -> Result<(QuestionId, String), String> {
    let (id, value) = text.split_once('=').ok_or("write QUESTION=ANSWER")?;
    let question: QuestionId =
        id.trim().parse().map_err(|error: crate::question::UnknownQuestion| error.to_string())?;
    Answer::parse(question, value).map_err(|error| error.to_string())?;
    Ok((question, value.to_owned()))
}

/// Runs the command.
///
/// # Errors
/// When the store or a file cannot be opened.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let settings = match Settings::load(args.config.as_deref()) {
        Ok(settings) => settings,
        Err(problem) => return Ok(wrong(&problem)),
    };
    let alerts = match alerts(&args) {
        Ok(alerts) => alerts,
        Err(error) => return Ok(wrong(&format_args!("{error:#}"))),
    };
    let read = match read(&settings) {
        Ok(read) => read,
        Err(broken) => return Ok(wrong(&broken)),
    };
    let folder = std::env::temp_dir().join(format!("firstcheck-triage-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let ended = Box::pin(triage(&args, settings, read, alerts, &folder)).await;
    std::fs::remove_dir_all(&folder).ok();
    match ended? {
        Ended::Settled(document) => report(&document, args.json),
        Ended::Left => Ok(Ended::left()),
    }
}

/// What people wrote beside the settings.
type Read = (Knowledge, Templates, Environment);

fn read(settings: &Settings) -> Result<Read, Broken> {
    let environment = parts::environment(settings, Policy::unrestricted())?;
    Ok((parts::knowledge(settings)?, parts::templates(settings)?, environment))
}

fn wrong(message: &dyn std::fmt::Display) -> ExitCode {
    say(format_args!("{message}"));
    ExitCode::from(WRONG_USAGE)
}

/// What was reported: the alerts of the file, or one made of the URL.
fn alerts(args: &Args) -> anyhow::Result<Vec<Alert>> {
    let mut alerts = match (&args.alert, &args.url) {
        (Some(file), _) => read_alerts(file, &args.source)?,
        (None, Some(url)) => vec![Alert::titled("terminal", &format!("{url} fails"))],
        (None, None) => bail!("nothing to triage: give a URL, or an alert with --alert FILE"),
    };
    for alert in &mut alerts {
        if let Some(url) = &args.url {
            alert.endpoint = Some(url.to_string());
        }
    }
    Ok(alerts)
}

fn read_alerts(file: &Path, source: &str) -> anyhow::Result<Vec<Alert>> {
    let known = Source::all().iter().map(Source::id).collect::<Vec<_>>().join(", ");
    let source = Source::named(source).with_context(|| format!("no source `{source}`; there are {known}"))?;
    let mut text = String::new();
    if file == Path::new("-") {
        io::stdin().read_to_string(&mut text).context("reading standard input")?;
    } else {
        text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    }
    let body: Value =
        serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))?;
    let understood = source.read(&body).with_context(|| format!("reading {}", file.display()))?;
    if understood.alerts.is_empty() {
        bail!("{} holds no alert: {}", file.display(), understood.ignored.unwrap_or_default());
    }
    Ok(understood.alerts)
}

/// Opens the desk, reports the alerts and what is already known, and waits for the end.
async fn triage(
    args: &Args,
    mut settings: Settings,
    (knowledge, templates, environment): Read,
    alerts: Vec<Alert>,
    folder: &Path,
) -> anyhow::Result<Ended> {
    if let Some(url) = &args.url {
        know_endpoint(&mut settings.services, &alerts, url);
    }
    let setup = Setup {
        store: folder.join("firstcheck.db"),
        environment,
        tracker: parts::tracker(&settings)?,
        knowledge,
        templates,
        addresses: settings.addresses,
        check_timeout: settings.checks.timeout,
        services: settings.services,
        input: desk::input(args.no_input, args.answers.iter().cloned().collect()),
    };
    let desk = Desk::open(setup).await?;
    let ended = report_to(&desk, args, alerts).await;
    desk.close().await;
    ended
}

async fn report_to(desk: &Desk, args: &Args, alerts: Vec<Alert>) -> anyhow::Result<Ended> {
    let mut first: Option<IncidentId> = None;
    for alert in alerts {
        let id = desk.app.start_by_hand(alert, "terminal").await.context("opening the incident")?;
        first.get_or_insert(id);
    }
    let id = first.context("no alert was reported")?;
    for (question, reply) in &args.answers {
        desk.app.answer(&id, *question, reply, "--answer").await.context("noting --answer")?;
    }
    desk.settle(&id).await
}

/// The service behind the URL: the configured one whose alerts these are, with this endpoint, or one made of the URL.
fn know_endpoint(services: &mut Vec<ServiceProfile>, alerts: &[Alert], url: &Url) {
    let named = |profile: &&mut ServiceProfile| {
        alerts.iter().any(|alert| alert.service.as_deref() == Some(profile.name.as_str()))
            || profile.url.as_ref().is_some_and(|known| known.origin() == url.origin())
    };
    match services.iter_mut().find(named) {
        Some(profile) => profile.url = Some(url.clone()),
        None => services.push(ServiceProfile {
            name: alerts.iter().find_map(|alert| alert.service.clone()).unwrap_or_default(),
            url: Some(url.clone()),
            ..ServiceProfile::default()
        }),
    }
}

/// The issue's path, or the whole incident.
fn report(document: &Value, json: bool) -> anyhow::Result<ExitCode> {
    let issue = document["issue"].as_str();
    if json {
        writeln!(io::stdout(), "{document}")?;
    } else if let Some(issue) = issue {
        writeln!(io::stdout(), "{issue}")?;
    }
    if issue.is_some() {
        return Ok(ExitCode::SUCCESS);
    }
    say(format_args!("the issue could not be filed; the reason stands above"));
    Ok(ExitCode::from(NOT_RUN))
}
