-- An incident asks for the last one before it with the same key.

CREATE INDEX incidents_over_key ON incidents (key, opened_ms) WHERE stage IN ('resolved', 'closed');
