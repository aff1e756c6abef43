//! What Discord refuses and its description does not say: the limits of its documentation.

use std::collections::BTreeSet;

use serde_json::Value;

/// Bytes of a file, in a server without boosts.
const FILE: usize = 10 << 20;

/// What is wrong with a message, its number in Discord's list of codes first.
pub(super) fn of_message(message: &Value, is_new: bool) -> Option<(u32, String)> {
    let form = |wrong: String| Some((50035, wrong));
    // Limits count after white space at both ends is gone.
    let content = message["content"].as_str().unwrap_or_default().trim();
    let components = message["components"].as_array().map(Vec::as_slice).unwrap_or_default();
    let embeds = message["embeds"].as_array().map(Vec::as_slice).unwrap_or_default();
    let files = message["attachments"].as_array().map_or(0, Vec::len);
    if is_new && content.is_empty() && embeds.is_empty() && components.is_empty() && files == 0 {
        return Some((50006, "Cannot send an empty message".to_owned()));
    }
    if characters(content) > 2000 {
        return form(format!("content has {} characters, 2000 are allowed", characters(content)));
    }
    if message["nonce"].as_str().is_some_and(|nonce| characters(nonce) > 25) {
        return form("nonce has more than 25 characters".to_owned());
    }
    if message["allowed_mentions"]["parse"].as_array().is_none_or(|parse| !parse.is_empty()) {
        // Discord would take it; we never want it.
        return form("allowed_mentions must be given and parse nothing".to_owned());
    }
    of_embeds(embeds).or_else(|| of_rows(components)).and_then(form)
}

fn characters(text: &str) -> usize {
    text.chars().count()
}

