//! What a set of curves says: pure.
//!
//! Order in time decides, not thresholds alone: a resource that is full only after the errors began is a symptom, traffic that
//! grows after them is retries, traffic that grows before them is load. Where two findings are true, the more specific one is the
//! outcome (retries over saturation when they came first, saturation over latency) and the others stand in `also`.

use super::curve::{Change, Curve, Grid, Rise, Shift};
use crate::checks::catalogue::{Measure, Measures};
use crate::outcome::Outcome;

/// Requests per second by class of status.
#[derive(Debug, Clone, Default)]
pub(super) struct Traffic {
    /// All of them.
    pub(super) all: Curve,
    /// Those of a class; without any when the metric has no status.
    pub(super) classes: Vec<(Class, Curve)>,
}

/// What an answer's status says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// 5xx, or a gRPC code that blames the server.
    Failed,
    /// 429, or `RESOURCE_EXHAUSTED`.
    Limited,
    /// 401 and 403.
    Denied,
    /// Any other 4xx.
    Rejected,
    /// The rest.
    Served,
}

impl Class {
    /// The class of a label's value; `None` when it is no status.
    pub(super) fn of(value: &str) -> Option<Self> {
        let value = value.trim().to_ascii_lowercase();
        Some(match value.as_str() {
            "429" | "resourceexhausted" | "resource_exhausted" => Self::Limited,
            "401" | "403" | "unauthenticated" | "permissiondenied" | "permission_denied" => Self::Denied,
            "failure" | "internal" | "unavailable" | "unknown" | "deadlineexceeded" | "deadline_exceeded"
            | "dataloss" | "data_loss" | "error" => Self::Failed,
            "success" | "ok" => Self::Served,
            "canceled" | "cancelled" | "invalidargument" | "notfound" | "alreadyexists"
            | "failedprecondition" | "aborted" | "outofrange" | "unimplemented" => Self::Rejected,
            digits => {
                let is_class = digits.ends_with("xx") || digits.len() == 1;
                let is_status = digits.len() == 3 && digits.bytes().all(|it| it.is_ascii_digit());
                match digits.bytes().next().filter(|_| is_class || is_status)? {
                    b'5' => Self::Failed,
                    b'4' => Self::Rejected,
                    b'1'..=b'3' => Self::Served,
                    _ => return None,
                }
            }
        })
    }

    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Failed => "5xx",
            Self::Limited => "429",
            Self::Denied => "401_403",
            Self::Rejected => "4xx",
            Self::Served => "served",
        }
    }

    /// How far the share of such answers must rise. Failures of ours are rare on a good day; a caller's are a few percent of
    /// any public API and jump with one scanner.
    fn rise(self) -> Rise {
        let least = match self {
            Self::Failed => 0.01,
            Self::Limited | Self::Denied => 0.05,
            Self::Rejected | Self::Served => 0.15,
        };
        Rise { least, factor: 3.0, beyond: 0.0 }
    }
}

/// A curve of the catalogue, or of the user's own query.
#[derive(Debug, Clone)]
pub(super) struct Measured<'a> {
    pub(super) measure: &'a Measure,
    pub(super) curve: Curve,
}

/// Everything that was measured.
#[derive(Debug, Clone, Default)]
pub(super) struct Observation<'a> {
    pub(super) traffic: Option<Traffic>,
    pub(super) latency: Option<Curve>,
    /// Resources, queues and retries.
    pub(super) others: Vec<Measured<'a>>,
}

/// Something that changed, for the facts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    /// What: `errors`, `latency`, `traffic`, `retries`, or a resource's id.
    pub(super) signal: String,
    pub(super) shift: Shift,
}

