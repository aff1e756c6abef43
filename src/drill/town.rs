//! What all worlds share: a certificate authority, a name server for `test.`, a folder, and the streets between them (an
//! application behind a gateway, a vendor with a status page, an identity provider).
//!
//! Everything speaks TLS under real names, as in production; only the addresses are loopback. Servers live as long as the town.

use std::any::Any;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Bytes;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::json;
use tokio::task::JoinSet;
use url::Url;

use super::client::Client;
use super::gateway::{self, Gateway};
use super::http_server::{HttpServer, Reply};
use super::identity::Issuer;
use super::name_server::{NameServer, Zone};
use super::pki::{Authority, Identity, Validity};
use super::release_record::ReleaseRecord;
use super::vendor::{self, StatusPage, Vendor};
use crate::profile::changes::ChangeKind;
use crate::profile::{Dependency, ReleaseProfile, TokenProfile};

/// Our API as its callers name it: the gateway.
pub const API: &str = "orders.drill.test";
/// The application behind the gateway.
pub const APP: &str = "orders-app.drill.test";
/// The payment vendor's API.
pub const VENDOR: &str = "api.payments.vendor.test";
/// The payment vendor's status page.
pub const STATUS: &str = "status.payments.vendor.test";
/// Our identity provider.
pub const SIGN_IN: &str = "sign-in.drill.test";
/// The ledger: an alias for a name whose owner gave it back.
pub const LEDGER: &str = "ledger.drill.test";

/// The shared part of a world.
pub struct Town {
    authority: Authority,
    names: NameServer,
    folder: PathBuf,
    now: Timestamp,
    servers: Vec<Box<dyn Any + Send + Sync>>,
    jobs: JoinSet<()>,
}

