//! A text too long for one place, as parts that each fit.
//!
//! Cut where a reader would cut: at an empty line outside a code block and outside `<details>`, else at a line, and only a line
//! that is too long by itself is broken. A code block that is cut is closed and opened again. Lengths are in characters, as
//! GitHub counts them.

/// A line of a code fence added at a cut, with its line end.
const FENCE_ROOM: usize = 80;

/// The parts: the first has at most `first` characters, each other at most `rest`. At least one, and all of the text.
#[must_use]
pub fn parts(text: &str, first: usize, rest: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut left = text.to_owned();
    loop {
        let limit = if parts.is_empty() { first } else { rest };
        if left.chars().count() <= limit {
            parts.push(left);
            return parts;
        }
        let (head, tail) = cut(&left, limit.saturating_sub(FENCE_ROOM).max(1));
        parts.push(head);
        left = tail;
    }
}

/// The text up to about `limit` characters, and what is left.
fn cut(text: &str, limit: usize) -> (String, String) {
    let end = text.char_indices().nth(limit).map_or(text.len(), |(at, _)| at);
    let (mut fence, mut details): (Option<&str>, usize) = (None, 0);
    // The best place so far: where, and the fence that is open there.
    let mut line_end: Option<(usize, Option<&str>)> = None;
    let mut paragraph_end = None;
    let mut at = 0;
    for line in text[..end].split_inclusive('\n') {
        if !line.ends_with('\n') {
            break;
        }
        at += line.len();
        let bare = line.trim();
        match fence {
            Some(open)
                if bare.starts_with(fence_mark(open)) && bare.trim_start_matches(['`', '~']).is_empty() =>
            {
                fence = None;
            }
            Some(_) => {}
            None if is_fence(bare) => fence = Some(line.trim_end()),
            None => {
                details += bare.matches("<details").count();
                details = details.saturating_sub(bare.matches("</details>").count());
            }
        }
        // Half a picture is none.
        if !fence.is_some_and(is_picture) {
            line_end = Some((at, fence));
        }
        if bare.is_empty() && fence.is_none() && details == 0 {
            paragraph_end = Some(at);
        }
    }
    // A paragraph's end far up would make many small parts.
    if let Some(place) = paragraph_end.filter(|place| *place >= end / 2) {
        return (text[..place].trim_end().to_owned(), text[place..].to_owned());
    }
    // A picture that would be cut goes to the next part, however much room that leaves.
    if let (Some(open), Some((place, None))) = (fence, line_end)
        && is_picture(open)
        && place > 0
    {
        return (text[..place].trim_end().to_owned(), text[place..].to_owned());
    }
    // And a place no further than a fence that was opened again would make no progress.
    match line_end.filter(|(place, _)| *place >= end / 2 && *place > FENCE_ROOM / 2) {
        Some((place, Some(open))) => (
            format!("{}\n{}", text[..place].trim_end_matches('\n'), fence_mark(open)),
            format!("{open}\n{}", &text[place..]),
        ),
        Some((place, None)) => (text[..place].trim_end().to_owned(), text[place..].to_owned()),
        None => match fence {
            Some(open) => {
                (format!("{}\n{}", &text[..end], fence_mark(open)), format!("{open}\n{}", &text[end..]))
            }
            None => (text[..end].to_owned(), text[end..].to_owned()),
        },
    }
}

fn is_fence(line: &str) -> bool {
    let mark = fence_mark(line);
    // An info string with a back-tick is no fence (CommonMark 0.31, section 4.5); a long one is not worth repeating.
    mark.len() >= 3
        && line.len() < FENCE_ROOM / 2
        && !(mark.starts_with('`') && line[mark.len()..].contains('`'))
}

/// Whether this line opens a block that the tracker draws.
fn is_picture(fence: &str) -> bool {
    fence.trim_start().trim_start_matches(['`', '~']).trim() == "mermaid"
}

/// The run of back-ticks or tildes a line begins with.
fn fence_mark(line: &str) -> &str {
    let line = line.trim_start();
    let first = line.chars().next().filter(|c| matches!(c, '`' | '~'));
    first.map_or("", |first| &line[..line.len() - line.trim_start_matches(first).len()])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_text_is_one_part() {
        assert_eq!(parts("a\n\nb", 10, 10), ["a\n\nb"]);
        assert_eq!(parts("", 10, 10), [""]);
    }

    #[test]
    fn a_long_text_is_cut_between_paragraphs() {
        let text = format!("{}\n\n{}\n\n{}", "a".repeat(90), "b".repeat(90), "c".repeat(90));
        assert_eq!(
            parts(&text, 200, 300),
            ["a".repeat(90), format!("{}\n\n{}", "b".repeat(90), "c".repeat(90))]
        );
    }

    #[test]
    fn a_code_block_that_is_cut_is_closed_and_opened_again() {
        let text = format!("```json\n{}```\nend", "{\"a\": 1}\n".repeat(60));
        let parts = parts(&text, 300, 300);
        assert!(parts.len() > 1);
        for part in &parts {
            assert_eq!(part.lines().filter(|line| line.starts_with("```")).count() % 2, 0, "{part}");
            assert!(part.chars().count() <= 300);
        }
        assert!(parts[1].starts_with("```json\n"), "{}", parts[1]);
    }

    #[test]
    fn a_picture_is_never_cut() {
        let picture = format!("```mermaid\ngantt\n{}```", "  check :done, 1, 2\n".repeat(12));
        for before in 0..40 {
            let text = format!("{}\n{picture}\n{}", "word word\n".repeat(before), "more text\n".repeat(40));
            let parts = parts(&text, 400, 400);
            let holding: Vec<&String> = parts.iter().filter(|part| part.contains("mermaid")).collect();
            assert_eq!(holding.len(), 1, "{before}");
            assert!(holding[0].contains(&picture), "{before}: {}", holding[0]);
        }
    }

    proptest! {
        #[test]
        fn every_part_fits_and_nothing_is_lost(text in "([a-zé`<>\n~ ]|```\n|<details>|\n\n){0,400}", first in 150usize..300) {
            let parts = parts(&text, first, 200);
            for (place, part) in parts.iter().enumerate() {
                let limit = if place == 0 { first } else { 200 };
                prop_assert!(part.chars().count() <= limit);
            }
            let letters = |text: &str| text.chars().filter(|c| c.is_alphabetic() || *c == 'é').count();
            prop_assert!(parts.iter().map(|part| letters(part)).sum::<usize>() >= letters(&text));
        }
    }
}
