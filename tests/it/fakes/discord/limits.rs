//! What Discord refuses and its description does not say: the limits of its documentation.

use std::collections::BTreeSet;

use serde_json::Value;

/// What is wrong with a message, its number in Discord's list of codes first.
pub(super) fn of_message(message: &Value, is_new: bool) -> Option<(u32, String)> {
    let content = message["content"].as_str().unwrap_or_default();
    let components = message["components"].as_array().map(Vec::as_slice).unwrap_or_default();
    let embeds = message["embeds"].as_array().map_or(0, Vec::len);
    if is_new && content.trim().is_empty() && embeds == 0 && components.is_empty() {
        return Some((50006, "Cannot send an empty message".to_owned()));
    }
    if content.chars().count() > 2000 {
        return Some((
            50035,
            format!("content has {} characters, 2000 are allowed", content.chars().count()),
        ));
    }
    if message["nonce"].as_str().is_some_and(|nonce| nonce.chars().count() > 25) {
        return Some((50035, "nonce has more than 25 characters".to_owned()));
    }
    if message["allowed_mentions"]["parse"].as_array().is_none_or(|parse| !parse.is_empty()) {
        // Discord would take it; we never want it.
        return Some((50035, "allowed_mentions must be given and parse nothing".to_owned()));
    }
    of_rows(components).map(|wrong| (50035, wrong))
}

/// What is wrong with the rows of a message or a form.
pub(super) fn of_rows(rows: &[Value]) -> Option<String> {
    let mut ids = BTreeSet::new();
    if rows.len() > 5 {
        return Some("more than 5 rows".to_owned());
    }
    for row in rows {
        let inner = row["components"].as_array().map(Vec::as_slice).unwrap_or_default();
        let buttons = inner.iter().filter(|it| it["type"] == 2).count();
        if row["type"] != 1 || inner.is_empty() || buttons > 5 || (buttons < inner.len() && inner.len() > 1) {
            return Some(format!("a row is up to 5 buttons or one other component: {row}"));
        }
        for component in inner {
            let id = component["custom_id"].as_str().unwrap_or_default();
            if !(1..=100).contains(&id.chars().count()) || !ids.insert(id.to_owned()) {
                return Some(format!("custom_id `{id}` is empty, too long or used twice"));
            }
            let long =
                |value: &Value, most: usize| value.as_str().is_some_and(|text| text.chars().count() > most);
            let options = component["options"].as_array().map(Vec::as_slice).unwrap_or_default();
            let most = component["max_values"].as_u64().unwrap_or(1);
            let label = if component["type"] == 4 { 45 } else { 80 };
            if long(&component["label"], label)
                || long(&component["placeholder"], if component["type"] == 4 { 100 } else { 150 })
                || options.len() > 25
                || (component["type"] == 3 && most > options.len() as u64)
                || options.iter().any(|it| {
                    long(&it["label"], 100) || long(&it["value"], 100) || long(&it["description"], 100)
                })
            {
                return Some(format!("a component is over a limit: {component}"));
            }
        }
    }
    None
}

/// What is wrong with the first answer to an interaction.
pub(super) fn of_callback(callback: &Value) -> Option<String> {
    match callback["type"].as_u64() {
        Some(4) => of_message(&callback["data"], true).map(|(_, wrong)| wrong),
        Some(5 | 6) => None,
        Some(9) => {
            let title = callback["data"]["title"].as_str().unwrap_or_default().chars().count();
            if !(1..=45).contains(&title) {
                return Some("a form's title has 1 to 45 characters".to_owned());
            }
            let rows = callback["data"]["components"].as_array().map(Vec::as_slice).unwrap_or_default();
            if rows.is_empty() { Some("a form has a field".to_owned()) } else { of_rows(rows) }
        }
        other => Some(format!("a callback of type {other:?} is not used here")),
    }
}
