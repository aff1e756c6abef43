//! The file as people write it: every key there is, and nothing checked that needs more than the file.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, Visitor};
use url::Url;

use super::route::RouteSection;
use super::scalar::{OneOrMore, Snowflake};
use crate::access::{Roles, Scope};
use crate::alert::KeyPart;
use crate::evidence::redact::Addresses;
use crate::profile::ServiceProfile;
use crate::profile::routing::{OwnerRule, Rule};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) listen: Option<SocketAddr>,
    #[serde(default)]
    pub(super) store: StoreSection,
    #[serde(default)]
    pub(super) api: ApiSection,
    pub(super) public_url: Option<Url>,
    pub(super) sources: Option<BTreeMap<String, SourceSection>>,
    #[serde(default)]
    pub(super) incidents: IncidentsSection,
    #[serde(default)]
    pub(super) chat: ChatSection,
    #[serde(default)]
    pub(super) tracker: TrackerSection,
    #[serde(default)]
    pub(super) egress: EgressSection,
    #[serde(default)]
    pub(super) redact: RedactSection,
    #[serde(default)]
    pub(super) checks: ChecksSection,
    #[serde(default)]
    pub(super) services: BTreeMap<String, ServiceProfile>,
    pub(super) runbooks: Option<PathBuf>,
    pub(super) templates: Option<PathBuf>,
}

/// What is hidden in what leaves, besides secrets.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RedactSection {
    /// `clients` (default) or `all`.
    #[serde(default)]
    pub(super) addresses: Addresses,
}

/// Where state is kept: a path alone, or a section.
#[derive(Debug, Default)]
pub(super) struct StoreSection {
    pub(super) path: Option<PathBuf>,
    pub(super) url: Option<String>,
    pub(super) url_env: Option<String>,
    pub(super) url_file: Option<PathBuf>,
    pub(super) keep: Option<Days>,
}

impl<'de> Deserialize<'de> for StoreSection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Section {
            path: Option<PathBuf>,
            url: Option<String>,
            url_env: Option<String>,
            url_file: Option<PathBuf>,
            keep: Option<Days>,
        }
        struct PathOrSection;
        impl<'de> Visitor<'de> for PathOrSection {
            type Value = StoreSection;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path, or a section with `path`, `url`, `url_env` or `url_file`, and `keep`")
            }

            fn visit_str<E: de::Error>(self, path: &str) -> Result<StoreSection, E> {
                Ok(StoreSection { path: Some(path.into()), ..StoreSection::default() })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<StoreSection, A::Error> {
                let it = Section::deserialize(de::value::MapAccessDeserializer::new(map))?;
                let Section { path, url, url_env, url_file, keep } = it;
                Ok(StoreSection { path, url, url_env, url_file, keep })
            }
        }
        deserializer.deserialize_any(PathOrSection)
    }
}

/// A number of days such as `90d`, one to ten thousand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Days(pub(super) u32);

impl<'de> Deserialize<'de> for Days {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let days = text.strip_suffix('d').and_then(|days| days.trim().parse().ok());
        days.filter(|days| (1..=10_000).contains(days)).map(Self).ok_or_else(|| {
            de::Error::custom(format!("`{text}` is no number of days; write one such as `90d`"))
        })
    }
}

/// Where a section's token is to be found.
#[derive(Debug, Default)]
pub(super) struct SecretRef {
    pub(super) token_env: Option<String>,
    pub(super) token_file: Option<PathBuf>,
}

