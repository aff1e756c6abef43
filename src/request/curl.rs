//! curl commands, as shells and browsers ("Copy as cURL") write them.
//!
//! Options that shape the request are followed as curl follows them, its own content types included; the rest is passed
//! over. What a later line says came back (`-> 401 …`, or the output of `curl -i` and `-v`) is kept.

use super::shell::{Word, without_carets, words};
use super::{Body, FailingRequest, Form, NotARequest, Part, basic, message, note};

/// Options without effect on the request that take a value; without the list their values would be taken for URLs.
/// From `curl --help all`, 8.x.
const IGNORED_WITH_VALUE: &str = "--abstract-unix-socket --alt-svc --aws-sigv4 --cacert --capath --cert --cert-type --ciphers --config \
    --connect-timeout --connect-to --continue-at --cookie-jar --crlfile --curves --dns-interface \
    --dns-servers --doh-url --dump-header --ech --engine --etag-compare --etag-save --expect100-timeout \
    --happy-eyeballs-timeout-ms --haproxy-clientip --hsts --interface --ip-tos --keepalive-cnt \
    --keepalive-time --key --key-type --libcurl --limit-rate --local-port --max-filesize --max-redirs \
    --max-time --netrc-file --noproxy --output --output-dir --parallel-max --pass --pinnedpubkey \
    --preproxy --proto --proto-default --proto-redir --proxy --proxy-cacert --proxy-header --proxy-user \
    --rate --resolve --retry --retry-delay --retry-max-time --socks4 --socks4a --socks5 \
    --socks5-hostname --speed-limit --speed-time --stderr --tls-max --tls13-ciphers --trace \
    --trace-ascii --trace-config --unix-socket --variable --write-out";

/// Short options that take a value, each with its long name.
const SHORT_WITH_VALUE: &str = "X--request H--header d--data u--user F--form b--cookie A--user-agent e--referer T--upload-file \
    r--range o--output m--max-time x--proxy w--write-out c--cookie-jar D--dump-header E--cert K--config \
    U--proxy-user C--continue-at y--speed-time Y--speed-limit z--time-cond t--telnet-option P--ftp-port \
    Q--quote";

/// Long options that shape the request and take a value.
const LONG_WITH_VALUE: &str = "--request --header --data --data-ascii --data-raw --data-binary --data-urlencode --json --user \
    --form --form-string --cookie --user-agent --referer --upload-file --range --url --url-query \
    --oauth2-bearer --request-target --time-cond --telnet-option --ftp-port --quote";

/// The text from its curl command on, when a line of it begins with one.
pub(super) fn find(text: &str) -> Option<&str> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start().trim_start_matches(['$', '%', '>']).trim_start();
        let word = trimmed.split_whitespace().next().unwrap_or_default();
        let program = word.rsplit(['/', '\\']).next().unwrap_or_default();
        if matches!(program, "curl" | "curl.exe") {
            let offset = line.len() - trimmed.len();
            return Some(&text[start + offset..]);
        }
        start += line.len();
    }
    None
}

/// Reads a text that begins with a curl command.
pub(super) fn parse(text: &str) -> Result<FailingRequest, NotARequest> {
    let text = without_carets(text);
    let (words, rest) = words(&text).map_err(NotARequest::Curl)?;
    let mut command = Command::default();
    let mut words = words.into_iter().skip(1);
    let mut options_end = false;
    let mut response = None;
    while let Some(word) = words.next() {
        let Word { text, bare } = word;
        if bare && matches!(text.as_str(), "->" | "=>" | "→") {
            // An unquoted arrow: the rest of the line is the note, whatever it looks like to a shell.
            let tail: Vec<String> = words.by_ref().map(|word| word.text).collect();
            response = note(&tail.join(" "));
        } else if options_end || !text.starts_with('-') || text == "-" {
            command.url.get_or_insert(text);
        } else if text == "--" {
            options_end = true;
        } else if text.starts_with("--") {
            let takes_value = lists(LONG_WITH_VALUE, &text) || lists(IGNORED_WITH_VALUE, &text);
            let value = if takes_value { Some(next_value(&mut words)?) } else { None };
            command.option(&text, value)?;
        } else {
            command.short_options(&text[1..], &mut words)?;
        }
    }
    let mut request = command.request()?;
    request.response = response.or_else(|| came_back(rest));
    Ok(request)
}

