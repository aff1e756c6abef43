//! Certificates of servers.
#![no_main]

use firstcheck::checks::foreign;

libfuzzer_sys::fuzz_target!(|der: &[u8]| {
    let _ = foreign::certificate(der, foreign::a_time());
});
