//! Errors as RFC 9457 problem documents: what went wrong and what the caller can do, without internals.

use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::app::{AppError, Unavailable};

/// Seconds after which a sender should try again: a full disk or a lock takes longer to clear than a blink.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// An error a caller is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// Nothing can be made durable now; the reason goes to the log only.
    pub(super) fn unavailable(reason: &str) -> Self {
        tracing::error!(reason, "a request was answered with 503");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "nothing can be stored at the moment; please try again")
    }

    pub(super) fn overloaded() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too many deliveries at once; please try again")
    }
}

impl From<Unavailable> for Problem {
    fn from(error: Unavailable) -> Self {
        Self::unavailable(&error.reason)
    }
}

impl From<AppError> for Problem {
    fn from(error: AppError) -> Self {
        match error {
            AppError::NoSuchIncident(_) | AppError::NoSuchDelivery(_) | AppError::NoSuchSilence(_) => {
                Self::new(StatusCode::NOT_FOUND, error.to_string())
            }
            AppError::Malformed(reason) => Self::bad_request(reason),
            AppError::Refused(reason) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, reason),
            AppError::NotThisSource(refused) => Self::bad_request(refused.to_string()),
            AppError::Unavailable(error) => error.into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let body = json!({
            "type": "about:blank", "title": title, "status": self.status.as_u16(), "detail": self.detail,
        });
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER);
            }
            StatusCode::UNAUTHORIZED => {
                // Basic comes first: it is what a browser asks its user for.
                let challenges = r#"Basic realm="firstcheck", Bearer realm="firstcheck""#;
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenges));
            }
            _ => {}
        }
        response
    }
}

pub(super) async fn not_found(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {}", uri.path()))
}

pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not for {}", uri.path()))
}
