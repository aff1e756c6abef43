//! Schema drift: how a body's shape differs from an earlier one, or from what the contract says. Pure.
//!
//! A body is compared with its like alone: a response with one of the same status, a request with one of the same method and
//! path. What surprises: a fault is not proven by a difference (fields may be optional), so this is evidence for a reader and
//! moves no belief. What a shape does not show (below its depth, behind its last field, in an empty list) is no difference.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::reading::{report, text_of};
use super::shape::MARK;
use crate::incident::{Incident, StepRecord};
use crate::outcome::{CheckKind, Outcome, Report, Role};
use crate::question::{Answer, QuestionId};
use crate::request::{self, Body, FailingRequest};

/// Differences that are listed; the rest is counted.
const LISTED: usize = 25;
/// Fields of a body that are compared, and how deep.
const FIELDS: usize = 500;
const DEEPEST: usize = 8;

/// One comparison of a body's shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// Whose body.
    pub body: Side,
    /// What it is compared with: the contract by name and version, an earlier incident, the same request when it succeeded.
    pub against: String,
    /// The differences; empty when the shapes are the same.
    pub changes: Vec<FieldChange>,
    /// How many differences are not listed.
    pub more: usize,
}

/// Whose body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// What was sent.
    Request,
    /// What came back.
    Response,
}

/// A field that is not as it was, or not as the contract wants it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldChange {
    /// Where: a JSON pointer (RFC 6901) with `*` for the items of a list; empty for the whole body.
    pub field: String,
    /// What happened to it.
    pub change: Change,
    /// Its type in the other shape, or what the contract wants.
    pub was: Option<String>,
    /// Its type here.
    pub is: Option<String>,
}

/// What happened to a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is not there any more, or the contract requires it.
    Missing,
    /// It was not there, or the contract does not know it.
    New,
    /// Its type is another.
    Changed,
    /// It breaks another rule of the contract, named in `was`.
    Breaks,
}

/// Every comparison that this incident allows: the contract's first, then those with other bodies.
pub(super) fn drifts(
    incident: &Incident,
    failing: Option<&FailingRequest>,
    before: Option<&Incident>,
) -> Vec<Drift> {
    let mut drifts = contract(incident, failing);
    drifts.extend(succeeded(incident, failing));
    let of_service = http(incident, None);
    drifts.extend(of_service.zip(http(incident, Some("direct"))).and_then(|(at_the_edge, direct)| {
        compare_reports(at_the_edge, direct, "what the application itself answers (http service direct)")
    }));
    if let Some(before) = before {
        let same_place = |it: &&Report| of_service.is_some_and(|now| now.target == it.target);
        let earlier = http(before, None).filter(same_place);
        let against = format!("the same status in the earlier incident {}", before.id);
        drifts.extend(
            of_service.zip(earlier).and_then(|(now, earlier)| compare_reports(now, earlier, &against)),
        );
    }
    drifts
}

/// The http check of the service with this name, where it came back.
fn http<'a>(incident: &'a Incident, name: Option<&str>) -> Option<&'a Report> {
    let is = |it: &&StepRecord| {
        it.step.check == CheckKind::Http && it.step.role == Role::Service && it.step.name.as_deref() == name
    };
    incident.steps.iter().filter(is).find_map(StepRecord::report).filter(|it| it.outcome != Outcome::Error)
}

/// What the contract check found in the bodies.
fn contract(incident: &Incident, failing: Option<&FailingRequest>) -> Vec<Drift> {
    let Some(report) =
        report(incident, CheckKind::Contract, Role::Service).filter(|it| it.outcome != Outcome::Error)
    else {
        return Vec::new();
    };
    let fact = |name: &str| report.facts.get(name).and_then(text_of);
    let title =
        [fact("spec_title"), fact("spec_version")].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let against = format!("the contract {title}").trim_end().to_owned();
    let list =
        |name: &str| report.facts.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let drift = |body, found: &[Value]| {
        let changes: Vec<FieldChange> = found.iter().filter_map(violation).collect();
        bounded(body, against.clone(), changes)
    };
    let mut drifts = Vec::new();
    let in_body: Vec<Value> = list("violations")
        .iter()
        .filter(|it| it.get("in").and_then(Value::as_str) == Some("body"))
        .cloned()
        .collect();
    let has_body = failing.is_some_and(|it| matches!(&it.body, Body::Text(text) if !text.trim().is_empty()));
    let was_compared = report.outcome == Outcome::Matches && !report.facts.contains_key("not_evaluated");
    if !in_body.is_empty() || (has_body && was_compared) {
        drifts.push(drift(Side::Request, &in_body));
    }
    let in_response = list("response_violations");
    if !in_response.is_empty() {
        drifts.push(drift(Side::Response, in_response));
    }
    drifts
}

