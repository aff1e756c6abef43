-- Who may come in, and who changed what.

CREATE TABLE tokens (
    name       TEXT    NOT NULL PRIMARY KEY,
    scope      TEXT    NOT NULL,
    hash       TEXT    NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER
) STRICT;

CREATE TABLE sessions (
    hash       TEXT    NOT NULL PRIMARY KEY,
    expires_ms INTEGER NOT NULL,
    content    TEXT    NOT NULL
) STRICT;

CREATE TABLE audit (
    seq  INTEGER NOT NULL PRIMARY KEY,
    text TEXT    NOT NULL,
    hash TEXT    NOT NULL
) STRICT;
