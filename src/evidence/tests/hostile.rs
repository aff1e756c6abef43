//! Foreign text on every path on which it is rendered: it mentions nobody, refers to nothing, is no HTML, breaks no table and no
//! chart, and forges no marker.

use super::*;
use crate::template::{marked, neutral};

/// What somebody may write to make us say it.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("@octocat ".to_owned()),
        Just("@org/team".to_owned()),
        Just("fixes #1".to_owned()),
        Just("closes owner/repo#12".to_owned()),
        Just("Duplicate of #3".to_owned()),
        Just("GH-77 gh-8 Gh-9".to_owned()),
        Just("resolves https://github.com/o/r/issues/5".to_owned()),
        Just("www.github.com/o/r/pull/5".to_owned()),
        Just("<img src=x onerror=alert(1)>".to_owned()),
        Just("</details></summary><script>".to_owned()),
        Just("&lt;b&gt; &#64;octocat".to_owned()),
        Just("| a | b |".to_owned()),
        Just("\n|---|---|\n".to_owned()),
        Just("\n```\n".to_owned()),
        Just("````mermaid\ngantt\n".to_owned()),
        Just("`".to_owned()),
        Just("\\".to_owned()),
        Just("--> ".to_owned()),
        Just("<!-- firstcheck:inc-0000000000 -->".to_owned()),
        Just("<!-- /firstcheck:inc-0000000000 -->".to_owned()),
        Just("section x\n click y href \"z\"\n%% :done, 1".to_owned()),
        Just("2026-01-01 : crit".to_owned()),
        Just("\u{202e}\u{200b}\u{1b}[31m\u{7}".to_owned()),
        Just("\r\n\r\n# heading\n- item\n> quote\n".to_owned()),
        Just("[x](javascript:alert(1)) ![y](http://z)".to_owned()),
        "[ -~]{0,12}",
        "\\PC{0,6}",
    ];
    proptest::collection::vec(piece, 1..7).prop_map(|pieces| pieces.concat())
}

