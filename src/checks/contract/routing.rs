//! A path that is not in the description: which one change would make it one?
//!
//! One change at a time, as a person would try them: the slash at the end, another version, another base path. A variant is
//! only looked up in the description; nothing is requested.

use std::collections::BTreeSet;

use super::description::{Description, Route, without_base};
use crate::outcome::Outcome;

/// Where the request may have meant to go.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Detour {
    /// The outcome of the row.
    pub(super) outcome: Outcome,
    /// The finer finding, in `snake_case`.
    pub(super) diagnosis: &'static str,
    /// The path that is in the description.
    pub(super) did_you_mean: Option<String>,
}

fn detour(outcome: Outcome, diagnosis: &'static str, meant: impl Into<String>) -> Detour {
    Detour { outcome, diagnosis, did_you_mean: Some(meant.into()) }
}

/// The finding for a path that no path of the description is.
pub(super) fn detour_of(description: &Description, host: Option<&str>, path: &str) -> Detour {
    let known = |path: &str| !description.routes(host, path).is_empty();
    let slashed = match path.strip_suffix('/') {
        Some(without) => without.to_owned(),
        None => format!("{path}/"),
    };
    if known(&slashed) {
        let diagnosis = if path.ends_with('/') { "slash_too_many" } else { "slash_missing" };
        return detour(Outcome::TrailingSlash, diagnosis, slashed);
    }
    if let Some(meant) = other_version(description, path, &known) {
        return detour(Outcome::VersionPath, "other_version", meant);
    }
    // Behind the first segment a version is missing; in front of all it is the base path that is missing.
    if let Some(meant) = with_version(description, path, 2, &known) {
        return detour(Outcome::VersionPath, "version_missing", meant);
    }
    if let Some(found) = other_base(description, host, path) {
        return found;
    }
    if let Some(meant) = with_version(description, path, 1, &known) {
        return detour(Outcome::VersionPath, "version_missing", meant);
    }
    let collapsed = collapsed(path);
    if collapsed != path && known(&collapsed) {
        return detour(Outcome::UnknownPath, "doubled_slash", collapsed);
    }
    if let Some(meant) = in_another_case(description, host, path) {
        return detour(Outcome::UnknownPath, "case", meant);
    }
    Detour {
        outcome: Outcome::UnknownPath,
        diagnosis: "unknown",
        did_you_mean: nearest(description, host, path),
    }
}

/// `v1`, `v2.1`, `v1beta2`, `2026-11-01`, `1.0`.
fn is_version(segment: &str) -> bool {
    let digits_first = segment.starts_with(|c: char| c.is_ascii_digit());
    match segment.strip_prefix(['v', 'V']) {
        Some(rest) => {
            rest.starts_with(|c: char| c.is_ascii_digit())
                && rest.len() <= 10
                && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.')
        }
        None => {
            digits_first
                && segment.contains(['.', '-'])
                && segment.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-'))
        }
    }
}

/// Every version that the description's paths and base paths hold.
fn versions(description: &Description) -> BTreeSet<String> {
    let bases = description.bases(None);
    let bases = bases.iter().map(String::as_str);
    let paths = description.paths().map(|(template, _)| template);
    bases
        .chain(paths)
        .flat_map(|path| path.split('/'))
        .filter(|it| is_version(it))
        .map(str::to_owned)
        .collect()
}

/// The path with another version in the place of its own.
fn other_version(description: &Description, path: &str, known: &impl Fn(&str) -> bool) -> Option<String> {
    let segments: Vec<&str> = path.split('/').collect();
    let place = segments.iter().position(|segment| is_version(segment))?;
    versions(description).iter().find_map(|version| {
        let mut segments = segments.clone();
        segments[place] = version;
        either_slash(&segments.join("/"), known)
    })
}

/// The path with a version put in from this place on, where it has none.
fn with_version(
    description: &Description,
    path: &str,
    from: usize,
    known: &impl Fn(&str) -> bool,
) -> Option<String> {
    let segments: Vec<&str> = path.split('/').collect();
    if segments.iter().any(|segment| is_version(segment)) {
        return None;
    }
    versions(description).iter().find_map(|version| {
        (from..segments.len()).find_map(|place| {
            let mut segments = segments.clone();
            segments.insert(place, version);
            either_slash(&segments.join("/"), known)
        })
    })
}

