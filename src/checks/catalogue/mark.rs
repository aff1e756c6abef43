//! A mark: what must be true of an answer for a catalogue entry to hold.
//!
//! A structured matcher, not a language: everything in one mark must hold, alternatives are several marks. Pure.

use std::borrow::Cow;

use serde::Deserialize;

/// How much of a body is searched for marks: error pages are far shorter, and a probe's body is bounded anyway.
const SEARCHED_BYTES: usize = 16 * 1024;

/// An HTTP answer as far as marks are concerned.
#[derive(Debug, Clone)]
pub struct Answer<'a> {
    /// Its status.
    pub status: u16,
    /// The host that was asked.
    pub host: &'a str,
    /// Its headers, names in lower case, in the order they came.
    pub headers: &'a [(String, String)],
    /// The start of its body, as text.
    pub body: Cow<'a, str>,
}

impl<'a> Answer<'a> {
    /// An answer of which the start of the body is searched.
    #[must_use]
    pub fn new(status: u16, host: &'a str, headers: &'a [(String, String)], body: &'a [u8]) -> Self {
        let body = String::from_utf8_lossy(&body[..body.len().min(SEARCHED_BYTES)]);
        Self { status, host, headers, body }
    }

    /// A header's first value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All lines of a header as one list (RFC 9110 §5.3); `None` when there is none.
    #[must_use]
    pub fn joined(&self, name: &str) -> Option<String> {
        let lines: Vec<_> =
            self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect();
        if lines.is_empty() { None } else { Some(lines.join(", ")) }
    }

    /// Every header whose name fits: the whole name, or its beginning when the pattern ends in `*`.
    pub fn fitting(&self, pattern: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let fits = move |name: &str| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == pattern,
        };
        self.headers
            .iter()
            .filter(move |(name, _)| fits(name))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The body as JSON, when it is.
    #[must_use]
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_str(&self.body).ok()
    }
}

/// Statuses a mark holds for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Status(Vec<u16>);

/// What must be true of an answer. Nothing given holds for everything, which a catalogue must not contain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Any of these statuses.
    #[serde(default)]
    pub status: Status,
    /// The host that was asked, or one above it.
    #[serde(default)]
    pub host: Option<String>,
    /// This header is there; a trailing `*` stands for the rest of its name.
    #[serde(default)]
    pub header: Option<String>,
    /// Its value contains this, letter case aside.
    #[serde(default)]
    pub value: Option<String>,
    /// At least one of these headers is there.
    #[serde(default)]
    pub any_header: Vec<String>,
    /// This header is not there.
    #[serde(default)]
    pub absent: Option<String>,
    /// The body contains all of these texts.
    #[serde(default)]
    pub body: Vec<String>,
}

impl Mark {
    /// Whether it holds.
    #[must_use]
    pub fn holds(&self, answer: &Answer<'_>) -> bool {
        (self.status.0.is_empty() || self.status.0.contains(&answer.status))
            && self.host.as_deref().is_none_or(|host| is_below(answer.host, host))
            && self.header.as_deref().is_none_or(|name| self.header_holds(answer, name))
            && (self.any_header.is_empty()
                || self.any_header.iter().any(|name| answer.fitting(name).next().is_some()))
            && self.absent.as_deref().is_none_or(|name| answer.fitting(name).next().is_none())
            && self.body.iter().all(|text| answer.body.contains(text.as_str()))
    }

    fn header_holds(&self, answer: &Answer<'_>, name: &str) -> bool {
        let wanted = self.value.as_deref().unwrap_or_default().to_ascii_lowercase();
        let digits = !wanted.is_empty() && wanted.bytes().all(|byte| byte.is_ascii_digit());
        answer.fitting(name).any(|(_, value)| {
            // A number means that number: `0` is not in `30`.
            if digits { value.trim() == wanted } else { value.to_ascii_lowercase().contains(&wanted) }
        })
    }

    /// Whether both a header and the body speak: then the evidence is direct, else strong.
    #[must_use]
    pub fn is_double(&self) -> bool {
        (self.header.is_some() && !self.body.is_empty()) || self.body.len() > 1
    }

