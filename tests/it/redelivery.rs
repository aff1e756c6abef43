//! A delivery that its sender named is taken once, whatever happens between its alerts and its name: a store that refuses the name, a kill, another
//! replica that takes it at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use crate::programs::{PostgresServer, Program, ask, send, send_with};
use crate::worlds::Folder;

/// How long a delivery is tried again.
const PATIENCE: Duration = Duration::from_mins(1);

/// A mapping with a delivery id and any number of alerts.
const MAPPING: &str = r#"
source: named
title: Deliveries with names
door: {delivery_id: [webhook-id]}
is: .alerts != null
alerts: |
  .alerts[] | {fingerprint: .name, status: "firing", title: .name, service: .name, endpoint: "http://127.0.0.1:1/", labels: {run: .run}}
samples:
- shows: one alert
  body: '{"alerts": [{"name": "shop", "run": "1"}]}'
  alerts:
  - {fingerprint: shop}
"#;

fn folder(word: &str, store: &str) -> Folder {
    let folder = Folder::new(word);
    std::fs::create_dir_all(folder.0.join("runbooks/sources")).unwrap();
    std::fs::write(folder.0.join("runbooks/sources/named.yaml"), MAPPING).unwrap();
    let config = format!("listen: 127.0.0.1:0\negress: {{allow: [loopback]}}\nrunbooks: runbooks\n{store}");
    std::fs::write(folder.0.join("firstcheck.yaml"), config).unwrap();
    folder
}

/// A delivery with this name, of alerts of these names; each says something that no other delivery says.
fn deliver(at: SocketAddr, id: &str, names: &[&str]) -> Option<(String, Value)> {
    let alerts: Vec<Value> = names.iter().map(|name| json!({"name": name, "run": id})).collect();
    let body = json!({ "alerts": alerts }).to_string();
    let (head, body) = send_with(at, "POST", "/alerts/named", &[("webhook-id", id)], &body)?;
    Some((head, serde_json::from_str(&body).unwrap_or_default()))
}

/// How often the incident of an accepted delivery's place counts.
fn alerts_of(at: SocketAddr, id: &str) -> u64 {
    ask(at, "GET", &format!("/api/incidents/{id}"), "")["alert_count"].as_u64().unwrap()
}

fn incident(answer: &Value, place: usize) -> String {
    answer["incidents"][place]["id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// What the sources' page says of deliveries that came again.
fn repeated(at: SocketAddr) -> u64 {
    let (_, metrics) = send(at, "GET", "/metrics", "").unwrap();
    let line = metrics
        .lines()
        .find(|line| line.starts_with("firstcheck_deliveries_repeated_total{source=\"named\"}"));
    line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

/// A delivery whose name is refused at first: nothing of it may stay, or it is counted twice when it comes again.
fn is_taken_whole_or_not_at_all(at: SocketAddr, mut refuse: impl FnMut(bool)) {
    // Incidents that are known, so that the alerts of the delivery say something new to them.
    let (_, known) = deliver(at, "first", &["shop", "mail"]).unwrap();
    refuse(true);
    let (head, _) = deliver(at, "second", &["shop"]).unwrap();
    assert!(head.contains(" 503 "), "{head}");
    refuse(false);
    let (head, answer) = deliver(at, "second", &["shop"]).unwrap();
    assert!(head.contains(" 202 "), "{head}");
    assert_eq!(incident(&answer, 0), incident(&known, 0));
    assert_eq!(alerts_of(at, &incident(&known, 0)), 2, "the one of each delivery");
    assert_eq!(alerts_of(at, &incident(&known, 1)), 1);
    let before = repeated(at);
    assert_eq!(deliver(at, "second", &["shop"]).unwrap().1, answer, "the same answer");
    assert_eq!(alerts_of(at, &incident(&known, 0)), 2, "and no effect");
    assert_eq!(repeated(at), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_taken_with_its_name_or_not_at_all() {
    let folder = folder("named", "");
    let (bot, at) = Program::serve(&folder.0);
    let file = folder.0.join("firstcheck.db");
    let refuse = |refuse: bool| {
        let statement = if refuse {
            "CREATE TRIGGER refused BEFORE INSERT ON delivery_ids BEGIN SELECT RAISE(ABORT, 'not now'); END"
        } else {
            "DROP TRIGGER refused"
        };
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                let mut beside = options.connect().await.unwrap();
                beside.execute(statement).await.unwrap();
                beside.close().await.unwrap();
            });
        });
    };
    is_taken_whole_or_not_at_all(at, refuse);
    assert!(bot.end("TERM"));
}

#[test]
#[ignore = "needs postgresql"]
fn a_delivery_is_taken_with_its_name_or_not_at_all_on_a_server_too() {
    let server = PostgresServer::start();
    let folder = folder("named", &format!("store: {{url: '{}'}}\n", server.database("named")));
    let (bot, at) = Program::serve(&folder.0);
    server.query(
        "named",
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$",
    );
    is_taken_whole_or_not_at_all(at, |refuse| {
        let statement = if refuse {
            "CREATE TRIGGER refused BEFORE INSERT ON delivery_ids FOR EACH ROW EXECUTE FUNCTION refuse()"
        } else {
            "DROP TRIGGER refused ON delivery_ids"
        };
        server.query("named", statement);
    });
    assert!(bot.end("TERM"));
}

/// The deliveries of one run, each with a name, and to a service that hears of several.
const DELIVERIES: usize = 240;

/// Sends it until it is accepted, as a sender with retries does; `door` is asked for an address each time.
fn deliver_until_taken(number: usize, mut door: impl FnMut() -> SocketAddr) -> Value {
    // Half of them say what was said before, half something new; some are about two services.
    let (shop, mail) = (format!("shop-{}", number % 12), format!("mail-{}", number % 5));
    let names: &[&str] = if number.is_multiple_of(3) { &[&shop, &mail] } else { &[&shop] };
    let run = if number.is_multiple_of(2) { "same".to_owned() } else { number.to_string() };
    let alerts: Vec<Value> = names.iter().map(|name| json!({"name": name, "run": run})).collect();
    let (body, id) = (json!({ "alerts": alerts }).to_string(), format!("delivery-{number}"));
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some((head, body)) = send_with(door(), "POST", "/alerts/named", &[("webhook-id", &id)], &body)
            && head.contains(" 202 ")
        {
            return serde_json::from_str(&body).unwrap();
        }
    }
    panic!("nobody takes {id}");
}

