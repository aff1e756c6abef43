//! Answers of a Prometheus; what stands before a zero byte is the query.
#![no_main]

use firstcheck::checks::foreign;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let zero = bytes.iter().position(|it| *it == 0);
    let (query, answer) = zero.map_or((&b"up"[..], bytes), |at| (&bytes[..at], &bytes[at + 1..]));
    let _ = foreign::metrics(&String::from_utf8_lossy(query), answer);
});
