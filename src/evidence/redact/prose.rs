//! Secrets in sentences: "the password is hunter2", "Passwort lautet …", "Bearer abc", "login with jane:blueCar77".

use super::detect::Span;
use super::looks::Pairs;
use super::named::{is_scheme, kind_of, line_at, quoted};
use super::names;

/// How sure a word makes us that a secret follows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sure {
    /// A password: what follows `is` is it.
    Strong,
    /// A key or a token: what follows is it when it looks like one.
    Weak,
    /// A number that is typed: digits are enough.
    Digits,
    /// A user and a password.
    Login,
    /// A scheme of HTTP authentication.
    Scheme,
}

/// The words, in lower case.
const WORDS: &[(&str, Sure)] = {
    use Sure::{Digits, Login, Scheme, Strong, Weak};
    &[
        ("password", Strong),
        ("passwort", Strong),
        ("passphrase", Strong),
        ("pass phrase", Strong),
        ("passcode", Strong),
        ("passwd", Strong),
        ("pass word", Strong),
        ("pwd", Strong),
        ("kennwort", Strong),
        ("mot de passe", Strong),
        ("contraseña", Strong),
        ("contrasena", Strong),
        ("clave", Strong),
        ("senha", Strong),
        ("hasło", Strong),
        ("haslo", Strong),
        ("wachtwoord", Strong),
        ("lösenord", Strong),
        ("passord", Strong),
        ("adgangskode", Strong),
        ("salasana", Strong),
        ("heslo", Strong),
        ("jelszó", Strong),
        ("parola", Strong),
        ("şifre", Strong),
        ("identified by", Strong),
        ("passordet", Strong),
        ("lösenordet", Strong),
        ("kodeord", Strong),
        ("kodeordet", Strong),
        ("adgangskoden", Strong),
        ("recovery phrase", Strong),
        ("seed phrase", Strong),
        ("mnemonic", Strong),
        ("密码是", Strong),
        ("密码为", Strong),
        ("密碼是", Strong),
        ("パスワードは", Strong),
        ("born", Digits),
        ("fødselsnummer", Digits),
        ("fodselsnummer", Digits),
        ("personnummer", Digits),
        ("cpr-nummer", Digits),
        ("national id", Digits),
        ("pesel", Digits),
        ("bsn", Digits),
        ("пароль", Strong),
        ("Пароль", Strong),
        ("パスワード", Strong),
        ("密码", Strong),
        ("密碼", Strong),
        ("비밀번호", Strong),
        ("mật khẩu", Strong),
        ("รหัสผ่าน", Strong),
        ("كلمة المرور", Strong),
        ("סיסמה", Strong),
        ("κωδικός", Strong),
        ("pin", Digits),
        ("otp", Digits),
        ("code", Digits),
        ("tan", Digits),
        ("passport", Digits),
        ("pass", Strong),
        ("reset code", Digits),
        ("verification code", Digits),
        ("security code", Digits),
        ("confirmation code", Digits),
        ("access code", Digits),
        ("login code", Digits),
        ("backup code", Digits),
        ("recovery code", Digits),
        ("one-time code", Digits),
        ("sms code", Digits),
        ("auth code", Digits),
        ("geheimzahl", Digits),
        ("secret", Weak),
        ("api key", Weak),
        ("api-key", Weak),
        ("apikey", Weak),
        ("access key", Weak),
        ("secret key", Weak),
        ("private key", Weak),
        ("key", Weak),
        ("token", Weak),
        ("tax id", Weak),
        ("signature", Weak),
        ("expected", Weak),
        ("got", Weak),
        ("credentials", Login),
        ("credential", Login),
        ("creds", Login),
        ("login with", Login),
        ("log in with", Login),
        ("login as", Login),
        ("logged in as", Login),
        ("zugangsdaten", Login),
        ("bearer", Scheme),
        ("basic", Scheme),
        ("negotiate", Scheme),
        ("ntlm", Scheme),
        ("dpop", Scheme),
        ("ssws", Scheme),
        ("geniekey", Scheme),
    ]
};

/// Words between the name and the secret.
const BETWEEN: [&str; 22] = [
    "is", "was", "be", "to", "lautet", "ist", "war", "est", "es", "é", "è", "jest", "är", "er", "now",
    "still", "again", "no", "no.", "nr", "number", "value",
];

/// For each first byte, in both cases, the words that begin with it.
static FIRST: std::sync::LazyLock<Vec<Vec<usize>>> = std::sync::LazyLock::new(|| {
    let mut table = vec![Vec::new(); 256];
    for (place, (word, _)) in WORDS.iter().enumerate() {
        let first = word.as_bytes()[0];
        table[usize::from(first)].push(place);
        if first.is_ascii_lowercase() {
            table[usize::from(first.to_ascii_uppercase())].push(place);
        }
    }
    table
});

