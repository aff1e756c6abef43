//! Issues, comments and labels.

use std::time::Instant;

use serde_json::{Value, json};

use super::{Answer, Asked, Memory, REPOSITORY, Shared, heart};

impl Shared {
    pub(super) fn issues(&self, memory: &mut Memory, asked: &Asked<'_>) -> Answer {
        let number = asked.parameter("issue_number").and_then(|number| number.parse::<u64>().ok());
        match (asked.operation.method.as_str(), asked.operation.path.as_str(), number) {
            ("get", "/repos/{owner}/{repo}/issues", _) => list_issues(memory, asked),
            ("post", "/repos/{owner}/{repo}/issues", _) => self.create(memory, asked),
            ("patch", "/repos/{owner}/{repo}/issues/comments/{comment_id}", _) => edit_comment(memory, asked),
            (_, _, Some(number)) => match memory.issues.iter().position(|issue| issue["number"] == number) {
                None => Answer::refusal(404, "Not Found"),
                Some(place) => self.issue(memory, place, asked),
            },
            _ => Answer::refusal(404, "this fake does not do that"),
        }
    }

    fn issue(&self, memory: &mut Memory, place: usize, asked: &Asked<'_>) -> Answer {
        let number = memory.issues[place]["number"].as_u64().unwrap();
        match (asked.operation.method.as_str(), asked.operation.path.ends_with("/comments")) {
            ("get", true) => {
                let of = memory.comments.iter().filter(|(issue, _)| *issue == number);
                asked.page(of.map(|(_, it)| it.clone()).collect())
            }
            ("post", true) => {
                if let Err(refusal) = heart::limits(asked.body) {
                    return refusal;
                }
                let mut comment = self.example("issue-comment");
                comment["id"] = json!(memory.comments.len() + 5000);
                comment["body"] = asked.body["body"].clone();
                comment["user"]["login"] = json!(asked.who);
                memory.comments.push((number, comment.clone()));
                Answer::new(201, comment)
            }
            ("get", false) => Answer::new(200, memory.issues[place].clone()),
            ("patch", false) => {
                let mut issue = memory.issues[place].clone();
                match self.write(memory, &mut issue, asked.body) {
                    Ok(()) => {
                        memory.issues[place] = issue.clone();
                        Answer::new(200, issue)
                    }
                    Err(refusal) => refusal,
                }
            }
            _ => Answer::refusal(404, "this fake does not do that"),
        }
    }

    fn create(&self, memory: &mut Memory, asked: &Asked<'_>) -> Answer {
        let mut issue = self.blank_issue(memory.issues.len() as u64 + 1);
        issue["user"]["login"] = json!(asked.who);
        match self.write(memory, &mut issue, asked.body) {
            Ok(()) => {
                memory.issues.push(issue.clone());
                memory.born.push(Instant::now());
                Answer::new(201, issue)
            }
            Err(refusal) => refusal,
        }
    }

    pub(super) fn blank_issue(&self, number: u64) -> Value {
        let mut issue = self.example("issue");
        issue["number"] = json!(number);
        issue["id"] = json!(number + 1000);
        issue["html_url"] = json!(format!("https://github.com/{REPOSITORY}/issues/{number}"));
        issue["user"]["login"] = json!(super::LOGIN);
        issue["state"] = json!("open");
        issue["state_reason"] = Value::Null;
        issue["labels"] = json!([]);
        issue["assignees"] = json!([]);
        let now = firstcheck::clock::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        issue["created_at"] = json!(now);
        issue["updated_at"] = json!(now);
        if let Some(fields) = issue.as_object_mut() {
            fields.remove("pull_request");
        }
        issue
    }

