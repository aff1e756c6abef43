//! Where an incident's thread is opened, and what happens when somebody takes it away.

use super::*;
use crate::fakes::discord::{FORUM, MEDIA, OTHER, VOICE};
use firstcheck::routing::{Calls, Route};

stories! {
    a_forum_post_is_the_thread_and_its_first_message_the_head
    a_post_whose_answer_was_lost_is_not_made_twice
    an_incident_goes_where_its_route_says
    too_many_active_threads_are_waited_for
    a_locked_thread_is_told
    a_deleted_thread_is_opened_again
    a_deleted_post_is_made_again
    a_deleted_head_is_posted_again_in_the_thread
    a_deleted_question_stops_nothing
    the_head_links_the_console
    a_name_of_any_length_fits
}

/// A table whose bot is configured like this.
async fn configured(discord: Discord, incident: Incident, change: impl FnOnce(&mut Config)) -> Table {
    let mut config = discord.config();
    change(&mut config);
    let table = Table::with(discord, incident, config).await;
    let thread = table.chat.open_thread(&table.incident()).await.unwrap();
    table.record(Event::ThreadOpened { thread });
    table
}

async fn a_forum_post_is_the_thread_and_its_first_message_the_head(discord: Discord) {
    let change = |config: &mut Config| {
        config.channel = FORUM;
        config.tags = vec!["incident".into(), "910000000000000003".into(), "no such tag".into()];
    };
    let table = configured(discord, incident(), change).await;
    let thread = table.thread();
    {
        let world = table.discord.world();
        assert_eq!(world.threads[&thread].tags, ["910000000000000002", "910000000000000003"]);
        assert_eq!((world.threads[&thread].parent, &world.messages[&thread].notified), (FORUM, &vec![ROLE]));
    }
    table.record(Event::QuestionAsked { question: QuestionId::ErrorOrigin, because: String::new() });
    let head = table.discord.message_with(thread, "waiting for `error_origin`").await;
    assert_eq!((head.id, head.edits), (thread, 1));
    // After a restart the head is found where it is.
    let Chat::Discord(chat) = &table.chat else { unreachable!() };
    chat.close().await;
    let again = Table::of(table.discord.clone(), table.incident()).await;
    again.record(Event::QuestionAsked { question: QuestionId::TokenState, because: String::new() });
    assert_eq!(again.discord.message_with(thread, "waiting for `token_state`").await.id, thread);
    table.discord.finish();
}

// By heart alone: the official description does not know media channels.
#[tokio::test]
async fn a_media_channel_that_needs_a_tag_gets_one() {
    let discord = Discord::start().await;
    discord.world().needs_tag = true;
    let table = configured(discord, incident(), |config| config.channel = MEDIA).await;
    let tags = table.discord.world().threads[&table.thread()].tags.clone();
    assert_eq!(tags, ["910000000000000002"], "the first that is not for moderators alone");
    table.discord.finish();
}

async fn a_post_whose_answer_was_lost_is_not_made_twice(discord: Discord) {
    let mut config = discord.config();
    config.channel = FORUM;
    let table = Table::with(discord, incident(), config).await;
    table.discord.fault(&format!("POST /channels/{FORUM}/threads"), Fault::DoneThen(502));
    let lost = table.chat.open_thread(&table.incident()).await.unwrap_err();
    assert!(matches!(lost.retry, Retry::After(_)), "{lost:?}");
    let thread = table.chat.open_thread(&table.incident()).await.unwrap();
    let threads: Vec<u64> = table.discord.world().threads.keys().copied().collect();
    assert_eq!(threads, [thread.parse::<u64>().unwrap()]);
    table.discord.finish();
}

async fn an_incident_goes_where_its_route_says(discord: Discord) {
    let role = 900_000_000_000_000_066;
    let change = |config: &mut Config| {
        let quiet =
            Route { severities: vec![Severity::Info], calls: Some(Calls::Nobody), ..Route::default() };
        let orders = Route {
            services: vec!["orders-api".into()],
            channel: Some(OTHER),
            calls: Some(Calls::Role(role)),
            ..Route::default()
        };
        config.routes = vec![quiet, orders];
    };
    let table = configured(discord, incident(), change).await;
    let head = table.discord.message_with(OTHER, "High 502 rate").await;
    assert_eq!((head.id, head.notified), (table.thread(), vec![role]));
    table.record(Event::QuestionAsked { question: QuestionId::ErrorOrigin, because: String::new() });
    table.discord.message_with(OTHER, "waiting for `error_origin`").await;
    table.discord.finish();
}

