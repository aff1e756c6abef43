//! How the drill's own servers call each other: reqwest, names from the drill's name server, trust in the drill's authority alone.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::{HeaderMap, StatusCode};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::Instant;
use url::Url;

use crate::checks::resolve;

/// A call that takes longer is given up: long enough for every slow world, short enough for a person who watches.
const PATIENCE: Duration = Duration::from_secs(5);

/// A client that lives in the drill's world.
#[derive(Debug, Clone)]
pub struct Client(reqwest::Client);

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, as text.
    pub body: String,
}

impl Client {
    /// A client that asks this name server and trusts this authority.
    ///
    /// # Errors
    /// When the PEM holds no certificate, or TLS cannot be set up.
    pub fn new(resolver: SocketAddr, authority_pem: &str) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(authority_pem.as_bytes()) {
            roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Names(resolver))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()
            .map_err(io::Error::other)?;
        Ok(Self(client))
    }

    /// Gets a URL.
    ///
    /// # Errors
    /// Why there was no answer, with its causes, in one line.
    pub async fn get(&self, url: &Url) -> Result<Answer, String> {
        answer(self.0.get(url.clone())).await
    }

    /// Posts a JSON body, as Alertmanager does.
    ///
    /// # Errors
    /// Why there was no answer, with its causes, in one line.
    pub async fn post(&self, url: &Url, body: &serde_json::Value) -> Result<Answer, String> {
        answer(self.0.post(url.clone()).header("user-agent", "Alertmanager/0.25.0").json(body)).await
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<Answer, String> {
    let response = request.send().await.map_err(|error| chain(&error))?;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.text().await.map_err(|error| chain(&error))?;
    Ok(Answer { status, headers, body })
}

fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[derive(Debug, Clone, Copy)]
struct Names(SocketAddr);

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.0;
        Box::pin(async move {
            let found = resolve::lookup(&[resolver], name.as_str(), Instant::now() + PATIENCE).await?;
            let addrs: Addrs = Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(addrs)
        })
    }
}
