//! Reading a thread back: where its head is, which messages ask questions, and what people wrote while nobody listened.
//!
//! After a restart nothing is known of a thread, after a session that could not be resumed something is missing: both are
//! read through REST, page by page from the last message that was read. What was answered since is not answered again.

use std::sync::Arc;

use serde::Deserialize;
use serenity::all::{ActionRowComponent, ChannelId, Message, MessageId};
use serenity::http::Route;

use super::custom_id::CustomId;
use super::thread::{Spot, written_at};
use super::wire::Failure;
use super::{Session, said};
use crate::incident::{Incident, IncidentId};

/// Messages of one page of Discord's.
const PAGE: usize = 100;
/// Pages that are read of one thread at most.
const PAGES: usize = 20;

/// Finds out where a thread's head is and what it says.
pub(super) async fn locate(session: &Session, thread: ChannelId) -> Result<(Spot, Option<String>), Failure> {
    let known = session.thread(thread).await?;
    let starter = MessageId::new(thread.get());
    let channel = match known.parent_id {
        Some(parent) if !session.channel(parent).await?.is_forum() => parent,
        _ => thread,
    };
    let spot = Spot { thread, head: (channel, starter) };
    Ok((spot, session.words_of(spot.head).await?))
}

/// Reads everything after the last message that was read.
pub(super) async fn read(session: &Arc<Session>, id: &IncidentId, thread: ChannelId) -> Result<(), Failure> {
    let mut after = session.board.read_up_to(id).unwrap_or(MessageId::new(thread.get()));
    for _ in 0..PAGES {
        let params = [("limit", PAGE.to_string()), ("after", after.to_string())];
        let route = Route::ChannelMessages { channel_id: thread };
        let mut page: Vec<Message> = session.wire.get(route, &params).await?;
        page.sort_by_key(|message| message.id);
        let Some(last) = page.last().map(|message| message.id) else { return Ok(()) };
        let is_full = page.len() >= PAGE;
        for message in page {
            take(session, id, message).await;
        }
        session.board.has_read(id, last);
        after = last;
        if !is_full {
            return Ok(());
        }
    }
    tracing::warn!(incident.id = %id, "the thread is longer than what is read back; its end may hold answers");
    Ok(())
}

async fn take(session: &Arc<Session>, id: &IncidentId, message: Message) {
    if message.author.id == session.bot {
        let question = message.components.iter().flat_map(|row| &row.components).find_map(question_of);
        if let Some(question) = question.filter(|it| it.incident == *id) {
            let found = (message.id, message.content);
            session.board.question_found(id, question.question, found, &session.templates);
        } else if is_head(&message.content, id) {
            session.board.head_found(id, (message.channel_id, message.id), message.content);
        }
        return;
    }
    let is_old = session
        .board
        .in_thread(message.channel_id)
        .is_none_or(|incident| was_answered_since(&incident, session.board.asks(id, &message), message.id));
    if !is_old && session.board.is_new(message.channel_id, message.id) {
        said::written(session, message).await;
    }
}

/// Whether the question that this message replies to was answered after it; a message to none is old when no question was asked
/// before it.
fn was_answered_since(
    incident: &Incident,
    replies_to: Option<crate::question::QuestionId>,
    message: MessageId,
) -> bool {
    let at = written_at(message);
    match replies_to {
        Some(question) => incident.questions.iter().any(|record| {
            record.question == question && record.answered_at.is_some_and(|answered| answered > at)
        }),
        None => !incident.open_questions().any(|record| record.asked_at.is_some_and(|asked| asked <= at)),
    }
}

/// Whether these are the words of a head that stands in the thread, since its first one was deleted.
fn is_head(content: &str, id: &IncidentId) -> bool {
    content.lines().nth(1).is_some_and(|line| line.starts_with("-# ") && line.contains(&format!("`{id}`")))
}

fn question_of(component: &ActionRowComponent) -> Option<CustomId> {
    #[derive(Deserialize)]
    struct Ours {
        custom_id: String,
    }
    // serenity hides a button's id in an enum of buttons and a menu's in another struct; the JSON has it in one place.
    let ours: Ours = serde_json::from_value(serde_json::to_value(component).ok()?).ok()?;
    CustomId::parse(&ours.custom_id)
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::incident::Event;
    use crate::question::{Answer, QuestionId};

    fn message_at(at: Timestamp) -> MessageId {
        MessageId::new(u64::try_from(at.as_millisecond() - 1_420_070_400_000).unwrap() << 22)
    }

    #[test]
    fn what_was_answered_after_a_message_is_not_answered_by_it_again() {
        let mut incident = crate::chat::samples::incident();
        let asked = Timestamp::from_second(1_790_000_100).unwrap();
        let later = |seconds| asked + SignedDuration::from_secs(seconds);
        let question = QuestionId::EndpointScope;
        incident.record(Event::QuestionAsked { question, because: String::new() }, asked);
        assert!(!was_answered_since(&incident, None, message_at(later(5))));
        assert!(was_answered_since(&incident, None, message_at(later(-5))), "talk before the question");
        let answer = Answer::Picked(vec!["one".into()]);
        incident.record(Event::AnswerGiven { question, answer, by: "Ada".into() }, later(10));
        assert!(was_answered_since(&incident, Some(question), message_at(later(5))));
        assert!(!was_answered_since(&incident, Some(question), message_at(later(15))), "a changed mind");
        assert!(was_answered_since(&incident, None, message_at(later(15))), "nothing is open");
    }

    #[test]
    fn a_head_is_known_by_its_second_line() {
        let id = IncidentId::from_seed(7);
        assert!(is_head(&format!("**502s**\n-# `{id}` · clear"), &id));
        assert!(!is_head(&format!("see `{id}`"), &id));
    }
}
