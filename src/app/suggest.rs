//! What somebody who is typing may mean: incidents, services, runbooks, targets; the best first, and no more than a chat shows.

use std::collections::BTreeSet;

use crate::app::{Summary, Unavailable};
use crate::chat::Suggestion;
use crate::checks::Catalogues;
use crate::outcome::CheckKind;
use crate::profile::ServiceProfile;
use crate::runbook::Knowledge;

/// Suggestions a chat shows (Discord's documentation, application commands: 25 choices).
const MOST: usize = 25;

/// What begins with the words first, then what contains them all; nothing typed fits everything.
pub(super) fn fitting(known: Vec<Suggestion>, typed: &str) -> Vec<Suggestion> {
    let typed = typed.trim().to_lowercase();
    let words: Vec<&str> = typed.split_whitespace().collect();
    let place = |it: &Suggestion| {
        let text = format!("{} {}", it.value, it.label).to_lowercase();
        if it.value.to_lowercase().starts_with(&typed) {
            Some(0)
        } else if words.iter().all(|word| text.contains(word)) {
            Some(1)
        } else {
            None
        }
    };
    let mut placed: Vec<(i32, Suggestion)> =
        known.into_iter().filter_map(|it| Some((place(&it)?, it))).collect();
    placed.sort_by_key(|(place, _)| *place);
    let mut seen = BTreeSet::new();
    placed.into_iter().map(|(_, it)| it).filter(|it| seen.insert(it.value.clone())).take(MOST).collect()
}

fn plain(value: &str) -> Suggestion {
    Suggestion { value: value.to_owned(), label: value.to_owned() }
}

/// A store that cannot be read knows none.
pub(super) fn incidents(known: Result<Vec<Summary>, Unavailable>) -> Vec<Suggestion> {
    let named = |it: Summary| Suggestion {
        label: format!("{} · {} ({})", it.id, it.title, it.stage.id()),
        value: it.id.to_string(),
    };
    known.unwrap_or_default().into_iter().map(named).collect()
}

pub(super) fn services(configured: &[ServiceProfile], seen: Vec<Summary>) -> Vec<Suggestion> {
    let configured = configured.iter().map(|service| service.name.clone());
    configured.chain(seen.into_iter().filter_map(|it| it.service)).map(|name| plain(&name)).collect()
}

pub(super) fn runbooks(knowledge: &Knowledge) -> Vec<Suggestion> {
    let own = knowledge
        .own
        .iter()
        .map(|own| Suggestion { value: own.name.clone(), label: format!("{} · {}", own.name, own.title) });
    let shipped = knowledge.runbooks.iter().map(|runbook| Suggestion {
        value: runbook.bucket.id().to_owned(),
        label: format!("{} · {}", runbook.bucket, runbook.boundary),
    });
    own.chain(shipped).chain(knowledge.causes.iter().map(|cause| plain(&cause.id))).collect()
}

/// Endpoints of the configured services and, for a status page, vendors; in the form the kind takes.
pub(super) fn targets(
    kind: Option<CheckKind>,
    services: &[ServiceProfile],
    catalogues: &Catalogues,
) -> Vec<Suggestion> {
    if kind == Some(CheckKind::StatusPage) {
        let vendor = |it: &crate::checks::catalogue::Vendor| Suggestion {
            value: it.id.clone(),
            label: it.name.clone(),
        };
        return catalogues.vendors.iter().map(vendor).collect();
    }
    let own = services.iter().flat_map(|service| {
        let named = |name: &str, url: &Option<url::Url>| Some((name.to_owned(), url.clone()?));
        let dependencies = service.dependencies.iter().filter_map(move |it| named(&it.name, &it.url));
        named(&service.name, &service.url).into_iter().chain(dependencies)
    });
    let shaped = |(name, url): (String, url::Url)| {
        let value = target(kind, &url)?;
        Some(Suggestion { label: format!("{value} · {name}"), value })
    };
    own.filter_map(shaped).collect()
}

/// A URL as a kind of check takes its target.
fn target(kind: Option<CheckKind>, url: &url::Url) -> Option<String> {
    match kind {
        Some(CheckKind::Dns) => url.host_str().map(str::to_owned),
        Some(CheckKind::Tcp | CheckKind::Tls) => {
            Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
        }
        _ => Some(url.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(of: &[Suggestion]) -> Vec<&str> {
        of.iter().map(|it| it.value.as_str()).collect()
    }

    #[test]
    fn what_begins_so_comes_first_and_every_word_counts() {
        let known = || ["pay-orders", "orders-api", "orders-db", "mail"].map(plain).to_vec();
        assert_eq!(values(&fitting(known(), "ord")), ["orders-api", "orders-db", "pay-orders"]);
        assert_eq!(values(&fitting(known(), "API orders")), ["orders-api"]);
        assert_eq!(values(&fitting(known(), "nothing such")), [""; 0]);
        assert_eq!(fitting(known(), "").len(), 4);
    }

    #[test]
    fn no_more_are_suggested_than_a_chat_shows_and_none_twice() {
        let many: Vec<Suggestion> = (0..60).map(|it| plain(&format!("s{}", it / 2))).collect();
        let shown = fitting(many, "s");
        assert_eq!((shown.len(), shown[1].value.as_str()), (MOST, "s1"));
    }

    #[test]
    fn a_target_has_the_form_its_kind_takes() {
        let url = url::Url::parse("https://api.example.com/v1/orders").unwrap();
        let services =
            [ServiceProfile { name: "orders".into(), url: Some(url), ..ServiceProfile::default() }];
        let shown = |kind| targets(kind, &services, &Catalogues::builtin());
        assert_eq!(values(&shown(Some(CheckKind::Dns))), ["api.example.com"]);
        assert_eq!(values(&shown(Some(CheckKind::Tls))), ["api.example.com:443"]);
        assert_eq!(values(&shown(None)), ["https://api.example.com/v1/orders"]);
        assert!(shown(Some(CheckKind::StatusPage)).iter().any(|it| it.value == "github"));
    }

    #[test]
    fn runbooks_and_causes_are_found_by_name() {
        let shown = fitting(runbooks(&Knowledge::builtin()), "auth");
        assert_eq!(shown[0].value, "auth");
    }
}
