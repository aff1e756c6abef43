//! Values against the description's schemas.
//!
//! A schema is cut out of the document together with all it refers to and turned into JSON Schema 2020-12: OpenAPI 3.0's
//! `nullable` and boolean `exclusiveMinimum` become what they mean, `readOnly` properties are not required of a request. No
//! other document is ever fetched; what cannot be judged is said, not guessed. A violation holds a pointer and a keyword,
//! and from the schema what was expected; of the request's values only their JSON type.

use std::collections::BTreeSet;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{Draft, Keyword, ValidationError};
use serde_json::{Map, Value, json};

use super::description::{Description, pointer};
use crate::checks::judging::Until;

/// The most schemas one excerpt may hold; the largest public descriptions stay below for any operation.
const MAX_SCHEMAS: usize = 5_000;

/// The longest expectation (a pattern, a list of choices) that is shown.
const SHOWN_CHARS: usize = 160;

/// One place of a request that its schema does not allow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Violation {
    /// `body`, `query`, `path`, `header`, `cookie` or `response`.
    pub(super) part: &'static str,
    /// Where in it, as a JSON pointer (RFC 6901).
    pub(super) pointer: String,
    /// The schema's keyword.
    pub(super) keyword: String,
    /// What the schema wants, where it can be said in a word.
    pub(super) expected: Option<String>,
    /// The JSON type that was found.
    pub(super) found: Option<&'static str>,
}

impl Violation {
    /// A violation that no schema keyword carries or that needs no value.
    pub(super) fn plain(part: &'static str, pointer: impl Into<String>, keyword: &str) -> Self {
        Self { part, pointer: pointer.into(), keyword: keyword.to_owned(), expected: None, found: None }
    }

    /// As a fact.
    pub(super) fn fact(&self) -> Value {
        let mut fact = json!({"in": self.part, "pointer": self.pointer, "keyword": self.keyword});
        if let Some(expected) = &self.expected {
            fact["expected"] = json!(expected);
        }
        if let Some(found) = self.found {
            fact["found"] = json!(found);
        }
        fact
    }
}

/// The violations of a value, or why it cannot be judged.
pub(super) fn violations(
    description: &Description,
    part: &'static str,
    at: &str,
    schema: &Value,
    value: &Value,
) -> Result<Vec<Violation>, String> {
    let until = description.until;
    until.look();
    // What only the other side may send is not required of this one.
    let not_required = if part == "response" { "writeOnly" } else { "readOnly" };
    let mut excerpt =
        Excerpt { description, wanted: Vec::new(), seen: BTreeSet::new(), foreign: false, not_required };
    let root = excerpt.cut(schema)?;
    if excerpt.foreign {
        return Err("its schema refers to another document".to_owned());
    }
    let validator = jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .should_ignore_unknown_formats(true)
        .with_keyword(LOOK, move |_, _, _| {
            until.look();
            Ok(Box::new(Look(until)))
        })
        .offline()
        .build(&root)
        .map_err(|_| "its schema is no valid JSON Schema".to_owned())?;
    let mut found = Vec::new();
    for error in validator.iter_errors(value) {
        collect(&error, part, at, &mut found);
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// A keyword of ours in every schema, which allows everything and looks at the time: alternatives within alternatives are an exponential number.
const LOOK: &str = "x-firstcheck-look";

struct Look(Until);

impl<'i> Keyword<'i> for Look {
    fn validate(&self, _: &'i Value) -> Result<(), ValidationError<'i>> {
        self.0.look();
        Ok(())
    }

    fn is_valid(&self, _: &'i Value) -> bool {
        self.0.look();
        true
    }
}

/// One error, or the errors of the likeliest alternative where a schema offers several.
fn collect(error: &ValidationError<'_>, part: &'static str, at: &str, into: &mut Vec<Violation>) {
    let (ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context }) =
        error.kind()
    else {
        into.push(violation(error, part, at));
        return;
    };
    let here = error.instance_path().as_str();
    let is_other_kind = |branch: &[ValidationError<'_>]| {
        branch.iter().any(|it| {
            let tells = matches!(
                it.kind(),
                ValidationErrorKind::Type { .. }
                    | ValidationErrorKind::Constant { .. }
                    | ValidationErrorKind::Enum { .. }
            );
            tells && it.instance_path().as_str() == here
        })
    };
    let nearest = context.iter().filter(|branch| !is_other_kind(branch)).min_by_key(|branch| branch.len());
    match nearest {
        Some(branch) if !branch.is_empty() => branch.iter().for_each(|error| collect(error, part, at, into)),
        _ => into.push(violation(error, part, at)),
    }
}

fn violation(error: &ValidationError<'_>, part: &'static str, at: &str) -> Violation {
    let kind = error.kind();
    let mut pointer = format!("{at}{}", error.instance_path());
    let mut found = None;
    let expected = match kind {
        ValidationErrorKind::Required { property } => {
            // Point at what is missing, not at the object around it.
            let name = property.as_str().unwrap_or_default();
            pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
            None
        }
        ValidationErrorKind::Type { kind } => {
            found = Some(type_of(error.instance()));
            Some(types(kind))
        }
        ValidationErrorKind::Enum { options } => Some(options.to_string()),
        ValidationErrorKind::Constant { expected_value } => Some(expected_value.to_string()),
        ValidationErrorKind::Format { format } => Some(format.clone()),
        ValidationErrorKind::Pattern { pattern } => Some(pattern.clone()),
        ValidationErrorKind::Minimum { limit }
        | ValidationErrorKind::Maximum { limit }
        | ValidationErrorKind::ExclusiveMinimum { limit }
        | ValidationErrorKind::ExclusiveMaximum { limit } => Some(limit.to_string()),
        ValidationErrorKind::MinLength { limit }
        | ValidationErrorKind::MaxLength { limit }
        | ValidationErrorKind::MinItems { limit }
        | ValidationErrorKind::MaxItems { limit } => Some(limit.to_string()),
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            Some(format!("no property {}", unexpected.join(", ")))
        }
        _ => None,
    };
    Violation { part, pointer, keyword: kind.keyword().to_owned(), expected: expected.map(short), found }
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => one.to_string(),
        TypeKind::Multiple(many) => many.iter().map(|it| it.to_string()).collect::<Vec<_>>().join(" or "),
    }
}

