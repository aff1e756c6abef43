PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
INSERT INTO _sqlx_migrations VALUES(1,'incidents','2026-11-27 17:02:18',1,X'eb9171bee5e99a493d838fda7ca98a7509f0fc0447a1fac4a597663f285cb6a82f8de326a15153ba873829401b70c0f8',1184550);
INSERT INTO _sqlx_migrations VALUES(2,'pruning','2026-11-27 17:02:18',1,X'bff72a1e68d2c60d6ac7651c197364ab34fee6fb01db7539673213739b04f2521a36c591bf76c27a23349c5d0a9229f1',3968372);
INSERT INTO _sqlx_migrations VALUES(3,'doors','2026-11-27 17:02:18',1,X'05df2774988a303ecdcb69f67e2c6e421c921c1a9c52f8cbf1d1ec0057d6eb42c1e36f0185712de7faf50544d6bb5d17',13050726);
INSERT INTO _sqlx_migrations VALUES(4,'access','2026-11-27 17:02:18',1,X'30e0376289a401b954fb27fb6546d541a00ab4c138a862986002e38a115805e27d648a531e4d28536e0b4b864a8df969',5960244);
INSERT INTO _sqlx_migrations VALUES(5,'earlier','2026-11-27 17:02:18',1,X'bf17b29b06998f9da690ecb14f5c9ffb599374a68fe2195c2d6948c6f49ea4d1e676ef3766b97adc3d63094ed9d76bd3',12004434);
INSERT INTO _sqlx_migrations VALUES(6,'once','2026-11-27 17:02:18',1,X'b9b3593e71a083b090e124f95a6cabdc364b5329f288d6c1fffdc4bb2224761100df0e2716378174916da3341fe8e834',23868998);
INSERT INTO _sqlx_migrations VALUES(8,'repeats','2026-11-27 17:02:18',1,X'7e96d3edd5785cea2874e3358e4fa62d5d931d89fee7fcffa58d6809f4e958fceeccd4693e4b21201a580be6bfc2cea7',7996162);
CREATE TABLE incidents (
    id         TEXT    NOT NULL PRIMARY KEY,
    key        TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    stage      TEXT    NOT NULL,
    opened_ms  INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    summary    TEXT    NOT NULL
) STRICT;
INSERT INTO incidents VALUES('inc-a837t4ft0h','shop|-|-',6,'triaging',1795798938645,1795798938750,'{"id":"inc-a837t4ft0h","state":"triaging","title":"cart fails","service":"shop","endpoint":null,"severity":"unknown","bucket":"upstream","probability":0.6867648848850333,"alert_count":1,"open_questions":2,"alerted_at":"2026-11-27T17:02:18.645491826Z","mttc_s":null,"issue_url":null,"assignee":null,"snoozed_until":null,"thread":"console","buckets":{"client":0.01983778325557161,"auth":0.09822203002996839,"rate_limit":0.03998040849216104,"upstream":0.6867648848850333,"server":0.155194893337266},"source":"cloudevents","waiting_for":["change_at_start","error_origin"],"open_checks":0,"concluded_at":null,"resolved_at":null,"mttd_s":null,"mttr_s":null,"human_wait_s":0.0,"corrected_from":null}');
INSERT INTO incidents VALUES('inc-e94v3gsy0d','mail|-|-',8,'resolved',1795798938839,1795798940356,'{"id":"inc-e94v3gsy0d","state":"resolved","title":"mail fails","service":"mail","endpoint":null,"severity":"unknown","bucket":"upstream","probability":0.24000000000000038,"alert_count":1,"open_questions":2,"alerted_at":"2026-11-27T17:02:18.839739956Z","mttc_s":null,"issue_url":null,"assignee":null,"snoozed_until":null,"thread":"console","buckets":{"client":0.20000000000000026,"auth":0.19000000000000022,"rate_limit":0.17000000000000026,"upstream":0.24000000000000038,"server":0.20000000000000026},"source":"generic","waiting_for":["status_distribution","change_at_start"],"open_checks":0,"concluded_at":"2026-11-27T17:02:20.356302043Z","resolved_at":"2026-11-27T17:02:20.356302043Z","mttd_s":null,"mttr_s":1.516562087,"human_wait_s":1.516562087,"corrected_from":null}');
CREATE TABLE events (
    incident_id TEXT    NOT NULL REFERENCES incidents (id),
    seq         INTEGER NOT NULL,
    recorded    TEXT    NOT NULL,
    PRIMARY KEY (incident_id, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO events VALUES('inc-a837t4ft0h',1,'{"seq":1,"at":"2026-11-27T17:02:18.645491826Z","event":"opened","key":"shop|-|-","profile":{"name":"shop","url":null,"direct_url":null,"dependencies":[],"token":null,"contract":null,"releases":null,"deadlines":null,"metrics":null,"http":{},"repository":null,"source":null}}');
INSERT INTO events VALUES('inc-a837t4ft0h',2,'{"seq":2,"at":"2026-11-27T17:02:18.645491826Z","event":"alert_received","alert":{"source":"cloudevents","fingerprint":"https://monitor.test/checks|cart","status":"firing","title":"cart fails","severity":"unknown","service":"shop","environment":null,"region":null,"endpoint":null,"http_status":502,"error":null,"started_at":null,"labels":{},"links":{},"summary":null,"raw":{"specversion":"[word:4~53f2172a]","type":"test.monitor.alert.firing","source":"https://monitor.test/checks","subject":"[letters:4~b20a5360]","id":"[digits:4~36b3bc80]","data":{"title":"[text:16~405b56fc]","service":"[letters:4~b3b8fc38]","http_status":"[integer:4~80488f33]"}}}}');
INSERT INTO events VALUES('inc-a837t4ft0h',3,'{"seq":3,"at":"2026-11-27T17:02:18.645491826Z","event":"believed","buckets":{"client":0.01983778325557161,"auth":0.09822203002996839,"rate_limit":0.03998040849216104,"upstream":0.6867648848850333,"server":0.155194893337266}}');
INSERT INTO events VALUES('inc-a837t4ft0h',4,'{"seq":4,"at":"2026-11-27T17:02:18.645491826Z","event":"question_asked","question":"change_at_start","because":"it would best tell upstream (69 %) from server (16 %)"}');
INSERT INTO events VALUES('inc-a837t4ft0h',5,'{"seq":5,"at":"2026-11-27T17:02:18.645491826Z","event":"question_asked","question":"error_origin","because":"it would best tell upstream (69 %) from server (16 %)"}');
INSERT INTO events VALUES('inc-a837t4ft0h',6,'{"seq":6,"at":"2026-11-27T17:02:18.750629255Z","event":"thread_opened","thread":"console"}');
INSERT INTO events VALUES('inc-e94v3gsy0d',1,'{"seq":1,"at":"2026-11-27T17:02:18.839739956Z","event":"opened","key":"mail|-|-","profile":{"name":"mail","url":null,"direct_url":null,"dependencies":[],"token":null,"contract":null,"releases":null,"deadlines":null,"metrics":null,"http":{},"repository":null,"source":null}}');
INSERT INTO events VALUES('inc-e94v3gsy0d',2,'{"seq":2,"at":"2026-11-27T17:02:18.839739956Z","event":"alert_received","alert":{"source":"generic","fingerprint":"mail","status":"firing","title":"mail fails","severity":"unknown","service":"mail","environment":null,"region":null,"endpoint":null,"http_status":null,"error":null,"started_at":null,"labels":{},"links":{},"summary":null,"raw":{"title":"mail fails","service":"mail","fingerprint":"mail"}}}');
INSERT INTO events VALUES('inc-e94v3gsy0d',3,'{"seq":3,"at":"2026-11-27T17:02:18.839739956Z","event":"believed","buckets":{"client":0.20000000000000026,"auth":0.19000000000000022,"rate_limit":0.17000000000000026,"upstream":0.24000000000000038,"server":0.20000000000000026}}');
INSERT INTO events VALUES('inc-e94v3gsy0d',4,'{"seq":4,"at":"2026-11-27T17:02:18.839739956Z","event":"question_asked","question":"status_distribution","because":"it would best tell upstream (24 %) from client (20 %)"}');
INSERT INTO events VALUES('inc-e94v3gsy0d',5,'{"seq":5,"at":"2026-11-27T17:02:18.839739956Z","event":"question_asked","question":"change_at_start","because":"it would best tell upstream (24 %) from client (20 %)"}');
INSERT INTO events VALUES('inc-e94v3gsy0d',6,'{"seq":6,"at":"2026-11-27T17:02:18.859153581Z","event":"thread_opened","thread":"console"}');
INSERT INTO events VALUES('inc-e94v3gsy0d',7,'{"seq":7,"at":"2026-11-27T17:02:20.356302043Z","event":"resolved","by":"ada"}');
INSERT INTO events VALUES('inc-e94v3gsy0d',8,'{"seq":8,"at":"2026-11-27T17:02:20.356302043Z","event":"concluded","conclusion":{"stopped":"unclear","bucket":"upstream","probability":0.24000000000000038,"runner_up":"client","buckets":{"client":0.20000000000000026,"auth":0.19000000000000022,"rate_limit":0.17000000000000026,"upstream":0.24000000000000038,"server":0.20000000000000026},"hypotheses":[{"id":"dependency_down","bucket":"upstream","probability":0.017142857142857168,"says":"The dependency is down or answers with errors.","next_experiment":"Call the dependency directly with one known good request and compare with its status page.","mitigation":"Switch the dependency off or over to its fallback, and tell its operator."}],"next_experiment":"Call the dependency directly with one known good request and compare with its status page.","reasons":[],"ruled_out":[],"missing":["status_distribution: nobody could tell; ask whoever sees the error dashboard or the access log","change_at_start: nobody could tell; ask whoever knows the releases and the infrastructure","failing_request: one representative failing request; ask whoever can copy one failing request","failing_request: would tell most now; ask whoever can copy one failing request"],"dependency":null,"runbooks":"76a970bbc157f0fe"}}');
CREATE TABLE actions (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    incident_id TEXT    NOT NULL REFERENCES incidents (id),
    lane        TEXT    NOT NULL,
    action      TEXT    NOT NULL,
    due_ms      INTEGER NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    state       TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'given_up')),
    last_error  TEXT
) STRICT;
INSERT INTO actions VALUES(3,'inc-a837t4ft0h','wait inc-a837t4ft0h change_at_start','{"action":"stop_waiting","question":"change_at_start","at":"2026-11-27T17:17:18.645491826Z"}',1795799838645,0,'waiting',NULL);
INSERT INTO actions VALUES(5,'inc-a837t4ft0h','wait inc-a837t4ft0h error_origin','{"action":"stop_waiting","question":"error_origin","at":"2026-11-27T17:17:18.645491826Z"}',1795799838645,0,'waiting',NULL);
INSERT INTO actions VALUES(8,'inc-e94v3gsy0d','wait inc-e94v3gsy0d status_distribution','{"action":"stop_waiting","question":"status_distribution","at":"2026-11-27T17:17:18.839739956Z"}',1795799838839,0,'waiting',NULL);
INSERT INTO actions VALUES(10,'inc-e94v3gsy0d','wait inc-e94v3gsy0d change_at_start','{"action":"stop_waiting","question":"change_at_start","at":"2026-11-27T17:17:18.839739956Z"}',1795799838839,0,'waiting',NULL);
INSERT INTO actions VALUES(12,'inc-e94v3gsy0d','issue inc-e94v3gsy0d','{"action":"file_issue"}',1795798940356,0,'waiting',NULL);
CREATE TABLE sightings (
    source      TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    incident_id TEXT NOT NULL REFERENCES incidents (id),
    started_ms  INTEGER, digest TEXT,
    PRIMARY KEY (source, fingerprint)
) STRICT, WITHOUT ROWID;
INSERT INTO sightings VALUES('cloudevents','https://monitor.test/checks|cart','inc-a837t4ft0h',NULL,'f928d546f545245f685c0452943057aa');
INSERT INTO sightings VALUES('generic','mail','inc-e94v3gsy0d',NULL,'b97537425098e1ec665d828ebc2338f5');
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;
INSERT INTO meta VALUES('secret',X'c477b099e90d45ba8f65b5fb23253cab96061ca3fa39430ba4d1a5ddd44d52a4');
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
INSERT INTO deliveries VALUES(1,1795798938767,'cloudevents','unmapped','`shipped` is neither firing nor resolved',107,'{"specversion":"1.0","type":"test.order.shipped","source":"https://monitor.test/checks","id":"2","data":{}}','{"content-type":"application/json","user-agent":"curl/7.88.1"}',NULL);
CREATE TABLE delivery_ids (
    source TEXT    NOT NULL,
    id     TEXT    NOT NULL,
    at_ms  INTEGER NOT NULL,
    answer TEXT    NOT NULL,
    PRIMARY KEY (source, id)
) STRICT, WITHOUT ROWID;
INSERT INTO delivery_ids VALUES('cloudevents','https://monitor.test/checks|1',1795798938748,'{"incidents":[{"id":"inc-a837t4ft0h","alerts":1}]}');
INSERT INTO delivery_ids VALUES('cloudevents','https://monitor.test/checks|2',1795798938790,'{"incidents":[]}');
CREATE TABLE silences (
    id         TEXT    NOT NULL PRIMARY KEY,
    silence    TEXT    NOT NULL,
    ends_ms    INTEGER NOT NULL,
    alerts     INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE changes (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    key         TEXT    NOT NULL UNIQUE,
    at_ms       INTEGER NOT NULL,
    service     TEXT,
    repository  TEXT,
    change      TEXT    NOT NULL
) STRICT;
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
INSERT INTO audit VALUES(1,'{"seq":1,"at":"2026-11-27T17:02:20.318381395Z","who":"console","via":"loopback","scope":"admin","from":"127.0.0.1","action":"POST /api/incidents/inc-e94v3gsy0d/resolve"}','ac5b36bde4f54473055e52a2e7ff2ef06849ca65ad6ae8417ff7a0a98b308c8f');
CREATE TABLE once (
    key   TEXT   NOT NULL PRIMARY KEY,
    at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE repeats (
    incident_id TEXT    NOT NULL PRIMARY KEY REFERENCES incidents (id),
    times       INTEGER NOT NULL,
    last_ms     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO repeats VALUES('inc-e94v3gsy0d',1,1795798938881);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('deliveries',1);
INSERT INTO sqlite_sequence VALUES('actions',12);
CREATE UNIQUE INDEX incidents_open_key ON incidents (key) WHERE stage NOT IN ('resolved', 'closed');
CREATE INDEX actions_of_incident ON actions (incident_id);
CREATE INDEX incidents_updated ON incidents (updated_ms) WHERE stage IN ('resolved', 'closed');
CREATE INDEX sightings_of_incident ON sightings (incident_id);
CREATE INDEX incidents_newest ON incidents (opened_ms DESC, id);
CREATE INDEX deliveries_of_source ON deliveries (source, id);
CREATE INDEX delivery_ids_oldest ON delivery_ids (at_ms);
CREATE INDEX changes_newest ON changes (at_ms);
CREATE INDEX incidents_over_key ON incidents (key, opened_ms) WHERE stage IN ('resolved', 'closed');
CREATE INDEX once_oldest ON once (at_ms);
COMMIT;
