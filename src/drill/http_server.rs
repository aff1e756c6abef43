//! An HTTP server that does what a test or a drill tells it to, on loopback: it answers, is slow, falls silent, resets,
//! or cuts its answer in the middle, and it remembers every request.
//!
//! The surprise: a fault is a [`Reply`], decided per request, so that one server can be healthy for one path and broken for the next.
//! It speaks HTTP/1.1, and HTTP/2 where TLS agreed on `h2`. Dropping the server closes its port and every connection.

use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::pki::Identity;

/// The requests a server keeps: more than any drill sends, few enough that a load test does not fill memory.
const KEPT_REQUESTS: usize = 2_000;

/// What a server does with a request.
#[derive(Debug)]
pub enum Reply {
    /// Answers.
    Answer(Response<Bytes>),
    /// Answers, or fails, after this long.
    After(Duration, Box<Reply>),
    /// Promises the whole body in `Content-Length`, sends this many bytes of it and closes the connection.
    Cut(Response<Bytes>, usize),
    /// Sends a TCP reset instead of an answer.
    Reset,
    /// Never answers; the connection stays open.
    Silence,
}

impl Reply {
    /// A JSON answer.
    #[must_use]
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::body(status, "application/json", body.to_string())
    }

    /// A plain-text answer.
    #[must_use]
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self::body(status, "text/plain; charset=utf-8", body)
    }

    /// An HTML answer.
    #[must_use]
    pub fn html(status: u16, body: impl Into<String>) -> Self {
        Self::body(status, "text/html", body)
    }

    /// An answer without a body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self::Answer(response(status, Bytes::new()))
    }

    /// An answer with any content type.
    #[must_use]
    pub fn body(status: u16, content_type: &'static str, body: impl Into<String>) -> Self {
        let mut answer = response(status, Bytes::from(body.into()));
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self::Answer(answer)
    }

    /// An answer of bytes that need not be text: compressed, or a certificate.
    #[must_use]
    pub fn bytes(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut answer = response(status, body.into());
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self::Answer(answer)
    }

    /// With one more header. A reset and a silence have none, and stay as they are; so does an answer when the header is not one.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match &mut self {
            Self::Answer(answer) | Self::Cut(answer, _) => {
                if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
                    answer.headers_mut().append(name, value);
                }
                self
            }
            Self::After(_, _) => match self {
                Self::After(wait, later) => Self::After(wait, Box::new(later.header(name, value))),
                other => other,
            },
            Self::Reset | Self::Silence => self,
        }
    }

    /// The same, but only after this long.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self::After(wait, Box::new(self))
    }

    /// The same answer, cut after this many bytes of its body; anything but a plain answer stays as it is.
    #[must_use]
    pub fn cut_after(self, bytes: usize) -> Self {
        match self {
            Self::Answer(answer) => Self::Cut(answer, bytes),
            other => other,
        }
    }
}

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its method.
    pub method: Method,
    /// Its target: path and query.
    pub uri: Uri,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Seen {
    /// A header's first value, when it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Decides what to do with a request.
pub type Handler = Arc<dyn Fn(Request<Bytes>) -> BoxFuture<'static, Reply> + Send + Sync>;

/// A running server.
#[derive(Debug)]
pub struct HttpServer {
    addr: SocketAddr,
    secure: bool,
    journal: Arc<Journal>,
    accepting: AbortHandle,
}

impl HttpServer {
    /// Starts a plain server on a free port of `127.0.0.1`.
    ///
    /// # Errors
    /// When the port cannot be opened.
    pub async fn plain<F, A>(handler: F) -> std::io::Result<Self>
    where
        F: Fn(Request<Bytes>) -> A + Send + Sync + 'static,
        A: Future<Output = Reply> + Send + 'static,
    {
        Self::start(loopback(), None, boxed(handler)).await
    }

    /// Starts a TLS server (ALPN `h2` and `http/1.1`) on a free port of `127.0.0.1`.
    ///
    /// # Errors
    /// When the port cannot be opened or the identity's key and certificate do not fit.
    pub async fn tls<F, A>(identity: &Identity, handler: F) -> std::io::Result<Self>
    where
        F: Fn(Request<Bytes>) -> A + Send + Sync + 'static,
        A: Future<Output = Reply> + Send + 'static,
    {
        let config = server_config(identity).map_err(std::io::Error::other)?;
        Self::start(loopback(), Some(config), boxed(handler)).await
    }

    /// Starts a server at this address, with TLS where a configuration is given.
    ///
    /// # Errors
    /// When the address cannot be opened.
    pub async fn start(
        addr: SocketAddr,
        tls: Option<ServerConfig>,
        handler: Handler,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let journal = Arc::new(Journal::default());
        let secure = tls.is_some();
        let tls = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        let visit = Visit { handler, journal: Arc::clone(&journal) };
        let accepting = tokio::spawn(accept(listener, tls, visit)).abort_handle();
        Ok(Self { addr, secure, journal, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The URL of a path on this server, by address.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.addr)
    }

    /// Every request so far, in the order they came (the first 2,000).
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        self.journal.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until at least this many requests have come.
    pub async fn received(&self, count: usize) {
        let mut seen = self.journal.count.subscribe();
        // The sender lives as long as `self`: waiting cannot fail.
        let _ = seen.wait_for(|now| *now >= count).await;
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// `127.0.0.1`, any free port.
fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn boxed<F, A>(handler: F) -> Handler
where
    F: Fn(Request<Bytes>) -> A + Send + Sync + 'static,
    A: Future<Output = Reply> + Send + 'static,
{
    Arc::new(move |request| handler(request).boxed())
}

fn response(status: u16, body: Bytes) -> Response<Bytes> {
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer
}

fn server_config(identity: &Identity) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[derive(Debug)]
struct Journal {
    requests: Mutex<Vec<Seen>>,
    count: watch::Sender<usize>,
}

impl Default for Journal {
    fn default() -> Self {
        Self { requests: Mutex::default(), count: watch::Sender::new(0) }
    }
}

impl Journal {
    fn record(&self, request: &Request<Bytes>) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.len() < KEPT_REQUESTS {
            requests.push(Seen {
                method: request.method().clone(),
                uri: request.uri().clone(),
                headers: request.headers().clone(),
                body: request.body().clone(),
            });
        }
        drop(requests);
        self.count.send_modify(|count| *count += 1);
    }
}

#[derive(Clone)]
struct Visit {
    handler: Handler,
    journal: Arc<Journal>,
}

/// Accepts until the task is aborted; the connections die with the set that holds them.
async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, visit: Visit) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                // Small answers must not wait for an acknowledgement; a socket that refuses the option still works.
                let _ = stream.set_nodelay(true);
                connections.spawn(greet(stream, tls.clone(), visit.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn greet(stream: TcpStream, tls: Option<TlsAcceptor>, visit: Visit) {
    let Some(acceptor) = tls else { return serve_http1(stream, visit, |it| it).await };
    // A client that refuses our certificate ends the handshake: that is the drill, not an error of ours.
    let Ok(stream) = acceptor.accept(stream).await else { return };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        serve_http2(stream, visit).await;
    } else {
        serve_http1(stream, visit, |it| it.into_inner().0).await;
    }
}

async fn serve_http1<S>(stream: S, visit: Visit, socket: impl FnOnce(S) -> TcpStream)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| answer(request, visit.clone()).boxed());
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let ended = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let stream = socket(connection.into_parts().io.into_inner());
    if ended.is_err_and(|error| asked_to_reset(&error)) {
        // Linger of zero turns the close into RST (RFC 9293 §3.6, abort).
        let _ = stream.set_zero_linger();
    }
}

async fn serve_http2<S>(stream: S, visit: Visit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| answer(request, visit.clone()));
    let connection =
        http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
    // A client that goes away in the middle is no fault of the server.
    let _ = connection.await;
}

