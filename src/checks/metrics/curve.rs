//! A curve over time, and where it changed: pure arithmetic on samples.
//!
//! A change is a *sustained* run beyond a threshold that stands clearly above what came before it. One late scrape, one burst of a
//! second and a noisy curve are no change: a false one sends people after a fault that is not there. What was high from the first
//! point on is told apart ([`Change::Throughout`]): its start lies before the window.

/// A value at a time (seconds since 1970).
pub(super) type Point = (f64, f64);

/// Values over time, oldest first, finite.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Curve {
    pub(super) points: Vec<Point>,
}

/// How far a curve must rise to have changed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rise {
    /// By at least this much.
    pub(super) least: f64,
    /// To at least this multiple of what it was.
    pub(super) factor: f64,
    /// And beyond this value.
    pub(super) beyond: f64,
}

/// How time is measured in a set of curves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    /// The instant the user named: of several changes the one around it counts.
    pub(super) at: f64,
    /// Between two points, in seconds.
    pub(super) step: f64,
    /// Over how many seconds `rate()` smears every sample: what is shorter than that may be one sample alone.
    pub(super) smear: f64,
}

/// A change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shift {
    /// When the curve left its usual course.
    pub(super) onset: f64,
    /// When it went beyond the threshold.
    pub(super) crossed: f64,
    /// When it came back; `None` when it had not by the last point.
    pub(super) ended: Option<f64>,
    /// The median before.
    pub(super) before: f64,
    /// The median while changed.
    pub(super) during: f64,
}

impl Shift {
    /// How many times the former value; `None` when that was nothing.
    pub(super) fn times(&self) -> Option<f64> {
        (self.before > 0.0).then(|| self.during / self.before)
    }
}

/// What became of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Change {
    /// Nothing that stands out.
    None,
    /// It rose and stayed for a while.
    Rose(Shift),
    /// It was beyond `beyond` from the first point on; the median.
    Throughout(f64),
}

impl Change {
    pub(super) fn shift(self) -> Option<Shift> {
        match self {
            Self::Rose(shift) => Some(shift),
            Self::None | Self::Throughout(_) => None,
        }
    }
}

/// Points a curve needs to be judged: three before a change, three after, and some between.
pub(super) const MIN_POINTS: usize = 8;

/// Points before a change that make a usual course, and that make a change.
const MIN_RUN: usize = 3;

/// How much of the rise counts as having left the usual course.
const LEFT: f64 = 0.1;

impl Curve {
    /// A curve of these samples; what is no number is left out, and time is put in order.
    pub(super) fn new(points: impl IntoIterator<Item = Point>) -> Self {
        let mut points: Vec<Point> =
            points.into_iter().filter(|(at, value)| at.is_finite() && value.is_finite()).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points.dedup_by(|a, b| (a.0 - b.0).abs() < 1e-9);
        Self { points }
    }

    pub(super) fn is_enough(&self) -> bool {
        self.points.len() >= MIN_POINTS
    }

    /// Every value times this.
    pub(super) fn scaled(mut self, factor: f64) -> Self {
        for point in &mut self.points {
            point.1 *= factor;
        }
        self
    }

    /// Upside down, for what falls.
    pub(super) fn negated(&self) -> Self {
        Self { points: self.points.iter().map(|(at, value)| (*at, -value)).collect() }
    }

    /// The value at this instant, where there is one.
    pub(super) fn value_at(&self, at: f64) -> Option<f64> {
        let index = self.points.binary_search_by(|(time, _)| time.total_cmp(&at)).ok()?;
        Some(self.points[index].1)
    }

    /// This curve divided by the other, where both have a value and the other is not nothing.
    pub(super) fn over(&self, other: &Self) -> Self {
        let part = |(at, value): &Point| {
            let whole = other.value_at(*at).filter(|it| *it > 0.0)?;
            Some((*at, value / whole))
        };
        Self::new(self.points.iter().filter_map(part))
    }

    /// The sum of the values between two instants, each counted for one step: what a rate amounts to.
    pub(super) fn amount(&self, from: f64, to: f64, step: f64) -> f64 {
        self.between(from, to).map(|value| value * step).sum()
    }