    /// An answer for which it holds and that says nothing else: status, host, headers, body.
    #[cfg(test)]
    pub(in crate::checks) fn example(&self) -> (u16, String, Vec<(String, String)>, String) {
        let named = |name: &str, value: &str| (name.replace('*', "x"), value.to_owned());
        let header = self.header.iter().map(|name| named(name, self.value.as_deref().unwrap_or("1")));
        let headers = header.chain(self.any_header.first().map(|name| named(name, "1"))).collect();
        let host = self.host.clone().unwrap_or_else(|| "api.example.com".to_owned());
        (self.status.0.first().copied().unwrap_or(200), host, headers, self.body.join(" "))
    }

    /// Whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The mark for a person, with what was met: `server: awselb/2.0`, `body: "no healthy upstream"`.
    #[must_use]
    pub fn shown(&self, answer: &Answer<'_>) -> String {
        let header = self.header.as_deref().and_then(|name| answer.fitting(name).next());
        let header =
            header.map(|(name, value)| format!("{name}: {}", value.chars().take(80).collect::<String>()));
        let body = self.body.first().map(|text| format!("body: \"{text}\""));
        match (header, body) {
            (Some(header), Some(body)) => format!("{header}; {body}"),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => format!("status {}", answer.status),
        }
    }
}

/// Whether a host is this one or below it.
pub(super) fn is_below(host: &str, above: &str) -> bool {
    let host = host.trim_end_matches('.');
    host.len() >= above.len()
        && host.is_char_boundary(host.len() - above.len())
        && host[host.len() - above.len()..].eq_ignore_ascii_case(above)
        && (host.len() == above.len() || host.as_bytes()[host.len() - above.len() - 1] == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(mark: &Mark, status: u16, headers: &[(&str, &str)], body: &str, expected: bool) {
        let headers: Vec<_> = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let answer = Answer::new(status, "api.example.com", &headers, body.as_bytes());
        assert_eq!(mark.holds(&answer), expected, "{mark:?}");
    }

    fn header(name: &str, value: &str) -> Mark {
        Mark { header: Some(name.to_owned()), value: Some(value.to_owned()), ..Mark::default() }
    }

    #[test]
    fn everything_in_a_mark_must_hold() {
        let mut mark = header("server", "envoy");
        check(&mark, 503, &[("server", "istio-Envoy")], "", true);
        mark.absent = Some("x-envoy-upstream-service-time".to_owned());
        check(&mark, 503, &[("server", "envoy"), ("x-envoy-upstream-service-time", "7")], "", false);
        mark.status = Status(vec![504]);
        check(&mark, 503, &[("server", "envoy")], "", false);
    }

    #[test]
    fn a_number_means_that_number() {
        check(&header("x-ratelimit-remaining", "0"), 403, &[("x-ratelimit-remaining", "30")], "", false);
        check(&header("x-ratelimit-remaining", "0"), 403, &[("x-ratelimit-remaining", "0")], "", true);
    }

    #[test]
    fn a_star_stands_for_the_rest_of_a_name() {
        let mark = Mark { header: Some("zendesk-ratelimit-*".to_owned()), ..Mark::default() };
        check(&mark, 200, &[("zendesk-ratelimit-tickets", "total=1")], "", true);
        check(&mark, 200, &[("zendesk", "1")], "", false);
    }

    #[test]
    fn a_host_is_not_below_another_that_only_ends_alike() {
        assert!(is_below("api.stripe.com", "stripe.com"));
        assert!(is_below("STRIPE.com", "stripe.com"));
        assert!(!is_below("notstripe.com", "stripe.com"));
        assert!(!is_below("com", "stripe.com"));
    }

    #[test]
    fn all_texts_of_a_body_are_needed() {
        let mark = Mark { body: vec!["502".to_owned(), "nginx".to_owned()], ..Mark::default() };
        check(&mark, 502, &[], "<h1>502</h1> nginx", true);
        check(&mark, 502, &[], "<h1>502</h1>", false);
    }
}
