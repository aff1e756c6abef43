//! Sound ports: whoever completes the handshake is there, whatever it says or does not say afterwards.

use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use firstcheck::drill::name_server::{NameServer, Zone};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::servers::Server;
use super::{Asked, Table};

async fn silent(stream: TcpStream) -> io::Result<()> {
    let _open = stream;
    pending().await
}

/// A name with these addresses, and a server at each of them, on one port.
async fn named(name: &str, target: &str, addresses: Vec<std::net::IpAddr>) -> Asked {
    let first = Server::at(SocketAddr::new(addresses[0], 0), silent).await.unwrap();
    let port = first.addr.port();
    let zone = addresses.iter().fold(Zone::new("lab.test"), |zone, ip| zone.address(name, *ip));
    let resolver = NameServer::start(vec![zone]).await.unwrap();
    let mut asked = Asked::new(format!("{target}:{port}")).resolving(resolver.addr()).holding(resolver);
    for ip in &addresses[1..] {
        asked = asked.holding(Server::at(SocketAddr::new(*ip, port), silent).await.unwrap());
    }
    asked.holding(first)
}

const ONE: std::net::IpAddr = std::net::IpAddr::V4(Ipv4Addr::LOCALHOST);
const TWO: std::net::IpAddr = std::net::IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const SIX: std::net::IpAddr = std::net::IpAddr::V6(Ipv6Addr::LOCALHOST);

async fn listening(serve: Server) -> Asked {
    Asked::new(serve.addr.to_string()).holding(serve)
}

pub(super) fn rows(table: &mut Table) {
    table.row("a port that listens and says nothing", "connects", async {
        listening(Server::tcp(silent).await).await
    });
    table.row("a server that speaks first, as mail does", "connects", async {
        listening(
            Server::tcp(|mut stream| async move {
                stream.write_all(b"220 mail.lab.test ESMTP\r\n").await?;
                stream.read_to_end(&mut Vec::new()).await.map(drop)
            })
            .await,
        )
        .await
    });
    table.row("a server that says a long greeting and nothing else", "connects", async {
        listening(Server::tcp(|mut stream| async move { stream.write_all(&vec![b'x'; 200_000]).await }).await)
            .await
    });
    table.row("a server that ends the connection at once, in order", "connects", async {
        listening(Server::tcp(|mut stream| async move { stream.shutdown().await }).await).await
    });
    table.row("a server whose accept is slow: the kernel answers for it", "connects", async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        Asked::new(listener.local_addr().unwrap().to_string()).holding(listener)
    });
    table.row("an IPv6 address alone", "connects", async {
        listening(Server::at(SocketAddr::new(SIX, 0), silent).await.unwrap()).await
    });
    table.row("an IPv4 address written as an IPv6 one", "connects", async {
        let server = Server::tcp(silent).await;
        Asked::new(format!("[::ffff:127.0.0.1]:{}", server.addr.port())).holding(server)
    });
    table.row("a name with IPv4 only", "connects", named("api", "api.lab.test", vec![ONE]));
    table.row("a name with IPv6 only", "connects", named("api", "api.lab.test", vec![SIX]));
    table.row(
        "a name with both families, both listening",
        "connects",
        named("api", "api.lab.test", vec![ONE, SIX]),
    );
    table.row(
        "a name with two addresses of one family",
        "connects",
        named("api", "api.lab.test", vec![ONE, TWO]),
    );
    table.row("capitals and a final dot in the name", "connects", named("api", "API.Lab.test.", vec![ONE]));
    table.row("an address instead of a name that nobody knows", "connects", async {
        let server = Server::tcp(silent).await;
        let resolver = NameServer::start(vec![Zone::new("lab.test")]).await.unwrap();
        Asked::new("unknown.lab.test:443")
            .with("connect_to", server.addr.to_string())
            .resolving(resolver.addr())
            .holding(server)
            .holding(resolver)
    });
    table.row("a name behind five aliases", "connects", async {
        let server = Server::tcp(silent).await;
        let zone = (0..5).fold(Zone::new("lab.test"), |zone, hop| {
            zone.cname(&format!("h{hop}"), &format!("h{}.lab.test", hop + 1))
        });
        let resolver = NameServer::start(vec![zone.a("h5", Ipv4Addr::LOCALHOST)]).await.unwrap();
        Asked::new(format!("h0.lab.test:{}", server.addr.port()))
            .resolving(resolver.addr())
            .holding(server)
            .holding(resolver)
    });
    table.row("a name whose resolver answers over TCP only", "connects", async {
        let server = Server::tcp(silent).await;
        let zone = Zone::new("lab.test").a("api", Ipv4Addr::LOCALHOST).truncated("api");
        let resolver = NameServer::start(vec![zone]).await.unwrap();
        Asked::new(format!("api.lab.test:{}", server.addr.port()))
            .resolving(resolver.addr())
            .holding(server)
            .holding(resolver)
    });
    table.row("a name whose resolver knows no EDNS", "connects", async {
        let server = Server::tcp(silent).await;
        let zone = Zone::new("lab.test").a("api", Ipv4Addr::LOCALHOST).breaks_on_edns("api");
        let resolver = NameServer::start(vec![zone]).await.unwrap();
        Asked::new(format!("api.lab.test:{}", server.addr.port()))
            .resolving(resolver.addr())
            .holding(server)
            .holding(resolver)
    });
}
