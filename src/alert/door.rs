//! What a source's door does before its body is read: methods, sizes, credentials, the delivery's id, as data of its mapping.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::alert::signature::SignatureRule;

/// Bytes of a body: the largest alert formats seen are 256 KiB.
pub const BODY_BYTES: usize = 1024 * 1024;

/// The most a mapping may let in: what GitHub sends at most.
pub const LARGEST_MIB: usize = 25;

/// How a source knocks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DoorRule {
    /// How it signs, when it can.
    #[serde(default)]
    pub signature: Option<SignatureRule>,
    /// The header, lower-case, in which it sends the shared secret itself.
    #[serde(default)]
    pub secret_header: Option<String>,
    /// The field of the body in which it sends the shared secret itself.
    #[serde(default)]
    pub secret_field: Option<String>,
    /// Methods besides POST.
    #[serde(default)]
    pub methods: Vec<Method>,
    /// Headers, lower-case, of which the first that is there names the delivery.
    #[serde(default)]
    pub delivery_id: Vec<String>,
    /// Fields of the body that together name the delivery when no header does.
    #[serde(default)]
    pub delivery_id_fields: Vec<String>,
    /// The largest body, in MiB; 1 unless told, at most 25.
    #[serde(default)]
    pub largest_mib: Option<u8>,
}

/// A method besides POST.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// The values stand in the query.
    Get,
    /// As POST.
    Put,
}

impl Method {
    /// Its name in HTTP.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
        }
    }
}

impl DoorRule {
    /// Bytes of the largest body.
    #[must_use]
    pub fn largest_bytes(&self) -> usize {
        self.largest_mib.map_or(BODY_BYTES, |mib| usize::from(mib).clamp(1, LARGEST_MIB) * 1024 * 1024)
    }

    /// Whether this method brings a delivery.
    #[must_use]
    pub fn takes(&self, method: &str) -> bool {
        method == "POST" || self.methods.iter().any(|it| it.id() == method)
    }

    /// Every method that brings a delivery, POST first.
    #[must_use]
    pub fn method_names(&self) -> Vec<&'static str> {
        std::iter::once("POST").chain(self.methods.iter().map(|it| it.id())).collect()
    }

    /// What the sender calls this delivery.
    #[must_use]
    pub fn delivery_name(&self, headers: &BTreeMap<String, String>, body: &Value) -> Option<String> {
        let in_header =
            self.delivery_id.iter().find_map(|name| headers.get(name)).filter(|id| !id.is_empty());
        in_header.cloned().or_else(|| {
            let fields = self.delivery_id_fields.iter().map(|name| body.get(name)?.as_str());
            let fields: Vec<&str> = fields.collect::<Option<_>>()?;
            (!fields.is_empty()).then(|| fields.join("|"))
        })
    }
}

/// The answer to a handshake that wants its own words back, whichever source it is sent to: Azure Event Grid's
/// `SubscriptionValidationEvent` (Microsoft Learn, *Webhook event delivery*) and the challenge that Slack made common
/// (`url_verification`).
#[must_use]
pub fn handshake(body: &Value) -> Option<Value> {
    let first = body.as_array().and_then(|events| events.first()).unwrap_or(body);
    let said = |name: &str| first.get(name).and_then(Value::as_str);
    if said("eventType") == Some("Microsoft.EventGrid.SubscriptionValidationEvent") {
        let code =
            first.pointer("/data/validationCode").and_then(Value::as_str).filter(|it| it.len() <= 200)?;
        return Some(json!({ "validationResponse": code }));
    }
    if said("type") == Some("url_verification") {
        let challenge = said("challenge").filter(|it| it.len() <= 1000)?;
        return Some(json!({ "challenge": challenge }));
    }
    None
}

/// A CloudEvent in binary mode (attributes in `ce-` headers, percent-encoded; CloudEvents HTTP binding 3.1) as one in
/// structured mode; `None` when the headers hold none.
#[must_use]
pub fn structured<'h>(
    headers: impl Iterator<Item = (&'h str, &'h str)>,
    data: Option<Value>,
) -> Option<Value> {
    let mut event = serde_json::Map::new();
    for (name, value) in headers {
        if let Some(attribute) = name.strip_prefix("ce-") {
            event.insert(attribute.to_owned(), percent_decoded(value).into());
        }
    }
    event.get("specversion")?;
    if let Some(data) = data {
        event.insert("data".to_owned(), data);
    }
    Some(Value::Object(event))
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).and_then(|it| std::str::from_utf8(it).ok());
        let escaped = digits.filter(|_| bytes[at] == b'%').and_then(|it| u8::from_str_radix(it, 16).ok());
        decoded.push(escaped.unwrap_or(bytes[at]));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_named_by_a_header_else_by_its_fields() {
        let rule = DoorRule {
            delivery_id: vec!["x-webhook-id".into()],
            delivery_id_fields: vec!["source".into(), "id".into()],
            ..DoorRule::default()
        };
        let body = json!({"source": "/s", "id": "1"});
        let headers = BTreeMap::from([("x-webhook-id".to_owned(), "w".to_owned())]);
        assert_eq!(rule.delivery_name(&headers, &body).as_deref(), Some("w"));
        assert_eq!(rule.delivery_name(&BTreeMap::new(), &body).as_deref(), Some("/s|1"));
        assert_eq!(rule.delivery_name(&BTreeMap::new(), &json!({"id": "1"})), None);
        assert_eq!(DoorRule::default().delivery_name(&headers, &body), None);
    }

    #[test]
    fn handshakes_get_their_own_words_back() {
        let grid = json!([{"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "512d38b6"}}]);
        assert_eq!(handshake(&grid), Some(json!({"validationResponse": "512d38b6"})));
        assert_eq!(
            handshake(&json!({"type": "url_verification", "challenge": "3eZ"})),
            Some(json!({"challenge": "3eZ"}))
        );
        for other in [json!({}), json!([]), json!({"type": "url_verification"}), json!({"challenge": "x"})] {
            assert_eq!(handshake(&other), None, "{other}");
        }
    }

    #[test]
    fn a_binary_cloud_event_is_the_structured_one() {
        let headers =
            [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-subject", "caf%C3%A9 %zz"), ("host", "x")];
        let event = structured(headers.into_iter(), Some(json!({"a": 1}))).unwrap();
        assert_eq!(event, json!({"specversion": "1.0", "id": "1", "subject": "café %zz", "data": {"a": 1}}));
        assert_eq!(structured([("content-type", "x")].into_iter(), None), None);
    }
}
