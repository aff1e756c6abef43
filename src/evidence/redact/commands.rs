//! Secrets on command lines: the flags of programs that take a password, and any long flag with a secret name.

use std::sync::LazyLock;

use regex::Regex;

use super::detect::Span;
use super::looks::any_of;
use super::named::{self, floor, is_secret_value, kind_of, line_at, long_line_at, quoted};
use super::names;

/// What a flag's value is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    /// All of it is secret.
    Whole,
    /// `user:password`: hidden behind the separator.
    User,
    /// Cookies.
    Cookies,
}

/// Program, flag, and what it takes. The value may cling to the flag.
const FLAGS: &[(&str, &str, Value)] = {
    use Value::{Cookies, User, Whole};
    &[
        ("curl", "-u", User),
        ("curl", "-U", User),
        ("curl", "-b", Cookies),
        ("curl", "-E", User),
        ("wget", "-u", User),
        ("http", "-a", User),
        ("https", "-a", User),
        ("xh", "-a", User),
        ("mysql", "-p", Whole),
        ("mysqldump", "-p", Whole),
        ("mysqladmin", "-p", Whole),
        ("mariadb", "-p", Whole),
        ("mongo", "-p", Whole),
        ("mongosh", "-p", Whole),
        ("mongodump", "-p", Whole),
        ("redis-cli", "-a", Whole),
        ("sshpass", "-p", Whole),
        ("ldapsearch", "-w", Whole),
        ("ldapmodify", "-w", Whole),
        ("docker", "-p", Whole),
        ("podman", "-p", Whole),
        ("helm", "-p", Whole),
        ("sqlcmd", "-P", Whole),
        ("bcp", "-P", Whole),
        ("smbclient", "-U", User),
        ("az", "-p", Whole),
        ("oc", "-p", Whole),
        ("cf", "-p", Whole),
        ("zip", "-P", Whole),
        ("unzip", "-P", Whole),
        ("7z", "-p", Whole),
        ("ab", "-A", User),
        ("svn", "-p", Whole),
        ("kinit", "-w", Whole),
        ("snmpwalk", "-c", Whole),
        ("ipmitool", "-P", Whole),
        ("influx", "-t", Whole),
        ("rabbitmqadmin", "-p", Whole),
        ("htpasswd", "-b", Whole),
        ("openssl", "-k", Whole),
        ("openssl", "-K", Whole),
        ("keytool", "-storepass", Whole),
        ("keytool", "-keypass", Whole),
        ("jarsigner", "-storepass", Whole),
        ("jarsigner", "-keypass", Whole),
    ]
};

/// Options and programs that read a secret from what is piped into them.
const READERS: &[&str] =
    &["--password-stdin", "--with-token", "--passphrase-fd 0", "passwd --stdin", "chpasswd", "sudo -S"];
/// Words before a secret, or before its name and the secret.
const SPEAKS: &[&str] = &[" pass:", " configure set ", " requirepass ", " config set "];

static LEADS: LazyLock<Regex> =
    LazyLock::new(|| any_of(READERS.iter().chain(SPEAKS).copied().chain(["net use "])));

/// Adds the spans.
pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let mut covered = 0;
    for (dash, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'-') {
        let begins =
            dash == 0 || matches!(bytes[dash - 1], b' ' | b'\t' | b'\n' | b'"' | b'\'' | b'[' | b',');
        if !begins || dash < covered {
            continue;
        }
        let name = bytes[dash..]
            .iter()
            .take(64)
            .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')))
            .unwrap_or(0);
        if bytes.get(dash + 1) == Some(&b'-')
            || name > 3
                && !bytes[dash + 1].is_ascii_uppercase()
                && names::is_secret(&text[dash + 1..dash + name])
        {
            covered = long(text, dash, name, spans).max(covered);
        }
        if bytes.get(dash + 1).is_some_and(u8::is_ascii_alphabetic) {
            covered = short(text, dash, spans).max(covered);
        }
    }
    for found in LEADS.find_iter(text) {
        let (lead, end) = (found.as_str(), found.end());
        match lead {
            "net use " => shared_drive(text, found.start(), spans),
            _ if READERS.contains(&lead) => piped(text, found.start(), lead, spans),
            _ => spoken(text, end, lead.ends_with("set "), spans),
        }
    }
}

/// `-passin pass:…`, `aws configure set aws_secret_access_key …`, `config set requirepass …`.
fn spoken(text: &str, at: usize, skip_name: bool, spans: &mut Vec<Span>) {
    let line = line_at(text, at);
    let mut words = line.split(' ');
    let name = if skip_name { words.next().unwrap_or_default() } else { "password" };
    let skip = if skip_name { name.len() + 1 } else { 0 };
    if let Some(value) = words.next()
        && names::is_secret(name)
        && is_secret_value(name, value)
        && !value.contains("[~")
    {
        spans.push(Span { start: at + skip, end: at + skip + value.len(), kind: kind_of(name) });
    }
}

