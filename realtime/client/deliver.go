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
func (conn *connection) handle(ctx context.Context, f *frame) error {
	j := conn.client.journal
	switch f.Type {
	case "hello":
		conn.epoch = f.Epoch
	case "ready":
		j.user, conn.heads = f.UserID, f.Conversations
		if conn.fresh {
			j.begin(f.Conversations)
			j.advance(f.At...)
			j.epoch = conn.epoch
		}
	case "event":
		return conn.handleEvent(ctx, f.event)
	case "gap":
		j.addGap(cmp.Or(f.ConversationID, f.UserID), span{f.FromSeq, f.ToSeq})
	case "resumed":
		return conn.finishReplay(ctx, f.At)
	case "reconnect":
		conn.after = time.Duration(f.AfterMS) * time.Millisecond
	case "error":
		switch f.ephemeral.Code {
		case "epoch_changed", "position_unknown", "resume_invalid":
			// The resume point stays until `resumed`: a client that is disconnected
			// before has not received all gaps, and asks for them again.
			j.progress = map[string]*progress{}
			conn.client.handler.Reset()
			return nil
		}
		conn.client.handler.Ephemeral(*f.ephemeral)
	default:
		if f.ephemeral != nil {
			conn.typists.update(f.ephemeral)
			conn.client.handler.Ephemeral(*f.ephemeral)
		}
	}
	return nil
}

// handleEvent delivers an event, after those that are missing before it.
func (conn *connection) handleEvent(ctx context.Context, e *Event) error {
	j := conn.client.journal
	p := j.progressOf(e)
	if err := conn.fillGaps(ctx, e.stream(), e.Seq, j.concerns(e, "member.added"), e.At); err != nil {
		return err
	}
	if e.Seq > p.last {
		conn.deliver(e)
	}
	j.advance(e.At)
	return nil
}

// finishReplay reads the gaps over HTTP, and events up to the versions that
// `ready` stated.
func (conn *connection) finishReplay(ctx context.Context, at []string) error {
	j := conn.client.journal
	until := map[string]int64{}
	for id, p := range j.progress {
		if n := len(p.gaps); n > 0 {
			until[id] = p.gaps[n-1].to
		}
	}
	for _, h := range conn.heads {
		if j.progress[h.ID] != nil {
			until[h.ID] = max(until[h.ID], h.Seq)
		}
	}
	for id, seq := range until {
		if err := conn.fillGaps(ctx, id, seq+1, false, at...); err != nil {
			return err
		}
	}
	j.advance(at...)
	j.epoch = conn.epoch
	conn.resumed = time.Now()
	conn.client.setResumed()
	conn.client.handler.State(Resumed, nil)
	return nil
}

// fillGaps reads what is missing in a conversation before the version next.
func (conn *connection) fillGaps(ctx context.Context, id string, next int64, added bool, minPositions ...string) error {
	p := conn.client.journal.progress[id]
	for {
		missing, found := p.missing(next, added)
		if !found {
			return nil
		}
		if err := conn.fetch(ctx, id, missing, minPositions); err != nil {
			return err
		}
	}
}

// eventPage is the response of GET …/events.
type eventPage struct{ Items []json.RawMessage }

func (p *eventPage) valid() bool { return p.Items != nil }

// fetch reads a span of a conversation over HTTP and delivers it. The read must
// include minPositions: otherwise the read models may not know yet that the user
// is a member.
func (conn *connection) fetch(ctx context.Context, id string, missing span, minPositions []string) error {
	j := conn.client.journal
	p := j.progress[id]
	if id == j.user { // there is no such page of the user's own events
		conn.skip(id, missing)
		return nil
	}
	for p.last < missing.to {
		after := max(p.last, missing.from-1)
		var page eventPage
		err := conn.client.do(ctx, request{
			method: http.MethodGet, minPositions: minPositions,
			path: fmt.Sprintf("/v1/conversations/%s/events?limit=200&after=%d", url.PathEscape(id), after),
		}, &page)
		var refused *Refusal
		if errors.As(err, &refused) || (err == nil && len(page.Items) == 0) {
			conn.skip(id, span{after + 1, missing.to})
			p.removed = true
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
				conn.deliver(e)
			}
		}
	}
	return nil
}

func (conn *connection) skip(id string, missing span) {
	conn.client.journal.progress[id].last = missing.to
	conn.client.handler.Skipped(id, missing.from, missing.to)
}

// deliver calls the handler. An event counts as delivered when it has returned.
func (conn *connection) deliver(e *Event) {
	if e.Type == "message.sent" {
		conn.typists.stop(typist{e.ConversationID, e.ActorID}, conn.client.handler.Ephemeral)
	}
	conn.client.handler.Event(*e)
	conn.client.journal.record(e)
}
