//! Interactions: clicks, menus, forms, commands and half-typed options, from the gateway and over HTTP alike.
//!
//! Each gets its one answer at once, from what it carries and from the configuration alone: Discord waits three seconds, whatever
//! else is slow. What it means is done afterwards ([`perform`]). Only suggestions must wait for the app, and they give up in time.
//! The surprise: whoever else has answered already (another replica, a delivery twice) has the work too, so that nothing
//! follows here.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serenity::all::{
    ActionRowComponent, AutocompleteChoice, CommandInteraction, ComponentInteraction,
    ComponentInteractionDataKind, CreateAutocompleteResponse, CreateInteractionResponse,
    CreateInteractionResponseMessage, GuildId, Interaction, InteractionId, Member, ModalInteraction, User,
};
use serenity::http::{LightMethod, Route};

use super::custom_id::{CustomId, Means};
use super::split::MESSAGE;
use super::{Session, command, components, nobody};
use crate::chat::{ChatError, Suggest, Suggestion};
use crate::incident::{Person, Said};
use crate::permission::{Asker, Verb};

mod perform;

pub(super) use perform::{secrets, taken_out};

use perform::{Job, What};

/// How long suggestions may take: Discord shows none after three seconds, and whoever types does not wait.
const SUGGESTIONS: Duration = Duration::from_millis(400);
/// Characters of a suggestion's value and of what is read (Discord's documentation, application commands).
const CHOICE: usize = 100;
/// Discord's code for an interaction that somebody has answered.
const ANSWERED: u32 = 40060;
/// Discord's epoch, in milliseconds of ours (Discord's documentation, reference, snowflakes).
const EPOCH_MS: i64 = 1_420_070_400_000;
/// What is said to people of another server.
const ELSEWHERE: &str = "This bot serves another server.";
/// What is said of something that was clicked and that nobody knows.
const NOT_KNOWN: &str = "Nothing waits for this any more: it is from another time, or from another bot.";

/// What is answered at once, and what is done afterwards.
pub(super) struct Reaction {
    at_once: CreateInteractionResponse,
    then: Option<Job>,
}

impl Reaction {
    fn only(at_once: CreateInteractionResponse) -> Self {
        Self { at_once, then: None }
    }

    /// Tells the person, and nobody else.
    fn tell(text: &str) -> Self {
        let text = components::shortened(text, MESSAGE);
        let message =
            CreateInteractionResponseMessage::new().content(text).ephemeral(true).allowed_mentions(nobody());
        Self::only(CreateInteractionResponse::Message(message))
    }
}

/// Something came over the gateway.
pub(super) async fn came(session: &Arc<Session>, interaction: Interaction) {
    let Some(Reaction { at_once, then }) = react(session, &interaction).await else { return };
    let (id, token) = (interaction.id(), interaction.token());
    let route = Route::InteractionResponse { interaction_id: id, token };
    if let Err(failure) = session.wire.tell(LightMethod::Post, route, &at_once).await {
        if failure.code == Some(ANSWERED) {
            tracing::info!(interaction = %id, "an interaction was answered elsewhere");
            return;
        }
        // What the person did counts all the same.
        tracing::warn!(reason = failure.error.reason, "an interaction could not be acknowledged");
    }
    if let Some(job) = then {
        perform::perform(session, job).await;
    }
}

/// Something came over HTTP, from Discord beyond doubt; gives the answer's JSON.
///
/// # Errors
/// [`ChatError`] when it is no interaction, or of a kind that is not known here.
pub(super) async fn posted(session: &Arc<Session>, body: &[u8]) -> Result<Vec<u8>, ChatError> {
    let interaction: Interaction = serde_json::from_slice(body)
        .map_err(|error| ChatError::never(format!("this is no interaction: {error}")))?;
    let reaction = react(session, &interaction).await;
    let Reaction { at_once, then } =
        reaction.ok_or_else(|| ChatError::never("this kind of interaction is not known here"))?;
    let answer = serde_json::to_vec(&at_once)
        .map_err(|error| ChatError::never(format!("an answer that is no JSON: {error}")))?;
    if let Some(job) = then {
        let session = Arc::clone(session);
        tokio::spawn(async move { perform::perform(&session, job).await });
    }
    Ok(answer)
}

async fn react(session: &Session, interaction: &Interaction) -> Option<Reaction> {
    Some(match interaction {
        Interaction::Ping(_) => Reaction::only(CreateInteractionResponse::Pong),
        Interaction::Component(click) => clicked(session, click),
        Interaction::Modal(form) => filled_in(session, form),
        Interaction::Command(command) => commanded(session, command),
        Interaction::Autocomplete(typing) => completed(session, typing).await,
        _ => return None,
    })
}

