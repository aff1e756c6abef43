
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

CREATE TABLE public._sqlx_migrations (
    version bigint NOT NULL,
    description text NOT NULL,
    installed_on timestamp with time zone DEFAULT now() NOT NULL,
    success boolean NOT NULL,
    checksum bytea NOT NULL,
    execution_time bigint NOT NULL
);

CREATE TABLE public.actions (
    id bigint NOT NULL,
    incident_id text NOT NULL,
    lane text NOT NULL,
    action text NOT NULL,
    due_ms bigint NOT NULL,
    attempts bigint DEFAULT 0 NOT NULL,
    state text DEFAULT 'waiting'::text NOT NULL,
    last_error text,
    leased_by text,
    CONSTRAINT actions_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'given_up'::text])))
);

ALTER TABLE public.actions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.actions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.audit (
    seq bigint NOT NULL,
    text text NOT NULL,
    hash text NOT NULL
);

CREATE TABLE public.changes (
    id bigint NOT NULL,
    key text NOT NULL,
    at_ms bigint NOT NULL,
    service text,
    repository text,
    change text NOT NULL
);

ALTER TABLE public.changes ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.changes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.deliveries (
    id bigint NOT NULL,
    at_ms bigint NOT NULL,
    source text NOT NULL,
    verdict text NOT NULL,
    reason text NOT NULL,
    size bigint NOT NULL,
    body text NOT NULL,
    headers text DEFAULT '{}'::text NOT NULL,
    replayed_ms bigint,
    CONSTRAINT deliveries_verdict_check CHECK ((verdict = ANY (ARRAY['bad'::text, 'unmapped'::text, 'silenced'::text])))
);

ALTER TABLE public.deliveries ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.deliveries_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.delivery_ids (
    source text NOT NULL,
    id text NOT NULL,
    at_ms bigint NOT NULL,
    answer text NOT NULL
);

CREATE TABLE public.events (
    incident_id text NOT NULL,
    seq bigint NOT NULL,
    recorded text NOT NULL
);

