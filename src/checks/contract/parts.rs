//! The parts of a request against its operation: parameters, content type, body.
//!
//! Three answers for each part: it fits, it does not, or it could not be judged (a body that is in a file, a value that is a
//! shell variable). The last is a note, never a violation. Security requirements are the `token` check's.

use serde_json::{Map, Value};

use self::parameter::{Parameter, parameters};
use self::typed::{Unread, form, types, value_of};
use super::description::{Description, Route};
use super::schema::{Violation, violations};
use crate::request::{Body, FailingRequest, Form};

mod parameter;
mod typed;

/// What comparing the parts gave.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// What does not fit its schema.
    pub(super) violations: Vec<Violation>,
    /// The content type is none the operation takes.
    pub(super) wrong_content_type: bool,
    /// The content types the operation takes.
    pub(super) content_types: Vec<String>,
    /// What could not be judged, and why.
    pub(super) not_evaluated: Vec<String>,
    /// Query names that the description does not know; readers are free to ignore them.
    pub(super) unknown_query: Vec<String>,
}

/// Compares a request with the operation it means.
pub(super) fn compare(
    description: &Description,
    route: &Route<'_>,
    operation: &Map<String, Value>,
    request: &FailingRequest,
) -> Compared {
    let mut compared = Compared::default();
    let parameters = parameters(description, route, operation);
    for parameter in &parameters {
        compared.parameter(description, route, parameter, request);
    }
    let mut unknown: Vec<String> = request
        .query
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| !parameters.iter().any(|it| it.place == "query" && it.takes(description, name)))
        .map(str::to_owned)
        .collect();
    unknown.sort();
    unknown.dedup();
    compared.unknown_query = unknown;
    compared.body(description, operation, request);
    compared
}

impl Compared {
    fn parameter(
        &mut self,
        description: &Description,
        route: &Route<'_>,
        parameter: &Parameter<'_>,
        request: &FailingRequest,
    ) {
        let Parameter { name, place, fields } = *parameter;
        // OAS 3.1 §4.8.12.1: these three are described elsewhere.
        let elsewhere = ["accept", "content-type", "authorization"];
        if place == "header" && elsewhere.iter().any(|it| name.eq_ignore_ascii_case(it)) {
            return;
        }
        let at = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        let Some(values) = parameter.values(route, request) else {
            if parameter.is_required() {
                self.not_evaluated
                    .push(format!("the {place} parameter `{name}`: a log line shows no headers"));
            }
            return;
        };
        if let Some(schema) = fields.get("schema").filter(|it| types(description, it).contains(&"object")) {
            if types(description, schema).iter().any(|it| !matches!(*it, "object" | "null")) {
                self.not_evaluated
                    .push(format!("the {place} parameter `{name}`: an object, or something else"));
                return;
            }
            self.object(description, parameter, schema, &at, &values, request);
            return;
        }
        if values.is_empty() {
            if parameter.is_required() && place != "path" {
                self.violations.push(Violation::plain(place, at, "required"));
            }
            return;
        }
        if values.iter().any(|value| is_placeholder(value)) {
            self.not_evaluated.push(format!("the {place} parameter `{name}`: its value is a placeholder"));
            return;
        }
        if fields.get("allowEmptyValue").and_then(Value::as_bool) == Some(true)
            && values.iter().all(String::is_empty)
        {
            return;
        }
        let judged = if let Some(schema) = fields.get("schema") {
            let readings = parameter.readings(description, schema, &values);
            likeliest(readings.iter().map(|value| violations(description, place, &at, schema, value)))
        } else {
            // A parameter may carry a document of a media type instead.
            let media = fields.get("content").and_then(Value::as_object).and_then(|it| it.values().next());
            let Some(schema) = media.and_then(|it| it.get("schema")) else { return };
            match serde_json::from_str::<Value>(&values[0]) {
                Ok(value) => violations(description, place, &at, schema, &value),
                Err(_) => Ok(vec![Violation::plain(place, at, "json")]),
            }
        };
        self.take(judged, || format!("the {place} parameter `{name}`"));
    }

