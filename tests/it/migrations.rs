//! Stores that earlier code wrote are brought up to date, and what is in them is found: incidents, kept deliveries, deliveries by their names,
//! and what was still to be done.
//!
//! Each fixture is the dump of a store (`sqlite3 .dump`, `pg_dump --inserts`) that the bot of its day wrote and was killed over: an open
//! incident, one that was resolved and whose issue is not filed yet, and a delivery nobody mapped. A version that is released brings one.

use firstcheck::incident::{Incident, Stage};
use firstcheck::store::{Filter, KeptFilter, Store};
use firstcheck::triage::Action;
use sqlx::{ConnectOptions as _, Connection as _};

use crate::programs::PostgresServer;
use crate::worlds::Folder;

const SQLITE: [(&str, &str); 1] = [("0008", include_str!("migrations/sqlite-0008.sql"))];
const POSTGRES: [(&str, &str); 1] = [("0009", include_str!("migrations/postgres-0009.sql"))];

#[tokio::test]
async fn a_file_of_earlier_code_is_brought_up_to_date_with_all_that_is_in_it() {
    for (version, dump) in SQLITE {
        let folder = Folder::new("migrated");
        let file = folder.0.join(format!("{version}.db"));
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).create_if_missing(true);
        let mut beside = options.connect().await.unwrap();
        sqlx::raw_sql(dump).execute(&mut beside).await.unwrap();
        beside.close().await.unwrap();
        has_everything(&Store::open(&file).await.unwrap()).await;
    }
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn a_database_of_earlier_code_is_brought_up_to_date_with_all_that_is_in_it() {
    let server = PostgresServer::start();
    for (version, dump) in POSTGRES {
        let name = format!("of_{version}");
        let url = server.database(&name);
        server.query(&name, dump);
        has_everything(&Store::connect(&url).await.unwrap()).await;
    }
}

async fn has_everything(store: &Store) {
    let found = store.list(Filter::All, 10).await.unwrap();
    let of = |service: &str| found.iter().find(|it| it.service.as_deref() == Some(service)).unwrap();
    let (shop, mail) = (of("shop"), of("mail"));
    assert_eq!((found.len(), shop.stage, mail.stage), (2, Stage::Triaging, Stage::Resolved));
    assert_eq!((shop.alert_count, mail.alert_count), (1, 2), "what was only counted counts");
    for it in [shop, mail] {
        let incident = Incident::fold(it.id.clone(), &store.load(&it.id).await.unwrap());
        assert_eq!((incident.stage, incident.service()), (it.stage, it.service.as_deref()));
    }
    assert!(store.open_incident(&firstcheck::alert::IncidentKey("shop|-|-".into())).await.unwrap().is_some());
    let waits: Vec<Action> =
        store.pending_of(&mail.id).await.unwrap().into_iter().map(|(pending, _)| pending.action).collect();
    assert!(waits.contains(&Action::FileIssue), "{waits:?}");

    let kept = store.deliveries(&KeptFilter { limit: 10, ..KeptFilter::default() }).await.unwrap();
    assert_eq!((kept.len(), kept[0].kept.source.as_str()), (1, "cloudevents"));
    let taken = store.taken("cloudevents", "https://monitor.test/checks|1").await.unwrap();
    assert!(taken.is_whole());
    assert_eq!(taken.pieces.into_values().collect::<Vec<_>>(), [Some(shop.id.clone())]);
    let unmapped = store.taken("cloudevents", "https://monitor.test/checks|2").await.unwrap();
    assert!(unmapped.is_whole() && unmapped.pieces.into_values().all(|incident| incident.is_none()));
    assert_eq!(store.integrity().await.unwrap(), [""; 0]);
}
