//! The thread that holds the screen: commands and keys in, lines out.
//!
//! It keeps what was shown, so that showing an incident again shows only what is new. It never decides what an answer
//! means: a reply goes to the app, and what the app says of it comes back here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};

use super::change::change;
use super::ink::Ink;
use super::keyboard::{self, Raw, Typed};
use super::lines::read_lines;
use super::open::{Asked, Open};
use super::prompt::{Pressed, Prompt};
use super::screen::Screen;
use super::view::Pen;
use super::{BY, Command, Input, Style, view};
use crate::chat::Inbound;
use crate::incident::{Incident, IncidentId, Stage as IncidentStage, StepState};
use crate::question::{Answer, QuestionId};
use crate::template::Templates;
use crate::triage::Note;

/// Between two frames of the spinner: slower looks broken, faster is only work.
const FRAME: Duration = Duration::from_millis(80);
/// Between two looks at the commands while a prompt waits for keys; below what a person notices.
const KEY_WAIT: Duration = Duration::from_millis(25);

/// Running checks with a line of their own: with a prompt below them they must fit on a screen of 24 lines.
const RUNNING: usize = 6;

/// Where replies come from.
enum Source {
    Keyboard,
    Lines { wanted: Sender<()>, waiting: bool, ended: bool },
    Scripted(BTreeMap<QuestionId, String>),
}

/// What was shown, what is open, and what waits.
pub(super) struct Stage {
    screen: Screen,
    pen: Pen,
    live: bool,
    source: Source,
    inbound: mpsc::Sender<Inbound>,
    leaving: watch::Sender<bool>,
    incidents: BTreeMap<IncidentId, Arc<Incident>>,
    running_since: BTreeMap<(IncidentId, String), Instant>,
    reported: BTreeSet<(IncidentId, String)>,
    concluded: BTreeSet<IncidentId>,
    filed: BTreeMap<IncidentId, String>,
    troubles: BTreeSet<(IncidentId, String, String, bool)>,
    waiting: VecDeque<Asked>,
    open: Option<Open>,
    /// What was answered here, and can be changed until it is clear.
    answered: Vec<Asked>,
    held: Vec<String>,
    began: Instant,
}

impl Stage {
    pub(super) fn new(
        output: Box<dyn Write + Send>,
        input: Input,
        style: Style,
        templates: Arc<Templates>,
        inbound: mpsc::Sender<Inbound>,
        leaving: watch::Sender<bool>,
        commands: Sender<Command>,
    ) -> Self {
        let source = match input {
            Input::Keyboard => Source::Keyboard,
            Input::Lines(lines) => {
                Source::Lines { wanted: read_lines(lines, commands), waiting: false, ended: false }
            }
            Input::Scripted(answers) => Source::Scripted(answers),
        };
        Self {
            screen: Screen::new(output, style.live),
            pen: Pen { ink: Ink::new(style), templates },
            live: style.live,
            source,
            inbound,
            leaving,
            incidents: BTreeMap::new(),
            running_since: BTreeMap::new(),
            reported: BTreeSet::new(),
            concluded: BTreeSet::new(),
            filed: BTreeMap::new(),
            troubles: BTreeSet::new(),
            waiting: VecDeque::new(),
            open: None,
            answered: Vec::new(),
            held: Vec::new(),
            began: Instant::now(),
        }
    }

    /// Until it is closed, or nobody is left who could say something.
    pub(super) fn run(mut self, commands: &Receiver<Command>) {
        loop {
            match self.next(commands) {
                Ok(Some(Command::Close(done))) => {
                    self.close();
                    // An error means that nobody waits for it any more.
                    let _ = done.send(());
                    return;
                }
                Ok(Some(command)) => self.obey(command),
                Ok(None) => {}
                Err(Disconnected) => return self.close(),
            }
            self.settle();
            self.open_next();
            self.redraw();
        }
    }

    /// The next command, or nothing when a key, a frame or a verdict wants attention first.
    fn next(&mut self, commands: &Receiver<Command>) -> Result<Option<Command>, Disconnected> {
        let wait = match &self.open {
            Some(Open::Keys { .. }) => {
                self.type_keys();
                Duration::ZERO
            }
            Some(Open::Sent { .. }) => KEY_WAIT,
            _ if self.live && !self.running_since.is_empty() => FRAME,
            _ => return commands.recv().map(Some).map_err(|_| Disconnected),
        };
        match commands.recv_timeout(wait) {
            Ok(command) => Ok(Some(command)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Disconnected),
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Open(incident) => {
                let lines = view::opened(&self.pen, &incident);
                self.print(lines);
                self.show(&incident);
            }
            Command::Ask { incident, question, because } => {
                let again = |asked: &Asked| asked.incident == incident.id && asked.question.id == question.id;
                let open = self.open.as_ref().map(Open::asked).into_iter();
                let open = open.chain(self.open.as_ref().and_then(Open::waiting));
                if !self.waiting.iter().chain(open).any(again) {
                    self.waiting.push_back(Asked { incident: incident.id.clone(), question, because });
                }
                self.show(&incident);
            }
            Command::Say { incident, note } => self.say(&incident, &note),
            Command::Show(incident) => self.show(&incident),
            Command::Line(line) => self.take_line(line),
            Command::Close(_) => unreachable!("run() takes it"),
        }
    }

