//! `firstcheck drill`: the main job, whole, on this machine and with no account anywhere.
//!
//! It starts a world of really faulty servers and the bot in front of it, posts a real Alertmanager webhook over HTTP, and lets the
//! terminal be the chat. Exit status 0 only when the conclusion is the world's true bucket.

use std::io::{self, IsTerminal as _, Write as _};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::desk::{self, Desk, Ended, Setup};
use super::{NOT_RUN, WRONG_USAGE, say};
use crate::bucket::Bucket;
use crate::checks::Environment;
use crate::clock;
use crate::drill::client::Client;
use crate::drill::{Running, WORLDS, World};
use crate::egress::Policy;
use crate::evidence::redact::Addresses;
use crate::incident::IncidentId;
use crate::runbook::Knowledge;
use crate::server::{self, Doors};
use crate::template::Templates;
use crate::tracker::{Tracker, folder::Folder};

/// Everything of a drill is on loopback: a check that takes longer has found something.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// Run the whole job against a small world of really faulty servers on this machine.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 when the conclusion is the world's true bucket, 1 when it is not.")]
pub struct Args {
    /// The world (see --list); without it a menu, or the first world where there is no terminal.
    name: Option<String>,
    /// List the worlds.
    #[arg(long)]
    list: bool,
    /// Ask nobody: every question is answered with what the world would know, or `unknown`.
    #[arg(long)]
    no_input: bool,
    /// Print the incident as one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// When a port or a file cannot be opened.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.list {
        return list(args.json);
    }
    let on_terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    let (world, no_input) = if let Some(name) = &args.name {
        let Some(world) = World::find(name) else {
            say(format_args!("there is no world `{name}`; `firstcheck drill --list` shows them"));
            return Ok(ExitCode::from(WRONG_USAGE));
        };
        (world, args.no_input)
    } else if on_terminal && !args.no_input {
        let Some(world) = choose()? else { return Ok(Ended::left()) };
        (world, false)
    } else {
        (&WORLDS[0], true)
    };
    match drill(world, no_input).await? {
        Ended::Settled(mut document) => conclude(world, &mut document, args.json),
        Ended::Left => Ok(Ended::left()),
    }
}

fn list(json: bool) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    if json {
        let worlds: Vec<Value> =
            WORLDS.iter().map(|world| json!({"name": world.name, "title": world.title})).collect();
        writeln!(out, "{}", Value::from(worlds))?;
    } else {
        for World { name, title, .. } in WORLDS {
            writeln!(out, "{name:24} {title}")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Lets the person pick a world; `None` when they leave the menu.
fn choose() -> anyhow::Result<Option<&'static World>> {
    let titles: Vec<String> =
        WORLDS.iter().map(|world| format!("{:24} {}", world.name, world.title)).collect();
    let menu = inquire::Select::new("Which world shall break?", titles).with_page_size(WORLDS.len());
    match menu.raw_prompt_skippable() {
        Ok(picked) => Ok(picked.map(|option| &WORLDS[option.index])),
        Err(inquire::InquireError::OperationInterrupted) => Ok(None),
        Err(error) => Err(error).context("showing the menu"),
    }
}

/// Starts the world and the bot, sends the alert and waits for the end.
async fn drill(world: &'static World, no_input: bool) -> anyhow::Result<Ended> {
    let folder = std::env::temp_dir().join(format!("firstcheck-drill-{}-{}", world.name, std::process::id()));
    let running = world.start(&folder.join("world"), clock::now()).await.context("starting the world")?;
    say(format_args!(
        "drill `{}`: {}. Its servers are on loopback, its files in {}",
        world.name,
        world.title,
        folder.display()
    ));
    if !no_input {
        brief(&running);
    }
    let desk = Desk::open(setup(&running, &folder, no_input)?).await?;
    let ended = alert(&desk, &running).await;
    desk.close().await;
    ended
}

/// Tells the person what somebody on call for this service would know, so that there is something to answer from.
fn brief(running: &Running) {
    say(format_args!("You are on call for {}. If you are asked, you know:", running.scene().profile.name));
    for (question, answer) in &running.scene().answers {
        say(format_args!("  {:24} {}", question.id(), answer.replace('\n', "\n                           ")));
    }
}

/// Opens the webhook's door on a free port, posts the alert as Alertmanager does, and waits for the end.
async fn alert(desk: &Desk, running: &Running) -> anyhow::Result<Ended> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("opening a port for the webhook")?;
    let url = format!("http://{}/alerts/alertmanager", listener.local_addr().context("asking for the port")?);
    let (stop, stopped) = oneshot::channel::<()>();
    let until = async {
        // The sender is dropped or used: both mean the end.
        let _ = stopped.await;
    };
    let serving = tokio::spawn(server::serve(listener, Arc::clone(&desk.app), Doors::open(), until));
    let ended = match post(running, &url).await {
        Ok(id) => desk.settle(&id).await,
        Err(error) => Err(error),
    };
    drop(stop);
    serving.await.context("stopping the webhook's door")?.context("serving the webhook")?;
    ended
}

