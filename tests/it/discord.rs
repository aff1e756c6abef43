//! The Discord chat through the real serenity, against a Discord on loopback.
//!
//! Each story is told twice: once judged by the limits we know by heart (in every `cargo test`), once by Discord's own
//! description too, which lies outside the repository.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on ends there, at the line that says why")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use firstcheck::alert::{Alert, IncidentKey, Severity};
use firstcheck::chat::discord::{Config, Discord as Chatting};
use firstcheck::chat::{Chat, Inbound, Start, Which};
use firstcheck::incident::{Event, Incident, IncidentId, Retry};
use firstcheck::profile::ServiceProfile;
use firstcheck::question::{Answer, QuestionId};
use firstcheck::runbook::Knowledge;
use firstcheck::template::Templates;
use firstcheck::triage::Note;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::mpsc;

use crate::fakes::discord::{CHANNEL, Discord, Fault, Posted, ROLE};

/// Each story, by heart and by the description.
macro_rules! stories {
    ($($name:ident)*) => {
        mod by_heart {
            $(#[tokio::test] async fn $name() { super::$name(crate::fakes::discord::Discord::start().await).await; })*
        }
        mod by_description {
            $(#[tokio::test] #[ignore = "needs ../shared"] async fn $name() {
                super::$name(crate::fakes::discord::Discord::described().await).await;
            })*
        }
    };
}

mod delivery;
mod gateway;
mod limits;
mod threads;

stories! {
    the_command_is_registered_once
    an_incident_gets_one_thread_and_calls_the_role_once
    a_click_answers_and_the_question_says_who
    several_answers_are_picked_from_a_menu
    a_form_brings_words
    words_in_the_thread_answer
    what_is_no_answer_is_told_to_the_person_alone
    an_incident_is_started_asked_for_and_listed_by_command
    a_long_rate_limit_is_told_with_its_time_and_nothing_is_sent_meanwhile
    a_message_whose_answer_was_lost_is_not_posted_twice
    a_discord_that_is_down_is_tried_again
    a_click_is_acknowledged_while_the_app_still_thinks
    the_head_is_edited_in_place_and_not_for_every_event
    an_archived_thread_is_opened_again_for_an_edit
    a_missing_permission_is_named_and_not_tried_again
    what_was_written_while_the_gateway_was_away_is_read_afterwards
    a_restarted_bot_finds_its_questions_again
}

/// A bot at a Discord, with one incident and somebody who writes down the answers.
struct Table {
    discord: Discord,
    chat: Chat,
    incident: Arc<Mutex<Incident>>,
    knowledge: Knowledge,
}

fn incident() -> Incident {
    let mut incident = Incident::new(IncidentId::from_seed(0x1_2345_6789_abcd));
    let profile = ServiceProfile { name: "orders-api".into(), ..ServiceProfile::default() };
    incident.record(Event::Opened { key: IncidentKey("k".into()), profile }, Timestamp::UNIX_EPOCH);
    let mut alert = Alert::titled("alertmanager", "High 502 rate on /v1/orders");
    alert.severity = Severity::Critical;
    alert.http_status = Some(502);
    incident.record(Event::AlertReceived { alert }, firstcheck::clock::now());
    incident
}

async fn connect(discord: &Discord) -> (Chatting, mpsc::Receiver<Inbound>) {
    connect_with(discord.config()).await
}

async fn connect_with(config: Config) -> (Chatting, mpsc::Receiver<Inbound>) {
    let (sender, inbound) = mpsc::channel(16);
    let chat = Chatting::connect(config, Arc::new(Templates::builtin()), sender).await.unwrap();
    chat.connected().await;
    (chat, inbound)
}

impl Table {
    /// A table whose incident has its thread already.
    async fn laid(discord: Discord) -> Self {
        let table = Self::of(discord, incident()).await;
        let incident = table.incident();
        let thread = table.chat.open_thread(&incident).await.unwrap();
        table.record(Event::ThreadOpened { thread });
        table
    }

    async fn of(discord: Discord, incident: Incident) -> Self {
        let config = discord.config();
        Self::with(discord, incident, config).await
    }

