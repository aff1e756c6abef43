//! Amazon SNS: messages signed with a key whose certificate the message names.
//!
//! Anybody's topic in any account passes the signature, so the topic must be one of ours before anything is fetched; and the
//! certificate is only ever fetched from SNS's own hosts (alert sources, section 5; SNS developer guide, *Verifying the signatures of
//! Amazon SNS messages*). Pure: who calls fetches the certificate.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::{SignedDuration, Timestamp};
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaParameters,
    UnparsedPublicKey,
};
use serde_json::Value;
use url::Url;
use x509_parser::pem::parse_x509_pem;

/// How old a message may be: the longest time SNS goes on trying.
const OLDEST: SignedDuration = SignedDuration::from_hours(1);

/// Why a message is not taken. For the log: the sender learns none of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

fn refused<T>(why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused(why.into()))
}

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An alert, mostly.
    Notification,
    /// Somebody wants us to get the topic's messages.
    SubscriptionConfirmation,
    /// Somebody ended that.
    UnsubscribeConfirmation,
}

/// A message whose topic is one of ours and whose certificate may be fetched; not verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is for.
    pub kind: Kind,
    /// Its topic.
    pub topic: String,
    /// Where its certificate is: a host of SNS.
    pub certificate: Url,
    /// Where the subscription is confirmed: a host of SNS.
    pub subscribe: Option<Url>,
    signed: String,
    signature: Vec<u8>,
    is_sha1: bool,
    at: Timestamp,
}

impl Message {
    /// Reads a message of one of these topics.
    ///
    /// # Errors
    /// [`Refused`] with what is wrong with it.
    pub fn read(body: &Value, topics: &[String]) -> Result<Self, Refused> {
        let said = |name: &str| body.get(name).and_then(Value::as_str);
        let needed = |name: &str| said(name).ok_or_else(|| Refused(format!("`{name}` is missing")));
        let (kind, keys): (Kind, &[&str]) = match needed("Type")? {
            "Notification" => {
                (Kind::Notification, &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"])
            }
            word @ ("SubscriptionConfirmation" | "UnsubscribeConfirmation") => (
                if word.starts_with('S') {
                    Kind::SubscriptionConfirmation
                } else {
                    Kind::UnsubscribeConfirmation
                },
                &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"],
            ),
            other => return refused(format!("`{other}` is no type of message")),
        };
        let topic = needed("TopicArn")?.to_owned();
        if !topics.contains(&topic) {
            return refused(format!("the topic {topic} is not in `topics`"));
        }
        let certificate = said("SigningCertURL").or_else(|| said("SigningCertUrl")).unwrap_or_default();
        let certificate = amazon(certificate).filter(|url| url.path().to_ascii_lowercase().ends_with(".pem"));
        let Some(certificate) = certificate else {
            return refused("its certificate is not on a host of SNS");
        };
        let subscribe = said("SubscribeURL").and_then(amazon);
        if kind == Kind::SubscriptionConfirmation && subscribe.is_none() {
            return refused("its `SubscribeURL` is not on a host of SNS");
        }
        let is_sha1 = match needed("SignatureVersion")? {
            "1" => true,
            "2" => false,
            other => return refused(format!("signature version {other} is not known")),
        };
        let signature = BASE64_STANDARD.decode(needed("Signature")?);
        let signature = signature.map_err(|_| Refused("its signature is no Base64".to_owned()))?;
        let at = needed("Timestamp")?.parse().map_err(|_| Refused("its time cannot be read".to_owned()))?;
        let pairs = keys.iter().filter_map(|key| Some(format!("{key}\n{}\n", said(key)?)));
        Ok(Self { kind, topic, certificate, subscribe, signed: pairs.collect(), signature, is_sha1, at })
    }

    /// Whether the key of this certificate (PEM) signed it.
    ///
    /// # Errors
    /// [`Refused`] when the certificate is none or not valid now, or the signature does not fit.
    pub fn verify(&self, certificate: &[u8], now: Timestamp) -> Result<(), Refused> {
        let Ok((_, pem)) = parse_x509_pem(certificate) else { return refused("its certificate is no PEM") };
        let Ok(certificate) = pem.parse_x509() else { return refused("its certificate cannot be read") };
        let validity = certificate.validity();
        if !(validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now.as_second()) {
            return refused("its certificate is not valid now");
        }
        let how: &'static RsaParameters = if self.is_sha1 {
            &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY
        } else {
            &RSA_PKCS1_2048_8192_SHA256
        };
        let key = UnparsedPublicKey::new(how, &certificate.public_key().subject_public_key.data);
        key.verify(self.signed.as_bytes(), &self.signature)
            .map_err(|_| Refused("its signature does not fit".to_owned()))
    }

    /// Whether it is an old message sent again. Confirmations are good for days.
    ///
    /// # Errors
    /// [`Refused`] when it is.
    pub fn is_fresh(&self, now: Timestamp) -> Result<(), Refused> {
        if self.kind == Kind::Notification && now.duration_since(self.at).abs() > OLDEST {
            return refused("it is more than an hour old");
        }
        Ok(())
    }
}

/// A URL on a host of SNS, and nothing that only looks like one.
fn amazon(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_plain = url.scheme() == "https"
        && url.username().is_empty()
        && url.password().is_none()
        && url.port().is_none();
    let host = url.host_str()?;
    let host = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    let region = host.strip_prefix("sns.")?;
    let is_region = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (is_plain && !region.is_empty() && region.bytes().all(is_region)).then_some(url)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_hosts_of_sns_are_asked() {
        for good in
            ["https://sns.eu-west-1.amazonaws.com/x.pem", "https://sns.cn-north-1.amazonaws.com.cn/x.pem"]
        {
            assert!(amazon(good).is_some(), "{good}");
        }
        for bad in [
            "http://sns.eu-west-1.amazonaws.com/x.pem",
            "https://sns.eu-west-1.amazonaws.com.evil.test/x.pem",
            "https://sns.eu-west-1.amazonaws.com:8443/x.pem",
            "https://user@sns.eu-west-1.amazonaws.com/x.pem",
            "https://sns.a.b.amazonaws.com/x.pem",
            "https://sns..amazonaws.com/x.pem",
            "https://evil.test/sns.eu-west-1.amazonaws.com/x.pem",
            "https://s3.amazonaws.com/x.pem",
            "https://169.254.169.254/x.pem",
            "",
        ] {
            assert!(amazon(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_topic_is_asked_for_before_anything_else() {
        let body = json!({"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:1:theirs",
            "SigningCertURL": "https://evil.test/x.pem"});
        let error = Message::read(&body, &["arn:aws:sns:eu-west-1:1:ours".to_owned()]).unwrap_err();
        assert!(error.0.contains("not in `topics`"), "{error}");
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn the_collected_messages_are_told_from_forged_ones() {
        let file =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/payloads/signatures.json");
        let vectors: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let certificate = vectors["sns"]["certificate_pem"].as_str().unwrap().as_bytes();
        let now = "2026-12-01T00:00:00Z".parse().unwrap();
        let cases = vectors["sns"]["cases"].as_array().unwrap();
        for case in cases {
            let topics = [case["message"]["TopicArn"].as_str().unwrap_or_default().to_owned()];
            let read = Message::read(&case["message"], &topics);
            let verified = read.and_then(|message| message.verify(certificate, now));
            assert_eq!(verified.is_ok(), case["valid"].as_bool().unwrap(), "{}: {verified:?}", case["name"]);
        }
        assert!(cases.len() >= 8);
    }
}