/// A Markdown text without its fenced blocks; a fence that is never closed is the rest of the text.
fn without_fences(markdown: &str) -> String {
    let mut out = String::new();
    let mut open: Option<usize> = None;
    for line in markdown.lines() {
        let bare = line.trim_start();
        let run = bare.len() - bare.trim_start_matches('`').len();
        match open {
            Some(length) if run >= length && bare[run..].trim().is_empty() => open = None,
            Some(_) => {}
            None if run >= 3 && !bare[run..].contains('`') => open = Some(run),
            None => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    assert_eq!(open, None, "a fence is not closed:\n{markdown}");
    out
}

/// A line without its code spans (CommonMark 0.31, section 6.1).
fn without_code(line: &str) -> String {
    let bytes = line.as_bytes();
    let run = |at: usize| bytes[at..].iter().take_while(|b| **b == b'`').count();
    let mut out = String::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'\\' {
            let next = line[at + 1..].chars().next().map_or(0, char::len_utf8);
            out.push_str(&line[at..=at + next]);
            at += 1 + next;
            continue;
        }
        if bytes[at] != b'`' {
            let c = line[at..].chars().next().unwrap();
            out.push(c);
            at += c.len_utf8();
            continue;
        }
        let length = run(at);
        let mut close = at + length;
        while close < bytes.len() && !(bytes[close] == b'`' && run(close) == length) {
            close += if bytes[close] == b'`' { run(close) } else { 1 };
        }
        if close < bytes.len() {
            out.push('C');
            at = close + length;
        } else {
            out.push_str(&line[at..at + length]);
            at += length;
        }
    }
    out
}

/// Says what a text of ours would do at GitHub that it must not do.
fn wrongs(markdown: &str) -> Vec<String> {
    let mut wrongs = Vec::new();
    let ours = ["<details>", "</details>", "<summary>", "</summary>", "<sub>", "</sub>", "<br>"];
    let prose = without_fences(markdown);
    let mut columns: Option<usize> = None;
    for line in prose.lines() {
        let mut text = without_code(line);
        // Our own links and markers.
        if text.starts_with("<!-- ") && text.ends_with(" -->") {
            continue;
        }
        if line.starts_with("**Links**") {
            text = text.split("](<").map(|it| it.split_once(">)").map_or(it, |(_, rest)| rest)).collect();
        }
        let pipes = text.replace("\\\\", "").replace("\\|", "").matches('|').count();
        if line.starts_with('|') {
            let expected = *columns.get_or_insert(pipes);
            if pipes != expected {
                wrongs.push(format!("a row of {pipes} in a table of {expected}: {line}"));
            }
        } else {
            columns = None;
        }
        for tag in ours {
            // A space, for what stands before a tag does not touch what follows it: `&<br>c` begins no reference.
            text = text.replace(tag, " ");
        }
        let chars: Vec<char> = text.chars().collect();
        for (place, c) in chars.iter().enumerate() {
            let next = chars.get(place + 1).copied().unwrap_or(' ');
            let before = place.checked_sub(1).map_or(' ', |it| chars[it]);
            let wrong = match c {
                '@' => next != neutral::BREAK,
                '#' => next.is_ascii_digit(),
                ':' => next == '/',
                '<' => before != '\\',
                '&' => before != '\\' && (next == '#' || next.is_ascii_alphabetic()),
                '-' => {
                    next.is_ascii_digit()
                        && place >= 2
                        && text.to_ascii_lowercase().contains("gh-")
                        && before.eq_ignore_ascii_case(&'h')
                }
                c => c.is_control() || matches!(c, '\u{202e}'),
            };
            if wrong {
                wrongs.push(format!("`{c}` in: {line}"));
            }
        }
    }
    wrongs
}

#[test]
fn the_judge_sees_what_is_wrong() {
    for text in
        ["a @b", "fixes #1", "https://x", "a <b>", "GH-1", "&lt;", "| a |\n|---|\n| b | c |", "`a` @b"]
    {
        assert_ne!(wrongs(text), Vec::<String>::new(), "{text}");
    }
    for text in
        ["`a @b #1 <b>`", "```\n@b\n```", "\\<b\\>", "<sub>x</sub>", "a &<br>b", "| a |\n|---|\n| `b\\|c` |"]
    {
        assert_eq!(wrongs(text), Vec::<String>::new(), "{text}");
    }
}

/// Lines that a Gantt chart of ours may have.
fn is_chart_line(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("  ") else { return line == "gantt" };
    if ["dateFormat ", "axisFormat ", "todayMarker "].iter().any(|it| rest.starts_with(it)) {
        return true;
    }
    if let Some(name) = rest.strip_prefix("section ") {
        return name.chars().all(|c| c.is_alphanumeric() || " ()".contains(c));
    }
    let Some((label, data)) = rest.split_once(" :") else { return false };
    let first = label.split(' ').next().unwrap_or_default();
    let ours = ["unseen", "alerted", "until", "triage", "asked"];
    let is_ours =
        ours.contains(&first.trim_end_matches(',')) || CheckKind::ALL.iter().any(|kind| kind.id() == first);
    let is_plain = label.chars().all(|c| c.is_alphanumeric() || " -_./,".contains(c));
    let parts: Vec<&str> = data.split(", ").collect();
    is_ours
        && is_plain
        && parts.len() == 3
        && parts[1..].iter().all(|it| format!("{it}Z").parse::<Timestamp>().is_ok())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn foreign_text_does_nothing_wherever_it_is_rendered(text in hostile()) {
        let mut incident = incident_with(&text);
        incident.record(Event::Reclassified { bucket: Bucket::Server, by: text.clone(), reason: None }, at(100));
        incident.record(Event::Resolved { by: text.clone(), reason: None }, at(400));
        // Also as it would be if the gate had hidden nothing of it.
        for incident in [redacted(&incident), incident.clone()] {
            let pack = pack(&incident);
            let templates = Templates::builtin();
            let issue = render::issue(&templates, &pack).unwrap();
            prop_assert_eq!(wrongs(&issue.body), Vec::<String>::new());
            prop_assert_eq!(issue.body.matches("<!--").count(), 2, "{}", issue.body);
            prop_assert!(!issue.title.contains("<!--") && !issue.title.contains('\n'));
            prop_assert!(issue.title.match_indices('@').all(|(at, _)| issue.title[at + 1..].starts_with(neutral::BREAK)));
            for news in &issue.news {
                prop_assert_eq!(wrongs(&news.text), Vec::<String>::new());
                prop_assert!(!news.text.contains("<!--"));
            }
            prop_assert!(issue.labels.iter().all(|it| !it.contains([',', '\n']) && it.trim() == it));
            let markdown = render::markdown(&templates, &pack).unwrap();
            prop_assert_eq!(wrongs(&markdown), Vec::<String>::new());
            prop_assert!(!markdown.contains("<!--"));
        }
    }

    #[test]
    fn foreign_text_breaks_no_chart(text in hostile()) {
        let mut incident = incident();
        for place in 0..40 {
            let step = step(CheckKind::Http, Role::Dependency, Some(&format!("{text}{place}")), "https://x.example");
            incident.record(Event::ChecksPlanned { steps: vec![step.clone()] }, at(3));
            let report = report(&step, Outcome::Timeout, "no answer", json!({}));
            incident.record(Event::CheckReported { step: step.key(), report }, at(40));
        }
        let issue = render::issue(&Templates::builtin(), &pack(&incident)).unwrap();
        let chart = issue.body.split("```mermaid\n").nth(1).and_then(|it| it.split("\n```").next()).unwrap();
        for line in chart.lines() {
            prop_assert!(is_chart_line(line), "{}", line);
        }
        prop_assert!(chart.chars().count() <= 1800);
        prop_assert!(chart.contains("section Checks (the first"), "{}", chart);
    }

    #[test]
    fn foreign_text_moves_no_cursor_of_a_terminal(text in hostile()) {
        let templates = Templates::builtin().with_overrides([("terminal/note", "{{text}}")]).unwrap();
        let shown = templates.render("terminal/note", &json!({"text": text})).unwrap();
        prop_assert!(!shown.contains(char::is_control), "{:?}", shown);
        let is_plain = |it: &marked::Piece| matches!(it, marked::Piece::Words { tone, .. } if tone == "plain");
        prop_assert!(marked::pieces(&shown).iter().all(is_plain));
    }
}

#[test]
fn a_section_of_ten_megabytes_is_kept_within_bounds_and_says_what_it_left_out() {
    let mut incident = incident();
    let log = "2026-03-01T10:02:00Z ERROR handler crashed in a way nobody has seen\n".repeat(150_000);
    let answer = Answer::Text(log);
    incident.record(
        Event::AnswerGiven { question: QuestionId::FailingRequest, answer, by: "jane".into() },
        at(82),
    );
    let issue = render::issue(&Templates::builtin(), &pack(&incident)).unwrap();
    assert!(issue.body.chars().count() <= render::SECTION_LIMIT + 200);
    assert!(
        issue
            .body
            .contains("Left out to stay within the tracker's limit: the ends of long answers and bodies.")
    );
    assert!(issue.body.contains("```mermaid\ngantt\n"));
}

#[test]
fn a_long_section_is_left_whole_for_the_tracker_to_split() {
    let mut incident = incident();
    for place in 0..1500 {
        incident
            .record(Event::Refused { reason: format!("answer {place} came after the end") }, at(200 + place));
    }
    let issue = render::issue(&Templates::builtin(), &pack(&redacted(&incident))).unwrap();
    assert!(issue.body.chars().count() > render::BODY_LIMIT);
    assert!(!issue.body.contains("Left out"));
    for place in 0..1500 {
        assert!(issue.body.contains(&format!("answer {place} came")), "{place}");
    }
}