/// A section with a token: its own keys, and the three that name (or must not be) the secret. Written out by a macro, because
/// serde cannot both flatten and refuse unknown keys.
macro_rules! section_with_token {
    ($name:ident { $($(#[$about:meta])* $key:ident: $type:ty,)* }) => {
        #[derive(Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            $($(#[$about])* pub(super) $key: $type,)*
            token_env: Option<String>,
            token_file: Option<PathBuf>,
            #[serde(default, rename = "token")]
            _token: Option<Inline>,
        }

        impl $name {
            pub(super) fn secret(&self) -> SecretRef {
                SecretRef { token_env: self.token_env.clone(), token_file: self.token_file.clone() }
            }
        }
    };
}

section_with_token!(ApiSection {
    url: Option<Url>,
    #[serde(default)]
    tokens: bool,
    oidc: Option<OidcSection>,
    proxy: Option<ProxySection>,
});

/// Log-in through an OpenID provider.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OidcSection {
    pub(super) issuer: Url,
    pub(super) client_id: String,
    client_secret_env: Option<String>,
    client_secret_file: Option<PathBuf>,
    #[serde(default, rename = "client_secret")]
    _client_secret: Option<Inline>,
    pub(super) scopes: Option<Vec<String>>,
    pub(super) roles: Roles,
}

impl OidcSection {
    pub(super) fn secret(&self) -> SecretRef {
        SecretRef { token_env: self.client_secret_env.clone(), token_file: self.client_secret_file.clone() }
    }
}

/// A proxy that authenticates people.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProxySection {
    pub(super) header: String,
    pub(super) from: Vec<String>,
    pub(super) scope: Scope,
}

/// One source: what its sender must show, and how often it is heard of. Secrets are named one by one or as a list, so that two are
/// live while one takes the place of the other.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceSection {
    #[serde(default)]
    pub(super) token_env: OneOrMore<String>,
    #[serde(default)]
    pub(super) token_file: OneOrMore<PathBuf>,
    pub(super) header: Option<String>,
    #[serde(default)]
    pub(super) secret_env: OneOrMore<String>,
    #[serde(default)]
    pub(super) secret_file: OneOrMore<PathBuf>,
    pub(super) signed_like: Option<String>,
    #[serde(default)]
    pub(super) topics: Vec<String>,
    pub(super) heartbeat: Option<LongSpan>,
    pub(super) poll: Option<PollSection>,
    #[serde(default, rename = "token")]
    _token: Option<Inline>,
    #[serde(default, rename = "secret")]
    _secret: Option<Inline>,
}

/// Where an Alertmanager is asked for what its webhooks missed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PollSection {
    pub(super) url: Url,
    pub(super) every: Option<LongSpan>,
    pub(super) gone_after: Option<LongSpan>,
}

/// How alerts are sorted into incidents, and what ends those that nobody ends.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IncidentsSection {
    #[serde(default)]
    pub(super) group_by: Vec<KeyPart>,
    pub(super) window: Option<LongSpan>,
    pub(super) reopen_within: Option<LongSpan>,
    pub(super) resolve_after: Option<SpanOrNever>,
    pub(super) recheck: Option<SpanOrNever>,
}

/// A long span of time, or `never`.
#[derive(Debug, Clone, Copy)]
pub(super) struct SpanOrNever(pub(super) Option<Duration>);

impl<'de> Deserialize<'de> for SpanOrNever {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "never" { Ok(Self(None)) } else { long_span(&text).map(|span| Self(Some(span))) }
    }
}

fn long_span<E: de::Error>(text: &str) -> Result<Duration, E> {
    let span = text.parse::<SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    span.filter(|span| !span.is_zero() && *span <= Duration::from_hours(24 * 30)).ok_or_else(|| {
        E::custom(format!("`{text}` is no span of time; write one such as `15m` or `26h`, at most `720h`"))
    })
}

section_with_token!(DiscordSection {
    channel: Snowflake,
    public_key: Option<String>,
    permissions: Option<PermissionsSection>,
    guild: Option<Snowflake>,
    on_call_role: Option<Snowflake>,
    #[serde(default)]
    tags: OneOrMore<String>,
    #[serde(default)]
    routes: Vec<RouteSection>,
    api_url: Option<Url>,
    gateway_url: Option<Url>,
});

/// Who may do what; a verb that is not named is nobody's, except reading.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PermissionsSection {
    pub(super) read: Option<WhoSection>,
    pub(super) answer: Option<WhoSection>,
    pub(super) start: Option<WhoSection>,
    pub(super) check: Option<WhoSection>,
    pub(super) manage: Option<WhoSection>,
}

