//! What a source's sender must show, and whether it does.
//!
//! Nothing tells a caller which part was missing: the answer to every lack is the same 401. Comparisons take the same time wherever
//! two values differ.

use axum::http::{HeaderMap, Uri};
use serde_json::Value;

use crate::access::is_same;
use crate::alert::door::DoorRule;
use crate::alert::signature::SignatureRule;
use crate::clock;
use crate::server::sender;

/// What a source's sender must show. Empty: nothing.
#[derive(Clone, Default)]
pub struct Credentials {
    /// Tokens, of which any is shown as a bearer, as the password of basic authentication, in [`Self::header`], as `?token=` or as
    /// the path's last segment.
    pub tokens: Vec<String>,
    /// A header in which a token may be shown, lower-case.
    pub header: Option<String>,
    /// Secrets, of which any must have signed the delivery, or be in it where its source sends it.
    pub secrets: Vec<String>,
    /// How the delivery is signed, when not as its source does.
    pub signature: Option<SignatureRule>,
    /// Topics of Amazon SNS whose signed messages are taken.
    pub topics: Vec<String>,
}

impl From<Option<String>> for Credentials {
    fn from(token: Option<String>) -> Self {
        Self { tokens: token.into_iter().collect(), ..Self::default() }
    }
}

impl Credentials {
    /// What is to be shown, for people.
    pub(super) fn kinds(&self) -> Vec<&'static str> {
        let kinds = [("token", &self.tokens), ("signature", &self.secrets), ("sns", &self.topics)];
        kinds.into_iter().filter(|(_, all)| !all.is_empty()).map(|(kind, _)| kind).collect()
    }

    /// Whether a token is shown, where one is needed. Asked before the body is read.
    pub(super) fn token_is_shown(&self, headers: &HeaderMap, uri: &Uri, in_path: Option<&str>) -> bool {
        let in_header = self.header.as_deref().and_then(|name| headers.get(name)?.to_str().ok());
        let others = [in_header, in_path];
        let shown = |token: &String| {
            sender::shows(token, headers, uri) || others.iter().flatten().any(|shown| is_same(shown, token))
        };
        // Every token is compared, whichever fits.
        self.tokens.is_empty() || self.tokens.iter().filter(|token| shown(token)).count() > 0
    }

    /// Whether a secret was used, where one is needed; the reason why not is for the log.
    pub(super) fn is_signed(
        &self,
        door: &DoorRule,
        headers: &HeaderMap,
        bodies: &[&[u8]],
        body: Option<&Value>,
    ) -> Result<(), String> {
        if self.secrets.is_empty() {
            return Ok(());
        }
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(rule) = self.signature.as_ref().or(door.signature.as_ref()) {
            let now = clock::now();
            let mut refused = None;
            for body in bodies {
                match rule.verify(&self.secrets, &header, body, now) {
                    Ok(()) => return Ok(()),
                    Err(why) => refused = Some(why),
                }
            }
            return Err(refused.map_or_else(String::new, |why| why.to_string()));
        }
        let in_header = door.secret_header.as_deref().and_then(header);
        let in_field = door.secret_field.as_deref().and_then(|name| body?.get(name)?.as_str());
        let mut shown = [in_header, in_field].into_iter().flatten();
        let fits = shown.any(|shown| self.secrets.iter().any(|secret| is_same(shown, secret)));
        if fits { Ok(()) } else { Err("the shared secret is missing or wrong".to_owned()) }
    }
}
