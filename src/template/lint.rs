//! Templates of the user's own, read before they are needed: a variable that nothing fills in, a helper or a partial that there
//! is not, each at its line and column. Otherwise the first incident would find it, when its issue is to be filed.
//!
//! A name is known when a shipped template uses it, or when it is a field of a described document (the evidence pack): no
//! context is followed, so that a known name in the wrong place is still an error of rendering.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use handlebars::template::{
    BlockParam, DecoratorTemplate, HelperTemplate, Parameter, Template, TemplateElement,
};
use serde_json::Value;

use super::{BUILTIN, TemplateError, Templates};

/// Fields that no shipped template uses: of the documents that `console/*` and the chats are given.
const UNUSED: &str = "\
    alert alert_count asked asked_at passed_to assignee at because bucket buckets causes choice concluded_at dependency entries error expected_bucket \
    facts help human_wait_s id incident is_open issue_reference key mitigation mttc_s mttd_s mttr_s name next open_questions picked_at question \
    reference report resolved_at runner_up service severity snoozed_until started_at state stopped target text title url when who";

/// Helpers of handlebars itself.
const HELPERS: &str = "\
    if unless each with lookup raw log eq ne gt gte lt lte and or not len \
    lowerCamelCase upperCamelCase snakeCase kebabCase shoutySnakeCase shoutyKebabCase titleCase trainCase else";

static NAMES: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let mut names: BTreeSet<String> = UNUSED.split_ascii_whitespace().map(str::to_owned).collect();
    for (_, text) in BUILTIN {
        let template = Template::compile(text).expect("a test compiles every built-in template");
        let mut used = Used::default();
        used.template(&template);
        names.extend(used.variables.into_iter().flat_map(|it| words(&it.name)));
        names.extend(used.locals);
    }
    names
});

/// The names of all fields that a JSON Schema describes.
fn fields(schema: &Value, names: &mut BTreeSet<String>) {
    match schema {
        Value::Object(parts) => {
            if let Some(Value::Object(properties)) = parts.get("properties") {
                names.extend(properties.keys().cloned());
            }
            parts.values().for_each(|part| fields(part, names));
        }
        Value::Array(parts) => parts.iter().for_each(|part| fields(part, names)),
        _ => {}
    }
}

/// Something a template names, and where.
#[derive(Debug)]
struct Named {
    name: String,
    line: usize,
    column: usize,
}

/// What a template uses.
#[derive(Debug, Default)]
struct Used {
    variables: Vec<Named>,
    helpers: Vec<Named>,
    partials: Vec<Named>,
    /// Names that its blocks give (`as |item|`).
    locals: BTreeSet<String>,
    place: (usize, usize),
}

impl Used {
    fn template(&mut self, template: &Template) {
        for (element, place) in template.elements.iter().zip(&template.mapping) {
            self.place = (place.0, place.1);
            match element {
                TemplateElement::HtmlExpression(it)
                | TemplateElement::Expression(it)
                | TemplateElement::HelperBlock(it) => {
                    self.expression(it);
                }
                TemplateElement::PartialExpression(it) | TemplateElement::PartialBlock(it) => {
                    self.partial(it);
                }
                TemplateElement::DecoratorExpression(it) | TemplateElement::DecoratorBlock(it) => {
                    self.inside(it);
                }
                // Text and comments name nothing.
                _ => {}
            }
        }
    }

    fn expression(&mut self, it: &HelperTemplate) {
        let is_variable = !it.block && it.params.is_empty() && it.hash.is_empty();
        if is_variable {
            self.parameter(&it.name);
        } else if let Some(name) = it.name.as_name() {
            self.helpers.push(self.named(name));
        }
        it.params.iter().chain(it.hash.values()).for_each(|it| self.parameter(it));
        let given: Vec<&Parameter> = match &it.block_param {
            Some(BlockParam::Single(one)) => vec![one],
            Some(BlockParam::Pair((one, other))) => vec![one, other],
            Some(_) | None => Vec::new(),
        };
        self.locals.extend(given.into_iter().filter_map(Parameter::as_name).map(str::to_owned));
        let place = self.place;
        it.template.iter().chain(&it.inverse).for_each(|inner| self.template(inner));
        self.place = place;
    }

    fn partial(&mut self, it: &DecoratorTemplate) {
        if let Parameter::Name(name) = &it.name {
            self.partials.push(self.named(name));
        } else if let Parameter::Path(_) = &it.name
            && let Some(name) = it.name.as_name()
        {
            self.partials.push(self.named(name));
        }
        // Its own variables are those of the other template.
        self.locals.extend(it.hash.keys().cloned());
        self.inside(it);
    }

    fn inside(&mut self, it: &DecoratorTemplate) {
        it.params.iter().chain(it.hash.values()).for_each(|it| self.parameter(it));
        let place = self.place;
        it.template.iter().for_each(|inner| self.template(inner));
        self.place = place;
    }

