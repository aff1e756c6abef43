//! The parts of a request against its operation: parameters, content type, body.
//!
//! Three answers for each part: it fits, it does not, or it could not be judged (a body that is in a file, a value that is a
//! shell variable). The last is a note, never a violation. Security requirements are the `token` check's.

use serde_json::{Map, Value, json};

use super::description::{Description, Route};
use super::schema::{Violation, violations};
use crate::request::{Body, FailingRequest, Form, Part};

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

/// A parameter of the operation.
struct Parameter<'a> {
    name: &'a str,
    place: &'static str,
    fields: &'a Map<String, Value>,
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

/// The operation's parameters over those of its path.
fn parameters<'a>(
    description: &'a Description,
    route: &Route<'a>,
    operation: &'a Map<String, Value>,
) -> Vec<Parameter<'a>> {
    let lists = [operation.get("parameters"), route.item.get("parameters")];
    let mut found: Vec<Parameter<'a>> = Vec::new();
    for listed in lists.into_iter().flatten().filter_map(Value::as_array).flatten() {
        let Some(fields) = description.resolve(listed).and_then(Value::as_object) else { continue };
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let (Some(name), Some(place)) = (text("name"), text("in")) else { continue };
        let Some(place) = ["path", "query", "header", "cookie"].into_iter().find(|it| *it == place) else {
            continue;
        };
        if !found.iter().any(|it| it.name == name && it.place == place) {
            found.push(Parameter { name, place, fields });
        }
    }
    found
}

