//! What a file becomes, and what it is told when it is wrong.

use super::*;
use crate::alert::Severity;
use crate::routing::Calls;

fn read(text: &str) -> Result<Settings, Problem> {
    let environment = |name: &str| (name == "SET").then(|| "s3cret".to_owned());
    Settings::read(Path::new("conf/firstcheck.yaml"), text, &environment)
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let problem = read(text).map(|_| ()).unwrap_err().to_string();
    assert!(problem.starts_with("conf/firstcheck.yaml"), "{problem}");
    assert!(problem.contains(expected), "{problem}");
}

#[test]
fn an_empty_file_is_the_defaults() {
    let settings = read("# nothing yet\n").unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    let file = Place::File("conf/firstcheck.db".into());
    assert_eq!(settings.store, Store { place: file, keep_days: None });
    assert!(matches!(settings.tracker, Tracker::Folder { dir, .. } if dir == Path::new("conf/issues")));
    assert!(matches!(settings.chat, Chat::Console));
    assert_eq!(settings.sources.len(), Source::all().len());
    assert_eq!(settings.egress, egress::Policy::public_only());
}

#[test]
fn everything_can_be_said() {
    let settings = read(
        "listen: 0.0.0.0:9000
store: data/bot.db
api: {token_env: SET}
sources:
  alertmanager: {token_env: SET}
chat:
  discord: {token_env: SET, channel: 112233445566778899, guild: '998877665544332211', api_url: 'http://127.0.0.1:1/'}
tracker:
  github: {token_env: SET, repository: shop/incidents, timeout: 5s}
egress: {allow: [loopback, 10.20.0.0/16]}
checks: {resolvers: [127.0.0.1:5300, 9.9.9.9], timeout: 2500ms, control: 'good.example.com:443', per_host: {burst: 5, per_second: 1, at_once: 3}}
services:
  payments:
    url: https://api.shop.test/
    token: {env: SET}
    http: {header.authorization: 'Bearer env:SET', header.x: 'env:UNSET'}
",
    )
    .unwrap();
    assert_eq!(settings.checks.timeout, Duration::from_millis(2500));
    assert_eq!(settings.checks.resolvers[1].to_string(), "9.9.9.9:53");
    assert_eq!((settings.checks.burst_per_host, settings.checks.per_second_per_host), (Some(5), Some(1)));
    assert_eq!(settings.checks.at_once_per_host, Some(3));
    assert_eq!(settings.services[0].name, "payments");
    assert_eq!(settings.secrets.keys().collect::<Vec<_>>(), ["SET"]);
    assert!(matches!(&settings.chat, Chat::Discord(it) if it.guild == Some(998_877_665_544_332_211)));
    assert!(
        matches!(&settings.tracker, Tracker::GitHub(it) if it.routing.repository.as_deref() == Some("shop/incidents"))
    );
    assert!(!format!("{settings:?}").contains("s3cret"));
}

#[test]
fn a_secret_in_the_file_is_refused_with_what_to_do_instead() {
    refused("tracker:\n  github:\n    token: ghp_abc\n", "token_env: NAME");
    let problem = read("tracker:\n  github:\n    token: ghp_abc\n").unwrap_err();
    assert_eq!(problem.line, 3, "{problem}");
    assert!(!problem.to_string().contains("ghp_abc"));
}

#[test]
fn a_github_app_is_named_by_its_id_and_its_key_by_reference() {
    let text = "tracker:
  reopen_within: 0s
  github:
    app_id: 77
    private_key_env: SET
    repository: shop/incidents
    list_lag: 30s
    per_minute: 20
    codeowners: true
    owners: [{pattern: '/v1/pay/*', owners: [ana]}]
    routes: [{match: {service: 'mail-*', severity: [critical]}, repository: shop/mail, assignees: [jo]}]
";
    let settings = read(text).unwrap();
    let Tracker::GitHub(github) = &settings.tracker else { panic!("{:?}", settings.tracker) };
    assert!(matches!(&github.credential, GitHubCredential::App { id: 77, installation: None, .. }));
    assert_eq!((github.reopen_within, github.per_minute), (Some(Duration::ZERO), Some(20)));
    assert_eq!(github.routing.repositories(&settings.services), ["shop/incidents", "shop/mail"]);
    assert!(!format!("{settings:?}").contains("s3cret"));
    let of = |keys: &str| format!("tracker:\n  github:\n    {keys}\n");
    refused(&of("app_id: 77"), "private_key_file: PATH");
    refused(&of("private_key_env: SET"), "app_id: ID");
    refused(&of("app_id: 77\n    private_key_env: SET\n    token_env: SET"), "not both");
    refused(&of("app_id: 77\n    private_key: abc"), "private_key_env: NAME");
    refused(&of("repository: a/b"), "token_env: NAME");
    refused("tracker: {folder: x, reopen_within: 999h}", "at most `720h`");
}

