//! The issuers that a server forgot to send, fetched from where its certificates say (RFC 5280 section 4.2.2.1).
//!
//! This is the proof of a half chain: browsers fetch what is missing, API clients do not. The URL is the target's own claim, so it
//! goes through the egress policy as any other, and every bound is small: an issuer is a kilobyte or two. Only `http` counts, and no
//! redirect: a chain that needs a chain to be had could go round for ever (RFC 5280 section 8).

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::time::Instant;
use url::Url;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::certificate::issuer_url;
use crate::checks::Environment;

/// How many issuers are fetched, one above the other; public chains lack one.
const MOST: usize = 3;

/// The largest issuer.
const MAX_BYTES: usize = 64 * 1024;

/// The share of the time left that fetching may use: what is known already must still be told.
const SHARE: f64 = 0.6;

/// Fetches what is missing above the chain; empty when nothing can be had.
pub(super) async fn fetch(
    env: &Environment,
    chain: &[CertificateDer<'_>],
    deadline: Instant,
) -> Vec<CertificateDer<'static>> {
    let now = Instant::now();
    let deadline = now + deadline.saturating_duration_since(now).mul_f64(SHARE);
    let mut fetched: Vec<CertificateDer<'static>> = Vec::new();
    while fetched.len() < MOST {
        let Some(url) = missing(chain, &fetched) else { break };
        let Some(url) = Url::parse(&url).ok().filter(|it| it.scheme() == "http") else { break };
        let Some(bytes) = (env.issuers)(env, &url, MAX_BYTES, deadline).await else { break };
        let Some(issuer) = read(bytes).filter(|it| !fetched.contains(it)) else { break };
        fetched.push(issuer);
    }
    fetched
}

/// Where the issuer of the topmost certificate is, which nobody sent.
fn missing(chain: &[CertificateDer<'_>], fetched: &[CertificateDer<'_>]) -> Option<String> {
    let all: Vec<_> = chain
        .iter()
        .chain(fetched)
        .filter_map(|it| X509Certificate::from_der(it).ok())
        .map(|(_, it)| it)
        .collect();
    let mut top = all.first()?;
    for _ in 0..all.len() {
        let is_above = |it: &&X509Certificate<'_>| {
            it.subject().as_raw() == top.issuer().as_raw() && it.signature_value != top.signature_value
        };
        match all.iter().find(is_above) {
            Some(above) => top = above,
            None => break,
        }
    }
    if top.subject().as_raw() == top.issuer().as_raw() { None } else { issuer_url(top) }
}

/// Authorities publish DER; some publish PEM under the same name.
fn read(bytes: Vec<u8>) -> Option<CertificateDer<'static>> {
    let der = match CertificateDer::from_pem_slice(&bytes) {
        Ok(der) => der,
        Err(_) => CertificateDer::from(bytes),
    };
    X509Certificate::from_der(&der).is_ok().then_some(der)
}
