//! The gateway connection: going on after a loss, greeting anew when that is not possible, and missing nothing either way.

use super::*;

stories! {
    a_request_to_reconnect_loses_nothing
    a_session_that_may_be_resumed_is_resumed
    a_session_that_is_invalid_is_begun_anew_and_the_thread_read
    a_connection_that_is_closed_goes_on
    a_session_that_timed_out_is_begun_anew
    a_connection_that_is_cut_comes_back
    heartbeats_that_nobody_hears_end_the_connection
    without_the_right_to_read_words_clicks_are_heard
    what_was_answered_meanwhile_is_not_answered_again
    a_long_absence_is_read_page_by_page
}

fn desk(discord: &Discord) -> (usize, usize) {
    let world = discord.world();
    (world.desk.identified, world.desk.resumed)
}

async fn a_request_to_reconnect_loses_nothing(discord: Discord) {
    let table = Table::laid(discord).await;
    let asked = table.ask(QuestionId::EndpointScope).await;
    table.discord.ask_to_reconnect();
    table.discord.write(table.thread(), "all", None);
    table.answered(asked.id, "all · Ada").await;
    assert_eq!(desk(&table.discord), (1, 1));
    table.discord.finish();
}

async fn a_session_that_may_be_resumed_is_resumed(discord: Discord) {
    let table = Table::laid(discord).await;
    let asked = table.ask(QuestionId::EndpointScope).await;
    table.discord.invalidate(true);
    table.discord.until("a session that goes on", |world| (world.desk.resumed == 1).then_some(())).await;
    table.discord.click(&asked, &id_ending(&asked, "|several"), &[]);
    table.answered(asked.id, "several · Ada").await;
    assert_eq!(desk(&table.discord).0, 1);
    table.discord.finish();
}

async fn a_session_that_is_invalid_is_begun_anew_and_the_thread_read(discord: Discord) {
    let table = Table::laid(discord).await;
    let asked = table.ask(QuestionId::EndpointScope).await;
    table.discord.invalidate(false);
    table.discord.until("no session", |world| world.desk.is_empty().then_some(())).await;
    table.discord.write(table.thread(), "all", None);
    table.answered(asked.id, "all · Ada").await;
    assert_eq!(desk(&table.discord), (2, 0));
    table.discord.finish();
}

async fn a_connection_that_is_closed_goes_on(discord: Discord) {
    let table = Table::laid(discord).await;
    let asked = table.ask(QuestionId::EndpointScope).await;
    table.discord.hang_up(4000);
    table.discord.write(table.thread(), "all", None);
    table.answered(asked.id, "all · Ada").await;
    assert_eq!(desk(&table.discord), (1, 1));
    table.discord.finish();
}

async fn a_session_that_timed_out_is_begun_anew(discord: Discord) {
    let table = Table::laid(discord).await;
    let asked = table.ask(QuestionId::EndpointScope).await;
    table.discord.forget_sessions();
    table.discord.hang_up(4009);
    table.discord.write(table.thread(), "all", None);
    table.answered(asked.id, "all · Ada").await;
    assert_eq!(desk(&table.discord), (2, 0));
    table.discord.finish();
}

async fn a_connection_that_is_cut_comes_back(discord: Discord) {
    let table = Table::laid(discord).await;
    let asked = table.ask(QuestionId::EndpointScope).await;
    table.discord.cut();
    table.discord.write(table.thread(), "all", None);
    table.answered(asked.id, "all · Ada").await;
    table.discord.finish();
}

async fn heartbeats_that_nobody_hears_end_the_connection(discord: Discord) {
    {
        let desk = &mut discord.world().desk;
        (desk.heartbeat_ms, desk.is_deaf) = (200, true);
    }
    let table = Table::laid(discord).await;
    let asked = table.ask(QuestionId::EndpointScope).await;
    let again = |world: &crate::fakes::discord::World| {
        (world.desk.identified + world.desk.resumed >= 2).then_some(world.desk.heartbeats)
    };
    assert!(table.discord.until("another connection", again).await >= 1);
    table.discord.world().desk.is_deaf = false;
    table.discord.write(table.thread(), "all", None);
    table.answered(asked.id, "all · Ada").await;
    table.discord.finish();
}

async fn without_the_right_to_read_words_clicks_are_heard(discord: Discord) {
    let table = Table::laid(discord).await;
    let asked = table.ask(QuestionId::EndpointScope).await;
    table.discord.hang_up(4014);
    table.discord.until("a second greeting", |world| (world.desk.identified >= 2).then_some(())).await;
    let intents = table.discord.world().desk.intents;
    assert_eq!(intents & (1 << 15), 0, "words are not asked for any more");
    table.discord.click(&asked, &id_ending(&asked, "|several"), &[]);
    table.answered(asked.id, "several · Ada").await;
    table.discord.finish();
}

async fn what_was_answered_meanwhile_is_not_answered_again(discord: Discord) {
    let table = Table::laid(discord).await;
    let first = table.ask(QuestionId::EndpointScope).await;
    table.discord.write(table.thread(), "all", Some(first.id));
    table.answered(first.id, "all · Ada").await;
    table.discord.click(&first, &id_ending(&first, "|several"), &[]);
    table.answered(first.id, "several · Ada").await;
    let Chat::Discord(chat) = &table.chat else { unreachable!() };
    chat.close().await;
    let again = Table::of(table.discord.clone(), table.incident()).await;
    again.chat.show(&again.incident());
    // What comes after the old words in the thread is taken: they were read before, and left alone.
    let second = again.ask(QuestionId::LatencyFirst).await;
    again.discord.write(again.thread(), "yes", None);
    again.answered(second.id, "yes · Ada").await;
    assert_eq!(again.answer(QuestionId::EndpointScope), Some(Answer::Picked(vec!["several".into()])));
    again.discord.finish();
}

async fn a_long_absence_is_read_page_by_page(discord: Discord) {
    let table = Table::laid(discord).await;
    let asked = table.ask(QuestionId::EndpointScope).await;
    table.discord.invalidate(false);
    table.discord.until("no session", |world| world.desk.is_empty().then_some(())).await;
    for place in 0..250 {
        table.discord.write(table.thread(), &format!("talk {place}"), None);
    }
    table.discord.write(table.thread(), "all", None);
    table.answered(asked.id, "all · Ada").await;
    table.discord.finish();
}

#[tokio::test]
async fn no_session_is_begun_when_discord_allows_no_more() {
    let discord = Discord::start().await;
    discord.world().desk.sessions_left = (3, Duration::from_hours(1));
    let (sender, _inbound) = mpsc::channel(16);
    let chat = Chatting::connect(discord.config(), Arc::new(Templates::builtin()), sender).await.unwrap();
    // It asks when it connects and before it greets; then it rests.
    let asked = |world: &crate::fakes::discord::World| {
        (world.requests.iter().filter(|line| *line == "GET /gateway/bot").count() >= 2).then_some(())
    };
    discord.until("a second look at the limit", asked).await;
    chat.close().await;
    assert_eq!(discord.world().desk.identified, 0);
}
