//! The sources whose deliveries are taken, each with what its sender must show.
//!
//! They may change while the bot serves, all at once: a delivery meets either the old ones or the new.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::alert::Source;
use crate::server::credentials::Credentials;

type All = BTreeMap<Source, Arc<Credentials>>;

/// The sources that are taken. Cheap to clone; clones change together.
#[derive(Clone, Default)]
pub struct Sources(Arc<RwLock<Arc<All>>>);

impl FromIterator<(Source, Credentials)> for Sources {
    fn from_iter<I: IntoIterator<Item = (Source, Credentials)>>(all: I) -> Self {
        let sources = Self::default();
        sources.replace(all);
        sources
    }
}

impl Sources {
    /// These are taken from now on, and no others.
    pub fn replace(&self, all: impl IntoIterator<Item = (Source, Credentials)>) {
        let all = all.into_iter().map(|(source, credentials)| (source, Arc::new(credentials)));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(all.collect());
    }

    /// This one is taken too; if it was before, its senders must show this from now on.
    pub fn insert(&self, source: Source, credentials: Credentials) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut all).insert(source, Arc::new(credentials));
    }

    /// Those that are taken now.
    pub(super) fn all(&self) -> Arc<All> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The source of this name that is taken, and what its sender must show. Dashes, underscores and case of a name do
    /// not count.
    pub(super) fn named(&self, name: &str) -> Option<(Source, Arc<Credentials>)> {
        let all = self.all();
        let found = all.iter().find(|(source, _)| source.id() == name);
        let found = found.or_else(|| all.get_key_value(&Source::named(name)?));
        found.map(|(source, credentials)| (source.clone(), Arc::clone(credentials)))
    }
}
