//! Lines as from a pipe, read one by one and only when one is wanted.

use std::io::BufRead;
use std::sync::mpsc::{Sender, channel};

use super::Command;

/// Reads one line for each time one is wanted, on a thread of its own: a read cannot be taken back.
pub(super) fn read_lines(mut lines: Box<dyn BufRead + Send>, commands: Sender<Command>) -> Sender<()> {
    let (wanted, wants) = channel();
    let read = move || {
        while wants.recv().is_ok() {
            if commands.send(Command::Line(read_line(&mut *lines))).is_err() {
                return;
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("terminal input".to_owned()).spawn(read) {
        tracing::warn!(%error, "input cannot be read; questions count as unknown");
    }
    wanted
}

/// One line, or several where each but the last ends in `\`; `None` at the end. Bytes that are no UTF-8 are replaced.
fn read_line(lines: &mut dyn BufRead) -> Option<String> {
    let mut text = String::new();
    loop {
        let mut line = Vec::new();
        let read = lines.read_until(b'\n', &mut line).unwrap_or(0);
        if read == 0 {
            return Some(text).filter(|text| !text.is_empty());
        }
        text.push_str(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']));
        if !text.ends_with('\\') {
            return Some(text);
        }
        text.push('\n');
    }
}