impl Parameter<'_> {
    /// Whether a query name belongs to this parameter: itself, `name[]`, or `name[field]` of a deep object.
    fn is_named(&self, query: &str) -> bool {
        query
            .strip_prefix(self.name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('[') && rest.ends_with(']'))
    }

    /// Whether a query name belongs to it, also as a property of an object that is spread over the query.
    fn takes(&self, description: &Description, query: &str) -> bool {
        let is_spread = || {
            self.is_spread()
                && self.fields.get("schema").is_some_and(|it| properties(description, it).contains_key(query))
        };
        self.is_named(query) || is_spread()
    }

    /// The style (OAS 3.1 §4.8.12.3), or the default of its place.
    fn style(&self) -> &str {
        let style = self.fields.get("style").and_then(Value::as_str);
        style.unwrap_or(if matches!(self.place, "query" | "cookie") { "form" } else { "simple" })
    }

    fn explodes(&self) -> bool {
        self.fields.get("explode").and_then(Value::as_bool).unwrap_or(self.style() == "form")
    }

    /// An object whose properties are query names of their own.
    fn is_spread(&self) -> bool {
        self.place == "query" && self.style() == "form" && self.explodes()
    }

    /// The properties and texts of an object as its style writes them; `None` where the style is not read here.
    fn pairs(
        &self,
        description: &Description,
        schema: &Value,
        values: &[String],
        request: &FailingRequest,
    ) -> Option<Vec<(String, String)>> {
        let flat = |text: &str, separator: char| -> Option<Vec<(String, String)>> {
            let parts: Vec<&str> = text.split(separator).map(|it| self.member(it)).collect();
            if self.explodes() {
                let pair =
                    |it: &&str| it.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
                return parts.iter().map(pair).collect();
            }
            let pairs = parts.chunks(2).map(|it| Some((it[0].to_owned(), (*it.get(1)?).to_owned())));
            pairs.collect()
        };
        match (self.place, self.style()) {
            ("query", "deepObject") => {
                let inner = |name: &str| {
                    let inside = name.strip_prefix(self.name)?.strip_prefix('[')?.strip_suffix(']')?;
                    Some(inside.to_owned())
                };
                let named = request.query.iter().filter(|(name, _)| self.is_named(name));
                let pairs: Option<Vec<_>> =
                    named.map(|(name, value)| Some((inner(name)?, value.clone()))).collect();
                // Objects within objects have no defined style.
                pairs.filter(|it| it.iter().all(|(name, _)| !name.contains(['[', ']'])))
            }
            ("query", "form") if self.explodes() => {
                let known = properties(description, schema);
                let named = request.query.iter().filter(|(name, _)| known.contains_key(name.as_str()));
                if known.is_empty() { None } else { Some(named.cloned().collect()) }
            }
            ("query" | "cookie", "form") | ("path" | "header", "simple") => match values.first() {
                Some(value) => flat(value, ','),
                None => Some(Vec::new()),
            },
            _ => None,
        }
    }

    fn is_required(&self) -> bool {
        self.place == "path" || self.fields.get("required").and_then(Value::as_bool).unwrap_or(false)
    }

    /// The values sent for it; `None` when the text does not show this part of the request.
    fn values(&self, route: &Route<'_>, request: &FailingRequest) -> Option<Vec<String>> {
        let of = |pairs: &[(String, String)]| -> Vec<String> {
            pairs.iter().filter(|(name, _)| name == self.name).map(|(_, value)| value.clone()).collect()
        };
        match self.place {
            "path" => Some(of(&route.values).iter().map(|it| self.bare(it)).collect()),
            "query" => {
                let named = request.query.iter().filter(|(name, _)| self.is_named(name));
                Some(named.map(|(_, value)| value.clone()).collect())
            }
            // A log line shows no headers.
            _ if request.form == Form::Line => None,
            "header" => {
                let named = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(self.name));
                Some(named.map(|(_, value)| value.clone()).collect())
            }
            _ => {
                let cookies = request.header("cookie").unwrap_or_default().split(';');
                let named =
                    cookies.filter_map(|it| it.trim().split_once('=')).filter(|(name, _)| *name == self.name);
                Some(named.map(|(_, value)| value.to_owned()).collect())
            }
        }
    }

    /// A member of a list as it counts: in a header the space around it means nothing (RFC 9110 section 5.6.1).
    fn member<'t>(&self, text: &'t str) -> &'t str {
        if self.place == "header" { text.trim() } else { text }
    }

    /// A path value without the marks of its style: `.5` and `;id=5`.
    fn bare(&self, value: &str) -> String {
        let bare = match self.style() {
            "label" => value.strip_prefix('.'),
            "matrix" => value.strip_prefix(&format!(";{}=", self.name)),
            _ => None,
        };
        bare.unwrap_or(value).to_owned()
    }

    /// The value in the shape its schema wants, as far as a text can have it; several readings where it may be either.
    fn readings(&self, description: &Description, schema: &Value, values: &[String]) -> Vec<Value> {
        if !types(description, schema).contains(&"array") {
            return values.first().map(|value| readings(description, schema, value)).unwrap_or_default();
        }
        let (style, explodes) = (self.style(), self.explodes());
        let separator = match style {
            "spaceDelimited" => ' ',
            "pipeDelimited" => '|',
            "label" if explodes => '.',
            _ => ',',
        };
        let items = description.resolve(schema).and_then(|it| it.get("items")).unwrap_or(&Value::Null);
        let parts: Vec<&str> = if explodes && self.place == "query" {
            values.iter().map(String::as_str).collect()
        } else if explodes && style == "matrix" {
            let again = format!(";{}=", self.name);
            values.iter().flat_map(|value| value.split(again.as_str()).collect::<Vec<_>>()).collect()
        } else {
            values.iter().flat_map(|value| value.split(separator)).map(|it| self.member(it)).collect()
        };
        vec![parts.into_iter().map(|it| readings(description, items, it).swap_remove(0)).collect()]
    }
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

enum Unread {
    NotJson,
    OtherMedia,
}

