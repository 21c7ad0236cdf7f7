-- +goose Up
-- What erasing a person needs in addition to their row in identity.erasures.

ALTER TABLE log.meta ADD COLUMN redactions bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN log.meta.redactions IS 'Raised by each transaction that overwrites payloads: nodes that see it change stop trusting the events they hold in memory.';

ALTER TABLE log.receipts ADD COLUMN actor uuid;
COMMENT ON COLUMN log.receipts.actor IS 'Whose command it was: the fingerprint may be that of a text of his.';

ALTER TABLE identity.erasures ADD COLUMN tried_at timestamptz, ADD COLUMN swept_at timestamptz;
COMMENT ON COLUMN identity.erasures.tried_at IS 'When the last pass was begun. Those that were not tried for longest come first.';
COMMENT ON COLUMN identity.erasures.swept_at IS 'When the first pass was complete. The second comes a while later, for commands that were under way.';
CREATE INDEX erasures_unfinished ON identity.erasures (requested_at) WHERE finished_at IS NULL;

-- +goose Down
DROP INDEX identity.erasures_unfinished;
ALTER TABLE identity.erasures DROP COLUMN tried_at, DROP COLUMN swept_at;
ALTER TABLE log.receipts DROP COLUMN actor;
ALTER TABLE log.meta DROP COLUMN redactions;
