//! YAML text to typed values, plus every problem with file, line and column. The only import of the YAML crate.
