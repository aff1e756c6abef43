//! Status feeds in RSS 2.0, RSS 1.0 and Atom: items are posts, and posts belong to incidents. Pure.
//!
//! A feed has no states, only words. What is over says so ("Resolved", "Completed") in its newest post; an item without any
//! such word is believed for a day, an open one for a week: a feed that nobody closes must not be red for ever. The surprise: a
//! feed with nothing in it is calm, but a feed that does not speak of a service's state (a blog) is no status page.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};

use super::{Incident, Page, State};

/// How long an item that does not say what it is about counts.
const UNLABELLED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// How long an incident that says it is open counts after its last post.
const OPEN_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Items looked at: feeds keep at most some fifty.
const MOST_ITEMS: usize = 500;

/// How much of an item's text is searched for the name of a component.
const KEPT_CHARS: usize = 4000;

/// One post.
#[derive(Debug)]
struct Post {
    key: String,
    title: String,
    /// Its body, without tags, in lower case.
    body: String,
    /// The words in bold, in lower case: "resolved", "investigating".
    labels: Vec<String>,
    categories: Vec<String>,
    at: Option<Timestamp>,
}

/// What a post says of its incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Over,
    Open,
    Planned,
    Unsaid,
}

/// Whether the text is a feed at all.
pub(super) fn is_feed(text: &str) -> bool {
    let start: String = text.chars().take(2000).collect::<String>().to_ascii_lowercase();
    start.trim_start().starts_with('<')
        && ["<rss", "<feed", "<rdf:rdf"].iter().any(|root| start.contains(root))
        && !start.contains("<html")
}

/// Reads a feed as a status page.
pub(super) fn read(text: &str, now: Timestamp) -> Option<Page> {
    if !is_feed(text) {
        return None;
    }
    let mut posts: Vec<Post> =
        elements(text, "item").chain(elements(text, "entry")).take(MOST_ITEMS).map(Post::read).collect();
    if !speaks_of_state(text, &posts) {
        return None;
    }
    // Newest first; of undated ones the order of the feed, which is newest first too.
    posts.sort_by_key(|post| std::cmp::Reverse(post.at));
    let mut by_incident: BTreeMap<String, Vec<&Post>> = BTreeMap::new();
    let mut order = Vec::new();
    for post in &posts {
        let known = by_incident.entry(post.key.clone()).or_default();
        if known.is_empty() {
            order.push(post.key.clone());
        }
        known.push(post);
    }
    let mut page = Page { provider: "feed", lists_only_trouble: true, ..Page::default() };
    for key in order {
        let posts = &by_incident[&key];
        // A maintenance that is announced is dated in the future.
        let past: Vec<&Post> = posts.iter().copied().filter(|it| it.at.is_none_or(|at| at <= now)).collect();
        let Some(newest) = past.first() else { continue };
        let age = newest.at.map(|at| now.duration_since(at));
        let phase = newest.phase();
        let is_maintenance = posts.iter().any(|it| it.is_maintenance());
        let counts = match phase {
            Phase::Open => age.is_none_or(|age| age <= OPEN_FOR),
            Phase::Unsaid => {
                !is_maintenance && newest.is_trouble() && age.is_some_and(|age| age <= UNLABELLED_FOR)
            }
            Phase::Over | Phase::Planned => false,
        };
        let oldest = past.last().unwrap_or(newest);
        let incident = Incident {
            title: newest.title.clone(),
            impact: counts.then(|| newest.impact()).filter(|_| !is_maintenance),
            status: newest.labels.first().cloned(),
            started_at: oldest.at.map(|it| it.to_string()),
            ended_at: newest.at.filter(|_| phase == Phase::Over).map(|it| it.to_string()),
            components: newest.categories.clone(),
            text: format!("{} {}", newest.title, newest.body).to_lowercase(),
        };
        match (counts, is_maintenance) {
            (true, true) => page.maintenances.push(newest.title.clone()),
            (true, false) => page.incidents.push(incident),
            (false, _) if phase == Phase::Over => page.past.push(incident),
            (false, _) => {}
        }
    }
    Some(page)
}

/// A feed of a status page names what it is for, or its posts use the words of incidents.
fn speaks_of_state(text: &str, posts: &[Post]) -> bool {
    let head = text.split("<item").next().unwrap_or_default().split("<entry").next().unwrap_or_default();
    let head = head.to_ascii_lowercase();
    ["status", "incident", "outage", "uptime", "service health"].iter().any(|word| head.contains(word))
        || posts.iter().any(|post| !matches!(post.phase(), Phase::Unsaid))
}

