//! Servers for what the drill's own cannot do: bytes as they are on the wire, packets as a stranger builds them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hickory_proto::op::{Edns, Message, OpCode};
use hickory_proto::rr::{Name, RData, Record};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::{AbortHandle, JoinSet};

/// A server of this laboratory; it stops when dropped.
pub(super) struct Server {
    pub(super) addr: SocketAddr,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Does this with every connection to an address.
    pub(super) async fn at<F>(
        at: SocketAddr,
        serve: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind(at).await?;
        let addr = listener.local_addr()?;
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    Ok((stream, _)) = listener.accept() => { connections.spawn(serve(stream)); }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Ok(Self { addr, task: task.abort_handle() })
    }

    /// Does this with every connection.
    pub(super) async fn tcp<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        Self::at((Ipv4Addr::LOCALHOST, 0).into(), serve).await.unwrap()
    }

    /// Does this with one connection after the other: the next is accepted when the one before is done.
    pub(super) async fn one_by_one<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A visitor that leaves early is no reason to close.
                let _ = serve(stream).await;
            }
        });
        Self { addr, task: task.abort_handle() }
    }

    /// Answers every HTTP request with these bytes, in the given pieces, and closes.
    pub(super) async fn raw(pieces: Vec<Vec<u8>>) -> Self {
        let pieces = Arc::new(pieces);
        Self::tcp(move |mut stream| {
            let pieces = Arc::clone(&pieces);
            async move {
                read_head(&mut stream).await?;
                stream.set_nodelay(true)?;
                for piece in &*pieces {
                    stream.write_all(piece).await?;
                    stream.flush().await?;
                    tokio::task::yield_now().await;
                }
                stream.shutdown().await?;
                // Whoever closes before the other side has read may reset it.
                stream.read_to_end(&mut Vec::new()).await.map(drop)
            }
        })
        .await
    }

    /// Its URL of a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// A name server: the answer to a query over UDP or TCP, as bytes; nothing for no answer.
    pub(super) async fn dns(answer: impl Fn(&Message, bool) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Self {
        let answer = Arc::new(answer);
        loop {
            let answer = Arc::clone(&answer);
            // A port that is free for one protocol may be taken for the other.
            let at = (Ipv4Addr::LOCALHOST, 0).into();
            if let Ok(server) = Self::dns_at(at, move |query, is_tcp| answer(query, is_tcp)).await {
                return server;
            }
        }
    }

    /// The same at an address.
    pub(super) async fn dns_at(
        at: SocketAddr,
        answer: impl Fn(&Message, bool) -> Vec<Vec<u8>> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let udp = UdpSocket::bind(at).await?;
        let addr = udp.local_addr()?;
        let tcp = TcpListener::bind(addr).await?;
        let answer = Arc::new(answer);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            let mut packet = [0; 4096];
            loop {
                tokio::select! {
                    Ok((size, from)) = udp.recv_from(&mut packet) => {
                        let Ok(query) = Message::from_vec(&packet[..size]) else { continue };
                        for reply in answer(&query, false) {
                            let _ = udp.send_to(&reply, from).await;
                        }
                    }
                    Ok((stream, _)) = tcp.accept() => {
                        let answer = Arc::clone(&answer);
                        connections.spawn(over_tcp(stream, move |query| answer(query, true)));
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Ok(Self { addr, task: task.abort_handle() })
    }
}

async fn over_tcp(mut stream: TcpStream, answer: impl Fn(&Message) -> Vec<Vec<u8>>) -> io::Result<()> {
    loop {
        let mut packet = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut packet).await?;
        let query = Message::from_vec(&packet).map_err(io::Error::other)?;
        for reply in answer(&query) {
            let length = u16::try_from(reply.len()).map_err(io::Error::other)?;
            stream.write_all(&[length.to_be_bytes().as_slice(), &reply].concat()).await?;
        }
    }
}

/// Reads until the empty line after the header.
pub(super) async fn read_head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.windows(4).any(|it| it == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

/// An answer to a query as a resolver begins it: the question, RA, EDNS when it was offered.
pub(super) fn reply(query: &Message) -> Message {
    let mut reply = Message::response(query.metadata.id, OpCode::Query);
    reply.metadata.recursion_desired = query.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.metadata.checking_disabled = query.metadata.checking_disabled;
    reply.add_queries(query.queries.iter().cloned());
    if query.edns.is_some() {
        reply.set_edns(Edns::new());
    }
    reply
}

/// An absolute name.
pub(super) fn name(text: &str) -> Name {
    let mut name = Name::from_ascii(text).unwrap();
    name.set_fqdn(true);
    name
}

/// A record.
pub(super) fn record(owner: &str, ttl: u32, data: RData) -> Record {
    Record::from_rdata(name(owner), ttl, data)
}
