//! The console's pictures as numbers: what the templates put into SVG attributes.
//!
//! Pure. Coordinates are rounded to a tenth, which no eye sees and every page saves. Colours are classes of the style sheet.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use crate::app::course::Entry;
use crate::app::view::Check;
use crate::bucket::Bucket;
use crate::template;

/// Width and height of the chart of belief, in its own units.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 150.0;

/// A boundary and what is believed of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Bar {
    pub(super) bucket: &'static str,
    pub(super) says: &'static str,
    /// In percent of the whole, and where it begins when all stand in one row.
    pub(super) width: f64,
    pub(super) x: f64,
    /// For people.
    pub(super) share: String,
}

/// All boundaries, in the framework's order; empty before the first belief.
pub(super) fn bars(buckets: &BTreeMap<Bucket, f64>) -> Vec<Bar> {
    let mut x = 0.0;
    let bar = |(bucket, share): (&Bucket, &f64)| {
        let begins = x;
        x += share * 100.0;
        Bar {
            bucket: bucket.id(),
            says: bucket.boundary(),
            width: tenth(share * 100.0),
            x: tenth(begins),
            share: template::percent(Some(*share)),
        }
    };
    buckets.iter().map(bar).collect()
}

/// Belief over the observations, as stacked steps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Belief {
    pub(super) areas: Vec<Area>,
    pub(super) steps: Vec<Step>,
}

/// A boundary's share over the observations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Area {
    bucket: &'static str,
    d: String,
}

/// An observation and what was believed after it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Step {
    at: Timestamp,
    x: f64,
    width: f64,
    /// What was observed.
    moved: String,
    /// What was believed after it, best first, in one line.
    says: String,
    shares: Vec<String>,
}

/// The belief after each observation of this course.
pub(super) fn belief(entries: &[Entry]) -> Belief {
    let mut points: Vec<(&Entry, String, &BTreeMap<Bucket, f64>)> = Vec::new();
    let mut moved = "the alert".to_owned();
    for entry in entries {
        match (&entry.buckets, &entry.what) {
            // A conclusion repeats the belief that led to it.
            (Some(buckets), _) if points.last().is_some_and(|(_, _, known)| *known == buckets) => {}
            (Some(buckets), _) if !buckets.is_empty() => points.push((entry, moved.clone(), buckets)),
            (None, Some(what))
                if matches!(entry.event.as_str(), "alert_received" | "check_reported" | "answer_given") =>
            {
                moved.clone_from(what);
            }
            _ => {}
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a few dozen observations")]
    let slot = WIDTH / (points.len().max(1) as f64);
    let all: Vec<&BTreeMap<Bucket, f64>> = points.iter().map(|(_, _, buckets)| *buckets).collect();
    let mut x = 0.0;
    let step = |(entry, moved, buckets): &(&Entry, String, &BTreeMap<Bucket, f64>)| {
        let begins = x;
        x += slot;
        let shares: Vec<String> =
            Bucket::ALL.iter().map(|bucket| template::percent(buckets.get(bucket).copied())).collect();
        let mut ranked: Vec<(&Bucket, &f64)> = buckets.iter().collect();
        ranked.sort_by(|a, b| b.1.total_cmp(a.1));
        let says = ranked
            .iter()
            .take(3)
            .map(|(bucket, share)| format!("{bucket} {}", template::percent(Some(**share))));
        Step {
            at: entry.at,
            x: tenth(begins),
            width: tenth(slot),
            moved: moved.clone(),
            says: says.collect::<Vec<_>>().join(", "),
            shares,
        }
    };
    let steps = points.iter().map(step).collect();
    Belief { areas: if all.is_empty() { Vec::new() } else { areas(&all, slot) }, steps }
}

/// The outline of each boundary: its upper edge from left to right, its lower edge back.
fn areas(points: &[&BTreeMap<Bucket, f64>], slot: f64) -> Vec<Area> {
    let mut floor = vec![0.0; points.len()];
    let mut areas = Vec::new();
    for bucket in Bucket::ALL {
        let top: Vec<f64> = points
            .iter()
            .zip(&floor)
            .map(|(shares, low)| low + shares.get(&bucket).copied().unwrap_or(0.0))
            .collect();
        let mut d = String::new();
        let mut x = 0.0;
        for (index, share) in top.iter().enumerate() {
            let y = tenth(HEIGHT * (1.0 - share));
            // Writing to a String cannot fail.
            let _ = write!(d, "{}{} {y}H{}", if index == 0 { "M" } else { "L" }, tenth(x), tenth(x + slot));
            x += slot;
        }
        for share in floor.iter().rev() {
            let y = tenth(HEIGHT * (1.0 - share));
            let _ = write!(d, "V{y}H{}", tenth(x - slot));
            x -= slot;
        }
        d.push('Z');
        areas.push(Area { bucket: bucket.id(), d });
        floor = top;
    }
    areas
}

/// A phase of a check, in percent of the slowest check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Phase {
    name: String,
    x: f64,
    width: f64,
    took: String,
}

/// The phases of a check in the order they happen, scaled to the check that took longest.
pub(super) fn phases(check: &Check, slowest_ms: f64) -> Vec<Phase> {
    const ORDER: [&str; 6] = ["dns", "connect", "tls", "send", "first_byte", "transfer"];
    let place = |name: &str| ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len());
    let mut phases: Vec<(&String, &f64)> = check.phases_ms.iter().collect();
    phases.sort_by_key(|(name, _)| place(name));
    let mut x = 0.0;
    let phase = |(name, took_ms): (&String, &f64)| {
        let begins = x;
        let width = if slowest_ms > 0.0 { (took_ms / slowest_ms * 100.0).min(100.0 - begins) } else { 0.0 };
        x += width;
        Phase {
            name: name.clone(),
            x: tenth(begins),
            width: tenth(width),
            took: template::millis(Some(*took_ms)),
        }
    };
    phases.into_iter().map(phase).collect()
}

