//! A `multipart/form-data` body (RFC 7578), part by part: the names of the fields stay, their values become shapes.

use super::Gate;
use super::structure::body_text;

/// The most parts that are told apart; what follows is one shape.
const PARTS: usize = 64;

/// The body with the value of each part as its shape; `None` for a text that has no such parts.
pub(super) fn redact(gate: &Gate, text: &str) -> Option<String> {
    let first = text.lines().next()?;
    let boundary = first.trim_end();
    if !boundary.starts_with("--") || boundary.len() < 4 || boundary.len() > 74 {
        return None;
    }
    let pieces: Vec<&str> = text.splitn(PARTS + 1, boundary).skip(1).collect();
    let mut out = String::new();
    for (place, piece) in pieces.iter().enumerate() {
        out.push_str(boundary);
        if piece.trim() == "--" || (place == PARTS - 1 && pieces.len() > PARTS - 1) {
            out.push_str(if piece.trim() == "--" { "--" } else { "" });
            break;
        }
        let (head, value) = piece.split_once("\r\n\r\n").or_else(|| piece.split_once("\n\n"))?;
        let head = head.trim_matches(['\r', '\n']);
        if !head.to_ascii_lowercase().contains("content-disposition:") {
            return None;
        }
        for line in head.lines() {
            out.push('\n');
            out.push_str(&header(gate, line));
        }
        out.push_str("\n\n");
        out.push_str(&body_text(gate, value.trim_end_matches(['\r', '\n'])));
        out.push('\n');
    }
    Some(out)
}

/// A part's header: a file may be called after a person.
fn header(gate: &Gate, line: &str) -> String {
    let Some((before, after)) = line.split_once("filename=\"") else { return gate.text(line) };
    let (name, rest) = after.split_once('"').unwrap_or((after, ""));
    format!("{}filename=\"{}\"{}", gate.text(before), gate.shape(name), gate.text(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_keep_their_names_and_lose_their_values() {
        let gate = Gate::new([7; 32]);
        let body = "--XbX\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello you\r\n--XbX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"jane.csv\"\r\nContent-Type: application/json\r\n\r\n{\"pin\":\"4711\",\"n\":1}\r\n--XbX--";
        let out = redact(&gate, body).unwrap();
        for kept in [
            "name=\"note\"",
            "name=\"file\"",
            "Content-Type: application/json",
            "\"pin\":\"[digits:4~",
            "--XbX--",
        ] {
            assert!(out.contains(kept), "{kept}: {out}");
        }
        for gone in ["hello", "jane", "4711"] {
            assert!(!out.contains(gone), "{gone}: {out}");
        }
        assert_eq!(redact(&gate, &out).unwrap(), out);
    }

    #[test]
    fn another_text_has_no_parts() {
        let gate = Gate::new([7; 32]);
        for text in ["", "--", "--x", "{}", "--flag value\nmore", "a=b"] {
            assert_eq!(redact(&gate, text), None, "{text}");
        }
    }
}
