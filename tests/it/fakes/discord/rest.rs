//! The REST routes.

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::form::FormFile;
use super::{
    APPLICATION, Attached, BOT, CHANNEL, DIRECT, Discord, Fault, GUILD, INTERACTION_WAITS, Posted, TOKEN,
    World,
};
use super::{form, limits, shapes, threads};

/// A status and a body.
pub(super) type Answer = (u16, Option<Value>);

/// Commands that may be created in a day, per server.
const CREATED_A_DAY: usize = 200;
/// The largest request.
const REQUEST: usize = 25 << 20;

/// One request, taken apart.
struct Asked<'a> {
    method: &'a str,
    path: Vec<&'a str>,
    query: &'a [(String, String)],
    body: Value,
    files: Vec<FormFile>,
}

pub(super) async fn answer(State(discord): State<Discord>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, REQUEST).await else {
        return answered((413, Some(json!({"message": "Request entity too large", "code": 40005}))), None);
    };
    let kind = parts.headers.get("content-type").and_then(|it| it.to_str().ok()).unwrap_or_default();
    let (body, files) = if bytes.is_empty() { (None, Vec::new()) } else { form::read(kind, &bytes) };
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
    let judge = || judged(&discord, parts.method.as_str(), &path, &query, &parts.headers, body, files);
    let answer = match fault {
        Some(Fault::Limited { retry_after, global }) => return limited(&discord, retry_after, global),
        Some(Fault::LimitedBy { code, retry_after }) => limited_by(code, retry_after),
        Some(Fault::LimitedInFront { seconds }) => {
            discord.note_change();
            let headers = [("content-type", "text/html".to_owned()), ("retry-after", seconds.to_string())];
            return (StatusCode::TOO_MANY_REQUESTS, headers, "<h1>Too many requests</h1>").into_response();
        }
        Some(Fault::Status(status)) => (status, Some(json!({"message": "fault", "code": 0}))),
        Some(Fault::Refusal { status, code }) => (status, Some(json!({"message": "refused", "code": code}))),
        Some(Fault::DoneThen(status)) => {
            judge();
            (status, None)
        }
        Some(Fault::Held(until)) => {
            discord.note_change();
            until.notified().await;
            judge()
        }
        None => match count(&discord, parts.method.as_str(), &path) {
            Err(wait) => return limited(&discord, wait, false),
            Ok(window) => {
                let answer = judge();
                discord.note_change();
                return answered(answer, window);
            }
        },
    };
    discord.note_change();
    answered(answer, None)
}

/// What is left of a route's window: how many requests it takes, how many more, and for how many seconds.
type Window = (usize, usize, f64);

/// Counts a request against its route, where routes are limited; the seconds to wait when it is one too many.
fn count(discord: &Discord, method: &str, path: &str) -> Result<Option<Window>, f64> {
    let mut world = discord.world();
    let Some((limit, length)) = world.window else { return Ok(None) };
    if path.starts_with("/interactions/") {
        return Ok(None);
    }
    // A route and its top-level id: `/channels/1/messages/2` and `/channels/1/messages/3` are the same.
    let mut parts: Vec<&str> = path.split('/').collect();
    if parts.get(3) == Some(&"messages") && parts.len() > 4 {
        parts[4] = "…";
    }
    let key = format!("{method} {}", parts.join("/"));
    let now = std::time::Instant::now();
    let (begun, used) = world.windows.entry(key).or_insert((now, 0));
    if begun.elapsed() >= length {
        (*begun, *used) = (now, 0);
    }
    *used += 1;
    let left = (length.saturating_sub(begun.elapsed())).as_secs_f64();
    if *used > limit { Err(left) } else { Ok(Some((limit, limit - *used, left))) }
}

fn answered((status, body): Answer, window: Option<Window>) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    let mut response = match body {
        Some(body) => {
            (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
        }
        None => status.into_response(),
    };
    if let Some((limit, remaining, reset_after)) = window {
        let said = [("limit", limit.to_string()), ("remaining", remaining.to_string())];
        for (name, value) in said.into_iter().chain([("reset-after", format!("{reset_after:.3}"))]) {
            let name = header::HeaderName::try_from(format!("x-ratelimit-{name}")).unwrap();
            response.headers_mut().insert(name, value.parse().unwrap());
        }
    }
    response
}

