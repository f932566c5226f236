-- How often the configuration was changed. It is in the row that each writing transaction changes, so that a transaction can
-- depend on it.
ALTER TABLE writer ADD COLUMN version INT8 NOT NULL DEFAULT 0;
