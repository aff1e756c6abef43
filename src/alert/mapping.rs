//! A source as a file: jq says which values of a body mean what, the program interprets them.
//!
//! A mapping yields, for each alert, an object with the field names of the normalised alert and the *sender's* words; status and
//! severity words, times, tags, placeholders and causes are then read the same way for every source. A text instead of an
//! object is the reason why (that part of) the delivery is no alert. The surprise: a mapping is compiled when its first
//! delivery comes, because thirty of them would be most of the program's start.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::alert::door::DoorRule;
use crate::alert::jq::{Failed, Filter, Refused};
use crate::alert::reading::{self, StatusWord};
use crate::alert::{Alert, NotThisSource, TransportError, Understood};
use crate::yaml::{self, Problem};

/// Bytes that the raw elements of one delivery may take together: where a mapping names none, each alert has the whole body.
const RAW_BYTES: usize = 1024 * 1024;

/// What stands for a raw element that is larger.
const LEFT_OUT: &str = "left out: it is too large to be kept with each alert";

/// The fields a mapping may fill.
const FIELDS: [&str; 18] = [
    "fingerprint",
    "status",
    "title",
    "severity",
    "service",
    "environment",
    "region",
    "endpoint",
    "http_status",
    "error",
    "started_at",
    "labels",
    "tags",
    "links",
    "summary",
    "texts",
    "raw",
    "note",
];

/// A file under `sources/`, as people write it.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MappingFile {
    /// The name in the URL path: lower-case letters, digits, `_` and `-`.
    pub source: String,
    /// The system, for people.
    pub title: String,
    /// Where the vendor documents the format.
    #[serde(default)]
    pub docs: Option<String>,
    /// What its door does before the body is read.
    #[serde(default)]
    pub door: DoorRule,
    /// jq: true for every body of this source. A body for which it is not is refused.
    pub is: String,
    /// jq: an object for each alert, or a text that says why there is none.
    pub alerts: String,
    /// The template the user must enter in the monitoring system, where it has no useful body of its own.
    #[serde(default)]
    pub template: Option<String>,
    /// Bodies and what they must become; never empty.
    pub samples: Vec<Sample>,
}

/// A body and what it must become.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// What it shows, as a sentence.
    pub shows: String,
    /// The body as sent.
    pub body: String,
    /// Headers, lower-case.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Fields of each alert that must be so; `null` means absent.
    #[serde(default)]
    #[schemars(with = "Vec<serde_json::Map<String, Value>>")]
    pub alerts: Vec<Map<String, Value>>,
    /// A part of the reason why there is no alert.
    #[serde(default)]
    pub ignored: Option<String>,
}

impl Sample {
    /// How what it became differs from what it says.
    #[must_use]
    pub fn differs(&self, understood: &Understood) -> Option<String> {
        if understood.alerts.len() != self.alerts.len() {
            let why = understood.ignored.as_deref().unwrap_or("no reason is given");
            return Some(format!("{} alerts, not {} ({why})", understood.alerts.len(), self.alerts.len()));
        }
        if let Some(reason) = &self.ignored {
            let said = understood.ignored.as_deref().unwrap_or_default();
            if !said.contains(reason) {
                return Some(format!("the reason is \"{said}\", not \"{reason}\""));
            }
        }
        understood.alerts.iter().zip(&self.alerts).find_map(|(alert, expected)| {
            let alert = serde_json::to_value(alert).unwrap_or_default();
            expected.iter().find_map(|(name, wanted)| differs(name, &alert[name], wanted))
        })
    }
}

/// `labels` and `links` are a part of what must be there; every other field is equal.
fn differs(name: &str, found: &Value, wanted: &Value) -> Option<String> {
    if let ("labels" | "links", Some(part)) = (name, wanted.as_object()) {
        return part.iter().find_map(|(key, value)| differs(&format!("{name}.{key}"), &found[key], value));
    }
    if found == wanted { None } else { Some(format!("`{name}` is {found}, not {wanted}")) }
}

/// A mapping, ready to read deliveries.
#[derive(Debug)]
pub struct Mapping {
    name: String,
    title: String,
    door: DoorRule,
    is: Filter,
    alerts: Filter,
}

impl Mapping {
    /// Reads a mapping file and compiles its filters.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its place in the file.
    pub fn read(file: &str, text: &str) -> Result<(Self, MappingFile), Vec<Problem>> {
        let written: MappingFile = yaml::read(file, text).map_err(|problem| vec![problem])?;
        let mut problems = Vec::new();
        let at = |key: &str| yaml::place(text, key, key);
        if !is_name(&written.source) {
            let message = "`source` is a name of lower-case letters, digits, `_` and `-`";
            problems.push(Problem::at(file, at("source:"), message));
        }
        if written.samples.is_empty() {
            problems.push(Problem::at(file, at("samples:"), "a mapping needs at least one sample"));
        }
        let mut filter = |key: &str, code: &str| {
            let read = Filter::read(code);
            read.map_err(|refused| problems.push(placed(file, at(key), code, refused))).ok()
        };
        let (is, alerts) = (filter("is:", &written.is), filter("alerts:", &written.alerts));
        match (is, alerts) {
            (Some(is), Some(alerts)) if problems.is_empty() => {
                let (name, title, door) =
                    (written.source.clone(), written.title.clone(), written.door.clone());
                Ok((Self { name, title, door, is, alerts }, written))
            }
            _ => Err(problems),
        }
    }

