//! The REST routes.

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{
    APPLICATION, BOT, CHANNEL, Discord, Fault, GUILD, INTERACTION_WAITS, Posted, ROLE, TOKEN, Thread, World,
};
use super::{limits, shapes};

/// A status and a body.
type Answer = (u16, Option<Value>);

/// One request, taken apart.
struct Asked<'a> {
    method: &'a str,
    path: Vec<&'a str>,
    query: &'a [(String, String)],
    body: Value,
}

pub(super) async fn answer(State(discord): State<Discord>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, 1 << 20).await.unwrap();
    let body: Option<Value> = if bytes.is_empty() { None } else { serde_json::from_slice(&bytes).ok() };
    let Some(path) = parts.uri.path().strip_prefix("/api/v10").map(str::to_owned) else {
        discord.world().complaints.push(format!("{} is not under /api/v10", parts.uri.path()));
        return StatusCode::NOT_FOUND.into_response();
    };
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let line = format!("{} {path}", parts.method);
    discord.world().requests.push(line.clone());
    let fault = {
        let mut world = discord.world();
        if world.down { Some(Fault::Status(503)) } else { world.take_fault(&line) }
    };
    let answered = match fault {
        Some(Fault::Limited { retry_after, global }) => return limited(&discord, retry_after, global),
        Some(Fault::Status(status)) => (status, Some(json!({"message": "fault", "code": 0}))),
        Some(Fault::Refusal { status, code }) => (status, Some(json!({"message": "refused", "code": code}))),
        Some(Fault::DoneThen(status)) => {
            judged(&discord, parts.method.as_str(), &path, &query, &parts.headers, body);
            (status, None)
        }
        None => judged(&discord, parts.method.as_str(), &path, &query, &parts.headers, body),
    };
    discord.note_change();
    let (status, body) = answered;
    let status = StatusCode::from_u16(status).unwrap();
    match body {
        Some(body) => {
            (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
        }
        None => status.into_response(),
    }
}

fn limited(discord: &Discord, retry_after: f64, global: bool) -> Response {
    discord.note_change();
    let body =
        json!({"message": "You are being rate limited.", "retry_after": retry_after, "global": global});
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("retry-after", format!("{}", retry_after.ceil())),
        ("x-ratelimit-scope", if global { "global" } else { "user" }.to_owned()),
    ];
    (StatusCode::TOO_MANY_REQUESTS, headers, body.to_string()).into_response()
}

/// Answers, with the description as the judge of both sides where there is one.
fn judged(
    discord: &Discord,
    method: &str,
    path: &str,
    query: &[(String, String)],
    headers: &HeaderMap,
    body: Option<Value>,
) -> Answer {
    let complain = |what: String| discord.world().complaints.push(format!("{method} {path}: {what}"));
    let operation = discord
        .inner
        .description
        .as_ref()
        .map(|description| (description, description.operation(method, path)));
    let operation = match operation {
        Some((_, Err(why))) => {
            complain(why);
            None
        }
        Some((description, Ok(operation))) => Some((description, operation)),
        None => None,
    };
    if let Some((description, operation)) = &operation
        && let Err(wrong) = description.check_request(operation, query, body.as_ref())
    {
        complain(format!("{wrong}\nin {}", body.clone().unwrap_or_default()));
    }
    let asked = Asked {
        method,
        path: path.trim_matches('/').split('/').collect(),
        query,
        body: body.unwrap_or_default(),
    };
    let tokenless = matches!(asked.path[0], "interactions" | "webhooks");
    let authorized = headers.get("authorization").is_some_and(|it| it == format!("Bot {TOKEN}").as_str());
    let answer = if tokenless || authorized {
        route(&mut discord.world(), &asked, &format!("ws://{}/gateway", discord.addr))
    } else {
        (401, Some(json!({"message": "401: Unauthorized", "code": 0})))
    };
    if let Some((description, operation)) = &operation
        && let Err(wrong) = description.check_answer(operation, answer.0, answer.1.as_ref())
    {
        complain(format!("our own answer: {wrong}\nin {}", answer.1.clone().unwrap_or_default()));
    }
    let code = answer.1.as_ref().and_then(|body| body["code"].as_u64());
    if matches!(code, Some(50006 | 50035)) {
        complain(format!("refused: {}", answer.1.clone().unwrap_or_default()));
    }
    answer
}

