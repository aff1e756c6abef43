//! Typed signals out of free text: which words an error speaks in, and which status it names.
//!
//! The rules are data (`runbooks/signals.yaml`). It refuses to read a bare number as a status: "pending > 500" is none.

use std::collections::BTreeSet;

use crate::runbook::{Knowledge, Place};

/// Every (variable, value) that a text speaks of, each once, in order.
pub(crate) fn read(knowledge: &Knowledge, place: Place, text: &str) -> Vec<(usize, usize)> {
    let mut found = BTreeSet::new();
    for signal in &knowledge.signals {
        let here = signal.places.is_empty() || signal.places.contains(&place);
        if here && signal.any.is_match(text) {
            found.extend(signal.sets.iter().copied());
        }
    }
    found.into_iter().collect()
}

/// The last HTTP status a text names: of a chain of redirects and repeats, the last answer is the one that failed.
pub(crate) fn status(knowledge: &Knowledge, text: &str) -> Option<u16> {
    let found = knowledge.statuses.iter().flat_map(|pattern| pattern.captures_iter(text));
    let statuses = found.filter_map(|captures| {
        let status = captures.get(1)?;
        Some((status.start(), status.as_str().parse().ok()?))
    });
    statuses.max_by_key(|(start, _): &(usize, u16)| *start).map(|(_, status)| status)
}

/// The statuses of an answer like "504: 70%, 502: 30%" with their shares; equal shares where none are given.
pub(crate) fn shares(text: &str) -> Vec<(u16, f64)> {
    let mut found: Vec<(u16, f64)> = Vec::new();
    for part in text.split([',', ';', '\n']) {
        let mut numbers = part
            .split(|c: char| !c.is_ascii_digit() && c != '.')
            .filter_map(|word| word.trim_matches('.').parse::<f64>().ok());
        let Some(status) = numbers.next() else { continue };
        let is_status = status.fract() == 0.0 && (100.0..600.0).contains(&status);
        if !is_status {
            continue;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 100 to 599"
        )]
        found.push((status as u16, numbers.next().filter(|share| *share > 0.0).unwrap_or(1.0)));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    static KNOWLEDGE: LazyLock<Knowledge> = LazyLock::new(Knowledge::builtin);

    #[track_caller]
    fn speaks_of(text: &str, variable: &str, value: &str) {
        let found = read(&KNOWLEDGE, Place::Body, text);
        let told: Vec<_> = found
            .iter()
            .map(|(index, value)| {
                let variable = &KNOWLEDGE.variables[*index];
                (variable.id.as_str(), variable.values[*value].as_str())
            })
            .collect();
        assert!(told.contains(&(variable, value)), "{text}: {told:?}");
    }

    #[track_caller]
    fn names(text: &str, expected: Option<u16>) {
        assert_eq!(status(&KNOWLEDGE, text), expected, "{text}");
    }

    #[test]
    fn error_texts_are_read_for_what_they_speak_of() {
        speaks_of("getaddrinfo ENOTFOUND pay.internal", "text", "nxdomain");
        speaks_of("Client error: 429 Too Many Requests from vendor", "text", "rate_limit");
        speaks_of("{\"message\":\"Missing Authentication Token\"}", "text", "wrong_route");
        speaks_of("x509: certificate has expired or is not yet valid", "text", "certificate");
        speaks_of("FATAL: remaining connection slots are reserved", "text", "saturation");
        speaks_of("upstream connect error or disconnect/reset before headers", "text", "upstream_failed");
    }

    #[test]
    fn a_status_needs_words_around_it() {
        names("HTTP 504 on /reports", Some(504));
        names("504s on report export", Some(504));
        names("POST /w -> 301; POST /w -> 401", Some(401));
        names("the requested URL returned error: 403", Some(403));
        names("Shipping labels pending > 500", None);
        names("no response within 500 ms", None);
    }

    #[test]
    fn shares_are_read_with_and_without_numbers() {
        assert_eq!(shares("504: 70%, 502: 30%"), [(504, 70.0), (502, 30.0)]);
        assert_eq!(shares("429"), [(429, 1.0)]);
        assert_eq!(shares("mostly slow"), []);
    }
}
