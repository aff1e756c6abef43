//! How fast the house sees clearly: MTTD, MTTC and MTTR of many incidents, over time and by boundary, service and source.
//!
//! Pure, but for the reading. The human wait stands apart, because it is no fault of the checks; the rate of corrections stands
//! beside, because a fast wrong answer is worth nothing. Percentiles are nearest-rank: a figure that some incident really had.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::app::{App, Search, Unavailable};
use crate::store::Summary;

/// Incidents that are read at most: more than a year of a busy house, a second of work.
const AT_MOST: usize = 20_000;

/// Half and nine tenths of what was measured, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// How many incidents have it.
    pub count: usize,
    /// Half of them took at most this.
    pub p50: f64,
    /// Nine tenths of them took at most this.
    pub p90: f64,
}

/// The figures of some incidents.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Incidents.
    pub incidents: usize,
    /// Of which triage reached clarity.
    pub clear: usize,
    /// Of which a person says that triage was wrong.
    pub corrected: usize,
    /// The share of those that concluded which a person corrected; null when none concluded.
    pub correction_rate: Option<f64>,
    /// From the fault's start to the first alert.
    pub mttd_s: Option<Spread>,
    /// From the first alert to clarity.
    pub mttc_s: Option<Spread>,
    /// Of that, waiting for people; of the incidents that reached clarity.
    pub human_wait_s: Option<Spread>,
    /// From the fault's start to its end.
    pub mttr_s: Option<Spread>,
}

/// The figures of one name or one span of time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// A bucket, service or source, or the first moment of the span.
    pub name: String,
    /// Its figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// Everything `GET /api/clarity` tells.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Clarity {
    /// Incidents opened since this moment are counted.
    pub since: Timestamp,
    /// Until this one.
    pub until: Timestamp,
    /// Whether there were more than are counted.
    pub truncated: bool,
    /// All of them.
    pub all: Figures,
    /// By boundary, the most incidents first; so are the next two.
    pub by_bucket: Vec<Group>,
    /// By service.
    pub by_service: Vec<Group>,
    /// By source.
    pub by_source: Vec<Group>,
    /// By span of time, oldest first; spans without an incident too.
    pub over_time: Vec<Group>,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let rank =
            |tenths: usize| values.get((values.len() * tenths).div_ceil(10).saturating_sub(1)).copied();
        Some(Self { count: values.len(), p50: rank(5)?, p90: rank(9)? })
    }
}

impl Figures {
    fn of(incidents: &[&Summary]) -> Self {
        let spread = |pick: fn(&Summary) -> Option<f64>| {
            Spread::of(incidents.iter().filter_map(|it| pick(it)).collect())
        };
        let count = |pick: fn(&Summary) -> bool| incidents.iter().filter(|it| pick(it)).count();
        let concluded = count(|it| it.concluded_at.is_some());
        let corrected = count(|it| it.corrected_from.is_some());
        #[expect(clippy::cast_precision_loss, reason = "a share of some thousands")]
        let rate = (concluded > 0).then(|| corrected as f64 / concluded as f64);
        Self {
            incidents: incidents.len(),
            clear: count(|it| it.mttc_s.is_some()),
            corrected,
            correction_rate: rate,
            mttd_s: spread(|it| it.mttd_s),
            mttc_s: spread(|it| it.mttc_s),
            human_wait_s: spread(|it| it.mttc_s.map(|_| it.human_wait_s)),
            mttr_s: spread(|it| it.mttr_s),
        }
    }
}

impl Clarity {
    /// The figures of these incidents, in so many spans of time.
    #[must_use]
    pub fn of(
        incidents: &[Summary],
        since: Timestamp,
        until: Timestamp,
        spans: u32,
        truncated: bool,
    ) -> Self {
        let all: Vec<&Summary> = incidents.iter().collect();
        Self {
            since,
            until,
            truncated,
            all: Figures::of(&all),
            by_bucket: groups(&all, |it| it.bucket.map(|bucket| bucket.id().to_owned())),
            by_service: groups(&all, |it| it.service.clone()),
            by_source: groups(&all, |it| it.source.clone()),
            over_time: over_time(&all, since, until, spans.max(1)),
        }
    }
}

