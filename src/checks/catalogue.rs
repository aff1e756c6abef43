//! What is known of gateways, limiters, metrics and vendors: `runbooks/{gateways,limiters,metrics,vendors}.yaml`, typed.
//!
//! Vendor behaviour drifts, so it is data, shipped inside the program and replaceable without a release. The surprise: the order
//! of `limiters.yaml` and `metrics.yaml` matters (the first entry that fits wins), that of the other two does not.

use serde::Deserialize;
use url::Url;

use crate::yaml::{self, Problem};

mod mark;
mod measure;

pub use mark::{Answer, Mark, Status};
pub use measure::{Measure, Measures, Metrics};

/// A struct that is written as a mark with fields of its own beside it. A key that is neither's is an error, which
/// `#[serde(flatten)]` would swallow: a misspelt key would make a mark that holds for too much.
macro_rules! marked {
    ($(#[$about:meta])* $name:ident { $($(#[$note:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone)]
        pub struct $name {
            $($(#[$note])* pub $field: $kind,)*
            /// When it holds.
            pub mark: Mark,
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                #[derive(Deserialize)]
                #[serde(deny_unknown_fields)]
                struct Written {
                    $($field: $kind,)*
                    #[serde(default)]
                    status: Status,
                    host: Option<String>,
                    header: Option<String>,
                    value: Option<String>,
                    #[serde(default)]
                    any_header: Vec<String>,
                    absent: Option<String>,
                    #[serde(default)]
                    body: Vec<String>,
                }
                let Written { $($field,)* status, host, header, value, any_header, absent, body } = Written::deserialize(from)?;
                Ok(Self { $($field,)* mark: Mark { status, host, header, value, any_header, absent, body } })
            }
        }
    };
}

const GATEWAYS: (&str, &str) = ("gateways.yaml", include_str!("../../runbooks/gateways.yaml"));
const LIMITERS: (&str, &str) = ("limiters.yaml", include_str!("../../runbooks/limiters.yaml"));
const METRICS: (&str, &str) = ("metrics.yaml", include_str!("../../runbooks/metrics.yaml"));
const VENDORS: (&str, &str) = ("vendors.yaml", include_str!("../../runbooks/vendors.yaml"));

/// The four catalogues.
#[derive(Debug, Clone, Default)]
pub struct Catalogues {
    /// Marks that tell who answered.
    pub gateways: Gateways,
    /// Rate-limit dialects, the more peculiar first.
    pub limiters: Vec<Limiter>,
    /// What the metrics check asks for, the preferred first.
    pub metrics: Metrics,
    /// Vendors and their status pages.
    pub vendors: Vec<Vendor>,
}

impl Catalogues {
    /// The catalogues inside the program.
    ///
    /// # Panics
    /// Never in a released program: a test reads the same files.
    #[must_use]
    pub fn builtin() -> Self {
        Self::with_overrides(&[]).expect("the shipped catalogues are read by a test")
    }

    /// Whether a file of this name is one of the catalogues.
    #[must_use]
    pub fn is_one(name: &str) -> bool {
        [GATEWAYS.0, LIMITERS.0, METRICS.0, VENDORS.0].contains(&name)
    }

    /// The shipped catalogues, with those of the same name replaced. Other files are not looked at.
    ///
    /// # Errors
    /// The first thing that does not fit, with its file, line and column.
    pub fn with_overrides(overrides: &[(String, String)]) -> Result<Self, Problem> {
        let own = |builtin: (&'static str, &'static str)| {
            let own = overrides.iter().find(|(name, _)| name == builtin.0);
            (builtin.0, own.map_or(builtin.1, |(_, text)| text.as_str()))
        };
        Self::parse(own(GATEWAYS), own(LIMITERS), own(METRICS), own(VENDORS))
    }

    /// Reads catalogues from (file name, text) pairs.
    ///
    /// # Errors
    /// The first thing that does not fit, with its file, line and column.
    pub fn parse(
        (gateways_file, gateways): (&str, &str),
        (limiters_file, limiters): (&str, &str),
        (metrics_file, metrics): (&str, &str),
        (vendors_file, vendors): (&str, &str),
    ) -> Result<Self, Problem> {
        Ok(Self {
            gateways: yaml::read(gateways_file, gateways)?,
            limiters: yaml::read::<LimitersFile>(limiters_file, limiters)?.limiters,
            metrics: yaml::read(metrics_file, metrics)?,
            vendors: yaml::read::<VendorsFile>(vendors_file, vendors)?.vendors,
        })
    }

    /// The vendor of this id, name or alias; case, spaces, `-` and `_` do not matter.
    #[must_use]
    pub fn vendor(&self, name: &str) -> Option<&Vendor> {
        let name = plain(name);
        let is_it = |vendor: &&Vendor| {
            plain(&vendor.id) == name
                || plain(&vendor.name) == name
                || vendor.aliases.iter().any(|alias| plain(alias) == name)
        };
        self.vendors.iter().find(is_it)
    }

    /// The vendor whose API answers at this host.
    #[must_use]
    pub fn vendor_of_host(&self, host: &str) -> Option<&Vendor> {
        self.vendors.iter().find(|vendor| vendor.hosts.iter().any(|known| mark::is_below(host, known)))
    }
}

/// A name without what people write differently.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|it| it.to_ascii_lowercase()).collect()
}

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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitersFile {
    limiters: Vec<Limiter>,
}

/// A limiter and the dialect in which it speaks.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limiter {
    /// The value of the fact `limiter`.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Where it usually runs.
    pub hop: Hop,
    /// What gives it away: any of these.
    pub when: Vec<Mark>,
    /// How its numbers are written.
    #[serde(default)]
    pub quotas: Vec<Quota>,
    /// What says how long to wait, besides `Retry-After`.
    #[serde(default)]
    pub wait: Vec<Wait>,
    /// The header that names who shares the quota.
    #[serde(default)]
    pub scope: Option<String>,
    /// Who shares the quota, where it is always the same.
    #[serde(default)]
    pub scope_is: Option<String>,
    /// The header that names the rule.
    #[serde(default)]
    pub reason: Option<String>,
    /// The JSON pointer to the rule's name in the body.
    #[serde(default)]
    pub reason_json: Option<String>,
    /// What is a refusal besides status 429.
    #[serde(default)]
    pub limited: Vec<Refused>,
    /// What is none, although the status is 429.
    #[serde(default)]
    pub no_limit: Vec<Refused>,
}

