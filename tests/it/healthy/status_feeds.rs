//! Green pages of clouds, and feeds whose last word is that all is well; and what a calm page may still show.

use firstcheck::drill::http_server::{HttpServer, Reply};
use serde_json::{Value, json};

use super::status_page::{component, incident, json_at, page, statuspage, summary};
use super::{Asked, NO_FAULT, Table};

pub(super) fn rows(table: &mut Table) {
    clouds(table);
    feeds(table);
    leftovers(table);
}

fn clouds(table: &mut Table) {
    let google = |incidents: Value| json_at("/incidents.json", "/incidents.json", incidents);
    let event = |end: Option<&str>| {
        json!({"id": "x", "number": "1", "begin": "2026-10-01T08:00:00+00:00", "created": "2026-10-01T08:05:00+00:00", "end": end, "modified": "2026-10-01T10:00:00+00:00",
        "external_desc": "Errors in Cloud SQL", "severity": "high", "status_impact": "SERVICE_OUTAGE", "service_key": "sql", "service_name": "Cloud SQL", "uri": "incidents/x",
        "affected_products": [{"title": "Cloud SQL", "id": "sql"}], "currently_affected_locations": [], "previously_affected_locations": [], "updates": [],
        "most_recent_update": {"created": "2026-10-01T10:00:00+00:00", "modified": "2026-10-01T10:00:00+00:00", "when": "2026-10-01T10:00:00+00:00", "text": "over", "status": "AVAILABLE", "affected_locations": []}})
    };
    table.row(
        "Google Cloud with past incidents",
        "operational",
        google(json!([event(Some("2026-10-01T10:00:00+00:00"))])),
    );
    table.row("Google Cloud without one", "operational|error|unreachable", google(json!([])));
    let aws = |text: &str| {
        let bytes: Vec<u8> =
            [0xfe, 0xff].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect();
        page(
            "/public/currentevents",
            vec![("/public/currentevents", "application/json;charset=UTF-16", bytes)],
        )
    };
    table.row("AWS without an event, in UTF-16", "operational", aws("[]"));
    table.row("AWS with an event that is over", "operational", aws(
        "[{\"date\":\"1793440800\",\"arn\":\"arn:aws:health:us-east-1::event/S3/x\",\"region_name\":\"N. Virginia\",\"status\":\"0\",\"service\":\"s3-us-east-1\",\"service_name\":\"Amazon S3\",\"summary\":\"[RESOLVED] Increased errors\",\"event_log\":[{\"summary\":\"x\",\"message\":\"over\",\"status\":0,\"timestamp\":1793444400}],\"impacted_services\":{}}]",
    ));
    table.row("AWS with an event in another region", "operational", async move {
        aws("[{\"date\":\"1793523600\",\"arn\":\"arn:aws:health:sa-east-1::event/S3/x\",\"region_name\":\"Sao Paulo\",\"status\":\"3\",\"service\":\"s3-sa-east-1\",\"service_name\":\"Amazon S3\",\"summary\":\"Increased errors\",\"event_log\":[{\"summary\":\"x\",\"message\":\"we look\",\"status\":3,\"timestamp\":1793523600}],\"impacted_services\":{}},\
            {\"date\":\"1793440800\",\"arn\":\"arn:aws:health:eu-west-1::event/S3/y\",\"region_name\":\"Ireland\",\"status\":\"0\",\"service\":\"s3-eu-west-1\",\"service_name\":\"Amazon S3\",\"summary\":\"[RESOLVED] x\",\"event_log\":[],\"impacted_services\":{}}]")
            .await
            .with("component", "s3-eu-west-1")
    });
    table.row(
        "Salesforce without an active incident",
        "operational|unreachable",
        page("/v1/incidents/active", vec![("/v1/incidents/active", "application/json", b"[]".to_vec())]),
    );
}

fn rss(items: &str) -> Vec<u8> {
    format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><rss version=\"2.0\"><channel><title>Lab Status</title><link>https://status.lab.test/</link><description>Lab</description><lastBuildDate>Sun, 01 Nov 2026 09:55:00 GMT</lastBuildDate>{items}</channel></rss>").into_bytes()
}

fn atom(entries: &str) -> Vec<u8> {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><feed xml:lang=\"en-US\" xmlns=\"http://www.w3.org/2005/Atom\"><id>tag:status.lab.test,2005:/history</id><title>Lab Status - Incident History</title><updated>2026-11-01T09:55:00Z</updated>{entries}</feed>").into_bytes()
}

