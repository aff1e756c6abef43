//! The fifteen triage questions: their ids, their closed answers, and how a person's reply becomes an [`Answer`].
//!
//! `unknown` is always an answer. It is a fact about the person, never a `no`. The wording lives in
//! `runbooks/questions.yaml`; this file knows ids only.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! questions {
    ($($variant:ident $id:literal $choice:ident [$($answer:literal)*] $doc:literal;)*) => {
        /// A question of the framework's checklist, in its order.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        pub enum QuestionId { $(#[doc = $doc] #[serde(rename = $id)] $variant,)* }

        impl QuestionId {
            /// All fifteen, in the framework's order, which breaks ties.
            pub const ALL: [Self; 15] = [$(Self::$variant),*];

            /// The id used in YAML, JSON and the store.
            #[must_use]
            pub fn id(self) -> &'static str { match self { $(Self::$variant => $id,)* } }

            /// The closed answers a person can pick, `unknown` aside.
            #[must_use]
            pub fn answers(self) -> &'static [&'static str] { match self { $(Self::$variant => &[$($answer),*],)* } }

            /// How many of them may be picked, and whether free text is understood.
            #[must_use]
            pub fn choice(self) -> Choice { match self { $(Self::$variant => Choice::$choice,)* } }
        }
    };
}

/// How a question may be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// One of the answers.
    One,
    /// Any of the answers.
    Any,
    /// One of the answers, or free text.
    OneOrText,
    /// Any of the answers, or free text.
    AnyOrText,
    /// Free text.
    Text,
}

impl Choice {
    /// Whether several answers may be given together.
    #[must_use]
    pub fn is_multiple(self) -> bool {
        matches!(self, Self::Any | Self::AnyOrText)
    }

    /// Whether words outside the list are understood.
    #[must_use]
    pub fn takes_text(self) -> bool {
        matches!(self, Self::OneOrText | Self::AnyOrText | Self::Text)
    }
}

questions! {
    StatusDistribution "status_distribution" AnyOrText ["4xx_request" "auth" "429" "500" "5xx_gateway" "timeout" "connection_error" "bad_200"] "Which statuses, in which shares?";
    SpikeStart "spike_start" OneOrText ["gradual" "intermittent"] "Did the spike start at a specific moment?";
    ChangeAtStart "change_at_start" Any ["deploy" "config" "feature_flag" "infrastructure" "dependency_change" "credential_rotation" "traffic_change" "none"] "What changed at that moment?";
    EndpointScope "endpoint_scope" One ["one" "several" "all"] "One endpoint or many?";
    PrincipalScope "principal_scope" Any ["tenant" "role" "api_key" "region" "ip" "everyone"] "One tenant, role, key or region?";
    ClientScope "client_scope" One ["one_version" "one_browser" "one_device" "one_sdk" "all_clients"] "One client version or browser?";
    RetryLayer "retry_layer" One ["amplifying" "present" "absent"] "Is a retry layer increasing load?";
    ErrorOrigin "error_origin" One ["gateway" "app" "dependency" "cdn"] "Who returns the error?";
    LatencyFirst "latency_first" One ["yes" "no"] "Did latency rise before errors?";
    LimitHeaders "limit_headers" OneOrText ["yes" "no"] "Are there rate-limit headers?";
    TokenState "token_state" One ["missing" "stripped" "malformed" "expired" "not_yet_valid" "wrong_audience" "wrong_issuer" "insufficient_scope" "valid"] "What is the state of the token?";
    NetworkEvidence "network_evidence" Any ["dns" "tls" "connect" "reset" "packet_loss" "none"] "Is there evidence of DNS, TLS or connectivity trouble?";
    CorrelatedDependency "correlated_dependency" OneOrText ["none"] "Which dependency correlates with the failures?";
    FailingRequest "failing_request" Text [] "One representative failing request.";
    EvidenceComplete "evidence_complete" Text [] "The bot's own: what is still missing from the evidence pack.";
}

impl fmt::Display for QuestionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// A word that is no question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown question `{0}`; see `firstcheck runbook show questions` for the fifteen ids")]
pub struct UnknownQuestion(pub String);

impl FromStr for QuestionId {
    type Err = UnknownQuestion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|id| id.id() == text).ok_or_else(|| UnknownQuestion(text.to_owned()))
    }
}

/// What somebody said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Cannot tell: a fact about the person, not about the incident.
    Unknown,
    /// One or more of the question's closed answers.
    Picked(Vec<String>),
    /// Free text, as written (redacted before it leaves the house).
    Text(String),
}

