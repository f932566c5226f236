-- Several gateways work at the same time. `gateways.sql` has their table, which replaces the lease of a single one.
DROP TABLE IF EXISTS lease;
ALTER TABLE writer DROP COLUMN IF EXISTS session;

ALTER TABLE deliveries ADD COLUMN owner INT8; -- the gateway that made the last attempt, or makes it
DROP INDEX deliveries_in_flight;
CREATE INDEX deliveries_in_flight ON deliveries (owner) WHERE state = 'in_flight';
CREATE INDEX deliveries_under_way ON deliveries (space, function_id) WHERE state = 'in_flight';
