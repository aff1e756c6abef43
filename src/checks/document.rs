//! A document that a key or a target names: a file, or a URL.
//!
//! Bounded in size and time. A message never quotes the document: a key set, a request or a description may hold what
//! nobody should see.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, timeout_at};

use super::{Environment, fetch};

/// Why a document cannot be had, for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} `{place}` cannot be read: {why}")]
pub(super) struct Unreadable {
    what: &'static str,
    place: String,
    why: String,
}

/// Reads the text of `place`; `what` names it in messages (`the key set`).
pub(super) async fn read(
    env: &Environment,
    what: &'static str,
    place: &str,
    max_bytes: usize,
    deadline: Instant,
) -> Result<String, Unreadable> {
    let read = async {
        if is_url(place) {
            fetch(env, place, max_bytes, deadline).await
        } else {
            file(place, max_bytes).await
        }
    };
    let read = timeout_at(deadline, read).await.unwrap_or_else(|_| Err("the time is up".to_owned()));
    let text = read.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is no UTF-8 text".to_owned()));
    text.map_err(|why| Unreadable { what, place: place.to_owned(), why })
}

/// Whether this names a document on the network.
pub(super) fn is_url(place: &str) -> bool {
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

async fn fetch(env: &Environment, url: &str, max_bytes: usize, deadline: Instant) -> Result<Vec<u8>, String> {
    let url = url.parse().map_err(|_| "it is no URL".to_owned())?;
    let document =
        fetch::document(env, &url, max_bytes, deadline).await.map_err(|error| error.to_string())?;
    match document.status {
        200..300 => Ok(document.bytes),
        status => Err(format!("it answers {status}")),
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

    #[tokio::test]
    async fn a_url_is_read_up_to_its_bound_and_only_when_it_answers_well() {
        use crate::drill::http_server::{HttpServer, Reply};

        let server = HttpServer::plain(|request| async move {
            if request.uri().path() == "/keys" { Reply::text(200, "12345") } else { Reply::empty(404) }
        })
        .await
        .unwrap();
        assert_eq!(check(&server.url("/keys"), 5).await, Ok("12345".to_owned()));
        assert!(check(&server.url("/keys"), 4).await.unwrap_err().ends_with("larger than 4 bytes"));
        assert!(check(&server.url("/gone"), 5).await.unwrap_err().ends_with("it answers 404"));
    }
}