impl Town {
    /// Opens a town whose files go into `folder`.
    ///
    /// # Errors
    /// When a port cannot be opened or the folder cannot be made.
    pub async fn open(folder: &Path, now: Timestamp) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let zone = [API, APP, VENDOR, STATUS, SIGN_IN]
            .into_iter()
            .fold(Zone::new("."), |zone, name| zone.a(name, Ipv4Addr::LOCALHOST))
            .cname(LEDGER, "ledger-eu.retired.vendor.test");
        Ok(Self {
            authority: Authority::new("firstcheck drill"),
            names: NameServer::start(vec![zone]).await?,
            folder: folder.to_owned(),
            now,
            servers: Vec::new(),
            jobs: JoinSet::new(),
        })
    }

    /// Its name server.
    #[must_use]
    pub fn resolver(&self) -> SocketAddr {
        self.names.addr()
    }

    /// The certificate of its authority.
    #[must_use]
    pub fn authority_pem(&self) -> String {
        self.authority.pem()
    }

    /// A certificate for this name, good from and to so many days from now.
    #[must_use]
    pub fn identity_from_to(&self, name: &str, from_days: i64, to_days: i64) -> Identity {
        self.authority.issue(&[name], Validity::days(self.now, from_days, to_days))
    }

    /// A URL of this town.
    ///
    /// # Panics
    /// When host and path are no plain words.
    #[must_use]
    pub fn url(&self, host: &str, port: u16, path: &str) -> Url {
        format!("https://{host}:{port}{path}").parse().expect("hosts and paths of the drill are plain words")
    }

    /// A client that lives here.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn client(&self) -> io::Result<Client> {
        Client::new(self.resolver(), &self.authority_pem())
    }

    /// Starts an HTTPS server under this name with a certificate that has half of its time left.
    ///
    /// # Errors
    /// When a port cannot be opened.
    pub async fn serve<F, A>(&mut self, name: &str, path: &str, handler: F) -> io::Result<Url>
    where
        F: Fn(Request<Bytes>) -> A + Send + Sync + 'static,
        A: Future<Output = Reply> + Send + 'static,
    {
        let identity = self.identity_from_to(name, -45, 45);
        self.serve_as(&identity, name, path, handler).await
    }

    /// Starts an HTTPS server under this name with this identity.
    ///
    /// # Errors
    /// When a port cannot be opened.
    pub async fn serve_as<F, A>(
        &mut self,
        identity: &Identity,
        name: &str,
        path: &str,
        handler: F,
    ) -> io::Result<Url>
    where
        F: Fn(Request<Bytes>) -> A + Send + Sync + 'static,
        A: Future<Output = Reply> + Send + 'static,
    {
        let server = HttpServer::tls(identity, handler).await?;
        let url = self.url(name, server.addr().port(), path);
        self.servers.push(Box::new(server));
        Ok(url)
    }

    /// Our application, which calls this upstream for every request and turns each of its failures into a bare error of its own, as
    /// too many do: 503 as 503, everything else as 500.
    ///
    /// # Errors
    /// When a port cannot be opened.
    pub async fn calling_application(&mut self, upstream: Url, path: &str) -> io::Result<Url> {
        let client = self.client()?;
        self.serve(APP, path, move |_| {
            let (client, upstream) = (client.clone(), upstream.clone());
            async move {
                let failed = match client.get(&upstream).await {
                    Ok(answer) if answer.status.is_success() => {
                        return Reply::json(200, &json!({"ok": true}));
                    }
                    Ok(answer) if answer.status == 503 => 503,
                    Ok(_) | Err(_) => 500,
                };
                Reply::json(failed, &json!({"code": "INTERNAL", "message": "unexpected error"}))
            }
        })
        .await
    }

    /// Our application, which accepts tokens of this issuer for this audience (RFC 6750).
    ///
    /// # Errors
    /// When a port cannot be opened.
    pub async fn guarded_application(&mut self, sign_in: &SignIn, audience: &'static str) -> io::Result<Url> {
        let key = sign_in.verifying_key()?;
        let key = Arc::new(key);
        self.serve(APP, "/v1/orders", move |request| {
            let key = Arc::clone(&key);
            async move { admit(&request, &key, audience) }
        })
        .await
    }

    /// How the gateway in front of an application is set up, unless a world says otherwise.
    #[must_use]
    pub fn gateway_to(&self, application: &Url) -> gateway::Setup {
        let mut origin = application.clone();
        origin.set_path("/");
        gateway::Setup {
            ca_pem: Some(self.authority_pem()),
            resolvers: vec![self.resolver()],
            ..gateway::Setup::to(origin)
        }
    }

    /// Starts the gateway and returns the URL its callers use for this path.
    ///
    /// # Errors
    /// When a port cannot be opened.
    pub async fn gateway(&mut self, setup: gateway::Setup, path: &str) -> io::Result<Url> {
        let identity = self.identity_from_to(API, -45, 45);
        let gateway = Gateway::start(setup, Some(&identity)).await?;
        let url = self.url(API, gateway.server().addr().port(), path);
        self.servers.push(Box::new(gateway));
        Ok(url)
    }

    /// The payment vendor: its API in this mode, and what its status page has posted. Returns it as a dependency, and its endpoint.
    ///
    /// # Errors
    /// When a port cannot be opened.
    pub async fn vendor(
        &mut self,
        mode: vendor::Mode,
        posted: vendor::Posted,
    ) -> io::Result<(Dependency, Url)> {
        let identity = self.identity_from_to(VENDOR, -45, 45);
        let api = Vendor::start("payments", mode, Some(&identity)).await?;
        let url = self.url(VENDOR, api.server().addr().port(), "/v1/charges");
        self.servers.push(Box::new(api));
        let identity = self.identity_from_to(STATUS, -45, 45);
        let page = StatusPage::start("Payments", posted, Some(&identity)).await?;
        let status = self.url(STATUS, page.server().addr().port(), "/");
        self.servers.push(Box::new(page));
        let dependency = Dependency {
            name: "payments".into(),
            url: Some(url.clone()),
            status_page: Some(status.into()),
            ..Dependency::default()
        };
        Ok((dependency, url))
    }

    /// An identity provider that serves its key set.
    ///
    /// # Errors
    /// When a port cannot be opened.
    pub async fn sign_in(&mut self) -> io::Result<SignIn> {
        let issuer = Issuer::new("https://sign-in.drill.test");
        let keys = issuer.key_set();
        let key_set = self
            .serve(SIGN_IN, "/.well-known/jwks.json", move |_| {
                let reply = Reply::json(200, &keys);
                async { reply }
            })
            .await?;
        Ok(SignIn { issuer, key_set, now: self.now })
    }

    /// A job that gets this URL again and again, this often, until the town is closed. Returns when the first answer has come.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub async fn poll(&mut self, url: &Url, every: Duration) -> io::Result<()> {
        let (client, url) = (self.client()?, url.clone());
        // The first answers use the limit up, so that the alert is true when it is sent.
        while client.get(&url).await.is_ok_and(|answer| answer.status != 429) {}
        self.jobs.spawn(async move {
            loop {
                // A job that does not look at its answers: that is the fault.
                let _ = client.get(&url).await;
                tokio::time::sleep(every).await;
            }
        });
        Ok(())
    }

    /// Our release record: so many minutes before now, what was changed.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn releases(&self, changes: &[(i64, ChangeKind, &str)]) -> io::Result<ReleaseProfile> {
        let record = ReleaseRecord::create(self.folder.join("releases.jsonl"))?;
        // Yesterday's release is in every record: a check that calls everything near would be found out.
        record.changed("orders-api", ChangeKind::Deploy, "orders-api 2.13.4", 26 * 60, self.now)?;
        for (minutes, kind, what) in changes {
            record.changed("orders-api", *kind, what, *minutes, self.now)?;
        }
        Ok(ReleaseProfile {
            record: record.path().to_string_lossy().into_owned(),
            window: Some("30m".into()),
            ..ReleaseProfile::default()
        })
    }

    /// Writes a file of this world and returns its path.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, name: &str, text: &str) -> io::Result<String> {
        let path = self.folder.join(name);
        std::fs::write(&path, text)?;
        Ok(path.to_string_lossy().into_owned())
    }
}

