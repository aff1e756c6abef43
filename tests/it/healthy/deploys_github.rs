//! Repositories at GitHub in which nothing near was changed: old work, drafts, other branches, empty and private repositories.

use firstcheck::drill::http_server::{HttpServer, Reply};
use serde_json::{Value, json};

use super::{Asked, NO_FAULT, Table};

/// What the repository `acme/orders` answers, by the path behind it; everything else is an empty list.
type Lists = Vec<(&'static str, Value)>;

async fn github(lists: Lists) -> Asked {
    let server = HttpServer::plain(move |request| {
        let path = request.uri().path().trim_start_matches("/repos/acme/orders").to_owned();
        let found = lists.iter().find(|(at, _)| *at == path).map(|(_, list)| list.clone());
        std::future::ready(match found {
            Some(Value::Number(status)) => Reply::json(
                u16::try_from(status.as_u64().unwrap()).unwrap(),
                &json!({"message": "Git Repository is empty.", "documentation_url": "https://docs.github.com/rest"}),
            ),
            Some(list) => Reply::json(200, &list),
            None if path.is_empty() => Reply::json(200, &json!({"id": 1, "name": "orders", "full_name": "acme/orders", "default_branch": "main", "private": false})),
            None => Reply::json(200, &json!([])),
        })
    })
    .await
    .unwrap();
    let mut asked = Asked::new("acme/orders").with("at", "2026-11-01T10:00:00Z");
    asked.github = Some(server.url(""));
    asked.holding(server)
}

fn release(tag: &str, published: Option<&str>, draft: bool) -> Value {
    json!({"id": 7, "tag_name": tag, "name": tag, "draft": draft, "prerelease": false, "target_commitish": "main", "created_at": "2026-10-01T09:00:00Z",
        "published_at": published, "html_url": "https://github.com/acme/orders/releases/7", "author": {"login": "mira", "id": 1}, "body": "", "assets": []})
}

fn deployment(at: &str, environment: &str) -> Value {
    json!({"id": 9, "sha": "a84d88e7554fc1fa21bcbc4efae3c782a70d2b9d", "ref": "main", "task": "deploy", "environment": environment, "original_environment": environment,
        "production_environment": environment == "production", "transient_environment": false, "description": null, "creator": {"login": "mira", "id": 1},
        "created_at": at, "updated_at": at, "payload": {}, "statuses_url": "u", "repository_url": "u", "url": "u"})
}

fn pull(merged: Option<&str>, base: &str) -> Value {
    json!({"id": 1, "number": 41, "title": "Rename a field", "state": "closed", "merged_at": merged, "closed_at": merged.unwrap_or("2026-11-01T09:55:00Z"), "created_at": "2026-10-20T00:00:00Z",
        "updated_at": merged.unwrap_or("2026-11-01T09:55:00Z"), "html_url": "https://github.com/acme/orders/pull/41", "user": {"login": "mira", "id": 1}, "merge_commit_sha": "b",
        "base": {"ref": base, "label": base, "sha": "c"}, "head": {"ref": "x", "label": "x", "sha": "d"}, "url": "u", "draft": false, "locked": false})
}

pub(super) fn rows(table: &mut Table) {
    table.row("a repository in which nothing ever happened", "none_near", github(vec![]));
    table.row(
        "a repository without a commit: 409 to the question for them",
        "none_near|error",
        github(vec![("/commits", json!(409))]),
    );
    table.row(
        "a release at GitHub of last month",
        "none_near",
        github(vec![("/releases", json!([release("v1", Some("2026-10-01T09:00:00Z"), false)]))]),
    );
    table.row(
        "a draft that is not published",
        "none_near",
        github(vec![("/releases", json!([release("v2", None, true)]))]),
    );
    table.row(
        "a release after the start",
        "none_near",
        github(vec![("/releases", json!([release("v2", Some("2026-11-01T10:20:00Z"), false)]))]),
    );
    table.row("a deployment of yesterday", "none_near", github(vec![
        ("/deployments", json!([deployment("2026-10-31T10:00:00Z", "production")])),
        ("/deployments/9/statuses", json!([{"id": 1, "state": "success", "created_at": "2026-10-31T10:02:00Z", "updated_at": "2026-10-31T10:02:00Z", "environment": "production", "creator": {"login": "mira", "id": 1}}])),
    ]));
    table.row("a deployment of another environment", "none_near", async {
        github(vec![
            ("/deployments", json!([deployment("2026-11-01T09:55:00Z", "staging")])),
            ("/deployments/9/statuses", json!([{"id": 1, "state": "success", "created_at": "2026-11-01T09:56:00Z", "updated_at": "2026-11-01T09:56:00Z", "environment": "staging", "creator": {"login": "mira", "id": 1}}])),
        ])
        .await
        .with("environment", "production")
    });
    table.row(
        "a pull request that was closed and not merged",
        "none_near",
        github(vec![("/pulls", json!([pull(None, "main")]))]),
    );
    table.row(
        "a pull request merged last week",
        "none_near",
        github(vec![("/pulls", json!([pull(Some("2026-10-25T10:00:00Z"), "main")]))]),
    );
    table.row(
        "a repository nobody may read",
        NO_FAULT,
        github(vec![
            ("", json!(404)),
            ("/releases", json!(404)),
            ("/deployments", json!(404)),
            ("/pulls", json!(404)),
            ("/commits", json!(404)),
        ]),
    );
    table.row(
        "deployments may not be read, and nothing else is near",
        "none_near|error",
        github(vec![("/deployments", json!(403))]),
    );
}
