//! `firstcheck token create|list|revoke`: who may use the API and the console, with what rights.
//!
//! A token is shown once, when it is made; the store keeps its SHA-256. Works beside a running bot, which knows the change at the next
//! request.

use std::path::PathBuf;
use std::process::ExitCode;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{NOT_RUN, WRONG_USAGE, parts, print_json, say};
use crate::access::audit::Note;
use crate::access::{Scope, Token, Via, hash, token_text};
use crate::app::random;
use crate::clock;
use crate::config::Place;
use crate::store::{AccessChange, Beside, Store};

const MORE: &str = "\
Tokens count where the configuration says `api: {tokens: true}`. Show one as `Authorization: Bearer TOKEN`, or type it into the
console's log-in page.

Examples:
  firstcheck token create grafana --scope read
  firstcheck token create ada --scope answer --expires 90d
  firstcheck token revoke ada

Exit status: 0 done; 2 wrong usage or configuration, a name that is taken or not known; 3 the store cannot be used.";

/// Make, list or revoke tokens for the API and the console.
#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub struct Args {
    /// The configuration; without it `firstcheck.yaml`, if there is one, else defaults.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    job: Job,
}

#[derive(Debug, clap::Subcommand)]
enum Job {
    /// Make a token and print it, once.
    Create {
        /// What it is called in the audit log.
        name: String,
        /// read: see; answer: also answer, start, check, close; admin: also replay deliveries.
        #[arg(long, value_name = "SCOPE")]
        scope: Scope,
        /// For how long it counts, such as 90d or 12h; without it until it is revoked.
        #[arg(long, value_name = "SPAN", value_parser = span)]
        expires: Option<SignedDuration>,
    },
    /// List the tokens, without their secrets.
    List {
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Make a token count for nothing from now on.
    Revoke {
        /// Its name.
        name: String,
    },
}

/// A whole number of days, or what `jiff` reads.
fn span(text: &str) -> Result<SignedDuration, String> {
    let days = text.strip_suffix('d').and_then(|days| days.trim().parse::<u32>().ok());
    let span = match days {
        Some(days) => Some(SignedDuration::from_hours(i64::from(days) * 24)),
        None => text.parse().ok(),
    };
    span.filter(SignedDuration::is_positive)
        .ok_or_else(|| format!("`{text}` is no span of time; write one such as `90d` or `12h`"))
}

/// Does the job.
///
/// # Errors
/// When standard output cannot be written.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let settings = match parts::settings(args.config.as_deref()) {
        Ok(settings) => settings,
        Err(status) => return Ok(status),
    };
    let place = &settings.store.place;
    let done = match args.job {
        Job::Create { name, scope, expires } => create(place, name, scope, expires).await,
        Job::List { json } => list(place, json).await,
        Job::Revoke { name } => revoke(place, name).await,
    };
    if matches!(&done, Ok(status) if *status == ExitCode::SUCCESS) && !settings.access.tokens {
        say(format_args!(
            "note: tokens count for nothing until the configuration says `api: {{tokens: true}}`"
        ));
    }
    done.or_else(|error| {
        say(format_args!("firstcheck: {error:#}"));
        Ok(ExitCode::from(NOT_RUN))
    })
}

fn beside(place: &Place) -> Beside {
    match place {
        Place::File(file) => Beside::File(file.clone()),
        Place::Server(url) => Beside::Server(url.expose().to_owned()),
    }
}

async fn create(
    place: &Place,
    name: String,
    scope: Scope,
    expires: Option<SignedDuration>,
) -> anyhow::Result<ExitCode> {
    let is_name = !name.is_empty()
        && name.len() <= 100
        && name.chars().all(|it| it.is_alphanumeric() || "-_.@ ".contains(it));
    if !is_name {
        say(format_args!("`{name}` is no name; use letters, digits and - _ . @, at most 100"));
        return Ok(ExitCode::from(WRONG_USAGE));
    }
    let text = token_text(random());
    let now = clock::now();
    let expires_at = expires.map(|span| now.saturating_add(span).unwrap_or(Timestamp::MAX));
    let token = Token { name: name.clone(), scope, hash: hash(&text), created_at: now, expires_at };
    let changes = [
        AccessChange::AddToken(token),
        AccessChange::Audit(note(format!("token create {name} --scope {scope}"))),
    ];
    if !Store::change_beside(&beside(place), &changes).await? {
        say(format_args!(
            "there is a token called `{name}` already; revoke it first, or choose another name"
        ));
        return Ok(ExitCode::from(WRONG_USAGE));
    }
    super::print_line(&text)?;
    say(format_args!("this is shown once; the store keeps its SHA-256"));
    Ok(ExitCode::SUCCESS)
}

async fn list(place: &Place, json: bool) -> anyhow::Result<ExitCode> {
    let tokens = parts::look(place).await?.tokens().await?;
    if json {
        print_json(&json!({ "tokens": tokens }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for token in tokens {
        let until = token.expires_at.map_or("until revoked".to_owned(), |end| format!("until {end}"));
        super::print_line(&format!("{}  {}  since {}  {until}", token.name, token.scope, token.created_at))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn revoke(place: &Place, name: String) -> anyhow::Result<ExitCode> {
    let changes =
        [AccessChange::RevokeToken(name.clone()), AccessChange::Audit(note(format!("token revoke {name}")))];
    if !Store::change_beside(&beside(place), &changes).await? {
        say(format_args!("there is no token called `{name}`"));
        return Ok(ExitCode::from(WRONG_USAGE));
    }
    say(format_args!(
        "`{name}` counts for nothing any more; sessions that began with it last for at most 12 hours"
    ));
    Ok(ExitCode::SUCCESS)
}

fn note(action: String) -> Note {
    let who = "somebody on the bot's machine".to_owned();
    Note { at: clock::now(), who, via: Via::CommandLine, scope: None, from: None, action }
}
