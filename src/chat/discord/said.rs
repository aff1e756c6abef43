//! What people write in a thread, and what is told to one of them beside the thread.
//!
//! Words are an answer only when they stand in a thread of ours and fit a question that waits there; talk is no answer, and bots are not
//! listened to. A long paste is a file to Discord: a small text file counts as the words it holds. The surprise: nobody
//! else can read a direct message, so that is where a person is told of a secret in their words.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;
use serenity::all::{ChannelId, GuildId, Member, Message};
use serenity::http::{LightMethod, Route};

use super::deliver::Letter;
use super::interaction::{self, display};
use super::{Session, attachment};
use crate::chat::{ChatError, question_for};
use crate::permission::{Asker, Verb};

/// A message in a channel that the bot sees; it may be an answer when it stands in a thread of ours.
pub(super) async fn written(session: &Arc<Session>, message: Message) {
    if message.author.bot || message.author.id == session.bot {
        return;
    }
    let Some(incident) = session.board.in_thread(message.channel_id) else { return };
    let replied_to = message.message_reference.as_ref().and_then(|reference| reference.message_id);
    let precisely = replied_to.and_then(|replied_to| session.board.asked_by(&incident.id, replied_to));
    let mention = format!("<@{}>", session.bot);
    let addressed = precisely.is_some() || message.content.contains(&mention);
    let words = message.content.replace(&mention, "").trim().to_owned();
    let is_meant = |words: &str| precisely.or_else(|| question_for(&incident, words, addressed));
    // A paste without words that is addressed to the bot is words of its own.
    let pasted = addressed && !message.attachments.is_empty();
    let Some(question) = is_meant(if pasted && words.is_empty() { "(attached)" } else { &words }) else {
        return;
    };
    if !may_answer(session, &message).await {
        if addressed {
            tell(session, &message, &interaction::refusal(Verb::Answer)).await;
        }
        return;
    }
    let words = match attachment::with_text(session, words, &message.attachments, pasted).await {
        Ok(words) => words,
        Err(why) => return tell(session, &message, &why).await,
    };
    let by = message
        .member
        .as_ref()
        .and_then(|member| member.nick.clone())
        .unwrap_or_else(|| display(&message.author));
    let secrets = interaction::secrets(&words);
    let once = Some(format!("discord {}", message.id));
    match session.answer(incident.id.clone(), question, words, by, once).await {
        Err(why) => reply(session, &message, &why).await,
        Ok(()) => {
            if let Some(kinds) = secrets {
                let text = format!(
                    "{} Your message still shows it; delete the message.",
                    interaction::taken_out(&kinds)
                );
                tell(session, &message, &text).await;
            }
        }
    }
}

/// Whether the author may answer. What is read back from a thread does not say their roles: they are asked for when it matters.
async fn may_answer(session: &Session, message: &Message) -> bool {
    let permissions = &session.config.permissions;
    if permissions.allow_everyone(Verb::Answer) {
        return true;
    }
    let allows = |roles: Vec<u64>| {
        let asker = Asker { user: message.author.id.get(), roles: &roles, moderates: false };
        permissions.allow(Verb::Answer, asker)
    };
    if let Some(member) = &message.member {
        return allows(member.roles.iter().map(|role| role.get()).collect());
    }
    let guild = message.guild_id.map(GuildId::get).or(session.config.guild);
    let Some(guild) = guild else { return allows(Vec::new()) };
    let route = Route::GuildMember { guild_id: guild.into(), user_id: message.author.id };
    match session.wire.get::<Member>(route, &[]).await {
        Ok(member) => allows(member.roles.iter().map(|role| role.get()).collect()),
        Err(failure) => {
            tracing::warn!(reason = failure.error.reason, "the roles of somebody who answered are not known");
            allows(Vec::new())
        }
    }
}

/// Tells the author alone; where they take no direct messages, below their message.
async fn tell(session: &Session, message: &Message, text: &str) {
    match direct(session, message, text).await {
        Ok(()) => {}
        Err(error) => {
            tracing::info!(
                reason = error.reason,
                "somebody takes no direct messages and is told in the thread"
            );
            reply(session, message, text).await;
        }
    }
}

async fn direct(session: &Session, message: &Message, text: &str) -> Result<(), ChatError> {
    #[derive(Deserialize)]
    struct Opened {
        id: ChannelId,
    }
    let who = json!({"recipient_id": message.author.id.to_string()});
    let opened: Opened = session.wire.send_json(LightMethod::Post, Route::UserMeDmChannels, &who).await?;
    let key = format!("told {} {text}", message.id);
    session.post_all(opened.id, Letter { text, key: &key, ..Letter::default() }).await?;
    Ok(())
}

async fn reply(session: &Session, to: &Message, text: &str) {
    let key = format!("told {} {text}", to.id);
    let letter = Letter { text, key: &key, replies_to: Some(to.id), ..Letter::default() };
    if let Err(failure) = session.post_all(to.channel_id, letter).await {
        tracing::warn!(
            reason = failure.error.reason,
            "a person could not be told what was wrong with a reply"
        );
    }
}
