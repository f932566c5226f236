-- The tables of a store, except those in `lease.sql`. All times are milliseconds since the Unix epoch, in the time of the
-- gateway.

CREATE TABLE runs (
    epoch INT8 PRIMARY KEY,
    started_at INT8 NOT NULL,
    newest_at INT8                     -- when the newest event before it was accepted
);

CREATE TABLE config (
    kind TEXT NOT NULL, space TEXT NOT NULL, id TEXT NOT NULL,
    body TEXT NOT NULL,                -- the resource as JSON, with secrets
    enabled BOOLEAN NOT NULL,
    seal INT8 NOT NULL,
    PRIMARY KEY (kind, space, id)
);

CREATE TABLE events (
    seq INT8 PRIMARY KEY,
    space TEXT NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL, source TEXT NOT NULL, subject TEXT,
    method TEXT NOT NULL, path TEXT NOT NULL,
    accepted_at INT8 NOT NULL,
    event BYTEA NOT NULL,              -- the JSON that functions get
    seal INT8 NOT NULL
);
-- Digests, because an entry of an index must be short, and clients choose these texts.
CREATE INDEX events_id ON events (md5(space || '/' || id), md5(source));
CREATE INDEX events_accepted ON events (accepted_at, seq);

CREATE TABLE deliveries (
    seq INT8 PRIMARY KEY,
    event INT8 NOT NULL,
    space TEXT NOT NULL, subscription_id TEXT NOT NULL, function_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'in_flight', 'delivered', 'dead', 'expired', 'filtered')),
    attempts INT8 NOT NULL DEFAULT 0,  -- number of the last attempt
    failures INT8 NOT NULL DEFAULT 0,  -- attempts since `since` that failed; an interrupted one is no failure
    crashes INT8 NOT NULL DEFAULT 0,   -- the last attempts in a row during which the gateway ended unexpectedly
    since INT8 NOT NULL,               -- when its age began: accepted, replayed or redriven
    due_at INT8,                       -- NULL: waits for earlier ones with its key
    order_key TEXT,                    -- those with the same key, or its digest, are made one after the other
    replay TEXT,                       -- which replay made it
    payload BYTEA, payload_seal INT8,  -- what is delivered instead of the event, after an edited redrive
    ended_at INT8, reason TEXT, discarded_at INT8
);
CREATE INDEX deliveries_due ON deliveries (space, function_id, (failures > 0), due_at, seq)
    WHERE state = 'pending' AND due_at IS NOT NULL AND crashes = 0;
CREATE INDEX deliveries_suspect ON deliveries (seq) WHERE state = 'pending' AND crashes > 0;
CREATE INDEX deliveries_subscribed ON deliveries (space, subscription_id, since) WHERE state = 'pending';
CREATE INDEX deliveries_in_flight ON deliveries (seq) WHERE state = 'in_flight';
CREATE INDEX deliveries_lost ON deliveries (space, state, seq) WHERE state IN ('dead', 'expired') AND discarded_at IS NULL;
CREATE INDEX deliveries_lost_at ON deliveries (space, state, ended_at, seq)
    WHERE state IN ('dead', 'expired') AND discarded_at IS NULL;
CREATE INDEX deliveries_ordered ON deliveries (space, subscription_id, order_key, seq)
    WHERE order_key IS NOT NULL AND state IN ('pending', 'in_flight');
CREATE INDEX deliveries_event ON deliveries (event);

CREATE TABLE attempts (
    delivery INT8 NOT NULL,
    number INT8 NOT NULL,
    started_at INT8 NOT NULL, duration_ms INT8,
    outcome TEXT CHECK (outcome IN ('delivered', 'failed', 'interrupted')), -- NULL: under way
    error TEXT,
    PRIMARY KEY (delivery, number)
);

CREATE TABLE counters (space TEXT NOT NULL, name TEXT NOT NULL, value INT8 NOT NULL, PRIMARY KEY (space, name));

CREATE TABLE jobs (
    seq INT8 PRIMARY KEY,
    space TEXT NOT NULL, kind TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'done', 'cancelled')),
    subscription_id TEXT, reason TEXT, -- for those that give up deliveries of a subscription
    work TEXT NOT NULL,                -- what to do, as JSON
    -- numbers of events or deliveries: the job does those after `start` up to `last`, and has done those up to `cursor`
    start INT8 NOT NULL, cursor INT8 NOT NULL, last INT8 NOT NULL,
    events INT8 NOT NULL DEFAULT 0, deliveries INT8 NOT NULL DEFAULT 0, skipped INT8 NOT NULL DEFAULT 0,
    created_at INT8 NOT NULL, ended_at INT8
);
CREATE INDEX jobs_running ON jobs (seq) WHERE state = 'running';
CREATE INDEX jobs_giving_up ON jobs (space, subscription_id) WHERE kind = 'give_up' AND state = 'running';
CREATE INDEX jobs_of_space ON jobs (space, seq);
