//! The tracker against a GitHub with bad days, through the real octocrab.
//!
//! Each story is told twice: judged by what we know by heart (in every `cargo test`), and by GitHub's own description too, which
//! lies outside the repository.

use std::time::Duration;

use firstcheck::evidence::render::{Issue, News, end_marker, marker};
use firstcheck::incident::{IncidentId, IssueRef, Retry};
use firstcheck::tracker::github::{GitHub, Settings};
use firstcheck::tracker::{Tracker, TrackerError};

use crate::fakes::github::{self, Fault, REPOSITORY};

const CREATE: &str = "POST /repos/shop/incidents/issues";
const LIST: &str = "GET /repos/shop/incidents/issues";

/// Each story, by heart and by the description.
macro_rules! stories {
    ($($name:ident)*) => {
        mod by_heart {
            $(#[tokio::test] async fn $name() { super::$name(super::github::GitHub::start().await).await; })*
        }
        mod by_description {
            $(#[tokio::test] #[ignore = "needs ../shared"] async fn $name() {
                super::$name(super::github::GitHub::described().await).await;
            })*
        }
    };
}

stories! {
    an_issue_is_created_once_and_then_updated
    a_502_after_the_work_makes_no_second_issue
    a_connection_cut_after_the_work_makes_no_second_issue_even_if_the_list_lags
    after_long_patience_an_issue_that_never_came_is_created_again
    news_are_told_once_even_if_the_answer_is_lost
    what_people_wrote_and_labelled_is_kept
    a_marker_that_somebody_pasted_is_not_ours
    the_marker_is_found_on_a_later_page
    labels_that_are_dropped_in_silence_are_noticed
    refusals_say_whose_turn_it_is
}

struct World {
    fake: github::GitHub,
    client: GitHub,
    id: IncidentId,
}

impl World {
    fn at(fake: github::GitHub) -> Self {
        let settings = Settings {
            api_url: fake.url(),
            token: github::TOKEN.to_owned(),
            repository: Some(REPOSITORY.to_owned()),
            timeout: Duration::from_secs(10),
        };
        let client = GitHub::new(settings).unwrap();
        Self { fake, client, id: IncidentId::from_seed(7) }
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
        Tracker::GitHub(self.client.clone()).file(&self.id, None, issue, known).await
    }
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
    assert_eq!(
        world.fake.count("PATCH /repos/shop/incidents/issues/1"),
        1,
        "what is as it should be is not sent again"
    );
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

async fn after_long_patience_an_issue_that_never_came_is_created_again(fake: github::GitHub) {
    let mut world = World::at(fake);
    world.client = world.client.with_patience(Duration::ZERO);
    world.fake.fail_next(Fault::TooMany(7));
    let error = world.file(&world.issue("one"), None).await.unwrap_err();
    assert_eq!(error.retry, Retry::After(Duration::from_secs(7)));
    assert_eq!(world.fake.issues().len(), 0);
    world.file(&world.issue("one"), None).await.unwrap();
    assert_eq!((world.fake.issues().len(), world.fake.count(CREATE)), (1, 2));
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

async fn what_people_wrote_and_labelled_is_kept(fake: github::GitHub) {
    let world = World::at(fake);
    let first = world.file(&world.issue("one"), None).await.unwrap();
    world.fake.edit(1, |issue| {
        let body = issue["body"].as_str().unwrap().replace('\n', "\r\n");
        issue["body"] = format!("Seen in March.\r\n\r\n{body}\r\n\r\nI restarted it.").into();
        issue["labels"] =
            serde_json::json!([{"name": "bucket:server"}, {"name": "firstcheck"}, {"name": "team-a"}]);
    });
    world.file(&world.issue("two"), Some(&first)).await.unwrap();
    let issue = &world.fake.issues()[0];
    let body = issue["body"].as_str().unwrap();
    for kept in ["Seen in March.", "I restarted it.", "two"] {
        assert!(body.contains(kept), "{kept}: {body}");
    }
    assert!(!body.contains("one"), "{body}");
    let labels: Vec<&str> =
        issue["labels"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(labels, ["bucket:upstream", "firstcheck", "team-a"]);
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
    world.fake.no_push();
    let first = world.file(&world.issue("one"), None).await.unwrap();
    assert!(world.client.drops_labels(REPOSITORY));
    world.file(&world.issue("one"), Some(&first)).await.unwrap();
    assert_eq!(world.fake.count("PATCH /repos/shop/incidents/issues/1"), 0, "labels are not asked for again");
    world.fake.finish();
}

async fn refusals_say_whose_turn_it_is(fake: github::GitHub) {
    let world = World::at(fake);
    for (fault, retry, says) in [
        (Fault::SecondaryLimit, Retry::After(Duration::from_mins(1)), "rate limit"),
        (Fault::BadToken, Retry::Never, "token"),
        (Fault::Disabled, Retry::Never, "disabled"),
    ] {
        world.fake.fail_next(fault);
        let error = world.file(&world.issue("one"), None).await.unwrap_err();
        assert_eq!(error.retry, retry, "{error}");
        assert!(error.reason.contains(says), "{error}");
    }
    let elsewhere = Tracker::GitHub(world.client.clone())
        .file(&world.id, Some("shop/gone"), &world.issue("one"), None)
        .await;
    assert_eq!(elsewhere.unwrap_err().retry, Retry::Never);
    assert_eq!(world.fake.issues().len(), 0);
    world.fake.finish();
}
