//! Status pages that people run themselves: Cachet, Uptime Kuma. Pure.
//!
//! Both keep what belongs together in several documents: see [`Page::companions`].

use serde_json::Value;

use super::{Component, Incident, Page, State, incident, list, word};

/// Cachet 2 (`/api/v1/components`) and 3 (`/api/components`): a list of components with numbers for states.
pub(super) fn cachet(value: &Value) -> Option<Page> {
    let all = value.get("data")?.as_array()?;
    let is_component = |it: &Value| {
        let fields = fields(it);
        number(fields.get("status")).is_some()
            && (word(it, "type") == Some("components") || fields.get("status_name").is_some())
    };
    (!all.is_empty() && all.iter().all(is_component)).then_some(())?;
    let components = all.iter().filter_map(|it| {
        let fields = fields(it);
        let id = it.get("id").map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
        let is_enabled = fields.get("enabled").and_then(Value::as_bool).unwrap_or(true);
        let component = Component {
            id: id.unwrap_or_default(),
            name: word(fields, "name")?.to_owned(),
            state: match number(fields.get("status"))? {
                1 => State::Operational,
                2 => State::Degraded,
                3 => State::PartialOutage,
                4 => State::MajorOutage,
                6 => State::Maintenance,
                // 5 is "unknown", which says nothing.
                _ => return None,
            },
            is_group: false,
        };
        is_enabled.then_some(component)
    });
    Some(Page { provider: "cachet", components: components.collect(), ..Page::default() })
}

/// Cachet's overall word: `/api/status` (3) and `/api/v1/status`.
pub(super) fn cachet_status(value: &Value) -> Option<Page> {
    let data = value.get("data")?;
    data.is_object().then_some(())?;
    let status = fields(data).get("status")?;
    let said = status.as_str().or_else(|| word(status, "value")).or_else(|| word(status, "human"))?;
    Some(Page {
        provider: "cachet",
        indicator: Some((said.to_owned(), State::read(said)?)),
        ..Page::default()
    })
}

/// What Cachet's incidents and schedules add to its components.
pub(super) fn cachet_adds(page: &mut Page, value: &Value) {
    for it in list(value, "data") {
        let fields = fields(it);
        let Some(name) = word(fields, "name") else { continue };
        let status = number(fields.get("status"));
        if fields.get("scheduled_at").is_some() && fields.get("stickied").is_none() {
            // A schedule: 0 upcoming, 1 in progress, 2 complete.
            if status == Some(1) {
                page.maintenances.push(name.to_owned());
            }
            continue;
        }
        // An incident: 0 unknown or scheduled, 1 investigating, 2 identified, 3 watching, 4 fixed.
        let word = match status {
            Some(1) => "investigating",
            Some(2) => "identified",
            Some(3) => "watching",
            _ => continue,
        };
        page.incidents.push(Incident { status: Some(word.to_owned()), ..incident(fields, name, None) });
    }
}

/// JSON:API keeps the fields under `attributes`.
fn fields(value: &Value) -> &Value {
    value.get("attributes").unwrap_or(value)
}

/// A number, a text that is one, or `{"value": number}`.
fn number(value: Option<&Value>) -> Option<u64> {
    let value = value?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).or_else(|| value.get("value")?.as_u64())
}

/// Uptime Kuma's `/api/status-page/SLUG`: the monitors by name; how they are stands in the heartbeats.
pub(super) fn uptime_kuma(value: &Value) -> Option<Page> {
    let groups = value.get("publicGroupList")?.as_array()?;
    value.get("config")?.as_object()?;
    let monitors = groups.iter().flat_map(|group| list(group, "monitorList"));
    let components = monitors.filter_map(|it| {
        Some(Component {
            id: it.get("id")?.to_string(),
            name: word(it, "name")?.to_owned(),
            state: State::Operational,
            is_group: false,
        })
    });
    let pinned =
        value.get("incident").into_iter().chain(list(value, "incidents")).filter(|it| it.is_object());
    let incidents = pinned.map(|it| {
        let impact = match word(it, "style") {
            Some("danger" | "warning") => Some(State::Degraded),
            _ => None,
        };
        Incident { impact, ..incident(it, word(it, "title").unwrap_or_default(), None) }
    });
    let going_on =
        list(value, "maintenanceList").filter(|it| word(it, "status") == Some("under-maintenance"));
    Some(Page {
        provider: "uptime_kuma",
        components: components.collect(),
        incidents: incidents.collect(),
        maintenances: going_on.filter_map(|it| word(it, "title")).map(str::to_owned).collect(),
        is_incomplete: true,
        ..Page::default()
    })
}

/// The states of Uptime Kuma's monitors, from `/api/status-page/heartbeat/SLUG`; a monitor without a beat is left out.
pub(super) fn uptime_kuma_adds(page: &mut Page, value: &Value) {
    let Some(beats) = value.get("heartbeatList").and_then(Value::as_object) else { return };
    page.is_incomplete = false;
    page.components.retain_mut(|component| {
        let last = beats.get(&component.id).and_then(Value::as_array).and_then(|beats| beats.last());
        let state = match last.and_then(|it| it.get("status")).and_then(Value::as_u64) {
            Some(0) => State::MajorOutage,
            Some(1) => State::Operational,
            Some(2) => State::Degraded,
            Some(3) => State::Maintenance,
            _ => return false,
        };
        component.state = state;
        true
    });
}

/// UptimeRobot's `getMonitorList`: monitors with a class for their colour.
pub(super) fn uptime_robot(value: &Value) -> Option<Page> {
    let monitors =
        value.get("psp").and_then(|it| it.get("monitors")).or_else(|| value.get("data"))?.as_array()?;
    monitors.iter().all(|it| word(it, "statusClass").is_some()).then_some(())?;
    let components = monitors.iter().filter_map(|it| {
        let state = match word(it, "statusClass")? {
            "success" => State::Operational,
            "warning" => State::Degraded,
            "danger" => State::MajorOutage,
            // Paused, or not yet looked at.
            _ => return None,
        };
        Some(Component { id: String::new(), name: word(it, "name")?.to_owned(), state, is_group: false })
    });
    let components: Vec<_> = components.collect();
    (!components.is_empty()).then(|| Page { provider: "uptime_robot", components, ..Page::default() })
}
