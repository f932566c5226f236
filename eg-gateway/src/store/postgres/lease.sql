-- Who may work. These two tables must be there before a gateway may change any others, so they are not part of a migration.

-- `lease` says until when, in the time of the database.
CREATE TABLE IF NOT EXISTS lease (
    id INT8 PRIMARY KEY,
    epoch INT8 NOT NULL,               -- grows whenever a gateway takes the lease or releases it
    holder TEXT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
INSERT INTO lease (id, epoch, holder, expires_at) VALUES (1, 0, 'nobody', now()) ON CONFLICT DO NOTHING;

-- Each writing transaction changes this row.
CREATE TABLE IF NOT EXISTS writer (
    id INT8 PRIMARY KEY,
    epoch INT8 NOT NULL,
    session INT8 NOT NULL,             -- grows with each connection that writes
    tick INT8 NOT NULL,                -- the last transaction
    event INT8 NOT NULL, delivery INT8 NOT NULL, -- the last numbers that were given
    newest_at INT8 NOT NULL,           -- when the newest event was accepted
    bytes INT8 NOT NULL                -- an estimate of the size of the store
);
INSERT INTO writer (id, epoch, session, tick, event, delivery, newest_at, bytes) VALUES (1, 0, 0, 0, 0, 0, 0, 0)
    ON CONFLICT DO NOTHING;
