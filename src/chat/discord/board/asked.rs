//! A question's message: what it says of its answer, against what it should.
//!
//! An answer can be changed by the same buttons and menus until it is clear which boundary fails; then they go. A question that
//! nobody answered keeps them: a late answer still counts.

use serenity::all::MessageId;

use crate::chat::ChatError;
use crate::chat::discord::words;
use crate::incident::{Incident, Stage};
use crate::question::QuestionId;
use crate::template::Templates;

/// A question's message.
pub(super) struct Asked {
    pub(super) message: MessageId,
    /// What it said when it was asked.
    content: String,
    /// What it says of its answer, as far as is known.
    shown: Option<Shown>,
    /// Its words as they were read back from the thread, until they were compared.
    read_back: Option<String>,
}

/// What a question's message says of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    answer: String,
    by: String,
    /// Whether its buttons and menus are there.
    pub(super) can_change: bool,
}

impl Asked {
    /// A message that was just posted.
    pub(super) fn posted(message: MessageId, content: String) -> Self {
        Self { message, content, shown: None, read_back: None }
    }

    /// A message that was found in its thread, with its buttons; it may say an answer already.
    pub(super) fn found(templates: &Templates, message: MessageId, says: String) -> Self {
        let content = words::without_answer(templates, &says).to_owned();
        Self { read_back: Some(says), ..Self::posted(message, content) }
    }

    /// The words it should have and does not, and what they say.
    pub(super) fn differs(
        &mut self,
        templates: &Templates,
        incident: &Incident,
        question: QuestionId,
    ) -> Result<Option<(String, Shown)>, ChatError> {
        let Some(wanted) = self.wanted(incident, question).filter(|it| self.shown.as_ref() != Some(it))
        else {
            return Ok(None);
        };
        let answer = (wanted.answer.as_str(), wanted.by.as_str());
        let text = words::answered(templates, &self.content, answer, wanted.can_change)?;
        if wanted.can_change && self.read_back.take().as_ref() == Some(&text) {
            self.shown = Some(wanted);
            return Ok(None);
        }
        Ok(Some((text, wanted)))
    }

    /// What should be said, once it is answered.
    fn wanted(&self, incident: &Incident, question: QuestionId) -> Option<Shown> {
        let record = incident.questions.iter().find(|record| record.question == question)?;
        // What was taken away does not come back when the incident is opened again.
        let can_change = matches!(incident.stage, Stage::Triaging | Stage::Unclear)
            && self.shown.as_ref().is_none_or(|shown| shown.can_change);
        let by = record.by.clone().unwrap_or_default();
        Some(Shown { answer: record.answer.as_ref()?.to_string(), by, can_change })
    }

    /// It says so now, or cannot be made to.
    pub(super) fn says(&mut self, shown: Shown) {
        self.shown = Some(shown);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::incident::Event;
    use crate::question::Answer;

    const QUESTION: QuestionId = QuestionId::EndpointScope;

    fn answered(by: &str, answer: &str) -> Event {
        let answer = Answer::Picked(vec![answer.into()]);
        Event::AnswerGiven { question: QUESTION, answer, by: by.into() }
    }

    /// What is to be said, which then is.
    fn told(asked: &mut Asked, incident: &Incident) -> Option<(String, bool)> {
        let (text, shown) = asked.differs(&Templates::builtin(), incident, QUESTION).unwrap()?;
        let can_change = shown.can_change;
        asked.says(shown);
        Some((text, can_change))
    }

    #[test]
    fn an_answer_is_shown_and_can_be_changed_until_it_is_clear() {
        let mut incident = crate::chat::samples::incident();
        let mut asked = Asked::posted(MessageId::new(7), "**Which?**".into());
        assert_eq!(told(&mut asked, &incident), None);
        incident.record(answered("Ada", "one"), Timestamp::UNIX_EPOCH);
        let (text, can_change) = told(&mut asked, &incident).unwrap();
        assert!(can_change && text.starts_with("**Which?**\n↳ one · Ada\n-# "), "{text}");
        assert_eq!(told(&mut asked, &incident), None);
        incident.record(answered("Grace", "all"), Timestamp::UNIX_EPOCH);
        assert!(told(&mut asked, &incident).unwrap().0.contains("all · Grace"));
        crate::chat::samples::conclude(&mut incident);
        assert_eq!(told(&mut asked, &incident), Some(("**Which?**\n↳ all · Grace".into(), false)));
        incident.record(Event::Reopened { by: "Ada".into(), reason: None }, Timestamp::UNIX_EPOCH);
        assert_eq!(told(&mut asked, &incident), None, "there is nothing left to change it by");
    }

    #[test]
    fn what_was_read_back_and_is_so_already_is_left_alone() {
        let templates = Templates::builtin();
        let mut incident = crate::chat::samples::incident();
        incident.record(answered("Ada", "one"), Timestamp::UNIX_EPOCH);
        let says = words::answered(&templates, "**Which?**", ("one", "Ada"), true).unwrap();
        let mut asked = Asked::found(&templates, MessageId::new(7), says);
        assert_eq!(told(&mut asked, &incident), None);
        incident.record(answered("Grace", "all"), Timestamp::UNIX_EPOCH);
        let (text, _) = told(&mut asked, &incident).unwrap();
        assert!(text.starts_with("**Which?**\n↳ all · Grace") && !text.contains("Ada"), "{text}");
    }
}
