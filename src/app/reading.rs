//! What is read out of the app: incidents and lists of them, redacted; evidence; figures.

use std::sync::Arc;

use serde::Serialize;

use crate::app::counters::Spans;
use crate::app::course::Course;
use crate::app::view::{Document, Trouble, trouble};
use crate::app::{App, AppError, Filter, Found, Kept, Search, Summary, Unavailable, perform};
use crate::clock;
use crate::evidence::render::Issue;
use crate::evidence::{self, Pack};
use crate::incident::{Incident, IncidentId, Recorded, Stage};
use crate::store::{Figures, Pending};
use crate::tracker::LeftOut;
use crate::triage::Action;

impl App {
    /// The redacted copy of an incident: the only form in which one leaves.
    pub(super) fn redacted(&self, incident: &Incident) -> Incident {
        evidence::redact::incident(incident, &self.gate(&incident.id))
    }

    /// The redacted copy for a chat, with the present times of what waits: the log knows the first try of a kind of failure
    /// only.
    pub(super) async fn presented(&self, incident: &Incident) -> Incident {
        let mut redacted = self.redacted(incident);
        if redacted.troubles.is_empty() {
            return redacted;
        }
        // A store that cannot be read leaves the first times: better than none.
        let undone = self.store.pending_of(&incident.id).await.unwrap_or_default();
        for trouble in &mut redacted.troubles {
            let waits = |(pending, given_up): &&(Pending, bool)| {
                !given_up && pending.last_error.is_some() && perform::what(&pending.action) == trouble.what
            };
            if let Some(next) = undone.iter().filter(waits).map(|(pending, _)| pending.due_at).min() {
                trouble.retry_at = Some(next);
            }
        }
        redacted
    }

    /// An incident, redacted; `None` when there is none of this name.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot be read.
    pub async fn incident(&self, id: &IncidentId) -> Result<Option<Incident>, Unavailable> {
        Ok(self.incident_now(id).await?.map(|incident| self.redacted(&incident)))
    }

    /// The newest incidents, redacted.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot be read.
    pub async fn incidents(&self, filter: Filter, limit: u32) -> Result<Vec<Summary>, Unavailable> {
        Ok(self.search(&Search::newest(filter, limit)).await?.incidents)
    }

    /// A page of the incidents that are looked for, redacted.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot be read.
    pub async fn search(&self, search: &Search) -> Result<Found, Unavailable> {
        let mut found = self.store.search(search).await?;
        for summary in &mut found.incidents {
            let gate = self.gate(&summary.id);
            summary.title = gate.text(&summary.title);
            summary.service = summary.service.as_deref().map(|it| gate.text(it));
            summary.endpoint = summary.endpoint.as_deref().map(|it| gate.url(it));
            summary.assignee = summary.assignee.as_deref().map(|it| gate.text(it));
        }
        Ok(found)
    }

    /// An incident as the API shows it.
    ///
    /// # Errors
    /// [`AppError::NoSuchIncident`] and [`AppError::Unavailable`].
    pub async fn document(&self, id: &IncidentId) -> Result<Document, AppError> {
        let (_, incident, troubles) = self.told(id).await?;
        Ok(Document::of(incident, &self.knowledge(), troubles))
    }

    /// An incident as the API shows it, and how it came to be so.
    ///
    /// # Errors
    /// As [`Self::document`].
    pub async fn story(&self, id: &IncidentId) -> Result<(Document, Course), AppError> {
        let (log, incident, troubles) = self.told(id).await?;
        let knowledge = self.knowledge();
        let course = Course::of(&log, &incident, &knowledge);
        Ok((Document::of(incident, &knowledge, troubles), course))
    }

    /// An incident's log, its redacted copy, and what troubles it now.
    async fn told(&self, id: &IncidentId) -> Result<(Vec<Recorded>, Incident, Vec<Trouble>), AppError> {
        // The actions first: a trouble is committed with its event, so the incident that is read after it knows of it.
        let undone = self.store.pending_of(id).await?;
        let log = self.store.load(id).await?;
        if log.is_empty() {
            return Err(AppError::NoSuchIncident(id.clone()));
        }
        let incident = self.redacted(&Incident::fold(id.clone(), &log));
        let gate = self.gate(id);
        let troubles = undone.iter().filter_map(|(pending, given_up)| trouble(pending, *given_up));
        let mut troubles: Vec<Trouble> =
            troubles.map(|it| Trouble { reason: gate.text(&it.reason), ..it }).collect();
        // What an action that was done had to leave out.
        for what in [LeftOut::LABELLING, LeftOut::ASSIGNING] {
            let left_out = incident.troubles.iter().find(|it| it.what == what);
            troubles.extend(left_out.map(|it| Trouble {
                what,
                reason: it.reason.clone(),
                attempts: 1,
                retry_at: None,
            }));
        }
        Ok((log, incident, troubles))
    }

