//! The shapes of vendors who publish their health in a format of their own. Pure.

use serde_json::Value;

use super::{Component, Incident, Page, State, incident, is_over, list, names, word};

/// Google Cloud's `incidents.json`: a bare list of everything, open is what has no end.
pub(super) fn google_cloud(value: &Value) -> Option<Page> {
    let all = value.as_array()?;
    all.iter().any(|it| it.get("status_impact").is_some()).then_some(())?;
    let open = all.iter().filter(|it| it.get("end").is_none_or(Value::is_null));
    // The last update says how it is now: a service that is back may still be looked into.
    let now = |it: &Value| it.get("most_recent_update").and_then(|it| word(it, "status")).map(str::to_owned);
    let impact = |it: &Value| match now(it).as_deref().or_else(|| word(it, "status_impact")) {
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
                components: ["affected_products", "currently_affected_locations"]
                    .iter()
                    .flat_map(|list_name| names(it, list_name).into_iter().chain(ids(it, list_name)))
                    .collect(),
                ..incident(it, word(it, "external_desc").unwrap_or_default(), None)
            })
            .collect(),
        lists_only_trouble: true,
        ..Page::default()
    })
}

/// The ids of the members of a list that are no mere numbers of a catalogue: a location's is what people call it (`europe-west1`).
fn ids(value: &Value, list_name: &str) -> Vec<String> {
    let ids = list(value, list_name).filter_map(|it| word(it, "id")).filter(|id| id.contains('-'));
    ids.map(str::to_owned).collect()
}

/// AWS Health's public events; an empty list is calm.
pub(super) fn aws(value: &Value) -> Option<Page> {
    let all = value.as_array()?;
    all.iter().all(|it| it.get("arn").is_some() && it.get("region_name").is_some()).then_some(())?;
    let status = |it: &Value| {
        it.get("status")
            .map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned))
            .unwrap_or_default()
    };
    let impact = |it: &Value| match Some(status(it).as_str()) {
        Some("1") => Some(State::Degraded),
        Some("2" | "3") => Some(State::PartialOutage),
        _ => None,
    };
    Some(Page {
        provider: "aws",
        incidents: all
            .iter()
            .filter(|it| status(it) != "0")
            .map(|it| Incident {
                impact: impact(it),
                components: ["service", "service_name", "region_name"]
                    .iter()
                    .filter_map(|name| word(it, name))
                    .map(str::to_owned)
                    .collect(),
                ..incident(it, word(it, "summary").unwrap_or_default(), None)
            })
            .collect(),
        lists_only_trouble: true,
        ..Page::default()
    })
}

pub(super) fn slack(value: &Value) -> Option<Page> {
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

pub(super) fn heroku(value: &Value) -> Option<Page> {
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
            .filter(|it| {
                !is_over(word(it, "state")) && it.get("resolved").and_then(Value::as_bool) != Some(true)
            })
            .map(|it| incident(it, word(it, "title").unwrap_or_default(), None))
            .collect(),
        ..Page::default()
    })
}

/// Salesforce Trust's active incidents, a bare list.
pub(super) fn salesforce(value: &Value) -> Option<Page> {
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

/// Stripe's `/current`: a word for all, and one for each part.
pub(super) fn stripe(value: &Value) -> Option<Page> {
    let said = word(value, "largestatus").or_else(|| word(value, "UptimeStatus"))?;
    let parts = value.get("statuses").and_then(Value::as_object).into_iter().flatten();
    let components = parts.filter_map(|(name, it)| {
        let state = State::read(it.as_str()?)?;
        Some(Component { id: name.clone(), name: name.clone(), state, is_group: false })
    });
    Some(Page {
        provider: "stripe",
        indicator: Some((said.to_owned(), State::read(said)?)),
        components: components.collect(),
        ..Page::default()
    })
}
