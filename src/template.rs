//! All wording that leaves the house, as handlebars templates under `templates/`, shipped inside the program.
//!
//! What `{{value}}` does is decided by the template's folder, so that foreign text cannot be forgotten: in `console/*` it
//! is escaped for HTML, in `terminal/*` stripped of control characters, everywhere else neutralised for Markdown
//! ([`neutral::inline`]). `{{{value}}}` is for our own words only. A misspelt field is an error, not an empty place: the
//! templates are strict.
//!
//! Helpers of the console: `foreign` (somebody else's text, in its place and cut), `brief` (on one line), `spoken` (our sentence with code spans), `when TIME ["date"|"age"]`.
//!
//! Helpers: `percent` (0.93 → `93 %`), `seconds` (84.2 → `1 min 24 s`), `millis` (1520 → `1.52 s`), `clock` (a time → its
//! `10:02:00`), `moment` (`2026-03-01 10:02:00 UTC`), `decibans`, `prose` (our sentence with code spans and foreign words in it), `code`, `cell` (code in a table), `fence VALUE "lang"`, `json VALUE` (pretty), and handlebars' own `eq`, `and`, `not`, `len`, …
//! For the terminal alone ([`marked`]): `tone TONE words…`, `mark NAME`, `pick RICH ASCII TONE`, `rule TONE RIGHT title…`, `label WORD`, and
//! `words …` (all of them, or nothing when one is missing).

use std::collections::BTreeMap;

use handlebars::{Context, Handlebars, Helper, HelperResult, Output, RenderContext, html_escape};
use serde::Serialize;
use serde_json::Value;

mod lint;
pub mod marked;
pub mod html;
pub mod neutral;

/// Columns of a label in a terminal: the longest is `mitigation`.
pub const LABEL: usize = 12;

/// The templates that ship with the program, by name. Add yours here.
const BUILTIN: &[(&str, &str)] = &[
    ("console/bars", include_str!("../templates/console/bars.hbs")),
    ("console/board", include_str!("../templates/console/board.hbs")),
    ("console/board/open", include_str!("../templates/console/board/open.hbs")),
    ("console/board/recent", include_str!("../templates/console/board/recent.hbs")),
    ("console/board/row", include_str!("../templates/console/board/row.hbs")),
    ("console/clarity", include_str!("../templates/console/clarity.hbs")),
    ("console/deliveries", include_str!("../templates/console/deliveries.hbs")),
    ("console/evidence", include_str!("../templates/console/evidence.hbs")),
    ("console/foot", include_str!("../templates/console/foot.hbs")),
    ("console/login", include_str!("../templates/console/login.hbs")),
    ("console/head", include_str!("../templates/console/head.hbs")),
    ("console/incident", include_str!("../templates/console/incident.hbs")),
    ("console/incident/belief", include_str!("../templates/console/incident/belief.hbs")),
    ("console/incident/causes", include_str!("../templates/console/incident/causes.hbs")),
    ("console/incident/checks", include_str!("../templates/console/incident/checks.hbs")),
    ("console/incident/head", include_str!("../templates/console/incident/head.hbs")),
    ("console/incident/question", include_str!("../templates/console/incident/question.hbs")),
    ("console/incident/thread", include_str!("../templates/console/incident/thread.hbs")),
    ("console/incident/timeline", include_str!("../templates/console/incident/timeline.hbs")),
    ("console/runbooks", include_str!("../templates/console/runbooks.hbs")),
    ("console/sources", include_str!("../templates/console/sources.hbs")),
    ("evidence", include_str!("../templates/evidence.hbs")),
    ("evidence/captured", include_str!("../templates/evidence/captured.hbs")),
    ("issue", include_str!("../templates/issue.hbs")),
    ("pictures/timeline", include_str!("../templates/pictures/timeline.hbs")),
    ("pictures/waterfall", include_str!("../templates/pictures/waterfall.hbs")),
    ("terminal/answered", include_str!("../templates/terminal/answered.hbs")),
    ("terminal/check", include_str!("../templates/terminal/check.hbs")),
    ("terminal/concluded", include_str!("../templates/terminal/concluded.hbs")),
    ("terminal/note", include_str!("../templates/terminal/note.hbs")),
    ("terminal/opened", include_str!("../templates/terminal/opened.hbs")),
    ("terminal/question", include_str!("../templates/terminal/question.hbs")),
    ("thread/answered", include_str!("../templates/thread/answered.hbs")),
    ("thread/concluded", include_str!("../templates/thread/concluded.hbs")),
    ("thread/head", include_str!("../templates/thread/head.hbs")),
    ("thread/note", include_str!("../templates/thread/note.hbs")),
    ("thread/report", include_str!("../templates/thread/report.hbs")),
    ("thread/question", include_str!("../templates/thread/question.hbs")),
];

