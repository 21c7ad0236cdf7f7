package realtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"ping/realtime/protocol"
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
	u := newStartup(s)
	if resume != nil {
		u.resume(resume)
	}
	for {
		err := u.syncOnce(ctx)
		if err == nil {
			u.hub.at(stepReplayed)
			err = u.sender.flush(ctx, nil)
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
			u.replay.from = u.cut
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
	reader   *logReader
	sender   *pacedSender
	replay   *replay // its from is the client's position per partition; nil without a resume
	cut      []int64 // the cut-off of the present round
	known    *memberships
	resuming bool // `resumed` follows the replay
	missing  bool // the client's positions are invalid: everything is a gap
	greeted  bool // ready was sent
}

func newStartup(s *socket) *startup {
	sender := &pacedSender{conn: s.conn, admission: s.hub.admission}
	return &startup{
		socket: s, hub: s.hub, reader: s.hub.reader, sender: sender,
		replay: &replay{hub: s.hub, user: s.user, sender: sender},
	}
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
	u.replay.from = from
}

// resetPositions drops the client's positions and sends the reason.
func (u *startup) resetPositions(why protocol.Refusal) {
	u.socket.answer(why, "")
	u.replay.from, u.missing = nil, true
}

// resumed makes the frame that ends a replay.
func (u *startup) resumed() []byte {
	if !u.resuming {
		return nil
	}
	return message(protocol.ResumedFrame{Type: "resumed", Replayed: u.replay.replayed, At: atStrings(u.cut)})
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
	case u.replay.from == nil:
		return nil
	}
	return u.replay.run(ctx, sources, u.cut)
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
	if u.replay.from == nil || u.reach(bounded, p, u.replay.from[p.id]) == nil {
		return nil
	}
	if u.replay.from[p.id] <= u.known.ends[p.id] {
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
	return u.sender.yieldSlot(func() error { return p.reach(ctx, wanted) })
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
			return fmt.Errorf("replay memberships: %w", err)
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

// clientPositions returns the positions for `ready`. A client whose positions are
// invalid starts at zero until it has received the gaps: if it is disconnected before,
// it resumes from there.
func (u *startup) clientPositions() []int64 {
	switch {
	case u.missing:
		return make([]int64, len(u.cut))
	case u.replay.from != nil:
		return u.replay.from
	}
	return u.cut
}

// sendGaps reports everything up to the cut-off as a gap.
func (u *startup) sendGaps(ctx context.Context, sources []source) error {
	var out []byte
	for i := range sources {
		st := &sources[i]
		spans, err := u.replay.completeSpans(ctx, st)
		if err != nil {
			return err
		}
		for _, part := range spans.clip(0, st.head) {
			u.hub.metrics.gaps.Inc()
			if out, err = u.sender.flushIfLarge(ctx, append(out, st.gap(part)...)); err != nil {
				return err
			}
		}
	}
	return u.sender.flush(ctx, out)
}
