//! When a quota is whole again, in seconds from now, from any of the ways in which people write that. Pure.
//!
//! The surprise: the same header holds seconds at one vendor, an epoch at the next and a Go duration at a third. Where the
//! stated unit gives nonsense, the value's own looks decide ([`Unit::Auto`]); where that is nonsense too, the answer is none.

use jiff::Timestamp;
use jiff::fmt::{rfc2822, strtime};
use jiff::tz::TimeZone;

use crate::checks::catalogue::Unit;
use crate::duration;

/// Resets that lie further in the past are not believed; clocks and caches explain this much.
const LATEST_PAST_SECONDS: f64 = 60.0;

/// The longest window any known vendor has is a month.
const FURTHEST_SECONDS: f64 = 31.0 * 86_400.0;

/// Seconds until the moment `text` names, seen from `now` (the answer's own `Date`, so that clocks do not matter). Slightly
/// negative when it has just passed.
pub(super) fn seconds_until(text: &str, unit: Unit, now: Timestamp) -> Option<f64> {
    let text = text.trim();
    let sane = |it: &f64| (-LATEST_PAST_SECONDS..=FURTHEST_SECONDS).contains(it);
    let stated = match unit {
        Unit::Seconds => number(text),
        Unit::Milliseconds => number(text).map(|it| it / 1000.0),
        Unit::EpochSeconds => number(text).map(|it| it - epoch(now)),
        Unit::EpochMilliseconds => number(text).map(|it| it / 1000.0 - epoch(now)),
        Unit::GoDuration => go_duration(text),
        Unit::Rfc3339 => text.parse::<Timestamp>().ok().map(|at| epoch(at) - epoch(now)),
        Unit::HttpDate => http_date(text).map(|at| epoch(at) - epoch(now)),
        Unit::Auto => None,
    };
    stated.filter(sane).or_else(|| by_looks(text, now).filter(sane))
}

/// `Retry-After`: seconds or an HTTP date (RFC 9110 §10.2.3), the date seen from the answer's own `Date`.
pub(in crate::checks) fn retry_after(value: &str, date: Option<&str>) -> Option<f64> {
    let seconds = number(value.trim()).filter(|it| *it >= 0.0);
    let by_date = || Some((epoch(http_date(value.trim())?) - epoch(http_date(date?)?)).max(0.0));
    seconds.or_else(by_date).filter(|it| *it <= FURTHEST_SECONDS)
}

/// The time at which an answer was made, by its `Date`; ours when it has none.
pub(super) fn answered_at(date: Option<&str>, now: Timestamp) -> Timestamp {
    date.and_then(http_date).unwrap_or(now)
}

fn by_looks(text: &str, now: Timestamp) -> Option<f64> {
    if let Some(number) = number(text) {
        return match number {
            it if it >= 1e12 => Some(it / 1000.0 - epoch(now)),
            it if it >= 1e9 => Some(it - epoch(now)),
            it if it < 1e6 => Some(it),
            _ => None,
        };
    }
    let at = text.parse::<Timestamp>().ok().or_else(|| http_date(text));
    at.map(|at| epoch(at) - epoch(now)).or_else(|| go_duration(text)).or_else(|| other_duration(text))
}