    async fn with(discord: Discord, incident: Incident, config: Config) -> Self {
        let (chat, mut inbound) = connect_with(config).await;
        let chat = Chat::Discord(chat);
        let incident = Arc::new(Mutex::new(incident));
        let table = Self {
            discord,
            chat: chat.clone(),
            incident: Arc::clone(&incident),
            knowledge: Knowledge::builtin(),
        };
        tokio::spawn(async move {
            while let Some(message) = inbound.recv().await {
                write_down(&chat, &incident, message);
            }
        });
        table
    }

    fn incident(&self) -> Incident {
        self.incident.lock().unwrap().clone()
    }

    fn thread(&self) -> u64 {
        self.incident().thread.unwrap().parse().unwrap()
    }

    fn record(&self, event: Event) {
        self.incident.lock().unwrap().record(event, firstcheck::clock::now());
        self.chat.show(&self.incident());
    }

    /// Asks, and waits for the question's message.
    async fn ask(&self, question: QuestionId) -> Posted {
        let place = QuestionId::ALL.iter().position(|it| *it == question).unwrap();
        let because = format!("it tells fault {place} from the others");
        self.record(Event::QuestionAsked { question, because: because.clone() });
        let asked = self.knowledge.question(question);
        self.chat.ask(&self.incident(), asked, &because, &format!("ask-{question}")).await.unwrap();
        self.discord.message_with(self.thread(), &because).await
    }

    /// Waits until this question's message says who answered; until it is clear, the answer can be changed.
    async fn answered(&self, message: u64, words: &str) -> Posted {
        let says = |posted: &&Posted| posted.content.contains(words);
        let asked =
            self.discord.until(words, |world| world.messages.get(&message).filter(says).cloned()).await;
        assert!(!ids(&asked).is_empty(), "the answer can still be changed");
        asked
    }

    fn answer(&self, question: QuestionId) -> Option<Answer> {
        self.incident().answer(question).cloned()
    }
}

/// What an app does with what people do, as far as these stories need it.
fn write_down(chat: &Chat, incident: &Mutex<Incident>, message: Inbound) {
    let mut incident = incident.lock().unwrap();
    match message {
        Inbound::Answer { question, reply, by, respond, .. } => {
            let verdict = match Answer::parse(question, &reply) {
                Ok(answer) => {
                    incident.record(Event::AnswerGiven { question, answer, by }, firstcheck::clock::now());
                    Ok(())
                }
                Err(why) => Err(why.to_string()),
            };
            respond.send(verdict).unwrap();
        }
        Inbound::Start { start, by, respond, .. } => {
            assert_eq!(by, "Ada");
            assert_eq!(
                start,
                Start { service: Some("orders".into()), status: Some(502), ..Start::default() }
            );
            respond.send(Ok(incident.id.clone())).unwrap();
        }
        Inbound::Status { which, respond } => {
            let found = match &which {
                Which::Id(id) => *id == incident.id,
                Which::Thread(thread) => incident.thread.as_ref() == Some(thread),
            };
            respond.send(found.then(|| Arc::new(incident.clone()))).unwrap();
        }
        Inbound::Say { said, by, reason, respond, .. } => {
            incident.record(said.event(by, reason), Timestamp::UNIX_EPOCH);
            respond.send(Ok(incident.id.clone())).unwrap();
        }
        Inbound::Moved { thread, respond, .. } => {
            incident.record(Event::ThreadOpened { thread }, firstcheck::clock::now());
            respond.send(()).unwrap();
        }
        Inbound::List { respond } => respond.send(vec![Arc::new(incident.clone())]).unwrap(),
        other => panic!("these stories need no {other:?}"),
    }
    chat.show(&incident);
}

/// The custom ids of a message's components, in order.
fn ids(posted: &Posted) -> Vec<String> {
    let rows = posted.components.as_array().into_iter().flatten();
    let components = rows.flat_map(|row| row["components"].as_array().into_iter().flatten());
    components.map(|component| component["custom_id"].as_str().unwrap().to_owned()).collect()
}

fn id_ending(posted: &Posted, end: &str) -> String {
    ids(posted).into_iter().find(|id| id.ends_with(end)).unwrap()
}

