//! How messages come to Discord: within its limits, in order, once, and one slow channel apart from the others.

use std::sync::Arc;

use tokio::sync::Notify;

use super::*;
use firstcheck::bucket::Bucket;
use firstcheck::incident::{Conclusion, Step, Stopped};
use firstcheck::outcome::{CheckKind, Outcome, Report, Role};

stories! {
    long_words_are_said_in_parts_and_in_order
    words_without_end_are_attached
    a_text_larger_than_a_file_is_several
    pictures_come_with_the_conclusion_once
    words_come_without_pictures_where_files_are_not_allowed
    a_slow_channel_does_not_delay_another
    limits_are_obeyed_before_discord_has_to_say_so
    a_global_limit_holds_every_channel
    a_limit_without_words_is_read_from_its_header
    what_is_forbidden_is_not_sent_again
    a_token_refused_later_stops_everything
    a_restart_edits_nothing_that_is_so_already
}

pub(super) fn said(reason: &str) -> Note {
    Note::Refused { reason: reason.to_owned() }
}

/// What the bot wrote into a channel, in order.
fn texts(discord: &Discord, channel: u64) -> Vec<String> {
    let world = discord.world();
    world.messages.values().filter(|it| it.channel == channel).map(|it| it.content.clone()).collect()
}

fn conclude(incident: &mut Incident) {
    let step = Step {
        check: CheckKind::Http,
        role: Role::Service,
        name: None,
        target: "https://orders.example.com".into(),
        with: std::collections::BTreeMap::new(),
    };
    let key = step.key();
    let mut report = Report::error(CheckKind::Http, "https://orders.example.com", "no answer in 5 s");
    report.outcome = Outcome::Timeout;
    report.took_ms = 5000.0;
    report.phases_ms = [("dns", 12.0), ("connect", 20.0)].map(|(id, took)| (id.to_owned(), took)).into();
    let conclusion = Conclusion {
        stopped: Stopped::Clarity,
        bucket: Bucket::Upstream,
        probability: 0.93,
        runner_up: Bucket::Server,
        buckets: [(Bucket::Upstream, 0.93), (Bucket::Server, 0.07)].into(),
        hypotheses: Vec::new(),
        next_experiment: "Ask once more.".into(),
        reasons: Vec::new(),
        ruled_out: Vec::new(),
        missing: Vec::new(),
        dependency: None,
        runbooks: "0123456789abcdef".into(),
        runbook: None,
        escalate: Vec::new(),
        mitigate: Vec::new(),
    };
    for event in [
        Event::ChecksPlanned { steps: vec![step] },
        Event::CheckReported { step: key, report },
        Event::Concluded { conclusion },
    ] {
        incident.record(event, firstcheck::clock::now());
    }
}

async fn long_words_are_said_in_parts_and_in_order(discord: Discord) {
    let table = Table::laid(discord).await;
    let line = |place| format!("line {place} with some words in it, as logs have them");
    let lines = (0..120).map(line).collect::<Vec<_>>().join(
        "
",
    );
    table.chat.say(&table.incident(), &said(&lines), "n").await.unwrap();
    let texts = texts(&table.discord, table.thread());
    assert!((2..=4).contains(&texts.len()), "{} messages", texts.len());
    let all = texts.join("\n");
    let places: Vec<usize> =
        (0..120).map(|place| all.find(&format!("line {place} with")).expect("no line is lost")).collect();
    assert!(places.is_sorted());
    table.discord.finish();
}

async fn words_without_end_are_attached(discord: Discord) {
    let table = Table::laid(discord).await;
    let words = "words without end ".repeat(3000);
    table.chat.say(&table.incident(), &said(&words), "n").await.unwrap();
    let posted = table.discord.message_with(table.thread(), "the whole text is attached").await;
    let file = &posted.files[0];
    assert_eq!((file.name.as_str(), file.alt.as_str()), ("text.md", "The whole text of this message."));
    assert!(file.size >= words.trim().len(), "{} bytes", file.size);
    table.discord.finish();
}