    fn parameter(&mut self, parameter: &Parameter) {
        match parameter {
            Parameter::Subexpression(it) => {
                if let TemplateElement::Expression(inner) = it.as_element() {
                    if let Some(name) = inner.name.as_name() {
                        self.helpers.push(self.named(name));
                    }
                    inner.params.iter().chain(inner.hash.values()).for_each(|it| self.parameter(it));
                }
            }
            Parameter::Literal(_) => {}
            other => self.variables.extend(other.as_name().map(|name| self.named(name))),
        }
    }

    fn named(&self, name: &str) -> Named {
        Named { name: name.to_owned(), line: self.place.0, column: self.place.1 }
    }
}

/// The fields that a path goes through: `../timeline.entries.[0].what` is `timeline`, `entries` and `what`.
fn words(path: &str) -> Vec<String> {
    if path.starts_with('@') && !path.starts_with("@root") {
        return Vec::new();
    }
    let parts = path.split(['.', '/']).map(|it| it.trim_matches(['[', ']', '"', '\'']));
    let is_field = |it: &&str| {
        !matches!(*it, "" | "this" | "@root")
            && !it.starts_with('@')
            && !it.bytes().all(|b| b.is_ascii_digit())
    };
    parts.filter(is_field).map(str::to_owned).collect()
}

impl Templates {
    /// What is wrong with the template of this name, as far as can be told without filling it in. `described` is the JSON Schema
    /// of what else templates are given: all its fields are known.
    ///
    /// # Errors
    /// [`TemplateError::Lint`], one for each problem, in order.
    pub fn lint(&self, name: &str, described: &Value) -> Result<(), Vec<TemplateError>> {
        let Some(template) = self.of(name).get_template(name) else { return Err(vec![Self::unknown(name)]) };
        let mut used = Used::default();
        used.template(template);
        let mut known = NAMES.clone();
        fields(described, &mut known);
        let mut problems = Vec::new();
        let mut problem = |it: &Named, message: String| {
            problems.push((it.line, it.column, message));
        };
        for it in &used.variables {
            let unknown =
                words(&it.name).into_iter().find(|it| !known.contains(it) && !used.locals.contains(it));
            if let Some(unknown) = unknown {
                let meant = closest(&unknown, known.iter().map(String::as_str));
                problem(it, format!("nothing fills in `{unknown}`{meant}"));
            }
        }
        let ours: Vec<&str> = super::HELPERS.to_vec();
        for it in &used.helpers {
            let known = || HELPERS.split_ascii_whitespace().chain(ours.iter().copied());
            if !known().any(|known| known == it.name) {
                let meant = closest(&it.name, known());
                problem(it, format!("no helper is called `{}`{meant}", it.name));
            }
        }
        for it in &used.partials {
            if it.name != "@partial-block" && !BUILTIN.iter().any(|(known, _)| *known == it.name) {
                let meant = closest(&it.name, BUILTIN.iter().map(|(known, _)| *known));
                problem(it, format!("no template is called `{}`{meant}", it.name));
            }
        }
        problems.sort();
        problems.dedup();
        let error =
            |(line, column, message)| TemplateError::Lint { name: name.to_owned(), line, column, message };
        if problems.is_empty() { Ok(()) } else { Err(problems.into_iter().map(error).collect()) }
    }
}

fn closest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    crate::yaml::closest(wrong, known).map_or_else(String::new, |it| format!("; did you mean `{it}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(name: &str, text: &str) -> Vec<String> {
        let templates = Templates::builtin().with_overrides([(name, text)]).unwrap();
        templates
            .lint(name, &crate::evidence::schema())
            .err()
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn every_shipped_template_is_good() {
        for (name, _) in BUILTIN {
            assert_eq!(Templates::builtin().lint(name, &Value::Null), Ok(()), "{name}");
        }
    }

    #[test]
    fn an_unknown_variable_is_told_with_its_line_and_column() {
        assert_eq!(
            problems("issue", "{{title}}\n{{#if checks}}\n  {{#each checks}}{{keey}}{{/each}}\n{{/if}}"),
            ["templates/issue.hbs:3:19: nothing fills in `keey`; did you mean `key`?"]
        );
        assert_eq!(
            problems("issue", "{{code tittle}}\n{{shout title}}\n{{> evidence/caught}}"),
            [
                "templates/issue.hbs:1:1: nothing fills in `tittle`; did you mean `title`?",
                "templates/issue.hbs:2:1: no helper is called `shout`",
                "templates/issue.hbs:3:1: no template is called `evidence/caught`; did you mean `evidence/captured`?",
            ]
        );
    }

    #[test]
    fn fields_that_no_shipped_template_shows_are_known() {
        let all = "{{hash}} {{schema}} {{#with classification}}{{runner_up_probability}}{{/with}} {{@root.title}} \
            {{#each checks as |check|}}{{check.took_ms}} {{@index}} {{../title}}{{/each}} {{timeline.entries.[0].what}}";
        assert_eq!(problems("issue", all), Vec::<String>::new());
        let described: Value = serde_json::from_str(include_str!("../server/openapi.json")).unwrap();
        let mut names = BTreeSet::new();
        fields(&described["components"]["schemas"]["Incident"], &mut names);
        assert!(names.len() > 20);
        let unknown: Vec<&String> = names.iter().filter(|it| !NAMES.contains(*it)).collect();
        assert_eq!(unknown, Vec::<&String>::new());
    }
}