    /// The mean between two instants; nothing where there are no points.
    pub(super) fn mean_between(&self, from: f64, to: f64) -> f64 {
        let (sum, count) =
            self.between(from, to).fold((0.0, 0.0), |(sum, count), it| (sum + it, count + 1.0));
        if count > 0.0 { sum / count } else { 0.0 }
    }

    /// The median between two instants.
    pub(super) fn median_between(&self, from: f64, to: f64) -> Option<f64> {
        quantile(&self.between(from, to).collect::<Vec<_>>(), 0.5)
    }

    fn between(&self, from: f64, to: f64) -> impl Iterator<Item = f64> + '_ {
        self.points.iter().filter(move |(at, _)| *at >= from && *at <= to).map(|(_, value)| *value)
    }

    /// The median of all values.
    pub(super) fn median(&self) -> Option<f64> {
        self.median_between(f64::NEG_INFINITY, f64::INFINITY)
    }

    /// Whether and when the curve rose as far as `rise` asks.
    pub(super) fn change(&self, rise: Rise, grid: Grid) -> Change {
        if !self.is_enough() {
            return Change::None;
        }
        let values: Vec<f64> = self.points.iter().map(|(_, value)| *value).collect();
        let usual = quantile(&values, 0.25).unwrap_or_default();
        let runs = self.runs(rise.threshold(usual), grid);
        let Some(&(start, end)) =
            runs.iter().min_by(|a, b| self.far(**a, grid).total_cmp(&self.far(**b, grid)))
        else {
            return throughout(rise, usual);
        };
        let before: Vec<f64> = (0..start)
            .filter(|index| !runs.iter().any(|(from, to)| (from..=to).contains(&index)))
            .map(|index| values[index])
            .collect();
        let during = quantile(&values[start..=end], 0.5).unwrap_or_default();
        let Some(base) = quantile(&before, 0.5).filter(|_| before.len() >= MIN_RUN) else {
            return if during > rise.beyond { Change::Throughout(during) } else { Change::None };
        };
        let noise = quantile(&before, 0.95).unwrap_or(base);
        if during < rise.threshold(base) || during <= noise {
            return Change::None;
        }
        // Back to where the curve left its course: the threshold of a big rise is crossed late.
        let left = (base + LEFT * (during - base)).max(noise);
        let mut onset = start;
        while onset > 0 && values[onset - 1] > left {
            onset -= 1;
        }
        let ended = self.points.get(end + 1).map(|(at, _)| *at);
        Change::Rose(Shift {
            onset: self.points[onset].0,
            crossed: self.points[start].0,
            ended,
            before: base,
            during,
        })
    }

    /// Stretches beyond the threshold that last longer than one smeared sample; one dip does not end a stretch.
    fn runs(&self, threshold: f64, grid: Grid) -> Vec<(usize, usize)> {
        let above = |index: usize| self.points.get(index).is_some_and(|(_, value)| *value >= threshold);
        let mut runs = Vec::new();
        let mut index = 0;
        while index < self.points.len() {
            if !above(index) {
                index += 1;
                continue;
            }
            let mut end = index;
            while above(end + 1) || (above(end + 2) && above(end + 3)) {
                end += 1;
            }
            // Counted in points: a gap between two of them is no time at the limit.
            #[expect(clippy::cast_precision_loss, reason = "an index into some hundred points")]
            let lasted = (end - index) as f64 * grid.step;
            if end + 1 - index >= MIN_RUN && lasted > grid.smear + grid.step {
                runs.push((index, end));
            }
            index = end + 1;
        }
        runs
    }

    /// How far a run is from the instant the user named; one that holds it is at no distance, and one that begins only
    /// after it counts less than one before.
    fn far(&self, (start, end): (usize, usize), grid: Grid) -> f64 {
        let (from, to) = (self.points[start].0, self.points[end].0);
        if grid.at < from { 2.0 * (from - grid.at) } else { (grid.at - to).max(0.0) }
    }
}

/// A curve without a run after a usual course may be high from beginning to end.
fn throughout(rise: Rise, usual: f64) -> Change {
    if rise.beyond > 0.0 && usual > rise.beyond { Change::Throughout(usual) } else { Change::None }
}

