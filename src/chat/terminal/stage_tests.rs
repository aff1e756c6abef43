//! The terminal as a program that pipes into it sees it.

use std::io::Cursor;
use std::sync::Mutex;

use super::*;
use crate::chat::samples::{conclude, incident, question, report, step};
use crate::chat::terminal::Terminal;
use crate::incident::Event;
use crate::outcome::{CheckKind, Outcome};

/// A writer whose text can be read.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

struct Table {
    terminal: Terminal,
    paper: Paper,
    inbound: mpsc::Receiver<Inbound>,
}

fn table(input: Input) -> Table {
    let paper = Paper::default();
    let (sender, inbound) = mpsc::channel(8);
    let terminal =
        Terminal::new(Box::new(paper.clone()), input, Style::plain(), Arc::new(Templates::builtin()), sender);
    Table { terminal, paper, inbound }
}

fn lines(text: &str) -> Input {
    Input::Lines(Box::new(Cursor::new(text.as_bytes().to_vec())))
}

impl Table {
    /// The next answer, taken or not.
    async fn answer(&mut self, verdict: Result<(), String>) -> (QuestionId, String) {
        match self.inbound.recv().await {
            Some(Inbound::Answer { question, reply, respond, .. }) => {
                respond.send(verdict).unwrap();
                (question, reply)
            }
            other => panic!("an answer was expected, not {other:?}"),
        }
    }

    fn ask(&self, incident: &mut Incident, id: QuestionId) {
        let because = "it tells the gateway from the application";
        incident.record(
            Event::QuestionAsked { question: id, because: because.into() },
            jiff::Timestamp::UNIX_EPOCH,
        );
        self.terminal.ask(incident, &question(id), because);
    }

    async fn closed(self) -> String {
        self.terminal.close().await;
        self.paper.text()
    }
}

#[tokio::test]
async fn lines_from_a_pipe_answer_one_question_after_another() {
    let mut table = table(lines("several\n2\n"));
    let mut incident = incident();
    table.terminal.open_thread(&incident);
    table.ask(&mut incident, QuestionId::EndpointScope);
    table.ask(&mut incident, QuestionId::LatencyFirst);
    assert_eq!(table.answer(Ok(())).await, (QuestionId::EndpointScope, "several".into()));
    assert_eq!(table.answer(Ok(())).await, (QuestionId::LatencyFirst, "2".into()));
    let text = table.closed().await;
    assert!(text.contains("› several"), "{text}");
    assert!(text.contains("asked because it tells"), "{text}");
}

#[tokio::test]
async fn the_end_of_the_input_is_unknown() {
    let mut table = table(lines(""));
    let mut incident = incident();
    table.ask(&mut incident, QuestionId::EndpointScope);
    table.ask(&mut incident, QuestionId::LatencyFirst);
    assert_eq!(table.answer(Ok(())).await, (QuestionId::EndpointScope, "unknown".into()));
    assert_eq!(table.answer(Ok(())).await, (QuestionId::LatencyFirst, "unknown".into()));
}

#[tokio::test]
async fn a_wrong_line_is_told_why_and_the_next_one_is_taken() {
    let mut table = table(lines("maybe\none\n"));
    let mut incident = incident();
    table.ask(&mut incident, QuestionId::EndpointScope);
    assert_eq!(table.answer(Ok(())).await, (QuestionId::EndpointScope, "one".into()));
    let text = table.closed().await;
    assert!(text.contains("`maybe` is no answer to endpoint_scope"), "{text}");
}

#[tokio::test]
async fn a_reply_that_the_app_refuses_is_asked_again() {
    let mut table = table(lines("one\nall\n"));
    let mut incident = incident();
    table.ask(&mut incident, QuestionId::EndpointScope);
    table.answer(Err("a secret was in it".into())).await;
    assert_eq!(table.answer(Ok(())).await.1, "all");
    assert!(table.closed().await.contains("a secret was in it"));
}