fn either_slash(path: &str, known: &impl Fn(&str) -> bool) -> Option<String> {
    let slashed = path.strip_suffix('/').map_or_else(|| format!("{path}/"), str::to_owned);
    [path.to_owned(), slashed].into_iter().find(|path| known(path))
}

/// A path of the description behind another base path than the servers': none, a wrong one, or the right one twice.
fn other_base(description: &Description, host: Option<&str>, path: &str) -> Option<Detour> {
    let bases = description.bases(host);
    let expected = bases.iter().next().map_or("", String::as_str);
    // A base of variables (`/{stage}`) takes any segment, also the first one of a path that stands there without it.
    let is_bare = concrete(description.bare_routes(path)).is_some();
    let is_told = |base: &&String| !base.is_empty() && (!is_bare || !base.contains('{'));
    let rest_of_base = bases.iter().filter(is_told).find_map(|base| Some((base, without_base(path, base)?)));
    if let Some((base, rest)) = rest_of_base {
        // The base is right, so only the right base a second time is a fault of the base.
        let rest = without_base(rest, base)?;
        let route = concrete(description.bare_routes(rest))?;
        return Some(detour(Outcome::BasePath, "base_twice", format!("{base}{}", route.template)));
    }
    let cuts = path.match_indices('/').map(|(at, _)| at);
    // Longest first: what is left must name something, or a lone `/{id}` would take any last segment.
    cuts.take(6).find_map(|at| {
        let route = concrete(description.bare_routes(&path[at..]))?;
        let diagnosis = match (at, expected.is_empty()) {
            (0, _) => "base_missing",
            (_, true) => "base_too_many",
            (_, false) => "other_base",
        };
        Some(detour(Outcome::BasePath, diagnosis, format!("{expected}{}", route.template)))
    })
}

