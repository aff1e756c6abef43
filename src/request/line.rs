//! Log lines: `GET /v1/orders 500`, the common log format, `method=GET path=/v1/orders status=500`, or a bare URL.
//!
//! The first line that names a request is the one. A log line has no body, so nothing is said about one.

use super::{Body, FailingRequest, Form, METHODS, Response, after_arrow, note, status};

/// Finds the first request in lines of a log.
pub(super) fn parse(text: &str) -> Option<FailingRequest> {
    text.lines().find_map(one)
}

fn one(line: &str) -> Option<FailingRequest> {
    let words: Vec<&str> = line.split_whitespace().map(bare).filter(|word| !word.is_empty()).collect();
    let (mut request, after) =
        method_and_target(&words).or_else(|| fields(&words)).or_else(|| url_alone(&words))?;
    request.body = Body::Elsewhere("a log line has no body".to_owned());
    request.response = ["->", "=>", "→"]
        .iter()
        .filter_map(|arrow| line.rfind(arrow))
        .find_map(|start| note(after_arrow(&line[start..])?))
        .or_else(|| {
            status_in(&words[after..]).map(|status| Response { status: Some(status), ..Response::default() })
        });
    Some(request)
}

/// Without the punctuation that log formats put around a word.
fn bare(word: &str) -> &str {
    word.trim_matches(['"', '\'', '`', '[', ']', '(', ')', ',', ';'])
}

fn is_target(word: &str) -> bool {
    word.starts_with('/') || is_url(word)
}

fn is_url(word: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| word.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
}

fn method_and_target(words: &[&str]) -> Option<(FailingRequest, usize)> {
    let at = words.windows(2).position(|pair| METHODS.contains(&pair[0]) && is_target(pair[1]))?;
    let target = words[at + 1].trim_end_matches([':', '.']);
    Some((FailingRequest::to(Form::Line, words[at], target), at + 2))
}

/// `method=GET path=/v1/orders`, in any order, with the names loggers use.
fn fields(words: &[&str]) -> Option<(FailingRequest, usize)> {
    let field = |names: &[&str]| {
        words
            .iter()
            .filter_map(|word| word.split_once('='))
            .find(|(name, _)| names.contains(name))
            .map(|it| bare(it.1))
    };
    let method = field(&["method", "http_method", "verb"])?.to_ascii_uppercase();
    let target = field(&["path", "url", "uri", "target", "endpoint"])?;
    if !METHODS.contains(&method.as_str()) || !is_target(target) {
        return None;
    }
    Some((FailingRequest::to(Form::Line, &method, target), 0))
}

/// A URL or path at the start of the line, as a browser's address bar shows it: GET.
fn url_alone(words: &[&str]) -> Option<(FailingRequest, usize)> {
    let first = words.first()?;
    let is_path = first.starts_with('/') && first.len() > 1 && !first.starts_with("//");
    if is_url(first) || is_path { Some((FailingRequest::to(Form::Line, "GET", first), 1)) } else { None }
}

/// The first number that reads as a status; one with a unit behind it is a size or a duration.
fn status_in(words: &[&str]) -> Option<u16> {
    let named = words.iter().find_map(|word| {
        let (name, value) = word.split_once(['=', ':'])?;
        let is_status = matches!(bare(name), "status" | "status_code" | "code" | "http_status" | "sc-status");
        if is_status { status(bare(value)) } else { None }
    });
    let unit = |word: Option<&&str>| {
        word.is_some_and(|it| matches!(*it, "ms" | "s" | "us" | "B" | "KB" | "kB" | "bytes" | "seconds"))
    };
    named.or_else(|| {
        words.iter().enumerate().find_map(|(at, word)| {
            let found = status(word.trim_end_matches([':', '.']))?;
            if unit(words.get(at + 1)) { None } else { Some(found) }
        })
    })
}