/// `echo 'secret' | docker login --password-stdin`: what is piped into a program that reads its secret.
fn piped(text: &str, at: usize, reads: &str, spans: &mut Vec<Span>) {
    let from = floor(text, at.saturating_sub(512));
    let line = text[from..at].rsplit('\n').next().unwrap_or_default();
    let begin = at - line.len();
    let Some(pipe) = line.rfind('|') else { return };
    let says = |command: &&str| Some(line[..pipe].rfind(command)? + command.len());
    let Some(said) = ["echo ", "printf "].iter().filter_map(says).max() else { return };
    // The last argument: what stands before it are options and a format.
    let last = line[said..pipe].trim_end();
    let start = match last.chars().next_back() {
        Some(quote @ ('"' | '\'')) => last[..last.len() - 1].rfind(quote).map_or(0, |it| it + 1),
        _ => last.rfind(' ').map_or(0, |it| it + 1),
    };
    // `chpasswd` reads a user and a password.
    let user = if reads == "chpasswd" { last[start..].find(':').map_or(0, |it| it + 1) } else { 0 };
    let value = last[start + user..].trim_end_matches(['"', '\'']);
    if is_secret_value("password", value) && !value.contains("[~") {
        let start = begin + said + start + user;
        spans.push(Span { start, end: start + value.len(), kind: "password" });
    }
}

/// `net use Z: \\\\nas\\share secret /user:corp\\jane`.
fn shared_drive(text: &str, at: usize, spans: &mut Vec<Span>) {
    let line = line_at(text, at);
    let Some(user) = line.find(" /user:") else { return };
    let Some(word) = line[..user].rfind(' ') else { return };
    let value = &line[word + 1..user];
    if !value.starts_with(['\\', '*']) && is_secret_value("password", value) && !value.contains("[~") {
        spans.push(Span { start: at + word + 1, end: at + user, kind: "password" });
    }
}

/// `--api-key value`, `--user jane:secret`; with `=` the rule of pairs reads it.
fn long(text: &str, dash: usize, name: usize, spans: &mut Vec<Span>) -> usize {
    let flag = text[dash..dash + name].trim_start_matches('-');
    let value = match flag {
        "user" | "proxy-user" | "auth" | "creds" | "cert" | "proxy-cert" => Value::User,
        "cookie" => Value::Cookies,
        "external-id" => Value::Whole,
        _ if names::is_secret(flag) => Value::Whole,
        _ => return 0,
    };
    let Some(at) = argument(text, dash + name) else { return 0 };
    take(text, at, value, flag, spans)
}

/// `-u jane:secret`, `-psecret`, behind the program that means a password by it.
fn short(text: &str, dash: usize, spans: &mut Vec<Span>) -> usize {
    let rest = &text.as_bytes()[dash..];
    if !FLAGS.iter().any(|(_, flag, _)| rest.starts_with(flag.as_bytes())) {
        return 0;
    }
    let from = floor(text, dash.saturating_sub(512));
    let before = &text[from..dash];
    // The command goes on over line ends that are escaped.
    let line = before
        .rmatch_indices('\n')
        .find(|(at, _)| !before[..*at].trim_end_matches('\r').ends_with('\\'))
        .map_or(0, |(at, _)| at + 1);
    let before = &before[line..];
    let program = before
        .split([' ', '\t', ';', '|', '&', '(', '`', '"', '\''])
        .rev()
        .filter_map(|word| word.rsplit('/').next())
        .find_map(|word| {
            FLAGS.iter().find(|(program, flag, _)| *program == word && rest.starts_with(flag.as_bytes()))
        });
    let Some((program, flag, value)) = program else { return 0 };
    // `docker run -p 8080:80` maps a port; only a login takes a password.
    if matches!(*program, "docker" | "podman" | "helm" | "az" | "oc" | "cf") && !before.contains("login") {
        return 0;
    }
    let after = dash + flag.len();
    let at = match text.as_bytes().get(after) {
        Some(b' ' | b'\t') if *program == "mysql" || *program == "mysqldump" || *program == "mariadb" => {
            return 0;
        }
        Some(b' ' | b'\t' | b'=') => match argument(text, after) {
            Some(at) => at,
            None => return 0,
        },
        Some(_) => after,
        None => return 0,
    };
    take(text, at, *value, if *value == Value::Cookies { "cookie" } else { "password" }, spans)
}

/// Where the argument behind a flag begins.
fn argument(text: &str, at: usize) -> Option<usize> {
    let rest = &text[at..];
    let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '=', '"', ',']).len();
    let blanks =
        if rest[..blanks].contains('"') && !rest[..blanks].contains(',') { rest.find('"')? } else { blanks };
    let start = at + blanks;
    // In a list of arguments the quote was passed: `"-p", "secret"`.
    (blanks > 0 && start < text.len() && !text[start..].starts_with(['-', '\n'])).then_some(start)
}

fn take(text: &str, at: usize, value: Value, name: &str, spans: &mut Vec<Span>) -> usize {
    if value == Value::Cookies {
        return named::cookies(text, at, spans).unwrap_or(0);
    }
    let (start, end) = quoted(text, at).unwrap_or_else(|| {
        let word = long_line_at(text, at).split([' ', '\t', '"', '\'']).next().unwrap_or_default();
        (at, at + word.len())
    });
    let shown = &text[start..end];
    if shown.contains("[~")
        || shown.starts_with("http")
        || shown.starts_with('<')
        || !is_secret_value(name, shown)
    {
        return 0;
    }
    let from = match value {
        Value::User => match shown.find([':', '%']) {
            Some(cut) if cut + 1 < shown.len() => start + cut + 1,
            _ => return 0,
        },
        _ => start,
    };
    spans.push(Span { start: from, end, kind: kind_of(name) });
    end
}
