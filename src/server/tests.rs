//! The doors as a caller meets them; whole journeys are told in `tests/it/serve.rs`.

use serde_json::Value;

/// Every route and method of the API, as the router has them. The console's pages are for people and not described.
const ROUTES: &[(&str, &[&str])] = &[
    ("/alerts/{source}", &["post"]),
    ("/api/changes", &["get"]),
    ("/api/check/{kind}", &["get"]),
    ("/api/deliveries", &["get"]),
    ("/api/deliveries/{id}/replay", &["post"]),
    ("/api/incidents", &["get", "post"]),
    ("/api/incidents/{id}", &["get"]),
    ("/api/incidents/{id}/answers", &["post"]),
    ("/api/incidents/{id}/assign", &["post"]),
    ("/api/incidents/{id}/close", &["post"]),
    ("/api/incidents/{id}/evidence", &["get"]),
    ("/api/incidents/{id}/file", &["post"]),
    ("/api/incidents/{id}/reclassify", &["post"]),
    ("/api/incidents/{id}/reopen", &["post"]),
    ("/api/incidents/{id}/resolve", &["post"]),
    ("/api/incidents/{id}/snooze", &["post"]),
    ("/api/openapi.json", &["get"]),
    ("/api/silences", &["get", "post"]),
    ("/api/silences/{id}", &["delete"]),
    ("/api/sources", &["get"]),
    ("/changes", &["post"]),
    ("/changes/{source}", &["post"]),
    ("/discord/interactions", &["post"]),
    ("/healthz", &["get"]),
    ("/metrics", &["get"]),
    ("/readyz", &["get"]),
];

#[test]
fn the_description_names_every_route_and_no_other() {
    let document: Value = serde_json::from_str(include_str!("openapi.json")).unwrap();
    let mut described: Vec<(String, Vec<String>)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(path, methods)| (path.clone(), methods.as_object().unwrap().keys().cloned().collect()))
        .collect();
    described.sort();
    let routes: Vec<(String, Vec<String>)> = ROUTES
        .iter()
        .map(|(path, methods)| ((*path).to_owned(), methods.iter().map(|it| (*it).to_owned()).collect()))
        .collect();
    assert_eq!(described, routes);
    let source = include_str!("../server.rs");
    for (path, methods) in ROUTES {
        let route = source.lines().find(|line| line.contains(&format!("\"{path}\"")));
        let route = route.unwrap_or_else(|| panic!("{path} is described and not routed"));
        assert!(methods.iter().all(|method| route.contains(&format!("{method}("))), "{route}");
    }
    let in_router = source.lines().filter(|line| line.contains(".route(\"")).count();
    // The console's four pages, the log-in's four, and the webhooks' paths with a token or a final slash.
    let not_described = 4 + 4 + 4;
    assert_eq!(in_router, ROUTES.len() + not_described);
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
}
