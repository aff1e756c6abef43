//! Not built yet.

use tokio::time::Instant;

use super::{Environment, NotRun, Request};
use crate::outcome::Report;

/// The keys of `with:`.
pub(super) const KEYS: &[&str] = &[];

#[expect(clippy::unused_async, reason = "not built yet")]
pub(super) async fn run(
    _env: &Environment,
    _request: &Request,
    _deadline: Instant,
) -> Result<Report, NotRun> {
    Err(NotRun::Usage("not built yet".to_owned()))
}
