//! An OpenAPI 3.x description: its servers, its paths, and the operation a request means.
//!
//! Reads what comparison needs and leaves the rest alone; references into other documents are followed where those could be read. Paths are
//! matched as the specification says: concrete before templated, and the path is appended to the server's URL.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::document;
use super::bundle;
use crate::checks::judging::Until;

/// The methods of a path item (OpenAPI 3.2 adds `query`).
pub(super) const METHODS: [&str; 9] =
    ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];

/// How many references in a row are followed; more is a loop.
const MAX_HOPS: usize = 16;

/// The most ways in which a segment is divided among the names of its pattern.
const MOST_DIVISIONS: u32 = 10_000;

/// The most base paths one server's variables may stand for.
const MAX_EXPANSIONS: usize = 64;

/// A description that was read.
#[derive(Debug)]
pub(super) struct Description {
    doc: Value,
    /// Until when it may be compared with.
    pub(super) until: Until,
    /// `info.title`.
    pub(super) title: String,
    /// `info.version`.
    pub(super) version: String,
    /// Tells which text was read.
    pub(super) hash: String,
    /// Schemas are those of OpenAPI 3.0, not JSON Schema 2020-12.
    pub(super) is_3_0: bool,
}

/// Where a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    /// Its host, maybe with `{variables}`; `None` when the URL is relative.
    host: Option<String>,
    /// The path before every path of the description, without a slash at its end; empty for the root.
    pub(super) base: String,
}

/// A path of the description that a request's path is.
#[derive(Debug, Clone)]
pub(super) struct Route<'a> {
    /// As written in the description.
    pub(super) template: &'a str,
    /// The server's base path in front of it.
    pub(super) base: String,
    /// The path item.
    pub(super) item: &'a Map<String, Value>,
    /// Values of the template's names, percent-decoded.
    pub(super) values: Vec<(String, String)>,
}

impl Description {
    /// Reads a description and the documents it refers to.
    pub(super) fn parse(
        place: &str,
        text: &str,
        others: &[(String, Arc<str>)],
        until: Until,
    ) -> Result<Self, String> {
        let text = text.trim_start_matches('\u{feff}');
        let others: Result<Vec<_>, String> =
            others.iter().map(|(place, text)| Ok((place.clone(), value_of(place, text)?))).collect();
        let doc = bundle::whole(place, value_of(place, text)?, others?, until);
        let version = doc.get("openapi").and_then(Value::as_str).unwrap_or_default();
        if !version.starts_with("3.") {
            let found = if doc.get("swagger").is_some() { "Swagger 2.0" } else { "something else" };
            return Err(format!("the description `{place}` is {found}; OpenAPI 3.x is understood"));
        }
        if doc.get("paths").is_none_or(|paths| !paths.is_object()) {
            return Err(format!("the description `{place}` has no `paths`"));
        }
        let info = |name: &str| {
            let value = doc.pointer(&format!("/info/{name}"));
            value.map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned)).unwrap_or_default()
        };
        Ok(Self {
            title: info("title"),
            version: info("version"),
            hash: document::fingerprint(text),
            is_3_0: version.starts_with("3.0"),
            doc,
            until,
        })
    }

    /// The whole document, for references.
    pub(super) fn root(&self) -> &Value {
        &self.doc
    }

    /// The value behind a chain of references into the document.
    pub(super) fn resolve<'a>(&'a self, mut value: &'a Value) -> Option<&'a Value> {
        self.until.look();
        for _ in 0..MAX_HOPS {
            let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return Some(value) };
            value = self.doc.pointer(&pointer(reference)?)?;
        }
        None
    }

    /// Every path with its item.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&str, &Map<String, Value>)> {
        let paths = self.doc.get("paths").and_then(Value::as_object).into_iter().flatten();
        paths
            .inspect(|_| self.until.look())
            .filter_map(|(template, item)| Some((template.as_str(), self.resolve(item)?.as_object()?)))
    }

    /// The servers of the whole document; the root of the same host when there are none (OAS 3.1 §4.8.1).
    pub(super) fn servers(&self) -> Vec<Server> {
        let servers = servers(self.doc.get("servers"));
        if servers.is_empty() { vec![Server { host: None, base: String::new() }] } else { servers }
    }

    /// The paths of the description that this path is, best first.
    pub(super) fn routes(&self, host: Option<&str>, path: &str) -> Vec<Route<'_>> {
        let common = self.servers();
        let mut routes = Vec::new();
        for (template, item) in self.paths() {
            for server in at_host(servers_of(item, &common), host) {
                let Some(rest) = without_base(path, &server.base) else { continue };
                if let Some(values) = matches(template, rest) {
                    routes.push(Route { template, base: server.base, item, values });
                    break;
                }
            }
        }
        routes.sort_by_key(|route| concreteness(route.template));
        routes
    }

    /// The paths that this path is when no base path is looked at.
    pub(super) fn bare_routes(&self, path: &str) -> Vec<Route<'_>> {
        let matching = |(template, item)| {
            let values = matches(template, path)?;
            Some(Route { template, base: String::new(), item, values })
        };
        let mut routes: Vec<Route<'_>> = self.paths().filter_map(matching).collect();
        routes.sort_by_key(|route| concreteness(route.template));
        routes
    }

    /// The base paths for this host.
    pub(super) fn bases(&self, host: Option<&str>) -> BTreeSet<String> {
        at_host(self.servers(), host).into_iter().map(|server| server.base).collect()
    }

    /// Whether one of the servers is this host; `None` when none of them names a host.
    pub(super) fn knows_host(&self, host: &str) -> Option<bool> {
        let servers = self.servers();
        if servers.iter().all(|server| server.host.is_none()) {
            return None;
        }
        Some(servers.iter().any(|server| server.is_at(host)))
    }
}

