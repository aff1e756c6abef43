//! Who we are to whoever is probed: a name, and a trace that can be found in their logs.

use uuid::Uuid;

/// How probes name themselves, so that they can be found in the logs of whoever is probed.
const USER_AGENT: &str = concat!("firstcheck/", env!("CARGO_PKG_VERSION"));

/// The headers by which a probe can be found in the logs of whoever is probed.
pub(super) fn headers() -> [(String, String); 2] {
    [("user-agent".to_owned(), USER_AGENT.to_owned()), ("traceparent".to_owned(), traceparent())]
}

/// A request for nothing in particular, by hand: where HTTP is only spoken to make a server speak.
pub(super) fn bare_request(method: &str, host: &str) -> Vec<u8> {
    let [(agent, name), (trace, parent)] = headers();
    let lines = format!("{agent}: {name}\r\n{trace}: {parent}\r\nconnection: close\r\n\r\n");
    format!("{method} / HTTP/1.1\r\nhost: {host}\r\n{lines}").into_bytes()
}

/// A fresh trace (W3C Trace Context §3.2): version, trace, span, sampled.
fn traceparent() -> String {
    let span = Uuid::new_v4().simple().to_string();
    format!("00-{}-{}-01", Uuid::new_v4().simple(), &span[..16])
}
