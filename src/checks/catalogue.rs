//! What is known of gateways, limiters, metrics and vendors: `runbooks/{gateways,limiters,metrics,vendors}.yaml`, typed.
//!
//! Vendor behaviour drifts, so it is data, shipped inside the program and replaceable without a release. The surprise: the order
//! of `limiters.yaml` and `metrics.yaml` matters (the first entry that fits wins), that of the other two does not.

use crate::yaml::{self, Problem};

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

// Below the macro, which they use.
mod gateways;
mod limiters;
mod mark;
mod measure;
#[cfg(test)]
mod tests;
mod vendors;

pub use gateways::{
    ApplicationMark, Gateways, KnownTimeout, Made, Means, Place, Product, ProductMark, ProxyError, Telling,
    Wrapped,
};
pub use limiters::{Form, Hop, Keys, Limiter, Quota, Refused, Unit, Wait};
pub use mark::{Answer, Mark, Status};
pub use measure::{Measure, Measures, Metrics};
pub use vendors::{Provider, Vendor};

use limiters::LimitersFile;
use vendors::VendorsFile;

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