async fn a_text_larger_than_a_file_is_several(discord: Discord) {
    let table = Table::laid(discord).await;
    let size = (10 << 20) + 1000;
    table.chat.say(&table.incident(), &said(&"x".repeat(size)), "n").await.unwrap();
    let posted = table.discord.message_with(table.thread(), "the whole text is attached").await;
    assert_eq!(
        posted.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(),
        ["text-1.md", "text-2.md"]
    );
    assert_eq!(posted.files[0].size, 10 << 20, "Discord's limit is reached");
    assert!(posted.files.iter().map(|file| file.size).sum::<usize>() >= size);
    table.discord.finish();
}

async fn pictures_come_with_the_conclusion_once(discord: Discord) {
    let mut told = incident();
    conclude(&mut told);
    let table = Table::of(discord, told).await;
    let thread = table.chat.open_thread(&table.incident()).await.unwrap();
    table.record(Event::ThreadOpened { thread });
    for _ in 0..2 {
        table.chat.say(&table.incident(), &Note::Concluded, "n").await.unwrap();
    }
    let posted = table.discord.message_with(table.thread(), "Clear: upstream").await;
    assert_eq!(texts(&table.discord, table.thread()).len(), 1);
    let names: Vec<&str> = posted.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["waterfall.png", "timeline.png"]);
    assert!(
        posted.files.iter().all(|file| file.begins.starts_with(b"\x89PNG") && file.alt.contains("timeout"))
    );
    table.chat.say(&table.incident(), &Note::Changed { from: Bucket::Server }, "later").await.unwrap();
    let changed = table.discord.message_with(table.thread(), "A late observation").await;
    assert!(changed.files.is_empty());
    table.discord.finish();
}

async fn words_come_without_pictures_where_files_are_not_allowed(discord: Discord) {
    let mut told = incident();
    conclude(&mut told);
    let table = Table::of(discord, told).await;
    let thread = table.chat.open_thread(&table.incident()).await.unwrap();
    table.record(Event::ThreadOpened { thread });
    let request = format!("POST /channels/{}/messages", table.thread());
    table.discord.fault(&request, Fault::Refusal { status: 403, code: 50013 });
    table.chat.say(&table.incident(), &Note::Concluded, "n").await.unwrap();
    let posted = table.discord.message_with(table.thread(), "Clear: upstream").await;
    assert!(posted.files.is_empty() && posted.content.contains("lacks Attach Files"), "{}", posted.content);
    table.discord.finish();
}

/// Another incident's thread, of the same bot.
pub(super) async fn another(table: &Table) -> Incident {
    let mut other = incident();
    other.id = IncidentId::from_seed(0x7777);
    other.thread = Some(table.chat.open_thread(&other).await.unwrap());
    other
}

async fn a_slow_channel_does_not_delay_another(discord: Discord) {
    let table = Table::laid(discord).await;
    let other = another(&table).await;
    let held = Arc::new(Notify::new());
    let request = format!("POST /channels/{}/messages", table.thread());
    table.discord.fault(&request, Fault::Held(Arc::clone(&held)));
    let (chat, slow) = (table.chat.clone(), table.incident());
    let waiting = tokio::spawn(async move { chat.say(&slow, &said("slow"), "n1").await });
    table
        .discord
        .until("a request that waits", |world| world.requests.contains(&request).then_some(()))
        .await;
    table.chat.say(&other, &said("quick"), "n2").await.unwrap();
    assert_eq!(texts(&table.discord, table.thread()), Vec::<String>::new(), "the other went first");
    held.notify_one();
    waiting.await.unwrap().unwrap();
    table.discord.message_with(table.thread(), "slow").await;
    table.discord.finish();
}

