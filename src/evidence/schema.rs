//! The JSON Schema of the pack, for those who read it with a program.
//!
//! Version [`SCHEMA`] grows with it: a reader must let pass what it does not know, and a field that changes its meaning or goes
//! raises the version. A test holds the text still, so that neither happens unseen.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::{Pack, SCHEMA};

/// The JSON Schema (draft 2020-12) of a pack of this version.
#[must_use]
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<Pack>().to_value();
    schema["title"] = json!(format!("firstcheck evidence pack, version {SCHEMA}"));
    schema["properties"]["schema"]["const"] = json!(SCHEMA);
    schema["properties"]["hash"]["pattern"] = json!("^sha256:[0-9a-f]{64}$");
    schema
}
