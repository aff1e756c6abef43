//! What triage knows: questions and their wording, causes and what they make likely, thresholds. All of it is data in
//! `runbooks/*.yaml`, shipped inside the program.
//!
//! It refuses files that name checks, outcomes, questions or answers nobody has.

use std::collections::BTreeMap;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::question::QuestionId;
use crate::yaml::{self, Problem};

/// The built-in files: name and text.
pub const BUILTIN: &[(&str, &str)] = &[("questions.yaml", include_str!("../runbooks/questions.yaml"))];

/// How a question is put to a person.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The question.
    pub id: QuestionId,
    /// The wording for chat.
    pub ask: String,
    /// The closed answers with their labels, in the order of [`QuestionId::answers`].
    pub answers: Vec<AnswerLabel>,
    /// Who can usually answer.
    pub who: String,
    /// What it costs in a person's attention; a glance at a dashboard is 1.
    pub cost: f64,
    /// The share of incidents in which somebody can tell, 0 to 1.
    pub known: f64,
}

/// A closed answer in a person's words.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerLabel {
    /// The answer's id.
    pub id: String,
    /// What the person reads.
    pub label: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct QuestionsFile {
    questions: Vec<Question>,
}

/// Everything triage knows, checked and ready.
#[derive(Debug, Clone)]
pub struct Knowledge {
    questions: BTreeMap<QuestionId, Question>,
    hash: String,
}

impl Knowledge {
    /// The knowledge shipped inside the program.
    ///
    /// # Panics
    /// Never in a tested build: the shipped files are read by the tests.
    #[must_use]
    pub fn builtin() -> Self {
        let files: Vec<(String, String)> =
            BUILTIN.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Self::parse(&files).expect("the shipped runbooks are read by the tests")
    }

    /// The shipped files, with those of the same name replaced and others added.
    ///
    /// # Errors
    /// Every problem found, with its place.
    pub fn with_overrides(overrides: &[(String, String)]) -> Result<Self, Vec<Problem>> {
        let mut files: BTreeMap<String, String> =
            BUILTIN.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        files.extend(overrides.iter().cloned());
        Self::parse(&files.into_iter().collect::<Vec<_>>())
    }

    /// Reads a full set of files: name and text.
    ///
    /// # Errors
    /// Every problem found, with its place.
    pub fn parse(files: &[(String, String)]) -> Result<Self, Vec<Problem>> {
        let mut hasher = Sha256::new();
        let mut questions = BTreeMap::new();
        for (name, text) in files {
            hasher.update(name.as_bytes());
            hasher.update([0]);
            hasher.update(text.as_bytes());
            hasher.update([0]);
            let file: QuestionsFile = yaml::read(name, text).map_err(|problem| vec![problem])?;
            questions.extend(file.questions.into_iter().map(|question| (question.id, question)));
        }
        for id in QuestionId::ALL {
            if !questions.contains_key(&id) {
                return Err(vec![Problem::of_file("questions.yaml", format!("question `{id}` is missing"))]);
            }
        }
        let hash = hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { questions, hash })
    }

    /// Content hash of the files, 16 hexadecimal digits: two conclusions with the same hash used the same knowledge.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// How a question is put to a person.
    #[must_use]
    pub fn question(&self, id: QuestionId) -> &Question {
        &self.questions[&id]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_has_its_wording_and_a_label_for_every_answer() {
        let knowledge = Knowledge::builtin();
        for id in QuestionId::ALL {
            let labels: Vec<&str> = knowledge.question(id).answers.iter().map(|it| it.id.as_str()).collect();
            assert_eq!(labels, id.answers(), "{id}");
        }
        assert_eq!(knowledge.hash().len(), 16);
    }
}