/// What a calm page of any provider may still show.
fn leftovers(table: &mut Table) {
    table.row("a page below a path of its host", "operational", async {
        let body = summary(&json!([component("API", "operational")]), &json!([]), &json!([]));
        json_at("/lab", "/lab/api/v2/summary.json", body).await
    });
    table.row("a page below a path, with a slash at its end", "operational", async {
        let body = summary(&json!([component("API", "operational")]), &json!([]), &json!([]));
        json_at("/lab/", "/lab/api/v2/summary.json", body).await
    });
    table.row("a page's JSON as bytes of no known type", "operational", async {
        let body = summary(&json!([component("API", "operational")]), &json!([]), &json!([]))
            .to_string()
            .into_bytes();
        page("/", vec![("/api/v2/summary.json", "application/octet-stream", body)]).await
    });
    table.row("Statuspage in another language", "operational", async {
        let mut body = summary(&json!([component("API", "operational")]), &json!([]), &json!([]));
        body["status"]["description"] = json!("Alle Systeme in Betrieb");
        json_at("/", "/api/v2/summary.json", body).await
    });
    table.row(
        "Statuspage without the lists it may leave out",
        "operational",
        json_at(
            "/",
            "/api/v2/summary.json",
            json!({
                "page": {"id": "p", "name": "Lab", "url": "https://status.lab.test"},
                "components": [], "incidents": [],
                "status": {"indicator": "none", "description": "All Systems Operational"},
            }),
        ),
    );
    table.row("Instatus with empty lists", "operational", json_at("/", "/summary.json", json!({
        "page": {"name": "Lab", "url": "https://lab.instatus.com", "status": "UP"}, "activeIncidents": [], "activeMaintenances": [],
    })));
    table.row("Better Stack with a resource nobody watches", "operational", json_at("/", "/index.json", json!({
        "data": {"id": "1", "type": "status_page", "attributes": {"company_name": "Lab", "aggregate_state": "operational"}},
        "included": [{"id": "7", "type": "status_page_resource", "attributes": {"public_name": "API", "status": "not_monitored"}}],
    })));
    table.row("Better Stack with maintenance next week", "operational", json_at("/", "/index.json", json!({
        "data": {"id": "1", "type": "status_page", "attributes": {"company_name": "Lab", "aggregate_state": "operational"}},
        "included": [{"id": "9", "type": "status_report", "attributes": {"title": "Upgrade", "report_type": "maintenance", "starts_at": "2026-11-08T02:00:00Z", "ends_at": "2026-11-08T04:00:00Z", "aggregate_state": "maintenance"}}],
    })));
    table.row("Slack with an incident that was resolved", "operational", json_at("/api/v2.0.0/current", "/api/v2.0.0/current", json!({
        "status": "ok", "date_created": "2026-11-01T02:00:00-07:00", "date_updated": "2026-11-01T02:00:00-07:00",
        "active_incidents": [{"id": 9, "title": "Slow search", "type": "incident", "status": "resolved", "services": ["Search"], "date_created": "2026-10-31T02:00:00-07:00", "date_updated": "2026-10-31T03:00:00-07:00", "notes": []}],
    })));
    table.row("RSS whose last item was never closed, two years ago", "operational|unreachable", page("/feed.rss", vec![(
        "/feed.rss", "application/rss+xml",
        rss("<item><title>Slow search</title><pubDate>Fri, 01 Nov 2024 08:00:00 GMT</pubDate><description>&lt;strong&gt;Investigating&lt;/strong&gt; - we look.</description><guid>x</guid></item>"),
    )]));
    table.row("RSS that says so in its title", "operational", page("/feed.rss", vec![(
        "/feed.rss", "application/rss+xml",
        rss("<item><title>[Resolved] Outage of the API</title><pubDate>Sun, 01 Nov 2026 08:00:00 GMT</pubDate><description>The outage is over.</description><guid>x</guid></item>"),
    )]));
    table.row("Atom about a finished maintenance", "operational", page("/history.atom", vec![(
        "/history.atom", "application/atom+xml",
        atom("<entry><id>x</id><published>2026-10-31T08:00:00Z</published><updated>2026-10-31T09:00:00Z</updated><title>Database upgrade</title><content type=\"html\">&lt;p&gt;&lt;strong&gt;Completed&lt;/strong&gt; - done.&lt;/p&gt;&lt;p&gt;&lt;strong&gt;In progress&lt;/strong&gt; - began.&lt;/p&gt;&lt;p&gt;&lt;strong&gt;Scheduled&lt;/strong&gt; - planned.&lt;/p&gt;</content></entry>"),
    )]));
    table.row("a thousand resolved incidents", "operational", async {
        let many: Vec<Value> = (0..1000)
            .map(|_| {
                incident(
                    "Errors",
                    "resolved",
                    "critical",
                    "2026-10-01T08:00:00Z",
                    Some("2026-10-01T09:00:00Z"),
                    &json!([]),
                )
            })
            .collect();
        statuspage(json!([component("API", "operational")]), json!(many), json!([])).await
    });
}

