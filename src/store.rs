//! Incidents, their events and the actions these cause, on disk.
