//! Green pages: every provider's shape as its documentation has it, with all that a calm page may still carry.

use firstcheck::drill::http_server::{HttpServer, Reply};
use serde_json::{Value, json};

use super::{Asked, Table};

/// What a page serves: path, content type, body.
type Files = Vec<(&'static str, &'static str, Vec<u8>)>;

/// A page that serves these files, and 404 for everything else; asked for at `path`.
pub(super) async fn page(path: &str, files: Files) -> Asked {
    let server = HttpServer::plain(move |request| {
        let found = files.iter().find(|(path, ..)| *path == request.uri().path());
        let reply = found.map_or_else(
            || Reply::html(404, "<html><body>nothing here</body></html>"),
            |(_, kind, body)| Reply::bytes(200, kind, body.clone()),
        );
        std::future::ready(reply)
    })
    .await
    .unwrap();
    Asked::new(server.url(path)).holding(server)
}

pub(super) async fn json_at(asked: &str, path: &'static str, body: Value) -> Asked {
    page(asked, vec![(path, "application/json", body.to_string().into_bytes())]).await
}

/// A Statuspage summary with these components, incidents and maintenances.
pub(super) fn summary(components: &Value, incidents: &Value, maintenances: &Value) -> Value {
    json!({
        "page": {"id": "p1", "name": "Lab", "url": "https://status.lab.test", "time_zone": "Etc/UTC", "updated_at": "2026-11-01T09:00:00.000Z"},
        "components": components, "incidents": incidents, "scheduled_maintenances": maintenances,
        "status": {"indicator": "none", "description": "All Systems Operational"},
    })
}

pub(super) fn component(name: &str, status: &str) -> Value {
    json!({"id": name, "name": name, "status": status, "created_at": "2020-01-01T00:00:00.000Z", "updated_at": "2026-10-01T00:00:00.000Z",
           "position": 1, "description": null, "showcase": true, "group_id": null, "page_id": "p1", "group": false, "only_show_if_degraded": false})
}

/// An incident with its times; resolved when `end` is given.
pub(super) fn incident(
    name: &str,
    status: &str,
    impact: &str,
    start: &str,
    end: Option<&str>,
    components: &Value,
) -> Value {
    json!({"id": name, "name": name, "status": status, "impact": impact, "created_at": start, "started_at": start, "updated_at": end.unwrap_or(start),
           "resolved_at": end, "shortlink": "https://stspg.io/x", "page_id": "p1", "incident_updates": [], "components": components})
}

fn maintenance(status: &str, from: &str, until: &str, components: &Value) -> Value {
    json!({"id": "m", "name": "Database upgrade", "status": status, "impact": "maintenance", "scheduled_for": from, "scheduled_until": until,
           "created_at": "2026-10-20T00:00:00.000Z", "started_at": null, "updated_at": "2026-10-20T00:00:00.000Z", "resolved_at": null, "incident_updates": [], "components": components})
}

pub(super) async fn statuspage(components: Value, incidents: Value, maintenances: Value) -> Asked {
    json_at("/", "/api/v2/summary.json", summary(&components, &incidents, &maintenances)).await
}

pub(super) fn rows(table: &mut Table) {
    statuspages(table);
    components(table);
    own_shapes(table);
    self_hosted(table);
}