/// A violation (`{in, pointer, keyword, expected, found}`) as what happened to the field.
fn violation(fact: &Value) -> Option<FieldChange> {
    let text = |name: &str| fact.get(name).and_then(text_of);
    let (change, was) = match fact.get("keyword")?.as_str()? {
        "required" => (Change::Missing, text("expected")),
        "additionalProperties" | "unevaluatedProperties" => (Change::New, None),
        "type" => (Change::Changed, text("expected")),
        keyword => {
            let wanted = text("expected").map(|it| format!(" {it}")).unwrap_or_default();
            (Change::Breaks, Some(format!("{keyword}{wanted}")))
        }
    };
    Some(FieldChange { field: text("pointer").unwrap_or_default(), change, was, is: text("found") })
}

/// The failing request against the same one when it succeeded, where the pasted HAR holds both.
fn succeeded(incident: &Incident, failing: Option<&FailingRequest>) -> Option<Drift> {
    let Answer::Text(pasted) = incident.answer(QuestionId::FailingRequest)? else { return None };
    let failing = failing?;
    let good = request::succeeded(pasted, failing)?;
    let (Body::Text(now), Body::Text(then)) = (&failing.body, &good.body) else { return None };
    let read = |text: &str| Some(Shape::of(&serde_json::from_str(text.trim()).ok()?, Reading::Redacted));
    let status = good.status().map(|it| format!(" ({it})")).unwrap_or_default();
    let changes = changes(&read(then)?, &read(now)?);
    Some(bounded(Side::Request, format!("the same request when it succeeded{status}"), changes))
}

/// Two responses, if they are alike: the same status, and both described.
fn compare_reports(now: &Report, then: &Report, against: &str) -> Option<Drift> {
    let described = |it: &Report| {
        Some((
            it.facts.get("status")?.as_u64()?,
            Shape::of(it.facts.get("body")?.get("shape")?, Reading::Described),
        ))
    };
    let ((status, is), (same, was)) = (described(now)?, described(then)?);
    (status == same).then(|| bounded(Side::Response, against.to_owned(), changes(&was, &is)))
}

fn bounded(body: Side, against: String, mut changes: Vec<FieldChange>) -> Drift {
    let more = changes.len().saturating_sub(LISTED);
    changes.truncate(LISTED);
    Drift { body, against, changes, more }
}

/// How the types of a shape are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// As the http check describes a body: `"string"`, `"number"`.
    Described,
    /// As the gate leaves one: `"[text:16~805d462c]"`.
    Redacted,
}

/// A body's fields by place, with the types that were seen there.
#[derive(Default)]
struct Shape {
    fields: BTreeMap<String, BTreeSet<&'static str>>,
    /// Places below or behind which nothing is known.
    open: BTreeSet<String>,
}

impl Shape {
    fn of(value: &Value, reading: Reading) -> Self {
        let mut shape = Self::default();
        shape.add(value, String::new(), reading, 0);
        shape
    }

    fn add(&mut self, value: &Value, place: String, reading: Reading, depth: usize) {
        if depth > DEEPEST || self.fields.len() >= FIELDS || value.as_str() == Some("…") {
            self.open.insert(place);
            return;
        }
        self.fields.entry(place.clone()).or_default().insert(type_of(value, reading));
        match value {
            Value::Array(items) => {
                for item in items {
                    self.add(item, format!("{place}/*"), reading, depth + 1);
                }
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    if name == "…" {
                        self.open.insert(place.clone());
                        continue;
                    }
                    let name = name.replace('~', "~0").replace('/', "~1");
                    self.add(value, format!("{place}/{name}"), reading, depth + 1);
                }
            }
            _ => {}
        }
    }

    /// Whether this place would be seen if it were there.
    fn would_show(&self, place: &str) -> bool {
        let is_item = place.ends_with("/*");
        let Some((parent, _)) = place.rsplit_once('/') else { return true };
        !is_item
            && !self.open.contains(place)
            && !self.open.contains(parent)
            && self.fields.get(parent).is_some_and(|types| types.contains("object"))
    }
}

