//! The console's one script, its one style sheet and its icon: inside the program, under names that change with their content.
//!
//! A browser may keep them for good; a page of a newer version names others. They hold nothing of the installation and are
//! served without credentials.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::access::hex;
use crate::server::problem::Problem;

/// A file of the console.
struct Asset {
    name: String,
    kind: &'static str,
    text: &'static str,
    tag: String,
}

impl Asset {
    fn new(stem: &str, ending: &str, kind: &'static str, text: &'static str) -> Self {
        let hash = hex(&Sha256::digest(text)[..8]);
        Self { name: format!("{stem}-{hash}.{ending}"), kind, text, tag: format!("\"{hash}\"") }
    }
}

static ALL: LazyLock<[Asset; 3]> = LazyLock::new(|| {
    [
        Asset::new(
            "console",
            "css",
            "text/css; charset=utf-8",
            include_str!("../../templates/console/console.css"),
        ),
        Asset::new(
            "console",
            "js",
            "text/javascript; charset=utf-8",
            include_str!("../../templates/console/console.js"),
        ),
        Asset::new("icon", "svg", "image/svg+xml", include_str!("../../templates/console/icon.svg")),
    ]
});

/// The addresses a page names.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Names {
    style: &'static str,
    script: &'static str,
    icon: &'static str,
}

/// The addresses of this version.
pub(super) fn names() -> Names {
    let [style, script, icon] = &*ALL;
    Names { style: &style.name, script: &script.name, icon: &icon.name }
}

pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let missing =
        || Problem::new(StatusCode::NOT_FOUND, "this file belongs to another version; reload the page");
    let asset = ALL.iter().find(|asset| asset.name == name).ok_or_else(missing)?;
    let tag = HeaderValue::from_static(&asset.tag);
    let kept = (
        [
            (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
            (header::ETAG, tag.clone()),
        ],
        [(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind))],
    );
    if headers.get(header::IF_NONE_MATCH) == Some(&tag) {
        return Ok((StatusCode::NOT_MODIFIED, kept.0).into_response());
    }
    Ok((kept.0, kept.1, asset.text).into_response())
}
