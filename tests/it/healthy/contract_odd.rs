//! Requests as described, in the corners where readers of descriptions differ: styles, read-only members, formats, media ranges.

use super::Table;
use super::contract::against;

/// Version 3.0 without a host: paths with colons and dots, every style, rules that are easily read too strictly.
const CORNERS: &str = r#"
openapi: 3.0.1
info: {title: Lab, version: "1", x-team: orders}
servers: [{url: /api}]
tags: [{name: unused}]
security: [{token: []}]
components:
  securitySchemes: {token: {type: http, scheme: bearer}}
  schemas:
    Account:
      type: object
      required: [id, name]
      properties:
        id: {type: integer, readOnly: true}
        name: {type: string, minLength: 1, maxLength: 3}
        price: {type: number, multipleOf: 0.01, minimum: 0, exclusiveMinimum: true}
        code: {type: string, pattern: '^\d{3}-[A-Z]+$'}
        day: {type: string, format: date}
        blob: {type: string, format: byte}
        mail: {type: string, format: email}
        address: {type: string, format: ipv4}
        colour: {type: string, format: colour}
        kind: {type: string, nullable: true, enum: [a, b, null]}
        big: {type: integer, format: int64}
        any: {}
        parts: {type: array, maxItems: 2, items: {type: object, additionalProperties: {type: string}}}
    Pet: {type: object, required: [pet], discriminator: {propertyName: pet}, properties: {pet: {type: string}}}
    Dog: {allOf: [{$ref: '#/components/schemas/Pet'}, {type: object, properties: {bark: {type: boolean}}}]}
    Cat: {allOf: [{$ref: '#/components/schemas/Pet'}, {type: object, properties: {purr: {type: boolean}}}]}
  requestBodies:
    Pet: {content: {application/json: {schema: {anyOf: [{$ref: '#/components/schemas/Dog'}, {$ref: '#/components/schemas/Cat'}]}}}}
paths:
  /accounts:
    post:
      requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/Account'}}}}
      responses: {201: {description: made}}
    get:
      parameters:
        - {name: Accept, in: header, required: true, schema: {type: string, enum: [never]}}
        - {name: Authorization, in: header, required: true, schema: {type: string}}
        - {name: piped, in: query, style: pipeDelimited, explode: false, schema: {type: array, items: {type: integer}}}
        - {name: spaced, in: query, style: spaceDelimited, explode: false, schema: {type: array, items: {type: integer}}}
        - {name: flag, in: query, allowEmptyValue: true, schema: {type: string}}
        - {name: free, in: query, allowReserved: true, schema: {type: string}}
        - {name: point, in: query, schema: {type: object, properties: {x: {type: integer}, y: {type: integer}}}}
        - {name: json, in: query, content: {application/json: {schema: {type: object, required: [a]}}}}
        - {name: old, in: query, deprecated: true, schema: {type: string}}
        - {name: X-Ids, in: header, schema: {type: array, items: {type: integer}}}
      responses: {'2XX': {description: found}, default: {description: else}}
  /accounts/{id}:close:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    post: {responses: {'200': {description: closed}}}
  /accounts/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get: {responses: {'200': {description: one}}}
  /matrix/{m}:
    get: {parameters: [{name: m, in: path, required: true, style: matrix, schema: {type: integer}}], responses: {'200': {description: one}}}
  /label/{l}:
    get: {parameters: [{name: l, in: path, required: true, style: label, schema: {type: integer}}], responses: {'200': {description: one}}}
  /list/{ids}:
    get: {parameters: [{name: ids, in: path, required: true, schema: {type: array, items: {type: integer}}}], responses: {'200': {description: one}}}
  /elsewhere:
    servers: [{url: 'https://other.lab.test/deep/base'}]
    get: {responses: {'200': {description: one}}}
  /slash/:
    get: {responses: {'200': {description: one}}}
  /pets: {post: {requestBody: {$ref: '#/components/requestBodies/Pet'}, responses: {'200': {description: kept}}}}
  /anything: {post: {requestBody: {content: {'*/*': {}}}, responses: {'200': {description: kept}}}}
  /text: {post: {requestBody: {content: {text/plain: {schema: {type: string, maxLength: 10}}}}, responses: {'200': {description: kept}}}}
  /xml: {post: {requestBody: {content: {application/xml: {schema: {type: object, required: [id]}}}}, responses: {'200': {description: kept}}}}
  /form:
    post:
      requestBody:
        content:
          application/x-www-form-urlencoded:
            schema: {type: object, properties: {tags: {type: array, items: {type: string}}, n: {type: integer}, on: {type: boolean}}}
          multipart/form-data:
            schema: {type: object, required: [n], properties: {n: {type: integer}, meta: {type: object}, files: {type: array, items: {type: string, format: binary}}}}
      responses: {'200': {description: kept}}
