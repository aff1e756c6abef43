//! Whom certificates are trusted from, and from when until when each authority's own certificate says it is good.
//!
//! A trust anchor is a name and a key: path validation does not look at its dates (RFC 5280 section 6.1.1 (d)), and rustls forgets them. Most
//! API clients look all the same: OpenSSL (`curl`, Python, Ruby, Node.js, PHP) and Go refuse a chain whose only authority has expired. So they are
//! kept here, beside the store, for the judges to ask.

use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, TrustAnchor};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Trusted authorities; a copy shares them.
#[derive(Debug, Clone)]
pub struct Authorities(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    all: Arc<RootCertStore>,
    /// Of each of them, in their order.
    dates: Vec<Dates>,
    /// Those that were good when somebody asked last: to gather them anew for each handshake would cost as much as a part of it.
    good: Mutex<Option<Good>>,
}

/// Authorities whose dates hold, and the seconds since 1970 for which these are all that there are.
#[derive(Debug)]
struct Good {
    during: Range<i64>,
    all: Arc<RootCertStore>,
}

impl Kept {
    fn new(all: RootCertStore, dates: Vec<Dates>) -> Self {
        Self { all: Arc::new(all), dates, good: Mutex::default() }
    }
}

/// From when until when an authority's certificate is good, in seconds since 1970; open ends are the extremes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dates {
    pub(super) not_before: i64,
    pub(super) not_after: i64,
}

impl Dates {
    fn of(certificate: &CertificateDer<'_>) -> Self {
        X509Certificate::from_der(certificate).map_or(Self::OPEN, |(_, read)| {
            let validity = read.validity();
            Self { not_before: validity.not_before.timestamp(), not_after: validity.not_after.timestamp() }
        })
    }

    const OPEN: Self = Self { not_before: i64::MIN, not_after: i64::MAX };

    fn holds(self, at: Timestamp) -> bool {
        (self.not_before..=self.not_after).contains(&at.as_second())
    }
}

/// The system's authorities, or Mozilla's when the system has none; read once.
static SYSTEM: LazyLock<Authorities> = LazyLock::new(|| {
    let system = Authorities::default().and(rustls_native_certs::load_native_certs().certs);
    if !system.0.all.is_empty() {
        return system;
    }
    let mut all = RootCertStore::empty();
    all.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let dates = vec![Dates::OPEN; all.len()];
    Authorities(Arc::new(Kept::new(all, dates)))
});

/// A PEM text that holds no authority.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("holds no certificate of an authority in PEM form (`-----BEGIN CERTIFICATE-----`)")]
pub struct BadAuthorities;

impl Default for Authorities {
    /// Nobody.
    fn default() -> Self {
        Self(Arc::new(Kept::new(RootCertStore::empty(), Vec::new())))
    }
}

impl Authorities {
    /// The system's authorities, or Mozilla's when the system has none.
    #[must_use]
    pub fn system() -> Self {
        SYSTEM.clone()
    }

    /// These and those of a PEM text.
    ///
    /// # Errors
    /// [`BadAuthorities`] when the text holds no certificate that can be an authority.
    pub fn and_pem(&self, pem: &str) -> Result<Self, BadAuthorities> {
        let more = self.and(CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok));
        if more.0.all.len() == self.0.all.len() { Err(BadAuthorities) } else { Ok(more) }
    }

    /// These and those certificates that can be authorities.
    pub(super) fn and(&self, certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        let (mut all, mut dates) = ((*self.0.all).clone(), self.0.dates.clone());
        for certificate in certificates {
            let its = Dates::of(&certificate);
            if all.add(certificate).is_ok() {
                dates.push(its);
            }
        }
        Self(Arc::new(Kept::new(all, dates)))
    }

    /// All of them, whatever their dates.
    pub(super) fn all(&self) -> &RootCertStore {
        &self.0.all
    }

    /// Those whose own dates hold at this time.
    pub(super) fn at(&self, at: Timestamp) -> Arc<RootCertStore> {
        let second = at.as_second();
        let mut good = self.0.good.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = good.as_ref().filter(|it| it.during.contains(&second)) {
            return Arc::clone(&known.all);
        }
        let all = if self.0.dates.iter().all(|it| it.holds(at)) {
            Arc::clone(&self.0.all)
        } else {
            let kept = self.each().filter(|(_, dates)| dates.holds(at)).map(|(anchor, _)| anchor.clone());
            Arc::new(kept.collect())
        };
        // Until the next of them begins or ends.
        let turns = self.0.dates.iter().flat_map(|it| [it.not_before, it.not_after.saturating_add(1)]);
        let (before, after): (Vec<i64>, Vec<i64>) = turns.partition(|it| *it <= second);
        let from = before.into_iter().max().unwrap_or(i64::MIN);
        let until = after.into_iter().min().unwrap_or(i64::MAX);
        *good = Some(Good { during: from..until, all: Arc::clone(&all) });
        all
    }

    /// Those whose own dates do not hold at this time.
    pub(super) fn outdated(&self, at: Timestamp) -> impl Iterator<Item = (&TrustAnchor<'static>, Dates)> {
        self.each().filter(move |(_, dates)| !dates.holds(at))
    }

    fn each(&self) -> impl Iterator<Item = (&TrustAnchor<'static>, Dates)> {
        self.0.all.roots.iter().zip(self.0.dates.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::pki::{Authority, Validity};

    #[test]
    fn an_authority_is_trusted_as_long_as_its_own_dates_hold() {
        let now: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
        let young = Authority::new("Young Root");
        let old = Authority::valid("Old Root", Validity::expired(now));
        let both = Authorities::default().and_pem(&young.pem()).unwrap().and_pem(&old.pem()).unwrap();
        assert_eq!((both.all().len(), both.at(now).len(), both.outdated(now).count()), (2, 1, 1));
        assert_eq!(both.at(Validity::expired(now).not_before).len(), 2);
        assert!(Arc::ptr_eq(&both.at(now), &both.at(now)), "gathered once");
        assert_eq!(both.at(now).len(), 1, "at each time those of that time");
        assert_eq!(both.and_pem("no certificate").unwrap_err(), BadAuthorities);
    }
}
