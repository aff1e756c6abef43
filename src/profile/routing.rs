//! Where an incident's issue goes, who is assigned, and which labels it gets beside our own: rules of the configuration
//! (`tracker.github.routes`, `tracker.github.owners`).
//!
//! Every rule that matches adds its labels and assignees; the first that names a repository decides where. A rule is more
//! particular than the service's own `repository`, which is more particular than the tracker's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::alert::Severity;
use crate::bucket::Bucket;
use crate::profile::ServiceProfile;
use crate::profile::owners::{Owned, wildcard};

/// The most assignees an issue takes (GitHub, "Assigning issues and pull requests to other GitHub users").
const MOST_ASSIGNEES: usize = 10;

/// All rules.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Routing {
    /// The tracker's own repository.
    pub repository: Option<String>,
    /// Rules, in order.
    pub rules: Vec<Rule>,
    /// Owners by service or path; the last that matches decides.
    pub owners: Vec<OwnerRule>,
    /// Whether the repository's own `CODEOWNERS` is asked where no rule names anybody.
    pub codeowners: bool,
}

/// One rule.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What it is for; without any condition, everything.
    #[serde(default, rename = "match")]
    pub matcher: Matcher,
    /// Where the issue goes (`owner/name`).
    #[serde(default)]
    pub repository: Option<String>,
    /// Logins.
    #[serde(default)]
    pub assignees: Vec<String>,
    /// Labels beside our own.
    #[serde(default)]
    pub labels: Vec<String>,
}

/// Conditions of a rule; all of them must hold. `*` and `?` are wild.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Matcher {
    /// The service's name.
    #[serde(default)]
    pub service: Option<String>,
    /// The path of the endpoint.
    #[serde(default)]
    pub path: Option<String>,
    /// One of these severities.
    #[serde(default)]
    pub severity: Vec<Severity>,
    /// One of these boundaries.
    #[serde(default)]
    pub bucket: Vec<Bucket>,
    /// Labels of an alert.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// Who owns a service, or what lies under a path.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnerRule {
    /// A service's name; or, beginning with `/`, a path of its endpoint. `*` and `?` are wild.
    pub pattern: String,
    /// Logins, teams (`org/team`) or e-mail addresses; only people can be assigned.
    pub owners: Vec<String>,
}

/// What of an incident rules look at.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// What is known of its service.
    pub profile: &'a ServiceProfile,
    /// The service's name.
    pub service: Option<&'a str>,
    /// The endpoint: a URL, or a path.
    pub endpoint: Option<&'a str>,
    /// How bad it is.
    pub severity: Severity,
    /// The boundary, once one was said.
    pub bucket: Option<Bucket>,
    /// Labels of its alerts.
    pub labels: &'a BTreeMap<String, String>,
}

/// Where an issue goes, and with what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Route {
    /// `owner/name`; none is configured where it is absent.
    pub repository: Option<String>,
    /// Logins, at most ten.
    pub assignees: Vec<String>,
    /// Labels beside our own.
    pub labels: Vec<String>,
    /// Owners who cannot be assigned.
    pub other_owners: Vec<String>,
    /// What to look up in the repository's `CODEOWNERS`, where no rule names an owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub look_up: Option<String>,
    /// Which rules said so, for people.
    pub because: Vec<String>,
}

