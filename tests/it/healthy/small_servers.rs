//! Servers as people write them in an afternoon: one connection at a time, one record type, no TCP, nothing but what was asked for. What
//! they serve is sound, and probes that ask for more than a client does find fault with the rest.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::TlsAcceptor;

use super::servers::{Server, read_head, record, reply};
use super::tls::{Ca, NAME};
use super::{Asked, Table};

/// Name servers.
pub(super) mod names {
    use super::*;

    const HERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

    /// Knows the A record of `api.lab.test`; does `rest` with every other question.
    async fn knows_one(rest: fn(Message, &Message) -> Option<Message>) -> Asked {
        let server = Server::dns(move |query, _| {
            let mut answer = reply(query);
            answer.edns = None;
            let question = &query.queries[0];
            let is_known = question.name().to_lowercase().to_ascii() == "api.lab.test.";
            let answer = if is_known && question.query_type() == RecordType::A {
                answer.add_answer(record(
                    "api.lab.test",
                    60,
                    hickory_proto::rr::RData::A(hickory_proto::rr::rdata::A(HERE)),
                ));
                Some(answer)
            } else if is_known && question.query_type() == RecordType::AAAA {
                Some(answer)
            } else {
                rest(answer, query)
            };
            answer.map(|it| it.to_vec().unwrap()).into_iter().collect()
        })
        .await;
        Asked::new("api.lab.test").with("resolvers", server.addr.to_string()).holding(server)
    }

    fn coded(mut answer: Message, code: ResponseCode) -> Message {
        answer.metadata.response_code = code;
        answer
    }

    pub(in crate::healthy) fn rows(table: &mut Table) {
        table.row(
            "knows one name; of the rest it says there is nothing",
            "resolves",
            knows_one(|answer, _| Some(answer)),
        );
        table.row(
            "knows one name; the rest does not exist, its own zone neither",
            "resolves",
            knows_one(|answer, _| Some(coded(answer, ResponseCode::NXDomain))),
        );
        table.row(
            "knows one name; refuses the rest",
            "resolves",
            knows_one(|answer, _| Some(coded(answer, ResponseCode::Refused))),
        );
        table.row(
            "knows one name; fails on the rest",
            "resolves",
            knows_one(|answer, _| Some(coded(answer, ResponseCode::ServFail))),
        );
        table.row(
            "knows one name; other types are not implemented",
            "resolves",
            knows_one(|answer, _| Some(coded(answer, ResponseCode::NotImp))),
        );
        table.row("knows one name; is silent about the rest", "resolves", knows_one(|_, _| None));
        table.row("speaks UDP only", "resolves", async {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let at = socket.local_addr().unwrap();
            let serving = tokio::spawn(async move {
                let mut packet = [0; 4096];
                while let Ok((size, from)) = socket.recv_from(&mut packet).await {
                    let query = Message::from_vec(&packet[..size]).unwrap();
                    let mut answer = reply(&query);
                    if query.queries[0].query_type() == RecordType::A {
                        let owner = query.queries[0].name().to_ascii();
                        answer.add_answer(record(
                            &owner,
                            60,
                            hickory_proto::rr::RData::A(hickory_proto::rr::rdata::A(HERE)),
                        ));
                    }
                    let _ = socket.send_to(&answer.to_vec().unwrap(), from).await;
                }
            });
            Asked::new("api.lab.test").with("resolvers", at.to_string()).holding(Aborting(serving))
        });
        table.row("answers every question with the same address, whatever its type", "resolves", async {
            let server = Server::dns(|query, _| {
                let mut answer = reply(query);
                let owner = query.queries[0].name().to_ascii();
                answer.add_answer(record(
                    &owner,
                    60,
                    hickory_proto::rr::RData::A(hickory_proto::rr::rdata::A(HERE)),
                ));
                vec![answer.to_vec().unwrap()]
            })
            .await;
            Asked::new("api.lab.test").with("resolvers", server.addr.to_string()).holding(server)
        });
    }

    /// A task that ends with its row.
    struct Aborting(tokio::task::JoinHandle<()>);

    impl Drop for Aborting {
        fn drop(&mut self) {
            self.0.abort();
        }
    }
}

/// One request after the other, each on its own connection, nobody else meanwhile.
async fn one_by_one(answer: &'static str) -> Server {
    Server::one_by_one(move |mut stream: TcpStream| async move {
        read_head(&mut stream).await?;
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    })
    .await
}

/// The same over TLS.
async fn secure_one_by_one(root: &Ca) -> Server {
    let acceptor = TlsAcceptor::from(Arc::new(root.leaf(|_| {}).config()));
    Server::one_by_one(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await?;
            if stream.read(&mut [0; 4096]).await? > 0 {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
                    .await?;
            }
            stream.shutdown().await?;
            io::Result::Ok(())
        }
    })
    .await
}

const OK: &str = "HTTP/1.0 200 OK\r\nServer: hand-made\r\nX-RateLimit-Limit: 100\r\nX-RateLimit-Remaining: 99\r\nAccess-Control-Allow-Origin: *\r\n\r\nok";

async fn asked(path: &str) -> Asked {
    let server = one_by_one(OK).await;
    Asked::new(server.url(path)).holding(server)
}

/// Ports.
pub(super) mod ports {
    use super::*;

    pub(in crate::healthy) fn rows(table: &mut Table) {
        table.row("a server that serves one connection at a time", "connects", async {
            let server = one_by_one(OK).await;
            Asked::new(server.addr.to_string()).holding(server)
        });
    }
}

/// TLS.
pub(super) mod secure {
    use super::*;

    pub(in crate::healthy) fn rows(table: &mut Table) {
        table.row("a server that serves one connection at a time", "valid", async {
            let root = Ca::root("Lab Root");
            let mut config = root.leaf(|_| {}).config();
            config.alpn_protocols.clear();
            let server = secure_one_by_one(&root).await;
            Asked::new(format!("{NAME}:443"))
                .with("connect_to", server.addr.to_string())
                .trusting(root.certificate.pem())
                .holding(server)
        });
    }
}

/// HTTP.
pub(super) mod answers {
    use super::*;

    pub(in crate::healthy) fn rows(table: &mut Table) {
        table.row("a server that serves one connection at a time", "ok", asked("/"));
        table.row("the same, and the path is a template nobody filled", "ok", asked("/v1/orders/%7Bid%7D"));
    }
}

/// Quotas.
pub(super) mod quotas {
    use super::*;

    pub(in crate::healthy) fn rows(table: &mut Table) {
        table.row("a server that serves one connection at a time", "not_limited", asked("/"));
    }
}

/// Preflights.
pub(super) mod preflights {
    use super::*;

    pub(in crate::healthy) fn rows(table: &mut Table) {
        table.row("a server that serves one connection at a time", "ok", async {
            asked("/").await.with("origin", "https://app.lab.test")
        });
    }
}
