//! A description that is spread over several documents, put together into one. Pure.
//!
//! Every document that a `$ref` names stands under a key of ours in the root, and the references are rewritten to point there, so
//! that the rest only knows references into one document. The surprise: a description from the network must not name a file
//! of this machine, so a reference out of a URL stays a URL.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use url::Url;

use crate::checks::judging::Until;

/// Where the other documents stand in the whole.
const KEY: &str = "x-firstcheck-documents";

/// The most documents one description may have; GitHub's and Stripe's have one.
pub(super) const MOST_DOCUMENTS: usize = 64;

/// The deepest nesting that is searched for references.
const DEEPEST: usize = 128;

/// The documents that a document refers to, by place; no more of them than one description may have.
pub(super) fn foreign(place: &str, document: &Value, until: Until) -> Vec<String> {
    let mut found = Vec::new();
    each_reference(document, 0, &mut |reference| {
        until.look();
        if found.len() < MOST_DOCUMENTS
            && let Some((other, _)) = elsewhere(place, reference)
            && !found.contains(&other)
        {
            found.push(other);
        }
    });
    found
}

/// The whole: the root with all others in it, references rewritten.
pub(super) fn whole(root_place: &str, mut root: Value, others: Vec<(String, Value)>, until: Until) -> Value {
    until.look();
    if others.is_empty() {
        return root;
    }
    let keys: BTreeMap<String, String> = others
        .iter()
        .enumerate()
        .map(|(index, (place, _))| (place.clone(), format!("/{KEY}/{index}")))
        .chain([(root_place.to_owned(), String::new())])
        .collect();
    rewrite(&mut root, root_place, "", &keys, 0);
    let mut inside = Map::new();
    for (index, (place, mut document)) in others.into_iter().enumerate() {
        until.look();
        rewrite(&mut document, &place, &format!("/{KEY}/{index}"), &keys, 0);
        inside.insert(index.to_string(), document);
    }
    if let Some(fields) = root.as_object_mut() {
        fields.insert(KEY.to_owned(), Value::Object(inside));
    }
    root
}

/// The place of another document that a reference names, and the pointer in it.
fn elsewhere(place: &str, reference: &str) -> Option<(String, String)> {
    let (document, fragment) = reference.split_once('#').unwrap_or((reference, ""));
    if document.is_empty() {
        return None;
    }
    let is_url = |it: &str| it.starts_with("https://") || it.starts_with("http://");
    let other = if is_url(document) {
        document.to_owned()
    } else if is_url(place) {
        Url::parse(place).ok()?.join(document).ok().map(String::from).filter(|it| is_url(it))?
    } else if document.contains("://") || document.starts_with("urn:") {
        return None;
    } else {
        let folder = place.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut parts: Vec<&str> = folder.split('/').filter(|it| !it.is_empty()).collect();
        for part in document.split('/') {
            match part {
                "" | "." => {}
                ".." if parts.last().is_some_and(|it| *it != "..") => {
                    parts.pop();
                }
                part => parts.push(part),
            }
        }
        let is_absolute = document.starts_with('/')
            || (folder.is_empty() && place.starts_with('/'))
            || folder.starts_with('/');
        format!("{}{}", if is_absolute { "/" } else { "" }, parts.join("/"))
    };
    Some((other, fragment.to_owned()))
}

fn each_reference(value: &Value, depth: usize, tell: &mut impl FnMut(&str)) {
    if depth > DEEPEST {
        return;
    }
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                tell(reference);
            }
            fields
                .iter()
                .filter(|(name, _)| !is_note(name))
                .for_each(|(_, it)| each_reference(it, depth + 1, tell));
        }
        Value::Array(items) => items.iter().for_each(|it| each_reference(it, depth + 1, tell)),
        _ => {}
    }
}

fn rewrite(value: &mut Value, place: &str, own: &str, keys: &BTreeMap<String, String>, depth: usize) {
    if depth > DEEPEST {
        return;
    }
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                let target = match elsewhere(place, reference) {
                    Some((other, fragment)) => keys.get(&other).map(|key| format!("#{key}{fragment}")),
                    None => reference.strip_prefix('#').map(|fragment| format!("#{own}{fragment}")),
                };
                if let Some(target) = target {
                    fields.insert("$ref".to_owned(), json!(target));
                }
            }
            for (_, it) in fields.iter_mut().filter(|(name, _)| !is_note(name)) {
                rewrite(it, place, own, keys, depth + 1);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|it| rewrite(it, place, own, keys, depth + 1)),
        _ => {}
    }
}

/// What holds data for people, in which a `$ref` is none.
fn is_note(name: &str) -> bool {
    matches!(name, "example" | "examples" | "default" | "enum" | "const")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(place: &str, reference: &str, expected: Option<&str>) {
        assert_eq!(elsewhere(place, reference).map(|it| it.0).as_deref(), expected, "{place} {reference}");
    }

    #[test]
    fn a_reference_is_relative_to_its_document_and_never_leaves_the_network_for_a_file() {
        check("spec.yaml", "order.yaml#/Order", Some("order.yaml"));
        check("api/spec.yaml", "../common/order.yaml", Some("common/order.yaml"));
        check("api/spec.yaml", "./order.yaml", Some("api/order.yaml"));
        check("/srv/api/spec.yaml", "schemas/order.yaml", Some("/srv/api/schemas/order.yaml"));
        check("https://a.test/v1/spec.yaml", "order.yaml", Some("https://a.test/v1/order.yaml"));
        check("https://a.test/v1/spec.yaml", "file:///etc/passwd", None);
        check("https://a.test/v1/spec.yaml", "/etc/passwd", Some("https://a.test/etc/passwd"));
        check("spec.yaml", "#/components", None);
    }

    #[test]
    fn documents_are_put_together_with_their_references() {
        let root = json!({"paths": {"/a": {"$ref": "a.yaml"}}, "components": {"schemas": {"X": {"type": "integer"}}}});
        let other = json!({"get": {"schema": {"$ref": "#/local"}, "back": {"$ref": "spec.yaml#/components/schemas/X"}}, "local": 1});
        assert_eq!(foreign("spec.yaml", &root, Until::DONE), ["a.yaml"]);
        let whole = whole("spec.yaml", root, vec![("a.yaml".to_owned(), other)], Until::DONE);
        assert_eq!(whole["paths"]["/a"]["$ref"], "#/x-firstcheck-documents/0");
        let inside = &whole["x-firstcheck-documents"]["0"]["get"];
        assert_eq!(inside["schema"]["$ref"], "#/x-firstcheck-documents/0/local");
        assert_eq!(inside["back"]["$ref"], "#/components/schemas/X");
    }
}