impl Routing {
    /// Every repository that is named anywhere, in order.
    pub fn repositories<'a>(&'a self, services: &'a [ServiceProfile]) -> Vec<&'a str> {
        let of_rules = self.rules.iter().filter_map(|rule| rule.repository.as_deref());
        let of_services = services.iter().filter_map(|service| service.repository.as_deref());
        let mut all: Vec<&str> = Vec::new();
        for name in self.repository.as_deref().into_iter().chain(of_services).chain(of_rules) {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        all
    }

    /// Where this goes.
    #[must_use]
    pub fn route(&self, subject: &Subject<'_>) -> Route {
        let mut route = Route::default();
        for (place, rule) in self.rules.iter().enumerate().filter(|(_, rule)| rule.matcher.fits(subject)) {
            let place = place + 1;
            if route.repository.is_none() && rule.repository.is_some() {
                route.repository.clone_from(&rule.repository);
                route.because.push(format!("the repository is that of route {place}"));
            }
            if !rule.labels.is_empty() || !rule.assignees.is_empty() {
                route.because.push(format!("route {place} adds labels or assignees"));
            }
            add(&mut route.labels, &rule.labels);
            add(&mut route.assignees, &rule.assignees);
        }
        if route.repository.is_none() {
            let (from, found) = match &subject.profile.repository {
                Some(own) => ("the service's", Some(own)),
                None => ("the tracker's", self.repository.as_ref()),
            };
            route.repository = found.cloned();
            if route.repository.is_some() {
                route.because.push(format!("the repository is {from}"));
            }
        }
        let path = subject.endpoint.map(path_of);
        let owns = |rule: &&OwnerRule| {
            let owned = if rule.pattern.starts_with('/') { path } else { subject.service };
            owned.is_some_and(|owned| wildcard(&rule.pattern, owned))
        };
        if let Some(rule) = self.owners.iter().rev().find(owns) {
            route.because.push(format!("`{}` has owners", rule.pattern));
            route.own(&Owned::of(&rule.owners));
        } else if self.codeowners && route.assignees.is_empty() {
            route.look_up = Some(subject.profile.source.clone().unwrap_or_default());
        }
        route.assignees.truncate(MOST_ASSIGNEES);
        route
    }
}

impl Route {
    /// Adds owners: people are assigned, others are named.
    pub fn own(&mut self, owned: &Owned) {
        add(&mut self.assignees, &owned.people);
        add(&mut self.other_owners, &owned.others);
        self.assignees.truncate(MOST_ASSIGNEES);
    }
}

fn add(to: &mut Vec<String>, more: &[String]) {
    for it in more {
        let it = it.trim_start_matches('@');
        if !to.iter().any(|known| known.eq_ignore_ascii_case(it)) {
            to.push(it.to_owned());
        }
    }
}

impl Matcher {
    fn fits(&self, subject: &Subject<'_>) -> bool {
        let wild = |wanted: &Option<String>, has: Option<&str>| {
            wanted.as_ref().is_none_or(|pattern| has.is_some_and(|has| wildcard(pattern, has)))
        };
        let labelled = |(name, pattern): (&String, &String)| {
            subject.labels.get(name).is_some_and(|value| wildcard(pattern, value))
        };
        wild(&self.service, subject.service)
            && wild(&self.path, subject.endpoint.map(path_of))
            && (self.severity.is_empty() || self.severity.contains(&subject.severity))
            && (self.bucket.is_empty() || subject.bucket.is_some_and(|bucket| self.bucket.contains(&bucket)))
            && self.labels.iter().all(labelled)
    }
}

/// The path of a URL, or the path itself; without query.
fn path_of(endpoint: &str) -> &str {
    let path =
        endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
    path.split(['?', '#']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routing() -> Routing {
        Routing {
            repository: Some("shop/incidents".into()),
            rules: vec![
                Rule {
                    matcher: Matcher { service: Some("orders-*".into()), ..Matcher::default() },
                    repository: Some("shop/orders".into()),
                    assignees: vec!["@mira".into()],
                    labels: vec!["team:orders".into()],
                },
                Rule {
                    matcher: Matcher { severity: vec![Severity::Critical], ..Matcher::default() },
                    repository: Some("shop/urgent".into()),
                    assignees: vec!["Mira".into(), "jo".into()],
                    labels: vec!["urgent".into()],
                },
            ],
            owners: vec![OwnerRule {
                pattern: "/v1/pay/*".into(),
                owners: vec!["@ana".into(), "@shop/pay".into()],
            }],
            codeowners: false,
        }
    }

    #[track_caller]
    fn check(
        service: &str,
        endpoint: &str,
        severity: Severity,
        repository: &str,
        assignees: &[&str],
        labels: &[&str],
    ) -> Route {
        let (profile, none) = (ServiceProfile::default(), BTreeMap::new());
        let subject = Subject {
            profile: &profile,
            service: Some(service),
            endpoint: Some(endpoint),
            severity,
            bucket: None,
            labels: &none,
        };
        let route = routing().route(&subject);
        assert_eq!(route.repository.as_deref(), Some(repository), "{route:?}");
        assert_eq!(
            (&route.assignees[..], &route.labels[..]),
            (
                &assignees.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()[..],
                &labels.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()[..]
            )
        );
        route
    }

    #[test]
    fn the_first_rule_with_a_repository_decides_and_all_add_to_it() {
        check(
            "orders-api",
            "/x",
            Severity::Critical,
            "shop/orders",
            &["mira", "jo"],
            &["team:orders", "urgent"],
        );
        check("mail", "/x", Severity::Critical, "shop/urgent", &["Mira", "jo"], &["urgent"]);
        check("mail", "/x", Severity::Warning, "shop/incidents", &[], &[]);
    }

    #[test]
    fn owners_are_found_by_path_and_teams_are_only_named() {
        let route = check(
            "x",
            "https://api.shop.test/v1/pay/charge?card=1",
            Severity::Warning,
            "shop/incidents",
            &["ana"],
            &[],
        );
        assert_eq!(route.other_owners, ["shop/pay"]);
    }

    #[test]
    fn a_condition_on_what_is_not_known_does_not_hold() {
        let matcher = Matcher { bucket: vec![Bucket::Auth], ..Matcher::default() };
        let (profile, none) = (ServiceProfile::default(), BTreeMap::new());
        let subject = Subject {
            profile: &profile,
            service: None,
            endpoint: None,
            severity: Severity::Warning,
            bucket: None,
            labels: &none,
        };
        assert!(!matcher.fits(&subject));
        assert!(matcher.fits(&Subject { bucket: Some(Bucket::Auth), ..subject }));
        let matcher =
            Matcher { labels: BTreeMap::from([("team".into(), "pay*".into())]), ..Matcher::default() };
        assert!(!matcher.fits(&subject));
        let labels = BTreeMap::from([("team".to_owned(), "payments".to_owned())]);
        assert!(matcher.fits(&Subject { labels: &labels, ..subject }));
    }
}