/// Ends a connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("this connection is to be reset")]
struct ResetConnection;

fn asked_to_reset(error: &hyper::Error) -> bool {
    std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<ResetConnection>)
}

async fn answer(request: Request<Incoming>, visit: Visit) -> Result<Response<Script>, ResetConnection> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| ResetConnection)?.to_bytes();
    let request = Request::from_parts(head, body);
    visit.journal.record(&request);
    let mut reply = (visit.handler)(request).await;
    loop {
        match reply {
            Reply::Answer(answer) => return Ok(answer.map(Script::whole)),
            Reply::After(wait, later) => {
                tokio::time::sleep(wait).await;
                reply = *later;
            }
            Reply::Cut(mut answer, bytes) => {
                let promised = HeaderValue::from(answer.body().len());
                answer.headers_mut().insert(CONTENT_LENGTH, promised);
                return Ok(answer.map(|body| Script::cut(body, bytes)));
            }
            Reply::Reset => return Err(ResetConnection),
            Reply::Silence => return std::future::pending().await,
        }
    }
}

/// A body that may break off: what was promised stays in its size, so that the reader can tell.
struct Script {
    promised: u64,
    next: Option<Bytes>,
    breaks: Break,
}

/// How far a broken body has come. One turn passes between the last bytes and the end, or hyper would drop the bytes unsent.
enum Break {
    Never,
    AfterFlush,
    Now,
}

impl Script {
    fn whole(body: Bytes) -> Self {
        Self { promised: body.len() as u64, next: Some(body), breaks: Break::Never }
    }

    fn cut(body: Bytes, bytes: usize) -> Self {
        let promised = body.len() as u64;
        let mut kept = body;
        kept.truncate(bytes);
        Self { promised, next: Some(kept), breaks: Break::AfterFlush }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = ResetConnection;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResetConnection>>> {
        if let Some(bytes) = self.next.take().filter(|bytes| !bytes.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        match self.breaks {
            Break::Never => Poll::Ready(None),
            Break::AfterFlush => {
                self.breaks = Break::Now;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Break::Now => Poll::Ready(Some(Err(ResetConnection))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.breaks, Break::Never) && self.next.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.promised)
    }
}
