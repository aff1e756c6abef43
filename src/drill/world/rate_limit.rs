//! Worlds whose fault is a limit: a vendor's that we run into, and our own that a job of ours uses up.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use crate::drill::gateway;
use crate::drill::http_server::Reply;
use crate::drill::town::{APP, Town};
use crate::drill::vendor::{Mode, Posted};
use crate::drill::{AlertText, Scene};
use crate::profile::ServiceProfile;
use crate::profile::changes::ChangeKind;
use crate::question::QuestionId;

use super::answers;

/// The vendor answers 429 with its headers; our application turns that into a bare 500.
pub(super) async fn vendor_throttles_us(town: &mut Town) -> io::Result<Scene> {
    let (payments, charges) =
        town.vendor(Mode::Throttling { limit: 100, retry_after: 42 }, Posted::green(&["API"])).await?;
    let app = town.calling_application(charges, "/v1/checkout").await?;
    let api = town.gateway(town.gateway_to(&app), app.path()).await?;
    Ok(Scene {
        alert: AlertText {
            name: "CheckoutErrors",
            summary: "orders-api: 500 on POST /v1/checkout".into(),
            description: "Status 500, error ratio 62 % since the hourly settlement started.".into(),
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
            (QuestionId::ChangeAtStart, "traffic_change"),
            (QuestionId::ErrorOrigin, "app"),
            (QuestionId::CorrelatedDependency, "payments"),
        ]),
        secrets: BTreeMap::new(),
    })
}

/// A job was deployed that polls every 25 ms instead of every minute; our gateway's limiter refuses everybody.
pub(super) async fn retry_storm(town: &mut Town) -> io::Result<Scene> {
    let app = town
        .serve(APP, "/v1/stock", |_| async { Reply::json(200, &serde_json::json!({"stock": 7})) })
        .await?;
    let limit = gateway::Limit { requests: 10, window: Duration::from_secs(2) };
    let api =
        town.gateway(gateway::Setup { limit: Some(limit), ..town.gateway_to(&app) }, app.path()).await?;
    town.poll(&api, Duration::from_millis(25)).await?;
    Ok(Scene {
        alert: AlertText {
            name: "StockRejected",
            summary: "orders-api answers 429 Too Many Requests".into(),
            description: "HTTP 429 for 94 % of requests to /v1/stock.".into(),
            url: api.to_string(),
        },
        profile: ServiceProfile {
            name: "orders-api".into(),
            url: Some(api),
            direct_url: Some(app),
            releases: Some(town.releases(&[(
                4,
                ChangeKind::Deploy,
                "stock-sync 3.2.0: poll interval 60 s to 25 ms",
            )])?),
            ..ServiceProfile::default()
        },
        answers: answers(&[
            (QuestionId::EndpointScope, "one"),
            (QuestionId::PrincipalScope, "api_key"),
            (QuestionId::ChangeAtStart, "deploy"),
            (QuestionId::RetryLayer, "amplifying"),
            (QuestionId::ErrorOrigin, "gateway"),
            (QuestionId::LimitHeaders, "yes"),
        ]),
        secrets: BTreeMap::new(),
    })
}
