//! How long something takes, as people write it and as they are told.
//!
//! One reader for every place that takes a duration (a check's keys, `--timeout`, a limiter's reset, a runbook under `lint`), so
//! that what one accepts the others do.

use std::time::Duration;

/// `250ms`, `5s`, `1.5s`, `2m`, `1h30m`, or a bare number of seconds; at most a year.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    let is_bare = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit() || it == b'.');
    let mut rest = text.trim();
    let mut seconds = 0.0;
    if is_bare(rest) {
        seconds = rest.parse().ok()?;
    } else if rest.is_empty() {
        return None;
    } else {
        while !rest.is_empty() {
            let (number, tail) = rest.split_at(rest.find(|it: char| !it.is_ascii_digit() && it != '.')?);
            let (unit, tail) = tail.split_at(tail.find(|it: char| it.is_ascii_digit()).unwrap_or(tail.len()));
            let number: f64 = number.parse().ok()?;
            seconds += match unit.trim() {
                "ns" => number / 1_000_000_000.0,
                "us" | "µs" => number / 1_000_000.0,
                "ms" => number / 1_000.0,
                "s" => number,
                "m" | "min" => number * 60.0,
                "h" => number * 3600.0,
                "d" => number * 86_400.0,
                _ => return None,
            };
            rest = tail;
        }
    }
    if (0.0..=86_400.0 * 366.0).contains(&seconds) { Duration::try_from_secs_f64(seconds).ok() } else { None }
}

/// A duration for a person: `12 ms`, `1.5 s`, `4 min`, `3 h`, `41 days`.
#[must_use]
pub fn show(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    let one = |number: f64, unit: &str| format!("{} {unit}", (number * 10.0).round() / 10.0);
    let whole =
        |number: u64, one: &str, many: &str| format!("{number} {}", if number == 1 { one } else { many });
    match took.as_secs() {
        0 if seconds < 0.9995 => format!("{:.0} ms", seconds * 1000.0),
        0..120 => one(seconds, "s"),
        whole_seconds @ 120..7200 => format!("{} min", whole_seconds / 60),
        whole_seconds @ 7200..172_800 => format!("{} h", whole_seconds / 3600),
        whole_seconds => whole(whole_seconds / 86_400, "day", "days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<u64>) {
        assert_eq!(parse(text), expected.map(Duration::from_millis), "{text}");
    }

    #[test]
    fn durations_are_read() {
        check("250ms", Some(250));
        check("5s", Some(5000));
        check("1.5s", Some(1500));
        check("30", Some(30_000));
        check("2m", Some(120_000));
        check("1 h", Some(3_600_000));
        check("1m30s", Some(90_000));
        check("1h 2m 3.5s", Some(3_723_500));
        check("1h30", None);
        check(".", None);
        check("", None);
        check("-5s", None);
        check("5 parsecs", None);
        check("99999999999999999999d", None);
    }

    #[test]
    fn durations_are_shown() {
        for (millis, expected) in [
            (12, "12 ms"),
            (1500, "1.5 s"),
            (30_000, "30 s"),
            (240_000, "4 min"),
            (7_200_000, "2 h"),
            (3_542_400_000, "41 days"),
        ] {
            assert_eq!(show(Duration::from_millis(millis)), expected);
        }
    }
}
