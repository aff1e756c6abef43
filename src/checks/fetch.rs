//! Documents that a check reads on the way to its question: status pages, key sets, API descriptions.
//!
//! Each hop is resolved once, every address is asked about, and the connection is pinned to the ones that passed; a redirect is a
//! new hop and goes through all of it again. Each is one [exchange](super::exchange), as any probe's: within the budget, with our name
//! and a trace, and not before the time for which the host asked to be left alone. No proxy from the environment, no cookie, no credential. A document is bounded in size
//! and time, and what does not fit is an error, not a half document.

use futures_util::future::BoxFuture;
use hyper::Method;
use hyper::body::Bytes;
use tokio::time::Instant;
use url::Url;

use super::dial::DialError;
use super::exchange::{Ask, Ended, Exchange, ExchangeError};
use super::{Environment, identity, manners};
use crate::egress::Refusal;

/// Redirects that are followed: a status page that moved twice is still one page.
const MOST_REDIRECTS: usize = 5;

/// A document.
#[derive(Debug, Clone)]
pub struct Document {
    /// Where it was found in the end.
    pub url: Url,
    /// The status of its answer.
    pub status: u16,
    /// Its declared type.
    pub content_type: Option<String>,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Why there is no document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The policy does not let us go there.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It cannot be had; the sentence says why.
    #[error("{0}")]
    Unavailable(String),
    /// It is larger than the caller reads.
    #[error("the document is larger than {0} bytes")]
    TooLarge(usize),
    /// The time was up.
    #[error("the document did not come in time")]
    Late,
}

/// Fetches a document of at most `max` bytes, whatever its status.
///
/// # Errors
/// [`FetchError`].
pub async fn document(
    env: &Environment,
    url: &Url,
    max: usize,
    deadline: Instant,
) -> Result<Document, FetchError> {
    follow(env, url, MOST_REDIRECTS, max, deadline).await
}

/// As [`document`]; an answer that leads elsewhere is an error.
///
/// # Errors
/// [`FetchError`].
pub async fn without_redirects(
    env: &Environment,
    url: &Url,
    max: usize,
    deadline: Instant,
) -> Result<Document, FetchError> {
    follow(env, url, 0, max, deadline).await
}

/// The issuer of a certificate: what [`Environment::issuers`] is, so that checks of TLS need not know how a document is fetched.
pub(super) fn issuer<'a>(
    env: &'a Environment,
    url: &'a Url,
    max: usize,
    deadline: Instant,
) -> BoxFuture<'a, Option<Vec<u8>>> {
    Box::pin(async move {
        let document = without_redirects(env, url, max, deadline).await.ok()?;
        (document.status == 200).then_some(document.bytes)
    })
}

async fn follow(
    env: &Environment,
    url: &Url,
    most: usize,
    max: usize,
    deadline: Instant,
) -> Result<Document, FetchError> {
    let mut url = url.clone();
    for _ in 0..=most {
        // The timer looks only every millisecond: a quick server would still answer within the last.
        if Instant::now() >= deadline {
            return Err(FetchError::Late);
        }
        let answer = ask(env, &url, max, deadline).await?;
        let next = answer.headers.iter().find(|(name, _)| name == "location");
        match next.filter(|_| (300..400).contains(&answer.status)).map(|(_, it)| url.join(it).ok()) {
            Some(Some(next)) => url = next,
            Some(None) => {
                return Err(FetchError::Unavailable("it leads to an address that is none".to_owned()));
            }
            None => return whole(answer, url, max),
        }
    }
    Err(FetchError::Unavailable(format!("it redirects more than {most} times")))
}

/// One hop, over a connection of its own; a host that asked to be left alone is.
async fn ask(env: &Environment, url: &Url, max: usize, deadline: Instant) -> Result<Exchange, FetchError> {
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(FetchError::Unavailable(format!("`{url}` is no http or https URL")));
    }
    let mut ask = Ask { max_body: max, ..Ask::get(url.clone(), env.roots.clone()) };
    ask.headers.push(("accept".to_owned(), "application/json, */*;q=0.5".to_owned()));
    ask.headers.extend(identity::headers());
    heard(env, &ask, deadline).await
}

async fn heard(env: &Environment, ask: &Ask, deadline: Instant) -> Result<Exchange, FetchError> {
    let heard = manners::ask(env, ask, false, deadline).await;
    heard.map(|it| it.exchange).map_err(|failed| match failed.error {
        ExchangeError::Dial(error) => from_dial(error),
        ExchangeError::Timeout(_) => FetchError::Late,
        other => FetchError::Unavailable(other.to_string()),
    })
}

/// The answer, when all of it came.
fn complete(answer: Exchange, max: usize) -> Result<Exchange, FetchError> {
    match answer.ended {
        Ended::Whole => Ok(answer),
        Ended::Long => Err(FetchError::TooLarge(max)),
        Ended::Late => Err(FetchError::Late),
        Ended::Cut | Ended::Broken => {
            Err(FetchError::Unavailable("the connection ended before the document's end".to_owned()))
        }
    }
}

