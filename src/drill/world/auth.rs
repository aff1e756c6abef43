//! Worlds whose fault is in who may call: a token for somebody else, and a token that never arrives.

use std::collections::BTreeMap;
use std::io;

use crate::drill::gateway;
use crate::drill::town::{API, Town};
use crate::drill::{AlertText, Scene};
use crate::profile::ServiceProfile;
use crate::profile::changes::ChangeKind;
use crate::question::QuestionId;

use super::answers;

/// The environment variable that holds the failing caller's token.
const TOKEN: &str = "FIRSTCHECK_DRILL_TOKEN";
/// The audience the API accepts.
const AUDIENCE: &str = "https://orders.drill.test";

/// The callers' configuration was copied from the billing service, its audience too.
pub(super) async fn wrong_audience(town: &mut Town) -> io::Result<Scene> {
    let sign_in = town.sign_in().await?;
    let token = sign_in.token("https://billing.drill.test", "orders:read");
    let app = town.guarded_application(&sign_in, AUDIENCE).await?;
    let api = town.gateway(town.gateway_to(&app), app.path()).await?;
    Ok(Scene {
        alert: AlertText {
            name: "OrdersUnauthorized",
            summary: "orders-api: 401 Unauthorized for the billing job".into(),
            description: "HTTP 401 on GET /v1/orders.".into(),
            url: api.to_string(),
        },
        profile: ServiceProfile {
            name: "orders-api".into(),
            url: Some(api),
            direct_url: Some(app),
            token: Some(sign_in.profile(TOKEN, AUDIENCE)),
            releases: Some(town.releases(&[])?),
            ..ServiceProfile::default()
        },
        answers: answers(&[
            (QuestionId::EndpointScope, "all"),
            (QuestionId::PrincipalScope, "api_key"),
            (QuestionId::ChangeAtStart, "config"),
            (QuestionId::ErrorOrigin, "app"),
        ]),
        secrets: BTreeMap::from([(TOKEN.to_owned(), token)]),
    })
}

/// A gateway configuration was rolled out whose header allow-list forgot `Authorization`.
pub(super) async fn stripped_authorization(town: &mut Town) -> io::Result<Scene> {
    let sign_in = town.sign_in().await?;
    let token = sign_in.token(AUDIENCE, "orders:read");
    let app = town.guarded_application(&sign_in, AUDIENCE).await?;
    let setup = gateway::Setup { strip: vec!["authorization".to_owned()], ..town.gateway_to(&app) };
    let api = town.gateway(setup, app.path()).await?;
    Ok(Scene {
        alert: AlertText {
            name: "OrdersUnauthorized",
            summary: format!("{API}: 401 Unauthorized for every caller"),
            description: "HTTP 401 on all routes.".into(),
            url: api.to_string(),
        },
        profile: ServiceProfile {
            name: "orders-api".into(),
            url: Some(api),
            direct_url: Some(app),
            token: Some(sign_in.profile(TOKEN, AUDIENCE)),
            releases: Some(town.releases(&[(5, ChangeKind::Config, "gateway: header allow-list")])?),
            ..ServiceProfile::default()
        },
        answers: answers(&[
            (QuestionId::EndpointScope, "all"),
            (QuestionId::PrincipalScope, "everyone"),
            (QuestionId::ChangeAtStart, "config"),
            (QuestionId::ErrorOrigin, "app"),
        ]),
        secrets: BTreeMap::from([(TOKEN.to_owned(), token)]),
    })
}
