//! Texts as the values that a schema wants: a query says `7`, and whether that is a number or a word only the schema knows.

use serde_json::{Map, Value, json};

use crate::checks::contract::description::Description;
use crate::request::{Body, Part};

/// The most types that one schema names; JSON Schema has seven.
const MOST_TYPES: usize = 8;

/// Why a body is no value.
pub(super) enum Unread {
    NotJson,
    OtherMedia,
}

/// The body as the value its schema describes.
pub(super) fn value_of(
    description: &Description,
    schema: &Value,
    body: &Body,
    kind: &str,
) -> Result<Value, Unread> {
    let is_json = kind == "application/json" || kind == "text/json" || kind.ends_with("+json");
    match body {
        Body::Text(text) if is_json => serde_json::from_str(text).map_err(|_| Unread::NotJson),
        Body::Text(text) if kind == "application/x-www-form-urlencoded" => {
            let pairs = url::form_urlencoded::parse(text.as_bytes());
            Ok(form(description, schema, pairs.map(|(name, value)| (name.into_owned(), value.into_owned()))))
        }
        Body::Parts(parts) if kind == "multipart/form-data" => {
            let pair = |Part { name, value }: &Part| (name.clone(), value.clone().unwrap_or_default());
            Ok(form(description, schema, parts.iter().map(pair)))
        }
        _ => Err(Unread::OtherMedia),
    }
}

/// The properties of a schema, those of its `allOf` included.
pub(super) fn properties(description: &Description, schema: &Value) -> Map<String, Value> {
    fn gather(description: &Description, schema: &Value, depth: usize, into: &mut Map<String, Value>) {
        let Some(schema) = description.resolve(schema) else { return };
        let own = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        into.extend(own.map(|(name, it)| (name.clone(), it.clone())));
        if depth > 0 {
            for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
                gather(description, part, depth - 1, into);
            }
        }
    }
    let mut found = Map::new();
    gather(description, schema, 4, &mut found);
    found
}

/// A form's fields as an object, each in the type its property has.
pub(super) fn form(
    description: &Description,
    schema: &Value,
    pairs: impl Iterator<Item = (String, String)>,
) -> Value {
    let properties = properties(description, schema);
    let mut object = Map::new();
    for (name, text) in pairs {
        let name = name.strip_suffix("[]").unwrap_or(&name).to_owned();
        let property = properties.get(&name).and_then(|it| description.resolve(it)).unwrap_or(&Value::Null);
        let is_list = types(description, property).contains(&"array");
        let of = if is_list { property.get("items").unwrap_or(&Value::Null) } else { property };
        let value = readings(description, of, &text).swap_remove(0);
        match object.get_mut(&name) {
            Some(Value::Array(list)) if is_list => list.push(value),
            _ => {
                object.insert(name, if is_list { json!([value]) } else { value });
            }
        }
    }
    Value::Object(object)
}

/// The types a schema names, its alternatives included; none named means any.
pub(super) fn types<'a>(description: &'a Description, schema: &'a Value) -> Vec<&'a str> {
    fn gather<'a>(description: &'a Description, schema: &'a Value, depth: usize, into: &mut Vec<&'a str>) {
        let Some(schema) = description.resolve(schema) else { return };
        let named = match schema.get("type") {
            Some(Value::String(one)) => vec![one.as_str()],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        for one in named {
            if into.len() < MOST_TYPES && !into.contains(&one) {
                into.push(one);
            }
        }
        if depth == 0 {
            return;
        }
        for key in ["allOf", "anyOf", "oneOf"] {
            for part in schema.get(key).and_then(Value::as_array).into_iter().flatten() {
                gather(description, part, depth - 1, into);
            }
        }
    }
    let mut found = Vec::new();
    // Alternatives of alternatives of alternatives: nobody writes more for a parameter, and a loop ends here.
    gather(description, schema, 4, &mut found);
    found
}

/// What a text may be where the schema allows it, likeliest first; never empty.
pub(super) fn readings(description: &Description, schema: &Value, text: &str) -> Vec<Value> {
    let types = types(description, schema);
    let wants = |name: &str| types.is_empty() || types.contains(&name);
    let mut readings = Vec::new();
    if (wants("integer") || wants("number"))
        && let Ok(number) = text.parse::<serde_json::Number>()
    {
        readings.push(Value::Number(number));
    }
    if wants("boolean")
        && let Ok(truth) = text.parse::<bool>()
    {
        readings.push(Value::Bool(truth));
    }
    // A part that is an object is JSON by default (OAS 3.1 section 4.8.14.4).
    if types.contains(&"object")
        && let Ok(object @ Value::Object(_)) = serde_json::from_str(text)
    {
        readings.push(object);
    }
    if types.contains(&"null") && text.is_empty() {
        readings.push(Value::Null);
    }
    if wants("string") || readings.is_empty() {
        readings.push(Value::String(text.to_owned()));
    }
    readings
}