/// An identity provider of the town.
pub struct SignIn {
    issuer: Issuer,
    key_set: Url,
    now: Timestamp,
}

impl SignIn {
    /// A token for this audience, good for an hour.
    #[must_use]
    pub fn token(&self, audience: &str, scope: &str) -> String {
        self.issuer.sign(&self.issuer.claims(audience, scope, self.now, SignedDuration::from_hours(1)))
    }

    /// What the configuration says of tokens: where the failing caller's is, what the API accepts.
    #[must_use]
    pub fn profile(&self, env: &str, audience: &str) -> TokenProfile {
        TokenProfile {
            env: env.to_owned(),
            issuer: Some(self.issuer.name().to_owned()),
            audience: Some(audience.to_owned()),
            scope: None,
            jwks: Some(self.key_set.to_string()),
        }
    }

    fn verifying_key(&self) -> io::Result<DecodingKey> {
        let key = &self.issuer.key_set()["keys"][0];
        let part = |name: &str| key[name].as_str().unwrap_or_default().to_owned();
        DecodingKey::from_ec_components(&part("x"), &part("y")).map_err(io::Error::other)
    }
}

/// Lets a request with a good token in; answers others as RFC 6750 §3 says: without an error code when there are no credentials.
fn admit(request: &Request<Bytes>, key: &DecodingKey, audience: &str) -> Reply {
    let refuse = |challenge: &str| {
        let body = json!({"code": "UNAUTHORIZED", "message": "authentication failed"});
        Reply::json(401, &body).header("www-authenticate", challenge)
    };
    let sent = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let Some(token) = sent.and_then(|value| value.strip_prefix("Bearer ")) else {
        return refuse("Bearer realm=\"orders\"");
    };
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&[audience]);
    match jsonwebtoken::decode::<serde_json::Value>(token, key, &validation) {
        Ok(_) => Reply::json(200, &json!({"orders": []})),
        Err(_) => refuse(
            "Bearer realm=\"orders\", error=\"invalid_token\", error_description=\"The token is not accepted\"",
        ),
    }
}
