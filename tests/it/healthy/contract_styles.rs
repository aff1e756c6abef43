//! Every style of a parameter as the table of OpenAPI 3.1.1 (section 4.8.12.6, "Style Examples") has it, and the same as senders escape it.

use super::Table;
use super::contract::against;

const SPEC: &str = r#"
openapi: 3.1.1
info: {title: Lab, version: "4"}
components:
  schemas:
    Text: {type: string, enum: [blue, '']}
    List: {type: array, items: {enum: [blue, black, brown]}, maxItems: 3}
    Numbers: {type: array, items: {type: integer}, minItems: 3}
    Object: {type: object, required: [R, G, B], properties: {R: {type: integer}, G: {type: integer}, B: {type: integer}}}
paths:
  /simple/{color}: {get: {parameters: [{name: color, in: path, required: true, schema: {$ref: '#/components/schemas/List'}}], responses: {'200': {description: x}}}}
  /simple-object/{color}: {get: {parameters: [{name: color, in: path, required: true, schema: {$ref: '#/components/schemas/Object'}}], responses: {'200': {description: x}}}}
  /simple-exploded/{color}: {get: {parameters: [{name: color, in: path, required: true, explode: true, schema: {$ref: '#/components/schemas/Object'}}], responses: {'200': {description: x}}}}
  /label/{color}: {get: {parameters: [{name: color, in: path, required: true, style: label, schema: {$ref: '#/components/schemas/List'}}], responses: {'200': {description: x}}}}
  /label-exploded/{color}: {get: {parameters: [{name: color, in: path, required: true, style: label, explode: true, schema: {$ref: '#/components/schemas/List'}}], responses: {'200': {description: x}}}}
  /label-text/{color}: {get: {parameters: [{name: color, in: path, required: true, style: label, schema: {$ref: '#/components/schemas/Text'}}], responses: {'200': {description: x}}}}
  /label-object/{color}: {get: {parameters: [{name: color, in: path, required: true, style: label, schema: {$ref: '#/components/schemas/Object'}}], responses: {'200': {description: x}}}}
  /matrix/{color}: {get: {parameters: [{name: color, in: path, required: true, style: matrix, schema: {$ref: '#/components/schemas/List'}}], responses: {'200': {description: x}}}}
  /matrix-exploded/{color}: {get: {parameters: [{name: color, in: path, required: true, style: matrix, explode: true, schema: {$ref: '#/components/schemas/List'}}], responses: {'200': {description: x}}}}
  /matrix-object/{color}: {get: {parameters: [{name: color, in: path, required: true, style: matrix, schema: {$ref: '#/components/schemas/Object'}}], responses: {'200': {description: x}}}}
  /matrix-object-exploded/{color}: {get: {parameters: [{name: color, in: path, required: true, style: matrix, explode: true, schema: {$ref: '#/components/schemas/Object'}}], responses: {'200': {description: x}}}}
  /form: {get: {parameters: [{name: color, in: query, explode: false, schema: {$ref: '#/components/schemas/List'}}], responses: {'200': {description: x}}}}
  /form-exploded: {get: {parameters: [{name: color, in: query, schema: {$ref: '#/components/schemas/List'}}], responses: {'200': {description: x}}}}
  /form-object: {get: {parameters: [{name: color, in: query, explode: false, schema: {$ref: '#/components/schemas/Object'}}], responses: {'200': {description: x}}}}
  /form-object-exploded: {get: {parameters: [{name: color, in: query, schema: {$ref: '#/components/schemas/Object'}}], responses: {'200': {description: x}}}}
  /form-text: {get: {parameters: [{name: color, in: query, allowEmptyValue: true, schema: {$ref: '#/components/schemas/Text'}}], responses: {'200': {description: x}}}}
  /spaces: {get: {parameters: [{name: color, in: query, style: spaceDelimited, explode: false, schema: {$ref: '#/components/schemas/List'}}], responses: {'200': {description: x}}}}
  /pipes: {get: {parameters: [{name: color, in: query, style: pipeDelimited, explode: false, schema: {$ref: '#/components/schemas/List'}}], responses: {'200': {description: x}}}}
  /spaces-object: {get: {parameters: [{name: color, in: query, style: spaceDelimited, explode: false, schema: {$ref: '#/components/schemas/Object'}}], responses: {'200': {description: x}}}}
  /pipes-object: {get: {parameters: [{name: color, in: query, style: pipeDelimited, explode: false, schema: {$ref: '#/components/schemas/Object'}}], responses: {'200': {description: x}}}}
  /spaces-exploded: {get: {parameters: [{name: color, in: query, style: spaceDelimited, explode: true, schema: {$ref: '#/components/schemas/List'}}], responses: {'200': {description: x}}}}
  /deep: {get: {parameters: [{name: color, in: query, style: deepObject, explode: true, schema: {$ref: '#/components/schemas/Object'}}], responses: {'200': {description: x}}}}
  /header: {get: {parameters: [{name: X-Color, in: header, schema: {$ref: '#/components/schemas/Numbers'}}], responses: {'200': {description: x}}}}
  /header-object: {get: {parameters: [{name: X-Color, in: header, schema: {$ref: '#/components/schemas/Object'}}], responses: {'200': {description: x}}}}
  /header-exploded: {get: {parameters: [{name: X-Color, in: header, explode: true, schema: {$ref: '#/components/schemas/Object'}}], responses: {'200': {description: x}}}}
  /cookie: {get: {parameters: [{name: color, in: cookie, explode: false, schema: {$ref: '#/components/schemas/List'}}], responses: {'200': {description: x}}}}
  /cookie-text: {get: {parameters: [{name: color, in: cookie, schema: {$ref: '#/components/schemas/Text'}}], responses: {'200': {description: x}}}}
