//! Tokens, sessions and the audit log, for the doors.

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::access::audit::{Entry, Note};
use crate::access::{Principal, Token, Via, cookie_text, hash};
use crate::app::{App, Unavailable};
use crate::clock;
use crate::store::AccessChange;

/// What is kept with a session.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Content<T> {
    Session(T),
    /// A session that lasts no longer than the token it began with.
    OfToken {
        of: T,
        /// SHA-256 of the token.
        token: String,
    },
    Login(T),
}

impl App {
    /// Who this token of the store belongs to, if it counts.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn owner_of_token(&self, shown: &str) -> Result<Option<Principal>, Unavailable> {
        let token = self.counted(&hash(shown)).await?;
        Ok(token.map(|token| Principal { name: token.name, via: Via::Token, scope: token.scope }))
    }

    /// The token of the store with this hash, if it counts.
    async fn counted(&self, hash: &str) -> Result<Option<Token>, Unavailable> {
        let token = self.store.token(hash).await?;
        Ok(token.filter(|token| token.expires_at.is_none_or(|end| clock::now() < end)))
    }

    /// Begins a session; gives what the cookie is to hold. One that began with a token ends with it.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn open_session(&self, of: &Principal, token: Option<&str>) -> Result<String, Unavailable> {
        let content = match token {
            Some(token) => Content::OfToken { of, token: hash(token) },
            None => Content::Session(of),
        };
        self.keep_session(&content, crate::access::SESSION).await
    }

    /// Whose session this is, if it is not over. `configured` is the token that counts without being in the store.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn session(
        &self,
        cookie: &str,
        configured: Option<&str>,
    ) -> Result<Option<Principal>, Unavailable> {
        let kept = self.store.session(&hash(cookie), clock::now()).await?;
        Ok(match kept.and_then(|text| serde_json::from_str(&text).ok()) {
            Some(Content::Session(of)) => Some(of),
            Some(Content::OfToken { of, token }) => {
                let counts = configured.is_some_and(|configured| hash(configured) == token)
                    || self.counted(&token).await?.is_some();
                counts.then_some(of)
            }
            Some(Content::Login(_)) | None => None,
        })
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn end_session(&self, cookie: &str) -> Result<(), Unavailable> {
        self.store.change_access(AccessChange::EndSession(hash(cookie))).await.map(drop)
    }

    /// Keeps what a log-in that began here needs when it comes back, to whichever replica; gives what the cookie is to hold.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn begin_login(&self, state: &impl Serialize) -> Result<String, Unavailable> {
        self.keep_session(&Content::Login(state), crate::access::LOGIN).await
    }

    /// What was kept for this log-in; once.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn end_login<T: DeserializeOwned>(&self, cookie: &str) -> Result<Option<T>, Unavailable> {
        let key = hash(cookie);
        let Some(kept) = self.store.session(&key, clock::now()).await? else { return Ok(None) };
        let Ok(Content::Login(state)) = serde_json::from_str(&kept) else { return Ok(None) };
        Ok(self.store.change_access(AccessChange::EndSession(key)).await?.then_some(state))
    }

    async fn keep_session<T: Serialize>(
        &self,
        content: &Content<T>,
        lasts: SignedDuration,
    ) -> Result<String, Unavailable> {
        let text = cookie_text(random());
        let content =
            serde_json::to_string(content).map_err(|error| Unavailable { reason: error.to_string() })?;
        let now = clock::now();
        let expires_at = now.saturating_add(lasts).unwrap_or(Timestamp::MAX);
        let change = AccessChange::OpenSession { hash: hash(&text), expires_at, content, now };
        self.store.change_access(change).await?;
        Ok(text)
    }

    /// Notes what somebody is about to do, durably.
    ///
    /// # Errors
    /// [`Unavailable`]: then it must not be done.
    pub async fn audit(
        &self,
        who: &Principal,
        from: Option<String>,
        action: String,
    ) -> Result<(), Unavailable> {
        let note = Note {
            at: clock::now(),
            who: who.name.clone(),
            via: who.via,
            scope: Some(who.scope),
            from,
            action,
        };
        self.store.change_access(AccessChange::Audit(note)).await?;
        self.counters.add("firstcheck_audit_entries_total", &format!("via=\"{}\"", who.via.id()), 1);
        Ok(())
    }

    /// The entries of the audit log after this place, a page of them.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn audited(&self, after: u64) -> Result<Vec<Entry>, Unavailable> {
        self.store.audited(after).await
    }
}

/// 244 random bits, from the system.
#[must_use]
pub fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    bytes[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    bytes
}