impl Post {
    fn read(item: &str) -> Self {
        let child = |names: &[&str]| names.iter().find_map(|name| elements(item, name).next());
        let plain = |raw: &str| stripped(&unescaped(raw));
        let title = child(&["title"]).map(plain).unwrap_or_default();
        let raw_body = child(&["content:encoded", "content", "description", "summary"])
            .map(unescaped)
            .unwrap_or_default();
        let labels = ["strong", "b", "h3", "h4"]
            .iter()
            .flat_map(|tag| elements(&raw_body, tag))
            .map(|it| stripped(it).trim().trim_end_matches(':').to_lowercase())
            .filter(|it| !it.is_empty() && it.len() <= 40)
            .take(50)
            .collect();
        let body: String = stripped(&raw_body).chars().take(KEPT_CHARS).collect();
        let at = child(&["pubDate", "updated", "published", "dc:date", "a10:updated"])
            .and_then(|it| moment(&unescaped(it)));
        let link = child(&["guid", "id", "link"]).map(plain).unwrap_or_default();
        let link = link.split('#').next().unwrap_or_default().trim().to_owned();
        let bare = without_label(&title).to_lowercase();
        // A link that only one title has is an incident's; one that all share is the page's.
        let key = if bare.is_empty() { link } else { bare };
        let categories = elements(item, "category").map(plain).filter(|it| !it.is_empty()).take(20).collect();
        Self { key, title, body: body.to_lowercase(), labels, categories, at }
    }

    fn phase(&self) -> Phase {
        let title = label_of(&self.title).and_then(|it| phase_of(&it.to_lowercase()));
        if let Some(phase) = title {
            return phase;
        }
        let mut phases = self.labels.iter().filter_map(|it| phase_of(it));
        let first = phases.next();
        if first == Some(Phase::Over) || phases.any(|it| it == Phase::Over) || self.says_it_is_over() {
            return Phase::Over;
        }
        first.or_else(|| self.first_word()).unwrap_or(Phase::Unsaid)
    }

    /// The sentences by which people close an incident.
    fn says_it_is_over(&self) -> bool {
        let sentences = [
            "has been resolved",
            "have been resolved",
            "is now resolved",
            "is resolved",
            "was resolved",
            "has been mitigated",
            "was mitigated",
            "is mitigated",
            "has been completed",
            "is complete",
            "have recovered",
            "has recovered",
            "fully recovered",
            "fully restored",
            "has been restored",
            "back to normal",
            "operating normally",
            "status: resolved",
            "status: completed",
        ];
        let title = self.title.to_lowercase();
        sentences.iter().any(|it| self.body.contains(it) || title.contains(it))
            || title.ends_with("resolved")
            || title.contains("is up")
    }

    /// `Investigating - …` or `Status: Investigating` at the start of the text.
    fn first_word(&self) -> Option<Phase> {
        let text = self.body.trim_start();
        let text = text.strip_prefix("status:").unwrap_or(text).trim_start();
        let word: String = text.chars().take_while(|it| it.is_alphabetic() || *it == ' ').take(20).collect();
        let word = word.trim();
        phase_of(word).or_else(|| phase_of(word.split(' ').next()?))
    }

    fn is_maintenance(&self) -> bool {
        let is = |text: &str| text.to_lowercase().contains("maintenance");
        is(&self.title) || self.categories.iter().any(|it| is(it)) || self.labels.iter().any(|it| is(it))
    }

    fn is_trouble(&self) -> bool {
        let words = [
            "outage",
            "degrad",
            "unavailable",
            " down",
            "disruption",
            "error",
            "failure",
            "failing",
            "latency",
            "delay",
            "issue",
            "incident",
            "impact",
            "problem",
            "timeout",
        ];
        let title = self.title.to_lowercase();
        words.iter().any(|it| title.contains(it) || self.body.contains(it))
    }

    fn impact(&self) -> State {
        let title = format!("{} {}", self.title, self.categories.join(" ")).to_lowercase();
        let has = |words: &[&str]| words.iter().any(|it| title.contains(it) || self.body.contains(it));
        let titled = |words: &[&str]| words.iter().any(|it| title.contains(it));
        if has(&["major outage", "full outage", "complete outage", "global outage", "impact: critical"]) {
            State::MajorOutage
        } else if has(&["partial outage", "impact: major"])
            || titled(&["outage", "unavailable", "is down", "disruption"])
        {
            State::PartialOutage
        } else {
            State::Degraded
        }
    }
}

