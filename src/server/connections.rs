//! Connections: how many, and how long one may dawdle before its request is complete.
//!
//! A client that sends its headers a byte at a time, or none at all, holds a connection and nothing else, and not for long
//! (RFC 9112 has no limit; attackers know). The surprise: a connection too many is not refused. It waits in the system's queue
//! until another ends, as senders of alerts rather wait a moment than lose one.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// Limits of the connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections at once; each costs a socket and some 20 KiB, and the usual limit of a process is 1,024 sockets.
    pub(super) at_once: usize,
    /// Time for a request's headers to arrive, also after the answer before: a sender's connection that idles longer is
    /// opened anew, which costs it one round trip.
    pub(super) headers: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { at_once: 512, headers: Duration::from_secs(10) }
    }
}

/// Serves until `shutdown` is ready; then accepts nothing any more, finishes what is being answered, and closes what idles.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(limits.at_once));
    let (stop, stopping) = watch::channel(false);
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = async {
            // The semaphore is never closed.
            let place = Arc::clone(&room).acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (router, stopping) = (router.clone(), stopping.clone());
                tokio::spawn(async move {
                    let _place = place;
                    connection(stream, Peer(peer), router, limits, stopping).await;
                });
            }
            Err(error) => wait_after(&error).await,
        }
    }
    drop((listener, stopping));
    stop.send_replace(true);
    // Each connection holds a receiver: they are gone when it is.
    stop.closed().await;
    Ok(())
}

/// Whom a connection comes from; every request carries it among its extensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

async fn connection(
    stream: TcpStream,
    peer: Peer,
    router: Router,
    limits: Limits,
    mut stopping: watch::Receiver<bool>,
) {
    let inner = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        inner.call(request)
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => Some(ended),
        _ = stopping.wait_for(|stopping| *stopping) => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        serving.as_mut().graceful_shutdown();
        serving.await
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// A connection that ended before it was accepted is nothing; without sockets or memory, a pause lets others end.
async fn wait_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "no connection can be accepted; trying again in a second");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    use super::*;

    async fn start(
        limits: Limits,
    ) -> (std::net::SocketAddr, oneshot::Sender<()>, JoinHandle<io::Result<()>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let router = Router::new().route("/", get(|| async { "here" }));
        let until = async {
            stopped.await.ok();
        };
        (address, stop, tokio::spawn(serve(listener, router, limits, until)))
    }

    async fn says(address: std::net::SocketAddr, text: &str) -> TcpStream {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    async fn answer(mut stream: TcpStream) -> String {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok();
        String::from_utf8(answer).unwrap()
    }

    const WHOLE: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

    #[tokio::test]
    async fn a_client_that_never_ends_its_headers_is_sent_away_and_makes_room() {
        let limits = Limits { at_once: 1, headers: Duration::from_millis(50) };
        let (address, _stop, _serving) = start(limits).await;
        let slow = says(address, "GET / HTTP/1.1\r\nx: ").await;
        let next = says(address, WHOLE).await;
        assert!(answer(next).await.ends_with("here"));
        assert!(!answer(slow).await.contains("200"));
    }

    #[tokio::test]
    async fn what_idles_is_closed_at_the_end() {
        let (address, stop, serving) = start(Limits::default()).await;
        let idle = says(address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut first = [0; 12];
        let mut idle = idle;
        idle.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        stop.send(()).unwrap();
        serving.await.unwrap().unwrap();
    }
}