impl Rise {
    fn threshold(self, base: f64) -> f64 {
        let by_factor = if base > 0.0 { base * self.factor } else { base };
        by_factor.max(base + self.least).max(self.beyond)
    }
}

/// The value below which this part of the values lies; `None` of none.
pub(super) fn quantile(values: &[f64], part: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in a short list, part is within 0 and 1"
    )]
    let place = (last as f64 * part).round() as usize;
    sorted.get(place.min(last)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: Grid = Grid { at: 1800.0, step: 15.0, smear: 60.0 };
    const RISE: Rise = Rise { least: 0.01, factor: 3.0, beyond: 0.0 };

    fn curve(value: impl Fn(f64) -> f64) -> Curve {
        Curve::new((0..240).map(|index| f64::from(index) * 15.0).map(|at| (at, value(at))))
    }

    #[test]
    fn a_step_is_found_where_it_is() {
        let shift = curve(|at| if at < 1500.0 { 0.001 } else { 0.2 }).change(RISE, GRID).shift().unwrap();
        assert_eq!((shift.onset, shift.before, shift.during, shift.ended), (1500.0, 0.001, 0.2, None));
    }

    #[test]
    fn a_step_that_ended_tells_when() {
        let bump = curve(|at| if (1500.0..2400.0).contains(&at) { 0.2 } else { 0.0 });
        let shift = bump.change(RISE, GRID).shift().unwrap();
        assert_eq!((shift.onset, shift.ended), (1500.0, Some(2400.0)));
    }

    #[test]
    fn a_ramp_began_before_it_crossed() {
        let shift =
            curve(|at| ((at - 1200.0) / 3000.0).clamp(0.001, 0.4)).change(RISE, GRID).shift().unwrap();
        assert!(shift.onset < 1500.0 && shift.onset <= shift.crossed, "{shift:?}");
    }

    #[test]
    fn one_burst_and_steady_noise_are_no_change() {
        let burst = curve(|at| if (1500.0..=1560.0).contains(&at) { 0.5 } else { 0.0 });
        assert_eq!(burst.change(RISE, GRID), Change::None);
        // A deterministic noise between 0 and 0.02.
        let noisy = curve(|at| ((at * 12.9898).sin() * 43.758).fract().abs() * 0.02);
        assert_eq!(noisy.change(RISE, GRID), Change::None);
        assert_eq!(curve(|_| 0.0).change(RISE, GRID), Change::None);
        assert_eq!(curve(|_| 7.0).change(RISE, GRID), Change::None);
    }

    #[test]
    fn of_two_the_one_around_the_instant_counts() {
        let two = curve(|at| if (600.0..900.0).contains(&at) || at >= 1750.0 { 0.3 } else { 0.0 });
        assert_eq!(two.change(RISE, GRID).shift().map(|it| it.onset), Some(1755.0));
        assert_eq!(two.change(RISE, Grid { at: 700.0, ..GRID }).shift().map(|it| it.onset), Some(600.0));
    }

    #[test]
    fn what_was_high_all_along_has_no_start() {
        let rise = Rise { beyond: 0.9, factor: 1.0, least: 0.0 };
        assert_eq!(curve(|_| 0.95).change(rise, GRID), Change::Throughout(0.95));
        assert_eq!(curve(|_| 0.5).change(rise, GRID), Change::None);
    }

    #[test]
    fn what_is_no_number_is_left_out_and_few_points_are_not_judged() {
        let curve = Curve::new([(2.0, f64::NAN), (1.0, 1.0), (3.0, f64::INFINITY), (0.0, 2.0), (0.0, 3.0)]);
        assert_eq!(curve.points.len(), 2);
        assert_eq!(curve.change(RISE, GRID), Change::None);
    }

    proptest::proptest! {
        #[test]
        fn any_points_end_in_an_answer(points: Vec<(f64, f64)>, at: f64, step in 0.001..100.0) {
            let grid = Grid { at, step, smear: step * 4.0 };
            let curve = Curve::new(points);
            if let Change::Rose(shift) = curve.change(RISE, grid) {
                assert!(shift.onset <= shift.crossed && shift.during > shift.before);
            }
        }
    }
}
