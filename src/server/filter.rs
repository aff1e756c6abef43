//! What a list may be narrowed to, as its readers write it.

use jiff::Timestamp;

use crate::app::Filter;
use crate::incident::Stage;

/// The states a list can be of.
pub(super) fn state(state: Option<&str>) -> Result<Filter, String> {
    Ok(match state.unwrap_or("all") {
        "all" => Filter::All,
        "open" => Filter::Open,
        "over" => Filter::Over,
        "triaging" => Filter::In(Stage::Triaging),
        "clarity" => Filter::In(Stage::Clarity),
        "unclear" => Filter::In(Stage::Unclear),
        "resolved" => Filter::In(Stage::Resolved),
        "closed" => Filter::In(Stage::Closed),
        other => {
            return Err(format!(
                "`{other}` is no state; the states are triaging, clarity, unclear, resolved, closed, and open, over or all"
            ));
        }
    })
}

/// A moment as people and programs write it: RFC 3339, or a day in UTC.
pub(super) fn since(text: &str) -> Result<Timestamp, String> {
    let day = || {
        let day = text.parse::<jiff::civil::Date>().ok()?;
        jiff::tz::TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()
    };
    text.parse::<Timestamp>()
        .ok()
        .or_else(day)
        .ok_or_else(|| format!("`{text}` is no time; write 2026-03-01 or 2026-03-01T10:02:00Z"))
}
