//! The shapes of those who host status pages for others. Pure.

use jiff::Timestamp;
use serde_json::Value;

use super::{Component, Incident, Page, State, component, incident, is_over, list, moment, names, word};

/// Atlassian Statuspage, and everybody who speaks its `/api/v2/summary.json`.
pub(super) fn statuspage(value: &Value) -> Option<Page> {
    let indicator = word(value.get("status")?, "indicator")?;
    let state_of = |it: &Value| word(it, "status").and_then(State::read);
    let (open, past) = incidents(value);
    let going_on = |it: &&Value| matches!(word(it, "status"), Some("in_progress" | "verifying"));
    Some(Page {
        provider: "statuspage",
        indicator: Some((indicator.to_owned(), State::read(indicator)?)),
        components: list(value, "components").filter_map(|it| component(it, state_of(it)?)).collect(),
        incidents: open,
        past,
        maintenances: list(value, "scheduled_maintenances")
            .filter(going_on)
            .filter_map(|it| word(it, "name").map(str::to_owned))
            .collect(),
        ..Page::default()
    })
}

/// Statuspage's lists of incidents alone (`/api/v2/incidents.json`, `…/unresolved.json`, `…/scheduled-maintenances/active.json`).
pub(super) fn statuspage_incidents(value: &Value) -> Option<Page> {
    value.get("page")?.as_object()?.get("id")?;
    let is_alone = value.get("status").is_none() && value.get("components").is_none();
    let has_list = value.get("incidents").or_else(|| value.get("scheduled_maintenances"))?.is_array();
    (is_alone && has_list).then_some(())?;
    let (open, past) = incidents(value);
    let going_on = |it: &&Value| matches!(word(it, "status"), Some("in_progress" | "verifying"));
    Some(Page {
        provider: "statuspage",
        incidents: open,
        past,
        maintenances: list(value, "scheduled_maintenances")
            .filter(going_on)
            .filter_map(|it| word(it, "name").map(str::to_owned))
            .collect(),
        lists_only_trouble: true,
        ..Page::default()
    })
}

/// Open incidents, and those that are over.
fn incidents(value: &Value) -> (Vec<Incident>, Vec<Incident>) {
    let read = |it: &Value| incident(it, word(it, "name").unwrap_or_default(), word(it, "impact"));
    let (over, open): (Vec<&Value>, Vec<&Value>) = list(value, "incidents")
        .partition(|it| is_over(word(it, "status")) || it.get("resolved_at").is_some_and(Value::is_string));
    (open.into_iter().map(read).collect(), over.into_iter().map(read).collect())
}

