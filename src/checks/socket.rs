//! Sockets, below the egress policy: only [`super::dial`], which asks the policy, and [`super::resolve`], whose servers were asked about,
//! open one here.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::turns::Turn;

/// An open connection to a target, with the turn that it takes there: whoever holds the one holds the other.
#[derive(Debug)]
pub struct Connection {
    // Closed before the turn ends: fields are dropped in this order.
    stream: TcpStream,
    turn: Option<Turn>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, turn: Option<Turn>) -> Self {
        Self { stream, turn }
    }

    /// The address it goes to.
    pub(super) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if let (Poll::Ready(_), Some(turn)) = (&read, &self.turn) {
            turn.heard();
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Opens a socket. Callers have asked the policy.
#[expect(clippy::disallowed_methods, reason = "this is the place that asks the policy first")]
pub(super) async fn open(addr: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect(addr).await
}

/// Whether this machine has a way to public addresses of this family; asks its routing table and sends nothing.
///
/// Without one, an address that "cannot be reached" says nothing about the target. Addresses that are not public are
/// taken at their word.
pub(super) fn has_route_to_family_of(addr: SocketAddr) -> bool {
    let IpAddr::V6(ip) = addr.ip() else { return true };
    if ip.segments()[0] & 0xe000 != 0x2000 {
        return true;
    }
    // A root name server's address, which every machine with IPv6 can route to.
    let public = SocketAddr::from(([0x2001, 0x0500, 0x0200, 0, 0, 0, 0, 0x000b], 53));
    std::net::UdpSocket::bind("[::]:0").and_then(|socket| socket.connect(public)).is_ok()
}