fn statuspages(table: &mut Table) {
    let api = || json!([component("API", "operational"), component("Webhooks", "operational")]);
    table.row("Statuspage, all green", "operational", statuspage(api(), json!([]), json!([])));
    table.row("Statuspage without any component", "operational", statuspage(json!([]), json!([]), json!([])));
    table.row("Statuspage asked for by its JSON", "operational", async move {
        json_at("/api/v2/summary.json", "/api/v2/summary.json", summary(&api(), &json!([]), &json!([]))).await
    });
    table.row("Statuspage that has the short status only", "operational", async {
        json_at("/", "/api/v2/status.json", json!({"page": {"id": "p", "name": "Lab", "url": "u", "updated_at": "2026-11-01T09:00:00Z"}, "status": {"indicator": "none", "description": "All Systems Operational"}})).await
    });
    table.row(
        "maintenance next week",
        "operational",
        statuspage(
            api(),
            json!([]),
            json!([maintenance(
                "scheduled",
                "2026-11-08T02:00:00.000Z",
                "2026-11-08T04:00:00.000Z",
                &json!([component("API", "operational")])
            )]),
        ),
    );
    table.row(
        "maintenance that is over",
        "operational",
        statuspage(
            api(),
            json!([]),
            json!([maintenance(
                "completed",
                "2026-10-30T02:00:00.000Z",
                "2026-10-30T04:00:00.000Z",
                &json!([])
            )]),
        ),
    );
    table.row(
        "an incident of last month, resolved",
        "operational",
        statuspage(
            api(),
            json!([incident(
                "Elevated errors",
                "resolved",
                "critical",
                "2026-10-01T08:00:00Z",
                Some("2026-10-01T09:00:00Z"),
                &json!([])
            )]),
            json!([]),
        ),
    );
    table.row(
        "an incident with its post-mortem",
        "operational",
        statuspage(
            api(),
            json!([incident(
                "Outage",
                "postmortem",
                "critical",
                "2026-10-01T08:00:00Z",
                Some("2026-10-01T09:00:00Z"),
                &json!([])
            )]),
            json!([]),
        ),
    );
    table.row(
        "a notice without impact",
        "operational",
        statuspage(
            api(),
            json!([incident(
                "New address ranges",
                "identified",
                "none",
                "2026-10-31T08:00:00Z",
                None,
                &json!([])
            )]),
            json!([]),
        ),
    );
    table.row("a group that is a header", "operational", async {
        let mut group = component("Europe", "operational");
        group["group"] = json!(true);
        group["components"] = json!(["API"]);
        let mut api = component("API", "operational");
        api["group_id"] = json!("Europe");
        statuspage(json!([group, api]), json!([]), json!([])).await
    });
    table.row("members that a later version added", "operational", async move {
        let mut body = summary(&api(), &json!([]), &json!([]));
        body["announcements"] = json!([{"severity": "critical", "text": "try our outage simulator"}]);
        body["status"]["since"] = json!(null);
        json_at("/", "/api/v2/summary.json", body).await
    });
    table.row("the page's JSON after a byte order mark", "operational", async move {
        let body = format!("\u{feff}{}", summary(&api(), &json!([]), &json!([]))).into_bytes();
        page("/", vec![("/api/v2/summary.json", "application/json; charset=utf-8", body)]).await
    });
    table.row("the page's JSON under a text type", "operational", async move {
        page(
            "/",
            vec![(
                "/api/v2/summary.json",
                "text/plain",
                summary(&api(), &json!([]), &json!([])).to_string().into_bytes(),
            )],
        )
        .await
    });
    table.row("a thousand components", "operational", async {
        let many: Vec<Value> = (0..1000).map(|n| component(&format!("API {n}"), "operational")).collect();
        statuspage(json!(many), json!([]), json!([])).await
    });
    table.row("a page that redirects to its new home", "operational", async move {
        let body = summary(&api(), &json!([]), &json!([])).to_string();
        let server = HttpServer::plain(move |request| {
            std::future::ready(match request.uri().path() {
                "/api/v2/summary.json" => Reply::empty(301).header("location", "/new/api/v2/summary.json"),
                "/new/api/v2/summary.json" => Reply::body(200, "application/json", body.clone()),
                _ => Reply::empty(404),
            })
        })
        .await
        .unwrap();
        Asked::new(server.url("/")).holding(server)
    });
}

