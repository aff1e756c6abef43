//! The thread in a terminal, an equal of Discord: the incident's head, checks as they run, questions with their answers,
//! the conclusion.
//!
//! One thread of its own holds the screen and the keyboard, so that a prompt never blocks the runtime and nothing is
//! written into the middle of a line. On a terminal a question stays at the bottom while checks finish above it; over a
//! pipe what happens during a question is written after its answer. `QUESTION=ANSWER` changes an earlier answer. The surprise: a question may be withdrawn while
//! somebody is typing, because the checks have made it needless.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use tokio::sync::{mpsc, oneshot, watch};

use crate::chat::Inbound;
use crate::incident::Incident;
use crate::question::QuestionId;
use crate::runbook::Question;
use crate::template::Templates;
use crate::triage::Note;

mod change;
mod ink;
mod keyboard;
mod lines;
mod open;
mod prompt;
mod screen;
mod stage;
mod view;

/// Who answers at a terminal, as the incident records it.
const BY: &str = "terminal";

/// Where answers come from.
pub enum Input {
    /// A keyboard: arrow keys, numbers, words. Needs a terminal.
    Keyboard,
    /// Lines, as from a pipe; their end answers `unknown` to the rest. A line that ends in `\` goes on in the next.
    Lines(Box<dyn BufRead + Send>),
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Colours (off with `NO_COLOR` and on a pipe).
    pub colour: bool,
    /// Lines are redrawn in place: spinners, prompts (off on a pipe).
    pub live: bool,
    /// Marks beyond ASCII.
    pub unicode: bool,
    /// Columns of the terminal; 40 to 100 of them are used.
    pub width: usize,
}

impl Style {
    /// For a pipe: lines that stay, no colour, 100 columns.
    #[must_use]
    pub fn plain() -> Self {
        Self { colour: false, live: false, unicode: true, width: 100 }
    }

    /// What suits an output that is a terminal or not, given the environment's variables: `NO_COLOR` (no-color.org), `TERM`,
    /// and the locale's `LC_ALL`, `LC_CTYPE`, `LANG`.
    #[must_use]
    pub fn detect(is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        let said = |name: &str| variable(name).filter(|value| !value.is_empty());
        let dumb = said("TERM").is_none_or(|term| term == "dumb");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(said);
        // No locale at all is a container's shell, and those show UTF-8; a locale that names another charset means it.
        let unicode = locale.is_none_or(|it| it.to_ascii_lowercase().replace('-', "").contains("utf8"));
        let live = is_terminal && !dumb;
        let width = if live {
            crossterm::terminal::size().map_or(100, |(columns, _)| usize::from(columns))
        } else {
            100
        };
        Self { colour: live && said("NO_COLOR").is_none(), live, unicode, width }
    }
}

/// What the thread that holds the screen is told.
enum Command {
    Open(Arc<Incident>),
    Ask { incident: Arc<Incident>, question: Question, because: String },
    Say { incident: Arc<Incident>, note: Note },
    Show(Arc<Incident>),
    Line(Option<String>),
    Close(oneshot::Sender<()>),
}

/// A terminal as a chat. A cheap handle: clones speak to the same terminal.
#[derive(Debug, Clone)]
pub struct Terminal {
    commands: Sender<Command>,
    left: watch::Receiver<bool>,
}

impl Terminal {
    /// A terminal that writes here in these words, reads there, and hands people's answers to `inbound`.
    ///
    /// # Panics
    /// When the operating system has no thread left to give.
    #[must_use]
    pub fn new(
        output: Box<dyn std::io::Write + Send>,
        input: Input,
        style: Style,
        templates: Arc<Templates>,
        inbound: mpsc::Sender<Inbound>,
    ) -> Self {
        let (commands, received) = channel();
        let (leaving, left) = watch::channel(false);
        let stage = stage::Stage::new(output, input, style, templates, inbound, leaving, commands.clone());
        std::thread::Builder::new()
            .name("terminal".to_owned())
            .spawn(move || stage.run(&received))
            .expect("a program that starts has a thread left for its terminal");
        Self { commands, left }
    }

    /// Resolves when the person at the terminal pressed Ctrl-C at a prompt, where it does not reach the program as a signal.
    pub async fn left(&self) {
        let mut left = self.left.clone();
        if left.wait_for(|left| *left).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Writes out what is still waiting, withdraws an open prompt and gives the terminal back as it was. Later calls write
    /// nothing.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        self.tell(Command::Close(done));
        // An error means that it was closed before.
        let _ = closed.await;
    }

    pub(super) fn open_thread(&self, incident: &Incident) -> String {
        self.tell(Command::Open(Arc::new(incident.clone())));
        "terminal".to_owned()
    }

    pub(super) fn ask(&self, incident: &Incident, question: &Question, because: &str) {
        let incident = Arc::new(incident.clone());
        self.tell(Command::Ask { incident, question: question.clone(), because: because.to_owned() });
    }

    pub(super) fn say(&self, incident: &Incident, note: &Note) {
        self.tell(Command::Say { incident: Arc::new(incident.clone()), note: note.clone() });
    }

    pub(super) fn show(&self, incident: &Incident) {
        self.tell(Command::Show(Arc::new(incident.clone())));
    }

    fn tell(&self, command: Command) {
        if self.commands.send(command).is_err() {
            tracing::debug!("the terminal is closed; nothing more is written to it");
        }
    }
}