#[tokio::test]
async fn a_request_over_several_lines_is_one_reply() {
    let mut table = table(lines("curl https://api.example.com \\\n  -d '{}'\n"));
    let mut incident = incident();
    table.ask(&mut incident, QuestionId::FailingRequest);
    assert_eq!(table.answer(Ok(())).await.1, "curl https://api.example.com \\\n  -d '{}'");
}

#[tokio::test]
async fn scripted_answers_are_shown_as_they_are_given_and_the_rest_is_unknown() {
    let mut table = table(Input::Scripted(BTreeMap::from([(QuestionId::EndpointScope, "one".into())])));
    let mut incident = incident();
    table.ask(&mut incident, QuestionId::EndpointScope);
    assert_eq!(table.answer(Ok(())).await, (QuestionId::EndpointScope, "one".into()));
    table.ask(&mut incident, QuestionId::TokenState);
    assert_eq!(table.answer(Ok(())).await, (QuestionId::TokenState, "unknown".into()));
    let text = table.closed().await;
    assert!(text.contains("→ one\n") && text.contains("→ unknown\n"), "{text}");
}

#[tokio::test]
async fn a_scripted_answer_that_is_none_becomes_unknown() {
    let mut table = table(Input::Scripted(BTreeMap::from([(QuestionId::EndpointScope, "maybe".into())])));
    let mut incident = incident();
    table.ask(&mut incident, QuestionId::EndpointScope);
    assert_eq!(table.answer(Ok(())).await.1, "unknown");
    assert!(table.closed().await.contains("`maybe` is no answer"));
}

#[tokio::test]
async fn a_check_is_shown_once_and_the_issue_below_the_conclusion() {
    let table = table(lines(""));
    let mut incident = incident();
    let step = step(CheckKind::Tls);
    incident.record(Event::ChecksPlanned { steps: vec![step.clone()] }, jiff::Timestamp::UNIX_EPOCH);
    table.terminal.show(&incident);
    let report = report(CheckKind::Tls, Outcome::Expired, "certificate expired 41 days ago");
    incident.record(Event::CheckReported { step: step.key(), report }, jiff::Timestamp::UNIX_EPOCH);
    table.terminal.show(&incident);
    table.terminal.show(&incident);
    conclude(&mut incident);
    let filed = Event::IssueFiled { reference: "issues/1.md".into(), url: String::new() };
    incident.record(filed, jiff::Timestamp::UNIX_EPOCH);
    table.terminal.show(&incident);
    table.terminal.say(&incident, &Note::Concluded);
    let text = table.closed().await;
    assert_eq!(text.matches("expired — certificate expired").count(), 1, "{text}");
    assert!(text.find("Clear: upstream") < text.find("issues/1.md"), "{text}");
}

#[tokio::test]
async fn a_trouble_is_told_once_with_its_next_try_and_once_more_when_it_is_given_up() {
    let table = table(lines(""));
    let mut incident = incident();
    for second in [7, 9] {
        let retry_at = Some(jiff::Timestamp::from_second(1_790_000_000 + second).unwrap());
        let (what, reason) = ("filing the issue".to_owned(), "the folder is not writable".to_owned());
        incident.record(Event::ActionFailed { what, reason, retry_at }, jiff::Timestamp::UNIX_EPOCH);
        table.terminal.show(&incident);
    }
    incident.troubles[0].retry_at = None;
    table.terminal.show(&incident);
    let text = table.closed().await;
    let told: Vec<&str> = text.lines().filter(|line| line.contains("filing the issue failed")).collect();
    assert_eq!(told.len(), 2, "{text}");
    assert!(text.contains("14:13:27 UTC") && text.contains("given up"), "{text}");
}

#[tokio::test]
async fn an_issue_filed_without_a_conclusion_is_shown_too() {
    let table = table(lines(""));
    let mut incident = incident();
    let filed = Event::IssueFiled { reference: "issues/1.md".into(), url: String::new() };
    incident.record(filed, jiff::Timestamp::UNIX_EPOCH);
    table.terminal.say(&incident, &Note::Filed);
    let text = table.closed().await;
    assert_eq!(text.matches("issues/1.md").count(), 1, "{text}");
}

