//! Whatever bytes a network or a user sends, a check ends: in an outcome or a one-line error, within its deadline, without a panic,
//! and without reading or keeping more than a bound.
//!
//! A table of hostile servers, documents and command lines, all kinds of check. What holds for every row stands in [`trial`]; a row
//! says what it sends and which outcomes are no more than what was shown. The servers are raw sockets that count what they sent.

#![expect(clippy::too_many_lines, reason = "the rows are tables")]
#![expect(
    clippy::print_stdout,
    reason = "how many rows are right, and how much memory it took, are figures that people ask for"
)]

mod bodies;
mod counted;
mod documents;
mod egress;
mod http;
mod http2;
mod limits;
mod memory;
mod metrics;
mod name_server;
mod names;
mod requests;
mod server;
mod tls;
mod tokens;
mod trial;

use futures_util::StreamExt as _;
use trial::Row;

/// Rows at once: most of them wait.
const AT_ONCE: usize = 24;

fn rows() -> Vec<Row> {
    let mut rows = http::rows();
    rows.extend(bodies::rows());
    rows.extend(http2::rows());
    rows.extend(tls::rows());
    rows.extend(names::rows());
    rows.extend(egress::rows());
    rows.extend(documents::rows());
    rows.extend(metrics::rows());
    rows.extend(tokens::rows());
    rows.extend(requests::rows());
    rows.extend(limits::rows());
    rows
}

#[test]
fn no_bytes_make_a_check_panic_hang_or_say_more_than_was_shown() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let rows = rows();
    let count = rows.len();
    assert!(count >= 80, "{count} rows");
    let wrong: Vec<String> = runtime.block_on(async {
        // A row of its own task: a panic is that row's.
        let ended = futures_util::stream::iter(rows).map(|Row { name, run }| async move {
            match tokio::spawn(run).await {
                Ok(Ok(())) => None,
                Ok(Err(why)) => Some(format!("{name}: {why}")),
                Err(panic) => Some(format!("{name}: {panic}")),
            }
        });
        ended.buffer_unordered(AT_ONCE).filter_map(async |it| it).collect().await
    });
    // A row that hangs must not keep the others' verdict.
    runtime.shutdown_background();
    println!("{} of {count} rows right", count - wrong.len());
    assert!(wrong.is_empty(), "{} of {count} rows wrong:\n{}", wrong.len(), wrong.join("\n"));
}