impl Route<'_> {
    /// The operation of this method, in any case.
    pub(super) fn operation(&self, method: &str) -> Option<&Map<String, Value>> {
        self.item.get(&method.to_ascii_lowercase()).and_then(Value::as_object)
    }

    /// The methods of the path.
    pub(super) fn methods(&self) -> Vec<String> {
        let listed = METHODS.iter().filter(|method| self.item.get(**method).is_some_and(Value::is_object));
        listed.map(|method| method.to_ascii_uppercase()).collect()
    }

    /// Base and template, as a person would look them up.
    pub(super) fn full(&self) -> String {
        format!("{}{}", self.base, self.template)
    }
}

impl Server {
    fn is_at(&self, host: &str) -> bool {
        let port = |host: &str| host.trim_end_matches(":443").trim_end_matches(":80").to_ascii_lowercase();
        self.host.as_deref().is_some_and(|own| segment(&port(own), &port(host), &mut Vec::new()))
    }
}

/// The value of a document; JSON and YAML are told apart by the first character.
pub(super) fn value_of(place: &str, text: &str) -> Result<Value, String> {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| format!("the description `{place}` is no JSON: {error}"))
    } else {
        crate::yaml::read(place, text).map_err(|problem| format!("the description is no YAML: {problem}"))
    }
}

/// `#/components/schemas/Order` as a JSON pointer; `None` for another document.
pub(super) fn pointer(reference: &str) -> Option<String> {
    let fragment = reference.strip_prefix('#')?;
    Some(decoded(fragment))
}

/// The servers of one path: its own, or an operation's, or the document's.
fn servers_of(item: &Map<String, Value>, common: &[Server]) -> Vec<Server> {
    let mut own = servers(item.get("servers"));
    for method in METHODS {
        own.extend(servers(item.get(method).and_then(|operation| operation.get("servers"))));
    }
    if own.is_empty() { common.to_vec() } else { own }
}

/// The servers at this host; all of them when none is (a proxy, a copy on loopback) or no host is known.
fn at_host(servers: Vec<Server>, host: Option<&str>) -> Vec<Server> {
    let (here, elsewhere): (Vec<_>, Vec<_>) =
        servers.into_iter().partition(|server| host.is_some_and(|host| server.is_at(host)));
    if here.is_empty() { elsewhere } else { here }
}

fn servers(list: Option<&Value>) -> Vec<Server> {
    list.and_then(Value::as_array).into_iter().flatten().flat_map(expansions).collect()
}