/// The judgement.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    /// The finding; `None` when the curves cannot tell, for the reason in `says`.
    pub(super) outcome: Option<Outcome>,
    /// Other findings that are true too.
    pub(super) also: Vec<Outcome>,
    /// The finer finding.
    pub(super) diagnosis: Option<&'static str>,
    /// What changed, the first first.
    pub(super) changes: Vec<Point>,
    /// The class of status that grew.
    pub(super) class: Option<Class>,
    /// The resource that was full first.
    pub(super) resource: Option<String>,
    /// Attempts per original request, at least.
    pub(super) attempts: Option<f64>,
    /// One sentence.
    pub(super) says: String,
}

/// Latency has risen at twice its usual value and 50 ms more: below, nobody's deadline is near.
const LATENCY: Rise = Rise { least: 0.05, factor: 2.0, beyond: 0.0 };

/// Traffic that doubles is remarkable when something else goes wrong; alone it must treble (a morning's rise doubles it).
const TRAFFIC: Rise = Rise { least: 0.0, factor: 2.0, beyond: 0.0 };
const SPIKE_ALONE: f64 = 3.0;

/// Attempts per original request that make a storm (`runbooks/rate-limit.yaml`).
const STORM_ATTEMPTS: f64 = 1.5;

/// Answers a changed share must rest on, and how many standard deviations above what was to be expected.
const LEAST_ANSWERS: f64 = 10.0;
const SIGMAS: f64 = 5.0;

/// How many times as many failing answers a second there must be, whatever their share.
const MORE_ERRORS: f64 = 1.5;

/// Judges the curves.
pub(super) fn judge(observation: &Observation<'_>, grid: Grid) -> Verdict {
    let traffic = observation.traffic.as_ref();
    let errors = traffic.and_then(|it| errors(it, grid));
    let error_shift = errors.and_then(|(_, change)| change.shift());
    let latency = observation.latency.as_ref().map_or(Change::None, |it| it.change(LATENCY, grid)).shift();
    let load = traffic.and_then(|it| spike(it, grid));
    let retries = retries(observation, grid);
    let symptom = earliest([error_shift, latency]);
    let resource = full(observation, symptom, error_shift, grid);

    let slack = (2.0 * grid.step).max(grid.smear / 2.0);
    let before = |one: f64, other: f64| one + slack <= other;
    // Traffic that multiplies after the errors began, while they last.
    let amplified = load.zip(error_shift).filter(|(load, errors)| {
        before(errors.onset, load.onset) && errors.ended.is_none_or(|ended| ended > load.onset)
    });
    let storm = retries.as_ref().map(|(_, shift, _)| *shift).or(amplified.map(|(load, _)| load));

    let mut found: Vec<Outcome> = Vec::new();
    let first_full = resource.as_ref().map(|(_, shift)| shift.crossed);
    if let Some(storm) = storm
        && first_full.is_none_or(|full| !before(full, storm.onset))
    {
        found.push(Outcome::RetryStorm);
    }
    if resource.is_some() {
        found.push(Outcome::Saturated);
    }
    if storm.is_some() {
        found.push(Outcome::RetryStorm);
    }
    let load_first = load.filter(|_| amplified.is_none() && retries.is_none()).filter(|load| {
        symptom.map_or(load.times().is_some_and(|it| it >= SPIKE_ALONE), |symptom| {
            !before(symptom.onset, load.onset)
        })
    });
    if load_first.is_some() {
        found.push(Outcome::TrafficSpike);
    }
    if let Some(latency) = latency
        && error_shift.is_none_or(|errors| before(latency.onset, errors.onset))
    {
        found.push(Outcome::LatencyLed);
    }
    if error_shift.is_some() {
        found.push(Outcome::ErrorStep);
    }
    let mut also: Vec<Outcome> = Vec::new();
    for it in found.iter().copied() {
        if !also.contains(&it) {
            also.push(it);
        }
    }
    let outcome = if also.is_empty() { None } else { Some(also.remove(0)) };

    let mut changes = Vec::new();
    let mut note = |signal: &str, shift: Option<Shift>| {
        changes.extend(shift.map(|shift| Point { signal: signal.to_owned(), shift }));
    };
    note("errors", error_shift);
    note("latency", latency);
    note("traffic", load);
    note("retries", retries.as_ref().map(|(_, shift, _)| *shift));
    if let Some((measured, shift)) = &resource {
        note(&measured.measure.id, Some(*shift));
    }
    changes.sort_by(|a, b| a.shift.onset.total_cmp(&b.shift.onset));

    let attempts =
        retries.as_ref().map(|(_, _, attempts)| *attempts).or(amplified.and_then(|(load, _)| load.times()));
    let verdict = Verdict {
        outcome,
        also,
        diagnosis: None,
        changes,
        class: errors.map(|(class, _)| class).filter(|_| error_shift.is_some()),
        resource: resource.as_ref().map(|(measured, _)| says(measured.measure).to_owned()),
        attempts: attempts.filter(|_| storm.is_some()),
        says: String::new(),
    };
    match outcome {
        Some(_) => told(verdict, error_shift, latency, load),
        None => quiet(verdict, observation, errors, grid),
    }
}