#[test]
fn a_variable_that_is_not_set_is_named_with_its_place() {
    let problem = read("tracker:\n  github:\n    token_env: MISSING\n").unwrap_err();
    assert_eq!((problem.line, problem.column), (3, 5), "{problem}");
    assert!(problem.message.contains("`MISSING` is not set"));
}

#[test]
fn a_misspelt_key_is_named_with_the_likely_one() {
    refused("trackr: {}\n", "did you mean `tracker`?");
    refused("sources:\n  alertmanger: {}\n", "did you mean `alertmanager`?");
}

#[test]
fn beyond_loopback_every_door_needs_a_key() {
    refused(
        "listen: 0.0.0.0:80\n",
        "needs a credential for the source `airbrake`: `sources: {airbrake: {token_env: NAME}}`",
    );
    refused("listen: '[::]:80'\nsources: {generic: {token_env: SET}}\n", "the API and the console");
    assert!(read("listen: '[::1]:80'\n").is_ok());
    let all = "listen: 0.0.0.0:80\nsources: {generic: {token_env: SET}}\napi: {token_env: SET}\n";
    assert!(read(all).is_ok());
}

#[test]
fn values_that_cannot_be_used_are_refused_with_what_to_write() {
    refused("egress: {allow: [everything]}\n", "`everything` is no network");
    refused("checks: {resolvers: [dns.example]}\n", "write `IP` or `IP:PORT`");
    refused("checks: {timeout: 1h}\n", "at most `10m`");
    refused("checks: {control: good.example.com}\n", "`good.example.com` is no control");
    refused("checks: {per_host: {burst: 0}}\n", "nonzero");
    refused("checks: {timeout: 5}\n", "");
    refused("chat: {discord: {token_env: SET, channel: general}}\n", "a Discord id");
    refused("tracker: {folder: a, github: {token_env: SET}}\n", "not both");
    refused("checks: {ca_file: nowhere.pem}\n", "nowhere.pem");
    refused("chat: {discord: {channel: 1}}\n", "discord needs a token");
    let discord = |rest: &str| format!("chat:\n  discord: {{token_env: SET, channel: 1, {rest}}}\n");
    refused(&discord("routes: [{channel: 2}]"), "a route needs a `service`, a `severity` or `labels`");
    refused(&discord("routes: [{severity: dreadful, channel: 2}]"), "dreadful");
    refused(&discord("routes: [{service: a, on_call_role: everybody}]"), "or `none`");
    refused(&discord("tags: [a, b, c, d, e, f]"), "at most 5 tags");
    refused("public_url: ftp://ops.example.com\n", "`http://` or `https://`");
}

#[test]
fn routes_are_read_in_order_with_one_value_or_several() {
    let settings = read(
        "public_url: https://ops.example.com
chat:
  discord:
    token_env: SET
    channel: 1
    tags: incident
    on_call_role: 9
    routes:
      - {labels: {team: [payments, ledger]}, channel: '2', on_call_role: 8, tags: [Payments, 5]}
      - {severity: [info, warning], on_call_role: none}
      - {service: orders, severity: critical, channel: 3}
",
    )
    .unwrap();
    let Chat::Discord(discord) = settings.chat else { panic!("Discord") };
    assert_eq!(discord.console.unwrap().as_str(), "https://ops.example.com/");
    let routing = discord.routing;
    assert_eq!((routing.usual.channel, routing.usual.tags), (1, vec!["incident".to_owned()]));
    assert_eq!(routing.routes[0].labels["team"], ["payments", "ledger"]);
    assert_eq!(routing.routes[0].tags.as_deref().unwrap(), ["Payments", "5"]);
    assert_eq!(
        routing.routes.iter().map(|route| (route.channel, route.calls)).collect::<Vec<_>>(),
        [(Some(2), Some(Calls::Role(8))), (None, Some(Calls::Nobody)), (Some(3), None)]
    );
    assert_eq!(routing.routes[1].severities, [Severity::Info, Severity::Warning]);
}

