//! An official API description as the judge of a fake: every request that reaches the fake, and every answer it gives, must
//! be one the description allows. So the fake cannot drift away from the service, nor the client hide behind a lenient fake.
//!
//! Descriptions lie outside the repository (`../shared/spec`; their README says what they were cut from), so that every test that
//! needs one is `#[ignore = "needs ../shared"]`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use jsonschema::Validator;
use serde_json::{Value, json};

/// One API description.
pub(crate) struct Description {
    document: Value,
    /// Compiled schemas by JSON pointer: a schema with the whole document as its root is dear.
    validators: Mutex<BTreeMap<String, Arc<Validator>>>,
}

/// One operation of a description, found for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operation {
    /// The path as described, e.g. `/repos/{owner}/{repo}/issues`.
    pub(crate) path: String,
    /// The method, in lower case.
    pub(crate) method: String,
    /// What the braces of the path hold in this request.
    pub(crate) parameters: BTreeMap<String, String>,
}

impl Description {
    /// Reads `../shared/spec/FILE`.
    pub(crate) fn load(file: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/spec").join(file);
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}; this test needs ../shared", path.display()));
        Self { document: serde_json::from_str(&text).unwrap(), validators: Mutex::default() }
    }

    /// The description of our own API.
    pub(crate) fn own() -> Self {
        let document = serde_json::from_str(include_str!("../../../src/server/openapi.json")).unwrap();
        Self { document, validators: Mutex::default() }
    }

    /// The operation of a request (`path` without query, without a prefix such as `/api/v10`), or what a client should read
    /// when there is none. A literal segment (`@me`) is preferred to a parameter.
    pub(crate) fn operation(&self, method: &str, path: &str) -> Result<Operation, String> {
        let method = method.to_ascii_lowercase();
        let given: Vec<&str> = path.trim_matches('/').split('/').collect();
        let mut best: Option<(usize, Operation)> = None;
        for (template, operations) in self.document["paths"].as_object().unwrap() {
            let wanted: Vec<&str> = template.trim_matches('/').split('/').collect();
            if wanted.len() != given.len() || operations.get(&method).is_none() {
                continue;
            }
            let mut parameters = BTreeMap::new();
            let fits = wanted.iter().zip(&given).all(|(want, have)| match want.strip_prefix('{') {
                Some(name) if !have.is_empty() => {
                    parameters.insert(name.trim_end_matches('}').to_owned(), (*have).to_owned());
                    true
                }
                Some(_) => false,
                None => want == have,
            });
            let literals = wanted.len() - parameters.len();
            if fits && best.as_ref().is_none_or(|(known, _)| literals > *known) {
                best = Some((
                    literals,
                    Operation { path: template.clone(), method: method.clone(), parameters },
                ));
            }
        }
        best.map(|(_, operation)| operation)
            .ok_or_else(|| format!("the description has no {} {path}", method.to_ascii_uppercase()))
    }

    /// Whether the description allows this request: its parameters, and its body (`None` when it has none). Everything that is
    /// wrong comes back, one line each.
    pub(crate) fn check_request(
        &self,
        operation: &Operation,
        query: &[(String, String)],
        body: Option<&Value>,
    ) -> Result<(), String> {
        let mut wrong = self.check_parameters(operation, query);
        let described = &self.described(operation)["requestBody"];
        let (described, pointer) = self.resolve(described, &Self::pointer(operation, "/requestBody"));
        match body {
            None if described["required"] == true => wrong.push("the body is missing".to_owned()),
            Some(_) if described.is_null() => wrong.push("this operation takes no body".to_owned()),
            Some(body) if described["content"].get("application/json").is_some() => {
                let schema = format!("{pointer}/content/application~1json/schema");
                wrong.extend(self.unknown_keys(&schema, body));
                wrong.extend(self.violations(&schema, body));
            }
            Some(_) => wrong.push("the description has no JSON body here".to_owned()),
            None => {}
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }

    /// Whether the description allows this answer. 5xx answers are not described anywhere: any body passes.
    pub(crate) fn check_answer(
        &self,
        operation: &Operation,
        status: u16,
        body: Option<&Value>,
    ) -> Result<(), String> {
        if status >= 500 || status == 429 {
            return Ok(());
        }
        let responses = &self.described(operation)["responses"];
        let class = format!("{}XX", status / 100);
        let Some(key) = [status.to_string(), class, "default".to_owned()]
            .into_iter()
            .find(|key| responses.get(key).is_some())
        else {
            // These are described once for all of GitHub, in words: no or a wrong credential, no permission, a limit.
            return if matches!(status, 401 | 403) {
                Ok(())
            } else {
                Err(format!("{status} is not described here"))
            };
        };
        let (described, pointer) =
            self.resolve(&responses[&key], &Self::pointer(operation, &format!("/responses/{key}")));
        let has_schema = described["content"]["application/json"].get("schema").is_some();
        match body {
            Some(body) if has_schema => {
                let wrong = self.violations(&format!("{pointer}/content/application~1json/schema"), body);
                if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
            }
            None if has_schema => Err("the answer's body is missing".to_owned()),
            Some(_) if described.get("content").is_none() && status == 204 => {
                Err("a 204 has no body".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// What is wrong with this value, judged by the schema at this JSON pointer (`#/components/schemas/issue`).
    pub(crate) fn violations(&self, pointer: &str, value: &Value) -> Vec<String> {
        let validator = self.validator(pointer);
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    /// An official example of a body, to be filled in.
    pub(crate) fn example(&self, name: &str) -> Value {
        let example = &self.document["components"]["examples"][name]["value"];
        assert!(!example.is_null(), "the description has no example {name}");
        example.clone()
    }

    fn check_parameters(&self, operation: &Operation, query: &[(String, String)]) -> Vec<String> {
        let shared = self.document["paths"][&operation.path]["parameters"].as_array();
        let shared = shared.into_iter().flatten().enumerate().map(|it| (it, Self::path_pointer(operation)));
        let own = self.described(operation)["parameters"].as_array();
        let own = own.into_iter().flatten().enumerate().map(|it| (it, Self::pointer(operation, "")));
        let mut known = BTreeSet::new();
        let mut wrong = Vec::new();
        for ((place, parameter), owner) in shared.chain(own) {
            let (parameter, pointer) = self.resolve(parameter, &format!("{owner}/parameters/{place}"));
            let name = parameter["name"].as_str().unwrap_or_default();
            let values: Vec<&str> = match parameter["in"].as_str() {
                Some("path") => operation.parameters.get(name).map(String::as_str).into_iter().collect(),
                Some("query") => {
                    known.insert(name.to_owned());
                    query.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
                }
                _ => continue,
            };
            if values.is_empty() && parameter["required"] == true {
                wrong.push(format!("parameter {name} is missing"));
            }
            let schema = format!("{pointer}/schema");
            for value in values {
                let typed = self.typed(&parameter["schema"], value);
                wrong.extend(
                    self.violations(&schema, &typed)
                        .into_iter()
                        .map(|text| format!("parameter {name}{text}")),
                );
            }
        }
        let strangers = query.iter().filter(|(key, _)| !known.contains(key));
        wrong.extend(strangers.map(|(key, _)| format!("parameter {key} is not described")));
        wrong
    }

    /// A parameter's text as the type its schema wants.
    fn typed(&self, schema: &Value, text: &str) -> Value {
        let (schema, _) = self.resolve(schema, "");
        match schema["type"].as_str() {
            Some("integer" | "number") => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
            Some("boolean") => text.parse::<bool>().map_or_else(|_| json!(text), Value::from),
            _ => json!(text),
        }
    }

    /// No schema forbids unknown properties, so a misspelt key would pass: compare the keys with `properties`.
    fn unknown_keys(&self, pointer: &str, body: &Value) -> Vec<String> {
        let schema = self.document.pointer(pointer.trim_start_matches('#')).unwrap_or(&Value::Null);
        let (schema, _) = self.resolve(schema, pointer);
        let (Some(known), Some(given)) = (schema["properties"].as_object(), body.as_object()) else {
            return Vec::new();
        };
        let strangers = given.keys().filter(|key| !known.contains_key(*key));
        strangers.map(|key| format!("/{key}: not a key of this body")).collect()
    }

    fn validator(&self, pointer: &str) -> Arc<Validator> {
        let mut validators = self.validators.lock().unwrap();
        let build = || {
            let root = json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "$ref": pointer.replace('{', "%7B").replace('}', "%7D"),
                "components": self.document["components"],
                "paths": self.document["paths"],
            });
            Arc::new(jsonschema::validator_for(&root).unwrap_or_else(|error| panic!("{pointer}: {error}")))
        };
        Arc::clone(validators.entry(pointer.to_owned()).or_insert_with(build))
    }

    fn described(&self, operation: &Operation) -> &Value {
        &self.document["paths"][&operation.path][&operation.method]
    }

    /// The JSON pointer of a part of an operation.
    fn pointer(operation: &Operation, part: &str) -> String {
        format!("{}/{}{part}", Self::path_pointer(operation), operation.method)
    }

    fn path_pointer(operation: &Operation) -> String {
        format!("#/paths/{}", operation.path.replace('~', "~0").replace('/', "~1"))
    }

    /// Follows a `$ref`: the value it names and that value's pointer.
    fn resolve<'a>(&'a self, value: &'a Value, pointer: &str) -> (&'a Value, String) {
        match value["$ref"].as_str() {
            Some(reference) => {
                let target = self.document.pointer(reference.trim_start_matches('#'));
                (target.unwrap_or_else(|| panic!("dangling {reference}")), reference.to_owned())
            }
            None => (value, pointer.to_owned()),
        }
    }
}

#[test]
#[ignore = "needs ../shared"]
fn a_description_tells_good_requests_from_bad() {
    let github = Description::load("github.openapi.json");
    let create = github.operation("POST", "/repos/o/r/issues").unwrap();
    assert_eq!(create.path, "/repos/{owner}/{repo}/issues");
    assert_eq!(create.parameters["owner"], "o");
    github.check_request(&create, &[], Some(&json!({"title": "a", "labels": ["b"]}))).unwrap();
    assert!(github.check_request(&create, &[], Some(&json!({"body": "a"}))).is_err());
    assert!(github.check_request(&create, &[], Some(&json!({"title": "a", "lables": []}))).is_err());
    assert!(github.check_request(&create, &[], None).is_err());
    assert!(github.check_answer(&create, 201, Some(&json!({"id": 1}))).is_err());
    github.check_answer(&create, 410, Some(&json!({"message": "Issues are disabled"}))).unwrap();

    let list = github.operation("get", "/repos/o/r/issues").unwrap();
    let query = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
    github.check_request(&list, &query("state", "all"), None).unwrap();
    assert!(github.check_request(&list, &query("state", "every"), None).is_err());
    assert!(github.check_request(&list, &query("per_pgae", "100"), None).is_err());
    assert!(github.operation("GET", "/repos/o/r/isues").is_err());
}

#[test]
#[ignore = "needs ../shared"]
fn a_literal_segment_is_preferred_to_a_parameter() {
    let discord = Description::load("discord.openapi.json");
    let original = discord.operation("PATCH", "/webhooks/1/token/messages/@original").unwrap();
    assert!(original.path.ends_with("/messages/@original"), "{}", original.path);
    let create = discord.operation("POST", "/channels/1/messages").unwrap();
    discord.check_request(&create, &[], Some(&json!({"content": "hello"}))).unwrap();
}
