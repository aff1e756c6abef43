//! Who owns what: patterns and their owners, as in a `CODEOWNERS` file
//! (<https://docs.github.com/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners>).
//!
//! The last pattern that matches decides, and one without owners takes them away, as GitHub does. A line that cannot be read is
//! passed over, as GitHub does too. The surprise: only people can be assigned to an issue; a team or an e-mail address is an
//! owner all the same and is named apart.

/// Patterns and their owners, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owners(Vec<(Pattern, Vec<String>)>);

/// The owners of one path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owned {
    /// Logins that can be assigned.
    pub people: Vec<String>,
    /// Teams (`org/team`) and e-mail addresses.
    pub others: Vec<String>,
}

impl Owners {
    /// Reads a `CODEOWNERS` file.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().map(|line| line.split_once(" #").map_or(line, |(line, _)| line).trim());
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with(['#', '[', '!']));
        let read = |line: &str| {
            let mut words = line.split_whitespace();
            let pattern = words.next()?;
            Some((Pattern::new(pattern), words.map(str::to_owned).collect()))
        };
        Self(lines.filter_map(read).collect())
    }

    /// The owners of a path (`services/billing/api.rs`, with or without a leading slash); of an empty one, whoever owns any file.
    #[must_use]
    pub fn of(&self, path: &str) -> Owned {
        // A file of no name and no kind: only `*` and its like match it.
        let path = if path.trim_matches('/').is_empty() { "-" } else { path };
        let found = self.0.iter().rev().find(|(pattern, _)| pattern.matches(path));
        found.map(|(_, owners)| Owned::of(owners)).unwrap_or_default()
    }
}

impl Owned {
    /// Sorts owners (`mira`, `@mira`, `@org/team`, an e-mail address) into those who can be assigned and the others.
    #[must_use]
    pub fn of(owners: &[String]) -> Self {
        let mut owned = Self::default();
        for owner in owners {
            let is_mail = owner.trim_start_matches('@').contains('@');
            let name = owner.trim_start_matches('@');
            if is_mail || name.contains('/') {
                owned.others.push(name.to_owned());
            } else if !name.is_empty() {
                owned.people.push(name.to_owned());
            }
        }
        owned
    }
}

/// One pattern of gitignore's kind, as far as `CODEOWNERS` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    parts: Vec<String>,
}

impl Pattern {
    fn new(text: &str) -> Self {
        let inner = text.trim_end_matches('/');
        // A slash at the beginning or in the middle binds the pattern to the root.
        let is_bound = inner.contains('/');
        let mut parts: Vec<String> = inner
            .trim_start_matches('/')
            .split('/')
            .map(str::to_owned)
            .filter(|part| !part.is_empty())
            .collect();
        if !is_bound {
            parts.insert(0, "**".to_owned());
        }
        Self { parts }
    }

    fn matches(&self, path: &str) -> bool {
        let path: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        // A pattern that names a directory owns what is below it; one that ends in a wildcard owns what stands there alone.
        let ends_in_wildcard = self.parts.len() > 1
            && self.parts.last().is_some_and(|part| part == "*")
            && self.parts[0] != "**";
        (0..=path.len()).rev().any(|end| {
            let is_whole = end == path.len();
            (is_whole || !ends_in_wildcard) && parts_match(&self.parts, &path[..end])
        })
    }
}

fn parts_match(pattern: &[String], path: &[&str]) -> bool {
    match pattern.split_first() {
        None => path.is_empty(),
        Some((first, rest)) if first == "**" => {
            (0..=path.len()).any(|skipped| parts_match(rest, &path[skipped..]))
        }
        Some((first, rest)) => {
            path.split_first().is_some_and(|(name, below)| wildcard(first, name) && parts_match(rest, below))
        }
    }
}

/// Whether a text fits a pattern with `*` (any number of characters) and `?` (one). Linear but for the stars.
#[must_use]
pub(crate) fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut place) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while place < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, place));
                at += 1;
            }
            Some(c) if *c == '?' || *c == text[place] => {
                at += 1;
                place += 1;
            }
            _ => match star {
                Some((star_at, taken)) => {
                    star = Some((star_at, taken + 1));
                    at = star_at + 1;
                    place = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, path: &str, expected: bool) {
        assert_eq!(Pattern::new(pattern).matches(path), expected, "{pattern} {path}");
    }

    #[test]
    fn patterns_match_as_githubs_examples_say() {
        check("*", "a/b/c.rs", true);
        check("*.js", "web/app.js", true);
        check("*.js", "web/app.ts", false);
        check("/build/logs/", "build/logs/x/y.log", true);
        check("/build/logs/", "old/build/logs/x", false);
        check("docs/*", "docs/getting-started.md", true);
        check("docs/*", "docs/build-app/troubleshooting.md", false);
        check("apps/", "deep/apps/x.rs", true);
        check("apps/", "apps", true);
        check("/apps/github", "apps/github/x", true);
        check("**/logs", "deeply/nested/logs/x", true);
        check("services/*/api", "services/billing/api/main.rs", true);
        check("services/*/api", "services/a/b/api", false);
        check("/docs/", "/docs/x", true);
    }

    #[test]
    fn the_last_match_decides_and_may_take_owners_away() {
        let owners = Owners::parse(
            "# people\n*  @global-owner\n/services/ @mira @shop/services ops@example.com # more\n/services/free/\n[section]\n",
        );
        assert_eq!(owners.of("x").people, ["global-owner"]);
        assert_eq!(owners.of("").people, ["global-owner"], "where the code lies is not known");
        let services = owners.of("services/billing/main.rs");
        assert_eq!(
            (services.people, services.others),
            (vec!["mira".to_owned()], vec!["shop/services".to_owned(), "ops@example.com".to_owned()])
        );
        assert_eq!(owners.of("services/free/x"), Owned::default());
    }

    #[test]
    fn stars_and_question_marks_are_wild() {
        assert!(wildcard("orders-*", "orders-api"));
        assert!(wildcard("*", ""));
        assert!(wildcard("a?c*", "abcd"));
        assert!(!wildcard("a?c", "ac"));
        assert!(!wildcard("orders", "orders-api"));
    }
}