#[test]
fn a_store_is_a_file_or_a_server_and_its_password_stays_out_of_the_file() {
    let store = |text: &str| read(text).unwrap().store;
    assert_eq!(store("store: {path: a.db, keep: 90d}\n").keep_days, Some(90));
    let server = store("store: {url: 'postgres://bot@db.test:5432/incidents'}\n").place;
    assert_eq!(server.to_string(), "PostgreSQL at db.test/incidents");
    assert!(!format!("{server:?}").contains("db.test"));
    refused("store: {url: 'postgres://bot:pw@db.test/x'}\n", "url_env: NAME");
    refused("store: {path: a, url: 'postgres://db.test/x'}\n", "not both");
    refused("store: {url: 'mysql://db.test/x'}\n", "begins with `postgres://`");
    refused("store: {url_env: SET}\n", "begins with `postgres://`");
    refused("store: {url_env: MISSING}\n", "`MISSING` is not set");
    refused("store: {keep: 1h}\n", "write one such as `90d`");
    refused("store: {pth: a}\n", "unknown field `pth`");
}

#[test]
fn the_readmes_example_is_read() {
    let readme = include_str!("../../README.md");
    let example = readme.split("```yaml\n").find(|block| block.starts_with("listen:")).unwrap();
    let example = example.split("```").next().unwrap();
    let set = |_: &str| Some("s3cret".to_owned());
    let settings = Settings::read(Path::new("firstcheck.yaml"), example, &set).unwrap();
    assert_eq!(settings.services.len(), 1);
    assert!(matches!(settings.tracker, Tracker::GitHub(_)));
}

#[test]
fn a_source_says_what_its_sender_must_show() {
    let settings = read(
        "sources:
  github: {secret_env: [SET, SET], heartbeat: 26h}
  generic: {token_env: SET, header: X-Api-Key, secret_env: SET, signed_like: standard_webhooks}
  aws_sns: {topics: ['arn:aws:sns:eu-west-1:1:t']}
  alertmanager: {poll: {url: 'http://am.test:9093', every: 30s}}
incidents: {group_by: [service], window: 6h, resolve_after: never, recheck: 1m}
",
    )
    .unwrap();
    let of = |name: &str| &settings.sources[&Source::named(name).unwrap()];
    assert_eq!((of("github").secrets.len(), of("github").heartbeat), (2, Some(Duration::from_hours(26))));
    assert_eq!(of("generic").header.as_deref(), Some("x-api-key"));
    assert_eq!(of("generic").signature.as_ref().unwrap().header, "webhook-signature");
    assert!(!of("aws_sns").is_open() && of("alertmanager").is_open());
    assert_eq!(of("alertmanager").poll.as_ref().unwrap().gone_after, Duration::from_mins(5));
    assert_eq!(settings.incidents.resolve_after, Some(None));
    assert_eq!(settings.incidents.recheck, Some(Some(Duration::from_mins(1))));
    assert!(!format!("{settings:?}").contains("s3cret"));
}

#[test]
fn a_source_that_cannot_be_so_is_told_with_what_to_write() {
    refused("sources:\n  pingdom: {secret_env: SET}\n", "`pingdom` signs nothing");
    refused("sources:\n  github: {secret: abc}\n", "does not belong in this file");
    refused("sources:\n  generic: {secret_env: SET, signed_like: gatus}\n", "signs nothing");
    refused("sources:\n  generic: {secret_env: SET, signed_like: githbu}\n", "did you mean `github`?");
    refused("sources:\n  generic: {header: x}\n", "needs the token");
    refused("sources:\n  github: {topics: [x]}\n", "only `aws_sns`");
    refused("sources:\n  grafana: {poll: {url: 'http://x.test'}}\n", "only `alertmanager`");
    refused("sources:\n  github: {heartbeat: soon}\n", "no span of time");
    refused("incidents: {group_by: [colour]}\n", "colour");
}
