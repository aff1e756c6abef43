//! The whole job, end to end on loopback: a real webhook comes in over HTTP, people answer in Discord through the real serenity,
//! and an issue with evidence goes out through the real octocrab. Only the far ends are ours: a world that is really broken, a
//! Discord and a GitHub with memory.
//!
//! Each story is told twice: judged by what we know by heart (in every `cargo test`), and by the official descriptions of
//! Discord and GitHub too, which lie outside the repository.

mod house;
mod people;

use firstcheck::incident::{Incident, Stage};

use crate::fakes::discord::{CHANNEL, Discord, Fault as Trouble};
use crate::fakes::github::{Fault, GitHub, Sick};
use house::House;
use people::Way;

/// Each story, by heart and by the descriptions.
macro_rules! stories {
    ($($name:ident)*) => {
        mod by_heart {
            use super::{Discord, GitHub};
            $(#[tokio::test] async fn $name() {
                super::$name(Discord::start().await, GitHub::start().await).await;
            })*
        }
        mod by_description {
            use super::{Discord, GitHub};
            $(#[tokio::test] #[ignore = "needs ../shared"] async fn $name() {
                super::$name(Discord::described().await, GitHub::described().await).await;
            })*
        }
    };
}

stories! {
    an_alert_gets_a_thread_people_answer_there_and_one_issue_is_filed
    triage_start_in_discord_begins_the_same_journey
    a_github_that_loses_its_answers_gets_one_issue_and_the_head_says_what_waits
    a_repository_that_is_gone_is_said_in_the_head_and_filed_to_when_somebody_asks
    a_discord_that_limits_us_and_goes_down_holds_up_nothing
    a_restart_with_open_questions_posts_nothing_twice_and_old_buttons_answer
    what_was_written_while_the_bot_slept_counts
    a_head_whose_answer_was_lost_is_not_posted_again_by_the_next_run
}

/// A world whose probes are all green: only people can tell.
const PEOPLE_KNOW: &str = "poison-input";

async fn an_alert_gets_a_thread_people_answer_there_and_one_issue_is_filed(discord: Discord, github: GitHub) {
    let mut house = House::built(PEOPLE_KNOW, discord, github).await;
    house.alert().await;
    house.reads_in_the_channel("some orders fail").await;
    assert_eq!(house.calls_for_help(), 1, "the role is called once");

    house.somebody_answers(&[Way::Click, Way::Words]).await;
    house.reads("## Clear: server").await;

    let issue = house.issue().await;
    house.reads(&format!("Issue filed: <{}>", issue.url)).await;
    house.reads_in_the_channel(&format!("issue <{}>", issue.url)).await;
    assert!(issue.labels.contains(&"bucket:server".to_owned()), "{:?}", issue.labels);
    for evidence in [&house.marker(), "/v1/orders", "**principal scope**: `tenant` — Ada", "| http service |"]
    {
        assert!(issue.body.contains(evidence), "{evidence} is missing: {}", issue.body);
    }

    house.resolved().await;
    house.reads("**Resolved**").await;
    house.reads_comment("esolved").await;
    house.finish().await;
}

async fn triage_start_in_discord_begins_the_same_journey(discord: Discord, github: GitHub) {
    let mut house = House::built(PEOPLE_KNOW, discord, github).await;
    house.triage_start("orders-api", 500).await;
    house.somebody_answers(&[Way::Click]).await;
    house.reads("## Clear: server").await;
    let issue = house.issue().await;
    house.reads(&format!("Issue filed: <{}>", issue.url)).await;
    house.finish().await;
}

async fn a_github_that_loses_its_answers_gets_one_issue_and_the_head_says_what_waits(
    discord: Discord,
    github: GitHub,
) {
    // The first create is limited; the second is done, answered with 502, and not in the list at once.
    github.fail_next(Fault::TooMany(4));
    github.fail_next(Fault::BadGatewayAfter);
    github.lag(3);
    let mut house = House::built(PEOPLE_KNOW, discord, github).await;
    house.alert().await;
    house.somebody_answers(&[Way::Click]).await;
    house.reads("## Clear: server").await;
    let head = house.reads_in_the_channel("filing the issue failed").await;
    assert!(head.content.contains("; tried again <t:"), "{}", head.content);

    let issue = house.issue().await;
    house.reads(&format!("Issue filed: <{}>", issue.url)).await;
    house.reads_in_the_channel(&format!("issue <{}>", issue.url)).await;
    house.the_head_says_nothing_of("failed").await;
    let incident = house.settles().await;
    assert_eq!(failures(&incident), ["filing the issue", "filing the issue"]);
    house.finish().await;
}

