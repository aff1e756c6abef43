//! What is registered keeps Discord's limits, and what is typed is read and held to what it may be.

use serde_json::json;

use super::*;

fn data(name: &str, options: &Value) -> CommandData {
    let resolved = json!({
        "users": {"42": {"id": "42", "username": "grace", "discriminator": "0", "avatar": null, "global_name": "Grace"}},
    });
    serde_json::from_value(
        json!({"id": "1", "name": name, "type": 1, "options": options, "resolved": resolved}),
    )
    .unwrap()
}

fn typed(name: &str, options: &Value) -> Result<Typed, String> {
    read(&data(name, options), Timestamp::UNIX_EPOCH)
}

fn under(sub: &str, options: &Value) -> Value {
    json!([{"name": sub, "type": 1, "options": options}])
}

fn string(name: &str, value: &str) -> Value {
    json!({"name": name, "type": 3, "value": value})
}

#[test]
fn what_discord_adds_is_no_change_and_what_we_change_is() {
    let wanted = definitions();
    let mut known: Vec<Value> = wanted.iter().map(|it| serde_json::to_value(it).unwrap()).collect();
    known.reverse();
    known[3]["id"] = json!("7");
    known[3]["version"] = json!("1");
    known[3]["options"][0]["options"][1]["autocomplete"] = json!(false);
    assert!(is_registered(&known, &wanted));
    assert!(!is_registered(&known[1..], &wanted));
    known[3]["options"][1]["description"] = json!("something else");
    assert!(!is_registered(&known, &wanted));
}

/// Discord's documentation, application commands.
#[test]
fn definitions_keep_discords_limits() {
    fn look(option: &Value) -> usize {
        let of = |name: &str| option[name].as_str().unwrap_or_default().chars().count();
        assert!((1..=32).contains(&of("name")) && (1..=100).contains(&of("description")), "{option}");
        let lower = option["name"].as_str().unwrap();
        assert_eq!(lower, lower.to_lowercase());
        let choices = option["choices"].as_array().map(Vec::as_slice).unwrap_or_default();
        assert!(choices.len() <= 25 && (choices.is_empty() || option["autocomplete"] != true), "{option}");
        let inner = option["options"].as_array().map(Vec::as_slice).unwrap_or_default();
        assert!(inner.len() <= 25);
        let required: Vec<bool> = inner.iter().map(|it| it["required"] == true).collect();
        assert!(required.is_sorted_by(|a, b| a >= b), "required options come first: {option}");
        let chosen = choices.iter().map(|it| it["value"].as_str().unwrap().len() * 2).sum::<usize>();
        of("name") + of("description") + chosen + inner.iter().map(look).sum::<usize>()
    }
    for command in definitions() {
        let command = serde_json::to_value(command).unwrap();
        let characters = look(&command);
        assert!(characters <= 8000, "{characters}");
        for locale in ["de", "fr", "es-ES"] {
            assert!(command["description_localizations"][locale].is_string(), "{command}");
        }
    }
}

#[test]
fn a_start_says_what_fails() {
    let start = json!([string("service", " orders "), {"name": "status", "type": 4, "value": 502}]);
    let expected = Start { service: Some("orders".into()), status: Some(502), ..Start::default() };
    assert_eq!(typed("triage", &under("start", &start)), Ok(Typed::Start(expected)));
    assert!(typed("triage", &under("start", &json!([]))).unwrap_err().contains("at least"));
    let status = json!([{"name": "status", "type": 4, "value": -1}]);
    assert!(typed("triage", &under("start", &status)).unwrap_err().contains("100 to 599"));
}

#[test]
fn an_incident_is_named_or_is_the_threads_own() {
    assert_eq!(typed("triage", &under("status", &json!([]))), Ok(Typed::Status(None)));
    assert_eq!(typed("triage", &under("list", &json!([]))), Ok(Typed::List));
    let wrong = under("evidence", &json!([string("incident", "x")]));
    assert!(typed("incident", &wrong).unwrap_err().contains("inc-4k2m9qx7ab"));
}

