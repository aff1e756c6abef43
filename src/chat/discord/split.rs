//! Long text in several messages: by block, then by line, then by word, and a fence that is cut is closed and opened again.
//! Nothing is lost.

/// Code points a message may have (Discord's documentation; its OpenAPI says 4000).
pub(super) const MESSAGE: usize = 2000;

/// The text in parts of at most `most` code points.
pub(super) fn split(text: &str, most: usize) -> Vec<String> {
    // Room for closing a fence (`\n```) and opening it again with a short language name.
    let room = most - 24;
    let mut parts = Vec::new();
    let mut rest = text.trim_end();
    let mut fence: Option<String> = None;
    while !rest.is_empty() {
        let opened = fence.as_ref().map(|fence| format!("{fence}\n")).unwrap_or_default();
        // Not counted to the end: a text may be megabytes.
        let fits = rest.chars().nth(most.saturating_sub(opened.chars().count())).is_none();
        let cut = if fits { rest.len() } else { cut_before(rest, room - opened.chars().count().min(20)) };
        let (now, later) = rest.split_at(cut);
        let mut part = opened + now.trim_end_matches('\n');
        fence = open_fence(&part);
        rest = if fence.is_some() {
            later.strip_prefix('\n').unwrap_or(later)
        } else {
            later.trim_start_matches('\n')
        };
        if let Some(fence) = fence.as_ref().filter(|_| !rest.is_empty()) {
            part.push('\n');
            part.extend(fence.chars().take_while(|c| *c == '`'));
        }
        parts.push(part);
    }
    parts
}

/// Where to cut: the last blank line, line end or space within `room` code points, whichever wastes at most half of them.
fn cut_before(text: &str, room: usize) -> usize {
    let end = text.char_indices().nth(room).map_or(text.len(), |(index, _)| index);
    let window = &text[..end];
    let half = end / 2;
    let good = |place: Option<usize>| place.filter(|place| *place > half);
    good(window.rfind("\n\n"))
        .or_else(|| good(window.rfind('\n')))
        .or_else(|| good(window.rfind(' ').map(|space| space + 1)))
        .unwrap_or(end)
}

/// The line that opened the fence that is still open at the end, if one is.
fn open_fence(text: &str) -> Option<String> {
    let mut open: Option<String> = None;
    for line in text.lines().filter(|line| line.starts_with("```")) {
        open = match open {
            None => Some(line.chars().take(20).collect()),
            Some(fence)
                if line.trim_end().len() >= fence.chars().take_while(|c| *c == '`').count()
                    && line.trim_end().chars().all(|c| c == '`') =>
            {
                None
            }
            still => still,
        };
    }
    open
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_text_is_one_part() {
        assert_eq!(split("as it is", 100), ["as it is"]);
        assert!(split("", 100).is_empty());
    }

    #[test]
    fn blocks_stay_together() {
        let block = "a line of words\n".repeat(4);
        let parts = split(&format!("{block}\n{block}\n{block}"), 100);
        assert_eq!(parts, [block.trim_end(), block.trim_end(), block.trim_end()]);
    }

    #[test]
    fn a_fence_that_is_cut_is_closed_and_opened_again() {
        let text = format!("before\n```json\n{}```\nafter", "{\"a\": 1}\n".repeat(20));
        let parts = split(&text, 100);
        assert!(parts.len() > 2);
        for part in &parts {
            assert_eq!(part.matches("```").count() % 2, 0, "{part}");
        }
        assert!(parts[1].starts_with("```json\n"), "{}", parts[1]);
    }

    proptest! {
        #[test]
        fn every_part_fits_and_no_word_is_lost(text in "[a-zé ]{0,30}(\n{0,2}[a-zé ]{0,60}){0,12}") {
            let parts = split(&text, 100);
            for part in &parts {
                prop_assert!(part.chars().count() <= 100);
                prop_assert!(!part.is_empty());
            }
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&parts.concat()), letters(&text));
        }
    }
}
