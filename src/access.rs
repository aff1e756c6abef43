//! Who may do what at the doors of the API and the console: scopes, tokens, sessions, and how often a log-in may fail.
//!
//! Pure: it judges methods, paths and claims that others bring. What it keeps of a token or a session is a SHA-256, as both are 244
//! random bits and nothing that a dictionary holds. The surprise: a `GET` of a check needs more than reading, because it makes the
//! bot knock at somebody's door.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

pub mod audit;

/// What somebody may do; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// See incidents, evidence and figures.
    Read,
    /// What a person on call does: answer, start, check, reclassify, snooze, close, silence.
    Answer,
    /// Also replay deliveries.
    Admin,
}

impl Scope {
    /// From the least to the most.
    pub const ALL: [Self; 3] = [Self::Read, Self::Answer, Self::Admin];

    /// The word used in the configuration, on the command line and in the store.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Answer => "answer",
            Self::Admin => "admin",
        }
    }

    /// What a request needs, by its method and its path.
    #[must_use]
    pub fn needed(method: &str, path: &str) -> Self {
        if matches!(method, "GET" | "HEAD" | "OPTIONS") {
            if path.starts_with("/api/check/") { Self::Answer } else { Self::Read }
        } else if path.ends_with("/replay") {
            Self::Admin
        } else {
            Self::Answer
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|scope| scope.id() == text);
        found.ok_or_else(|| format!("`{text}` is no scope; there are read, answer and admin"))
    }
}

/// How somebody showed who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// Nobody asked: the bot listens on loopback and has no authentication.
    Loopback,
    /// A token, in the request itself.
    Token,
    /// A session that began with a token.
    TokenSession,
    /// A session that began at the OpenID provider.
    Oidc,
    /// A trusted proxy said so.
    Proxy,
    /// Whoever runs commands on the bot's machine.
    CommandLine,
    /// Whoever the chat says it is.
    Chat,
}

impl Via {
    /// The word used in the audit log and in metrics.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Token => "token",
            Self::TokenSession => "token_session",
            Self::Oidc => "oidc",
            Self::Proxy => "proxy",
            Self::CommandLine => "command_line",
            Self::Chat => "chat",
        }
    }
}

/// Somebody who may come in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// What they are called in the audit log and beside their answers.
    pub name: String,
    /// How they showed who they are.
    pub via: Via,
    /// What they may do.
    pub scope: Scope,
}

impl Principal {
    /// Whoever is on this machine, where nobody is asked.
    #[must_use]
    pub fn of_this_machine() -> Self {
        Self { name: "console".to_owned(), via: Via::Loopback, scope: Scope::Admin }
    }

    /// Whose name stands beside an answer: a person's own, or the one that a program names (`by`), which acts for others. Where
    /// nobody is asked who they are and nobody is named, it is what the door is called.
    #[must_use]
    pub fn by<'a>(&'a self, named: Option<&'a str>, door: &'a str) -> &'a str {
        match self.via {
            Via::Oidc | Via::Proxy => &self.name,
            Via::Token | Via::TokenSession | Via::CommandLine | Via::Chat => named.unwrap_or(&self.name),
            Via::Loopback => named.unwrap_or(door),
        }
    }
}

/// A token of the store, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Token {
    /// Its name, unique.
    pub name: String,
    /// What whoever shows it may do.
    pub scope: Scope,
    /// SHA-256 of the token, in hexadecimal.
    #[serde(skip)]
    pub hash: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it counts for nothing.
    pub expires_at: Option<Timestamp>,
}

/// What a token of ours begins with, so that scanners of leaked secrets know it.
pub const TOKEN_PREFIX: &str = "fck_";