/// The body as the value its schema describes.
fn value_of(description: &Description, schema: &Value, body: &Body, kind: &str) -> Result<Value, Unread> {
    let is_json = kind == "application/json" || kind == "text/json" || kind.ends_with("+json");
    match body {
        Body::Text(text) if is_json => serde_json::from_str(text).map_err(|_| Unread::NotJson),
        Body::Text(text) if kind == "application/x-www-form-urlencoded" => {
            let pairs = url::form_urlencoded::parse(text.as_bytes());
            Ok(form(description, schema, pairs.map(|(name, value)| (name.into_owned(), value.into_owned()))))
        }
        Body::Parts(parts) if kind == "multipart/form-data" => {
            let pair = |Part { name, value }: &Part| (name.clone(), value.clone().unwrap_or_default());
            Ok(form(description, schema, parts.iter().map(pair)))
        }
        _ => Err(Unread::OtherMedia),
    }
}

/// The properties of a schema, those of its `allOf` included.
fn properties(description: &Description, schema: &Value) -> Map<String, Value> {
    fn gather(description: &Description, schema: &Value, depth: usize, into: &mut Map<String, Value>) {
        let Some(schema) = description.resolve(schema) else { return };
        let own = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        into.extend(own.map(|(name, it)| (name.clone(), it.clone())));
        if depth > 0 {
            for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
                gather(description, part, depth - 1, into);
            }
        }
    }
    let mut found = Map::new();
    gather(description, schema, 4, &mut found);
    found
}

/// A form's fields as an object, each in the type its property has.
fn form(description: &Description, schema: &Value, pairs: impl Iterator<Item = (String, String)>) -> Value {
    let properties = properties(description, schema);
    let mut object = Map::new();
    for (name, text) in pairs {
        let name = name.strip_suffix("[]").unwrap_or(&name).to_owned();
        let property = properties.get(&name).and_then(|it| description.resolve(it)).unwrap_or(&Value::Null);
        let is_list = types(description, property).contains(&"array");
        let of = if is_list { property.get("items").unwrap_or(&Value::Null) } else { property };
        let value = readings(description, of, &text).swap_remove(0);
        match object.get_mut(&name) {
            Some(Value::Array(list)) if is_list => list.push(value),
            _ => {
                object.insert(name, if is_list { json!([value]) } else { value });
            }
        }
    }
    Value::Object(object)
}

/// The types a schema names, its alternatives included; none named means any.
fn types<'a>(description: &'a Description, schema: &'a Value) -> Vec<&'a str> {
    fn gather<'a>(description: &'a Description, schema: &'a Value, depth: usize, into: &mut Vec<&'a str>) {
        let Some(schema) = description.resolve(schema) else { return };
        match schema.get("type") {
            Some(Value::String(one)) => into.push(one),
            Some(Value::Array(many)) => into.extend(many.iter().filter_map(Value::as_str)),
            _ => {}
        }
        if depth == 0 {
            return;
        }
        for key in ["allOf", "anyOf", "oneOf"] {
            for part in schema.get(key).and_then(Value::as_array).into_iter().flatten() {
                gather(description, part, depth - 1, into);
            }
        }
    }
    let mut found = Vec::new();
    // Alternatives of alternatives of alternatives: nobody writes more for a parameter, and a loop ends here.
    gather(description, schema, 4, &mut found);
    found
}

/// What a text may be where the schema allows it, likeliest first; never empty.
fn readings(description: &Description, schema: &Value, text: &str) -> Vec<Value> {
    let types = types(description, schema);
    let wants = |name: &str| types.is_empty() || types.contains(&name);
    let mut readings = Vec::new();
    if (wants("integer") || wants("number"))
        && let Ok(number) = text.parse::<serde_json::Number>()
    {
        readings.push(Value::Number(number));
    }
    if wants("boolean")
        && let Ok(truth) = text.parse::<bool>()
    {
        readings.push(Value::Bool(truth));
    }
    // A part that is an object is JSON by default (OAS 3.1 section 4.8.14.4).
    if types.contains(&"object")
        && let Ok(object @ Value::Object(_)) = serde_json::from_str(text)
    {
        readings.push(object);
    }
    if types.contains(&"null") && text.is_empty() {
        readings.push(Value::Null);
    }
    if wants("string") || readings.is_empty() {
        readings.push(Value::String(text.to_owned()));
    }
    readings
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
