//! The tracker against a GitHub with bad days, through the real octocrab.
//!
//! Each story is told twice: judged by what we know by heart (in every `cargo test`), and by GitHub's own description too, which
//! lies outside the repository. [`faults`] tells what the running bot makes of each refusal, [`kills`] what is left when it is killed
//! between decision and record, [`deploys`] what a check reads of a repository's past.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use firstcheck::clock;
use firstcheck::evidence::render::{Issue, News, end_marker, marker};
use firstcheck::incident::{Creating, IncidentId, IssueRef, Retry};
use firstcheck::profile::routing::{Route, Routing};
use firstcheck::tracker::github::{Credential, GitHub, Settings};
use firstcheck::tracker::{Earlier, Filed, Filing, LeftOut, NotCreated, Placed, Tracker, TrackerError};
use serde_json::{Value, json};

use crate::fakes::github::{self, Fault, REPOSITORY};

mod deploys;
mod faults;
mod kills;
mod life;

const CREATE: &str = "POST /repos/shop/incidents/issues";
const LIST: &str = "GET /repos/shop/incidents/issues";
const UPDATE: &str = "PATCH /repos/shop/incidents/issues/1";

/// Each story, by heart and by the description.
macro_rules! stories {
    ($($name:ident)*) => {
        mod by_heart {
            $(#[tokio::test] async fn $name() { super::$name(crate::fakes::github::GitHub::start().await).await; })*
        }
        mod by_description {
            $(#[tokio::test] #[ignore = "needs ../shared"] async fn $name() {
                super::$name(crate::fakes::github::GitHub::described().await).await;
            })*
        }
    };
}
use stories;

stories! {
    an_issue_is_created_once_and_then_updated
    a_502_after_the_work_makes_no_second_issue
    a_connection_cut_after_the_work_makes_no_second_issue_even_if_the_list_lags
    an_unknown_outcome_is_remembered_over_a_restart
    after_long_patience_an_issue_that_never_came_is_created_again
    a_creation_that_was_held_up_is_not_sent
    news_are_told_once_even_if_the_answer_is_lost
    a_marker_that_somebody_pasted_is_not_ours
    the_marker_is_found_on_a_later_page
    labels_that_are_dropped_in_silence_are_noticed
    refusals_say_whose_turn_it_is
    an_app_signs_mints_and_mints_anew
    what_was_read_before_is_not_sent_again
    we_keep_below_the_limits_ourselves
}

struct World {
    fake: github::GitHub,
    client: GitHub,
    id: IncidentId,
    route: Route,
    /// As the incident knows it: it outlives the client.
    creating: Mutex<Option<Creating>>,
}

fn settings(fake: &github::GitHub) -> Settings {
    let routing = Routing { repository: Some(REPOSITORY.to_owned()), ..Routing::default() };
    Settings::new(fake.url(), Credential::Token(github::TOKEN.to_owned()), routing)
}

impl World {
    fn at(fake: github::GitHub) -> Self {
        let settings = settings(&fake);
        Self::with(fake, settings)
    }

    fn with(fake: github::GitHub, settings: Settings) -> Self {
        let client = GitHub::new(settings).unwrap();
        let route = Route { repository: Some(REPOSITORY.to_owned()), ..Route::default() };
        Self { fake, client, id: IncidentId::from_seed(7), route, creating: Mutex::default() }
    }

    fn issue(&self, text: &str) -> Issue {
        let id = self.id.as_str();
        Issue {
            title: "reports-api: High 504 rate (upstream)".into(),
            body: format!("{}\n{text}\n{}", marker(id), end_marker(id)),
            labels: vec!["firstcheck".into(), "bucket:upstream".into()],
            opened_on: "2026-03-01".into(),
            closed: false,
            news: Vec::new(),
        }
    }

    async fn file(&self, issue: &Issue, known: Option<&IssueRef>) -> Result<IssueRef, TrackerError> {
        Ok(self.place(issue, known, None).await?.issue)
    }

