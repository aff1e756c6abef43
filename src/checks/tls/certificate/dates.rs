//! From when until when: the dates of the server's own certificate.

use super::leaf::Leaf;
use super::warning::{RENEWED_AT, USUAL, between};
use crate::checks::tls::Finding;
use crate::duration;
use crate::outcome::Outcome;

impl Leaf<'_> {
    pub(super) fn dates(&self) -> Option<Finding> {
        let now = self.expected.now;
        let (not_before, not_after) = (self.not_before(), self.not_after());
        if now > not_after {
            let text = format!("certificate expired {} ago", duration::show(between(not_after, now)));
            return Some(Finding::new(Outcome::Expired, text));
        }
        if now < not_before {
            let wait = duration::show(between(now, not_before));
            let text = format!("certificate is not valid before {not_before}, in {wait}");
            return Some(Finding::new(Outcome::NotYetValid, text));
        }
        let (left, lifetime) = (between(now, not_after), between(not_before, not_after));
        let limit = self.expected.warn.limit(lifetime);
        (left < limit).then(|| {
            let finding = Finding::new(
                Outcome::ExpiresSoon,
                format!("certificate expires in {}", duration::show(left)),
            );
            // Less than what was asked for from its first day on: that is how it was meant, and not a renewal that was missed.
            let is_meant = lifetime <= USUAL.min(limit) && left > lifetime / RENEWED_AT;
            if is_meant { finding.because("short_lived_certificate") } else { finding }
        })
    }

    pub(super) fn lifetime_seconds(&self) -> i64 {
        (self.not_after().as_second() - self.not_before().as_second()).max(0)
    }

    /// The part of the certificate's own lifetime that is left, from 0 to 1, in hundredths: with lifetimes of 47 days and six, a
    /// number of days says little (CA/B Forum SC-081v3).
    #[expect(clippy::cast_precision_loss, reason = "hundredths of a lifetime need no 53 bits")]
    pub(super) fn lifetime_left(&self) -> f64 {
        let left = (self.not_after().as_second() - self.expected.now.as_second()).max(0) as f64;
        let share = left / (self.lifetime_seconds().max(1) as f64);
        (share.min(1.0) * 100.0).round() / 100.0
    }
}