async fn the_command_is_registered_once(discord: Discord) {
    connect(&discord).await.0.close().await;
    connect(&discord).await.0.close().await;
    assert_eq!(discord.world().commands.len(), 4);
    let puts = discord.world().requests.iter().filter(|line| line.starts_with("PUT ")).count();
    assert_eq!(puts, 1);
    discord.finish();
}

async fn an_incident_gets_one_thread_and_calls_the_role_once(discord: Discord) {
    let table = Table::of(discord, incident()).await;
    let thread = table.chat.open_thread(&table.incident()).await.unwrap();
    assert_eq!(table.chat.open_thread(&table.incident()).await.unwrap(), thread);
    table.record(Event::ThreadOpened { thread });
    {
        let world = table.discord.world();
        let heads: Vec<&Posted> = world.messages.values().filter(|it| it.channel == CHANNEL).collect();
        assert_eq!(heads.len(), 1);
        assert_eq!(heads[0].notified, [ROLE]);
        assert!(heads[0].content.contains("High 502 rate"), "{}", heads[0].content);
        assert!(world.threads[&table.thread()].name.contains("High 502 rate"));
    }
    table.discord.finish();
}

async fn a_click_answers_and_the_question_says_who(discord: Discord) {
    let table = Table::laid(discord).await;
    let asked = table.ask(QuestionId::EndpointScope).await;
    assert_eq!(ids(&asked).len(), 5, "three answers, unknown, and somebody else");
    let click = table.discord.click(&asked, &id_ending(&asked, "|several"), &[]);
    table.answered(asked.id, "several · Ada").await;
    assert_eq!(table.answer(QuestionId::EndpointScope), Some(Answer::Picked(vec!["several".into()])));
    assert_eq!(table.discord.world().interactions[&click].callback.as_ref().unwrap()["type"], 6);
    table.discord.finish();
}

async fn several_answers_are_picked_from_a_menu(discord: Discord) {
    let table = Table::laid(discord).await;
    let asked = table.ask(QuestionId::ChangeAtStart).await;
    table.discord.click(&asked, &id_ending(&asked, "|*"), &["deploy", "config"]);
    table.answered(asked.id, "deploy, config · Ada").await;
    table.discord.finish();
}

async fn a_form_brings_words(discord: Discord) {
    let table = Table::laid(discord).await;
    let asked = table.ask(QuestionId::FailingRequest).await;
    let id = id_ending(&asked, "|…");
    let click = table.discord.click(&asked, &id, &[]);
    let form = table.discord.until("a form", |world| world.interactions[&click].callback.clone()).await;
    assert_eq!((&form["type"], &form["data"]["custom_id"]), (&json!(9), &json!(id)));
    table.discord.fill_in(table.thread(), &id, "curl https://orders.example.com/v1/orders");
    table.answered(asked.id, "Ada").await;
    assert!(
        matches!(table.answer(QuestionId::FailingRequest), Some(Answer::Text(text)) if text.starts_with("curl "))
    );
    table.discord.finish();
}

async fn words_in_the_thread_answer(discord: Discord) {
    let table = Table::laid(discord).await;
    let first = table.ask(QuestionId::LatencyFirst).await;
    let second = table.ask(QuestionId::FailingRequest).await;
    table.discord.write(table.thread(), "looking at the graphs now", None);
    table.discord.write(table.thread(), "yes", None);
    table.answered(first.id, "yes · Ada").await;
    table.discord.write(table.thread(), "GET /v1/orders with no body", Some(second.id));
    table.answered(second.id, "Ada").await;
    table.discord.finish();
}

async fn what_is_no_answer_is_told_to_the_person_alone(discord: Discord) {
    let table = Table::laid(discord).await;
    let asked = table.ask(QuestionId::EndpointScope).await;
    let forged = id_ending(&asked, "|one").replace("|one", "|perhaps");
    let click = table.discord.click(&asked, &forged, &[]);
    assert!(table.discord.told(click).await.contains("`perhaps` is no answer"));
    assert_eq!(table.discord.world().interactions[&click].followups[0]["flags"], 64, "told to one person");
    table.discord.write(table.thread(), "hm", Some(asked.id));
    table.discord.message_with(table.thread(), "`hm` is no answer").await;
    table.discord.finish();
}

