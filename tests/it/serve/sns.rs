//! Amazon SNS from end to end: a region's server on loopback, under its real name and on its real port, whose certificates the bot fetches.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::{Command, Stdio};

use axum::body::Bytes;
use axum::http::Request;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use firstcheck::alert::Source;
use firstcheck::app::Filter;
use firstcheck::drill::http_server::{HttpServer, Reply};
use firstcheck::drill::name_server::{NameServer, Zone};
use firstcheck::drill::pki::{Authority, Validity};
use firstcheck::drill::tls_server::server_config;
use firstcheck::server::{Credentials, Doors};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::bot::{Bot, Setup};
use crate::worlds::Folder;

const HOST: &str = "sns.eu-west-1.amazonaws.com";
const OURS: &str = "arn:aws:sns:eu-west-1:111122223333:oncall";

/// An address of this story alone: the port is not for us to choose.
const AT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(127, 83, 78, 83), 443);

/// A key that signs messages, in a file: ring signs nothing with SHA-1, and openssl does.
struct Signer(Folder);

impl Signer {
    fn new() -> Self {
        let folder = Folder::new("sns");
        let made = Command::new("openssl")
            .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "key.pem"])
            .current_dir(&folder.0)
            .output();
        assert!(made.unwrap().status.success());
        Self(folder)
    }

    /// A certificate of its key, good from so many hours after now to so many.
    fn certificate(&self, from: i64, to: i64) -> String {
        let key = std::fs::read_to_string(self.0.0.join("key.pem")).unwrap();
        let key = rcgen::KeyPair::from_pem(&key).unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["sns.amazonaws.com".to_owned()]).unwrap();
        let now = firstcheck::clock::now().as_second();
        let moment = |hours: i64| {
            let seconds = u64::try_from(now + hours * 3600).unwrap();
            std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds)
        };
        (params.not_before, params.not_after) = (moment(from).into(), moment(to).into());
        params.self_signed(&key).unwrap().pem()
    }

    /// The message with its signature: the named keys and their values, a line each (SNS developer guide, *Verifying the signatures*).
    fn sign(&self, mut message: Value, version: &str) -> Value {
        let keys: &[&str] = if message["Type"] == "Notification" {
            &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
        } else {
            &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        };
        let lines = keys.iter().filter_map(|key| Some([*key, "\n", message[*key].as_str()?, "\n"].concat()));
        let text = lines.collect::<Vec<_>>().concat();
        let digest = if version == "1" { "-sha1" } else { "-sha256" };
        let mut openssl = Command::new("openssl")
            .args(["dgst", digest, "-sign", "key.pem"])
            .current_dir(&self.0.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        openssl.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let signed = openssl.wait_with_output().unwrap();
        assert!(signed.status.success());
        message["SignatureVersion"] = version.into();
        message["Signature"] = BASE64_STANDARD.encode(signed.stdout).into();
        message
    }
}

fn notification(id: &str, alarm: &str, certificate: &str) -> Value {
    let now = firstcheck::clock::now().to_string();
    let alarm = json!({"AlarmName": alarm, "NewStateValue": "ALARM", "NewStateReason": "Threshold Crossed", "StateChangeTime": now,
        "Region": "EU (Ireland)", "AWSAccountId": "111122223333", "AlarmArn": format!("arn:aws:cloudwatch:eu-west-1:111122223333:alarm:{alarm}"),
        "Trigger": {"MetricName": "5XXError", "Namespace": "AWS/ApiGateway", "Dimensions": [{"name": "ApiName", "value": alarm}]}});
    json!({"Type": "Notification", "MessageId": id, "Subject": "ALARM", "TopicArn": OURS, "Message": alarm.to_string(), "Timestamp": now,
        "SigningCertURL": certificate})
}

