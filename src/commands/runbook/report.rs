//! Problems for people (with the line and a caret under the place), for programs, and for code scanning (SARIF 2.1.0).

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::yaml::Problem;

/// The problem, the line it is in, and a caret under the place.
pub(super) fn text(problem: &Problem, source: &str) -> String {
    let line = source.lines().nth(problem.line.wrapping_sub(1)).unwrap_or_default();
    if line.trim().is_empty() {
        return format!("{problem}\n");
    }
    let number = problem.line.to_string();
    let margin = " ".repeat(number.len());
    // A tab stays a tab, so that the caret stands under its letter whatever a tab is worth.
    let before = line.chars().take(problem.column.saturating_sub(1));
    let before: String = before.map(|letter| if letter == '\t' { '\t' } else { ' ' }).collect();
    format!("{problem}\n{margin} |\n{number} | {line}\n{margin} | {before}^\n")
}

/// One document: every problem with its place.
pub(super) fn json(problems: &[Problem]) -> anyhow::Result<String> {
    let problems: Vec<Value> = problems
        .iter()
        .map(|it| json!({"file": it.file, "line": it.line, "column": it.column, "message": it.message, "hint": it.hint}))
        .collect();
    written(&json!({ "problems": problems }))
}

/// One run of one tool (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/>). A problem of a file as a whole has no region.
pub(super) fn sarif(problems: &[Problem]) -> anyhow::Result<String> {
    let result = |it: &Problem| {
        let hint = it.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
        let mut place = json!({"artifactLocation": {"uri": uri(&it.file)}});
        if it.line > 0 {
            place["region"] = json!({"startLine": it.line, "startColumn": it.column.max(1)});
        }
        json!({
            "ruleId": "runbook",
            "ruleIndex": 0,
            "level": "error",
            "message": {"text": format!("{}{hint}", it.message)},
            "locations": [{"physicalLocation": place}],
        })
    };
    let rule = json!({"id": "runbook", "shortDescription": {"text": "A runbook that cannot be used as it is written"}});
    let driver = json!({"name": "firstcheck", "version": env!("CARGO_PKG_VERSION"), "rules": [rule]});
    written(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": driver},
            "columnKind": "unicodeCodePoints",
            "results": problems.iter().map(result).collect::<Vec<_>>(),
        }],
    }))
}

/// A path as a relative reference (RFC 3986): what may not stand in one is percent-encoded.
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte);
    path.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn written(document: &Value) -> anyhow::Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(document).context("writing JSON")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_place() {
        let problem = Problem::at("a b.yaml", (2, 4), "no").did_you_mean("valud", ["valid"]);
        let told = text(&problem, "x: 1\n\ty: valud\n");
        assert_eq!(told, "a b.yaml:2:4: no; did you mean `valid`?\n  |\n2 | \ty: valud\n  | \t  ^\n");
        assert_eq!(text(&Problem::of_file("a.yaml", "gone"), ""), "a.yaml: gone\n");
    }

    #[test]
    fn sarif_has_what_code_scanning_needs() {
        let problems = [Problem::at("a b.yaml", (2, 4), "no"), Problem::of_file("c.yaml", "gone")];
        let document: Value = serde_json::from_str(&sarif(&problems).unwrap()).unwrap();
        assert_eq!(document["version"], "2.1.0");
        let results = &document["runs"][0]["results"];
        let place = &results[0]["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a%20b.yaml");
        assert_eq!(place["region"], json!({"startLine": 2, "startColumn": 4}));
        assert!(results[1]["locations"][0]["physicalLocation"]["region"].is_null());
    }
}