async fn an_incident_is_started_asked_for_and_listed_by_command(discord: Discord) {
    let table = Table::laid(discord).await;
    let options = json!([{"name": "start", "type": 1, "options": [
        {"name": "service", "type": 3, "value": "orders"}, {"name": "status", "type": 4, "value": 502}]}]);
    let started = table.discord.command(CHANNEL, &options);
    assert!(table.discord.told(started).await.contains(table.incident().id.as_str()));
    let status = json!([{"name": "status", "type": 1, "options": []}]);
    let here = table.discord.command(table.thread(), &status);
    assert!(table.discord.told(here).await.contains("High 502 rate"));
    let elsewhere = table.discord.command(CHANNEL, &status);
    assert!(table.discord.told(elsewhere).await.contains("No such incident"));
    let list = table.discord.command(CHANNEL, &json!([{"name": "list", "type": 1, "options": []}]));
    assert!(table.discord.told(list).await.contains("triaging"));
    let nothing = table.discord.command(CHANNEL, &json!([{"name": "start", "type": 1, "options": []}]));
    assert!(table.discord.told(nothing).await.contains("at least a service"));
    table.discord.finish();
}

async fn a_long_rate_limit_is_told_with_its_time_and_nothing_is_sent_meanwhile(discord: Discord) {
    let table = Table::laid(discord).await;
    let note = Note::Closed { by: "Ada".into(), reason: None };
    let request = format!("POST /channels/{}/messages", table.thread());
    table.discord.fault(&request, Fault::Limited { retry_after: 0.25, global: false });
    let short = table.chat.say(&table.incident(), &note, "n1").await.unwrap_err();
    assert_eq!(short.retry, Retry::After(Duration::from_millis(250)));
    table.chat.say(&table.incident(), &note, "n1").await.unwrap();
    table.discord.fault(&request, Fault::Limited { retry_after: 60.5, global: false });
    let long = table.chat.say(&table.incident(), &note, "n2").await.unwrap_err();
    assert_eq!(long.retry, Retry::After(Duration::from_millis(60_500)));
    let sent = || table.discord.world().requests.iter().filter(|line| **line == request).count();
    let before = sent();
    let still = table.chat.say(&table.incident(), &note, "n2").await.unwrap_err();
    assert!(matches!(still.retry, Retry::After(wait) if wait <= Duration::from_millis(60_500)), "{still:?}");
    assert_eq!(sent(), before, "nothing was sent into the limit");
    table.discord.finish();
}

async fn a_message_whose_answer_was_lost_is_not_posted_twice(discord: Discord) {
    let table = Table::laid(discord).await;
    let note = Note::Closed { by: "Ada".into(), reason: None };
    table.discord.fault(&format!("POST /channels/{}/messages", table.thread()), Fault::DoneThen(502));
    let lost = table.chat.say(&table.incident(), &note, "n1").await.unwrap_err();
    assert!(matches!(lost.retry, Retry::After(_)), "{lost:?}");
    table.chat.say(&table.incident(), &note, "n1").await.unwrap();
    let said =
        table.discord.world().messages.values().filter(|it| it.content.contains("Closed by Ada")).count();
    assert_eq!(said, 1);
    table.discord.finish();
}

async fn a_discord_that_is_down_is_tried_again(discord: Discord) {
    let table = Table::of(discord, incident()).await;
    table.discord.fault(&format!("POST /channels/{CHANNEL}/messages"), Fault::Status(503));
    let down = table.chat.open_thread(&table.incident()).await.unwrap_err();
    assert!(matches!(down.retry, Retry::After(_)), "{down:?}");
    table.chat.open_thread(&table.incident()).await.unwrap();
    table.discord.finish();
}

async fn a_click_is_acknowledged_while_the_app_still_thinks(discord: Discord) {
    let (chat, mut inbound) = connect(&discord).await;
    let chat = Chat::Discord(chat);
    let mut incident = incident();
    incident.thread = Some(chat.open_thread(&incident).await.unwrap());
    let question = Knowledge::builtin().question(QuestionId::EndpointScope).clone();
    chat.ask(&incident, &question, "it matters", "n").await.unwrap();
    let asked = discord.message_with(incident.thread.unwrap().parse().unwrap(), "it matters").await;
    let click = discord.click(&asked, &id_ending(&asked, "|all"), &[]);
    discord.until("an acknowledgement", |world| world.interactions[&click].callback.clone()).await;
    let Some(Inbound::Answer { respond, .. }) = inbound.recv().await else { panic!("an answer comes") };
    drop(respond);
    assert!(discord.told(click).await.contains("The bot is stopping"));
    discord.finish();
}

