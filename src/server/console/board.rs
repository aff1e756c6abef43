//! The board as values: what a reader looks for, and the rows that were found. Pure.

use serde::Serialize;

use super::chart::{self, Bar};
use crate::app::{Cursor, Filter, Found, Kept, Search, Summary};
use crate::bucket::Bucket;
use crate::server::filter::{since, state};

/// Rows of a page of the board: what fits a few screens, in a few dozen kilobytes.
const ROWS: u32 = 50;

/// Finished incidents below the open ones.
pub(super) const RECENT: u32 = 8;

/// The filters of the board as they stand in its address.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Wanted {
    pub(super) state: String,
    pub(super) bucket: String,
    pub(super) service: String,
    pub(super) source: String,
    pub(super) since: String,
    pub(super) cursor: String,
}

impl Wanted {
    /// Reads the query of an address. A field nobody knows is left alone: browsers add none, and links grow old.
    pub(super) fn read(query: Option<&str>) -> Self {
        let mut wanted = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let place = match &*name {
                "state" => &mut wanted.state,
                "bucket" => &mut wanted.bucket,
                "service" => &mut wanted.service,
                "source" => &mut wanted.source,
                "since" => &mut wanted.since,
                "cursor" => &mut wanted.cursor,
                _ => continue,
            };
            value.trim().clone_into(place);
        }
        wanted
    }

    /// The filters of a search, as [`Self::read`] would give them.
    pub(super) fn of(search: &Search) -> Self {
        let text = |it: &Option<String>| it.clone().unwrap_or_default();
        Self {
            state: if search.state == Filter::Open { String::new() } else { search.state.id().to_owned() },
            bucket: search.bucket.map(|it| it.id().to_owned()).unwrap_or_default(),
            service: text(&search.service),
            source: text(&search.source),
            since: search.since.map(|it| it.to_string()).unwrap_or_default(),
            cursor: search.after.as_ref().map(Cursor::to_string).unwrap_or_default(),
        }
    }

    /// What is searched for; a word that makes no sense is told.
    pub(super) fn search(&self) -> Result<Search, String> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(Search {
            state: if self.state.is_empty() { Filter::Open } else { state(Some(&self.state))? },
            bucket: given(&self.bucket)
                .map(|it| it.parse::<Bucket>())
                .transpose()
                .map_err(|it| it.to_string())?,
            service: given(&self.service),
            source: given(&self.source),
            since: given(&self.since).map(|it| since(&it)).transpose()?,
            after: given(&self.cursor)
                .map(|it| it.parse::<Cursor>())
                .transpose()
                .map_err(|it| it.to_string())?,
            limit: ROWS,
        })
    }

    /// Whether nothing is filtered out.
    pub(super) fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// The address of the next page.
    pub(super) fn next(&self, cursor: &Cursor) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [
            ("state", &self.state),
            ("bucket", &self.bucket),
            ("service", &self.service),
            ("source", &self.source),
            ("since", &self.since),
        ] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.append_pair("cursor", &cursor.to_string());
        format!("/?{}", query.finish())
    }
}

/// An incident in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Row {
    #[serde(flatten)]
    incident: Summary,
    bars: Vec<Bar>,
    waits: Option<String>,
}

impl Row {
    fn of(incident: Summary) -> Self {
        Self { bars: chart::bars(&incident.buckets), waits: waits(&incident), incident }
    }
}

/// Whom or what an incident waits for.
fn waits(incident: &Summary) -> Option<String> {
    let plural = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    match (incident.stage.id(), incident.open_questions, incident.open_checks) {
        ("resolved" | "closed", _, _) => None,
        (_, 0, 0) => match incident.stage.id() {
            "triaging" => Some("the next step".to_owned()),
            "clarity" => Some("a repair".to_owned()),
            _ => Some("somebody who knows more".to_owned()),
        },
        (_, 0, checks) => Some(plural(checks, "check")),
        (_, questions, 0) => Some(plural(questions, "answer")),
        (_, questions, checks) => {
            Some(format!("{}, {}", plural(questions, "answer"), plural(checks, "check")))
        }
    }
}

/// What the templates of the board need.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Board {
    rows: Vec<Row>,
    recent: Vec<Row>,
    /// How many are open in all.
    open: i64,
    next: Option<String>,
    kept: Vec<Kept>,
    wanted: Wanted,
    /// Whether nothing is filtered out.
    plain: bool,
    /// Whether there has never been an incident.
    empty: bool,
    buckets: [&'static str; 5],
    states: [&'static str; 8],
}

impl Board {
    /// The board of what was found for these filters.
    pub(super) fn of(wanted: Wanted, found: Found, recent: Vec<Summary>, kept: Vec<Kept>, open: i64) -> Self {
        Self {
            empty: wanted.is_plain() && found.incidents.is_empty() && recent.is_empty(),
            next: found.next.as_ref().map(|cursor| wanted.next(cursor)),
            rows: found.incidents.into_iter().map(Row::of).collect(),
            recent: recent.into_iter().map(Row::of).collect(),
            open,
            kept,
            plain: wanted.is_plain(),
            wanted,
            buckets: Bucket::ALL.map(Bucket::id),
            states: ["open", "all", "over", "triaging", "clarity", "unclear", "resolved", "closed"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_come_from_the_address_and_nonsense_is_told() {
        let wanted = Wanted::read(Some("state=over&bucket=auth&service=a+b&since=2026-03-01&x=1"));
        let search = wanted.search().unwrap();
        assert_eq!(
            (search.state, search.bucket, search.service.as_deref()),
            (Filter::Over, Some(Bucket::Auth), Some("a b"))
        );
        assert_eq!(search.since.unwrap().to_string(), "2026-03-01T00:00:00Z");
        for bad in ["state=x", "bucket=x", "since=yesterday", "cursor=x"] {
            assert!(Wanted::read(Some(bad)).search().is_err(), "{bad}");
        }
        assert_eq!(Wanted::read(Some("state=&service=")).search().unwrap().state, Filter::Open);
    }

    #[test]
    fn the_next_page_keeps_the_filters() {
        let cursor = "5_inc-0000000000".parse().unwrap();
        let wanted = Wanted::read(Some("service=a%26b&cursor=9_inc-0000000001"));
        assert_eq!(wanted.next(&cursor), "/?service=a%26b&cursor=5_inc-0000000000");
    }
}
