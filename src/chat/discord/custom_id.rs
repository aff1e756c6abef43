//! What a button, a menu or a form carries: which incident and question it belongs to, and what it answers.
//!
//! It comes back as people's input, perhaps weeks later and perhaps forged: it is parsed like any other, and whether the
//! question is still open is the app's to say. It holds no secret.

use std::fmt;

use crate::incident::IncidentId;
use crate::question::QuestionId;

/// Begins every id of ours, so that those of others are passed over.
const OURS: &str = "fc";
/// What a menu says in place of an answer: the answers are in its values.
const MENU: &str = "*";
/// What the button that opens a form says, and the form itself.
const WORDS: &str = "…";
/// What the button that hands a question on says, and the menu of people behind it.
const PASS_ON: &str = "@";
const PASS_TO: &str = "@>";

/// Which question is answered, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CustomId {
    pub(super) incident: IncidentId,
    pub(super) question: QuestionId,
    pub(super) means: Means,
}

/// How the question is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Means {
    /// By a click: this answer.
    Click(String),
    /// By picking from a menu.
    Menu,
    /// In words: the button opens a form, and the form brings them.
    Words,
    /// By somebody else: the button shows a menu of people.
    PassOn,
    /// By whoever is picked from it.
    PassTo,
}

impl CustomId {
    /// Reads an id; `None` when it is not one of ours.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '|');
        if parts.next()? != OURS {
            return None;
        }
        let incident = IncidentId::parse(parts.next()?).ok()?;
        let question = parts.next()?.parse().ok()?;
        let means = match parts.next()? {
            MENU => Means::Menu,
            WORDS => Means::Words,
            PASS_ON => Means::PassOn,
            PASS_TO => Means::PassTo,
            answer => Means::Click(answer.to_owned()),
        };
        Some(Self { incident, question, means })
    }
}

impl fmt::Display for CustomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let means = match &self.means {
            Means::Click(answer) => answer,
            Means::Menu => MENU,
            Means::Words => WORDS,
            Means::PassOn => PASS_ON,
            Means::PassTo => PASS_TO,
        };
        write!(f, "{OURS}|{}|{}|{means}", self.incident, self.question)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_of_every_question_reads_back_and_fits_into_100_characters() {
        for question in QuestionId::ALL {
            let clicks = question.answers().iter().chain(["unknown"].iter());
            let means = clicks.map(|it| Means::Click((*it).to_owned())).chain([
                Means::Menu,
                Means::Words,
                Means::PassOn,
                Means::PassTo,
            ]);
            for means in means {
                let id = CustomId { incident: IncidentId::from_seed(7), question, means };
                assert_eq!(CustomId::parse(&id.to_string()), Some(id.clone()));
                assert!(id.to_string().chars().count() <= 100);
            }
        }
    }

    #[test]
    fn what_is_not_ours_is_passed_over() {
        for text in [
            "",
            "fc",
            "fc|x|y|z",
            "poll|inc-4k2m9qx7ab|endpoint_scope|one",
            "fc|inc-4k2m9qx7ab|endpoint_scope",
        ] {
            assert_eq!(CustomId::parse(text), None, "{text}");
        }
    }
}
