//! The one integration binary: stories end to end, checks against really broken servers, the architecture.

mod architecture;
mod bad_input;
mod check_command;
mod discord;
mod fakes;
mod github;
mod serve;
mod worlds;
