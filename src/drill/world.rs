//! The worlds: each has one true cause, and a monitoring system that saw only its symptom.
//!
//! An alert never says the cause. Where an application wraps a failure it does so as badly as real ones do: a bare 500.

use std::collections::BTreeMap;

use crate::bucket::Bucket;
use crate::drill::World;
use crate::question::QuestionId;

mod auth;
mod client;
mod rate_limit;
mod server;
mod upstream;

/// Every world; the first one is what a pipe runs.
pub const WORLDS: &[World] = &[
    World {
        name: "expired-certificate",
        title: "502 from the gateway: the application's certificate has expired",
        bucket: Bucket::Upstream,
        build: |town| Box::pin(upstream::expired_certificate(town)),
    },
    World {
        name: "dangling-cname",
        title: "500 that wraps a dependency whose alias points nowhere",
        bucket: Bucket::Upstream,
        build: |town| Box::pin(upstream::dangling_cname(town)),
    },
    World {
        name: "vendor-throttles-us",
        title: "500s that wrap a payment vendor's 429",
        bucket: Bucket::RateLimit,
        build: |town| Box::pin(rate_limit::vendor_throttles_us(town)),
    },
    World {
        name: "gateway-gives-up-first",
        title: "504 at the gateway's limit while the backend still works",
        bucket: Bucket::Upstream,
        build: |town| Box::pin(upstream::gateway_gives_up_first(town)),
    },
    World {
        name: "wrong-audience",
        title: "401: the callers' token is for another audience",
        bucket: Bucket::Auth,
        build: |town| Box::pin(auth::wrong_audience(town)),
    },
    World {
        name: "content-type-changed",
        title: "415 since a client release changed the content type",
        bucket: Bucket::Client,
        build: |town| Box::pin(client::content_type_changed(town)),
    },
    World {
        name: "stripped-authorization",
        title: "401: the gateway drops the Authorization header",
        bucket: Bucket::Auth,
        build: |town| Box::pin(auth::stripped_authorization(town)),
    },
    World {
        name: "vendor-outage",
        title: "503s while the payment vendor's status page says major outage",
        bucket: Bucket::Upstream,
        build: |town| Box::pin(upstream::vendor_outage(town)),
    },
    World {
        name: "bad-deploy",
        title: "500s since a release",
        bucket: Bucket::Server,
        build: |town| Box::pin(server::bad_deploy(town)),
    },
    World {
        name: "poison-input",
        title: "500s for one tenant whose payload crashes the handler; every probe is green",
        bucket: Bucket::Server,
        build: |town| Box::pin(server::poison_input(town)),
    },
    World {
        name: "retry-storm",
        title: "429 from our own gateway since a job polls too often",
        bucket: Bucket::RateLimit,
        build: |town| Box::pin(rate_limit::retry_storm(town)),
    },
];

/// What the person on call would answer, by question.
fn answers(known: &[(QuestionId, &str)]) -> BTreeMap<QuestionId, String> {
    known.iter().map(|(question, answer)| (*question, (*answer).to_owned())).collect()
}