fn type_of(value: &Value, reading: Reading) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::String(text) => match (reading, text.as_str()) {
            (Reading::Described, "number") => "number",
            (Reading::Described, "boolean") | (Reading::Redacted, "[boolean]") => "boolean",
            (Reading::Described, "null") => "null",
            (Reading::Redacted, text)
                if MARK.is_match(text) && (text.starts_with("[integer:") || text.starts_with("[number:")) =>
            {
                "number"
            }
            _ => "string",
        },
    }
}

fn changes(was: &Shape, is: &Shape) -> Vec<FieldChange> {
    let words = |types: &BTreeSet<&'static str>| types.iter().copied().collect::<Vec<_>>().join(" or ");
    let mut changes = Vec::new();
    for (field, types) in &was.fields {
        let change =
            |change, now| FieldChange { field: field.clone(), change, was: Some(words(types)), is: now };
        match is.fields.get(field) {
            Some(now) if now != types => changes.push(change(Change::Changed, Some(words(now)))),
            None if is.would_show(field) => changes.push(change(Change::Missing, None)),
            Some(_) | None => {}
        }
    }
    let new = is.fields.iter().filter(|(field, _)| !was.fields.contains_key(*field) && was.would_show(field));
    changes.extend(new.map(|(field, types)| FieldChange {
        field: field.clone(),
        change: Change::New,
        was: None,
        is: Some(words(types)),
    }));
    changes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(was: &Value, is: &Value, reading: Reading, expected: &[&str]) {
        let found: Vec<String> = changes(&Shape::of(was, reading), &Shape::of(is, reading))
            .iter()
            .map(|it| {
                let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "–".to_owned());
                format!("{} {:?} {} {}", it.field, it.change, side(&it.was), side(&it.is))
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_field_is_missing_new_or_of_another_type() {
        check(
            &json!({"id": "number", "items": [{"sku": "string", "price": "number"}], "note": "null"}),
            &json!({"id": "string", "items": [{"sku": "string", "cost": "number"}], "note": "null"}),
            Reading::Described,
            &["/id Changed number string", "/items/*/price Missing number –", "/items/*/cost New – number"],
        );
        check(
            &json!({"customer": "[text:8~220ce656]", "months": "[integer:4~220ce656]", "vip": "[boolean]"}),
            &json!({"customer": "[word:8~220ce657]", "months": "[digits:4~220ce656]", "vip": "[boolean]"}),
            Reading::Redacted,
            &["/months Changed number string"],
        );
    }

    #[test]
    fn a_list_in_place_of_an_object_is_one_difference() {
        check(
            &json!({"data": {"a": "string", "b": "string"}}),
            &json!({"data": [{"a": "string"}]}),
            Reading::Described,
            &["/data Changed object array"],
        );
    }

    #[test]
    fn what_a_shape_does_not_show_is_no_difference() {
        check(&json!({"a": "…"}), &json!({"a": {"b": "string"}}), Reading::Described, &[]);
        check(&json!({"a": [{"b": "string"}]}), &json!({"a": []}), Reading::Described, &[]);
        check(
            &json!({"a": "string", "b": "string"}),
            &json!({"a": "string", "…": 40}),
            Reading::Described,
            &[],
        );
    }

    #[test]
    fn a_violation_says_what_happened_to_its_field() {
        let told = |fact: Value| violation(&fact).map(|it| (it.field, it.change, it.was, it.is));
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            told(
                json!({"in": "body", "pointer": "/a", "keyword": "type", "expected": "integer", "found": "string"})
            ),
            Some(("/a".to_owned(), Change::Changed, text("integer"), text("string")))
        );
        assert_eq!(
            told(json!({"in": "body", "pointer": "/b", "keyword": "required"})),
            Some(("/b".to_owned(), Change::Missing, None, None))
        );
        assert_eq!(
            told(json!({"in": "body", "pointer": "/c", "keyword": "maxLength", "expected": "10"})),
            Some(("/c".to_owned(), Change::Breaks, text("maxLength 10"), None))
        );
        assert_eq!(told(json!("no violation")), None);
    }
}
