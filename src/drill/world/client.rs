//! The world whose fault is in how the request is formed.

use std::collections::BTreeMap;
use std::io;

use crate::drill::http_server::Reply;
use crate::drill::town::{APP, Town};
use crate::drill::{AlertText, Scene};
use crate::profile::changes::ChangeKind;
use crate::profile::{ContractProfile, ServiceProfile};
use crate::question::QuestionId;

use super::answers;

/// The description of the API that the failing request is compared with.
const ORDERS_API: &str = r#"openapi: 3.1.0
info: {title: Orders API, version: "1"}
servers: [{url: /}]
paths:
  /v1/orders:
    get:
      responses: {"200": {description: the orders}}
    post:
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              required: [sku, quantity]
              properties: {sku: {type: string}, quantity: {type: integer, minimum: 1}}
      responses: {"201": {description: the new order}, "415": {description: not JSON}}
"#;

/// The mobile client's new release sends JSON as `text/plain`; the application accepts `application/json` alone.
pub(super) async fn content_type_changed(town: &mut Town) -> io::Result<Scene> {
    let app = town
        .serve(APP, "/v1/orders", |request| async move {
            let sent =
                request.headers().get("content-type").and_then(|it| it.to_str().ok()).unwrap_or_default();
            if request.method() != "POST" {
                Reply::json(200, &serde_json::json!({"orders": []}))
            } else if sent.starts_with("application/json") {
                Reply::json(201, &serde_json::json!({"id": 1}))
            } else {
                let body =
                    serde_json::json!({"code": "UNSUPPORTED_MEDIA_TYPE", "message": "send application/json"});
                Reply::json(415, &body).header("accept-post", "application/json")
            }
        })
        .await?;
    let api = town.gateway(town.gateway_to(&app), app.path()).await?;
    let spec = town.write("orders.openapi.yaml", ORDERS_API)?;
    let curl = format!(
        "curl -X POST '{api}' \\\n  -H 'Content-Type: text/plain' \\\n  -H 'User-Agent: orders-mobile/4.2.0' \\\n  \
         --data '{{\"sku\": \"A-1\", \"quantity\": 2}}'\n"
    );
    let request = town.write("failing-request.curl", &curl)?;
    Ok(Scene {
        alert: AlertText {
            name: "OrdersRejected",
            summary: "orders-api: 415 on POST /v1/orders".into(),
            description: "Status 415 for 38 % of new orders.".into(),
            url: api.to_string(),
        },
        profile: ServiceProfile {
            name: "orders-api".into(),
            url: Some(api),
            direct_url: Some(app),
            contract: Some(ContractProfile { spec, request: Some(request) }),
            releases: Some(town.releases(&[(6, ChangeKind::Deploy, "orders-mobile 4.2.0")])?),
            ..ServiceProfile::default()
        },
        answers: answers(&[
            (QuestionId::EndpointScope, "one"),
            (QuestionId::ClientScope, "one_version"),
            (QuestionId::ChangeAtStart, "deploy"),
            (QuestionId::ErrorOrigin, "app"),
            (QuestionId::FailingRequest, curl.trim()),
        ]),
        secrets: BTreeMap::new(),
    })
}
