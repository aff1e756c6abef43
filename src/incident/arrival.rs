//! What a delivery means that comes late, twice or out of order, and when an incident that goes on and off is steady again.
//!
//! Senders retry, queues reorder, networks delay. Two rules keep that harmless: a *firing* whose problem began no later than the one
//! that is over opens nothing again, and a *resolved* of an episode that a newer one has followed ends nothing. The surprise: only an
//! episode that was seen counts as an earlier one, because some senders tell another start with the end than with the beginning.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Incident, Stage};
use crate::alert::{Alert, AlertStatus};

/// Starts of earlier episodes that are remembered of one alert.
const MOST_EARLIER: usize = 8;

/// Turns that are remembered of an incident.
const MOST_TURNS: usize = 32;

/// Starts of the earlier episodes of one alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// The source.
    pub source: String,
    /// The alert's fingerprint.
    pub fingerprint: String,
    /// The starts, newest last.
    pub starts: Vec<Timestamp>,
}

/// Whether this alert tells of something that a newer word of the same alert has overtaken.
#[must_use]
pub fn is_overtaken(known: &Alert, earlier: &[Earlier], alert: &Alert) -> bool {
    let (Some(began), Some(newest)) = (alert.started_at, known.started_at) else { return false };
    match alert.status {
        AlertStatus::Firing => began < newest || (began == newest && known.status == AlertStatus::Resolved),
        AlertStatus::Resolved => {
            let same = |it: &&Earlier| it.source == alert.source && it.fingerprint == alert.fingerprint;
            let was_seen = || earlier.iter().find(same).is_some_and(|it| it.starts.contains(&began));
            began < newest && (known.status == AlertStatus::Resolved || was_seen())
        }
    }
}

/// Remembers the start of the episode that this alert follows.
pub(super) fn remember(earlier: &mut Vec<Earlier>, known: &Alert, alert: &Alert) {
    let (Some(began), Some(before)) = (alert.started_at, known.started_at) else { return };
    if alert.status != AlertStatus::Firing || began <= before {
        return;
    }
    let same = |it: &Earlier| it.source == alert.source && it.fingerprint == alert.fingerprint;
    let place = earlier.iter().position(same).unwrap_or_else(|| {
        let (source, fingerprint) = (alert.source.clone(), alert.fingerprint.clone());
        earlier.push(Earlier { source, fingerprint, starts: Vec::new() });
        earlier.len() - 1
    });
    let starts = &mut earlier[place].starts;
    starts.push(before);
    if starts.len() > MOST_EARLIER {
        starts.remove(0);
    }
}

/// How long after the end of an incident that its source did not tell, repeats of the alert may still be on their way.
const GRACE: SignedDuration = SignedDuration::from_mins(10);

/// What a firing alert means to an incident that it was part of, and that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// A word about what is over, come late.
    Late,
    /// The problem is there again, or never ended.
    Reopens,
    /// Another problem.
    IsNew,
}

/// What it means. An end that a person, a check or time told is taken back when the source goes on saying that it fires; what a person
/// closed stays closed.
#[must_use]
pub fn again(incident: &Incident, alert: &Alert, within: std::time::Duration, now: Timestamp) -> Again {
    let since_end = incident.resolved_at.map_or(SignedDuration::MAX, |ended| now.duration_since(ended));
    let is_closed = incident.stage == Stage::Closed;
    let Some(known) = incident.known(alert) else { return Again::IsNew };
    if is_overtaken(known, &incident.earlier, alert) {
        return Again::Late;
    }
    let is_repeat = known.status == AlertStatus::Firing
        && known.started_at.is_some()
        && known.started_at == alert.started_at;
    if is_repeat {
        return if is_closed || since_end < GRACE { Again::Late } else { Again::Reopens };
    }
    let within = SignedDuration::try_from(within).unwrap_or(SignedDuration::MAX);
    if !is_closed && since_end <= within { Again::Reopens } else { Again::IsNew }
}

/// When it is too much on and off, and when that is over.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlappingNumbers {
    /// So many returns of the problem …
    pub returns: usize,
    /// … within so many seconds are flapping.
    pub within_s: u32,
    /// It is steady again after so many seconds without a turn.
    pub calm_s: u32,
}

/// A problem that came back, or was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// When.
    pub at: Timestamp,
    /// Whether it was over.
    pub over: bool,
}

