//! A small world of real, really faulty endpoints on loopback: what `firstcheck drill` triages, and what the tests check against.
//!
//! Nothing here knows the bot. A [`World`] starts its servers in a [`Town`] (a certificate authority, a name server, a folder) and
//! hands out what a monitoring system and a configuration would say: an alert, a service profile, and what a person on call
//! would answer. The faults are real: the expired certificate is expired, the dangling alias dangles.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::bucket::Bucket;
use crate::profile::ServiceProfile;
use crate::question::QuestionId;

pub mod client;
pub mod gateway;
pub mod http_server;
pub mod identity;
pub mod name_server;
pub mod pki;
pub mod release_record;
pub mod tls_server;
pub mod town;
pub mod vendor;
mod world;

pub use town::Town;
pub use world::WORLDS;

/// A world that can be started.
pub struct World {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line for the menu.
    pub title: &'static str,
    /// The bucket of its cause: what triage must conclude.
    pub bucket: Bucket,
    /// Starts its servers.
    build: for<'a> fn(&'a mut Town) -> BoxFuture<'a, io::Result<Scene>>,
}

/// What the outside sees of a started world.
pub struct Scene {
    /// What the monitoring system says.
    pub alert: AlertText,
    /// What the configuration says of the service.
    pub profile: ServiceProfile,
    /// What the person on call would answer.
    pub answers: BTreeMap<QuestionId, String>,
    /// The environment variables that the profile names.
    pub secrets: BTreeMap<String, String>,
}

/// The words of an alert.
pub struct AlertText {
    /// `alertname`.
    pub name: &'static str,
    /// The `summary` annotation.
    pub summary: String,
    /// The `description` annotation.
    pub description: String,
    /// The `url` label.
    pub url: String,
}

/// A world that runs; its servers stop when it is dropped.
pub struct Running {
    world: &'static World,
    town: Town,
    scene: Scene,
}

impl World {
    /// The world of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        WORLDS.iter().find(|world| world.name == name)
    }

    /// Starts the world; its files (API description, release record, …) go into `folder`.
    ///
    /// # Errors
    /// When a port cannot be opened or a file cannot be written.
    pub async fn start(&'static self, folder: &Path, now: Timestamp) -> io::Result<Running> {
        let mut town = Town::open(folder, now).await?;
        let scene = (self.build)(&mut town).await?;
        Ok(Running { world: self, town, scene })
    }
}

impl Running {
    /// The world.
    #[must_use]
    pub fn world(&self) -> &'static World {
        self.world
    }

    /// What the outside sees.
    #[must_use]
    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    /// The world's name server.
    #[must_use]
    pub fn resolver(&self) -> SocketAddr {
        self.town.resolver()
    }

    /// The world's certificate authority.
    #[must_use]
    pub fn authority_pem(&self) -> String {
        self.town.authority_pem()
    }

    /// The body that Alertmanager would send: one firing alert that began three minutes ago.
    #[must_use]
    pub fn webhook(&self, now: Timestamp) -> Value {
        let AlertText { name, summary, description, url } = &self.scene.alert;
        let labels = json!({
            "alertname": name, "service": self.scene.profile.name, "severity": "critical", "url": url, "environment": "drill",
        });
        let annotations = json!({"summary": summary, "description": description});
        let started = now - SignedDuration::from_mins(3);
        json!({
            "receiver": "firstcheck", "status": "firing", "version": "4", "truncatedAlerts": 0,
            "groupKey": format!("{{}}:{{alertname=\"{name}\"}}"),
            "externalURL": "http://alertmanager.drill.test",
            "groupLabels": {"alertname": name}, "commonLabels": labels, "commonAnnotations": annotations,
            "alerts": [{
                "status": "firing", "labels": labels, "annotations": annotations,
                "startsAt": started.to_string(), "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://prometheus.drill.test/graph",
                "fingerprint": fingerprint(name, url),
            }],
        })
    }
}

/// Sixteen hexadecimal digits, as Alertmanager's: FNV-1a over the labels that tell the alert from others.
fn fingerprint(name: &str, url: &str) -> String {
    let hash = name.bytes().chain(url.bytes()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