async fn the_head_is_edited_in_place_and_not_for_every_event(discord: Discord) {
    let table = Table::laid(discord).await;
    for question in
        [QuestionId::EndpointScope, QuestionId::LatencyFirst, QuestionId::TokenState, QuestionId::ErrorOrigin]
    {
        table.record(Event::QuestionAsked { question, because: String::new() });
    }
    let head = table.discord.message_with(CHANNEL, "waiting for `error_origin`").await;
    assert_eq!(head.id, table.thread(), "the thread's id is its head's");
    assert!((1..=2).contains(&head.edits), "{} edits", head.edits);
    table.discord.finish();
}

async fn an_archived_thread_is_opened_again_for_an_edit(discord: Discord) {
    let table = Table::laid(discord).await;
    let asked = table.ask(QuestionId::EndpointScope).await;
    table.discord.world().threads.get_mut(&table.thread()).unwrap().archived = true;
    table.discord.fault("PATCH /channels/", Fault::Refusal { status: 400, code: 50083 });
    table.discord.click(&asked, &id_ending(&asked, "|all"), &[]);
    table.answered(asked.id, "all · Ada").await;
    assert!(!table.discord.world().threads[&table.thread()].archived);
}

async fn a_missing_permission_is_named_and_not_tried_again(discord: Discord) {
    let table = Table::laid(discord).await;
    table.discord.fault("POST /channels/", Fault::Refusal { status: 403, code: 50013 });
    let error = table
        .chat
        .say(&table.incident(), &Note::Closed { by: "Ada".into(), reason: None }, "n")
        .await
        .unwrap_err();
    assert_eq!(error.retry, Retry::Never);
    assert!(error.reason.contains("Send Messages in Threads"), "{error}");
    table.discord.finish();
}

async fn what_was_written_while_the_gateway_was_away_is_read_afterwards(discord: Discord) {
    let table = Table::laid(discord).await;
    let asked = table.ask(QuestionId::EndpointScope).await;
    table.discord.forget_sessions();
    table.discord.hang_up(4000);
    table.discord.write(table.thread(), "all", None);
    table.discord.until("a second greeting", |world| (world.desk.identified >= 2).then_some(())).await;
    table.answered(asked.id, "all · Ada").await;
    table.discord.finish();
}

async fn a_restarted_bot_finds_its_questions_again(discord: Discord) {
    let table = Table::laid(discord).await;
    let asked = table.ask(QuestionId::EndpointScope).await;
    let Chat::Discord(chat) = &table.chat else { unreachable!() };
    chat.close().await;
    let again = Table::of(table.discord.clone(), table.incident()).await;
    again.chat.show(&again.incident());
    again.discord.click(&asked, &id_ending(&asked, "|one"), &[]);
    again.answered(asked.id, "one · Ada").await;
    again.discord.finish();
}

#[tokio::test]
async fn a_refused_token_is_told_and_nothing_more_is_sent() {
    let discord = Discord::start().await;
    let (sender, _inbound) = mpsc::channel(1);
    let config = firstcheck::chat::discord::Config { token: "wrong".into(), ..discord.config() };
    let error = Chatting::connect(config, Arc::new(Templates::builtin()), sender).await.unwrap_err();
    assert_eq!(error.retry, Retry::Never);
    assert!(error.reason.contains("token"), "{error}");
    assert_eq!(discord.world().requests.len(), 1);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_counted() {
    let discord = Discord::start().await;
    let (chat, _inbound) = connect(&discord).await;
    discord.dispatch("INTERACTION_CREATE", &json!({"type": 99}));
    discord.write(CHANNEL, "something readable afterwards", None);
    let counted = async {
        while chat.unread_events() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), counted).await.expect("it is counted");
    let counted = ("firstcheck_chat_unread_events_total", "chat=\"discord\"".to_owned(), 1);
    assert!(chat.counters().contains(&counted), "{:?}", chat.counters());
}
