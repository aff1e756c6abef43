//! When to stop, and what to say then.
//!
//! Clarity needs a high probability, a lead over the next boundary, *and* at least one observation that could have refuted
//! the best boundary and did not: a status alone never makes clarity. Everything said can be traced to observations.

use crate::bucket::Bucket;
use crate::incident::{Conclusion, Hypothesis, Incident, Reason, StepRecord, Stopped};
use crate::outcome::{CheckKind, Outcome, Role};
use crate::question::{Answer, QuestionId};
use crate::runbook::{Bar, Cause, Moment, OwnStep, Source, is_healthy};
use crate::triage::belief::Belief;
use crate::triage::next;
use crate::triage::observe::{Observation, Teller, say, spoken};

/// A second hypothesis is named from this probability on; below it, it would only distract.
const WORTH_NAMING: f64 = 0.08;

/// A boundary counts as ruled out below this probability.
const RULED_OUT: f64 = 0.05;

/// An observation is given as a reason when it moved the belief by at least this much, in decibans (1 is barely noticeable).
const WORTH_A_REASON: f64 = 1.0;

/// How much an observation may speak against a boundary, in decibans, and still count as a passed test of it.
const NOT_AGAINST: f64 = -1.0;

/// Whether the best boundary is so sure, and so well tested, that nothing more needs to be known.
pub(crate) fn is_sure(belief: &Belief<'_>) -> bool {
    passes(belief, &belief.knowledge().stop.sure)
}

/// Whether the best boundary is sure enough for clarity, once nothing left is worth its cost.
fn is_clear(belief: &Belief<'_>) -> bool {
    passes(belief, &belief.knowledge().stop.enough)
}

/// Whether the best boundary stands out this far, and has been put to a test it could have failed.
fn passes(belief: &Belief<'_>, bar: &Bar) -> bool {
    let [(best, probability), (_, next)] = belief.ranking();
    probability >= bar.probability && probability - next >= bar.margin && passed_a_test(belief, best)
}

/// Whether a check or an answer could have spoken clearly against this boundary, and did not. What only repeats the
/// alert (the endpoint's status after the alert's) is no test.
fn passed_a_test(belief: &Belief<'_>, best: Bucket) -> bool {
    let knowledge = belief.knowledge();
    let refutation = knowledge.stop.refutation;
    let group = |observation: &Observation| knowledge.variables[observation.variable].group;
    let alerted = |wanted: usize| {
        belief.observations().iter().any(|it| it.teller == Teller::Alert && group(it) == wanted)
    };
    belief.observations().iter().enumerate().any(|(index, observation)| {
        observation.teller != Teller::Alert
            && !alerted(group(observation))
            && belief.moved(index, best) >= NOT_AGAINST
            && belief.could_have_cost(index, best) <= -refutation
    })
}

/// What is said when triage stops here.
pub(crate) fn conclusion(belief: &Belief<'_>, incident: &Incident) -> Conclusion {
    let [(bucket, probability), (runner_up, _)] = belief.ranking();
    let stopped = if is_clear(belief) { Stopped::Clarity } else { Stopped::Unclear };
    let best = best_causes(belief, bucket);
    let named = dependency(incident);
    let in_dependency = best.first().is_some_and(|(cause, _)| cause.in_dependency);
    let words = Words {
        service: incident.service().unwrap_or("the service").to_owned(),
        dependency: named.clone().unwrap_or_else(|| "the dependency".to_owned()),
    };
    let hypotheses: Vec<Hypothesis> =
        best.into_iter().map(|(cause, probability)| hypothesis(cause, probability, &words)).collect();
    let missing = missing(belief, incident);
    let runbook = belief.knowledge().chosen(incident);
    let causes = best_ids(belief);
    let said = |pick: fn(&OwnStep) -> Option<&String>| {
        let now = Moment { incident, bucket, probability, causes: &causes };
        runbook.map(|it| it.sentences(&now, pick)).unwrap_or_default()
    };
    let next_experiment = hypotheses.first().map(|it| it.next_experiment.clone()).unwrap_or_default();
    Conclusion {
        stopped,
        bucket,
        probability,
        runner_up,
        buckets: belief.buckets(),
        hypotheses,
        next_experiment,
        reasons: reasons(belief, bucket, &words),
        ruled_out: ruled_out(belief, bucket, &words),
        missing,
        dependency: named.filter(|_| in_dependency),
        runbooks: belief.knowledge().hash().to_owned(),
        runbook: runbook.map(|it| it.name.clone()),
        escalate: said(|step| step.escalate.as_ref()),
        mitigate: said(|step| step.mitigate.as_ref()),
    }
}

