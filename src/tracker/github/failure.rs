//! What GitHub's refusals mean: whose turn it is, when to come back, and whether the write may have happened all the same.
//!
//! The order is GitHub's own: `retry-after` first, then an exhausted `x-ratelimit`, then a minute for a secondary limit that
//! says nothing else. A 403 without any of these is a missing permission and is not repeated: going on can get an account banned.

use std::error::Error as _;
use std::time::Duration;

use crate::incident::Retry;
use crate::tracker::TrackerError;

/// The wait after a limit that does not say how long: GitHub asks for at least a minute.
const LIMIT_WAIT: Duration = Duration::from_mins(1);
/// The longest wait that is believed: an hour is the window of the primary limit.
const LONGEST_WAIT: Duration = Duration::from_secs(3700);
/// The wait after a failure on GitHub's side or the network's.
const TROUBLE_WAIT: Duration = Duration::from_secs(5);

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// The status, when there was an answer.
    pub(super) status: Option<u16>,
    /// Whether a limit was met.
    pub(super) is_limit: bool,
    /// Whether the write may have happened.
    pub(super) may_have_happened: bool,
    reason: String,
    retry: Retry,
}

impl From<Failure> for TrackerError {
    fn from(failure: Failure) -> Self {
        Self { reason: failure.reason, retry: failure.retry }
    }
}

impl Failure {
    /// What went wrong, in a sentence.
    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    /// How long to write nothing, when a limit was met.
    pub(super) fn limit_wait(&self) -> Option<Duration> {
        match self.retry {
            Retry::After(wait) if self.is_limit => Some(wait),
            Retry::After(_) | Retry::Never => None,
        }
    }

    /// A list that does not end.
    pub(super) fn endless(route: &str) -> Self {
        Self {
            status: None,
            is_limit: false,
            may_have_happened: false,
            reason: format!("GitHub's list {route} does not end"),
            retry: Retry::After(LIMIT_WAIT),
        }
    }

    /// The request took too long.
    pub(super) fn timed_out(timeout: Duration) -> Self {
        Self::trouble(format!("GitHub did not answer within {} s", timeout.as_secs_f32()), true)
    }

    /// What octocrab's error means.
    pub(super) fn of(error: &octocrab::Error) -> Self {
        match error {
            octocrab::Error::GitHub { source, .. } => {
                let header =
                    |name: &str| source.headers.as_ref()?.get(name)?.to_str().ok().map(str::to_owned);
                let details = source.errors.iter().flatten().filter_map(detail).take(3);
                let said: Vec<String> = std::iter::once(source.message.clone()).chain(details).collect();
                Self::answered(source.status_code.as_u16(), &said.join("; "), &header)
            }
            octocrab::Error::Service { source, .. } => {
                let connect = source
                    .downcast_ref::<hyper_util::client::legacy::Error>()
                    .is_some_and(hyper_util::client::legacy::Error::is_connect);
                Self::trouble(format!("GitHub could not be reached: {}", chain(source.as_ref())), !connect)
            }
            other => {
                // A body that is cut or is not what GitHub sends: the status was good, so that the write may have been done.
                let cause = other.source().map_or_else(|| other.to_string(), chain);
                Self::trouble(format!("GitHub's answer could not be read: {cause}"), true)
            }
        }
    }

    /// What an answer with this status means; pure, so that every case has a test.
    fn answered(status: u16, message: &str, header: &dyn Fn(&str) -> Option<String>) -> Self {
        let said = message.lines().next().unwrap_or_default().trim();
        let never = |reason: String| Self {
            status: Some(status),
            is_limit: false,
            may_have_happened: false,
            reason,
            retry: Retry::Never,
        };
        match status {
            401 => never(format!("GitHub does not accept the token (401: {said}); it is wrong, expired or revoked: set a new one")),
            403 | 429 => if let Some(wait) = limit_wait(status, said, header) { Self {
                status: Some(status),
                is_limit: true,
                may_have_happened: false,
                reason: format!("GitHub's rate limit is reached ({status}: {said}); trying again in {} s", wait.as_secs()),
                retry: Retry::After(wait),
            } } else {
                let needs = header("x-accepted-github-permissions").map(|needs| format!("; it needs {needs}")).unwrap_or_default();
                let todo = if said.to_ascii_lowercase().contains("archived") {
                    "; unarchive the repository, or configure another one"
                } else {
                    ""
                };
                never(format!("GitHub does not allow it (403: {said}){needs}{todo}"))
            },
            404 => never("GitHub shows no such repository or issue (404); it does not exist, or the token has no access to it".to_owned()),
            410 => never(format!("GitHub says that it is gone (410: {said}); issues are disabled in the repository, or somebody deleted the issue")),
            422 => never(format!("GitHub refuses the issue as it is (422: {said})")),
            301 | 302 | 307 | 308 => {
                let to = header("location").map(|to| format!(" to {to}")).unwrap_or_default();
                never(format!("the repository was moved or renamed{to}; configure its new name"))
            }
            500.. => Self {
                status: Some(status),
                ..Self::trouble(format!("GitHub has trouble of its own ({status}: {said})"), true)
            },
            _ => never(format!("GitHub answers {status}: {said}")),
        }
    }