fn route(world: &mut World, asked: &Asked<'_>, gateway: &str) -> Answer {
    let number = |place: usize| asked.path.get(place).and_then(|part| part.parse::<u64>().ok()).unwrap_or(0);
    match (asked.method, asked.path.as_slice()) {
        ("GET", ["users", "@me"]) => ok(shapes::me()),
        ("GET", ["oauth2", "applications", "@me"]) => ok(shapes::application()),
        ("GET", ["gateway"]) => ok(json!({"url": gateway})),
        ("GET", ["channels", _]) => channel(world, number(1)),
        ("PATCH", ["channels", _]) => open_again(world, number(1), &asked.body),
        ("GET", ["channels", _, "messages"]) => history(world, number(1), asked.query),
        ("POST", ["channels", _, "messages"]) => post(world, number(1), &asked.body),
        ("PATCH", ["channels", _, "messages", _]) => edit(world, number(1), number(3), &asked.body),
        ("POST", ["channels", _, "messages", _, "threads"]) => open_thread(world, number(3), &asked.body),
        ("GET", ["applications", _, "guilds", _, "commands"]) if number(3) == GUILD => {
            ok(json!(world.commands))
        }
        ("PUT", ["applications", _, "guilds", _, "commands"]) if number(1) == APPLICATION => {
            register(world, &asked.body)
        }
        ("POST", ["interactions", _, _, "callback"]) => {
            callback(world, number(1), asked.path[2], &asked.body)
        }
        ("POST", ["webhooks", _, token]) => follow_up(world, token, &asked.body),
        ("PATCH", ["webhooks", _, token, "messages", "@original"]) => {
            edit_original(world, token, &asked.body)
        }
        _ => {
            world.complaints.push(format!("{} /{} is no route here", asked.method, asked.path.join("/")));
            refused(404, 0, "404: Not Found")
        }
    }
}

fn ok(body: Value) -> Answer {
    (200, Some(body))
}

fn refused(status: u16, code: u32, message: &str) -> Answer {
    (status, Some(json!({"message": message, "code": code})))
}

fn channel(world: &World, id: u64) -> Answer {
    match world.threads.get(&id) {
        Some(thread) => ok(shapes::thread(id, thread)),
        None if id == CHANNEL => ok(shapes::channel()),
        None => refused(404, 10003, "Unknown Channel"),
    }
}

fn open_again(world: &mut World, id: u64, body: &Value) -> Answer {
    let Some(thread) = world.threads.get_mut(&id) else { return refused(404, 10003, "Unknown Channel") };
    thread.archived = body["archived"].as_bool().unwrap_or(thread.archived);
    ok(shapes::thread(id, thread))
}

fn history(world: &World, channel: u64, query: &[(String, String)]) -> Answer {
    let limit = query
        .iter()
        .find(|(name, _)| name == "limit")
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(50);
    let said = world.messages.values().rev().filter(|it| it.channel == channel).take(limit);
    ok(said.map(shapes::message).collect())
}

fn post(world: &mut World, channel: u64, body: &Value) -> Answer {
    if channel != CHANNEL && !world.threads.contains_key(&channel) {
        return refused(404, 10003, "Unknown Channel");
    }
    if let Some((code, wrong)) = limits::of_message(body, true) {
        return refused(400, code, &wrong);
    }
    let nonce = body["nonce"].as_str().map(str::to_owned);
    let same = |it: &&Posted| it.author == BOT && it.nonce.is_some() && it.nonce == nonce;
    if body["enforce_nonce"] == true
        && let Some(known) = world.messages.values().find(same)
    {
        return ok(shapes::message(known));
    }
    // A post un-archives the thread.
    if let Some(thread) = world.threads.get_mut(&channel) {
        thread.archived = false;
    }
    let allowed = body["allowed_mentions"]["roles"].as_array().cloned().unwrap_or_default();
    let content = body["content"].as_str().unwrap_or_default().to_owned();
    let called = content.contains(&format!("<@&{ROLE}>")) && allowed.contains(&json!(ROLE.to_string()));
    let replies_to = body["message_reference"]["message_id"].as_str().and_then(|id| id.parse().ok());
    let posted = Posted {
        id: world.fresh_id(),
        channel,
        author: BOT,
        content,
        components: body["components"].clone(),
        nonce,
        notified: if called { vec![ROLE] } else { Vec::new() },
        edits: 0,
        replies_to,
    };
    let answer = shapes::message(&posted);
    world.messages.insert(posted.id, posted);
    ok(answer)
}