async fn limits_are_obeyed_before_discord_has_to_say_so(discord: Discord) {
    let table = Table::laid(discord).await;
    table.discord.limit_routes(2, Duration::from_millis(200));
    let (chat, incident) = (table.chat.clone(), table.incident());
    let all = (0..7).map(|place| {
        let (chat, incident) = (chat.clone(), incident.clone());
        async move { chat.say(&incident, &said(&format!("note {place}")), &format!("n{place}")).await }
    });
    for said in futures_util::future::join_all(all).await {
        said.unwrap();
    }
    assert_eq!(texts(&table.discord, table.thread()).len(), 7);
    assert_eq!(table.discord.world().limited, 0, "no request was one too many");
    table.discord.finish();
}

async fn a_global_limit_holds_every_channel(discord: Discord) {
    let table = Table::laid(discord).await;
    let other = another(&table).await;
    let request = format!("POST /channels/{}/messages", table.thread());
    table.discord.fault(&request, Fault::Limited { retry_after: 60.0, global: true });
    table.chat.say(&table.incident(), &said("a"), "n1").await.unwrap_err();
    let before = table.discord.world().requests.len();
    let held = table.chat.say(&other, &said("b"), "n2").await.unwrap_err();
    assert!(matches!(held.retry, Retry::After(wait) if wait > Duration::from_secs(50)), "{held:?}");
    assert_eq!(table.discord.world().requests.len(), before, "nothing was sent");
    table.discord.finish();
}

async fn a_limit_without_words_is_read_from_its_header(discord: Discord) {
    let table = Table::laid(discord).await;
    table
        .discord
        .fault(&format!("POST /channels/{}/messages", table.thread()), Fault::LimitedInFront { seconds: 7 });
    let limited = table.chat.say(&table.incident(), &said("a"), "n1").await.unwrap_err();
    assert_eq!(limited.retry, Retry::After(Duration::from_secs(7)));
    table.discord.finish();
}

async fn what_is_forbidden_is_not_sent_again(discord: Discord) {
    let table = Table::laid(discord).await;
    let request = format!("POST /channels/{}/messages", table.thread());
    table.discord.fault(&request, Fault::Refusal { status: 403, code: 50013 });
    for nonce in ["n1", "n2"] {
        let refused = table.chat.say(&table.incident(), &said("a"), nonce).await.unwrap_err();
        assert_eq!(refused.retry, Retry::Never);
    }
    let sent = table.discord.world().requests.iter().filter(|line| **line == request).count();
    assert_eq!(sent, 1);
    table.discord.finish();
}

async fn a_token_refused_later_stops_everything(discord: Discord) {
    let table = Table::laid(discord).await;
    let other = another(&table).await;
    table.discord.fault(&format!("POST /channels/{}/messages", table.thread()), Fault::Status(401));
    table.chat.say(&table.incident(), &said("a"), "n1").await.unwrap_err();
    let before = table.discord.world().requests.len();
    let refused = table.chat.say(&other, &said("b"), "n2").await.unwrap_err();
    assert!(refused.retry == Retry::Never && refused.reason.contains("token"), "{refused:?}");
    assert_eq!(table.discord.world().requests.len(), before, "nothing was sent");
}

async fn a_restart_edits_nothing_that_is_so_already(discord: Discord) {
    let table = Table::laid(discord).await;
    let asked = table.ask(QuestionId::EndpointScope).await;
    table.discord.message_with(CHANNEL, "waiting for `endpoint_scope`").await;
    let Chat::Discord(chat) = &table.chat else { unreachable!() };
    chat.close().await;
    let edits =
        |discord: &Discord| discord.world().requests.iter().filter(|line| line.starts_with("PATCH")).count();
    let before = edits(&table.discord);
    let again = Table::of(table.discord.clone(), table.incident()).await;
    again.chat.show(&again.incident());
    again.discord.write(again.thread(), "one", None);
    again.answered(asked.id, "one · Ada").await;
    let head = again.discord.message_with(CHANNEL, "High 502 rate").await;
    assert!(edits(&again.discord) <= before + 2, "the answer, and the head that it changes: {head:?}");
    again.discord.finish();
}
