//! Oddities that are sound alone, in every combination: names, chains and answers.

use std::io::Write as _;
use std::net::Ipv4Addr;

use firstcheck::drill::name_server::{NameServer, Zone};
use rustls::SupportedProtocolVersion;

use super::Asked;
use super::http::raw;

/// Aliases, families, what the server cannot do, and how many resolvers are asked.
pub(super) mod names {
    use super::*;
    use crate::healthy::Table;

    type Families = fn(Zone, &str) -> Zone;
    type Fault = fn(Zone, &str) -> Zone;

    const SIX: std::net::Ipv6Addr = std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7);

    async fn made(hops: usize, families: Families, fault: Fault, servers: usize) -> Asked {
        let name = |hop: usize| if hop == 0 { "api".to_owned() } else { format!("hop{hop}") };
        let zone = (0..hops)
            .fold(Zone::new("lab.test").ns("@", "ns.lab.test").a("ns", Ipv4Addr::LOCALHOST), |zone, hop| {
                fault(zone.cname(&name(hop), &format!("{}.lab.test", name(hop + 1))), &name(hop))
            });
        let zone = fault(families(zone, &name(hops)), &name(hops));
        let mut asked = Asked::new("api.lab.test");
        let mut addresses = Vec::new();
        for _ in 0..servers {
            let server = NameServer::start(vec![zone.clone()]).await.unwrap();
            addresses.push(server.addr().to_string());
            asked = asked.holding(server);
        }
        asked.with("resolvers", addresses.join(","))
    }

    pub(in crate::healthy) fn rows(table: &mut Table) {
        let families: [(&str, Families); 3] = [
            ("IPv4", |zone, name| zone.a(name, Ipv4Addr::LOCALHOST)),
            ("IPv6", |zone, name| zone.aaaa(name, SIX)),
            ("both families", |zone, name| zone.a(name, Ipv4Addr::LOCALHOST).aaaa(name, SIX)),
        ];
        let faults: [(&str, Fault); 3] = [
            ("over UDP", |zone, _| zone),
            ("truncated over UDP", |zone, name| zone.truncated(name)),
            ("without EDNS", |zone, name| zone.breaks_on_edns(name)),
        ];
        for hops in [0, 1, 3, 8] {
            for (family, families) in families {
                for (how, fault) in faults {
                    for servers in [1, 3] {
                        let name = format!("{hops} aliases, {family}, {how}, {servers} resolvers");
                        table.row(name, "resolves", made(hops, families, fault, servers));
                    }
                }
            }
        }
    }
}

/// Keys, intermediates and what else is sent, versions and protocols.
pub(super) mod chains {
    use super::*;
    use crate::healthy::Table;
    use crate::healthy::tls::{Ca, NAME, asked};

    type Sent = fn(
        Vec<rustls::pki_types::CertificateDer<'static>>,
        &Ca,
    ) -> Vec<rustls::pki_types::CertificateDer<'static>>;

    async fn made(
        algorithm: &'static rcgen::SignatureAlgorithm,
        depth: usize,
        sent: Sent,
        versions: &'static [&'static SupportedProtocolVersion],
        protocols: &'static [&'static [u8]],
    ) -> Asked {
        let root = Ca::root_with("Lab Root", algorithm);
        let mut intermediates = Vec::new();
        let mut issuer = None;
        for level in 0..depth {
            let next = issuer.as_ref().unwrap_or(&root).below(&format!("Lab Level {level}"), |_| {});
            intermediates.insert(0, next.der());
            issuer = Some(next);
        }
        let leaf = issuer.as_ref().unwrap_or(&root).leaf_with(algorithm, |_| {});
        let identity = leaf.and(sent(intermediates, &root));
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(identity.chain, identity.key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
        asked(NAME, &root, config).await
    }

    pub(in crate::healthy) fn rows(table: &mut Table) {
        use rcgen::{
            PKCS_ECDSA_P256_SHA256 as P256, PKCS_ECDSA_P384_SHA384 as P384, PKCS_ED25519 as ED25519,
        };
        use rustls::version::{TLS12, TLS13};
        const OLD: &[&SupportedProtocolVersion] = &[&TLS12];
        const NEW: &[&SupportedProtocolVersion] = &[&TLS13];
        const NONE: &[&[u8]] = &[];
        const BOTH: &[&[u8]] = &[b"h2", b"http/1.1"];
        let sent: [(&str, Sent); 3] = [
            ("as it should be", |chain, _| chain),
            ("in reverse", |chain, _| chain.into_iter().rev().collect()),
            ("with its root and a stranger", |mut chain, root| {
                chain.push(root.der());
                chain.push(Ca::root("Another Root").der());
                chain
            }),
        ];
        for (key, algorithm) in [("P-256", &P256), ("P-384", &P384), ("Ed25519", &ED25519)] {
            for depth in [0, 2] {
                for (how, sent) in sent {
                    for (version, versions) in [("1.2", OLD), ("1.3", NEW)] {
                        for (alpn, protocols) in [("without ALPN", NONE), ("with ALPN", BOTH)] {
                            let name = format!(
                                "{key}, {depth} intermediates, the chain {how}, TLS {version}, {alpn}"
                            );
                            table.row(name, "valid", made(algorithm, depth, sent, versions, protocols));
                        }
                    }
                }
            }
        }
    }
}

