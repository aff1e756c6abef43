//! The pack as an issue and as Markdown.

use serde::{Deserialize, Serialize};

use crate::evidence::Pack;
use crate::template::{TemplateError, Templates};

/// An issue as it should stand in the tracker now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Issue {
    /// At most 256 characters.
    pub title: String,
    /// Markdown, at most 65,536 characters, with the incident's marker in its first line.
    pub body: String,
    /// `bucket:…`, `severity:…`, `service:…`.
    pub labels: Vec<String>,
    /// The date (`2026-03-01`) the incident opened: in the name of a file.
    pub opened_on: String,
    /// Whether nothing more is expected.
    pub closed: bool,
    /// What happened after the issue was filed, each told once, in order.
    pub news: Vec<News>,
}

/// Something worth a comment: it happened after the conclusion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// What tells it from the incident's other news: `resolved`, `reclassified-auth`.
    pub key: String,
    /// Markdown.
    pub text: String,
}

/// The issue for this pack.
///
/// # Errors
/// [`TemplateError`] when a template (an overridden one, in practice) does not fit the pack.
pub fn issue(templates: &Templates, pack: &Pack) -> Result<Issue, TemplateError> {
    Ok(Issue {
        title: pack.title.clone(),
        body: format!("<!-- firstcheck:{} -->\n{}", pack.incident, templates.render("issue", pack)?),
        labels: Vec::new(),
        opened_on: "1970-01-01".to_owned(),
        closed: false,
        news: Vec::new(),
    })
}

/// The pack as a Markdown document.
///
/// # Errors
/// As [`issue`].
pub fn markdown(templates: &Templates, pack: &Pack) -> Result<String, TemplateError> {
    templates.render("evidence", pack)
}
