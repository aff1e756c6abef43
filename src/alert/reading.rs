//! Reading values: what the words of monitoring systems mean, the same for every source.
//!
//! Refuses to guess. An unknown word is unknown, an unreadable time is absent, a number in free text is an HTTP status only
//! next to a word that says so. The surprise: `200 errors`, `500 ms` and `expected 200` are no statuses.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use regex::Regex;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::alert::{AlertStatus, Severity, TransportError};

/// What a status word says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusWord {
    /// Firing or resolved.
    Says(AlertStatus),
    /// Known, and neither: `pending`, `paused`, `suppressed`, …
    Neither,
    /// Nobody knows this word; never taken for firing.
    Unknown,
}

/// Reads a status word, without regard to case.
#[must_use]
pub fn status(word: &str) -> StatusWord {
    match word.trim().to_ascii_lowercase().as_str() {
        "firing" | "alarm" | "alert" | "alerting" | "open" | "opened" | "active" | "activated" | "new"
        | "create" | "created" | "trigger" | "triggered" | "re-triggered" | "warn" | "re-warn"
        | "no data" | "re-no data" | "renotify" | "fired" | "down" | "unhealthy" | "failing" | "failure"
        | "error" | "problem" | "started" | "acknowledge" | "acknowledged" | "escalated" | "unresolved"
        | "reopened" | "reactivated" | "anomalous" => StatusWord::Says(AlertStatus::Firing),
        "resolved" | "resolve" | "ok" | "closed" | "close" | "recovered" | "recovery" | "success" | "up"
        | "normal" | "healthy" | "inactive" | "deactivated" | "clear" | "cleared" | "passing" | "delete" => {
            StatusWord::Says(AlertStatus::Resolved)
        }
        "insufficient_data" | "pending" | "paused" | "maintenance" | "suppressed" | "muted"
        | "in_progress" | "queued" => StatusWord::Neither,
        _ => StatusWord::Unknown,
    }
}

/// Reads a severity word, without regard to case; an unknown word is [`Severity::Unknown`].
#[must_use]
pub fn severity(word: &str) -> Severity {
    match word.trim().to_ascii_lowercase().as_str() {
        "critical" | "crit" | "fatal" | "emergency" | "emerg" | "panic" | "alert" | "disaster"
        | "blocker" | "sev0" | "sev-1" | "p1" | "page" => Severity::Critical,
        "error" | "err" | "high" | "major" | "severe" | "sev1" | "p2" => Severity::Error,
        "warning" | "warn" | "medium" | "minor" | "average" | "moderate" | "degraded" | "sev2" | "p3" => {
            Severity::Warning
        }
        "info" | "informational" | "information" | "low" | "notice" | "debug" | "verbose" | "none"
        | "sev3" | "sev4" | "p4" | "p5" => Severity::Info,
        _ => Severity::Unknown,
    }
}

/// A scalar as text; empty values, `null`, `N/A` and templates nobody filled in are absent.
#[must_use]
pub fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    if is_absent(&text) { None } else { Some(text) }
}

/// Whether a whole value says nothing: empty, a word for nothing, or an unresolved placeholder.
fn is_absent(text: &str) -> bool {
    static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^(\*[^*]+\*|\$[A-Z_]+|\{\{.*\}\}|\{[A-Za-z]+\}|%\{[^}]*\}|<no value>)$")
            .expect("a constant pattern")
    });
    matches!(text, "" | "null" | "None" | "N/A" | "n/a" | "{}") || PLACEHOLDER.is_match(text)
}

/// A JSON object's scalars as a flat map; values that say nothing are dropped.
#[must_use]
pub fn flat(value: Option<&Value>) -> BTreeMap<String, String> {
    let Some(Value::Object(object)) = value else { return BTreeMap::new() };
    object.iter().filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect()
}

/// Reads a moment: RFC 3339 with any offset and fraction, `… +0000 UTC` as Go writes it, Unix seconds to nanoseconds.
///
/// Truncated to milliseconds. Zero, year 1, the far future and a naive time are absent.
#[must_use]
pub fn time(value: &Value) -> Option<Timestamp> {
    let text = text(value)?;
    let moment = match text.parse::<i64>() {
        Ok(number) => unix(number)?,
        Err(_) => written(&text)?,
    };
    // Before 2000 and after 2100 no alert began: zero values (`0001-01-01`) and sentinels are what is found there.
    let plausible = 946_684_800..4_102_444_800;
    let millis = moment.as_millisecond();
    if plausible.contains(&millis.div_euclid(1000)) { Timestamp::from_millisecond(millis).ok() } else { None }
}