"#;

const ROWS: [(&str, &str); 46] = [
    ("/simple/blue,black,brown", ""),
    ("/simple/blue%2Cblack%2Cbrown", ""),
    ("/simple/blue", ""),
    ("/simple-object/R,100,G,200,B,150", ""),
    ("/simple-exploded/R=100,G=200,B=150", ""),
    ("/label/.blue,black,brown", ""),
    ("/label-exploded/.blue.black.brown", ""),
    ("/label-text/.blue", ""),
    ("/label-object/.R,100,G,200,B,150", ""),
    ("/matrix/;color=blue,black,brown", ""),
    ("/matrix-exploded/;color=blue;color=black;color=brown", ""),
    ("/matrix-object/;color=R,100,G,200,B,150", ""),
    ("/matrix-object-exploded/;R=100;G=200;B=150", ""),
    ("/form?color=blue,black,brown", ""),
    ("/form?color=blue%2Cblack%2Cbrown", ""),
    ("/form?color=blue", ""),
    ("/form-exploded?color=blue&color=black&color=brown", ""),
    ("/form-exploded?color=blue", ""),
    ("/form-exploded", ""),
    ("/form-object?color=R,100,G,200,B,150", ""),
    ("/form-object?color=R%2C100%2CG%2C200%2CB%2C150", ""),
    ("/form-object-exploded?R=100&G=200&B=150", ""),
    ("/form-object-exploded?B=150&R=100&other=1&G=200", ""),
    ("/form-text?color=blue", ""),
    ("/form-text?color=", ""),
    ("/form-text?color", ""),
    ("/spaces?color=blue%20black%20brown", ""),
    ("/spaces?color=blue+black+brown", ""),
    ("/pipes?color=blue|black|brown", ""),
    ("/pipes?color=blue%7Cblack%7Cbrown", ""),
    ("/spaces-object?color=R%20100%20G%20200%20B%20150", ""),
    ("/pipes-object?color=R%7C100%7CG%7C200%7CB%7C150", ""),
    ("/spaces-exploded?color=blue&color=black&color=brown", ""),
    ("/deep?color[R]=100&color[G]=200&color[B]=150", ""),
    ("/deep?color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150", ""),
    ("/deep?color[R]=100&color[G]=200&color[B]=150&color[alpha]=1", ""),
    ("/deep", ""),
    ("/header", "-H 'X-Color: 1,2,3'"),
    ("/header", "-H 'x-color: 1, 2, 3'"),
    ("/header", "-H 'X-Color: 1' -H 'X-Color: 2,3'"),
    ("/header-object", "-H 'X-Color: R,100,G,200,B,150'"),
    ("/header-object", "-H 'X-Color: R, 100, G, 200, B, 150'"),
    ("/header-exploded", "-H 'X-Color: R=100,G=200,B=150'"),
    ("/header-exploded", "-H 'X-Color: R=100, G=200, B=150'"),
    ("/cookie", "-b 'a=1; color=blue,black; z=2'"),
    ("/cookie-text", "-b color=blue"),
];

pub(super) fn rows(table: &mut Table) {
    for (path, more) in ROWS {
        let request = format!("curl -g 'https://api.lab.test{path}' {more}");
        table.row(request.clone(), "matches", against(SPEC, request));
    }
}