/// The best cause of the best boundary, and the best other one where it is worth naming.
fn best_causes<'a>(belief: &Belief<'a>, bucket: Bucket) -> Vec<(&'a Cause, f64)> {
    let mut ranked: Vec<(&Cause, f64)> =
        belief.knowledge().causes.iter().zip(belief.causes().iter().copied()).collect();
    ranked.sort_by(|(_, left), (_, right)| right.total_cmp(left));
    let best = ranked.iter().position(|(cause, _)| cause.bucket == bucket).unwrap_or(0);
    let first = ranked.remove(best);
    let second = ranked.into_iter().next().filter(|(_, probability)| *probability >= WORTH_NAMING);
    [first].into_iter().chain(second).collect()
}

/// The ids of the best causes.
pub(crate) fn best_ids<'a>(belief: &Belief<'a>) -> Vec<&'a str> {
    let [(bucket, _), _] = belief.ranking();
    best_causes(belief, bucket).into_iter().map(|(cause, _)| cause.id.as_str()).collect()
}

/// What a sentence of a runbook is filled with.
struct Words {
    service: String,
    dependency: String,
}

impl Words {
    fn fill(&self, text: &str) -> String {
        let filled = text.replace("{{service}}", &self.service).replace("{{dependency}}", &self.dependency);
        // A name keeps its case, wherever it stands.
        if text.starts_with("{{") && !filled.starts_with("the ") {
            return filled;
        }
        let mut letters = filled.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    }
}

fn hypothesis(cause: &Cause, probability: f64, words: &Words) -> Hypothesis {
    Hypothesis {
        id: cause.id.clone(),
        bucket: cause.bucket,
        probability,
        says: words.fill(&cause.says),
        next_experiment: words.fill(&cause.next_experiment),
        mitigation: words.fill(&cause.mitigation),
    }
}

/// The failing dependency's name: what a person said, else what our own answer or a failing check of one says, else the only
/// one there is.
fn dependency(incident: &Incident) -> Option<String> {
    if let Some(Answer::Text(name)) = incident.answer(QuestionId::CorrelatedDependency) {
        return Some(name.clone());
    }
    let found = |kind: &CheckKind| {
        let spoken = spoken(incident, *kind, Role::Dependency)?;
        let failing = !is_healthy(*kind, spoken.report.outcome);
        spoken.record.step.name.clone().filter(|_| failing)
    };
    let labelled = || incident.alerts.iter().find_map(|alert| alert.labels.get("dependency").cloned());
    let only = || match incident.profile.dependencies.as_slice() {
        [dependency] => Some(dependency.name.clone()),
        _ => None,
    };
    let told = || {
        let reports = incident.steps.iter().filter_map(StepRecord::report);
        reports.filter_map(|report| report.facts.get("dependency")?.as_str()).map(str::to_owned).next()
    };
    told().or_else(|| CheckKind::ALL.iter().find_map(found)).or_else(labelled).or_else(only)
}

fn reasons(belief: &Belief<'_>, bucket: Bucket, words: &Words) -> Vec<Reason> {
    let mut reasons: Vec<Reason> = belief
        .observations()
        .iter()
        .enumerate()
        .map(|(index, observation)| Reason {
            observation: say(belief.knowledge(), observation, &words.dependency),
            decibans: rounded(belief.moved(index, bucket)),
        })
        .filter(|reason| reason.decibans.abs() >= WORTH_A_REASON)
        .collect();
    reasons.sort_by(|left, right| right.decibans.abs().total_cmp(&left.decibans.abs()));
    reasons
}

/// What speaks for this boundary and against it, before triage has ended.
pub(crate) fn reasons_for(belief: &Belief<'_>, incident: &Incident, bucket: Bucket) -> Vec<Reason> {
    let words = Words {
        service: incident.service().unwrap_or("the service").to_owned(),
        dependency: dependency(incident).unwrap_or_else(|| "the dependency".to_owned()),
    };
    reasons(belief, bucket, &words)
}