    /// The evidence pack.
    ///
    /// # Errors
    /// [`AppError::NoSuchIncident`] and [`AppError::Unavailable`].
    pub async fn evidence(&self, id: &IncidentId) -> Result<Pack, AppError> {
        let incident = self.incident(id).await?.ok_or_else(|| AppError::NoSuchIncident(id.clone()))?;
        Ok(self.packed(&incident).await?)
    }

    /// The pack of a redacted incident, beside the incident with the same key before it.
    pub(super) async fn packed(&self, incident: &Incident) -> Result<Pack, Unavailable> {
        let before = match self.store.previous(&incident.id).await? {
            Some(id) => Some(self.redacted(&Incident::fold(id.clone(), &self.store.load(&id).await?))),
            None => None,
        };
        Ok(evidence::pack_after(incident, before.as_ref()))
    }

    /// The evidence pack as Markdown.
    ///
    /// # Errors
    /// As [`Self::evidence`]; [`AppError::Refused`] when the template cannot be filled, with its place.
    pub async fn evidence_markdown(&self, id: &IncidentId) -> Result<String, AppError> {
        let pack = self.evidence(id).await?;
        evidence::render::markdown(&self.templates, &pack)
            .map_err(|error| AppError::Refused(error.to_string()))
    }

    /// The issue as it would be filed now.
    ///
    /// # Errors
    /// As [`Self::evidence_markdown`].
    pub async fn issue(&self, id: &IncidentId) -> Result<Issue, AppError> {
        let pack = self.evidence(id).await?;
        evidence::render::issue(&self.templates, &pack).map_err(|error| AppError::Refused(error.to_string()))
    }

    /// Fills one of the templates, e.g. a page of the console.
    ///
    /// # Errors
    /// [`AppError::Refused`] when the template cannot be filled, with its place.
    pub fn render(&self, template: &str, values: &impl Serialize) -> Result<String, AppError> {
        self.templates.render(template, values).map_err(|error| AppError::Refused(error.to_string()))
    }

    /// Deliveries that became no alert, newest first.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot be read.
    pub async fn kept(&self, limit: u32) -> Result<Vec<Kept>, Unavailable> {
        self.store.kept(limit).await
    }

    /// Figures of the store for the metrics page.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot be read.
    pub async fn figures(&self) -> Result<Figures, Unavailable> {
        self.store.figures(clock::now()).await
    }

    /// Counters since the start: name, labels, count.
    #[must_use]
    pub fn counters(&self) -> Vec<(&'static str, String, u64)> {
        let mut all = self.counters.all();
        if let Ok(chat) = &*self.chat() {
            all.extend(chat.counters());
        }
        all.sort_unstable();
        all
    }

    /// Histograms since the start: name, labels, spans.
    #[must_use]
    pub fn spans(&self) -> Vec<(&'static str, String, Spans)> {
        self.counters.all_spans()
    }

    /// Whether alerts can be made durable now.
    ///
    /// # Errors
    /// [`Unavailable`] when they cannot.
    pub async fn ready(&self) -> Result<(), Unavailable> {
        if self.lanes.is_stopping() {
            return Err(Unavailable { reason: "the bot is stopping".to_owned() });
        }
        self.store.ping().await
    }

    /// Waits until triage of this incident has stopped and nothing is pending any more: the issue is filed, everything is
    /// said. Gives its redacted copy. Waits for as long as it takes: a question nobody answers, a tracker that stays down.
    ///
    /// # Errors
    /// [`AppError::NoSuchIncident`] and [`AppError::Unavailable`].
    pub async fn settled(&self, id: &IncidentId) -> Result<Arc<Incident>, AppError> {
        let mut ticks = self.ticks.subscribe();
        loop {
            ticks.mark_unchanged();
            let known =
                || async { self.incident(id).await?.ok_or_else(|| AppError::NoSuchIncident(id.clone())) };
            if known().await?.stage != Stage::Triaging {
                let undone = self.store.pending_of(id).await?;
                // A deadline has nothing left to do once triage has stopped.
                let is_idle = |pending: &Pending| {
                    matches!(
                        pending.action,
                        Action::StopWaiting { .. } | Action::Settle { .. } | Action::Wake { .. }
                    )
                };
                if undone.iter().all(|(pending, given_up)| *given_up || is_idle(pending)) {
                    // Read again: the last action's event may have come in between.
                    return Ok(Arc::new(known().await?));
                }
            }
            // The sender is ours: it cannot be gone.
            let _ = ticks.changed().await;
        }
    }
}
