//! Prometheus' HTTP API (`/api/v1/…`, prometheus.io/docs/prometheus/latest/querying/api): what is asked, and its answers read.
//!
//! Values come as strings (`"NaN"` and `"+Inf"` occur) and times as seconds with a fraction. Thanos, Mimir and VictoriaMetrics
//! answer the same way. Only GET is used.

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer};
use tokio::time::Instant;
use url::Url;

use super::curve::Point;
use crate::checks::Environment;
use crate::checks::fetch::{self, FetchError};

/// The longest answer that is read: the names of a big Prometheus, or some hundred series of some hundred points.
const ANSWER_MAX_BYTES: usize = 4 * 1024 * 1024;

/// Series of one answer that are looked at: more is a query that forgot its `sum`.
const SERIES_MAX: usize = 200;

/// The longest message of Prometheus that is passed on.
const MESSAGE_MAX_CHARS: usize = 200;

/// A Prometheus.
pub(super) struct Prometheus<'a> {
    env: &'a Environment,
    base: Url,
    deadline: Instant,
}

/// Values of one series, with its labels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) points: Vec<Point>,
}

/// A span of time to ask for, in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) start: f64,
    pub(super) end: f64,
    pub(super) step: f64,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum AskError {
    /// The address cannot be asked.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Prometheus says what is wrong with the question.
    #[error("Prometheus refuses the query: {0}")]
    Refused(String),
    /// It knows nothing that is in the catalogue; how many names it has.
    #[error(
        "none of the {0} metric names there in this window is one of `runbooks/metrics.yaml`; name an expression with `query`"
    )]
    Nothing(usize),
    /// Something else answered.
    #[error("what answers is no Prometheus API: {0}")]
    Stranger(String),
}

/// An answer whose data is read at once as what it should be: a tree of half a million samples would take a hundred times its text.
#[derive(Deserialize)]
struct Envelope<T> {
    status: String,
    #[serde(default = "Option::default")]
    data: Option<T>,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Matrix(Vec<WithValues>),
    Vector(Vec<WithValue>),
    Scalar(Sample),
    String(IgnoredAny),
}

#[derive(Deserialize)]
struct WithValues {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<Sample>,
}

#[derive(Deserialize)]
struct WithValue {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    value: Sample,
}

/// A time and a value; `None` for one that is on no curve.
#[derive(Deserialize)]
#[serde(from = "(f64, Number)")]
struct Sample(Option<Point>);

impl From<(f64, Number)> for Sample {
    fn from((at, Number(value)): (f64, Number)) -> Self {
        Self(value.map(|value| (at, value)))
    }
}

/// A number in a string. Prometheus writes `+Inf`, `-Inf` and `NaN` too; none of them is a value on a curve.
struct Number(Option<f64>);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Number;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number in a string")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Number, E> {
                Ok(Number(text.parse().ok().filter(|it: &f64| it.is_finite())))
            }
        }
        from.deserialize_str(Reader)
    }
}

impl<'a> Prometheus<'a> {
    pub(super) fn new(env: &'a Environment, base: Url, deadline: Instant) -> Self {
        Self { env, base, deadline }
    }

    /// The names of metrics with samples in this span and these matchers.
    pub(super) async fn names(&self, range: Range, matchers: &str) -> Result<Vec<String>, AskError> {
        let mut query = vec![("start", seconds(range.start)), ("end", seconds(range.end))];
        if !matchers.is_empty() {
            query.push(("match[]", format!("{{{matchers}}}")));
        }
        let bytes = self.get("label/__name__/values", &query).await?;
        data(&bytes, "its list of names is none")
    }

    /// An expression over a span.
    pub(super) async fn range(&self, expression: &str, range: Range) -> Result<Vec<Series>, AskError> {
        let query = [
            ("query", expression.to_owned()),
            ("start", seconds(range.start)),
            ("end", seconds(range.end)),
            ("step", seconds(range.step)),
        ];
        series(&self.get("query_range", &query).await?)
    }

    /// An expression at an instant.
    pub(super) async fn instant(&self, expression: &str, at: f64) -> Result<Vec<Series>, AskError> {
        series(&self.get("query", &[("query", expression.to_owned()), ("time", seconds(at))]).await?)
    }

