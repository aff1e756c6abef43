//! The drill's worlds are really as faulty as their alerts say: each is started, and asked as a caller would ask.

use std::path::PathBuf;

use firstcheck::clock;
use firstcheck::drill::client::Client;
use firstcheck::drill::{Running, WORLDS, World};

/// A folder of this test alone, removed when it is dropped.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    /// A fresh folder whose name holds this word.
    pub(crate) fn new(word: &str) -> Self {
        let path = std::env::temp_dir().join(format!("firstcheck-{word}-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

async fn started(name: &str, folder: &Folder) -> (Running, Client) {
    let world = World::find(name).unwrap();
    let running = world.start(&folder.0, clock::now()).await.unwrap();
    let client = Client::new(running.resolver(), &running.authority_pem()).unwrap();
    (running, client)
}

/// Gets the world's endpoint as a caller without credentials would.
#[track_caller]
fn check(name: &'static str, status: u16) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = Folder::new(name);
        let (running, client) = started(name, &folder).await;
        let url = running.scene().profile.url.clone().unwrap();
        let answer = client.get(&url).await.unwrap();
        assert_eq!(answer.status.as_u16(), status, "{name}: {}", answer.body);
        let text = running.webhook(clock::now()).to_string();
        assert!(text.contains(&status.to_string()), "the alert says {status}: {text}");
    });
}

#[test]
fn the_gateway_answers_502_for_an_expired_certificate() {
    check("expired-certificate", 502);
}

#[test]
fn the_application_answers_500_for_a_dangling_alias() {
    check("dangling-cname", 500);
}

#[test]
fn the_application_answers_500_for_a_vendors_429() {
    check("vendor-throttles-us", 500);
}

#[test]
fn the_gateway_answers_504_before_the_backend_is_done() {
    check("gateway-gives-up-first", 504);
}

#[test]
fn the_application_answers_401_without_a_good_token() {
    check("wrong-audience", 401);
    check("stripped-authorization", 401);
}

#[test]
fn the_application_answers_503_while_the_vendor_is_down() {
    check("vendor-outage", 503);
}

#[test]
fn the_new_release_answers_500() {
    check("bad-deploy", 500);
}

#[test]
fn the_gateway_answers_429_while_the_job_polls() {
    check("retry-storm", 429);
}

#[tokio::test]
async fn worlds_that_fail_on_writes_answer_reads() {
    for name in ["content-type-changed", "poison-input"] {
        let folder = Folder::new(name);
        let (running, client) = started(name, &folder).await;
        let answer = client.get(&running.scene().profile.url.clone().unwrap()).await.unwrap();
        assert_eq!(answer.status, 200, "{name}");
    }
}

#[test]
fn every_world_has_its_own_name_and_title() {
    let names: std::collections::BTreeSet<_> = WORLDS.iter().map(|world| world.name).collect();
    let titles: std::collections::BTreeSet<_> = WORLDS.iter().map(|world| world.title).collect();
    assert_eq!((names.len(), titles.len()), (WORLDS.len(), WORLDS.len()));
    assert!(WORLDS.len() >= 10);
}
