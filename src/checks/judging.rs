//! Judging what may take long: away from the threads that answer, and never beyond the check's time.
//!
//! Who writes a description decides how long it takes to compare with it. So the work runs on a thread for such work, the check goes on without
//! it when the time is up, and the work itself ends at its next [`Until::look`]. It ends by unwinding: the loop may be deep inside a library that
//! has no other way out (salsa, and rust-analyzer with it, cancels in the same way). No panic hook is called and nobody sees a panic.

use std::panic::resume_unwind;

use tokio::time::{Instant, timeout_at};

/// Until when work may go on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Until(Option<std::time::Instant>);

/// What ends work whose time is up.
struct TimeUp;

impl Until {
    /// Work that ends by itself.
    pub(super) const DONE: Self = Self(None);

    /// Ends the work around it when its time is up. Every loop whose length a stranger decides comes by here.
    pub(super) fn look(self) {
        if self.0.is_some_and(|end| std::time::Instant::now() >= end) {
            resume_unwind(Box::new(TimeUp));
        }
    }
}

/// Does work until the deadline; `None` when it was not done by then.
pub(super) async fn within<T: Send + 'static>(
    deadline: Instant,
    work: impl FnOnce(Until) -> T + Send + 'static,
) -> Option<T> {
    let until = Until(Some(deadline.into_std()));
    let working = tokio::task::spawn_blocking(move || work(until));
    match timeout_at(deadline, working).await {
        Ok(Ok(found)) => Some(found),
        Ok(Err(ended)) => match ended.try_into_panic() {
            Ok(why) if !why.is::<TimeUp>() => resume_unwind(why),
            _ => None,
        },
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn work_without_an_end_ends_with_its_time() {
        let (tell, mut told) = tokio::sync::oneshot::channel::<()>();
        let endless = |until: Until| {
            let _dropped_at_the_end = tell;
            loop {
                until.look();
            }
        };
        let none: Option<()> = within(Instant::now() + Duration::from_millis(20), endless).await;
        assert!(none.is_none());
        assert!((&mut told).await.is_err(), "the thread goes on");
        let soon = Instant::now() + Duration::from_mins(1);
        assert_eq!(
            within(soon, |until| {
                until.look();
                7
            })
            .await,
            Some(7)
        );
    }
}
