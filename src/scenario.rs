//! Replays labelled incidents through triage without a network and scores them.
