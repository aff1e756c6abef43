//! Sound certificates: names, keys, chains and dates that RFC 5280, 6125 and 9525 allow and a well-kept client takes.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber, SignatureAlgorithm,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use super::servers::Server;
use super::{Asked, Table, now};

pub(super) const NAME: &str = "api.lab.test";

/// An authority of this laboratory.
pub(super) struct Ca {
    pub(super) certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// What a server presents.
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

pub(super) fn key(algorithm: &'static SignatureAlgorithm) -> KeyPair {
    KeyPair::generate_for(algorithm).unwrap()
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) =
        (rcgen::date_time_ymd(2000, 1, 1), rcgen::date_time_ymd(2100, 1, 1));
    params
}

impl Ca {
    pub(super) fn root(name: &str) -> Self {
        Self::root_with(name, &rcgen::PKCS_ECDSA_P256_SHA256)
    }

    pub(super) fn root_with(name: &str, algorithm: &'static SignatureAlgorithm) -> Self {
        let (params, key) = (ca_params(name), key(algorithm));
        Self { certificate: params.self_signed(&key).unwrap(), issuer: Issuer::new(params, key) }
    }

    pub(super) fn below(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let (mut params, key) = (ca_params(name), key(&rcgen::PKCS_ECDSA_P256_SHA256));
        params.use_authority_key_identifier_extension = true;
        change(&mut params);
        Self { certificate: params.signed_by(&key, &self.issuer).unwrap(), issuer: Issuer::new(params, key) }
    }

    /// A certificate of the same name and key as `other`, from this authority: a cross-sign.
    pub(super) fn crosses(
        &self,
        name: &str,
        other: &Self,
        change: impl FnOnce(&mut CertificateParams),
    ) -> CertificateDer<'static> {
        let mut params = ca_params(name);
        params.use_authority_key_identifier_extension = true;
        change(&mut params);
        params.signed_by(other.issuer.key(), &self.issuer).unwrap().der().clone()
    }

    pub(super) fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    pub(super) fn leaf(&self, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        self.leaf_with(&rcgen::PKCS_ECDSA_P256_SHA256, change)
    }

    /// A leaf for [`NAME`], 30 of its 90 days old, with changes.
    pub(super) fn leaf_with(
        &self,
        algorithm: &'static SignatureAlgorithm,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let (mut params, key) = (leaf_params(), key(algorithm));
        params.use_authority_key_identifier_extension = true;
        change(&mut params);
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            chain: vec![leaf.der().clone()],
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        }
    }
}

pub(super) fn leaf_params() -> CertificateParams {
    let mut params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, NAME);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    valid(&mut params, SignedDuration::from_hours(30 * 24), SignedDuration::from_hours(60 * 24));
    params
}

pub(super) fn valid(params: &mut CertificateParams, since: SignedDuration, left: SignedDuration) {
    let at = |when: Timestamp| {
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(when.as_second().try_into().unwrap())
    };
    (params.not_before, params.not_after) = (at(now() - since), at(now() + left));
}

pub(super) fn days(since: i64, left: i64) -> impl FnOnce(&mut CertificateParams) {
    move |params| valid(params, SignedDuration::from_hours(since * 24), SignedDuration::from_hours(left * 24))
}

fn names(names: &[&str]) -> impl FnOnce(&mut CertificateParams) {
    let names: Vec<_> = names.iter().map(|it| SanType::DnsName((*it).try_into().unwrap())).collect();
    move |params| params.subject_alt_names = names
}

impl Identity {
    pub(super) fn and(mut self, more: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        self.chain.extend(more);
        self
    }

    pub(super) fn config(self) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(self.chain, self.key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config
    }
}

/// A server with this configuration that answers one request with 204.
pub(super) async fn serving(at: SocketAddr, config: ServerConfig) -> Server {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let greet = move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await?;
            if stream.read(&mut [0; 4096]).await? > 0 {
                stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await?;
            }
            stream.shutdown().await
        }
    };
    Server::at(at, greet).await.unwrap()
}

/// Asks about a name, at the server with this configuration, trusting the authority.
pub(super) async fn asked(host: &str, root: &Ca, config: ServerConfig) -> Asked {
    let server = serving((Ipv4Addr::LOCALHOST, 0).into(), config).await;
    Asked::new(format!("{host}:443"))
        .with("connect_to", server.addr.to_string())
        .trusting(root.certificate.pem())
        .holding(server)
}

/// A leaf right below the root, with changes.
pub(super) async fn changed(host: &str, change: impl FnOnce(&mut CertificateParams)) -> Asked {
    let root = Ca::root("Lab Root");
    let config = root.leaf(change).config();
    asked(host, &root, config).await
}

/// A key of this kind, below a root with one of that kind.
async fn keyed(leaf: &'static SignatureAlgorithm, root: &'static SignatureAlgorithm) -> Asked {
    let root = Ca::root_with("Lab Root", root);
    let config = root.leaf_with(leaf, |_| {}).config();
    asked(NAME, &root, config).await
}

pub(super) fn rows(table: &mut Table) {
    identities(table);
    keys_and_usages(table);
}

