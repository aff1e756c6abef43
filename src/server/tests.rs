//! The description of the API against the router: every route of the API is described and nothing else is. Whole journeys are
//! told in `tests/it`, whose caller holds every answer against the description.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::Value;

/// Path and methods.
type Routes = BTreeMap<String, BTreeSet<String>>;

/// What the router's own text routes, the pages of the console, its files, and a final slash of a webhook aside.
fn routed() -> Routes {
    let route = Regex::new(r#"\.route\("([^"]+)",\s*((?:[^()]|\([^()]*\))*)\)"#).unwrap();
    let method = Regex::new(r"\b(get|post|put|patch|delete|options)\(").unwrap();
    let mut routes = Routes::new();
    for found in route.captures_iter(include_str!("../server.rs")) {
        let path = &found[1];
        let is_of_the_api = ["/api/", "/changes", "/discord/", "/healthz", "/readyz", "/metrics"];
        let is_described =
            path == "/alerts/{source}" || is_of_the_api.iter().any(|begins| path.starts_with(begins));
        if is_described && !path.ends_with('/') {
            let methods = method.captures_iter(&found[2]).map(|it| it[1].to_owned());
            routes.entry(path.to_owned()).or_default().extend(methods);
        }
    }
    routes
}

#[test]
fn the_description_names_every_route_and_no_other() {
    let document: Value = serde_json::from_str(include_str!("openapi.json")).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let described: Routes = paths
        .map(|(path, methods)| (path.clone(), methods.as_object().unwrap().keys().cloned().collect()))
        .collect();
    assert_eq!(described, routed());
    assert!(described.len() > 12, "the router's text was read");
    assert_eq!(document["openapi"].as_str().unwrap().get(..4), Some("3.1."));
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
}
