-- A delivery that its sender named is remembered piece by piece, each in the transaction that takes it.

ALTER TABLE delivery_ids RENAME TO delivery_ids_until_0010;
CREATE TABLE delivery_ids (
    source      TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    -- 0 is the delivery itself, its alerts are counted from 1.
    piece       INTEGER NOT NULL,
    pieces      INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    incident_id TEXT,
    PRIMARY KEY (source, id, piece)
) STRICT, WITHOUT ROWID;
DROP INDEX delivery_ids_oldest;
CREATE INDEX delivery_ids_oldest ON delivery_ids (at_ms);
-- An answer named each incident once.
INSERT INTO delivery_ids (source, id, piece, pieces, at_ms, incident_id)
    SELECT d.source, d.id, joined.key + 1, json_array_length(d.answer, '$.incidents'), d.at_ms, joined.value ->> 'id'
    FROM delivery_ids_until_0010 AS d, json_each(d.answer, '$.incidents') AS joined;
INSERT INTO delivery_ids (source, id, piece, pieces, at_ms)
    SELECT source, id, 0, 1, at_ms FROM delivery_ids_until_0010 WHERE json_array_length(answer, '$.incidents') = 0;
DROP TABLE delivery_ids_until_0010;
