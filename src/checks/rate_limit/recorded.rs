//! An answer that somebody recorded: the output of `curl -i`, a HAR entry, or header lines alone. Pure.

use crate::checks::catalogue::Answer;
use crate::request::{self, FailingRequest, Response};

/// A recorded answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recorded {
    status: u16,
    /// Whether the text says the status.
    pub(super) has_status: bool,
    host: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Recorded {
    /// Finds the answer in a text; `None` when there is none.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.len() > request::MAX_BYTES {
            return None;
        }
        let request = FailingRequest::parse(text).ok();
        let host = request.as_ref().and_then(|it| it.host.clone()).unwrap_or_default();
        let host = host.rsplit_once(':').map_or(host.as_str(), |(host, _)| host).to_owned();
        let response = request
            .and_then(|it| it.response)
            .filter(|it| !it.headers.is_empty())
            .or_else(|| request::response(text))
            .or_else(|| header_lines(text))?;
        let mut headers: Vec<(String, String)> =
            response.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        // HTTP/2 and browsers write the status as a header.
        let named = headers.iter().position(|(name, _)| matches!(name.as_str(), ":status" | "status"));
        let named = named.and_then(|at| headers.remove(at).1.split(' ').next()?.parse().ok());
        let status = response.status.or(named);
        Some(Self {
            // A limiter's "come back later" without a status is a refusal; everything else is taken to have passed.
            status: status.unwrap_or(if headers.iter().any(|it| it.0 == "retry-after") { 429 } else { 200 }),
            has_status: status.is_some(),
            host,
            headers,
            body: response.body.unwrap_or_default(),
        })
    }

    /// As a judge wants it.
    pub(super) fn answer(&self) -> Answer<'_> {
        Answer::new(self.status, &self.host, &self.headers, self.body.as_bytes())
    }
}

/// Lines of which each is a header; blank lines and the `< ` of `curl -v` do not matter.
fn header_lines(text: &str) -> Option<Response> {
    let lines = text.lines().map(|line| line.trim().trim_start_matches("< ")).filter(|line| !line.is_empty());
    let header = |line: &str| {
        // The name of `:status` begins with what ends other names.
        let at = line.get(1..)?.find(':')? + 1;
        let (name, value) = (&line[..at], &line[at + 1..]);
        let is_name = name.bytes().all(|it| it.is_ascii_alphanumeric() || b":-_.".contains(&it));
        is_name.then(|| (name.to_owned(), value.trim().to_owned()))
    };
    let headers: Option<Vec<_>> = lines.take(request::MAX_HEADERS).map(header).collect();
    let headers = headers.filter(|it| !it.is_empty())?;
    Some(Response { status: None, headers, body: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, status: u16, host: &str, header: Option<&str>) {
        let recorded = Recorded::read(text).unwrap_or_else(|| panic!("nothing found in {text}"));
        let answer = recorded.answer();
        assert_eq!(
            (answer.status, answer.host, answer.header("x-ratelimit-remaining")),
            (status, host, header),
            "{text}"
        );
    }

    #[test]
    fn an_answer_is_found_in_each_form_it_is_recorded_in() {
        check("HTTP/1.1 429 Too Many Requests\nX-RateLimit-Remaining: 0\n\n{}", 429, "", Some("0"));
        check("HTTP/2 200\nx-ratelimit-remaining: 3\n", 200, "", Some("3"));
        check("X-RateLimit-Limit: 5\nX-RateLimit-Remaining: 1", 200, "", Some("1"));
        check(":status: 403\nx-ratelimit-remaining: 0", 403, "", Some("0"));
        check("Retry-After: 7", 429, "", None);
        check(
            "> GET /a HTTP/1.1\n> Host: api.x.com\n> \n< HTTP/1.1 429 No\n< X-RateLimit-Remaining: 0\n< \n",
            429,
            "api.x.com",
            Some("0"),
        );
        let har = r#"{"request": {"method": "GET", "url": "https://api.github.com/a", "headers": []},
            "response": {"status": 403, "headers": [{"name": "X-RateLimit-Remaining", "value": "0"}]}}"#;
        check(har, 403, "api.github.com", Some("0"));
        assert_eq!(Recorded::read("it was slow"), None);
        assert_eq!(Recorded::read(""), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_ends(text in "(HTTP/1.1 |429|: |\n|x-ratelimit-limit|< |> GET / HTTP/1.1|\\PC){0,40}") {
            if let Some(recorded) = Recorded::read(&text) {
                let _ = recorded.answer();
            }
        }
    }
}