/// By name, the most incidents first. What has no name is `unknown`.
fn groups(all: &[&Summary], name: fn(&Summary) -> Option<String>) -> Vec<Group> {
    let mut named: BTreeMap<String, Vec<&Summary>> = BTreeMap::new();
    for it in all {
        named.entry(name(it).unwrap_or_else(|| "unknown".to_owned())).or_default().push(it);
    }
    let mut groups: Vec<Group> =
        named.into_iter().map(|(name, incidents)| Group { name, figures: Figures::of(&incidents) }).collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.figures.incidents));
    groups
}

fn over_time(all: &[&Summary], since: Timestamp, until: Timestamp, spans: u32) -> Vec<Group> {
    let step = until.duration_since(since) / i32::try_from(spans).unwrap_or(i32::MAX);
    let step = step.max(SignedDuration::from_secs(1));
    let mut from = since;
    let mut groups = Vec::new();
    for index in 0..spans {
        let to = from.checked_add(step).unwrap_or(until);
        // What comes while it is being counted belongs to the last.
        let is_last = index + 1 == spans;
        let inside = |it: &&&Summary| it.alerted_at.is_some_and(|at| at >= from && (at < to || is_last));
        let incidents: Vec<&Summary> = all.iter().filter(inside).copied().collect();
        groups.push(Group { name: from.to_string(), figures: Figures::of(&incidents) });
        from = to;
    }
    groups
}

impl App {
    /// The incidents opened since this moment, redacted, newest first, and whether there are more than were read.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot be read.
    pub async fn since(&self, since: Timestamp) -> Result<(Vec<Summary>, bool), Unavailable> {
        let mut search = Search { since: Some(since), limit: 1000, ..Search::default() };
        let mut all = Vec::new();
        loop {
            let found = self.search(&search).await?;
            all.extend(found.incidents);
            match found.next {
                Some(next) if all.len() < AT_MOST => search.after = Some(next),
                next => return Ok((all, next.is_some())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Alert;
    use crate::bucket::Bucket;
    use crate::incident::{Event, Incident, IncidentId};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn incident(alerted: i64, mttc: Option<f64>, bucket: Bucket) -> Summary {
        let mut incident = Incident::new(IncidentId::from_seed(1));
        incident.record(Event::AlertReceived { alert: Alert::titled("generic", "x") }, at(alerted));
        Summary {
            mttc_s: mttc,
            concluded_at: mttc.map(|_| at(alerted)),
            bucket: Some(bucket),
            ..Summary::of(&incident)
        }
    }

    #[test]
    fn percentiles_are_figures_that_some_incident_had() {
        let spread = |count: i32| Spread::of((1..=count).rev().map(f64::from).collect()).unwrap();
        assert_eq!((spread(10).p50, spread(10).p90), (5.0, 9.0));
        assert_eq!((spread(1).p50, spread(1).p90), (1.0, 1.0));
        assert_eq!((spread(3).p50, spread(3).p90), (2.0, 3.0));
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn incidents_are_counted_once_in_each_view_and_a_correction_is_a_share_of_what_concluded() {
        let mut wrong = incident(90, Some(4.0), Bucket::Server);
        wrong.corrected_from = Some(Bucket::Auth);
        let all = [
            wrong,
            incident(5, Some(2.0), Bucket::Server),
            incident(99, None, Bucket::Auth),
            incident(100, None, Bucket::Auth),
        ];
        let clarity = Clarity::of(&all, at(0), at(100), 10, false);
        assert_eq!(
            (clarity.all.incidents, clarity.all.clear, clarity.all.correction_rate),
            (4, 2, Some(0.5))
        );
        let counts: Vec<usize> = clarity.over_time.iter().map(|group| group.figures.incidents).collect();
        assert_eq!(counts, [1, 0, 0, 0, 0, 0, 0, 0, 0, 3]);
        let names: Vec<&str> = clarity.by_bucket.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(names, ["auth", "server"]);
        assert_eq!(clarity.by_source[0].figures.incidents, 4);
    }
}