/// A template that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No template has this name.
    #[error("no template is called `{name}`; there are {}", known.join(", "))]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// The text is no template.
    #[error("templates/{name}.hbs:{line}:{column}: {message}")]
    Syntax {
        /// The template.
        name: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// It names something that there is not.
    #[error("templates/{name}.hbs:{line}:{column}: {message}")]
    Lint {
        /// The template.
        name: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// It does not fit what it was given: a field is missing, or a helper cannot use a value.
    #[error("templates/{name}.hbs{}: {message}", line.map(|line| format!(":{line}")).unwrap_or_default())]
    Render {
        /// The template.
        name: String,
        /// The line, where it is known.
        line: Option<usize>,
        /// What is wrong.
        message: String,
    },
}

/// What `{{value}}` does in a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    Markdown,
    Html,
    Terminal,
}

impl Escape {
    /// The folder decides.
    fn of(name: &str) -> Self {
        match name.split_once('/') {
            Some(("console" | "pictures", _)) => Self::Html,
            Some(("terminal", _)) => Self::Terminal,
            _ => Self::Markdown,
        }
    }
}

/// Every template, compiled.
#[derive(Debug, Clone)]
pub struct Templates {
    markdown: Handlebars<'static>,
    html: Handlebars<'static>,
    terminal: Handlebars<'static>,
}

impl Templates {
    /// The templates that ship with the program.
    ///
    /// # Panics
    /// Never: a test compiles every one of them.
    #[must_use]
    pub fn builtin() -> Self {
        let mut templates = Self {
            markdown: registry(neutral::inline),
            html: registry(|text| html_escape(&neutral::plain(text))),
            terminal: terminal_registry(),
        };
        for (name, text) in BUILTIN {
            templates.register(name, text).expect("a test compiles every built-in template");
        }
        templates
    }

    /// The same, with some templates replaced by `(name, text)`.
    ///
    /// # Errors
    /// [`TemplateError::Unknown`] when a name replaces nothing, [`TemplateError::Syntax`] when a text does not compile.
    pub fn with_overrides<'a>(
        mut self,
        overrides: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, TemplateError> {
        for (name, text) in overrides {
            if !self.of(name).has_template(name) {
                return Err(Self::unknown(name));
            }
            self.register(name, text)?;
        }
        Ok(self)
    }

    /// Fills the template of this name with these values.
    ///
    /// # Errors
    /// [`TemplateError::Unknown`] for a name there is not, [`TemplateError::Render`] when a field is missing or unfit.
    pub fn render(&self, name: &str, values: &impl Serialize) -> Result<String, TemplateError> {
        let registry = self.of(name);
        if !registry.has_template(name) {
            return Err(Self::unknown(name));
        }
        registry.render(name, values).map_err(|error| TemplateError::Render {
            name: error.template_name.clone().unwrap_or_else(|| name.to_owned()),
            line: error.line_no,
            message: error.reason().to_string(),
        })
    }

    fn of(&self, name: &str) -> &Handlebars<'static> {
        match Escape::of(name) {
            Escape::Markdown => &self.markdown,
            Escape::Html => &self.html,
            Escape::Terminal => &self.terminal,
        }
    }

    fn register(&mut self, name: &str, text: &str) -> Result<(), TemplateError> {
        let registry = match Escape::of(name) {
            Escape::Markdown => &mut self.markdown,
            Escape::Html => &mut self.html,
            Escape::Terminal => &mut self.terminal,
        };
        registry.register_template_string(name, text).map_err(|error| {
            let (line, column) = error.pos().unwrap_or((1, 1));
            TemplateError::Syntax { name: name.to_owned(), line, column, message: error.reason().to_string() }
        })
    }

    fn unknown(name: &str) -> TemplateError {
        let known = BUILTIN.iter().map(|(name, _)| (*name).to_owned()).collect();
        TemplateError::Unknown { name: name.to_owned(), known }
    }
}

/// The names of our helpers, in every folder.
const HELPERS: &[&str] = &[
    "percent", "seconds", "millis", "clock", "moment", "prose", "decibans", "code", "cell", "fence", "json",
    "tone", "mark", "pick", "rule", "label", "words", "spoken", "foreign", "brief", "when",
];

