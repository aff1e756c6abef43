//! Commands, permissions, questions, and what people get wrong.

use std::collections::BTreeMap;

use firstcheck::chat::discord::Config;
use firstcheck::egress::Policy;
use firstcheck::permission::{Permissions, Verb, Who as Given};
use firstcheck::routing::Route;
use serde_json::json;

use super::desk::{Desk, id_ending};
use super::stories;
use crate::fakes::discord::people::{GUEST, ada, guest, text, typing, under};
use crate::fakes::discord::{CHANNEL, DIRECT, Discord, Fault, OTHER, Posted, ROLE, World};

stories! {
    an_incident_is_managed_by_command_from_its_thread
    a_check_runs_under_the_egress_policy_and_is_told_in_private
    runbooks_evidence_and_lists_are_read_by_command
    the_evidence_comes_as_a_file_or_in_messages_where_files_are_not_taken
    what_is_typed_is_completed_from_what_the_bot_knows
    whoever_may_not_is_refused_politely_and_in_private
    a_configuration_gives_verbs_to_roles_and_people_and_to_nobody_else
    words_in_a_thread_count_from_those_whose_clicks_do
    whoever_starts_an_incident_is_told_the_thread_that_its_route_chose
    somebody_else_is_asked_and_called_by_name
    an_answer_is_changed_until_clarity
    a_secret_in_a_form_is_taken_out_and_told_in_private
    a_secret_in_a_thread_is_told_in_a_direct_message_or_below_it
    a_small_paste_is_an_answer_and_a_large_one_is_refused_and_stays
    a_button_of_another_time_and_a_form_of_a_closed_incident_are_told_so
    another_bot_is_not_listened_to
    a_bot_whose_commands_cannot_be_registered_works_all_the_same
}

async fn an_incident_is_managed_by_command_from_its_thread(discord: Discord) {
    let desk = Desk::at(discord).await;
    let (id, thread, _) = desk.incident().await;
    let by_ada = |sub: &str, options: serde_json::Value| {
        let options = under(sub, &options);
        let desk = &desk;
        async move { desk.command(&ada(), thread, "incident", &options).await }
    };
    let assigned = by_ada("assign", json!([{"name": "to", "type": 6, "value": GUEST.to_string()}])).await;
    assert!(assigned.contains("is assigned to Grace"), "{assigned}");
    let called = desk.discord.message_with(thread, "this incident is yours").await;
    assert_eq!((called.notified, called.content.contains(&format!("<@{GUEST}>"))), (vec![GUEST], true));
    assert!(by_ada("snooze", json!([text("for", "2h")])).await.contains("asks nobody until"));
    assert!(by_ada("reopen", json!([])).await.contains("is open again"));
    assert!(by_ada("reclassify", json!([text("bucket", "auth")])).await.contains("was `auth`"));
    assert!(by_ada("file", json!([])).await.contains("is being filed"));
    desk.until(&id, "an issue", |it| it["issue"].is_string()).await;
    assert!(by_ada("close", json!([text("reason", "a test")])).await.contains("is closed"));
    let document = desk.until(&id, "the end", |it| it["state"] == "closed").await;
    assert_eq!((&document["bucket"], &document["assignee"]), (&json!("auth"), &json!("Grace")));
    assert!(document["timeline"].to_string().contains("closed (Ada): a test"), "{document:#}");
    let again = by_ada("assign", json!([{"name": "to", "type": 6, "value": GUEST.to_string()}])).await;
    assert!(again.contains("is assigned to Grace"), "said once is said: {again}");
    assert!(by_ada("snooze", json!([text("for", "2h")])).await.contains("reopen it first"));
    assert!(by_ada("reopen", json!([])).await.contains("is open again"), "its thread is known after its end");
    let elsewhere = desk.command(&ada(), CHANNEL, "incident", &under("close", &json!([]))).await;
    assert!(elsewhere.contains("no incident's thread"), "{elsewhere}");
    desk.finish().await;
}

async fn a_check_runs_under_the_egress_policy_and_is_told_in_private(discord: Discord) {
    let config = discord.config();
    let desk = Desk::with(discord, config, Policy::public_only()).await;
    let check = |target: &str, more: serde_json::Value| {
        let mut options = vec![text("kind", "tcp"), text("target", target)];
        options.extend(more.as_array().unwrap().clone());
        json!(options)
    };
    let options = check("127.0.0.1:1", json!([]));
    let typed = desk.discord.types(&ada(), CHANNEL, "check", &options);
    let told = desk.discord.told(typed).await;
    assert!(told.contains("127.0.0.1") && !told.contains("refused**"), "{told}");
    assert!(desk.is_private(typed).await);
    let file = json!([text("kind", "contract"), text("target", "/etc/passwd")]);
    assert!(desk.command(&ada(), CHANNEL, "check", &file).await.contains("only its own users may do"));
    let shared = check("nothing.invalid:443", json!([{"name": "share", "type": 5, "value": true}]));
    let typed = desk.discord.types(&ada(), CHANNEL, "check", &shared);
    assert!(desk.discord.told(typed).await.contains("unresolved"));
    assert!(!desk.is_private(typed).await);
    desk.finish().await;
}

