//! Handlebars templates in strict mode: an unknown variable is an error at file and line.