    /// Files as the app does: what is begun is recorded before.
    async fn place(
        &self,
        issue: &Issue,
        known: Option<&IssueRef>,
        earlier: Option<&Earlier>,
    ) -> Result<Placed, TrackerError> {
        let tracker = Tracker::GitHub(self.client.clone());
        let creating = self.creating.lock().unwrap().clone();
        let filing = Filing {
            incident: &self.id,
            issue,
            route: &self.route,
            known,
            earlier,
            creating: creating.as_ref(),
            now: clock::now(),
        };
        match tracker.file(&filing).await? {
            Filed::There(placed) => {
                *self.creating.lock().unwrap() = None;
                Ok(placed)
            }
            Filed::Missing { repository } => {
                *self.creating.lock().unwrap() = Some(Creating { repository, since: clock::now() });
                let created = tracker.create(&filing, Instant::now()).await;
                if created.as_ref().is_err_and(|it| !it.is_certain) {
                    return Err(created.unwrap_err().error);
                }
                *self.creating.lock().unwrap() = None;
                created.map_err(|it| it.error)
            }
        }
    }
}

fn labels(issue: &Value) -> Vec<&str> {
    issue["labels"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect()
}

async fn an_issue_is_created_once_and_then_updated(fake: github::GitHub) {
    let world = World::at(fake);
    let first = world.file(&world.issue("one"), None).await.unwrap();
    assert_eq!(first.reference, "shop/incidents#1");
    assert_eq!(first.url, "https://github.com/shop/incidents/issues/1");
    // As after a restart that lost the reference, and then with it.
    assert_eq!(world.file(&world.issue("one"), None).await.unwrap(), first);
    assert_eq!(world.file(&world.issue("two"), Some(&first)).await.unwrap(), first);
    assert_eq!(world.fake.issues().len(), 1);
    assert!(world.fake.issues()[0]["body"].as_str().unwrap().contains("two"));
    assert_eq!(world.fake.count(UPDATE), 1, "what is as it should be is not sent again");
    assert_eq!(labels(&world.fake.issues()[0]), ["firstcheck", "bucket:upstream"]);
    world.fake.finish();
}

async fn a_502_after_the_work_makes_no_second_issue(fake: github::GitHub) {
    let world = World::at(fake);
    world.fake.fail_next(Fault::BadGatewayAfter);
    assert_eq!(world.file(&world.issue("one"), None).await.unwrap().reference, "shop/incidents#1");
    assert_eq!((world.fake.issues().len(), world.fake.count(CREATE)), (1, 1));
    world.fake.finish();
}

async fn a_connection_cut_after_the_work_makes_no_second_issue_even_if_the_list_lags(fake: github::GitHub) {
    let world = World::at(fake);
    world.fake.fail_next(Fault::CutAfter);
    let issue = world.issue("one");
    // The look before the create, the one after it, and one more do not show it.
    world.fake.lag(3);
    for _ in 0..2 {
        let error = world.file(&issue, None).await.unwrap_err();
        assert_ne!(error.retry, Retry::Never, "{error}");
    }
    assert_eq!(world.file(&issue, None).await.unwrap().reference, "shop/incidents#1");
    assert_eq!((world.fake.issues().len(), world.fake.count(CREATE)), (1, 1));
    assert_eq!(world.fake.count(LIST), 4);
    world.fake.finish();
}

async fn an_unknown_outcome_is_remembered_over_a_restart(fake: github::GitHub) {
    let mut world = World::at(fake);
    world.fake.fail_next(Fault::CutAfter);
    world.fake.lag(3);
    world.file(&world.issue("one"), None).await.unwrap_err();
    // Another process: it knows what the incident knows, and nothing else.
    world.client = GitHub::new(settings(&world.fake)).unwrap();
    let error = world.file(&world.issue("one"), None).await.unwrap_err();
    assert!(error.reason.contains("looking again before creating"), "{error}");
    assert_eq!(world.file(&world.issue("one"), None).await.unwrap().reference, "shop/incidents#1");
    assert_eq!((world.fake.issues().len(), world.fake.count(CREATE)), (1, 1));
    world.fake.finish();
}

async fn after_long_patience_an_issue_that_never_came_is_created_again(fake: github::GitHub) {
    let settings = Settings { list_lag: Duration::ZERO, ..settings(&fake) };
    let world = World::with(fake, settings);
    world.fake.fail_next(Fault::CutBefore);
    world.file(&world.issue("one"), None).await.unwrap_err();
    assert_eq!(world.fake.issues().len(), 0);
    world.file(&world.issue("one"), None).await.unwrap();
    assert_eq!((world.fake.issues().len(), world.fake.count(CREATE)), (1, 2));
    world.fake.finish();
}

async fn a_creation_that_was_held_up_is_not_sent(fake: github::GitHub) {
    let world = World::at(fake);
    let issue = world.issue("one");
    let filing = Filing {
        incident: &world.id,
        issue: &issue,
        route: &world.route,
        known: None,
        earlier: None,
        creating: None,
        now: clock::now(),
    };
    let tracker = Tracker::GitHub(world.client.clone());
    let long_ago = Instant::now().checked_sub(Duration::from_secs(6)).unwrap();
    let NotCreated { error, is_certain } = tracker.create(&filing, long_ago).await.unwrap_err();
    assert!(is_certain && error.reason.contains("held up"), "{error}");
    assert_eq!(world.fake.count(CREATE), 0);
    world.fake.finish();
}

async fn news_are_told_once_even_if_the_answer_is_lost(fake: github::GitHub) {
    let world = World::at(fake);
    let first = world.file(&world.issue("one"), None).await.unwrap();
    let mut issue = world.issue("one");
    issue.news = vec![News { key: "resolved".into(), text: "Resolved at `10:08`.".into() }];
    world.fake.fail_next(Fault::CutAfter);
    assert!(world.file(&issue, Some(&first)).await.is_err());
    issue.closed = true;
    world.file(&issue, Some(&first)).await.unwrap();
    world.file(&issue, Some(&first)).await.unwrap();
    let comments = world.fake.comments(1);
    assert_eq!(comments.len(), 1);
    assert!(comments[0].ends_with("Resolved at `10:08`."), "{}", comments[0]);
    assert_eq!(world.fake.issues()[0]["state"], "closed");
    world.fake.finish();
}

async fn a_marker_that_somebody_pasted_is_not_ours(fake: github::GitHub) {
    let world = World::at(fake);
    world.fake.file_as("mallory", "mine", &marker(world.id.as_str()));
    assert_eq!(world.file(&world.issue("one"), None).await.unwrap().reference, "shop/incidents#2");
    world.fake.finish();
}

async fn the_marker_is_found_on_a_later_page(fake: github::GitHub) {
    let world = World::at(fake);
    world.file(&world.issue("one"), None).await.unwrap();
    for number in 0..150 {
        world.fake.file_as(github::LOGIN, &format!("other {number}"), "");
    }
    assert_eq!(world.file(&world.issue("one"), None).await.unwrap().reference, "shop/incidents#1");
    world.fake.finish();
}

async fn labels_that_are_dropped_in_silence_are_noticed(fake: github::GitHub) {
    let world = World::at(fake);
    // They exist, so that nothing tells before the issue is there.
    world.file(&world.issue("one"), None).await.unwrap();
    world.fake.no_push();
    let world = World { id: IncidentId::from_seed(8), ..world };
    let second = world.place(&world.issue("one"), None, None).await.unwrap();
    assert_eq!(second.left_out[0].what, LeftOut::LABELLING);
    assert!(second.left_out[0].why.contains("the role triage or write"), "{second:?}");
    let again = world.place(&world.issue("one"), Some(&second.issue), None).await.unwrap();
    assert_eq!(again.left_out.len(), 1, "it is still so");
    assert_eq!(world.fake.count("PATCH /repos/shop/incidents/issues/2"), 0, "labels are not asked for again");
    world.fake.finish();
}

async fn refusals_say_whose_turn_it_is(fake: github::GitHub) {
    let world = World::at(fake);
    for (fault, retry, says) in [
        (Fault::BadToken, Retry::Never, "does not accept the token"),
        (Fault::SecondaryLimit, Retry::After(Duration::from_mins(1)), "rate limit"),
    ] {
        world.fake.fail_next(fault);
        let error = world.file(&world.issue("one"), None).await.unwrap_err();
        assert_eq!(error.retry, retry, "{error}");
        assert!(error.reason.contains(says), "{error}");
    }
    // While GitHub asks us to wait nothing is sent.
    let sent = world.fake.count(LIST);
    let error = world.file(&world.issue("one"), None).await.unwrap_err();
    assert!(matches!(error.retry, Retry::After(wait) if wait > Duration::from_secs(50)), "{error:?}");
    assert_eq!((world.fake.count(LIST), world.fake.issues().len()), (sent, 0));
    world.fake.finish();
}

async fn an_app_signs_mints_and_mints_anew(fake: github::GitHub) {
    let credential =
        Credential::App { id: github::APP_ID, key: github::APP_KEY.to_owned(), installation: None };
    let settings = Settings { credential, ..settings(&fake) };
    let world = World::with(fake, settings);
    let first = world.file(&world.issue("one"), None).await.unwrap();
    assert_eq!(world.fake.issues()[0]["user"]["login"], "firstcheck-app[bot]");
    // One token for reads and one for writes, and no more for the next filing.
    let minted = world.fake.minted();
    assert!(minted <= 2, "{minted}");
    world.file(&world.issue("two"), Some(&first)).await.unwrap();
    assert_eq!(world.fake.minted(), minted);
    world.fake.revoke_tokens();
    world.file(&world.issue("three"), Some(&first)).await.unwrap();
    assert_eq!(world.fake.minted(), 2 * minted);
    assert!(world.fake.issues()[0]["body"].as_str().unwrap().contains("three"));
    assert_eq!(world.fake.issues().len(), 1);
    let elsewhere =
        World { route: Route { repository: Some("shop/other".into()), ..Route::default() }, ..world };
    let error = elsewhere.file(&elsewhere.issue("one"), None).await.unwrap_err();
    assert!(error.reason.contains("not installed for shop/other"), "{error}");
    elsewhere.fake.finish();
}

async fn what_was_read_before_is_not_sent_again(fake: github::GitHub) {
    let world = World::at(fake);
    let first = world.file(&world.issue("one"), None).await.unwrap();
    world.file(&world.issue("one"), Some(&first)).await.unwrap();
    let before = world.fake.not_modified();
    world.file(&world.issue("one"), Some(&first)).await.unwrap();
    assert!(world.fake.not_modified() > before);
    world.fake.edit(1, |issue| issue["labels"] = json!([]));
    world.file(&world.issue("one"), Some(&first)).await.unwrap();
    assert_eq!(labels(&world.fake.issues()[0]), ["bucket:upstream", "firstcheck"], "a change is seen");
    world.fake.finish();
}

async fn we_keep_below_the_limits_ourselves(fake: github::GitHub) {
    // Two labels are created, and then an issue.
    let settings = Settings { per_minute: 3, ..settings(&fake) };
    let world = World::with(fake, settings);
    world.file(&world.issue("one"), None).await.unwrap();
    let next = World { id: IncidentId::from_seed(8), ..world };
    let error = next.file(&next.issue("one"), None).await.unwrap_err();
    assert!(matches!(error.retry, Retry::After(wait) if wait > Duration::from_secs(30)), "{error:?}");
    assert!(error.reason.contains("waits its turn"), "{error}");
    assert_eq!(next.fake.issues().len(), 1);
    next.fake.finish();
}
