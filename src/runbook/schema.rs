//! JSON Schemas of the runbook files, for editors.

use serde_json::Value;

use crate::runbook::file::{BucketFile, LikelihoodsFile, QuestionsFile, SignalsFile};
use crate::runbook::own::OwnFile;

/// The kinds of files that have a schema.
pub const SCHEMAS: &[&str] = &["runbook", "bucket", "likelihoods", "questions", "signals"];

/// The JSON Schema of one kind of file.
#[must_use]
pub fn schema(kind: &str) -> Option<Value> {
    let schema = match kind {
        "runbook" => schemars::schema_for!(OwnFile),
        "bucket" => schemars::schema_for!(BucketFile),
        "likelihoods" => schemars::schema_for!(LikelihoodsFile),
        "questions" => schemars::schema_for!(QuestionsFile),
        "signals" => schemars::schema_for!(SignalsFile),
        _ => return None,
    };
    Some(schema.to_value())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_schema() {
        for kind in SCHEMAS {
            assert!(schema(kind).is_some_and(|schema| schema["properties"].is_object()), "{kind}");
        }
        assert_eq!(schema("alert"), None);
    }
}
