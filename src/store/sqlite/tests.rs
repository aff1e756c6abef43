//! What only a file promises; what both databases do is in `tests/it/store.rs`.

use std::path::PathBuf;

use super::*;
use crate::store::Store;

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("firstcheck-store-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("firstcheck.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_second_bot_on_the_same_file_is_refused() {
    let folder = Folder::new();
    let _first = Store::open(&folder.file()).await.unwrap();
    assert!(matches!(Store::open(&folder.file()).await, Err(OpenError::InUse { .. })));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_with_its_name() {
    let folder = Folder::new();
    std::fs::write(folder.file(), "not a database, but long enough to be taken for one".repeat(100)).unwrap();
    let error = Store::open(&folder.file()).await.unwrap_err();
    assert!(error.to_string().contains("firstcheck.db"), "{error}");
}
