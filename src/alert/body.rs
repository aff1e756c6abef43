//! A body's bytes as a value, whatever its sender called it.
//!
//! The first byte decides, not the content type: SNS sends JSON as `text/plain`, others none at all. Forms become objects of
//! texts; a form whose one field holds JSON (`payload`, `data`) is that JSON. A byte-order mark and broken UTF-8 are borne,
//! nesting beyond 128 is refused.

use serde_json::{Map, Value};

/// Reads a body.
///
/// # Errors
/// Why it is neither JSON nor a form, in one line.
pub fn read(body: &[u8]) -> Result<Value, String> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    match text.bytes().next() {
        None => Err("the body is empty; JSON was expected".to_owned()),
        Some(b'-') if text.starts_with("--") => parts(text),
        Some(b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'%') if is_form(text) => Ok(form(text)),
        Some(_) => serde_json::from_str(text).map_err(|error| format!("the body is not JSON: {error}")),
    }
}

/// `name=value` pairs, of a form or of a query, as an object of texts.
#[must_use]
pub fn form(text: &str) -> Value {
    let pairs = url::form_urlencoded::parse(text.as_bytes());
    unwrapped(pairs.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned()))).collect())
}

/// The JSON in a form's one meaningful field, else the form.
fn unwrapped(fields: Map<String, Value>) -> Value {
    let inner = ["payload", "data"].iter().find_map(|name| fields.get(*name)).and_then(Value::as_str);
    let inner = inner.and_then(|text| serde_json::from_str::<Value>(text).ok()).filter(Value::is_object);
    inner.unwrap_or(Value::Object(fields))
}

fn is_form(text: &str) -> bool {
    let first = text.split('&').next().unwrap_or_default();
    !text.contains(['\n', '{', ' ']) && first.contains('=')
}

/// Multipart form data: the text fields.
fn parts(text: &str) -> Result<Value, String> {
    let boundary = text.lines().next().unwrap_or_default().trim_end();
    let mut fields = Map::new();
    for part in text.split(boundary).skip(1) {
        let part = part.strip_prefix("\r\n").or_else(|| part.strip_prefix('\n')).unwrap_or(part);
        let Some((head, value)) = part.split_once("\r\n\r\n").or_else(|| part.split_once("\n\n")) else {
            continue;
        };
        let name = head.split("name=\"").nth(1).and_then(|rest| rest.split('"').next());
        if let Some(name) = name {
            fields.insert(name.to_owned(), value.trim_end().into());
        }
    }
    if fields.is_empty() {
        Err("the body is neither JSON nor a form".to_owned())
    } else {
        Ok(unwrapped(fields))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_byte_decides() {
        assert_eq!(read(b"\xef\xbb\xbf {\"a\": \"caf\xe9\"}").unwrap(), json!({"a": "caf\u{fffd}"}));
        assert_eq!(
            read(b"Name=orders+health&Status=Down").unwrap(),
            json!({"Name": "orders health", "Status": "Down"})
        );
        assert_eq!(read(b"payload=%7B%22a%22%3A1%7D").unwrap(), json!({"a": 1}));
        let multipart =
            b"--x1\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\n{\"a\": 1}\r\n--x1--\r\n";
        assert_eq!(read(multipart).unwrap(), json!({"a": 1}));
    }

    #[test]
    fn what_is_neither_is_refused_with_the_reason() {
        assert!(read(b" \n").unwrap_err().contains("empty"));
        assert!(read(b"{\"title\": ").unwrap_err().contains("line 1"));
        assert!(read("[".repeat(100_000).as_bytes()).unwrap_err().contains("recursion"));
        assert!(read(b"plain text").unwrap_err().contains("not JSON"));
        assert!(read(b"--").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(0_u8..=255, 0..200)) {
            let _ = read(&bytes);
        }
    }
}
