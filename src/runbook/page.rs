//! Runbooks and causes as people read them in a chat: Markdown, short.

use std::fmt::Write as _;

use super::{Cause, Knowledge};

impl Knowledge {
    /// Every runbook, one line each: the user's own first.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::new();
        for own in &self.own {
            let _ = writeln!(text, "- `{}` {}", own.name, own.title);
        }
        for runbook in &self.runbooks {
            let causes = self.causes.iter().filter(|cause| cause.bucket == runbook.bucket).count();
            let _ = writeln!(text, "- `{}` {} ({causes} causes)", runbook.bucket, runbook.boundary);
        }
        text
    }

    /// One runbook, or one cause, by its name; dashes, underscores and an ending do not count.
    #[must_use]
    pub fn page(&self, name: &str) -> Option<String> {
        let plain = |name: &str| {
            name.trim().trim_end_matches(".yaml").trim_end_matches(".yml").replace('-', "_").to_lowercase()
        };
        let wanted = plain(name);
        let mut text = String::new();
        // Writing to a String cannot fail.
        if let Some(own) = self.own.iter().find(|own| plain(&own.name) == wanted) {
            let _ = writeln!(text, "**{}**: {}", own.name, own.title);
            let _ = writeln!(text, "{} steps", own.steps.len());
            let own_causes = self.causes.iter().filter(|cause| own.causes.contains(&cause.id));
            own_causes.for_each(|cause| line(&mut text, cause));
        } else if let Some(runbook) = self.runbooks.iter().find(|it| it.bucket.id() == wanted) {
            let checks: Vec<String> =
                runbook.checks.iter().map(|it| format!("`{}` of the {}", it.check, it.role)).collect();
            let _ = writeln!(text, "**{}**: {}", runbook.bucket, runbook.boundary);
            let _ = writeln!(text, "checks: {}", checks.join(", "));
            let of_bucket = self.causes.iter().filter(|cause| cause.bucket == runbook.bucket);
            of_bucket.for_each(|cause| line(&mut text, cause));
        } else {
            let cause = self.causes.iter().find(|cause| plain(&cause.id) == wanted)?;
            let _ = writeln!(text, "**{}** ({}): {}", cause.id, cause.bucket, cause.says);
            let _ = writeln!(text, "confirm: `{}` of the {}", cause.confirm.check, cause.confirm.role);
            let _ = writeln!(text, "next experiment: {}", cause.next_experiment);
            let _ = writeln!(text, "mitigation: {}", cause.mitigation);
        }
        Some(text)
    }
}

fn line(text: &mut String, cause: &Cause) {
    let _ = writeln!(text, "- `{}` {}", cause.id, cause.says);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::Bucket;

    #[test]
    fn every_bucket_and_every_cause_has_a_page_and_nothing_else_has() {
        let knowledge = Knowledge::builtin();
        for bucket in Bucket::ALL {
            assert!(knowledge.table().contains(&format!("`{bucket}`")), "{bucket}");
            assert!(knowledge.page(&bucket.id().replace('_', "-")).unwrap().contains("checks: "), "{bucket}");
        }
        for cause in &knowledge.causes {
            assert!(knowledge.page(&cause.id).unwrap().contains(&cause.mitigation), "{}", cause.id);
        }
        assert_eq!(knowledge.page("weather"), None);
    }
}