    /// Reads a delivery: its body and its headers, their names in lower case.
    ///
    /// # Errors
    /// [`NotThisSource`] when the body has none of this source's marks.
    pub fn understand(
        &self,
        body: &Value,
        headers: &BTreeMap<String, String>,
    ) -> Result<Understood, NotThisSource> {
        let headers =
            Value::Object(headers.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect());
        match self.is.run(body, &headers).as_deref() {
            Ok([.., Value::Bool(false) | Value::Null] | []) | Err(Failed::Misfit(_)) => {
                return Err(self.refuse("the body has none of its marks"));
            }
            Err(Failed::TooCostly) => return Err(self.refuse(&Failed::TooCostly.to_string())),
            Ok(_) => {}
        }
        let mut understood = Understood::default();
        match self.alerts.run(body, &headers) {
            Ok(outputs) => {
                let room = RAW_BYTES / outputs.len().max(1);
                for output in &outputs {
                    self.take(output, body, room, &mut understood);
                }
                if outputs.is_empty() {
                    understood.ignored = Some("the mapping finds no alert in it".to_owned());
                }
            }
            Err(failed) => understood.ignored = Some(format!("the mapping does not fit this body: {failed}")),
        }
        Ok(understood)
    }

    /// What its door does before the body is read.
    #[must_use]
    pub fn door(&self) -> &DoorRule {
        &self.door
    }

    /// The system, for people.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    fn refuse(&self, why: &str) -> NotThisSource {
        NotThisSource { source_name: self.name.clone(), why: why.to_owned() }
    }

    fn take(&self, output: &Value, body: &Value, room: usize, understood: &mut Understood) {
        match output {
            Value::Object(fields) => {
                if let Some(note) = fields.get("note").and_then(reading::text) {
                    understood.notes.push(note);
                }
                match interpret(&self.name, fields, body, room) {
                    Ok(alert) => understood.alerts.push(alert),
                    Err(why) => understood.ignored = Some(why),
                }
            }
            Value::String(reason) => understood.ignored = Some(reason.clone()),
            _ => understood.ignored = Some("the mapping gave neither an alert nor a reason".to_owned()),
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 40
        && name.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || matches!(it, b'_' | b'-'))
}

/// A place in a filter as a place in the file: a block text stands below its key, indented by two.
fn placed(file: &str, (line, column): (usize, usize), code: &str, refused: Refused) -> Problem {
    let place = if code.contains('\n') { (line + refused.line, refused.column + 2) } else { (line, column) };
    Problem::at(file, place, refused.why)
}

/// The sender's words as an alert.
fn interpret(source: &str, fields: &Map<String, Value>, body: &Value, room: usize) -> Result<Alert, String> {
    if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(format!("the mapping fills `{unknown}`, which no alert has"));
    }
    let field = |name: &str| fields.get(name).and_then(first_text);
    let Some(word) = field("status") else { return Err("the mapping finds no status in it".to_owned()) };
    let StatusWord::Says(status) = reading::status(&word) else {
        return Err(format!("`{word}` is neither firing nor resolved"));
    };
    let mut labels = BTreeMap::new();
    gather(fields.get("labels"), &mut labels);
    gather(fields.get("tags"), &mut labels);
    let title = field("title").map(|title| one_line(&title)).filter(|it| !it.is_empty());
    let mut alert = Alert::titled(source, &title.unwrap_or_else(|| "alert without a name".to_owned()));
    alert.status = status;
    alert.severity = field("severity").map(|word| reading::severity(&word)).unwrap_or_default();
    alert.service = field("service").or_else(|| reading::service(&labels));
    alert.environment = field("environment").or_else(|| reading::environment(&labels));
    alert.region = field("region").or_else(|| reading::region(&labels));
    let is_address = |it: &String| !matches!(it.as_str(), "http://" | "https://");
    alert.endpoint = field("endpoint").filter(is_address).or_else(|| reading::endpoint(&labels));
    alert.summary = field("summary");
    let texts: Vec<String> = match fields.get("texts") {
        Some(Value::Array(texts)) => texts.iter().filter_map(reading::text).collect(),
        Some(text) => reading::text(text).into_iter().collect(),
        None => [Some(alert.title.clone()), alert.summary.clone()].into_iter().flatten().collect(),
    };
    alert.http_status = field("http_status")
        .and_then(|code| reading::http_status(&code))
        .or_else(|| reading::http_status_of(&labels))
        .or_else(|| texts.iter().find_map(|text| reading::http_status_in(text)));
    if alert.http_status.is_none() {
        let said = field("error").and_then(|word| error(&word));
        alert.error = said.or_else(|| texts.iter().find_map(|text| reading::transport_error(text)));
    }
    alert.started_at = fields.get("started_at").and_then(reading::time);
    alert.fingerprint = field("fingerprint").unwrap_or_else(|| {
        let place = [&alert.service, &alert.environment, &alert.endpoint];
        let place = place.into_iter().map(|it| it.as_deref().unwrap_or_default());
        reading::fingerprint(place.chain([alert.title.as_str()]))
    });
    let links = reading::flat(fields.get("links")).into_iter();
    alert.links =
        links.filter(|(_, url)| url.starts_with("http://") || url.starts_with("https://")).collect();
    alert.labels = labels;
    let raw = fields.get("raw").unwrap_or(body);
    alert.raw = if fits(raw, room) { without_secrets(raw).into() } else { Value::from(LEFT_OUT).into() };
    Ok(alert)
}

