//! Which names speak: headers and fields whose values may be shown, and names whose values are secret whatever they look like.
//!
//! The first two lists are allow-lists: a name that is on neither is unsafe by default. The third only matters in free text,
//! where there is no structure to allow.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use crate::outcome::Outcome;
use crate::question::QuestionId;

/// Whether a word is in a list of words.
fn lists(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|it| it == word)
}

/// What may be shown of a named value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Showing {
    /// The value, after the scan of free text.
    Value,
    /// A URL: without credentials, ids and query values.
    Url,
    /// Nothing but its shape.
    Shape,
}

/// Response and request headers that tell who answered, when and why, and no secret (RFC 9110, 9111, 9209, 9211, 6585;
/// vendors' request ids). Families are in [`HEADER_FAMILIES`].
const HEADERS: &str = "\
    accept accept-charset accept-encoding accept-language accept-ranges age allow alt-svc \
    apigw-requestid cache-control cache-status cdn-cache-control connection content-encoding \
    content-language content-length content-range content-type date etag expect expires grpc-message \
    grpc-status host if-match if-modified-since if-none-match keep-alive last-modified pragma priority \
    proxy-authenticate proxy-connection proxy-status range retry-after server server-timing \
    strict-transport-security surrogate-control te traceparent trailer transfer-encoding upgrade \
    user-agent vary via warning www-authenticate x-amz-cf-id x-amz-cf-pop x-amz-id-2 x-amz-request-id \
    x-amzn-errortype x-amzn-requestid x-amzn-trace-id x-azure-ref x-azure-fdid x-cloud-trace-context \
    x-content-type-options x-correlation-id x-forwarded-host x-forwarded-port x-forwarded-proto \
    x-frame-options x-github-api-version x-github-request-id x-http-method-override x-ms-request-id \
    x-nf-request-id x-powered-by x-proxy-cache x-request-id x-requestid x-runtime x-served-by x-timer \
    x-trace-id x-varnish x-vercel-error x-vercel-id fly-request-id cf-ray cf-cache-status cf-mitigated \
    x-upstream x-amz-date content-security-policy x-datadog-trace-id x-error-code x-api-version api-version";
/// Header families by prefix.
const HEADER_FAMILIES: &str = "\
    access-control- ratelimit x-ratelimit x-rate-limit x-b3- x-cache x-envoy- x-kong- sec-fetch- \
    x-shopify-shop-api-call-limit x-discord-";
/// Headers that hold a URL.
const URL_HEADERS: &str = "\
    content-location link location origin referer";

/// What of this header's value may be shown.
pub(super) fn header(name: &str) -> Showing {
    let name = name.trim().to_ascii_lowercase();
    let name = name.as_str();
    if lists(URL_HEADERS, name) {
        Showing::Url
    } else if lists(HEADERS, name) || HEADER_FAMILIES.split(' ').any(|family| name.starts_with(family)) {
        Showing::Value
    } else {
        Showing::Shape
    }
}

/// Fields of documents that say what failed, where and when. Compared as words joined by `_` ([`words`]), and by their last
/// word or two, so that `http_status` and `responseStatus` are `status`.
const FIELDS: &str = "\
    action alertname alg algorithm attempt attempts aud audience bucket build bytes category check \
    cluster code commit component condition conclusion connect container content_length content_type \
    correlation_id count creator date date_time datacenter decision deployment description detail \
    diagnosis dns duration duration_ms encoding end ended_at environment env error errors event event_id \
    exception exp expected expires finding fingerprint flag function group host hostname http_version \
    iat image impact incident indicator instance iss issuer job kid kind label latency latency_ms level \
    limit limiter line logger max mean message method metric mime_type min mode monitor namespace nbf \
    node not_after not_before observed openapi operation operation_id origin outcome path percent phase platform pod policy \
    port priority probability product protocol rate ratio reason receive region release remaining \
    replica request_id resets_in result retries retry_after route rule runtime scope sdk send serial \
    server service severity sha size source span_id ssl stage kty crv grant_types expires_in lifetime start started_at started_date_time state \
    status status_code status_text step subsystem summary target_group team threshold time timeout \
    timeout_ms timestamp title tls took_ms topic total trace_id traceparent transport type unit \
    updated_at uptime value_type verb version wait window zone";
/// Fields whose name is safe unless somebody's.
const NAMES: &str = "\
    name display_name text_status";
