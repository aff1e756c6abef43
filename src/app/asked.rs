//! What people ask of the bot in a chat: how incidents stand, the evidence, the runbooks, a check, and what they may mean.
//!
//! Nothing here changes an incident. Everything is redacted before it is handed out; a check runs under the bot's egress policy
//! and reads no file of ours, since whoever asks need not be a user of this machine.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::app::{App, AppError, Filter, suggest};
use crate::chat::{Inbound, Which};
use crate::incident::{Incident, IncidentId};
use crate::outcome::{CheckKind, Report};
use crate::runbook::Knowledge;

/// Questions that are being answered at once; more wait, and what people do waits behind them. A check takes as long as its
/// target lets it, and [`super::PROBES_AT_ONCE`] bounds those.
const AT_ONCE: u32 = 64;

/// Incidents that are looked through for the one whose thread it is.
const LOOKED_THROUGH: u32 = 1000;

/// Keys of a check whose value may be a file.
const FILE_KEYS: [&str; 3] = ["ca_file", "jwks", "spec"];

/// Answers, beside the task that listens.
pub(super) async fn answer(app: &Arc<App>, asked: Inbound) {
    // The semaphore is never closed.
    let Ok(turn) = Arc::clone(&app.asking).acquire_owned().await else { return };
    let app = Arc::clone(app);
    tokio::spawn(async move {
        app.tell(asked).await;
        drop(turn);
    });
}

/// How many may ask at once.
pub(super) fn turns() -> Arc<tokio::sync::Semaphore> {
    Arc::new(tokio::sync::Semaphore::new(usize::try_from(AT_ONCE).unwrap_or(1)))
}

impl App {
    async fn tell(self: &Arc<Self>, asked: Inbound) {
        // Whoever no longer waits has gone away.
        match asked {
            Inbound::Status { which, respond } => {
                let _ = respond.send(self.find(&which).await);
            }
            Inbound::List { respond } => {
                let _ = respond.send(self.open_incidents().await);
            }
            Inbound::Evidence { which, respond } => {
                let _ = respond.send(self.pack_of(&which).await.map_err(|error| error.for_people()));
            }
            Inbound::Check { check, target, with, respond } => {
                let _ = respond.send(self.check_for(check, &target, with).await);
            }
            Inbound::Runbooks { name, respond } => {
                let _ = respond.send(runbooks(&self.knowledge(), name.as_deref()));
            }
            Inbound::Suggest { what, typed, respond } => {
                let _ = respond.send(self.suggestions(what, &typed).await);
            }
            Inbound::Answer { .. } | Inbound::Start { .. } | Inbound::Say { .. } | Inbound::Moved { .. } => {}
        }
    }

    async fn suggestions(&self, what: crate::chat::Suggest, typed: &str) -> Vec<crate::chat::Suggestion> {
        use crate::chat::Suggest;
        let known = match what {
            Suggest::OpenIncidents => suggest::incidents(self.incidents(Filter::Open, 100).await),
            Suggest::Incidents => suggest::incidents(self.incidents(Filter::All, 100).await),
            Suggest::Services => {
                let seen = self.incidents(Filter::All, 100).await.unwrap_or_default();
                suggest::services(&self.services, seen)
            }
            Suggest::Runbooks => suggest::runbooks(&self.knowledge()),
            Suggest::Targets(kind) => suggest::targets(kind, &self.services, &self.environment.catalogues),
        };
        suggest::fitting(known, typed)
    }

    /// Runs a check for somebody in a chat; what it found is redacted.
    async fn check_for(
        &self,
        check: CheckKind,
        target: &str,
        with: BTreeMap<String, String>,
    ) -> Result<Report, String> {
        if let Some(why) = reads_files_of_ours(check, target, &with) {
            return Err(why);
        }
        let report = self.check(check, target, with, None).await.map_err(|refused| refused.to_string())?;
        let gate = self.gate(&IncidentId::from_seed(0));
        let facts = gate.json(&serde_json::to_value(&report.facts).unwrap_or_default());
        Ok(Report {
            target: gate.link(&report.target),
            summary: gate.text(&report.summary),
            facts: serde_json::from_value(facts).unwrap_or_default(),
            ..report
        })
    }

    async fn pack_of(&self, which: &Which) -> Result<(IncidentId, String), AppError> {
        let id = self.named(which).await?;
        let markdown = self.evidence_markdown(&id).await?;
        Ok((id, markdown))
    }

    /// The name of the incident that is meant.
    pub(super) async fn named(&self, which: &Which) -> Result<IncidentId, AppError> {
        let thread = match which {
            Which::Id(id) => return Ok(id.clone()),
            Which::Thread(thread) => thread,
        };
        for filter in [Filter::Open, Filter::All] {
            let summaries = self.store.list(filter, LOOKED_THROUGH).await?;
            let found = summaries.into_iter().find(|summary| summary.thread.as_ref() == Some(thread));
            if let Some(summary) = found {
                return Ok(summary.id);
            }
        }
        Err(AppError::Refused("This is no incident's thread; say the incident's id.".to_owned()))
    }

    async fn find(&self, which: &Which) -> Option<Arc<Incident>> {
        let id = self.named(which).await.ok()?;
        self.incident(&id).await.ok().flatten().map(Arc::new)
    }

    async fn open_incidents(&self) -> Vec<Arc<Incident>> {
        let mut open = Vec::new();
        for summary in self.store.list(Filter::Open, 100).await.unwrap_or_default() {
            if let Ok(Some(incident)) = self.incident(&summary.id).await {
                open.push(Arc::new(incident));
            }
        }
        open
    }
}

/// Why a check would read a file of this machine, when it would: for those who are not its users.
#[must_use]
pub fn reads_files_of_ours(kind: CheckKind, target: &str, with: &BTreeMap<String, String>) -> Option<String> {
    let is_url = |value: &str| value.starts_with("http://") || value.starts_with("https://");
    if let Some(key) = FILE_KEYS.iter().find(|key| with.get(**key).is_some_and(|value| !is_url(value))) {
        return Some(format!("`{key}` names a file of the server, which only its own users may do"));
    }
    let reads_target =
        matches!(kind, CheckKind::Contract | CheckKind::Deploys | CheckKind::RateLimit | CheckKind::Token);
    (reads_target && !is_url(target)).then(|| {
        format!("a `{kind}` check reads its target from the server, which only its own users may do")
    })
}

/// The runbooks in words, or one of them.
fn runbooks(knowledge: &Knowledge, name: Option<&str>) -> Result<String, String> {
    match name {
        None => Ok(knowledge.table()),
        Some(name) => knowledge.page(name).ok_or_else(|| {
            format!("There is no runbook or cause `{}`; `/runbook list` names them.", name.trim())
        }),
    }
}
