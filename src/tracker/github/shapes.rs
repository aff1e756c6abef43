//! GitHub's JSON, as far as it matters here.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An issue.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Found {
    pub(super) number: u64,
    pub(super) html_url: String,
    pub(super) state: String,
    pub(super) state_reason: Option<String>,
    pub(super) title: String,
    pub(super) body: Option<String>,
    pub(super) user: Option<User>,
    #[serde(default)]
    pub(super) labels: Vec<Label>,
    #[serde(default)]
    pub(super) assignees: Vec<User>,
    /// The list of issues holds pull requests too.
    pub(super) pull_request: Option<Value>,
}

impl Found {
    pub(super) fn body(&self) -> &str {
        self.body.as_deref().unwrap_or_default()
    }

    /// A person closed it as not planned: it is never opened again.
    pub(super) fn is_unwanted(&self) -> bool {
        self.state_reason.as_deref() == Some("not_planned")
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == "open"
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct User {
    pub(super) login: String,
}

/// A label comes as an object, or as its name alone.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Label {
    Named { name: String },
    Name(String),
}

impl Label {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Named { name } | Self::Name(name) => name,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Comment {
    pub(super) id: u64,
    pub(super) body: Option<String>,
    pub(super) user: Option<User>,
}

/// What is asked of a repository itself.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct About {
    pub(super) has_issues: Option<bool>,
    pub(super) archived: Option<bool>,
    pub(super) permissions: Option<Permissions>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Permissions {
    pub(super) push: Option<bool>,
    pub(super) triage: Option<bool>,
}

/// A file of a repository.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Content {
    /// In base64, with line ends in it.
    pub(super) content: Option<String>,
}

/// The query of a list.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct List {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) creator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<String>,
    /// At most 100.
    pub(super) per_page: u8,
    pub(super) page: u32,
}

/// `owner/name`, safe in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repository {
    owner: String,
    name: String,
}

impl Repository {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (owner, name) = text.split_once('/')?;
        let good = |part: &str, more: &[u8]| {
            !part.is_empty()
                && part.len() <= 100
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
        };
        let is = good(owner, b"-_") && good(name, b"-_.") && name != "." && name != "..";
        is.then(|| Self { owner: owner.to_owned(), name: name.to_owned() })
    }

    pub(super) fn route(&self, rest: &str) -> String {
        format!("/repos/{}/{}{rest}", self.owner, self.name)
    }
}

impl std::fmt::Display for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_two_plain_names() {
        assert_eq!(Repository::parse("shop/api.v2").unwrap().route("/issues"), "/repos/shop/api.v2/issues");
        for text in ["shop", "shop/", "/api", "shop/api/issues", "../x", "shop/..", "shop/a?b", "sh op/api"] {
            assert_eq!(Repository::parse(text), None, "{text}");
        }
    }
}