/// Where a limiter runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hop {
    /// At a third party.
    Vendor,
    /// At the edge of the network.
    Edge,
    /// In front of the application.
    Gateway,
    /// In the application, or unknown.
    App,
}

marked! {
    /// What is a refusal of a limiter.
    Refused {
        /// The rule it names.
        policy: Option<String>,
    }
}

/// How one quota is written. `{}` in the header names is filled from `each`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// The notation.
    #[serde(default)]
    pub form: Form,
    /// What `{}` stands for, one dimension each.
    #[serde(default)]
    pub each: Vec<String>,
    /// The rule's name.
    #[serde(default)]
    pub policy: Option<String>,
    /// The header that holds the rule's name.
    #[serde(default)]
    pub policy_from: Option<String>,
    /// Where the limit stands.
    #[serde(default)]
    pub limit: Option<String>,
    /// Where the remainder stands.
    #[serde(default)]
    pub remaining: Option<String>,
    /// Where the use so far stands.
    #[serde(default)]
    pub used: Option<String>,
    /// Where the reset stands.
    #[serde(default)]
    pub reset: Option<String>,
    /// Where the units regained a second stand, of a bucket that leaks (`form: json`).
    #[serde(default)]
    pub restores: Option<String>,
    /// Where the units that the call wanted stand (`form: json`).
    #[serde(default)]
    pub wanted: Option<String>,
    /// The unit of the reset.
    #[serde(default)]
    pub unit: Unit,
    /// Where the window stands.
    #[serde(default)]
    pub window: Option<String>,
    /// The unit of the window.
    #[serde(default = "Unit::seconds")]
    pub window_unit: Unit,
    /// The names inside a `pairs` header.
    #[serde(default)]
    pub keys: Keys,
    /// Who shares this quota.
    #[serde(default)]
    pub scope: Option<String>,
}

/// The notation of a quota.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// One header per number.
    #[default]
    Headers,
    /// `RateLimit` and `RateLimit-Policy` as structured fields (draft-ietf-httpapi-ratelimit-headers-10).
    Structured,
    /// `total=100; remaining=99; resets=60`.
    Pairs,
    /// `32/40`: used of limit.
    Fraction,
    /// `Microsoft.Compute/X3Min;197,…`: a name and its remainder.
    Resources,
    /// JSON pointers into the body.
    Json,
}

/// The names inside a `pairs` header.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// The rule's name.
    #[serde(default)]
    pub name: Option<String>,
    /// The limit.
    #[serde(default)]
    pub limit: Option<String>,
    /// The remainder.
    #[serde(default)]
    pub remaining: Option<String>,
    /// The reset.
    #[serde(default)]
    pub reset: Option<String>,
    /// A value such as `18/5000`: used of limit.
    #[serde(default)]
    pub fraction: Option<String>,
}

/// How long to wait, as a header or in the body says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// The header.
    #[serde(default)]
    pub header: Option<String>,
    /// The JSON pointer; `*` stands for any element of a list.
    #[serde(default)]
    pub json: Option<String>,
    /// Its unit.
    pub unit: Unit,
}

/// The unit in which a time is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Seconds from now, decimals allowed.
    Seconds,
    /// Milliseconds from now.
    Milliseconds,
    /// Seconds since 1970.
    EpochSeconds,
    /// Milliseconds since 1970.
    EpochMilliseconds,
    /// `1s`, `6m0s`, `12ms`.
    GoDuration,
    /// RFC 3339.
    Rfc3339,
    /// An HTTP date (RFC 9110 §5.6.7).
    HttpDate,
    /// To be told from the value's size and letters.
    #[default]
    Auto,
}