#[tokio::test]
async fn a_question_is_withdrawn_when_the_checks_have_made_it_needless() {
    // A pipe that stays open and silent: whoever reads from it waits.
    let (reader, _writer) = std::io::pipe().unwrap();
    let table = table(Input::Lines(Box::new(std::io::BufReader::new(reader))));
    let mut incident = incident();
    table.ask(&mut incident, QuestionId::EndpointScope);
    conclude(&mut incident);
    table.terminal.say(&incident, &Note::Concluded);
    let text = table.closed().await;
    assert!(text.contains("no longer needed") && text.contains("Clear: upstream"), "{text}");
}

#[tokio::test]
async fn what_happens_during_a_question_is_written_after_its_answer() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut table = table(Input::Lines(Box::new(std::io::BufReader::new(reader))));
    let mut incident = incident();
    table.ask(&mut incident, QuestionId::EndpointScope);
    let step = step(CheckKind::Dns);
    incident.record(Event::ChecksPlanned { steps: vec![step.clone()] }, jiff::Timestamp::UNIX_EPOCH);
    let report = report(CheckKind::Dns, Outcome::Resolves, "2 addresses");
    incident.record(Event::CheckReported { step: step.key(), report }, jiff::Timestamp::UNIX_EPOCH);
    table.terminal.show(&incident);
    writer.write_all(b"one\n").unwrap();
    table.answer(Ok(())).await;
    let text = table.closed().await;
    assert!(text.find("› one") < text.find("2 addresses"), "{text}");
}

#[tokio::test]
async fn an_earlier_answer_is_changed_while_another_question_waits() {
    let mut table =
        table(lines("one\nendpoint_scope=perhaps\nendpoint_scope=several\nerror_origin=app\nyes\n"));
    let mut incident = incident();
    table.ask(&mut incident, QuestionId::EndpointScope);
    assert_eq!(table.answer(Ok(())).await, (QuestionId::EndpointScope, "one".into()));
    table.ask(&mut incident, QuestionId::LatencyFirst);
    assert_eq!(table.answer(Ok(())).await, (QuestionId::EndpointScope, "several".into()));
    assert_eq!(table.answer(Ok(())).await, (QuestionId::LatencyFirst, "yes".into()), "it came back");
    let text = table.closed().await;
    assert!(text.contains("endpoint_scope=… changes that answer"), "{text}");
    assert!(text.contains("`perhaps` is no answer to endpoint_scope"), "{text}");
    assert!(text.contains("→ several") && text.contains("error_origin was not answered here"), "{text}");
}

#[tokio::test]
async fn what_an_answer_brings_stands_below_it() {
    let mut table = table(lines("one\n"));
    let mut incident = incident();
    table.ask(&mut incident, QuestionId::EndpointScope);
    let Some(Inbound::Answer { respond, .. }) = table.inbound.recv().await else { panic!("an answer comes") };
    // The app concludes before it has told that the answer was taken.
    conclude(&mut incident);
    table.terminal.say(&incident, &Note::Concluded);
    respond.send(Ok(())).unwrap();
    let text = table.closed().await;
    assert!(text.find("one").is_some_and(|answer| Some(answer) < text.find("Clear: upstream")), "{text}");
    assert!(text.rfind("› one") < text.find("Clear: upstream"), "{text}");
}

#[tokio::test]
async fn an_app_that_is_gone_is_told_and_nothing_hangs() {
    let mut table = table(Input::Scripted(BTreeMap::new()));
    table.inbound.close();
    let mut incident = incident();
    table.ask(&mut incident, QuestionId::EndpointScope);
    // Closing may overtake the verdict; asking for nothing gives it a turn.
    table.terminal.show(&incident);
    table.terminal.close().await;
}
