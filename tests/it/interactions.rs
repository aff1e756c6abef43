//! What people do in Discord, from the click to the incident's log: the real serenity, the real app and the real doors, against a
//! Discord on loopback. Each story is judged by the limits we know by heart, and again by Discord's own description.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on ends there, at the line that says why")]

mod desk;
mod doctor;
mod doors;
mod people;

/// Each story, by heart and by the description.
macro_rules! stories {
    ($($name:ident)*) => {
        mod by_heart {
            $(#[tokio::test] async fn $name() {
                super::$name(crate::fakes::discord::Discord::start().await).await;
            })*
        }
        mod by_description {
            $(#[tokio::test] #[ignore = "needs ../shared"] async fn $name() {
                super::$name(crate::fakes::discord::Discord::described().await).await;
            })*
        }
    };
}
use stories;