#[test]
fn every_word_of_an_incident_is_read() {
    let id = IncidentId::from_seed(7);
    let said = |sub: &str, mut options: Vec<Value>| {
        options.push(string("incident", id.as_str()));
        options.push(string("reason", "because"));
        match typed("incident", &under(sub, &json!(options))) {
            Ok(Typed::Say(which, said, reason)) => {
                assert_eq!((which, reason.as_deref()), (Some(id.clone()), Some("because")));
                Ok(said)
            }
            Ok(other) => panic!("{other:?}"),
            Err(why) => Err(why),
        }
    };
    assert_eq!(said("close", vec![]), Ok(Said::Close));
    assert_eq!(said("reopen", vec![]), Ok(Said::Reopen));
    assert_eq!(said("file", vec![]), Ok(Said::File));
    assert_eq!(said("reclassify", vec![string("bucket", "auth")]), Ok(Said::Reclassify(Bucket::Auth)));
    assert!(said("reclassify", vec![string("bucket", "weather")]).unwrap_err().contains("weather"));
    let grace = Person { name: "Grace".into(), mention: Some("42".into()) };
    assert_eq!(
        said("assign", vec![json!({"name": "to", "type": 6, "value": "42"})]),
        Ok(Said::Assign(grace))
    );
    assert!(said("assign", vec![]).unwrap_err().contains("`to`"));
    let two_hours = Timestamp::from_second(7200).unwrap();
    assert_eq!(said("snooze", vec![string("for", "2h")]), Ok(Said::Snooze(two_hours)));
    let a_day = Timestamp::from_second(86_400).unwrap();
    assert_eq!(said("snooze", vec![string("for", "1d")]), Ok(Said::Snooze(a_day)));
    assert!(said("snooze", vec![string("for", "99999999999d")]).unwrap_err().contains("no span"));
    assert!(said("snooze", vec![]).unwrap_err().contains("`for`"));
}

#[test]
fn a_check_takes_keys_and_is_shared_only_when_said() {
    let given = |with: &str| {
        json!([string("kind", "http"), string("target", "https://a.example"), string("with", with)])
    };
    let Ok(check @ Typed::Check { .. }) = typed("check", &given("method=HEAD \"header.X-A=b c\"")) else {
        panic!()
    };
    assert!(check.is_private() && check.verb() == Verb::Check);
    let Typed::Check { with, .. } = check else { unreachable!() };
    assert_eq!(with["method"], "HEAD");
    assert_eq!(with["header.X-A"], "b c");
    assert!(typed("check", &given("HEAD")).unwrap_err().contains("`HEAD` is no `key=value`"));
    let unknown = json!([string("kind", "weather"), string("target", "x")]);
    assert!(typed("check", &unknown).unwrap_err().contains("weather"));
}

#[test]
fn a_command_of_another_version_is_told_so() {
    assert!(typed("triage", &under("celebrate", &json!([]))).unwrap_err().contains("/triage celebrate"));
    assert!(typed("other", &json!([])).unwrap_err().contains("`/other`"));
}

#[test]
fn what_is_typed_is_completed_by_its_place() {
    let typing = |name: &str, options: Value| suggests(&data(name, &options)).map(|it| it.0);
    let focused = |name: &str| json!({"name": name, "type": 3, "value": "in", "focused": true});
    assert_eq!(
        typing("incident", under("close", &json!([focused("incident")]))),
        Some(Suggest::OpenIncidents)
    );
    assert_eq!(typing("incident", under("reopen", &json!([focused("incident")]))), Some(Suggest::Incidents));
    assert_eq!(typing("triage", under("start", &json!([focused("service")]))), Some(Suggest::Services));
    assert_eq!(typing("runbook", under("show", &json!([focused("name")]))), Some(Suggest::Runbooks));
    let target = json!([string("kind", "tls"), focused("target")]);
    assert_eq!(typing("check", target), Some(Suggest::Targets(Some(CheckKind::Tls))));
    assert_eq!(typing("incident", under("snooze", &json!([focused("for")]))), None);
}