    /// Writes the given fields into an issue, as far as GitHub would.
    fn write(&self, memory: &mut Memory, issue: &mut Value, body: &Value) -> Result<(), Answer> {
        heart::limits(body)?;
        for field in ["title", "body", "state", "state_reason"] {
            if let Some(value) = body.get(field) {
                issue[field] = value.clone();
            }
        }
        if !memory.may_push {
            return Ok(());
        }
        if let Some(labels) = body["labels"].as_array() {
            let mut written = Vec::new();
            for name in labels.iter().filter_map(Value::as_str) {
                written.push(self.label(memory, name)?);
            }
            issue["labels"] = written.into();
        }
        if let Some(assignees) = body["assignees"].as_array() {
            let known = |login: &&Value| memory.people.iter().any(|it| Some(it.as_str()) == login.as_str());
            if assignees.iter().any(|login| !known(&login)) {
                return Err(Answer::invalid("Issue", "assignees", "invalid"));
            }
            let assignee = |login: &Value| {
                let mut user = issue["user"].clone();
                user["login"] = login.clone();
                user
            };
            issue["assignees"] = assignees.iter().map(assignee).collect();
        }
        Ok(())
    }

    /// The label of this name, created when it is missing.
    fn label(&self, memory: &mut Memory, name: &str) -> Result<Value, Answer> {
        let same = |label: &&Value| label["name"].as_str().unwrap().eq_ignore_ascii_case(name);
        if let Some(known) = memory.labels.iter().find(same) {
            return Ok(known.clone());
        }
        if !memory.may_create_labels {
            return Err(Answer::invalid("Label", "name", "invalid"));
        }
        let mut label = self.item("label-items");
        if let Some(fields) = label.as_object_mut() {
            fields.retain(|_, value| !value.is_object());
        }
        label["id"] = json!(memory.labels.len() + 1);
        label["name"] = json!(name);
        memory.labels.push(label.clone());
        Ok(label)
    }

    pub(super) fn labels(&self, memory: &mut Memory, asked: &Asked<'_>) -> Answer {
        if asked.operation.method == "get" {
            return asked.page(memory.labels.clone());
        }
        let name = asked.body["name"].as_str().unwrap_or_default();
        if !memory.may_push || !memory.may_create_labels {
            return Answer::refusal(404, "Not Found");
        }
        if memory.labels.iter().any(|label| label["name"] == name) {
            return Answer::invalid("Label", "name", "already_exists");
        }
        match self.label(memory, name) {
            Ok(label) => Answer::new(201, label),
            Err(refusal) => refusal,
        }
    }
}

fn edit_comment(memory: &mut Memory, asked: &Asked<'_>) -> Answer {
    if let Err(refusal) = heart::limits(asked.body) {
        return refusal;
    }
    let id = asked.parameter("comment_id").and_then(|id| id.parse::<u64>().ok());
    let Some((_, comment)) = memory.comments.iter_mut().find(|(_, it)| it["id"].as_u64() == id) else {
        return Answer::refusal(404, "Not Found");
    };
    comment["body"] = asked.body["body"].clone();
    Answer::new(200, comment.clone())
}

fn list_issues(memory: &mut Memory, asked: &Asked<'_>) -> Answer {
    let hidden = if memory.lag > 0 {
        memory.lag -= 1;
        memory.issues.last().map(|issue| issue["number"].clone())
    } else {
        None
    };
    let state = asked.wants("state").unwrap_or("open");
    let (creator, since) = (asked.wants("creator"), asked.wants("since"));
    let lag = memory.lag_time;
    let of = memory.issues.iter().zip(&memory.born).rev();
    let of = of
        .filter(|(_, born)| born.elapsed() >= lag)
        .map(|(issue, _)| issue)
        .filter(|it| Some(&it["number"]) != hidden.as_ref())
        .filter(|it| state == "all" || it["state"] == state)
        .filter(|it| creator.is_none_or(|creator| it["user"]["login"] == creator))
        .filter(|it| since.is_none_or(|since| it["updated_at"].as_str().unwrap() >= since))
        .cloned();
    let of = of.collect();
    asked.page(of)
}