/// Every delivery once more: it is known, and each incident has counted each of its deliveries once.
fn each_counts_once(at: SocketAddr, answers: &[Value]) {
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for (number, answer) in answers.iter().enumerate() {
        let ids = |answer: &Value| -> Vec<String> {
            answer["incidents"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["id"].as_str().unwrap().into())
                .collect()
        };
        let again = deliver_until_taken(number, || at);
        assert_eq!(ids(&again), ids(answer), "delivery {number}");
        for id in ids(answer) {
            *expected.entry(id).or_default() += 1;
        }
    }
    for (id, count) in expected {
        let document = ask(at, "GET", &format!("/api/incidents/{id}"), "");
        assert_eq!(document["alert_count"].as_u64(), Some(count), "{}", document["service"]);
    }
}

#[test]
#[ignore = "needs a minute"]
fn a_kill_at_any_moment_makes_no_delivery_count_twice() {
    let folder = folder("named-killed", "");
    let bot = Mutex::new(Program::serve(&folder.0));
    let next = AtomicUsize::new(0);
    let answers: Mutex<BTreeMap<usize, Value>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let number @ 0..DELIVERIES = next.fetch_add(1, Ordering::SeqCst) {
                    // Sometimes the bot is killed while the others wait for their answers.
                    if number % 8 == 7 {
                        let mut bot = bot.lock().unwrap();
                        bot.0.kill();
                        *bot = Program::serve(&folder.0);
                    }
                    let answer = deliver_until_taken(number, || bot.lock().unwrap().1);
                    answers.lock().unwrap().insert(number, answer);
                }
            });
        }
    });
    let answers: Vec<Value> = answers.into_inner().unwrap().into_values().collect();
    each_counts_once(bot.lock().unwrap().1, &answers);
}

#[test]
#[ignore = "needs postgresql"]
fn a_delivery_that_reaches_several_replicas_at_once_counts_once() {
    let server = PostgresServer::start();
    let folder = folder("named-raced", &format!("store: {{url: '{}'}}\n", server.database("raced")));
    let mut replicas: Vec<(Program, SocketAddr)> = (0..3).map(|_| Program::serve(&folder.0)).collect();
    let doors = Mutex::new(replicas.iter().map(|(_, at)| *at).collect::<Vec<_>>());
    let answers: Mutex<BTreeMap<usize, BTreeSet<String>>> = Mutex::default();
    let taken = AtomicUsize::new(0);
    // Each replica is sent every delivery, all in the same order.
    std::thread::scope(|scope| {
        for sender in 0..3 {
            let (doors, answers, taken) = (&doors, &answers, &taken);
            scope.spawn(move || {
                for number in 0..DELIVERIES {
                    let mut turn = sender;
                    let answer = deliver_until_taken(number, || {
                        let doors = doors.lock().unwrap();
                        turn += 1;
                        doors[turn % doors.len()]
                    });
                    answers.lock().unwrap().entry(number).or_default().insert(answer.to_string());
                    taken.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        while taken.load(Ordering::SeqCst) < DELIVERIES {
            std::thread::yield_now();
        }
        drop(replicas.remove(0));
        doors.lock().unwrap().remove(0);
    });
    let answers: Vec<Value> = answers
        .into_inner()
        .unwrap()
        .into_values()
        .map(|told| {
            assert_eq!(told.len(), 1, "all are answered the same: {told:?}");
            serde_json::from_str(told.first().unwrap()).unwrap()
        })
        .collect();
    each_counts_once(replicas[0].1, &answers);
}
