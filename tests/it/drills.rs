//! Every world of the drill, from the alert to the filed issue, through the program a newcomer runs.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::worlds::Folder;

/// Runs `firstcheck drill NAME --no-input --json` with its files in a folder of its own.
fn drill(name: &str, folder: &Folder) -> (Option<i32>, Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_firstcheck"))
        .args(["drill", name, "--no-input", "--json"])
        .env("TMPDIR", &folder.0)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let thread = String::from_utf8_lossy(&output.stderr).into_owned();
    let document = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("one JSON document on standard output: {error}\n{thread}"));
    (output.status.code(), document, thread)
}

/// The world ends at its bucket, with this cause on top, and the issue says so.
fn check(name: &str, bucket: &str, cause: &str) {
    let folder = Folder::new("drills");
    let (status, document, thread) = drill(name, &folder);
    assert_eq!(document["expected_bucket"], bucket, "{thread}");
    assert_eq!(document["bucket"], bucket, "{thread}\n{document:#}");
    assert_eq!(status, Some(0), "{thread}");
    assert_eq!(document["state"], "clarity", "{thread}");
    assert_eq!(document["causes"][0]["id"], cause, "{thread}");
    assert!(document["mttc_s"].as_f64().unwrap() > 0.0);
    let issue = std::fs::read_to_string(document["issue"].as_str().unwrap()).unwrap();
    let id = document["id"].as_str().unwrap();
    for told in [bucket, id, document["next_experiment"].as_str().unwrap(), "```mermaid\ngantt\n"] {
        assert!(issue.contains(told), "the issue says `{told}`:\n{issue}");
    }
    assert!(!issue.contains("(withheld)"), "{issue}");
    let store = Path::new(document["issue"].as_str().unwrap()).ancestors().nth(2).unwrap();
    let pack: Value = serde_json::from_str(&evidence(store, &[id, "--json"])).unwrap();
    let schema: Value = serde_json::from_str(&evidence(store, &["--schema"])).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&pack).map(|it| format!("{}: {it}", it.instance_path())).collect();
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(pack["classification"]["bucket"], bucket);
    assert!(issue.contains(pack["classification"]["runbooks"].as_str().unwrap()));
    let names = schema["properties"].as_object().unwrap();
    assert!(pack.as_object().unwrap().keys().all(|name| names.contains_key(name)), "{pack:#}");
    let markdown = evidence(store, &[id]);
    for part in [
        "## Captured",
        "## Checks",
        "## Ruled out",
        "## Missing",
        "## Timeline",
        pack["hash"].as_str().unwrap(),
    ] {
        assert!(markdown.contains(part), "{part}: {markdown}");
    }
}

/// What `firstcheck evidence` prints beside this store.
fn evidence(store: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_firstcheck"))
        .arg("evidence")
        .args(arguments)
        .current_dir(store)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_evidence_of_an_incident_nobody_knows_could_not_be_printed() {
    let folder = Folder::new("drills");
    let output = Command::new(env!("CARGO_BIN_EXE_firstcheck"))
        .args(["evidence", "inc-0000000000"])
        .current_dir(&folder.0)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(output.stdout.is_empty());
}

#[test]
fn a_template_that_names_what_there_is_not_is_told_with_its_place() {
    let folder = Folder::new("drills");
    std::fs::create_dir(folder.0.join("wording")).unwrap();
    std::fs::write(folder.0.join("firstcheck.yaml"), "templates: wording\n").unwrap();
    std::fs::write(
        folder.0.join("wording/issue.hbs"),
        "{{{verdict}}}\n\n{{#each checks}}{{keey}}{{/each}}\n",
    )
    .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_firstcheck"))
        .args(["doctor", "--json"])
        .current_dir(&folder.0)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("issue.hbs:3:17: nothing fills in `keey`; did you mean `key`?"), "{told}");
}

macro_rules! drills {
    ($($test:ident: $world:literal is $bucket:literal because $cause:literal;)*) => {
        $(#[test] fn $test() { check($world, $bucket, $cause); })*
    };
}

drills! {
    an_expired_certificate_behind_the_gateway: "expired-certificate" is "upstream" because "backend_certificate_behind_gateway";
    a_dependency_whose_alias_dangles: "dangling-cname" is "upstream" because "dependency_name_gone";
    a_vendor_that_throttles_us: "vendor-throttles-us" is "rate_limit" because "vendor_limit_wrapped";
    a_gateway_that_gives_up_first: "gateway-gives-up-first" is "upstream" because "gateway_gives_up_before_backend";
    a_token_for_another_audience: "wrong-audience" is "auth" because "audience_mismatch";
    a_client_release_that_changed_the_content_type: "content-type-changed" is "client" because "content_type_changed";
    a_gateway_that_strips_the_authorization: "stripped-authorization" is "auth" because "authorization_stripped";
    a_vendor_that_is_down: "vendor-outage" is "upstream" because "dependency_down";
    a_release_that_broke_us: "bad-deploy" is "server" because "release_broke_it";
    an_input_that_crashes_the_handler: "poison-input" is "server" because "input_crashes_it";
    a_job_that_polls_too_often: "retry-storm" is "rate_limit" because "our_callers_poll_too_often";
}

#[test]
fn the_list_names_every_world_once() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_firstcheck")).args(["drill", "--list", "--json"]).output().unwrap();
    let worlds: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(worlds.len(), firstcheck::drill::WORLDS.len());
    assert!(worlds.iter().all(|world| world["name"].is_string() && world["title"].is_string()));
}

#[test]
fn a_world_nobody_knows_is_wrong_usage() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_firstcheck")).args(["drill", "no-such-world"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("drill --list"));
    assert!(output.stdout.is_empty());
}

/// A token of the world is for its servers alone: it, its signature and its parts stand nowhere else.
#[test]
fn a_token_stands_in_no_issue_document_transcript_log_or_store() {
    let folder = Folder::new("drills");
    let output = Command::new(env!("CARGO_BIN_EXE_firstcheck"))
        .args(["drill", "wrong-audience", "--no-input", "--json"])
        .env("TMPDIR", &folder.0)
        .env("RUST_LOG", "debug")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let mut places =
        vec![("standard output".to_owned(), output.stdout), ("standard error".to_owned(), output.stderr)];
    files(&folder.0, &mut places);
    for kind in [".db", ".md"] {
        assert!(places.iter().any(|(name, _)| name.contains(kind)), "a {kind} file is looked into");
    }
    for (name, bytes) in places {
        let text = String::from_utf8_lossy(&bytes);
        // Headers and claims are JSON objects, which begin so in base64; a signature of ES256 is 86 characters of it.
        assert!(!text.contains("eyJ"), "{name} holds a part of a token");
        let long = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').find(|it| {
            it.len() >= 80
                && it.contains(|c: char| c.is_ascii_uppercase())
                && it.contains(|c: char| c.is_ascii_digit())
        });
        assert_eq!(long, None, "{name} holds what looks like a signature");
    }
}

/// Every file below a folder, but for what the world itself publishes.
fn files(folder: &std::path::Path, out: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, out);
        } else {
            out.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}
