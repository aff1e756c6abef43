-- Never edited, only followed: the next change is 0002. The tables are those of SQLite; replicas and leases are PostgreSQL's own.

CREATE TABLE incidents (
    id         TEXT   NOT NULL PRIMARY KEY,
    key        TEXT   NOT NULL,
    seq        BIGINT NOT NULL,
    stage      TEXT   NOT NULL,
    opened_ms  BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    summary    TEXT   NOT NULL,
    -- By the database's clock, for the other replicas.
    changed_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Two alerts of one incident racing each other meet here.
CREATE UNIQUE INDEX incidents_open_key ON incidents (key) WHERE stage NOT IN ('resolved', 'closed');
CREATE INDEX incidents_newest ON incidents (opened_ms DESC, id);
CREATE INDEX incidents_changed ON incidents (changed_at);

CREATE TABLE events (
    incident_id TEXT   NOT NULL REFERENCES incidents (id),
    seq         BIGINT NOT NULL,
    recorded    TEXT   NOT NULL,
    PRIMARY KEY (incident_id, seq)
);

-- The replicas that live. A row is renewed every two seconds; what an expired one had leased is anybody's.
CREATE TABLE replicas (
    id         TEXT        NOT NULL PRIMARY KEY,
    since      TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);

-- The outbox: a row is there until its action is done; what was given up stays to be seen.
CREATE TABLE actions (
    id          BIGINT  NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident_id TEXT    NOT NULL REFERENCES incidents (id),
    lane        TEXT    NOT NULL,
    action      TEXT    NOT NULL,
    due_ms      BIGINT  NOT NULL,
    attempts    BIGINT  NOT NULL DEFAULT 0,
    state       TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'given_up')),
    last_error  TEXT,
    -- The replica that performs it; no foreign key, because a replica may be gone.
    leased_by   TEXT
);

CREATE INDEX actions_of_incident ON actions (incident_id);
CREATE INDEX actions_in_lane ON actions (lane, id) WHERE state = 'waiting';

-- The last incident each alert identity was part of.
CREATE TABLE sightings (
    source      TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    incident_id TEXT NOT NULL REFERENCES incidents (id),
    started_ms  BIGINT,
    PRIMARY KEY (source, fingerprint)
);
CREATE INDEX sightings_of_incident ON sightings (incident_id);

-- Deliveries that became no alert, for inspection. Bounded by the writer.
CREATE TABLE deliveries (
    id      BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms   BIGINT NOT NULL,
    source  TEXT   NOT NULL,
    verdict TEXT   NOT NULL CHECK (verdict IN ('bad', 'unmapped')),
    reason  TEXT   NOT NULL,
    size    BIGINT NOT NULL,
    body    TEXT   NOT NULL
);

CREATE TABLE meta (
    name  TEXT  NOT NULL PRIMARY KEY,
    value BYTEA NOT NULL
);