    /// A parameter that is an object.
    fn object(
        &mut self,
        description: &Description,
        parameter: &Parameter<'_>,
        schema: &Value,
        at: &str,
        values: &[String],
        request: &FailingRequest,
    ) {
        let Parameter { name, place, .. } = *parameter;
        let Some(pairs) = parameter.pairs(description, schema, values, request) else {
            self.not_evaluated
                .push(format!("the {place} parameter `{name}`: an object in a style that is not read"));
            return;
        };
        if pairs.is_empty() {
            if parameter.is_required() {
                self.violations.push(Violation::plain(place, at, "required"));
            }
            return;
        }
        if pairs.iter().any(|(_, value)| is_placeholder(value)) {
            self.not_evaluated.push(format!("the {place} parameter `{name}`: its value is a placeholder"));
            return;
        }
        let value = form(description, schema, pairs.into_iter());
        self.take(violations(description, place, at, schema, &value), || {
            format!("the {place} parameter `{name}`")
        });
    }

    fn take(&mut self, judged: Result<Vec<Violation>, String>, what: impl FnOnce() -> String) {
        match judged {
            Ok(found) => self.violations.extend(found),
            Err(why) => self.not_evaluated.push(format!("{}: {why}", what())),
        }
    }

    fn body(&mut self, description: &Description, operation: &Map<String, Value>, request: &FailingRequest) {
        let described = operation.get("requestBody").and_then(|it| description.resolve(it));
        // Without a description of a body its meaning is undefined (OAS 3.1 §4.8.10.1), not forbidden.
        let Some(described) = described else { return };
        let content = described.get("content").and_then(Value::as_object);
        self.content_types = content.into_iter().flatten().map(|(name, _)| name.clone()).collect();
        if request.body == Body::Empty {
            if described.get("required").and_then(Value::as_bool) == Some(true) {
                self.violations.push(Violation::plain("body", "", "required"));
            }
            return;
        }
        if request.form == Form::Line {
            self.not_evaluated.push("the body and its content type: a log line shows neither".to_owned());
            return;
        }
        let sent = request.media_type();
        let media = sent.as_deref().and_then(|sent| content.and_then(|content| accepted(content, sent)));
        self.wrong_content_type = media.is_none() && !self.content_types.is_empty();
        if let Body::Elsewhere(place) = &request.body {
            self.not_evaluated.push(format!("the body: it is not in the text ({place})"));
            return;
        }
        // A wrong label on the right content: judge the content all the same, so that both faults are seen.
        let unlabelled = || content.and_then(|content| accepted(content, "application/json"));
        let Some(schema) = media.or_else(unlabelled).and_then(|media| media.get("schema")) else { return };
        let kind = if media.is_some() { sent.as_deref().unwrap_or_default() } else { "application/json" };
        match value_of(description, schema, &request.body, kind) {
            Ok(value) => {
                let judged = violations(description, "body", "", schema, &value);
                self.take(judged, || "the body".to_owned());
            }
            Err(Unread::NotJson) if media.is_some() => {
                self.violations.push(Violation::plain("body", "", "json"));
            }
            Err(Unread::NotJson) => {}
            Err(Unread::OtherMedia) => {
                self.not_evaluated.push(format!("the body: `{kind}` has no schema to judge it by"));
            }
        }
    }
}

/// The first reading without a violation, else the first reading's violations.
fn likeliest(
    readings: impl Iterator<Item = Result<Vec<Violation>, String>>,
) -> Result<Vec<Violation>, String> {
    let mut first = None;
    for judged in readings {
        if judged.as_ref().is_ok_and(Vec::is_empty) {
            return judged;
        }
        first.get_or_insert(judged);
    }
    first.unwrap_or(Ok(Vec::new()))
}

/// The media type object for this type: the exact one, then a range, as RFC 9110 §12.5.1 ranks them.
pub(super) fn accepted<'a>(content: &'a Map<String, Value>, sent: &str) -> Option<&'a Value> {
    let bare = |name: &str| name.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (kind, subtype) = sent.split_once('/')?;
    let suffix = subtype.rsplit_once('+').map(|(_, suffix)| format!("{kind}/*+{suffix}"));
    let ranges = [Some(sent.to_owned()), suffix, Some(format!("{kind}/*")), Some("*/*".to_owned())];
    ranges
        .into_iter()
        .flatten()
        .find_map(|range| content.iter().find(|(name, _)| bare(name) == range).map(|it| it.1))
}

/// A value that somebody took out before pasting: `$ID`, `${ID}`, `{{id}}`, `{id}`, `<id>`, `***`.
fn is_placeholder(value: &str) -> bool {
    let inside =
        |open: char, close: char| value.starts_with(open) && value.ends_with(close) && value.len() > 2;
    value.starts_with('$') && value.len() > 1
        || value.contains("{{")
        || inside('{', '}')
        || inside('<', '>')
        || !value.is_empty() && value.chars().all(|it| it == '*')
        || value == "REDACTED"
}