/// Notes a turn, unless nothing turned.
pub(super) fn turn(turns: &mut Vec<Turn>, at: Timestamp, over: bool) {
    // A problem begins on.
    let was_over = turns.last().is_some_and(|last| last.over);
    if was_over == over {
        return;
    }
    turns.push(Turn { at, over });
    if turns.len() > MOST_TURNS {
        turns.remove(0);
    }
}

/// Whether it goes on and off too often to believe its latest word. With hysteresis: it begins with enough returns in a time, and
/// lasts until it was calm for long.
#[must_use]
pub fn is_flapping(turns: &[Turn], numbers: &FlappingNumbers, now: Timestamp) -> bool {
    let (within, calm) = (seconds(numbers.within_s), seconds(numbers.calm_s));
    let mut flapping = false;
    let mut returns: Vec<Timestamp> = Vec::new();
    let mut last: Option<Timestamp> = None;
    for turn in turns {
        if last.is_some_and(|last| turn.at.duration_since(last) > calm) && flapping {
            flapping = false;
            returns.clear();
        }
        if !turn.over {
            returns.push(turn.at);
            returns.retain(|at| turn.at.duration_since(*at) <= within);
            flapping |= returns.len() >= numbers.returns;
        }
        last = Some(turn.at);
    }
    flapping && last.is_some_and(|last| now.duration_since(last) <= calm)
}

/// When what is over now may be believed to be over, while it is flapping.
#[must_use]
pub fn steady_at(turns: &[Turn], numbers: &FlappingNumbers) -> Option<Timestamp> {
    turns.last().and_then(|last| last.at.checked_add(seconds(numbers.calm_s)).ok())
}

