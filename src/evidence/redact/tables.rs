//! Secrets in columns: CSV and its kin under a heading that names a secret, and the lines of a `.pgpass`.

use super::detect::Span;
use super::named::{is_secret_value, kind_of};
use super::names;

/// The longest heading that is read, in bytes, and how many columns.
const HEADING: usize = 1000;
const COLUMNS: usize = 64;

/// A secret column: where it stands, and what it is called.
type Column<'a> = (usize, &'a str);

/// Adds the spans.
pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let mut at = 0;
    let mut table: Option<(u8, usize, Vec<Column<'_>>)> = None;
    for whole in text.split_inclusive('\n') {
        let line = whole.trim_end_matches(['\n', '\r']);
        if let Some((separator, count, columns)) = &table {
            let cells = cells(line, *separator);
            if cells.len() == *count {
                for (place, name) in columns {
                    let (start, end) = cells[*place];
                    if is_secret_value(name, &line[start..end]) && !line[start..end].contains("[~") {
                        spans.push(Span { start: at + start, end: at + end, kind: kind_of(name) });
                    }
                }
            } else if !is_rule(line) {
                table = None;
            }
        }
        if table.is_none() {
            table = heading(line);
        }
        if let Some((start, end)) = pgpass(line) {
            spans.push(Span { start: at + start, end: at + end, kind: "password" });
        }
        at += whole.len();
    }
}

/// The line between a heading and its rows: `---+---`.
fn is_rule(line: &str) -> bool {
    line.len() >= 3 && line.bytes().all(|b| matches!(b, b'-' | b'+' | b'|' | b' ' | b':' | b'='))
}

/// Whether a line names columns, and which of them are secret.
fn heading(line: &str) -> Option<(u8, usize, Vec<Column<'_>>)> {
    if line.len() > HEADING || line.len() < 6 {
        return None;
    }
    let separator = [b',', b';', b'\t', b'|'].into_iter().find(|it| line.as_bytes().contains(it))?;
    // Names only: no pairs, no sentence, no value.
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b' ' | b'"');
    if !line.bytes().all(|b| b == separator || is_plain(b)) {
        return None;
    }
    let cells = cells(line, separator);
    let mut columns = Vec::new();
    for (place, (start, end)) in cells.iter().enumerate() {
        let name = &line[*start..*end];
        let is_name = name.split(' ').count() <= 3 && !name.starts_with(|c: char| c.is_ascii_digit());
        let is_edge = name.is_empty() && separator == b'|';
        if !(is_name || is_edge) {
            return None;
        }
        if names::is_secret(name) {
            columns.push((place, name));
        }
    }
    (cells.len() >= 2 && !columns.is_empty()).then_some((separator, cells.len(), columns))
}

/// The cells of a row, without the quotes and blanks around them; quotes keep a separator in (RFC 4180).
fn cells(line: &str, separator: u8) -> Vec<(usize, usize)> {
    let bytes = line.as_bytes();
    let mut cells = Vec::new();
    let (mut start, mut quoted) = (0, false);
    for at in 0..=bytes.len() {
        match bytes.get(at) {
            Some(b'"') => quoted = !quoted,
            Some(byte) if *byte != separator || quoted => {}
            _ => {
                let cell = &line[start..at];
                let bare = cell.trim_matches([' ', '"']);
                let lead = cell.len() - cell.trim_start_matches([' ', '"']).len();
                let lead = if bare.is_empty() { 0 } else { lead };
                cells.push((start + lead, start + lead + bare.len()));
                start = at + 1;
                if cells.len() > COLUMNS {
                    break;
                }
            }
        }
    }
    cells
}

/// `host:port:database:user:password` of PostgreSQL's password file, whose first four may be `*`.
fn pgpass(line: &str) -> Option<(usize, usize)> {
    let is_host = |it: &str| {
        let is_part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'/');
        it == "*" || !it.is_empty() && it.bytes().all(is_part)
    };
    let is_port =
        |it: &str| it == "*" || (1..=5).contains(&it.len()) && it.bytes().all(|b| b.is_ascii_digit());
    let is_name = |it: &str| {
        let is_letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        it == "*" || it.starts_with(|c: char| c.is_ascii_alphabetic()) && it.bytes().all(is_letter)
    };
    let line = line.trim_end();
    let mut parts = line.splitn(5, ':');
    let mut next = |fits: &dyn Fn(&str) -> bool| parts.next().filter(|it| fits(it)).map(drop);
    next(&is_host)?;
    next(&is_port)?;
    next(&is_name)?;
    next(&is_name)?;
    let password = parts.next()?;
    let start = line.len() - password.len();
    (!password.contains([' ', '[']) && is_secret_value("password", password)).then_some((start, line.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let mut spans = Vec::new();
        find(text, &mut spans);
        let found: Vec<&str> = spans.iter().map(|it| &text[it.start..it.end]).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_secret_column_is_hidden_to_the_end_of_its_table() {
        check("id,user,password\n1,ann,aa1!\n2,bob,\"b,b2\"\n\nx,y,z3\n", &["aa1!", "b,b2"]);
        check("| id | token |\n|----|----|\n| 1 | abc9 |\nno row\n| 2 | d |", &["abc9"]);
        check("name;region\na;b", &[]);
        check("The password, user and host are missing\na, b and c", &[]);
    }

    #[test]
    fn a_line_of_pgpass_has_five_fields() {
        check("db.internal:5432:shop:app:pw9x", &["pw9x"]);
        check("*:*:*:repl:pw9x", &["pw9x"]);
        check("at 10:02:11:12:13", &[]);
        check("file.rs:12:30:error:x", &[]);
        check("localhost:8080:ok", &[]);
    }
}
