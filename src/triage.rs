//! One step of triage: what was known, what just happened; what is known now and what to do next.