/// A reply that is no answer to the question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAnswer {
    /// Words outside the closed list, where free text is not taken.
    #[error("`{reply}` is no answer to {question}; pick {} of: {}, unknown", if question.choice().is_multiple() { "any" } else { "one" }, question.answers().join(", "))]
    NotInTheList {
        /// The question.
        question: QuestionId,
        /// What was said.
        reply: String,
    },
    /// Nothing was said.
    #[error("an empty reply to {0}; say `unknown` if you cannot tell")]
    Empty(QuestionId),
}

impl Answer {
    /// Reads a reply: `unknown`, an answer's id or its number (from 1, in the order of
    /// [`QuestionId::answers`]), several separated by commas where the question allows it, or free text where it takes
    /// text.
    ///
    /// # Errors
    /// [`NotAnAnswer`] when the reply is empty, or is outside the list of a question that takes no text.
    pub fn parse(question: QuestionId, reply: &str) -> Result<Self, NotAnAnswer> {
        let reply = reply.trim();
        if reply.is_empty() {
            return Err(NotAnAnswer::Empty(question));
        }
        if matches!(
            reply.to_ascii_lowercase().as_str(),
            "unknown" | "?" | "don't know" | "dont know" | "no idea"
        ) {
            return Ok(Self::Unknown);
        }
        let one = |word: &str| -> Option<String> {
            let answers = question.answers();
            let word = word.trim().trim_matches(|c| c == '`' || c == '"').to_ascii_lowercase();
            let wanted = word.replace([' ', '-'], "_");
            answers.iter().find(|answer| **answer == wanted).map(|answer| (*answer).to_owned()).or_else(
                || {
                    let number: usize = word.trim_end_matches(['.', ')']).parse().ok()?;
                    number
                        .checked_sub(1)
                        .and_then(|index| answers.get(index))
                        .map(|answer| (*answer).to_owned())
                },
            )
        };
        let picked: Option<Vec<String>> = if question.choice().is_multiple() {
            reply.split(',').map(str::trim).filter(|part| !part.is_empty()).map(one).collect()
        } else {
            one(reply).map(|answer| vec![answer])
        };
        match picked {
            Some(mut picked) if !picked.is_empty() => {
                let mut seen = std::collections::BTreeSet::new();
                picked.retain(|answer| seen.insert(answer.clone()));
                Ok(Self::Picked(picked))
            }
            _ if question.choice().takes_text() => Ok(Self::Text(reply.to_owned())),
            _ => Err(NotAnAnswer::NotInTheList { question, reply: reply.to_owned() }),
        }
    }

    /// Whether the given closed answer was picked.
    #[must_use]
    pub fn has(&self, answer: &str) -> bool {
        matches!(self, Self::Picked(picked) if picked.iter().any(|it| it == answer))
    }

    /// Whether nothing was learned.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Picked(picked) => f.write_str(&picked.join(", ")),
            Self::Text(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(question: QuestionId, reply: &str, expected: &Answer) {
        assert_eq!(Answer::parse(question, reply).as_ref(), Ok(expected), "{reply}");
    }

    fn picked(answers: &[&str]) -> Answer {
        Answer::Picked(answers.iter().map(|it| (*it).to_owned()).collect())
    }

    #[test]
    fn replies_are_read_by_id_number_and_loose_spelling() {
        check(QuestionId::EndpointScope, "one", &picked(&["one"]));
        check(QuestionId::EndpointScope, "2", &picked(&["several"]));
        check(QuestionId::EndpointScope, "3)", &picked(&["all"]));
        check(QuestionId::ClientScope, "One version", &picked(&["one_version"]));
        check(QuestionId::EndpointScope, "unknown", &Answer::Unknown);
        check(QuestionId::ChangeAtStart, "deploy, config, deploy", &picked(&["deploy", "config"]));
    }

    #[test]
    fn a_status_is_an_answer_and_not_a_number_in_the_list() {
        check(QuestionId::StatusDistribution, "429", &picked(&["429"]));
        check(
            QuestionId::StatusDistribution,
            "504: 70%, 502: 30%",
            &Answer::Text("504: 70%, 502: 30%".into()),
        );
    }

    #[test]
    fn words_outside_the_list_are_refused_with_the_list() {
        let error = Answer::parse(QuestionId::EndpointScope, "maybe").unwrap_err();
        assert!(error.to_string().contains("one, several, all, unknown"), "{error}");
        assert!(Answer::parse(QuestionId::EndpointScope, "9").is_err());
        assert_eq!(
            Answer::parse(QuestionId::FailingRequest, " "),
            Err(NotAnAnswer::Empty(QuestionId::FailingRequest))
        );
    }

    #[test]
    fn every_id_parses_back() {
        for question in QuestionId::ALL {
            assert_eq!(question.id().parse(), Ok(question));
            assert_eq!(serde_json::to_value(question).unwrap(), question.id());
        }
    }
}
