//! A small world of real, really faulty endpoints on loopback, and the bot in front of it.

pub mod gateway;
pub mod http_server;
pub mod identity;
pub mod name_server;
pub mod pki;
pub mod release_record;
pub mod tls_server;
pub mod vendor;