async fn a_repository_that_is_gone_is_said_in_the_head_and_filed_to_when_somebody_asks(
    discord: Discord,
    github: GitHub,
) {
    github.is(Some(Sick::Gone));
    let mut house = House::built(PEOPLE_KNOW, discord, github).await;
    house.alert().await;
    house.somebody_answers(&[Way::Click]).await;
    let head = house.reads_in_the_channel("filing the issue failed").await;
    assert!(head.content.contains("no such repository"), "{}", head.content);

    house.github.is(None);
    house.asks_to_file().await;
    let issue = house.issue().await;
    house.reads(&format!("Issue filed: <{}>", issue.url)).await;
    house.the_head_says_nothing_of("failed").await;
    house.finish().await;
}

async fn a_discord_that_limits_us_and_goes_down_holds_up_nothing(discord: Discord, github: GitHub) {
    let limited = Trouble::Limited { retry_after: 2.0, global: false };
    discord.fault(&format!("POST /channels/{CHANNEL}/messages"), limited);
    let mut house = House::built(PEOPLE_KNOW, discord, github).await;
    house.alert().await;
    house.becomes("the limit is noted", |it| failures(it) == ["opening the thread"]).await;
    let asked = house.a_question().await;
    house.somebody_answers_one(&asked, Way::Click).await;

    house.discord.go_down();
    house.somebody_answers_over_http().await;
    let incident = house.becomes("the issue, without Discord", |it| it.issue.is_some()).await;
    assert_eq!(incident.stage, Stage::Clarity);
    house.becomes("what waits is noted", |it| failures(it).len() > 1).await;
    house.discord.come_back();

    house.reads("## Clear: server").await;
    let issue = house.issue().await;
    house.reads(&format!("Issue filed: <{}>", issue.url)).await;
    house.the_head_says_nothing_of("failed").await;
    house.finish().await;
}

async fn a_restart_with_open_questions_posts_nothing_twice_and_old_buttons_answer(
    discord: Discord,
    github: GitHub,
) {
    let mut house = House::built(PEOPLE_KNOW, discord, github).await;
    house.alert().await;
    let asked = house.a_question().await;
    house.goes_to_sleep().await;

    house.wakes().await;
    house.somebody_answers_one(&asked, Way::Click).await;
    house.somebody_answers(&[Way::Words, Way::Click]).await;
    house.reads("## Clear: server").await;
    house.goes_to_sleep().await;

    house.wakes().await;
    let issue = house.issue().await;
    house.reads(&format!("Issue filed: <{}>", issue.url)).await;
    house.resolved().await;
    house.reads("**Resolved**").await;
    house.finish().await;
}

async fn what_was_written_while_the_bot_slept_counts(discord: Discord, github: GitHub) {
    let mut house = House::built(PEOPLE_KNOW, discord, github).await;
    house.alert().await;
    let asked = house.a_question().await;
    house.goes_to_sleep().await;
    house.somebody_writes_to(&asked);

    house.wakes().await;
    house.was_taken(&asked).await;
    house.somebody_answers(&[Way::Click]).await;
    house.reads("## Clear: server").await;
    house.finish().await;
}

async fn a_head_whose_answer_was_lost_is_not_posted_again_by_the_next_run(discord: Discord, github: GitHub) {
    discord.fault(&format!("POST /channels/{CHANNEL}/messages"), Trouble::DoneThen(502));
    let mut house = House::built(PEOPLE_KNOW, discord, github).await;
    house.alert().await;
    house.becomes("the lost answer is noted", |it| failures(it) == ["opening the thread"]).await;
    house.goes_to_sleep().await;

    house.wakes().await;
    house.somebody_answers(&[Way::Click]).await;
    house.reads("## Clear: server").await;
    house.finish().await;
}

/// What the timeline says has failed, in order.
fn failures(incident: &Incident) -> Vec<&str> {
    let what = incident.timeline.iter().map(|entry| entry.what.as_str());
    what.filter_map(|what| Some(what.split_once(" failed")?.0)).collect()
}