fn components(table: &mut Table) {
    let mixed = || {
        json!([
            component("API", "operational"),
            component("Webhooks", "major_outage"),
            component("API (Asia)", "partial_outage")
        ])
    };
    let outage = || {
        json!([incident(
            "Webhooks are late",
            "investigating",
            "major",
            "2026-11-01T09:30:00Z",
            None,
            &json!([component("Webhooks", "major_outage")])
        )])
    };
    for (name, wanted) in [
        ("our component is well while another is out", "API"),
        ("our component in other letters", "api"),
        ("our component with space around it", " API "),
    ] {
        table.row(name, "operational", async move {
            statuspage(mixed(), outage(), json!([])).await.with("component", wanted)
        });
    }
    table.row("maintenance of another component, under way", "operational", async {
        let other = json!([component("Webhooks", "under_maintenance")]);
        let under_way = json!([maintenance(
            "in_progress",
            "2026-11-01T09:00:00.000Z",
            "2026-11-01T11:00:00.000Z",
            &other
        )]);
        statuspage(
            json!([component("API", "operational"), component("Webhooks", "under_maintenance")]),
            json!([]),
            under_way,
        )
        .await
        .with("component", "API")
    });
    table.row("an unknown component is a question that cannot be answered", "error", async move {
        statuspage(mixed(), json!([]), json!([])).await.with("component", "Payments")
    });
}

fn own_shapes(table: &mut Table) {
    table.row("incident.io, its own shape", "operational", async {
        let body = json!({"summary": {"id": "s", "name": "Lab", "public_url": "https://status.lab.test", "components": [{"id": "c1", "name": "API"}, {"id": "c2", "name": "Console"}],
            "affected_components": [], "ongoing_incidents": [], "in_progress_maintenances": [], "scheduled_maintenances": [],
            "structure": {"items": [{"component": {"component_id": "c1", "name": "API", "hidden": false}}]}}});
        let server = HttpServer::plain(move |request| {
            let is_proxy = request.uri().path().starts_with("/proxy/");
            std::future::ready(if is_proxy { Reply::json(200, &body) } else { Reply::empty(404) })
        })
        .await
        .unwrap();
        Asked::new(server.url("/")).holding(server)
    });
    table.row(
        "Instatus",
        "operational",
        json_at(
            "/",
            "/summary.json",
            json!({"page": {"name": "Lab", "url": "https://lab.instatus.com", "status": "UP"}}),
        ),
    );
    table.row("Instatus with maintenance that has not begun", "operational", json_at("/", "/summary.json", json!({
        "page": {"name": "Lab", "url": "https://lab.instatus.com", "status": "UP"},
        "activeMaintenances": [{"id": "m", "name": "Upgrade", "start": "2026-11-08T02:00:00Z", "status": "NOTSTARTEDYET", "duration": 60}],
    })));
    table.row("Better Stack", "operational", json_at("/", "/index.json", json!({
        "data": {"id": "1", "type": "status_page", "attributes": {"company_name": "Lab", "subdomain": "lab", "aggregate_state": "operational"}},
        "included": [{"id": "7", "type": "status_page_resource", "attributes": {"public_name": "API", "status": "operational"}}],
    })));
    table.row("Better Stack with a report that ended", "operational", json_at("/", "/index.json", json!({
        "data": {"id": "1", "type": "status_page", "attributes": {"company_name": "Lab", "subdomain": "lab", "aggregate_state": "operational"}},
        "included": [{"id": "7", "type": "status_page_resource", "attributes": {"public_name": "API", "status": "operational"}},
            {"id": "9", "type": "status_report", "attributes": {"title": "API down", "report_type": "manual", "starts_at": "2026-10-01T08:00:00Z", "ends_at": "2026-10-01T09:00:00Z", "aggregate_state": "downtime"}}],
    })));
    table.row("Status.io", "operational", json_at("/1.0/status/abc", "/1.0/status/abc", json!({"result": {
        "status_overall": {"updated": "2026-11-01T09:00:00.000Z", "status": "Operational", "status_code": 100},
        "status": [{"id": "c", "name": "API", "updated": "2026-11-01T09:00:00.000Z", "status": "Operational", "status_code": 100,
            "containers": [{"id": "e", "name": "Europe", "updated": "2026-11-01T09:00:00.000Z", "status": "Operational", "status_code": 100}]}],
        "incidents": [], "maintenance": {"active": [], "upcoming": []},
    }})));
    table.row("Status.io with maintenance to come", "operational", json_at("/1.0/status/abc", "/1.0/status/abc", json!({"result": {
        "status_overall": {"updated": "2026-11-01T09:00:00.000Z", "status": "Operational", "status_code": 100},
        "status": [{"id": "c", "name": "API", "status": "Operational", "status_code": 100, "containers": []}], "incidents": [],
        "maintenance": {"active": [], "upcoming": [{"_id": "m", "name": "Upgrade", "datetime_planned_start": "2026-11-08T02:00:00.000Z", "datetime_planned_end": "2026-11-08T04:00:00.000Z"}]},
    }})));
    table.row("Slack", "operational", json_at("/api/v2.0.0/current", "/api/v2.0.0/current", json!({"status": "ok", "date_created": "2026-11-01T02:00:00-07:00", "date_updated": "2026-11-01T02:00:00-07:00", "active_incidents": []})));
    table.row("Heroku", "operational", json_at("/api/v4/current-status", "/api/v4/current-status", json!({"status": [{"system": "Apps", "status": "green"}, {"system": "Data", "status": "green"}, {"system": "Tools", "status": "green"}], "incidents": [], "scheduled": []})));
    table.row("Heroku with a scheduled work", "operational", json_at("/api/v4/current-status", "/api/v4/current-status", json!({
        "status": [{"system": "Apps", "status": "green"}, {"system": "Data", "status": "green"}, {"system": "Tools", "status": "green"}], "incidents": [],
        "scheduled": [{"id": 9, "title": "Upgrade", "created_at": "2026-10-30T00:00:00Z", "updated_at": "2026-10-30T00:00:00Z", "full_url": "u", "systems": ["Data"], "updates": []}],
    })));
}

