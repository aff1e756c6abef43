//! From a check's target and keys to what goes over the wire; shared by the checks that send an HTTP request.

use hyper::Method;
use hyper::body::Bytes;
use url::Url;

use crate::checks::dial::DialError;
use crate::checks::exchange::{Ask, ExchangeError, Failed};
use crate::checks::{Environment, NotRun, Request, identity};

/// The longest URL: what the HTTP library takes, and more than servers do.
const MAX_URL_BYTES: usize = 65_534;

/// The longest request body a check sends.
const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// The request that a check's target and keys ask for.
///
/// A method other than GET, HEAD and OPTIONS is sent only because the key `method` says so: nothing here invents one, and
/// a failing POST is never repeated on the bot's own account.
pub(in crate::checks) async fn ask(env: &Environment, request: &Request) -> Result<Ask, NotRun> {
    let url = target(&request.target)?;
    let port = url.port_or_known_default().unwrap_or(443);
    let method = match request.with.get("method") {
        None => Method::GET,
        Some(name) => Method::from_bytes(name.to_ascii_uppercase().as_bytes())
            .map_err(|_| NotRun::Usage(format!("`method` is `{name}`; write a method such as GET")))?,
    };
    let body = request.with.0.get("body").cloned().unwrap_or_default();
    if body.len() > MAX_REQUEST_BYTES {
        return Err(NotRun::Usage(format!("`body` is longer than {MAX_REQUEST_BYTES} bytes")));
    }
    let mut headers = request.with.headers(&env.secrets)?;
    let mut otherwise = |name: &str, value: String| {
        if !headers.iter().any(|(known, _)| known == name) {
            headers.push((name.to_owned(), value));
        }
    };
    otherwise("accept", "*/*".to_owned());
    for (name, value) in identity::headers() {
        otherwise(&name, value);
    }
    Ok(Ask {
        method,
        headers,
        body: Bytes::from(body),
        connect_to: request.with.connect_to(port)?,
        ..Ask::get(url, env.roots_with(&request.with).await?)
    })
}

/// An `http` or `https` URL with a host. User and password in it are refused: they would end up in reports.
pub(in crate::checks) fn target(text: &str) -> Result<Url, NotRun> {
    if text.len() > MAX_URL_BYTES {
        return Err(NotRun::Usage(format!("the URL is longer than {MAX_URL_BYTES} bytes")));
    }
    let bad =
        || NotRun::Usage(format!("`{text}` is no URL; write one such as https://api.example.com/v1/orders"));
    let url = Url::parse(text.trim()).map_err(|_| bad())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(bad());
    }
    if !url.username().is_empty() || url.password().is_some() {
        let hint = "a URL must not hold a user or password; send them with `header.authorization: env:NAME`";
        return Err(NotRun::Usage(hint.to_owned()));
    }
    Ok(url)
}

/// The trace of a request, for a fact.
pub(in crate::checks) fn trace_id(ask: &Ask) -> Option<String> {
    let (_, value) = ask.headers.iter().find(|(name, _)| name == "traceparent")?;
    value.split('-').nth(1).map(str::to_owned)
}

/// Lets a refusal by policy, and a request that cannot be sent, end the check; anything else is the check's to judge.
pub(in crate::checks) fn refused(failed: &Failed) -> Result<(), NotRun> {
    match &failed.error {
        ExchangeError::Dial(DialError::Refused(refusal)) => Err(NotRun::Refused(refusal.clone())),
        ExchangeError::Unsendable(why) => Err(NotRun::Usage(why.clone())),
        _ => Ok(()),
    }
}
