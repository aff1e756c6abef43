//! Release records: a line of JSON for each change.
#![no_main]

use firstcheck::checks::foreign;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = foreign::release_record(text, foreign::a_time());
});
