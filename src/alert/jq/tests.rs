//! What a restricted filter may say, what it costs, and where its mistakes are told.

use serde_json::json;

use super::*;

#[track_caller]
fn gives(filter: &str, body: &Value, expected: &Value) {
    let filter = Filter::read(filter).unwrap_or_else(|why| panic!("{filter}: {why:?}"));
    let outputs = filter.run(body, &json!({"x-kind": "issue"})).unwrap();
    assert_eq!(Value::Array(outputs), *expected);
}

#[test]
fn what_mappings_need_is_there() {
    gives(
        ".alerts[] | {a, b: .c.d}",
        &json!({"alerts": [{"a": 1, "c": {"d": 2}}]}),
        &json!([{"a": 1, "b": 2}]),
    );
    gives("$headers[\"x-kind\"]", &json!(null), &json!(["issue"]));
    gives(".m | fromjson? // \"none\"", &json!({"m": "{\"x\": 1}"}), &json!([{"x": 1}]));
    gives(".m | fromjson? // \"none\"", &json!({"m": "no"}), &json!(["none"]));
    gives("{\"Up\": \"ok\"}[.s // \"\"] // .s", &json!({"s": "Up"}), &json!(["ok"]));
    gives("[.t[]? | select(.k == \"a\") | .v] | first", &json!({"t": [{"k": "a", "v": 7}]}), &json!([7]));
    gives(
        "(.u | capture(\"/projects/(?<org>[^/]+)/\").org) as $o | \"o=\\($o)\"",
        &json!({"u": "/projects/x/"}),
        &json!(["o=x"]),
    );
    gives(
        "with_entries(select(.value != null))",
        &json!({"a": null, "b": 1_502_709_956_288_000_110_i64}),
        &json!([{"b": 1_502_709_956_288_000_110_i64}]),
    );
    gives("if .a then 1 elif .b then 2 else 3 end", &json!({"b": true}), &json!([2]));
}

#[track_caller]
fn refuses(filter: &str, expected: &str) {
    let why = Filter::read(filter).expect_err(filter).why;
    assert!(why.contains(expected), "{filter}: {why}");
}

#[test]
fn what_could_loop_grow_or_look_around_is_refused() {
    for name in
        ["env", "now", "input", "inputs", "debug", "halt", "repeat(.)", "range(9)", "recurse", "until(.; .)"]
    {
        refuses(&format!(".a | {name}"), "is not taken in a mapping");
    }
    refuses("def f: f; f", "a definition");
    refuses("\"x\" * 3000000000", "`*`");
    refuses("reduce .[] as $x (0; . + $x)", "`reduce`");
    refuses("..", "`..`");
    refuses(".a = 1", "an assignment");
    refuses(".a |= 1", "an assignment");
    refuses("label $x | 1", "`label`");
    refuses("$ENV", "nothing is called");
    refuses("test(.pattern)", "must be a text as it stands");
    refuses("\"a\" | test(\"\\(.pattern)\")", "must be a text as it stands");
    refuses("[0 | range(3)]", "`range`");
    refuses(&format!("{}1{}", "[".repeat(9000), "]".repeat(9000)), "characters");
    refuses(&format!("{}1{}", "[".repeat(900), "]".repeat(900)), "nested too deep");
    refuses(&format!("{}.", ".|".repeat(5000)), "too deep");
    refuses(&format!("{}.", "try ".repeat(2000)), "too deep");
    refuses(&format!("{}.", "if ".repeat(2000)), "too deep");
    refuses(".a ==", "no jq");
}

#[test]
fn a_refusal_names_its_place() {
    let refused = Filter::read(".a\n  | env").unwrap_err();
    assert_eq!((refused.line, refused.column), (2, 5));
}

/// With a tenth of the fuel, so that unoptimised code gives up in no time.
#[track_caller]
fn too_costly(filter: &str, body: &Value) {
    let ended = Filter::read(filter).unwrap().each_of(FUEL / 10, body, [Val::Null], |_| true);
    assert_eq!(ended, Err(Failed::TooCostly), "{filter}");
}

#[test]
fn a_body_cannot_make_an_accepted_filter_explode() {
    let many: Value = (0..3000).collect();
    too_costly("[.[] as $a | .[] as $b | $a]", &many);
    too_costly("[.[] + .[]] | length", &many);
    too_costly(
        "[.[] | try ([$headers, .] | error) catch .] | [.[][] , .[][]] | map(.) | [.[] as $a | .[] | .]",
        &many,
    );
    too_costly(&vec!["[.,.]"; 60].join("|"), &many);
    too_costly(&vec![". + ."; 60].join("|"), &json!("text"));
    assert_eq!(Filter::read(".[]").unwrap().run(&many, &Value::Null), Err(Failed::TooCostly));
    too_costly("any(.[] as $a | .[] as $b | $a == -1; .)", &many);
}

#[test]
fn nesting_in_a_text_is_refused_and_not_followed() {
    gives("try fromjson catch \"no\"", &json!("[".repeat(100_000)), &json!(["no"]));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    #[test]
    fn no_text_makes_it_panic(text in ".{0,80}") {
        let _ = Filter::read(&text);
    }
}
