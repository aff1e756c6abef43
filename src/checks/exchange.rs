//! One HTTP exchange over one fresh connection, with the time of each phase. HTTP/2 where TLS agrees on it, else HTTP/1.1.
//!
//! It follows no redirect, keeps no connection, uses no proxy and decodes nothing: what it returns is what came over the wire.
//! The surprise: an answer whose body broke off is an [`Exchange`], not an error, because its head is evidence; see
//! [`Exchange::ended`].

use std::collections::BTreeMap;
use std::net::SocketAddr;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use hyper::{Method, Request, Response, Uri, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::checks::{Authorities, Environment, dial, millis};
use crate::outcome::Facts;

mod secure;
mod watched;

pub use secure::Untrusted;
use watched::Watched;

/// How much of a body a probe reads: error pages and JSON errors are far smaller, a download is none of our business.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// The largest head of an answer. Gateways take 32 to 64 KiB; what is longer never ends.
const MAX_HEAD_BYTES: u32 = 128 * 1024;

/// The most header lines; hyper's own 100 are fewer than some applications send.
const MAX_HEADERS: usize = 512;

/// How much a server may send ahead over HTTP/2: the largest body that any check reads.
const HTTP2_WINDOW: u32 = 1024 * 1024;

/// What to ask.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The method.
    pub method: Method,
    /// The URL, `http` or `https`.
    pub url: Url,
    /// Headers, beside `Host`.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Bytes,
    /// The address to use instead of resolving the host.
    pub connect_to: Option<SocketAddr>,
    /// Whom to trust.
    pub roots: Authorities,
    /// How much of the answer's body to read.
    pub max_body: usize,
    /// Whether HTTP/2 is not offered.
    pub only_http1: bool,
}

impl Ask {
    /// A `GET` without headers that reads [`MAX_BODY_BYTES`].
    #[must_use]
    pub fn get(url: Url, roots: Authorities) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: Vec::new(),
            body: Bytes::new(),
            connect_to: None,
            roots,
            max_body: MAX_BODY_BYTES,
            only_http1: false,
        }
    }

    /// The host as it stands in the URL.
    #[must_use]
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The status.
    pub status: u16,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub version: &'static str,
    /// The headers in the order they came, names in lower case.
    pub headers: Vec<(String, String)>,
    /// What was read of the body.
    pub body: Bytes,
    /// How the body ended.
    pub ended: Ended,
    /// The address that answered.
    pub addr: SocketAddr,
    /// The phases, in milliseconds: `dns`, `connect`, `tls`, `send`, `first_byte`, `transfer`.
    pub phases_ms: BTreeMap<String, f64>,
    /// The server's certificate, where there was one: `not_after`, `issuer`, `subject`.
    pub certificate: Facts,
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// As declared.
    Whole,
    /// Longer than we wanted to read.
    Long,
    /// The connection ended before the declared end.
    Cut,
    /// The framing of the body is broken: a chunk that is none (RFC 9112 section 7.1).
    Broken,
    /// The check's time was up before the end.
    Late,
}

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ExchangeError {
    /// There was no connection.
    #[error(transparent)]
    Dial(#[from] dial::DialError),
    /// The server's certificate does not verify.
    #[error(transparent)]
    Untrusted(Untrusted),
    /// The TLS handshake failed for another reason.
    #[error("the TLS handshake failed: {0}")]
    Handshake(String),
    /// The server ended the handshake, or the connection after it, with this alert (RFC 8446 section 6).
    #[error("the server ended the connection with TLS alert {0} {name}", name = crate::checks::tls::alert_name(*.0))]
    Alert(u8),
    /// The server speaks a TLS that other clients speak and this program does not.
    #[error(
        "the server takes only {cipher} ({version}) or the like, which other clients speak and this program does not"
    )]
    BeyondUs {
        /// The version that it would take.
        version: &'static str,
        /// The cipher suite, in OpenSSL's words.
        cipher: String,
    },
    /// The port does not speak TLS.
    #[error("the port does not speak TLS: what came back is no TLS record")]
    NotTls,
    /// The server broke off HTTP/2: GOAWAY or RST_STREAM with this error code (RFC 9113 section 7).
    #[error("the server ended HTTP/2 with {how}: {reason}")]
    Http2 {
        /// `GOAWAY` or `RST_STREAM`, or what else.
        how: &'static str,
        /// The error code, in words.
        reason: String,
    },
    /// The time was up in this phase.
    #[error("no answer in time; it stopped in the phase `{0}`")]
    Timeout(Phase),
    /// The connection ended in this phase.
    #[error("the connection ended in the phase `{0}`")]
    Reset(Phase),
    /// What came back is not HTTP.
    #[error("what came back is not HTTP: {0}")]
    NotHttp(String),
    /// The request cannot be sent as it is.
    #[error("the request cannot be sent: {0}")]
    Unsendable(String),
}

