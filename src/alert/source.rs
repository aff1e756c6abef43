//! The sources there are: the shipped mappings, two readers in Rust, and what the operator adds.
//!
//! A file of the operator with the name of a shipped source takes its place.
//!
//! # Why
//! `alertmanager` and `generic` stay in Rust: the first takes bursts of thousands of deliveries a second, and the second reads
//! a bare number as an HTTP status and unknown fields as labels, which a mapping cannot say. Both names can be taken by a
//! file all the same.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock, OnceLock};

use serde_json::Value;

use crate::alert::door::{DoorRule, Method};
use crate::alert::mapping::{Mapping, MappingFile};
use crate::alert::{NotThisSource, Understood, alertmanager, generic};
use crate::yaml::Problem;

macro_rules! shipped {
    ($($name:literal)*) => {
        /// The shipped mappings: name and text.
        pub const SHIPPED: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../runbooks/sources/", $name, ".yaml"))),)*
        ];
    };
}

shipped! {
    "airbrake" "aws_sns" "azure_monitor" "betterstack" "bugsnag" "checkly" "cloudevents" "cloudflare" "datadog" "dynatrace" "flux" "freshping" "gatus"
    "gcp_monitoring" "github" "grafana" "graylog" "healthchecks" "honeycomb" "kibana" "netdata" "newrelic" "opsgenie" "pagerduty" "pingdom"
    "raygun" "rollbar" "sentry" "site24x7" "splunk" "splunk_observability" "standard_webhooks" "statuscake" "statuspage" "thousandeyes" "uptimekuma" "uptimerobot" "zabbix"
}

type Parse = fn(&Arc<Value>) -> Result<Understood, NotThisSource>;

enum Reader {
    Rust(Parse),
    /// Compiled when its first delivery comes.
    Shipped(&'static str, OnceLock<Result<Mapping, Problem>>),
    Added(Mapping),
}

struct Known {
    name: String,
    reader: Reader,
}

/// A monitoring system whose deliveries are understood. Cheap to clone; ordered and compared by its name.
#[derive(Clone)]
pub struct Source(Arc<Known>);

impl Source {
    /// Every shipped source.
    #[must_use]
    pub fn all() -> Vec<Self> {
        ALL.values().cloned().collect()
    }

    /// The shipped source of this name; `prometheus-alertmanager`, `better-stack` and `betterstack` are told apart by
    /// nothing but dashes, underscores and case, so these do not count.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        ALL.get(name).or_else(|| ALL.values().find(|source| plain(source.id()) == plain(name))).cloned()
    }

    /// Sources the operator's files describe (name and text of each).
    ///
    /// # Errors
    /// Everything that is wrong with the files, each problem with its place.
    pub fn read_files(files: &[(String, String)]) -> Result<Vec<Self>, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut sources = Vec::new();
        for (file, text) in files {
            match Mapping::read(file, text).and_then(|(mapping, written)| {
                let failed = failures(&mapping, &written, file);
                if failed.is_empty() { Ok((mapping, written)) } else { Err(failed) }
            }) {
                Ok((mapping, written)) => {
                    sources
                        .push(Self(Arc::new(Known { name: written.source, reader: Reader::Added(mapping) })));
                }
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() { Ok(sources) } else { Err(problems) }
    }

    /// The name in the URL path.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.name
    }

    /// What its door does before the body is read.
    #[must_use]
    pub fn door(&self) -> &DoorRule {
        static GENERIC: LazyLock<DoorRule> =
            LazyLock::new(|| DoorRule { methods: vec![Method::Put], ..DoorRule::default() });
        static PLAIN: LazyLock<DoorRule> = LazyLock::new(DoorRule::default);
        match &self.0.reader {
            Reader::Rust(_) if self.id() == "generic" => &GENERIC,
            Reader::Rust(_) => &PLAIN,
            Reader::Added(mapping) => mapping.door(),
            Reader::Shipped(text, compiled) => {
                compiled.get_or_init(|| compile(self.id(), text)).as_ref().map_or(&PLAIN, Mapping::door)
            }
        }
    }

    /// The system, for people.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.0.reader {
            Reader::Rust(_) if self.id() == "generic" => "Anything that posts our own fields".to_owned(),
            Reader::Rust(_) => "Prometheus Alertmanager".to_owned(),
            Reader::Added(mapping) => mapping.title().to_owned(),
            Reader::Shipped(text, _) => {
                let title = text.lines().find_map(|line| line.strip_prefix("title: "));
                title.unwrap_or(self.id()).trim_matches(['"', '\'']).to_owned()
            }
        }
    }

    /// Whether reading takes microseconds and needs no thread of its own.
    #[must_use]
    pub fn is_quick(&self) -> bool {
        matches!(self.0.reader, Reader::Rust(_))
    }

    /// Reads a delivery of which only the body is known.
    ///
    /// # Errors
    /// [`NotThisSource`] when the body has none of this source's marks.
    pub fn read(&self, body: &Value) -> Result<Understood, NotThisSource> {
        self.read_with(&Arc::new(body.clone()), &BTreeMap::new())
    }

    /// Reads a delivery: its body and its headers, their names in lower case.
    ///
    /// # Errors
    /// [`NotThisSource`] when the body has none of this source's marks.
    pub fn read_with(
        &self,
        body: &Arc<Value>,
        headers: &BTreeMap<String, String>,
    ) -> Result<Understood, NotThisSource> {
        match &self.0.reader {
            Reader::Rust(parse) => parse(body),
            Reader::Added(mapping) => mapping.understand(body, headers),
            Reader::Shipped(text, compiled) => match compiled.get_or_init(|| compile(self.id(), text)) {
                Ok(mapping) => mapping.understand(body, headers),
                Err(problem) => {
                    Err(NotThisSource { source_name: self.id().to_owned(), why: problem.to_string() })
                }
            },
        }
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|it| it.to_ascii_lowercase()).collect()
}

fn compile(name: &str, text: &str) -> Result<Mapping, Problem> {
    let file = format!("sources/{name}.yaml");
    let read = Mapping::read(&file, text);
    let first = |problems: Vec<Problem>| problems.into_iter().next();
    read.map(|(mapping, _)| mapping)
        .map_err(|problems| first(problems).unwrap_or_else(|| Problem::of_file(&file, "it cannot be read")))
}

static ALL: LazyLock<BTreeMap<String, Source>> = LazyLock::new(|| {
    let rust: [(&str, Parse); 2] = [("alertmanager", alertmanager::parse), ("generic", generic::parse)];
    let rust = rust.into_iter().map(|(name, parse)| (name, Reader::Rust(parse)));
    let shipped = SHIPPED.iter().map(|(name, text)| (*name, Reader::Shipped(text, OnceLock::new())));
    let known = |(name, reader): (&str, Reader)| {
        (name.to_owned(), Source(Arc::new(Known { name: name.to_owned(), reader })))
    };
    rust.chain(shipped).map(known).collect()
});

/// The samples of a mapping that become something else than they say.
#[must_use]
pub fn failures(mapping: &Mapping, written: &MappingFile, file: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for sample in &written.samples {
        let body = crate::alert::body::read(sample.body.as_bytes());
        let understood = body.and_then(|body| {
            mapping.understand(&body, &sample.headers).map_err(|refused| refused.to_string())
        });
        let why = match understood {
            Ok(understood) => sample.differs(&understood),
            Err(why) => Some(why),
        };
        problems.extend(why.map(|why| Problem::of_file(file, format!("sample \"{}\": {why}", sample.shows))));
    }
    problems
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for Source {}

impl PartialOrd for Source {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Source {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id().cmp(other.id())
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}
