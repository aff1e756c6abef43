//! The store's promises, each on a file of its own.

use std::path::PathBuf;

use super::*;
use crate::incident::{Event, Incident};
use crate::profile::ServiceProfile;
use crate::store::{KEPT_BODY_BYTES, Planned};
use crate::triage::Action;

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("firstcheck-store-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("firstcheck.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

fn opened(seed: u64, key: &str) -> Commit {
    let mut incident = Incident::new(IncidentId::from_seed(seed));
    let mut alert = Alert::titled("generic", "500s");
    alert.fingerprint = key.to_owned();
    let events = vec![
        incident.record(
            Event::Opened { key: IncidentKey(key.into()), profile: ServiceProfile::default() },
            now(),
        ),
        incident.record(Event::AlertReceived { alert }, now()),
    ];
    let actions = vec![Planned { lane: "chat".into(), action: Action::OpenThread, due_at: now() }];
    Commit { incident, expected_seq: 0, events, actions, settles: None }
}

fn next(mut incident: Incident, event: Event) -> Commit {
    let expected_seq = incident.seq;
    let events = vec![incident.record(event, now())];
    Commit { incident, expected_seq, events, actions: Vec::new(), settles: None }
}

#[tokio::test]
async fn a_commit_is_there_after_a_restart_with_its_actions() {
    let folder = Folder::new();
    let first = opened(1, "k");
    let secret = {
        let store = Store::open(&folder.file()).await.unwrap();
        store.commit(first.clone()).await.unwrap();
        store.secret()
    };
    let store = Store::open(&folder.file()).await.unwrap();
    let log = store.load(&first.incident.id).await.unwrap();
    assert_eq!(Incident::fold(first.incident.id.clone(), &log), first.incident);
    assert_eq!(store.pending().await.unwrap().len(), 1);
    assert_eq!(store.secret(), secret);
}

#[tokio::test]
async fn a_decision_on_an_older_state_is_a_conflict_and_leaves_nothing() {
    let folder = Folder::new();
    let store = Store::open(&folder.file()).await.unwrap();
    let first = opened(1, "k");
    store.commit(first.clone()).await.unwrap();
    let one = next(first.incident.clone(), Event::Refused { reason: "one".into() });
    let two = next(first.incident.clone(), Event::Refused { reason: "two".into() });
    store.commit(one).await.unwrap();
    assert!(matches!(store.commit(two).await, Err(CommitError::Conflict)));
    assert_eq!(store.load(&first.incident.id).await.unwrap().len(), 3);
}

#[tokio::test]
async fn two_incidents_racing_for_one_key_meet_in_the_database() {
    let folder = Folder::new();
    let store = Store::open(&folder.file()).await.unwrap();
    let results =
        futures_util::future::join_all((1..=8).map(|seed| store.commit(opened(seed, "same")))).await;
    let winners = results.iter().filter(|it| it.is_ok()).count();
    let held = store.open_incident(&IncidentKey("same".into())).await.unwrap().unwrap();
    assert_eq!(winners, 1);
    for refused in results.into_iter().filter_map(Result::err) {
        assert!(matches!(refused, CommitError::KeyTaken(id) if id == held));
    }
}

#[tokio::test]
async fn a_resolved_incident_frees_its_key_and_is_still_known_by_its_alert() {
    let folder = Folder::new();
    let store = Store::open(&folder.file()).await.unwrap();
    let first = opened(1, "k");
    store.commit(first.clone()).await.unwrap();
    store.commit(next(first.incident.clone(), Event::Resolved { by: "test".into() })).await.unwrap();
    assert_eq!(store.open_incident(&IncidentKey("k".into())).await.unwrap(), None);
    let sighting = store.sighting(&first.incident.alerts[0]).await.unwrap().unwrap();
    assert_eq!((sighting.incident, sighting.is_open), (first.incident.id, false));
    store.commit(opened(2, "k")).await.unwrap();
    assert_eq!(store.list(Filter::All, 10).await.unwrap().len(), 2);
    assert_eq!(store.list(Filter::Open, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_action_stays_until_it_is_finished_and_a_given_up_one_stays_to_be_seen() {
    let folder = Folder::new();
    let store = Store::open(&folder.file()).await.unwrap();
    let mut commit = opened(1, "k");
    commit.actions.push(Planned { lane: "tracker".into(), action: Action::FileIssue, due_at: now() });
    let mut actions = store.commit(commit.clone()).await.unwrap();
    actions[0].attempts = 3;
    actions[0].last_error = Some("502".into());
    store.settle(Settled::Postponed(actions[0].clone())).await.unwrap();
    assert_eq!(store.pending().await.unwrap(), actions);
    store.settle(Settled::GivenUp(actions[1].id, "no such repository".into())).await.unwrap();
    let mut reported = next(commit.incident.clone(), Event::ThreadOpened { thread: "t".into() });
    reported.settles = Some(Settled::Done(actions[0].id));
    store.commit(reported).await.unwrap();
    assert_eq!(store.pending().await.unwrap(), []);
    let left = store.pending_of(&commit.incident.id).await.unwrap();
    assert!(matches!(&left[..], [(action, true)] if action.action == Action::FileIssue));
}

#[tokio::test]
async fn kept_bodies_are_bounded() {
    let folder = Folder::new();
    let store = Store::open(&folder.file()).await.unwrap();
    let body = "é".repeat(KEPT_BODY_BYTES);
    let size_bytes = body.len() as u64;
    let delivery = Kept {
        at: now(),
        source: "generic".into(),
        verdict: Verdict::Bad,
        reason: "no title".into(),
        size_bytes,
        body,
    };
    store.keep(delivery).await.unwrap();
    let kept = store.kept(10).await.unwrap().remove(0);
    assert!(kept.body.len() <= KEPT_BODY_BYTES && kept.body.starts_with('é'));
    assert_eq!(kept.size_bytes, size_bytes);
    assert_eq!(store.figures(now()).await.unwrap().kept, [("generic".to_owned(), "bad".to_owned(), 1)]);
}

#[tokio::test]
async fn a_second_bot_on_the_same_file_is_refused() {
    let folder = Folder::new();
    let _first = Store::open(&folder.file()).await.unwrap();
    assert!(matches!(Store::open(&folder.file()).await, Err(OpenError::InUse { .. })));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_with_its_name() {
    let folder = Folder::new();
    std::fs::write(folder.file(), "not a database, but long enough to be taken for one".repeat(100)).unwrap();
    let error = Store::open(&folder.file()).await.unwrap_err();
    assert!(error.to_string().contains("firstcheck.db"), "{error}");
}