fn limited(discord: &Discord, retry_after: f64, global: bool) -> Response {
    discord.world().limited += 1;
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

/// A limit with a code of its own says its time in its body alone.
fn limited_by(code: u32, retry_after: f64) -> Answer {
    (429, Some(json!({"message": "a limit of its own", "code": code, "retry_after": retry_after})))
}

/// Answers, with the description as the judge of both sides where there is one.
fn judged(
    discord: &Discord,
    method: &str,
    path: &str,
    query: &[(String, String)],
    headers: &HeaderMap,
    body: Option<Value>,
    files: Vec<FormFile>,
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
        files,
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
        ("GET", ["oauth2", "applications", "@me"]) => {
            let mut application = shapes::application();
            application["flags"] = json!(world.flags);
            application["verify_key"] = json!(super::people::PUBLIC_KEY);
            application["interactions_endpoint_url"] = json!(world.endpoint);
            ok(application)
        }
        // serenity asks for itself, and is then told another address.
        ("GET", ["gateway"]) => ok(json!({"url": gateway})),
        ("GET", ["gateway", "bot"]) => ok(shapes::gateway(gateway, world.desk.sessions_left)),
        ("GET", ["channels", _]) => threads::channel(world, number(1)),
        ("PATCH", ["channels", _]) => threads::open_again(world, number(1), &asked.body),
        ("GET", ["channels", _, "messages"]) => history(world, number(1), asked.query),
        ("GET", ["channels", _, "messages", _]) => one(world, number(1), number(3)),
        ("POST", ["channels", _, "messages"]) => post(world, number(1), &asked.body, &asked.files),
        ("PATCH", ["channels", _, "messages", _]) => edit(world, number(1), number(3), &asked.body),
        ("POST", ["channels", _, "messages", _, "threads"]) => {
            threads::from_message(world, (number(1), number(3)), &asked.body)
        }
        ("POST", ["channels", _, "threads"]) => threads::post(world, number(1), &asked.body),
        ("GET", ["guilds", _, "threads", "active"]) => threads::list(world, |thread| !thread.archived),
        ("GET", ["channels", _, "threads", "archived", "public"]) => {
            threads::list(world, |thread| thread.archived && thread.parent == number(1))
        }
        ("GET", ["guilds", _, "members", _]) if number(1) == GUILD => ok(shapes::full_member(number(3))),
        ("GET", ["guilds", _, "roles"]) if number(1) == GUILD => ok(shapes::roles(world.bot_rights)),
        ("POST", ["channels", _, "typing"]) => (204, None),
        ("POST", ["users", "@me", "channels"]) => direct(world, &asked.body),
        ("GET", ["applications", _, "guilds", _, "commands"]) if number(3) == GUILD => {
            ok(json!(world.commands))
        }
        ("GET", ["applications", _, "commands"]) => ok(json!(world.commands)),
        ("PUT", ["applications", _, "commands"]) if number(1) == APPLICATION => register(world, &asked.body),
        ("PUT", ["applications", _, "guilds", _, "commands"]) if number(1) == APPLICATION => {
            register(world, &asked.body)
        }
        ("POST", ["interactions", _, _, "callback"]) => {
            callback(world, number(1), asked.path[2], &asked.body)
        }
        ("POST", ["webhooks", _, token]) => follow_up(world, token, &asked.body, &asked.files),
        ("PATCH", ["webhooks", _, token, "messages", "@original"]) => {
            edit_original(world, token, &asked.body, &asked.files)
        }
        _ => {
            world.complaints.push(format!("{} /{} is no route here", asked.method, asked.path.join("/")));
            refused(404, 0, "404: Not Found")
        }
    }
}

pub(super) fn ok(body: Value) -> Answer {
    (200, Some(body))
}

pub(super) fn refused(status: u16, code: u32, message: &str) -> Answer {
    (status, Some(json!({"message": message, "code": code})))
}

fn history(world: &World, channel: u64, query: &[(String, String)]) -> Answer {
    if !threads::exists(world, channel) {
        return refused(404, 10003, "Unknown Channel");
    }
    let number = |wanted: &str| -> Option<u64> {
        query.iter().find(|(name, _)| name == wanted).and_then(|(_, value)| value.parse().ok())
    };
    let limit = usize::try_from(number("limit").unwrap_or(50)).unwrap();
    let said = world.messages.values().filter(|it| it.channel == channel);
    let mut page: Vec<&Posted> = match number("after") {
        Some(after) => said.filter(|it| it.id > after).take(limit).collect(),
        None => {
            said.rev().filter(|it| number("before").is_none_or(|before| it.id < before)).take(limit).collect()
        }
    };
    // Newest first, whichever end the page is from.
    page.sort_by_key(|it| std::cmp::Reverse(it.id));
    ok(page.into_iter().map(shapes::message).collect())
}

fn one(world: &World, channel: u64, id: u64) -> Answer {
    match world.messages.get(&id).filter(|it| it.channel == channel) {
        _ if !threads::exists(world, channel) => refused(404, 10003, "Unknown Channel"),
        Some(posted) => ok(shapes::message(posted)),
        None => refused(404, 10008, "Unknown Message"),
    }
}

