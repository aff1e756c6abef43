//! The people of a story: they read what the bot asks in the thread and reply as people do.

use firstcheck::incident::{Incident, Stage};
use firstcheck::question::QuestionId;
use serde_json::json;

use super::house::House;
use crate::fakes::discord::{CHANNEL, Posted};

/// How somebody replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// A click on the button, or a pick from the menu, or the form: whatever the question offers.
    Click,
    /// A message in the thread.
    Words,
}

/// A question that waits in the thread.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) question: QuestionId,
    pub(super) message: Posted,
}

impl Asked {
    /// The question this message asks, as long as it can be answered there.
    pub(super) fn of(message: &Posted) -> Option<Self> {
        let id = ids(message).into_iter().next()?;
        let question = id.split('|').nth(2)?.parse().ok()?;
        Some(Self { question, message: message.clone() })
    }

    /// The custom id of the component that ends like this.
    fn component(&self, end: &str) -> Option<String> {
        ids(&self.message).into_iter().find(|id| id.ends_with(&format!("|{end}")))
    }
}

/// The custom ids of a message's components, in order.
fn ids(message: &Posted) -> Vec<String> {
    let rows = message.components.as_array().into_iter().flatten();
    let components = rows.flat_map(|row| row["components"].as_array().into_iter().flatten());
    components.filter_map(|it| Some(it["custom_id"].as_str()?.to_owned())).collect()
}

impl House {
    /// Somebody who knows the world answers whatever is asked until triage stops, in these ways by turns.
    pub(super) async fn somebody_answers(&self, ways: &[Way]) {
        let mut ways = ways.iter().cycle();
        let mut done = Vec::new();
        while let Some(asked) = self.next_question(&done).await {
            self.somebody_answers_one(&asked, *ways.next().unwrap()).await;
            done.push(asked.question);
        }
        assert!(!done.is_empty(), "nobody was asked");
    }

    /// The next question in the thread that nobody replied to; `None` when triage has stopped.
    async fn next_question(&self, done: &[QuestionId]) -> Option<Asked> {
        let thread = self.thread().await;
        self.discord
            .until("a question, or the end of triage", |world| {
                let said: Vec<&Posted> = world.messages.values().filter(|it| it.channel == thread).collect();
                if said.iter().any(|it| it.content.contains("## ")) {
                    return Some(None);
                }
                let asked = said.into_iter().filter_map(Asked::of).find(|it| !done.contains(&it.question));
                asked.map(Some)
            })
            .await
    }

    /// A question that waits in the thread.
    pub(super) async fn a_question(&self) -> Asked {
        self.next_question(&[]).await.expect("triage goes on")
    }

    /// Somebody answers this question with what the world knows, and reads below it that it was taken.
    pub(super) async fn somebody_answers_one(&self, asked: &Asked, way: Way) {
        match way {
            Way::Words => self.somebody_writes_to(asked),
            Way::Click => self.clicks(asked, &self.known(asked.question)).await,
        }
        self.was_taken(asked).await;
    }

    /// Somebody replies to the question's message, whether the bot is awake or not.
    pub(super) fn somebody_writes_to(&self, asked: &Asked) {
        self.discord.write(asked.message.channel, &self.known(asked.question), Some(asked.message.id));
    }

    /// Waits until the question's message says who answered; it can be changed there until it is clear.
    pub(super) async fn was_taken(&self, asked: &Asked) {
        let message = asked.message.id;
        let taken = format!("{} was taken from Ada", asked.question);
        self.discord
            .until(&taken, |world| world.messages[&message].content.contains("· Ada").then_some(()))
            .await;
    }

    /// Somebody answers over the HTTP API until triage stops: Discord is not the only way in.
    pub(super) async fn somebody_answers_over_http(&self) {
        loop {
            let moved = |it: &Incident| it.stage != Stage::Triaging || it.open_questions().next().is_some();
            let incident = self.becomes("a question, or the end of triage", moved).await;
            if incident.stage != Stage::Triaging {
                return;
            }
            for record in incident.open_questions() {
                let answer = self.known(record.question);
                let reply = json!({"question": record.question, "answer": answer, "by": "Grace"});
                self.post(&format!("/api/incidents/{}/answers", self.id()), &reply).await;
            }
        }
    }

    /// What somebody who knows the world answers.
    fn known(&self, question: QuestionId) -> String {
        self.scene().answers.get(&question).cloned().unwrap_or_else(|| "unknown".to_owned())
    }

    /// Clicks what the question offers for this answer: its button, its menu, or the form for words.
    async fn clicks(&self, asked: &Asked, answer: &str) {
        let Asked { message, .. } = asked;
        if let Some(button) = asked.component(answer) {
            self.discord.click(message, &button, &[]);
        } else if let Some(menu) = asked.component("*") {
            self.discord.click(message, &menu, &answer.split(',').collect::<Vec<_>>());
        } else {
            let form = asked.component("…").expect("a button, a menu or a form");
            let click = self.discord.click(message, &form, &[]);
            let opened = |world: &crate::fakes::discord::World| world.interactions[&click].callback.clone();
            assert_eq!(self.discord.until("a form", opened).await["type"], 9);
            self.discord.fill_in(message.channel, &form, answer);
        }
    }

    /// Somebody types `/triage start` and is told the incident's name.
    pub(super) async fn triage_start(&mut self, service: &str, status: u16) {
        let options = json!([{"name": "start", "type": 1, "options": [
            {"name": "service", "type": 3, "value": service}, {"name": "status", "type": 4, "value": status}]}]);
        let command = self.discord.command(CHANNEL, &options);
        let told = self.discord.told(command).await;
        let name = told.split('`').nth(1).unwrap_or_else(|| panic!("no incident's name: {told}"));
        self.about(name);
    }
}