/// The words and the finer finding of an outcome.
fn told(mut verdict: Verdict, errors: Option<Shift>, latency: Option<Shift>, load: Option<Shift>) -> Verdict {
    let class = verdict.class.map_or("errors", |class| match class {
        Class::Failed => "server errors",
        Class::Limited => "429 answers",
        Class::Denied => "401 and 403 answers",
        Class::Rejected | Class::Served => "4xx answers",
    });
    let errors_rose =
        errors.map(|it| format!("{class} rose from {} to {}", percent(it.before), percent(it.during)));
    let latency_rose =
        latency.map(|it| format!("latency rose from {} to {}", time(it.before), time(it.during)));
    let (diagnosis, says) = match verdict.outcome {
        Some(Outcome::RetryStorm) => {
            let attempts = verdict.attempts.map_or_else(String::new, |it| format!(" by {it:.1} times"));
            let while_errors = errors_rose.map_or_else(String::new, |it| format!(" while {it}"));
            ("retries_multiply_traffic", format!("Retries multiply the requests{attempts}{while_errors}."))
        }
        Some(Outcome::Saturated) => {
            let resource = verdict.resource.clone().unwrap_or_default();
            let then = errors_rose.or(latency_rose).map_or_else(String::new, |it| format!("; {it}"));
            let diagnosis = if load.is_some() { "full_under_more_traffic" } else { "full_at_usual_traffic" };
            (diagnosis, format!("A resource reached its limit ({resource}){then}."))
        }
        Some(Outcome::TrafficSpike) => {
            let times = load.and_then(|it| it.times()).unwrap_or(1.0);
            let then =
                errors_rose.map_or_else(|| "; errors did not rise".to_owned(), |it| format!(", then {it}"));
            ("more_traffic", format!("Traffic rose to {times:.1} times its usual rate{then}."))
        }
        Some(Outcome::LatencyLed) => {
            let rose = latency_rose.unwrap_or_default();
            match (latency.zip(errors), errors_rose) {
                (Some((latency, errors)), Some(words)) => {
                    let ahead = errors.onset - latency.onset;
                    ("latency_before_errors", format!("{} {} before {words}.", capital(&rose), time(ahead)))
                }
                _ => ("latency_without_errors", format!("{}; errors did not rise.", capital(&rose))),
            }
        }
        _ => {
            let also = if latency.is_some() { "; latency rose with it, not before" } else { "" };
            ("errors_at_once", format!("{}{also}.", capital(&errors_rose.unwrap_or_default())))
        }
    };
    verdict.diagnosis = Some(diagnosis);
    verdict.says = says;
    verdict
}