/// A plain number, of which the first is taken when there are several (`10, 10;w=60`).
pub(super) fn number(text: &str) -> Option<f64> {
    let first = text.split([',', ';']).next()?.trim();
    let plain =
        !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-');
    if plain { first.parse().ok() } else { None }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 need 41 bits")]
fn epoch(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

/// An HTTP date in any of its three forms (RFC 9110 §5.6.7): as mail writes it, as RFC 850 did, and as `asctime` does.
pub(in crate::checks) fn http_date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let obsolete = |form: &str, text: &str| {
        let at = strtime::parse(form, text).ok()?.to_datetime().ok()?;
        TimeZone::UTC.to_timestamp(at).ok()
    };
    let by_mail = rfc2822::DateTimeParser::new().parse_timestamp(text).ok();
    by_mail
        .or_else(|| obsolete("%A, %d-%b-%y %H:%M:%S", text.strip_suffix(" GMT")?))
        .or_else(|| obsolete("%a %b %e %H:%M:%S %Y", text))
}

/// `1s`, `6m0s`, `12ms`, `1h2m3.5s`.
fn go_duration(text: &str) -> Option<f64> {
    duration::parse(text).map(|it| it.as_secs_f64())
}

/// `PT1M30S` (ISO 8601) and `90 seconds`, `2 minutes`.
fn other_duration(text: &str) -> Option<f64> {
    if text.starts_with(['P', 'p']) {
        let span: jiff::SignedDuration = text.parse().ok()?;
        return Some(span.as_secs_f64());
    }
    let (amount, unit) = text.split_once(' ')?;
    let amount = number(amount)?;
    let factor = match unit.trim().trim_end_matches('s') {
        "m" | "millisecond" | "milli" => 1e-3,
        "" | "sec" | "second" => 1.0,
        "min" | "minute" => 60.0,
        "hour" | "hr" => 3600.0,
        "day" => 86_400.0,
        _ => return None,
    };
    Some(amount * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, unit: Unit, expected: Option<f64>) {
        let now: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
        let got = seconds_until(text, unit, now);
        let close = match (got, expected) {
            (Some(got), Some(expected)) => (got - expected).abs() < 1e-6,
            (got, expected) => got == expected,
        };
        assert!(close, "{text} as {unit:?}: {got:?}, not {expected:?}");
    }

    #[test]
    fn stated_units_are_believed() {
        check("30", Unit::Seconds, Some(30.0));
        check("2.0", Unit::Seconds, Some(2.0));
        check("1500", Unit::Milliseconds, Some(1.5));
        check("1772359260", Unit::EpochSeconds, Some(60.0));
        check("1772359260.250", Unit::EpochSeconds, Some(60.25));
        check("1772359260000", Unit::EpochMilliseconds, Some(60.0));
        check("6m0s", Unit::GoDuration, Some(360.0));
        check("12ms", Unit::GoDuration, Some(0.012));
        check("1h2m3.5s", Unit::GoDuration, Some(3723.5));
        check("2026-03-01T10:01:00Z", Unit::Rfc3339, Some(60.0));
        check("Sun, 01 Mar 2026 10:01:00 GMT", Unit::HttpDate, Some(60.0));
    }

    #[test]
    fn an_unknown_unit_is_told_by_its_looks() {
        check("30", Unit::Auto, Some(30.0));
        check("1772359260", Unit::Auto, Some(60.0));
        check("1772359260000", Unit::Auto, Some(60.0));
        check("6m0s", Unit::Auto, Some(360.0));
        check("1m30s", Unit::Auto, Some(90.0));
        check("6ms", Unit::Auto, Some(0.006));
        check("1h 2m 3s", Unit::Auto, Some(3723.0));
        check("PT1M30S", Unit::Auto, Some(90.0));
        check("90 seconds", Unit::Auto, Some(90.0));
        check("2 minutes", Unit::Auto, Some(120.0));
        check("2026-03-01T10:01:00Z", Unit::Auto, Some(60.0));
        check("Sun, 01 Mar 2026 10:01:00 GMT", Unit::Auto, Some(60.0));
    }

    #[test]
    fn a_stated_unit_that_gives_nonsense_gives_way_to_the_looks() {
        check("1772359260", Unit::Seconds, Some(60.0));
        check("30", Unit::EpochSeconds, Some(30.0));
        check("30", Unit::GoDuration, Some(30.0));
    }

    #[test]
    fn nonsense_is_nothing() {
        for text in
            ["", "soon", "-5000", "2000000", "1600000000", "9999999999", "1m1", "5parsecs", "NaN", "inf"]
        {
            check(text, Unit::Auto, None);
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after("120", None), Some(120.0));
        assert_eq!(retry_after("2.0", None), Some(2.0));
        let date = Some("Sun, 01 Mar 2026 10:00:00 GMT");
        assert_eq!(retry_after("Sun, 01 Mar 2026 10:02:00 GMT", date), Some(120.0));
        assert_eq!(retry_after("Sun, 01 Mar 2026 09:00:00 GMT", date), Some(0.0));
        assert_eq!(retry_after("Sunday, 01-Mar-26 10:02:00 GMT", date), Some(120.0));
        assert_eq!(retry_after("Sun Mar  1 10:02:00 2026", date), Some(120.0));
        assert_eq!(retry_after("-3", date), None);
        assert_eq!(retry_after("later", date), None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            for unit in [Unit::Auto, Unit::GoDuration, Unit::HttpDate, Unit::EpochSeconds] {
                let _ = seconds_until(&text, unit, Timestamp::UNIX_EPOCH);
            }
        }
    }
}