fn post(world: &mut World, channel: u64, body: &Value, files: &[FormFile]) -> Answer {
    if channel == DIRECT && world.shy {
        return refused(403, 50007, "Cannot send messages to this user");
    }
    if channel != DIRECT && !threads::exists(world, channel) {
        return refused(404, 10003, "Unknown Channel");
    }
    if threads::is_forum(channel) || world.threads.get(&channel).is_some_and(|thread| thread.locked) {
        let code = if threads::is_forum(channel) { 50008 } else { 160_005 };
        return refused(if code == 50008 { 400 } else { 403 }, code, "Cannot send messages here");
    }
    if let Some(refusal) = wrong_with(body, files, true) {
        return refusal;
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
    let id = world.fresh_id();
    let posted = Posted { nonce, files: attached(body, files), ..written(id, channel, body) };
    let answer = shapes::message(&posted);
    world.messages.insert(posted.id, posted);
    ok(answer)
}

fn attached(body: &Value, files: &[FormFile]) -> Vec<Attached> {
    let attached = |file: &FormFile| Attached {
        name: file.name.clone(),
        alt: body["attachments"][file.place]["description"].as_str().unwrap_or_default().to_owned(),
        size: file.bytes.len(),
        begins: file.bytes.iter().take(16).copied().collect(),
    };
    files.iter().map(attached).collect()
}

/// What Discord refuses of a message with files.
fn wrong_with(body: &Value, files: &[FormFile], is_new: bool) -> Option<Answer> {
    let sizes: Vec<usize> = files.iter().map(|file| file.bytes.len()).collect();
    let (code, wrong) = limits::of_message(body, is_new).or_else(|| limits::of_files(body, &sizes))?;
    Some(refused(if code == 40005 { 413 } else { 400 }, code, &wrong))
}

/// A message of the bot's, as it is sent: whoever it names and is allowed to is notified.
pub(super) fn written(id: u64, channel: u64, body: &Value) -> Posted {
    let content = body["content"].as_str().unwrap_or_default().to_owned();
    let allowed = body["allowed_mentions"]["roles"].as_array().cloned().unwrap_or_default();
    let people = body["allowed_mentions"]["users"].as_array().cloned().unwrap_or_default();
    let role = |id: &Value| id.as_str()?.parse::<u64>().ok();
    Posted {
        id,
        channel,
        author: BOT,
        components: body["components"].clone(),
        nonce: None,
        notified: allowed
            .iter()
            .filter_map(role)
            .filter(|role| content.contains(&format!("<@&{role}>")))
            .chain(people.iter().filter_map(role).filter(|id| content.contains(&format!("<@{id}>"))))
            .collect(),
        content,
        edits: 0,
        replies_to: body["message_reference"]["message_id"].as_str().and_then(|id| id.parse().ok()),
        files: Vec::new(),
    }
}

fn edit(world: &mut World, channel: u64, id: u64, body: &Value) -> Answer {
    if !threads::exists(world, channel) {
        return refused(404, 10003, "Unknown Channel");
    }
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

/// A direct channel with somebody.
fn direct(world: &mut World, body: &Value) -> Answer {
    if let Some(person) = body["recipient_id"].as_str().and_then(|id| id.parse::<u64>().ok()) {
        ok(shapes::direct(person))
    } else {
        world.complaints.push(format!("a direct channel with nobody: {body}"));
        refused(400, 50035, "Invalid Form Body")
    }
}

/// A file that somebody pasted.
pub(super) async fn file(State(discord): State<Discord>, uri: axum::http::Uri) -> Response {
    let file = discord.world().pastes.get(uri.path()).cloned();
    file.map_or_else(|| StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
}

fn register(world: &mut World, body: &Value) -> Answer {
    let sent = body.as_array().cloned().unwrap_or_default();
    if let Some(wrong) = limits::of_commands(&sent) {
        return refused(400, 50035, &wrong);
    }
    // A command is known by its name: what has one already is changed, and not created.
    let is_new = |it: &&Value| !world.commands.iter().any(|known| known["name"] == it["name"]);
    let created = world.created + sent.iter().filter(is_new).count();
    if created > CREATED_A_DAY {
        return limited_by(30034, 0.3);
    }
    world.created = created;
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
    interaction.took = Some(interaction.begun.elapsed());
    if body["type"] == 4 {
        interaction.original = Some(body["data"].clone());
    }
    (204, None)
}

fn follow_up(world: &mut World, token: &str, body: &Value, files: &[FormFile]) -> Answer {
    if let Some(refusal) = wrong_with(body, files, true) {
        return refusal;
    }
    let id = world.fresh_id();
    let Some(interaction) = world.interaction_of(token).filter(|it| it.callback.is_some()) else {
        return refused(404, 10015, "Unknown Webhook");
    };
    interaction.followups.push(body.clone());
    interaction.files.extend(attached(body, files));
    ok(shapes::message(&private(id, body)))
}

fn edit_original(world: &mut World, token: &str, body: &Value, files: &[FormFile]) -> Answer {
    if let Some(refusal) = wrong_with(body, files, false) {
        return refusal;
    }
    let id = world.fresh_id();
    let Some(interaction) = world.interaction_of(token).filter(|it| it.callback.is_some()) else {
        return refused(404, 10015, "Unknown Webhook");
    };
    interaction.original = Some(body.clone());
    interaction.files.extend(attached(body, files));
    ok(shapes::message(&private(id, body)))
}

/// A message to one person, as its sender gets it back.
fn private(id: u64, body: &Value) -> Posted {
    Posted::by(BOT, id, CHANNEL, body["content"].as_str().unwrap_or_default(), None)
}
