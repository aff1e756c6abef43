//! The loop: event, triage, store, perform, event.
