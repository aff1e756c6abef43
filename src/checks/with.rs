//! The keys of a check (`with:` in a runbook, `--with` on the command line, the query of the API), read into values.
//!
//! A value that cannot be read is wrong usage, said with the key, the value and what it should look like.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use crate::checks::NotRun;
use crate::duration;
use crate::outcome::CheckKind;

/// The keys of one check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct With(pub BTreeMap<String, String>);

impl<K: Into<String>, V: Into<String>, const N: usize> From<[(K, V); N]> for With {
    fn from(pairs: [(K, V); N]) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl With {
    /// A key's value; blank counts as absent.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// A comma list; empty when absent.
    #[must_use]
    pub fn list(&self, key: &str) -> Vec<&str> {
        let parts = self.get(key).into_iter().flat_map(|value| value.split(','));
        parts.map(str::trim).filter(|part| !part.is_empty()).collect()
    }

    /// A duration such as `250ms`, `5s` or `2m`.
    ///
    /// # Errors
    /// [`NotRun::Usage`] when it is none.
    pub fn duration(&self, key: &str) -> Result<Option<Duration>, NotRun> {
        let read = |value| {
            duration::parse(value).ok_or_else(|| self.bad(key, "a duration such as `250ms`, `5s` or `2m`"))
        };
        self.get(key).map(read).transpose()
    }

    /// A value of any type that reads itself; `what` says what it should look like.
    ///
    /// # Errors
    /// [`NotRun::Usage`] when it cannot be read.
    pub fn parsed<T: FromStr>(&self, key: &str, what: &str) -> Result<Option<T>, NotRun> {
        self.get(key).map(|value| value.parse().map_err(|_| self.bad(key, what))).transpose()
    }

    /// The address of `connect_to`, used instead of resolving; a bare IP takes the target's port.
    ///
    /// # Errors
    /// [`NotRun::Usage`] when it is no address.
    pub fn connect_to(&self, port: u16) -> Result<Option<SocketAddr>, NotRun> {
        let read = |value: &str| {
            let bare = value.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(value);
            let address =
                value.parse().or_else(|_| bare.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, port)));
            address.map_err(|_| self.bad("connect_to", "an address such as `192.0.2.7:443`"))
        };
        self.get("connect_to").map(read).transpose()
    }

    /// The headers to send: every `header.NAME`, and `bearer` as `Authorization: Bearer …`. A value `env:NAME` is taken
    /// from `secrets` (`header.authorization: "Bearer env:TOKEN"` too).
    ///
    /// # Errors
    /// [`NotRun::Usage`] when a secret is named that is not set, or a name or value cannot be a header.
    pub fn headers(&self, secrets: &BTreeMap<String, String>) -> Result<Vec<(String, String)>, NotRun> {
        let mut headers = Vec::new();
        for (key, value) in &self.0 {
            if let Some(name) = key.strip_prefix("header.") {
                headers.push(header(key, name, with_secret(key, value, secrets)?)?);
            }
        }
        if let Some(token) = self.get("bearer") {
            let token = with_secret("bearer", token, secrets)?;
            let token = token.strip_prefix("Bearer ").unwrap_or(&token);
            headers.push(header("bearer", "authorization", format!("Bearer {token}"))?);
        }
        Ok(headers)
    }

    /// Refuses keys the kind does not know; `header.NAME` among the known stands for all headers.
    pub(super) fn allows_only(&self, check: CheckKind, known: &[&str]) -> Result<(), NotRun> {
        let is_known = |key: &str| {
            known.contains(&key)
                || known.contains(&"header.NAME")
                    && key.strip_prefix("header.").is_some_and(|name| !name.is_empty())
        };
        let Some(stranger) = self.0.keys().find(|key| !is_known(key)) else { return Ok(()) };
        let known = if known.is_empty() {
            "it has none".to_owned()
        } else {
            format!("its keys are {}", known.join(", "))
        };
        Err(NotRun::Usage(format!("the {check} check has no key `{stranger}`; {known}")))
    }

    fn bad(&self, key: &str, what: &str) -> NotRun {
        NotRun::Usage(format!("`{key}` is `{}`; write {what}", self.get(key).unwrap_or_default()))
    }
}