"#;

const HOST: &str = "https://api.lab.test/api";

const ROWS: [(&str, &str, &str); 48] = [
    ("a server without a host: any host", "/accounts/7", ""),
    ("no credentials in the request: that is the token's question", "/accounts/7", ""),
    ("headers that descriptions may not rule", "/accounts", "-H 'accept: text/html'"),
    ("numbers between pipes", "/accounts?piped=1|2|3", ""),
    ("numbers between escaped pipes", "/accounts?piped=1%7C2%7C3", ""),
    ("numbers between escaped spaces", "/accounts?spaced=1%202%203", ""),
    ("a flag without a value", "/accounts?flag", ""),
    ("a flag with an empty value", "/accounts?flag=", ""),
    ("reserved signs that may stay", "/accounts?free=a/b?c:d@e", ""),
    ("an object as members of the query", "/accounts?x=1&y=2", ""),
    ("JSON in the query", "/accounts?json=%7B%22a%22%3A1%7D", ""),
    ("a parameter that is on its way out", "/accounts?old=1", ""),
    ("a list in a header", "/accounts", "-H 'X-Ids: 1, 2,3'"),
    ("a custom verb after a colon", "/accounts/7:close", "-X POST"),
    ("an identifier with a colon of its own", "/accounts/urn:lab:7", ""),
    ("an identifier with an escaped slash", "/accounts/a%2Fb", ""),
    ("an identifier with dots", "/accounts/v1.2.3", ""),
    ("an identifier in another script", "/accounts/%E6%97%A5%E6%9C%AC", ""),
    ("an identifier with a plus, which is a plus in a path", "/accounts/a+b", ""),
    ("matrix style", "/matrix/;m=7", ""),
    ("label style", "/label/.7", ""),
    ("a list in the path", "/list/1,2,3", ""),
    ("a slash at the end that is described", "/slash/", ""),
    (
        "a read-only member need not be sent",
        "/accounts",
        "-H 'content-type: application/json' -d '{\"name\": \"ann\"}'",
    ),
    (
        "three signs of which each is four bytes",
        "/accounts",
        "-H 'content-type: application/json' -d '{\"name\": \"😀😀😀\"}'",
    ),
    (
        "19.99 is a multiple of a cent",
        "/accounts",
        "-H 'content-type: application/json' -d '{\"name\": \"a\", \"price\": 19.99}'",
    ),
    (
        "1.1 is a multiple of a cent",
        "/accounts",
        "-H 'content-type: application/json' -d '{\"name\": \"a\", \"price\": 1.1}'",
    ),
    (
        "a small price",
        "/accounts",
        "-H 'content-type: application/json' -d '{\"name\": \"a\", \"price\": 0.07}'",
    ),
    (
        "a pattern of ECMA 262",
        "/accounts",
        "-H 'content-type: application/json' -d '{\"name\": \"a\", \"code\": \"123-ABC\"}'",
    ),
    (
        "a day, and base64",
        "/accounts",
        "-H 'content-type: application/json' -d '{\"name\": \"a\", \"day\": \"2028-02-29\", \"blob\": \"aGVsbG8=\"}'",
    ),
    (
        "a mail address with a plus, and an address",
        "/accounts",
        "-H 'content-type: application/json' -d '{\"name\": \"a\", \"mail\": \"a+b@lab.test\", \"address\": \"192.0.2.1\"}'",
    ),
    (
        "a format nobody knows",
        "/accounts",
        "-H 'content-type: application/json' -d '{\"name\": \"a\", \"colour\": \"#ff0000\"}'",
    ),
    (
        "null in a list of values that holds it",
        "/accounts",
        "-H 'content-type: application/json' -d '{\"name\": \"a\", \"kind\": null}'",
    ),
    (
        "a number that no double holds",
        "/accounts",
        "-H 'content-type: application/json' -d '{\"name\": \"a\", \"big\": 9223372036854775807}'",
    ),
    (
        "a schema that allows everything",
        "/accounts",
        "-H 'content-type: application/json' -d '{\"name\": \"a\", \"any\": [1, null, {\"x\": []}]}'",
    ),
    (
        "a list of maps",
        "/accounts",
        "-H 'content-type: application/json' -d '{\"name\": \"a\", \"parts\": [{\"x\": \"1\"}, {}]}'",
    ),
    (
        "a kind by its discriminator",
        "/pets",
        "-H 'content-type: application/json' -d '{\"pet\": \"Dog\", \"bark\": true}'",
    ),
    ("whatever type comes", "/anything", "-H 'content-type: image/png' --data-binary @cat.png"),
    ("text", "/text", "-H 'content-type: text/plain' -d hello"),
    ("text with a charset", "/text", "-H 'content-type: text/plain; charset=utf-8' -d héllo"),
    (
        "XML, whose shape no JSON rule holds",
        "/xml",
        "-H 'content-type: application/xml' -d '<account id=\"7\"/>'",
    ),
    ("a form with a list", "/form", "-d tags=a -d tags=b -d n=7 -d on=true"),
    (
        "a form of which every member is optional",
        "/form",
        "-H 'content-type: application/x-www-form-urlencoded' -d ''",
    ),
    ("parts with a number", "/form", "-F n=7"),
    (
        "parts with JSON and two files",
        "/form",
        "-F n=7 -F 'meta={\"a\": 1};type=application/json' -F files=@a.png -F files=@b.png",
    ),
    ("a vendor's query beside it", "/accounts/7?_ga=1&fbclid=2", ""),
    (
        "JSON with space around it",
        "/accounts",
        "-H 'content-type: application/json' -d ' {\"name\" : \"a\"} '",
    ),
    ("--json of newer curls", "/accounts", "--json '{\"name\": \"a\"}'"),
];

