//! `vendors.yaml`, typed: who tells of its own health where, and who makes the page.

use serde::Deserialize;
use url::Url;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VendorsFile {
    pub(super) vendors: Vec<Vendor>,
}

/// A vendor and where it tells of its own health.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vendor {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Other names people use.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Its API hosts; everything below them counts.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The page people read.
    pub page: Url,
    /// Who makes the page, and so its shape.
    pub provider: Provider,
    /// The machine-readable document, where it is not the provider's usual one.
    #[serde(default)]
    pub endpoint: Option<Url>,
    /// Why a program cannot read it.
    #[serde(default)]
    pub unreadable: Option<String>,
}

/// Who makes a status page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "product names")]
pub enum Provider {
    Statuspage,
    IncidentIo,
    Instatus,
    BetterStack,
    StatusIo,
    GoogleCloud,
    Aws,
    Slack,
    Heroku,
    Salesforce,
    Cachet,
    UptimeKuma,
    Feed,
    Plain,
    /// Whatever its usual places show.
    Auto,
    None,
}
