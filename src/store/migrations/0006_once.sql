-- What happens once at most, however often it is told: what a person did in a chat, delivered again or replayed.

CREATE TABLE once (
    key   TEXT   NOT NULL PRIMARY KEY,
    at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX once_oldest ON once (at_ms);