async fn too_many_active_threads_are_waited_for(discord: Discord) {
    discord.world().active_threads = Some(0);
    let table = Table::of(discord, incident()).await;
    let full = table.chat.open_thread(&table.incident()).await.unwrap_err();
    assert!(matches!(full.retry, Retry::After(_)) && full.reason.contains("active threads"), "{full:?}");
    table.discord.world().active_threads = None;
    table.chat.open_thread(&table.incident()).await.unwrap();
    let heads = table.discord.world().messages.values().filter(|it| it.channel == CHANNEL).count();
    assert_eq!(heads, 1);
    table.discord.finish();
}

async fn a_locked_thread_is_told(discord: Discord) {
    let table = Table::laid(discord).await;
    table.discord.world().threads.get_mut(&table.thread()).unwrap().locked = true;
    let refused = table.chat.say(&table.incident(), &Note::Filed, "n").await.unwrap_err();
    assert_eq!(refused.retry, Retry::Never);
    assert!(refused.reason.contains("unlock it"), "{refused}");
    table.discord.finish();
}

async fn a_deleted_thread_is_opened_again(discord: Discord) {
    let table = Table::laid(discord).await;
    let lost = table.thread();
    table.discord.world().delete_thread(lost);
    let note = Note::Refused { reason: "something to say".into() };
    table.chat.say(&table.incident(), &note, "n").await.unwrap();
    let thread = table.thread();
    assert_ne!(thread, lost, "the incident knows the new one");
    table.discord.message_with(thread, "something to say").await;
    table.record(Event::QuestionAsked { question: QuestionId::ErrorOrigin, because: String::new() });
    assert_eq!(table.discord.message_with(CHANNEL, "waiting for `error_origin`").await.id, thread);
    table.discord.finish();
}

async fn a_deleted_post_is_made_again(discord: Discord) {
    let table = configured(discord, incident(), |config| config.channel = FORUM).await;
    let lost = table.thread();
    table.discord.world().delete_thread(lost);
    // Nobody says anything: it is noticed when the head is brought up to date.
    table.record(Event::QuestionAsked { question: QuestionId::ErrorOrigin, because: String::new() });
    let again = |world: &crate::fakes::discord::World| world.threads.keys().next().copied();
    let thread = table.discord.until("another post", again).await;
    assert_ne!(thread, lost);
    table.discord.message_with(thread, "waiting for `error_origin`").await;
    table.discord.finish();
}

async fn a_deleted_head_is_posted_again_in_the_thread(discord: Discord) {
    let table = Table::laid(discord).await;
    let thread = table.thread();
    table.discord.world().messages.remove(&thread).unwrap();
    table.record(Event::QuestionAsked { question: QuestionId::ErrorOrigin, because: String::new() });
    let head = table.discord.message_with(thread, "waiting for `error_origin`").await;
    let Chat::Discord(chat) = &table.chat else { unreachable!() };
    chat.close().await;
    let again = Table::of(table.discord.clone(), table.incident()).await;
    again.record(Event::QuestionAsked { question: QuestionId::TokenState, because: String::new() });
    let found = again.discord.message_with(thread, "waiting for `token_state`").await;
    assert_eq!(found.id, head.id, "it is found after a restart and edited in place");
    table.discord.finish();
}

async fn a_deleted_question_stops_nothing(discord: Discord) {
    let table = Table::laid(discord).await;
    let asked = table.ask(QuestionId::EndpointScope).await;
    table.discord.world().messages.remove(&asked.id).unwrap();
    let answer = Answer::Picked(vec!["one".into()]);
    table.record(Event::AnswerGiven { question: QuestionId::EndpointScope, answer, by: "Ada".into() });
    table.record(Event::QuestionAsked { question: QuestionId::ErrorOrigin, because: String::new() });
    table.discord.message_with(CHANNEL, "waiting for `error_origin`").await;
    table.discord.finish();
}

async fn the_head_links_the_console(discord: Discord) {
    let change = |config: &mut Config| config.console = Some("https://ops.example.com".parse().unwrap());
    let table = configured(discord, incident(), change).await;
    let page = format!("<https://ops.example.com/incidents/{}>", table.incident().id);
    table.discord.message_with(CHANNEL, &page).await;
    table.discord.finish();
}

async fn a_name_of_any_length_fits(discord: Discord) {
    let mut incident = incident();
    incident.alerts[0].title = "é".repeat(3000);
    let table = configured(discord, incident, |_| {}).await;
    let name = table.discord.world().threads[&table.thread()].name.clone();
    assert_eq!(name.chars().count(), 100);
    table.discord.finish();
}

#[tokio::test]
async fn a_channel_of_another_kind_is_told() {
    let discord = Discord::start().await;
    let mut config = discord.config();
    config.channel = VOICE;
    let table = Table::with(discord, incident(), config).await;
    let refused = table.chat.open_thread(&table.incident()).await.unwrap_err();
    assert!(refused.retry == Retry::Never && refused.reason.contains("text, forum or media"), "{refused:?}");
}
