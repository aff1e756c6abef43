//! Small servers with memory that stand in for the great ones, and refuse what those would refuse.

pub(crate) mod discord;
pub(crate) mod github;
pub(crate) mod openapi;