/// The servers that one entry stands for: each value of a variable with an `enum`; a variable without one stays open, for
/// its callers choose it.
fn expansions(server: &Value) -> Vec<Server> {
    let mut urls = vec![server.get("url").and_then(Value::as_str).unwrap_or("/").to_owned()];
    for (name, variable) in server.get("variables").and_then(Value::as_object).into_iter().flatten() {
        let mut values: Vec<&str> = variable
            .get("enum")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let default = variable.get("default").and_then(Value::as_str).unwrap_or_default();
        if values.is_empty() && default.contains('/') || default.is_empty() {
            // A base path of several segments, or of none, cannot be told from the path: take it as given.
            values.push(default);
        }
        if !values.is_empty() {
            let placeholder = format!("{{{name}}}");
            urls = urls
                .iter()
                .flat_map(|url| values.iter().map(|value| url.replace(&placeholder, value)))
                .take(MAX_EXPANSIONS)
                .collect();
        }
    }
    urls.iter().map(|url| server_at(url)).collect()
}

fn server_at(url: &str) -> Server {
    let (host, path) = match url.split_once("://") {
        Some((_, rest)) => match rest.find('/') {
            Some(slash) => (Some(rest[..slash].to_owned()), &rest[slash..]),
            None => (Some(rest.to_owned()), ""),
        },
        None => (None, url),
    };
    let path = path.trim_end_matches('/');
    let base = if path.is_empty() || path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Server { host, base }
}

/// What is left of a path behind a base path that may hold `{variables}`.
pub(super) fn without_base<'a>(path: &'a str, base: &str) -> Option<&'a str> {
    let mut rest = path;
    for pattern in base.split('/').skip(1) {
        let after = rest.strip_prefix('/')?;
        let end = after.find('/').unwrap_or(after.len());
        if !segment(pattern, &after[..end], &mut Vec::new()) {
            return None;
        }
        rest = &after[end..];
    }
    Some(rest)
}

/// The values of a template's names, when the path is one of it.
fn matches(template: &str, path: &str) -> Option<Vec<(String, String)>> {
    // A template ends where a query or fragment would begin; some descriptions write one there to tell paths apart.
    let template = template.split(['?', '#']).next().unwrap_or_default();
    let path = if path.is_empty() { "/" } else { path };
    let (mut patterns, mut parts) = (template.split('/'), path.split('/'));
    let mut values = Vec::new();
    loop {
        match (patterns.next(), parts.next()) {
            (None, None) => return Some(values),
            (Some(pattern), Some(part)) if segment(pattern, part, &mut values) => {}
            _ => return None,
        }
    }
}

/// Whether one segment is of a pattern such as `orders`, `{id}`, `{name}.json` or `{id}:cancel`.
fn segment(pattern: &str, part: &str, values: &mut Vec<(String, String)>) -> bool {
    divided(pattern, part, values, &mut { MOST_DIVISIONS })
}

/// As [`segment`], as long as divisions are left: with many names in one segment their number is exponential.
fn divided(pattern: &str, part: &str, values: &mut Vec<(String, String)>, left: &mut u32) -> bool {
    let Some(fewer) = left.checked_sub(1) else { return false };
    *left = fewer;
    let Some((before, rest)) = pattern.split_once('{') else { return decoded(pattern) == decoded(part) };
    let Some((name, after)) = rest.split_once('}') else { return pattern == part };
    let Some(part) = part.strip_prefix(before) else { return false };
    // The literal up to the next name decides where this value ends; the last of its places, so that `{a}.{b}` reads
    // `x.tar.gz` as file and ending.
    let next = after.split('{').next().unwrap_or_default();
    let ends: Vec<usize> = if after.is_empty() {
        vec![part.len()]
    } else {
        part.rmatch_indices(next).map(|(end, _)| end).collect()
    };
    for end in ends.into_iter().filter(|end| *end > 0) {
        let mark = values.len();
        values.push((name.to_owned(), decoded(&part[..end])));
        if after.is_empty() || divided(after, &part[end..], values, left) {
            return true;
        }
        values.truncate(mark);
    }
    false
}

/// A segment's rank: concrete segments sort before templated ones, from the left.
fn concreteness(template: &str) -> Vec<bool> {
    template.split('/').map(|part| part.contains('{')).collect()
}

