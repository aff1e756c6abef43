//! firstcheck: which boundary failed first, the best hypotheses, and the next experiment.

// The core: pure. No async, no clock, no randomness, no I/O.
pub mod bucket;
pub mod outcome;
pub mod question;
pub mod alert;
pub mod profile;
pub mod incident;
pub mod yaml;
pub mod egress;
pub mod request;
pub mod template;
pub mod runbook;
pub mod triage;
pub mod evidence;
pub mod scenario;

// The shell: talks to the world, decides nothing.
pub mod clock;
pub mod checks;
pub mod chat;
pub mod tracker;
pub mod store;
pub mod config;
pub mod app;
pub mod server;
pub mod drill;
pub mod commands;
