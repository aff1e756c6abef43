//! HAR 1.2: a log, an entry, or a request object; and a log line written as JSON.
//!
//! Of several entries the first that failed is taken (a status from 400 on, or none at all), else the first.

use serde::Deserialize;
use serde_json::Value;

use super::{Body, FailingRequest, Form, NotARequest, Part, Response};

#[derive(Deserialize)]
struct Entry {
    request: Request,
    #[serde(default)]
    response: Option<Answered>,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Pair>,
    #[serde(default, rename = "queryString")]
    query: Vec<Pair>,
    #[serde(default, rename = "postData")]
    post_data: Option<PostData>,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
struct PostData {
    #[serde(default, rename = "mimeType")]
    mime_type: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    params: Vec<Param>,
}

#[derive(Deserialize)]
struct Param {
    name: String,
    #[serde(default)]
    value: Option<String>,
    #[serde(default, rename = "fileName")]
    file_name: Option<String>,
}

#[derive(Deserialize)]
struct Answered {
    #[serde(default)]
    status: i64,
    #[serde(default)]
    headers: Vec<Pair>,
    #[serde(default)]
    content: Option<Content>,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    encoding: Option<String>,
}

/// Reads a text that begins like JSON.
pub(super) fn parse(text: &str) -> Result<FailingRequest, NotARequest> {
    let value: Value = first_document(text).ok_or(NotARequest::Har("it is not well-formed"))?;
    let entries = entries(&value)?;
    let failed = entries.iter().find(|entry| failed(entry));
    let entry = failed.or(entries.first()).ok_or(NotARequest::Har("its list of entries is empty"))?;
    if let Ok(entry) = Entry::deserialize(entry) {
        return Ok(entry.into_request());
    }
    if let Ok(request) = Request::deserialize(entry) {
        return Ok(Entry { request, response: None }.into_request());
    }
    structured_line(entry).ok_or(NotARequest::Har("no `request` with `method` and `url` in it"))
}

/// The last entry of the same method and path that succeeded.
pub(super) fn succeeded(text: &str, failing: &FailingRequest) -> Option<FailingRequest> {
    let value: Value = first_document(text)?;
    let good = entries(&value).ok()?.iter().rev().filter_map(|entry| Entry::deserialize(entry).ok());
    let is_like = |it: &FailingRequest| {
        it.method == failing.method
            && it.path == failing.path
            && it.status().is_some_and(|status| (200..400).contains(&status))
    };
    good.map(Entry::into_request).find(is_like)
}

/// The entries of a log, or the one there is.
fn entries(value: &Value) -> Result<&[Value], NotARequest> {
    match value {
        Value::Array(entries) => Ok(entries),
        Value::Object(fields) => match value.pointer("/log/entries").or_else(|| fields.get("entries")) {
            Some(Value::Array(entries)) => Ok(entries),
            Some(_) => Err(NotARequest::Har("`entries` is no list")),
            None => Ok(std::slice::from_ref(value)),
        },
        _ => Err(NotARequest::Har("it is neither an object nor a list")),
    }
}

/// The first JSON document; what follows it (a second log line, a note) is not looked at.
fn first_document(text: &str) -> Option<Value> {
    serde_json::Deserializer::from_str(text).into_iter::<Value>().next()?.ok()
}

fn failed(entry: &Value) -> bool {
    entry
        .pointer("/response/status")
        .and_then(Value::as_i64)
        .is_some_and(|status| status <= 0 || status >= 400)
}

impl Entry {
    fn into_request(self) -> FailingRequest {
        let mut request =
            FailingRequest::to(Form::Har, &self.request.method.to_ascii_uppercase(), &self.request.url);
        if request.query.is_empty() {
            request.query = pairs(self.request.query);
        }
        for (name, value) in pairs(self.request.headers) {
            // HTTP/2's pseudo-headers (`:authority`) repeat the URL.
            if !name.starts_with(':') {
                request.add_header(&name, value);
            }
        }
        if let Some(posted) = self.request.post_data {
            if !posted.mime_type.is_empty() && request.header("content-type").is_none() {
                request.add_header("Content-Type", posted.mime_type.clone());
            }
            request.body = posted.body();
        }
        request.response = self.response.map(Answered::into_response);
        request
    }
}

impl PostData {
    fn body(self) -> Body {
        match self.text {
            Some(text) if !text.is_empty() => Body::Text(text),
            _ if self.params.is_empty() => Body::Empty,
            _ if self.mime_type.starts_with("application/x-www-form-urlencoded") => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                for param in &self.params {
                    form.append_pair(&param.name, param.value.as_deref().unwrap_or_default());
                }
                Body::Text(form.finish())
            }
            _ => Body::Parts(
                self.params
                    .into_iter()
                    .map(|param| Part {
                        value: if param.file_name.is_some() {
                            None
                        } else {
                            Some(param.value.unwrap_or_default())
                        },
                        name: param.name,
                    })
                    .collect(),
            ),
        }
    }
}

impl Answered {
    fn into_response(self) -> Response {
        Response {
            status: u16::try_from(self.status).ok().filter(|status| *status > 0),
            headers: pairs(self.headers),
            // A base64 body is no text to show.
            body: self.content.filter(|content| content.encoding.is_none()).and_then(|content| content.text),
        }
    }
}

fn pairs(pairs: Vec<Pair>) -> Vec<(String, String)> {
    pairs.into_iter().map(|pair| (pair.name, pair.value)).collect()
}

/// A log line as JSON, by the field names that loggers use for method, path and status.
fn structured_line(value: &Value) -> Option<FailingRequest> {
    let text =
        |names: &[&str]| names.iter().find_map(|name| value.get(name)?.as_str().filter(|it| !it.is_empty()));
    let method =
        text(&["method", "http_method", "request_method", "verb", "http.request.method", "http.method"])?;
    let target = text(&[
        "url",
        "path",
        "uri",
        "request_uri",
        "target",
        "url.path",
        "url.full",
        "http.target",
        "http.url",
    ])?;
    let mut request = FailingRequest::to(Form::Line, &method.to_ascii_uppercase(), target);
    request.body = Body::Elsewhere("a log line has no body".to_owned());
    let status =
        ["status", "status_code", "http_status", "code", "http.response.status_code", "http.status_code"]
            .iter()
            .find_map(|name| match value.get(name)? {
                Value::Number(number) => number.as_u64().and_then(|it| super::status(&it.to_string())),
                Value::String(text) => super::status(text),
                _ => None,
            });
    request.response = status.map(|status| Response { status: Some(status), ..Response::default() });
    Some(request)
}
