-- What the doors remember beside incidents. The tables are those of SQLite.

-- Silenced alerts are kept too; a delivery can be taken again once its mapping is mended, for which its headers are needed.
ALTER TABLE deliveries DROP CONSTRAINT deliveries_verdict_check;
ALTER TABLE deliveries ADD CONSTRAINT deliveries_verdict_check CHECK (verdict IN ('bad', 'unmapped', 'silenced'));
ALTER TABLE deliveries ADD COLUMN headers TEXT NOT NULL DEFAULT '{}';
ALTER TABLE deliveries ADD COLUMN replayed_ms BIGINT;
CREATE INDEX deliveries_of_source ON deliveries (source, id);

-- Deliveries by the id their sender gave them, and what they were answered, for 72 hours.
CREATE TABLE delivery_ids (
    source TEXT   NOT NULL,
    id     TEXT   NOT NULL,
    at_ms  BIGINT NOT NULL,
    answer TEXT   NOT NULL,
    PRIMARY KEY (source, id)
);
CREATE INDEX delivery_ids_oldest ON delivery_ids (at_ms);

-- Maintenance: alerts that match open no thread.
CREATE TABLE silences (
    id      TEXT   NOT NULL PRIMARY KEY,
    silence TEXT   NOT NULL,
    ends_ms BIGINT NOT NULL,
    alerts  BIGINT NOT NULL DEFAULT 0
);

-- What changed when: deploys, configuration, flags.
CREATE TABLE changes (
    id         BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key        TEXT   NOT NULL UNIQUE,
    at_ms      BIGINT NOT NULL,
    service    TEXT,
    repository TEXT,
    change     TEXT   NOT NULL
);
CREATE INDEX changes_newest ON changes (at_ms);

-- How each source is: when it was last heard of, and what came of its deliveries.
CREATE TABLE source_health (
    source       TEXT   NOT NULL PRIMARY KEY,
    last_ms      BIGINT,
    accepted     BIGINT NOT NULL DEFAULT 0,
    alerts       BIGINT NOT NULL DEFAULT 0,
    repeated     BIGINT NOT NULL DEFAULT 0,
    unmapped     BIGINT NOT NULL DEFAULT 0,
    silenced     BIGINT NOT NULL DEFAULT 0,
    refused      BIGINT NOT NULL DEFAULT 0,
    unauthorized BIGINT NOT NULL DEFAULT 0
);
