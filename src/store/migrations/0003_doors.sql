-- What the doors remember beside incidents.

-- Silenced alerts are kept too; a delivery can be taken again once its mapping is mended, for which its headers are needed.
ALTER TABLE deliveries RENAME TO deliveries_until_0003;
CREATE TABLE deliveries (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at_ms       INTEGER NOT NULL,
    source      TEXT    NOT NULL,
    verdict     TEXT    NOT NULL CHECK (verdict IN ('bad', 'unmapped', 'silenced')),
    reason      TEXT    NOT NULL,
    size        INTEGER NOT NULL,
    body        TEXT    NOT NULL,
    headers     TEXT    NOT NULL DEFAULT '{}',
    replayed_ms INTEGER
) STRICT;
INSERT INTO deliveries (id, at_ms, source, verdict, reason, size, body)
    SELECT id, at_ms, source, verdict, reason, size, body FROM deliveries_until_0003;
DROP TABLE deliveries_until_0003;
CREATE INDEX deliveries_of_source ON deliveries (source, id);

-- Deliveries by the id their sender gave them, and what they were answered, for 72 hours.
CREATE TABLE delivery_ids (
    source TEXT    NOT NULL,
    id     TEXT    NOT NULL,
    at_ms  INTEGER NOT NULL,
    answer TEXT    NOT NULL,
    PRIMARY KEY (source, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_ids_oldest ON delivery_ids (at_ms);

-- Maintenance: alerts that match open no thread.
CREATE TABLE silences (
    id         TEXT    NOT NULL PRIMARY KEY,
    silence    TEXT    NOT NULL,
    ends_ms    INTEGER NOT NULL,
    alerts     INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What changed when: deploys, configuration, flags.
CREATE TABLE changes (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    key         TEXT    NOT NULL UNIQUE,
    at_ms       INTEGER NOT NULL,
    service     TEXT,
    repository  TEXT,
    change      TEXT    NOT NULL
) STRICT;
CREATE INDEX changes_newest ON changes (at_ms);

-- How each source is: when it was last heard of, and what came of its deliveries.
CREATE TABLE source_health (
    source       TEXT    NOT NULL PRIMARY KEY,
    last_ms      INTEGER,
    accepted     INTEGER NOT NULL DEFAULT 0,
    alerts       INTEGER NOT NULL DEFAULT 0,
    repeated     INTEGER NOT NULL DEFAULT 0,
    unmapped     INTEGER NOT NULL DEFAULT 0,
    silenced     INTEGER NOT NULL DEFAULT 0,
    refused      INTEGER NOT NULL DEFAULT 0,
    unauthorized INTEGER NOT NULL DEFAULT 0
) STRICT;