fn edit(world: &mut World, channel: u64, id: u64, body: &Value) -> Answer {
    if world.threads.get(&channel).is_some_and(|thread| thread.archived) {
        return refused(400, 50083, "Thread is archived");
    }
    if let Some((code, wrong)) = limits::of_message(body, false) {
        return refused(400, code, &wrong);
    }
    let Some(posted) = world.messages.get_mut(&id).filter(|it| it.channel == channel) else {
        return refused(404, 10008, "Unknown Message");
    };
    if let Some(content) = body["content"].as_str() {
        content.clone_into(&mut posted.content);
    }
    if body["components"].is_array() {
        posted.components = body["components"].clone();
    }
    posted.edits += 1;
    ok(shapes::message(posted))
}

fn open_thread(world: &mut World, message: u64, body: &Value) -> Answer {
    if !world.messages.contains_key(&message) {
        return refused(404, 10008, "Unknown Message");
    }
    if world.threads.contains_key(&message) {
        return refused(400, 160_004, "A thread has already been created for this message");
    }
    let name = body["name"].as_str().unwrap_or_default().to_owned();
    if !(1..=100).contains(&name.chars().count()) {
        return refused(400, 50035, "a thread's name has 1 to 100 characters");
    }
    let thread = Thread { name, archived: false };
    let answer = shapes::thread(message, &thread);
    world.threads.insert(message, thread);
    (201, Some(answer))
}

fn register(world: &mut World, body: &Value) -> Answer {
    let sent = body.as_array().cloned().unwrap_or_default();
    let id = world.fresh_id();
    world.commands = sent.iter().map(|command| shapes::command(id, command)).collect();
    ok(json!(world.commands))
}

fn callback(world: &mut World, id: u64, token: &str, body: &Value) -> Answer {
    if let Some(wrong) = limits::of_callback(body) {
        return refused(400, 50035, &wrong);
    }
    let Some(interaction) = world.interactions.get_mut(&id).filter(|it| it.token == token) else {
        return refused(404, 10062, "Unknown interaction");
    };
    if interaction.begun.elapsed() > INTERACTION_WAITS {
        return refused(404, 10062, "Unknown interaction");
    }
    if interaction.callback.is_some() {
        return refused(400, 40060, "Interaction has already been acknowledged");
    }
    interaction.callback = Some(body.clone());
    if body["type"] == 4 {
        interaction.original = Some(body["data"].clone());
    }
    (204, None)
}

fn follow_up(world: &mut World, token: &str, body: &Value) -> Answer {
    if let Some((code, wrong)) = limits::of_message(body, true) {
        return refused(400, code, &wrong);
    }
    let id = world.fresh_id();
    let Some(interaction) = world.interaction_of(token).filter(|it| it.callback.is_some()) else {
        return refused(404, 10015, "Unknown Webhook");
    };
    interaction.followups.push(body.clone());
    ok(shapes::message(&private(id, body)))
}

fn edit_original(world: &mut World, token: &str, body: &Value) -> Answer {
    if let Some((code, wrong)) = limits::of_message(body, false) {
        return refused(400, code, &wrong);
    }
    let id = world.fresh_id();
    let Some(interaction) = world.interaction_of(token).filter(|it| it.callback.is_some()) else {
        return refused(404, 10015, "Unknown Webhook");
    };
    interaction.original = Some(body.clone());
    ok(shapes::message(&private(id, body)))
}

/// A message to one person, as its sender gets it back.
fn private(id: u64, body: &Value) -> Posted {
    Posted {
        id,
        channel: CHANNEL,
        author: BOT,
        content: body["content"].as_str().unwrap_or_default().to_owned(),
        components: json!([]),
        nonce: None,
        notified: Vec::new(),
        edits: 0,
        replies_to: None,
    }
}