pub(super) fn rows(table: &mut Table) {
    for (name, path, more) in ROWS {
        table.row(name, "matches", against(CORNERS, format!("curl -g '{HOST}{path}' {more}")));
    }
    table.row(
        "a path with servers of its own",
        "matches",
        against(CORNERS, "curl https://other.lab.test/deep/base/elsewhere"),
    );
    table.row("raw parts with a boundary", "matches", against(CORNERS, concat!(
        "POST /api/form HTTP/1.1\r\nHost: api.lab.test\r\nContent-Type: multipart/form-data; boundary=\"x y\"\r\n\r\n",
        "--x y\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n7\r\n--x y--\r\n",
    )));
    table.row("a description in JSON", "matches", against(
        "{\"openapi\": \"3.1.1\", \"info\": {\"title\": \"t\", \"version\": \"1\"}, \"paths\": {\"/a\": {\"get\": {\"responses\": {\"200\": {\"description\": \"x\"}}}}}}",
        "curl https://api.lab.test/a",
    ));
    table.row("a description after a byte order mark", "matches", against(
        "\u{feff}openapi: 3.0.0\ninfo: {title: t, version: '1'}\npaths: {/a: {get: {responses: {'200': {description: x}}}}}\n",
        "curl https://api.lab.test/a",
    ));
}
