//! A server's own certificate, the chain it came with, and against what both are judged.

use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, ServerName};
use x509_parser::prelude::X509Certificate;

use super::warning::{Warning, instant};
use crate::checks::Authorities;

/// Against what a chain is judged.
#[derive(Debug, Clone, Copy)]
pub(in crate::checks::tls) struct Expectation<'a> {
    pub(in crate::checks::tls) server_name: &'a ServerName<'static>,
    pub(in crate::checks::tls) roots: &'a Authorities,
    pub(in crate::checks::tls) now: Timestamp,
    /// When a certificate "expires soon".
    pub(in crate::checks::tls) warn: Warning,
    /// Issuers that the server did not send and that were had from elsewhere.
    pub(in crate::checks::tls) fetched: &'a [CertificateDer<'static>],
}

/// The first certificate of a chain, read.
pub(super) struct Leaf<'a> {
    pub(super) chain: &'a [CertificateDer<'a>],
    pub(super) read: &'a X509Certificate<'a>,
    pub(super) expected: Expectation<'a>,
}

impl Leaf<'_> {
    pub(super) fn not_before(&self) -> Timestamp {
        instant(self.read.validity().not_before.timestamp())
    }

    pub(super) fn not_after(&self) -> Timestamp {
        instant(self.read.validity().not_after.timestamp())
    }
}
