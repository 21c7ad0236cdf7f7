package realtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"ping/realtime/protocol"
	"time"
)

// errAhead says that a client knows a position that the log does not have.
var errAhead = errors.New("the position is beyond the log")

// errBehind says that this node's tail lags far behind the read models.
var errBehind = errors.New("this node has not caught up with the log")

// catchUp brings the stream from where the client stands to where it is live.
//
// A round subscribes at a cut-off, one position a partition, from which on
// live events are held back; replays what lies between the client and the
// cut-off; and releases what was held back. When too much came meanwhile to be
// held, it was dropped, and another round goes on from the cut-off.
func (s *socket) startUp(ctx context.Context, resume *protocol.ClientFrame) error {
	began := time.Now()
	if err := s.hub.admission.acquire(ctx); err != nil {
		return err
	}
	defer s.hub.admission.release()
	u := &startup{socket: s, hub: s.hub}
	if resume != nil {
		u.resume(resume)
	}
	for {
		err := u.syncOnce(ctx)
		if err == nil {
			u.hub.at(stepReplayed)
			err = u.flush(ctx, nil)
		}
		switch {
		case errors.Is(err, errAhead):
			u.resetPositions(protocol.ErrPositionUnknown)
		case err != nil:
			return err
		case s.conn.FlushBuffer(u.resumed()):
			s.hub.metrics.startSeconds.Observe(time.Since(began).Seconds())
			return nil
		default:
			u.from = u.cut
		}
	}
}

// step is a place in the life of a stream where the order of things matters.
type step int

const (
	stepVerified   step = iota // a token or ticket is good, the stream is not of it yet
	stepSnapshot               // memberships are read, nothing is subscribed
	stepSubscribed             // live events are held back, nothing is replayed
	stepReplayed               // live events are still held back
)

func (h *Hub) at(reached step) {
	if act := h.reached.Load(); act != nil {
		(*act)(reached)
	}
}

// upturn is a stream on its way to being live.
type startup struct {
	socket   *socket
	hub      *Hub
	from     []int64 // what the client has seen, a partition; nil: it begins
	cut      []int64 // where the present round subscribed
	known    *memberships
	resuming bool // the client is told when the replay is done
	missing  bool // the client's positions are void: everything is a gap
	greeted  bool // ready was sent
	replayed int
}

// resume takes the positions of the client's first frame.
func (u *startup) resume(frame *protocol.ClientFrame) {
	u.resuming = true
	if frame.Epoch != 0 && frame.Epoch != u.hub.log.Epoch() {
		u.resetPositions(protocol.ErrEpochChanged)
		return
	}
	if len(frame.At) == 0 {
		return // nothing to resume: it only does not want to be waited for
	}
	from, ok := parseAt(frame.At, u.hub.log.Partitions())
	if !ok {
		u.resetPositions(protocol.ErrResumeInvalid)
		return
	}
	u.from = from
}

// anew begins without the client's positions, and says why.
func (u *startup) resetPositions(why protocol.Refusal) {
	u.socket.answer(why, "")
	u.from, u.missing = nil, true
}

// resumed makes the frame that ends a replay.
func (u *startup) resumed() []byte {
	if !u.resuming {
		return nil
	}
	return message(protocol.ResumedFrame{Type: "resumed", Replayed: u.replayed, At: atStrings(u.cut)})
}

// round subscribes and replays up to there.
func (u *startup) syncOnce(ctx context.Context) error {
	if err := u.subscribe(ctx); err != nil {
		return err
	}
	u.hub.at(stepSubscribed)
	sources := u.sources()
	if err := u.setHeads(ctx, sources); err != nil {
		return err
	}
	if !u.greeted {
		u.greeted = true
		u.socket.conn.Send(u.ready(sources))
	}
	switch {
	case u.missing:
		u.missing = false
		return u.sendGaps(ctx, sources)
	case u.from == nil:
		return nil
	}
	return u.replay(ctx, sources)
}

