//! Configuration file and environment to checked settings. Nobody else reads the environment.

/// The value of an environment variable; `None` when it is not set, empty, or no text.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "config is the one reader of the environment")]
pub fn secret(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether the user asked for output without colour (no-color.org: `NO_COLOR` set to anything but nothing).
#[must_use]
pub fn no_color() -> bool {
    secret("NO_COLOR").is_some()
}
