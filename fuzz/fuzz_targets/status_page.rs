//! Documents of status pages: JSON of some twenty shapes, UTF-16, RSS and Atom.
#![no_main]

use firstcheck::checks::foreign;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = foreign::status_page(bytes, foreign::a_time());
});
