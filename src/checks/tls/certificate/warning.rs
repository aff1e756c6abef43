//! When a certificate that is still good "expires soon".

use std::time::Duration;

use jiff::Timestamp;
use x509_parser::prelude::X509Certificate;

/// Time before its end at which a certificate "expires soon" (interface.md: `warn_days`), when it is not short-lived.
pub(super) const USUAL: Duration = Duration::from_hours(14 * 24);

/// Certificates with shorter lives are renewed every few days, as they are meant to be: of those a number of days says nothing, for they would
/// expire soon from the first (CA/B Forum Baseline Requirements 1.6.1: "short-lived" means seven days at most; Let's Encrypt's live for 160 hours).
const SHORT_LIVED: Duration = Duration::from_hours(7 * 24);

/// A short-lived certificate is to be renewed when one part in so many of its lifetime is left (checks.md §2; Let's Encrypt's integration guide says
/// "renew after two thirds").
pub(super) const RENEWED_AT: u32 = 3;

/// When a certificate that is still good "expires soon".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::checks::tls) enum Warning {
    /// Never: only faults are asked for.
    Never,
    /// With so much left, whatever its lifetime: somebody asked for just that.
    Asked(Duration),
    /// With 14 days left; a short-lived one with a third of its lifetime left.
    Usual,
}

impl Warning {
    pub(in crate::checks::tls) fn at_days(days: u32) -> Self {
        Self::Asked(Duration::from_secs(u64::from(days) * 86_400))
    }

    /// What a certificate of this lifetime has left when the warning comes.
    pub(super) fn limit(self, lifetime: Duration) -> Duration {
        match self {
            Self::Never => Duration::ZERO,
            Self::Asked(limit) => limit,
            Self::Usual if lifetime < SHORT_LIVED => lifetime / RENEWED_AT,
            Self::Usual => USUAL,
        }
    }

    /// Whether it comes for a certificate that is good at this time.
    pub(super) fn comes(self, certificate: &X509Certificate<'_>, now: Timestamp) -> bool {
        let validity = certificate.validity();
        let (not_before, not_after) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        between(now, instant(not_after)) < self.limit(between(instant(not_before), instant(not_after)))
    }
}

/// Certificates may carry dates beyond what a timestamp holds; those are "for ever".
pub(super) fn instant(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(if second < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

pub(super) fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(to.as_second() - from.as_second()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lifetime_days: u64, usual_hours: u64) {
        let days = |it: u64| Duration::from_hours(it * 24);
        assert_eq!(Warning::Usual.limit(days(lifetime_days)), Duration::from_hours(usual_hours));
        assert_eq!(Warning::at_days(21).limit(days(lifetime_days)), days(21));
        assert_eq!(Warning::Never.limit(days(lifetime_days)), Duration::ZERO);
    }

    #[test]
    fn the_usual_warning_comes_at_fourteen_days_and_of_a_short_life_at_a_third() {
        check(3650, 14 * 24);
        check(90, 14 * 24);
        check(45, 14 * 24);
        check(30, 14 * 24);
        check(7, 14 * 24);
        check(6, 2 * 24);
        check(1, 8);
    }
}
