//! Lines that stay, and below them a region that is redrawn in place.
//!
//! On a pipe there is no region: only lines that stay. Each frame is written in one piece, inside a synchronised update
//! where the terminal knows it, so that nothing flickers. What cannot be written is dropped: a terminal that went away
//! must not stop an incident.

use std::io::Write;

/// A terminal, or a pipe, that is written to.
pub(super) struct Screen {
    output: Box<dyn Write + Send>,
    live: bool,
    region: Vec<String>,
}

impl Screen {
    pub(super) fn new(output: Box<dyn Write + Send>, live: bool) -> Self {
        Self { output, live, region: Vec::new() }
    }

    /// Writes lines that stay, above the region.
    pub(super) fn print(&mut self, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        if !self.live {
            return self.write(&(lines.join("\n") + "\n"));
        }
        let region = std::mem::take(&mut self.region);
        let text = format!("{}{}\r\n{}", back_to_start(&region), lines.join("\r\n"), region.join("\r\n"));
        self.region = region;
        self.write(&synchronised(&text));
    }

    /// Replaces the region; the cursor stays at its end. Does nothing on a pipe, and nothing when nothing changed.
    pub(super) fn draw(&mut self, region: Vec<String>) {
        if !self.live || region == self.region {
            return;
        }
        let text = format!("{}{}", back_to_start(&self.region), region.join("\r\n"));
        self.region = region;
        self.write(&synchronised(&text));
    }

    /// Writes text without a line's end: the prompt of a pipe.
    pub(super) fn write(&mut self, text: &str) {
        let written = self.output.write_all(text.as_bytes()).and_then(|()| self.output.flush());
        if let Err(error) = written {
            tracing::debug!(%error, "the terminal cannot be written to");
        }
    }
}

/// To the first column of the region's first line, with everything from there on erased.
fn back_to_start(region: &[String]) -> String {
    match region.len() {
        0 => String::new(),
        1 => "\r\x1b[J".to_owned(),
        lines => format!("\r\x1b[{}A\x1b[J", lines - 1),
    }
}

/// Shown at once by terminals that know the private mode 2026, ignored by the others.
fn synchronised(text: &str) -> String {
    format!("\x1b[?2026h{text}\x1b[?2026l")
}
