//! A reader of server-sent events, written by hand: it sees every byte that a browser would.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::serve::bot::{Bot, within};

const LONG: Duration = Duration::from_mins(1);

/// An open stream and what came so far.
pub(super) struct Stream {
    connection: TcpStream,
    text: String,
}

impl Stream {
    /// Opens a stream, as a browser that has seen everything up to `last` does.
    pub(super) async fn open(bot: &Bot, path: &str, last: Option<&str>) -> Self {
        let mut connection = bot.connection().await;
        let last = last.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\naccept: text/event-stream\r\n{last}\r\n",
            bot.address()
        );
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut stream = Self { connection, text: String::new() };
        stream.until("content-type: text/event-stream").await;
        stream
    }

    /// What came so far, the lengths of its chunks left out.
    pub(super) fn text(&self) -> String {
        let body = self.text.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        // Chunks: a length, a line break, so many bytes, a line break (RFC 9112, section 7.1).
        let mut whole = String::new();
        let mut rest = body;
        while let Some((length, chunk)) = rest.split_once("\r\n") {
            let Ok(length) = usize::from_str_radix(length, 16) else { break };
            let Some(bytes) = chunk.get(..length) else { break };
            whole.push_str(bytes);
            rest = chunk.get(length + 2..).unwrap_or_default();
        }
        whole
    }

    /// Waits for these words; a failure prints what did come.
    pub(super) async fn until(&mut self, words: &str) {
        let what = format!("the stream says `{words}`");
        let waiting = async {
            while !self.text.contains(words) && !self.text().contains(words) {
                let mut bytes = vec![0; 64 * 1024];
                let read = self.connection.read(&mut bytes).await.unwrap();
                assert!(read > 0, "the stream ended:\n{}", self.text);
                self.text.push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        };
        within(LONG, &what, waiting).await;
    }

    /// Waits for the end of the stream.
    pub(super) async fn end(&mut self) {
        let mut rest = Vec::new();
        within(LONG, "the stream ends", self.connection.read_to_end(&mut rest)).await.unwrap();
        assert!(rest.ends_with(b"0\r\n\r\n"), "it ends as a whole, not broken off");
    }

    /// The ids that came, in order.
    pub(super) fn ids(&self) -> Vec<String> {
        self.text().lines().filter_map(|line| Some(line.strip_prefix("id: ")?.to_owned())).collect()
    }
}
