//! What the store promises, whichever database it is: the same stories on a SQLite file and on a PostgreSQL server.

use std::future::Future;
use std::pin::Pin;

use firstcheck::alert::silence::Silence;
use firstcheck::alert::{Alert, AlertStatus, IncidentKey};
use firstcheck::bucket::Bucket;
use firstcheck::incident::{Event, Incident, IncidentId};
use firstcheck::profile::ServiceProfile;
use firstcheck::profile::changes::{Change, ChangeKind};
use firstcheck::store::{
    ChangeFilter, Commit, CommitError, Filter, Heard, KEPT_BODY_BYTES, KEPT_DELIVERIES, Kept, KeptFilter,
    Note, Pending, Planned, RecordedChange, Search, Settled, Store, Tally, Verdict,
};
use firstcheck::triage::Action;
use jiff::{SignedDuration, Timestamp};

use crate::programs::PostgresServer;
use crate::worlds::Folder;

mod pieces;

use pieces::{a_piece_of_a_delivery_is_taken_once, of_those_who_take_a_piece_at_once_one_does};

/// Where a store is, to be opened as often as a story wants.
enum Place {
    File(Folder),
    Server(String),
}

impl Place {
    async fn open(&self) -> Store {
        match self {
            Self::File(folder) => Store::open(&folder.0.join("firstcheck.db")).await.unwrap(),
            Self::Server(url) => Store::connect(url).await.unwrap(),
        }
    }
}

type Story = fn(Place) -> Pin<Box<dyn Future<Output = ()>>>;

macro_rules! stories {
    ($($name:ident,)*) => {
        const STORIES: &[(&str, Story)] = &[$((stringify!($name), |place| Box::pin($name(place)))),*];

        mod on_a_file {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(super::Place::File(super::Folder::new("store"))).await;
                }
            )*
        }
    };
}

