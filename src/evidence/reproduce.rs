//! The failing request as a command to send again: what is redacted or unknown stands as a placeholder in angle brackets.
//!
//! Made from the redacted request only, so that it cannot say more than the pack. What surprises: a shell would take
//! `<name>` for a redirection, and curl would take `{id}` and `[…]` for a range; every argument is quoted and `--globoff` set.

use std::sync::LazyLock;

use regex::Regex;

use super::reading::public_url;
use super::{Request, shape};
use crate::incident::Incident;
use crate::outcome::{CheckKind, Role};
use crate::request::FailingRequest;

/// What a template of a path calls its ids.
static SEGMENT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{([A-Za-z][A-Za-z0-9_-]*)\}").expect("a constant pattern"));

/// The command; one option a line.
pub(super) fn command(request: &Request, failing: Option<&FailingRequest>, incident: &Incident) -> String {
    let scheme = failing.and_then(|it| it.scheme.clone()).or_else(|| {
        let url = public_url(incident)?;
        url.split_once("://").map(|(scheme, _)| scheme.to_owned())
    });
    let host = request.host.clone().or_else(|| {
        let url = public_url(incident)?;
        url.split_once("://")?.1.split(['/', '?']).next().map(str::to_owned)
    });
    let query: Vec<String> =
        request.query.iter().map(|it| format!("{}={}", it.name, held(&it.name, &it.value))).collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    let url = format!(
        "{}://{}{}{query}",
        scheme.as_deref().unwrap_or("https"),
        host.as_deref().unwrap_or("<host>"),
        SEGMENT.replace_all(&held("value", &request.path), "<$1>"),
    );
    let probed = || {
        let mut steps = incident.steps.iter().map(|it| &it.step);
        steps.find(|it| it.check == CheckKind::Http && it.role == Role::Service)?.with.get("method").cloned()
    };
    let mut out = "curl --globoff --include --max-time 60".to_owned();
    if let Some(method) = request.method.clone().or_else(probed) {
        out.push_str(" -X ");
        out.push_str(&quoted(&method));
    }
    out.push(' ');
    out.push_str(&quoted(&url));
    let mut option = |name: &str, value: &str| {
        out.push_str(" \\\n  ");
        out.push_str(name);
        out.push(' ');
        out.push_str(&quoted(value));
    };
    for header in &request.headers {
        option("-H", &format!("{}: {}", header.name, held(&header.name, &header.value)));
    }
    let is_authorized = request.headers.iter().any(|it| it.name.eq_ignore_ascii_case("authorization"));
    if !is_authorized && failing.is_none() && incident.profile.token.is_some() {
        option("-H", "Authorization: Bearer <token>");
    }
    let carries = matches!(request.method.as_deref(), Some("POST" | "PUT" | "PATCH"));
    match request.body.as_deref().filter(|it| !it.starts_with("not in the text")) {
        Some(body) => option("--data-raw", &held("value", body)),
        // A pasted request without a body had none; of one that is only told of, the body is unknown.
        None if carries && (request.body.is_some() || failing.is_none()) => option("--data-raw", "<body>"),
        None => {}
    }
    out
}

/// A value with its shapes (`[text:16~805d462c]`) as placeholders, named after what holds them.
fn held(name: &str, value: &str) -> String {
    let name: String = name
        .to_ascii_lowercase()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '_')
        .collect();
    shape::MARK
        .replace_all(value, |found: &regex::Captures<'_>| {
            let kind =
                found[0].trim_start_matches(['\\', '[']).split(':').next().unwrap_or_default().to_owned();
            let is_vague = matches!(
                kind.as_str(),
                "text" | "word" | "letters" | "digits" | "hex" | "base64" | "authorization"
            );
            if is_vague && name != "value" { format!("<{name}>") } else { format!("<{kind}>") }
        })
        .into_owned()
}

/// In single quotes, as a POSIX shell reads it back.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_become_placeholders_named_after_what_holds_them() {
        assert_eq!(held("email", "[text:16~805d462c]"), "<email>");
        assert_eq!(held("Authorization", "Bearer [authorization:16~2dc8352f]"), "Bearer <authorization>");
        assert_eq!(held("Authorization", "Bearer [jwt:256~2dc8352f]"), "Bearer <jwt>");
        assert_eq!(held("value", r#"{"a":"[text:8~220ce656]"}"#), r#"{"a":"<text>"}"#);
        assert_eq!(held("format", "pdf"), "pdf");
    }
}
