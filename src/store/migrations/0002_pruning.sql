-- Retention asks for the oldest that are over, and for the sightings of one incident; the list wants newest first, then name.

CREATE INDEX incidents_updated ON incidents (updated_ms) WHERE stage IN ('resolved', 'closed');
CREATE INDEX sightings_of_incident ON sightings (incident_id);
DROP INDEX incidents_newest;
CREATE INDEX incidents_newest ON incidents (opened_ms DESC, id);
