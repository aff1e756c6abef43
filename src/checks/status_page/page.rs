//! A status page in our own words, read from the shapes that providers publish. Pure.
//!
//! A shape is recognised by what only it has, never by where it was found, and what is recognised by nothing is `None`: a page
//! that cannot be read is neither up nor down.

use jiff::Timestamp;
use serde_json::Value;

mod feed;
mod hosted;
mod own;
mod self_hosted;

/// How well something works, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Operational,
    Maintenance,
    Degraded,
    PartialOutage,
    MajorOutage,
}

impl State {
    /// The words of all providers; `None` for one that says nothing.
    pub(super) fn read(word: &str) -> Option<Self> {
        let plain: String =
            word.chars().filter(char::is_ascii_alphanumeric).map(|it| it.to_ascii_lowercase()).collect();
        Some(match plain.as_str() {
            "operational" | "none" | "ok" | "up" | "green" | "healthy" | "pass" | "available" | "100" => {
                Self::Operational
            }
            "maintenance" | "undermaintenance" | "allundermaintenance" | "blue" | "200" => Self::Maintenance,
            "degraded"
            | "degradedperformance"
            | "minor"
            | "yellow"
            | "hasissues"
            | "warn"
            | "warning"
            | "minoroutage"
            | "incident"
            | "300"
            | "600" => Self::Degraded,
            "partial" | "partialoutage" | "partiallydegraded" | "major" | "orange" | "400" => {
                Self::PartialOutage
            }
            "majoroutage" | "fulloutage" | "critical" | "down" | "downtime" | "outage" | "red" | "fail"
            | "unhealthy" | "500" => Self::MajorOutage,
            _ => return None,
        })
    }

    pub(super) fn is_out(self) -> bool {
        self >= Self::PartialOutage
    }
}

/// A page.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Page {
    pub(super) provider: &'static str,
    /// The page's own word for the whole, and what it means.
    pub(super) indicator: Option<(String, State)>,
    pub(super) components: Vec<Component>,
    pub(super) incidents: Vec<Incident>,
    /// Incidents that are over, as far as the document still lists them.
    pub(super) past: Vec<Incident>,
    /// Titles of maintenances that are going on.
    pub(super) maintenances: Vec<String>,
    /// Whether a component that is not listed is simply well: some feeds only list what is not.
    pub(super) lists_only_trouble: bool,
    /// Whether the states of its components are in another document, which must be read first.
    pub(super) is_incomplete: bool,
}

/// A part of what the vendor offers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Component {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) state: State,
    /// A heading over others.
    pub(super) is_group: bool,
}

/// An incident.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Incident {
    pub(super) title: String,
    pub(super) impact: Option<State>,
    pub(super) status: Option<String>,
    pub(super) started_at: Option<String>,
    pub(super) ended_at: Option<String>,
    pub(super) components: Vec<String>,
    /// All that a feed says of it, in lower case: its only hint at components.
    pub(super) text: String,
}

/// Reads a document; `None` when it is of no known shape. `now` is for feeds, which say when, not whether.
pub(super) fn read(bytes: &[u8], now: Timestamp) -> Option<Page> {
    let text = text(bytes)?;
    if let Some(page) = feed::read(&text, now) {
        return Some(page);
    }
    let value: Value = serde_json::from_str(&text).ok()?;
    let shapes: [fn(&Value, Timestamp) -> Option<Page>; 19] = [
        |it, _| hosted::statuspage(it),
        |it, _| hosted::statuspage_incidents(it),
        |it, _| hosted::incident_io(it),
        |it, _| hosted::incident_io_widget(it),
        hosted::instatus,
        hosted::better_stack,
        hosted::status_io,
        |it, _| hosted::sorry(it),
        |it, _| own::google_cloud(it),
        |it, _| own::aws(it),
        |it, _| own::slack(it),
        |it, _| own::heroku(it),
        |it, _| own::salesforce(it),
        |it, _| own::stripe(it),
        |it, _| self_hosted::cachet(it),
        |it, _| self_hosted::cachet_status(it),
        |it, _| self_hosted::uptime_kuma(it),
        |it, _| self_hosted::uptime_robot(it),
        |it, _| plain(it),
    ];
    shapes.iter().find_map(|shape| shape(&value, now))
}

impl Page {
    /// Where the rest of it stands, beside the document it was read from: paths relative to that document.
    pub(super) fn companions(&self, path: &str, wants_component: bool) -> Vec<String> {
        match self.provider {
            "instatus" if wants_component && self.components.is_empty() => vec!["components.json".to_owned()],
            "cachet" if path.ends_with("/components") => vec!["incidents".to_owned(), "schedules".to_owned()],
            "cachet" if self.components.is_empty() => vec!["components".to_owned()],
            "uptime_kuma" => {
                let slug = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                vec![format!("heartbeat/{slug}")]
            }
            _ => Vec::new(),
        }
    }

