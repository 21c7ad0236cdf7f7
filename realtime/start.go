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

// startUp brings the socket from the client's positions to live delivery.
//
// It attaches at a cut-off, one position per partition, after which live events are
// buffered; replays what lies between the client and the cut-off; and flushes the
// buffer. If the buffer was too large, it was dropped, and the start repeats from the
// cut-off.
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

// step is a point in the start of a socket at which tests can act.
type step int

const (
	stepVerified   step = iota // a token or ticket is verified, and the socket not registered yet
	stepSnapshot               // memberships are read, and the socket is not attached
	stepSubscribed             // live events are buffered, and nothing is replayed
	stepReplayed               // live events are still buffered
)

func (h *Hub) at(reached step) {
	if act := h.reached.Load(); act != nil {
		(*act)(reached)
	}
}

// startup brings one socket from the client's positions to live delivery.
type startup struct {
	socket   *socket
	hub      *Hub
	from     []int64 // the client's position per partition; nil without a resume
	cut      []int64 // the cut-off of the present round
	known    *memberships
	resuming bool // `resumed` follows the replay
	missing  bool // the client's positions are invalid: everything is a gap
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
		return // nothing to resume
	}
	from, ok := parseAt(frame.At, u.hub.log.Partitions())
	if !ok {
		u.resetPositions(protocol.ErrResumeInvalid)
		return
	}
	u.from = from
}

// resetPositions drops the client's positions and sends the reason.
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

// syncOnce attaches and replays up to the cut-off.
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

// subscribe attaches the socket to all partitions, in the rooms of its user's present
// conversations.
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

// wait waits until the partition has reached the positions of the read models and the
// client.
func (u *startup) wait(ctx, bounded context.Context, p *partition) error {
	if u.reach(bounded, p, u.known.positions[p.id]) != nil {
		return cmp.Or(ctx.Err(), errBehind)
	}
	if u.from == nil || u.reach(bounded, p, u.from[p.id]) == nil {
		return nil
	}
	if u.from[p.id] <= u.known.ends[p.id] {
		return cmp.Or(ctx.Err(), errBehind) // this node lags
	}
	return cmp.Or(ctx.Err(), errAhead)
}

// reach waits until the partition is at a position. It yields its slot meanwhile,
// since clients may name positions that are never reached.
func (u *startup) reach(ctx context.Context, p *partition, wanted int64) error {
	if p.at() >= wanted {
		return nil
	}
	return u.yieldSlot(func() error { return p.reach(ctx, wanted) })
}

// yieldSlot waits and yields its slot to other sockets meanwhile.
func (u *startup) yieldSlot(wait func() error) error {
	u.hub.admission.release()
	defer u.hub.admission.reacquire() // in any case, since startUp releases it
	return wait()
}

// attach attaches to one partition. If the partition does not remember all changes
// since the read model's checkpoint, the first of them are read from the log.
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

// replayMemberships applies the membership changes in the log up to a position.
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
