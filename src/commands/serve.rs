//! `firstcheck serve`: the bot. Webhooks in, chat, checks and issues out, until it is told to stop.
//!
//! The first line on standard error says where it listens. A broken configuration, runbook or template is told with file, line
//! and column, and ends with status 2. A chat that cannot be reached is none of that: the bot starts, takes alerts, and keeps
//! trying. The surprise: on SIGTERM it stops accepting first, then finishes what it is performing; the rest is carried on with
//! at the next start; a second signal skips that.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use super::{NOT_RUN, WRONG_USAGE, parts, say};
use crate::alert::Source;
use crate::app::{App, Parts, Poll, Rules};
use crate::chat::discord::{self, Discord};
use crate::chat::{Chat, ChatError, Inbound};
use crate::checks::Environment;
use crate::config::{self, Settings};
use crate::incident::Retry;
use crate::runbook::Knowledge;
use crate::server::{self, Credentials, Doors};
use crate::template::Templates;

const MORE: &str = "\
Without a file it listens on http://127.0.0.1:8080, keeps its state in firstcheck.db, files issues into the folder
`issues`, and asks its questions on the console, which is the page at /. A file that says more:

  listen: 127.0.0.1:8080
  store: {path: firstcheck.db, keep: 400d}           # or {url_env: DATABASE_URL}: PostgreSQL, shared by replicas
  egress: {allow: [loopback, 10.1.0.0/16]}           # probed besides public addresses
  sources:                                           # without it every source is taken, on loopback
    alertmanager: {token_env: ALERTS_TOKEN, heartbeat: 5m}    # told in /metrics and the log when it goes silent
    github: {secret_env: [HOOK_SECRET, OLD_HOOK_SECRET]}      # signed; two secrets are live while one is replaced
    aws_sns: {topics: ['arn:aws:sns:eu-west-1:111122223333:oncall']}   # signed; subscriptions are confirmed
    generic: {token_env: TOKEN, header: X-Api-Key}   # bearer, basic, ?token=, last path segment, or a header
  incidents: {group_by: [service, endpoint], window: 6h, resolve_after: 72h, recheck: 5m}   # or `never`
  tracker:                                           # or {folder: issues}
    reopen_within: 24h                               # the same problem again so soon: its issue is opened again
    github:
      repository: acme/incidents
      token_env: GITHUB_TOKEN                        # or an app: app_id: 1234, private_key_file: app.pem
      codeowners: true                               # asks CODEOWNERS whose `services.NAME.source` is
      owners: [{pattern: \"/v1/pay/*\", owners: [ana]}]
      routes: [{match: {service: \"mail-*\"}, repository: acme/mail, assignees: [jo], labels: [team:mail]}]
  chat: {discord: {channel: 1100000000000000000, token_env: DISCORD_TOKEN}}
  public_url: https://ops.example.com                # for links to the console
  services: {orders: {url: https://api.example.com/v1/orders}}
  api: {tokens: true}                                # who may use console and API: `firstcheck token create`; also
                                                     # token_env, oidc {issuer, client_id, roles} and proxy {header, from, scope}
  runbooks: runbooks                                 # a folder of your own, re-read when it changes, before a kept delivery is
                                                     # taken again, and on SIGHUP; so are `sources` and `incidents` of this file

Discord threads go to `channel`, a text, forum or media channel; `routes` say which go elsewhere, the first that fits:

  chat:
    discord:
      channel: 1100000000000000000
      on_call_role: 1100000000000000001
      tags: [incident]                               # of a forum post, by name or id
      routes:
        - {labels: {team: payments}, channel: 1100000000000000002, on_call_role: 1100000000000000003}
        - {service: [search, ads], severity: [info, warning], on_call_role: none}

Try it:
  curl -d '{\"title\": \"504s on /v1/reports\", \"service\": \"reports\"}' http://127.0.0.1:8080/alerts/generic

Exit status: 0 stopped by SIGTERM or Ctrl-C, 2 wrong usage or configuration, 3 it could not be run.";

/// Run the bot: alert webhooks, chat, checks, issues, and the console.
#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub struct Args {
    /// The configuration; without it `firstcheck.yaml`, if there is one, else defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What people say in a chat and the app has not read yet; more would be a chat gone wild, which then waits.
const INBOUND: usize = 64;

/// How long a stopping bot waits for what it is performing: a check's deadline.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pause before another try to reach a chat that refuses us: somebody must change something first.
const REFUSED_PAUSE: Duration = Duration::from_mins(5);

/// Runs the bot until SIGTERM or Ctrl-C.
///
/// # Errors
/// When the store cannot be opened or the address is taken.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Read { settings, knowledge, templates, environment } = match read(&args) {
        Ok(read) => read,
        Err(problem) => {
            say(format_args!("{problem}"));
            return Ok(ExitCode::from(WRONG_USAGE));
        }
    };
    let store = match parts::store(&settings).await {
        Ok(store) => store,
        Err(error) => {
            say(format_args!("{error}"));
            return Ok(ExitCode::from(NOT_RUN));
        }
    };
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("listening on {}", settings.listen))?;
    let (inbound_to, inbound) = mpsc::channel(INBOUND);
    let chat = match &settings.chat {
        config::Chat::Console => Ok(Chat::Console),
        config::Chat::Discord(_) => {
            Err(ChatError::again("Discord is not connected yet", Duration::from_secs(1)))
        }
    };
    let turn = store.lead();
    let parts = Parts {
        addresses: settings.addresses,
        store,
        knowledge: Arc::new(knowledge),
        environment,
        chat,
        inbound: Some(inbound),
        tracker: parts::tracker(&settings)?,
        templates: Arc::clone(&templates),
        services: settings.services.clone(),
        check_timeout: settings.checks.timeout,
    };
    let app = App::start(parts).await?;
    app.follow(rules(&settings));
    app.watch_over(turn.clone());
    if let Some(days) = settings.store.keep_days {
        app.forget_after(days);
    }
    say(format_args!("{}", greeting(&settings, &listener)?));
    let connecting = match &settings.chat {
        config::Chat::Console => None,
        config::Chat::Discord(discord) => Some(tokio::spawn(connect(
            Arc::clone(&app),
            discord_config(discord, turn),
            templates,
            inbound_to,
        ))),
    };
    let mut doors = doors(&settings);
    let folder = settings.runbooks_folder.clone();
    let disk = Arc::new(reread::Disk::new(&app, doors.sources.clone(), folder, args.config.clone()));
    let watching = tokio::spawn(reread::watch(Arc::clone(&disk)));
    doors.reread = Some(disk);
    let drills = may_drill(&settings, &listener)?.then(|| drills::Here::new(&app));
    doors.drills = drills.map(|here| Arc::new(here) as Arc<dyn server::Drills>);
    serve_until_told(listener, &app, doors).await?;
    watching.abort();
    tokio::select! {
        () = app.stop(PATIENCE) => {}
        () = stop_signal() => {}
    }
    if let Some(connecting) = connecting {
        connecting.abort();
    }
    app.disconnect().await;
    Ok(ExitCode::SUCCESS)
}

mod drills;
mod reread;

/// Everything people wrote.
struct Read {
    settings: Settings,
    knowledge: Knowledge,
    templates: Arc<Templates>,
    environment: Environment,
}

/// Everything people wrote, or what is wrong with it.
fn read(args: &Args) -> Result<Read, String> {
    let settings = Settings::load(args.config.as_deref()).map_err(|problem| problem.to_string())?;
    // Each of the three takes milliseconds, and nobody is served before the last: they are read side by side.
    let (knowledge, templates, environment) = std::thread::scope(|threads| {
        let templates = threads.spawn(|| parts::templates(&settings));
        let environment = threads.spawn(|| parts::environment(&settings, settings.egress.clone()));
        (parts::knowledge(&settings), joined(templates), joined(environment))
    });
    let said = |broken: parts::Broken| broken.to_string();
    let (knowledge, templates) = (knowledge.map_err(said)?, Arc::new(templates.map_err(said)?));
    Ok(Read { knowledge, templates, environment: environment.map_err(said)?, settings })
}

/// What a thread came to; a panic goes on here.
fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn doors(settings: &Settings) -> Doors {
    let token = |secret: &Option<config::Secret>| secret.as_ref().map(|it| it.expose().to_owned());
    Doors {
        sources: taken(settings).collect(),
        api_token: token(&settings.api_token),
        access: access(&settings.access),
        interactions: match &settings.chat {
            config::Chat::Discord(discord) => discord.public_key,
            config::Chat::Console => None,
        },
        drills: None,
        reread: None,
    }
}

/// The sources that are taken, each with what its sender must show.
fn taken(settings: &Settings) -> impl Iterator<Item = (Source, Credentials)> + '_ {
    settings.sources.iter().map(|(source, it)| (source.clone(), credentials(it)))
}

fn access(settings: &config::Access) -> server::Access {
    server::Access {
        url: settings.url.clone(),
        tokens: settings.tokens,
        oidc: settings.oidc.as_ref().map(|it| server::oidc::Settings {
            issuer: it.issuer.clone(),
            client_id: it.client_id.clone(),
            client_secret: it.client_secret.as_ref().map(|secret| secret.expose().to_owned()),
            scopes: it.scopes.clone(),
            roles: it.roles.clone(),
        }),
        proxy: settings.proxy.as_ref().map(|it| server::Proxy {
            header: it.header.clone(),
            from: it.from.clone(),
            scope: it.scope,
        }),
    }
}

fn credentials(settings: &config::SourceSettings) -> Credentials {
    let exposed = |all: &[config::Secret]| all.iter().map(|it| it.expose().to_owned()).collect();
    Credentials {
        tokens: exposed(&settings.tokens),
        header: settings.header.clone(),
        secrets: exposed(&settings.secrets),
        signature: settings.signature.clone(),
        topics: settings.topics.clone(),
    }
}

/// The rules by which alerts are sorted and incidents end.
fn rules(settings: &Settings) -> Rules {
    let named = settings.sources.iter().map(|(source, it)| (source.id().to_owned(), it));
    let heartbeats = named.clone().filter_map(|(name, it)| Some((name, it.heartbeat?))).collect();
    let poll = |(source, it): (String, &config::SourceSettings)| {
        let config::Poll { url, every, gone_after } = it.poll.clone()?;
        Some(Poll { source, url, every, gone_after })
    };
    let (usual, wanted) = (Rules::default(), &settings.incidents);
    Rules {
        heartbeats,
        group_by: if wanted.group_by.is_empty() { usual.group_by } else { wanted.group_by.clone() },
        window: wanted.window,
        reopen_within: wanted.reopen_within.unwrap_or(usual.reopen_within),
        resolve_after: wanted.resolve_after.unwrap_or(usual.resolve_after),
        recheck: wanted.recheck.unwrap_or(usual.recheck),
        polls: named.filter_map(poll).collect(),
    }
}

/// Whether drills may be started here: nobody but this machine reaches the bot, and a drill's thread and issue stay on it too.
fn may_drill(settings: &Settings, listener: &TcpListener) -> anyhow::Result<bool> {
    let is_here = listener.local_addr().context("asking for the address")?.ip().is_loopback();
    let stays_here = matches!(settings.tracker, config::Tracker::Folder { .. })
        && matches!(settings.chat, config::Chat::Console);
    Ok(is_here
        && stays_here
        && settings.api_token.is_none()
        && !settings.access.tokens
        && settings.access.oidc.is_none()
        && settings.access.proxy.is_none())
}

pub(super) fn discord_config(settings: &config::Discord, turn: watch::Receiver<bool>) -> discord::Config {
    discord::Config {
        token: settings.token.expose().to_owned(),
        guild: settings.guild,
        channel: settings.routing.usual.channel,
        on_call_role: settings.routing.usual.on_call_role,
        tags: settings.routing.usual.tags.clone(),
        routes: settings.routing.routes.clone(),
        console: settings.console.clone(),
        permissions: settings.permissions.clone(),
        api_url: settings.api_url.clone(),
        gateway_url: settings.gateway_url.clone(),
        turn,
    }
}

fn greeting(settings: &Settings, listener: &TcpListener) -> anyhow::Result<String> {
    let issues = match &settings.tracker {
        config::Tracker::Folder { dir, .. } => format!("the folder {}", dir.display()),
        config::Tracker::GitHub(github) => format!("GitHub at {}", github.api_url),
    };
    let address = listener.local_addr().context("asking for the address")?;
    Ok(format!(
        "firstcheck listens on http://{address}; store {}, issues go to {issues}",
        settings.store.place
    ))
}

/// Tries to reach Discord until it works, with growing pauses.
async fn connect(
    app: Arc<App>,
    config: discord::Config,
    templates: Arc<Templates>,
    inbound: mpsc::Sender<Inbound>,
) {
    let mut pause = Duration::from_secs(1);
    loop {
        match Discord::connect(config.clone(), Arc::clone(&templates), inbound.clone()).await {
            Ok(discord) => {
                if let Err(error) = app.connected(Chat::Discord(discord)).await {
                    tracing::warn!(%error, "open incidents could not be shown in the chat");
                }
                return;
            }
            Err(error) => {
                tracing::error!(
                    reason = error.reason,
                    "the chat cannot be reached; alerts are taken all the same"
                );
                pause = match error.retry {
                    Retry::Never => REFUSED_PAUSE,
                    Retry::After(asked) => (pause * 2).max(asked).min(REFUSED_PAUSE),
                };
                app.not_connected(ChatError::again(error.reason, pause));
                tokio::time::sleep(pause).await;
            }
        }
    }
}

/// Serves until a signal; then no request is accepted any more, and those being answered have [`PATIENCE`].
async fn serve_until_told(listener: TcpListener, app: &Arc<App>, doors: Doors) -> anyhow::Result<()> {
    let (told, mut telling) = tokio::sync::watch::channel(false);
    let until_told = {
        let mut telling = telling.clone();
        async move {
            let _ = telling.wait_for(|told| *told).await;
        }
    };
    let serving = server::serve(listener, Arc::clone(app), doors, until_told);
    let out_of_patience = async {
        let _ = telling.wait_for(|told| *told).await;
        tokio::time::sleep(PATIENCE).await;
    };
    let signal = async {
        stop_signal().await;
        say(format_args!("firstcheck is stopping; once more stops it at once"));
        told.send_replace(true);
        stop_signal().await;
    };
    tokio::select! {
        served = serving => served.context("serving"),
        () = out_of_patience => Ok(()),
        () = signal => Ok(()),
    }
}

/// Becomes ready on SIGTERM (a service manager) or Ctrl-C (a person).
async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}