    /// Takes in what a companion says.
    pub(super) fn take_in(&mut self, bytes: &[u8], now: Timestamp) {
        let Some(value) = text(bytes).and_then(|text| serde_json::from_str::<Value>(&text).ok()) else {
            return;
        };
        match self.provider {
            "uptime_kuma" => self_hosted::uptime_kuma_adds(self, &value),
            "cachet" if !self.components.is_empty() => self_hosted::cachet_adds(self, &value),
            _ => {
                if let Some(other) = hosted::instatus_components(&value).or_else(|| read(bytes, now)) {
                    self.components = other.components;
                }
            }
        }
    }
}

/// UTF-8, or UTF-16 with its mark (AWS publishes big-endian UTF-16).
fn text(bytes: &[u8]) -> Option<String> {
    let units = |from: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes[2..].chunks_exact(2).map(|pair| from([pair[0], pair[1]])).collect();
        String::from_utf16(&units).ok()
    };
    match bytes {
        [0xfe, 0xff, ..] => units(u16::from_be_bytes),
        [0xff, 0xfe, ..] => units(u16::from_le_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    }
}

fn word<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// Names or titles of the members of a list.
fn names(value: &Value, list_name: &str) -> Vec<String> {
    list(value, list_name)
        .filter_map(|it| it.as_str().or_else(|| word(it, "name")).or_else(|| word(it, "title")))
        .map(str::to_owned)
        .collect()
}

fn component(value: &Value, state: State) -> Option<Component> {
    Some(Component {
        id: word(value, "id").unwrap_or_default().to_owned(),
        name: word(value, "name")?.to_owned(),
        state,
        is_group: value.get("group").and_then(Value::as_bool).unwrap_or(false),
    })
}

fn incident(value: &Value, title: &str, impact: Option<&str>) -> Incident {
    let started = [
        "started_at",
        "starts_at",
        "created_at",
        "started",
        "date_created",
        "begin",
        "datetime_open",
        "occurred_at",
        "createdDate",
    ];
    let ended = ["resolved_at", "ends_at", "end", "datetime_resolved"];
    Incident {
        title: title.to_owned(),
        impact: impact.and_then(State::read),
        status: word(value, "status").map(str::to_owned),
        started_at: started.iter().find_map(|name| word(value, name)).map(str::to_owned),
        ended_at: ended.iter().find_map(|name| word(value, name)).map(str::to_owned),
        components: names(value, "components"),
        text: String::new(),
    }
}

/// An instant that a document writes, in any of the ways JSON documents do.
fn moment(value: &Value, name: &str) -> Option<Timestamp> {
    let text = word(value, name)?;
    text.parse().ok().or_else(|| text.replacen(' ', "T", 1).parse().ok())
}

fn is_over(status: Option<&str>) -> bool {
    let status = status.unwrap_or_default().to_ascii_lowercase();
    matches!(
        status.as_str(),
        "resolved" | "postmortem" | "completed" | "complete" | "fixed" | "closed" | "cancelled"
    )
}

/// A page of no provider: a word for the whole, or components with a word each.
fn plain(value: &Value) -> Option<Page> {
    let fields = value.as_object()?;
    let nested =
        |it: &Value| it.as_str().map(str::to_owned).or_else(|| word(it, "status").map(str::to_owned));
    let indicator = ["status", "state", "indicator", "overall", "UptimeStatus"]
        .iter()
        .find_map(|name| fields.get(*name).and_then(nested))
        .and_then(|word| State::read(&word).map(|state| (word, state)));
    let part = |name: &str, it: &Value| {
        let state =
            nested(it).or_else(|| word(it, "state").map(str::to_owned)).and_then(|it| State::read(&it))?;
        let name = word(it, "name").unwrap_or(name).to_owned();
        Some(Component { id: word(it, "id").unwrap_or_default().to_owned(), name, state, is_group: false })
    };
    let components: Vec<_> = match fields.get("components").or_else(|| fields.get("services")) {
        Some(Value::Array(all)) => {
            all.iter().filter_map(|it| part("", it)).filter(|it| !it.name.is_empty()).collect()
        }
        Some(Value::Object(all)) => all.iter().filter_map(|(name, it)| part(name, it)).collect(),
        _ => Vec::new(),
    };
    let open = list(value, "incidents").filter(|it| !is_over(word(it, "status")));
    let incidents = open
        .filter_map(|it| {
            Some(incident(it, word(it, "name").or_else(|| word(it, "title"))?, word(it, "impact")))
        })
        .collect();
    if indicator.is_none() && components.is_empty() {
        return None;
    }
    Some(Page { provider: "plain", indicator, components, incidents, ..Page::default() })
}

#[cfg(test)]
mod tests;