/// `everyone`, `nobody`, or roles and people.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "`everyone`, `nobody`, or a section with `roles` and `users`")]
pub(super) enum WhoSection {
    /// In a word.
    Word(WhoWord),
    /// By id.
    Those(ThoseSection),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WhoWord {
    Everyone,
    Nobody,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ThoseSection {
    #[serde(default)]
    pub(super) roles: Vec<Snowflake>,
    #[serde(default)]
    pub(super) users: Vec<Snowflake>,
}

section_with_token!(GitHubSection {
    repository: Option<String>,
    api_url: Option<Url>,
    timeout: Option<Span>,
    /// A GitHub app instead of a token: its id, and its private key by reference.
    app_id: Option<u64>,
    installation_id: Option<u64>,
    private_key_env: Option<String>,
    private_key_file: Option<PathBuf>,
    #[serde(default, rename = "private_key")]
    _private_key: Option<Inline>,
    #[serde(default)]
    routes: Vec<Rule>,
    #[serde(default)]
    owners: Vec<OwnerRule>,
    #[serde(default)]
    codeowners: bool,
    list_lag: Option<Span>,
    per_minute: Option<NonZeroU32>,
    per_hour: Option<NonZeroU32>,
});

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChatSection {
    pub(super) discord: Option<DiscordSection>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrackerSection {
    pub(super) github: Option<GitHubSection>,
    pub(super) folder: Option<PathBuf>,
    pub(super) reopen_within: Option<Window>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EgressSection {
    #[serde(default)]
    pub(super) allow: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChecksSection {
    #[serde(default)]
    pub(super) resolvers: Vec<String>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) timeout: Option<Span>,
    pub(super) control: Option<String>,
    #[serde(default)]
    pub(super) per_host: PerHostSection,
}

/// How many connections one host may get from the checks.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PerHostSection {
    pub(super) burst: Option<NonZeroU32>,
    pub(super) per_second: Option<NonZeroU32>,
    pub(super) at_once: Option<NonZeroU32>,
}

/// A secret written into the file: always refused, with what to do instead.
#[derive(Debug)]
pub(super) struct Inline;

impl<'de> Deserialize<'de> for Inline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer)?;
        Err(de::Error::custom(
            "a secret does not belong in this file; put it into an environment variable and write `token_env: NAME` \
             (`private_key_env: NAME`), or into a file of its own and write `token_file: PATH` (`private_key_file: PATH`)",
        ))
    }
}

/// A span of time such as `5s`, `1500ms` or `2m`; more than nothing and at most ten minutes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span(pub(super) Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let span = text.parse::<SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
        let good = span.filter(|span| !span.is_zero() && *span <= Duration::from_mins(10));
        good.map(Self).ok_or_else(|| {
            de::Error::custom(format!("`{text}` is no span of time; write one such as `5s`, at most `10m`"))
        })
    }
}

/// A span of time such as `90s`, `15m` or `26h`; more than nothing and at most thirty days.
#[derive(Debug, Clone, Copy)]
pub(super) struct LongSpan(pub(super) Duration);

impl<'de> Deserialize<'de> for LongSpan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        long_span(&text).map(Self)
    }
}

/// A span of time from nothing to thirty days, such as `0s`, `90m` or `24h`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window(pub(super) Duration);

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let span = text.parse::<SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
        span.filter(|span| *span <= Duration::from_hours(720)).map(Self).ok_or_else(|| {
            de::Error::custom(format!(
                "`{text}` is no span of time; write one such as `24h`, at most `720h`; `0s` is never"
            ))
        })
    }
}

/// Gathers name and text of every file with this ending below a folder. Templates are named without it.
pub(super) fn collect(
    root: &Path,
    folder: &Path,
    ending: &str,
    found: &mut Vec<(String, String)>,
) -> Result<(), (PathBuf, std::io::Error)> {
    let entries = std::fs::read_dir(folder).map_err(|error| (folder.to_owned(), error))?;
    for entry in entries {
        let path = entry.map_err(|error| (folder.to_owned(), error))?.path();
        if path.is_dir() {
            collect(root, &path, ending, found)?;
        } else if path.extension().is_some_and(|it| it == ending) {
            let text = std::fs::read_to_string(&path).map_err(|error| (path.clone(), error))?;
            let relative = path.strip_prefix(root).unwrap_or(&path);
            let named = if ending == "hbs" { relative.with_extension("") } else { relative.to_owned() };
            found.push((named.to_string_lossy().replace('\\', "/"), text));
        }
    }
    Ok(())
}