/// Posts the alert and gives the incident it opened.
async fn post(running: &Running, url: &str) -> anyhow::Result<IncidentId> {
    let client =
        Client::new(running.resolver(), &running.authority_pem()).context("setting up Alertmanager")?;
    let answer =
        client.post(&url.parse()?, &running.webhook(clock::now())).await.map_err(|why| anyhow!(why))?;
    let body: Value = serde_json::from_str(&answer.body).context("reading the answer to the alert")?;
    let id = body["incidents"][0]["id"].as_str();
    let id = id.with_context(|| format!("the alert was not taken: {} {}", answer.status, answer.body))?;
    IncidentId::parse(id).context("reading the incident's name")
}

/// What the checks of this world run with: its name server, its authority, and loopback.
pub(super) fn environment(running: &Running) -> anyhow::Result<Environment> {
    let policy = Policy::allowing(&["127.0.0.0/8"]).context("allowing loopback")?;
    Ok(Environment::new(policy)
        .with_resolvers(vec![running.resolver()])
        .with_ca_file(&running.authority_pem())
        .context("trusting the drill's authority")?
        .with_secrets(running.scene().secrets.clone()))
}

fn setup(running: &Running, folder: &Path, no_input: bool) -> anyhow::Result<Setup> {
    let scene = running.scene();
    let environment = environment(running)?;
    Ok(Setup {
        store: folder.join("firstcheck.db"),
        environment,
        tracker: Tracker::Folder(Folder::new(folder.join("issues"))),
        services: vec![scene.profile.clone()],
        input: desk::input(no_input, scene.answers.clone()),
        knowledge: Knowledge::builtin(),
        addresses: Addresses::default(),
        templates: Templates::builtin(),
        check_timeout: CHECK_TIMEOUT,
    })
}

/// Says whether the drill ended at the truth.
fn conclude(world: &World, document: &mut Value, json: bool) -> anyhow::Result<ExitCode> {
    let bucket = document["bucket"].as_str().and_then(|it| it.parse::<Bucket>().ok());
    let Some(fields) = document.as_object_mut() else { bail!("the incident is not a JSON object") };
    fields.insert("expected_bucket".to_owned(), Value::from(world.bucket.id()));
    let issue = fields.get("issue").and_then(Value::as_str).map(str::to_owned);
    if json {
        writeln!(io::stdout(), "{document}")?;
    } else if let Some(issue) = issue.as_ref().filter(|_| !io::stdout().is_terminal()) {
        // On a terminal the thread has just said it.
        writeln!(io::stdout(), "{issue}")?;
    }
    if issue.is_none() {
        say(format_args!("the issue could not be filed; the reason stands above"));
        return Ok(ExitCode::from(NOT_RUN));
    }
    if bucket == Some(world.bucket) {
        return Ok(ExitCode::SUCCESS);
    }
    say(format_args!("the drill's true boundary is {}: {}", world.bucket, world.title));
    Ok(ExitCode::FAILURE)
}
