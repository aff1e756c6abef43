//! Bodies of answers in a content coding, which the first byte picks.
#![no_main]

use firstcheck::checks::foreign;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((first, body)) = bytes.split_first() else { return };
    let coding = ["", "gzip", "deflate"][usize::from(first % 3)];
    let size = foreign::http_body(coding, body);
    assert!(size.is_none_or(|it| it <= 1024 * 1024), "{size:?} bytes are kept");
});