/// No change: normal, unless what is wrong was wrong from the first point on, or nothing could be judged.
fn quiet(
    mut verdict: Verdict,
    observation: &Observation<'_>,
    errors: Option<(Class, Change)>,
    grid: Grid,
) -> Verdict {
    if let Some((Class::Failed, Change::Throughout(share))) = errors {
        verdict.diagnosis = Some("errors_throughout");
        verdict.says = format!(
            "{} of the requests fail from the first point on: the start lies before the window; make `window` longer or `at` earlier",
            percent(share)
        );
        return verdict;
    }
    if !observation.is_enough() {
        verdict.diagnosis = Some("too_few_points");
        verdict.says.push_str("too few points to judge: fewer than 8 in the window");
        return verdict;
    }
    verdict.outcome = Some(Outcome::Normal);
    let fell = observation.traffic.as_ref().and_then(|it| fall(&it.all, grid));
    let parts: Vec<&str> = [
        observation
            .traffic
            .as_ref()
            .map(|it| if it.classes.is_empty() { "traffic" } else { "traffic and errors" }),
        observation.latency.as_ref().map(|_| "latency"),
        (!observation.others.is_empty()).then_some("resources"),
    ]
    .into_iter()
    .flatten()
    .collect();
    verdict.says = format!("No change stands out in {}.", parts.join(", "));
    if let Some(fell) = fell {
        verdict.diagnosis = Some("traffic_fell");
        verdict.says = format!(
            "No errors, latency or saturation stand out, but traffic fell to {} of its usual rate: callers may not get this far.",
            percent(fell.during.abs() / fell.before.abs().max(f64::MIN_POSITIVE))
        );
        verdict.changes.push(Point {
            signal: "traffic".to_owned(),
            shift: Shift { before: -fell.before, during: -fell.during, ..fell },
        });
    }
    verdict
}

impl Observation<'_> {
    fn is_enough(&self) -> bool {
        let others = self.others.iter().map(|it| &it.curve);
        let traffic = self.traffic.iter().map(|it| &it.all);
        traffic.chain(&self.latency).chain(others).any(Curve::is_enough)
    }
}

/// Traffic at less than a third of what it was.
fn fall(all: &Curve, grid: Grid) -> Option<Shift> {
    let usual = all.median()?;
    let rise = Rise { least: usual.max(0.0) * 0.7, factor: 1.0, beyond: f64::NEG_INFINITY };
    let fell = all.negated().change(rise, grid).shift()?;
    (fell.during > fell.before / 3.0).then_some(fell)
}

/// The class of error whose share of the traffic rose, the gravest first; failures from the first point on, if no class rose.
fn errors(traffic: &Traffic, grid: Grid) -> Option<(Class, Change)> {
    let mut classes: Vec<&(Class, Curve)> = traffic.classes.iter().collect();
    classes.sort_by_key(|(class, _)| *class);
    let mut throughout = None;
    for (class, curve) in classes.into_iter().filter(|(class, _)| *class != Class::Served) {
        let rise = Rise { beyond: if *class == Class::Failed { 0.05 } else { 0.0 }, ..class.rise() };
        // What is beyond 5 % is never the usual; what rises may rise to less.
        match curve.over(&traffic.all).change(class.rise(), grid) {
            Change::Rose(shift) if rests_on_enough(traffic, curve, shift, grid) => {
                return Some((*class, Change::Rose(shift)));
            }
            _ if *class == Class::Failed => {
                if let Change::Throughout(share) = curve.over(&traffic.all).change(rise, grid) {
                    throughout = Some((*class, Change::Throughout(share)));
                }
            }
            _ => {}
        }
    }
    throughout
}

/// Whether the answers behind a changed share are many, and more than chance would bring.
fn rests_on_enough(traffic: &Traffic, class: &Curve, shift: Shift, grid: Grid) -> bool {
    let until = shift.ended.unwrap_or(f64::INFINITY);
    let got = class.amount(shift.onset, until, grid.step);
    let expected = traffic.all.amount(shift.onset, until, grid.step) * shift.before;
    // Where traffic falls away, the same few errors are a larger share: nothing new fails.
    let rate = |from, to| class.mean_between(from, to);
    let more = rate(shift.onset, until) >= MORE_ERRORS * rate(f64::NEG_INFINITY, shift.onset - grid.step);
    more && got >= LEAST_ANSWERS && got - expected >= SIGMAS * (expected + 1.0).sqrt()
}

