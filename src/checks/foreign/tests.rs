//! What people send is read, and no damage to it makes a reader panic or believe more.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::drill::pki::{Authority, Identity, Validity};

static CATALOGUES: LazyLock<Catalogues> = LazyLock::new(Catalogues::builtin);

#[test]
fn what_people_send_is_read() {
    let now = a_time();
    assert_eq!(
        rate_limit(&CATALOGUES, "HTTP/1.1 429 Too Many Requests\nRetry-After: 3\n", now),
        Some(Outcome::Limited)
    );
    assert_eq!(rate_limit(&CATALOGUES, "nothing", now), None);
    assert_eq!(token("Bearer a.b.c", None, now), Outcome::Malformed);
    assert_eq!(status_page(br#"{"status": "ok"}"#, now), Some(Outcome::Operational));
    assert_eq!(status_page(b"<html>", now), None);
    let identity = crate::drill::pki::Authority::new("Root");
    assert!(
        certificate(identity.certificate().as_ref(), now) > 0,
        "an authority's own certificate is nobody's server"
    );
    assert_eq!(certificate(b"no certificate", now), 1);
    let mut query = Message::query();
    query.add_query(hickory_proto::op::Query::query(
        "a.test.".parse().unwrap(),
        hickory_proto::rr::RecordType::A,
    ));
    assert_eq!(dns_message(&query.to_vec().unwrap()), Some(0));
    assert_eq!(dns_message(b"no message"), None);
}

const SPEC: &str = "openapi: 3.1.0\ninfo: {title: a, version: '1'}\npaths: {/orders: {post: {requestBody: {content: \
     {application/json: {schema: {type: object, properties: {sku: {type: string, pattern: '^(a+)+$'}}}}}}}}}\n";
const RECORD: &str = "{\"at\": \"2025-12-18T00:00:00Z\", \"kind\": \"deploy\", \"what\": \"orders 2\", \"service\": \"orders\"}\n";
const MATRIX: &str = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"code":"500"},"values":[[3600,"1"],[3660,"2"],[3720,"NaN"],[3780,"9e9"]]}]}}"#;
const REQUEST: &str = "curl https://api.test/orders --json '{\"sku\": \"aaaaaaaaaaaa\"}'";

#[test]
fn documents_that_people_keep_are_read() {
    assert_eq!(contract(SPEC, REQUEST), Outcome::Matches);
    assert_eq!(contract("nothing", REQUEST), Outcome::Error);
    assert_eq!(release_record(RECORD, a_time()), Some(Outcome::DeployNear));
    assert_eq!(release_record("nothing", a_time()), None);
    let level: Vec<String> = (0..240).map(|it| format!("[{},\"1\"]", 3600 + it * 15)).collect();
    let level = MATRIX.replace(r#"[3600,"1"]"#, &level.join(","));
    assert_eq!(metrics("up", level.as_bytes()), Some(Outcome::Normal));
    assert_eq!(metrics("up", b"<html>"), None);
    assert_eq!(http_body("", b"{}"), Some(2));
    assert_eq!(http_body("gzip", b"{}"), None);
}

/// What is done to bytes on the way: some are turned, one part is cut out, another put in.
#[derive(Debug, Clone)]
struct Damage {
    turned: Vec<(prop::sample::Index, u8)>,
    cut: Option<(prop::sample::Index, usize)>,
    put: Option<(prop::sample::Index, Vec<u8>)>,
}

impl Damage {
    fn to(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for (at, by) in &self.turned {
            let at = at.index(bytes.len());
            bytes[at] ^= by;
        }
        if let Some((at, length)) = &self.cut {
            let at = at.index(bytes.len());
            bytes.drain(at..(at + length).min(bytes.len()));
        }
        if let Some((at, some)) = &self.put {
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..at, some.iter().copied());
        }
        bytes
    }

    fn to_text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.to(text.as_bytes())).into_owned()
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    let turned = prop::collection::vec((at(), 1_u8..), 0..4);
    let cut = prop::option::of((at(), 1_usize..40));
    let put = prop::option::of((at(), prop::collection::vec(any::<u8>(), 1..40)));
    (turned, cut, put).prop_map(|(turned, cut, put)| Damage { turned, cut, put })
}

/// Certificates, the server's own first.
type Chain = Vec<Vec<u8>>;

