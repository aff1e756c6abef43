-- Each replica counts in a row of its own: in one they would wait for each other's flushes.

ALTER TABLE repeats ADD COLUMN part SMALLINT NOT NULL DEFAULT 0;
ALTER TABLE repeats DROP CONSTRAINT repeats_pkey;
ALTER TABLE repeats ADD PRIMARY KEY (incident_id, part);