/// The JSON type of a value, as schemas name it.
pub(super) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn short(text: String) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A schema and all it refers to, as a document of its own.
struct Excerpt<'a> {
    description: &'a Description,
    /// References to follow yet, as JSON pointers.
    wanted: Vec<String>,
    seen: BTreeSet<String>,
    /// A reference leads out of the document.
    foreign: bool,
    /// `readOnly` for a request, `writeOnly` for a response.
    not_required: &'static str,
}

impl Excerpt<'_> {
    fn cut(&mut self, schema: &Value) -> Result<Value, String> {
        let mut root = json!({"allOf": [self.schema(schema)]});
        while let Some(pointer) = self.wanted.pop() {
            if !self.seen.insert(pointer.clone()) {
                continue;
            }
            if self.seen.len() > MAX_SCHEMAS {
                return Err("its schema is too large".to_owned());
            }
            let Some(target) = self.description.root().pointer(&pointer) else {
                return Err("its schema refers to a place that is not there".to_owned());
            };
            let target = self.schema(target);
            place(&mut root, &pointer, target);
        }
        Ok(root)
    }

    /// One schema in the spelling of JSON Schema 2020-12.
    fn schema(&mut self, schema: &Value) -> Value {
        let Value::Object(fields) = schema else { return schema.clone() };
        self.description.until.look();
        if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
            match pointer(reference) {
                // A reference to the whole document is no schema.
                Some(pointer) if !pointer.is_empty() => self.wanted.push(pointer),
                _ => self.foreign = true,
            }
            if self.description.is_3_0 {
                // OpenAPI 3.0 ignores what stands beside a reference.
                return json!({"$ref": reference});
            }
        }
        let mut out = Map::from_iter([(LOOK.to_owned(), Value::Null)]);
        for (key, value) in fields {
            let value = match (key.as_str(), value) {
                (
                    "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas",
                    Value::Object(named),
                ) => named.iter().map(|(name, schema)| (name.clone(), self.schema(schema))).collect(),
                ("allOf" | "anyOf" | "oneOf" | "prefixItems", Value::Array(list)) => {
                    list.iter().map(|schema| self.schema(schema)).collect()
                }
                (
                    "items"
                    | "additionalProperties"
                    | "not"
                    | "if"
                    | "then"
                    | "else"
                    | "contains"
                    | "propertyNames"
                    | "unevaluatedItems"
                    | "unevaluatedProperties",
                    schema,
                ) => self.schema(schema),
                ("required", Value::Array(names)) => self.required(names, fields),
                // Notes for people and tools; some descriptions hold malformed ones.
                (
                    "example" | "examples" | "default" | "xml" | "externalDocs" | "discriminator" | "$id"
                    | "id",
                    _,
                ) => {
                    continue;
                }
                (_, value) => value.clone(),
            };
            out.insert(key.clone(), value);
        }
        if self.description.is_3_0 { from_3_0(out) } else { Value::Object(out) }
    }

    /// Names that must be there: a `readOnly` property is required of responses only, a `writeOnly` one of requests (OAS 3.0 §4.7.24.2).
    fn required(&self, names: &[Value], schema: &Map<String, Value>) -> Value {
        let is_the_others = |name: &Value| {
            let property = schema.get("properties")?.get(name.as_str()?)?;
            self.description.resolve(property)?.get(self.not_required)?.as_bool()
        };
        names.iter().filter(|name| is_the_others(name) != Some(true)).cloned().collect()
    }
}

