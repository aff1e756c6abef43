//! `metrics.yaml`: what the metrics check asks Prometheus for.

use serde::Deserialize;

/// The catalogue of measures.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Labels that hold a request's status, whatever their owner calls them.
    pub status_labels: Vec<String>,
    /// What can be asked, the preferred first.
    pub measures: Vec<Measure>,
}

/// One expression, and what its curve means.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// Its name in facts.
    pub id: String,
    /// What its curve means.
    pub measures: Measures,
    /// Metric names that must all exist for the question to make sense.
    pub needs: Vec<String>,
    /// PromQL with `$match`, `$window` and `$status`.
    pub query: String,
    /// What a value is multiplied with to be in seconds.
    #[serde(default)]
    pub scale: Option<f64>,
    /// Beyond this a resource is at its limit.
    #[serde(default)]
    pub above: Option<f64>,
    /// And below this.
    #[serde(default)]
    pub below: Option<f64>,
    /// Whether being at the limit hurts by definition, without errors or latency to show for it.
    #[serde(default)]
    pub alone: bool,
    /// The resource for people.
    #[serde(default)]
    pub says: Option<String>,
}

/// What a curve means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measures {
    /// Requests per second, by status.
    Requests,
    /// Seconds a request takes.
    Latency,
    /// Part of a limited resource that is in use, 0 to 1.
    Share,
    /// Work that waits for a resource or is turned away by one.
    Waiting,
    /// Retries per second.
    Retries,
}

impl Measure {
    /// The expression for these label matchers (without braces, may be empty) and this span of `rate()`, in seconds.
    #[must_use]
    pub fn expression(&self, matchers: &str, rate_seconds: u64, status_labels: &[String]) -> String {
        let matchers = matchers.trim().trim_matches(',');
        self.query
            .replace("$status", &status_labels.join(", "))
            .replace("$window", &format!("{rate_seconds}s"))
            .replace("$match", matchers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::Catalogues;

    #[test]
    fn every_measure_can_be_asked_and_judged() {
        let metrics = Catalogues::builtin().metrics;
        let mut ids: Vec<&str> = metrics.measures.iter().map(|it| it.id.as_str()).collect();
        ids.sort_unstable();
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "an id stands twice: {ids:?}");
        for measure in &metrics.measures {
            let limited = matches!(measure.measures, Measures::Share | Measures::Waiting);
            assert_eq!(measure.above.is_some(), limited, "{}: `above`", measure.id);
            assert_eq!(measure.says.is_some(), limited, "{}: `says`", measure.id);
            assert!(!measure.needs.is_empty(), "{}", measure.id);
            assert!(measure.needs.iter().any(|it| measure.query.contains(it.as_str())), "{}", measure.id);
            assert!(measure.query.contains("$match"), "{}: the user's matchers have no place", measure.id);
            let asked = measure.expression("job=\"a\"", 60, &metrics.status_labels);
            assert!(!asked.contains('$'), "{asked}");
        }
    }
}
