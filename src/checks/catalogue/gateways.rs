//! `gateways.yaml`, typed: products between a caller and an application, and what gives each away.

use serde::Deserialize;

use super::mark::{Mark, Status};

/// `gateways.yaml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateways {
    /// Products between a caller and an application.
    pub products: Vec<Product>,
    /// What only applications and their frameworks send.
    pub applications: Vec<ApplicationMark>,
    /// How an application says that somebody it depends on failed.
    pub wrapped: Wrapped,
    /// The error types of RFC 9209.
    pub proxy_status: Vec<ProxyError>,
    /// Time limits that products have unless somebody changed them.
    pub timeouts: Vec<KnownTimeout>,
}

/// A time limit that products have by default.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownTimeout {
    /// The limit.
    pub seconds: u64,
    /// Whose it is.
    pub who: String,
}

/// A product between a caller and an application.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// Its id in facts.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Where it usually stands.
    pub place: Place,
    /// What gives it away.
    pub marks: Vec<ProductMark>,
    /// What misleads about it.
    #[serde(default)]
    pub trap: Option<String>,
}

/// Where a product stands on the request's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In front of the application, in our own house or cloud account.
    Gateway,
    /// At the edge of the network.
    Cdn,
}

marked! {
    /// One mark of a product.
    ProductMark {
        /// Whom it proves to have answered.
        made: Made,
        /// What went wrong, when the mark says so.
        means: Option<Means>,
    }
}

/// Whom a mark proves to have answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Made {
    /// The product itself.
    Here,
    /// Somebody behind the product.
    Behind,
    /// Either: the product was on the way, no more.
    Unsaid,
    /// The product itself, or an answer that broke off while it passed (RFC 9209, types that may come in a trailer).
    Maybe,
}

/// What went wrong, by the leg or the rule that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it, and gateways.yaml shows each in use")]
pub enum Means {
    Dns,
    Config,
    NoRoute,
    NoBackend,
    Connect,
    Tls,
    Timeout,
    Reset,
    BadResponse,
    Overload,
    Limit,
    Denied,
    Auth,
    ClientRequest,
    Upstream,
}

marked! {
    /// A header that only an application sends.
    ApplicationMark {
        /// The framework or server.
        id: String,
    }
}

/// How an application says that somebody it depends on failed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wrapped {
    /// JSON fields that hold the dependency's name.
    pub name_fields: Vec<String>,
    /// JSON fields that hold the status the dependency answered.
    pub status_fields: Vec<String>,
    /// Parts of an error code that speak of somebody else.
    pub codes: Vec<Telling>,
    /// Texts of libraries that could not reach somebody else.
    pub phrases: Vec<Telling>,
}

/// A text and what it means.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telling {
    /// The text, letter case aside.
    pub contains: String,
    /// What it means.
    pub means: Means,
}

/// An error type of RFC 9209 §2.3.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyError {
    /// Its name.
    pub error: String,
    /// The status the RFC recommends.
    pub status: u16,
    /// Whether the intermediary itself made the answer.
    pub made: Made,
    /// What went wrong.
    pub means: Means,
}
