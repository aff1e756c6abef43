//! Discord's limits, each reached, and what becomes of what is more. Those that no message of this bot can reach are held by the
//! local Discord all the same: five rows (a question has two), and 6000 characters of embeds (it sends none).

use super::delivery::{another, said};
use super::*;
use firstcheck::runbook::{AnswerLabel, Question};

stories! {
    commands_that_discord_takes_no_more_today_are_registered_later
    a_channel_that_takes_no_more_writes_is_told_with_its_time_and_others_go_on
    an_old_head_that_was_edited_too_often_holds_up_no_other
    an_old_head_is_edited_when_it_may_be
    a_menu_holds_twenty_five_and_shortens_what_is_longer_than_a_hundred
    a_button_has_eighty_characters_and_an_id_of_a_hundred
    a_form_brings_four_thousand_characters
    a_question_of_any_length_is_asked_in_parts
    a_file_that_is_too_large_for_discord_is_said_in_messages
}

async fn commands_that_discord_takes_no_more_today_are_registered_later(discord: Discord) {
    discord.world().created = 197;
    let table = Table::laid(discord).await;
    assert!(
        table.discord.world().commands.is_empty(),
        "four more are one too many, and threads open all the same"
    );
    table.discord.world().created = 196;
    let registered =
        |world: &crate::fakes::discord::World| (world.commands.len() == 4).then_some(world.created);
    assert_eq!(table.discord.until("the commands", registered).await, 200);
    table.discord.finish();
}

async fn a_channel_that_takes_no_more_writes_is_told_with_its_time_and_others_go_on(discord: Discord) {
    let table = Table::laid(discord).await;
    let other = another(&table).await;
    let request = format!("POST /channels/{}/messages", table.thread());
    table.discord.fault(&request, Fault::LimitedBy { code: 20028, retry_after: 60.5 });
    for nonce in ["n1", "n2"] {
        let full = table.chat.say(&table.incident(), &said("a"), nonce).await.unwrap_err();
        assert!(matches!(full.retry, Retry::After(wait) if wait > Duration::from_secs(50)), "{full:?}");
    }
    let sent = table.discord.world().requests.iter().filter(|line| **line == request).count();
    assert_eq!(sent, 1, "nothing was sent into the limit");
    table.chat.say(&other, &said("b"), "n3").await.unwrap();
    table.discord.finish();
}

async fn an_old_head_that_was_edited_too_often_holds_up_no_other(discord: Discord) {
    let table = Table::laid(discord).await;
    let mut other = another(&table).await;
    let head = table.thread();
    let request = format!("PATCH /channels/{CHANNEL}/messages/{head}");
    table.discord.fault(&request, Fault::LimitedBy { code: 30046, retry_after: 60.0 });
    let asked = |question| Event::QuestionAsked { question, because: String::new() };
    table.record(asked(QuestionId::ErrorOrigin));
    table.discord.until("an edit", |world| world.requests.contains(&request).then_some(())).await;
    other.record(asked(QuestionId::TokenState), firstcheck::clock::now());
    table.chat.show(&other);
    let edited = table.discord.message_with(CHANNEL, "waiting for `token_state`").await;
    assert_ne!(edited.id, head);
    assert_eq!(table.discord.world().messages[&head].edits, 0, "it waits for its time");
    table.discord.finish();
}

async fn an_old_head_is_edited_when_it_may_be(discord: Discord) {
    let table = Table::laid(discord).await;
    let request = format!("PATCH /channels/{CHANNEL}/messages/");
    for _ in 0..2 {
        table.discord.fault(&request, Fault::LimitedBy { code: 30046, retry_after: 0.1 });
    }
    table.record(Event::QuestionAsked { question: QuestionId::ErrorOrigin, because: String::new() });
    let head = table.discord.message_with(CHANNEL, "waiting for `error_origin`").await;
    assert_eq!((head.id, head.edits), (table.thread(), 1));
    table.discord.finish();
}

/// A shipped question with other answers: more and longer than any that is shipped.
fn question(id: QuestionId, answers: impl Iterator<Item = String>) -> Question {
    let label = "é".repeat(300);
    let answers = answers.map(|id| AnswerLabel { id, label: label.clone() }).collect();
    Question { answers, ..Knowledge::builtin().question(id).clone() }
}

async fn put(table: &Table, question: &Question) -> Posted {
    table.chat.ask(&table.incident(), question, "it is long", "n").await.unwrap();
    table.discord.message_with(table.thread(), "it is long").await
}

