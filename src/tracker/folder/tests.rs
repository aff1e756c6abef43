//! The folder tracker: what is kept, what is closed, what is opened again.

use super::*;
use crate::evidence::render::{Issue, News};
use crate::profile::routing::Route;
use crate::tracker::Earlier;

fn issue(incident: &IncidentId, body: &str) -> Issue {
    Issue {
        title: "reports-api: \"High\" 504 rate (upstream)".into(),
        body: format!("{}\n{body}\n{}", marker(incident.as_str()), end_marker(incident.as_str())),
        labels: vec!["bucket:upstream".into()],
        opened_on: "2026-03-01".into(),
        closed: false,
        news: Vec::new(),
    }
}

fn incident() -> IncidentId {
    IncidentId::from_seed(7)
}

fn folder(name: &str) -> Folder {
    let dir = std::env::temp_dir().join(format!("firstcheck-folder-{name}-{}", std::process::id()));
    let _gone = std::fs::remove_dir_all(&dir);
    Folder::new(dir)
}

fn write(
    folder: &Folder,
    id: &IncidentId,
    issue: &Issue,
    known: Option<&Path>,
    earlier: Option<&Earlier>,
) -> PathBuf {
    let route = Route::default();
    let known = known.map(reference);
    let filing = Filing {
        incident: id,
        issue,
        route: &route,
        known: known.as_ref(),
        earlier,
        creating: None,
        now: jiff::Timestamp::UNIX_EPOCH,
    };
    folder.write(&filing).unwrap()
}

fn reference(path: &Path) -> IssueRef {
    let path = path.display().to_string();
    IssueRef { reference: path.clone(), url: path }
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_file_is_named_by_date_incident_and_title() {
    let folder = folder("name");
    let path = write(&folder, &incident(), &issue(&incident(), "one"), None, None);
    let name = path.file_name().unwrap().to_str().unwrap();
    assert_eq!(name, "2026-03-01-inc-7000000000-reports-api-high-504-rate-upstream.md");
    let text = text(&path);
    assert!(text.starts_with("---\ntitle: \"reports-api: \\\"High\\\" 504 rate (upstream)\"\nstate: open\nlabels: [\"bucket:upstream\"]\n---\n\n<!-- firstcheck:"), "{text}");
    assert_eq!(std::fs::read_dir(&folder.dir).unwrap().count(), 1);
}

#[test]
fn an_update_keeps_what_people_wrote_and_the_file_they_renamed() {
    let folder = folder("update");
    let first = write(&folder, &incident(), &issue(&incident(), "one"), None, None);
    let edited = text(&first)
        .replace("---\n\n", "owner: jane\n---\n\nSeen before.\n\n")
        .replace("[\"bucket:upstream\"]", "[\"bucket:server\", \"team-a\"]")
        .replace("title: \"reports-api: \\\"High\\\" 504 rate (upstream)\"", "title: \"Mine\"")
        + "\nI restarted it.\n";
    let renamed = folder.dir.join("2026-03-01-inc-7000000000-mine.md");
    std::fs::write(&renamed, edited).unwrap();
    std::fs::remove_file(&first).unwrap();

    let mut later = issue(&incident(), "two");
    later.closed = true;
    later.news = vec![News { key: "resolved".into(), text: "Resolved.".into() }];
    for _ in 0..2 {
        assert_eq!(write(&folder, &incident(), &later, Some(&first), None), renamed);
    }
    let text = text(&renamed);
    for kept in [
        "owner: jane\n",
        "Seen before.",
        "I restarted it.",
        "state: closed",
        "two",
        "title: \"Mine\"",
        "\"team-a\"",
    ] {
        assert_eq!(text.matches(kept).count(), 1, "{kept}: {text}");
    }
    assert_eq!(text.matches("Resolved.").count(), 1, "{text}");
    assert!(!text.contains("one\n") && !text.contains("bucket:server"), "{text}");
}

#[test]
fn what_a_person_opens_again_stays_open() {
    let folder = folder("opened");
    let mut over = issue(&incident(), "one");
    over.closed = true;
    let path = write(&folder, &incident(), &over, None, None);
    std::fs::write(&path, text(&path).replace("state: closed", "state: open")).unwrap();
    over.body = over.body.replace("one", "two");
    write(&folder, &incident(), &over, Some(&path), None);
    assert!(text(&path).contains("state: open") && text(&path).contains("two"), "{}", text(&path));
}

#[test]
fn a_problem_that_comes_back_in_time_opens_its_issue_again_and_later_gets_one_that_links_it() {
    let folder = folder("back");
    let mut over = issue(&incident(), "first time");
    over.closed = true;
    let path = write(&folder, &incident(), &over, None, None);
    let earlier = |hours| Earlier {
        issue: reference(&path),
        incident: incident(),
        over_for: Duration::from_hours(hours),
    };
    let again = IncidentId::from_seed(8);
    let mut back = issue(&again, "second time");
    for _ in 0..2 {
        assert_eq!(write(&folder, &again, &back, None, Some(&earlier(1))), path);
    }
    let joined = text(&path);
    assert!(joined.contains("state: open") && joined.contains("first time"), "{joined}");
    assert_eq!(joined.matches("second time").count(), 1, "{joined}");
    back.closed = true;
    write(&folder, &again, &back, Some(&path), None);
    assert!(text(&path).contains("state: closed"), "{}", text(&path));

    std::fs::write(&path, text(&path).replace("state: closed", "state: closed\nstate_reason: not_planned"))
        .unwrap();
    let third = IncidentId::from_seed(9);
    write(&folder, &third, &issue(&third, "third time"), None, Some(&earlier(1)));
    assert!(text(&path).contains("state: closed\nstate_reason: not_planned"), "{}", text(&path));
    assert!(text(&path).contains("third time"));

    let fourth = IncidentId::from_seed(10);
    let own = write(&folder, &fourth, &issue(&fourth, "much later"), None, Some(&earlier(25)));
    assert_ne!(own, path);
    assert!(text(&own).contains(&format!("{} (`{}`)", path.display(), incident())), "{}", text(&own));
}

#[test]
fn a_second_file_of_an_incident_is_closed_as_a_duplicate() {
    let folder = folder("duplicate");
    let path = write(&folder, &incident(), &issue(&incident(), "one"), None, None);
    let copy = folder.dir.join("2026-03-02-inc-7000000000-copy.md");
    std::fs::copy(&path, &copy).unwrap();
    assert_eq!(write(&folder, &incident(), &issue(&incident(), "two"), None, None), path);
    let said = text(&copy);
    assert!(
        said.contains("state: closed\nstate_reason: duplicate\nduplicate_of: \"2026-03-01-inc"),
        "{said}"
    );
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_says_where() {
    let folder = folder("blocked");
    std::fs::write(&folder.dir, "a file").unwrap();
    let (id, route) = (incident(), Route::default());
    let filing = Filing {
        incident: &id,
        issue: &issue(&id, "one"),
        route: &route,
        known: None,
        earlier: None,
        creating: None,
        now: jiff::Timestamp::UNIX_EPOCH,
    };
    let error = folder.file(&filing).await.unwrap_err();
    assert!(error.reason.contains("firstcheck-folder-blocked"), "{error}");
    assert_ne!(error.retry, crate::incident::Retry::Never);
}