impl Unit {
    const fn seconds() -> Self {
        Self::Seconds
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct VendorsFile {
    vendors: Vec<Vendor>,
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_shipped_catalogues_are_whole() {
        let catalogues = Catalogues::builtin();
        assert!(catalogues.limiters.len() >= 30, "{}", catalogues.limiters.len());
        assert_eq!(catalogues.gateways.proxy_status.len(), 32, "RFC 9209 registers 32 types");
        let ids: BTreeSet<_> = catalogues.limiters.iter().map(|it| &it.id).collect();
        assert_eq!(ids.len(), catalogues.limiters.len(), "a limiter stands twice");
        let ids: BTreeSet<_> = catalogues.vendors.iter().map(|it| &it.id).collect();
        assert_eq!(ids.len(), catalogues.vendors.len(), "a vendor stands twice");
        for vendor in &catalogues.vendors {
            assert_eq!(vendor.page.scheme(), "https", "{}", vendor.id);
            assert_eq!(vendor.unreadable.is_some(), vendor.provider == Provider::None, "{}", vendor.id);
        }
    }

    #[test]
    fn no_mark_is_empty_and_so_holds_for_everything() {
        let catalogues = Catalogues::builtin();
        let of_products = catalogues.gateways.products.iter().flat_map(|it| &it.marks).map(|it| &it.mark);
        let of_limiters = catalogues.limiters.iter().flat_map(|it| &it.when);
        let of_refusals = catalogues.limiters.iter().flat_map(|it| &it.limited).map(|it| &it.mark);
        for mark in of_products.chain(of_limiters).chain(of_refusals) {
            assert!(!mark.is_empty(), "{mark:?}");
        }
    }

    #[test]
    fn a_key_that_a_mark_does_not_have_is_an_error_with_its_place() {
        let limiters =
            "limiters:\n  - id: a\n    name: A\n    hop: app\n    when:\n      - {header: x, vlaue: y}\n";
        let problem = Catalogues::parse(GATEWAYS, ("limiters.yaml", limiters), METRICS, VENDORS).unwrap_err();
        assert!(
            problem.to_string().contains("vlaue") && problem.to_string().starts_with("limiters.yaml:6:"),
            "{problem}"
        );
        let limited = limiters.replace("{header: x, vlaue: y}", "{header: x}")
            + "    limited:\n      - {status: [503], polcy: a}\n";
        let problem = Catalogues::parse(GATEWAYS, ("limiters.yaml", &limited), METRICS, VENDORS).unwrap_err();
        assert!(problem.to_string().contains("polcy"), "{problem}");
        let gateways = GATEWAYS.1.replacen("{made: here", "{mads: x, made: here", 1);
        let problem =
            Catalogues::parse(("gateways.yaml", &gateways), LIMITERS, METRICS, VENDORS).unwrap_err();
        assert!(problem.to_string().contains("mads"), "{problem}");
    }

    #[test]
    fn every_mark_of_a_maker_names_its_product() {
        let catalogues = Catalogues::builtin();
        for product in &catalogues.gateways.products {
            for mark in product.marks.iter().filter(|it| it.made == Made::Here) {
                let (status, host, headers, body) = mark.mark.example();
                let answer = Answer::new(status, &host, &headers, body.as_bytes());
                let found = crate::checks::http::origin::attribute(&catalogues, &answer);
                assert_eq!(found.maker.as_deref(), Some(product.id.as_str()), "{:?}: {found:?}", mark.mark);
            }
        }
    }

    #[test]
    fn a_vendor_is_found_by_any_of_its_names_and_hosts() {
        let catalogues = Catalogues::builtin();
        let id = |found: Option<&Vendor>| found.map(|it| it.id.clone());
        for name in ["github", "GitHub", "Git-Hub"] {
            assert_eq!(id(catalogues.vendor(name)).as_deref(), Some("github"), "{name}");
        }
        assert_eq!(id(catalogues.vendor("claude")).as_deref(), Some("anthropic"));
        assert_eq!(id(catalogues.vendor("nobody")), None);
        assert_eq!(id(catalogues.vendor_of_host("api.stripe.com")).as_deref(), Some("stripe"));
        assert_eq!(id(catalogues.vendor_of_host("notstripe.com")), None);
    }

    #[test]
    fn a_broken_catalogue_says_which_file_and_where() {
        let broken = ("mine/vendors.yaml", "vendors:\n  - {id: a, name: A, page: 7}\n");
        let problem = Catalogues::parse(GATEWAYS, LIMITERS, METRICS, broken).unwrap_err();
        assert!(problem.to_string().starts_with("mine/vendors.yaml:2:"), "{problem}");
    }
}
