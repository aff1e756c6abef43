//! The question that is being answered.

use tokio::sync::oneshot;

use super::keyboard::Raw;
use super::prompt::Prompt;
use crate::incident::IncidentId;
use crate::runbook::Question;

/// A question that was put here.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) incident: IncidentId,
    pub(super) question: Question,
    pub(super) because: String,
}

/// The question that is being answered.
pub(super) enum Open {
    /// At the keyboard.
    Keys { asked: Asked, prompt: Prompt, _raw: Raw },
    /// By the next line.
    Line { asked: Asked },
    /// The app has the reply. Where it changes an earlier answer, the question that was open comes back afterwards.
    Sent { asked: Asked, reply: String, verdict: oneshot::Receiver<Result<(), String>>, back: Option<Asked> },
}

impl Open {
    pub(super) fn asked(&self) -> &Asked {
        match self {
            Self::Keys { asked, .. } | Self::Line { asked } | Self::Sent { asked, .. } => asked,
        }
    }

    /// The question that waits for somebody's reply.
    pub(super) fn waiting(&self) -> Option<&Asked> {
        match self {
            Self::Keys { asked, .. } | Self::Line { asked } => Some(asked),
            Self::Sent { back, .. } => back.as_ref(),
        }
    }
}
