//! Causes that can never win, whatever is observed: nothing weighs for them, or another cause expects exactly the same and is
//! met at least as often.

use crate::runbook::file::{Files, Prior};
use crate::runbook::{Variable, Word};
use crate::yaml::{self, Node, Problem};

/// One problem for each such cause, and for each prior of zero. `table` is `[variable][value][cause]`.
pub(super) fn problems(files: &Files<'_>, table: &[Vec<Vec<f64>>], variables: &[Variable]) -> Vec<Problem> {
    let numbers = &files.likelihoods;
    let mut found = Vec::new();
    for (prior, name) in [(Prior::Common, "common"), (Prior::Occasional, "occasional"), (Prior::Rare, "rare")]
    {
        if !numbers.file.priors.get(&prior).is_some_and(|weight| *weight > 0.0) {
            let place = yaml::locate(numbers.text, &["priors", name], Node::Value);
            let message = format!("causes that are `{name}` can never win: the prior needs a weight above 0");
            found.push(Problem::at(numbers.name, place, message));
        }
    }
    let causes: Vec<_> = files
        .buckets
        .iter()
        .flat_map(|bucket| bucket.file.causes.iter().map(move |it| (bucket, it)))
        .collect();
    let weight = |prior: Prior| numbers.file.priors.get(&prior).copied().unwrap_or_default();
    for (place, (bucket, cause)) in causes.iter().enumerate() {
        let at = |id: &str, path: &[&str]| {
            let own = files.own.iter().find(|it| it.text.contains(&format!("id: {id}")));
            if let Some(own) = own {
                (own.name, yaml::place(own.text, "causes:", &format!("id: {id}")))
            } else {
                let index =
                    bucket.file.causes.iter().position(|it| it.id == *id).unwrap_or_default().to_string();
                let path: Vec<&str> = ["causes", &index].into_iter().chain(path.iter().copied()).collect();
                (bucket.name, yaml::locate(bucket.text, &path, Node::Key))
            }
        };
        for variable in variables {
            let Some(said) = cause.expect.get(&variable.id) else { continue };
            let never = |value: &String| said.get(value) == Some(&Word::Never);
            if variable.values.iter().all(never) {
                let (file, at) = at(&cause.id, &["expect", &variable.id]);
                let message = format!(
                    "cause `{}` can never win: every value of `{}` is `never`",
                    cause.id, variable.id
                );
                found.push(Problem::at(file, at, message));
            }
        }
        let same = |other: usize| table.iter().flatten().all(|row| (row[place] - row[other]).abs() < 1e-12);
        let stronger = |other: &usize| {
            let (_, it) = causes[*other];
            let first = weight(it.prior) > weight(cause.prior)
                || weight(it.prior) >= weight(cause.prior) && *other < place;
            *other != place && first && it.in_dependency == cause.in_dependency
        };
        if let Some(other) = (0..causes.len()).filter(stronger).find(|other| same(*other)) {
            let (file, at) = at(&cause.id, &["id"]);
            let message = format!(
                "cause `{}` can never win: `{}` expects exactly the same and is met as often",
                cause.id, causes[other].1.id
            );
            found.push(Problem::at(file, at, message));
        }
    }
    found
}
