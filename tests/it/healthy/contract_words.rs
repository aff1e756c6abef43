//! Requests as people paste them, and schema words whose meaning is easily narrowed: every curl spelling, log lines, formats, patterns of
//! ECMA 262, and the applicators of JSON Schema 2020-12.

use firstcheck::drill::http_server::{HttpServer, Reply};

use super::Table;
use super::contract::against;

const WORDS: &str = r#"
openapi: 3.1.0
info: {title: Lab, version: "3"}
servers: [{url: 'https://api.lab.test:8443/v1/'}, {url: '{scheme}://{tenant}.lab.test/v1', variables: {scheme: {default: https}, tenant: {default: acme}}}]
components:
  schemas:
    Node: {$anchor: node, type: object, properties: {child: {$ref: '#/components/schemas/Node'}}}
    Words:
      type: object
      properties:
        at: {type: string, format: date-time}
        time: {type: string, format: time}
        length: {type: string, format: duration}
        uuid: {type: string, format: uuid}
        uri: {type: string, format: uri}
        iri: {type: string, format: iri}
        host: {type: string, format: hostname}
        six: {type: string, format: ipv6}
        ahead: {type: string, pattern: '^(?=.*\d)(?=.*[a-z]).{4,}$'}
        behind: {type: string, pattern: '(?<!x)y$'}
        again: {type: string, pattern: '^(a|b)\1$'}
        letters: {type: string, pattern: '^\p{L}+$'}
        slash: {type: string, pattern: '^\/a\/[\w\-]+$'}
        partial: {type: string, pattern: 'b'}
        cents: {type: number, multipleOf: 0.1}
        big: {type: integer, maximum: 9007199254740993}
        set: {type: array, uniqueItems: true}
        has: {type: array, contains: {const: x}, minContains: 1, maxContains: 2}
        either: {if: {properties: {kind: {const: a}}, required: [kind]}, then: {required: [a]}, else: {required: [b]}}
        never: {not: {type: string}}
        pairs: {type: object, dependentRequired: {card: [address]}, propertyNames: {pattern: '^[a-z]+$'}}
        enum: {enum: [1, '1', null, {a: 1}]}
        tree: {$ref: '#/components/schemas/Node'}
        secret: {type: string, writeOnly: true, contentEncoding: base64, contentMediaType: application/json}
        defs: {$defs: {small: {maximum: 3}}, type: integer}
        true: true
