//! A request's body: a JSON document alone, or a form with files beside it (`multipart/form-data`, RFC 7578).
//!
//! serenity's own forms number every file 0 (0.12.5, `CreateAttachment::id` is private), and Discord then keeps one of them.

use serenity_reqwest::header::HeaderValue;

/// Bytes of the largest file Discord takes from a bot in a server without boosts.
pub(in crate::chat::discord) const FILE: usize = 10 << 20;

/// A file that goes with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::chat::discord) struct File {
    /// Its name, ASCII letters, digits, `-`, `_` and one dot.
    pub(in crate::chat::discord) name: String,
    /// What it shows, for those who cannot see it; at most 1024 characters.
    pub(in crate::chat::discord) alt: String,
    /// Its MIME type.
    pub(in crate::chat::discord) kind: &'static str,
    /// What is in it.
    pub(in crate::chat::discord) bytes: Vec<u8>,
}

/// The body and its type.
pub(super) fn body(document: Vec<u8>, files: &[File]) -> (HeaderValue, Vec<u8>) {
    if files.is_empty() {
        return (HeaderValue::from_static("application/json"), document);
    }
    let boundary = boundary(&document, files);
    let mut form =
        Vec::with_capacity(document.len() + files.iter().map(|file| file.bytes.len() + 256).sum::<usize>());
    let mut part = |disposition: &str, kind: &str, bytes: &[u8]| {
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\nContent-Type: {kind}\r\n\r\n"
        );
        form.extend_from_slice(head.as_bytes());
        form.extend_from_slice(bytes);
        form.extend_from_slice(b"\r\n");
    };
    part("name=\"payload_json\"", "application/json", &document);
    for (place, file) in files.iter().enumerate() {
        part(&format!("name=\"files[{place}]\"; filename=\"{}\"", file.name), file.kind, &file.bytes);
    }
    form.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let kind = format!("multipart/form-data; boundary={boundary}");
    (HeaderValue::from_str(&kind).expect("a boundary of letters and digits"), form)
}

/// A line that stands in none of the parts.
fn boundary(document: &[u8], files: &[File]) -> String {
    let parts = || std::iter::once(document).chain(files.iter().map(|file| file.bytes.as_slice()));
    let taken =
        |boundary: &str| parts().any(|part| part.windows(boundary.len()).any(|it| it == boundary.as_bytes()));
    (0..u64::MAX)
        .map(|place| format!("firstcheck{place:016x}"))
        .find(|boundary| !taken(boundary))
        .expect("a message is finite")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_numbers_its_files_and_its_boundary_is_in_none_of_them() {
        let file = |name: &str, bytes: &[u8]| File {
            name: name.into(),
            alt: String::new(),
            kind: "text/plain",
            bytes: bytes.to_vec(),
        };
        let files = [file("a.txt", b"--firstcheck0000000000000000"), file("b.txt", b"two")];
        let (kind, form) = body(b"{}".to_vec(), &files);
        assert_eq!(kind, "multipart/form-data; boundary=firstcheck0000000000000001");
        let text = String::from_utf8(form).unwrap();
        assert!(
            text.contains("name=\"files[1]\"; filename=\"b.txt\"\r\nContent-Type: text/plain\r\n\r\ntwo\r\n"),
            "{text}"
        );
        assert!(text.ends_with("--firstcheck0000000000000001--\r\n"), "{text}");
        assert_eq!(body(b"{}".to_vec(), &[]).0, "application/json");
    }
}
