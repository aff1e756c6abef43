//! One description, and requests that keep to it or break it, one way each.

use proptest::prelude::*;

use super::*;

const SPEC: &str = r##"
openapi: 3.0.3
info: {title: Orders, version: 1.4.0}
servers: [{url: https://api.example.com/v1}]
paths:
  /orders:
    get:
      operationId: listOrders
      parameters:
        - {name: limit, in: query, schema: {type: integer, minimum: 1, maximum: 100}}
        - {name: state, in: query, schema: {type: array, items: {type: string, enum: [open, closed]}}}
        - {name: X-Tenant, in: header, required: true, schema: {type: string}}
      responses: {"200": {description: ok}, "4XX": {description: no}}
    post:
      operationId: createOrder
      requestBody:
        required: true
        content:
          application/json:
            schema: {$ref: "#/components/schemas/Order"}
      responses: {"201": {description: made}}
  /orders/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: integer}}
    get: {operationId: getOrder, responses: {}}
    delete: {responses: {}}
  /orders/mine:
    get: {responses: {}}
  /uploads:
    post:
      requestBody:
        content:
          multipart/form-data: {schema: {type: object, required: [name], properties: {count: {type: integer}}}}
          application/x-www-form-urlencoded: {schema: {type: object, required: [name], properties: {count: {type: integer}}}}
      responses: {}
components:
  schemas:
    Order:
      type: object
      required: [id, sku, count]
      additionalProperties: false
      properties:
        id: {type: string, readOnly: true}
        sku: {type: string}
        count: {type: integer, minimum: 1}
        note: {type: string, nullable: true}
"##;

const GOOD: &str =
    "curl https://api.example.com/v1/orders --json '{\"sku\": \"a\", \"count\": 2, \"note\": null}'";

fn judged(request: &str) -> Report {
    judge(
        "request.txt",
        "spec.yaml",
        &Observation { request: request.to_owned(), spec: SPEC.into(), others: vec![] },
        Until::DONE,
    )
}

#[track_caller]
fn check(request: &str, expected: Outcome) -> Report {
    let report = judged(request);
    assert_eq!(report.outcome, expected, "{request}: {} {:?}", report.summary, report.facts);
    report
}