/// incident.io's own `/proxy/<host>`: a component that is not affected is well.
pub(super) fn incident_io(value: &Value) -> Option<Page> {
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

/// incident.io's widget (`/api/v1/summary`): what is not well, and nothing else.
pub(super) fn incident_io_widget(value: &Value) -> Option<Page> {
    value.get("ongoing_incidents")?.as_array()?;
    value.get("in_progress_maintenances").or_else(|| value.get("scheduled_maintenances"))?.as_array()?;
    let worst = |it: &Value| {
        let by_parts = list(it, "affected_components")
            .filter_map(|it| word(it, "current_status"))
            .filter_map(State::read)
            .max();
        word(it, "current_worst_impact").and_then(State::read).max(by_parts)
    };
    let open = list(value, "ongoing_incidents").filter(|it| !is_over(word(it, "status")));
    Some(Page {
        provider: "incident_io",
        incidents: open
            .map(|it| Incident {
                impact: worst(it),
                components: names(it, "affected_components"),
                ..incident(it, word(it, "name").unwrap_or_default(), None)
            })
            .collect(),
        maintenances: names(value, "in_progress_maintenances"),
        lists_only_trouble: true,
        ..Page::default()
    })
}

/// Instatus: the summary has no components; `/components.json` alone has.
pub(super) fn instatus(value: &Value, now: Timestamp) -> Option<Page> {
    let with_state = |it: &Value| component(it, word(it, "status").and_then(State::read)?);
    let components: Vec<_> = list(value, "components").filter_map(with_state).collect();
    let indicator = match value.get("page") {
        Some(page) => {
            let status = word(page, "status")?;
            Some((status.to_owned(), State::read(status)?))
        }
        None => return None,
    };
    // "Active" includes what is announced for later.
    let has_begun = |it: &&Value| {
        let status = word(it, "status").unwrap_or_default().to_ascii_uppercase();
        !matches!(status.as_str(), "NOTSTARTEDYET" | "COMPLETED" | "RESOLVED")
            && moment(it, "start").is_none_or(|start| start <= now)
    };
    let open = list(value, "activeIncidents").filter(|it| !is_over(word(it, "status")));
    Some(Page {
        provider: "instatus",
        indicator,
        components,
        incidents: open
            .map(|it| incident(it, word(it, "name").unwrap_or_default(), word(it, "impact")))
            .collect(),
        maintenances: list(value, "activeMaintenances")
            .filter(has_begun)
            .filter_map(|it| it.as_str().or_else(|| word(it, "name")))
            .map(str::to_owned)
            .collect(),
        ..Page::default()
    })
}

/// Instatus keeps the components in a document of their own.
pub(super) fn instatus_components(value: &Value) -> Option<Page> {
    let all: Vec<&Value> = match value {
        Value::Array(all) => all.iter().collect(),
        _ => list(value, "components").collect(),
    };
    let with_state = |it: &Value| component(it, word(it, "status").and_then(State::read)?);
    let components: Vec<_> = all.into_iter().filter_map(with_state).collect();
    (!components.is_empty()).then(|| Page { provider: "instatus", components, ..Page::default() })
}

/// Better Stack's `/index.json` (JSON:API).
pub(super) fn better_stack(value: &Value, now: Timestamp) -> Option<Page> {
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
    let is_now = |it: &&Value| {
        moment(it, "ends_at").is_none_or(|end| end > now)
            && moment(it, "starts_at").is_none_or(|start| start <= now)
    };
    let is_maintenance = |it: &Value| word(it, "report_type") == Some("maintenance");
    let open = of_type("status_report").filter(is_now).filter(|it| !is_maintenance(it));
    let work = of_type("status_report").filter(is_now).filter(|it| is_maintenance(it));
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
        maintenances: work.filter_map(|it| word(it, "title")).map(str::to_owned).collect(),
        components,
        ..Page::default()
    })
}

/// Status.io, by the number of its states.
pub(super) fn status_io(value: &Value, now: Timestamp) -> Option<Page> {
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
        maintenances: result.get("maintenance").map(|it| active(it, now)).unwrap_or_default(),
        ..Page::default()
    })
}

/// Status.io's maintenances that have begun and not ended.
fn active(maintenance: &Value, now: Timestamp) -> Vec<String> {
    let is_now = |it: &&Value| {
        let start = moment(it, "datetime_planned_start");
        let end = moment(it, "datetime_planned_end");
        start.is_none_or(|start| start <= now) && end.is_none_or(|end| end >= now)
    };
    list(maintenance, "active").filter(is_now).filter_map(|it| word(it, "name")).map(str::to_owned).collect()
}

/// Sorry (`api.sorryapp.com/v1/pages/ID`).
pub(super) fn sorry(value: &Value) -> Option<Page> {
    let page = value.get("page").filter(|it| it.get("state").is_some()).or_else(|| value.get("response"))?;
    let said = word(page, "state")?;
    Some(Page {
        provider: "sorry",
        indicator: Some((said.to_owned(), State::read(said)?)),
        components: list(page, "components")
            .filter_map(|it| component(it, word(it, "state").and_then(State::read)?))
            .collect(),
        ..Page::default()
    })
}