/// Writes what stands in a helper's place.
type Writer = fn(&Helper<'_>) -> String;

fn registry(escape: fn(&str) -> String) -> Handlebars<'static> {
    // What helpers write is not escaped again: each returns text that is fit for its place.
    let helpers: BTreeMap<&str, Writer> = BTreeMap::from([
        ("percent", (|h| percent(number(h))) as Writer),
        ("seconds", |h| seconds(number(h))),
        ("millis", |h| millis(number(h))),
        ("clock", |h| clock(&text(h, 0), "%H:%M:%S")),
        ("moment", |h| clock(&text(h, 0), "%Y-%m-%d %H:%M:%S UTC")),
        ("prose", |h| neutral::prose(&text(h, 0))),
        ("decibans", |h| decibans(number(h))),
        ("code", |h| neutral::code(&text(h, 0))),
        ("cell", |h| neutral::cell(&text(h, 0))),
        ("fence", |h| neutral::fence(&text(h, 0), &text(h, 1))),
        ("json", |h| pretty(h)),
        ("spoken", |h| html::spoken(&text(h, 0))),
        ("foreign", |h| html::foreign(&text(h, 0))),
        ("brief", |h| html::brief(&text(h, 0))),
        ("when", |h| html::when(&text(h, 0), &text(h, 1))),
    ]);
    let mut registry = Handlebars::new();
    registry.set_strict_mode(true);
    registry.register_escape_fn(escape);
    teach(&mut registry, helpers);
    registry
}

/// Tones and marks are the terminal's alone: a helper hides a field of its name.
fn terminal_registry() -> Handlebars<'static> {
    let mut registry = registry(marked::words);
    let helpers: BTreeMap<&str, Writer> = BTreeMap::from([
        ("tone", (|h| marked::tone(&text(h, 0), &joined(h, 1))) as Writer),
        ("mark", |h| marked::mark(&text(h, 0))),
        ("pick", |h| marked::pick(&text(h, 0), &text(h, 1), &text(h, 2))),
        ("rule", |h| marked::rule(&text(h, 0), &text(h, 1), &joined(h, 2))),
        ("label", |h| marked::tone("dim", &format!("  {:<LABEL$}", text(h, 0)))),
        ("words", |h| if is_whole(h) { joined(h, 0) } else { String::new() }),
    ]);
    teach(&mut registry, helpers);
    registry
}

fn teach(registry: &mut Handlebars<'static>, helpers: BTreeMap<&str, Writer>) {
    for (name, write) in helpers {
        debug_assert!(HELPERS.contains(&name), "{name} is a helper that the lint knows");
        let helper = move |h: &Helper<'_>,
                           _: &Handlebars<'_>,
                           _: &Context,
                           _: &mut RenderContext<'_, '_>,
                           out: &mut dyn Output|
              -> HelperResult { Ok(out.write(&write(h))?) };
        registry.register_helper(name, Box::new(helper));
    }
}

