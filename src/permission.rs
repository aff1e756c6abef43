//! Who may do what with the bot in a chat: verbs, and the roles and people each is given to.
//!
//! Pure. Without a configuration everybody may read, answer and start incidents, and whoever is on call or moderates the server
//! may probe and manage. With one, a verb that is not named is nobody's, except reading. The surprise: a configuration gives
//! administrators nothing that it does not name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// See incidents, evidence and runbooks.
    Read,
    /// Answer a question, or pass it on.
    Answer,
    /// Start an incident.
    Start,
    /// Run a check: the bot reaches out to what they name.
    Check,
    /// Close, reopen, reclassify, snooze, assign and file.
    Manage,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 5] = [Self::Read, Self::Answer, Self::Start, Self::Check, Self::Manage];

    /// The id used in the configuration.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Answer => "answer",
            Self::Start => "start",
            Self::Check => "check",
            Self::Manage => "manage",
        }
    }

    /// What it lets somebody do, as it goes on after "you may not".
    #[must_use]
    pub fn does(self) -> &'static str {
        match self {
            Self::Read => "look at incidents",
            Self::Answer => "answer for an incident",
            Self::Start => "start an incident",
            Self::Check => "run checks",
            Self::Manage => "close, reopen, reclassify, snooze, assign or file incidents",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// Whom a verb is given to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Everybody in the server.
    Everyone,
    /// Those with one of these roles, and these people; nobody when both are empty.
    Those {
        /// The chat's ids of roles.
        roles: BTreeSet<u64>,
        /// The chat's ids of people.
        users: BTreeSet<u64>,
    },
}

/// Somebody who wants to do something, as the chat shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker<'a> {
    /// The chat's id of them.
    pub user: u64,
    /// The roles they have.
    pub roles: &'a [u64],
    /// Whether they moderate the server: they administer it, or manage it or its threads.
    pub moderates: bool,
}

/// Who may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permissions {
    /// Nothing is configured; these roles are on call.
    Usual {
        /// The chat's ids of roles.
        on_call: BTreeSet<u64>,
    },
    /// As configured.
    Given(BTreeMap<Verb, Who>),
}

impl Default for Permissions {
    fn default() -> Self {
        Self::Usual { on_call: BTreeSet::new() }
    }
}

impl Permissions {
    /// Whether this person may do this.
    #[must_use]
    pub fn allow(&self, verb: Verb, asker: Asker<'_>) -> bool {
        match self {
            Self::Usual { on_call } => {
                let is_on_call = || asker.roles.iter().any(|role| on_call.contains(role));
                matches!(verb, Verb::Read | Verb::Answer | Verb::Start) || asker.moderates || is_on_call()
            }
            Self::Given(given) => match given.get(&verb) {
                Some(Who::Everyone) => true,
                Some(Who::Those { roles, users }) => {
                    users.contains(&asker.user) || asker.roles.iter().any(|role| roles.contains(role))
                }
                None => verb == Verb::Read,
            },
        }
    }

    /// Whether everybody may do this, whoever they are.
    #[must_use]
    pub fn allow_everyone(&self, verb: Verb) -> bool {
        self.allow(verb, Asker { user: 0, roles: &[], moderates: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: Asker<'_> = Asker { user: 7, roles: &[1, 2], moderates: false };

    fn those(roles: &[u64], users: &[u64]) -> Who {
        Who::Those { roles: roles.iter().copied().collect(), users: users.iter().copied().collect() }
    }

    #[track_caller]
    fn check(permissions: &Permissions, asker: Asker<'_>, expected: &[Verb]) {
        let allowed: Vec<Verb> =
            Verb::ALL.into_iter().filter(|verb| permissions.allow(*verb, asker)).collect();
        assert_eq!(allowed, expected);
    }

    #[test]
    fn without_a_configuration_only_those_on_call_and_moderators_probe_and_manage() {
        let usual = Permissions::Usual { on_call: BTreeSet::from([2]) };
        check(&usual, ADA, &Verb::ALL);
        check(&usual, Asker { roles: &[1], ..ADA }, &[Verb::Read, Verb::Answer, Verb::Start]);
        check(&usual, Asker { roles: &[], moderates: true, ..ADA }, &Verb::ALL);
        check(&Permissions::default(), ADA, &[Verb::Read, Verb::Answer, Verb::Start]);
    }

    #[test]
    fn what_a_configuration_does_not_name_is_nobodys_even_an_administrators() {
        let given = Permissions::Given(BTreeMap::from([
            (Verb::Answer, Who::Everyone),
            (Verb::Check, those(&[2], &[])),
            (Verb::Manage, those(&[], &[7])),
        ]));
        check(&given, ADA, &[Verb::Read, Verb::Answer, Verb::Check, Verb::Manage]);
        check(&given, Asker { user: 8, roles: &[1], moderates: true }, &[Verb::Read, Verb::Answer]);
    }

    #[test]
    fn reading_can_be_taken_away_too() {
        let given = Permissions::Given(BTreeMap::from([(Verb::Read, those(&[9], &[]))]));
        check(&given, ADA, &[]);
        assert!(!given.allow_everyone(Verb::Read) && Permissions::default().allow_everyone(Verb::Answer));
    }
}
