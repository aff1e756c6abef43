//! The only place that reads the system clock; everything else takes `now`.

use jiff::Timestamp;

/// The present moment.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that asks the clock")]
pub fn now() -> Timestamp {
    Timestamp::now()
}