/// `[Resolved] API errors`, `Resolved: API errors`, `API errors - Resolved`.
fn label_of(title: &str) -> Option<&str> {
    let title = title.trim();
    if let Some(rest) = title.strip_prefix('[') {
        return rest.split_once(']').map(|it| it.0.trim());
    }
    let front = title
        .split_once([':', '–'])
        .map(|it| it.0.trim())
        .filter(|it| phase_of(&it.to_lowercase()).is_some());
    let dashed =
        || title.split_once(" - ").map(|it| it.0.trim()).filter(|it| phase_of(&it.to_lowercase()).is_some());
    let back = || title.rsplit_once([':', '–']).or_else(|| title.rsplit_once(" - ")).map(|it| it.1.trim());
    let bracketed =
        || title.strip_suffix([']', ')']).and_then(|it| it.rsplit_once(['[', '('])).map(|it| it.1.trim());
    front.or_else(dashed).or_else(bracketed).or_else(back)
}

/// The title without its label, so that all posts of an incident have one.
fn without_label(title: &str) -> String {
    let Some(label) = label_of(title).filter(|it| phase_of(&it.to_lowercase()).is_some()) else {
        return title.trim().to_owned();
    };
    let rest = title.replacen(label, "", 1);
    rest.trim_matches(|it: char| !it.is_alphanumeric()).to_owned()
}

fn phase_of(word: &str) -> Option<Phase> {
    Some(match word.trim() {
        "resolved" | "completed" | "complete" | "postmortem" | "mitigated" | "fixed" | "closed"
        | "recovered" | "restored" | "up" | "operational" | "false alarm" | "cancelled" | "canceled" => {
            Phase::Over
        }
        "investigating" | "identified" | "monitoring" | "update" | "in progress" | "verifying"
        | "ongoing" | "open" | "down" | "degraded" | "active" | "watching" | "new" => Phase::Open,
        "scheduled" | "planned" | "upcoming" | "not started yet" => Phase::Planned,
        _ => return None,
    })
}

/// The inner texts of the elements of this name, in any case; unclosed ones end the search.
fn elements<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let (open, close) = (format!("<{name}"), format!("</{name}>"));
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let at = rest.find(&open)?;
            let after = &rest[at + open.len()..];
            if !after.starts_with([' ', '>', '\t', '\r', '\n']) {
                rest = after;
                continue;
            }
            let start = after.find('>')?;
            if after[..start].ends_with('/') {
                rest = &after[start + 1..];
                continue;
            }
            let inner = &after[start + 1..];
            let end = inner.find(&close)?;
            rest = &inner[end + close.len()..];
            return Some(&inner[..end]);
        }
    })
}

/// Character data as its reader sees it: CDATA opened, the five entities and numbers decoded.
fn unescaped(raw: &str) -> String {
    let raw = raw.trim();
    if let Some(inner) = raw.strip_prefix("<![CDATA[") {
        return inner.strip_suffix("]]>").unwrap_or(inner).to_owned();
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.char_indices().take(10).find(|(_, it)| *it == ';').map(|(at, _)| at);
        let letter = end.and_then(|end| entity(&rest[1..end]));
        if let (Some(letter), Some(end)) = (letter, end) {
            out.push(letter);
            rest = &rest[end + 1..];
        } else {
            out.push('&');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    })
}

/// Text without tags, blanks folded.
fn stripped(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut inside = false;
    for letter in html.chars() {
        match letter {
            '<' => {
                inside = true;
                out.push(' ');
            }
            '>' if inside => inside = false,
            _ if inside => {}
            _ => out.push(letter),
        }
    }
    let folded: Vec<&str> = out.split_whitespace().collect();
    folded.join(" ")
}

