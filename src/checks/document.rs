//! A document that a key or a target names: a file, or a URL.
//!
//! Bounded in size and time. A message never quotes the document: a key set, a request or a description may hold what
//! nobody should see.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::fetch::{self, FetchError};
use super::{Environment, NotRun, With};
use crate::egress::Refusal;

/// Why a document cannot be had, for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// The policy does not let us go there.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is not there, too large, late, or no text.
    #[error("{what} `{place}` cannot be read: {why}")]
    Missing {
        /// What it was to be.
        what: &'static str,
        /// Where it was looked for.
        place: String,
        /// What happened.
        why: String,
    },
}

/// Reads the text of `place`; `what` names it in messages (`the key set`).
pub(super) async fn read(
    env: &Environment,
    what: &'static str,
    place: &str,
    max_bytes: usize,
    deadline: Instant,
) -> Result<String, Unreadable> {
    let missing = |why: String| Unreadable::Missing { what, place: place.to_owned(), why };
    let bytes = if is_url(place) {
        fetch(env, place, max_bytes, deadline).await.map_err(|error| match error {
            FetchError::Refused(refusal) => Unreadable::Refused(refusal),
            other => missing(other.to_string()),
        })?
    } else {
        let read = timeout_at(deadline, file(place, max_bytes)).await;
        read.unwrap_or_else(|_| Err("the time is up".to_owned())).map_err(missing)?
    };
    String::from_utf8(bytes).map_err(|_| missing("it is no UTF-8 text".to_owned()))
}

/// The environment, trusting the authorities of the key `ca_file` too.
pub(super) async fn trusting(env: &Environment, with: &With) -> Result<Environment, NotRun> {
    Ok(Environment { roots: env.roots_with(with).await?, ..env.clone() })
}

/// Whether this names a document on the network.
fn is_url(place: &str) -> bool {
    place.starts_with("https://") || place.starts_with("http://")
}

async fn file(path: &str, max_bytes: usize) -> Result<Vec<u8>, String> {
    let about = tokio::fs::metadata(path).await.map_err(|error| plain(&error))?;
    if !about.is_file() {
        // A device or a pipe may never end.
        return Err("it is not a regular file".to_owned());
    }
    let file = tokio::fs::File::open(path).await.map_err(|error| plain(&error))?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too large from one that just fits, also while it grows.
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).await.map_err(|error| plain(&error))?;
    if bytes.len() > max_bytes { Err(format!("it has more than {max_bytes} bytes")) } else { Ok(bytes) }
}

fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

async fn fetch(
    env: &Environment,
    place: &str,
    max_bytes: usize,
    deadline: Instant,
) -> Result<Vec<u8>, FetchError> {
    let url = Url::parse(place).map_err(|why| FetchError::Unavailable(why.to_string()))?;
    let document = fetch::document(env, &url, max_bytes, deadline).await?;
    match document.status {
        200..=299 => Ok(document.bytes),
        status => Err(FetchError::Unavailable(format!("the server answered {status}"))),
    }
}

/// The first twelve hexadecimal digits of a text's SHA-256: tells which version of a document was used.
pub(super) fn fingerprint(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let mut shown = String::new();
    for byte in &digest[..6] {
        let _ = write!(shown, "{byte:02x}");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::Policy;
    use std::time::Duration;

    async fn check(place: &str, max_bytes: usize) -> Result<String, String> {
        let env = Environment::new(Policy::unrestricted());
        let deadline = Instant::now() + Duration::from_secs(5);
        read(&env, "the key set", place, max_bytes, deadline).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_url_is_fetched_under_the_policy_and_only_success_counts() {
        use crate::drill::http_server::{HttpServer, Reply};
        let handler = |asked: hyper::Request<hyper::body::Bytes>| async move {
            if asked.uri().path() == "/keys" {
                Reply::text(200, "12345")
            } else {
                Reply::text(404, "not here")
            }
        };
        let server = HttpServer::plain(handler).await.unwrap();
        assert_eq!(check(&server.url("/keys"), 5).await, Ok("12345".to_owned()));
        assert!(check(&server.url("/keys"), 4).await.unwrap_err().contains("larger than 4 bytes"));
        assert!(check(&server.url("/gone"), 50).await.unwrap_err().ends_with("the server answered 404"));
        assert!(check("http://", 5).await.unwrap_err().contains("empty host"));
        let public = Environment::new(Policy::public_only());
        let deadline = Instant::now() + Duration::from_secs(5);
        let refused = read(&public, "the key set", &server.url("/keys"), 5, deadline).await;
        assert!(matches!(refused, Err(Unreadable::Refused(_))), "{refused:?}");
    }

    #[tokio::test]
    async fn a_file_is_read_up_to_its_bound_and_nothing_that_never_ends() {
        let path = std::env::temp_dir().join(format!("firstcheck-document-{}", std::process::id()));
        std::fs::write(&path, "12345").unwrap();
        let place = path.to_str().unwrap();
        assert_eq!(check(place, 5).await, Ok("12345".to_owned()));
        assert!(check(place, 4).await.unwrap_err().ends_with("it has more than 4 bytes"));
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(check(place, 5).await.unwrap_err().ends_with("it is no UTF-8 text"));
        std::fs::remove_file(&path).unwrap();
        assert!(check(place, 5).await.unwrap_err().ends_with("there is no such file"));
        assert!(check("/dev/zero", 5).await.unwrap_err().ends_with("not a regular file"));
    }
}
