//! A status page in our own words, read from the shapes that providers publish. Pure.
//!
//! A shape is recognised by what only it has, never by where it was found, and what is recognised by nothing is `None`: a page
//! that cannot be read is neither up nor down.

use serde_json::Value;

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
    /// Titles of maintenances that are going on.
    pub(super) maintenances: Vec<String>,
    /// Whether a component that is not listed is simply well: some feeds only list what is not.
    pub(super) lists_only_trouble: bool,
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

/// An incident that is not over.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Incident {
    pub(super) title: String,
    pub(super) impact: Option<State>,
    pub(super) status: Option<String>,
    pub(super) started_at: Option<String>,
    pub(super) components: Vec<String>,
}

/// Reads a document; `None` when it is of no known shape.
pub(super) fn read(bytes: &[u8]) -> Option<Page> {
    let value: Value = serde_json::from_str(&text(bytes)?).ok()?;
    let shapes: [fn(&Value) -> Option<Page>; 11] = [
        statuspage,
        incident_io,
        instatus,
        better_stack,
        status_io,
        google_cloud,
        aws,
        slack,
        heroku,
        salesforce,
        plain,
    ];
    shapes.iter().find_map(|shape| shape(&value))
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
    let started = ["started_at", "created_at", "started", "date_created", "begin", "datetime_open"];
    Incident {
        title: title.to_owned(),
        impact: impact.and_then(State::read),
        status: word(value, "status").map(str::to_owned),
        started_at: started.iter().find_map(|name| word(value, name)).map(str::to_owned),
        components: names(value, "components"),
    }
}

fn is_over(status: Option<&str>) -> bool {
    let status = status.unwrap_or_default().to_ascii_lowercase();
    matches!(status.as_str(), "resolved" | "postmortem" | "completed" | "fixed")
}

/// Atlassian Statuspage, and everybody who speaks its `/api/v2/summary.json`.
fn statuspage(value: &Value) -> Option<Page> {
    let indicator = word(value.get("status")?, "indicator")?;
    let state_of = |it: &Value| word(it, "status").and_then(State::read).unwrap_or(State::Operational);
    let open = list(value, "incidents").filter(|it| !is_over(word(it, "status")));
    let going_on = |it: &&Value| matches!(word(it, "status"), Some("in_progress" | "verifying"));
    Some(Page {
        provider: "statuspage",
        indicator: Some((indicator.to_owned(), State::read(indicator)?)),
        components: list(value, "components").filter_map(|it| component(it, state_of(it))).collect(),
        incidents: open
            .map(|it| incident(it, word(it, "name").unwrap_or_default(), word(it, "impact")))
            .collect(),
        maintenances: list(value, "scheduled_maintenances")
            .filter(going_on)
            .filter_map(|it| word(it, "name").map(str::to_owned))
            .collect(),
        lists_only_trouble: false,
    })
}

/// incident.io's own `/proxy/<host>`: a component that is not affected is well.
fn incident_io(value: &Value) -> Option<Page> {
    let summary = value.get("summary")?;
    summary.get("components")?.as_array()?;
    let affected = |id: &str| {
        list(summary, "affected_components")
            .find(|it| word(it, "component_id") == Some(id))
            .and_then(|it| word(it, "status").or_else(|| word(it, "current_status")))
            .and_then(State::read)
            .unwrap_or(State::Operational)
    };
    let open = list(summary, "ongoing_incidents").filter(|it| !is_over(word(it, "status")));
    let worst = |it: &Value| {
        list(it, "affected_components")
            .filter_map(|it| word(it, "current_status").or_else(|| word(it, "status")))
            .filter_map(State::read)
            .max()
    };
    Some(Page {
        provider: "incident_io",
        components: list(summary, "components")
            .filter_map(|it| component(it, affected(word(it, "id").unwrap_or_default())))
            .collect(),
        incidents: open
            .map(|it| Incident {
                impact: worst(it),
                ..incident(it, word(it, "name").unwrap_or_default(), None)
            })
            .collect(),
        maintenances: names(summary, "in_progress_maintenances"),
        ..Page::default()
    })
}

/// Instatus: the summary has no components; `/components.json` alone has.
fn instatus(value: &Value) -> Option<Page> {
    let with_state = |it: &Value| component(it, word(it, "status").and_then(State::read)?);
    let components: Vec<_> = list(value, "components").filter_map(with_state).collect();
    let indicator = match value.get("page") {
        Some(page) => {
            let status = word(page, "status")?;
            Some((status.to_owned(), State::read(status)?))
        }
        None => return None,
    };
    let open = list(value, "activeIncidents").filter(|it| !is_over(word(it, "status")));
    Some(Page {
        provider: "instatus",
        indicator,
        components,
        incidents: open
            .map(|it| incident(it, word(it, "name").unwrap_or_default(), word(it, "impact")))
            .collect(),
        maintenances: names(value, "activeMaintenances"),
        lists_only_trouble: false,
    })
}