/// Seconds, milliseconds, microseconds or nanoseconds, told apart by size.
fn unix(number: i64) -> Option<Timestamp> {
    let read = match number.unsigned_abs() {
        0..100_000_000_000 => Timestamp::from_second(number),
        100_000_000_000..100_000_000_000_000 => Timestamp::from_millisecond(number),
        100_000_000_000_000..100_000_000_000_000_000 => Timestamp::from_microsecond(number),
        _ => Timestamp::from_nanosecond(number.into()),
    };
    read.ok()
}

fn written(text: &str) -> Option<Timestamp> {
    // Go writes the zone twice (`+0000 UTC`), others only by name; a naive time without a zone is absent.
    let (bare, says_utc) = text.strip_suffix(" UTC").map_or((text, false), |bare| (bare, true));
    if let Ok(moment) = bare.parse::<Timestamp>() {
        return Some(moment);
    }
    for pattern in ["%Y-%m-%d %H:%M:%S%.f %z", "%Y-%m-%dT%H:%M:%S%.f%z"] {
        if let Ok(moment) = Timestamp::strptime(pattern, bare) {
            return Some(moment);
        }
    }
    let naive = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S%.f", bare).ok()?;
    if says_utc { TimeZone::UTC.to_timestamp(naive).ok() } else { None }
}

/// Labels that hold nothing but an HTTP status, most dedicated first.
const STATUS_FIELDS: [&str; 8] = [
    "http_status",
    "status_code",
    "statusCode",
    "StatusCode",
    "http.status_code",
    "response.status",
    "code",
    "status",
];

/// The HTTP status in a dedicated label.
#[must_use]
pub fn http_status_of(labels: &BTreeMap<String, String>) -> Option<u16> {
    STATUS_FIELDS.iter().find_map(|name| http_status(labels.get(*name)?))
}

/// A whole value that is an HTTP status: 100 to 599, unregistered ones too.
#[must_use]
pub fn http_status(value: &str) -> Option<u16> {
    value.trim().parse().ok().filter(|status| (100..=599).contains(status))
}

/// The HTTP status of a failing response in free text.
#[must_use]
pub fn http_status_in(text: &str) -> Option<u16> {
    static SAID: LazyLock<Regex> = LazyLock::new(|| {
        let words = r"status|code|http(?:/[\d.]+)?|errors?|return(?:ed|s|ing)?|got|respond(?:ed|s|ing)?|answer(?:ed|s|ing)?";
        let between = r"(?:\s*[:=\-]?\s*(?:with|is|was|an?|of|status|code|http|error)?){0,3}\s*[:=]?\s*";
        let pattern =
            format!(r"(?i)(\bexpect\w*\s+(?:\w+\s+){{0,2}})?\b(?:{words})\b{between}\b([1-5]\d\d)\b");
        Regex::new(&pattern).expect("a constant pattern")
    });
    static PHRASE: LazyLock<Regex> = LazyLock::new(|| {
        let phrases = "bad request|unauthori[sz]ed|forbidden|not found|method not allowed|conflict|too many requests\
                       |internal server error|not implemented|bad gateway|service (?:temporarily )?unavailable|gateway time-?out";
        Regex::new(&format!(r"(?i)\b([1-5]\d\d)\b[\s:\-–]{{1,3}}(?:{phrases})")).expect("a constant pattern")
    });
    let said = SAID.captures_iter(text).find_map(|found| {
        let number = found.get(2)?;
        if found.get(1).is_some() || is_amount(&text[number.end()..]) {
            return None;
        }
        http_status(number.as_str())
    });
    said.or_else(|| http_status(PHRASE.captures(text)?.get(1)?.as_str()))
}

/// Whether what follows a number makes it a duration, a count, a share or a longer number.
fn is_amount(rest: &str) -> bool {
    static UNIT: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?i)^(?:\s*(?:%|ms\b|s\b|sec|m\b|min|h\b|errors\b|requests\b|times\b|per\b|/s\b)|[.,]\d|:\d|/\d)")
            .expect("a constant pattern")
    });
    UNIT.is_match(rest)
}

