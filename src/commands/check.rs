//! `firstcheck check KIND TARGET`: one confirming check from the user's own terminal, with the user's own rights.
//!
//! Standard output carries the report alone: one JSON document with `--json`, else text for a person. Exit status: 0
//! healthy, 1 a finding, 3 the check could not be run (the report says why), 2 wrong usage (a message, no report). A token or
//! a request may come by standard input (`-`) or, a token, from the environment (`env:NAME`), so that no shell history
//! keeps it; neither is ever in the report.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Read as _, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use super::{NOT_RUN, WRONG_USAGE, say};
use crate::checks::{self, Environment, GitHubAccess, GitHubCredential, NotRun, With};
use crate::outcome::{CheckKind, Outcome, Report, visible};
use crate::{clock, config, egress};

/// The most of standard input that is read, in bytes: a HAR entry with its body fits, an endless pipe does not.
const STDIN_MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Run one confirming check.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Which check: dns, tcp, tls, http, status_page, rate_limit, token, cors, contract, deadline, deploys or metrics.
    #[arg(value_name = "KIND")]
    kind: CheckKind,
    /// What to look at: a name (dns), HOST:PORT (tcp, tls), a URL (http, rate_limit, cors, deadline), a URL or a vendor's name
    /// (status_page), `-` or env:NAME (token), a file with a request or `-` (contract), a release record or OWNER/REPO (deploys; see GITHUB_TOKEN),
    /// the base URL of a Prometheus (metrics).
    #[arg(value_name = "TARGET", allow_hyphen_values = true)]
    target: String,
    /// A key of the check, as in a runbook's `with:`. May be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    with: Vec<(String, String)>,
    /// Time for the whole check.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    timeout: Duration,
    /// Print the report as one JSON document.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  firstcheck check dns api.example.com --with types=A,AAAA --with resolvers=system,9.9.9.9
  firstcheck check tls api.example.com:443 --with warn_days=21
  firstcheck check http https://api.example.com/v1/orders --with header.Accept=application/json
  firstcheck check token env:API_TOKEN --with audience=orders --with jwks=https://id.example.com/keys
  firstcheck check contract failing-request.txt --with spec=openapi.yaml
  GITHUB_TOKEN=… firstcheck check deploys acme/orders --with at=2026-11-01T10:02:00Z --with window=1h
  firstcheck check metrics http://prometheus:9090 --with at=2026-11-01T10:02:00Z --with 'match=job=\"orders\"'

A certificate expires soon (tls) when 14 days of it are left, and one that lives for less than seven when a third
of its life is left; with warn_days, when so many days are left, however long it lives.

Exit status: 0 healthy, 1 a fault was found, 2 wrong usage, 3 the check could not be run.";

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = crate::duration::parse(text).filter(|it| !it.is_zero());
    duration.ok_or_else(|| "write a duration above zero such as `5s` or `500ms`".to_owned())
}

/// Runs the check and prints its report.
///
/// # Errors
/// When standard input cannot be read or standard output cannot be written.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut with = BTreeMap::new();
    for (key, value) in args.with {
        if with.insert(key.clone(), value).is_some() {
            return Ok(refuse(&format!("`--with {key}=…` was given twice"), WRONG_USAGE));
        }
    }
    let secrets = secrets(args.kind, &args.target, &with)?;
    let environment = match args.kind {
        CheckKind::Dns | CheckKind::Tcp => Environment::bare(egress::Policy::unrestricted()),
        _ => Environment::new(egress::Policy::unrestricted()),
    };
    let environment = environment.with_secrets(secrets).with_github(github(args.kind)?);
    let request = checks::Request {
        check: args.kind,
        target: args.target,
        with: With(with),
        timeout: args.timeout,
        now: clock::now(),
    };
    let report = match checks::run(&environment, &request).await {
        Ok(report) => report,
        Err(NotRun::Usage(message)) => return Ok(refuse(&message, WRONG_USAGE)),
        Err(NotRun::Refused(refusal)) => return Ok(refuse(&refusal.to_string(), NOT_RUN)),
    };
    let mut out = io::stdout().lock();
    let written = if args.json {
        serde_json::to_writer_pretty(&mut out, &report).map_err(io::Error::from).and_then(|()| writeln!(out))
    } else {
        let colour = if io::stdout().is_terminal() && !config::no_color() { Colour::On } else { Colour::Off };
        write!(out, "{}", text(&report, colour))
    };
    match written.and_then(|()| out.flush()) {
        // The reader left (`| head`); what was found still is the exit status.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written.context("writing the report")?,
    }
    Ok(ExitCode::from(report.exit_status()))
}

/// What the check may look up: standard input as `-`, and the environment variables that the target or a key names.
fn secrets(
    kind: CheckKind,
    target: &str,
    with: &BTreeMap<String, String>,
) -> anyhow::Result<BTreeMap<String, String>> {
    let mut secrets = BTreeMap::new();
    let named = std::iter::once(target).chain(with.values().map(String::as_str));
    for name in named.filter_map(|value| value.rsplit(' ').next()?.strip_prefix("env:")) {
        if let Some(value) = config::variable(name) {
            secrets.insert(name.to_owned(), value);
        }
    }
    if target == "-" && matches!(kind, CheckKind::Token | CheckKind::Contract | CheckKind::RateLimit) {
        let mut bytes = Vec::new();
        io::stdin().lock().take(STDIN_MAX_BYTES).read_to_end(&mut bytes).context("reading standard input")?;
        secrets.insert("-".to_owned(), String::from_utf8_lossy(&bytes).into_owned());
    }
    Ok(secrets)
}

