//! Messages of name servers.
#![no_main]

use firstcheck::checks::foreign;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = foreign::dns_message(bytes);
});