fn lists(list: &str, name: &str) -> bool {
    list.split_ascii_whitespace().any(|it| it == name)
}

fn long_name(letter: char) -> Option<&'static str> {
    SHORT_WITH_VALUE.split_ascii_whitespace().find_map(|it| it.strip_prefix(letter))
}

fn next_value(words: &mut impl Iterator<Item = Word>) -> Result<String, NotARequest> {
    words.next().map(|word| word.text).ok_or(NotARequest::Curl("its last option has no value"))
}

/// The response that later lines tell of.
fn came_back(rest: &str) -> Option<super::Response> {
    rest.lines().find_map(|line| super::after_arrow(line).and_then(note)).or_else(|| message::response(rest))
}

/// What the options said so far.
#[derive(Default)]
struct Command {
    method: Option<String>,
    url: Option<String>,
    url_query: Vec<String>,
    headers: Vec<(String, String)>,
    user: Option<String>,
    data: Vec<String>,
    data_elsewhere: Option<String>,
    parts: Vec<Part>,
    json: bool,
    get: bool,
    head: bool,
    upload: Option<String>,
}

impl Command {
    /// `-sSLXPOST`, `-XPOST`, `-H name:value`: flags until one takes the rest of the word, or the next word, as its value.
    fn short_options(
        &mut self,
        letters: &str,
        words: &mut impl Iterator<Item = Word>,
    ) -> Result<(), NotARequest> {
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            if let Some(long) = long_name(letter) {
                let attached = rest.as_str();
                let value = if attached.is_empty() { next_value(words)? } else { attached.to_owned() };
                return self.option(long, Some(value));
            }
            match letter {
                'G' => self.get = true,
                'I' => self.head = true,
                _ => {}
            }
        }
        Ok(())
    }

    fn option(&mut self, name: &str, value: Option<String>) -> Result<(), NotARequest> {
        let value = value.unwrap_or_default();
        match name {
            "--request" => self.method = Some(value.to_ascii_uppercase()),
            "--header" => self.header(&value),
            "--data" | "--data-ascii" | "--data-binary" => self.data(value, '@'),
            "--data-raw" => self.data.push(value),
            "--data-urlencode" => self.data_urlencoded(&value),
            "--json" => {
                self.json = true;
                self.data(value, '@');
            }
            "--user" => self.user = Some(basic(&value)),
            "--oauth2-bearer" => self.user = Some(format!("Bearer {value}")),
            "--form" | "--form-string" => self.form(&value, name == "--form")?,
            "--cookie" if value.contains('=') => self.headers.push(("Cookie".to_owned(), value)),
            "--user-agent" => self.headers.push(("User-Agent".to_owned(), value)),
            "--referer" => self.headers.push(("Referer".to_owned(), value)),
            "--range" => self.headers.push(("Range".to_owned(), format!("bytes={value}"))),
            "--upload-file" => self.upload = Some(value),
            "--url" => {
                self.url.get_or_insert(value);
            }
            "--url-query" => self.url_query.push(value),
            "--get" => self.get = true,
            "--head" => self.head = true,
            _ => {}
        }
        Ok(())
    }

    /// `Name: value`, `Name;` for an empty one; `Name:` removes one of curl's own, so it says nothing.
    fn header(&mut self, text: &str) {
        if let Some((name, value)) = text.split_once(':') {
            let value = value.trim();
            if !value.is_empty() {
                self.headers.push((name.trim().to_owned(), value.to_owned()));
            }
        } else if let Some(name) = text.strip_suffix(';') {
            self.headers.push((name.trim().to_owned(), String::new()));
        }
    }

    fn data(&mut self, value: String, file_mark: char) {
        match value.strip_prefix(file_mark) {
            Some("-") => self.data_elsewhere = Some("standard input".to_owned()),
            Some(file) => self.data_elsewhere = Some(file.to_owned()),
            None => self.data.push(value),
        }
    }

    /// `content`, `=content`, `name=content`; `@file` and `name@file` are elsewhere.
    fn data_urlencoded(&mut self, value: &str) {
        let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        match value.find(['=', '@']) {
            Some(mark) if value[mark..].starts_with('@') => {
                self.data_elsewhere = Some(value[mark + 1..].to_owned());
            }
            Some(0) => self.data.push(encode(&value[1..])),
            Some(mark) => self.data.push(format!("{}={}", &value[..mark], encode(&value[mark + 1..]))),
            None => self.data.push(encode(value)),
        }
    }

    fn form(&mut self, value: &str, files: bool) -> Result<(), NotARequest> {
        let (name, content) =
            value.split_once('=').ok_or(NotARequest::Curl("a form field is written NAME=CONTENT"))?;
        let is_file = files && content.starts_with(['@', '<']);
        let content = match content {
            _ if is_file => None,
            _ if files => Some(form_content(content)),
            _ => Some(content.to_owned()),
        };
        self.parts.push(Part { name: name.to_owned(), value: content });
        Ok(())
    }

    /// The request curl would send, its own headers as far as an API looks at them.
    fn request(self) -> Result<FailingRequest, NotARequest> {
        let url = self.url.filter(|url| !url.is_empty()).ok_or(NotARequest::Curl("it names no URL"))?;
        let has_data = !self.data.is_empty() || self.data_elsewhere.is_some();
        let method = match self.method {
            Some(method) => method,
            None if self.head => "HEAD".to_owned(),
            None if self.get => "GET".to_owned(),
            None if has_data || !self.parts.is_empty() => "POST".to_owned(),
            None if self.upload.is_some() => "PUT".to_owned(),
            None => "GET".to_owned(),
        };
        let mut request = FailingRequest::to(Form::Curl, &method, &url);
        if request.scheme.is_none() && request.host.is_some() {
            // curl's default for a URL without a scheme.
            request.scheme = Some("http".to_owned());
        }
        let from_url = std::mem::take(&mut request.headers);
        for (name, value) in self.headers {
            request.add_header(&name, value);
        }
        let credentials = self.user.or_else(|| from_url.into_iter().next().map(|(_, value)| value));
        if let Some(credentials) = credentials.filter(|_| request.header("authorization").is_none()) {
            request.add_header("Authorization", credentials);
        }
        let joined = self.data.join(if self.json { "" } else { "&" });
        for query in self.url_query.iter().chain(self.get.then_some(&joined)) {
            request.query.extend(url::form_urlencoded::parse(query.as_bytes()).into_owned());
        }
        let implied = if !self.parts.is_empty() {
            request.body = Body::Parts(self.parts);
            Some("multipart/form-data")
        } else if let Some(place) = self.data_elsewhere.or(self.upload) {
            request.body = Body::Elsewhere(place);
            has_data.then_some("application/x-www-form-urlencoded")
        } else if has_data && !self.get {
            request.body = Body::Text(joined);
            Some("application/x-www-form-urlencoded")
        } else {
            None
        };
        let implied = if self.json { Some("application/json") } else { implied };
        if let Some(implied) = implied.filter(|_| request.header("content-type").is_none()) {
            request.add_header("Content-Type", implied);
        }
        if self.json && request.header("accept").is_none() {
            request.add_header("Accept", "application/json");
        }
        Ok(request)
    }
}

/// A field's content without what may follow it (`;type=…`, `;filename=…`: curl(1), `--form`) and without quotes around it.
fn form_content(written: &str) -> String {
    const FOLLOWERS: [&str; 4] = ["type=", "filename=", "headers=", "encoder="];
    if let Some(quoted) = written.strip_prefix('"') {
        let mut content = String::new();
        let mut chars = quoted.chars();
        while let Some(next) = chars.next() {
            match next {
                '"' => return content,
                '\\' => content.extend(chars.next()),
                _ => content.push(next),
            }
        }
    }
    let is_follower = |at: &usize| FOLLOWERS.iter().any(|it| written[at + 1..].trim_start().starts_with(it));
    let end = written.match_indices(';').map(|(at, _)| at).find(is_follower);
    written[..end.unwrap_or(written.len())].to_owned()
}
