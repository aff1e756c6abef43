-- Who may come in, and who changed what.

CREATE TABLE tokens (
    name       TEXT    NOT NULL PRIMARY KEY,
    scope      TEXT    NOT NULL,
    hash       TEXT    NOT NULL UNIQUE,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT
);

CREATE TABLE sessions (
    hash       TEXT    NOT NULL PRIMARY KEY,
    expires_ms BIGINT NOT NULL,
    content    TEXT    NOT NULL
);

CREATE TABLE audit (
    seq  BIGINT NOT NULL PRIMARY KEY,
    text TEXT    NOT NULL,
    hash TEXT    NOT NULL
);
