//! What is known of a service before anything fails: where it answers, what it depends on, what its tokens and requests
//! must look like. Read from the configuration (`services:`), recorded in the incident when it opens.
//!
//! No secret is in here: a token is named by the environment variable that holds it.

pub mod changes;
pub mod owners;
pub mod routing;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::alert::Alert;

/// One of our services.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceProfile {
    /// The name alerts use in their `service` label.
    #[serde(default)]
    pub name: String,
    /// The endpoint as its callers reach it (through the gateway, where there is one).
    #[serde(default)]
    pub url: Option<Url>,
    /// The application itself, behind the gateway: lets a check tell the gateway's fault from the application's.
    #[serde(default)]
    pub direct_url: Option<Url>,
    /// What it calls.
    #[serde(default)]
    pub dependencies: Vec<Dependency>,
    /// The token its callers send, by reference, and what the API expects of it.
    #[serde(default)]
    pub token: Option<TokenProfile>,
    /// Its API description, and a request that fails.
    #[serde(default)]
    pub contract: Option<ContractProfile>,
    /// Its releases.
    #[serde(default)]
    pub releases: Option<ReleaseProfile>,
    /// Who gives up when.
    #[serde(default)]
    pub deadlines: Option<DeadlineProfile>,
    /// Its curves.
    #[serde(default)]
    pub metrics: Option<MetricsProfile>,
    /// Extra `with:` keys for its `http` checks (`header.NAME`, `method`, `slow_after`, …). A value `env:NAME` is read from
    /// the environment when the request is sent, never stored.
    #[serde(default)]
    pub http: BTreeMap<String, String>,
    /// The GitHub repository (`owner/name`) issues go to.
    #[serde(default)]
    pub repository: Option<String>,
    /// Where its code lies in that repository (`services/orders`): whose it is, the repository's `CODEOWNERS` tells.
    #[serde(default)]
    pub source: Option<String>,
}

impl ServiceProfile {
    /// What is known of an alert's service: by its name, else by the endpoint it answers at, else what the alert says.
    #[must_use]
    pub fn of(services: &[Self], alert: &Alert) -> Self {
        find(services, alert).cloned().unwrap_or_else(|| Self {
            name: alert.service.clone().unwrap_or_default(),
            url: alert.endpoint.as_deref().and_then(|endpoint| endpoint.parse().ok()).filter(is_http),
            ..Self::default()
        })
    }
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

/// The service of this name, else the one whose URL the endpoint lies under (the longest).
fn find<'a>(services: &'a [ServiceProfile], alert: &Alert) -> Option<&'a ServiceProfile> {
    if let Some(name) = &alert.service
        && let Some(known) = services.iter().find(|service| service.name.eq_ignore_ascii_case(name))
    {
        return Some(known);
    }
    let endpoint: Url = alert.endpoint.as_deref()?.parse().ok()?;
    let lies_under = |service: &&ServiceProfile| {
        service.url.as_ref().is_some_and(|url| {
            url.origin() == endpoint.origin() && endpoint.path().starts_with(url.path().trim_end_matches('/'))
        })
    };
    services.iter().filter(lies_under).max_by_key(|service| service.url.as_ref().map(|url| url.path().len()))
}

/// An upstream of a service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    /// Its name, as answers and alerts use it.
    pub name: String,
    /// An endpoint of it that may be probed with GET.
    #[serde(default)]
    pub url: Option<Url>,
    /// Its status page: a URL, or a vendor's name in `runbooks/vendors.yaml`.
    #[serde(default)]
    pub status_page: Option<String>,
    /// The component of that page that matters to us.
    #[serde(default)]
    pub component: Option<String>,
    /// Extra `with:` keys for its `http` and `rate_limit` checks.
    #[serde(default)]
    pub http: BTreeMap<String, String>,
}

/// What the API expects of a caller's token (RFC 7519 claims).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenProfile {
    /// The environment variable that holds a token of the failing caller.
    pub env: String,
    /// The issuer (`iss`) the API accepts.
    #[serde(default)]
    pub issuer: Option<String>,
    /// The audience (`aud`) the API accepts.
    #[serde(default)]
    pub audience: Option<String>,
    /// The scope the endpoint needs.
    #[serde(default)]
    pub scope: Option<String>,
    /// Key set: a URL or a file (RFC 7517).
    #[serde(default)]
    pub jwks: Option<String>,
}

/// The API description a request is compared with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContractProfile {
    /// OpenAPI 3.x document: file or URL.
    pub spec: String,
    /// A file with a failing request (curl command, HAR entry, raw HTTP request). Without it, the request a person gives in
    /// answer to `failing_request` is used.
    #[serde(default)]
    pub request: Option<String>,
}

/// Where releases are recorded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseProfile {
    /// A local release record: JSON lines with `at` (RFC 3339), `kind` (`deploy`, `config`, `flag`), `what`, `by`; see
    /// [`changes`]. Or a repository (`owner/name`), whose deployments, releases and merges are read from the tracker's GitHub.
    #[serde(default)]
    pub record: String,
    /// A repository (`owner/name`) to be read besides the record.
    #[serde(default)]
    pub repository: Option<String>,
    /// Deployments of this environment count (`*` and `?` are wild); without it those to production, where there are any.
    #[serde(default)]
    pub environment: Option<String>,
    /// How far before the start a change is still near, e.g. `30m`.
    #[serde(default)]
    pub window: Option<String>,
}

/// Time limits along the request's way, as durations (`30s`, `1500ms`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadlineProfile {
    /// The caller gives up after.
    #[serde(default)]
    pub client: Option<String>,
    /// The gateway gives up after.
    #[serde(default)]
    pub gateway: Option<String>,
    /// The backend needs, or allows itself.
    #[serde(default)]
    pub backend: Option<String>,
}

/// Where its curves are, and which of them are its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricsProfile {
    /// The base URL of a Prometheus (or of what speaks its API).
    pub url: Url,
    /// PromQL label matchers that name this service's series, e.g. `job="orders"`; without them all series there are added up.
    #[serde(default, rename = "match")]
    pub matchers: Option<String>,
    /// An expression to judge instead of the catalogue's.
    #[serde(default)]
    pub query: Option<String>,
    /// How long before and after the start is looked at, e.g. `1h`.
    #[serde(default)]
    pub window: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str, url: &str) -> ServiceProfile {
        ServiceProfile { name: name.into(), url: url.parse().ok(), ..ServiceProfile::default() }
    }

    #[track_caller]
    fn found(service_label: Option<&str>, endpoint: Option<&str>, expected: Option<&str>) {
        let services =
            [service("shop", "https://api.shop.test/"), service("pay", "https://api.shop.test/v1/pay")];
        let mut alert = Alert::titled("generic", "500s");
        alert.service = service_label.map(str::to_owned);
        alert.endpoint = endpoint.map(str::to_owned);
        assert_eq!(find(&services, &alert).map(|it| it.name.as_str()), expected);
    }

    #[test]
    fn a_service_is_found_by_its_name_or_by_where_it_answers() {
        found(Some("Pay"), None, Some("pay"));
        found(None, Some("https://api.shop.test/v1/pay/charge"), Some("pay"));
        found(None, Some("https://api.shop.test/v1/cart"), Some("shop"));
        found(None, Some("/v1/cart"), None);
        found(Some("mail"), Some("https://mail.test/"), None);
    }
}
