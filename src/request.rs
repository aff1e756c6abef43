//! A failing request as people paste it: a curl command, a HAR entry, a raw HTTP message or a log line.
//!
//! Pure, bounded and total: any text is either a [`FailingRequest`] or a [`NotARequest`] that says what is missing. It never
//! reads a file (`-d @body.json` becomes [`Body::Elsewhere`]), never resolves a shell variable, and never normalises a path:
//! a doubled or missing slash may be the fault. Secrets stay in (`Authorization`, bodies): redact before showing.

mod curl;
mod har;
mod line;
mod message;
mod shell;

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Serialize;
use url::form_urlencoded;

/// The longest text that is looked at, in bytes. A browser's HAR of a long session is a few MiB; above that somebody pasted
/// the wrong file.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;

/// The most headers kept; servers refuse requests with more (nginx and Apache: about 100).
pub const MAX_HEADERS: usize = 256;

/// The methods of RFC 9110 §9.3 and RFC 5789, by which a log line is recognised.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

/// One request that somebody saw fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailingRequest {
    /// How it was written down.
    pub form: Form,
    /// The method, in upper case as HTTP spells it.
    pub method: String,
    /// `http` or `https`, where the text says it.
    pub scheme: Option<String>,
    /// Host and port as written, without user and password.
    pub host: Option<String>,
    /// The path as written: percent-encoding, dots and doubled slashes kept; `/` when the URL has none.
    pub path: String,
    /// The query's names and values, decoded, in order.
    pub query: Vec<(String, String)>,
    /// The headers in order, names as written; those that the tool adds by itself (curl's content type) are among them.
    pub headers: Vec<(String, String)>,
    /// What was sent along.
    pub body: Body,
    /// What came back, where the text says it.
    pub response: Option<Response>,
}

/// How a request was written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A curl command.
    Curl,
    /// A HAR entry, or a whole HAR log.
    Har,
    /// An HTTP/1 message.
    Http,
    /// A line of a log, or method and URL.
    Line,
}

impl Form {
    /// In a person's words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Curl => "curl command",
            Self::Har => "HAR entry",
            Self::Http => "HTTP message",
            Self::Line => "log line",
        }
    }
}

/// What a request carries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// Nothing.
    #[default]
    Empty,
    /// This text.
    Text(String),
    /// The parts of a `multipart/form-data` body.
    Parts(Vec<Part>),
    /// Something that is not in the text: a file's name as curl takes it, `standard input`, or that a log line has no body.
    Elsewhere(String),
}

/// One field of a form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its value; `None` when it is a file's content.
    pub value: Option<String>,
}

/// What came back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Response {
    /// The status; `None` when there was no response (a HAR entry with status 0).
    pub status: Option<u16>,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body, or the start of it.
    pub body: Option<String>,
}

/// A text that is no request, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotARequest {
    /// There is no text.
    #[error("there is no request: the text is empty")]
    Empty,
    /// There is too much text.
    #[error(
        "the text has {bytes} bytes; a request is looked for in at most {MAX_BYTES}: keep the failing entry alone"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// It begins like a curl command and is none.
    #[error("the curl command cannot be read: {0}")]
    Curl(&'static str),
    /// It is JSON without a request in it.
    #[error("the JSON holds no request: {0}")]
    Har(&'static str),
    /// Nothing known.
    #[error(
        "no request found in the text; a curl command, a HAR entry, a raw HTTP request or a log line like `GET /v1/orders 500` is understood"
    )]
    Unrecognised,
}