fn self_hosted(table: &mut Table) {
    let kuma = |ups: &[u8]| {
        let beats: serde_json::Map<String, Value> = ups
            .iter()
            .enumerate()
            .map(|(at, up)| ((at + 1).to_string(), json!([{"status": 0, "time": "2026-10-31 09:00:00.000", "msg": "", "ping": null}, {"status": up, "time": "2026-11-01 09:59:00.000", "msg": "", "ping": 12}])))
            .collect();
        let monitors: Vec<_> = (1..=ups.len())
            .map(|id| json!({"id": id, "name": format!("API {id}"), "sendUrl": 0, "type": "http"}))
            .collect();
        let status = json!({"config": {"slug": "lab", "title": "Lab", "published": true}, "incident": null, "publicGroupList": [{"id": 1, "name": "Services", "weight": 1, "monitorList": monitors}], "maintenanceList": []});
        let beats = json!({"heartbeatList": beats, "uptimeList": {"1_24": 0.98}});
        page(
            "/status/lab",
            vec![
                ("/api/status-page/lab", "application/json", status.to_string().into_bytes()),
                ("/api/status-page/heartbeat/lab", "application/json", beats.to_string().into_bytes()),
            ],
        )
    };
    table.row("Uptime Kuma, up, and down yesterday", "operational", kuma(&[1, 1]));
    table.row("Cachet 3", "operational", page("/", vec![
        ("/api/status", "application/json", json!({"data": {"status": "operational", "message": "All systems are operational."}}).to_string().into_bytes()),
        ("/api/components", "application/json", json!({"data": [{"id": "1", "type": "components", "attributes": {"id": 1, "name": "API", "status": {"human": "Operational", "value": 1}, "enabled": true}}], "meta": {}}).to_string().into_bytes()),
        ("/api/incidents", "application/json", json!({"data": [], "meta": {}}).to_string().into_bytes()),
        ("/api/schedules", "application/json", json!({"data": [], "meta": {}}).to_string().into_bytes()),
    ]));
    table.row("Cachet 2", "operational", page("/", vec![
        ("/api/v1/components", "application/json", json!({"meta": {"pagination": {"total": 1, "count": 1}}, "data": [{"id": 1, "name": "API", "status": 1, "status_name": "Operational", "enabled": true}]}).to_string().into_bytes()),
        ("/api/v1/incidents", "application/json", json!({"meta": {}, "data": [{"id": 1, "name": "Outage", "status": 4, "human_status": "Fixed", "created_at": "2026-10-01 08:00:00", "updated_at": "2026-10-01 09:00:00"}]}).to_string().into_bytes()),
    ]));
}