async fn a_menu_holds_twenty_five_and_shortens_what_is_longer_than_a_hundred(discord: Discord) {
    let table = Table::laid(discord).await;
    let answers = (0..24).map(|place| format!("{place:02}{}", "x".repeat(98)));
    let asked = put(&table, &question(QuestionId::ChangeAtStart, answers)).await;
    let menu = &asked.components[0]["components"][0];
    let options = menu["options"].as_array().unwrap();
    assert_eq!((options.len(), &menu["max_values"]), (25, &json!(25)));
    for option in &options[..24] {
        let label = option["label"].as_str().unwrap();
        assert_eq!((label.chars().count(), label.ends_with('…')), (100, true));
        assert_eq!(option["value"].as_str().unwrap().chars().count(), 100, "an answer is never cut");
    }
    table.discord.finish();
}

async fn a_button_has_eighty_characters_and_an_id_of_a_hundred(discord: Discord) {
    let table = Table::laid(discord).await;
    let begins = format!("fc|{}|{}|", table.incident().id, QuestionId::EndpointScope);
    let answers = (0..4).map(|place| format!("{place}{}", "x".repeat(99 - begins.chars().count())));
    let asked = put(&table, &question(QuestionId::EndpointScope, answers)).await;
    let buttons = asked.components[0]["components"].as_array().unwrap();
    assert_eq!(buttons.len(), 5, "a row is full");
    for button in &buttons[..4] {
        let count = |field: &str| button[field].as_str().unwrap().chars().count();
        assert_eq!((count("label"), count("custom_id")), (80, 100));
    }
    table.discord.finish();
}

async fn a_form_brings_four_thousand_characters(discord: Discord) {
    let table = Table::laid(discord).await;
    let asked = table.ask(QuestionId::FailingRequest).await;
    let id = id_ending(&asked, "|…");
    let click = table.discord.click(&asked, &id, &[]);
    let form = table.discord.until("a form", |world| world.interactions[&click].callback.clone()).await;
    assert_eq!(form["data"]["components"][0]["components"][0]["max_length"], 4000);
    let words = format!("curl https://orders.example.com/{}", "é".repeat(3968));
    assert_eq!(words.chars().count(), 4000);
    table.discord.fill_in(table.thread(), &id, &words);
    let shown = table.answered(asked.id, "… · Ada").await;
    assert!(shown.content.chars().count() < 1000, "the message shows its beginning");
    assert_eq!(table.answer(QuestionId::FailingRequest), Some(Answer::Text(words)), "all of it is kept");
    table.discord.finish();
}

async fn a_question_of_any_length_is_asked_in_parts(discord: Discord) {
    let table = Table::laid(discord).await;
    let reasons: Vec<String> = (0..600).map(|place| format!("reason{place}")).collect();
    let because = reasons.join(" ") + " at last";
    let question = QuestionId::EndpointScope;
    table.record(Event::QuestionAsked { question, because: because.clone() });
    table.chat.ask(&table.incident(), table.knowledge.question(question), &because, "n").await.unwrap();
    let last = table.discord.message_with(table.thread(), "at last").await;
    let said: Vec<Posted> = {
        let world = table.discord.world();
        world.messages.values().filter(|it| it.channel == table.thread()).cloned().collect()
    };
    let all: String = said.iter().map(|it| it.content.as_str()).collect();
    assert!(said.len() > 2 && (0..600).all(|place| all.contains(&format!("reason{place}"))), "{all}");
    assert!(said.iter().all(|it| ids(it).is_empty() == (it.id != last.id)), "the last one has the buttons");
    table.discord.click(&last, &id_ending(&last, "|all"), &[]);
    table.answered(last.id, "all · Ada").await;
    table.discord.finish();
}

async fn a_file_that_is_too_large_for_discord_is_said_in_messages(discord: Discord) {
    let table = Table::laid(discord).await;
    let words = (0..2000).map(|place| format!("word{place}")).collect::<Vec<_>>().join(" ");
    let request = format!("POST /channels/{}/messages", table.thread());
    table.discord.fault(&request, Fault::Refusal { status: 413, code: 40005 });
    table.chat.say(&table.incident(), &said(&words), "n").await.unwrap();
    let all: Vec<String> = {
        let world = table.discord.world();
        world
            .messages
            .values()
            .filter(|it| it.channel == table.thread())
            .map(|it| it.content.clone())
            .collect()
    };
    let all = all.join(" ") + " ";
    assert!((0..2000).all(|place| all.contains(&format!("word{place} "))), "{all}");
    table.discord.finish();
}

#[tokio::test]
async fn a_click_that_discord_gave_up_on_counts_all_the_same() {
    let table = Table::laid(Discord::start().await).await;
    let asked = table.ask(QuestionId::EndpointScope).await;
    table.discord.fault("POST /interactions/", Fault::Refusal { status: 404, code: 10062 });
    table.discord.click(&asked, &id_ending(&asked, "|several"), &[]);
    table.answered(asked.id, "several · Ada").await;
    assert_eq!(table.answer(QuestionId::EndpointScope), Some(Answer::Picked(vec!["several".into()])));
}
