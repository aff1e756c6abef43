//! Requests as their description has them: OpenAPI 3.0 and 3.1 in the corners that descriptions in the field use.

use super::{Asked, Table};
use crate::worlds::Folder;

/// Operations in version 3.0; servers with a base path, templates, nullable, forms, defaults.
const OLD: &str = r#"
openapi: 3.0.3
info: {title: Lab, version: "1"}
servers:
  - url: https://{region}.lab.test/{base}
    variables: {region: {default: eu, enum: [eu, us]}, base: {default: v1}}
  - url: https://api.lab.test/v1/
components:
  schemas:
    Order:
      type: object
      required: [id]
      properties:
        id: {type: integer, format: int64, minimum: 1}
        note: {type: string, nullable: true}
        kind: {type: string, enum: [small, large]}
        parent: {$ref: '#/components/schemas/Order'}
        tags: {type: array, items: {type: string}, uniqueItems: true}
    Payment:
      oneOf:
        - {type: object, required: [card], properties: {card: {type: string}}, additionalProperties: false}
        - {type: object, required: [iban], properties: {iban: {type: string}}, additionalProperties: false}
  parameters:
    Page: {name: page, in: query, schema: {type: integer, default: 1}}
paths:
  /orders:
    get:
      parameters:
        - {$ref: '#/components/parameters/Page'}
        - {name: state, in: query, schema: {type: array, items: {type: string, enum: [open, done]}}}
        - {name: ids, in: query, explode: false, schema: {type: array, items: {type: integer}}}
        - {name: filter, in: query, style: deepObject, explode: true, schema: {type: object, properties: {from: {type: string}}}}
        - {name: exact, in: query, schema: {type: boolean}}
        - {name: since, in: query, schema: {type: string, format: date-time}}
        - {name: X-Request-Id, in: header, schema: {type: string}}
      responses: {default: {description: whatever}}
    post:
      requestBody: {required: true, content: {application/json: {schema: {$ref: '#/components/schemas/Order'}}}}
      responses: {'201': {description: made}}
  /orders/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: integer}}]
    get: {responses: {'200': {description: one}}}
    patch:
      requestBody: {content: {application/merge-patch+json: {schema: {type: object}}, application/*: {schema: {}}}}
      responses: {'200': {description: one}}
    delete: {responses: {'204': {description: gone}}}
  /orders/latest:
    get: {responses: {'200': {description: one}}}
  /payments:
    post:
      requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/Payment'}}}}
      responses: {'200': {description: paid}}
  /login:
    post:
      requestBody:
        content:
          application/x-www-form-urlencoded: {schema: {type: object, required: [user], properties: {user: {type: string}, age: {type: integer}}}}
      responses: {'200': {description: in}}
  /upload:
    post:
      requestBody: {content: {multipart/form-data: {schema: {type: object, properties: {file: {type: string, format: binary}, title: {type: string}}}}}}
      responses: {'200': {description: stored}}
  /blob:
    put:
      requestBody: {content: {application/octet-stream: {schema: {type: string, format: binary}}}}
      responses: {'200': {description: stored}}
  /files/{name}.{ext}:
    get:
      parameters:
        - {name: name, in: path, required: true, schema: {type: string}}
        - {name: ext, in: path, required: true, schema: {type: string}}
      responses: {'200': {description: one}}
"#;

/// The same in the words of 3.1: type lists, const, unevaluatedProperties, webhooks, references beside other words.
const NEW: &str = r#"
openapi: 3.1.0
info: {title: Lab, version: "2", summary: as of 3.1}
jsonSchemaDialect: https://spec.openapis.org/oas/3.1/dialect/base
components:
  schemas:
    Base: {type: object, required: [id], properties: {id: {type: [integer, string]}}}
    Order:
      allOf: [{$ref: '#/components/schemas/Base'}]
      properties:
        note: {type: [string, 'null']}
        version: {const: 2}
        amount: {type: number, exclusiveMinimum: 0}
        labels: {type: object, patternProperties: {'^x-': {type: string}}}
        items: {type: array, prefixItems: [{type: string}, {type: integer}]}
      unevaluatedProperties: false
    Shape:
      oneOf: [{$ref: '#/components/schemas/Circle'}, {$ref: '#/components/schemas/Square'}]
      discriminator: {propertyName: type, mapping: {circle: '#/components/schemas/Circle'}}
    Circle: {type: object, required: [type, r], properties: {type: {const: circle}, r: {type: number}}}
    Square: {type: object, required: [type, a], properties: {type: {const: square}, a: {type: number}}}
webhooks:
  ordered: {post: {responses: {'200': {description: thanks}}}}
paths:
  /orders:
    post:
      requestBody: {content: {'application/json; charset=utf-8': {schema: {$ref: '#/components/schemas/Order'}}}}
      responses: {'201': {description: made}}
  /shapes:
    put:
      requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/Shape'}}}}
      responses: {'200': {description: kept}}
  /me:
    get: {parameters: [{name: session, in: cookie, schema: {type: string}}], responses: {'200': {description: you}}}
  /search:
    get: {parameters: [{name: q, in: query, required: true, schema: {type: string, minLength: 1}}], responses: {'200': {description: found}}}
"#;

/// A request in a file, and the description in another.
pub(super) async fn against(spec: &'static str, request: impl AsRef<[u8]> + Send) -> Asked {
    let folder = Folder::new("healthy-contract");
    let (description, asked) = (folder.0.join("openapi.yaml"), folder.0.join("request.txt"));
    std::fs::write(&description, spec).unwrap();
    std::fs::write(&asked, request).unwrap();
    Asked::new(asked.to_str().unwrap()).with("spec", description.to_str().unwrap()).holding(folder)
}

const WITH_OLD: [(&str, &str); 36] = [
    ("a plain GET", "curl https://api.lab.test/v1/orders"),
    ("a server with variables, at their defaults", "curl https://eu.lab.test/v1/orders"),
    ("a server with variables, at another value", "curl https://us.lab.test/v1/orders"),
    ("a fragment, which is never sent", "curl 'https://api.lab.test/v1/orders#top'"),
    ("the port said aloud", "curl https://api.lab.test:443/v1/orders"),
    ("capitals in the host", "curl https://API.lab.test/v1/orders"),
    ("a query parameter of a number", "curl 'https://api.lab.test/v1/orders?page=3'"),
    ("a query parameter that nobody described", "curl 'https://api.lab.test/v1/orders?utm_source=mail'"),
    ("a list as repeated parameters", "curl 'https://api.lab.test/v1/orders?state=open&state=done'"),
    ("a list of one", "curl 'https://api.lab.test/v1/orders?state=open'"),
    ("a list with commas", "curl 'https://api.lab.test/v1/orders?ids=1,2,3'"),
    ("a list with commas that are escaped", "curl 'https://api.lab.test/v1/orders?ids=1%2C2%2C3'"),
    ("an object in brackets", "curl -g 'https://api.lab.test/v1/orders?filter[from]=2026-01-01'"),
    ("an object in escaped brackets", "curl 'https://api.lab.test/v1/orders?filter%5Bfrom%5D=2026-01-01'"),
    ("a boolean", "curl 'https://api.lab.test/v1/orders?exact=true'"),
    (
        "a time with an escaped plus",
        "curl 'https://api.lab.test/v1/orders?since=2026-11-01T10:00:00%2B01:00'",
    ),
    ("a header in other letters", "curl -H 'x-request-id: 7' https://api.lab.test/v1/orders"),
    ("a path parameter", "curl https://api.lab.test/v1/orders/7"),
    ("a path parameter that is escaped for nothing", "curl https://api.lab.test/v1/orders/%37"),
    ("a concrete path before a template", "curl https://api.lab.test/v1/orders/latest"),
    ("a template of two parts", "curl https://api.lab.test/v1/files/report.pdf"),
    (
        "a body",
        "curl -X POST -H 'content-type: application/json' -d '{\"id\": 7}' https://api.lab.test/v1/orders",
    ),
    (
        "a body with charset and capitals in its type",
        "curl -H 'Content-Type: Application/JSON;charset=UTF-8' -d '{\"id\": 7}' https://api.lab.test/v1/orders",
    ),
    (
        "null where it may be",
        "curl -H 'content-type: application/json' -d '{\"id\": 7, \"note\": null}' https://api.lab.test/v1/orders",
    ),
    (
        "members nobody described",
        "curl -H 'content-type: application/json' -d '{\"id\": 7, \"colour\": \"red\"}' https://api.lab.test/v1/orders",
    ),
    (
        "a schema within itself",
        "curl -H 'content-type: application/json' -d '{\"id\": 7, \"parent\": {\"id\": 6, \"parent\": {\"id\": 5}}}' https://api.lab.test/v1/orders",
    ),
    (
        "an integer written as a decimal",
        "curl -H 'content-type: application/json' -d '{\"id\": 7.0}' https://api.lab.test/v1/orders",
    ),
    (
        "one of two shapes",
        "curl -H 'content-type: application/json' -d '{\"iban\": \"DE00\"}' https://api.lab.test/v1/payments",
    ),
    ("no body where it is optional", "curl -X POST https://api.lab.test/v1/payments"),
    (
        "a merge patch",
        "curl -X PATCH -H 'content-type: application/merge-patch+json' -d '{\"note\": null}' https://api.lab.test/v1/orders/7",
    ),
    (
        "a type that a range covers",
        "curl -X PATCH -H 'content-type: application/json-patch+json' -d '[]' https://api.lab.test/v1/orders/7",
    ),
    ("a form", "curl -d user=ann -d age=42 https://api.lab.test/v1/login"),
    ("a form with a plus and escapes", "curl -d 'user=ann+lee%40lab.test' https://api.lab.test/v1/login"),
    ("parts with a file", "curl -F file=@report.pdf -F title=Report https://api.lab.test/v1/upload"),
    (
        "bytes",
        "curl -X PUT -H 'content-type: application/octet-stream' --data-binary @blob https://api.lab.test/v1/blob",
    ),
    ("DELETE without a body", "curl -X DELETE https://api.lab.test/v1/orders/7"),
];

const WITH_NEW: [(&str, &str); 12] = [
    (
        "a number or a text: here a text",
        "curl -H 'content-type: application/json' -d '{\"id\": \"a7\"}' https://anywhere.lab.test/orders",
    ),
    (
        "all members, each in its corner",
        "curl -H 'content-type: application/json' -d '{\"id\": 7, \"note\": null, \"version\": 2, \"amount\": 0.1, \"labels\": {\"x-a\": \"b\", \"c\": 1}, \"items\": [\"a\", 1, true]}' https://anywhere.lab.test/orders",
    ),
    (
        "a type without the charset that is described",
        "curl -H 'content-type: application/json' -d '{\"id\": 7}' https://anywhere.lab.test/orders",
    ),
    (
        "a discriminator",
        "curl -X PUT -H 'content-type: application/json' -d '{\"type\": \"square\", \"a\": 2}' https://anywhere.lab.test/shapes",
    ),
    ("a cookie", "curl -b session=abc https://anywhere.lab.test/me"),
    ("a cookie that is optional", "curl https://anywhere.lab.test/me"),
    ("a required parameter with plus for space", "curl 'https://anywhere.lab.test/search?q=two+words'"),
    (
        "raw HTTP/1.1",
        "POST /orders HTTP/1.1\r\nHost: anywhere.lab.test\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{\"id\": 7}",
    ),
    ("raw HTTP/2, as a log has it", "GET /search?q=x HTTP/2\nhost: anywhere.lab.test\n\n"),
    (
        "a HAR entry",
        "{\"request\": {\"method\": \"GET\", \"url\": \"https://anywhere.lab.test/search?q=x\", \"httpVersion\": \"h2\", \"headers\": [], \"queryString\": [{\"name\": \"q\", \"value\": \"x\"}], \"cookies\": [], \"headersSize\": -1, \"bodySize\": 0}, \"response\": {\"status\": 200}}",
    ),
    (
        "a HAR with several entries, none of which failed",
        "{\"log\": {\"version\": \"1.2\", \"entries\": [{\"request\": {\"method\": \"GET\", \"url\": \"https://anywhere.lab.test/me\", \"headers\": []}, \"response\": {\"status\": 200}}, {\"request\": {\"method\": \"GET\", \"url\": \"https://cdn.lab.test/logo.png\", \"headers\": []}, \"response\": {\"status\": 200}}]}}",
    ),
    (
        "curl over several lines, as browsers copy it",
        "curl 'https://anywhere.lab.test/search?q=x' \\\n  -H 'accept: */*' \\\n  -H 'sec-ch-ua: \"Chromium\";v=\"140\"' \\\n  --compressed",
    ),
];

pub(super) fn rows(table: &mut Table) {
    for (name, request) in WITH_OLD {
        table.row(name, "matches", against(OLD, request));
    }
    for (name, request) in WITH_NEW {
        table.row(name, "matches", against(NEW, request));
    }
}
