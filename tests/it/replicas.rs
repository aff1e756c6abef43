//! Several replicas on one PostgreSQL server, as real processes: one is killed, one is replaced, the server crashes, and still everything
//! happens once.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use firstcheck::store::Store;
use serde_json::{Value, json};

use crate::programs::{PostgresServer, Program, send};
use crate::worlds::Folder;

/// How long the replicas may take to finish what a dead one left: its lease is eight seconds.
const PATIENCE: Duration = Duration::from_mins(2);

fn replica(folder: &Folder, url: &str) -> (Program, SocketAddr) {
    let config = format!("listen: 127.0.0.1:0\nstore: {{url: '{url}'}}\negress: {{allow: [loopback]}}\n");
    std::fs::write(folder.0.join("firstcheck.yaml"), config).unwrap();
    Program::serve(&folder.0)
}

/// Sends an alert to one replica after the other until one of them accepts it, as a load balancer and a sender's retries do.
fn deliver(doors: &Mutex<Vec<SocketAddr>>, service: &str, turn: usize) -> String {
    let body = json!({"title": "503s", "service": service, "endpoint": "http://127.0.0.1:1/", "fingerprint": service});
    let begun = Instant::now();
    let mut turn = turn;
    while begun.elapsed() < PATIENCE {
        let at = {
            let doors = doors.lock().unwrap();
            doors[turn % doors.len()]
        };
        turn += 1;
        if let Some((head, body)) = send(at, "POST", "/alerts/generic", &body.to_string())
            && head.contains(" 202 ")
        {
            let body: Value = serde_json::from_str(&body).unwrap();
            return body["incidents"][0]["id"].as_str().unwrap().to_owned();
        }
    }
    panic!("nobody accepts {service}");
}

#[test]
#[ignore = "needs postgresql"]
fn a_killed_replica_a_rolling_restart_and_a_crashed_server_lose_and_repeat_nothing() {
    let mut server = PostgresServer::start();
    let url = server.database("shared");
    let folder = Folder::new("replicas");
    let mut replicas: Vec<(Program, SocketAddr)> = (0..3).map(|_| replica(&folder, &url)).collect();
    let doors = Mutex::new(replicas.iter().map(|(_, at)| *at).collect::<Vec<_>>());
    let wave = |name: &str, during: &mut dyn FnMut()| {
        let ids: Mutex<BTreeSet<(String, String)>> = Mutex::default();
        std::thread::scope(|scope| {
            for sender in 0..6 {
                let (ids, doors) = (&ids, &doors);
                scope.spawn(move || {
                    for number in 0..15 {
                        // Two senders for each service, at two replicas: they race.
                        let service = format!("{name}-{}-{number}", sender / 2);
                        let id = deliver(doors, &service, sender + number);
                        ids.lock().unwrap().insert((service, id));
                    }
                });
            }
            during();
        });
        assert_eq!(ids.into_inner().unwrap().len(), 45, "one incident for each service, whoever took it");
    };
    wave("killed", &mut || {
        drop(replicas.remove(0));
        doors.lock().unwrap().remove(0);
    });
    wave("rolling", &mut || {
        let (old, at) = replicas.remove(0);
        doors.lock().unwrap().retain(|door| *door != at);
        assert!(old.end("TERM"), "it drains and ends well");
        let new = replica(&folder, &url);
        doors.lock().unwrap().push(new.1);
        replicas.push(new);
    });
    wave("crashed", &mut || {
        server.crash();
        server.carry_on();
    });
    let begun = Instant::now();
    let undone = "SELECT count(*) FROM actions WHERE action NOT LIKE '%stop_waiting%'";
    while server.query("shared", undone) != "0" {
        let left = "SELECT lane, due_ms, attempts, state, last_error, leased_by, action FROM actions WHERE action NOT LIKE '%stop_waiting%' LIMIT 5";
        assert!(begun.elapsed() < PATIENCE, "these are left: {}", server.query("shared", left));
    }
    assert_eq!(server.query("shared", "SELECT count(*) FROM incidents"), "135");
    let step = r#"substring(recorded from '"step":"([^"]+)"')"#;
    let twice = format!(
        "SELECT incident_id, {step}, count(*) FROM events
         WHERE recorded LIKE '%check_reported%' GROUP BY 1, 2 HAVING count(*) > 1"
    );
    assert_eq!(server.query("shared", &twice), "", "a check was reported twice");
    let steps = format!("SELECT count(DISTINCT {step}) FROM events WHERE recorded LIKE '%check_reported%'");
    assert_ne!(server.query("shared", &steps), "0", "the steps are found in the events");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs postgresql"]
async fn one_replica_leads_and_another_follows_in_seconds() {
    let server = PostgresServer::start();
    let url = server.database("led");
    let (one, other) = (Store::connect(&url).await.unwrap(), Store::connect(&url).await.unwrap());
    let mut first = one.lead();
    tokio::time::timeout(Duration::from_secs(20), first.wait_for(|leads| *leads)).await.unwrap().unwrap();
    let mut second = other.lead();
    // It has asked when it has had the time to ask twice; then it still does not lead.
    assert!(tokio::time::timeout(Duration::from_secs(3), second.wait_for(|leads| *leads)).await.is_err());
    drop(first);
    tokio::time::timeout(Duration::from_secs(20), second.wait_for(|leads| *leads)).await.unwrap().unwrap();
}
