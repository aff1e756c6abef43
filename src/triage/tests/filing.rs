//! A creation is begun once, whoever performs the filing, and an end counts for the beginning it is the end of.

use jiff::Timestamp;

use super::KNOWLEDGE;
use crate::incident::{Event, Incident, IncidentId, Recorded};
use crate::triage::step;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn taken(incident: &mut Incident, event: Event, second: i64) -> Vec<Recorded> {
    let stepped = step(&KNOWLEDGE, incident.clone(), event, at(second));
    assert!(stepped.actions.is_empty());
    *incident = stepped.incident;
    stepped.recorded
}

fn begun(instead_of: Option<Timestamp>) -> Event {
    Event::IssueBegun { repository: "shop/incidents".into(), instead_of }
}

#[test]
fn of_two_that_begin_to_create_an_issue_only_one_does() {
    let mut incident = Incident::new(IncidentId::from_seed(1));
    assert_eq!(taken(&mut incident, begun(None), 1).len(), 1);
    assert_eq!(taken(&mut incident, begun(None), 2), [], "another has begun");
    assert_eq!(incident.creating.as_ref().unwrap().since, at(1));
    // Both waited until nothing can be there any more, and both would begin again.
    assert_eq!(taken(&mut incident, begun(Some(at(1))), 100).len(), 1);
    assert_eq!(taken(&mut incident, begun(Some(at(1))), 101), []);
}

#[test]
fn a_late_end_of_an_earlier_beginning_leaves_the_later_one() {
    let mut incident = Incident::new(IncidentId::from_seed(1));
    taken(&mut incident, begun(None), 1);
    taken(&mut incident, begun(Some(at(1))), 100);
    assert_eq!(taken(&mut incident, Event::IssueNotCreated { begun: at(1) }, 101), []);
    assert!(incident.creating.is_some());
    taken(&mut incident, Event::IssueNotCreated { begun: at(100) }, 102);
    assert_eq!(incident.creating, None);
}

#[test]
fn an_issue_that_is_there_is_not_begun() {
    let mut incident = Incident::new(IncidentId::from_seed(1));
    taken(&mut incident, begun(None), 1);
    let filed = Event::IssueFiled { reference: "shop/incidents#1".into(), url: "https://x.test".into() };
    let stepped = step(&KNOWLEDGE, incident, filed, at(2));
    let mut incident = stepped.incident;
    assert_eq!(incident.creating, None);
    assert_eq!(taken(&mut incident, begun(None), 3), []);
}
