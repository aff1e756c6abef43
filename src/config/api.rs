//! The section `api`: the ways into the API and the console.

use std::net::IpAddr;

use url::Url;

use super::{Problem, Reader, Secret, file};
use crate::access::{Roles, Scope};
use crate::egress;

/// The ways into the API and the console besides the one token.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The bot's URL as people's browsers know it.
    pub url: Option<Url>,
    /// Whether tokens made with `firstcheck token create` let one in.
    pub tokens: bool,
    /// Log-in through an OpenID provider.
    pub oidc: Option<Oidc>,
    /// A proxy in front that says who it is.
    pub proxy: Option<Proxy>,
}

/// An OpenID provider.
#[derive(Debug, Clone)]
pub struct Oidc {
    /// The issuer's URL.
    pub issuer: Url,
    /// The bot's name there.
    pub client_id: String,
    /// The bot's secret there; none for a public client.
    pub client_secret: Option<Secret>,
    /// What is asked for besides `openid`.
    pub scopes: Vec<String>,
    /// What claims allow.
    pub roles: Roles,
}

/// A proxy that authenticates people.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// The header that names the person.
    pub header: String,
    /// The proxy's addresses.
    pub from: egress::AddressSet,
    /// What people may do who come through it.
    pub scope: Scope,
}

impl Reader<'_> {
    pub(super) fn access(&self, written: file::ApiSection) -> Result<Access, Problem> {
        let url = written.url;
        if let Some(url) =
            url.as_ref().filter(|url| !matches!(url.scheme(), "http" | "https") || url.path() != "/")
        {
            let message =
                format!("`{url}` is not the URL of a server, such as `https://firstcheck.example.com`");
            return Err(self.problem("api", "url", message));
        }
        let oidc = written.oidc.map(|oidc| self.oidc(oidc, url.as_ref())).transpose()?;
        let proxy = written.proxy.map(|proxy| {
            let from = egress::AddressSet::read(&proxy.from)
                .map_err(|error| self.problem("from", &error.0, error.to_string()))?;
            if proxy.from.is_empty() {
                let message = "name the proxy's own addresses: anybody else could send the header too";
                return Err(self.problem("proxy", "from", message));
            }
            Ok(Proxy { header: proxy.header.to_ascii_lowercase(), from, scope: proxy.scope })
        });
        Ok(Access { url, tokens: written.tokens, oidc, proxy: proxy.transpose()? })
    }

    fn oidc(&self, written: file::OidcSection, base: Option<&Url>) -> Result<Oidc, Problem> {
        let refuse = |at: &str, message: &str| Err(self.problem("oidc", at, message));
        if base.is_none() {
            let message = "log-in through a provider needs `api.url`, the address it sends browsers back to";
            return refuse("issuer", message);
        }
        let is_here = written.issuer.host_str().is_some_and(|host| {
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        });
        if written.issuer.scheme() != "https" && !is_here {
            return refuse("issuer", "the issuer's URL begins with `https://`");
        }
        let Roles { read, answer, admin, .. } = &written.roles;
        if read.is_empty() && answer.is_empty() && admin.is_empty() {
            return refuse(
                "roles",
                "nobody could come in: `roles` names values for `read`, `answer` or `admin`",
            );
        }
        let secret =
            self.secret_named("oidc", &written.secret(), ["client_secret_env", "client_secret_file"])?;
        Ok(Oidc {
            issuer: written.issuer,
            client_id: written.client_id,
            client_secret: secret,
            scopes: written.scopes.unwrap_or_else(|| vec!["email".to_owned(), "profile".to_owned()]),
            roles: written.roles,
        })
    }
}