#[track_caller]
fn check_violations(request: &str, expected: &[&str]) -> Report {
    let report = check(request, Outcome::SchemaViolation);
    let found: Vec<String> = report.facts["violations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| format!("{} {} {}", it["in"], it["pointer"], it["keyword"]).replace('"', ""))
        .collect();
    assert_eq!(found, expected, "{request}");
    report
}

#[test]
fn a_good_request_matches_and_says_of_what() {
    let report = check(GOOD, Outcome::Matches);
    assert_eq!(report.summary, "The request matches `POST /v1/orders` of Orders 1.4.0.");
    assert_eq!(report.facts["operation"], "createOrder");
    assert_eq!(report.facts["expected_content_types"], json!(["application/json"]));
    assert_eq!(report.facts["host_in_servers"], true);
    check("curl 127.0.0.1:8080/v1/orders/7", Outcome::Matches);
    check(
        "curl -H 'X-Tenant: a' 'https://api.example.com/v1/orders?limit=5&state=open&state=closed'",
        Outcome::Matches,
    );
}

#[test]
fn a_path_that_is_not_there_is_told_apart() {
    check("curl https://api.example.com/v1/customers", Outcome::UnknownPath);
    check("curl https://api.example.com/v1/orders/", Outcome::TrailingSlash);
    check("curl https://api.example.com/orders/7", Outcome::BasePath);
    check("curl https://api.example.com/v2/orders/7", Outcome::VersionPath);
    let report = check("GET /v2/orders/7 404", Outcome::VersionPath);
    assert_eq!(report.facts["did_you_mean"], "/v1/orders/7");
    assert_eq!(report.facts["base_paths"], json!(["/v1"]));
    assert_eq!(
        report.summary,
        "`/v2/orders/7` is of a version that the description does not have; `/v1/orders/7` is."
    );
}

#[test]
fn a_method_the_path_does_not_have_is_named_with_those_it_has() {
    let report = check("curl -X PUT https://api.example.com/v1/orders/7", Outcome::MethodNotAllowed);
    assert_eq!(report.facts["allowed_methods"], json!(["GET", "DELETE"]));
    assert_eq!(report.summary, "`/v1/orders/{id}` takes GET, DELETE; the request is a PUT.");
    // The concrete path comes first, even where a templated one has the method.
    let report = check("curl -X DELETE https://api.example.com/v1/orders/mine", Outcome::MethodNotAllowed);
    assert_eq!(report.facts["candidates"], json!(["/v1/orders/mine", "/v1/orders/{id}"]));
}

#[test]
fn the_content_type_must_be_one_the_operation_takes() {
    let body = "'{\"sku\": \"a\", \"count\": 2}'";
    let report =
        check(&format!("curl https://api.example.com/v1/orders -d {body}"), Outcome::WrongContentType);
    assert_eq!(report.facts["content_type"], "application/x-www-form-urlencoded");
    assert!(!report.facts.contains_key("also"));
    check(
        &format!(
            "curl https://api.example.com/v1/orders -H 'Content-Type: Application/JSON; charset=utf-8' -d {body}"
        ),
        Outcome::Matches,
    );
    let bare = "POST /v1/orders HTTP/1.1\nHost: api.example.com\n\n{\"sku\": \"a\", \"count\": 2}";
    let report = check(bare, Outcome::WrongContentType);
    assert!(report.summary.contains("no content type"), "{}", report.summary);
    let report = check("curl https://api.example.com/v1/orders -d '{\"sku\": 1}'", Outcome::WrongContentType);
    assert_eq!(report.facts["also"], json!(["schema_violation"]));
}

#[test]
fn a_body_is_judged_by_its_schema() {
    let post = |body: &str| format!("curl https://api.example.com/v1/orders --json '{body}'");
    check_violations(&post(r#"{"count": "2"}"#), &["body /count type", "body /sku required"]);
    check_violations(
        &post(r#"{"sku": "a", "count": 0, "colour": "red"}"#),
        &["body  additionalProperties", "body /count minimum"],
    );
    let report = check_violations(&post(r#"{"sku": "#), &["body  json"]);
    assert_eq!(report.summary, "`POST /v1/orders`: the body is no well-formed JSON.");
    check_violations("curl -X POST https://api.example.com/v1/orders", &["body  required"]);
    let report = check_violations(&post(r#"{"sku": "a", "count": "s3cret"}"#), &["body /count type"]);
    assert_eq!(report.summary, "`POST /v1/orders`: `/count` of the body must be integer and is string.");
}

#[test]
fn parameters_are_judged_by_their_schemas() {
    check_violations(
        "curl -H 'X-Tenant: a' 'https://api.example.com/v1/orders?limit=many'",
        &["query /limit type"],
    );
    check_violations(
        "curl -H 'X-Tenant: a' 'https://api.example.com/v1/orders?limit=500'",
        &["query /limit maximum"],
    );
    check_violations(
        "curl -H 'X-Tenant: a' 'https://api.example.com/v1/orders?state=gone'",
        &["query /state/0 enum"],
    );
    check_violations("curl https://api.example.com/v1/orders", &["header /X-Tenant required"]);
    check_violations("curl https://api.example.com/v1/orders/abc", &["path /id type"]);
    let report = check("curl -H 'X-Tenant: a' 'https://api.example.com/v1/orders?lmit=5'", Outcome::Matches);
    assert_eq!(report.facts["unknown_query"], json!(["lmit"]));
}

const STYLES: &str = r##"
openapi: 3.1.0
info: {title: Styles, version: 1}
paths:
  /search/{point}:
    parameters:
      - {name: point, in: path, required: true, schema: {type: object, properties: {x: {type: integer}, y: {type: integer}}}}
    get:
      parameters:
        - {name: filter, in: query, style: deepObject, explode: true, required: true, schema: {$ref: "#/components/schemas/Filter"}}
        - {name: page, in: query, schema: {type: object, properties: {size: {type: integer}, after: {type: [string, "null"]}}}}
        - {name: box, in: query, explode: false, schema: {type: object, properties: {w: {type: integer}}}}
        - {name: ids, in: query, style: pipeDelimited, explode: false, schema: {type: array, items: {type: integer}}}
        - {name: X-Range, in: header, schema: {type: object, properties: {from: {type: integer}}}}
        - {name: session, in: cookie, required: true, schema: {type: string, minLength: 3}}
        - {name: verbose, in: query, allowEmptyValue: true, schema: {type: boolean}}
      responses: {200: {description: ok}}
components:
  schemas:
    Filter: {type: object, required: [state], additionalProperties: false, properties: {state: {enum: [open]}, n: {type: integer}}}
"##;

#[test]
fn parameters_come_in_styles() {
    let found = |path: &str, header: &str| {
        let request = format!("curl -g 'http://a.test{path}' -H 'Cookie: session=abc' -H '{header}'");
        let report = judge(
            "request.txt",
            "spec.yaml",
            &Observation { request, spec: STYLES.into(), others: vec![] },
            Until::DONE,
        );
        let list = report.facts.get("violations").and_then(Value::as_array).cloned().unwrap_or_default();
        assert!(!report.facts.contains_key("not_evaluated"), "{:?}", report.facts);
        list.iter()
            .map(|it| format!("{} {} {}", it["in"], it["pointer"], it["keyword"]).replace('"', ""))
            .collect::<Vec<_>>()
    };
    let none: [&str; 0] = [];
    assert_eq!(
        found(
            "/search/x,1,y,2?filter[state]=open&filter[n]=3&size=5&box=w,7&ids=1|2&verbose=",
            "X-Range: from,4"
        ),
        none
    );
    assert_eq!(found("/search/x,a,y,2?filter[state]=open", "X-A: b"), ["path /point/x type"]);
    assert_eq!(
        found("/search/x,1?filter[n]=x", "X-A: b"),
        ["query /filter/n type", "query /filter/state required"]
    );
    assert_eq!(
        found("/search/x,1?filter[stat]=open", "X-A: b"),
        ["query /filter additionalProperties", "query /filter/state required"]
    );
    assert_eq!(found("/search/x,1", "X-A: b"), ["query /filter required"]);
    assert_eq!(
        found("/search/x,1?filter[state]=open&size=many&box=w,b&ids=1|b", "X-Range: from,z"),
        ["query /page/size type", "query /box/w type", "query /ids/1 type", "header /X-Range/from type"]
    );
}

#[test]
fn forms_are_read_in_the_types_of_their_properties() {
    check("curl https://api.example.com/v1/uploads -F name=x -F count=2 -F file=@a.png", Outcome::Matches);
    check("curl https://api.example.com/v1/uploads -d name=x -d count=2", Outcome::Matches);
    check_violations(
        "curl https://api.example.com/v1/uploads -d count=many",
        &["body /count type", "body /name required"],
    );
}

#[test]
fn what_the_text_does_not_show_is_not_held_against_the_request() {
    let report = check("POST /v1/orders 500", Outcome::Matches);
    assert_eq!(
        report.facts["not_evaluated"],
        json!(["the body and its content type: a log line shows neither"])
    );
    assert!(report.summary.ends_with("as far as its text shows."), "{}", report.summary);
    check("curl https://api.example.com/v1/orders --json @order.json", Outcome::Matches);
    check("curl https://api.example.com/v1/orders -d @order.json", Outcome::WrongContentType);
    check("curl https://api.example.com/v1/orders/$ID", Outcome::Matches);
    check("GET /v1/orders 500", Outcome::Matches);
}

#[test]
fn of_a_har_the_failed_entry_is_compared() {
    let entry = |path: &str, status: u16| json!({"request": {"method": "GET", "url": format!("https://api.example.com{path}"), "headers": []}, "response": {"status": status}});
    let har = json!({"log": {"entries": [entry("/v1/orders/mine", 200), entry("/v1/orders/7/", 404)]}});
    check(&har.to_string(), Outcome::TrailingSlash);
}

#[test]
fn a_status_that_the_description_does_not_know_is_told() {
    let report = check(&format!("{GOOD} -> 201"), Outcome::Matches);
    assert_eq!(report.facts["response_documented"], true);
    let report = check(&format!("{GOOD} -> 422"), Outcome::Matches);
    assert_eq!(report.facts["response_documented"], false);
}

#[test]
fn what_came_back_is_compared_and_noted() {
    let spec = r##"
openapi: 3.0.3
info: {title: R, version: 1}
security: [{key: []}, {token: []}]
paths:
  /orders:
    get:
      responses:
        200: {content: {application/json: {schema: {$ref: "#/components/schemas/Order"}}}}
        4XX: {description: no}
    head: {security: [], responses: {}}
components:
  securitySchemes:
    key: {type: apiKey, in: header, name: X-Api-Key}
    token: {type: http, scheme: bearer}
  schemas:
    Order: {type: object, required: [id, secret], properties: {id: {type: string, readOnly: true}, secret: {type: string, writeOnly: true}, n: {type: integer}}}
"##;
    let judged = |request: &str| {
        let observation = Observation { request: request.to_owned(), spec: spec.into(), others: vec![] };
        judge("request.txt", "spec.yaml", &observation, Until::DONE).facts
    };
    let har = |status: u16, kind: &str, body: &str| {
        json!({"request": {"method": "GET", "url": "https://a.test/orders", "headers": [{"name": "x-api-key", "value": "k"}]},
            "response": {"status": status, "headers": [{"name": "content-type", "value": kind}], "content": {"text": body}}}).to_string()
    };
    let good = judged(&har(200, "application/json", r#"{"id": "1"}"#));
    assert_eq!((good.get("response_violations"), good.get("security_missing")), (None, None), "{good:?}");
    let bad = judged(&har(200, "application/json", r#"{"n": "s3cret"}"#));
    assert_eq!(bad["response_violations"].as_array().map(Vec::len), Some(2), "{bad:?}");
    assert!(!json!(bad).to_string().contains("s3cret"));
    let page = judged(&har(200, "text/html", "<html>"));
    assert_eq!(page["response_content_type"], "text/html");
    assert_eq!(page["response_content_types"], json!(["application/json"]));
    assert_eq!(judged("curl https://a.test/orders")["security_missing"], json!(["key", "token"]));
    assert_eq!(
        judged("curl https://a.test/orders -H 'Authorization: Bearer x'").get("security_missing"),
        None
    );
    assert_eq!(judged("curl -I https://a.test/orders").get("security_missing"), None);
}

#[tokio::test]
async fn a_description_may_be_spread_over_several_files() {
    let folder = std::env::temp_dir().join(format!("firstcheck-spread-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("schemas")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write(
        "spec.yaml",
        "openapi: 3.1.0\ninfo: {title: S, version: 1}\npaths:\n  /orders: {$ref: orders.yaml}\n",
    );
    write(
        "orders.yaml",
        "post:\n  requestBody: {content: {application/json: {schema: {$ref: 'schemas/order.json#/Order'}}}}\n",
    );
    write(
        "schemas/order.json",
        r##"{"Order": {"type": "object", "required": ["sku"], "properties": {"sku": {"$ref": "#/Sku"}}}, "Sku": {"type": "string"}}"##,
    );
    let run = async |body: &str| {
        let request = Request {
            check: CheckKind::Contract,
            target: format!("curl http://a.test/orders --json '{body}'"),
            with: crate::checks::With::from([("spec", folder.join("spec.yaml").to_str().unwrap())]),
            timeout: std::time::Duration::from_secs(5),
            now: crate::clock::now(),
        };
        crate::checks::run(&Environment::new(crate::egress::Policy::public_only()), &request).await.unwrap()
    };
    assert_eq!(run(r#"{"sku": "a"}"#).await.outcome, Outcome::Matches);
    let report = run(r#"{"sku": 1}"#).await;
    assert_eq!(
        (report.outcome, &report.facts["violations"][0]["pointer"]),
        (Outcome::SchemaViolation, &json!("/sku"))
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn texts_that_are_neither_are_errors() {
    check("it is broken", Outcome::Error);
    check("", Outcome::Error);
    let swagger = Observation { request: GOOD.to_owned(), spec: "swagger: '2.0'".into(), others: vec![] };
    let report = judge("request.txt", "spec.yaml", &swagger, Until::DONE);
    assert_eq!(report.outcome, Outcome::Error);
    assert!(report.summary.contains("Swagger 2.0"), "{}", report.summary);
}

#[test]
fn a_pasted_request_is_told_from_the_name_of_a_file() {
    for pasted in
        [GOOD, "GET /v1/orders 500", "{\"request\": {}}", "GET /x HTTP/1.1\nHost: a", "$ curl a.test"]
    {
        assert!(is_pasted(pasted), "{pasted}");
    }
    for file in ["request.txt", "/tmp/failing request.har", "-", "curl.txt", "my request.txt"] {
        assert!(!is_pasted(file), "{file}");
    }
}

proptest! {
    #[test]
    fn values_of_a_request_are_never_in_its_report(secret in "[a-z0-9]{24}", count in 0_u8..3) {
        let request = format!(
            "curl 'https://api.example.com/v1/orders?x={secret}' -u 'me:{secret}' --json '{{\"sku\": \"{secret}\", \"count\": {count}, \"note\": [\"{secret}\"]}}'",
        );
        let shown = serde_json::to_string(&judged(&request)).unwrap();
        prop_assert!(!shown.contains(&secret), "{}", shown);
    }

    #[test]
    fn any_path_gets_a_verdict(path in "/[ -~]{0,40}", method in "[A-Z]{1,8}") {
        judged(&format!("{method} {} HTTP/1.1\nHost: api.example.com", path.replace(' ', "/")));
    }
}

/// Two alternatives, each of which looks into the next level with two alternatives: sixty levels are more than there is time for.
#[tokio::test]
async fn a_description_that_takes_too_long_to_compare_with_ends_with_the_checks_time() {
    use crate::drill::http_server::{HttpServer, Reply};
    let node = json!({"anyOf": [
        {"type": "object", "properties": {"n": {"$ref": "#/components/schemas/Node"}}, "required": ["n"]},
        {"type": "object", "properties": {"n": {"$ref": "#/components/schemas/Node"}}, "required": ["n", "m"]},
    ]});
    let body = json!({"application/json": {"schema": {"$ref": "#/components/schemas/Node"}}});
    let spec = json!({"openapi": "3.1.0", "info": {"title": "T", "version": "1"},
        "paths": {"/trees": {"post": {"requestBody": {"content": body}, "responses": {}}}},
        "components": {"schemas": {"Node": node}}});
    let server = HttpServer::plain(move |_| std::future::ready(Reply::json(200, &spec))).await.unwrap();
    let tree = format!("{}{{}}{}", r#"{"n":"#.repeat(60), "}".repeat(60));
    let request = Request {
        check: CheckKind::Contract,
        target: format!(
            "POST /trees HTTP/1.1\r\nHost: api.example.com\r\nContent-Type: application/json\r\n\r\n{tree}"
        ),
        with: crate::checks::With::from([("spec", server.url("/openapi.json"))]),
        timeout: std::time::Duration::from_millis(500),
        now: "2026-03-01T10:00:00Z".parse().unwrap(),
    };
    let env = Environment::new(crate::egress::Policy::unrestricted());
    // The runtime of this test ends only when the thread that compares has ended too.
    let report = crate::checks::run(&env, &request).await.unwrap();
    assert_eq!(report.outcome, Outcome::Error, "{}", report.summary);
    assert!(report.summary.contains("takes longer than there is time"), "{}", report.summary);
}
