//! The slash command `/triage`: its definition, whether Discord's copy differs, and what somebody typed.

use serde_json::Value;
use serenity::all::{
    CommandData, CommandOptionType, CreateCommand, CreateCommandOption, InteractionContext, ResolvedOption,
    ResolvedValue,
};

use crate::chat::Start;
use crate::incident::IncidentId;

/// The command's name.
pub(super) const NAME: &str = "triage";

/// What somebody typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Typed {
    /// `/triage start`
    Start(Start),
    /// `/triage status`; without an incident it is the thread's own.
    Status(Option<IncidentId>),
    /// `/triage list`
    List,
}

/// The definition that is registered. Names, types and descriptions only: what is compared must come back as it was sent.
pub(super) fn definition() -> CreateCommand {
    let sub = |name: &str, description: &str| {
        CreateCommandOption::new(CommandOptionType::SubCommand, name, description)
    };
    let text = |name: &str, description: &str| {
        CreateCommandOption::new(CommandOptionType::String, name, description)
    };
    let status = CreateCommandOption::new(CommandOptionType::Integer, "status", "The HTTP status people see")
        .min_int_value(100)
        .max_int_value(599);
    CreateCommand::new(NAME)
        .description("Which boundary failed first, and what to do next")
        .contexts(vec![InteractionContext::Guild])
        .add_option(
            sub("start", "Start an incident by hand")
                .add_sub_option(text("service", "The service that fails").max_length(100))
                .add_sub_option(text("endpoint", "URL, path or host that fails").max_length(500))
                .add_sub_option(status)
                .add_sub_option(text("title", "The problem in one line").max_length(200)),
        )
        .add_option(
            sub("status", "How an incident stands")
                .add_sub_option(text("incident", "Its id; without it, this thread's").max_length(20)),
        )
        .add_option(sub("list", "The open incidents"))
}

/// Whether the registered commands are exactly the wanted ones. Discord adds fields of its own; what we said must be there.
pub(super) fn is_registered(registered: &[Value], wanted: &[CreateCommand]) -> bool {
    let wanted: Vec<Value> = wanted.iter().filter_map(|command| serde_json::to_value(command).ok()).collect();
    registered.len() == wanted.len()
        && wanted.iter().all(|command| registered.iter().any(|known| says(known, command)))
}

/// Whether `known` says everything that `wanted` says; an absent field is the same as null, false or nothing.
fn says(known: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Object(fields) => fields.iter().all(|(name, value)| says(&known[name], value)),
        Value::Array(items) if items.is_empty() => known.as_array().is_none_or(Vec::is_empty),
        Value::Array(items) => known.as_array().is_some_and(|known| {
            known.len() == items.len() && known.iter().zip(items).all(|(known, wanted)| says(known, wanted))
        }),
        Value::Null => known.is_null(),
        Value::Bool(false) => known.is_null() || known == false,
        other => known == other,
    }
}

/// Reads what somebody typed.
///
/// # Errors
/// What is wrong, for the person who typed it.
pub(super) fn read(data: &CommandData) -> Result<Typed, String> {
    let options = data.options();
    let Some(ResolvedOption { name, value: ResolvedValue::SubCommand(given), .. }) = options.first() else {
        return Err("say `/triage start`, `/triage status` or `/triage list`".to_owned());
    };
    let text = |wanted: &str| {
        given.iter().find_map(|option| match option.value {
            ResolvedValue::String(text) if option.name == wanted => Some(text.trim().to_owned()),
            _ => None,
        })
    };
    match *name {
        "start" => {
            let status = given.iter().find_map(|option| match option.value {
                ResolvedValue::Integer(number) if option.name == "status" => Some(number),
                _ => None,
            });
            let status = status
                .map(u16::try_from)
                .transpose()
                .map_err(|_| "a status is from 100 to 599".to_owned())?;
            let said = |name| text(name).filter(|text| !text.is_empty());
            let start =
                Start { title: said("title"), service: said("service"), endpoint: said("endpoint"), status };
            if start == Start::default() {
                return Err("say at least a service, an endpoint, a status or a title".to_owned());
            }
            Ok(Typed::Start(start))
        }
        "status" => {
            let id = text("incident").filter(|id| !id.is_empty());
            id.map(|id| IncidentId::parse(&id).map_err(|error| error.to_string()))
                .transpose()
                .map(Typed::Status)
        }
        "list" => Ok(Typed::List),
        other => Err(format!("`/triage {other}` is not known; there are start, status and list")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn data(options: &Value) -> CommandData {
        serde_json::from_value(json!({"id": "1", "name": "triage", "type": 1, "options": options})).unwrap()
    }

    #[test]
    fn what_discord_adds_is_no_change_and_what_we_change_is() {
        let mut known = serde_json::to_value(definition()).unwrap();
        known["id"] = json!("7");
        known["version"] = json!("1");
        known["options"][0]["options"][0]["autocomplete"] = json!(false);
        assert!(is_registered(std::slice::from_ref(&known), &[definition()]));
        known["options"][1]["description"] = json!("something else");
        assert!(!is_registered(&[known], &[definition()]));
        assert!(!is_registered(&[], &[definition()]));
    }

    #[test]
    fn a_start_says_what_fails() {
        let typed = read(&data(&json!([{"name": "start", "type": 1, "options": [
            {"name": "service", "type": 3, "value": " orders "}, {"name": "status", "type": 4, "value": 502}]}])));
        let start = Start { service: Some("orders".into()), status: Some(502), ..Start::default() };
        assert_eq!(typed, Ok(Typed::Start(start)));
    }

    #[test]
    fn an_empty_start_and_a_wrong_id_are_refused_politely() {
        assert!(
            read(&data(&json!([{"name": "start", "type": 1, "options": []}])))
                .unwrap_err()
                .contains("at least")
        );
        let status = json!([{"name": "status", "type": 1, "options": [{"name": "incident", "type": 3, "value": "x"}]}]);
        assert!(read(&data(&status)).unwrap_err().contains("inc-4k2m9qx7ab"));
    }

    #[test]
    fn a_status_without_an_id_is_the_threads_own() {
        assert_eq!(
            read(&data(&json!([{"name": "status", "type": 1, "options": []}]))),
            Ok(Typed::Status(None))
        );
        assert_eq!(read(&data(&json!([{"name": "list", "type": 1, "options": []}]))), Ok(Typed::List));
    }
}
