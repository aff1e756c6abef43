//! Where a status page may be read by a program: the vendor's own document, or the places where providers put it. Pure.
//!
//! Tried in rounds, the likeliest first, so that a page of a known kind costs a handful of requests and a stranger's at most some
//! thirty. The last round is what the page itself links to.

use url::Url;

use crate::checks::NotRun;
use crate::checks::catalogue::{Catalogues, Provider, Vendor};
use crate::checks::http::wire;

/// Where the common providers put their document, below the page people read.
const USUAL: [&str; 4] = ["/api/v2/summary.json", "/summary.json", "/index.json", "/api/v2/status.json"];

/// Where the rarer ones do: Cachet 3 and 2, incident.io's widget, Rootly, Heroku, Slack, Google Cloud, AWS, Stripe, FireHydrant, openstatus.
const RARER: [&str; 11] = [
    "/api/components",
    "/api/v1/components",
    "/api/v1/summary",
    "/api/v1/status.json",
    "/api/v4/current-status",
    "/api/v2.0.0/current",
    "/incidents.json",
    "/public/currentevents",
    "/current",
    "/data/payload.json",
    "/v1/incidents/active",
];

/// Where feeds are: Statuspage, Better Stack, PayPal, xAI, Azure and many others.
const FEEDS: [&str; 8] =
    ["/history.atom", "/history.rss", "/feed.rss", "/feed/rss", "/feed.xml", "/feed.atom", "/feed", "/rss"];

/// Links that are followed out of a page.
const MOST_LINKS: usize = 4;

/// Where to look.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) vendor: Option<String>,
    /// One list of places after the other.
    pub(super) rounds: Vec<Vec<Url>>,
    /// The page people read, for its links.
    pub(super) page: Option<Url>,
    pub(super) unreadable: Option<String>,
    /// A bare empty list means calm only where the vendor is known to publish one.
    pub(super) empty_is_calm: bool,
}

impl Places {
    /// The places for a target: a vendor's name, or a URL.
    pub(super) fn of(catalogues: &Catalogues, target: &str) -> Result<Self, NotRun> {
        if let Some(vendor) = catalogues.vendor(target) {
            return Ok(Self::of_vendor(vendor));
        }
        if !target.contains("://") {
            let hint = "is no vendor that is known; give the URL of its status page";
            return Err(NotRun::Usage(format!("`{target}` {hint}")));
        }
        let url = wire::target(target)?;
        let by_page = catalogues.vendors.iter().find(|it| it.page.host_str() == url.host_str());
        match by_page.filter(|it| url.path() == "/" || url.path() == it.page.path()) {
            Some(vendor) => Ok(Self::of_vendor(vendor)),
            None => Ok(Self { rounds: around(&url), page: Some(url), ..Self::default() }),
        }
    }

    fn of_vendor(vendor: &Vendor) -> Self {
        let usual: &[&str] = match vendor.provider {
            Provider::Statuspage => &USUAL[..1],
            Provider::Instatus => &USUAL[1..2],
            Provider::BetterStack => &USUAL[2..3],
            _ => &[],
        };
        let first: Vec<Url> = match &vendor.endpoint {
            Some(endpoint) => vec![endpoint.clone()],
            None => usual.iter().filter_map(|path| vendor.page.join(path).ok()).collect(),
        };
        // Vendors move from one provider to another; a page that moved is found as a stranger's is.
        let mut rounds: Vec<Vec<Url>> = Some(first).filter(|it| !it.is_empty()).into_iter().collect();
        if vendor.endpoint.is_none() {
            rounds.extend(around(&vendor.page));
        }
        Self {
            vendor: Some(vendor.id.clone()),
            rounds,
            page: vendor.endpoint.is_none().then(|| vendor.page.clone()),
            unreadable: vendor.unreadable.clone(),
            empty_is_calm: matches!(
                vendor.provider,
                Provider::Aws | Provider::Salesforce | Provider::GoogleCloud
            ),
        }
    }
}

/// The URL itself when it names a document, then the usual places below it and on its host.
fn around(url: &Url) -> Vec<Vec<Url>> {
    let is_document = url.path() != "/" || url.query().is_some();
    let base = url.path().trim_end_matches('/').to_owned();
    let is_file = base.rsplit('/').next().is_some_and(|last| last.contains('.'));
    let itself: Vec<Url> = is_document.then(|| url.clone()).into_iter().collect();
    if is_file {
        return vec![itself];
    }
    let joined = |path: &str| {
        let below = Some(format!("{base}{path}")).filter(|_| !base.is_empty());
        let here: Vec<Url> =
            below.iter().map(String::as_str).chain([path]).filter_map(|path| url.join(path).ok()).collect();
        here
    };
    let native = url.host_str().map(|host| format!("/proxy/{host}"));
    let mut first = itself;
    first.extend(native.iter().map(String::as_str).chain(USUAL).flat_map(joined));
    // The rarer ones at one place each, so that a stranger's host is not asked for everything twice.
    let at_root = |path: &&str| url.join(path).ok();
    let mut second: Vec<Url> = kuma(url).into_iter().collect();
    second.extend(RARER.iter().filter_map(|path| joined(path).into_iter().next()));
    let third = FEEDS.iter().filter_map(at_root).collect();
    vec![first, second, third]
}

