-- An alert that says what it said before is counted, not written down again: one row per incident, however many come.

CREATE TABLE repeats (
    incident_id TEXT    NOT NULL PRIMARY KEY REFERENCES incidents (id),
    times       INTEGER NOT NULL,
    last_ms     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What the alert said the last time, as a digest; none is known of what came before.
ALTER TABLE sightings ADD COLUMN digest TEXT;
