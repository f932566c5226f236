-- Who works with the store. These two tables must be there before a gateway may change any others, so they are not part of a
-- migration.

-- Each gateway that works has a row. `expires_at` is in the time of the database.
CREATE TABLE IF NOT EXISTS gateways (
    epoch INT8 PRIMARY KEY,            -- its number, which no other gateway had or will have
    name TEXT NOT NULL UNIQUE,
    expires_at TIMESTAMPTZ NOT NULL,   -- from then on, others may remove the row
    session INT8 NOT NULL,             -- grows with each connection that writes
    tick INT8 NOT NULL,                -- its last transaction
    version INT8 NOT NULL              -- the configuration that it works with
);

-- Each writing transaction of any gateway locks and changes this row.
CREATE TABLE IF NOT EXISTS writer (
    id INT8 PRIMARY KEY,
    epoch INT8 NOT NULL,               -- of the last gateway that joined
    tick INT8 NOT NULL,                -- how many transactions there were
    event INT8 NOT NULL, delivery INT8 NOT NULL, -- the last numbers that were given
    newest_at INT8 NOT NULL,           -- when the newest event was accepted
    bytes INT8 NOT NULL                -- an estimate of the size of the store
);
INSERT INTO writer (id, epoch, tick, event, delivery, newest_at, bytes)
    SELECT 1, 0, 0, 0, 0, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM writer) ON CONFLICT DO NOTHING;