async fn runbooks_evidence_and_lists_are_read_by_command(discord: Discord) {
    let desk = Desk::at(discord).await;
    let (id, thread, _) = desk.incident().await;
    let listed = desk.command(&guest(), CHANNEL, "triage", &under("list", &json!([]))).await;
    assert!(listed.contains(id.as_str()) && listed.contains(&format!("<#{thread}>")), "{listed}");
    let status = desk.command(&guest(), thread, "triage", &under("status", &json!([]))).await;
    assert!(status.contains(id.as_str()), "{status}");
    let table = desk.command(&guest(), CHANNEL, "runbook", &under("list", &json!([]))).await;
    assert!(table.contains("`rate_limit`"), "{table}");
    let page = desk
        .command(&guest(), CHANNEL, "runbook", &under("show", &json!([text("name", "rate-limit")])))
        .await;
    assert!(page.contains("checks: "), "{page}");
    let none =
        desk.command(&guest(), CHANNEL, "runbook", &under("show", &json!([text("name", "weather")]))).await;
    assert!(none.contains("no runbook or cause `weather`"), "{none}");
    desk.finish().await;
}

async fn the_evidence_comes_as_a_file_or_in_messages_where_files_are_not_taken(discord: Discord) {
    let desk = Desk::at(discord).await;
    let (id, thread, _) = desk.incident().await;
    let wanted = desk.app.evidence_markdown(&id).await.unwrap();
    let pack = desk.discord.types(&guest(), thread, "incident", &under("evidence", &json!([])));
    let told = desk.discord.told(pack).await;
    assert!(told.contains(id.as_str()) && told.chars().count() < 200, "{told}");
    let files = desk.discord.world().interactions[&pack].files.clone();
    assert_eq!((files.len(), files[0].name.clone()), (1, format!("evidence-{id}.md")));
    assert!(
        wanted.as_bytes().starts_with(&files[0].begins) && files[0].alt.contains(id.as_str()),
        "{files:?}"
    );
    // Where it is limited and takes no files, each in its turn, nothing is lost.
    desk.discord.fault("PATCH /webhooks/", Fault::Limited { retry_after: 1.6, global: false });
    desk.discord.fault("PATCH /webhooks/", Fault::Refusal { status: 403, code: 50013 });
    let pack = desk.discord.types(&guest(), thread, "incident", &under("evidence", &json!([])));
    let last = wanted.trim_end().lines().last().unwrap().trim_matches('`').to_owned();
    let whole = |world: &World| {
        let told = &world.interactions[&pack];
        let parts = told.followups.iter().map(|it| it["content"].as_str().unwrap().to_owned());
        let parts: Vec<String> = parts.collect();
        parts
            .concat()
            .contains(&last)
            .then(|| (told.original.clone().unwrap(), told.followups.clone(), parts))
    };
    let (first, followups, parts) = desk.discord.until("all of it", whole).await;
    assert!(first["content"].as_str().unwrap().contains("Attach Files"), "{first}");
    assert!(followups.iter().all(|it| it["flags"] == 64), "as private as the first");
    let begins = wanted.lines().next().unwrap();
    assert!(parts[0].contains(begins), "{parts:?}");
    desk.finish().await;
}

async fn what_is_typed_is_completed_from_what_the_bot_knows(discord: Discord) {
    let desk = Desk::at(discord).await;
    let (id, ..) = desk.incident().await;
    let is_typing = |name: &'static str, options: serde_json::Value| {
        let desk = &desk;
        async move { desk.discord.is_typing(&ada(), CHANNEL, name, &options).await }
    };
    let incidents = is_typing("incident", under("close", &json!([typing("incident", "mail")]))).await;
    assert_eq!(incidents, [id.as_str()]);
    assert_eq!(is_typing("triage", under("start", &json!([typing("service", "ord")]))).await, ["orders-api"]);
    let vendors = is_typing("check", json!([text("kind", "status_page"), typing("target", "git")])).await;
    assert!(vendors.contains(&"github".to_owned()) && vendors.len() <= 25, "{vendors:?}");
    let runbooks = is_typing("runbook", under("show", &json!([typing("name", "")]))).await;
    assert_eq!(runbooks.len(), 25, "no more than Discord shows");
    assert!(
        is_typing("incident", under("snooze", &json!([typing("for", "")]))).await.contains(&"4h".to_owned())
    );
    desk.finish().await;
}