fn identities(table: &mut Table) {
    table.row(
        "an underscore in the name asked for",
        "valid",
        changed("my_host.lab.test", names(&["my_host.lab.test"])),
    );
    table.row("an underscore below a wildcard", "valid", changed("my_host.lab.test", names(&["*.lab.test"])));
    table.row("a single label of a company's network", "valid", changed("intranet", names(&["intranet"])));
    table.row("a label of digits", "valid", changed("4711.lab.test", names(&["*.lab.test"])));
    table.row(
        "a name as a person writes it",
        "valid",
        changed("bücher.lab.test", names(&["xn--bcher-kva.lab.test"])),
    );
    table.row("a label of 63 octets", "valid", async {
        let host = format!("{}.lab.test", "a".repeat(63));
        let exact = host.clone();
        changed(&host, move |params| {
            params.subject_alt_names = vec![SanType::DnsName(exact.try_into().unwrap())];
        })
        .await
    });
    table.row("an ordinary certificate", "valid", changed(NAME, |_| {}));
    table.row("a wildcard", "valid", changed(NAME, names(&["*.lab.test"])));
    table.row(
        "a wildcard beside the bare name",
        "valid",
        changed("lab.test", names(&["*.lab.test", "lab.test"])),
    );
    table.row(
        "the name is the last of a hundred",
        "valid",
        changed(NAME, |params| {
            let many = (0..99).map(|n| SanType::DnsName(format!("n{n}.lab.test").try_into().unwrap()));
            params.subject_alt_names.splice(0..0, many);
        }),
    );
    table.row(
        "a thousand names: a certificate of several records",
        "valid",
        changed(NAME, |params| {
            let many = (0..1000).map(|n| {
                SanType::DnsName(format!("customer-{n}.of-a-shared-edge.lab.test").try_into().unwrap())
            });
            params.subject_alt_names.splice(0..0, many);
        }),
    );
    table.row("capitals in the certificate", "valid", changed(NAME, names(&["API.Lab.Test"])));
    table.row("capitals in the target", "valid", changed("Api.LAB.test", |_| {}));
    table.row("a final dot in the target", "valid", changed("api.lab.test.", |_| {}));
    table.row(
        "an international name",
        "valid",
        changed("xn--bcher-kva.lab.test", names(&["xn--bcher-kva.lab.test"])),
    );
    table.row(
        "a wildcard covers an international name",
        "valid",
        changed("xn--bcher-kva.lab.test", names(&["*.lab.test"])),
    );
    table.row(
        "no common name at all",
        "valid",
        changed(NAME, |params| params.distinguished_name = DistinguishedName::new()),
    );
    table.row(
        "a common name of something else: only the alternative names count",
        "valid",
        changed(NAME, |params| {
            params.distinguished_name.push(DnType::CommonName, "Lab Edge 7");
        }),
    );
    table.row(
        "an underscore in another name of the certificate",
        "valid",
        changed(NAME, names(&["old_host.lab.test", NAME])),
    );
    table.row(
        "an address, addresses and mail among the names",
        "valid",
        changed(NAME, |params| {
            params.subject_alt_names.push(SanType::IpAddress(Ipv4Addr::new(192, 0, 2, 7).into()));
            params.subject_alt_names.push(SanType::Rfc822Name("admin@lab.test".try_into().unwrap()));
            params.subject_alt_names.push(SanType::URI("spiffe://lab.test/api".try_into().unwrap()));
        }),
    );
    table.row("an IPv4 address as identity", "valid", by_address(Ipv4Addr::LOCALHOST.into()));
    table.row("an IPv6 address as identity", "valid", by_address(Ipv6Addr::LOCALHOST.into()));
    table.row("another name asked for than the target's", "valid", async {
        changed("edge-7.lab.test", |_| {}).await.with("server_name", NAME)
    });
}

/// A target that is an address, and the certificate says so.
async fn by_address(ip: std::net::IpAddr) -> Asked {
    let root = Ca::root("Lab Root");
    let leaf = root.leaf(|params| params.subject_alt_names = vec![SanType::IpAddress(ip)]);
    let server = serving(SocketAddr::new(ip, 0), leaf.config()).await;
    Asked::new(server.addr.to_string()).trusting(root.certificate.pem()).holding(server)
}

fn keys_and_usages(table: &mut Table) {
    use rcgen::{PKCS_ECDSA_P256_SHA256 as P256, PKCS_ECDSA_P384_SHA384 as P384, PKCS_ED25519 as ED25519};
    table.row("P-384 throughout", "valid", keyed(&P384, &P384));
    table.row("P-256 below P-384", "valid", keyed(&P256, &P384));
    table.row("P-384 below P-256", "valid", keyed(&P384, &P256));
    table.row("Ed25519 throughout", "valid", keyed(&ED25519, &ED25519));
    table.row("Ed25519 below P-256", "valid", keyed(&ED25519, &P256));
    table.row(
        "no extended key usage: any purpose",
        "valid",
        changed(NAME, |params| params.extended_key_usages.clear()),
    );
    table.row(
        "for servers and clients",
        "valid",
        changed(NAME, |params| {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        }),
    );
    table.row("no key usage", "valid", changed(NAME, |params| params.key_usages.clear()));
    table.row(
        "a serial number of twenty octets",
        "valid",
        changed(NAME, |params| {
            params.serial_number = Some(SerialNumber::from_slice(&[0x7f; 20]));
        }),
    );
    table.row(
        "a serial number of one",
        "valid",
        changed(NAME, |params| params.serial_number = Some(SerialNumber::from(1))),
    );
    table.row(
        "an extension nobody knows, not critical",
        "valid",
        changed(NAME, |params| {
            params
                .custom_extensions
                .push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![4, 2, 1, 2]));
        }),
    );
    table.row(
        "a subject with many parts, and an accent",
        "valid",
        changed(NAME, |params| {
            params.distinguished_name.push(DnType::OrganizationName, "Société Générale des Épreuves");
            params.distinguished_name.push(DnType::CountryName, "FR");
            params.distinguished_name.push(DnType::LocalityName, "Besançon");
        }),
    );
}
