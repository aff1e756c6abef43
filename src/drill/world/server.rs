//! Worlds whose fault is our own application.

use std::collections::BTreeMap;
use std::io;

use crate::drill::http_server::Reply;
use crate::drill::town::{APP, Town};
use crate::drill::vendor::{Mode, Posted};
use crate::drill::{AlertText, Scene};
use crate::profile::ServiceProfile;
use crate::profile::changes::ChangeKind;
use crate::question::QuestionId;

use super::answers;

/// Release 2.14.0 dereferences a field that is no longer there.
pub(super) async fn bad_deploy(town: &mut Town) -> io::Result<Scene> {
    let (payments, _) = town.vendor(Mode::Ok, Posted::green(&["API"])).await?;
    let app = town
        .serve(APP, "/v1/orders", |_| async {
            let body =
                serde_json::json!({"code": "INTERNAL", "message": "unexpected error", "release": "2.14.0"});
            Reply::json(500, &body).header("x-request-id", "7f3a9c1e")
        })
        .await?;
    let api = town.gateway(town.gateway_to(&app), app.path()).await?;
    Ok(Scene {
        alert: AlertText {
            name: "OrdersApiErrors",
            summary: "orders-api: 500 on GET /v1/orders".into(),
            description: "Status 500, error ratio 100 % within a minute.".into(),
            url: api.to_string(),
        },
        profile: ServiceProfile {
            name: "orders-api".into(),
            url: Some(api),
            direct_url: Some(app),
            dependencies: vec![payments],
            releases: Some(town.releases(&[(4, ChangeKind::Deploy, "orders-api 2.14.0")])?),
            ..ServiceProfile::default()
        },
        answers: answers(&[
            (QuestionId::EndpointScope, "one"),
            (QuestionId::PrincipalScope, "everyone"),
            (QuestionId::ChangeAtStart, "deploy"),
            (QuestionId::ErrorOrigin, "app"),
            (QuestionId::LatencyFirst, "no"),
            (QuestionId::CorrelatedDependency, "none"),
        ]),
        secrets: BTreeMap::new(),
    })
}

/// One tenant's orders hold a quantity of zero, and the handler divides by it. Every probe finds a healthy service: only people know who
/// is hit and what they send.
pub(super) async fn poison_input(town: &mut Town) -> io::Result<Scene> {
    let app = town
        .serve(APP, "/v1/orders", |request| async move {
            let poisoned =
                request.method() == "POST" && request.body().windows(13).any(|it| it == b"\"quantity\": 0");
            if poisoned {
                Reply::json(
                    500,
                    &serde_json::json!({"code": "INTERNAL", "message": "attempt to divide by zero"}),
                )
            } else {
                Reply::json(200, &serde_json::json!({"orders": []}))
            }
        })
        .await?;
    let api = town.gateway(town.gateway_to(&app), app.path()).await?;
    let request = format!(
        "curl -X POST '{api}' -H 'Content-Type: application/json' -H 'X-Tenant: acme' --data '{{\"sku\": \"A-1\", \"quantity\": 0}}' \
         -> 500 {{\"code\":\"INTERNAL\",\"message\":\"attempt to divide by zero\"}}"
    );
    Ok(Scene {
        alert: AlertText {
            name: "OrdersApiErrors",
            summary: "orders-api: some orders fail".into(),
            description: "Error ratio 4 % on POST /v1/orders, status 500, intermittent.".into(),
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
            (QuestionId::SpikeStart, "intermittent"),
            (QuestionId::EndpointScope, "one"),
            (QuestionId::PrincipalScope, "tenant"),
            (QuestionId::ClientScope, "all_clients"),
            (QuestionId::ChangeAtStart, "none"),
            (QuestionId::ErrorOrigin, "app"),
            (QuestionId::LatencyFirst, "no"),
            (QuestionId::CorrelatedDependency, "none"),
            (QuestionId::NetworkEvidence, "none"),
            (QuestionId::FailingRequest, &request),
        ]),
        secrets: BTreeMap::new(),
    })
}
