//! A parameter of an operation, and what of a request's text belongs to it: its place, its style (OAS 3.1 §4.8.12), its shape.

use serde_json::{Map, Value};

use super::typed::{properties, readings, types};
use crate::checks::contract::description::{Description, Route};
use crate::request::{FailingRequest, Form};

/// A parameter of the operation.
pub(super) struct Parameter<'a> {
    pub(super) name: &'a str,
    pub(super) place: &'static str,
    pub(super) fields: &'a Map<String, Value>,
}

/// The operation's parameters over those of its path.
pub(super) fn parameters<'a>(
    description: &'a Description,
    route: &Route<'a>,
    operation: &'a Map<String, Value>,
) -> Vec<Parameter<'a>> {
    let lists = [operation.get("parameters"), route.item.get("parameters")];
    let mut found: Vec<Parameter<'a>> = Vec::new();
    for listed in lists.into_iter().flatten().filter_map(Value::as_array).flatten() {
        let Some(fields) = description.resolve(listed).and_then(Value::as_object) else { continue };
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let (Some(name), Some(place)) = (text("name"), text("in")) else { continue };
        let Some(place) = ["path", "query", "header", "cookie"].into_iter().find(|it| *it == place) else {
            continue;
        };
        if !found.iter().any(|it| it.name == name && it.place == place) {
            found.push(Parameter { name, place, fields });
        }
    }
    found
}

impl Parameter<'_> {
    /// Whether a query name belongs to this parameter: itself, `name[]`, or `name[field]` of a deep object.
    fn is_named(&self, query: &str) -> bool {
        query
            .strip_prefix(self.name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('[') && rest.ends_with(']'))
    }

    /// Whether a query name belongs to it, also as a property of an object that is spread over the query.
    pub(super) fn takes(&self, description: &Description, query: &str) -> bool {
        let is_spread = || {
            self.is_spread()
                && self.fields.get("schema").is_some_and(|it| properties(description, it).contains_key(query))
        };
        self.is_named(query) || is_spread()
    }

    /// The style (OAS 3.1 §4.8.12.3), or the default of its place.
    fn style(&self) -> &str {
        let style = self.fields.get("style").and_then(Value::as_str);
        style.unwrap_or(if matches!(self.place, "query" | "cookie") { "form" } else { "simple" })
    }

    fn explodes(&self) -> bool {
        self.fields.get("explode").and_then(Value::as_bool).unwrap_or(self.style() == "form")
    }

    /// An object whose properties are query names of their own.
    fn is_spread(&self) -> bool {
        self.place == "query" && self.style() == "form" && self.explodes()
    }

    /// The properties and texts of an object as its style writes them; `None` where the style is not read here.
    pub(super) fn pairs(
        &self,
        description: &Description,
        schema: &Value,
        values: &[String],
        request: &FailingRequest,
    ) -> Option<Vec<(String, String)>> {
        let flat = |text: &str, separator: char| -> Option<Vec<(String, String)>> {
            let parts: Vec<&str> = text.split(separator).map(|it| self.member(it)).collect();
            if self.explodes() {
                let pair =
                    |it: &&str| it.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
                return parts.iter().map(pair).collect();
            }
            let pairs = parts.chunks(2).map(|it| Some((it[0].to_owned(), (*it.get(1)?).to_owned())));
            pairs.collect()
        };
        match (self.place, self.style()) {
            ("query", "deepObject") => {
                let inner = |name: &str| {
                    let inside = name.strip_prefix(self.name)?.strip_prefix('[')?.strip_suffix(']')?;
                    Some(inside.to_owned())
                };
                let named = request.query.iter().filter(|(name, _)| self.is_named(name));
                let pairs: Option<Vec<_>> =
                    named.map(|(name, value)| Some((inner(name)?, value.clone()))).collect();
                // Objects within objects have no defined style.
                pairs.filter(|it| it.iter().all(|(name, _)| !name.contains(['[', ']'])))
            }
            ("query", "form") if self.explodes() => {
                let known = properties(description, schema);
                let named = request.query.iter().filter(|(name, _)| known.contains_key(name.as_str()));
                if known.is_empty() { None } else { Some(named.cloned().collect()) }
            }
            ("query" | "cookie", "form") | ("path" | "header", "simple") => match values.first() {
                Some(value) => flat(value, ','),
                None => Some(Vec::new()),
            },
            _ => None,
        }
    }

    pub(super) fn is_required(&self) -> bool {
        self.place == "path" || self.fields.get("required").and_then(Value::as_bool).unwrap_or(false)
    }

    /// The values sent for it; `None` when the text does not show this part of the request.
    pub(super) fn values(&self, route: &Route<'_>, request: &FailingRequest) -> Option<Vec<String>> {
        let of = |pairs: &[(String, String)]| -> Vec<String> {
            pairs.iter().filter(|(name, _)| name == self.name).map(|(_, value)| value.clone()).collect()
        };
        match self.place {
            "path" => Some(of(&route.values).iter().map(|it| self.bare(it)).collect()),
            "query" => {
                let named = request.query.iter().filter(|(name, _)| self.is_named(name));
                Some(named.map(|(_, value)| value.clone()).collect())
            }
            // A log line shows no headers.
            _ if request.form == Form::Line => None,
            "header" => {
                let named = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(self.name));
                Some(named.map(|(_, value)| value.clone()).collect())
            }
            _ => {
                let cookies = request.header("cookie").unwrap_or_default().split(';');
                let named =
                    cookies.filter_map(|it| it.trim().split_once('=')).filter(|(name, _)| *name == self.name);
                Some(named.map(|(_, value)| value.to_owned()).collect())
            }
        }
    }

    /// A member of a list as it counts: in a header the space around it means nothing (RFC 9110 section 5.6.1).
    fn member<'t>(&self, text: &'t str) -> &'t str {
        if self.place == "header" { text.trim() } else { text }
    }

    /// A path value without the marks of its style: `.5` and `;id=5`.
    fn bare(&self, value: &str) -> String {
        let bare = match self.style() {
            "label" => value.strip_prefix('.'),
            "matrix" => value.strip_prefix(&format!(";{}=", self.name)),
            _ => None,
        };
        bare.unwrap_or(value).to_owned()
    }

    /// The value in the shape its schema wants, as far as a text can have it; several readings where it may be either.
    pub(super) fn readings(
        &self,
        description: &Description,
        schema: &Value,
        values: &[String],
    ) -> Vec<Value> {
        if !types(description, schema).contains(&"array") {
            return values.first().map(|value| readings(description, schema, value)).unwrap_or_default();
        }
        let (style, explodes) = (self.style(), self.explodes());
        let separator = match style {
            "spaceDelimited" => ' ',
            "pipeDelimited" => '|',
            "label" if explodes => '.',
            _ => ',',
        };
        let items = description.resolve(schema).and_then(|it| it.get("items")).unwrap_or(&Value::Null);
        let parts: Vec<&str> = if explodes && self.place == "query" {
            values.iter().map(String::as_str).collect()
        } else if explodes && style == "matrix" {
            let again = format!(";{}=", self.name);
            values.iter().flat_map(|value| value.split(again.as_str()).collect::<Vec<_>>()).collect()
        } else {
            values.iter().flat_map(|value| value.split(separator)).map(|it| self.member(it)).collect()
        };
        vec![parts.into_iter().map(|it| readings(description, items, it).swap_remove(0)).collect()]
    }
}