/// `/status/SLUG` is where Uptime Kuma shows a page, `/api/status-page/SLUG` where it tells of it; a bare host shows `default`.
fn kuma(page: &Url) -> Option<Url> {
    let slug = match page.path().trim_end_matches('/').rsplit_once("/status/") {
        Some((_, slug)) if !slug.is_empty() && !slug.contains('/') => slug,
        _ if page.path() == "/" => "default",
        _ => return None,
    };
    page.join(&format!("/api/status-page/{slug}")).ok()
}

/// What a page links to for programs: feeds and JSON (`<link rel="alternate">`), and the document of Status.io.
pub(super) fn linked(page: &Url, html: &str) -> Vec<Url> {
    let mut found: Vec<Url> = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find("<link") {
        rest = &rest[at + 5..];
        let tag = &rest[..rest.find('>').unwrap_or(rest.len())];
        let kind = attribute(tag, "type").unwrap_or_default();
        let is_for_programs =
            ["application/rss+xml", "application/atom+xml", "application/json", "application/feed+json"]
                .contains(&kind.to_ascii_lowercase().as_str());
        if is_for_programs && let Some(url) = attribute(tag, "href").and_then(|it| page.join(it).ok()) {
            found.push(url);
        }
    }
    if let Some(id) = status_io_id(html) {
        found.extend(Url::parse(&format!("https://api.status.io/1.0/status/{id}")));
    }
    found.retain(|it| matches!(it.scheme(), "http" | "https"));
    found.dedup();
    found.truncate(MOST_LINKS);
    found
}

/// The value of an attribute in a tag.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let after = tag.split_once(&format!(" {name}="))?.1;
    match after.chars().next()? {
        quote @ ('"' | '\'') => after[1..].split(quote).next(),
        _ => after.split_ascii_whitespace().next(),
    }
}

/// Status.io's pages name their own id: 24 hexadecimal digits behind `/status/` or `statuspage_id`.
fn status_io_id(html: &str) -> Option<&str> {
    if !html.contains("status.io") && !html.contains("statuspage_id") {
        return None;
    }
    let marks =
        ["/1.0/status/", "statuspage_id=", "statuspage_id = \"", "statuspage_id\":\"", "statuspage_id: \""];
    marks
        .iter()
        .filter_map(|mark| html.split_once(mark)?.1.get(..24))
        .find(|it| it.bytes().all(|it| it.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vendors_name_leads_to_its_document() {
        let catalogues = Catalogues::builtin();
        let urls = |name: &str| {
            let places = Places::of(&catalogues, name).unwrap();
            places.rounds[0].iter().map(Url::to_string).collect::<Vec<_>>()
        };
        assert_eq!(urls("GitHub"), ["https://www.githubstatus.com/api/v2/summary.json"]);
        assert_eq!(
            urls("https://www.githubstatus.com/"),
            ["https://www.githubstatus.com/api/v2/summary.json"]
        );
        assert_eq!(urls("gitlab"), ["https://api.status.io/1.0/status/5b36dc6502d06804c08349f7"]);
        assert_eq!(urls("openai")[0], "https://status.openai.com/proxy/status.openai.com");
        assert_eq!(urls("https://status.example.com/a.json"), ["https://status.example.com/a.json"]);
        assert_eq!(urls("paypal"), ["https://www.paypal-status.com/feed/rss"]);
    }

    #[test]
    fn uptime_kumas_page_has_its_document_elsewhere() {
        let at = |text: &str| kuma(&Url::parse(text).unwrap()).map(String::from);
        assert_eq!(
            at("https://up.example.com/status/main").as_deref(),
            Some("https://up.example.com/api/status-page/main")
        );
        assert_eq!(
            at("https://up.example.com/").as_deref(),
            Some("https://up.example.com/api/status-page/default")
        );
        assert_eq!(at("https://up.example.com/a"), None);
    }

    #[test]
    fn a_page_tells_where_its_feed_is() {
        let page = Url::parse("https://status.example.com/").unwrap();
        let html = r#"<head><link rel="stylesheet" href="/a.css"><link rel="alternate" type="application/atom+xml" title="x" href="/updates.atom"/>
            <script>var statuspage_id = "533c6539221ae15e3f000031"; // status.io</script>"#;
        let found: Vec<_> = linked(&page, html).iter().map(Url::to_string).collect();
        assert_eq!(
            found,
            [
                "https://status.example.com/updates.atom",
                "https://api.status.io/1.0/status/533c6539221ae15e3f000031"
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn any_page_ends(html in "(<link| href=| type=|\"|'|application/rss\\+xml|>|/1.0/status/|status.io|\\PC){0,40}") {
            let _ = linked(&Url::parse("https://a.test/").unwrap(), &html);
        }
    }
}
