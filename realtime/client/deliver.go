package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// handle handles a frame of the server.
func (s *stream) handle(ctx context.Context, f *frame) error {
	j := s.client.journal
	switch f.Type {
	case "hello":
		s.epoch = f.Epoch
	case "ready":
		j.user, s.heads = f.UserID, f.Conversations
		if s.begins {
			j.begin(f.Conversations)
			j.advance(f.At...)
			j.epoch = s.epoch
		}
	case "event":
		return s.take(ctx, f.event)
	case "gap":
		j.tell(cmp.Or(f.ConversationID, f.UserID), span{f.FromSeq, f.ToSeq})
	case "resumed":
		return s.complete(ctx, f.At)
	case "reconnect":
		s.after = time.Duration(f.AfterMS) * time.Millisecond
	case "error":
		switch f.ephemeral.Code {
		case "epoch_changed", "position_unknown", "resume_invalid":
			// The resume point stays until `resumed`: a client that is cut before
			// has not been told of all gaps, and asks again.
			j.places = map[string]*place{}
			s.client.handler.Reset()
			return nil
		}
		s.client.handler.Ephemeral(*f.ephemeral)
	default:
		if f.ephemeral != nil {
			s.typists.hear(f.ephemeral)
			s.client.handler.Ephemeral(*f.ephemeral)
		}
	}
	return nil
}

// take hands an event on, after what is missing before it.
func (s *stream) take(ctx context.Context, e *Event) error {
	j := s.client.journal
	p := j.place(e)
	if err := s.fill(ctx, e.stream(), e.Seq, j.concerns(e, "member.added"), e.At); err != nil {
		return err
	}
	if e.Seq > p.last {
		s.deliver(e)
	}
	j.advance(e.At)
	return nil
}

// complete ends a replay: what gaps told of is read, and the heads of `ready`
// are reached.
func (s *stream) complete(ctx context.Context, at []string) error {
	j := s.client.journal
	until := map[string]int64{}
	for id, p := range j.places {
		if n := len(p.gaps); n > 0 {
			until[id] = p.gaps[n-1].to
		}
	}
	for _, h := range s.heads {
		if j.places[h.ID] != nil {
			until[h.ID] = max(until[h.ID], h.Seq)
		}
	}
	for id, seq := range until {
		if err := s.fill(ctx, id, seq+1, false, at...); err != nil {
			return err
		}
	}
	j.advance(at...)
	j.epoch = s.epoch
	s.resumed = time.Now()
	s.client.caughtUp()
	s.client.handler.State(Resumed, nil)
	return nil
}

// fill reads what is missing in a conversation before the seq next.
func (s *stream) fill(ctx context.Context, id string, next int64, added bool, seen ...string) error {
	p := s.client.journal.places[id]
	for {
		missing, any := p.missing(next, added)
		if !any {
			return nil
		}
		if err := s.fetch(ctx, id, missing, seen); err != nil {
			return err
		}
	}
}

// eventPage is an answer of GET …/events.
type eventPage struct{ Items []json.RawMessage }

func (p *eventPage) complete() bool { return p.Items != nil }

// fetch reads a stretch of a conversation over HTTP and hands it on. seen are
// positions that the server's read models must have come to: else it may not
// know yet that the user is a member.
func (s *stream) fetch(ctx context.Context, id string, missing span, seen []string) error {
	j := s.client.journal
	p := j.places[id]
	if id == j.user { // there is no such page of the user's own events
		s.skip(id, missing)
		return nil
	}
	for p.last < missing.to {
		after := max(p.last, missing.from-1)
		var page eventPage
		err := s.client.ask(ctx, request{
			method: http.MethodGet, seen: seen,
			path: fmt.Sprintf("/v1/conversations/%s/events?limit=200&after=%d", url.PathEscape(id), after),
		}, &page)
		var refused *Refusal
		if errors.As(err, &refused) || (err == nil && len(page.Items) == 0) {
			s.skip(id, span{after + 1, missing.to})
			p.out = true
			return nil
		}
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			e, err := decodeEvent(item)
			if err != nil {
				return err
			}
			if e.Seq > p.last && e.Seq <= missing.to {
				s.deliver(e)
			}
		}
	}
	return nil
}

func (s *stream) skip(id string, missing span) {
	s.client.journal.places[id].last = missing.to
	s.client.handler.Skipped(id, missing.from, missing.to)
}

// deliver hands an event on. It counts as seen when the handler has returned.
func (s *stream) deliver(e *Event) {
	if e.Type == "message.sent" {
		s.typists.stop(typist{e.ConversationID, e.ActorID}, s.client.handler.Ephemeral)
	}
	s.client.handler.Event(*e)
	s.client.journal.note(e)
}