/// Which two bytes begin one of the words.
static BEGINS: Pairs = {
    let mut pairs = Pairs::none();
    let mut at = 0;
    while at < WORDS.len() {
        let word = WORDS[at].0.as_bytes();
        let cases = [
            (word[0], word[1]),
            (word[0].to_ascii_uppercase(), word[1]),
            (word[0].to_ascii_uppercase(), word[1].to_ascii_uppercase()),
        ];
        let mut case = 0;
        while case < cases.len() {
            pairs.add(cases[case].0, cases[case].1);
            case += 1;
        }
        at += 1;
    }
    pairs
};

/// Adds the spans.
pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let first = &*FIRST;
    let mut covered = 0;
    for (at, two) in bytes.windows(2).enumerate() {
        if !BEGINS.has(two[0], two[1]) || at < covered {
            continue;
        }
        if at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_') {
            continue;
        }
        for place in &first[usize::from(two[0])] {
            let (word, sure) = WORDS[*place];
            let end = at + word.len();
            let same = bytes.len() >= end && bytes[at..end].eq_ignore_ascii_case(word.as_bytes());
            let ends =
                bytes.get(end).is_none_or(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')));
            if same && ends {
                covered = judge(text, word, sure, end, spans).max(covered);
                break;
            }
        }
    }
}

/// What stands between a word and its secret.
struct Bridge {
    /// How long it is.
    length: usize,
    /// Whether it says that a value follows: `is`, `:`, `to`.
    told: bool,
    /// Whether it is a sign: `:`, `=`, `->`.
    sign: bool,
}

/// Reads `is`, `:`, `for admin is`; `None` where another rule reads the pair.
fn bridge(line: &str, word: &str, sure: Sure) -> Option<Bridge> {
    let (mut at, mut told, mut sign) = (0, false, false);
    for _ in 0..5 {
        at += line[at..].len() - line[at..].trim_start_matches([' ', '\t', '*']).len();
        let rest = &line[at..];
        if let Some(length) =
            ["=>", "->", ":=", ":", "=", "："].into_iter().find(|it| rest.starts_with(it)).map(str::len)
        {
            at += length;
            // A pair of a name that is secret has a rule of its own.
            if !told && sure != Sure::Login && length == 1 && !word.contains(' ') && names::is_secret(word) {
                return None;
            }
            (told, sign) = (true, true);
            continue;
        }
        let next = rest.split_whitespace().next().unwrap_or_default();
        let bare = next.trim_end_matches(':').to_lowercase();
        if !sign && BETWEEN.contains(&bare.as_str()) {
            at += next.len();
            told = true;
            continue;
        }
        // "the password for admin is …", "the password of the vault: …".
        if !told
            && sure == Sure::Strong
            && matches!(bare.as_str(), "for" | "of" | "on" | "für" | "para" | "pour")
        {
            let limit = super::named::floor(rest, rest.len().min(64));
            match [" is ", ": ", " = ", " ist ", " lautet "]
                .into_iter()
                .filter_map(|it| rest[..limit].find(it).map(|at| at + it.len()))
                .min()
            {
                Some(skip) => {
                    at += skip;
                    told = true;
                    continue;
                }
                None => return None,
            }
        }
        break;
    }
    Some(Bridge { length: at, told, sign })
}

/// Looks at what follows the word; gives how far it hides.
fn judge(text: &str, word: &str, sure: Sure, end: usize, spans: &mut Vec<Span>) -> usize {
    let line = line_at(text, end);
    let line = &line[..super::named::floor(line, line.len().min(240))];
    let Some(bridge) = bridge(line, word, sure) else { return 0 };
    let at = bridge.length;
    let rest = &line[at..];
    // Something clings to the word: `pass@host`, `key)`.
    let clings = at == 0 && !rest.starts_with(['"', '\'', '`']);
    if rest.is_empty() || clings || rest.starts_with("//") {
        return 0;
    }
    let start = end + at;
    let in_quotes = rest.starts_with(['"', '\'', '`']) || rest.starts_with("\\\"");
    let (from, to) = if in_quotes {
        match quoted(text, start) {
            Some((from, to)) if to <= end + line.len() => (from, to),
            _ => return 0,
        }
    } else {
        let next = rest.split_whitespace().next().unwrap_or_default();
        let next = &next[..next.find(['"', '<', '`']).unwrap_or(next.len())];
        (start, start + next.trim_end_matches(['.', ',', ';', ')', ':', '\'']).len())
    };
    let value = &text[from..to];
    if value.len() < 3
        || value.contains("[~")
        || value.starts_with("env:")
        || value.starts_with(['$', '{', '<', '(', '['])
        || is_scheme(value)
    {
        return 0;
    }
    if sure == Sure::Login {
        return login(text, from, end + line.len(), spans);
    }
    let phrase = word.contains("phrase") && bridge.sign;
    let goes_on = !in_quotes && line[at + value.len()..].trim_start().starts_with(|c: char| c.is_lowercase());
    if !hides(word, sure, value, &bridge, in_quotes, goes_on) {
        return 0;
    }
    // A phrase goes on to the end of its clause.
    let mut to = to;
    if phrase && !in_quotes {
        for next in text[to..end + line.len()].split_inclusive(' ').take(8) {
            let bare = next.trim();
            if !bare.is_empty() && (names::is_plain_word(bare) || text[..to].ends_with(['.', ',', ';'])) {
                break;
            }
            to += next.len();
        }
        to -= text[from..to].len() - text[from..to].trim_end().len();
    }
    spans.push(Span {
        start: from,
        end: to,
        kind: if sure == Sure::Scheme { "authorization" } else { kind_of(word) },
    });
    to
}

