//! Reading a form: `payload_json` and `files[n]`.

use serde_json::Value;

/// A file of a form.
#[derive(Debug)]
pub(super) struct FormFile {
    pub(super) place: usize,
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// The document and the files of a request's body.
pub(super) fn read(kind: &str, body: &[u8]) -> (Option<Value>, Vec<FormFile>) {
    let Some(boundary) = kind.strip_prefix("multipart/form-data; boundary=") else {
        return (serde_json::from_slice(body).ok(), Vec::new());
    };
    let (mut document, mut files) = (None, Vec::new());
    for part in parts(body, format!("--{boundary}").as_bytes()) {
        let Some(end) = find(part, b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&part[..end]).into_owned();
        let bytes = part[end + 4..].strip_suffix(b"\r\n").unwrap_or_default();
        let field = |name: &str| {
            let from = head.find(&format!("{name}=\""))? + name.len() + 2;
            Some(head[from..].split('"').next().unwrap_or_default().to_owned())
        };
        match field(" name").as_deref() {
            Some("payload_json") => document = serde_json::from_slice(bytes).ok(),
            Some(name) => files.push(FormFile {
                place: name.trim_start_matches("files[").trim_end_matches(']').parse().unwrap(),
                name: field("filename").unwrap_or_default(),
                bytes: bytes.to_vec(),
            }),
            None => {}
        }
    }
    (document, files)
}

fn parts<'a>(body: &'a [u8], boundary: &[u8]) -> Vec<&'a [u8]> {
    let mut rest = body;
    let mut found = Vec::new();
    while let Some(at) = find(rest, boundary) {
        found.push(&rest[..at]);
        rest = &rest[at + boundary.len()..];
    }
    found
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