    fn trouble(reason: String, may_have_happened: bool) -> Self {
        Self { status: None, is_limit: false, may_have_happened, reason, retry: Retry::After(TROUBLE_WAIT) }
    }
}

/// How long to wait, when this is a limit and no missing permission.
fn limit_wait(status: u16, said: &str, header: &dyn Fn(&str) -> Option<String>) -> Option<Duration> {
    let seconds = |name: &str| header(name).and_then(|text| text.trim().parse::<u64>().ok());
    if let Some(wait) = seconds("retry-after") {
        return Some(Duration::from_secs(wait).min(LONGEST_WAIT));
    }
    if seconds("x-ratelimit-remaining") == Some(0) {
        // Against the server's own clock: ours may be wrong.
        let now = header("date")
            .and_then(|date| jiff::fmt::rfc2822::parse(&date).ok())
            .map(|date| date.timestamp().as_second());
        let reset = seconds("x-ratelimit-reset").and_then(|reset| i64::try_from(reset).ok());
        let wait = now.zip(reset).and_then(|(now, reset)| u64::try_from(reset - now + 1).ok());
        return Some(wait.map_or(LIMIT_WAIT, Duration::from_secs).min(LONGEST_WAIT));
    }
    let limit =
        said.to_ascii_lowercase().contains("rate limit") || said.to_ascii_lowercase().contains("abuse");
    (status == 429 || limit).then_some(LIMIT_WAIT)
}

/// What GitHub says is wrong with one field: `{"resource": "Issue", "field": "title", "code": "too_long"}`, or a sentence.
fn detail(error: &serde_json::Value) -> Option<String> {
    let word = |name: &str| error.get(name).and_then(serde_json::Value::as_str);
    let sentence = word("message").or_else(|| error.as_str()).map(str::to_owned);
    sentence.or_else(|| Some(format!("{}: {}", word("field")?, word("code")?)))
}

/// An error and its causes, on one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, message: &str, headers: &[(&str, &str)]) -> Failure {
        let header =
            |name: &str| headers.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned());
        Failure::answered(status, message, &header)
    }

    #[track_caller]
    fn check(status: u16, message: &str, headers: &[(&str, &str)], retry: Retry) {
        let failure = answered(status, message, headers);
        assert_eq!(failure.retry, retry, "{}", failure.reason);
        assert!(!failure.may_have_happened || status >= 500);
    }

    const fn after(seconds: u64) -> Retry {
        Retry::After(Duration::from_secs(seconds))
    }

    #[test]
    fn limits_say_when_to_come_back() {
        check(429, "slow down", &[("retry-after", "7")], after(7));
        check(429, "slow down", &[], after(60));
        check(403, "You have exceeded a secondary rate limit", &[], after(60));
        check(403, "You have exceeded a secondary rate limit", &[("retry-after", "30")], after(30));
        let reset = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1772359350"),
            ("date", "Sun, 01 Mar 2026 10:02:00 GMT"),
        ];
        check(403, "API rate limit exceeded", &reset, after(31));
        check(403, "API rate limit exceeded", &[("x-ratelimit-remaining", "0")], after(60));
        check(429, "", &[("retry-after", "999999")], after(3700));
    }

    #[test]
    fn what_a_person_must_change_is_not_repeated() {
        for status in [301, 401, 404, 410, 422, 400] {
            check(status, "no", &[], Retry::Never);
        }
        check(403, "Resource not accessible by integration", &[], Retry::Never);
        let failure =
            answered(403, "Resource not accessible", &[("x-accepted-github-permissions", "issues=write")]);
        assert!(failure.reason.ends_with("it needs issues=write"), "{}", failure.reason);
    }

    #[test]
    fn a_server_error_may_have_happened() {
        assert!(answered(502, "", &[]).may_have_happened);
        assert!(Failure::timed_out(Duration::from_secs(10)).may_have_happened);
        check(503, "", &[], after(5));
    }
}