fn feeds(table: &mut Table) {
    let feed = |body: Vec<u8>, kind: &'static str| page("/feed.rss", vec![("/feed.rss", kind, body)]);
    table.row("an empty RSS feed", "operational", feed(rss(""), "application/rss+xml"));
    table.row(
        "an empty RSS feed under a general type",
        "operational",
        feed(rss(""), "text/xml; charset=utf-8"),
    );
    table.row("RSS whose last item is resolved", "operational", feed(rss("<item><title>Elevated errors</title><pubDate>Thu, 01 Oct 2026 08:00:00 GMT</pubDate><description>&lt;p&gt;&lt;strong&gt;Resolved&lt;/strong&gt; - This incident has been resolved.&lt;/p&gt;&lt;p&gt;&lt;strong&gt;Investigating&lt;/strong&gt; - We are looking.&lt;/p&gt;</description><guid>x</guid></item>"), "application/rss+xml"));
    table.row("RSS that announces maintenance of next week", "operational", feed(rss("<item><title>Scheduled maintenance of the database</title><pubDate>Fri, 30 Oct 2026 08:00:00 GMT</pubDate><description>&lt;p&gt;&lt;strong&gt;Scheduled&lt;/strong&gt; - on Sun, 08 Nov 2026 02:00 UTC.&lt;/p&gt;</description><guid>x</guid></item>"), "application/rss+xml"));
    table.row("an empty Atom feed", "operational", feed(atom(""), "application/atom+xml"));
    table.row("Atom whose last entry is resolved", "operational", feed(atom("<entry><id>x</id><published>2026-10-01T08:00:00Z</published><updated>2026-10-01T09:00:00Z</updated><link rel=\"alternate\" type=\"text/html\" href=\"https://status.lab.test/incidents/x\"/><title>Outage of the API</title><content type=\"html\">&lt;p&gt;&lt;strong&gt;Resolved&lt;/strong&gt; - over.&lt;/p&gt;&lt;p&gt;&lt;strong&gt;Investigating&lt;/strong&gt; - we look.&lt;/p&gt;</content></entry>"), "application/atom+xml"));
    table.row("the RSS of Azure without an item", "operational", async {
        page("/en-us/status/feed/", vec![("/en-us/status/feed/", "application/xml", b"\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><rss xmlns:a10=\"http://www.w3.org/2005/Atom\" version=\"2.0\"><channel><title>Azure Status</title><link>https://azure.status.microsoft/en-us/status/</link><description>Azure Status</description><language>en-US</language><lastBuildDate>Sun, 01 Nov 2026 09:55:00 Z</lastBuildDate></channel></rss>".to_vec())]).await
    });
    table.row(
        "a page that no program can read is not a fault",
        NO_FAULT,
        page("/", vec![("/", "text/html", b"<html><body>All good, promise</body></html>".to_vec())]),
    );
    table.row("a page that wants a log-in is not a fault", NO_FAULT, async {
        let server = HttpServer::plain(|_| std::future::ready(Reply::html(403, "<h1>403 Forbidden</h1>")))
            .await
            .unwrap();
        Asked::new(server.url("/")).holding(server)
    });
    table.row("a page that is down itself says nothing about the vendor", NO_FAULT, async {
        let server =
            HttpServer::plain(|_| std::future::ready(Reply::html(503, "<h1>503 Service Unavailable</h1>")))
                .await
                .unwrap();
        Asked::new(server.url("/")).holding(server)
    });
    table.row(
        "a page whose JSON is of no known shape says nothing",
        NO_FAULT,
        json_at("/", "/api/v2/summary.json", json!({"hello": "world"})),
    );
}