    async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Vec<u8>, AskError> {
        let mut url = self.base.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/api/v1/{path}"));
        url.query_pairs_mut().extend_pairs(query);
        let document = fetch::document(self.env, &url, ANSWER_MAX_BYTES, self.deadline).await?;
        // Errors of the API come as JSON with 400, 422 or 503; what is no JSON is a page of somebody else.
        if document.status != 200 && serde_json::from_slice::<Envelope<IgnoredAny>>(&document.bytes).is_err()
        {
            return Err(AskError::Stranger(format!(
                "status {} to GET {base}/api/v1/{path}",
                document.status
            )));
        }
        Ok(document.bytes)
    }
}

/// The data of an answer; `misfit` says what is wrong when it is something else.
fn data<T: DeserializeOwned>(bytes: &[u8], misfit: &str) -> Result<T, AskError> {
    if let Ok(Envelope { status, data: Some(data), .. }) = serde_json::from_slice(bytes)
        && status == "success"
    {
        return Ok(data);
    }
    let Ok(envelope) = serde_json::from_slice::<Envelope<IgnoredAny>>(bytes) else {
        return Err(AskError::Stranger("its answer is not the JSON of one".to_owned()));
    };
    if envelope.status == "success" && envelope.data.is_some() {
        return Err(AskError::Stranger(misfit.to_owned()));
    }
    let said = envelope.error.unwrap_or_else(|| "no reason given".to_owned());
    Err(AskError::Refused(one_line(&said)))
}

/// Reads the series of an answer; a scalar is a series without labels.
pub(super) fn series(bytes: &[u8]) -> Result<Vec<Series>, AskError> {
    let some = |samples: Vec<Sample>| samples.into_iter().filter_map(|Sample(point)| point).collect();
    let mut series: Vec<Series> = match data(bytes, "its answer holds no series")? {
        Data::Matrix(all) => all
            .into_iter()
            .take(SERIES_MAX)
            .map(|it| Series { labels: it.metric, points: some(it.values) })
            .collect(),
        Data::Vector(all) => all
            .into_iter()
            .take(SERIES_MAX)
            .map(|it| Series { labels: it.metric, points: some(vec![it.value]) })
            .collect(),
        Data::Scalar(value) => vec![Series { labels: BTreeMap::new(), points: some(vec![value]) }],
        Data::String(_) => return Err(AskError::Refused("the query gives a string, not numbers".to_owned())),
    };
    series.retain(|it| !it.points.is_empty());
    Ok(series)
}

/// Seconds as the API reads them, to the millisecond.
fn seconds(at: f64) -> String {
    format!("{at:.3}")
}

/// Foreign words on one line, of bounded length.
fn one_line(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { ' ' } else { it }).take(MESSAGE_MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_a_vector_and_a_scalar_are_series() {
        let matrix = br#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"code":"200"},"values":[[1.5,"2"],[2.5,"NaN"],[3.5,"+Inf"]]},{"metric":{},"values":[[1,"NaN"]]}]}}"#;
        let read = series(matrix).unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!((read[0].labels["code"].as_str(), &read[0].points[..]), ("200", &[(1.5, 2.0)][..]));
        let vector = br#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"2"]}]}}"#;
        assert_eq!(series(vector).unwrap()[0].points, [(1.0, 2.0)]);
        let scalar = br#"{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}"#;
        assert_eq!(series(scalar).unwrap()[0].points, [(1.0, 2.0)]);
    }

    #[test]
    fn a_refusal_says_what_prometheus_said_on_one_line() {
        let refused = br#"{"status":"error","errorType":"bad_data","error":"parse error:\nunexpected end"}"#;
        assert_eq!(
            series(refused).unwrap_err().to_string(),
            "Prometheus refuses the query: parse error: unexpected end"
        );
    }

    #[test]
    fn what_is_no_prometheus_is_said() {
        for bytes in [&b"<html>"[..], b"", b"[]", b"{}", br#"{"status":"success","data":[1]}"#] {
            assert!(matches!(series(bytes), Err(AskError::Stranger(_))), "{bytes:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_end_in_an_answer(bytes: Vec<u8>, inside in "[\\[\\]{}\",:a-z0-9]{0,60}") {
            let _ = series(&bytes);
            let _ = series(format!("{{\"status\":\"success\",\"data\":{inside}}}").as_bytes());
        }
    }
}
