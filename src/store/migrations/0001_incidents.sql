-- Never edited, only followed: the next change is 0002.

CREATE TABLE incidents (
    id         TEXT    NOT NULL PRIMARY KEY,
    key        TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    stage      TEXT    NOT NULL,
    opened_ms  INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    summary    TEXT    NOT NULL
) STRICT;

-- Two alerts of one incident racing each other meet here.
CREATE UNIQUE INDEX incidents_open_key ON incidents (key) WHERE stage NOT IN ('resolved', 'closed');
CREATE INDEX incidents_newest ON incidents (opened_ms);

CREATE TABLE events (
    incident_id TEXT    NOT NULL REFERENCES incidents (id),
    seq         INTEGER NOT NULL,
    recorded    TEXT    NOT NULL,
    PRIMARY KEY (incident_id, seq)
) STRICT, WITHOUT ROWID;

-- The outbox: a row is there until its action is done; what was given up stays to be seen.
CREATE TABLE actions (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    incident_id TEXT    NOT NULL REFERENCES incidents (id),
    lane        TEXT    NOT NULL,
    action      TEXT    NOT NULL,
    due_ms      INTEGER NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    state       TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'given_up')),
    last_error  TEXT
) STRICT;

CREATE INDEX actions_of_incident ON actions (incident_id);

-- The last incident each alert identity was part of.
CREATE TABLE sightings (
    source      TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    incident_id TEXT NOT NULL REFERENCES incidents (id),
    started_ms  INTEGER,
    PRIMARY KEY (source, fingerprint)
) STRICT, WITHOUT ROWID;

-- Deliveries that became no alert, for inspection. Bounded by the writer.
CREATE TABLE deliveries (
    id      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at_ms   INTEGER NOT NULL,
    source  TEXT    NOT NULL,
    verdict TEXT    NOT NULL CHECK (verdict IN ('bad', 'unmapped')),
    reason  TEXT    NOT NULL,
    size    INTEGER NOT NULL,
    body    TEXT    NOT NULL
) STRICT;

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;