/// The document, when all of it came.
fn whole(answer: Exchange, url: Url, max: usize) -> Result<Document, FetchError> {
    let answer = complete(answer, max)?;
    let content_type = answer.headers.into_iter().find(|(name, _)| name == "content-type").map(|(_, it)| it);
    Ok(Document { url, status: answer.status, content_type, bytes: answer.body.into() })
}

/// One request of a client that writes its own (octocrab), to the very server it names; its answer of at most `max` bytes, whatever its status.
///
/// Each is an exchange as any probe's. A redirect of a GET within the server is followed, with the request's headers; others are answers.
///
/// # Errors
/// [`FetchError`].
pub(super) async fn exchange(
    env: &Environment,
    (method, mut url): (Method, Url),
    headers: Vec<(String, String)>,
    body: Bytes,
    max: usize,
    deadline: Instant,
) -> Result<Exchange, FetchError> {
    let origin = url.origin();
    let mut ask = Ask { method, headers, body, max_body: max, ..Ask::get(url.clone(), env.roots.clone()) };
    ask.headers.retain(|(name, _)| !matches!(name.as_str(), "host" | "user-agent" | "content-length"));
    ask.headers.extend(identity::headers());
    for _ in 0..=MOST_REDIRECTS {
        let answer = heard(env, &ask, deadline).await?;
        let to =
            answer.headers.iter().find(|(name, _)| name == "location").and_then(|(_, it)| url.join(it).ok());
        let is_redirect = (300..400).contains(&answer.status) && ask.method == Method::GET;
        match to.filter(|to| is_redirect && to.origin() == origin) {
            Some(next) => url = next,
            None => return complete(answer, max),
        }
        ask.url = url.clone();
    }
    Err(FetchError::Unavailable(format!("it redirects more than {MOST_REDIRECTS} times")))
}

fn from_dial(error: DialError) -> FetchError {
    match error {
        DialError::Refused(refusal) => FetchError::Refused(refusal),
        DialError::Deadline => FetchError::Late,
        other => FetchError::Unavailable(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::drill::http_server::{HttpServer, Reply};
    use crate::drill::name_server::{NameServer, Zone};
    use crate::drill::pki::{Authority, Validity};

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    fn free() -> Environment {
        Environment::new(crate::egress::Policy::unrestricted())
    }

    #[tokio::test]
    async fn a_document_comes_with_its_type_and_bound() {
        let server = HttpServer::plain(|_| async { Reply::text(200, "0123456789") }).await.unwrap();
        let url = Url::parse(&server.url("/doc")).unwrap();
        let got = document(&free(), &url, 10, soon()).await.unwrap();
        assert_eq!((got.status, &got.bytes[..]), (200, &b"0123456789"[..]));
        assert_eq!(document(&free(), &url, 9, soon()).await.unwrap_err(), FetchError::TooLarge(9));
        // A second ago: a loopback answers within the millisecond by which timers are rounded up.
        let gone = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
        let late = document(&free(), &url, 9, gone).await.unwrap_err();
        assert_eq!(late, FetchError::Late);
    }

    #[tokio::test]
    async fn a_redirect_asks_the_policy_again() {
        let server = HttpServer::plain(|_| async {
            Reply::empty(302).header("location", "http://169.254.169.254/latest/meta-data")
        })
        .await
        .unwrap();
        let policy = crate::egress::Policy::allowing(&["127.0.0.0/8"]).unwrap();
        let url = Url::parse(&server.url("/")).unwrap();
        let error = document(&Environment::new(policy), &url, 10, soon()).await.unwrap_err();
        assert!(matches!(&error, FetchError::Refused(refusal) if refusal.class == "metadata"), "{error}");
        let error = document(&Environment::new(crate::egress::Policy::public_only()), &url, 10, soon()).await;
        assert!(matches!(error, Err(FetchError::Refused(_))), "{error:?}");
    }

    #[tokio::test]
    async fn redirects_end() {
        let server =
            HttpServer::plain(|_| async { Reply::empty(302).header("location", "/again") }).await.unwrap();
        let error = document(&free(), &Url::parse(&server.url("/")).unwrap(), 10, soon()).await.unwrap_err();
        assert_eq!(error.to_string(), "it redirects more than 5 times");
        assert_eq!(server.requests().len(), 6);
    }

    #[tokio::test]
    async fn our_own_resolvers_and_authorities_are_used() {
        let authority = Authority::new("Drill Root");
        let identity = authority.issue(&["status.drill.test"], Validity::ordinary(crate::clock::now()));
        let server = HttpServer::tls(&identity, |_| async { Reply::text(200, "up") }).await.unwrap();
        let zone = Zone::new("drill.test").a("status", [127, 0, 0, 1].into());
        let names = NameServer::start(vec![zone]).await.unwrap();
        let url = Url::parse(&format!("https://status.drill.test:{}/", server.addr().port())).unwrap();
        let env = free().with_resolvers(vec![names.addr()]);
        let error = document(&env, &url, 10, soon()).await.unwrap_err();
        assert!(error.to_string().contains("not trusted here"), "{error}");
        let env = env.with_ca_file(&authority.pem()).unwrap();
        assert_eq!(document(&env, &url, 10, soon()).await.unwrap().bytes, b"up");
    }
}