/// A token's text, made of random bytes.
#[must_use]
pub fn token_text(random: [u8; 32]) -> String {
    format!("{TOKEN_PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(random))
}

/// A session's or a log-in's text, made of random bytes.
#[must_use]
pub fn cookie_text(random: [u8; 32]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(random)
}

/// What is kept of a token or a session.
#[must_use]
pub fn hash(text: &str) -> String {
    hex(&Sha256::digest(text))
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Compares without telling by its duration where two values differ.
#[must_use]
pub fn is_same(shown: &str, wanted: &str) -> bool {
    let (shown, wanted) = (Sha256::digest(shown), Sha256::digest(wanted));
    shown.iter().zip(wanted.iter()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// How long a session lasts: a shift.
pub const SESSION: SignedDuration = SignedDuration::from_hours(12);

/// How long a log-in at the OpenID provider may take.
pub const LOGIN: SignedDuration = SignedDuration::from_mins(10);

/// What the claims of an identity make of its owner. The claim may be text or a list of texts; `*` stands for everybody whom the provider lets in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    /// The claim that is looked at (`groups`, `roles`, `hd`, `email`, …).
    pub claim: String,
    /// Its values that may read.
    #[serde(default)]
    pub read: Vec<String>,
    /// Its values that may answer.
    #[serde(default)]
    pub answer: Vec<String>,
    /// Its values that may do everything.
    #[serde(default)]
    pub admin: Vec<String>,
}

impl Roles {
    /// The most that these claims allow; `None` is nothing at all.
    #[must_use]
    pub fn scope(&self, claims: &Value) -> Option<Scope> {
        let claim = claims.get(&self.claim);
        let holds = |wanted: &Vec<String>| {
            wanted.iter().any(|wanted| {
                wanted == "*"
                    || match claim {
                        Some(Value::String(text)) => text == wanted,
                        Some(Value::Array(all)) => all.iter().any(|it| it.as_str() == Some(wanted)),
                        _ => false,
                    }
            })
        };
        let rows = [(Scope::Admin, &self.admin), (Scope::Answer, &self.answer), (Scope::Read, &self.read)];
        rows.into_iter().find(|(_, wanted)| holds(wanted)).map(|(scope, _)| scope)
    }
}

/// What somebody is called by their claims: a verified e-mail address, a user name, or the provider's own key.
#[must_use]
pub fn name_of(claims: &Value) -> Option<String> {
    let text = |claim: &str| claims.get(claim).and_then(Value::as_str).filter(|text| !text.is_empty());
    let verified = claims.get("email_verified").is_some_and(|it| it == true || it == "true");
    let email = text("email").filter(|_| verified);
    email.or_else(|| text("preferred_username")).or_else(|| text("sub")).map(str::to_owned)
}

/// Failed log-ins lately. After too many from one address, or at all, the next ones are not even looked at.
#[derive(Debug, Default)]
pub struct Attempts {
    by_address: BTreeMap<IpAddr, (Timestamp, u32)>,
    all: Option<(Timestamp, u32)>,
}

impl Attempts {
    /// Failures from one address within [`Self::WINDOW`] that are borne.
    pub const OF_ONE: u32 = 10;
    /// Failures in all within [`Self::WINDOW`] that are borne: a botnet guesses from many addresses.
    pub const OF_ALL: u32 = 200;
    /// How long a failure counts.
    pub const WINDOW: SignedDuration = SignedDuration::from_mins(5);
    /// Addresses that are remembered.
    const ADDRESSES: usize = 4096;

    /// Seconds to wait before the next try from this address, if it must wait.
    #[must_use]
    pub fn wait_s(&self, from: IpAddr, now: Timestamp) -> Option<i64> {
        let left = |entry: Option<&(Timestamp, u32)>, allowed: u32| {
            let (since, count) = entry?;
            let over = now.duration_since(*since);
            (*count >= allowed && over < Self::WINDOW).then(|| (Self::WINDOW - over).as_secs().max(1))
        };
        let of_one = left(self.by_address.get(&from), Self::OF_ONE);
        of_one.max(left(self.all.as_ref(), Self::OF_ALL))
    }

    /// A log-in from this address failed.
    pub fn failed(&mut self, from: IpAddr, now: Timestamp) {
        let is_old = |since: Timestamp| now.duration_since(since) >= Self::WINDOW;
        if self.by_address.len() >= Self::ADDRESSES {
            self.by_address.retain(|_, (since, _)| !is_old(*since));
        }
        if self.by_address.len() < Self::ADDRESSES || self.by_address.contains_key(&from) {
            let entry = self.by_address.entry(from).or_insert((now, 0));
            *entry = if is_old(entry.0) { (now, 1) } else { (entry.0, entry.1 + 1) };
        }
        self.all = Some(match self.all {
            Some((since, count)) if !is_old(since) => (since, count + 1),
            _ => (now, 1),
        });
    }

    /// A log-in from this address succeeded: its failures were slips.
    pub fn succeeded(&mut self, from: IpAddr) {
        self.by_address.remove(&from);
    }
}

#[cfg(test)]
mod tests;