/// A click, or a choice from a menu.
fn clicked(session: &Session, click: &ComponentInteraction) -> Reaction {
    let person = Somebody::new(click.guild_id, &click.user, click.member.as_ref());
    if let Some(refused) = session.refuses(&person, Verb::Answer) {
        return Reaction::tell(&refused);
    }
    let Some(id) = CustomId::parse(&click.data.custom_id) else { return Reaction::tell(NOT_KNOWN) };
    let CustomId { incident, question, means } = id;
    let job = |what| Job { id: click.id, token: click.token.clone(), by: person.name(), what };
    let acknowledged =
        |what| Reaction { at_once: CreateInteractionResponse::Acknowledge, then: Some(job(what)) };
    let answered = |reply: String| acknowledged(What::Answer { incident: incident.clone(), question, reply });
    match (means, &click.data.kind) {
        (Means::Words, _) => {
            Reaction::only(CreateInteractionResponse::Modal(components::form(&incident, question)))
        }
        (Means::PassOn, _) => {
            let message = CreateInteractionResponseMessage::new()
                .content("Who can answer it?")
                .components(vec![components::people(&incident, question)])
                .ephemeral(true)
                .allowed_mentions(nobody());
            Reaction::only(CreateInteractionResponse::Message(message))
        }
        (Means::PassTo, ComponentInteractionDataKind::UserSelect { values }) => {
            let chosen = values.first().and_then(|id| Some((id, click.data.resolved.users.get(id)?)));
            let Some((id, user)) = chosen else { return Reaction::tell("Nobody was chosen.") };
            if user.bot {
                return Reaction::tell("A bot answers no questions; choose a person.");
            }
            let nick = click.data.resolved.members.get(id).and_then(|member| member.nick.clone());
            let to = Person { name: nick.unwrap_or_else(|| display(user)), mention: Some(id.to_string()) };
            acknowledged(What::PassOn { incident, said: Said::PassOn(question, to) })
        }
        (Means::Click(answer), _) => answered(answer),
        (Means::Menu, ComponentInteractionDataKind::StringSelect { values }) => answered(picked(values)),
        (Means::Menu | Means::PassTo, _) => Reaction::tell(NOT_KNOWN),
    }
}

/// `unknown` beside other picks says nothing: the picks do.
fn picked(values: &[String]) -> String {
    let known: Vec<&str> = values.iter().map(String::as_str).filter(|value| *value != "unknown").collect();
    if known.is_empty() { "unknown".to_owned() } else { known.join(",") }
}

/// A form that was sent.
fn filled_in(session: &Session, form: &ModalInteraction) -> Reaction {
    let person = Somebody::new(form.guild_id, &form.user, form.member.as_ref());
    if let Some(refused) = session.refuses(&person, Verb::Answer) {
        return Reaction::tell(&refused);
    }
    let Some(id) = CustomId::parse(&form.data.custom_id) else { return Reaction::tell(NOT_KNOWN) };
    let mut fields = form.data.components.iter().flat_map(|row| &row.components);
    let words = fields.find_map(|field| match field {
        ActionRowComponent::InputText(text) => text.value.clone(),
        _ => None,
    });
    let what =
        What::Answer { incident: id.incident, question: id.question, reply: words.unwrap_or_default() };
    let job = Job { id: form.id, token: form.token.clone(), by: person.name(), what };
    Reaction { at_once: CreateInteractionResponse::Acknowledge, then: Some(job) }
}

/// `/triage`, `/incident`, `/check`, `/runbook`
fn commanded(session: &Session, said: &CommandInteraction) -> Reaction {
    let person = Somebody::new(said.guild_id, &said.user, said.member.as_deref());
    let typed = match command::read(&said.data, made_at(said.id)) {
        Ok(typed) => typed,
        Err(why) => return Reaction::tell(&format!("{}.", sentence(&why))),
    };
    if let Some(refused) = session.refuses(&person, typed.verb()) {
        return Reaction::tell(&refused);
    }
    let wait = CreateInteractionResponseMessage::new().ephemeral(typed.is_private());
    let what = What::Command { typed, thread: said.channel_id.to_string() };
    let job = Job { id: said.id, token: said.token.clone(), by: person.name(), what };
    Reaction { at_once: CreateInteractionResponse::Defer(wait), then: Some(job) }
}