/// The GitHub whose repositories `deploys` reads: as `gh` and GitHub's own runners name it.
fn github(kind: CheckKind) -> anyhow::Result<Option<GitHubAccess>> {
    if kind != CheckKind::Deploys {
        return Ok(None);
    }
    let api_url = config::secret("GITHUB_API_URL").unwrap_or_else(|| config::GITHUB_API.to_owned());
    let api_url = api_url.parse().with_context(|| format!("GITHUB_API_URL `{api_url}` is no URL"))?;
    let token = config::secret("GITHUB_TOKEN").or_else(|| config::secret("GH_TOKEN"));
    let credential = token.map_or(GitHubCredential::None, GitHubCredential::Token);
    Ok(Some(GitHubAccess { api_url, credential }))
}

fn refuse(message: &str, status: u8) -> ExitCode {
    say(format_args!("firstcheck: {message}"));
    ExitCode::from(status)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colour {
    On,
    Off,
}

/// The report for a person: outcome, summary, facts in two columns, times.
fn text(report: &Report, colour: Colour) -> String {
    let mut lines = vec![format!(
        "{}  {} {}",
        painted(report.outcome, report.exit_status(), colour),
        report.check,
        visible(&report.target)
    )];
    if !report.summary.is_empty() {
        lines.push(visible(&report.summary).into_owned());
    }
    let mut facts = Vec::new();
    for (name, value) in &report.facts {
        flatten(name, value, &mut facts);
    }
    // An error's reason is its summary.
    facts.retain(|(name, value)| !(name == "reason" && *value == report.summary));
    if !facts.is_empty() {
        let width = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        lines.push(String::new());
        lines.extend(facts.iter().map(|(name, value)| format!("  {name:width$}  {}", visible(value))));
        lines.push(String::new());
    }
    let phases: Vec<String> = report.phases_ms.iter().map(|(name, ms)| format!("{name} {ms:.1}")).collect();
    let phases = if phases.is_empty() { String::new() } else { format!(" ({})", phases.join(", ")) };
    lines.push(format!("Took {:.1} ms{phases}.", report.took_ms));
    lines.join("\n") + "\n"
}

/// Green when healthy, red when not, yellow when the check could not tell.
fn painted(outcome: Outcome, exit_status: u8, colour: Colour) -> String {
    let code = match exit_status {
        0 => 32,
        1 => 31,
        _ => 33,
    };
    match colour {
        Colour::On => format!("\u{1b}[1;{code}m{outcome}\u{1b}[0m"),
        Colour::Off => outcome.to_string(),
    }
}

/// A fact as lines: objects as dotted names, lists of objects one element a line, the rest as it is.
fn flatten(name: &str, value: &Value, into: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (field, value) in fields {
                flatten(&format!("{name}.{field}"), value, into);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.iter().enumerate() {
                let name = if index == 0 { name.to_owned() } else { String::new() };
                into.push((name, words(item)));
            }
        }
        _ => into.push((name.to_owned(), words(value))),
    }
}

fn words(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| format!("{name} {}", words(value)))
            .collect::<Vec<_>>()
            .join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report() -> Report {
        let json = json!({
            "check": "tls", "target": "api.example.com:443", "outcome": "expired",
            "facts": {"not_after": "2026-01-01T00:00:00Z", "names": ["a", "b"], "chain": [{"subject": "x", "days": 3}, {"subject": "y"}], "also": [], "deep": {"a": 1}},
            "summary": "certificate expired 41 days ago", "took_ms": 12.44, "phases_ms": {"connect": 0.8, "tls": 9.9}
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_report_is_text_a_person_can_read() {
        insta::assert_snapshot!(text(&report(), Colour::Off), @r"
        expired  tls api.example.com:443
        certificate expired 41 days ago

          also       none
          chain      subject x, days 3
                     subject y
          deep.a     1
          names      a, b
          not_after  2026-01-01T00:00:00Z

        Took 12.4 ms (connect 0.8, tls 9.9).
        ");
    }

    #[test]
    fn colour_is_the_outcomes_alone() {
        let text = text(&report(), Colour::On);
        assert!(text.starts_with("\u{1b}[1;31mexpired\u{1b}[0m  tls"), "{text}");
        assert_eq!(text.matches('\u{1b}').count(), 2);
    }

    #[test]
    fn an_error_says_its_reason_once() {
        let report = Report::error(CheckKind::Token, "-", "the key set cannot be read");
        assert_eq!(text(&report, Colour::Off), "error  token -\nthe key set cannot be read\nTook 0.0 ms.\n");
    }

    #[test]
    fn a_server_cannot_steer_the_terminal() {
        let mut report = report();
        report.summary = "a\u{1b}[2Jb\r\n".to_owned();
        assert!(!text(&report, Colour::Off).contains('\u{1b}'));
    }

    #[test]
    fn keys_and_durations_are_read() {
        assert_eq!(key_value("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(key_value("=b").is_err());
        assert!(key_value("a").is_err());
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert!(duration("0s").is_err());
    }
}
