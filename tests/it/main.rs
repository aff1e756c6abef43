//! The one integration binary: stories end to end, checks against really broken servers, the architecture.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod access;
mod alertmanager;
mod architecture;
mod bad_input;
mod check_command;
mod console;
mod discord;
mod drills;
mod durability;
mod explain_command;
mod fakes;
mod gateways;
mod github;
mod healthy;
mod help;
mod holder;
mod hostile;
mod interactions;
mod migrations;
mod name_servers;
mod programs;
mod prometheus;
mod record_command;
mod redact_command;
mod redelivery;
mod replicas;
mod runbooks_live;
mod serve;
mod source_command;
mod store;
mod stories;
mod tls_servers;
mod triage_command;
mod worlds;
