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
