//! Runbooks of one's own, edited while the bot runs: a good change is used, a broken one is told and changes nothing.

use serde_json::json;

use crate::programs::{Program, send};
use crate::worlds::Folder;

const GOOD: &str = "\
title: Mail fails
match: {service: mail}
steps:
  - escalate: Call the post office.
";

#[test]
fn a_runbook_edited_while_serving_is_used_and_a_broken_one_keeps_the_last_good() {
    let folder = Folder::new("runbooks-live");
    let runbook = folder.0.join("runbooks/mail.yaml");
    std::fs::create_dir_all(folder.0.join("runbooks/scenarios")).unwrap();
    std::fs::write(folder.0.join("runbooks/scenarios/a.yaml"), "no: runbook\n").unwrap();
    std::fs::write(&runbook, GOOD).unwrap();
    std::fs::write(folder.0.join("firstcheck.yaml"), "listen: 127.0.0.1:0\nrunbooks: runbooks\n").unwrap();
    let (bot, at) = Program::serve(&folder.0);
    let ready = || send(at, "GET", "/readyz", "").unwrap().1;

    std::fs::write(&runbook, GOOD.replace("match:", "mach:")).unwrap();
    bot.says("the last good ones stay in use");
    assert!(ready().contains("runbooks_broken"), "{}", ready());
    let alert = json!({"service": "mail", "title": "500s", "status": 500}).to_string();
    let (head, body) = send(at, "POST", "/api/incidents", &alert).unwrap();
    assert!(head.contains(" 201 "), "{head} {body}");

    std::fs::write(&runbook, GOOD.replace("post office", "postmaster")).unwrap();
    bot.says("are used from now on");
    assert!(!ready().contains("runbooks_broken"), "{}", ready());
    let (_, metrics) = send(at, "GET", "/metrics", "").unwrap();
    for result in ["good", "broken"] {
        let line = format!("firstcheck_runbook_reloads_total{{result=\"{result}\"}} 1");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
}