/// Fields that hold a URL.
const URL_FIELDS: &str = "\
    callback dashboard endpoint generator_url href html_url link location redirect_url referer referrer \
    request_uri runbook runbook_url target uri url external_url";
/// What a person, a payment or a place belongs to: nothing under it is shown.
const PERSONAL: &str = "\
    account actor address assignee author billing card contact customer member owner passenger patient \
    payment people person profile recipient sender shipping user users customers";

/// What of this field's value may be shown.
pub(super) fn field(name: &str) -> Showing {
    if is_secret(name) {
        return Showing::Shape;
    }
    let words = words(name);
    let tail = |list: &str| {
        let joined = words.join("_");
        let last = words.len().saturating_sub(1);
        let two = words.len().saturating_sub(2);
        [joined, words[two..].join("_"), words[last..].join("_")].iter().any(|name| lists(list, name))
    };
    if words.first().is_some_and(|word| lists(PERSONAL, word)) {
        Showing::Shape
    } else if tail(URL_FIELDS) {
        Showing::Url
    } else if tail(FIELDS) || tail(NAMES) {
        Showing::Value
    } else {
        Showing::Shape
    }
}

/// Whether everything under this field is somebody's.
pub(super) fn is_personal(name: &str) -> bool {
    words(name).last().is_some_and(|word| lists(PERSONAL, word))
}

/// Query parameters whose values say nothing of a person.
pub(super) fn query(name: &str) -> bool {
    const SAFE: &str = "\
    x-amz-date x-amz-expires x-amz-algorithm x-amz-signedheaders x-goog-date x-goog-expires x-goog-algorithm \
    api_version api-version direction format limit offset order page page_size per_page sort state \
    status type v version window interval step";
    // `state` is safe in a listing and a secret in OAuth; there it is long and random, which the scan of text sees.
    lists(SAFE, &name.to_ascii_lowercase())
}

/// Single words that make a name secret, in the languages of those who write logs.
const SECRET_WORDS: &str = "\
    apikey appkey assertion auth authorization authkey authtoken accesskey accesstoken bearer \
    clientsecret connectionstring cookie cookies credential credentials csrf cvc cvc2 cvv cvv2 hmac jsessionid jwt \
    otp pass passcode passphrase passwd password passwords phpsessid pin privatekey psk pw pwd pswd pword passw \
    refreshtoken samlresponse secret secretkey secrets session sessionid sess sid sig signature ssn token \
    totp webhook xsrf dsn cred creds userpassword rootpw bindpw presharedkey encryptionkey signingkey mfa \
    storepass keypass requirepass masterauth salt pepper cnonce authtok idtoken idtokenhint jwks2 sastoken accountkey sharedkey \
    sharedaccesskey privatekeyid keyphrase mnemonic seedphrase iban pan cardnumber creditcard ccnumber birthdate birthday dob surname firstname lastname fullname csc passport taxid nino \
    passwort kennwort geheim geheimnis losung losungswort passe senha contraseña contrasena clave hasło haslo wachtwoord lösenord losenord \
    passord adgangskode salasana heslo jelszó jelszo parola şifre sifre пароль парол секрет パスワード 暗証番号 密码 密碼 口令 비밀번호";
/// Two words in a row that make a name secret.
const SECRET_PAIRS: &str = "\
    access_key account_key api_key app_key auth_key client_key encryption_key license_key licence_key master_key \
    private_key secret_key shared_key signing_key storage_key subscription_key functions_key admin_key \
    connection_string service_key pass_word pass_phrase pass_code card_number account_number security_code routing_number \
    ingest_key integration_key routing_key write_key read_key deploy_key ssh_key host_key session_key root_key \
    preshared_key pre_shared tax_id passport_no passport_number social_security birth_date date_birth auth_tag \
    fastly_key cookie_key crypt_key cipher_key aes_key hash_key server_key webhook_key webhook_url signing_secret \
    code_verifier device_code user_code recovery_code backup_code verification_code otp_code invite_code \
    first_name last_name full_name date_of of_birth birth_name license_code activation_key product_key tls_key ssl_key pem_key rsa_key recovery_phrase seed_phrase key_material";