#[tokio::test]
#[ignore = "needs root, for port 443, and openssl"]
async fn signed_messages_are_taken_end_to_end_and_what_is_forged_is_refused() {
    let (signer, stranger) = (Signer::new(), Signer::new());
    let authority = Authority::new("Amazon's");
    let identity = authority.issue(&[HOST], Validity::ordinary(firstcheck::clock::now()));
    let pages = [
        ("/good.pem", signer.certificate(-1, 24)),
        ("/expired.pem", signer.certificate(-48, -24)),
        ("/early.pem", signer.certificate(24, 48)),
        ("/foreign.pem", stranger.certificate(-1, 24)),
        ("/", "<ConfirmSubscriptionResponse/>".to_owned()),
    ];
    let server = HttpServer::start(
        AT.into(),
        Some(server_config(&identity, rustls::DEFAULT_VERSIONS, None).unwrap()),
        std::sync::Arc::new(move |request: Request<Bytes>| -> BoxFuture<'static, Reply> {
            let page = pages.iter().find(|(path, _)| *path == request.uri().path());
            let reply = page.map_or_else(|| Reply::empty(404), |(_, text)| Reply::text(200, text));
            Box::pin(async move { reply })
        }),
    )
    .await
    .unwrap();
    let zone = Zone::new("amazonaws.com").a("sns.eu-west-1", *AT.ip());
    let names = NameServer::start(vec![zone]).await.unwrap();
    let doors = Doors::open();
    let credentials = Credentials { topics: vec![OURS.to_owned()], ..Credentials::default() };
    doors.sources.insert(Source::named("aws_sns").unwrap(), credentials);
    let (resolvers, authority) = (vec![names.addr()], Some(authority.pem()));
    let bot = Bot::start(Setup { doors, resolvers, authority, ..Setup::default() }).await;
    let at = |path: &str| format!("https://{HOST}{path}");
    let asked = || {
        server.requests().iter().map(|it| it.uri.path_and_query().unwrap().to_string()).collect::<Vec<_>>()
    };

    // A subscription is confirmed, and its confirmation is fetched.
    let subscribe = at("/?Action=ConfirmSubscription&Token=t0ken");
    let wanted = json!({"Type": "SubscriptionConfirmation", "MessageId": "c1", "TopicArn": OURS, "Token": "t0ken", "SubscribeURL": subscribe,
        "Message": "You have chosen to subscribe", "Timestamp": firstcheck::clock::now().to_string(), "SigningCertURL": at("/good.pem")});
    let confirmed = bot.post("/alerts/aws_sns", &signer.sign(wanted.clone(), "1")).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text());
    server.received(2).await;
    assert_eq!(asked(), ["/good.pem", "/?Action=ConfirmSubscription&Token=t0ken"]);

    // Both ways of signing, with the certificate that is known already.
    for version in ["1", "2"] {
        let message = notification(version, &format!("signed-{version}"), &at("/good.pem"));
        let taken = bot.post("/alerts/aws_sns", &signer.sign(message.clone(), version)).await;
        assert_eq!((taken.status, taken.json()["incidents"].as_array().unwrap().len()), (202, 1));
        let again = bot.post("/alerts/aws_sns", &signer.sign(message, version)).await;
        assert_eq!((again.status, again.json()), (202, taken.json()), "the same message again");
    }
    assert_eq!(bot.app.incidents(Filter::All, 10).await.unwrap().len(), 2);
    assert_eq!(asked().len(), 2, "the certificate is fetched once");

    // What is not as it was signed, or by whom, or under which certificate.
    let written = |id: &str, certificate: &str, version: &str| {
        signer.sign(notification(id, "forged", &at(certificate)), version)
    };
    let with = |mut message: Value, key: &str, value: Value| {
        message[key] = value;
        message
    };
    let elsewhere = signer
        .sign(notification("f", "forged", "https://sns.eu-west-1.amazonaws.com.evil.test/good.pem"), "2");
    let forged = [
        ("another text", with(written("a", "/good.pem", "2"), "Message", "{}".into())),
        ("another version", with(written("b", "/good.pem", "1"), "SignatureVersion", "2".into())),
        ("a signature of nothing", with(written("c", "/good.pem", "2"), "Signature", "eA==".into())),
        ("an expired certificate", written("d", "/expired.pem", "2")),
        ("a certificate of tomorrow", written("e", "/early.pem", "1")),
        ("somebody else's certificate", written("f", "/foreign.pem", "2")),
        ("another host", elsewhere),
        (
            "another place to confirm",
            signer.sign(with(wanted, "SubscribeURL", "https://evil.test/".into()), "2"),
        ),
    ];
    for (what, message) in forged {
        let refused = bot.post("/alerts/aws_sns", &message).await;
        assert_eq!(refused.status, 401, "{what}: {}", refused.text());
    }
    let lacking = bot.post("/alerts/aws_sns", &written("g", "/none.pem", "2")).await;
    assert_eq!(
        (lacking.status, lacking.header("retry-after").is_some()),
        (503, true),
        "it may be there later"
    );
    assert_eq!(bot.app.incidents(Filter::All, 10).await.unwrap().len(), 2, "nothing of it has an effect");
    let confirmations = asked().into_iter().filter(|path| path.starts_with("/?")).count();
    assert_eq!(confirmations, 1, "and nothing else was confirmed");
    bot.finish().await;
}