CREATE TABLE public.incidents (
    id text NOT NULL,
    key text NOT NULL,
    seq bigint NOT NULL,
    stage text NOT NULL,
    opened_ms bigint NOT NULL,
    updated_ms bigint NOT NULL,
    summary text NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.meta (
    name text NOT NULL,
    value bytea NOT NULL
);

CREATE TABLE public.once (
    key text NOT NULL,
    at_ms bigint NOT NULL
);

CREATE TABLE public.repeats (
    incident_id text NOT NULL,
    times bigint NOT NULL,
    last_ms bigint NOT NULL,
    part smallint DEFAULT 0 NOT NULL
);

CREATE TABLE public.replicas (
    id text NOT NULL,
    since timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE TABLE public.sessions (
    hash text NOT NULL,
    expires_ms bigint NOT NULL,
    content text NOT NULL
);

CREATE TABLE public.sightings (
    source text NOT NULL,
    fingerprint text NOT NULL,
    incident_id text NOT NULL,
    started_ms bigint,
    digest text
);

CREATE TABLE public.silences (
    id text NOT NULL,
    silence text NOT NULL,
    ends_ms bigint NOT NULL,
    alerts bigint DEFAULT 0 NOT NULL
);

CREATE TABLE public.source_health (
    source text NOT NULL,
    last_ms bigint,
    accepted bigint DEFAULT 0 NOT NULL,
    alerts bigint DEFAULT 0 NOT NULL,
    repeated bigint DEFAULT 0 NOT NULL,
    unmapped bigint DEFAULT 0 NOT NULL,
    silenced bigint DEFAULT 0 NOT NULL,
    refused bigint DEFAULT 0 NOT NULL,
    unauthorized bigint DEFAULT 0 NOT NULL
);

CREATE TABLE public.tokens (
    name text NOT NULL,
    scope text NOT NULL,
    hash text NOT NULL,
    created_ms bigint NOT NULL,
    expires_ms bigint
);

INSERT INTO public._sqlx_migrations VALUES (1, 'incidents', '2026-11-27 17:02:26.338258+00', true, '\x20e5a1cd9e1c4add9a6af890089ed3cf4a8f8cc3cfd1bf754208dd02b53be4671522095ac779fc4bd12e275b24547548', 114059803);
INSERT INTO public._sqlx_migrations VALUES (3, 'doors', '2026-11-27 17:02:26.46597+00', true, '\xc382ce90d787bafa3edd59c4edde2a7d3fd5193d8ea987b3c3a05f40d58979cd5d4c7ecc22ff677c22233d799a1b51f1', 80033975);
INSERT INTO public._sqlx_migrations VALUES (4, 'access', '2026-11-27 17:02:26.546007+00', true, '\xf25d79f5794a1942e7b714f7fc8e96d743d9a29de56d1d6fb85119e0ddd48c3c56985d0670c796adff072b3146bb5895', 71949670);
INSERT INTO public._sqlx_migrations VALUES (5, 'earlier', '2026-11-27 17:02:26.626583+00', true, '\xbf17b29b06998f9da690ecb14f5c9ffb599374a68fe2195c2d6948c6f49ea4d1e676ef3766b97adc3d63094ed9d76bd3', 11427578);
INSERT INTO public._sqlx_migrations VALUES (6, 'once', '2026-11-27 17:02:26.64603+00', true, '\xd1e396fbeeb7aa317e1ddb10fb8df75eb35c2d49e01d8934f9f91e0f11e3b2373c77e8056929798297977a2e358409aa', 15949241);
INSERT INTO public._sqlx_migrations VALUES (8, 'repeats', '2026-11-27 17:02:26.665977+00', true, '\x5b43c7dad44f3a4254b3f23285f7e39b55b2145a50c6befea81784992e40bbbe9d228e48da457e7ed7e4091467edb1f3', 11714809);
INSERT INTO public._sqlx_migrations VALUES (9, 'parts', '2026-11-27 17:02:26.681975+00', true, '\x144372eb33f57996701dfdec0abfc48691f8e5fead74769a9b2f29274a750acde5251468f6bcdbb12c827dbaa575eff2', 13530246);

INSERT INTO public.actions OVERRIDING SYSTEM VALUE VALUES (3, 'inc-vjykyxj6r7', 'wait inc-vjykyxj6r7 change_at_start', '{"action":"stop_waiting","question":"change_at_start","at":"2026-11-27T17:17:26.772884831Z"}', 1795799846772, 0, 'waiting', NULL, '84234205-46be-45c9-85c2-ebbacbd39dd4');
INSERT INTO public.actions OVERRIDING SYSTEM VALUE VALUES (5, 'inc-vjykyxj6r7', 'wait inc-vjykyxj6r7 error_origin', '{"action":"stop_waiting","question":"error_origin","at":"2026-11-27T17:17:26.772884831Z"}', 1795799846772, 0, 'waiting', NULL, '84234205-46be-45c9-85c2-ebbacbd39dd4');
INSERT INTO public.actions OVERRIDING SYSTEM VALUE VALUES (8, 'inc-97f27cj8pm', 'wait inc-97f27cj8pm status_distribution', '{"action":"stop_waiting","question":"status_distribution","at":"2026-11-27T17:17:26.983595963Z"}', 1795799846983, 0, 'waiting', NULL, '84234205-46be-45c9-85c2-ebbacbd39dd4');
INSERT INTO public.actions OVERRIDING SYSTEM VALUE VALUES (10, 'inc-97f27cj8pm', 'wait inc-97f27cj8pm change_at_start', '{"action":"stop_waiting","question":"change_at_start","at":"2026-11-27T17:17:26.983595963Z"}', 1795799846983, 0, 'waiting', NULL, '84234205-46be-45c9-85c2-ebbacbd39dd4');
INSERT INTO public.actions OVERRIDING SYSTEM VALUE VALUES (12, 'inc-97f27cj8pm', 'issue inc-97f27cj8pm', '{"action":"file_issue"}', 1795798948471, 0, 'waiting', NULL, '84234205-46be-45c9-85c2-ebbacbd39dd4');

INSERT INTO public.audit VALUES (1, '{"seq":1,"at":"2026-11-27T17:02:28.466352254Z","who":"console","via":"loopback","scope":"admin","from":"127.0.0.1","action":"POST /api/incidents/inc-97f27cj8pm/resolve"}', '1631c8dbef3da69e26789d2a0766b28ac70eca6d3156d02619049e00f518b614');

INSERT INTO public.deliveries OVERRIDING SYSTEM VALUE VALUES (1, 1795798946915, 'cloudevents', 'unmapped', '`shipped` is neither firing nor resolved', 107, '{"specversion":"1.0","type":"test.order.shipped","source":"https://monitor.test/checks","id":"2","data":{}}', '{"content-type":"application/json","user-agent":"curl/7.88.1"}', NULL);

INSERT INTO public.delivery_ids VALUES ('cloudevents', 'https://monitor.test/checks|1', 1795798946878, '{"incidents":[{"id":"inc-vjykyxj6r7","alerts":1}]}');
INSERT INTO public.delivery_ids VALUES ('cloudevents', 'https://monitor.test/checks|2', 1795798946922, '{"incidents":[]}');

INSERT INTO public.events VALUES ('inc-vjykyxj6r7', 1, '{"seq":1,"at":"2026-11-27T17:02:26.772884831Z","event":"opened","key":"shop|-|-","profile":{"name":"shop","url":null,"direct_url":null,"dependencies":[],"token":null,"contract":null,"releases":null,"deadlines":null,"metrics":null,"http":{},"repository":null,"source":null}}');
INSERT INTO public.events VALUES ('inc-vjykyxj6r7', 2, '{"seq":2,"at":"2026-11-27T17:02:26.772884831Z","event":"alert_received","alert":{"source":"cloudevents","fingerprint":"https://monitor.test/checks|cart","status":"firing","title":"cart fails","severity":"unknown","service":"shop","environment":null,"region":null,"endpoint":null,"http_status":502,"error":null,"started_at":null,"labels":{},"links":{},"summary":null,"raw":{"specversion":"[word:4~d1fd2aa8]","type":"test.monitor.alert.firing","source":"https://monitor.test/checks","subject":"[letters:4~0c6f2402]","id":"[digits:4~3193cd64]","data":{"title":"[text:16~2593fe9c]","service":"[letters:4~4e70a259]","http_status":"[integer:4~471fffe4]"}}}}');
INSERT INTO public.events VALUES ('inc-vjykyxj6r7', 3, '{"seq":3,"at":"2026-11-27T17:02:26.772884831Z","event":"believed","buckets":{"client":0.01983778325557161,"auth":0.09822203002996839,"rate_limit":0.03998040849216104,"upstream":0.6867648848850333,"server":0.155194893337266}}');
INSERT INTO public.events VALUES ('inc-vjykyxj6r7', 4, '{"seq":4,"at":"2026-11-27T17:02:26.772884831Z","event":"question_asked","question":"change_at_start","because":"it would best tell upstream (69 %) from server (16 %)"}');
INSERT INTO public.events VALUES ('inc-vjykyxj6r7', 5, '{"seq":5,"at":"2026-11-27T17:02:26.772884831Z","event":"question_asked","question":"error_origin","because":"it would best tell upstream (69 %) from server (16 %)"}');
INSERT INTO public.events VALUES ('inc-vjykyxj6r7', 6, '{"seq":6,"at":"2026-11-27T17:02:26.891155019Z","event":"thread_opened","thread":"console"}');
INSERT INTO public.events VALUES ('inc-97f27cj8pm', 1, '{"seq":1,"at":"2026-11-27T17:02:26.983595963Z","event":"opened","key":"mail|-|-","profile":{"name":"mail","url":null,"direct_url":null,"dependencies":[],"token":null,"contract":null,"releases":null,"deadlines":null,"metrics":null,"http":{},"repository":null,"source":null}}');
INSERT INTO public.events VALUES ('inc-97f27cj8pm', 2, '{"seq":2,"at":"2026-11-27T17:02:26.983595963Z","event":"alert_received","alert":{"source":"generic","fingerprint":"mail","status":"firing","title":"mail fails","severity":"unknown","service":"mail","environment":null,"region":null,"endpoint":null,"http_status":null,"error":null,"started_at":null,"labels":{},"links":{},"summary":null,"raw":{"title":"mail fails","service":"mail","fingerprint":"mail"}}}');
INSERT INTO public.events VALUES ('inc-97f27cj8pm', 3, '{"seq":3,"at":"2026-11-27T17:02:26.983595963Z","event":"believed","buckets":{"client":0.20000000000000026,"auth":0.19000000000000022,"rate_limit":0.17000000000000026,"upstream":0.24000000000000038,"server":0.20000000000000026}}');
INSERT INTO public.events VALUES ('inc-97f27cj8pm', 4, '{"seq":4,"at":"2026-11-27T17:02:26.983595963Z","event":"question_asked","question":"status_distribution","because":"it would best tell upstream (24 %) from client (20 %)"}');
INSERT INTO public.events VALUES ('inc-97f27cj8pm', 5, '{"seq":5,"at":"2026-11-27T17:02:26.983595963Z","event":"question_asked","question":"change_at_start","because":"it would best tell upstream (24 %) from client (20 %)"}');
INSERT INTO public.events VALUES ('inc-97f27cj8pm', 6, '{"seq":6,"at":"2026-11-27T17:02:27.02274713Z","event":"thread_opened","thread":"console"}');
INSERT INTO public.events VALUES ('inc-97f27cj8pm', 7, '{"seq":7,"at":"2026-11-27T17:02:28.471846668Z","event":"resolved","by":"ada"}');
INSERT INTO public.events VALUES ('inc-97f27cj8pm', 8, '{"seq":8,"at":"2026-11-27T17:02:28.471846668Z","event":"concluded","conclusion":{"stopped":"unclear","bucket":"upstream","probability":0.24000000000000038,"runner_up":"client","buckets":{"client":0.20000000000000026,"auth":0.19000000000000022,"rate_limit":0.17000000000000026,"upstream":0.24000000000000038,"server":0.20000000000000026},"hypotheses":[{"id":"dependency_down","bucket":"upstream","probability":0.017142857142857168,"says":"The dependency is down or answers with errors.","next_experiment":"Call the dependency directly with one known good request and compare with its status page.","mitigation":"Switch the dependency off or over to its fallback, and tell its operator."}],"next_experiment":"Call the dependency directly with one known good request and compare with its status page.","reasons":[],"ruled_out":[],"missing":["status_distribution: nobody could tell; ask whoever sees the error dashboard or the access log","change_at_start: nobody could tell; ask whoever knows the releases and the infrastructure","failing_request: one representative failing request; ask whoever can copy one failing request","failing_request: would tell most now; ask whoever can copy one failing request"],"dependency":null,"runbooks":"76a970bbc157f0fe"}}');

INSERT INTO public.incidents VALUES ('inc-vjykyxj6r7', 'shop|-|-', 6, 'triaging', 1795798946772, 1795798946891, '{"id":"inc-vjykyxj6r7","state":"triaging","title":"cart fails","service":"shop","endpoint":null,"severity":"unknown","bucket":"upstream","probability":0.6867648848850333,"alert_count":1,"open_questions":2,"alerted_at":"2026-11-27T17:02:26.772884831Z","mttc_s":null,"issue_url":null,"assignee":null,"snoozed_until":null,"thread":"console","buckets":{"client":0.01983778325557161,"auth":0.09822203002996839,"rate_limit":0.03998040849216104,"upstream":0.6867648848850333,"server":0.155194893337266},"source":"cloudevents","waiting_for":["change_at_start","error_origin"],"open_checks":0,"concluded_at":null,"resolved_at":null,"mttd_s":null,"mttr_s":null,"human_wait_s":0.0,"corrected_from":null}', '2026-11-27 17:02:26.898008+00');
INSERT INTO public.incidents VALUES ('inc-97f27cj8pm', 'mail|-|-', 8, 'resolved', 1795798946983, 1795798948471, '{"id":"inc-97f27cj8pm","state":"resolved","title":"mail fails","service":"mail","endpoint":null,"severity":"unknown","bucket":"upstream","probability":0.24000000000000038,"alert_count":1,"open_questions":2,"alerted_at":"2026-11-27T17:02:26.983595963Z","mttc_s":null,"issue_url":null,"assignee":null,"snoozed_until":null,"thread":"console","buckets":{"client":0.20000000000000026,"auth":0.19000000000000022,"rate_limit":0.17000000000000026,"upstream":0.24000000000000038,"server":0.20000000000000026},"source":"generic","waiting_for":["status_distribution","change_at_start"],"open_checks":0,"concluded_at":"2026-11-27T17:02:28.471846668Z","resolved_at":"2026-11-27T17:02:28.471846668Z","mttd_s":null,"mttr_s":1.488250705,"human_wait_s":1.488250705,"corrected_from":null}', '2026-11-27 17:02:28.47307+00');

INSERT INTO public.meta VALUES ('secret', '\xfa2fea0dcf5c43ffbd3f223b85095ea348ff64e791f14471b96b44a1b6dccb44');

INSERT INTO public.repeats VALUES ('inc-97f27cj8pm', 1, 1795798947031, 4);

INSERT INTO public.replicas VALUES ('84234205-46be-45c9-85c2-ebbacbd39dd4', '2026-11-27 17:02:26.738361+00', '2026-11-27 17:02:35.765889+00');

INSERT INTO public.sightings VALUES ('cloudevents', 'https://monitor.test/checks|cart', 'inc-vjykyxj6r7', NULL, 'f928d546f545245f685c0452943057aa');
INSERT INTO public.sightings VALUES ('generic', 'mail', 'inc-97f27cj8pm', NULL, 'b97537425098e1ec665d828ebc2338f5');

SELECT pg_catalog.setval('public.actions_id_seq', 12, true);

SELECT pg_catalog.setval('public.changes_id_seq', 1, false);

SELECT pg_catalog.setval('public.deliveries_id_seq', 1, true);

ALTER TABLE ONLY public._sqlx_migrations
    ADD CONSTRAINT _sqlx_migrations_pkey PRIMARY KEY (version);

ALTER TABLE ONLY public.actions
    ADD CONSTRAINT actions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY public.changes
    ADD CONSTRAINT changes_key_key UNIQUE (key);

ALTER TABLE ONLY public.changes
    ADD CONSTRAINT changes_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT deliveries_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.delivery_ids
    ADD CONSTRAINT delivery_ids_pkey PRIMARY KEY (source, id);

ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (incident_id, seq);

ALTER TABLE ONLY public.incidents
    ADD CONSTRAINT incidents_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.meta
    ADD CONSTRAINT meta_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.once
    ADD CONSTRAINT once_pkey PRIMARY KEY (key);

ALTER TABLE ONLY public.repeats
    ADD CONSTRAINT repeats_pkey PRIMARY KEY (incident_id, part);

ALTER TABLE ONLY public.replicas
    ADD CONSTRAINT replicas_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (hash);

ALTER TABLE ONLY public.sightings
    ADD CONSTRAINT sightings_pkey PRIMARY KEY (source, fingerprint);

ALTER TABLE ONLY public.silences
    ADD CONSTRAINT silences_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.source_health
    ADD CONSTRAINT source_health_pkey PRIMARY KEY (source);

ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_hash_key UNIQUE (hash);

ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_pkey PRIMARY KEY (name);

CREATE INDEX actions_in_lane ON public.actions USING btree (lane, id) WHERE (state = 'waiting'::text);

CREATE INDEX actions_of_incident ON public.actions USING btree (incident_id);

CREATE INDEX changes_newest ON public.changes USING btree (at_ms);

CREATE INDEX deliveries_of_source ON public.deliveries USING btree (source, id);

CREATE INDEX delivery_ids_oldest ON public.delivery_ids USING btree (at_ms);

CREATE INDEX incidents_changed ON public.incidents USING btree (changed_at);

CREATE INDEX incidents_newest ON public.incidents USING btree (opened_ms DESC, id);

CREATE UNIQUE INDEX incidents_open_key ON public.incidents USING btree (key) WHERE (stage <> ALL (ARRAY['resolved'::text, 'closed'::text]));

CREATE INDEX incidents_over_key ON public.incidents USING btree (key, opened_ms) WHERE (stage = ANY (ARRAY['resolved'::text, 'closed'::text]));

CREATE INDEX once_oldest ON public.once USING btree (at_ms);

CREATE INDEX sightings_of_incident ON public.sightings USING btree (incident_id);

ALTER TABLE ONLY public.actions
    ADD CONSTRAINT actions_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES public.incidents(id);

ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES public.incidents(id);

ALTER TABLE ONLY public.repeats
    ADD CONSTRAINT repeats_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES public.incidents(id);

ALTER TABLE ONLY public.sightings
    ADD CONSTRAINT sightings_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES public.incidents(id);