/// Last words that make a name harmless again: `token_type`, `password_file`, `session_count`.
const HARMLESS_ENDS: &str = "\
    age alg algorithm at audience bytes check class count enabled endpoint env expires expired expiry \
    failures file format header in issuer kind left length limit method missing mode ms name offered \
    outcome page policy present provider ref remaining required rotation scheme scope seconds server \
    service size state status timeout ttl type uri url used valid version error errors failed path hint \
    expiration duration attempts retries rounds cost store max min tokens names last reset encoder validator \
    address host port user username region supported methods stdin fingerprint usage budget cache handler manager \
    rs java py go js ts tsx jsx rb php kt cs cpp c h yml yaml json xml toml txt md sh sql log conf html css scala swift";
/// Words that make a name harmless wherever they stand: `public_key`, `max_password_length`.
const HARMLESS_ANYWHERE: &str = "\
    public";

/// The words of a constant list.
fn set(list: &'static str) -> HashSet<&'static str> {
    list.split_ascii_whitespace().collect()
}

static SECRETS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| set(SECRET_WORDS));
static PAIRS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| set(SECRET_PAIRS));
static ENDS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| set(HARMLESS_ENDS));

/// Whether a value of this name is secret whatever it looks like.
pub(super) fn is_secret(name: &str) -> bool {
    // Most names have none of the letters that the secret ones begin with; the rest is looked up.
    if name.is_ascii() && name.len() <= 64 {
        let mut buffer = [0_u8; 128];
        let length = spaced(name.as_bytes(), &mut buffer);
        let Ok(text) = std::str::from_utf8(&buffer[..length]) else { return false };
        let mut words = [""; 64];
        let mut count = 0;
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            words[count] = word;
            count += 1;
        }
        return secret_words(&words[..count]);
    }
    let words = words(name);
    secret_words(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

/// An ASCII name in lower case with a blank between its words; gives its length.
fn spaced(name: &[u8], buffer: &mut [u8; 128]) -> usize {
    let mut length = 0;
    let mut before = b'_';
    for (place, byte) in name.iter().enumerate() {
        if byte.is_ascii_alphanumeric() {
            let next = name.get(place + 1);
            let hump = byte.is_ascii_uppercase()
                && (before.is_ascii_lowercase()
                    || (before.is_ascii_uppercase() && next.is_some_and(u8::is_ascii_lowercase)));
            if hump {
                buffer[length] = b' ';
                length += 1;
            }
            buffer[length] = byte.to_ascii_lowercase();
        } else {
            buffer[length] = b' ';
        }
        length += 1;
        before = *byte;
    }
    length
}

/// The last word of a name, in lower case.
pub(super) fn last_word(name: &str) -> String {
    words(name).pop().unwrap_or_default()
}

/// Whether the name is that of a password or key itself: then a plain word may well be the secret.
pub(super) fn is_strong(name: &str) -> bool {
    let words = words(name);
    words.iter().any(|word| {
        lists(
            "password passwd pwd passphrase passcode secret clientsecret apikey privatekey passwords pin credentials passwort kennwort \
             contraseña senha hasło wachtwoord пароль passe clave pw pass phrase cvc cvv cvc2 cvv2 csc otp userpassword requirepass パスワード 密码",
            word,
        )
    }) || words.windows(2).any(|pair| pair[1] == "key")
}

/// `pgpassword`, `dbpasswd`, `oauthtoken`: written together.
fn ends_secretly(word: &str) -> bool {
    word.len() > 6
        && ["password", "passwd", "passphrase", "secret", "token", "apikey", "passwort"]
            .iter()
            .any(|it| word.ends_with(it))
}

fn secret_words(words: &[&str]) -> bool {
    let Some(last) = words.last() else { return false };
    let secret = words.iter().any(|word| SECRETS.contains(word) || ends_secretly(word))
        || words.windows(2).any(|pair| {
            let mut joined = [0_u8; 64];
            let length = pair[0].len() + 1 + pair[1].len();
            if length > joined.len() {
                return false;
            }
            joined[..pair[0].len()].copy_from_slice(pair[0].as_bytes());
            joined[pair[0].len()] = b'_';
            joined[pair[0].len() + 1..length].copy_from_slice(pair[1].as_bytes());
            std::str::from_utf8(&joined[..length]).is_ok_and(|joined| PAIRS.contains(joined))
        });
    if !secret
        || (words.len() > 1 && ENDS.contains(last))
        || words.iter().any(|word| lists(HARMLESS_ANYWHERE, word))
    {
        return false;
    }
    // An id of a key or a token is its name, that of a session is the session.
    *last != "id"
        || words.iter().any(|word| matches!(*word, "session" | "sess" | "sessionid" | "tax" | "private"))
}

/// A name as lower-case words: `X-Api-Key`, `apiKey`, `API_KEY` and `api.key` are all `api key`.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let mut before = '_';
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_alphanumeric() {
            let hump = c.is_uppercase()
                && (before.is_lowercase()
                    || (before.is_uppercase() && chars.peek().is_some_and(|next| next.is_lowercase())));
            if hump {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.extend(c.to_lowercase());
            }
        } else {
            words.push(String::new());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// What programs and people write after a secret's name that is not the secret.
const PLAIN_WORDS: &str = "\
    absent accepted bearer basic denied empty enabled disabled env false filtered forwarded failed \
    hidden invalid is n/a nil no none not null ok optional present redacted rejected required revoked \
    rotated set sent true verified unverified good bad checked undefined unknown unset valid was wrong yes service dependency the a and or \
    for from in has had does at to by of on with be been being it its this that these those an any all some who which what when where \
    must should shall can cannot could may might will would do did are were have only also still now never always here there \
    missing expired expires expiring incorrect mismatch mismatched malformed blank correct same different new old ready protected \
    stored saved changed reset updated generated created deleted removed lost leaked found provided supplied given needed used unused \
    reused strong weak short long too very so like as if but than then your our my his her their user users admin login logout sign \
    error errors authentication authorization authenticated failure success successful successfully ended started active inactive \
    auth token tokens key keys secret secrets password passwords header headers cookie cookies session sessions cert certificate \
    type string number object array boolean integer int bool text bytes char varchar optional<string> (none) (empty) (hidden) \
    (redacted) [redacted] [filtered] [hidden] [masked] masked <redacted> <hidden> <none> redacted> placeholder changeme! \
    rotation rotate rotating policy policies quota limit limits exceeded count length format store stores storage provider \
    chain consent banner reset-link e-mail email mail field fields value values name names id ids query param parameter body \
    [boolean] lax strict http https yes: no: today tomorrow yesterday refresh refreshing refreshed lookup cache cached hit miss \
    operational degraded maintenance healthy unhealthy opaque internal external public pending";

/// Words that are no secret even behind a secret name: our own vocabulary, and what programs write for "there is none".
pub(super) fn is_plain_word(value: &str) -> bool {
    static OURS: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
        let outcomes = Outcome::ALL.iter().map(|outcome| outcome.id());
        let answers = QuestionId::ALL.into_iter().flat_map(|question| question.answers().iter().copied());

        outcomes.chain(answers).chain(PLAIN_WORDS.split_ascii_whitespace()).collect()
    });
    OURS.contains(value.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_words_in_every_spelling() {
        for name in ["X-Api-Key", "xApiKey", "X_API_KEY", "x.api.key", "XApiKey"] {
            assert_eq!(words(name), ["x", "api", "key"], "{name}");
        }
        assert_eq!(words("HTTPStatus"), ["http", "status"]);
    }

    #[test]
    fn secret_names_are_known_in_every_spelling() {
        for name in [
            "password",
            "DB_PASSWORD",
            "clientSecret",
            "x-api-key",
            "session_id",
            "AccountKey",
            "Authorization",
            "csrf-token",
            "AWS_SECRET_ACCESS_KEY",
            "card_number",
        ] {
            assert!(is_secret(name), "{name}");
            assert_eq!(field(name), Showing::Shape, "{name}");
        }
    }

    #[test]
    fn names_about_secrets_are_not_secret() {
        for name in [
            "token_type",
            "password_file",
            "token_state",
            "session_count",
            "key_id",
            "tokens",
            "author",
            "monkey",
            "passed",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn what_tells_who_answered_is_shown() {
        for name in [
            "Server",
            "via",
            "Retry-After",
            "X-RateLimit-Remaining",
            "cf-ray",
            "Proxy-Status",
            "WWW-Authenticate",
        ] {
            assert_eq!(header(name), Showing::Value, "{name}");
        }
        for name in ["Authorization", "Cookie", "X-Api-Key", "X-Forwarded-For", "X-Customer"] {
            assert_eq!(header(name), Showing::Shape, "{name}");
        }
        assert_eq!(header("Location"), Showing::Url);
        assert_eq!(field("http_status"), Showing::Value);
        assert_eq!(field("statusCode"), Showing::Value);
        assert_eq!(field("pageUrl"), Showing::Url);
        assert_eq!(field("nickname"), Showing::Shape);
        assert_eq!(field("user_name"), Showing::Shape);
    }
}
