//! Recorded answers of limiters: header lines, HTTP messages, HAR entries.
#![no_main]

use std::sync::LazyLock;

use firstcheck::checks::{Catalogues, foreign};

static CATALOGUES: LazyLock<Catalogues> = LazyLock::new(Catalogues::builtin);

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = foreign::rate_limit(&CATALOGUES, text, foreign::a_time());
});