/// `nullable`, and limits with a boolean beside them, as JSON Schema 2020-12 spells them.
fn from_3_0(mut schema: Map<String, Value>) -> Value {
    for (limit, exclusive) in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")] {
        if let Some(Value::Bool(is_exclusive)) = schema.get(exclusive) {
            if *is_exclusive && let Some(value) = schema.remove(limit) {
                schema.insert(exclusive.to_owned(), value);
            } else {
                schema.remove(exclusive);
            }
        }
    }
    if schema.remove("nullable") != Some(Value::Bool(true)) {
        return Value::Object(schema);
    }
    if let Some(Value::String(one)) = schema.get("type") {
        let types = json!([one, "null"]);
        schema.insert("type".to_owned(), types);
        if let Some(Value::Array(choices)) = schema.get_mut("enum")
            && !choices.contains(&Value::Null)
        {
            choices.push(Value::Null);
        }
        return Value::Object(schema);
    }
    json!({"anyOf": [{"type": "null"}, schema]})
}

/// Puts a schema where a pointer finds it; array indexes on the way become names, which a pointer reads alike.
fn place(root: &mut Value, pointer: &str, schema: Value) {
    if root.pointer(pointer).is_some() {
        return;
    }
    let mut node = root;
    for token in pointer.split('/').skip(1) {
        let name = token.replace("~1", "/").replace("~0", "~");
        if !node.is_object() {
            *node = json!({});
        }
        node = node.as_object_mut().expect("made an object above").entry(name).or_insert_with(|| json!({}));
    }
    *node = schema;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(version: &str, schemas: &Value) -> Description {
        let doc = json!({"openapi": version, "paths": {}, "components": {"schemas": schemas}});
        Description::parse("spec", &doc.to_string(), &[], Until::DONE).unwrap()
    }

    fn found(version: &str, schemas: &Value, value: &Value) -> Result<Vec<String>, String> {
        let description = description(version, schemas);
        let schema = json!({"$ref": "#/components/schemas/Order"});
        let found = violations(&description, "body", "", &schema, value)?;
        Ok(found.iter().map(|it| format!("{} {}", it.pointer, it.keyword)).collect())
    }

    #[track_caller]
    fn check(version: &str, schemas: &Value, value: &Value, expected: &[&str]) {
        let found = found(version, schemas, value).unwrap();
        assert_eq!(found, expected, "{value}");
    }

    #[test]
    fn references_lead_through_the_document_and_back() {
        let schemas = json!({
            "Order": {"type": "object", "required": ["items"], "properties": {
                "items": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}, "minItems": 1},
                "parent": {"$ref": "#/components/schemas/Order"}}},
            "Item": {"type": "object", "properties": {"sku": {"type": "string"}, "count": {"type": "integer"}}},
        });
        for version in ["3.0.3", "3.1.0"] {
            check(version, &schemas, &json!({"items": [{"sku": "a", "count": 1}]}), &[]);
            check(version, &schemas, &json!({}), &["/items required"]);
            check(
                version,
                &schemas,
                &json!({"items": [{"sku": 1, "count": "1"}], "parent": {"items": []}}),
                &["/items/0/count type", "/items/0/sku type", "/parent/items minItems"],
            );
        }
    }

    #[test]
    fn openapi_3_0_spells_null_and_limits_its_own_way() {
        let schemas = json!({"Order": {"properties": {
            "note": {"type": "string", "nullable": true},
            "kind": {"type": "string", "nullable": true, "enum": ["a"]},
            "ref": {"nullable": true, "allOf": [{"type": "string"}]},
            "price": {"type": "number", "minimum": 0, "exclusiveMinimum": true},
            "count": {"type": "integer", "minimum": 0, "exclusiveMinimum": false}}}});
        check(
            "3.0.3",
            &schemas,
            &json!({"note": null, "kind": null, "ref": null, "price": 1, "count": 0}),
            &[],
        );
        check(
            "3.0.3",
            &schemas,
            &json!({"note": 1, "kind": "b", "price": 0}),
            &["/kind enum", "/note type", "/price exclusiveMinimum"],
        );
    }

    #[test]
    fn openapi_3_1_is_json_schema() {
        let schemas = json!({"Order": {"properties": {"note": {"type": ["string", "null"]}, "price": {"exclusiveMinimum": 0}}}});
        check("3.1.0", &schemas, &json!({"note": null, "price": 0}), &["/price exclusiveMinimum"]);
    }

    #[test]
    fn what_only_responses_hold_is_not_required_of_a_request() {
        let schemas = json!({"Order": {"required": ["id", "sku"], "properties": {
            "id": {"type": "string", "readOnly": true}, "sku": {"type": "string"}}}});
        check("3.0.3", &schemas, &json!({}), &["/sku required"]);
    }

    #[test]
    fn of_alternatives_the_likeliest_is_reported() {
        let schemas = json!({"Order": {"oneOf": [
            {"type": "string"},
            {"type": "object", "required": ["kind", "iban"], "properties": {"kind": {"const": "bank"}}},
            {"type": "object", "required": ["kind", "card", "cvc"], "properties": {"kind": {"const": "card"}}}]}});
        check("3.1.0", &schemas, &json!({"kind": "bank"}), &["/iban required"]);
        check("3.1.0", &schemas, &json!(5), &[" oneOf"]);
    }

    #[test]
    fn formats_are_judged_and_unknown_ones_are_not() {
        let schemas = json!({"Order": {"properties": {
            "at": {"type": "string", "format": "date-time"}, "n": {"type": "integer", "format": "int32"},
            "x": {"type": "string", "format": "house-style"}}}});
        check("3.0.3", &schemas, &json!({"at": "2026-11-01T10:00:00Z", "n": 1, "x": "y"}), &[]);
        check("3.0.3", &schemas, &json!({"at": "yesterday"}), &["/at format"]);
    }

    #[test]
    fn a_property_may_be_named_like_a_keyword() {
        let schemas = json!({"Order": {"required": ["default"], "properties": {
            "example": {"type": "string"}, "default": {"type": "integer"}, "required": {"type": "boolean"}}}});
        check(
            "3.0.3",
            &schemas,
            &json!({"example": 1, "required": 1}),
            &["/default required", "/example type", "/required type"],
        );
    }

    #[test]
    fn what_cannot_be_judged_is_said() {
        let refused = |schema: Value, says: &str| {
            let why = found("3.1.0", &json!({"Order": schema}), &json!({})).unwrap_err();
            assert!(why.contains(says), "{why}");
        };
        refused(json!({"$ref": "https://example.com/order.json"}), "another document");
        refused(json!({"$ref": "#/components/schemas/Gone"}), "not there");
        refused(json!({"type": "nonsense"}), "no valid JSON Schema");
    }

    #[test]
    fn a_violation_shows_what_was_wanted_and_no_value() {
        let schemas = json!({"Order": {"properties": {"state": {"enum": ["open", "closed"]}, "count": {"type": "integer"}}}});
        let description = description("3.1.0", &schemas);
        let schema = json!({"$ref": "#/components/schemas/Order"});
        let value = json!({"state": "s3cret", "count": "s3cret"});
        let facts: Vec<Value> = violations(&description, "body", "", &schema, &value)
            .unwrap()
            .iter()
            .map(Violation::fact)
            .collect();
        assert_eq!(
            facts,
            [
                json!({"in": "body", "pointer": "/count", "keyword": "type", "expected": "integer", "found": "string"}),
                json!({"in": "body", "pointer": "/state", "keyword": "enum", "expected": "[\"open\",\"closed\"]"}),
            ]
        );
    }
}
