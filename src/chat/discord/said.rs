//! What people do in Discord, turned into [`Inbound`]: clicks, menus, forms, `/triage`, and words in a thread.
//!
//! A click is acknowledged before anything else happens: Discord waits three seconds, whatever else is slow. What a person
//! did wrong is told to that person alone.

use std::sync::Arc;
use std::time::Duration;

use serenity::all::{
    ActionRowComponent, CommandInteraction, ComponentInteraction, ComponentInteractionDataKind,
    CreateInteractionResponse, CreateInteractionResponseFollowup, CreateInteractionResponseMessage,
    CreateMessage, EditInteractionResponse, GuildId, InteractionId, Member, Message, MessageReference,
    ModalInteraction, User,
};
use serenity::http::{LightMethod, Route};
use tokio::sync::oneshot;

use super::custom_id::{CustomId, Means};
use super::split::{self, MESSAGE};
use super::{Session, command, components, nobody, words};
use crate::chat::{Inbound, Which, question_for};
use crate::incident::{Incident, IncidentId};
use crate::question::QuestionId;

/// How long a person is left waiting for a verdict on a reply; storing one takes milliseconds.
const VERDICT: Duration = Duration::from_secs(10);
/// What is said when the app does not answer.
const STOPPING: &str = "the bot is stopping; try again in a minute";

/// A click, or a choice from a menu.
pub(super) async fn clicked(session: &Arc<Session>, click: ComponentInteraction) {
    let Some(id) = CustomId::parse(&click.data.custom_id) else { return };
    let told = (click.id, click.token.as_str());
    if !session.serves(click.guild_id) {
        return tell_privately(session, told, "this bot serves another server").await;
    }
    let reply = match (&id.means, &click.data.kind) {
        (Means::Words, _) => {
            let form = CreateInteractionResponse::Modal(components::form(&id.incident, id.question));
            return callback(session, told, &form).await;
        }
        (Means::Click(answer), _) => answer.clone(),
        (Means::Menu, ComponentInteractionDataKind::StringSelect { values }) => picked(values),
        (Means::Menu, _) => return,
    };
    callback(session, told, &CreateInteractionResponse::Acknowledge).await;
    let by = name_of(&click.user, click.member.as_ref());
    if let Err(why) = answer(session, id.incident, id.question, reply, by).await {
        follow_up(session, &click.token, &why).await;
    }
}

/// A form that was sent.
pub(super) async fn filled_in(session: &Arc<Session>, form: ModalInteraction) {
    let Some(id) = CustomId::parse(&form.data.custom_id) else { return };
    let told = (form.id, form.token.as_str());
    if !session.serves(form.guild_id) {
        return tell_privately(session, told, "this bot serves another server").await;
    }
    callback(session, told, &CreateInteractionResponse::Acknowledge).await;
    let mut fields = form.data.components.iter().flat_map(|row| &row.components);
    let words = fields.find_map(|field| match field {
        ActionRowComponent::InputText(text) => text.value.clone(),
        _ => None,
    });
    let by = name_of(&form.user, form.member.as_ref());
    if let Err(why) = answer(session, id.incident, id.question, words.unwrap_or_default(), by).await {
        follow_up(session, &form.token, &why).await;
    }
}

/// `unknown` beside other picks says nothing: the picks do.
fn picked(values: &[String]) -> String {
    let known: Vec<&str> = values.iter().map(String::as_str).filter(|value| *value != "unknown").collect();
    if known.is_empty() { "unknown".to_owned() } else { known.join(",") }
}

/// `/triage …`
pub(super) async fn commanded(session: &Arc<Session>, said: CommandInteraction) {
    let told = (said.id, said.token.as_str());
    if said.data.name != command::NAME {
        return;
    }
    if !session.serves(said.guild_id) {
        return tell_privately(session, told, "this bot serves another server").await;
    }
    let typed = match command::read(&said.data) {
        Ok(typed) => typed,
        Err(why) => return tell_privately(session, told, &why).await,
    };
    let private = !matches!(typed, command::Typed::Start(_));
    let wait = CreateInteractionResponseMessage::new().ephemeral(private);
    callback(session, told, &CreateInteractionResponse::Defer(wait)).await;
    let text = match typed {
        command::Typed::Start(start) => {
            let by = name_of(&said.user, said.member.as_deref());
            let (respond, verdict) = oneshot::channel();
            match ask_app(session, Inbound::Start { start, by, respond }, verdict).await {
                Some(Ok(id)) => {
                    format!("Incident `{id}` is open; its thread is in <#{}>.", session.config.channel)
                }
                Some(Err(why)) => why,
                None => STOPPING.to_owned(),
            }
        }
        command::Typed::Status(id) => {
            let which = id.map_or_else(|| Which::Thread(said.channel_id.to_string()), Which::Id);
            let (respond, verdict) = oneshot::channel();
            match ask_app(session, Inbound::Status { which, respond }, verdict).await {
                Some(Some(incident)) => words::head(&session.templates, &incident, None)
                    .unwrap_or_else(|error| format!("The incident cannot be put into words: {error}")),
                Some(None) => "No such incident. Say its id, or ask in its thread.".to_owned(),
                None => STOPPING.to_owned(),
            }
        }
        command::Typed::List => {
            let (respond, verdict) = oneshot::channel();
            match ask_app(session, Inbound::List { respond }, verdict).await {
                Some(incidents) => listed(&incidents),
                None => STOPPING.to_owned(),
            }
        }
    };
    edit_original(session, &said.token, &text).await;
}