impl FailingRequest {
    /// Finds the request in a text.
    ///
    /// # Errors
    /// [`NotARequest`] when there is none, with what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, NotARequest> {
        if text.len() > MAX_BYTES {
            return Err(NotARequest::TooLarge { bytes: text.len() });
        }
        let text = without_fences(text.trim_start_matches('\u{feff}'));
        let text = text.trim();
        if text.is_empty() {
            return Err(NotARequest::Empty);
        }
        if text.starts_with(['{', '[']) {
            match har::parse(text) {
                Ok(request) => return Ok(request),
                // `[2026-11-01 10:00] GET /x 500` begins like JSON and is a log line.
                Err(problem) => return line::parse(text).ok_or(problem),
            }
        }
        if let Some(command) = curl::find(text) {
            return curl::parse(command);
        }
        message::parse(text).or_else(|| line::parse(text)).ok_or(NotARequest::Unrecognised)
    }

    /// A request to this target (absolute URL, host and path, or path alone) and nothing else.
    fn to(form: Form, method: &str, target: &str) -> Self {
        let Target { scheme, user, host, path, query } = Target::read(target);
        let mut request = Self {
            form,
            method: method.to_owned(),
            scheme,
            host,
            path,
            query,
            headers: Vec::new(),
            body: Body::Empty,
            response: None,
        };
        if let Some(user) = user {
            request.add_header("Authorization", basic(&user));
        }
        request
    }

    /// Appends a header, up to [`MAX_HEADERS`].
    fn add_header(&mut self, name: &str, value: impl Into<String>) {
        if self.headers.len() < MAX_HEADERS {
            self.headers.push((name.to_owned(), value.into()));
        }
    }

    /// The first header of this name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        find_header(&self.headers, name)
    }

    /// The media type of the body, in lower case and without parameters.
    #[must_use]
    pub fn media_type(&self) -> Option<String> {
        let value = self.header("content-type")?;
        let bare = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if bare.is_empty() { None } else { Some(bare) }
    }

    /// The status that came back, where the text says it.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.response.as_ref()?.status
    }

    /// The URL, as far as it is known: absolute with a host, else path and query.
    #[must_use]
    pub fn url(&self) -> String {
        let mut url = String::new();
        if let Some(host) = &self.host {
            url.push_str(self.scheme.as_deref().unwrap_or("http"));
            url.push_str("://");
            url.push_str(host);
        }
        // `*` is no path of a host (RFC 9110 §7.1), and all there is without one.
        if self.path != "*" || self.host.is_none() {
            url.push_str(&self.path);
        }
        if !self.query.is_empty() {
            url.push('?');
            url.push_str(&form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.query).finish());
        }
        url
    }

    /// The request as a curl command that a POSIX shell reads back, one option a line; what came back follows as
    /// `-> STATUS BODY`.
    #[must_use]
    pub fn to_curl(&self) -> String {
        let mut out = format!("curl -X {} {}", quoted(&self.method), quoted(&self.url()));
        for (name, value) in &self.headers {
            // curl's own spelling of a header that is sent empty.
            let header = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
            let _ = write!(out, " \\\n  -H {}", quoted(&header));
        }
        match &self.body {
            Body::Empty => {}
            Body::Text(text) => {
                let _ = write!(out, " \\\n  --data-raw {}", quoted(text));
            }
            Body::Parts(parts) => {
                for part in parts {
                    let (option, value) = match &part.value {
                        Some(value) => ("--form-string", value.as_str()),
                        None => ("-F", "@file"),
                    };
                    let _ = write!(out, " \\\n  {option} {}", quoted(&format!("{}={value}", part.name)));
                }
            }
            Body::Elsewhere(place) => {
                let _ = write!(out, " \\\n  --data-binary {}", quoted(&format!("@{place}")));
            }
        }
        if let Some(Response { status: Some(status), body, .. }) = &self.response {
            let _ = write!(out, "\n-> {status}");
            if let Some(body) = body {
                let _ = write!(out, " {body}");
            }
        }
        out
    }
}

/// The first response message in a text: the output of `curl -i` or `curl -v`, or a saved HTTP message.
#[must_use]
pub fn response(text: &str) -> Option<Response> {
    message::response(text)
}

/// The same request when it succeeded (200-399), where a pasted HAR holds it beside the one that failed; the last before the end.
#[must_use]
pub fn succeeded(text: &str, failing: &FailingRequest) -> Option<FailingRequest> {
    if failing.form != Form::Har || text.len() > MAX_BYTES {
        return None;
    }
    har::succeeded(without_fences(text.trim_start_matches('\u{feff}')).trim(), failing)
}

/// The first header of this name, in any case.
fn find_header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// In single quotes, as a POSIX shell reads it back.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// `user:password` as RFC 7617 sends it.
fn basic(user: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(user))
}

/// A URL taken apart without changing it; `url::Url` would collapse dots and encode what was not encoded.
struct Target {
    scheme: Option<String>,
    user: Option<String>,
    host: Option<String>,
    path: String,
    query: Vec<(String, String)>,
}

impl Target {
    fn read(text: &str) -> Self {
        let text = text.split('#').next().unwrap_or_default();
        let (before, query) = text.split_once('?').unwrap_or((text, ""));
        let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let (scheme, rest) = match before.split_once("://") {
            Some((scheme, rest)) if !scheme.contains('/') => (Some(scheme.to_ascii_lowercase()), Some(rest)),
            _ => (None, (!before.starts_with('/') && before != "*").then_some(before)),
        };
        let Some(rest) = rest else {
            return Self { scheme, user: None, host: None, path: before.to_owned(), query };
        };
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, "/"),
        };
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user.to_owned()), host),
            None => (None, authority),
        };
        let host = if host.is_empty() { None } else { Some(host.to_owned()) };
        Self { scheme, user, host, path: path.to_owned(), query }
    }
}

/// The text without the code fences a chat needs around it.
fn without_fences(text: &str) -> Cow<'_, str> {
    if !text.contains("```") {
        return Cow::Borrowed(text);
    }
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("```")).collect();
    Cow::Owned(lines.join("\n").trim_end().trim_end_matches("```").to_owned())
}

/// The note `-> 401 {"error": …}` (also `=>` and `→`), given the text after its arrow.
fn note(after_arrow: &str) -> Option<Response> {
    let text = after_arrow.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let status = status(&text[..digits])?;
    let rest = &text[digits..];
    if rest.starts_with(char::is_alphanumeric) {
        return None;
    }
    let body = rest.trim();
    Some(Response {
        status: Some(status),
        headers: Vec::new(),
        body: if body.is_empty() { None } else { Some(body.to_owned()) },
    })
}

/// The arrow that introduces a note, taken off the front.
fn after_arrow(text: &str) -> Option<&str> {
    let text = text.trim_start();
    let text = text.strip_prefix("# ").unwrap_or(text);
    ["->", "=>", "→"].iter().find_map(|arrow| text.strip_prefix(arrow))
}

/// A status code: three digits from 100 to 599.
fn status(text: &str) -> Option<u16> {
    if text.len() != 3 {
        return None;
    }
    text.parse().ok().filter(|status| (100..=599).contains(status))
}

#[cfg(test)]
mod tests;