pub(in crate::server) fn tenth(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: u64, event: &str, what: Option<&str>, server: Option<f64>) -> Entry {
        let buckets =
            server.map(|share| BTreeMap::from([(Bucket::Upstream, 1.0 - share), (Bucket::Server, share)]));
        Entry {
            seq,
            at: Timestamp::UNIX_EPOCH,
            event: event.to_owned(),
            what: what.map(str::to_owned),
            step: None,
            question: None,
            steps: None,
            buckets,
        }
    }

    #[test]
    fn each_observation_is_a_step_and_a_conclusion_is_none() {
        let belief = belief(&[
            entry(1, "alert_received", Some("alert from generic"), None),
            entry(2, "believed", None, Some(0.5)),
            entry(3, "check_reported", Some("dns service: resolves"), None),
            entry(4, "believed", None, Some(0.75)),
            entry(5, "concluded", Some("clarity"), Some(0.75)),
        ]);
        let moved: Vec<&str> = belief.steps.iter().map(|step| step.moved.as_str()).collect();
        assert_eq!(moved, ["alert from generic", "dns service: resolves"]);
        assert_eq!(belief.steps[1].says, "server 75 %, upstream 25 %");
        // Server lies on top of upstream: from half and three quarters down to the edge below it.
        assert_eq!(belief.areas[4].d, "M0 0H300L300 0H600V112.5H300V75H0Z");
    }

    #[test]
    fn nothing_believed_is_an_empty_picture() {
        assert_eq!(belief(&[]), Belief { areas: Vec::new(), steps: Vec::new() });
        assert_eq!(bars(&BTreeMap::new()), []);
    }

    #[test]
    fn bars_in_one_row_stand_beside_each_other() {
        let bars = bars(&BTreeMap::from([(Bucket::Client, 0.25), (Bucket::Server, 0.75)]));
        assert_eq!((bars[0].x, bars[0].width, bars[1].x, bars[1].width), (0.0, 25.0, 25.0, 75.0));
    }
}
