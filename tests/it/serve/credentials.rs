//! Who is let in: signatures, tokens and topics, right and wrong.

use firstcheck::alert::Source;
use firstcheck::app::Filter;
use firstcheck::server::{Credentials, Doors};
use hmac::{Hmac, Mac as _};
use serde_json::json;
use sha2::Sha256;

use super::bot::{Bot, Setup};

fn hex(secret: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
    format!("{:x}", mac.finalize().into_bytes())
}

async fn guarded(source: &str, credentials: Credentials) -> Bot {
    let doors = Doors::open();
    doors.sources.insert(Source::named(source).unwrap(), credentials);
    Bot::start(Setup { doors, ..Setup::default() }).await
}

fn secrets(all: &[&str]) -> Credentials {
    Credentials { secrets: all.iter().map(|it| (*it).to_owned()).collect(), ..Credentials::default() }
}

const PUSH: &str = r#"{"deployment_status":{"state":"failure","id":1,"created_at":"2026-10-01T08:00:00Z"},"deployment":{"id":2,"environment":"production"},"repository":{"full_name":"acme/shop"}}"#;

#[tokio::test]
async fn a_signed_delivery_is_taken_under_either_secret_and_a_forged_one_has_no_effect() {
    let bot = guarded("github", secrets(&["new", "old"])).await;
    let send = async |signature: Option<String>, body: &str| {
        let signature = signature.unwrap_or_default();
        let mut headers = vec![("x-github-event", "deployment_status")];
        if !signature.is_empty() {
            headers.push(("x-hub-signature-256", signature.as_str()));
        }
        bot.send("POST", "/alerts/github", &headers, body).await
    };
    let missing = send(None, PUSH).await;
    let wrong = send(Some(format!("sha256={}", hex("other", PUSH))), PUSH).await;
    let bent = send(Some(format!("sha256={}", hex("new", PUSH))), &PUSH.replace("shop", "mall")).await;
    assert_eq!((missing.status, wrong.status, bent.status), (401, 401, 401));
    assert_eq!(missing.text(), wrong.text(), "what was wrong is not told");
    assert_eq!(bot.app.incidents(Filter::All, 10).await.unwrap().len(), 0);
    assert_eq!(
        bot.get("/api/deliveries").await.json()["deliveries"],
        json!([]),
        "nothing of a stranger's is kept"
    );
    for secret in ["new", "old"] {
        let taken = send(Some(format!("sha256={}", hex(secret, PUSH))), PUSH).await;
        assert_eq!(taken.status, 202, "{secret}: {}", taken.text());
    }
    assert_eq!(bot.app.incidents(Filter::All, 10).await.unwrap().len(), 1);
    let listed = bot.get("/api/sources").await.json();
    let github = listed["sources"].as_array().unwrap().iter().find(|it| it["source"] == "github").unwrap();
    assert_eq!(github["authentication"], json!(["signature"]));
    assert_eq!((&github["counts"]["unauthorized"], &github["counts"]["accepted"]), (&json!(3), &json!(2)));
    let metrics = bot.get("/metrics").await.text();
    assert!(metrics.contains("firstcheck_deliveries_unauthorized_total{source=\"github\"} 3"), "{metrics}");
    let changes = bot.get("/api/changes").await.json();
    assert_eq!(
        changes["changes"].as_array().unwrap().len(),
        1,
        "a deployment that fails is a change too: {changes}"
    );
    // The changes of the same sender need the same signature.
    let unsigned = bot.send("POST", "/changes", &[("x-github-event", "deployment_status")], PUSH).await;
    assert_eq!(unsigned.status, 401);
    bot.finish().await;
}