impl ExchangeError {
    /// Whether it is we who could not ask: that says nothing about the target.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        match self {
            Self::Dial(error) => error.is_ours(),
            error => matches!(error, Self::BeyondUs { .. }),
        }
    }
}

/// A phase of an exchange in which it can stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The TLS handshake.
    Tls,
    /// Sending the request, and waiting for the first byte of the answer.
    FirstByte,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tls => "tls",
            Self::FirstByte => "first_byte",
        })
    }
}

/// An exchange without an answer, and what was learned until then.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
pub struct Failed {
    /// Why.
    pub error: ExchangeError,
    /// The address, once there was a connection.
    pub addr: Option<SocketAddr>,
    /// The phases that were finished.
    pub phases_ms: BTreeMap<String, f64>,
}

/// Asks, and waits for the whole answer until the deadline.
///
/// # Errors
/// [`Failed`] when no head of an answer came.
pub async fn exchange(env: &Environment, ask: &Ask, deadline: Instant) -> Result<Exchange, Failed> {
    let mut phases_ms = BTreeMap::new();
    let mut addr = None;
    match attempt(env, ask, deadline, &mut phases_ms, &mut addr).await {
        Ok(exchange) => Ok(Exchange { phases_ms, ..exchange }),
        Err(error) => Err(Failed { error, addr, phases_ms }),
    }
}

type Phases = BTreeMap<String, f64>;

async fn attempt(
    env: &Environment,
    ask: &Ask,
    deadline: Instant,
    phases: &mut Phases,
    reached: &mut Option<SocketAddr>,
) -> Result<Exchange, ExchangeError> {
    let unsendable = |what: &str| ExchangeError::Unsendable(what.to_owned());
    let host = ask.url.host_str().ok_or_else(|| unsendable("the URL has no host"))?;
    let port = ask.url.port_or_known_default().ok_or_else(|| unsendable("the URL has no port"))?;
    let (dialed, dns_took) = dial::connect_any(env, host, port, ask.connect_to, deadline).await?;
    *reached = Some(dialed.addr);
    phases.insert("dns".to_owned(), millis(dns_took));
    phases.insert("connect".to_owned(), millis(dialed.took));

    if ask.url.scheme() == "https" {
        let started = Instant::now();
        let shaking = secure::handshake(env, ask, dialed.stream, host, deadline);
        let shaken = timeout_at(deadline, shaking).await.map_err(|_| ExchangeError::Timeout(Phase::Tls))?;
        let (stream, certificate) = shaken?;
        phases.insert("tls".to_owned(), millis(started.elapsed()));
        let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let exchange = talk(stream, h2, ask, dialed.addr, deadline, phases).await?;
        Ok(Exchange { certificate, ..exchange })
    } else {
        talk(dialed.stream, false, ask, dialed.addr, deadline, phases).await
    }
}

/// Ends the connection's own task with the exchange, whichever way that ends.
struct Connection(AbortHandle);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn talk<S>(
    stream: S,
    h2: bool,
    ask: &Ask,
    addr: SocketAddr,
    deadline: Instant,
    phases: &mut Phases,
) -> Result<Exchange, ExchangeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request = request(ask, h2)?;
    let (stream, last_write) = Watched::new(stream);
    let started = Instant::now();
    let head = timeout_at(deadline, head(stream, h2, request)).await;
    let (answer, _connection) = head.map_err(|_| ExchangeError::Timeout(Phase::FirstByte))??;
    let sent = last_write.at().unwrap_or(started);
    phases.insert("send".to_owned(), millis(sent - started));
    phases.insert("first_byte".to_owned(), millis(sent.elapsed()));

    let (head, body) = answer.into_parts();
    let began = Instant::now();
    let is_length_declared = head.version == Version::HTTP_2
        || head.headers.contains_key(CONTENT_LENGTH)
        || head.headers.contains_key(TRANSFER_ENCODING);
    let (body, ended) = read(body, ask.max_body, is_length_declared, deadline).await;
    phases.insert("transfer".to_owned(), millis(began.elapsed()));
    let value = |it: &HeaderValue| String::from_utf8_lossy(it.as_bytes()).into_owned();
    Ok(Exchange {
        status: head.status.as_u16(),
        version: if head.version == Version::HTTP_2 { "HTTP/2.0" } else { "HTTP/1.1" },
        headers: head.headers.iter().map(|(name, it)| (name.as_str().to_owned(), value(it))).collect(),
        body,
        ended,
        addr,
        phases_ms: BTreeMap::new(),
        certificate: Facts::new(),
    })
}