/// Whether a value takes at most so many bytes as JSON.
fn fits(value: &Value, room: usize) -> bool {
    struct Room(usize);
    impl std::io::Write for Room {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::FileTooLarge)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    serde_json::to_writer(Room(room), value).is_ok()
}

/// A scalar, or the first of a list that says something.
fn first_text(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) => items.iter().find_map(reading::text),
        other => reading::text(other),
    }
}

/// The first line that says something, without the links and tags of Slack, Markdown and HTML.
fn one_line(text: &str) -> String {
    use std::sync::LazyLock;

    use regex::Regex;
    static DRESS: LazyLock<[(Regex, &str); 3]> = LazyLock::new(|| {
        let read = |pattern| Regex::new(pattern).expect("a constant pattern");
        [
            (read(r"<(?:https?|mailto):[^|>\s]*\|([^>]*)>"), "$1"),
            (read(r"!?\[([^\]]*)\]\((?:https?:[^)\s]*|/[^)\s]*)\)"), "$1"),
            (read(r"(?i)</?(?:a|b|i|u|em|strong|br|p|div|span|code|pre|h[1-6])(?:\s[^>]*)?/?>"), ""),
        ]
    });
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    DRESS.iter().fold(line.to_owned(), |line, (dress, plain)| dress.replace_all(&line, *plain).into_owned())
}

/// The error's own id, else what its text says.
fn error(word: &str) -> Option<TransportError> {
    let ids = [
        TransportError::Timeout,
        TransportError::Dns,
        TransportError::Tls,
        TransportError::Connect,
        TransportError::Reset,
    ];
    ids.into_iter().find(|id| id.id() == word.to_ascii_lowercase()).or_else(|| reading::transport_error(word))
}

/// Tags in every dress as one flat map: an object, `k:v,k2:v2`, `k=v`, pairs, `{key, value}`; a repeated key keeps the first.
fn gather(value: Option<&Value>, labels: &mut BTreeMap<String, String>) {
    let mut put = |key: &str, value: &Value| {
        if let Some(value) = reading::text(value)
            && !key.trim().is_empty()
        {
            labels.entry(key.trim().to_owned()).or_insert(value);
        }
    };
    match value {
        Some(Value::Object(fields)) => {
            let name =
                ["key", "name", "tag"].iter().find_map(|name| fields.get(*name)).and_then(reading::text);
            match (name, fields.get("value")) {
                (Some(name), Some(value)) => put(&name, value),
                _ => fields.iter().for_each(|(key, value)| put(key, value)),
            }
        }
        Some(Value::Array(items)) => match items.as_slice() {
            [Value::String(key), value @ (Value::String(_) | Value::Number(_) | Value::Bool(_))]
                if !key.contains([':', '=']) =>
            {
                put(key, value);
            }
            items => items.iter().for_each(|item| gather(Some(item), labels)),
        },
        Some(Value::String(text)) => {
            for tag in text.split(',') {
                if let Some((key, value)) = tag.split_once([':', '=']) {
                    put(key, &value.trim().into());
                }
            }
        }
        _ => {}
    }
}

/// Fields of a body that are credentials or handshakes by their name (alert sources, section 2.5); they are not stored at
/// all. What else is secret is found by redaction.
const SECRET_FIELDS: [&str; 22] = [
    "token",
    "subscribeurl",
    "unsubscribeurl",
    "signature",
    "access_token",
    "shared_secret",
    "pushtoken",
    "basic_auth_user",
    "basic_auth_pass",
    "authmethod",
    "oauth_client_secret",
    "bearertoken",
    "cookies",
    "cookie",
    "authorization",
    "x-api-key",
    "x-auth-token",
    "set-cookie",
    "person",
    "user",
    "response_content",
    "password",
];

/// A body without the fields that are credentials or handshakes by their name.
#[must_use]
pub fn without_secrets(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let is_open = |name: &str| !SECRET_FIELDS.contains(&name.to_ascii_lowercase().as_str());
            let kept = fields.iter().filter(|(name, _)| is_open(name));
            Value::Object(kept.map(|(name, value)| (name.clone(), without_secrets(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_secrets).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
