//! Labels: created when missing, and left out, with a word about it, where they cannot be.
//!
//! GitHub drops labels and assignees without a word for accounts that may not push or triage; what came back is compared with
//! what was asked. An issue without a label is better than none.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::shapes::{Found, Label, List};
use super::{Desk, GitHub, paced};
use crate::tracker::{LeftOut, TrackerError};

/// Colours by a label's prefix, as GitHub wants them; the grey of GitHub's own for others.
const COLOURS: [(&str, &str); 4] =
    [("bucket:", "1d76db"), ("severity:", "d93f0b"), ("service:", "5319e7"), ("firstcheck", "0e8a16")];

/// How long a refusal is remembered: somebody may have mended it meanwhile.
const FRESH: Duration = Duration::from_mins(10);

impl GitHub {
    /// Why this repository (`owner/name`) gets issues without labels, if it does.
    #[must_use]
    pub fn drops_labels(&self, repository: &str) -> Option<String> {
        let without = self.learned.without_labels.lock().unwrap_or_else(PoisonError::into_inner);
        without.get(repository).filter(|(since, _)| since.elapsed() < FRESH).map(|(_, why)| why.clone())
    }
}

impl Desk<'_> {
    /// Of these labels those that can be asked for, created where they were missing; and what is to be said of the others.
    pub(super) async fn labels(
        &self,
        wanted: &[String],
    ) -> Result<(Vec<String>, Vec<LeftOut>), TrackerError> {
        let name = self.repository.to_string();
        if let Some(why) = self.github.drops_labels(&name) {
            return Ok((Vec::new(), vec![LeftOut::labels(why)]));
        }
        let known = |label: &str| {
            let labels = self.github.learned.labels.lock().unwrap_or_else(PoisonError::into_inner);
            labels.get(&name).is_some_and(|known| known.contains(&label.to_lowercase()))
        };
        let refused = |label: &str| {
            let refused = self.github.learned.refused_labels.lock().unwrap_or_else(PoisonError::into_inner);
            let known = refused.get(&(name.clone(), label.to_lowercase()));
            known.filter(|(since, _)| since.elapsed() < FRESH).map(|(_, why)| why.clone())
        };
        let is_new = |label: &String| !known(label) && refused(label).is_none();
        if wanted.iter().any(is_new) && !self.learn_labels().await? {
            // Nobody can tell: GitHub creates what is missing by itself.
            return Ok((wanted.to_vec(), Vec::new()));
        }
        let (mut may, mut left_out) = (Vec::new(), Vec::new());
        for label in wanted {
            let why = match (known(label), refused(label)) {
                (true, _) => None,
                (false, Some(why)) => Some(why),
                (false, None) => self.create_label(label).await?,
            };
            match why {
                None => may.push(label.clone()),
                Some(why) => left_out.push(LeftOut::labels(why)),
            }
        }
        Ok((may, left_out))
    }

    /// Labels that were refused here are tried again.
    pub(super) fn forget_refusals(&self) {
        let here = self.repository.to_string();
        let mut refused = self.github.learned.refused_labels.lock().unwrap_or_else(PoisonError::into_inner);
        refused.retain(|(repository, _), _| *repository != here);
    }

    /// Reads which labels there are; false when that cannot be read.
    async fn learn_labels(&self) -> Result<bool, TrackerError> {
        let all: Vec<Label> = match self.try_list("/labels", List::default()).await {
            Ok(all) => all,
            Err(failure) if failure.is_limit || failure.status.is_none_or(|status| status >= 500) => {
                return Err(failure.into());
            }
            Err(_) => return Ok(false),
        };
        let names: BTreeSet<String> = all.iter().map(|label| label.name().to_lowercase()).collect();
        let mut labels = self.github.learned.labels.lock().unwrap_or_else(PoisonError::into_inner);
        labels.insert(self.repository.to_string(), names);
        Ok(true)
    }

    /// Creates a label; gives why it cannot be, if it cannot.
    async fn create_label(&self, label: &str) -> Result<Option<String>, TrackerError> {
        self.github.pace.take(Instant::now()).map_err(paced)?;
        let colour =
            COLOURS.iter().find(|(prefix, _)| label.starts_with(prefix)).map_or("ededed", |(_, it)| it);
        let body = json!({"name": label, "color": colour, "description": "set by firstcheck"});
        let route = self.repository.route("/labels");
        let created: Result<Value, _> = self.github.call(self.clients.writes.post(route, Some(&body))).await;
        match created {
            Err(failure) if failure.is_limit => return Err(failure.into()),
            Err(failure)
                if matches!(failure.status, Some(403 | 404))
                    || failure.status == Some(422) && !failure.reason().contains("already_exists") =>
            {
                let why = format!(
                    "the label `{label}`, which does not exist and cannot be created ({}); somebody who may must create it",
                    failure.reason()
                );
                let mut refused =
                    self.github.learned.refused_labels.lock().unwrap_or_else(PoisonError::into_inner);
                refused.insert(
                    (self.repository.to_string(), label.to_lowercase()),
                    (Instant::now(), why.clone()),
                );
                return Ok(Some(why));
            }
            // Created, there already, or perhaps created: the next list tells.
            Ok(_) | Err(_) => {}
        }
        let mut labels = self.github.learned.labels.lock().unwrap_or_else(PoisonError::into_inner);
        labels.entry(self.repository.to_string()).or_default().insert(label.to_lowercase());
        Ok(None)
    }

    /// What was asked for and did not come back.
    pub(super) fn missing_from(&self, got: &Found, labels: &[String], assignees: &[String]) -> Vec<LeftOut> {
        let mut left_out = Vec::new();
        let has = |name: &String| got.labels.iter().any(|label| label.name().eq_ignore_ascii_case(name));
        if !labels.iter().all(has) {
            let name = self.repository.to_string();
            let why = format!(
                "labels, which GitHub dropped: the account needs the role triage or write in {name}, an app the permission `issues: write`"
            );
            tracing::warn!(
                repository = name,
                "issues in {name} are filed without labels: GitHub dropped them"
            );
            let mut without =
                self.github.learned.without_labels.lock().unwrap_or_else(PoisonError::into_inner);
            without.insert(name, (Instant::now(), why.clone()));
            left_out.push(LeftOut::labels(why));
        }
        let is_assigned =
            |login: &String| got.assignees.iter().any(|user| user.login.eq_ignore_ascii_case(login));
        let lost: Vec<&str> = assignees.iter().filter(|it| !is_assigned(it)).map(String::as_str).collect();
        if !lost.is_empty() {
            let why = format!(
                "{} cannot be assigned in {}: no such people there, or none the account may assign",
                lost.join(", "),
                self.repository
            );
            left_out.push(LeftOut { what: LeftOut::ASSIGNING, why });
        }
        left_out
    }
}
