//! What the shipped catalogues promise.

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
    let problem = Catalogues::parse(("gateways.yaml", &gateways), LIMITERS, METRICS, VENDORS).unwrap_err();
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
