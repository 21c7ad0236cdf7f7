package eventlog

import (
	"context"
	"fmt"

	"ping/domain"
)

// ReadDecisive returns up to limit decisive events of a stream with versions
// above after, oldest first. Its cost does not grow with the events between.
func (l *Log) ReadDecisive(ctx context.Context, stream domain.ID, after int64, limit int) ([]*Event, error) {
	events, err := l.query(ctx, `
SELECT `+eventColumns+` FROM log.events e
 WHERE e.stream = $1 AND e.version > $2 AND e.decisive ORDER BY e.version LIMIT $3`, pgUUID(stream), after, limit)
	if err != nil {
		return nil, fmt.Errorf("read decisive events of %s: %w", stream, err)
	}
	return events, nil
}