/// What is wrong with the embeds of a message.
pub(super) fn of_embeds(embeds: &[Value]) -> Option<String> {
    if embeds.len() > 10 {
        return Some("more than 10 embeds".to_owned());
    }
    let mut sum = 0;
    for embed in embeds {
        let fields = embed["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
        if fields.len() > 25 {
            return Some("more than 25 fields".to_owned());
        }
        let own = [
            (&embed["title"], 256),
            (&embed["description"], 4096),
            (&embed["footer"]["text"], 2048),
            (&embed["author"]["name"], 256),
        ];
        let fields = fields.iter().flat_map(|field| [(&field["name"], 256), (&field["value"], 1024)]);
        for (text, most) in own.into_iter().chain(fields) {
            let count = characters(text.as_str().unwrap_or_default().trim());
            sum += count;
            if count > most {
                return Some(format!("a text of an embed has {count} characters, {most} are allowed"));
            }
        }
    }
    (sum > 6000).then(|| format!("the embeds have {sum} characters together, 6000 are allowed"))
}

/// What is wrong with the files of a message.
pub(super) fn of_files(message: &Value, sizes: &[usize]) -> Option<(u32, String)> {
    let described = message["attachments"].as_array().map(Vec::as_slice).unwrap_or_default();
    if described.len() != sizes.len() || sizes.len() > 10 {
        return Some((50035, format!("{} attachments and {} files", described.len(), sizes.len())));
    }
    if described.iter().any(|it| characters(it["description"].as_str().unwrap_or_default()) > 1024) {
        return Some((50035, "a description has more than 1024 characters".to_owned()));
    }
    let large = sizes.iter().find(|size| **size > FILE)?;
    Some((40005, format!("a file of {large} bytes, {FILE} are allowed")))
}

/// What is wrong with a thread's name.
pub(super) fn of_name(name: &str) -> Option<String> {
    let count = characters(name.trim());
    (!(1..=100).contains(&count))
        .then(|| format!("a thread's name has {count} characters, 1 to 100 are allowed"))
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

/// What is wrong with a list of commands.
pub(super) fn of_commands(commands: &[Value]) -> Option<String> {
    fn look(option: &Value, wrong: &mut Vec<String>) -> usize {
        let of = |name: &str| option[name].as_str().unwrap_or_default().chars().count();
        let inner = option["options"].as_array().map(Vec::as_slice).unwrap_or_default();
        let choices = option["choices"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_named = (1..=32).contains(&of("name")) && (1..=100).contains(&of("description"));
        if !is_named || inner.len() > 25 || choices.len() > 25 {
            wrong.push(format!("{} is over a limit", option["name"]));
        }
        if !inner.is_sorted_by_key(|it| it["required"] != true) {
            wrong.push(format!("required options of {} come last", option["name"]));
        }
        of("name") + of("description") + inner.iter().map(|it| look(it, wrong)).sum::<usize>()
    }
    let mut wrong = Vec::new();
    if commands.len() > 100 {
        wrong.push("more than 100 commands".to_owned());
    }
    for command in commands {
        if look(command, &mut wrong) > 8000 {
            wrong.push(format!("{} has more than 8000 characters", command["name"]));
        }
    }
    wrong.into_iter().next()
}

/// What is wrong with the first answer to an interaction.
pub(super) fn of_callback(callback: &Value) -> Option<String> {
    match callback["type"].as_u64() {
        Some(4 | 7) => of_message(&callback["data"], true).map(|(_, wrong)| wrong),
        Some(1 | 5 | 6) => None,
        Some(8) => {
            let choices = callback["data"]["choices"].as_array().map(Vec::as_slice).unwrap_or_default();
            let fits =
                |value: &Value| (1..=100).contains(&value.as_str().unwrap_or_default().chars().count());
            let wrong =
                choices.len() > 25 || !choices.iter().all(|it| fits(&it["name"]) && fits(&it["value"]));
            wrong.then(|| format!("suggestions over a limit: {choices:?}"))
        }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(parts: &Value) -> Value {
        let mut message = json!({"content": "x", "allowed_mentions": {"parse": []}});
        for (name, value) in parts.as_object().unwrap() {
            message[name] = value.clone();
        }
        message
    }

    /// The first is taken, the second is one too many.
    #[track_caller]
    fn check(fits: &Value, breaks: &Value, words: &str) {
        assert_eq!(of_message(&message(fits), true), None);
        let (code, wrong) = of_message(&message(breaks), true).expect("it is refused");
        assert!(code == 50035 && wrong.contains(words), "{wrong}");
    }

    #[test]
    fn each_limit_of_a_message_is_reached_and_one_more_is_refused() {
        let content = |count: usize| json!({"content": format!("  {}\n", "é".repeat(count))});
        check(&content(2000), &content(2001), "2001 characters");
        let nonce = |count: usize| json!({"nonce": "n".repeat(count)});
        check(&nonce(25), &nonce(26), "nonce");
        let embeds = |count: usize| json!({"embeds": vec![json!({"title": "t"}); count]});
        check(&embeds(10), &embeds(11), "10 embeds");
        let sum = |count: usize| json!({"embeds": [{"description": "d".repeat(4096)}, {"description": "d".repeat(count)}]});
        check(&sum(1904), &sum(1905), "6000");
        let fields =
            |count: usize| json!({"embeds": [{"fields": vec![json!({"name": "n", "value": "v"}); count]}]});
        check(&fields(25), &fields(26), "25 fields");
        let value =
            |count: usize| json!({"embeds": [{"fields": [{"name": "n", "value": "v".repeat(count)}]}]});
        check(&value(1024), &value(1025), "1024");
    }

    #[test]
    fn each_limit_of_components_is_reached_and_one_more_is_refused() {
        let button = |id: usize| json!({"type": 2, "custom_id": id.to_string(), "label": "l"});
        let rows = |count: usize| json!({"components": (0..count).map(|id| json!({"type": 1, "components": [button(id)]})).collect::<Vec<_>>()});
        check(&rows(5), &rows(6), "5 rows");
        let row = |count: usize| json!({"components": [{"type": 1, "components": (0..count).map(button).collect::<Vec<_>>()}]});
        check(&row(5), &row(6), "5 buttons");
        let option = |id: usize| json!({"label": "l", "value": id.to_string()});
        let menu = |count: usize| json!({"components": [{"type": 1, "components": [{"type": 3, "custom_id": "m", "options": (0..count).map(option).collect::<Vec<_>>()}]}]});
        check(&menu(25), &menu(26), "over a limit");
        let id = |count: usize| json!({"components": [{"type": 1, "components": [{"type": 2, "custom_id": "i".repeat(count)}]}]});
        check(&id(100), &id(101), "custom_id");
        let label = |count: usize| json!({"components": [{"type": 1, "components": [{"type": 2, "custom_id": "i", "label": "l".repeat(count)}]}]});
        check(&label(80), &label(81), "over a limit");
    }

    #[test]
    fn each_limit_of_files_and_names_is_reached_and_one_more_is_refused() {
        let described = |count: usize| json!({"attachments": [{"id": 0, "description": "d".repeat(count)}]});
        assert_eq!(of_files(&described(1024), &[FILE]), None);
        assert_eq!(of_files(&described(1024), &[FILE + 1]).unwrap().0, 40005);
        assert_eq!(of_files(&described(1025), &[FILE]).unwrap().0, 50035);
        assert_eq!(of_files(&described(1), &[]).unwrap().0, 50035);
        assert_eq!((of_name(&"n".repeat(100)), of_name("  ").is_some()), (None, true));
        assert!(of_name(&"n".repeat(101)).is_some());
    }

    #[test]
    fn an_empty_message_has_a_code_of_its_own() {
        assert_eq!(of_message(&message(&json!({"content": " \n"})), true).unwrap().0, 50006);
    }
}