/// The first route whose template holds a concrete segment.
fn concrete(routes: Vec<Route<'_>>) -> Option<Route<'_>> {
    routes.into_iter().find(|route| route.template.split('/').any(|it| !it.is_empty() && !it.contains('{')))
}

fn collapsed(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for letter in path.chars() {
        if !(letter == '/' && out.ends_with('/')) {
            out.push(letter);
        }
    }
    out
}

fn in_another_case(description: &Description, host: Option<&str>, path: &str) -> Option<String> {
    let lower = path.to_lowercase();
    let candidates = description.paths().flat_map(|(template, _)| {
        description.bases(host).into_iter().map(move |base| format!("{base}{template}"))
    });
    candidates.into_iter().find(|full| {
        let (mut patterns, mut parts) = (full.split('/'), lower.split('/'));
        loop {
            match (patterns.next(), parts.next()) {
                (None, None) => return true,
                (Some(pattern), Some(part)) => {
                    let open = pattern.contains('{') && !part.is_empty();
                    if !open && pattern.to_lowercase() != part {
                        return false;
                    }
                }
                _ => return false,
            }
        }
    })
}

/// The path that is most alike, segment by segment; `None` when not one concrete segment is.
fn nearest(description: &Description, host: Option<&str>, path: &str) -> Option<String> {
    let bases = description.bases(host);
    let base = bases.iter().find(|base| without_base(path, base).is_some())?;
    let rest = without_base(path, base)?;
    let likeness = |template: &str| -> usize {
        let pairs = template.split('/').skip(1).zip(rest.split('/').skip(1));
        let alike: usize = pairs.map(|(pattern, part)| alike(pattern, part)).sum();
        alike.saturating_sub(template.matches('/').count().abs_diff(rest.matches('/').count()))
    };
    let templates = description.paths().map(|(template, _)| template);
    // Of equally alike ones the first in the alphabet, so that the same question has the same answer.
    let best = templates.max_by(|one, other| likeness(one).cmp(&likeness(other)).then(other.cmp(one)))?;
    let names_something =
        best.split('/').zip(rest.split('/')).any(|(pattern, part)| alike(pattern, part) > 1);
    names_something.then(|| format!("{base}{best}"))
}

/// How much a segment looks like its pattern: the same word 4, the same beginning (singular and plural, a typing error at
/// the end) 2, a place for any value 1.
fn alike(pattern: &str, part: &str) -> usize {
    let same_letters = pattern.bytes().zip(part.bytes()).take_while(|(one, other)| one == other).count();
    let is_open = pattern.contains('{') && !part.is_empty();
    match same_letters {
        _ if is_open => 1,
        _ if pattern == part && !part.is_empty() => 4,
        3.. => 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::judging::Until;
    use serde_json::json;

    fn described(base: &str, paths: &[&str]) -> Description {
        let paths: serde_json::Map<_, _> =
            paths.iter().map(|path| ((*path).to_owned(), json!({"get": {}}))).collect();
        let doc = json!({"openapi": "3.1.0", "servers": [{"url": format!("https://api.example.com{base}")}], "paths": paths});
        Description::parse("spec", &doc.to_string(), &[], Until::DONE).unwrap()
    }

    #[track_caller]
    fn check(base: &str, path: &str, outcome: Outcome, diagnosis: &str, meant: Option<&str>) {
        let description = described(base, &["/orders", "/orders/{id}", "/orders/{id}/refunds", "/reports/"]);
        let found = detour_of(&description, Some("api.example.com"), path);
        assert_eq!(
            (found.outcome, found.diagnosis, found.did_you_mean.as_deref()),
            (outcome, diagnosis, meant),
            "{base} {path}"
        );
    }

    #[test]
    fn a_slash_at_the_end_is_told() {
        check("/v1", "/v1/orders/", Outcome::TrailingSlash, "slash_too_many", Some("/v1/orders"));
        check("/v1", "/v1/orders/7/", Outcome::TrailingSlash, "slash_too_many", Some("/v1/orders/7"));
        check("/v1", "/v1/reports", Outcome::TrailingSlash, "slash_missing", Some("/v1/reports/"));
    }

    #[test]
    fn another_version_is_told_from_another_base() {
        check("/v1", "/v2/orders", Outcome::VersionPath, "other_version", Some("/v1/orders"));
        check("/v1", "/v2/orders/7/", Outcome::VersionPath, "other_version", Some("/v1/orders/7"));
        check("/api/v1", "/api/orders", Outcome::VersionPath, "version_missing", Some("/api/v1/orders"));
        check("/v1", "/orders", Outcome::BasePath, "base_missing", Some("/v1/orders"));
        check("/{stage}", "/orders", Outcome::BasePath, "base_missing", Some("/{stage}/orders"));
        check("/{stage}", "/orders/7", Outcome::BasePath, "base_missing", Some("/{stage}/orders/{id}"));
        check("/v1", "/api/orders", Outcome::BasePath, "other_base", Some("/v1/orders"));
        check("/v1", "/v1/v1/orders", Outcome::BasePath, "base_twice", Some("/v1/orders"));
        check("/api/v1", "/v1/orders", Outcome::BasePath, "other_base", Some("/api/v1/orders"));
        check("", "/api/orders/7", Outcome::BasePath, "base_too_many", Some("/orders/{id}"));
    }

    #[test]
    fn versions_in_paths_count_too() {
        let description = described("", &["/v2/orders", "/2026-11-01/reports"]);
        let meant = |path: &str| detour_of(&description, None, path);
        assert_eq!(meant("/v1/orders"), detour(Outcome::VersionPath, "other_version", "/v2/orders"));
        assert_eq!(
            meant("/2024-01-01/reports"),
            detour(Outcome::VersionPath, "other_version", "/2026-11-01/reports")
        );
        assert_eq!(meant("/orders"), detour(Outcome::VersionPath, "version_missing", "/v2/orders"));
    }

    #[test]
    fn a_path_under_the_right_base_is_unknown() {
        check("/v1", "/v1/customers", Outcome::UnknownPath, "unknown", None);
        check("/v1", "/v1/customers/orders", Outcome::UnknownPath, "unknown", None);
        check("/v1", "/v1/orders/7/refund", Outcome::UnknownPath, "unknown", Some("/v1/orders/{id}/refunds"));
        check("/v1", "/v1/order/7", Outcome::UnknownPath, "unknown", Some("/v1/orders/{id}"));
        check("/v1", "/v1//orders", Outcome::UnknownPath, "doubled_slash", Some("/v1/orders"));
        check("/v1", "/v1/Orders", Outcome::UnknownPath, "case", Some("/v1/orders"));
        check("/v1", "/", Outcome::UnknownPath, "unknown", None);
    }
}