    fn say(&mut self, incident: &Arc<Incident>, note: &Note) {
        self.show(incident);
        let lines = view::note(&self.pen, incident, note);
        self.print(lines);
        if matches!(note, Note::Concluded | Note::Changed { .. } | Note::Filed) {
            self.concluded.insert(incident.id.clone());
        }
        self.show_issue(&incident.id);
    }

    /// Shows what is new of an incident. An older state than the one that is known shows nothing.
    fn show(&mut self, incident: &Arc<Incident>) {
        let id = incident.id.clone();
        if self.incidents.get(&id).is_some_and(|known| known.seq > incident.seq) {
            return;
        }
        self.incidents.insert(id.clone(), Arc::clone(incident));
        for record in &incident.steps {
            let key = (id.clone(), record.step.key());
            match &record.state {
                StepState::Planned | StepState::Running => {
                    self.running_since.entry(key).or_insert_with(Instant::now);
                }
                StepState::Reported { report, .. } => {
                    self.running_since.remove(&key);
                    if self.reported.insert(key) {
                        let lines = view::check(&self.pen, &record.step, report);
                        self.print(lines);
                    }
                }
            }
        }
        self.withdraw_what_is_settled(incident);
        self.show_troubles(incident);
        self.show_issue(&id);
    }

    /// Each trouble is told once, and once more when it is given up; not at each try.
    fn show_troubles(&mut self, incident: &Incident) {
        self.troubles.retain(|(id, what, _, _)| {
            *id != incident.id || incident.troubles.iter().any(|known| known.what == *what)
        });
        for trouble in &incident.troubles {
            let (what, reason) = (trouble.what.clone(), trouble.reason.clone());
            if self.troubles.insert((incident.id.clone(), what, reason, trouble.retry_at.is_some())) {
                let lines = view::trouble(&self.pen, trouble);
                self.print(lines);
            }
        }
    }

    /// The issue stands below the conclusion, whichever comes first.
    fn show_issue(&mut self, id: &IncidentId) {
        let Some(issue) = self.incidents.get(id).and_then(|incident| incident.issue.clone()) else { return };
        if self.concluded.contains(id) && self.filed.get(id) != Some(&issue.reference) {
            self.filed.insert(id.clone(), issue.reference.clone());
            let lines = view::issue(&self.pen, &issue);
            self.print(lines);
        }
    }

