//! firstcheck finds out which boundary of a failing API failed first, says the one or two best hypotheses, and names the next
//! experiment: runbook automation for the first ten minutes of an incident.
//!
//! # An alert's journey
//!
//! 1. A monitoring system posts to [`server`]; [`mod@alert`] turns its payload into the normalised [`alert::Alert`].
//! 2. [`app`] finds the incident it belongs to (same [`alert::IncidentKey`]) or opens one, and asks [`triage::step`]: the incident, one
//!    event and the time in; what is known now, and what to do next, out.
//! 3. [`store`] writes the events and the actions they cause in one transaction. Only then is the webhook answered.
//! 4. [`app`]'s workers perform the actions: [`chat`] opens a thread and asks, [`checks`] probes real endpoints (every address is asked of
//!    [`egress`] first), [`tracker`] files the issue. Each result comes back as an event: go to 2.
//! 5. [`triage`] weighs every answer and outcome against the causes of [`runbook`], takes next what teaches most for its cost, and
//!    stops at clarity, or says honestly that it is unclear.
//! 6. [`evidence`] packs what the next engineer needs, after redaction; nothing leaves the house without it.
//!
//! An [`incident::Incident`] is the fold of its events: replay ([`scenario`]), audit and crash recovery are the same thing.
//! [`drill`] is a small world of really faulty servers that shows the whole journey on one machine, and that the tests check
//! against.

// The core: pure. No async, no clock, no randomness, no I/O.
pub mod bucket;
pub mod duration;
pub mod access;
pub mod outcome;
pub mod question;
pub mod alert;
pub mod profile;
pub mod permission;
pub mod incident;
pub mod routing;
pub mod yaml;
pub mod egress;
pub mod request;
pub mod template;
pub mod runbook;
pub mod triage;
pub mod evidence;
pub mod picture;
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