#[tokio::test]
async fn a_token_may_stand_wherever_a_sender_can_put_it() {
    let credentials = Credentials {
        tokens: vec!["s3cret".into(), "old".into()],
        header: Some("x-api-key".into()),
        ..Credentials::default()
    };
    let bot = guarded("generic", credentials).await;
    let body = "{\"title\": \"x\"}";
    for (path, headers) in [
        ("/alerts/generic/s3cret", vec![]),
        ("/alerts/generic/s3cret/", vec![]),
        ("/alerts/generic?token=s3cret", vec![]),
        ("/alerts/generic", vec![("authorization", "Bearer s3cret")]),
        ("/alerts/generic", vec![("authorization", "Basic bWU6czNjcmV0")]),
        ("/alerts/generic", vec![("x-api-key", "s3cret")]),
        ("/alerts/generic", vec![("authorization", "bearer old")]),
    ] {
        assert_eq!(bot.send("POST", path, &headers, body).await.status, 202, "{path} {headers:?}");
    }
    for (path, headers) in [
        ("/alerts/generic/s3cre", vec![]),
        ("/alerts/generic", vec![("x-api-key", "")]),
        ("/alerts/generic?token=", vec![]),
        ("/alerts/generic", vec![("authorization", "Basic czNjcmV0")]),
    ] {
        assert_eq!(bot.send("POST", path, &headers, body).await.status, 401, "{path} {headers:?}");
    }
    bot.finish().await;
}

#[tokio::test]
async fn a_shared_secret_in_a_header_is_compared() {
    let bot = guarded("cloudflare", secrets(&["shared"])).await;
    let body = json!({"name": "pool", "alert_type": "load_balancing_health_alert", "ts": 1_790_000_000, "data": {}, "text": "x"});
    let send = async |secret: &str| {
        bot.send("POST", "/alerts/cloudflare", &[("cf-webhook-auth", secret)], &body.to_string()).await.status
    };
    assert_eq!((send("shared").await, send("other").await, send("").await), (202, 401, 401));
    bot.finish().await;
}

#[tokio::test]
async fn a_message_of_a_foreign_topic_is_refused_and_one_whose_certificate_cannot_be_had_is_asked_for_again()
{
    let doors = Doors::open();
    let ours = "arn:aws:sns:eu-west-1:111122223333:oncall";
    let credentials = Credentials { topics: vec![ours.to_owned()], ..Credentials::default() };
    doors.sources.insert(Source::named("aws_sns").unwrap(), credentials);
    // Nothing may be reached: neither a certificate nor a confirmation is ever fetched in this story.
    let policy = firstcheck::egress::Policy::allowing(&["192.0.2.0/24"]).unwrap();
    let names = firstcheck::drill::name_server::NameServer::start(vec![
        firstcheck::drill::name_server::Zone::new("amazonaws.com").a("sns.eu-west-1", [127, 0, 0, 1].into()),
    ])
    .await
    .unwrap();
    let bot = Bot::start(Setup { doors, policy, resolvers: vec![names.addr()], ..Setup::default() }).await;
    let now = firstcheck::clock::now().to_string();
    let message = |topic: &str, certificate: &str| {
        json!({"Type": "Notification", "MessageId": "1", "TopicArn": topic, "Message": "x", "Timestamp": now, "SignatureVersion": "2",
            "Signature": "eA==", "SigningCertURL": certificate})
    };
    let good = "https://sns.eu-west-1.amazonaws.com/x.pem";
    let foreign = bot.post("/alerts/aws_sns", &message("arn:aws:sns:eu-west-1:9:theirs", good)).await;
    assert_eq!(foreign.status, 401, "{}", foreign.text());
    let lured = bot
        .post("/alerts/aws_sns", &message(ours, "https://sns.eu-west-1.amazonaws.com.evil.test/x.pem"))
        .await;
    assert_eq!(lured.status, 401);
    let later = bot.post("/alerts/aws_sns", &message(ours, good)).await;
    assert_eq!((later.status, later.header("retry-after").is_some()), (503, true), "{}", later.text());
    assert_eq!(bot.app.incidents(Filter::All, 10).await.unwrap().len(), 0);
    bot.finish().await;
}