/// RFC 3339 or RFC 2822, some zones by their American names.
fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let by_mail = |text: &str| rfc2822::DateTimeParser::new().parse_timestamp(text).ok();
    let utc: Cow<'_, str> = match text.strip_suffix("UTC").or_else(|| text.strip_suffix('Z')) {
        Some(rest) => Cow::Owned(format!("{rest} GMT")),
        None => Cow::Borrowed(text),
    };
    text.parse().ok().or_else(|| by_mail(text)).or_else(|| by_mail(&utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-27T12:00:00Z";

    fn page(items: &str) -> Page {
        let text = format!(
            "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>Acme Status</title>{items}</channel></rss>"
        );
        read(&text, NOW.parse().unwrap()).unwrap()
    }

    fn item(title: &str, date: &str, body: &str) -> String {
        format!(
            "<item><title>{title}</title><pubDate>{date}</pubDate><description><![CDATA[{body}]]></description></item>"
        )
    }

    #[track_caller]
    fn check(items: &str, open: &[(&str, State)]) {
        let page = page(items);
        let found: Vec<_> = page.incidents.iter().map(|it| (it.title.as_str(), it.impact.unwrap())).collect();
        assert_eq!(found, open, "{page:?}");
    }

    const TODAY: &str = "Fri, 27 Nov 2026 11:30:00 GMT";
    const YESTERDAY: &str = "Thu, 26 Nov 2026 11:00:00 GMT";
    const LAST_MONTH: &str = "Mon, 26 Oct 2026 11:00:00 +0000";

    #[test]
    fn an_empty_feed_is_calm_and_a_blog_is_no_status_page() {
        check("", &[]);
        let blog = "<rss><channel><title>Acme engineering blog</title><item><title>How we scaled</title></item></channel></rss>";
        assert_eq!(read(blog, NOW.parse().unwrap()), None);
        assert_eq!(
            read("<!doctype html><html><body><feed></feed></body></html>", NOW.parse().unwrap()),
            None
        );
        assert_eq!(read("{}", NOW.parse().unwrap()), None);
    }

    #[test]
    fn an_incident_is_what_its_newest_post_says() {
        let open = item("API errors", TODAY, "<p><strong>Investigating</strong> - We see errors.</p>");
        check(&open, &[("API errors", State::Degraded)]);
        let over = item(
            "API errors",
            TODAY,
            "<p><strong>Resolved</strong> - Done.</p><p><strong>Investigating</strong> - We see errors.</p>",
        );
        check(&over, &[]);
        let posts = item("[Resolved] API outage", TODAY, "Done")
            + &item("[Investigating] API outage", YESTERDAY, "Errors");
        check(&posts, &[]);
        let reopened = item("[Investigating] API outage", TODAY, "Again")
            + &item("[Resolved] API outage", YESTERDAY, "Done");
        check(&reopened, &[("[Investigating] API outage", State::PartialOutage)]);
    }

    #[test]
    fn severity_is_in_the_words() {
        check(
            &item("Major outage of payments", TODAY, "<b>Identified</b>"),
            &[("Major outage of payments", State::MajorOutage)],
        );
        check(
            &item("Checkout unavailable", TODAY, "<b>Identified</b>"),
            &[("Checkout unavailable", State::PartialOutage)],
        );
        check(&item("Slow", TODAY, "<b>Monitoring</b> a fix"), &[("Slow", State::Degraded)]);
    }

    #[test]
    fn what_says_nothing_counts_for_a_day_and_what_nobody_closed_for_a_week() {
        check(
            &item("Issues with storage", TODAY, "Customers see errors"),
            &[("Issues with storage", State::Degraded)],
        );
        check(&item("Issues with storage", YESTERDAY, "Customers see errors"), &[]);
        check(&item("Issues", LAST_MONTH, "<strong>Investigating</strong>"), &[]);
        check(&item("Our new console", TODAY, "Look at it"), &[]);
        check(&item("Storage", YESTERDAY, "<strong>Identified</strong>"), &[("Storage", State::Degraded)]);
    }

    #[test]
    fn a_maintenance_counts_while_it_is_going_on() {
        let now = page(&item("Database maintenance", TODAY, "<strong>In progress</strong> - as planned"));
        assert_eq!((now.incidents.len(), now.maintenances.len()), (0, 1));
        let planned = item("Database maintenance", TODAY, "<strong>Scheduled</strong> - on Sunday");
        let future =
            item("Database maintenance", "Sun, 29 Nov 2026 11:00:00 GMT", "<strong>In progress</strong>");
        let done =
            item("Database maintenance", TODAY, "<strong>Completed</strong> - <strong>In progress</strong>");
        for calm in [planned, future, done] {
            let page = page(&calm);
            assert_eq!((page.incidents.len(), page.maintenances.len()), (0, 0), "{calm}");
        }
    }

    #[test]
    fn atom_is_read_too() {
        let text = "<?xml version=\"1.0\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\"><title>Acme status</title>\
            <entry><id>tag:1</id><updated>2026-11-27T11:00:00Z</updated><title>Search is slow</title>\
            <content type=\"html\">&lt;p&gt;&lt;strong&gt;Identified&lt;/strong&gt; - index&lt;/p&gt;</content></entry></feed>";
        let page = read(text, NOW.parse().unwrap()).unwrap();
        assert_eq!(page.incidents[0].title, "Search is slow");
        assert_eq!(page.incidents[0].started_at.as_deref(), Some("2026-11-27T11:00:00Z"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_ends(text in "(<rss>|<item>|</item>|<title>|</title>|<!\\[CDATA\\[|\\]\\]>|&#x?[0-9a-f]{0,7};?|<strong>|</strong>|\\PC){0,60}") {
            let _ = read(&format!("<rss>status{text}"), NOW.parse().unwrap());
        }
    }
}