// subscribe attaches the socket to all partitions, in the rooms of which its
// user is a member there and then.
func (u *startup) subscribe(ctx context.Context) (err error) {
	if u.cut != nil {
		for _, p := range u.hub.partitions {
			p.detach(u.socket)
		}
	}
	generation := u.socket.conn.StartBuffering()
	if u.known, err = u.hub.memberships.of(ctx, u.socket.user); err != nil {
		return err
	}
	u.hub.at(stepSnapshot)
	bounded, cancel := context.WithTimeout(ctx, hubWait)
	defer cancel()
	u.cut = make([]int64, len(u.hub.partitions))
	for i, p := range u.hub.partitions {
		if err := u.wait(ctx, bounded, p); err != nil {
			return err
		}
		if u.cut[i], err = u.attach(ctx, p, generation); err != nil {
			return err
		}
	}
	return nil
}

// wait lets the partition come to what the read models and the client have
// seen already.
func (u *startup) wait(ctx, bounded context.Context, p *partition) error {
	if u.reach(bounded, p, u.known.positions[p.id]) != nil {
		return cmp.Or(ctx.Err(), errBehind)
	}
	if u.from == nil || u.reach(bounded, p, u.from[p.id]) == nil {
		return nil
	}
	if u.from[p.id] <= u.known.ends[p.id] {
		return cmp.Or(ctx.Err(), errBehind) // it is this node that is late
	}
	return cmp.Or(ctx.Err(), errAhead)
}

// reach waits until the partition is at a position. Whoever has to wait gives
// others the turn to start: clients may name positions that never come.
func (u *startup) reach(ctx context.Context, p *partition, wanted int64) error {
	if p.at() >= wanted {
		return nil
	}
	return u.yieldSlot(func() error { return p.reach(ctx, wanted) })
}

// aside waits for something and gives others the turn to start meanwhile.
func (u *startup) yieldSlot(wait func() error) error {
	u.hub.admission.release()
	defer u.hub.admission.reacquire() // in any case: catchUp gives it back
	return wait()
}

// attach attaches to one partition. Where the partition does not remember all
// changes since the read model's place, the log tells the first of them.
func (u *startup) attach(ctx context.Context, p *partition, generation uint32) (cut int64, err error) {
	for {
		cut, since := p.attach(u.socket, generation, u.known)
		if since == 0 {
			return cut, nil
		}
		if err := u.replayMemberships(ctx, p, since); err != nil {
			return 0, err
		}
	}
}

// scan applies the membership changes in the log up to a position.
func (u *startup) replayMemberships(ctx context.Context, p *partition, upTo int64) error {
	tail := u.hub.log.Tail(p.id, u.known.positions[p.id])
	defer tail.Close()
	for u.known.positions[p.id] < upTo {
		events, err := tail.Next(ctx)
		if err != nil {
			return fmt.Errorf("scan memberships: %w", err)
		}
		for _, e := range events {
			if e.Position > upTo {
				break
			}
			if c, ok := changeOf(e, u.hub.logger); ok && c.user == u.socket.user {
				u.known.apply(p.id, c)
			}
			u.known.positions[p.id] = e.Position
		}
	}
	return nil
}

func (u *startup) ready(sources []source) []byte {
	frame := protocol.ReadyFrame{Type: "ready", UserID: u.socket.user, Conversations: []protocol.ConversationHead{}, At: atStrings(u.clientPositions())}
	for _, st := range sources {
		if !st.own && st.spans.current() {
			frame.Conversations = append(frame.Conversations, protocol.ConversationHead{ID: st.id, Seq: st.head})
		}
	}
	return message(frame)
}

// stands returns where the client stands when it is greeted. One whose positions
// are void has seen nothing until the gaps have told it so: if it is cut before
// that, it resumes from there.
func (u *startup) clientPositions() []int64 {
	switch {
	case u.missing:
		return make([]int64, len(u.cut))
	case u.from != nil:
		return u.from
	}
	return u.cut
}

// tellMissing tells that everything up to the cut-off may be new.
func (u *startup) sendGaps(ctx context.Context, sources []source) error {
	var out []byte
	for i := range sources {
		st := &sources[i]
		spans, err := u.completeSpans(ctx, st)
		if err != nil {
			return err
		}
		for _, part := range spans.clip(0, st.head) {
			u.hub.metrics.gaps.Inc()
			if out, err = u.flushIfLarge(ctx, append(out, st.gap(part)...)); err != nil {
				return err
			}
		}
	}
	return u.flush(ctx, out)
}