/// A rise of the whole traffic that rests on enough requests.
fn spike(traffic: &Traffic, grid: Grid) -> Option<Shift> {
    let shift = traffic.all.change(TRAFFIC, grid).shift().filter(|it| it.before > 0.0)?;
    let until = shift.ended.unwrap_or(f64::INFINITY);
    let got = traffic.all.amount(shift.onset, until, grid.step);
    let expected = got * shift.before / shift.during;
    (got - expected >= 50.0 && got - expected >= SIGMAS * (expected + 1.0).sqrt()).then_some(shift)
}

/// Retries that rose to half a retry a request, with the attempts per request they make at least.
fn retries<'a, 'b>(observation: &'b Observation<'a>, grid: Grid) -> Option<(&'b Measured<'a>, Shift, f64)> {
    let traffic = observation.traffic.as_ref()?;
    let rise = Rise { least: STORM_ATTEMPTS - 1.0, factor: 2.0, beyond: 0.0 };
    observation.others.iter().filter(|it| it.measure.measures == Measures::Retries).find_map(|it| {
        let shift = it.curve.over(&traffic.all).change(rise, grid).shift()?;
        let until = shift.ended.unwrap_or(f64::INFINITY);
        let enough = it.curve.amount(shift.onset, until, grid.step) >= LEAST_ANSWERS;
        enough.then_some((it, shift, 1.0 + shift.during))
    })
}

/// The resource that was full first, if that can be the cause: not after the symptoms began, and not without any where they are
/// measured.
fn full<'a, 'b>(
    observation: &'b Observation<'a>,
    symptom: Option<Shift>,
    errors: Option<Shift>,
    grid: Grid,
) -> Option<(&'b Measured<'a>, Shift)> {
    let unseen = observation.latency.is_none();
    let slack = grid.smear + 2.0 * grid.step;
    let candidates = observation.others.iter().filter_map(|it| {
        let shift = crossing(it, grid)?;
        let counts = match symptom {
            // A pool fills because calls are slow, so it must be full first. Processor time and memory do not: there it is enough
            // that the climb began first and the limit was reached before the errors.
            Some(symptom) => {
                let climbed = !it.measure.alone && shift.onset <= symptom.onset + slack;
                let at_last = errors.map_or(f64::INFINITY, |errors| errors.onset + slack);
                shift.crossed <= symptom.onset + slack || climbed && shift.crossed <= at_last
            }
            None => it.measure.alone || unseen,
        };
        counts.then_some((it, shift))
    });
    candidates.min_by(|a, b| a.1.crossed.total_cmp(&b.1.crossed))
}

fn crossing(measured: &Measured<'_>, grid: Grid) -> Option<Shift> {
    let above = measured.measure.above?;
    let rise = match measured.measure.measures {
        // A little above its usual course, so that what always works near its limit is no news.
        Measures::Share => Rise { least: above * 0.05, factor: 1.0, beyond: above },
        Measures::Waiting => Rise { least: above, factor: 3.0, beyond: above },
        Measures::Requests | Measures::Latency | Measures::Retries => return None,
    };
    let shift = measured.curve.change(rise, grid).shift()?;
    measured.measure.below.is_none_or(|below| shift.during < below).then_some(shift)
}

fn says(measure: &Measure) -> &str {
    measure.says.as_deref().unwrap_or(&measure.id)
}

fn earliest(shifts: impl IntoIterator<Item = Option<Shift>>) -> Option<Shift> {
    shifts.into_iter().flatten().min_by(|a, b| a.onset.total_cmp(&b.onset))
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 10.0 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

fn time(seconds: f64) -> String {
    let seconds = if seconds.is_finite() { seconds.clamp(0.0, 1e9) } else { 0.0 };
    crate::duration::show(std::time::Duration::from_secs_f64(seconds))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
