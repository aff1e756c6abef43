//! What was read lately, with its ETag: a read that GitHub answers with 304 does not count against the limit
//! (<https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api>).
//!
//! octocrab's own memory is not bounded and keeps what was cut in its middle; this one keeps whole JSON documents that are no
//! errors, and no more than [`MOST`] of them. The surprise: octocrab takes it for a promise that what was there when the request
//! was sent is still there when its answer comes, so nothing is dropped that was used within [`IN_USE`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::{HeaderMap, Uri};
use octocrab::service::middleware::cache::{CacheKey, CacheStorage, CacheWriter, CachedResponse};
use serde_json::Value;

/// Documents that are kept: an issue and its comments for each of some hundred open incidents.
const MOST: usize = 256;
/// The longest document that is kept, in bytes: a page of a hundred issues with ordinary bodies.
const LONGEST: usize = 1024 * 1024;
/// No request takes longer than this.
const IN_USE: Duration = Duration::from_mins(10);

/// The memory. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Cache(Arc<Mutex<HashMap<Uri, Entry>>>);

#[derive(Clone)]
struct Entry {
    key: CacheKey,
    response: CachedResponse,
    used: Instant,
}

impl Cache {
    fn entries(&self) -> MutexGuard<'_, HashMap<Uri, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CacheStorage for Cache {
    fn try_hit(&self, uri: &Uri) -> Option<CacheKey> {
        let mut entries = self.entries();
        let entry = entries.get_mut(uri)?;
        entry.used = Instant::now();
        Some(entry.key.clone())
    }

    fn load(&self, uri: &Uri) -> Option<CachedResponse> {
        self.entries().get(uri).map(|entry| entry.response.clone())
    }

    fn writer(&self, uri: &Uri, key: CacheKey, headers: HeaderMap) -> Box<dyn CacheWriter> {
        let response = CachedResponse { body: Vec::new(), headers };
        Box::new(Writer { cache: self.clone(), uri: uri.clone(), key, response })
    }
}

/// One answer on its way in; kept when it is dropped, if it is whole then.
struct Writer {
    cache: Cache,
    uri: Uri,
    key: CacheKey,
    response: CachedResponse,
}

impl CacheWriter for Writer {
    fn write_body(&mut self, data: &[u8]) {
        if self.response.body.len() <= LONGEST {
            self.response.body.extend_from_slice(data);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let response = std::mem::take(&mut self.response);
        let is_whole = response.body.len() <= LONGEST
            && serde_json::from_slice::<Value>(&response.body)
                .is_ok_and(|it| it.get("documentation_url").is_none());
        if !is_whole {
            return;
        }
        let mut entries = self.cache.entries();
        if entries.len() >= MOST && !entries.contains_key(&self.uri) {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.used);
            let oldest =
                oldest.filter(|(_, entry)| entry.used.elapsed() > IN_USE).map(|(uri, _)| uri.clone());
            match oldest {
                Some(uri) => entries.remove(&uri),
                None => return,
            };
        }
        entries.insert(self.uri.clone(), Entry { key: self.key.clone(), response, used: Instant::now() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(cache: &Cache, uri: &str, body: &[u8]) -> bool {
        let uri: Uri = uri.parse().unwrap();
        let mut writer = cache.writer(&uri, CacheKey::ETag("\"1\"".into()), HeaderMap::new());
        writer.write_body(body);
        drop(writer);
        cache.try_hit(&uri).is_some()
    }

    #[test]
    fn only_whole_documents_that_are_no_errors_are_kept() {
        let cache = Cache::default();
        assert!(kept(&cache, "/a", b"[{\"number\": 1}]"));
        assert!(!kept(&cache, "/b", b"[{\"number\": 1}"));
        assert!(!kept(&cache, "/c", b"{\"message\": \"Not Found\", \"documentation_url\": \"x\"}"));
        assert!(!kept(&cache, "/d", format!("\"{}\"", "x".repeat(LONGEST)).as_bytes()));
    }

    #[test]
    fn the_memory_is_bounded_and_drops_nothing_in_use() {
        let cache = Cache::default();
        for number in 0..MOST {
            assert!(kept(&cache, &format!("/{number}"), b"{}"));
        }
        assert!(!kept(&cache, "/more", b"{}"));
        assert!(cache.load(&"/0".parse().unwrap()).is_some());
    }
}