/// An option that is being typed. Whoever may not read is suggested nothing.
async fn completed(session: &Session, typing: &CommandInteraction) -> Reaction {
    let person = Somebody::new(typing.guild_id, &typing.user, typing.member.as_deref());
    let may_read = session.refuses(&person, Verb::Read).is_none();
    let suggestions = match command::suggests(&typing.data).filter(|_| may_read) {
        Some((what, typed)) => suggestions(session, what, typed).await,
        None if may_read && is_span(typing) => command::SPANS.map(|it| choice(it, it)).to_vec(),
        None => Vec::new(),
    };
    let choices = CreateAutocompleteResponse::new().set_choices(suggestions);
    Reaction::only(CreateInteractionResponse::Autocomplete(choices))
}

fn is_span(typing: &CommandInteraction) -> bool {
    typing.data.autocomplete().is_some_and(|option| option.name == "for")
}

async fn suggestions(session: &Session, what: Suggest, typed: String) -> Vec<AutocompleteChoice> {
    let asked = perform::suggestions(session, what, typed);
    let found: Vec<Suggestion> =
        tokio::time::timeout(SUGGESTIONS, asked).await.ok().flatten().unwrap_or_default();
    // A value that does not fit could not be sent back.
    let fits = |it: &&Suggestion| it.value.chars().count() <= CHOICE;
    found.iter().filter(fits).map(|it| choice(&it.label, &it.value)).collect()
}

fn choice(label: &str, value: &str) -> AutocompleteChoice {
    AutocompleteChoice::new(components::shortened(label, CHOICE), value)
}

/// When Discord made this: what is said relative to it means the same however often it is told.
fn made_at(id: InteractionId) -> Timestamp {
    let ms = i64::try_from(id.get() >> 22).unwrap_or(i64::MAX).saturating_add(EPOCH_MS);
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
}

/// Our own words, beginning as a sentence does.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Whoever did something.
struct Somebody<'a> {
    guild: Option<GuildId>,
    user: &'a User,
    nick: Option<&'a str>,
    roles: Vec<u64>,
    moderates: bool,
}

impl<'a> Somebody<'a> {
    fn new(guild: Option<GuildId>, user: &'a User, member: Option<&'a Member>) -> Self {
        let moderates = member
            .and_then(|member| member.permissions)
            .is_some_and(|may| may.administrator() || may.manage_guild() || may.manage_threads());
        let roles = member.map(|member| member.roles.iter().map(|role| role.get()).collect());
        let nick = member.and_then(|member| member.nick.as_deref());
        Self { guild, user, nick, roles: roles.unwrap_or_default(), moderates }
    }

    fn name(&self) -> String {
        self.nick.map_or_else(|| display(self.user), str::to_owned)
    }
}

/// A user's name, as people read it.
pub(super) fn display(user: &User) -> String {
    user.global_name.clone().unwrap_or_else(|| user.name.clone())
}

impl Session {
    /// Why this person may not do this, in words for them.
    fn refuses(&self, person: &Somebody<'_>, verb: Verb) -> Option<String> {
        let is_elsewhere = |ours: u64| person.guild.is_none_or(|guild| guild.get() != ours);
        if self.config.guild.is_some_and(is_elsewhere) {
            return Some(ELSEWHERE.to_owned());
        }
        let asker = Asker { user: person.user.id.get(), roles: &person.roles, moderates: person.moderates };
        (!self.config.permissions.allow(verb, asker)).then(|| refusal(verb))
    }
}

/// A polite no, with what somebody can change.
pub(super) fn refusal(verb: Verb) -> String {
    format!(
        "Sorry, you may not {} here. Who may is said in the bot's configuration (`chat.discord.permissions.{verb}`).",
        verb.does()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_beside_other_picks_is_dropped() {
        let values = |picks: &[&str]| picks.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        assert_eq!(picked(&values(&["deploy", "unknown", "config"])), "deploy,config");
        assert_eq!(picked(&values(&["unknown"])), "unknown");
    }

    /// The example of Discord's documentation, reference, snowflakes.
    #[test]
    fn an_id_says_when_it_was_made() {
        let at = made_at(InteractionId::new(175_928_847_299_117_063));
        assert_eq!(at.to_string(), "2016-04-30T11:18:25.796Z");
    }

    #[test]
    fn a_refusal_names_what_can_be_changed() {
        assert!(
            refusal(Verb::Check).contains("run checks") && refusal(Verb::Check).contains("permissions.check")
        );
        assert_eq!(sentence("say `to` too"), "Say `to` too");
    }
}
