//! The keyboard of a real terminal, in raw mode for as long as a question is open and not a moment longer.

use std::time::Duration;

use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste, Event, KeyEvent, KeyEventKind};

/// What came from the keyboard.
pub(super) enum Typed {
    Key(KeyEvent),
    Paste(String),
    Resized(usize),
}

/// Raw mode; dropping it gives the terminal back as it was.
pub(super) struct Raw;

impl Raw {
    /// Keys reach us one by one, Ctrl-C among them, and a paste arrives in one piece.
    pub(super) fn enter() -> std::io::Result<Self> {
        crossterm::terminal::enable_raw_mode()?;
        let raw = Self;
        crossterm::execute!(std::io::stderr(), EnableBracketedPaste)?;
        Ok(raw)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let given_back = crossterm::execute!(std::io::stderr(), DisableBracketedPaste)
            .and(crossterm::terminal::disable_raw_mode());
        if let Err(error) = given_back {
            tracing::debug!(%error, "the terminal cannot be given back as it was");
        }
    }
}

/// What is typed within this time, if anything is.
pub(super) fn read(within: Duration) -> std::io::Result<Option<Typed>> {
    if !crossterm::event::poll(within)? {
        return Ok(None);
    }
    Ok(match crossterm::event::read()? {
        Event::Key(key) if key.kind != KeyEventKind::Release => Some(Typed::Key(key)),
        Event::Paste(text) => Some(Typed::Paste(text)),
        Event::Resize(columns, _) => Some(Typed::Resized(usize::from(columns))),
        Event::Key(_) | Event::FocusGained | Event::FocusLost | Event::Mouse(_) => None,
    })
}