fn seconds(count: u32) -> SignedDuration {
    SignedDuration::from_secs(i64::from(count))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn alert(status: AlertStatus, began: Option<i64>) -> Alert {
        Alert {
            status,
            started_at: began.map(at),
            fingerprint: "f".into(),
            ..Alert::titled("alertmanager", "x")
        }
    }

    fn firing(began: i64) -> Alert {
        alert(AlertStatus::Firing, Some(began))
    }

    fn over(began: i64) -> Alert {
        alert(AlertStatus::Resolved, Some(began))
    }

    #[test]
    fn what_a_newer_word_has_overtaken_has_no_effect() {
        let mut earlier = Vec::new();
        remember(&mut earlier, &firing(10), &firing(20));
        let none: &[Earlier] = &[];
        let undated = |status| alert(status, None);
        for (known, earlier, alert, expected) in [
            (firing(20), none, firing(20), false),
            (firing(20), none, firing(30), false),
            (firing(20), none, firing(10), true),
            (over(20), none, firing(20), true),
            (over(20), none, firing(21), false),
            (over(20), none, over(10), true),
            (over(20), none, over(30), false),
            (firing(20), none, over(20), false),
            // An earlier episode that was seen ends nothing; a start that nobody saw is another way of telling the time.
            (firing(20), &earlier[..], over(10), true),
            (firing(20), none, over(10), false),
            (firing(20), none, undated(AlertStatus::Resolved), false),
            (over(20), none, undated(AlertStatus::Firing), false),
        ] {
            assert_eq!(is_overtaken(&known, earlier, &alert), expected, "{known:?} {alert:?}");
        }
    }

    #[test]
    fn what_is_over_begins_again_or_does_not() {
        let ended = |stage: Stage, known: Alert| {
            let mut incident = Incident::new(crate::incident::IncidentId::from_seed(1));
            (incident.alerts, incident.resolved_at, incident.stage) = (vec![known], Some(at(1000)), stage);
            incident
        };
        let says = |stage, known, alert: &Alert, now| {
            again(&ended(stage, known), alert, std::time::Duration::from_mins(5), at(now))
        };
        for (stage, known, alert, now, expected) in [
            // Its source said that it is over.
            (Stage::Resolved, over(20), firing(20), 1001, Again::Late),
            (Stage::Resolved, over(20), firing(10), 9000, Again::Late),
            (Stage::Resolved, over(20), firing(1100), 1300, Again::Reopens),
            (Stage::Resolved, over(20), firing(1100), 1301, Again::IsNew),
            (Stage::Closed, over(20), firing(1100), 1101, Again::IsNew),
            // Somebody else did, and its source goes on.
            (Stage::Resolved, firing(20), firing(20), 1001, Again::Late),
            (Stage::Resolved, firing(20), firing(20), 1600, Again::Reopens),
            (Stage::Closed, firing(20), firing(20), 1600, Again::Late),
            (
                Stage::Resolved,
                alert(AlertStatus::Firing, None),
                alert(AlertStatus::Firing, None),
                9000,
                Again::IsNew,
            ),
        ] {
            assert_eq!(
                says(stage, known.clone(), &alert, now),
                expected,
                "{stage:?} {known:?} {alert:?} {now}"
            );
        }
        let other = Alert { fingerprint: "g".into(), ..firing(20) };
        assert_eq!(says(Stage::Resolved, over(20), &other, 1001), Again::IsNew);
    }

    const NUMBERS: FlappingNumbers = FlappingNumbers { returns: 3, within_s: 600, calm_s: 300 };

    /// Turns at these seconds: over, back, over, …
    fn turns(seconds: &[i64]) -> Vec<Turn> {
        let mut turns = Vec::new();
        for (place, second) in seconds.iter().enumerate() {
            turn(&mut turns, at(*second), place % 2 == 0);
        }
        turns
    }

    #[test]
    fn it_flaps_from_enough_returns_on_until_it_was_calm_for_long() {
        for (seconds, now, expected) in [
            (&[][..], 0, false),
            (&[0, 10], 10, false),
            (&[0, 10, 20, 30], 30, false),
            (&[0, 10, 20, 30, 40, 50], 50, true),
            (&[0, 10, 20, 30, 40, 50, 60], 60, true),
            // Calm for exactly as long as it takes, and a second longer.
            (&[0, 10, 20, 30, 40, 50], 350, true),
            (&[0, 10, 20, 30, 40, 50], 351, false),
            // One more turn keeps it flapping: fewer returns would not have begun it.
            (&[0, 10, 20, 30, 40, 50, 340, 345], 600, true),
            // Returns that lie too far apart.
            (&[0, 10, 400, 410, 800, 810], 810, false),
            // Calm in between begins to count anew.
            (&[0, 10, 20, 30, 40, 50, 400, 410], 410, false),
        ] {
            assert_eq!(is_flapping(&turns(seconds), &NUMBERS, at(now)), expected, "{seconds:?} at {now}");
        }
    }

    #[test]
    fn the_same_word_again_is_no_turn() {
        let mut all = Vec::new();
        turn(&mut all, at(0), false);
        assert!(all.is_empty(), "a problem begins on");
        for (second, over) in [(1, true), (2, true), (3, false), (4, false), (5, true)] {
            turn(&mut all, at(second), over);
        }
        assert_eq!(all.iter().map(|it| it.over).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(steady_at(&all, &NUMBERS), Some(at(305)));
    }

    proptest! {
        /// Whatever the turns: calm for long enough it is steady, and with too few returns it never was anything else.
        #[test]
        fn flapping_ends_and_needs_returns(mut seconds in prop::collection::vec(0_i64..5000, 0..40)) {
            seconds.sort_unstable();
            let all = turns(&seconds);
            let last = seconds.last().copied().unwrap_or_default();
            prop_assert!(!is_flapping(&all, &NUMBERS, at(last + 301)));
            if all.iter().filter(|it| !it.over).count() < NUMBERS.returns {
                prop_assert!(!is_flapping(&all, &NUMBERS, at(last)));
            }
        }

        /// Episodes told in any order and any number of times: the newest word about the newest episode stands.
        #[test]
        fn deliveries_in_any_order_leave_the_newest_word(order in prop::collection::vec(0_usize..6, 1..30)) {
            // Three episodes, each with its beginning and its end.
            let told: Vec<Alert> = (1..=3).flat_map(|episode| [firing(episode * 100), over(episode * 100)]).collect();
            let mut known: Option<Alert> = None;
            let mut earlier = Vec::new();
            let mut newest = 0;
            let mut ended = [false; 4];
            for place in order {
                let alert = told[place].clone();
                let episode = place / 2 + 1;
                let is_end = place % 2 == 1;
                match &known {
                    // An end without a beginning is nowhere, and the first word of an incident is a beginning.
                    None if is_end => continue,
                    None => known = Some(alert),
                    Some(before) if is_overtaken(before, &earlier, &alert) => {}
                    Some(before) => {
                        remember(&mut earlier, before, &alert);
                        known = Some(alert);
                    }
                }
                newest = newest.max(episode);
                ended[episode] |= is_end;
                let last = known.as_ref().unwrap();
                if last.started_at == Some(at(i64::try_from(newest).unwrap() * 100)) {
                    prop_assert_eq!(last.status == AlertStatus::Resolved, ended[newest]);
                }
            }
        }
    }
}
