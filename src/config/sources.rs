//! `sources:` of the configuration: which are taken, and what their senders must show.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::{Reader, Secret, file};
use crate::alert::signature::SignatureRule;
use crate::alert::{KeyPart, Source};
use crate::yaml::Problem;

/// How often an Alertmanager is asked: its own group interval is five minutes.
const POLL_EVERY: Duration = Duration::from_mins(1);

/// Prometheus tells an Alertmanager that was restarted what fires within a minute or two.
const GONE_AFTER: Duration = Duration::from_mins(5);

/// What the sender of a source must show, and how often it is heard of.
#[derive(Debug, Clone, Default)]
pub struct SourceSettings {
    /// Tokens, of which any is to be shown.
    pub tokens: Vec<Secret>,
    /// A header in which a token may be shown, lower-case.
    pub header: Option<String>,
    /// Secrets, of which any must have signed the delivery.
    pub secrets: Vec<Secret>,
    /// How deliveries are signed, when not as the source does.
    pub signature: Option<SignatureRule>,
    /// Topics of Amazon SNS whose signed messages are taken.
    pub topics: Vec<String>,
    /// At least one delivery is expected in this time.
    pub heartbeat: Option<Duration>,
    /// Where its Alertmanager is asked for what was missed.
    pub poll: Option<Poll>,
}

/// An Alertmanager that is asked for what its webhooks missed.
#[derive(Debug, Clone)]
pub struct Poll {
    /// Its base, as people open it.
    pub url: Url,
    /// How often.
    pub every: Duration,
    /// For how long it must lack an alert before that is over.
    pub gone_after: Duration,
}

/// How alerts are sorted into incidents, and what ends those that nobody ends. `None`: as the app does by itself.
#[derive(Debug, Clone, Default)]
pub struct Incidents {
    /// What makes two alerts the same incident; empty: as usual.
    pub group_by: Vec<KeyPart>,
    /// For how long after its last alert an open incident takes others in.
    pub window: Option<Duration>,
    /// For how long after its end an incident is opened again by the same alert.
    pub reopen_within: Option<Duration>,
    /// How long nothing is heard of an incident before time ends it; `Some(None)`: never.
    pub resolve_after: Option<Option<Duration>>,
    /// How often the checks that found the fault are run again; `Some(None)`: never.
    pub recheck: Option<Option<Duration>>,
}

impl From<file::IncidentsSection> for Incidents {
    fn from(written: file::IncidentsSection) -> Self {
        Self {
            group_by: written.group_by,
            window: written.window.map(|span| span.0),
            reopen_within: written.reopen_within.map(|span| span.0),
            resolve_after: written.resolve_after.map(|span| span.0),
            recheck: written.recheck.map(|span| span.0),
        }
    }
}

impl SourceSettings {
    /// Whether anybody may send.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.tokens.is_empty() && self.secrets.is_empty() && self.topics.is_empty()
    }
}

impl Reader<'_> {
    /// Without `sources:` every source is on; with it, those that are named. The operator's own mappings (`sources/*.yaml` in
    /// the runbooks folder) stand beside the shipped ones, and take the place of one with the same name.
    pub(super) fn sources(
        &self,
        written: Option<BTreeMap<String, file::SourceSection>>,
        mapped: &[(String, String)],
    ) -> Result<BTreeMap<Source, SourceSettings>, Problem> {
        let first = |problems: Vec<Problem>| problems.into_iter().next();
        let own = Source::read_files(mapped).map_err(|problems| {
            first(problems)
                .unwrap_or_else(|| self.problem("runbooks", "runbooks", "a mapping cannot be read"))
        })?;
        let mut all: BTreeMap<String, Source> = BTreeMap::new();
        for source in Source::all().into_iter().chain(own) {
            all.insert(source.id().to_owned(), source);
        }
        let Some(written) = written else {
            return Ok(all.into_values().map(|source| (source, SourceSettings::default())).collect());
        };
        let known = |after: &str, name: &str| {
            all.get(name).cloned().or_else(|| Source::named(name)).ok_or_else(|| {
                let known: Vec<&str> = all.keys().map(String::as_str).collect();
                let message = format!("unknown source `{name}`; the sources are {}", known.join(", "));
                self.problem(after, name, message).did_you_mean(name, known)
            })
        };
        let read = |(name, section): (String, file::SourceSection)| {
            let source = known("sources", &name)?;
            let like = section.signed_like.as_deref().map(|like| known(&name, like)).transpose()?;
            let settings = self.source(&name, &source, like.as_ref(), section)?;
            Ok((source, settings))
        };
        written.into_iter().map(read).collect()
    }

    /// What the sender of one source must show.
    fn source(
        &self,
        name: &str,
        source: &Source,
        like: Option<&Source>,
        written: file::SourceSection,
    ) -> Result<SourceSettings, Problem> {
        let gather = |variables: Vec<String>, files: Vec<PathBuf>, keys: [&'static str; 2]| {
            let named = |token_env, token_file| file::SecretRef { token_env, token_file };
            let in_env = variables.into_iter().map(|variable| named(Some(variable), None));
            let in_files = files.into_iter().map(|file| named(None, Some(file)));
            let all = in_env.chain(in_files).map(|it| self.secret_named(name, &it, keys));
            let all: Vec<Option<Secret>> = all.collect::<Result<_, _>>()?;
            Ok::<Vec<Secret>, Problem>(all.into_iter().flatten().collect())
        };
        let settings = SourceSettings {
            tokens: gather(written.token_env.0, written.token_file.0, ["token_env", "token_file"])?,
            header: written.header.map(|header| header.to_ascii_lowercase()),
            secrets: gather(written.secret_env.0, written.secret_file.0, ["secret_env", "secret_file"])?,
            signature: like.and_then(|like| like.door().signature.clone()),
            topics: written.topics,
            heartbeat: written.heartbeat.map(|span| span.0),
            poll: written.poll.map(|poll| Poll {
                url: poll.url,
                every: poll.every.map_or(POLL_EVERY, |span| span.0),
                gone_after: poll.gone_after.map_or(GONE_AFTER, |span| span.0),
            }),
        };
        if settings.poll.is_some() && source.id() != "alertmanager" {
            return Err(self.problem(name, "poll", "only `alertmanager` can be asked for what was missed"));
        }
        let door = source.door();
        let can_prove = [
            settings.signature.is_some(),
            door.signature.is_some(),
            door.secret_header.is_some(),
            door.secret_field.is_some(),
        ];
        if !settings.secrets.is_empty() && !can_prove.contains(&true) {
            let message = format!(
                "`{name}` signs nothing; write `token_env: NAME` for a token, or `signed_like: SOURCE` when a relay signs for it"
            );
            return Err(self.problem(name, "secret", message));
        }
        if like.is_some() && settings.signature.is_none() {
            return Err(self.problem(name, "signed_like", "that source signs nothing"));
        }
        if settings.header.is_some() && settings.tokens.is_empty() {
            return Err(self.problem(
                name,
                "header",
                "`header` needs the token that stands in it: `token_env: NAME`",
            ));
        }
        if !settings.topics.is_empty() && source.id() != "aws_sns" {
            return Err(self.problem(name, "topics", "only `aws_sns` has topics"));
        }
        Ok(settings)
    }
}
