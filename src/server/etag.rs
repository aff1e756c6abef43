//! Tags of answers (RFC 9110, section 8.8.3): whoever asks again for what has not changed is told so, in a few bytes.
//!
//! The tag is a hash of the whole answer, so that it is never wrong; what is saved is the way, not the work. Streams have no end
//! and get none.

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http_body_util::BodyExt as _;
use sha2::{Digest as _, Sha256};

use crate::access::hex;
use crate::server::problem::Problem;

/// Bytes of an answer that is tagged: a list of a thousand incidents is less than one of these.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Tags what is read from the API, and answers 304 to whoever has it.
pub(super) async fn tag(request: Request, next: Next) -> Response {
    let reads =
        matches!(*request.method(), Method::GET | Method::HEAD) && request.uri().path().starts_with("/api/");
    let known = request.headers().get_all(header::IF_NONE_MATCH).iter().cloned().collect::<Vec<_>>();
    let response = next.run(request).await;
    let size = response.body().size_hint().exact();
    if !reads || response.status() != StatusCode::OK || size.is_none_or(|size| size > LARGEST) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        return Problem::unavailable("an answer could not be read").into_response();
    };
    let kind = parts.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let hash = Sha256::new().chain_update(kind).chain_update(&bytes).finalize();
    let tag = format!("\"{}\"", hex(&hash[..12]));
    if let Ok(value) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, value);
    }
    parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    parts.headers.insert(header::VARY, HeaderValue::from_static("accept, authorization, cookie"));
    if has(&known, &tag) {
        return unchanged(&parts.headers);
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// Whether one of these fields names the tag, weakly or not (RFC 9110, section 13.1.2).
fn has(fields: &[HeaderValue], tag: &str) -> bool {
    let words = fields.iter().filter_map(|field| field.to_str().ok()).flat_map(|field| field.split(','));
    words.map(str::trim).any(|word| word == "*" || word.strip_prefix("W/").unwrap_or(word) == tag)
}

fn unchanged(headers: &HeaderMap) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    for name in [header::ETAG, header::CACHE_CONTROL, header::VARY] {
        if let Some(value) = headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_among_others_and_weakly_too() {
        let fields = ["\"a\", W/\"b\"".parse().unwrap(), "\"c\"".parse().unwrap()];
        for tag in ["\"a\"", "\"b\"", "\"c\""] {
            assert!(has(&fields, tag), "{tag}");
        }
        assert!(!has(&fields, "\"d\"") && has(&["*".parse().unwrap()], "\"d\"") && !has(&[], "\"d\""));
    }
}
