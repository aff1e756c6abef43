//! `firstcheck serve` behind the real Alertmanager of Debian: it fires, it resolves.

use std::process::Command;

use serde_json::json;

use crate::programs::{Program, ask, free_address};
use crate::worlds::Folder;

#[test]
#[ignore = "needs alertmanager"]
fn the_real_alertmanager_opens_an_incident_and_resolves_it() {
    let folder = Folder::new("alertmanager");
    std::fs::write(folder.0.join("firstcheck.yaml"), "listen: 127.0.0.1:0\n").unwrap();
    let (bot, bot_at) = Program::serve(&folder.0);

    let config = format!(
        "route: {{receiver: bot, group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}\n\
         receivers: [{{name: bot, webhook_configs: [{{url: 'http://{bot_at}/alerts/alertmanager', send_resolved: true}}]}}]\n"
    );
    std::fs::write(folder.0.join("alertmanager.yml"), config).unwrap();
    let at = free_address();
    let alertmanager = Program::start(
        Command::new("prometheus-alertmanager")
            .args(["--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address="])
            .arg(format!("--web.listen-address={at}"))
            .current_dir(&folder.0),
    );
    alertmanager.listens(at);

    let mut alert = json!({
        "labels": {"alertname": "OrdersDown", "service": "orders-api", "severity": "critical"},
        "annotations": {"summary": "orders-api returns 502 Bad Gateway"},
    });
    ask(at, "POST", "/api/v2/alerts", &json!([alert]).to_string());
    bot.says("alert from alertmanager");
    let listed = ask(bot_at, "GET", "/api/incidents", "");
    let incident = &listed["incidents"][0];
    assert_eq!(incident["service"], "orders-api", "{listed}");

    alert["endsAt"] = json!("2026-01-01T00:00:00Z");
    ask(at, "POST", "/api/v2/alerts", &json!([alert]).to_string());
    bot.says("resolved (alertmanager)");
    let document = ask(bot_at, "GET", &format!("/api/incidents/{}", incident["id"].as_str().unwrap()), "");
    assert_eq!(document["state"], "resolved", "{document:#}");
}

/// The webhook leads nowhere: whatever the bot knows, it was told when it asked; also after it was killed.
#[test]
#[ignore = "needs alertmanager"]
fn what_the_webhooks_of_the_real_alertmanager_missed_is_asked_for() {
    let folder = Folder::new("reconcile");
    let (nowhere, at) = (free_address(), free_address());
    let config = format!(
        "route: {{receiver: bot, group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}\n\
         receivers: [{{name: bot, webhook_configs: [{{url: 'http://{nowhere}/alerts/alertmanager', send_resolved: true}}]}}]\n"
    );
    std::fs::write(folder.0.join("alertmanager.yml"), config).unwrap();
    let alertmanager = Program::start(
        Command::new("prometheus-alertmanager")
            .args(["--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address="])
            .arg(format!("--web.listen-address={at}"))
            .current_dir(&folder.0),
    );
    alertmanager.listens(at);
    let alert = |name: &str| {
        json!({
            "labels": {"alertname": name, "service": name, "severity": "critical"},
            "annotations": {"summary": "502 Bad Gateway"},
        })
    };
    let orders = alert("orders-api");
    ask(at, "POST", "/api/v2/alerts", &json!([orders]).to_string());

    let poll = format!("{{url: 'http://{at}', every: 1s, gone_after: 1s}}");
    let config = format!("listen: 127.0.0.1:0\nsources: {{alertmanager: {{poll: {poll}}}}}\n");
    std::fs::write(folder.0.join("firstcheck.yaml"), config).unwrap();
    let (bot, _) = Program::serve(&folder.0);
    bot.says("alert from alertmanager");
    bot.end("KILL");

    // While it is away one problem ends and another begins.
    let mut over = orders.clone();
    over["endsAt"] = json!("2026-01-01T00:00:00Z");
    ask(at, "POST", "/api/v2/alerts", &json!([over]).to_string());
    ask(at, "POST", "/api/v2/alerts", &json!([alert("mail-api")]).to_string());
    let (bot, bot_at) = Program::serve(&folder.0);
    bot.says("resolved (alertmanager)");
    let listed = ask(bot_at, "GET", "/api/incidents", "");
    let states: std::collections::BTreeMap<&str, &str> = listed["incidents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["service"].as_str().unwrap(), it["state"].as_str().unwrap()))
        .collect();
    assert_eq!(states.get("orders-api"), Some(&"resolved"), "{listed:#}");
    assert!(states.get("mail-api").is_some_and(|state| *state != "resolved"), "{listed:#}");
}