async fn whoever_may_not_is_refused_politely_and_in_private(discord: Discord) {
    let desk = Desk::at(discord).await;
    let (id, thread, _) = desk.incident().await;
    for (name, options, verb) in [
        ("incident", under("close", &json!([])), "manage"),
        ("check", json!([text("kind", "dns"), text("target", "a.example")]), "check"),
    ] {
        let typed = desk.discord.types(&guest(), thread, name, &options);
        let told = desk.discord.told(typed).await;
        assert!(told.starts_with("Sorry") && told.contains(&format!("permissions.{verb}")), "{told}");
        assert!(desk.is_private(typed).await);
    }
    let document = desk.until(&id, "the incident", |_| true).await;
    assert_eq!(document["state"], "triaging");
    desk.finish().await;
}

async fn a_configuration_gives_verbs_to_roles_and_people_and_to_nobody_else(discord: Discord) {
    let only = |roles: &[u64], users: &[u64]| Given::Those {
        roles: roles.iter().copied().collect(),
        users: users.iter().copied().collect(),
    };
    let given = BTreeMap::from([
        (Verb::Start, Given::Everyone),
        (Verb::Answer, only(&[ROLE], &[])),
        (Verb::Manage, only(&[], &[GUEST])),
    ]);
    let config = Config { permissions: Permissions::Given(given), ..discord.config() };
    let desk = Desk::with(discord, config, Policy::public_only()).await;
    let (id, thread, asked) = desk.incident().await;
    let click = desk.discord.clicks(&guest(), &asked, &id_ending(&asked, "|unknown"));
    assert!(desk.discord.told(click).await.contains("permissions.answer"));
    desk.discord.replies(&guest(), thread, asked.id, "unknown");
    let direct = desk.discord.message_with(DIRECT, "permissions.answer").await;
    assert!(direct.content.starts_with("Sorry"), "{}", direct.content);
    let check = json!([text("kind", "dns"), text("target", "a.example")]);
    assert!(desk.command(&ada(), CHANNEL, "check", &check).await.contains("permissions.check"));
    assert!(
        desk.command(&ada(), thread, "incident", &under("close", &json!([])))
            .await
            .contains("permissions.manage")
    );
    desk.discord.clicks(&ada(), &asked, &id_ending(&asked, "|unknown"));
    desk.until(&id, "Ada's answer", |it| it["answers"].to_string().contains("Ada")).await;
    assert!(
        desk.command(&guest(), thread, "incident", &under("close", &json!([]))).await.contains("is closed")
    );
    desk.finish().await;
}

async fn words_in_a_thread_count_from_those_whose_clicks_do(discord: Discord) {
    let on_call = Given::Those { roles: [ROLE].into(), users: [].into() };
    let given = BTreeMap::from([(Verb::Start, Given::Everyone), (Verb::Answer, on_call)]);
    let config = Config { permissions: Permissions::Given(given), ..discord.config() };
    let desk = Desk::with(discord, config, Policy::public_only()).await;
    let (id, thread, asked) = desk.incident().await;
    // Talk that happens to be an answer is no answer from somebody who may not give one, and nobody is lectured for talk.
    desk.discord.writes(&guest(), thread, None, "unknown");
    desk.discord.replies(&guest(), thread, asked.id, "429");
    desk.discord.message_with(DIRECT, "permissions.answer").await;
    // What is read back afterwards does not say anybody's roles: they are asked for.
    desk.discord.invalidate(false);
    desk.discord.until("no session", |world| world.desk.is_empty().then_some(())).await;
    desk.discord.replies(&guest(), thread, asked.id, "504");
    desk.discord.replies(&ada(), thread, asked.id, "unknown");
    let document = desk.until(&id, "Ada's answer", |it| !it["answers"].as_array().unwrap().is_empty()).await;
    assert_eq!(
        (&document["answers"][0]["answer"], &document["answers"][0]["by"]),
        (&json!("unknown"), &json!("Ada"))
    );
    assert!(!document["timeline"].to_string().contains("Grace"), "{document:#}");
    let refused = desk.discord.world().messages.values().filter(|it| it.channel == DIRECT).count();
    assert_eq!(refused, 2, "each reply to the question, and no talk");
    desk.finish().await;
}