/// The open incidents, one line each.
fn listed(incidents: &[Arc<Incident>]) -> String {
    if incidents.is_empty() {
        return "No incident is open.".to_owned();
    }
    let line = |incident: &Arc<Incident>| {
        let thread = incident.thread.as_ref().map(|thread| format!(" <#{thread}>")).unwrap_or_default();
        let title = crate::template::neutral::inline(incident.title());
        format!("- `{}` {title} ({}){thread}", incident.id, incident.stage.id())
    };
    incidents.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A message in a channel that the bot sees; it may be an answer when it stands in a thread of ours.
pub(super) async fn written(session: &Arc<Session>, message: Message) {
    if message.author.bot {
        return;
    }
    let Some(incident) = session.board.in_thread(message.channel_id) else { return };
    let replied_to = message.message_reference.as_ref().and_then(|reference| reference.message_id);
    let precisely = replied_to.and_then(|replied_to| session.board.asked_by(&incident.id, replied_to));
    let mention = format!("<@{}>", session.bot);
    let addressed = precisely.is_some() || message.content.contains(&mention);
    let words = message.content.replace(&mention, "").trim().to_owned();
    let Some(question) = precisely.or_else(|| question_for(&incident, &words, addressed)) else { return };
    let by = message
        .member
        .as_ref()
        .and_then(|member| member.nick.clone())
        .unwrap_or_else(|| display(&message.author));
    if let Err(why) = answer(session, incident.id.clone(), question, words, by).await {
        reply(session, &message, &why).await;
    }
}

/// Gives an answer to the app and waits for its verdict.
async fn answer(
    session: &Session,
    incident: IncidentId,
    question: QuestionId,
    reply: String,
    by: String,
) -> Result<(), String> {
    let (respond, verdict) = oneshot::channel();
    let answer = Inbound::Answer { incident, question, reply, by, respond };
    ask_app(session, answer, verdict).await.unwrap_or_else(|| Err(STOPPING.to_owned()))
}

async fn ask_app<T>(session: &Session, inbound: Inbound, verdict: oneshot::Receiver<T>) -> Option<T> {
    session.inbound.send(inbound).await.ok()?;
    tokio::time::timeout(VERDICT, verdict).await.ok()?.ok()
}

async fn callback(
    session: &Session,
    (id, token): (InteractionId, &str),
    response: &CreateInteractionResponse,
) {
    let route = Route::InteractionResponse { interaction_id: id, token };
    if let Err(failure) = session.wire.tell(LightMethod::Post, route, response).await {
        tracing::warn!(reason = failure.error.reason, "an interaction could not be acknowledged");
    }
}

async fn tell_privately(session: &Session, told: (InteractionId, &str), text: &str) {
    let message = CreateInteractionResponseMessage::new()
        .content(fitting(text))
        .ephemeral(true)
        .allowed_mentions(nobody());
    callback(session, told, &CreateInteractionResponse::Message(message)).await;
}

async fn follow_up(session: &Session, token: &str, text: &str) {
    let message = CreateInteractionResponseFollowup::new()
        .content(fitting(text))
        .ephemeral(true)
        .allowed_mentions(nobody());
    let route = Route::WebhookFollowupMessages { application_id: session.application, token };
    if let Err(failure) = session.wire.tell(LightMethod::Post, route, &message).await {
        tracing::warn!(
            reason = failure.error.reason,
            "a person could not be told what was wrong with a reply"
        );
    }
}

/// Fills in a deferred answer; what does not fit follows in messages of its own, as private as the first.
async fn edit_original(session: &Session, token: &str, text: &str) {
    let mut parts = split::split(text, MESSAGE).into_iter();
    let first = parts.next().unwrap_or_else(|| "…".to_owned());
    let message = EditInteractionResponse::new().content(first).allowed_mentions(nobody());
    let route = Route::WebhookOriginalInteractionResponse { application_id: session.application, token };
    if let Err(failure) = session.wire.tell(LightMethod::Patch, route, &message).await {
        tracing::warn!(reason = failure.error.reason, "a command could not be answered");
    }
    for part in parts {
        follow_up(session, token, &part).await;
    }
}

async fn reply(session: &Session, to: &Message, text: &str) {
    let message = CreateMessage::new()
        .content(fitting(text))
        .reference_message(MessageReference::from((to.channel_id, to.id)))
        .allowed_mentions(nobody());
    let route = Route::ChannelMessages { channel_id: to.channel_id };
    if let Err(failure) = session.wire.tell(LightMethod::Post, route, &message).await {
        tracing::warn!(
            reason = failure.error.reason,
            "a person could not be told what was wrong with a reply"
        );
    }
}

/// Our own words about a reply that was not taken; they quote it, and it may be long.
fn fitting(text: &str) -> String {
    split::split(text, MESSAGE).into_iter().next().unwrap_or_else(|| "…".to_owned())
}

fn name_of(user: &User, member: Option<&Member>) -> String {
    member.and_then(|member| member.nick.clone()).unwrap_or_else(|| display(user))
}

fn display(user: &User) -> String {
    user.global_name.clone().unwrap_or_else(|| user.name.clone())
}

impl Session {
    /// Whether people of this server are obeyed.
    fn serves(&self, guild: Option<GuildId>) -> bool {
        self.config.guild.is_none_or(|ours| guild.is_some_and(|guild| guild.get() == ours))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::samples::incident;

    #[test]
    fn unknown_beside_other_picks_is_dropped() {
        let values = |picks: &[&str]| picks.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        assert_eq!(picked(&values(&["deploy", "unknown", "config"])), "deploy,config");
        assert_eq!(picked(&values(&["unknown"])), "unknown");
    }

    #[test]
    fn a_list_names_each_incident_and_its_thread() {
        let mut incident = incident();
        incident.thread = Some("77".into());
        let text = listed(&[Arc::new(incident)]);
        assert!(text.contains("High 502 rate") && text.ends_with("(triaging) <#77>"), "{text}");
        assert_eq!(listed(&[]), "No incident is open.");
    }
}