/// Percent-decoding; bytes that make no UTF-8 become replacement characters.
pub(super) fn decoded(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        let byte = code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        out.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check_match(template: &str, path: &str, expected: Option<&[(&str, &str)]>) {
        let expected = expected.map(|it| {
            it.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        });
        assert_eq!(matches(template, path), expected, "{template} {path}");
    }

    #[test]
    fn templates_match_whole_segments_and_parts_of_them() {
        check_match("/orders", "/orders", Some(&[]));
        check_match("/orders", "/orders/", None);
        check_match("/orders/{id}", "/orders/7", Some(&[("id", "7")]));
        check_match("/orders/{id}", "/orders/", None);
        check_match("/orders/{id}", "/orders/a%2Fb", Some(&[("id", "a/b")]));
        check_match("/files/{name}.json", "/files/a.json", Some(&[("name", "a")]));
        check_match(
            "/files/{name}.{ending}",
            "/files/x.tar.gz",
            Some(&[("name", "x.tar"), ("ending", "gz")]),
        );
        check_match("/orders/{id}:cancel", "/orders/7:cancel", Some(&[("id", "7")]));
        check_match("/orders/{id}:cancel", "/orders/7", None);
        check_match("/a b", "/a%20b", Some(&[]));
        // Forty names and a segment that almost fits: all ways to divide it are more than there is time for.
        check_match(&format!("/{}x", "{a}-".repeat(40)), &format!("/{}", "-".repeat(200)), None);
        check_match("/", "", Some(&[]));
    }

    fn described(servers: &Value) -> Description {
        let doc = json!({"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "servers": servers,
            "paths": {"/orders/{id}": {"get": {}}, "/orders/mine": {"get": {}}, "/{a}/mine": {"get": {}}}});
        Description::parse("spec", &doc.to_string(), &[], Until::DONE).unwrap()
    }

    #[track_caller]
    fn check_route(servers: &Value, host: Option<&str>, path: &str, expected: &[&str]) {
        let described = described(servers);
        let found: Vec<String> = described.routes(host, path).iter().map(Route::full).collect();
        assert_eq!(found, expected, "{host:?} {path}");
    }

    #[test]
    fn concrete_paths_come_before_templated_ones() {
        check_route(&json!([]), None, "/orders/mine", &["/orders/mine", "/orders/{id}", "/{a}/mine"]);
    }

    #[test]
    fn the_path_is_appended_to_the_servers_url() {
        let servers = json!([{"url": "https://api.example.com/v1/"}, {"url": "https://sandbox.example.com"}]);
        check_route(&servers, Some("api.example.com"), "/v1/orders/7", &["/v1/orders/{id}"]);
        check_route(&servers, Some("api.example.com:443"), "/orders/7", &[]);
        check_route(&servers, Some("sandbox.example.com"), "/orders/7", &["/orders/{id}"]);
        check_route(&servers, Some("127.0.0.1:8080"), "/v1/orders/7", &["/v1/orders/{id}"]);
        check_route(&servers, None, "/orders/7", &["/orders/{id}"]);
    }

    #[test]
    fn server_variables_stand_for_their_values() {
        let servers = json!([{"url": "https://{region}.example.com/{version}",
            "variables": {"region": {"default": "eu"}, "version": {"default": "v1", "enum": ["v1", "v2"]}}}]);
        check_route(&servers, Some("us.example.com"), "/v2/orders/7", &["/v2/orders/{id}"]);
        check_route(&servers, None, "/v3/orders/7", &[]);
    }

    #[test]
    fn what_is_no_openapi_3_is_refused_by_name() {
        let refuse = |text: &str, says: &str| {
            let why = Description::parse("spec", text, &[], Until::DONE).unwrap_err();
            assert!(why.contains(says), "{why}");
        };
        refuse(r#"{"swagger": "2.0"}"#, "is Swagger 2.0");
        refuse(r#"{"openapi": "3.0.0"}"#, "no `paths`");
        refuse("{", "no JSON");
        refuse("a: [", "no YAML");
        refuse("just text", "something else");
    }

    #[test]
    fn references_are_followed_and_loops_end() {
        let doc = json!({"openapi": "3.0.3", "paths": {}, "a": {"$ref": "#/b"}, "b": {"$ref": "#/c~1d"}, "c/d": {"x": 1},
            "loop": {"$ref": "#/loop"}});
        let described = Description::parse("spec", &doc.to_string(), &[], Until::DONE).unwrap();
        let at = |name: &str| described.resolve(&described.doc[name]);
        assert_eq!(at("a"), Some(&json!({"x": 1})));
        assert_eq!(at("loop"), None);
    }
}
