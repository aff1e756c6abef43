//! Discord's refusals in a person's words, and whether trying again may help.
//!
//! The codes are those of Discord's documentation (`topics/opcodes-and-status-codes`).

use std::time::Duration;

use serde_json::Value;
use serenity_reqwest::StatusCode;

use super::{PAUSE, TOKEN_REFUSED, USED_UP};
use crate::incident::Retry;

/// Discord's code for a message older than an hour that was edited too often.
pub(super) const EDITED_TOO_OFTEN: u32 = 30046;
/// Edits of a message older than an hour have a limit of their own, which Discord does not publish.
const OLD_EDITS: Duration = Duration::from_mins(1);
/// Creations of commands are counted by the day; Discord does not say when one ends.
const DAY: Duration = Duration::from_hours(1);
/// Threads are archived by and by; a server with too many active ones has room again in a while.
const FULL: Duration = Duration::from_mins(1);

/// What a limit with a time of its own counts: beside those of its routes, Discord has some for what is done.
pub(super) fn limit(code: Option<u32>) -> &'static str {
    match code {
        Some(20028) => "the channel takes no more messages for now",
        Some(30034) => "Discord takes no more new commands today (200 a day)",
        Some(EDITED_TOO_OFTEN) => "the message was edited too often for its age",
        _ => USED_UP,
    }
}

/// A refusal in a person's words, and whether trying again may help.
pub(super) fn explain(
    status: StatusCode,
    code: Option<u32>,
    message: &str,
    errors: &Value,
) -> (String, Retry) {
    if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
        return (format!("Discord answered {}", status.as_u16()), Retry::After(PAUSE));
    }
    let words = match code {
        Some(10003) => "the channel or thread does not exist any more",
        Some(10008) => "the message does not exist any more",
        Some(10062) => "the interaction is older than Discord waits for an answer",
        Some(30033) => "the thread has 1000 members, and Discord allows no more",
        Some(20028) => return (limit(code).to_owned(), Retry::After(FULL)),
        Some(30034) => return (limit(code).to_owned(), Retry::After(DAY)),
        Some(EDITED_TOO_OFTEN) => return (limit(code).to_owned(), Retry::After(OLD_EDITS)),
        Some(40005) => "the files are larger than Discord takes in one request",
        Some(40060) => "the interaction was acknowledged already",
        Some(50001) => "the bot cannot see the channel; give it View Channel there",
        Some(50013) => {
            "the bot lacks a permission in the channel; it needs View Channel, Send Messages, Create Public Threads, \
             Send Messages in Threads and Read Message History"
        }
        Some(50024) => "the channel is of another kind than threads can be opened in",
        Some(50083) => "the thread is archived",
        Some(160_004) => "the thread exists already",
        Some(160_005) => "the thread is locked; unlock it, or give the bot Manage Threads",
        Some(160_006) => {
            return ("the server has too many active threads".to_owned(), Retry::After(FULL));
        }
        _ if status == StatusCode::UNAUTHORIZED => TOKEN_REFUSED,
        _ => {
            let details = if errors.is_null() { String::new() } else { format!(" {errors}") };
            let code = code.map_or_else(String::new, |code| format!(", code {code}"));
            return (
                format!("Discord refused it ({}{code}): {message}{details}", status.as_u16()),
                Retry::Never,
            );
        }
    };
    (words.to_owned(), Retry::Never)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, code: Option<u32>, words: &str, again: bool) {
        let status = StatusCode::from_u16(status).unwrap();
        let (reason, retry) = explain(status, code, "said", &Value::Null);
        assert!(reason.contains(words), "{reason}");
        assert_eq!(retry != Retry::Never, again, "{reason}");
    }

    #[test]
    fn a_refusal_is_told_by_its_code_and_whether_it_may_pass() {
        check(404, Some(10003), "thread does not exist", false);
        check(403, Some(50013), "Send Messages in Threads", false);
        check(403, Some(50001), "View Channel", false);
        check(400, Some(160_005), "unlock it", false);
        check(400, Some(160_006), "too many active threads", true);
        check(400, Some(20028), "no more messages for now", true);
        check(400, Some(30034), "200 a day", true);
        check(400, Some(30046), "too often for its age", true);
        check(400, Some(30033), "1000 members", false);
        check(401, None, "token", false);
        check(502, None, "502", true);
        check(400, Some(50035), "code 50035): said", false);
    }
}
