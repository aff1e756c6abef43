//! Runbooks of one's own, edited while the bot runs: a good change is used, a broken one is told and changes nothing.

use serde_json::json;

use crate::programs::{Program, ask, send};
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

/// A mapping that takes the deliveries whose state is this word.
fn mapping(word: &str) -> String {
    format!(
        "source: own\ntitle: Our own\nis: .state != null\nalerts: |\n  {{fingerprint: .name, title: .name, \
         status: (if .state == \"{word}\" then \"firing\" else .state end)}}\nsamples:\n- shows: one\n  \
         body: '{{\"name\": \"shop\", \"state\": \"{word}\"}}'\n  alerts: [{{fingerprint: shop, status: firing}}]\n"
    )
}

#[test]
fn a_mended_mapping_is_used_by_the_next_replay_and_on_sighup_and_a_broken_one_changes_nothing() {
    let folder = Folder::new("mappings-live");
    let file = folder.0.join("runbooks/sources/own.yaml");
    std::fs::create_dir_all(folder.0.join("runbooks/sources")).unwrap();
    std::fs::write(&file, mapping("hot")).unwrap();
    std::fs::write(folder.0.join("firstcheck.yaml"), "listen: 127.0.0.1:0\nrunbooks: runbooks\n").unwrap();
    let (bot, at) = Program::serve(&folder.0);
    let deliver = |state: &str| {
        let body = json!({"name": state, "state": state}).to_string();
        ask(at, "POST", "/alerts/own", &body)["incidents"].as_array().unwrap().len()
    };
    assert_eq!((deliver("hot"), deliver("sizzling")), (1, 0), "nobody maps the second");
    let kept = ask(at, "GET", "/api/deliveries", "")["deliveries"][0].clone();
    let replay = || send(at, "POST", &format!("/api/deliveries/{}/replay", kept["id"]), "").unwrap();

    std::fs::write(&file, mapping("sizzling").replace("title: Our own", "title: [Our")).unwrap();
    let (head, problem) = replay();
    assert!(head.contains(" 422 "), "{head}");
    assert!(problem.contains("sources/own.yaml:2:8:"), "{problem}");
    assert_eq!(deliver("hot"), 1, "the last good one stays in use");

    std::fs::write(&file, mapping("sizzling")).unwrap();
    let (head, body) = replay();
    assert!(head.contains(" 200 "), "{head}: {body}");
    let replayed: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(replayed["incidents"].as_array().unwrap().len(), 1, "{replayed}");
    assert_eq!((deliver("sizzling"), deliver("hot")), (1, 0), "and so is the next delivery's");

    // What its senders must show is read again as well.
    std::fs::write(folder.0.join("token"), "0123456789abcdef0123456789abcdef").unwrap();
    let config = "listen: 127.0.0.1:0\nrunbooks: runbooks\nsources: {own: {token_file: token}}\n";
    std::fs::write(folder.0.join("firstcheck.yaml"), config).unwrap();
    bot.signal("HUP");
    bot.says("the sources were read again and are used from now on");
    while !send(at, "POST", "/alerts/own", "{}").unwrap().0.contains(" 401 ") {
        bot.says("the sources were read again and are used from now on");
    }
    std::fs::write(folder.0.join("firstcheck.yaml"), "listen: 127.0.0.1:0\nrunbooks: runboks\n").unwrap();
    bot.signal("HUP");
    assert!(bot.says("the last good ones stay in use").contains("runboks"));
    assert!(send(at, "POST", "/alerts/own", "{}").unwrap().0.contains(" 401 "), "nothing has changed");
    assert!(bot.end("TERM"));
}
