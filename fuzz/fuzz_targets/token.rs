//! Tokens as callers present them; what stands behind a zero byte is the key set.
#![no_main]

use firstcheck::checks::foreign;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let (token, keys) = text.split_once('\0').map_or((text, None), |(token, keys)| (token, Some(keys)));
    let _ = foreign::token(token, keys, foreign::a_time());
});
