//! Maintenance: alerts that somebody expects open no thread.
//!
//! A silence has matchers that must all hold, an end, a reason and an author. It holds back *firing* alerts alone: the end of a
//! problem always passes, so that an incident opened before the maintenance still closes. The surprise: a silence without a
//! matcher is refused, because it would be an off switch.

use jiff::{SignedDuration, Timestamp};
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::alert::{Alert, AlertStatus};

/// The longest a silence may last: what is expected for longer is a rule of the monitoring system.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 30);

/// Matchers of one silence, at most.
const MOST_MATCHERS: usize = 20;

/// Characters of a pattern, a reason or a name, at most.
const MOST_CHARS: usize = 500;

/// Bytes a compiled pattern may take: patterns come from whoever holds the API's token.
const PATTERN_BYTES: usize = 256 * 1024;

/// How a matcher compares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Compare {
    /// Equal.
    #[default]
    #[serde(rename = "=")]
    Is,
    /// Not equal.
    #[serde(rename = "!=")]
    IsNot,
    /// The whole value fits the regular expression.
    #[serde(rename = "=~")]
    Fits,
    /// The whole value does not fit it.
    #[serde(rename = "!~")]
    FitsNot,
}

/// One condition on an alert. An absent field is the empty text, as in Alertmanager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Matcher {
    /// `source`, `fingerprint`, `title`, `severity`, `service`, `environment`, `region`, `endpoint`, else a label.
    pub name: String,
    /// How it compares.
    #[serde(default)]
    pub op: Compare,
    /// With what.
    pub value: String,
}

/// A silence as somebody asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// All of them must hold.
    pub matchers: Vec<Matcher>,
    /// When it begins; now, unless told.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub starts_at: Option<Timestamp>,
    /// When it ends.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub ends_at: Option<Timestamp>,
    /// How long it lasts, such as `2h`, instead of `ends_at`.
    #[serde(default)]
    pub duration: Option<String>,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
}

/// A silence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Its name.
    pub id: String,
    /// All of them must hold.
    pub matchers: Vec<Matcher>,
    /// When it begins.
    pub starts_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
    /// When it was asked for.
    pub created_at: Timestamp,
}

/// A silence that cannot be had, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadSilence(String);

/// Where a silence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It begins later.
    Pending,
    /// It holds alerts back.
    Active,
    /// It is over.
    Expired,
}

impl Wanted {
    /// The silence this asks for.
    ///
    /// # Errors
    /// [`BadSilence`] with what to write instead.
    pub fn silence(self, id: String, now: Timestamp) -> Result<Silence, BadSilence> {
        let refuse = |why: &str| Err(BadSilence(why.to_owned()));
        if self.matchers.is_empty() {
            return refuse("`matchers` is empty: it would silence everything; name at least one field");
        }
        if self.matchers.len() > MOST_MATCHERS {
            return refuse("more than 20 matchers; split the silence");
        }
        let texts = self.matchers.iter().flat_map(|it| [&it.name, &it.value]);
        if texts.chain([&self.reason, &self.by]).any(|text| text.len() > MOST_CHARS) {
            return refuse("a name, value, reason or author is longer than 500 bytes");
        }
        if self.reason.trim().is_empty() || self.by.trim().is_empty() {
            return refuse("`reason` and `by` say why and who; both are required");
        }
        let mut says_something = false;
        for matcher in &self.matchers {
            let pattern =
                matcher.pattern().map_err(|error| BadSilence(format!("`{}`: {error}", matcher.value)))?;
            says_something |= !matcher.holds("", pattern.as_ref());
        }
        if !says_something {
            return refuse("every matcher also fits an absent field: it would silence everything");
        }
        let starts_at = self.starts_at.unwrap_or(now).max(now);
        let ends_at = match (self.ends_at, self.duration) {
            (Some(_), Some(_)) => return refuse("either `ends_at` or `duration`, not both"),
            (None, None) => {
                return refuse("`duration` (such as `2h`) or `ends_at` is required: a silence ends");
            }
            (Some(at), None) => at,
            (None, Some(text)) => {
                let span = text.parse::<SignedDuration>().ok().filter(SignedDuration::is_positive);
                let span =
                    span.ok_or_else(|| BadSilence(format!("`{text}` is no span of time such as `2h`")))?;
                starts_at.checked_add(span).map_err(|_| BadSilence(format!("`{text}` is too long")))?
            }
        };
        if ends_at <= starts_at {
            return refuse("it ends before it begins");
        }
        if ends_at.duration_since(starts_at) > LONGEST {
            return refuse(
                "longer than 30 days; what is expected for longer is a rule of the monitoring system",
            );
        }
        let Self { matchers, reason, by, .. } = self;
        Ok(Silence { id, matchers, starts_at, ends_at, reason, by, created_at: now })
    }
}

impl Matcher {
    fn pattern(&self) -> Result<Option<Regex>, regex::Error> {
        match self.op {
            Compare::Is | Compare::IsNot => Ok(None),
            Compare::Fits | Compare::FitsNot => {
                let whole = format!("^(?:{})$", self.value);
                RegexBuilder::new(&whole).size_limit(PATTERN_BYTES).build().map(Some)
            }
        }
    }

