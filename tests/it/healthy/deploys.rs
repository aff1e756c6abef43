//! Changes that are not near: old, later than the start, of other services, or none at all.

use super::{Asked, Table};
use crate::worlds::Folder;

const AT: &str = "2026-11-01T10:00:00Z";

/// A release record of these lines.
async fn record(lines: &'static str) -> Asked {
    let folder = Folder::new("healthy-deploys");
    let path = folder.0.join("releases.jsonl");
    std::fs::write(&path, lines).unwrap();
    Asked::new(path.to_str().unwrap()).with("at", AT).holding(folder)
}

const ROWS: [(&str, &str); 14] = [
    ("no change ever", ""),
    ("empty lines", "\n\n\n"),
    (
        "a release of last month",
        "{\"at\": \"2026-10-01T09:00:00Z\", \"kind\": \"deploy\", \"what\": \"2.13.0\"}\n",
    ),
    (
        "a release two hours before",
        "{\"at\": \"2026-11-01T08:00:00Z\", \"kind\": \"deploy\", \"what\": \"2.13.0\"}\n",
    ),
    (
        "a release just outside the window",
        "{\"at\": \"2026-11-01T09:29:00Z\", \"kind\": \"deploy\", \"what\": \"2.13.0\"}\n",
    ),
    (
        "the repair, after the start",
        "{\"at\": \"2026-11-01T10:05:00Z\", \"kind\": \"deploy\", \"what\": \"2.13.1\"}\n",
    ),
    (
        "a rollback long after the start",
        "{\"at\": \"2026-11-01T12:00:00Z\", \"kind\": \"rollback\", \"what\": \"2.12.0\"}\n",
    ),
    (
        "a change that is planned for next week",
        "{\"at\": \"2026-11-08T10:00:00Z\", \"kind\": \"config\", \"what\": \"certificate\"}\n",
    ),
    (
        "the hour in another zone: nine hours before",
        "{\"at\": \"2026-11-01T09:50:00+09:00\", \"kind\": \"deploy\", \"what\": \"2.13.0\"}\n",
    ),
    (
        "a flag of yesterday at the same hour",
        "{\"at\": \"2026-10-31T09:58:00Z\", \"kind\": \"flag\", \"what\": \"new-pricing on\"}\n",
    ),
    (
        "a hundred old changes, out of order",
        concat!(
            "{\"at\": \"2026-09-01T09:58:00Z\", \"kind\": \"deploy\", \"what\": \"b\"}\n",
            "{\"at\": \"2026-08-01T09:58:00Z\", \"kind\": \"config\", \"what\": \"a\"}\n",
            "{\"at\": \"2026-10-01T09:58:00Z\", \"kind\": \"flag\", \"what\": \"c\"}\n",
        ),
    ),
    (
        "lines that end as on Windows",
        "{\"at\": \"2026-10-01T09:00:00Z\", \"kind\": \"deploy\", \"what\": \"2.13.0\"}\r\n",
    ),
    (
        "no line's end at the end",
        "{\"at\": \"2026-10-01T09:00:00Z\", \"kind\": \"deploy\", \"what\": \"2.13.0\"}",
    ),
    (
        "members nobody knows",
        "{\"at\": \"2026-10-01T09:00:00Z\", \"kind\": \"deploy\", \"what\": \"2.13.0\", \"ticket\": \"LAB-7\"}\n",
    ),
];

pub(super) fn rows(table: &mut Table) {
    for (name, lines) in ROWS {
        table.row(name, "none_near", record(lines));
    }
    table.row("a release of another service", "none_near", async {
        record("{\"at\": \"2026-11-01T09:58:00Z\", \"kind\": \"deploy\", \"what\": \"1.0.0\", \"service\": \"billing\"}\n").await.with("service", "orders")
    });
    table.row("ten minutes before, and the window is five", "none_near", async {
        record("{\"at\": \"2026-11-01T09:50:00Z\", \"kind\": \"deploy\", \"what\": \"1.0.0\"}\n")
            .await
            .with("window", "5m")
    });
    table.row("two hours before, and the window is one", "none_near", async {
        record("{\"at\": \"2026-11-01T08:00:00Z\", \"kind\": \"config\", \"what\": \"x\"}\n")
            .await
            .with("window", "1h")
    });
}