/// The request on the wire: the path alone and a `Host` header in HTTP/1.1, the whole URL in HTTP/2.
fn request(ask: &Ask, h2: bool) -> Result<Request<Full<Bytes>>, ExchangeError> {
    let unsendable = |why: &dyn std::fmt::Display| ExchangeError::Unsendable(why.to_string());
    let target = if h2 {
        &ask.url[..url::Position::AfterQuery]
    } else {
        &ask.url[url::Position::BeforePath..url::Position::AfterQuery]
    };
    let uri: Uri = target.parse().map_err(|why| unsendable(&why))?;
    let mut request = Request::new(Full::new(ask.body.clone()));
    *request.method_mut() = ask.method.clone();
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    if !h2 {
        let host = &ask.url[url::Position::BeforeHost..url::Position::AfterPort];
        headers.insert(HOST, HeaderValue::from_str(host).map_err(|why| unsendable(&why))?);
    }
    for (name, value) in &ask.headers {
        let name: HeaderName = name.parse().map_err(|why| unsendable(&why))?;
        let value = HeaderValue::from_str(value).map_err(|why| unsendable(&why))?;
        if name == HOST {
            headers.insert(HOST, value);
        } else {
            headers.append(name, value);
        }
    }
    Ok(request)
}

async fn head<S>(
    stream: Watched<S>,
    h2: bool,
    request: Request<Full<Bytes>>,
) -> Result<(Response<Incoming>, Connection), ExchangeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(stream);
    if h2 {
        let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
            .max_header_list_size(MAX_HEAD_BYTES)
            .initial_stream_window_size(HTTP2_WINDOW)
            .initial_connection_window_size(HTTP2_WINDOW)
            .handshake(io)
            .await
            .map_err(|error| stopped(&error))?;
        let connection = Connection(tokio::spawn(connection).abort_handle());
        let answer = sender.send_request(request).await.map_err(|error| stopped(&error))?;
        Ok((answer, connection))
    } else {
        let (mut sender, connection) = http1::Builder::new()
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD_BYTES as usize)
            // Folded lines are read as one (RFC 9112 section 5.2), and a space before the colon is nobody's outage (section 5.1).
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .handshake(io)
            .await
            .map_err(|error| stopped(&error))?;
        let connection = Connection(tokio::spawn(connection).abort_handle());
        let answer = sender.send_request(request).await.map_err(|error| stopped(&error))?;
        Ok((answer, connection))
    }
}

/// Why no head came. Whatever is not a misspelt answer is a connection that ended.
fn stopped(error: &hyper::Error) -> ExchangeError {
    if error.is_parse() || error.is_parse_too_large() {
        return ExchangeError::NotHttp(error.to_string());
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(this) = cause {
        if let Some(h2) = this.downcast_ref::<h2::Error>() {
            if let Some(alert) = h2.get_io().and_then(secure::refusal) {
                return ExchangeError::Alert(alert);
            }
            let how = if h2.is_go_away() {
                "GOAWAY"
            } else if h2.is_reset() {
                "RST_STREAM"
            } else {
                "a breach of its framing"
            };
            if let Some(reason) = h2.reason() {
                return ExchangeError::Http2 { how, reason: reason.description().to_owned() };
            }
        }
        if let Some(alert) = this.downcast_ref::<std::io::Error>().and_then(secure::refusal) {
            return ExchangeError::Alert(alert);
        }
        cause = this.source();
    }
    ExchangeError::Reset(Phase::FirstByte)
}

/// How a body ended that ended in an error. Without a declared length the end of the connection is the end of the body; a TLS
/// connection that ends without a word (`close_notify`) is the habit of small servers, not a fault anybody sees.
fn ended(error: &hyper::Error, is_length_declared: bool) -> Ended {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(this) = cause {
        if let Some(io) = this.downcast_ref::<std::io::Error>() {
            return match io.kind() {
                std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData
                    if io.get_ref().is_none_or(|it| !it.is::<rustls::Error>()) =>
                {
                    Ended::Broken
                }
                std::io::ErrorKind::UnexpectedEof if !is_length_declared => Ended::Whole,
                _ => Ended::Cut,
            };
        }
        cause = this.source();
    }
    Ended::Cut
}

async fn read(mut body: Incoming, max: usize, is_length_declared: bool, deadline: Instant) -> (Bytes, Ended) {
    let mut read = Vec::new();
    let ended = loop {
        match timeout_at(deadline, body.frame()).await {
            Err(_) => break Ended::Late,
            Ok(None) => break Ended::Whole,
            Ok(Some(Err(error))) => break ended(&error, is_length_declared),
            Ok(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else { continue };
                let room = max.saturating_sub(read.len());
                read.extend_from_slice(&data[..data.len().min(room)]);
                if data.len() > room {
                    break Ended::Long;
                }
            }
        }
    };
    (read.into(), ended)
}

#[cfg(test)]
mod tests;
