//! The shape of a runbook of one's own, as people write it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::{BoolDeserializer, SeqAccessDeserializer, StrDeserializer, U64Deserializer};
use serde::de::{Deserializer, Error, IntoDeserializer as _, SeqAccess, Visitor};

use crate::alert::{Severity, TransportError};
use crate::bucket::Bucket;
use crate::outcome::{CheckKind, Outcome, Role};
use crate::question::QuestionId;
use crate::runbook::file::{CauseEntry, CheckOf, Expect, Prior};

/// A runbook of one's own: any other `*.yaml` in the folder of runbooks.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnFile {
    /// What it is for, one line.
    pub(crate) title: String,
    /// The alerts it is for; all conditions must hold.
    #[serde(rename = "match")]
    pub(crate) matches: Match,
    /// What it adds to triage, in order.
    #[serde(default)]
    pub(crate) steps: Vec<OwnStep>,
    /// Causes it brings; one with the id of a shipped cause replaces that.
    #[serde(default)]
    pub(crate) causes: Vec<OwnCauseEntry>,
}

/// Conditions on an alert. In words `*` stands for anything; a list means any of its items.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Match {
    /// The service.
    pub service: Option<Many<String>>,
    /// URL, path or host.
    pub endpoint: Option<Many<String>>,
    /// HTTP statuses.
    pub status: Option<Many<u16>>,
    /// Why there was no response.
    pub error: Option<Many<TransportError>>,
    /// How bad the sender says it is.
    pub severity: Option<Many<Severity>>,
    /// The monitoring system's name in the webhook's path.
    pub source: Option<Many<String>>,
    /// `production`, `staging`, …
    pub environment: Option<Many<String>>,
    /// Where.
    pub region: Option<Many<String>>,
    /// The alert's title.
    pub title: Option<Many<String>>,
    /// Labels and their values.
    pub labels: BTreeMap<String, Many<String>>,
}

/// A step: exactly one of `check`, `ask`, `escalate` and `mitigate`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OwnStep {
    /// Run this check.
    pub check: Option<CheckKind>,
    /// Whose endpoint it looks at; ours when absent.
    pub role: Option<Role>,
    /// What tells it from other checks of its kind, e.g. the dependency's name.
    pub name: Option<String>,
    /// What to check, as on the command line; what the service's profile says when absent.
    pub target: Option<String>,
    /// The check's keys, as on the command line.
    pub with: BTreeMap<String, Scalar>,
    /// Put this question to a person, unless it is answered already.
    pub ask: Option<QuestionId>,
    /// Call somebody in; said with the conclusion.
    pub escalate: Option<String>,
    /// Do this first against the pain; said with the conclusion.
    pub mitigate: Option<String>,
    /// Only then.
    pub when: When,
}

/// Conditions on what is known so far; all of them must hold.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// The alert's HTTP status.
    pub status: Option<Many<u16>>,
    /// The highest severity so far.
    pub severity: Option<Many<Severity>>,
    /// Answers, by question; `unknown` too.
    pub answers: BTreeMap<QuestionId, Many<String>>,
    /// Outcomes, by `CHECK.ROLE`.
    pub outcomes: BTreeMap<String, Many<Outcome>>,
    /// The most likely boundary.
    pub bucket: Option<Many<Bucket>>,
    /// At least this sure of it, 0 to 1.
    pub probability: Option<f64>,
    /// One of the one or two best causes.
    pub cause: Option<Many<String>>,
}

/// A cause with its boundary.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CauseAsWritten {
    bucket: Bucket,
    id: String,
    prior: Prior,
    #[serde(default)]
    in_dependency: bool,
    says: String,
    next_experiment: String,
    mitigation: String,
    confirm: Option<CheckOf>,
    #[serde(default)]
    expect: Expect,
}

/// A cause of a runbook of one's own.
#[derive(Debug, Deserialize)]
#[serde(from = "CauseAsWritten")]
pub(crate) struct OwnCauseEntry {
    pub(crate) bucket: Bucket,
    pub(crate) entry: CauseEntry,
}

impl From<CauseAsWritten> for OwnCauseEntry {
    fn from(it: CauseAsWritten) -> Self {
        let CauseAsWritten {
            bucket,
            id,
            prior,
            in_dependency,
            says,
            next_experiment,
            mitigation,
            confirm,
            expect,
        } = it;
        let entry =
            CauseEntry { id, prior, in_dependency, says, next_experiment, mitigation, confirm, expect };
        Self { bucket, entry }
    }
}

impl JsonSchema for OwnCauseEntry {
    fn schema_name() -> Cow<'static, str> {
        "Cause".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        CauseAsWritten::json_schema(generator)
    }
}

/// One value, or a list of which any may be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Many<T>(pub Vec<T>);

impl<T: fmt::Display> Many<T> {
    /// Them all with "or".
    pub(crate) fn words(&self) -> String {
        self.0.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(" or ")
    }
}

impl<T: JsonSchema> JsonSchema for Many<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Many{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]})
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMany<T> {
            type Value = Many<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one value or a list of values")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Many<T>, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(items)).map(Many)
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Many<T>, E> {
                let value: StrDeserializer<'_, E> = value.into_deserializer();
                T::deserialize(value).map(|one| Many(vec![one]))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Many<T>, E> {
                let value: U64Deserializer<E> = value.into_deserializer();
                T::deserialize(value).map(|one| Many(vec![one]))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Many<T>, E> {
                let value: BoolDeserializer<E> = value.into_deserializer();
                T::deserialize(value).map(|one| Many(vec![one]))
            }
        }
        deserializer.deserialize_any(OneOrMany(PhantomData))
    }
}

/// A word or a number, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar(pub String);

impl JsonSchema for Scalar {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "number", "boolean"]})
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, true or false")
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar(value.to_owned()))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }
        }
        deserializer.deserialize_any(Text)
    }
}