/// The id of a boundary's best cause.
pub(crate) fn best_cause(belief: &Belief<'_>, bucket: Bucket) -> String {
    best_causes(belief, bucket).first().map(|(cause, _)| cause.id.clone()).unwrap_or_default()
}

/// To a tenth of a deciban: more digits would claim more than the words are worth.
fn rounded(decibans: f64) -> f64 {
    (decibans * 10.0).round() / 10.0
}

/// The boundaries that are out, each with the observation that spoke most against it.
fn ruled_out(belief: &Belief<'_>, best: Bucket, words: &Words) -> Vec<String> {
    let buckets = belief.buckets();
    let out = buckets.iter().filter(|(bucket, p)| **bucket != best && **p < RULED_OUT);
    out.filter_map(|(bucket, _)| {
        let against = belief.observations().iter().enumerate();
        let against = against.map(|(index, observation)| (belief.moved(index, *bucket), observation));
        let (decibans, observation) = against.min_by(|(left, _), (right, _)| left.total_cmp(right))?;
        (decibans <= -WORTH_A_REASON).then(|| {
            format!("{}: {}", bucket.boundary(), say(belief.knowledge(), observation, &words.dependency))
        })
    })
    .collect()
}

/// What nobody could tell, and who may: checks that could not run, and questions without an answer.
fn missing(belief: &Belief<'_>, incident: &Incident) -> Vec<String> {
    let knowledge = belief.knowledge();
    let failed = incident.steps.iter().filter_map(|record: &StepRecord| {
        let report = record.report().filter(|report| report.outcome == Outcome::Error)?;
        Some(format!("{} could not run: {}", record.step.key(), first_line(&report.summary)))
    });
    let unanswered = incident.questions.iter().filter_map(|record| {
        let open = record.answer.as_ref().is_none_or(Answer::is_unknown);
        let question = knowledge.question(record.question);
        open.then(|| format!("{}: nobody could tell; ask {}", record.question, question.who))
    });
    let request = QuestionId::FailingRequest;
    let no_request = !incident.questions.iter().any(|record| record.question == request);
    let request = no_request.then(|| {
        format!("{request}: one representative failing request; ask {}", knowledge.question(request).who)
    });
    let best = (!is_clear(belief)).then(|| most_telling(belief, incident)).flatten();
    let contradictions = contradictions(belief, incident).into_iter();
    contradictions.chain(failed).chain(unanswered).chain(request).chain(best).collect()
}

/// An answer that speaks this much against the conclusion, in decibans, contradicts it.
const CONTRADICTS: f64 = -4.0;

/// Answers of people that the rest of the evidence contradicts: somebody should look again.
fn contradictions(belief: &Belief<'_>, incident: &Incident) -> Vec<String> {
    let [(bucket, _), _] = belief.ranking();
    let knowledge = belief.knowledge();
    let dependency = dependency(incident).unwrap_or_else(|| "the dependency".to_owned());
    let answers = belief.observations().iter().enumerate().filter(|(_, it)| it.teller == Teller::Person);
    answers
        .filter(|(index, _)| belief.moved(*index, bucket) <= CONTRADICTS)
        .map(|(_, observation)| {
            let said = say(knowledge, observation, &dependency);
            match knowledge.variables[observation.variable].source {
                Source::Question(question) => {
                    let who = &knowledge.question(question).who;
                    format!("{question}: \"{said}\" contradicts the rest; look again, ask {who}")
                }
                _ => format!("\"{said}\" contradicts the rest; look again"),
            }
        })
        .collect()
}

/// The question that would tell most, though it is not worth its cost or was not asked.
fn most_telling(belief: &Belief<'_>, incident: &Incident) -> Option<String> {
    let open = QuestionId::ALL.into_iter().filter(|question| !next::is_known(belief, incident, *question));
    let (question, _) = open
        .map(|question| (question, next::rate(belief, question)))
        .max_by(|(_, left), (_, right)| left.total_cmp(right))?;
    Some(format!("{question}: would tell most now; ask {}", belief.knowledge().question(question).who))
}

fn first_line(text: &str) -> &str {
    text.lines().next().filter(|line| !line.is_empty()).unwrap_or("no reason given")
}