/// Framing, coding, body and method of an answer.
pub(super) mod answers {
    use super::*;
    use crate::healthy::Table;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        coder.write_all(body).unwrap();
        coder.finish().unwrap()
    }

    fn deflate(body: &[u8]) -> Vec<u8> {
        let mut coder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        coder.write_all(body).unwrap();
        coder.finish().unwrap()
    }

    /// The answer as it is on the wire.
    fn wire(framing: &str, coding: &str, kind: &str, body: &[u8], is_head: bool) -> Vec<u8> {
        let body = match coding {
            "gzip" => gzip(body),
            "deflate" => deflate(body),
            _ => body.to_vec(),
        };
        let (version, frame) = match framing {
            "a length" => ("1.1", format!("content-length: {}\r\n", body.len())),
            "chunks" => ("1.1", "transfer-encoding: chunked\r\n".to_owned()),
            "its close" => ("1.1", "connection: close\r\n".to_owned()),
            _ => ("1.0", String::new()),
        };
        let coding =
            if coding == "identity" { String::new() } else { format!("content-encoding: {coding}\r\n") };
        let mut wire =
            format!("HTTP/{version} 200 OK\r\ncontent-type: {kind}\r\n{coding}{frame}\r\n").into_bytes();
        if is_head {
            return wire;
        }
        if framing == "chunks" {
            for piece in body.chunks(1 + body.len() / 3) {
                wire.extend(format!("{:x}\r\n", piece.len()).bytes());
                wire.extend(piece);
                wire.extend(b"\r\n");
            }
            wire.extend(b"0\r\n\r\n");
        } else {
            wire.extend(body);
        }
        wire
    }

    pub(in crate::healthy) fn rows(table: &mut Table) {
        let large = format!("[{}0]", "\"some words to compress\", ".repeat(8_000));
        let bodies: [(&str, &str, Vec<u8>); 7] = [
            ("JSON", "application/json", b"{\"ok\": true}".to_vec()),
            ("JSON after a mark", "application/json; charset=utf-8", b"\xef\xbb\xbf{\"ok\": true}".to_vec()),
            ("large JSON", "application/json", large.into_bytes()),
            ("lines of JSON", "application/x-ndjson", b"{\"a\": 1}\n{\"a\": 2}\n".to_vec()),
            ("a page", "text/html; charset=utf-8", "<!doctype html><p>caf\u{e9}".as_bytes().to_vec()),
            ("bytes", "application/octet-stream", vec![0xff; 70_000]),
            ("nothing", "text/plain", Vec::new()),
        ];
        for framing in ["a length", "chunks", "its close", "HTTP/1.0"] {
            for coding in ["identity", "gzip", "deflate"] {
                for (what, kind, body) in &bodies {
                    for method in ["GET", "HEAD"] {
                        let wire = wire(framing, coding, kind, body, method == "HEAD");
                        let name = format!("{method}: {what}, {coding}, ended by {framing}");
                        table.row(name, "ok", async move { raw(wire).await.with("method", method) });
                    }
                }
            }
        }
    }
}
