-- A delivery that its sender named is remembered piece by piece, each in the transaction that takes it.

ALTER TABLE delivery_ids RENAME TO delivery_ids_until_0010;
ALTER TABLE delivery_ids_until_0010 RENAME CONSTRAINT delivery_ids_pkey TO delivery_ids_until_0010_pkey;
DROP INDEX delivery_ids_oldest;
CREATE TABLE delivery_ids (
    source      TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    -- 0 is the delivery itself, its alerts are counted from 1.
    piece       INTEGER NOT NULL,
    pieces      INTEGER NOT NULL,
    at_ms       BIGINT  NOT NULL,
    incident_id TEXT,
    PRIMARY KEY (source, id, piece)
);
CREATE INDEX delivery_ids_oldest ON delivery_ids (at_ms);
-- An answer named each incident once.
INSERT INTO delivery_ids (source, id, piece, pieces, at_ms, incident_id)
    SELECT source, id, joined.place, json_array_length(answer::json -> 'incidents'), at_ms, joined.value ->> 'id'
    FROM delivery_ids_until_0010, json_array_elements(answer::json -> 'incidents') WITH ORDINALITY AS joined (value, place);
INSERT INTO delivery_ids (source, id, piece, pieces, at_ms)
    SELECT source, id, 0, 1, at_ms FROM delivery_ids_until_0010 WHERE json_array_length(answer::json -> 'incidents') = 0;
DROP TABLE delivery_ids_until_0010;
