//! A name server that says whatever packets it is given.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hickory_proto::op::Message;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::AbortHandle;

/// A name server that stops when dropped.
pub(super) struct Names {
    pub(super) addr: SocketAddr,
    tasks: [AbortHandle; 2],
}

impl Drop for Names {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// What a server says over TCP to one query.
#[derive(Clone, Copy)]
pub(super) enum OverTcp {
    /// The last of what it says over UDP.
    Same,
    /// These bytes, length and all, and then nothing more.
    Bytes(&'static [u8]),
    /// A byte per 100 ms.
    Drip,
}

type Packets = dyn Fn(&Message, &[u8]) -> Vec<Vec<u8>> + Send + Sync;

impl Names {
    pub(super) async fn start(
        packets: impl Fn(&Message, &[u8]) -> Vec<Vec<u8>> + Send + Sync + 'static,
        tcp: OverTcp,
    ) -> Self {
        let packets: Arc<Packets> = Arc::new(packets);
        let (udp, listener) = loop {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            if let Ok(listener) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, listener);
            }
        };
        let addr = udp.local_addr().unwrap();
        let over_udp = Arc::clone(&packets);
        let datagrams = tokio::spawn(async move {
            let mut buffer = vec![0; 65_535];
            while let Ok((size, from)) = udp.recv_from(&mut buffer).await {
                let Ok(query) = Message::from_vec(&buffer[..size]) else { continue };
                for packet in over_udp(&query, &buffer[..size]) {
                    // What does not fit is what TCP is for.
                    let _ = udp.send_to(&packet, from).await;
                }
            }
        });
        let streams = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&packets), tcp));
            }
        });
        Self { addr, tasks: [datagrams.abort_handle(), streams.abort_handle()] }
    }
}

async fn answer(mut stream: TcpStream, packets: Arc<Packets>, tcp: OverTcp) -> Option<()> {
    let length = stream.read_u16().await.ok()?;
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await.ok()?;
    let query = Message::from_vec(&bytes).ok()?;
    match tcp {
        OverTcp::Same => {
            let packet = packets(&query, &bytes).pop()?;
            stream.write_u16(u16::try_from(packet.len()).ok()?).await.ok()?;
            stream.write_all(&packet).await.ok()?;
        }
        OverTcp::Bytes(said) => stream.write_all(said).await.ok()?,
        OverTcp::Drip => {
            let mut tick = tokio::time::interval(std::time::Duration::from_millis(100));
            loop {
                tick.tick().await;
                stream.write_all(&[0xff]).await.ok()?;
            }
        }
    }
    // The client leaves first.
    let mut rest = [0; 64];
    while stream.read(&mut rest).await.is_ok_and(|size| size > 0) {}
    Some(())
}
