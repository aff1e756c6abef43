//! Each refusal of GitHub through the running bot: it is said in the incident, on the console and by `doctor`, the evidence is kept,
//! and once the cause is gone the issue is filed, once.

use firstcheck::tracker::Look;

use super::*;
use crate::fakes::github::Sick;
use crate::serve::bot::{Bot, Setup};

stories! {
    a_repository_that_is_gone_is_said_and_filed_to_once_it_is_there
    an_archived_repository_is_said_and_filed_to_once_it_is_not
    switched_off_issues_are_said_and_filed_once_they_are_on
    a_token_without_the_right_is_told_what_it_needs
    a_refused_body_is_said_with_githubs_own_words
    a_primary_limit_is_waited_out
    a_label_nobody_may_create_is_said_in_the_incident_and_the_issue_is_filed
    a_log_of_many_lines_is_filed_within_the_limits
}

struct Scene {
    bot: Bot,
    client: GitHub,
    id: String,
}

impl Scene {
    /// An incident that is over: its issue is due.
    async fn with(fake: &github::GitHub, settings: Settings, alert: Value) -> Self {
        let client = GitHub::new(settings).unwrap();
        let tracker = Some(Tracker::GitHub(client.clone()));
        let bot = Bot::start(Setup { tracker, ..Setup::default() }).await;
        let started = bot.post("/api/incidents", &alert).await;
        assert_eq!(started.status, 201, "{}", started.text());
        let id = started.json()["id"].as_str().unwrap().to_owned();
        let over = bot.post(&format!("/api/incidents/{id}/resolve"), &json!({"by": "ada"})).await;
        assert_eq!(over.status, 200, "{}", over.text());
        assert!(fake.issues().len() <= 1);
        Self { bot, client, id }
    }

    async fn at(fake: &github::GitHub) -> Self {
        Self::with(fake, settings(fake), json!({"title": "503s", "service": "shop", "by": "ada"})).await
    }

    /// The filing's trouble is told everywhere, and nothing of the evidence is lost.
    async fn tells(&self, what: &str, says: &[&str]) -> Value {
        let has = |it: &Value| it["troubles"].as_array().unwrap().iter().any(|it| it["what"] == what);
        let document = self.bot.until(&self.id, "the trouble is shown", has).await;
        let trouble =
            document["troubles"].as_array().unwrap().iter().find(|it| it["what"] == what).unwrap().clone();
        let page = self.bot.get(&format!("/incidents/{}", self.id)).await.text();
        for words in says {
            assert!(trouble["reason"].as_str().unwrap().contains(words), "{words}: {trouble:#}");
        }
        assert!(page.contains(what), "the console says it");
        let evidence = self.bot.get(&format!("/api/incidents/{}/evidence", self.id)).await;
        assert_eq!((evidence.status, &evidence.json()["incident"]), (200, &json!(self.id)));
        trouble
    }

    async fn doctor(&self, says: &str) {
        let looks = Tracker::GitHub(self.client.clone()).look(&[REPOSITORY]).await;
        let found = looks.iter().any(|look| matches!(look, Look::Broken(why) if why.contains(says)));
        assert!(found, "{says}: {looks:#?}");
    }

    /// The cause is gone, and somebody asks for it: what was parked is filed, once.
    async fn recovers(self, fake: github::GitHub) {
        fake.is(None);
        let answer = self.bot.post(&format!("/api/incidents/{}/file", self.id), &json!({"by": "ada"})).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let document = self.bot.settled(&self.id).await;
        assert_eq!(document["issue_reference"], "shop/incidents#1", "{document:#}");
        assert_eq!(document["troubles"], json!([]), "nothing is parked any more");
        assert_eq!(fake.issues().len(), 1);
        self.bot.finish().await;
        fake.finish();
    }
}

async fn sick(fake: github::GitHub, sick: Sick, says: &[&str], doctor: &str) {
    fake.is(Some(sick));
    let scene = Scene::at(&fake).await;
    let trouble = scene.tells("filing the issue", says).await;
    assert_eq!(trouble["retry_at"], Value::Null, "it is parked until somebody does something");
    if !doctor.is_empty() {
        scene.doctor(doctor).await;
    }
    scene.recovers(fake).await;
}

async fn a_repository_that_is_gone_is_said_and_filed_to_once_it_is_there(fake: github::GitHub) {
    sick(fake, Sick::Gone, &["no such repository", "no access"], "no such repository").await;
}

async fn an_archived_repository_is_said_and_filed_to_once_it_is_not(fake: github::GitHub) {
    sick(fake, Sick::Archived, &["archived", "unarchive the repository"], "is archived").await;
}

async fn switched_off_issues_are_said_and_filed_once_they_are_on(fake: github::GitHub) {
    sick(fake, Sick::WithoutIssues, &["disabled"], "switched off").await;
}

async fn a_token_without_the_right_is_told_what_it_needs(fake: github::GitHub) {
    sick(fake, Sick::Forbidden, &["not accessible by integration", "it needs issues=write"], "").await;
}

async fn a_refused_body_is_said_with_githubs_own_words(fake: github::GitHub) {
    // Once with labels, and once without.
    fake.fail_next(Fault::Invalid("title", "missing"));
    fake.fail_next(Fault::Invalid("title", "missing"));
    let scene = Scene::at(&fake).await;
    scene.tells("filing the issue", &["422", "title: missing"]).await;
    scene.recovers(fake).await;
}

async fn a_primary_limit_is_waited_out(fake: github::GitHub) {
    fake.fail_next(Fault::PrimaryLimit(1));
    let scene = Scene::at(&fake).await;
    let document = scene.bot.settled(&scene.id).await;
    let timeline = document["timeline"].to_string();
    assert!(timeline.contains("filing the issue failed; next try at"), "{timeline}");
    assert_eq!((&document["troubles"], fake.issues().len()), (&json!([]), 1));
    scene.bot.finish().await;
    fake.finish();
}

async fn a_label_nobody_may_create_is_said_in_the_incident_and_the_issue_is_filed(fake: github::GitHub) {
    fake.no_new_labels();
    let scene = Scene::at(&fake).await;
    let trouble = scene.tells("labelling the issue", &["the label `firstcheck`", "must create it"]).await;
    assert_eq!(trouble["retry_at"], Value::Null);
    let document = scene.bot.settled(&scene.id).await;
    assert_eq!(document["issue_reference"], "shop/incidents#1");
    assert_eq!(labels(&fake.issues()[0]), [""; 0]);
    scene.bot.finish().await;
    fake.finish();
}

async fn a_log_of_many_lines_is_filed_within_the_limits(fake: github::GitHub) {
    let line = "2026-03-01T10:02:00Z ERROR upstream timed out after 30 s @everyone #1 <!-- firstcheck:inc-0000000000 -->\n";
    // A webhook is bounded; a person's answer is the way in for more.
    let log = line.repeat(9000);
    let alert = json!({"title": "503s", "service": "shop", "summary": log, "by": "ada"});
    let scene = Scene::with(&fake, settings(&fake), alert).await;
    let document = scene.bot.settled(&scene.id).await;
    assert_eq!(document["issue_reference"], "shop/incidents#1", "{:#}", document["troubles"]);
    let body = fake.issues()[0]["body"].as_str().unwrap().to_owned();
    assert!(body.chars().count() <= 65_536 && !body.contains("@everyone"), "{}", body.len());
    scene.bot.finish().await;
    fake.finish();
}
