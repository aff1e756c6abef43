//! An open question at the keyboard: keys in, a reply out. Pure: it neither reads keys nor writes lines.
//!
//! Arrow keys pick a row, space ticks rows where several apply, and whatever is typed is a reply of its own (a number, an
//! id, several with commas, words). `unknown` is the last row, always.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::change::change;
use super::ink::{Ink, Mark, Span, Tone, span};
use super::view::{self, Pen};
use crate::chat::Question;
use crate::question::{Answer, QuestionId};

/// What a key did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pressed {
    /// The prompt looks different, or not.
    Nothing,
    /// The person replied: in words that [`Answer::parse`] takes, or to an earlier question.
    Replied(String),
    /// The person wants to leave.
    Left,
}

/// A question that waits for its answer.
#[derive(Debug, Clone)]
pub(super) struct Prompt {
    question: Question,
    because: String,
    row: usize,
    ticked: Vec<bool>,
    before: String,
    after: String,
    wrong: Option<String>,
    earlier: Option<QuestionId>,
}

impl Prompt {
    /// `earlier` was answered before, and can be changed here.
    pub(super) fn new(question: Question, because: &str, earlier: Option<QuestionId>) -> Self {
        let rows = question.answers.len() + 1;
        Self {
            question,
            because: because.to_owned(),
            row: 0,
            ticked: vec![false; rows],
            before: String::new(),
            after: String::new(),
            wrong: None,
            earlier,
        }
    }

    /// Tells the person that the reply was not taken, and why.
    pub(super) fn refuse(&mut self, why: &str) {
        self.wrong = Some(why.to_owned());
    }

    /// Takes pasted text, of several lines too.
    pub(super) fn paste(&mut self, text: &str) {
        self.wrong = None;
        self.before.push_str(&text.replace("\r\n", "\n").replace('\r', "\n"));
    }