paths:
  /words: {post: {requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/Words'}}}}, responses: {'200': {description: kept}}}}
  /orders:
    parameters: [{name: page, in: query, required: true, schema: {type: integer, maximum: 10}}]
    get:
      parameters:
        - {name: page, in: query, schema: {type: [integer, 'null'], maximum: 100}}
        - {name: 'ids[]', in: query, schema: {type: array, items: {type: integer}}}
        - {name: ratio, in: query, schema: {type: number}}
        - {name: q, in: query, schema: {type: string, maxLength: 5}}
        - {name: a.b, in: query, schema: {type: string}}
      security: [{}, {token: []}]
      responses: {'200': {description: found, links: {}}}
    head: {parameters: [{name: page, in: query, schema: {type: integer}}], responses: {'200': {description: found}}}
    options: {parameters: [{name: page, in: query, schema: {type: integer}}], responses: {'204': {description: allowed}}}
    post:
      parameters: [{name: page, in: query, schema: {type: integer}}]
      requestBody: {content: {application/json: {schema: {type: object}}, text/csv: {schema: {type: string}}}}
      callbacks: {done: {'{$request.body#/url}': {post: {responses: {'200': {description: thanks}}}}}}
      responses: {'201': {description: made}}
"#;

const AT: &str = "https://api.lab.test:8443/v1/orders";

/// Spellings of requests to `/orders`; `URL` stands for its URL.
const SPELLINGS: [(&str, &str); 34] = [
    ("plain", "curl URL"),
    ("quiet, following, and writing nowhere", "curl -sSL -o /dev/null -w '%{http_code}\\n' URL"),
    ("short options in one", "curl -sSXGET URL"),
    ("the method behind its option without a space", "curl -XPOST URL"),
    ("the URL by option", "curl --url URL"),
    ("the URL before the options", "curl URL -X POST -H 'Content-Type: application/json' -d '{}'"),
    ("HEAD by option", "curl -I URL"),
    ("the query by data", "curl -G -d page=3 URL"),
    ("the query by encoded data", "curl -G --data-urlencode 'q=a b' URL"),
    ("a user and an agent", "curl -u ann:secret -A lab/1 -e https://app.lab.test/ URL"),
    ("versions and trust", "curl --http2 -k --tlsv1.2 --connect-timeout 5 -m 30 URL"),
    ("data as it is", "curl --data-raw '{\"a\": \"@b\"}' -H 'content-type: application/json' URL"),
    ("JSON in pieces, which curl puts together", "curl --json '{\"a\":' --json '1}' URL"),
    (
        "ANSI-C quotes",
        "curl -H 'content-type: application/json' --data-raw $'{\"a\": \"it\\'s\\u00e9\"}' URL",
    ),
    ("double quotes with escapes", "curl -H \"content-type: application/json\" -d \"{\\\"a\\\": 1}\" URL"),
    (
        "lines that go on",
        "curl \\\n  -X POST \\\n  URL \\\n  -H 'content-type: text/csv' \\\n  --data-binary 'a,b'",
    ),
    ("a prompt before it", "$ curl URL"),
    ("text in another allowed type", "curl -H 'Content-Type: text/csv; header=present' -d 'a,b' URL"),
    (
        "OPTIONS as browsers ask",
        "curl -X OPTIONS -H 'Origin: https://app.lab.test' -H 'Access-Control-Request-Method: GET' URL",
    ),
    ("a parameter that an operation redefines", "curl 'URL?page=50'"),
    ("nothing where null may be", "curl 'URL?page='"),
    ("a name with brackets of its own", "curl -g 'URL?ids[]=1&ids[]=2'"),
    ("a name with escaped brackets", "curl 'URL?ids%5B%5D=1&ids%5B%5D=2'"),
    ("a name with a dot", "curl 'URL?a.b=1'"),
    ("an exponent", "curl 'URL?ratio=1e-3'"),
    ("a negative number", "curl 'URL?ratio=-0.5'"),
    ("five signs, each escaped", "curl 'URL?q=%E6%97%A5%E6%9C%AC%E8%AA%9E%E3%81%AE%E5%AD%97'"),
    ("an empty query", "curl 'URL?'"),
    ("ampersands without a name", "curl 'URL?&page=1&&'"),
    ("letters escaped for nothing", "curl https://api.lab.test:8443/v1/%6Frders"),
    ("another tenant's host", "curl https://globex.lab.test/v1/orders"),
    ("the same path at a host nobody described", "curl http://localhost:8080/v1/orders"),
    (
        "an access log's line",
        "192.0.2.7 - ann [01/Nov/2026:10:00:00 +0000] \"GET /v1/orders?page=2 HTTP/1.1\" 200 1234 \"-\" \"lab/1\"",
    ),
    (
        "raw HTTP with an absolute target",
        "GET https://api.lab.test:8443/v1/orders HTTP/1.1\r\nHost: api.lab.test:8443\r\n\r\n",
    ),
];

/// Members of a body to `/words`.
const MEMBERS: [(&str, &str); 37] = [
    ("a time with a zone", r#""at": "2026-11-01T10:00:00+01:00""#),
    ("a time in small letters (RFC 3339 section 5.6)", r#""at": "2026-11-01t10:00:00z""#),
    ("a leap second", r#""at": "2016-12-31T23:59:60Z""#),
    ("a time to the nanosecond", r#""at": "2026-11-01T10:00:00.123456789Z""#),
    ("a time of day", r#""time": "10:00:00Z""#),
    ("a length of time", r#""length": "P1DT2H""#),
    ("a length in weeks", r#""length": "P3W""#),
    ("an identifier in capitals", r#""uuid": "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6""#),
    ("the identifier of nothing", r#""uuid": "00000000-0000-0000-0000-000000000000""#),
    ("a URI without slashes", r#""uri": "urn:isbn:0451450523""#),
    ("a URI with everything", r#""uri": "https://ann@lab.test:8443/a;b?c=d&e#f""#),
    ("an IRI", r#""iri": "https://bücher.lab.test/é""#),
    ("a host of one label", r#""host": "localhost""#),
    ("an IPv6 address with an IPv4 one in it", r#""six": "::ffff:192.0.2.1""#),
    ("a pattern that looks ahead", r#""ahead": "abc1""#),
    ("a pattern that looks behind", r#""behind": "zy""#),
    ("a pattern that refers back", r#""again": "bb""#),
    ("a pattern of letters of any script", r#""letters": "日本é""#),
    ("a pattern with escaped slashes", r#""slash": "/a/x-y_z""#),
    ("a pattern that matches within", r#""partial": "abc""#),
    ("0.3 is three tenths", r#""cents": 0.3"#),
    ("1.1 is eleven tenths", r#""cents": 1.1"#),
    ("a number at a limit beyond doubles", r#""big": 9007199254740993"#),
    ("one and true are not the same", r#""set": [1, true, "1", 0, false]"#),
    ("lists that differ in order", r#""set": [[1, 2], [2, 1]]"#),
    ("contains, within its bounds", r#""has": ["x", "y", "x"]"#),
    ("if, then", r#""either": {"kind": "a", "a": 1}"#),
    ("if not, else", r#""either": {"kind": "z", "b": 1}"#),
    ("anything but a text", r#""never": 7"#),
    ("a member that needs another", r#""pairs": {"card": 1, "address": 2}"#),
    ("a number of an enumeration", r#""enum": 1"#),
    ("1.0 is 1", r#""enum": 1.0"#),
    ("an object of an enumeration", r#""enum": {"a": 1}"#),
    ("a tree", r#""tree": {"child": {"child": {}}}"#),
    ("what is written only", r#""secret": "e30=""#),
    ("a word that defines and asks nothing", r#""defs": 7"#),
    ("a schema that is true", r#""true": {"any": "thing"}"#),
];

pub(super) fn rows(table: &mut Table) {
    for (name, kind) in [
        ("a description from a server", "application/yaml"),
        ("a description that is called text", "text/plain"),
        ("a description of bytes", "application/octet-stream"),
    ] {
        table.row(name, "matches", async move {
            let server =
                HttpServer::plain(move |_| std::future::ready(Reply::bytes(200, kind, WORDS))).await.unwrap();
            let mut asked = against(WORDS, "curl https://api.lab.test:8443/v1/orders").await;
            asked.with.insert("spec".to_owned(), server.url("/openapi"));
            asked.holding(server)
        });
    }
    for (name, spelling) in SPELLINGS {
        table.row(name, "matches", against(WORDS, spelling.replace("URL", AT)));
    }
    for (name, member) in MEMBERS {
        let body = format!("{{{member}}}");
        let request = format!(
            "POST /v1/words HTTP/1.1\r\nHost: api.lab.test:8443\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        table.row(name, "matches", against(WORDS, request));
    }
}