/// A root, and chains of which something is wrong: the dates, the name, the authority.
static BAD_CHAINS: LazyLock<(Chain, Vec<Chain>)> = LazyLock::new(|| {
    let root = Authority::new("Root");
    let issuing = root.intermediate("Issuing");
    let bytes = |identity: Identity| identity.chain.iter().map(|it| it.to_vec()).collect::<Vec<_>>();
    let ordinary = Validity::ordinary(a_time());
    let chains = vec![
        bytes(issuing.issue(&["api.drill.test"], Validity::expired(a_time()))),
        bytes(issuing.issue(&["api.drill.test"], Validity::not_yet(a_time()))),
        bytes(issuing.issue(&["www.drill.test"], ordinary)),
        bytes(Authority::new("Root").intermediate("Issuing").issue(&["api.drill.test"], ordinary)),
        bytes(Identity::self_signed(&["api.drill.test"], ordinary)),
        bytes(issuing.issue(&["api.drill.test"], ordinary).without_intermediates()),
    ];
    (vec![root.certificate().to_vec()], chains)
});

#[test]
fn a_good_chain_has_no_finding_and_each_bad_one_has() {
    let root = Authority::new("Root");
    let good = root.intermediate("Issuing").issue(&["api.drill.test"], Validity::ordinary(a_time()));
    let good: Vec<_> = good.chain.iter().map(|it| it.to_vec()).collect();
    assert_eq!(chain(&good, &[root.certificate().to_vec()], a_time()), 0);
    let (authorities, bad) = &*BAD_CHAINS;
    for it in bad {
        assert!(chain(it, authorities, a_time()) > 0);
    }
}

/// Answers of limiters of all forms, and the words of hops on the way.
const ANSWERS: [&str; 8] = [
    "HTTP/1.1 429 X\nx-ratelimit-limit: 5000\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 1766016060\nx-github-request-id: a\nretry-after: 60\ndate: Thu, 18 Dec 2025 00:00:00 GMT\n",
    "HTTP/1.1 200 X\nratelimit-policy: \"burst\";q=100;w=60,\"daily\";q=1000;w=86400\nratelimit: \"burst\";r=3;t=20\n",
    "HTTP/1.1 429 X\nx-ratelimit-reset-requests: 6m0.5s\nx-ratelimit-limit-requests: 60\nx-ratelimit-remaining-requests: 0\nopenai-version: 1\n",
    "HTTP/1.1 200 X\nanthropic-ratelimit-requests-limit: 50\nanthropic-ratelimit-requests-remaining: 2\nanthropic-ratelimit-requests-reset: 2025-12-18T00:01:00Z\n",
    "HTTP/1.1 429 X\nx-shopify-shop-api-call-limit: 40/40\nretry-after: 2.0\n",
    "HTTP/1.1 429 X\nx-ratelimit-bucket: a\nx-ratelimit-reset: 1766016060.123\nx-ratelimit-reset-after: 1.5\nx-ratelimit-scope: shared\n",
    "HTTP/1.1 503 X\nproxy-status: edge.test; error=connection_timeout; details=\"a b\", gw; received-status=503\nvia: 1.1 varnish, HTTP/2 a.test (x)\nretry-after: Thu, 18 Dec 2025 00:01:00 GMT\nserver: envoy\n",
    "HTTP/1.1 403 X\ncf-ray: a-FRA\nserver: cloudflare\ncf-mitigated: challenge\ndate: Thu, 18 Dec 2025 00:00:00 GMT\nage: 3\n",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_damage_makes_a_bad_chain_good(which: prop::sample::Index, part: prop::sample::Index, damage in damage()) {
        let (authorities, bad) = &*BAD_CHAINS;
        let mut damaged = bad[which.index(bad.len())].clone();
        let part = part.index(damaged.len());
        damaged[part] = damage.to(&damaged[part]);
        prop_assert!(chain(&damaged, authorities, a_time()) > 0, "{:02x?}", damaged[part]);
    }

    #[test]
    fn no_damage_to_an_answer_makes_its_reader_panic(which: prop::sample::Index, damage in damage()) {
        let _ = rate_limit(&CATALOGUES, &damage.to_text(ANSWERS[which.index(ANSWERS.len())]), a_time());
    }

    #[test]
    fn no_damage_to_a_document_makes_its_reader_panic(damage in damage()) {
        let _ = contract(&damage.to_text(SPEC), REQUEST);
        let _ = contract(SPEC, &damage.to_text(REQUEST));
        let _ = release_record(&damage.to_text(RECORD), a_time());
        let _ = metrics("http_requests_total", &damage.to(MATRIX.as_bytes()));
        let _ = http_body("", &damage.to(MATRIX.as_bytes()));
        let _ = http_body("gzip", &damage.to(MATRIX.as_bytes()));
    }
}