    /// Takes a key.
    pub(super) fn press(&mut self, key: KeyEvent) -> Pressed {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return Pressed::Left,
            KeyCode::Char('d') if control && self.is_blank() => {
                return Pressed::Replied("unknown".to_owned());
            }
            KeyCode::Enter => return self.enter(),
            KeyCode::Char('u') if control => self.before.clear(),
            KeyCode::Char('w') if control => {
                let kept = self.before.trim_end().rfind(' ').map_or(0, |space| space + 1);
                self.before.truncate(kept);
            }
            KeyCode::Char('a') if control => self.jump_to_start(),
            KeyCode::Char('e') if control => self.jump_to_end(),
            KeyCode::Char(_) if control => {}
            KeyCode::Char(' ') if self.is_blank() && self.is_multiple() => {
                self.ticked[self.row] = !self.ticked[self.row];
                self.untick_what_excludes(self.row);
            }
            KeyCode::Char(c) => self.before.push(c),
            KeyCode::Backspace => {
                self.before.pop();
            }
            KeyCode::Delete if !self.after.is_empty() => {
                self.after.remove(0);
            }
            KeyCode::Left => {
                if let Some(c) = self.before.pop() {
                    self.after.insert(0, c);
                }
            }
            KeyCode::Right if !self.after.is_empty() => {
                let c = self.after.remove(0);
                self.before.push(c);
            }
            KeyCode::Home => self.jump_to_start(),
            KeyCode::End => self.jump_to_end(),
            KeyCode::Up | KeyCode::BackTab => {
                self.row = self.row.checked_sub(1).unwrap_or(self.ticked.len() - 1);
            }
            KeyCode::Down | KeyCode::Tab => self.row = (self.row + 1) % self.ticked.len(),
            KeyCode::Esc => {
                self.before.clear();
                self.after.clear();
            }
            _ => return Pressed::Nothing,
        }
        self.wrong = None;
        Pressed::Nothing
    }

    fn enter(&mut self) -> Pressed {
        let typed = format!("{}{}", self.before, self.after);
        let reply = if typed.trim().is_empty() { self.picked() } else { typed.trim().to_owned() };
        if change(&reply, self.question.id).is_some() {
            return Pressed::Replied(reply);
        }
        match Answer::parse(self.question.id, &reply) {
            Ok(_) => Pressed::Replied(reply),
            Err(why) => {
                self.refuse(&why.to_string());
                Pressed::Nothing
            }
        }
    }

    /// What the rows say: those that are ticked, or else the one the cursor is on.
    fn picked(&self) -> String {
        let ticked: Vec<&str> =
            (0..self.ticked.len()).filter(|row| self.ticked[*row]).map(|row| self.answer(row)).collect();
        if ticked.is_empty() { self.answer(self.row).to_owned() } else { ticked.join(",") }
    }

    fn answer(&self, row: usize) -> &str {
        self.question.answers.get(row).map_or("unknown", |answer| answer.id.as_str())
    }

    /// `unknown`, `none` and `everyone` speak for themselves alone.
    fn untick_what_excludes(&mut self, row: usize) {
        let alone = |answer: &str| matches!(answer, "unknown" | "none" | "everyone");
        let this = alone(self.answer(row));
        for other in 0..self.ticked.len() {
            if other != row && (this || alone(self.answer(other))) {
                self.ticked[other] = false;
            }
        }
    }

    fn is_blank(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }

    fn is_multiple(&self) -> bool {
        self.question.id.choice().is_multiple()
    }

    fn jump_to_start(&mut self) {
        self.after.insert_str(0, &self.before);
        self.before.clear();
    }

    fn jump_to_end(&mut self) {
        self.before.push_str(&self.after);
        self.after.clear();
    }

    /// The prompt as lines, and how many columns the cursor stands left of the last one's end.
    pub(super) fn lines(&self, pen: &Pen) -> (Vec<String>, usize) {
        let ink = pen.ink;
        let mut lines = view::question(pen, &self.question, &self.because);
        for row in 0..self.ticked.len() {
            let here = row == self.row && self.is_blank();
            lines.extend(self.row_lines(ink, row, here));
        }
        lines.push(String::new());
        let help = match (
            self.question.answers.is_empty(),
            self.is_multiple(),
            self.question.id.choice().takes_text(),
        ) {
            (true, ..) => "type or paste it, then enter; enter alone for unknown",
            (false, true, true) => "arrows and space, or numbers with commas, or your own words; then enter",
            (false, true, false) => "arrows and space, or numbers with commas; then enter",
            (false, false, true) => "arrows, a number, or your own words; then enter",
            (false, false, false) => "arrows or a number, then enter",
        };
        if let Some(why) = &self.wrong {
            lines.extend(ink.block(
                &[Span(Tone::Plain, "    ".into()), ink.mark(Mark::Warn), Span(Tone::Plain, " ".into())],
                &[span(Tone::Warn, why)],
            ));
        } else {
            lines.push(ink.line(&[Span(Tone::Plain, "    ".into()), span(Tone::Dim, help)]));
            lines.extend(self.earlier.map(|id| view::change_hint(pen, id)));
        }
        let (shown, back) = self.typed(ink);
        lines.push(ink.line(&[
            Span(Tone::Plain, "    ".into()),
            ink.mark(Mark::Answer),
            Span(Tone::Plain, format!(" {shown}")),
        ]));
        (lines, back)
    }

    fn row_lines(&self, ink: Ink, row: usize, here: bool) -> Vec<String> {
        let cursor = if here { ink.mark(Mark::Cursor) } else { Span(Tone::Plain, " ".into()) };
        let tick = match (self.is_multiple(), self.ticked[row]) {
            (false, _) => "",
            (true, true) => ink.pick("◼ ", "[x] "),
            (true, false) => ink.pick("◻ ", "[ ] "),
        };
        let lead = [Span(Tone::Plain, "    ".into()), cursor, Span(Tone::Plain, format!(" {tick}"))];
        view::answer_row(ink, &self.question, row, &lead, if here { Tone::Strong } else { Tone::Plain })
    }

    /// What was typed, its end when it is longer than the line, and the cursor's distance from its end.
    fn typed(&self, ink: Ink) -> (String, usize) {
        let room = ink.width().saturating_sub(8);
        let lines = self.before.lines().count();
        if lines > 1 {
            return (format!("({lines} lines, {} characters)", self.before.chars().count()), 0);
        }
        let text: Vec<char> = super::ink::plain(&format!("{}{}", self.before, self.after)).chars().collect();
        let shown: String = text[text.len().saturating_sub(room)..].iter().collect();
        (shown, self.after.chars().count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::samples::question;

    fn keys(prompt: &mut Prompt, keys: &[KeyCode]) -> Pressed {
        let mut last = Pressed::Nothing;
        for key in keys {
            last = prompt.press(KeyEvent::new(*key, KeyModifiers::NONE));
        }
        last
    }

    fn typed(prompt: &mut Prompt, text: &str) -> Pressed {
        keys(prompt, &text.chars().map(KeyCode::Char).collect::<Vec<_>>());
        keys(prompt, &[KeyCode::Enter])
    }

    #[track_caller]
    fn check(id: QuestionId, pressed: &[KeyCode], reply: &str) {
        let mut prompt = Prompt::new(question(id), "test", None);
        assert_eq!(keys(&mut prompt, pressed), Pressed::Replied(reply.to_owned()));
    }

    #[test]
    fn arrows_pick_a_row_and_wrap_around_to_unknown() {
        check(QuestionId::EndpointScope, &[KeyCode::Enter], "one");
        check(QuestionId::EndpointScope, &[KeyCode::Down, KeyCode::Enter], "several");
        check(QuestionId::EndpointScope, &[KeyCode::Up, KeyCode::Enter], "unknown");
    }

    #[test]
    fn space_ticks_where_several_apply() {
        let space = KeyCode::Char(' ');
        check(QuestionId::ChangeAtStart, &[space, KeyCode::Down, space, KeyCode::Enter], "deploy,config");
        check(QuestionId::ChangeAtStart, &[space, KeyCode::Up, space, KeyCode::Enter], "unknown");
    }

    #[test]
    fn numbers_ids_and_words_are_replies() {
        for (id, words) in [
            (QuestionId::EndpointScope, "2"),
            (QuestionId::EndpointScope, "several"),
            (QuestionId::EndpointScope, "?"),
            (QuestionId::ChangeAtStart, "1, 2"),
            (QuestionId::CorrelatedDependency, "the payments vendor"),
        ] {
            let mut prompt = Prompt::new(question(id), "test", None);
            assert_eq!(typed(&mut prompt, words), Pressed::Replied(words.to_owned()));
        }
    }

    #[test]
    fn a_wrong_reply_is_told_why_and_asked_again() {
        let mut prompt = Prompt::new(question(QuestionId::EndpointScope), "test", None);
        assert_eq!(typed(&mut prompt, "maybe"), Pressed::Nothing);
        let templates = std::sync::Arc::new(crate::template::Templates::builtin());
        let pen = Pen { ink: Ink::new(super::super::Style::plain()), templates };
        let shown = prompt.lines(&pen).0.join("\n");
        assert!(shown.contains("`maybe` is no answer"), "{shown}");
        keys(&mut prompt, &[KeyCode::Esc]);
        assert_eq!(typed(&mut prompt, "all"), Pressed::Replied("all".to_owned()));
    }

    #[test]
    fn a_request_pasted_in_several_lines_is_one_reply() {
        let mut prompt = Prompt::new(question(QuestionId::FailingRequest), "test", None);
        prompt.paste("curl https://api.example.com \\\r\n  -H 'Accept: */*'");
        let reply = "curl https://api.example.com \\\n  -H 'Accept: */*'";
        assert_eq!(keys(&mut prompt, &[KeyCode::Enter]), Pressed::Replied(reply.to_owned()));
    }

    #[test]
    fn a_typing_error_is_mended_in_the_middle() {
        let mut prompt = Prompt::new(question(QuestionId::EndpointScope), "test", None);
        keys(&mut prompt, &[KeyCode::Char('o'), KeyCode::Char('e'), KeyCode::Left, KeyCode::Char('n')]);
        assert_eq!(keys(&mut prompt, &[KeyCode::Enter]), Pressed::Replied("one".to_owned()));
    }

    #[test]
    fn control_c_leaves_and_control_d_does_not_know() {
        let mut prompt = Prompt::new(question(QuestionId::EndpointScope), "test", None);
        let control = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
        assert_eq!(prompt.press(control('d')), Pressed::Replied("unknown".to_owned()));
        assert_eq!(prompt.press(control('c')), Pressed::Left);
    }
}
