//! curl commands, HAR entries, raw HTTP and log lines. What was read is written as a curl command that reads back to the same.
#![no_main]

use firstcheck::request::{Body, FailingRequest};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(request) = FailingRequest::parse(text) else { return };
    let again = FailingRequest::parse(&request.to_curl()).expect("our own curl command is one");
    assert_eq!(again.method, request.method);
    if matches!(request.body, Body::Empty) {
        assert_eq!(again.body, request.body);
    }
});
