//! Amazon SNS: messages are verified, and subscriptions to our own topics confirmed.
//!
//! Certificates are fetched under the egress policy, kept, and asked for anew when they stop being valid.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use crate::alert::sns::{Kind, Message};
use crate::app::App;
use crate::checks::fetch;
use crate::clock;

/// Time for a certificate to come: SNS waits 15 s for our answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes of a certificate or of the answer to a confirmation.
const MOST_BYTES: usize = 64 * 1024;

/// Certificates that are kept: SNS has one or two per region.
const MOST_CERTIFICATES: usize = 64;

/// Certificates by where they are.
pub(super) type Certificates = Mutex<BTreeMap<Url, Arc<Vec<u8>>>>;

/// Why a message of SNS is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnsRefused {
    /// It is not from one of our topics, or somebody else signed it.
    Forged(String),
    /// Its certificate cannot be had now: SNS should send it again.
    NotNow(String),
}

impl App {
    /// Verifies a message of one of these topics; a handshake is performed and told of, anything else is left to its mapping.
    ///
    /// # Errors
    /// [`SnsRefused`].
    pub async fn take_sns(
        self: &Arc<Self>,
        body: &Value,
        topics: &[String],
    ) -> Result<Option<&'static str>, SnsRefused> {
        let forged = |refused: crate::alert::sns::Refused| SnsRefused::Forged(refused.0);
        let message = Message::read(body, topics).map_err(forged)?;
        let now = clock::now();
        message.is_fresh(now).map_err(forged)?;
        let certificate = self.sns_certificate(&message.certificate).await.map_err(SnsRefused::NotNow)?;
        if let Err(refused) = message.verify(&certificate, now) {
            // Perhaps it was replaced under its name: the next message asks again.
            self.doors
                .certificates
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&message.certificate);
            return Err(forged(refused));
        }
        Ok(match (message.kind, message.subscribe) {
            (Kind::SubscriptionConfirmation, Some(url)) => {
                self.confirm(message.topic, url);
                Some("the subscription is being confirmed")
            }
            (Kind::UnsubscribeConfirmation, _) => {
                tracing::warn!(
                    topic = message.topic,
                    "somebody ended the subscription to a topic; nothing comes from it any more"
                );
                Some("noted")
            }
            _ => None,
        })
    }

    async fn sns_certificate(&self, url: &Url) -> Result<Arc<Vec<u8>>, String> {
        let known = self.doors.certificates.lock().unwrap_or_else(PoisonError::into_inner).get(url).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let fetched =
            fetch::without_redirects(&self.environment, url, MOST_BYTES, Instant::now() + PATIENCE).await;
        let document = fetched.map_err(|error| format!("the certificate of SNS at {url}: {error}"))?;
        if document.status != 200 {
            return Err(format!("the certificate of SNS at {url}: status {}", document.status));
        }
        let certificate = Arc::new(document.bytes);
        let mut certificates = self.doors.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        if certificates.len() >= MOST_CERTIFICATES {
            certificates.clear();
        }
        certificates.insert(url.clone(), Arc::clone(&certificate));
        Ok(certificate)
    }

    /// Confirms a subscription, once and beside the answer. The URL is a credential: it is not logged.
    fn confirm(self: &Arc<Self>, topic: String, url: Url) {
        let app = Arc::clone(self);
        tokio::spawn(async move {
            let fetched =
                fetch::without_redirects(&app.environment, &url, MOST_BYTES, Instant::now() + PATIENCE).await;
            match fetched {
                Ok(document) if document.status == 200 => {
                    tracing::info!(topic, "the subscription to a topic is confirmed");
                }
                Ok(document) => {
                    tracing::error!(topic, status = document.status, "a subscription was not confirmed");
                }
                Err(error) => tracing::error!(topic, %error, "a subscription was not confirmed"),
            }
        });
    }
}
