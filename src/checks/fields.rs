//! Structured Fields for HTTP (RFC 9651), as far as checks meet them: lists of items with parameters.
//!
//! Strict on purpose: a malformed field counts as absent, as the RFC asks (§4.2). Inner lists are refused, no field read here has them.

/// The value of an item or a parameter.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Bare {
    /// An integer or a decimal.
    Number(f64),
    /// A string.
    Text(String),
    /// A token.
    Token(String),
    /// A byte sequence, still in base64.
    Bytes(String),
    /// A boolean; a parameter without a value is true.
    Boolean(bool),
}

impl Bare {
    /// A string's or a token's text.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Token(text) => Some(text),
            _ => None,
        }
    }

    /// A number's value.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

/// An item of a list, with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    pub(super) item: Bare,
    pub(super) parameters: Vec<(String, Bare)>,
}

impl Member {
    /// A parameter's value; of a repeated one the last, as §4.2.3.2 says.
    pub(super) fn parameter(&self, name: &str) -> Option<&Bare> {
        self.parameters.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

/// Reads a list; `None` when it is malformed or empty.
pub(super) fn list(text: &str) -> Option<Vec<Member>> {
    let mut reader = Reader { rest: text.trim_matches(' ') };
    let mut members = Vec::new();
    loop {
        let item = reader.bare()?;
        members.push(Member { item, parameters: reader.parameters()? });
        reader.skip(" \t");
        if reader.rest.is_empty() {
            return Some(members);
        }
        reader.expect(',')?;
        reader.skip(" \t");
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn expect(&mut self, wanted: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(wanted)?;
        Some(())
    }

    fn skip(&mut self, any_of: &str) {
        self.rest = self.rest.trim_start_matches(|it| any_of.contains(it));
    }

    fn take(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|it| !fits(it)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn bare(&mut self) -> Option<Bare> {
        match self.peek()? {
            '"' => self.string().map(Bare::Text),
            '-' | '0'..='9' => self.number().map(Bare::Number),
            ':' => {
                self.expect(':')?;
                let bytes = self.take(|it| it.is_ascii_alphanumeric() || "+/=".contains(it)).to_owned();
                self.expect(':').map(|()| Bare::Bytes(bytes))
            }
            '?' => {
                self.expect('?')?;
                match self.take(|it| it == '0' || it == '1') {
                    "0" => Some(Bare::Boolean(false)),
                    "1" => Some(Bare::Boolean(true)),
                    _ => None,
                }
            }
            'A'..='Z' | 'a'..='z' | '*' => {
                let token = self.take(|it| it.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(it));
                Some(Bare::Token(token.to_owned()))
            }
            _ => None,
        }
    }

    fn string(&mut self) -> Option<String> {
        self.expect('"')?;
        let mut text = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, it)) = chars.next() {
            match it {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Some(text);
                }
                '\\' => match chars.next()? {
                    (_, escaped @ ('"' | '\\')) => text.push(escaped),
                    _ => return None,
                },
                ' '..='~' => text.push(it),
                _ => return None,
            }
        }
        None
    }

    fn number(&mut self) -> Option<f64> {
        let text = self.take(|it| it == '-' || it == '.' || it.is_ascii_digit());
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |it: &str| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() > 15 || !all_digits(whole) || !all_digits(part) { None } else { text.parse().ok() }
    }

    fn parameters(&mut self) -> Option<Vec<(String, Bare)>> {
        let mut parameters = Vec::new();
        while self.peek() == Some(';') {
            self.expect(';')?;
            self.skip(" ");
            if !self.peek()?.is_ascii_lowercase() && self.peek()? != '*' {
                return None;
            }
            let name = self
                .take(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || "_-.*".contains(it))
                .to_owned();
            let value = if self.peek() == Some('=') {
                self.expect('=')?;
                self.bare()?
            } else {
                Bare::Boolean(true)
            };
            parameters.push((name, value));
        }
        Some(parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_bad(text: &str) {
        assert_eq!(list(text), None, "{text}");
    }

    #[test]
    fn a_list_with_parameters_is_read() {
        let members = list(r#""burst";q=100;w=60,"daily";q=1000;w=86400;pk=:c2Vl:"#).unwrap();
        assert_eq!(members.len(), 2);
        assert_eq!(members[0].item.text(), Some("burst"));
        assert_eq!(members[1].parameter("w").and_then(Bare::number), Some(86400.0));
        assert_eq!(members[1].parameter("pk"), Some(&Bare::Bytes("c2Vl".to_owned())));
    }

    #[test]
    fn tokens_strings_booleans_and_spaces_are_read() {
        let members = list(r#" edge.example; error=dns_error ; details="no \"such\" name"; a, gw; b=?0 "#);
        assert_eq!(members, None, "no space may stand before a semicolon");
        let members =
            list(r#"edge.example; error=dns_error; details="no \"such\" name"; a ,gw; b=?0"#).unwrap();
        assert_eq!(members[0].parameter("details").and_then(Bare::text), Some(r#"no "such" name"#));
        assert_eq!(members[0].parameter("a"), Some(&Bare::Boolean(true)));
        assert_eq!(members[1].parameter("b"), Some(&Bare::Boolean(false)));
    }

    #[test]
    fn malformed_fields_count_as_absent() {
        for bad in [
            "",
            ",",
            "a,",
            "a;",
            "\"open",
            "1.",
            "--1",
            "limit=100, remaining=5",
            "a b",
            "(a b)",
            "a;B=1",
            "\u{e9}",
        ] {
            check_bad(bad);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = list(&text);
        }
    }
}
