//! Log-in at an OpenID provider: the authorization code flow with PKCE (OpenID Connect Core 1.0, section 3.1; RFC 7636).
//!
//! The provider's description and keys are fetched when somebody logs in, so a rotated key is known at once and a provider that is
//! down keeps nobody from starting. What an attempt must remember until the browser comes back is given to the caller to keep
//! (`Begun`). The surprise: nothing of the provider's tokens is kept; who it is goes into our own session, and how long that
//! lasts is ours to say.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata};
use openidconnect::{
    AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse, IssuerUrl, Nonce,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope as OAuthScope, TokenResponse as _,
};
use rustls::ClientConfig;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::access::{Principal, Roles, Via, is_same, name_of};

/// Time for one request to the provider.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of an answer of the provider: descriptions and key sets are a few kilobytes.
const ANSWER_BYTES: usize = 1024 * 1024;

/// Where the browser comes back to, after the bot's own URL.
pub(super) const CALLBACK: &str = "/login/oidc/callback";

/// The provider, and what its claims allow.
#[derive(Clone)]
pub struct Settings {
    /// The issuer's URL, as in its tokens.
    pub issuer: Url,
    /// The bot's name at the provider.
    pub client_id: String,
    /// The bot's secret at the provider; none for a public client.
    pub client_secret: Option<String>,
    /// What is asked for besides `openid`.
    pub scopes: Vec<String>,
    /// What claims allow.
    pub roles: Roles,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("issuer", &self.issuer.as_str()).finish_non_exhaustive()
    }
}

/// A log-in that has begun: what must be remembered until the browser comes back.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Begun {
    state: String,
    nonce: String,
    verifier: String,
    /// The page the person wanted.
    pub(super) to: String,
}

/// Why nobody was let in, for the person.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoginError {
    #[error(
        "the log-in provider cannot be reached or did not answer as one; please try again, or use a token"
    )]
    Provider(String),
    #[error("this log-in was not begun here, or too long ago; please begin again")]
    NotOurs,
    #[error("the log-in provider's answer does not hold: {0}")]
    NotValid(String),
    #[error("{0} may not come in: no role in the configuration matches what the provider says")]
    NoRole(String),
}

/// Begins a log-in: where to send the browser, and what to remember.
pub(super) async fn begin(
    settings: &Settings,
    base: &Url,
    to: String,
) -> Result<(String, Begun), LoginError> {
    let http = http()?;
    let client = client(settings, base, &http).await?;
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let request = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scopes(settings.scopes.iter().cloned().map(OAuthScope::new))
        .set_pkce_challenge(challenge);
    let (url, state, nonce) = request.url();
    let begun = Begun {
        state: state.secret().clone(),
        nonce: nonce.secret().clone(),
        verifier: verifier.secret().clone(),
        to,
    };
    Ok((url.to_string(), begun))
}

/// Ends a log-in: who came back.
pub(super) async fn end(
    settings: &Settings,
    base: &Url,
    begun: &Begun,
    state: &str,
    code: &str,
) -> Result<Principal, LoginError> {
    if !is_same(state, &begun.state) {
        return Err(LoginError::NotOurs);
    }
    let http = http()?;
    let client = client(settings, base, &http).await?;
    let exchange = client
        .exchange_code(AuthorizationCode::new(code.to_owned()))
        .map_err(|error| LoginError::Provider(error.to_string()))?
        .set_pkce_verifier(PkceCodeVerifier::new(begun.verifier.clone()));
    let send = |request| send(http.clone(), request);
    let answer =
        exchange.request_async(&send).await.map_err(|error| LoginError::Provider(error.to_string()))?;
    let token = answer.id_token().ok_or_else(|| LoginError::NotValid("it holds no ID token".to_owned()))?;
    token
        .claims(&client.id_token_verifier(), &Nonce::new(begun.nonce.clone()))
        .map_err(|error| LoginError::NotValid(error.to_string()))?;
    // Verified: now every claim may be read, those that OpenID does not name too.
    let claims = claims(&token.to_string())
        .ok_or_else(|| LoginError::NotValid("its claims are not JSON".to_owned()))?;
    let name =
        name_of(&claims).ok_or_else(|| LoginError::NotValid("it does not say who it is about".to_owned()))?;
    let scope = settings.roles.scope(&claims).ok_or_else(|| LoginError::NoRole(name.clone()))?;
    Ok(Principal { name, via: Via::Oidc, scope })
}

/// The claims of a token whose signature was checked.
fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

/// A client whose endpoints the provider has told.
type Client = CoreClient<
    openidconnect::EndpointSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointMaybeSet,
    openidconnect::EndpointMaybeSet,
>;

async fn client(settings: &Settings, base: &Url, http: &reqwest::Client) -> Result<Client, LoginError> {
    let provider = |error: String| LoginError::Provider(error);
    // The issuer in tokens has no final slash that `Url` would add.
    let issuer = settings.issuer.as_str().trim_end_matches('/').to_owned();
    let issuer = IssuerUrl::new(issuer).map_err(|error| provider(error.to_string()))?;
    let send = |request| send(http.clone(), request);
    let told = CoreProviderMetadata::discover_async(issuer, &send).await;
    let told = told.map_err(|error| provider(chain(&error)))?;
    let secret = settings.client_secret.clone().map(ClientSecret::new);
    let back = base.join(CALLBACK).map_err(|error| provider(error.to_string()))?;
    let back = RedirectUrl::new(back.to_string()).map_err(|error| provider(error.to_string()))?;
    let id = ClientId::new(settings.client_id.clone());
    Ok(CoreClient::from_provider_metadata(told, id, secret).set_redirect_uri(back))
}

/// An error and what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn http() -> Result<reqwest::Client, LoginError> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let failed = |error: String| LoginError::Provider(error);
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // A redirect would carry the code and the secret to wherever it leads.
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(TIMEOUT)
        .tls_backend_preconfigured(tls)
        .build()
        .map_err(|error| failed(error.to_string()))
}

#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error("the answer is larger than {ANSWER_BYTES} bytes")]
    TooLarge,
    #[error("the answer cannot be read")]
    Malformed,
}

async fn send(http: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, SendError> {
    let (parts, body) = request.into_parts();
    let url = Url::parse(&parts.uri.to_string()).map_err(|_| SendError::Malformed)?;
    let mut answer = http.request(parts.method, url).headers(parts.headers).body(body).send().await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if bytes.len() + chunk.len() > ANSWER_BYTES {
            return Err(SendError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    let mut response = HttpResponse::new(bytes);
    *response.status_mut() = answer.status();
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(response)
}
