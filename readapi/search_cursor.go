package readapi

import (
	"math"
	"strconv"
	"time"

	"ping/domain"
)

// sortKey orders messages by time.
type sortKey struct {
	sentAt       time.Time
	conversation domain.ID
	seq          int64
}

// afterAll is greater than the key of every message.
var afterAll = sortKey{sentAt: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}

// searchCursor is where a page of a search begins: at the beginning of a window, or inside one. The bounds of a window
// are fixed by its first page.
type searchCursor struct {
	upper, lower sortKey // lower <= messages of the window < upper
	inside       bool
	score        float64 // of the last hit of the previous page
	last         sortKey // of the same hit
}

// size bounds the number of messages in the window. Messages that were not indexed yet when the window began may have
// been added to it since.
func (c searchCursor) size() int {
	if c.inside {
		return 2 * searchWindow
	}
	return searchWindow
}

// page limits the hits to a page, and returns the cursor of the next one.
func (c searchCursor) page(hits []hit, limit int) ([]hit, *string) {
	next := c
	if !c.inside && len(hits) > 0 {
		if c.upper == afterAll {
			next.upper = hits[0].newest
			next.upper.seq++
		}
		if hits[0].window == searchWindow {
			next.lower = hits[0].oldest
		}
	}
	var cursor string
	switch {
	case len(hits) > limit:
		hits = hits[:limit]
		last := hits[limit-1]
		keys := append(next.upper.keys(), next.lower.keys()...)
		keys = append(keys, strconv.FormatFloat(last.score, 'g', -1, 64))
		cursor = encodeCursor("search", append(keys, sortKey{conversation: last.conversation, seq: last.seq}.keys()...)...)
	case !next.lower.sentAt.IsZero():
		cursor = encodeCursor("search on", next.lower.keys()...)
	default:
		return hits, nil
	}
	return hits, &cursor
}

func (k sortKey) keys() []string {
	return []string{strconv.FormatInt(k.sentAt.UnixMicro(), 10), k.conversation.String(), strconv.FormatInt(k.seq, 10)}
}

func parseSortKey(keys []string) (k sortKey, err error) {
	micros, err := strconv.ParseInt(keys[0], 10, 64)
	if err != nil || micros < -maxMicros || micros > maxMicros || k.conversation.UnmarshalText([]byte(keys[1])) != nil {
		return k, errCursor
	}
	if k.seq, err = strconv.ParseInt(keys[2], 10, 64); err != nil {
		return k, errCursor
	}
	k.sentAt = time.UnixMicro(micros).UTC()
	return k, nil
}

func decodeSearchCursor(cursor string) (c searchCursor, err error) {
	c = searchCursor{upper: afterAll, score: math.Inf(1)}
	if cursor == "" {
		return c, nil
	}
	if keys, err := decodeCursor("search on", cursor, 3); err == nil {
		c.upper, err = parseSortKey(keys)
		return c, err
	}
	keys, err := decodeCursor("search", cursor, 10)
	if err != nil {
		return c, err
	}
	c.inside = true
	for i, k := range []*sortKey{&c.upper, &c.lower} {
		if *k, err = parseSortKey(keys[i*3:]); err != nil {
			return c, err
		}
	}
	if c.last, err = parseSortKey(keys[7:]); err != nil {
		return c, err
	}
	if c.score, err = strconv.ParseFloat(keys[6], 64); err != nil || math.IsNaN(c.score) {
		return c, errCursor
	}
	return c, nil
}
