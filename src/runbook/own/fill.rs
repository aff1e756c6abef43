//! Handlebars in a runbook's strings, filled with what the alerts say.
//!
//! Strict: a name nobody knows is a problem, told by the lint. Nothing is escaped here: what a sentence becomes in a chat or an
//! issue is neutralised there.

use std::sync::LazyLock;

use handlebars::{Handlebars, no_escape};
use regex::Regex;
use serde_json::{Map, Value, json};

use crate::incident::Incident;

/// What may stand between `{{` and `}}`, besides `labels.NAME`.
pub const VARIABLES: &[&str] =
    &["service", "endpoint", "environment", "region", "status", "error", "severity", "title", "source"];

static LABEL: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\blabels\.([A-Za-z_][A-Za-z0-9_]*)").expect("a constant pattern"));

static ENGINE: LazyLock<Handlebars<'static>> = LazyLock::new(|| {
    let mut engine = Handlebars::new();
    engine.set_strict_mode(true);
    engine.register_escape_fn(no_escape);
    engine
});

/// What an incident's alerts say, by variable.
pub(super) struct Values(Map<String, Value>);

impl Values {
    pub(super) fn of(incident: &Incident) -> Self {
        let said =
            |pick: &dyn Fn(&crate::alert::Alert) -> Option<String>| incident.alerts.iter().find_map(pick);
        let mut values = Map::new();
        let known = [
            ("service", incident.service().map(str::to_owned)),
            ("endpoint", incident.endpoint().map(str::to_owned)),
            ("environment", said(&|it| it.environment.clone())),
            ("region", said(&|it| it.region.clone())),
            ("status", said(&|it| it.http_status.map(|code| code.to_string()))),
            ("error", said(&|it| it.error.map(|error| error.id().to_owned()))),
            ("severity", Some(incident.severity().id().to_owned())),
            ("title", Some(incident.title().to_owned())),
            ("source", said(&|it| Some(it.source.clone()))),
        ];
        values.extend(known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))));
        let labels: Map<String, Value> = incident
            .alerts
            .iter()
            .rev()
            .flat_map(|alert| alert.labels.iter().map(|(name, value)| (name.clone(), json!(value))))
            .collect();
        values.insert("labels".to_owned(), Value::Object(labels));
        Self(values)
    }

    /// The text with its values; `None` when one is not known.
    pub(super) fn strict(&self, text: &str) -> Option<String> {
        ENGINE.render_template(text, &self.0).ok()
    }

    /// The text with its values, and `unknown` for what nobody said.
    pub(super) fn sentence(&self, text: &str) -> String {
        let mut values = self.0.clone();
        for name in VARIABLES {
            values.entry(*name).or_insert_with(|| json!("unknown"));
        }
        if let Some(Value::Object(labels)) = values.get_mut("labels") {
            for found in LABEL.captures_iter(text) {
                labels.entry(&found[1]).or_insert_with(|| json!("unknown"));
            }
        }
        ENGINE.render_template(text, &values).unwrap_or_else(|_| text.to_owned())
    }
}

/// What is wrong with a text: the word it is about (empty when it is the whole), and the message.
pub(super) fn fault(text: &str) -> Option<(String, String)> {
    let mut values: Map<String, Value> =
        VARIABLES.iter().map(|name| ((*name).to_owned(), json!("x"))).collect();
    let labels = LABEL.captures_iter(text).map(|found| (found[1].to_owned(), json!("x"))).collect();
    values.insert("labels".to_owned(), Value::Object(labels));
    let error = ENGINE.render_template(text, &values).err()?;
    let said = error.to_string();
    let unknown = names(text)
        .into_iter()
        .find(|name| !VARIABLES.contains(&name.as_str()) && !name.starts_with("labels."));
    Some(match unknown {
        Some(name) => {
            let message = format!(
                "`{{{{{name}}}}}` is not known here; there are {} and labels.NAME",
                VARIABLES.join(", ")
            );
            (name, message)
        }
        None => (String::new(), format!("no handlebars: {}", said.lines().last().unwrap_or_default().trim())),
    })
}

/// The plain names between braces.
pub(super) fn names(text: &str) -> Vec<String> {
    static NAME: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\{\{\{?\s*(?:[#/]\w+\s+)?([\w.]+)\s*\}?\}\}").expect("a constant pattern")
    });
    NAME.captures_iter(text).map(|found| found[1].to_owned()).collect()
}
