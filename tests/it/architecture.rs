//! Which way the stairs go. A plan nobody checks is a plan for last year: this test reads the paths named in `src/` and fails with
//! the file, the line and the rule.
//!
//! It reads text, not syntax: what stands behind the first `#[cfg(test)]` of a file, in files of tests and in comments
//! does not count.

use std::path::{Path, PathBuf};

use regex::Regex;

/// Pure modules: no async, no clock, no randomness, no I/O.
const CORE: &[&str] = &[
    "access",
    "alert",
    "bucket",
    "duration",
    "egress",
    "evidence",
    "incident",
    "outcome",
    "permission",
    "picture",
    "profile",
    "question",
    "request",
    "routing",
    "runbook",
    "scenario",
    "template",
    "triage",
    "yaml",
];

/// What each shell module may name besides the core. `app` introduces the others to each other.
const SHELL: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("checks", &["clock"]),
    ("chat", &["clock"]),
    ("tracker", &["clock"]),
    ("store", &["clock"]),
    ("app", &["chat", "checks", "clock", "store", "tracker"]),
    ("server", &["app", "clock"]),
    ("config", &[]),
    ("drill", &["checks", "clock"]),
    ("commands", &["app", "chat", "checks", "clock", "config", "drill", "server", "store", "tracker"]),
];

/// Foreign crates that stop at a door: the crate, and the only files that may name it.
const DOORS: &[(&str, &[&str])] = &[
    ("serde_yaml", &["src/yaml.rs"]),
    ("sqlx", &["src/store.rs", "src/store/"]),
    ("serenity", &["src/chat/discord.rs", "src/chat/discord/"]),
    ("octocrab", &["src/tracker/github.rs", "src/tracker/github/", "src/checks/deploys/github.rs"]),
    ("resvg", &["src/picture/raster.rs"]),
    ("axum", &["src/server.rs", "src/server/"]),
    ("openidconnect", &["src/server/oidc.rs"]),
    ("reqwest", &["src/checks/fetch.rs", "src/drill/", "src/server/oidc.rs"]),
    ("inquire", &["src/chat/terminal.rs", "src/chat/terminal/", "src/commands/drill.rs"]),
    ("indicatif", &["src/chat/terminal.rs", "src/chat/terminal/"]),
    ("clap", &["src/commands.rs", "src/commands/"]),
    ("anyhow", &["src/commands.rs", "src/commands/", "src/main.rs"]),
    (
        "tokio",
        &[
            "src/checks",
            "src/chat",
            "src/tracker",
            "src/store",
            "src/server",
            "src/app",
            "src/drill",
            "src/commands",
        ],
    ),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

/// The product lines of every source file: (path from the root, line number, text).
fn product_lines() -> Vec<(String, usize, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    let mut lines = Vec::new();
    for file in files {
        let name = file.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        if is_test(&name) {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        for (index, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("#[cfg(test)]") {
                break;
            }
            let code = line.split("//").next().unwrap_or_default();
            if !code.trim().is_empty() {
                lines.push((name.clone(), index + 1, code.to_owned()));
            }
        }
    }
    lines
}

/// Whether a file holds tests alone: `tests.rs`, `…_tests.rs`, or a file in a folder `tests`.
fn is_test(file: &str) -> bool {
    file.ends_with("tests.rs") || file.contains("/tests/")
}

/// The module of the first level a file belongs to: `src/checks/dns.rs` is `checks`.
fn module(file: &str) -> &str {
    let inside = file.strip_prefix("src/").unwrap_or(file);
    inside.split(['/', '.']).next().unwrap_or(inside)
}

#[test]
fn arrows_never_turn_back() {
    let path = Regex::new(r"\bcrate::(\w+)").unwrap();
    let mut broken = Vec::new();
    for (file, line, code) in product_lines() {
        let from = module(&file);
        if matches!(from, "lib" | "main") {
            continue;
        }
        for found in path.captures_iter(&code) {
            let to = &found[1];
            let allowed = if to == from || CORE.contains(&to) {
                true
            } else if CORE.contains(&from) {
                false
            } else {
                SHELL.iter().find(|(name, _)| *name == from).is_some_and(|(_, may)| may.contains(&to))
            };
            if !allowed {
                broken.push(format!("{file}:{line}: `{from}` may not name `{to}`"));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn foreign_crates_stop_at_their_door() {
    let path = Regex::new(r"(?:^|[^\w:])(\w+)::").unwrap();
    let mut broken = Vec::new();
    for (file, line, code) in product_lines() {
        for found in path.captures_iter(&code) {
            let Some((foreign, doors)) = DOORS.iter().find(|(foreign, _)| *foreign == &found[1]) else {
                continue;
            };
            if !doors.iter().any(|door| file.starts_with(door)) {
                broken.push(format!("{file}:{line}: `{foreign}` stops at {}", doors.join(", ")));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    sources(&root.join("tests"), &mut files);
    let silent: Vec<_> = files
        .iter()
        .filter(|file| !std::fs::read_to_string(file).unwrap().starts_with("//! "))
        .map(|file| file.display().to_string())
        .collect();
    assert!(silent.is_empty(), "without a `//!` on top: {silent:?}");
}
