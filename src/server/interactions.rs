//! `POST /discord/interactions`: what people do in Discord, over HTTP instead of the gateway.
//!
//! Everybody can reach this door, so nothing is read before its sender is proved: an Ed25519 signature of the timestamp and the
//! raw body by the key of the configuration, not older than a few minutes. Discord itself tries a wrong one now and then, and turns the
//! door off when it is not refused with 401 (its documentation, interactions overview, security). PING is answered here, so that
//! the door can be set up while the chat is still away.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::Value;

use crate::clock;
use crate::incident::Retry;
use crate::server::problem::Problem;
use crate::server::{Shared, form};

/// Seconds by which the timestamp may lie behind or ahead of us: Discord delivers within seconds, and clocks differ.
const FRESH_S: i64 = 300;

/// What is answered to Discord's PING.
const PONG: &str = r#"{"type":1}"#;

/// What a person reads while the chat is not connected: an ordinary message to them alone.
const STARTING: &str = r#"{"type":4,"data":{"content":"The bot is not ready yet; try again in a minute.","flags":64,"allowed_mentions":{"parse":[]}}}"#;

/// Discord's number for PING.
const PING: u64 = 1;
/// Discord's number for an option that is being typed, to which nothing can be said in words.
const TYPING: u64 = 4;

pub(super) async fn receive(
    State(shared): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Some(key) = &shared.doors.interactions else {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "interactions are not taken over HTTP; `chat.discord.public_key` opens this door",
        ));
    };
    let body = form::whole(body).await?;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (signature, timestamp) = (text("x-signature-ed25519"), text("x-signature-timestamp"));
    if !is_signed(key, signature, timestamp, &body) || !is_fresh(timestamp, clock::now().as_second()) {
        tracing::warn!("an interaction without a valid signature, or with an old one, was refused");
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "a valid and fresh signature is needed"));
    }
    let said: Value = serde_json::from_slice(&body)
        .map_err(|error| Problem::bad_request(format!("this is no interaction: {error}")))?;
    let kind = said["type"].as_u64();
    if kind == Some(PING) {
        return Ok(json(PONG.into()));
    }
    match shared.app.interact(&body).await {
        Ok(answer) => Ok(json(answer)),
        Err(error) if error.retry != Retry::Never && kind != Some(TYPING) => Ok(json(STARTING.into())),
        Err(error) => Err(Problem::bad_request(error.reason)),
    }
}

fn json(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Whether this key signed the timestamp and the body (RFC 8032).
fn is_signed(key: &[u8; 32], signature: &str, timestamp: &str, body: &[u8]) -> bool {
    let Some(signature) = bytes(signature) else { return false };
    let signed = [timestamp.as_bytes(), body].concat();
    let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);
    crypto::verify(&signature, &signed, &DecodingKey::from_ed_der(key), Algorithm::EdDSA).unwrap_or(false)
}

/// The 64 bytes that 128 hexadecimal digits stand for.
fn bytes(digits: &str) -> Option<[u8; 64]> {
    if digits.len() != 128 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let pair = |place: usize| u8::from_str_radix(digits.get(2 * place..2 * place + 2)?, 16).ok();
    (0..64).map(pair).collect::<Option<Vec<u8>>>()?.try_into().ok()
}

fn is_fresh(timestamp: &str, now: i64) -> bool {
    timestamp.parse::<i64>().is_ok_and(|said| now.abs_diff(said) <= FRESH_S.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, section 7.1, test 1: the empty message.
    const KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    const SIGNATURE: &str = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";

    fn key() -> [u8; 32] {
        let pair = |place: usize| u8::from_str_radix(&KEY[2 * place..2 * place + 2], 16).unwrap();
        std::array::from_fn(pair)
    }

    #[test]
    fn a_signature_of_the_standards_own_example_is_taken_and_a_changed_one_is_not() {
        assert!(is_signed(&key(), SIGNATURE, "", b""));
        assert!(!is_signed(&key(), SIGNATURE, "1", b""));
        assert!(!is_signed(&key(), SIGNATURE, "", b"{}"));
        assert!(!is_signed(&[0; 32], SIGNATURE, "", b""));
        for odd in ["", "00", &SIGNATURE.replace('e', "f"), &"é".repeat(64), &SIGNATURE[..126]] {
            assert!(!is_signed(&key(), odd, "", b""), "{odd}");
        }
    }

    #[test]
    fn a_timestamp_is_fresh_for_five_minutes_either_way() {
        for (said, fresh) in [("1000", true), ("1300", true), ("701", true), ("699", false), ("1301", false)]
        {
            assert_eq!(is_fresh(said, 1000), fresh, "{said}");
        }
        for odd in ["", "soon", "-1", "99999999999999999999", "9223372036854775807"] {
            assert!(!is_fresh(odd, 1000), "{odd}");
        }
    }
}