    /// Takes back questions that somebody else answered, or that triage no longer needs.
    fn withdraw_what_is_settled(&mut self, incident: &Incident) {
        let over = incident.stage != IncidentStage::Triaging;
        let settled = |asked: &Asked| {
            asked.incident == incident.id && (over || incident.answer(asked.question.id).is_some())
        };
        let mut gone: Vec<Asked> = Vec::new();
        if self.open.as_ref().is_some_and(|open| !matches!(open, Open::Sent { .. }) && settled(open.asked()))
        {
            match self.open.take() {
                Some(Open::Keys { asked, .. } | Open::Line { asked }) => gone.push(asked),
                other => self.open = other,
            }
        }
        let (settled, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(settled);
        self.waiting = waiting;
        gone.extend(Vec::from(settled));
        for asked in gone {
            let record = incident.questions.iter().find(|record| record.question == asked.question.id);
            let lines = match record.and_then(|record| Some((record.answer.as_ref()?, record.by.as_deref()?)))
            {
                Some((answer, by)) => {
                    view::answered(&self.pen, &asked.question, &asked.because, &answer.to_string(), by)
                }
                None => view::withdrawn(&self.pen, &asked.question),
            };
            self.print(lines);
        }
        self.let_go_of_held();
    }

    /// Opens the next question, when none is open.
    fn open_next(&mut self) {
        if *self.leaving.borrow() {
            self.waiting.clear();
        }
        while self.open.is_none()
            && let Some(asked) = self.waiting.pop_front()
        {
            match &mut self.source {
                Source::Keyboard => self.open_prompt(asked, None),
                Source::Lines { ended: true, .. } => self.send(asked, "unknown".to_owned()),
                Source::Lines { .. } => {
                    let mut lines = view::question_with_answers(&self.pen, &asked.question, &asked.because);
                    lines.extend(self.earlier(&asked).map(|id| view::change_hint(&self.pen, id)));
                    self.print(lines);
                    self.want_line(asked);
                }
                Source::Scripted(answers) => {
                    let reply =
                        answers.get(&asked.question.id).cloned().unwrap_or_else(|| "unknown".to_owned());
                    match Answer::parse(asked.question.id, &reply) {
                        Ok(_) => self.send(asked, reply),
                        Err(why) => self.refuse(asked, &why.to_string()),
                    }
                }
            }
        }
    }

    fn open_prompt(&mut self, asked: Asked, wrong: Option<&str>) {
        let mut prompt = Prompt::new(asked.question.clone(), &asked.because, self.earlier(&asked));
        if let Some(why) = wrong {
            prompt.refuse(why);
        }
        match Raw::enter() {
            Ok(raw) => self.open = Some(Open::Keys { asked, prompt, _raw: raw }),
            Err(error) => {
                tracing::warn!(%error, "the keyboard cannot be read; the question counts as unknown");
                self.send(asked, "unknown".to_owned());
            }
        }
    }

    fn want_line(&mut self, asked: Asked) {
        if let Source::Lines { wanted, waiting, ended } = &mut self.source
            && !*waiting
        {
            *waiting = wanted.send(()).is_ok();
            *ended = !*waiting;
        }
        self.open = Some(Open::Line { asked });
    }

    /// Takes a line for the open question; without one, it waits for the next question's turn in vain and is dropped.
    fn take_line(&mut self, line: Option<String>) {
        if let Source::Lines { waiting, ended, .. } = &mut self.source {
            *waiting = false;
            *ended = line.is_none();
        }
        let Some(Open::Line { asked }) = self.open.take_if(|open| matches!(open, Open::Line { .. })) else {
            return;
        };
        self.take_reply(asked, line.unwrap_or_else(|| "unknown".to_owned()));
    }

    /// Takes a reply to the open question, or to an earlier one.
    fn take_reply(&mut self, asked: Asked, reply: String) {
        let (asked, reply, back) = match change(&reply, asked.question.id) {
            None => (asked, reply, None),
            Some((question, reply)) => {
                let is_it = |it: &&Asked| it.incident == asked.incident && it.question.id == question;
                match self.answered.iter().find(is_it).cloned() {
                    Some(earlier) => (earlier, reply, Some(asked)),
                    None => return self.refuse(asked, &format!("{question} was not answered here")),
                }
            }
        };
        match Answer::parse(asked.question.id, &reply) {
            Ok(_) => self.send_with(asked, reply, back),
            Err(why) => self.refuse(back.unwrap_or(asked), &why.to_string()),
        }
    }

    /// An answer of the same incident that can still be changed, as an example.
    fn earlier(&self, asked: &Asked) -> Option<QuestionId> {
        let mut earlier = self.answered.iter().rev().filter(|it| it.incident == asked.incident);
        earlier.find(|it| it.question.id != asked.question.id).map(|it| it.question.id)
    }

    /// Handles the keys that come within a moment.
    fn type_keys(&mut self) {
        let typed = keyboard::read(KEY_WAIT);
        let Some(Open::Keys { prompt, .. }) = &mut self.open else { return };
        let pressed = match typed {
            Ok(Some(Typed::Key(key))) => prompt.press(key),
            Ok(Some(Typed::Paste(text))) => {
                prompt.paste(&text);
                Pressed::Nothing
            }
            Ok(Some(Typed::Resized(columns))) => {
                self.pen.ink.resize(columns);
                Pressed::Nothing
            }
            Ok(None) => Pressed::Nothing,
            Err(error) => {
                tracing::warn!(%error, "the keyboard cannot be read; the question counts as unknown");
                Pressed::Replied("unknown".to_owned())
            }
        };
        match pressed {
            Pressed::Nothing => {}
            Pressed::Replied(reply) => {
                if let Some(Open::Keys { asked, .. }) = self.open.take() {
                    self.take_reply(asked, reply);
                }
            }
            Pressed::Left => {
                self.open = None;
                // An error means that nobody waits for it.
                let _ = self.leaving.send(true);
            }
        }
    }

    fn send(&mut self, asked: Asked, reply: String) {
        self.send_with(asked, reply, None);
    }

    fn send_with(&mut self, asked: Asked, reply: String, back: Option<Asked>) {
        let (respond, verdict) = oneshot::channel();
        let answer = Inbound::Answer {
            incident: asked.incident.clone(),
            question: asked.question.id,
            reply: reply.clone(),
            by: BY.to_owned(),
            once: None,
            respond,
        };
        // When the app is gone, the verdict's sender is too, and that is told when the verdict is read.
        let _ = self.inbound.blocking_send(answer);
        self.open = Some(Open::Sent { asked, reply, verdict, back });
    }

    /// Reads the app's verdict on the reply, when it is there.
    fn settle(&mut self) {
        let Some(Open::Sent { verdict, .. }) = &mut self.open else { return };
        let verdict = match verdict.try_recv() {
            Err(oneshot::error::TryRecvError::Empty) => return,
            Err(oneshot::error::TryRecvError::Closed) => None,
            Ok(verdict) => Some(verdict),
        };
        let Some(Open::Sent { asked, reply, back, .. }) = self.open.take() else { return };
        let is_change = back.is_some();
        match verdict {
            Some(Ok(())) => {
                let lines = match &self.source {
                    Source::Lines { ended: false, .. } if !is_change => {
                        view::taken(&self.pen, &asked.question, &reply)
                    }
                    _ => view::answered(&self.pen, &asked.question, &asked.because, &reply, BY),
                };
                self.print(lines);
                self.waiting.extend(back);
                self.waiting.rotate_right(usize::from(is_change));
                self.answered
                    .retain(|it| it.incident != asked.incident || it.question.id != asked.question.id);
                self.answered.push(asked);
            }
            Some(Err(why)) => self.refuse(back.unwrap_or(asked), &why),
            None => {
                let lines = view::stopping(&self.pen);
                self.print(lines);
            }
        }
        self.let_go_of_held();
    }

    /// Tells why a reply is not taken, and asks again where somebody can reply.
    fn refuse(&mut self, asked: Asked, why: &str) {
        if matches!(self.source, Source::Keyboard) {
            return self.open_prompt(asked, Some(why));
        }
        let lines = view::refused(&self.pen, why);
        self.print(lines);
        match &self.source {
            Source::Lines { ended: false, .. } => self.want_line(asked),
            _ if self
                .incidents
                .get(&asked.incident)
                .is_some_and(|it| it.answer(asked.question.id).is_some()) => {}
            Source::Keyboard | Source::Lines { .. } | Source::Scripted(_) => self.give_up(asked),
        }
    }

    /// A scripted reply that is no answer is replaced by `unknown`, once; when that is refused too, nothing is.
    fn give_up(&mut self, asked: Asked) {
        if let Source::Scripted(answers) = &mut self.source
            && answers.remove(&asked.question.id).is_none()
        {
            return;
        }
        self.send(asked, "unknown".to_owned());
    }

    /// Writes lines, or keeps them: while a pipe's question waits for its line, and until the answer stands above what it brings.
    fn print(&mut self, lines: Vec<String>) {
        if self.keeps_lines() {
            self.held.extend(lines);
        } else {
            self.screen.print(&lines);
        }
    }

    fn keeps_lines(&self) -> bool {
        match &self.open {
            Some(Open::Line { .. }) => !self.live,
            Some(Open::Sent { .. }) => true,
            Some(Open::Keys { .. }) | None => false,
        }
    }

    fn let_go_of_held(&mut self) {
        if !self.keeps_lines() {
            let held = std::mem::take(&mut self.held);
            self.screen.print(&held);
        }
    }

    fn redraw(&mut self) {
        if !self.live {
            return;
        }
        let tick = usize::try_from(self.began.elapsed().as_millis() / FRAME.as_millis()).unwrap_or(0);
        let mut region: Vec<String> = Vec::new();
        for ((id, key), since) in self.running_since.iter().take(RUNNING) {
            let record = self
                .incidents
                .get(id)
                .and_then(|it| it.steps.iter().find(|record| record.step.key() == *key));
            if let Some(record) = record {
                region.push(view::running(&self.pen, &record.step, tick, since.elapsed().as_secs_f64()));
            }
        }
        let more = self.running_since.len().saturating_sub(RUNNING);
        if more > 0 {
            region.extend(view::more_running(&self.pen, more));
        }
        if let Some(Open::Keys { prompt, .. }) = &self.open {
            let (lines, back) = prompt.lines(&self.pen);
            region.extend(lines);
            if let Some(last) = region.pop() {
                region.push(if back > 0 { format!("{last}\x1b[{back}D") } else { last });
            }
        }
        self.screen.draw(region);
    }

    fn close(&mut self) {
        self.settle();
        self.open = None;
        self.waiting.clear();
        self.let_go_of_held();
        self.screen.draw(Vec::new());
    }
}

/// Nobody is left who could send a command.
struct Disconnected;

#[cfg(test)]
#[path = "stage_tests.rs"]
mod tests;
