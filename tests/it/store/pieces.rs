//! Deliveries that their senders named: each piece of one is taken once, whoever takes it.

use firstcheck::incident::{Event, IncidentId};
use firstcheck::store::{Commit, CommitError, Heard, Kept, KeptFilter, Note, Piece, Verdict};

use super::{Place, next, now, opened};

fn piece(delivery: &str, place: i32, of: i32) -> Piece {
    Piece { source: "generic".into(), delivery: delivery.into(), place, of }
}

pub(super) async fn a_piece_of_a_delivery_is_taken_once(place: Place) {
    let store = place.open().await;
    let one = opened(1, "one");
    let id = one.incident.id.clone();
    store.commit(Commit { pieces: vec![piece("d\u{0}1", 1, 3)], ..one.clone() }).await.unwrap();
    assert!(!store.taken("generic", "d\u{0}1").await.unwrap().is_whole());

    // As a new incident, and as a step of one that is there.
    let again = Commit { pieces: vec![piece("d\u{0}1", 1, 3)], ..opened(2, "two") };
    let gone = again.incident.id.clone();
    assert!(matches!(store.commit(again).await, Err(CommitError::Repeated)));
    assert!(store.load(&gone).await.unwrap().is_empty(), "nothing of it stays");
    let again = next(one.incident.clone(), Event::Refused { reason: "again".into() });
    let again = Commit { pieces: vec![piece("d\u{0}1", 2, 3), piece("d\u{0}1", 1, 3)], ..again };
    assert!(matches!(store.commit(again).await, Err(CommitError::Repeated)));
    assert_eq!(store.load(&id).await.unwrap().len(), 2);

    // A repeat that comes twice in one group, and once more later: it counts once.
    let heard = Heard { piece: Some(piece("d\u{0}1", 2, 3)), ..Heard::from(&one.incident.alerts[0]) };
    let twice = (0..2).map(|_| store.repeat(vec![heard.clone()], now()));
    for counted in futures_util::future::join_all(twice).await {
        assert_eq!(counted.unwrap(), [Some(id.clone())]);
    }
    assert_eq!(store.repeat(vec![heard], now()).await.unwrap(), [Some(id.clone())]);
    assert_eq!(counts(&store.load(&id).await.unwrap()), 1);

    let kept = |reason: &str| Kept {
        at: now(),
        source: "generic".into(),
        verdict: Verdict::Unmapped,
        reason: reason.into(),
        size_bytes: 2,
        body: "{}".into(),
        headers: std::collections::BTreeMap::default(),
    };
    store.keep(kept("first"), Some(piece("d\u{0}1", 0, 3))).await.unwrap();
    store.keep(kept("second"), Some(piece("d\u{0}1", 0, 3))).await.unwrap();
    let all = store.deliveries(&KeptFilter { limit: 10, ..KeptFilter::default() }).await.unwrap();
    assert_eq!(all.iter().map(|it| it.kept.reason.as_str()).collect::<Vec<_>>(), ["first"]);

    store.take(vec![piece("d2", 1, 2), piece("d2", 2, 2)], Some(id.clone()), now()).await.unwrap();
    store.take(vec![piece("d2", 2, 2)], None, now()).await.unwrap();
    drop(store);

    let store = place.open().await;
    let taken = store.taken("generic", "d\u{0}1").await.unwrap();
    assert!(taken.is_whole());
    let incidents = |it: &firstcheck::store::Taken| it.pieces.values().cloned().collect::<Vec<_>>();
    assert_eq!(incidents(&taken), [None, Some(id.clone()), Some(id.clone())]);
    let told = store.taken("generic", "d2").await.unwrap();
    assert_eq!((told.is_whole(), incidents(&told)), (true, vec![Some(id.clone()), Some(id)]));
    assert!(store.taken("sentry", "d2").await.unwrap().pieces.is_empty(), "another source's");
    let later = now() + jiff::SignedDuration::from_secs(1);
    store.note(Note::Prune { seen: later, silences: later, changes: later }).await.unwrap();
    assert!(store.taken("generic", "d2").await.unwrap().pieces.is_empty(), "it is forgotten in time");
}

pub(super) async fn of_those_who_take_a_piece_at_once_one_does(place: Place) {
    let store = place.open().await;
    for round in 0..10 {
        let id = format!("d{round}");
        let racers = (0..4).map(|racer| {
            let commit = opened(round * 10 + racer, &format!("{round} {racer}"));
            store.commit(Commit { pieces: vec![piece(&id, 1, 1)], ..commit })
        });
        let outcomes = futures_util::future::join_all(racers).await;
        let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        assert!(lost.into_iter().all(|it| matches!(it, Err(CommitError::Repeated))));
        let taken = store.taken("generic", &id).await.unwrap();
        let winner: &IncidentId = taken.pieces[&1].as_ref().unwrap();
        assert_eq!(store.load(winner).await.unwrap().len(), 2);
    }
}

fn counts(log: &[firstcheck::incident::Recorded]) -> u64 {
    let repeated = log.iter().filter_map(|it| match it.event {
        Event::AlertRepeated { times } => Some(times),
        _ => None,
    });
    repeated.sum()
}
