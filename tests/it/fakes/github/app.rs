//! The app: its signature is verified, and its installation's tokens are minted, counted and revoked.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::json;

use super::{Answer, Asked, INSTALLATION_TOKEN, LOGIN, Memory, REPOSITORY, Shared, TOKEN};
use crate::fakes::openapi::Operation;

/// The app there is; its key is of this test alone.
pub(crate) const APP_ID: u64 = 77;
pub(crate) const APP_KEY: &str = include_str!("app-key.pem");
const APP_KEY_PUBLIC: &str = include_str!("app-key-public.pem");
const SLUG: &str = "firstcheck-app";
const INSTALLATION: u64 = 4711;

#[derive(Debug, Deserialize)]
struct Claims {
    iss: serde_json::Value,
    iat: i64,
    exp: i64,
}

/// The login an `Authorization` header stands for; `None` when it is not good for this operation.
pub(super) fn who(memory: &Memory, authorization: &str, operation: &Operation) -> Option<String> {
    let token = authorization.strip_prefix("Bearer ")?;
    let is_for_apps = operation.path.starts_with("/app") || operation.path.ends_with("/installation");
    if is_for_apps {
        return is_signed(token).then(|| SLUG.to_owned());
    }
    if memory.tokens.contains(token) {
        return Some(format!("{SLUG}[bot]"));
    }
    (token == TOKEN).then(|| LOGIN.to_owned())
}

/// RS256, issued by the app, and valid for at most ten minutes.
fn is_signed(token: &str) -> bool {
    let key = DecodingKey::from_rsa_pem(APP_KEY_PUBLIC.as_bytes()).unwrap();
    let decoded = jsonwebtoken::decode::<Claims>(token, &key, &Validation::new(Algorithm::RS256));
    let Ok(claims) = decoded.map(|it| it.claims) else { return false };
    let now = firstcheck::clock::now().as_second();
    let is_ours = claims.iss == json!(APP_ID) || claims.iss == json!(APP_ID.to_string());
    is_ours && claims.iat <= now && claims.exp > now && claims.exp - now <= 600
}

/// The app's own routes.
pub(super) fn perform(github: &Shared, memory: &mut Memory, asked: &Asked<'_>) -> Option<Answer> {
    match (asked.operation.method.as_str(), asked.operation.path.as_str()) {
        ("get", "/app") => {
            let mut about = github.example("integration");
            about["slug"] = json!(SLUG);
            about["id"] = json!(APP_ID);
            Some(Answer::new(200, about))
        }
        ("get", "/repos/{owner}/{repo}/installation") => {
            if format!("{}/{}", asked.parameter("owner")?, asked.parameter("repo")?) != REPOSITORY {
                return Some(Answer::refusal(404, "Not Found"));
            }
            let mut installation = github.example("base-installation");
            installation["id"] = json!(INSTALLATION);
            Some(Answer::new(200, installation))
        }
        ("post", "/app/installations/{installation_id}/access_tokens") => {
            if asked.parameter("installation_id") != Some("4711") {
                return Some(Answer::refusal(404, "Not Found"));
            }
            memory.minted += 1;
            // Long, as the new ones are: nobody may assume forty characters.
            let token = format!("{INSTALLATION_TOKEN}{}{}", memory.minted, "x".repeat(500));
            memory.tokens.insert(token.clone());
            let in_an_hour = firstcheck::clock::now() + jiff::SignedDuration::from_hours(1);
            let mut minted = github.example("installation-token");
            minted["token"] = json!(token);
            minted["expires_at"] = json!(in_an_hour.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
            minted["permissions"] = json!({"issues": "write", "metadata": "read"});
            Some(Answer::new(201, minted))
        }
        _ => None,
    }
}