async fn whoever_starts_an_incident_is_told_the_thread_that_its_route_chose(discord: Discord) {
    let mail = Route { services: vec!["mail".into()], channel: Some(OTHER), ..Route::default() };
    let config = Config { routes: vec![mail], ..discord.config() };
    let desk = Desk::with(discord, config, Policy::public_only()).await;
    let start = under("start", &json!([text("service", "mail")]));
    let told = desk.command(&ada(), CHANNEL, "triage", &start).await;
    let thread = told.split("<#").nth(1).unwrap().split('>').next().unwrap().parse::<u64>().unwrap();
    assert_eq!(desk.discord.world().threads[&thread].parent, OTHER, "{told}");
    // Where none can be opened for now, the channel is named.
    desk.discord.world().active_threads = Some(0);
    let start = under("start", &json!([text("service", "orders-api")]));
    let told = desk.command(&ada(), CHANNEL, "triage", &start).await;
    assert!(told.contains(&format!("will be opened in <#{CHANNEL}>")), "{told}");
    desk.discord.world().active_threads = None;
    desk.finish().await;
}

async fn somebody_else_is_asked_and_called_by_name(discord: Discord) {
    let desk = Desk::at(discord).await;
    let (id, thread, asked) = desk.incident().await;
    let click = desk.discord.clicks(&ada(), &asked, &id_ending(&asked, "|@"));
    let menu = desk.discord.first_answer(click).await;
    let people = menu["data"]["components"][0]["components"][0].clone();
    assert_eq!((&menu["type"], &menu["data"]["flags"], &people["type"]), (&json!(4), &json!(64), &json!(5)));
    let pick = desk.discord.picks(&ada(), &asked, people["custom_id"].as_str().unwrap(), GUEST);
    assert!(desk.discord.told(pick).await.contains("Grace is asked"));
    let called = desk.discord.message_with(thread, "thinks you can answer").await;
    assert_eq!(called.notified, [GUEST]);
    let document =
        desk.until(&id, "the question is hers", |it| it["open_questions"][0]["passed_to"] == "Grace").await;
    assert!(document["timeline"].to_string().contains("Ada passed"), "{document:#}");
    desk.discord.clicks(&guest(), &asked, &id_ending(&asked, "|unknown"));
    desk.until(&id, "her answer", |it| it["answers"].to_string().contains("Grace")).await;
    desk.finish().await;
}

async fn an_answer_is_changed_until_clarity(discord: Discord) {
    let desk = Desk::at(discord).await;
    let (id, thread, asked) = desk.incident().await;
    let says = |words: &'static str| {
        let (discord, asked) = (desk.discord.clone(), asked.id);
        async move {
            let fits = |it: &&Posted| it.content.contains(words);
            discord.until(words, |world| world.messages.get(&asked).filter(fits).cloned()).await
        }
    };
    desk.discord.clicks(&ada(), &asked, &id_ending(&asked, "|unknown"));
    let first = says("unknown · Ada").await;
    assert_eq!(first.components, asked.components, "nothing is taken away");
    assert!(first.content.contains("can be changed"), "{}", first.content);
    // Somebody else knows better, and says so by the menu of the same message.
    desk.discord.selects(&guest(), &first, &id_ending(&first, "|*"), &["429"]);
    let second = says("429 · Grace").await;
    assert!(!second.content.contains("Ada"), "{}", second.content);
    let document = desk.until(&id, "the second answer", |it| it["answers"].to_string().contains("429")).await;
    let answer = &document["answers"][0];
    assert_eq!((&answer["answer"], &answer["by"]), (&json!("429"), &json!("Grace")), "{document:#}");
    let told = document["timeline"].to_string();
    assert!(told.contains("Ada") && told.contains("Grace"), "both are on the timeline: {told}");
    // Then it is over, and there is nothing left to change it by.
    desk.command(&ada(), thread, "incident", &under("close", &json!([]))).await;
    let over = |world: &World| world.messages.get(&asked.id).filter(|it| it.components == json!([])).cloned();
    let over = desk.discord.until("no controls", over).await;
    assert!(
        over.content.contains("429 · Grace") && !over.content.contains("can be changed"),
        "{}",
        over.content
    );
    desk.finish().await;
}

