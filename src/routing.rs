//! Where an incident is told: by its service, its labels or its severity to a channel, the tags of a forum post, and the role
//! that is called.
//!
//! Pure: routes and an incident in, a place out. The first route that fits wins, and every condition of a route must hold; one
//! that names several values is content with any of them. The alert that opened the incident decides, so that a thread does
//! not move when a later alert says more.

use std::collections::BTreeMap;

use crate::alert::Severity;
use crate::incident::Incident;

/// A route: when it is taken, and where it leads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Route {
    /// Names of services; empty means any.
    pub services: Vec<String>,
    /// Severities; empty means any.
    pub severities: Vec<Severity>,
    /// Values a label may have; empty means any labels.
    pub labels: BTreeMap<String, Vec<String>>,
    /// The channel; `None` is the usual one.
    pub channel: Option<u64>,
    /// Tags of a forum post, by name or id; `None` are the usual ones.
    pub tags: Option<Vec<String>>,
    /// Who is called; `None` is whoever is called usually.
    pub calls: Option<Calls>,
}

/// Who is called when a thread opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// Nobody.
    Nobody,
    /// The members of this role.
    Role(u64),
}

/// Where an incident is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The channel.
    pub channel: u64,
    /// Tags of a forum post, by name or id.
    pub tags: Vec<String>,
    /// The role that is called.
    pub on_call_role: Option<u64>,
}

/// The place of incidents that no route fits, and the routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routing {
    /// Where incidents are told that no route fits.
    pub usual: Place,
    /// The exceptions, the first that fits wins.
    pub routes: Vec<Route>,
}

impl Routing {
    /// Everything to one place.
    #[must_use]
    pub fn to(channel: u64, on_call_role: Option<u64>) -> Self {
        Self { usual: Place { channel, tags: Vec::new(), on_call_role }, routes: Vec::new() }
    }

    /// Where this incident is told, and the number of the route that says so (from 0), if one does.
    #[must_use]
    pub fn place(&self, incident: &Incident) -> (Place, Option<usize>) {
        let found = self.routes.iter().enumerate().find(|(_, route)| route.fits(incident));
        let Some((number, route)) = found else { return (self.usual.clone(), None) };
        (self.by(route), Some(number))
    }

    /// The usual place, and those that the routes lead to, in their order.
    pub fn places(&self) -> impl Iterator<Item = Place> + '_ {
        std::iter::once(self.usual.clone()).chain(self.routes.iter().map(|route| self.by(route)))
    }

    /// Where this route leads.
    fn by(&self, route: &Route) -> Place {
        Place {
            channel: route.channel.unwrap_or(self.usual.channel),
            tags: route.tags.as_ref().unwrap_or(&self.usual.tags).clone(),
            on_call_role: match route.calls {
                None => self.usual.on_call_role,
                Some(Calls::Nobody) => None,
                Some(Calls::Role(role)) => Some(role),
            },
        }
    }

    /// Every channel an incident may be told in, each once.
    #[must_use]
    pub fn channels(&self) -> Vec<u64> {
        let mut all = vec![self.usual.channel];
        for channel in self.routes.iter().filter_map(|route| route.channel) {
            if !all.contains(&channel) {
                all.push(channel);
            }
        }
        all
    }
}

impl Route {
    fn fits(&self, incident: &Incident) -> bool {
        let alert = incident.alerts.first();
        let any = |wanted: &[String], has: Option<&str>| {
            has.is_some_and(|has| wanted.iter().any(|it| it.eq_ignore_ascii_case(has)))
        };
        let severity = alert.map_or(Severity::Unknown, |alert| alert.severity);
        (self.services.is_empty() || any(&self.services, incident.service()))
            && (self.severities.is_empty() || self.severities.contains(&severity))
            && self.labels.iter().all(|(label, wanted)| {
                any(wanted, alert.and_then(|alert| alert.labels.get(label)).map(String::as_str))
            })
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::alert::{Alert, IncidentKey};
    use crate::incident::{Event, IncidentId};
    use crate::profile::ServiceProfile;

    fn incident(service: &str, severity: Severity, team: &str) -> Incident {
        let mut incident = Incident::new(IncidentId::from_seed(7));
        let profile = ServiceProfile { name: service.into(), ..ServiceProfile::default() };
        incident.record(Event::Opened { key: IncidentKey("k".into()), profile }, Timestamp::UNIX_EPOCH);
        let mut alert = Alert::titled("generic", "it fails");
        alert.severity = severity;
        alert.labels.insert("team".into(), team.into());
        incident.record(Event::AlertReceived { alert }, Timestamp::UNIX_EPOCH);
        incident
    }

    fn routing() -> Routing {
        let route = Route::default;
        let labels = BTreeMap::from([("team".to_owned(), vec!["payments".to_owned(), "ledger".to_owned()])]);
        Routing {
            usual: Place { channel: 1, tags: vec!["incident".into()], on_call_role: Some(9) },
            routes: vec![
                Route { labels, channel: Some(2), calls: Some(Calls::Role(8)), ..route() },
                Route {
                    services: vec!["orders".into()],
                    severities: vec![Severity::Critical],
                    channel: Some(3),
                    ..route()
                },
                Route {
                    severities: vec![Severity::Info, Severity::Unknown],
                    calls: Some(Calls::Nobody),
                    tags: Some(vec![]),
                    ..route()
                },
            ],
        }
    }

    #[track_caller]
    fn check(incident: &Incident, channel: u64, role: Option<u64>, route: Option<usize>) {
        let (place, number) = routing().place(incident);
        assert_eq!((place.channel, place.on_call_role, number), (channel, role, route));
    }

    #[test]
    fn the_first_route_whose_every_condition_holds_wins() {
        check(&incident("orders", Severity::Critical, "Payments"), 2, Some(8), Some(0));
        check(&incident("Orders", Severity::Critical, "web"), 3, Some(9), Some(1));
        check(&incident("orders", Severity::Warning, "web"), 1, Some(9), None);
        check(&incident("other", Severity::Info, "web"), 1, None, Some(2));
    }

    #[test]
    fn an_incident_without_alert_goes_the_way_of_an_unknown_severity() {
        check(&Incident::new(IncidentId::from_seed(7)), 1, None, Some(2));
    }

    #[test]
    fn every_channel_is_named_once() {
        let mut routing = routing();
        routing.routes.push(Route { channel: Some(2), ..Route::default() });
        assert_eq!(routing.channels(), [1, 2, 3]);
    }

    #[test]
    fn a_later_alert_moves_nothing() {
        let mut incident = incident("orders", Severity::Warning, "web");
        let before = routing().place(&incident);
        let mut alert = Alert::titled("generic", "worse");
        alert.fingerprint = "another".into();
        alert.severity = Severity::Critical;
        incident.record(Event::AlertReceived { alert }, Timestamp::UNIX_EPOCH);
        assert_eq!(routing().place(&incident), before);
    }
}
