//! Raw HTTP/1 messages, with CRLF or LF, as proxies, editors (`.http` files) and `curl -v` show them.
//!
//! A second message, a response, may follow the request; a line `-> 401 {…}` may stand for it.

use super::{Body, FailingRequest, Form, Response, after_arrow, find_header, note, status};

/// Reads the first request message of the text.
pub(super) fn parse(text: &str) -> Option<FailingRequest> {
    if let Some(request) = verbose(text) {
        return Some(request);
    }
    let start = text.lines().position(|line| request_line(line).is_some())?;
    // A request line deep in a log is a log line; a message begins within the first lines (a comment, a `###`).
    if start > 3 {
        return None;
    }
    let lines: Vec<&str> = text.lines().skip(start).collect();
    let end = lines.iter().position(|line| is_response(line)).unwrap_or(lines.len());
    let (method, target) = request_line(lines.first()?)?;
    let (headers, body) = head_and_body(lines.get(1..end)?);
    let mut request = FailingRequest::to(Form::Http, method, target);
    for (name, value) in headers {
        request.add_header(&name, value);
    }
    if request.host.is_none() {
        request.host = request.header("host").map(str::to_owned);
    }
    let body = if find_header(&request.headers, "transfer-encoding").is_some_and(|it| it.contains("chunked"))
    {
        unchunked(&body).unwrap_or(body)
    } else {
        body
    };
    if !body.is_empty() {
        request.body = Body::Text(body);
    }
    request.response = lines.get(end).and_then(|line| match after_arrow(line) {
        Some(_) => note(after_arrow(&lines[end..].join("\n"))?),
        None => response(&lines[end..].join("\n")),
    });
    Some(request)
}

/// The first response message of the text; the `< ` of `curl -v` before each line of its head is taken off.
pub(super) fn response(text: &str) -> Option<Response> {
    let lines: Vec<&str> = text.lines().map(|line| line.strip_prefix("< ").unwrap_or(line)).collect();
    let start = lines.iter().position(|line| status_line(line).is_some())?;
    let status = status_line(lines[start])?;
    let rest: Vec<&str> =
        lines[start + 1..].iter().map(|line| if *line == "<" { "" } else { *line }).collect();
    let (headers, body) = head_and_body(&rest);
    Some(Response { status: Some(status), headers, body: if body.is_empty() { None } else { Some(body) } })
}

/// The output of `curl -v`: the request behind `> `, the response behind `< `.
fn verbose(text: &str) -> Option<FailingRequest> {
    let sent: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("> ")).collect();
    let first = sent.iter().position(|line| request_line(line).is_some())?;
    let mut request = parse(&sent[first..].join("\n"))?;
    request.response = response(text);
    Some(request)
}

/// `POST /v1/orders HTTP/1.1`: the method and the target.
fn request_line(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split_ascii_whitespace();
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let is_method = method.len() <= 20 && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    let good = is_method && version.starts_with("HTTP/") && words.next().is_none();
    if good { Some((method, target)) } else { None }
}

fn status_line(line: &str) -> Option<u16> {
    let mut words = line.split_ascii_whitespace();
    if !words.next()?.starts_with("HTTP/") {
        return None;
    }
    status(words.next()?)
}

fn is_response(line: &str) -> bool {
    status_line(line).is_some() || after_arrow(line).and_then(note).is_some()
}

/// Headers up to the empty line, and what follows it. A line without a colon is no header and is passed over.
fn head_and_body(lines: &[&str]) -> (Vec<(String, String)>, String) {
    let end = lines.iter().position(|line| line.trim().is_empty()).unwrap_or(lines.len());
    let (head, body) = lines.split_at(end);
    let headers = head
        .iter()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect();
    (headers, body.get(1..).unwrap_or_default().join("\n").trim_end().to_owned())
}

/// A chunked body (RFC 9112 §7.1) put together; `None` when it is not one, as most tools show it already decoded.
fn unchunked(body: &str) -> Option<String> {
    let mut rest = body;
    let mut whole = String::new();
    loop {
        let (size, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        whole.push_str(after.get(..size)?);
        rest = after.get(size..)?.trim_start_matches(['\r', '\n']);
    }
}