async fn a_secret_in_a_form_is_taken_out_and_told_in_private(discord: Discord) {
    let desk = Desk::at(discord).await;
    let (id, thread, _) = desk.incident().await;
    let token = format!("ghp_{}", "a1B2c3D4e5F6".repeat(3));
    let form = format!("fc|{id}|failing_request|…");
    let sent =
        desk.discord.fill_in(thread, &form, &format!("curl -H 'X-Auth: {token}' https://mail.example/"));
    let told = desk.discord.told(sent).await;
    assert!(told.contains("taken out") && !told.contains("ghp_"), "{told}");
    assert_eq!(desk.discord.world().interactions[&sent].followups[0]["flags"], 64);
    let document =
        desk.until(&id, "the answer", |it| it["answers"].to_string().contains("failing_request")).await;
    assert!(document.to_string().contains("mail.example") && !document.to_string().contains(&token));
    desk.finish().await;
}

async fn a_secret_in_a_thread_is_told_in_a_direct_message_or_below_it(discord: Discord) {
    let desk = Desk::at(discord).await;
    let (id, thread, asked) = desk.incident().await;
    let token = format!("ghp_{}", "a1B2c3D4e5F6".repeat(3));
    desk.discord.replies(&ada(), thread, asked.id, &format!("504: 70%, with {token}"));
    let told = desk.discord.message_with(DIRECT, "taken out").await;
    assert!(
        told.content.contains("delete the message") && !told.content.contains("ghp_"),
        "{}",
        told.content
    );
    desk.until(&id, "the answer", |it| it["answers"].to_string().contains("504")).await;
    desk.discord.world().shy = true;
    desk.discord.replies(&ada(), thread, asked.id, &format!("502: 30%, with {token}"));
    let below = desk.discord.message_with(thread, "taken out").await;
    assert!(below.replies_to.is_some() && !below.content.contains("ghp_"), "{}", below.content);
    desk.finish().await;
}

async fn a_small_paste_is_an_answer_and_a_large_one_is_refused_and_stays(discord: Discord) {
    let desk = Desk::at(discord).await;
    let (id, thread, asked) = desk.incident().await;
    desk.discord.pastes(&ada(), thread, asked.id, "", 2 * 1024 * 1024);
    let told = desk.discord.message_with(DIRECT, "2048 KiB").await;
    assert!(told.content.contains("stays in the thread"), "{}", told.content);
    let lie = "504: 1%\n".repeat(64 * 1024);
    desk.discord.pastes(&ada(), thread, asked.id, &lie, 100);
    desk.discord.message_with(DIRECT, "larger than it was said to be").await;
    desk.discord.pastes(&ada(), thread, asked.id, "504: 70%, 502: 30%", 18);
    desk.until(&id, "the pasted answer", |it| it["answers"].to_string().contains("70%")).await;
    desk.finish().await;
}

async fn a_button_of_another_time_and_a_form_of_a_closed_incident_are_told_so(discord: Discord) {
    let desk = Desk::at(discord).await;
    let (id, thread, asked) = desk.incident().await;
    for stale in ["poll|7", "fc|inc-0000000000|endpoint_scope|one", "fc|x"] {
        let click = desk.discord.clicks(&ada(), &asked, stale);
        let told = desk.discord.told(click).await;
        assert!(told.contains("Nothing waits for this") || told.contains("there is no incident"), "{told}");
    }
    desk.command(&ada(), thread, "incident", &under("close", &json!([]))).await;
    let form = desk.discord.fill_in(thread, &format!("fc|{id}|failing_request|…"), "GET / -> 500");
    assert!(desk.discord.told(form).await.contains("after the incident was closed"));
    desk.finish().await;
}

async fn another_bot_is_not_listened_to(discord: Discord) {
    let desk = Desk::at(discord).await;
    let (id, thread, asked) = desk.incident().await;
    let mut message = crate::fakes::discord::shapes::message(&asked);
    message["id"] = json!("1300000000000000001");
    message["content"] = json!("429");
    message["components"] = json!([]);
    message["author"]["id"] = json!("900000000000000099");
    message["author"]["bot"] = json!(true);
    desk.discord.dispatch("MESSAGE_CREATE", &message);
    desk.discord.replies(&ada(), thread, asked.id, "unknown");
    let document = desk.until(&id, "Ada's answer", |it| !it["answers"].as_array().unwrap().is_empty()).await;
    assert_eq!(document["answers"][0]["answer"], "unknown", "{document:#}");
    desk.finish().await;
}

async fn a_bot_whose_commands_cannot_be_registered_works_all_the_same(discord: Discord) {
    discord.fault("PUT /applications/", Fault::Refusal { status: 403, code: 50001 });
    let desk = Desk::at(discord).await;
    assert!(desk.discord.world().commands.is_empty());
    desk.incident().await;
    desk.finish().await;
}