/// `env:NAME`, alone or after a scheme (`Bearer env:NAME`), with the value in its place.
fn with_secret(key: &str, value: &str, secrets: &BTreeMap<String, String>) -> Result<String, NotRun> {
    let (before, name) = match value.rsplit_once(' ') {
        Some((scheme, last)) if last.starts_with("env:") => (format!("{scheme} "), last),
        _ => (String::new(), value),
    };
    let Some(name) = name.strip_prefix("env:") else { return Ok(value.to_owned()) };
    let secret = secrets.get(name).ok_or_else(|| {
        NotRun::Usage(format!("`{key}` names the environment variable `{name}`, which is not set"))
    })?;
    Ok(format!("{before}{}", secret.trim()))
}

/// A header that can be sent as it is; the value is never in the message, it may be a secret.
fn header(key: &str, name: &str, value: String) -> Result<(String, String), NotRun> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(NotRun::Usage(format!("`{key}` is no header name")));
    }
    if value.bytes().any(|byte| byte != b'\t' && byte < b' ' || byte == 0x7f) {
        return Err(NotRun::Usage(format!(
            "the value of `{key}` holds a control character, which no header may"
        )));
    }
    Ok((name.to_ascii_lowercase(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_names_the_known_ones() {
        let with = With::from([("connct_to", "x")]);
        let error = with.allows_only(CheckKind::Tcp, &["connect_to"]).unwrap_err();
        assert_eq!(error.to_string(), "the tcp check has no key `connct_to`; its keys are connect_to");
        let with = With::from([("header.accept", "x")]);
        assert!(with.allows_only(CheckKind::Http, &["header.NAME"]).is_ok());
        assert!(with.allows_only(CheckKind::Tcp, &["connect_to"]).is_err());
    }

    #[test]
    fn a_secret_is_named_and_its_value_sent() {
        let secrets = BTreeMap::from([("TOKEN".to_owned(), "abc\n".to_owned())]);
        let expected = vec![("authorization".to_owned(), "Bearer abc".to_owned())];
        assert_eq!(With::from([("bearer", "env:TOKEN")]).headers(&secrets).unwrap(), expected);
        assert_eq!(
            With::from([("header.Authorization", "Bearer env:TOKEN")]).headers(&secrets).unwrap(),
            expected
        );
        let error = With::from([("bearer", "env:OTHER")]).headers(&secrets).unwrap_err();
        assert!(error.to_string().contains("`OTHER`, which is not set"), "{error}");
    }

    #[test]
    fn a_header_cannot_smuggle_another() {
        assert!(With::from([("header.x", "a\r\nhost: evil")]).headers(&BTreeMap::new()).is_err());
        assert!(With::from([("header.x y", "a")]).headers(&BTreeMap::new()).is_err());
    }

    #[test]
    fn connect_to_takes_the_targets_port_when_it_has_none() {
        let at =
            |text: &str| With::from([("connect_to", text)]).connect_to(443).map(|it| it.unwrap().to_string());
        assert_eq!(at("127.0.0.1:8443"), Ok("127.0.0.1:8443".to_owned()));
        assert_eq!(at("127.0.0.1"), Ok("127.0.0.1:443".to_owned()));
        assert_eq!(at("[::1]"), Ok("[::1]:443".to_owned()));
        assert_eq!(at("::1"), Ok("[::1]:443".to_owned()));
        assert!(at("localhost:80").is_err());
    }

    #[test]
    fn lists_are_split_and_trimmed() {
        assert_eq!(With::from([("types", "A, AAAA,,")]).list("types"), ["A", "AAAA"]);
        assert!(With::default().list("types").is_empty());
    }
}