/// Better Stack's `/index.json` (JSON:API).
fn better_stack(value: &Value) -> Option<Page> {
    let attributes = value.get("data")?.get("attributes")?;
    let word_for_all = word(attributes, "aggregate_state")?;
    let of_type = |wanted: &'static str| {
        list(value, "included")
            .filter(move |it| word(it, "type") == Some(wanted))
            .filter_map(|it| it.get("attributes"))
    };
    let components: Vec<_> = of_type("status_page_resource")
        .filter_map(|it| {
            let state = word(it, "status").and_then(State::read)?;
            let name = word(it, "public_name")?.to_owned();
            Some(Component { id: String::new(), name, state, is_group: false })
        })
        .collect();
    let open = of_type("status_report").filter(|it| {
        it.get("ends_at").is_none_or(Value::is_null) && word(it, "report_type") != Some("maintenance")
    });
    let state = match State::read(word_for_all)? {
        // "downtime" is said as soon as one resource is down.
        State::MajorOutage if components.iter().any(|it| !it.state.is_out()) => State::PartialOutage,
        state => state,
    };
    Some(Page {
        provider: "better_stack",
        indicator: Some((word_for_all.to_owned(), state)),
        incidents: open
            .map(|it| incident(it, word(it, "title").unwrap_or_default(), word(it, "aggregate_state")))
            .map(|it| Incident { impact: it.impact.map(|impact| impact.min(state)), ..it })
            .collect(),
        components,
        ..Page::default()
    })
}

fn status_io(value: &Value) -> Option<Page> {
    let result = value.get("result")?;
    let code = |it: &Value| it.get("status_code").and_then(Value::as_u64).map(|it| it.to_string());
    let overall = result.get("status_overall")?;
    let open = list(result, "incidents").filter(|it| it.get("datetime_resolved").is_none_or(Value::is_null));
    Some(Page {
        provider: "status_io",
        indicator: Some((
            word(overall, "status").unwrap_or_default().to_owned(),
            State::read(&code(overall)?)?,
        )),
        components: list(result, "status").filter_map(|it| component(it, State::read(&code(it)?)?)).collect(),
        incidents: open.map(|it| incident(it, word(it, "name").unwrap_or_default(), None)).collect(),
        ..Page::default()
    })
}

/// Google Cloud's `incidents.json`: a bare list of everything, open is what has no end.
fn google_cloud(value: &Value) -> Option<Page> {
    let all = value.as_array()?;
    all.iter().any(|it| it.get("status_impact").is_some()).then_some(())?;
    let open = all.iter().filter(|it| it.get("end").is_none_or(Value::is_null));
    let impact = |it: &Value| match word(it, "status_impact") {
        // One of a hundred products: never all of Google Cloud.
        Some("SERVICE_OUTAGE") => Some(State::PartialOutage),
        Some("SERVICE_DISRUPTION") => Some(State::Degraded),
        _ => None,
    };
    Some(Page {
        provider: "google_cloud",
        incidents: open
            .map(|it| Incident {
                impact: impact(it),
                components: names(it, "affected_products"),
                ..incident(it, word(it, "external_desc").unwrap_or_default(), None)
            })
            .collect(),
        lists_only_trouble: true,
        ..Page::default()
    })
}

/// AWS Health's public events; an empty list is calm.
fn aws(value: &Value) -> Option<Page> {
    let all = value.as_array()?;
    all.iter().all(|it| it.get("arn").is_some() && it.get("region_name").is_some()).then_some(())?;
    let impact = |it: &Value| match word(it, "status") {
        Some("1") => Some(State::Degraded),
        Some("2" | "3") => Some(State::PartialOutage),
        _ => None,
    };
    Some(Page {
        provider: "aws",
        incidents: all
            .iter()
            .filter(|it| word(it, "status") != Some("0"))
            .map(|it| Incident {
                impact: impact(it),
                components: word(it, "service").map(str::to_owned).into_iter().collect(),
                ..incident(it, word(it, "summary").unwrap_or_default(), None)
            })
            .collect(),
        lists_only_trouble: true,
        ..Page::default()
    })
}

fn slack(value: &Value) -> Option<Page> {
    let status = word(value, "status")?;
    value.get("active_incidents")?.as_array()?;
    let impact = |it: &Value| match word(it, "type") {
        Some("outage") => Some("partial_outage"),
        Some("incident") => Some("degraded"),
        _ => None,
    };
    let open = list(value, "active_incidents").filter(|it| !is_over(word(it, "status")));
    Some(Page {
        provider: "slack",
        indicator: (status == "ok").then(|| (status.to_owned(), State::Operational)),
        incidents: open
            .map(|it| Incident {
                components: names(it, "services"),
                ..incident(it, word(it, "title").unwrap_or_default(), impact(it))
            })
            .collect(),
        lists_only_trouble: true,
        ..Page::default()
    })
}

fn heroku(value: &Value) -> Option<Page> {
    let systems = value.get("status")?.as_array()?;
    let components: Option<Vec<_>> = systems
        .iter()
        .map(|it| {
            let name = word(it, "system")?.to_owned();
            Some(Component {
                id: String::new(),
                name,
                state: State::read(word(it, "status")?)?,
                is_group: false,
            })
        })
        .collect();
    Some(Page {
        provider: "heroku",
        components: components?,
        incidents: list(value, "incidents")
            .map(|it| incident(it, word(it, "title").unwrap_or_default(), None))
            .collect(),
        ..Page::default()
    })
}

/// Salesforce Trust's active incidents, a bare list.
fn salesforce(value: &Value) -> Option<Page> {
    let all = value.as_array()?;
    all.iter().all(|it| it.get("IncidentImpacts").is_some()).then_some(())?;
    let impact = |it: &Value| {
        list(it, "IncidentImpacts").filter_map(|it| word(it, "severity")).filter_map(State::read).max()
    };
    let title = |it: &Value| names(it, "serviceKeys").join(", ");
    Some(Page {
        provider: "salesforce",
        incidents: all
            .iter()
            .map(|it| Incident {
                impact: impact(it),
                components: names(it, "instanceKeys"),
                ..incident(it, &title(it), None)
            })
            .collect(),
        lists_only_trouble: true,
        ..Page::default()
    })
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
