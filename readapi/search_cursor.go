package readapi

import (
	"math"
	"strconv"
	"time"

	"ping/domain"
)

// place is where a message stands among all, by when it was sent.
type place struct {
	sentAt       time.Time
	conversation [16]byte
	seq          int64
}

// beyondAll comes after every message.
var beyondAll = place{sentAt: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}

// searchCursor says where a page of a search begins: with a window, or within
// one, whose ends are fixed from its first page on.
type searchCursor struct {
	upper, lower place // the window's messages come before upper, and not before lower
	inside       bool
	score        float64 // of the last hit of the page before
	last         place   // and what it is
}

// size is how many messages the window may have. What was still on its way
// when the window began may have come into it since.
func (c searchCursor) size() int {
	if c.inside {
		return 2 * searchWindow
	}
	return searchWindow
}

// page cuts a page off the hits, and returns where the next one begins.
func (c searchCursor) page(hits []hit, limit int) ([]hit, *string) {
	next := c
	if !c.inside && len(hits) > 0 {
		if c.upper == beyondAll {
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
		cursor = encodeCursor("search", append(keys, place{conversation: last.conversation, seq: last.seq}.keys()...)...)
	case !next.lower.sentAt.IsZero():
		cursor = encodeCursor("search on", next.lower.keys()...)
	default:
		return hits, nil
	}
	return hits, &cursor
}

func (p place) keys() []string {
	id := domain.ID(p.conversation)
	return []string{strconv.FormatInt(p.sentAt.UnixMicro(), 10), id.String(), strconv.FormatInt(p.seq, 10)}
}

func parsePlace(keys []string) (p place, err error) {
	id := domain.ID{}
	micros, err := strconv.ParseInt(keys[0], 10, 64)
	if err != nil || micros < -maxMicros || micros > maxMicros || id.UnmarshalText([]byte(keys[1])) != nil {
		return p, errCursor
	}
	if p.seq, err = strconv.ParseInt(keys[2], 10, 64); err != nil {
		return p, errCursor
	}
	p.sentAt, p.conversation = time.UnixMicro(micros).UTC(), id
	return p, nil
}

func decodeSearchCursor(cursor string) (c searchCursor, err error) {
	c = searchCursor{upper: beyondAll, score: math.Inf(1)}
	if cursor == "" {
		return c, nil
	}
	if keys, err := decodeCursor("search on", cursor, 3); err == nil {
		c.upper, err = parsePlace(keys)
		return c, err
	}
	keys, err := decodeCursor("search", cursor, 10)
	if err != nil {
		return c, err
	}
	c.inside = true
	for i, p := range []*place{&c.upper, &c.lower} {
		if *p, err = parsePlace(keys[i*3:]); err != nil {
			return c, err
		}
	}
	if c.last, err = parsePlace(keys[7:]); err != nil {
		return c, err
	}
	if c.score, err = strconv.ParseFloat(keys[6], 64); err != nil || math.IsNaN(c.score) {
		return c, errCursor
	}
	return c, nil
}