fn text(helper: &Helper<'_>, place: usize) -> String {
    match helper.param(place).map(handlebars::PathAndJson::value) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// The parameters from this place on, one after the other.
fn joined(helper: &Helper<'_>, from: usize) -> String {
    (from..helper.params().len()).map(|place| text(helper, place)).collect()
}

/// Whether every parameter has a value.
fn is_whole(helper: &Helper<'_>) -> bool {
    helper.params().iter().all(|param| !param.value().is_null())
}

fn number(helper: &Helper<'_>) -> Option<f64> {
    helper.param(0).and_then(|param| param.value().as_f64())
}

fn pretty(helper: &Helper<'_>) -> String {
    let value = helper.param(0).map_or(&Value::Null, |param| param.value());
    neutral::fence(&serde_json::to_string_pretty(value).unwrap_or_default(), "json")
}

/// A probability for people: whole percent, and never 0 % or 100 % for what is neither.
#[must_use]
pub fn percent(share: Option<f64>) -> String {
    match share {
        None => "unknown".to_owned(),
        Some(share) if share > 0.0 && share < 0.01 => "< 1 %".to_owned(),
        Some(share) if share < 1.0 && share > 0.99 => "> 99 %".to_owned(),
        Some(share) => format!("{:.0} %", share * 100.0),
    }
}

/// The weight of evidence for people: `+12 dB`, in tenths of a power of ten.
fn decibans(weight: Option<f64>) -> String {
    weight.map_or_else(|| "unknown".to_owned(), |weight| format!("{weight:+.0} dB"))
}

/// A span in seconds for people: `350 ms`, `8.2 s`, `1 min 24 s`, `2 h 5 min`, `3 d 4 h`.
#[must_use]
pub fn seconds(span: Option<f64>) -> String {
    let Some(span) = span else { return "unknown".to_owned() };
    if span.abs() < 60.0 {
        return millis(Some(span * 1000.0));
    }
    #[expect(clippy::cast_possible_truncation, reason = "a span of years in whole seconds fits an i64")]
    let whole = span.round() as i64;
    let (days, hours, minutes, rest) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    match (days, hours) {
        (0, 0) => two(minutes, "min", rest, "s"),
        (0, _) => two(hours, "h", minutes, "min"),
        _ => two(days, "d", hours, "h"),
    }
}

fn two(large: i64, unit: &str, small: i64, small_unit: &str) -> String {
    if small == 0 { format!("{large} {unit}") } else { format!("{large} {unit} {small} {small_unit}") }
}

/// A span in milliseconds for people: `0.4 ms`, `12 ms`, `1.52 s`.
#[must_use]
pub fn millis(span: Option<f64>) -> String {
    match span {
        None => "unknown".to_owned(),
        Some(span) if span >= 60_000.0 => seconds(Some(span / 1000.0)),
        Some(span) if span >= 10_000.0 => format!("{:.1} s", span / 1000.0),
        Some(span) if span >= 1000.0 => format!("{:.2} s", span / 1000.0),
        Some(span) if span >= 10.0 || span == 0.0 => format!("{span:.0} ms"),
        Some(span) => format!("{span:.1} ms"),
    }
}

/// An RFC 3339 time, in UTC, as `strftime` writes it; other text is neutralised and kept.
fn clock(time: &str, format: &str) -> String {
    match time.parse::<jiff::Timestamp>() {
        Ok(at) => at.strftime(format).to_string(),
        Err(_) => neutral::inline(time),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(template: &str, values: &Value, expected: &str) {
        let templates = Templates::builtin().with_overrides([("issue", template)]).unwrap();
        assert_eq!(templates.render("issue", values).unwrap().replace(neutral::BREAK, "·"), expected);
    }

    #[test]
    fn every_builtin_compiles_and_names_its_file() {
        let _compiled = Templates::builtin();
        for (name, _) in BUILTIN {
            let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
            assert!(root.join(format!("{name}.hbs")).is_file(), "{name}");
        }
    }

    #[test]
    fn foreign_text_is_neutral_unless_the_template_says_otherwise() {
        check("{{x}} {{{x}}}", &json!({"x": "@team *"}), "@·team \\* @team *");
        check("{{code x}}", &json!({"x": "@team `"}), "`` @team ` ``");
        check("{{#if x}}a{{else}}b{{/if}}", &json!({"x": null}), "b");
    }

    #[test]
    fn a_console_template_is_escaped_for_html() {
        let mut templates = Templates::builtin();
        templates.register("console/x", "{{x}}").unwrap();
        templates.register("terminal/x", "{{x}}").unwrap();
        assert_eq!(templates.render("console/x", &json!({"x": "<b>&"})).unwrap(), "&lt;b&gt;&amp;");
        assert_eq!(templates.render("terminal/x", &json!({"x": "a*\u{7}"})).unwrap(), "a*");
    }

    #[test]
    fn numbers_are_written_for_people() {
        check("{{percent x}}", &json!({"x": 0.934}), "93 %");
        check("{{percent x}}", &json!({"x": 0.9991}), "> 99 %");
        check("{{seconds x}}", &json!({"x": 84.2}), "1 min 24 s");
        check("{{seconds x}}", &json!({"x": 7500}), "2 h 5 min");
        check("{{seconds x}}", &json!({"x": null}), "unknown");
        check("{{millis x}}", &json!({"x": 1520.0}), "1.52 s");
        check("{{moment x}}", &json!({"x": "2026-03-01T10:02:00.5Z"}), "2026-03-01 10:02:00 UTC");
        check("{{clock x}}", &json!({"x": "2026-03-01T10:02:00.5Z"}), "10:02:00");
    }

    #[test]
    fn a_misspelt_field_is_an_error_with_its_line() {
        let templates = Templates::builtin().with_overrides([("issue", "a\n{{titel}}")]).unwrap();
        let error = templates.render("issue", &json!({"title": 1})).unwrap_err();
        assert!(error.to_string().starts_with("templates/issue.hbs:2: "), "{error}");
    }

    #[test]
    fn a_bad_override_is_refused_at_load() {
        let error = Templates::builtin().with_overrides([("isue", "")]).unwrap_err();
        assert!(error.to_string().contains("issue"), "{error}");
        let error = Templates::builtin().with_overrides([("issue", "x\n{{#if")]).unwrap_err();
        assert!(matches!(error, TemplateError::Syntax { line: 2, .. }), "{error}");
    }
}
