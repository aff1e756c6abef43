//! Words of a command line, as a POSIX shell reads them: both quotes, `$'…'`, line continuations; cmd's and PowerShell's
//! continuations too.
//!
//! Nothing is expanded (`$TOKEN` stays), and an `&` inside a word is part of the word: URLs are pasted without quotes.

use std::borrow::Cow;

/// What a program gets of a command line for cmd: browsers copy those with a caret before each quote (`^"https://…^"`) and
/// before whatever else cmd would read. Other command lines stay as they are.
pub(super) fn without_carets(text: &str) -> Cow<'_, str> {
    let is_for_cmd = text.split_once('"').is_some_and(|(before, _)| {
        before.strip_suffix('^').is_some_and(|it| it.ends_with([' ', '\t', '\n']) && !it.contains('\''))
    });
    if !is_for_cmd {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars().filter(|it| *it != '\r').peekable();
    while let Some(letter) = letters.next() {
        match (letter, letters.peek()) {
            // A caret takes the end of its line away; an empty line behind it is a line end in a value.
            ('^', Some('\n')) => {
                letters.next();
                plain.extend(letters.next_if_eq(&'\n'));
            }
            ('^', Some(_)) => plain.extend(letters.next()),
            _ => plain.push(letter),
        }
    }
    Cow::Owned(plain)
}

/// A word of the command line.
pub(super) struct Word {
    pub(super) text: String,
    /// No part of it was quoted.
    pub(super) bare: bool,
}

/// The words of the first command, and the lines after it.
pub(super) fn words(text: &str) -> Result<(Vec<Word>, &str), &'static str> {
    let mut reader = Reader { rest: text };
    let mut words: Vec<Word> = Vec::new();
    loop {
        reader.skip_blanks();
        match reader.peek() {
            None => return Ok((words, "")),
            Some('\n') => {
                reader.next();
                if !reader.goes_on_without_mark() {
                    return Ok((words, reader.rest));
                }
            }
            Some(_) => {
                let word = reader.word()?;
                let ends = word.bare
                    && matches!(
                        word.text.as_str(),
                        "|" | "||" | "&&" | "&" | ";" | ">" | ">>" | "2>&1" | "#"
                    );
                if ends {
                    return Ok((words, reader.rest_of_lines()));
                }
                words.push(word);
            }
        }
    }
}

/// Walks over the text as a shell does.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    /// A mark (`\`, cmd's `^`, PowerShell's backtick) at the end of its line: the line goes on.
    fn continuation(&self) -> Option<&'a str> {
        let after = self.rest.strip_prefix(['\\', '^', '`'])?;
        // Chats and editors leave blanks behind the mark.
        let after = after.trim_start_matches([' ', '\t', '\r']);
        after.strip_prefix('\n')
    }

    fn skip_blanks(&mut self) {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\r']);
            match self.continuation() {
                Some(after) => self.rest = after,
                None => return,
            }
        }
    }

    /// The next line begins with an option: the marks at the ends of the lines were lost on the way.
    fn goes_on_without_mark(&self) -> bool {
        let line = self.rest.trim_start_matches([' ', '\t']);
        line.starts_with("--")
            || line.strip_prefix('-').is_some_and(|it| it.starts_with(|c: char| c.is_ascii_alphabetic()))
    }

    fn rest_of_lines(&self) -> &'a str {
        self.rest.split_once('\n').map_or("", |(_, lines)| lines)
    }

    fn word(&mut self) -> Result<Word, &'static str> {
        let mut word = Word { text: String::new(), bare: true };
        while let Some(next) = self.peek() {
            match next {
                ' ' | '\t' | '\r' | '\n' => break,
                '\'' => {
                    self.next();
                    word.bare = false;
                    let (inside, after) = self.rest.split_once('\'').ok_or("a single quote is not closed")?;
                    word.text.push_str(inside);
                    self.rest = after;
                }
                '"' => {
                    self.next();
                    word.bare = false;
                    self.double_quoted(&mut word.text)?;
                }
                '$' if self.rest.starts_with("$'") => {
                    self.rest = &self.rest[2..];
                    word.bare = false;
                    self.ansi_quoted(&mut word.text)?;
                }
                '\\' | '^' | '`' if self.continuation().is_some() => break,
                '\\' => {
                    self.next();
                    word.bare = false;
                    word.text.extend(self.next());
                }
                other => {
                    self.next();
                    word.text.push(other);
                }
            }
        }
        Ok(word)
    }

    /// Up to the closing `"`; a backslash escapes `"`, `\`, `$`, the backtick and a line's end, and stands for itself else.
    fn double_quoted(&mut self, into: &mut String) -> Result<(), &'static str> {
        loop {
            match self.next().ok_or("a double quote is not closed")? {
                '"' => return Ok(()),
                '\\' => match self.next().ok_or("a double quote is not closed")? {
                    '\n' => {}
                    escaped @ ('"' | '\\' | '$' | '`') => into.push(escaped),
                    other => into.extend(['\\', other]),
                },
                other => into.push(other),
            }
        }
    }

    /// Up to the closing `'` of `$'…'`, with C's escapes; browsers copy commands in this form.
    fn ansi_quoted(&mut self, into: &mut String) -> Result<(), &'static str> {
        const OPEN: &str = "a $' quote is not closed";
        loop {
            match self.next().ok_or(OPEN)? {
                '\'' => return Ok(()),
                '\\' => match self.next().ok_or(OPEN)? {
                    'n' => into.push('\n'),
                    'r' => into.push('\r'),
                    't' => into.push('\t'),
                    'x' => into.extend(self.code_point(2)),
                    'u' => into.extend(self.code_point(4)),
                    'U' => into.extend(self.code_point(8)),
                    other => into.push(other),
                },
                other => into.push(other),
            }
        }
    }

    /// Up to so many hexadecimal digits as a character.
    fn code_point(&mut self, digits: usize) -> Option<char> {
        let length = self.rest.bytes().take(digits).take_while(u8::is_ascii_hexdigit).count();
        let (code, after) = self.rest.split_at(length);
        self.rest = after;
        u32::from_str_radix(code, 16).ok().and_then(char::from_u32)
    }
}