    fn holds(&self, value: &str, pattern: Option<&Regex>) -> bool {
        let fits = || pattern.is_some_and(|pattern| pattern.is_match(value));
        match self.op {
            Compare::Is => value == self.value,
            Compare::IsNot => value != self.value,
            Compare::Fits => fits(),
            Compare::FitsNot => !fits(),
        }
    }

    /// The alert's value under this name.
    fn value<'a>(&self, alert: &'a Alert) -> &'a str {
        let field = match self.name.as_str() {
            "source" => Some(alert.source.as_str()),
            "fingerprint" => Some(alert.fingerprint.as_str()),
            "title" => Some(alert.title.as_str()),
            "severity" => Some(alert.severity.id()),
            "service" => alert.service.as_deref(),
            "environment" => alert.environment.as_deref(),
            "region" => alert.region.as_deref(),
            "endpoint" => alert.endpoint.as_deref(),
            label => alert.labels.get(label).map(String::as_str),
        };
        field.unwrap_or_default()
    }
}

impl Silence {
    /// Where it stands at this time.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> State {
        if now >= self.ends_at {
            State::Expired
        } else if now < self.starts_at {
            State::Pending
        } else {
            State::Active
        }
    }
}

/// A silence with its patterns compiled.
#[derive(Debug, Clone)]
pub struct Armed {
    silence: Silence,
    patterns: Vec<Option<Regex>>,
}

impl From<Silence> for Armed {
    fn from(silence: Silence) -> Self {
        // A pattern that does not compile was refused when the silence was asked for; it fits nothing.
        let patterns = silence.matchers.iter().map(|matcher| matcher.pattern().ok().flatten()).collect();
        Self { silence, patterns }
    }
}

impl Armed {
    /// The silence itself.
    #[must_use]
    pub fn silence(&self) -> &Silence {
        &self.silence
    }

    /// Whether it holds this alert back at this time.
    #[must_use]
    pub fn holds_back(&self, alert: &Alert, now: Timestamp) -> bool {
        let mut matchers = self.silence.matchers.iter().zip(&self.patterns);
        alert.status == AlertStatus::Firing
            && self.silence.state(now) == State::Active
            && matchers.all(|(matcher, pattern)| matcher.holds(matcher.value(alert), pattern.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn wanted(json: &str) -> Result<Silence, BadSilence> {
        serde_json::from_str::<Wanted>(json).unwrap().silence("s".into(), at(0))
    }

    #[track_caller]
    fn refused(json: &str, why: &str) {
        let error = wanted(json).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }

    fn alert() -> Alert {
        let mut alert = Alert::titled("alertmanager", "orders fails");
        alert.service = Some("orders-api".into());
        alert.labels.insert("team".into(), "payments".into());
        alert
    }

    #[test]
    fn all_matchers_must_hold_while_it_lasts() {
        let silence = wanted(
            r#"{"matchers": [{"name": "service", "op": "=~", "value": "orders-.*"}, {"name": "team", "value": "payments"},
                {"name": "environment", "op": "!=", "value": "production"}], "duration": "2h", "reason": "move", "by": "ada"}"#,
        )
        .unwrap();
        assert_eq!(silence.state(at(7200)), State::Expired);
        let silence = Armed::from(silence);
        assert!(silence.holds_back(&alert(), at(0)));
        assert!(silence.holds_back(&alert(), at(7199)));
        assert!(!silence.holds_back(&alert(), at(7200)));
        let mut other = alert();
        other.environment = Some("production".into());
        assert!(!silence.holds_back(&other, at(0)));
        let mut part = alert();
        part.service = Some("the orders-api".into());
        assert!(!silence.holds_back(&part, at(0)), "a pattern fits the whole value");
    }

    #[test]
    fn the_end_of_a_problem_always_passes() {
        let silence = wanted(
            r#"{"matchers": [{"name": "service", "value": "orders-api"}], "duration": "1h", "reason": "r", "by": "b"}"#,
        );
        let over = Alert { status: AlertStatus::Resolved, ..alert() };
        assert!(!Armed::from(silence.unwrap()).holds_back(&over, at(0)));
    }

    #[test]
    fn a_silence_that_makes_no_sense_is_refused_with_what_to_write() {
        let one = r#""matchers": [{"name": "service", "value": "x"}], "reason": "r", "by": "b""#;
        refused(r#"{"matchers": [], "duration": "1h", "reason": "r", "by": "b"}"#, "at least one");
        refused(&format!("{{{one}}}"), "`duration`");
        refused(&format!("{{{one}, \"duration\": \"soon\"}}"), "no span");
        refused(&format!("{{{one}, \"duration\": \"721h\"}}"), "30 days");
        refused(&format!("{{{one}, \"ends_at\": \"2020-01-01T00:00:00Z\"}}"), "before it begins");
        refused(
            &format!("{{{one}, \"ends_at\": \"2030-01-01T00:00:00Z\", \"duration\": \"1h\"}}"),
            "not both",
        );
        let every = r#"{"matchers": [{"name": "team", "op": "=~", "value": ".*"}], "duration": "1h", "reason": "r", "by": "b"}"#;
        refused(every, "everything");
        let broken = r#"{"matchers": [{"name": "team", "op": "=~", "value": "("}], "duration": "1h", "reason": "r", "by": "b"}"#;
        refused(broken, "regex");
        let nobody =
            r#"{"matchers": [{"name": "team", "value": "x"}], "duration": "1h", "reason": " ", "by": "b"}"#;
        refused(nobody, "both are required");
    }
}
