//! Raw servers: they say what they like, and count what they could say before the client left.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use firstcheck::drill::pki::Identity;
use firstcheck::drill::tls_server;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What a flood ends at when nobody leaves: far more than any bound.
const FLOOD: u64 = 64 * 1024 * 1024;

/// Between two bytes of a drip.
const DRIP: Duration = Duration::from_millis(100);

/// What a client that reads at most 1 MiB lets a server send: that, and what the sockets' buffers hold (Linux grows the
/// receiver's to `tcp_rmem`'s 6 MiB).
const MOST_SENT: u64 = 9 * 1024 * 1024;

/// A running server; it stops when dropped.
pub(super) struct Server {
    addr: SocketAddr,
    sent: Arc<AtomicU64>,
    accepted: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Server {
    /// On 127.0.0.1.
    pub(super) fn start<F, A>(serve: F) -> Self
    where
        F: Fn(Connection<TcpStream>) -> A + Send + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        Self::at(Ipv4Addr::LOCALHOST.into(), serve)
    }

    /// At an address of this machine.
    pub(super) fn at<F, A>(ip: IpAddr, serve: F) -> Self
    where
        F: Fn(Connection<TcpStream>) -> A + Send + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        Self::on(SocketAddr::new(ip, 0), serve)
    }

    /// At an address and a port.
    pub(super) fn on<F, A>(addr: SocketAddr, serve: F) -> Self
    where
        F: Fn(Connection<TcpStream>) -> A + Send + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let listener = listen(addr).unwrap();
        let addr = listener.local_addr().unwrap();
        let (sent, accepted) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counted, seen) = (Arc::clone(&sent), Arc::clone(&accepted));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    Ok((stream, _)) = listener.accept() => {
                        seen.fetch_add(1, Ordering::SeqCst);
                        connections.spawn(serve(Connection { stream, sent: Arc::clone(&counted) }));
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Self { addr, sent, accepted, task: task.abort_handle() }
    }

    /// Reads a request and answers these bytes, then nothing more.
    pub(super) fn answering(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes: Arc<[u8]> = bytes.into().into();
        Self::start(move |mut connection| {
            let bytes = Arc::clone(&bytes);
            async move {
                if connection.request().await {
                    connection.say(&bytes).await;
                    connection.leave().await;
                }
            }
        })
    }

    /// Answers these bytes, and then these again and again.
    pub(super) fn flooding(head: impl Into<Vec<u8>>, again: impl Into<Vec<u8>>) -> Self {
        let (head, again): (Arc<[u8]>, Arc<[u8]>) = (head.into().into(), again.into().into());
        Self::start(move |mut connection| {
            let (head, again) = (Arc::clone(&head), Arc::clone(&again));
            async move {
                if connection.request().await && connection.say(&head).await {
                    connection.flood(&again).await;
                }
            }
        })
    }

    /// Says these bytes whoever comes, and these again and again; without a second part it waits.
    pub(super) fn bursting(head: impl Into<Vec<u8>>, again: impl Into<Vec<u8>>) -> Self {
        let (head, again): (Arc<[u8]>, Arc<[u8]>) = (head.into().into(), again.into().into());
        Self::start(move |mut connection| {
            let (head, again) = (Arc::clone(&head), Arc::clone(&again));
            async move {
                if !connection.say(&head).await {
                    return;
                }
                if again.is_empty() {
                    connection.wait().await;
                } else {
                    connection.flood(&again).await;
                }
            }
        })
    }

    /// A good TLS handshake, and then.
    pub(super) fn behind_tls<F, A>(identity: &Identity, alpn: &[&str], serve: F) -> Self
    where
        F: Fn(Connection<TlsStream<TcpStream>>) -> A + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let mut config = tls_server::server_config(identity, rustls::DEFAULT_VERSIONS, None).unwrap();
        config.alpn_protocols = alpn.iter().map(|it| it.as_bytes().to_vec()).collect();
        let (acceptor, serve) = (TlsAcceptor::from(Arc::new(config)), Arc::new(serve));
        Self::start(move |connection| {
            let (acceptor, serve) = (acceptor.clone(), Arc::clone(&serve));
            async move {
                let Connection { stream, sent } = connection;
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(Connection { stream, sent }).await;
                }
            }
        })
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub(super) fn secure_url(&self, path: &str) -> String {
        format!("https://{}{path}", self.addr)
    }

    /// That the client left before it had more than it may read.
    pub(super) fn was_left_in_time(&self) -> Result<(), String> {
        let sent = self.sent.load(Ordering::SeqCst);
        if sent <= MOST_SENT { Ok(()) } else { Err(format!("{sent} bytes were taken")) }
    }

    /// That nobody came.
    pub(super) fn saw_nobody(&self) -> Result<(), String> {
        match self.accepted.load(Ordering::SeqCst) {
            0 => Ok(()),
            count => Err(format!("the forbidden server saw {count} connections")),
        }
    }

    /// That somebody came.
    pub(super) fn saw_somebody(&self) -> Result<(), String> {
        if self.accepted.load(Ordering::SeqCst) > 0 { Ok(()) } else { Err("nobody came".to_owned()) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A small send buffer, so that what was sent is about what was taken.
fn listen(addr: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_send_buffer_size(64 * 1024)?;
    socket.bind(addr)?;
    socket.listen(64)
}

/// The server's end of a connection.
pub(super) struct Connection<S> {
    stream: S,
    sent: Arc<AtomicU64>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Reads to the end of a request's head; `false` when the client left.
    pub(super) async fn request(&mut self) -> bool {
        let mut read = Vec::new();
        while !read.windows(4).any(|it| it == b"\r\n\r\n") {
            if !self.hears(&mut read).await {
                return false;
            }
        }
        true
    }

    /// Some bytes of the client; `false` when it left.
    pub(super) async fn hears(&mut self, read: &mut Vec<u8>) -> bool {
        let mut part = [0; 4096];
        match self.stream.read(&mut part).await {
            Ok(size) if size > 0 => {
                read.extend_from_slice(&part[..size]);
                true
            }
            _ => false,
        }
    }

    /// Says it; `false` when the client left.
    pub(super) async fn say(&mut self, bytes: &[u8]) -> bool {
        for part in bytes.chunks(16 * 1024) {
            if self.stream.write_all(part).await.is_err() || self.stream.flush().await.is_err() {
                return false;
            }
            self.sent.fetch_add(part.len() as u64, Ordering::SeqCst);
        }
        true
    }

    /// Says it until the client leaves.
    pub(super) async fn flood(&mut self, bytes: &[u8]) {
        // Few large writes: a flood of single bytes would only be slow.
        let many = bytes.repeat((16 * 1024 / bytes.len().max(1)).max(1));
        let mut left = FLOOD;
        while left > 0 && self.say(&many).await {
            left = left.saturating_sub(many.len() as u64);
        }
        self.wait().await;
    }

    /// Says it a byte at a time, over and over.
    pub(super) async fn drip(&mut self, bytes: &[u8]) {
        let mut tick = tokio::time::interval(DRIP);
        for byte in bytes.iter().cycle() {
            tick.tick().await;
            if !self.say(&[*byte]).await {
                return;
            }
        }
    }

    /// Ends its side, and waits for the client.
    pub(super) async fn leave(&mut self) {
        let _ = self.stream.shutdown().await;
        self.wait().await;
    }

    /// Until the client leaves.
    pub(super) async fn wait(&mut self) {
        let mut read = Vec::new();
        while self.hears(&mut read).await {
            read.clear();
        }
    }
}

/// An answer with a length.
pub(super) fn answer(status: u16, content_type: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// An answer with these header lines and no body.
pub(super) fn headed(status: u16, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\n{headers}content-length: 0\r\n\r\n").into_bytes()
}

impl Connection<TcpStream> {
    /// Shakes hands, answers one request with 200, and waits for the client to leave.
    pub(super) async fn shakes(self, acceptor: &TlsAcceptor) {
        let Self { stream, sent } = self;
        let Ok(stream) = acceptor.accept(stream).await else { return };
        let mut connection = Connection { stream, sent };
        if connection.request().await {
            connection.say(&answer(200, "text/plain", "up")).await;
            connection.leave().await;
        }
    }
}
