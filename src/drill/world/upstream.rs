//! Worlds whose fault is in the network or behind us: a certificate, a name, a time limit, a vendor.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use crate::drill::gateway;
use crate::drill::http_server::Reply;
use crate::drill::town::{APP, LEDGER, Town};
use crate::drill::vendor::{Mode, Posted};
use crate::drill::{AlertText, Scene};
use crate::profile::{DeadlineProfile, Dependency, ServiceProfile};
use crate::question::QuestionId;

use super::answers;

/// The application renewed nothing: its certificate ran out three days ago, and the gateway verifies it.
pub(super) async fn expired_certificate(town: &mut Town) -> io::Result<Scene> {
    let expired = town.identity_from_to(APP, -93, -3);
    let app = town
        .serve_as(&expired, APP, "/v1/orders", |_| async {
            Reply::json(200, &serde_json::json!({"orders": []}))
        })
        .await?;
    let api = town.gateway(town.gateway_to(&app), app.path()).await?;
    Ok(Scene {
        alert: AlertText {
            name: "OrdersApiErrors",
            summary: "orders-api returns 502 Bad Gateway for every request".into(),
            description: "Probe of the orders API: HTTP 502, error ratio 100 % for 3 minutes.".into(),
            url: api.to_string(),
        },
        profile: ServiceProfile {
            name: "orders-api".into(),
            url: Some(api),
            direct_url: Some(app),
            releases: Some(town.releases(&[])?),
            ..ServiceProfile::default()
        },
        answers: answers(&[
            (QuestionId::EndpointScope, "all"),
            (QuestionId::PrincipalScope, "everyone"),
            (QuestionId::ChangeAtStart, "none"),
            (QuestionId::ErrorOrigin, "gateway"),
            (QuestionId::LatencyFirst, "no"),
        ]),
        secrets: BTreeMap::new(),
    })
}

/// The ledger's host name is an alias for a machine its owner has given back; our application answers 500.
pub(super) async fn dangling_cname(town: &mut Town) -> io::Result<Scene> {
    let ledger = town.url(LEDGER, 443, "/v2/balance");
    let app = town.calling_application(ledger.clone(), "/v1/balance").await?;
    let api = town.gateway(town.gateway_to(&app), app.path()).await?;
    Ok(Scene {
        alert: AlertText {
            name: "BalanceErrors",
            summary: "orders-api: 500 on /v1/balance".into(),
            description: "Error ratio 100 %, status 500, since 3 minutes.".into(),
            url: api.to_string(),
        },
        profile: ServiceProfile {
            name: "orders-api".into(),
            url: Some(api),
            direct_url: Some(app),
            dependencies: vec![Dependency {
                name: "ledger".into(),
                url: Some(ledger),
                ..Dependency::default()
            }],
            releases: Some(town.releases(&[])?),
            ..ServiceProfile::default()
        },
        answers: answers(&[
            (QuestionId::EndpointScope, "one"),
            (QuestionId::PrincipalScope, "everyone"),
            (QuestionId::ChangeAtStart, "none"),
            (QuestionId::ErrorOrigin, "app"),
            (QuestionId::CorrelatedDependency, "ledger"),
            (QuestionId::LatencyFirst, "no"),
        ]),
        secrets: BTreeMap::new(),
    })
}

/// The report takes 900 ms and the gateway gives up at 400 ms.
pub(super) async fn gateway_gives_up_first(town: &mut Town) -> io::Result<Scene> {
    let work = Duration::from_millis(900);
    let patience = Duration::from_millis(400);
    let app = town
        .serve(APP, "/v1/reports", move |_| async move {
            Reply::json(200, &serde_json::json!({"report": "ready"})).after(work)
        })
        .await?;
    let api = town.gateway(gateway::Setup { timeout: patience, ..town.gateway_to(&app) }, app.path()).await?;
    Ok(Scene {
        alert: AlertText {
            name: "ReportTimeouts",
            summary: "orders-api: 504 Gateway Timeout on report export".into(),
            description: "HTTP 504 for 9 of 10 exports.".into(),
            url: api.to_string(),
        },
        profile: ServiceProfile {
            name: "orders-api".into(),
            url: Some(api),
            direct_url: Some(app),
            deadlines: Some(DeadlineProfile {
                client: Some("10s".into()),
                gateway: Some("400ms".into()),
                backend: Some("900ms".into()),
            }),
            releases: Some(town.releases(&[])?),
            ..ServiceProfile::default()
        },
        answers: answers(&[
            (QuestionId::EndpointScope, "one"),
            (QuestionId::LatencyFirst, "yes"),
            (QuestionId::ChangeAtStart, "none"),
            (QuestionId::ErrorOrigin, "gateway"),
        ]),
        secrets: BTreeMap::new(),
    })
}

/// The payment vendor is down and says so.
pub(super) async fn vendor_outage(town: &mut Town) -> io::Result<Scene> {
    let posted = Posted::incident("API requests fail", "critical", &["API"], "major_outage");
    let (payments, charges) = town.vendor(Mode::Outage, posted).await?;
    let app = town.calling_application(charges, "/v1/checkout").await?;
    let api = town.gateway(town.gateway_to(&app), app.path()).await?;
    Ok(Scene {
        alert: AlertText {
            name: "CheckoutErrors",
            summary: "orders-api: checkout fails with 503".into(),
            description: "Status 503 on /v1/checkout, error ratio 100 %.".into(),
            url: api.to_string(),
        },
        profile: ServiceProfile {
            name: "orders-api".into(),
            url: Some(api),
            direct_url: Some(app),
            dependencies: vec![payments],
            releases: Some(town.releases(&[])?),
            ..ServiceProfile::default()
        },
        answers: answers(&[
            (QuestionId::EndpointScope, "one"),
            (QuestionId::PrincipalScope, "everyone"),
            (QuestionId::ChangeAtStart, "none"),
            (QuestionId::ErrorOrigin, "app"),
        ]),
        secrets: BTreeMap::new(),
    })
}