/// Whether this value behind this word is its secret.
fn hides(word: &str, sure: Sure, value: &str, bridge: &Bridge, in_quotes: bool, goes_on: bool) -> bool {
    let phrase = word.contains("phrase") && bridge.sign;
    let opening = value.split([' ', ',']).next().unwrap_or_default();
    let plain = names::is_plain_word(value) || !in_quotes && !phrase && names::is_plain_word(opening);
    let word_like = value.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    let participle =
        word_like && (value.ends_with("ed") || value.ends_with("ing") || value.ends_with("able"));
    match sure {
        Sure::Login => false,
        _ if plain || participle => false,
        Sure::Strong if in_quotes => bridge.told || !word_like || value.contains(' '),
        Sure::Strong if phrase => true,
        Sure::Strong if bridge.told => !(bridge.sign && word_like && goes_on),
        Sure::Strong => is_odd(value),
        Sure::Digits => {
            let digits = value.bytes().filter(u8::is_ascii_digit).count();
            let dashes = value.bytes().filter(|b| *b == b'-').count();
            let number = digits + dashes == value.len() && (word != "code" && digits >= 4);
            let marked = digits >= 4 && value.ends_with(['#', '!', '*']);
            marked
                || (bridge.told || in_quotes || word != "code")
                    && digits >= 3
                    && (number || (word != "code" && is_odd(value)) || (word == "passport" && digits >= 5))
        }
        Sure::Weak => {
            let mixed = is_odd(value)
                && value.len() >= 8
                && !value.contains(['.', '/', '(', ':'])
                && names_nothing(value);
            (value.len() >= 16 && super::encoded::is_drawn(value) && matches!(word, "expected" | "got"))
                || !matches!(word, "expected" | "got")
                    && mixed
                    && (bridge.told || in_quotes || value.len() >= 16)
                || word.ends_with("id") && is_odd(value)
        }
        Sure::Scheme => {
            let challenge = value.split_once('=').is_some_and(|(name, _)| {
                name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') && value.len() < name.len() + 8
                    || [
                        "realm",
                        "scope",
                        "error",
                        "charset",
                        "error_description",
                        "algorithm",
                        "qop",
                        "username",
                        "nonce",
                    ]
                    .contains(&name)
            });
            let looks = value.bytes().any(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
            let clear = matches!(word, "bearer" | "dpop" | "ssws" | "geniekey" | "ntlm" | "negotiate");
            !challenge
                && (if clear {
                    looks || value.len() >= 6 && !value.contains(':')
                } else {
                    looks && value.len() >= 12 && is_odd(value)
                })
        }
    }
}

/// `admin / secret`, `jane:secret`: the second half is the password.
fn login(text: &str, from: usize, end: usize, spans: &mut Vec<Span>) -> usize {
    let rest = &text[from..end];
    let Some(cut) =
        rest.find([':', '/']).filter(|at| *at > 0 && *at < 40 && rest[..*at].trim().split(' ').count() == 1)
    else {
        return 0;
    };
    let after = &rest[cut + 1..];
    let blanks = after.len() - after.trim_start().len();
    let value =
        after.split_whitespace().next().unwrap_or_default().trim_end_matches(['.', ',', ';', '"', '\'']);
    if !is_odd(value) || value.starts_with("//") || value.contains("[~") {
        return 0;
    }
    let start = from + cut + 1 + blanks;
    spans.push(Span { start, end: start + value.len(), kind: "password" });
    start + value.len()
}

/// `order_status`, `orders-db-v2`: a thing's name, its digits at the end.
fn names_nothing(value: &str) -> bool {
    let trimmed = value.trim_end_matches(|c: char| c.is_ascii_digit());
    !(trimmed.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'-' | b'_'))
        && value.len() < 32
        && value.contains(['-', '_']))
}

/// Whether a word looks like a password: letters with digits or signs, and neither a path, a version nor a quantity.
pub(super) fn is_odd(value: &str) -> bool {
    let letter = value.chars().any(char::is_alphabetic);
    let digit = value.bytes().any(|b| b.is_ascii_digit());
    let sign = value.bytes().any(|b| b"!@#$%^&*+=?~".contains(&b));
    let machine = value.starts_with(['/', '.', '-', '<', '{', '[', '('])
        || value.contains("://")
        || value.contains("()")
        || (value.starts_with(['v', 'V'])
            && value[1..].starts_with(|c: char| c.is_ascii_digit())
            && value.contains('.'))
        || (value.starts_with(|c: char| c.is_ascii_digit())
            && value.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len() <= 2)
        || crate::evidence::shape::is_uuid(value);
    value.len() >= 4 && !machine && letter && (digit || sign)
}