/// Why there was no response, from the text of a cause; absent when unclear.
#[must_use]
pub fn transport_error(text: &str) -> Option<TransportError> {
    static KINDS: LazyLock<Vec<(TransportError, Regex)>> = LazyLock::new(|| {
        [
            (TransportError::Timeout, r"timed[ -]?out|time-?out|deadline exceeded|etimedout|econnaborted"),
            (
                TransportError::Dns,
                r"could ?n.t resolve|could not resolve|getaddrinfo|enotfound|eai_again|nxdomain|no such host|servfail",
            ),
            (TransportError::Tls, r"certificate|x509|handshake|\bssl\b|cert_has_expired|self-signed"),
            (
                TransportError::Connect,
                r"connection (?:was )?refused|connect(?:ion)? refused|refused|econnrefused|no route|unreachable|ehostunreach",
            ),
            (
                TransportError::Reset,
                r"reset by peer|connection reset|econnreset|broken pipe|socket hang up|unexpected eof",
            ),
        ]
        .into_iter()
        .map(|(kind, pattern)| (kind, Regex::new(&format!("(?i){pattern}")).expect("a constant pattern")))
        .collect()
    });
    static STILL_GOOD: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?i)expir(?:es|ing)\b|will expire|days left").expect("a constant pattern")
    });
    // A handshake that timed out is a time-out; a certificate that will expire later fails nothing yet.
    let (kind, _) = KINDS.iter().find(|(_, pattern)| pattern.is_match(text))?;
    if *kind == TransportError::Tls && STILL_GOOD.is_match(text) { None } else { Some(*kind) }
}

/// The service in the labels; `job` only as a last resort and never a blackbox job.
#[must_use]
pub fn service(labels: &BTreeMap<String, String>) -> Option<String> {
    first(labels, &["service", "service_name", "service.name", "app", "application"]).or_else(|| {
        let job = labels.get("job")?;
        let is_probe = job.contains("blackbox") || job.contains("probe");
        if is_probe { None } else { Some(job.rsplit('/').next().unwrap_or(job).to_owned()) }
    })
}

/// The environment in the labels.
#[must_use]
pub fn environment(labels: &BTreeMap<String, String>) -> Option<String> {
    first(labels, &["environment", "env", "deployment.environment", "deployment.environment.name", "stage"])
}

/// The region in the labels.
#[must_use]
pub fn region(labels: &BTreeMap<String, String>) -> Option<String> {
    first(labels, &["region", "aws_region", "cloud.region", "location"])
}

/// The endpoint in the labels: a URL, else a path. An `instance` counts only when it is a URL, as blackbox_exporter writes
/// it: elsewhere it is a process. So does `endpoint`, where the Prometheus operator writes the name of a port.
#[must_use]
pub fn endpoint(labels: &BTreeMap<String, String>) -> Option<String> {
    let url = ["url", "full_url", "http.url", "request.url", "endpoint", "target", "probe", "instance"];
    let path = ["endpoint", "http.route", "http_route", "route", "transaction", "uri", "path"];
    let find = |names: &[&str], good: fn(&str) -> bool| {
        names.iter().filter_map(|name| labels.get(*name)).find(|value| good(value)).cloned()
    };
    find(&url, |value| value.starts_with("http://") || value.starts_with("https://"))
        .or_else(|| find(&path, |value| value.starts_with('/')))
}

fn first(labels: &BTreeMap<String, String>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| labels.get(*name)).cloned()
}

