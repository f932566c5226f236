-- The live feed of all gateways. There are entries only while somebody watches.
CREATE TABLE feed (
    seq INT8 PRIMARY KEY,
    entry TEXT                         -- as JSON; none: some entries are missing
);
ALTER TABLE writer ADD COLUMN feed INT8 NOT NULL DEFAULT 0; -- the number of the last entry
ALTER TABLE gateways ADD COLUMN watches BOOLEAN NOT NULL DEFAULT FALSE; -- whether somebody watches there
ALTER TABLE gateways ADD COLUMN shares BOOLEAN NOT NULL DEFAULT FALSE;  -- whether it appends what happens there
