//! A request that was read, and the answer it gets.

use serde_json::{Value, json};

use crate::fakes::openapi::Operation;

/// A request that was read.
pub(super) struct Asked<'a> {
    pub(super) operation: &'a Operation,
    pub(super) query: &'a [(String, String)],
    pub(super) body: &'a Value,
    pub(super) url: &'a str,
    /// Under whose login it comes.
    pub(super) who: String,
}

impl Asked<'_> {
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.operation.parameters.get(name).map(String::as_str)
    }

    pub(super) fn wants(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// One page and the link to the next.
    pub(super) fn page(&self, all: Vec<Value>) -> Answer {
        let number = |key: &str, default: usize| {
            self.wants(key).and_then(|value| value.parse().ok()).unwrap_or(default)
        };
        let (size, at) = (number("per_page", 30).min(100), number("page", 1));
        let more = all.len() > at * size;
        let page: Vec<Value> = all.into_iter().skip((at - 1) * size).take(size).collect();
        let answer = Answer::new(200, Value::Array(page));
        if !more {
            return answer;
        }
        let others: Vec<String> = self
            .query
            .iter()
            .filter(|(name, _)| name != "page")
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        answer.with("link", &format!("<{}?{}&page={}>; rel=\"next\"", self.url, others.join("&"), at + 1))
    }
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Option<Value>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) cut: bool,
}

impl Answer {
    pub(super) fn new(status: u16, body: Value) -> Self {
        Self { status, body: Some(body), headers: Vec::new(), cut: false }
    }

    pub(super) fn refusal(status: u16, message: &str) -> Self {
        Self::new(
            status,
            json!({"message": message, "documentation_url": "https://docs.github.com/rest", "status": status.to_string()}),
        )
    }

    /// 422, as GitHub words it.
    pub(super) fn invalid(resource: &str, field: &str, code: &str) -> Self {
        let errors = json!([{"resource": resource, "field": field, "code": code}]);
        Self::new(
            422,
            json!({"message": "Validation Failed", "errors": errors, "documentation_url": "https://docs.github.com/rest"}),
        )
    }

    pub(super) fn with(mut self, name: &'static str, value: &impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}
