//! OpenAPI descriptions; what stands behind a zero byte is the request.
#![no_main]

use firstcheck::checks::foreign;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let (description, request) = text.split_once('\0').unwrap_or((text, "GET /orders 500"));
    let _ = foreign::contract(description, request);
});
