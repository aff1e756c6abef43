//! The section `store`: where incidents and actions are kept.

use std::fmt;
use std::path::PathBuf;

use url::Url;

use super::{Problem, Reader, Secret, file};

/// Where incidents and actions are kept, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The database.
    pub place: Place,
    /// Days after their end for which incidents are kept; without it they are kept for ever.
    pub keep_days: Option<u32>,
}

/// A database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A SQLite file, of one bot.
    File(PathBuf),
    /// A PostgreSQL server, shared by replicas.
    Server(Secret),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Server(url) => match Url::parse(url.expose()) {
                Ok(url) => write!(f, "PostgreSQL at {}{}", url.host_str().unwrap_or("a socket"), url.path()),
                Err(_) => f.write_str("PostgreSQL"),
            },
        }
    }
}

impl Reader<'_> {
    pub(super) fn store(&self, written: file::StoreSection) -> Result<Store, Problem> {
        let refuse = |at: &str, message: &str| Err(self.problem("store", at, message));
        let token = file::SecretRef { token_env: written.url_env, token_file: written.url_file };
        let named = self.secret_named("store", &token, ["url_env", "url_file"])?;
        let keep_days = written.keep.map(|days| days.0);
        let url = match (written.url, named) {
            (Some(_), Some(_)) => {
                return refuse("url", "either `url`, `url_env` or `url_file`, not two of them");
            }
            (Some(url), None) => {
                let has_password =
                    Url::parse(&url).is_ok_and(|url| url.password().is_some()) || url.contains("password=");
                if has_password {
                    return refuse(
                        "url",
                        "a password does not belong in this file; put the URL into an environment variable and write \
                         `url_env: NAME`, or into a file of its own and write `url_file: PATH`",
                    );
                }
                Some(Secret(url))
            }
            (None, named) => named,
        };
        let place = match (written.path, url) {
            (Some(_), Some(_)) => {
                return refuse("path", "either a file (`path`) or a server (`url`), not both");
            }
            (None, Some(url)) => {
                let is_known = ["postgres://", "postgresql://"].iter().any(|it| url.expose().starts_with(it));
                if !is_known {
                    return refuse(
                        "url",
                        "the store's URL begins with `postgres://`; a SQLite file is named by `path`",
                    );
                }
                Place::Server(url)
            }
            (path, None) => Place::File(self.folder.join(path.unwrap_or_else(|| "firstcheck.db".into()))),
        };
        Ok(Store { place, keep_days })
    }
}