stories! {
    a_commit_is_there_after_a_restart_with_its_actions,
    a_decision_on_an_older_state_is_a_conflict_and_leaves_nothing,
    two_incidents_racing_for_one_key_meet_in_the_database,
    a_resolved_incident_frees_its_key_and_is_still_known_by_its_alert,
    what_happens_under_a_key_happens_once,
    an_incident_that_is_opened_again_meets_the_one_that_took_its_place,
    an_action_stays_until_it_is_finished_and_a_given_up_one_stays_to_be_seen,
    the_incident_before_with_the_same_key_is_known_once_it_is_over,
    a_filing_that_is_done_takes_those_that_were_given_up_with_it,
    kept_bodies_are_bounded,
    what_the_doors_remember_is_there_after_a_restart,
    a_sender_gone_wild_pushes_out_its_own_deliveries_alone,
    what_is_over_for_long_is_forgotten_and_what_is_open_stays,
    text_that_no_database_likes_is_kept_all_the_same,
    an_alert_that_says_the_same_again_is_counted_and_not_written_down,
    what_says_something_new_or_comes_too_late_is_not_counted,
    a_search_finds_what_fits_page_by_page,
    a_piece_of_a_delivery_is_taken_once,
    of_those_who_take_a_piece_at_once_one_does,
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn every_story_is_true_on_a_server_too() {
    let server = PostgresServer::start();
    for (number, (name, story)) in STORIES.iter().enumerate() {
        eprintln!("{name}");
        story(Place::Server(server.database(&format!("story{number}")))).await;
    }
}

/// The actions of an incident that are not done and not given up.
async fn waiting(store: &Store, id: &IncidentId) -> Vec<Pending> {
    let undone = store.pending_of(id).await.unwrap().into_iter();
    undone.filter(|(_, given_up)| !given_up).map(|(pending, _)| pending).collect()
}

fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

fn opened(seed: u64, key: &str) -> Commit {
    let mut incident = Incident::new(IncidentId::from_seed(seed));
    let mut alert = Alert::titled("generic", "500s");
    key.clone_into(&mut alert.fingerprint);
    let events = vec![
        incident.record(
            Event::Opened { key: IncidentKey(key.into()), profile: ServiceProfile::default() },
            now(),
        ),
        incident.record(Event::AlertReceived { alert }, now()),
    ];
    let actions = vec![Planned { lane: "chat".into(), action: Action::OpenThread, due_at: now() }];
    Commit { incident, expected_seq: 0, events, actions, settles: None, once: None, pieces: Vec::new() }
}

fn next(mut incident: Incident, event: Event) -> Commit {
    let expected_seq = incident.seq;
    let events = vec![incident.record(event, now())];
    Commit {
        incident,
        expected_seq,
        events,
        actions: Vec::new(),
        settles: None,
        once: None,
        pieces: Vec::new(),
    }
}

async fn a_commit_is_there_after_a_restart_with_its_actions(place: Place) {
    let first = opened(1, "k");
    let secret = {
        let store = place.open().await;
        store.commit(first.clone()).await.unwrap();
        store.secret()
    };
    let store = place.open().await;
    let log = store.load(&first.incident.id).await.unwrap();
    assert_eq!(Incident::fold(first.incident.id.clone(), &log), first.incident);
    assert_eq!(waiting(&store, &first.incident.id).await.len(), 1);
    assert_eq!(store.secret(), secret);
}

async fn a_decision_on_an_older_state_is_a_conflict_and_leaves_nothing(place: Place) {
    let store = place.open().await;
    let first = opened(1, "k");
    store.commit(first.clone()).await.unwrap();
    let one = next(first.incident.clone(), Event::Refused { reason: "one".into() });
    let two = next(first.incident.clone(), Event::Refused { reason: "two".into() });
    store.commit(one).await.unwrap();
    assert!(matches!(store.commit(two).await, Err(CommitError::Conflict)));
    assert_eq!(store.load(&first.incident.id).await.unwrap().len(), 3);
}

async fn two_incidents_racing_for_one_key_meet_in_the_database(place: Place) {
    let store = place.open().await;
    let results =
        futures_util::future::join_all((1..=8).map(|seed| store.commit(opened(seed, "same")))).await;
    let winners = results.iter().filter(|it| it.is_ok()).count();
    let held = store.open_incident(&IncidentKey("same".into())).await.unwrap().unwrap();
    assert_eq!(winners, 1);
    for refused in results.into_iter().filter_map(Result::err) {
        assert!(matches!(refused, CommitError::KeyTaken(id) if id == held));
    }
}

async fn a_resolved_incident_frees_its_key_and_is_still_known_by_its_alert(place: Place) {
    let store = place.open().await;
    let first = opened(1, "k");
    store.commit(first.clone()).await.unwrap();
    store
        .commit(next(first.incident.clone(), Event::Resolved { by: "test".into(), reason: None }))
        .await
        .unwrap();
    assert_eq!(store.open_incident(&IncidentKey("k".into())).await.unwrap(), None);
    let sighting = store.sighting(&first.incident.alerts[0]).await.unwrap().unwrap();
    assert_eq!((sighting.incident, sighting.is_open), (first.incident.id, false));
    store.commit(opened(2, "k")).await.unwrap();
    assert_eq!(store.list(Filter::All, 10).await.unwrap().len(), 2);
    assert_eq!(store.list(Filter::Open, 10).await.unwrap().len(), 1);
}

async fn what_happens_under_a_key_happens_once(place: Place) {
    let store = place.open().await;
    let first = Commit { once: Some("discord 1".into()), ..opened(1, "k") };
    store.commit(first.clone()).await.unwrap();
    let noted = |reason: &str, once: &str| Commit {
        once: Some(once.into()),
        ..next(first.incident.clone(), Event::Refused { reason: reason.into() })
    };
    assert!(matches!(store.commit(noted("again", "discord 1")).await, Err(CommitError::Repeated)));
    assert_eq!(store.load(&first.incident.id).await.unwrap(), first.events, "nothing of it is left");
    store.commit(noted("another", "discord 2")).await.unwrap();
}

async fn an_incident_that_is_opened_again_meets_the_one_that_took_its_place(place: Place) {
    let store = place.open().await;
    let first = opened(1, "k");
    store.commit(first.clone()).await.unwrap();
    let closed = next(first.incident.clone(), Event::Closed { by: "test".into(), reason: None });
    store.commit(closed.clone()).await.unwrap();
    let second = opened(2, "k");
    store.commit(second.clone()).await.unwrap();
    let again = next(closed.incident.clone(), Event::Reopened { by: "test".into(), reason: None });
    let refused = store.commit(again.clone()).await;
    assert!(matches!(&refused, Err(CommitError::KeyTaken(id)) if *id == second.incident.id), "{refused:?}");
    assert_eq!(store.load(&first.incident.id).await.unwrap().len(), 3, "nothing of it is left");
    store
        .commit(next(second.incident.clone(), Event::Closed { by: "test".into(), reason: None }))
        .await
        .unwrap();
    store.commit(again).await.unwrap();
    let open = store.open_incident(&IncidentKey("k".into())).await.unwrap();
    assert_eq!(open, Some(first.incident.id));
}

async fn an_action_stays_until_it_is_finished_and_a_given_up_one_stays_to_be_seen(place: Place) {
    let store = place.open().await;
    let mut commit = opened(1, "k");
    commit.actions.push(Planned { lane: "tracker".into(), action: Action::FileIssue, due_at: now() });
    let mut actions = store.commit(commit.clone()).await.unwrap();
    actions[0].attempts = 3;
    actions[0].last_error = Some("502".into());
    store.settle(Settled::Postponed(actions[0].clone())).await.unwrap();
    assert_eq!(waiting(&store, &commit.incident.id).await, actions);
    store.settle(Settled::GivenUp(actions[1].id, "no such repository".into())).await.unwrap();
    let mut reported = next(commit.incident.clone(), Event::ThreadOpened { thread: "t".into() });
    reported.settles = Some(Settled::Done(actions[0].id));
    store.commit(reported).await.unwrap();
    assert_eq!(waiting(&store, &commit.incident.id).await, []);
    let left = store.pending_of(&commit.incident.id).await.unwrap();
    assert!(matches!(&left[..], [(action, true)] if action.action == Action::FileIssue));
}

async fn the_incident_before_with_the_same_key_is_known_once_it_is_over(place: Place) {
    let store = place.open().await;
    let mut ids = Vec::new();
    for seed in 1..=3 {
        let mut commit = opened(seed, "shop|-|/pay");
        for recorded in &mut commit.events {
            recorded.at = now() + SignedDuration::from_secs(i64::try_from(seed).unwrap());
        }
        let incident = commit.incident.clone();
        store.commit(commit).await.unwrap();
        assert_eq!(store.previous(&incident.id).await.unwrap(), ids.last().cloned(), "the last before it");
        let over = Event::Resolved { by: "test".into(), reason: None };
        store.commit(next(incident.clone(), over)).await.unwrap();
        ids.push(incident.id);
    }
    // The test's clock stands still for this one, and it is of another key.
    store.commit(opened(9, "mail|-|/send")).await.unwrap();
    assert_eq!(store.previous(&IncidentId::from_seed(9)).await.unwrap(), None);
}

async fn a_filing_that_is_done_takes_those_that_were_given_up_with_it(place: Place) {
    let store = place.open().await;
    let mut commit = opened(1, "shop|-|/pay");
    let id = commit.incident.id.clone();
    for lane in ["issue 1", "chat 1", "issue 1"] {
        commit.actions.push(Planned { lane: lane.into(), action: Action::FileIssue, due_at: now() });
    }
    let pending = store.commit(commit).await.unwrap();
    let [_, filing, message, again] = &pending[..] else { panic!("{pending:#?}") };
    store.settle(Settled::GivenUp(filing.id, "gone".into())).await.unwrap();
    store.settle(Settled::GivenUp(message.id, "gone too".into())).await.unwrap();
    store.settle(Settled::Done(again.id)).await.unwrap();
    let undone = store.pending_of(&id).await.unwrap();
    let given_up = undone.iter().filter(|(_, given_up)| *given_up).map(|(it, _)| it.id);
    assert_eq!(given_up.collect::<Vec<_>>(), [message.id]);
}

async fn kept_bodies_are_bounded(place: Place) {
    let store = place.open().await;
    let body = "é".repeat(KEPT_BODY_BYTES);
    let size_bytes = body.len() as u64;
    let delivery = Kept {
        at: now(),
        source: "generic".into(),
        verdict: Verdict::Bad,
        reason: "no title".into(),
        size_bytes,
        body,
        headers: std::collections::BTreeMap::new(),
    };
    store.keep(delivery, None).await.unwrap();
    let kept = store.kept(10).await.unwrap().remove(0);
    assert!(kept.body.len() <= KEPT_BODY_BYTES && kept.body.starts_with('é'));
    assert_eq!(kept.size_bytes, size_bytes);
    assert_eq!(store.figures(now()).await.unwrap().kept, [("generic".to_owned(), "bad".to_owned(), 1)]);
}

async fn what_is_over_for_long_is_forgotten_and_what_is_open_stays(place: Place) {
    let store = place.open().await;
    let (over, open) = (opened(1, "over"), opened(2, "open"));
    store.commit(over.clone()).await.unwrap();
    store.commit(open.clone()).await.unwrap();
    store
        .commit(next(over.incident.clone(), Event::Resolved { by: "test".into(), reason: None }))
        .await
        .unwrap();
    assert_eq!(store.forget(now()).await.unwrap(), 0, "not older than that");
    let later = now().checked_add(SignedDuration::from_hours(1)).unwrap();
    assert_eq!(store.forget(later).await.unwrap(), 1);
    assert_eq!(store.forget(later).await.unwrap(), 0);
    assert_eq!(store.load(&over.incident.id).await.unwrap(), []);
    assert_eq!(store.sighting(&over.incident.alerts[0]).await.unwrap(), None);
    assert_eq!(store.load(&open.incident.id).await.unwrap().len(), 2);
    assert_eq!(store.integrity().await.unwrap(), Vec::<String>::new());
    assert_eq!(store.incidents_after(None).await.unwrap(), [open.incident.id]);
}

async fn text_that_no_database_likes_is_kept_all_the_same(place: Place) {
    let store = place.open().await;
    let key = "nul \0, a quote ' and \u{1f525}";
    let commit = opened(1, key);
    store.commit(commit.clone()).await.unwrap();
    assert_eq!(
        store.open_incident(&IncidentKey(key.into())).await.unwrap(),
        Some(commit.incident.id.clone())
    );
    let sighting = store.sighting(&commit.incident.alerts[0]).await.unwrap().unwrap();
    assert_eq!(sighting.incident, commit.incident.id);
    let log = store.load(&commit.incident.id).await.unwrap();
    assert_eq!(Incident::fold(commit.incident.id.clone(), &log), commit.incident);
}

async fn a_search_finds_what_fits_page_by_page(place: Place) {
    let store = place.open().await;
    let mut all = Vec::new();
    for (seed, service) in [(1, "shop"), (2, "shop\u{0}"), (3, "mail"), (4, "shop"), (5, "shop")] {
        let mut incident = Incident::new(IncidentId::from_seed(seed));
        let profile = ServiceProfile { name: service.into(), ..ServiceProfile::default() };
        let mut alert = Alert::titled(if seed == 4 { "grafana" } else { "generic" }, "500s");
        alert.service = Some(service.into());
        let opened = Event::Opened { key: IncidentKey(format!("k{seed}")), profile };
        let buckets = std::collections::BTreeMap::from([(Bucket::Server, 0.9), (Bucket::Client, 0.1)]);
        let events = [opened, Event::AlertReceived { alert }, Event::Believed { buckets }];
        let events = events.map(|event| incident.record(event, now())).to_vec();
        all.push(incident.clone());
        let commit = Commit {
            incident,
            expected_seq: 0,
            events,
            actions: Vec::new(),
            settles: None,
            once: None,
            pieces: Vec::new(),
        };
        store.commit(commit).await.unwrap();
    }
    let over = next(all[4].clone(), Event::Closed { by: "ada".into(), reason: None });
    store.commit(over).await.unwrap();
    let found = async |search: Search| {
        let found = store.search(&search).await.unwrap();
        let mut seeds: Vec<usize> = Vec::new();
        for it in found.incidents {
            seeds.push(all.iter().position(|known| known.id == it.id).unwrap() + 1);
        }
        seeds.sort_unstable();
        (seeds, found.next)
    };
    let shop = || Search { service: Some("shop".into()), ..Search::newest(Filter::All, 100) };
    assert_eq!(found(shop()).await.0, [1, 4, 5], "and a name no database likes breaks nothing");
    assert_eq!(found(Search { state: Filter::Open, ..shop() }).await.0, [1, 4]);
    assert_eq!(found(Search { state: Filter::Over, ..shop() }).await.0, [5]);
    assert_eq!(found(Search { source: Some("grafana".into()), ..shop() }).await.0, [4]);
    assert_eq!(found(Search { bucket: Some(Bucket::Server), ..shop() }).await.0, [1, 4, 5]);
    let server = Search { bucket: Some(Bucket::Server), ..Search::newest(Filter::All, 100) };
    assert_eq!(found(server).await.0, [1, 2, 3, 4, 5]);
    assert_eq!(found(Search { bucket: Some(Bucket::Auth), ..shop() }).await.0, [0_usize; 0]);
    assert_eq!(found(Search { since: Some(now()), ..shop() }).await.0, [1, 4, 5]);
    let later = now() + SignedDuration::from_secs(1);
    assert_eq!(found(Search { since: Some(later), ..shop() }).await.0, [0_usize; 0]);
    // All were opened in the same moment: the pages go on by id.
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let (seeds, next) = found(Search { after, limit: 2, ..Search::newest(Filter::All, 2) }).await;
        seen.extend(seeds);
        after = next;
        if after.is_none() {
            break;
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, [1, 2, 3, 4, 5], "each once");
}

async fn what_the_doors_remember_is_there_after_a_restart(place: Place) {
    let store = place.open().await;
    let silence = Silence {
        id: "s1".into(),
        matchers: Vec::new(),
        starts_at: now(),
        ends_at: now() + SignedDuration::from_hours(1),
        reason: "move".into(),
        by: "ada".into(),
        created_at: now(),
    };
    store.note(Note::Silence(silence.clone())).await.unwrap();
    store.note(Note::HeldBack([("s1".to_owned(), 2), ("gone".to_owned(), 1)].into())).await.unwrap();
    store.note(Note::HeldBack([("s1".to_owned(), 3)].into())).await.unwrap();
    let change = |key: &str, what: &str, minutes: i64, service: Option<&str>| Note::Change {
        key: key.into(),
        change: Box::new(RecordedChange {
            change: Change {
                at: now() - SignedDuration::from_mins(minutes),
                kind: ChangeKind::Deploy,
                what: what.into(),
                by: None,
                service: service.map(str::to_owned),
                version: None,
            },
            source: "generic".into(),
            repository: Some("Acme/Shop".into()),
            url: None,
        }),
    };
    store.note(change("k1", "begun", 9, Some("Shop"))).await.unwrap();
    store.note(change("k1", "done", 5, Some("Shop"))).await.unwrap();
    store.note(change("k2", "other", 1, Some("mail"))).await.unwrap();
    let tally = |last_ms, accepted| Tally { last_ms, accepted, ..Tally::default() };
    store.note(Note::Tallies([("generic".to_owned(), tally(Some(20), 2))].into())).await.unwrap();
    store.note(Note::Tallies([("generic".to_owned(), tally(Some(10), 1))].into())).await.unwrap();
    store.note(Note::Tallies([("generic".to_owned(), tally(None, 0))].into())).await.unwrap();
    drop(store);

    let store = place.open().await;
    assert_eq!(store.silences().await.unwrap(), [(silence, 5)]);
    let wanted = ChangeFilter { service: Some("shop".into()), limit: 10, ..ChangeFilter::default() };
    let changes = store.changes(&wanted).await.unwrap();
    assert_eq!(changes.iter().map(|it| it.change.what.as_str()).collect::<Vec<_>>(), ["done"]);
    let all = ChangeFilter {
        repository: Some("acme/shop".into()),
        from: Some(now() - SignedDuration::from_mins(5)),
        to: Some(now()),
        limit: 10,
        ..ChangeFilter::default()
    };
    assert_eq!(store.changes(&all).await.unwrap().len(), 2);
    assert_eq!(store.tallies().await.unwrap()["generic"], tally(Some(20), 3));

    let later = now() + SignedDuration::from_hours(2);
    store.note(Note::Prune { seen: later, silences: later, changes: later }).await.unwrap();
    assert_eq!((store.silences().await.unwrap().len(), store.changes(&all).await.unwrap().len()), (0, 0));
}

async fn a_sender_gone_wild_pushes_out_its_own_deliveries_alone(place: Place) {
    let store = place.open().await;
    let delivery = |source: &str, number: i64| Kept {
        at: now(),
        source: source.into(),
        verdict: Verdict::Silenced,
        reason: number.to_string(),
        size_bytes: 2,
        body: "{}".into(),
        headers: [("x-github-event".to_owned(), "push".to_owned())].into(),
    };
    store.keep(delivery("calm", 0), None).await.unwrap();
    for number in 0..KEPT_DELIVERIES + 5 {
        store.keep(delivery("wild", number), None).await.unwrap();
    }
    let of = async |source: &str, before| {
        let filter =
            KeptFilter { verdict: Some(Verdict::Silenced), source: Some(source.into()), before, limit: 1000 };
        store.deliveries(&filter).await.unwrap()
    };
    let (calm, wild) = (of("calm", None).await, of("wild", None).await);
    assert_eq!((calm.len(), i64::try_from(wild.len()).unwrap()), (1, KEPT_DELIVERIES));
    assert_eq!((wild[0].kept.reason.as_str(), wild.last().unwrap().kept.reason.as_str()), ("104", "5"));
    assert_eq!(calm[0].kept.headers["x-github-event"], "push");
    assert_eq!(of("wild", Some(wild[9].id)).await[0].id, wild[10].id);
    store.note(Note::Replayed { id: calm[0].id, at: now() }).await.unwrap();
    assert_eq!(of("calm", None).await[0].replayed_at, Some(now()));
}

async fn an_alert_that_says_the_same_again_is_counted_and_not_written_down(place: Place) {
    let store = place.open().await;
    let (one, two) = (opened(1, "one"), opened(2, "two"));
    store.commit(one.clone()).await.unwrap();
    store.commit(two.clone()).await.unwrap();
    let mut again = one.incident.alerts[0].clone();
    again.raw = serde_json::json!({"sent": "a minute later"}).into();
    let heard = vec![Heard::from(&again), Heard::from(&two.incident.alerts[0]), Heard::from(&again)];
    let later = now().checked_add(SignedDuration::from_mins(1)).unwrap();
    let deliveries = (0..10).map(|_| store.repeat(heard.clone(), later));
    for counted in futures_util::future::join_all(deliveries).await {
        let ids = [&one.incident.id, &two.incident.id, &one.incident.id].map(|id| Some(id.clone()));
        assert_eq!(counted.unwrap(), ids);
    }
    drop(store);
    let store = place.open().await;
    let log = store.load(&one.incident.id).await.unwrap();
    assert_eq!(log.len(), one.events.len() + 1, "however many come, the log has one line for them");
    let mut folded = Incident::fold(one.incident.id.clone(), &log);
    assert_eq!((folded.alert_count, folded.seq, folded.last_alert_at), (21, one.incident.seq, Some(later)));
    let counts = |listed: Vec<firstcheck::store::Summary>| -> Vec<u64> {
        let mut counts: Vec<u64> = listed.iter().map(|it| it.alert_count).collect();
        counts.sort_unstable();
        counts
    };
    assert_eq!(counts(store.list(Filter::Open, 10).await.unwrap()), [11, 21]);
    // A commit that knows of the repeats does not count them twice, and one that does not loses none.
    folded = next_of(&store, folded).await;
    assert_eq!(counts(store.list(Filter::Open, 10).await.unwrap()), [11, 21]);
    folded.alert_count -= folded.repeats;
    folded.repeats = 0;
    next_of(&store, folded).await;
    assert_eq!(counts(store.list(Filter::Open, 10).await.unwrap()), [11, 21]);
    let log = store.load(&one.incident.id).await.unwrap();
    assert_eq!(Incident::fold(one.incident.id.clone(), &log).alert_count, 21);
}

async fn next_of(store: &Store, incident: Incident) -> Incident {
    let commit = next(incident, Event::Refused { reason: "something".into() });
    store.commit(commit.clone()).await.unwrap();
    commit.incident
}

async fn what_says_something_new_or_comes_too_late_is_not_counted(place: Place) {
    let store = place.open().await;
    let first = opened(1, "k");
    store.commit(first.clone()).await.unwrap();
    let known = &first.incident.alerts[0];
    let mut worse = known.clone();
    worse.title = "all requests fail".into();
    let mut other = known.clone();
    other.fingerprint = "another".into();
    let heard = |alerts: [&Alert; 3]| alerts.map(Heard::from).to_vec();
    let counted = store.repeat(heard([&worse, &other, known]), now()).await.unwrap();
    assert_eq!(counted, [None, None, Some(first.incident.id.clone())]);
    let mut over = known.clone();
    over.status = AlertStatus::Resolved;
    let incident = next_of(&store, first.incident.clone()).await;
    let commit = next(incident, Event::AlertReceived { alert: over.clone() });
    store.commit(commit.clone()).await.unwrap();
    // It fires again: that is news, and so it stays until it is written down.
    assert_eq!(store.repeat(heard([known, known, &over]), now()).await.unwrap()[..2], [None, None]);
    store.commit(next(commit.incident, Event::Resolved { by: "test".into(), reason: None })).await.unwrap();
    assert_eq!(store.repeat(heard([known, &over, &worse]), now()).await.unwrap(), [None, None, None]);
}