/// A fingerprint for a sender that has none: the same parts give the same 16 hexadecimal digits.
#[must_use]
pub fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(8).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn status_in(text: &str, expected: Option<u16>) {
        assert_eq!(http_status_in(text), expected, "{text}");
    }

    #[test]
    fn a_number_next_to_a_word_for_it_is_a_status() {
        status_in("Status 503 (expected 2xx)", Some(503));
        status_in("HTTP 502 Bad Gateway", Some(502));
        status_in("500 - Internal Server Error", Some(500));
        status_in("code: 521", Some(521));
        status_in("https://api.example.com/v1/charge returns 503", Some(503));
        status_in("responded with status code 504 after 30 s", Some(504));
        status_in("Expected status code 200 but got 503", Some(503));
        status_in("upstream answered with an error 502", Some(502));
    }

    #[test]
    fn durations_counts_shares_and_expectations_are_no_statuses() {
        status_in("latency 500 ms", None);
        status_in("error budget: got 200 errors", None);
        status_in("error 500ms", None);
        status_in("errors 120 per minute", None);
        status_in("error rate > 500", None);
        status_in("expected status 200", None);
        status_in("5XXError is high", None);
        status_in("HTTP check of 18444 fails", None);
        status_in("CPU core temperature is 34.75C", None);
        status_in("got 127.0.0.1:503", None);
    }

    #[track_caller]
    fn moment(text: &str, expected: Option<&str>) {
        let found = time(&Value::from(text)).map(|it| it.to_string());
        assert_eq!(found.as_deref(), expected, "{text}");
    }

    #[test]
    fn times_are_read_in_every_dress() {
        moment("2020-02-06T00:17:58.432911368Z", Some("2020-02-06T00:17:58.432Z"));
        moment("2017-08-03T15:17:37.804-04:00", Some("2017-08-03T19:17:37.804Z"));
        moment("2025-02-15 14:59:03 +0000 UTC", Some("2025-02-15T14:59:03Z"));
        moment("2025-03-24 17:28:40 UTC", Some("2025-03-24T17:28:40Z"));
        moment("2025-03-24T17:28:40+0000", Some("2025-03-24T17:28:40Z"));
        moment("1742837320", Some("2025-03-24T17:28:40Z"));
        moment("1742837320000", Some("2025-03-24T17:28:40Z"));
        assert!(time(&Value::from(1_742_837_320_i64)).is_some());
    }

    #[test]
    fn a_time_that_says_nothing_is_absent() {
        for text in
            ["0001-01-01T00:00:00Z", "0", "9999-12-31T00:00:00Z", "yesterday", "2026-10-01 08:14:03.151"]
        {
            moment(text, None);
        }
    }

    #[test]
    fn unknown_words_stay_unknown() {
        assert_eq!(status("FIRING"), StatusWord::Says(AlertStatus::Firing));
        assert_eq!(status("INSUFFICIENT_DATA"), StatusWord::Neither);
        assert_eq!(status("wobbling"), StatusWord::Unknown);
        assert_eq!(severity("page"), Severity::Critical);
        assert_eq!(severity("ticket"), Severity::Unknown);
    }

    #[test]
    fn placeholders_nobody_filled_in_are_absent() {
        for empty in ["*monitorURL*", "$SERVICE", "{{ .x }}", "{ProblemID}", "%{x}", "<no value>", " ", "N/A"]
        {
            assert_eq!(text(&Value::from(empty)), None, "{empty}");
        }
        assert_eq!(text(&Value::from("$5 off")), Some("$5 off".to_owned()));
    }

    #[track_caller]
    fn error_in(text: &str, expected: Option<TransportError>) {
        assert_eq!(transport_error(text), expected, "{text}");
    }

    #[test]
    fn a_cause_tells_why_there_was_no_response() {
        error_in("context deadline exceeded", Some(TransportError::Timeout));
        error_in("lookup api: no such host", Some(TransportError::Dns));
        error_in("x509: certificate has expired", Some(TransportError::Tls));
        error_in("dial tcp: connect: connection refused", Some(TransportError::Connect));
        error_in("read: connection reset by peer", Some(TransportError::Reset));
        error_in("the certificate expires in 10 days", None);
        error_in("queue is long", None);
    }

    #[test]
    fn an_instance_is_an_endpoint_only_as_a_url() {
        let labels = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>()
        };
        assert_eq!(endpoint(&labels(&[("instance", "10.0.0.1:9100")])), None);
        assert_eq!(endpoint(&labels(&[("endpoint", "http-metrics")])), None);
        assert_eq!(endpoint(&labels(&[("route", "/v1/x")])), Some("/v1/x".to_owned()));
        assert_eq!(
            endpoint(&labels(&[("instance", "https://a.example")])),
            Some("https://a.example".to_owned())
        );
        assert_eq!(service(&labels(&[("job", "blackbox-http")])), None);
        assert_eq!(service(&labels(&[("job", "prod/checkout")])), Some("checkout".to_owned()));
    }
}
