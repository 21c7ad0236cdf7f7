package realtime

import (
	"context"
	"log/slog"
	"strings"
	"sync"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/realtime/presence"
)

// partition hands the events of one partition of the log to the sockets of
// this node. Its lock orders subscriptions exactly against the events: a
// socket that attaches at a position gets every event after it, and none
// before it.
type partition struct {
	id       int
	registry *registry
	local    *presence.LocalUsers
	logger   *slog.Logger

	mu       sync.Mutex
	position int64 // all events up to it have been handed on
	rooms    map[domain.ID]*room
	changes  changes
	moved    chan struct{} // closed when position moves; nil while nobody waits

	batch batch // used by take alone
}

// room is the sockets of a conversation's members.
type room struct {
	conversation domain.ID
	members      []member
}

// member is a socket in a room; seat is where in its desk the room stands.
type member struct {
	socket *socket
	slot   int32
	reader bool // may not write
}

// desk is what a partition keeps of a socket: guarded by the partition's lock,
// stored with the socket.
type attachment struct {
	attached   bool
	generation uint32 // of the subscription, see conn
	slots      []roomSlot
	// While the partition takes a run of events: which run, and where in its
	// batch this socket stands.
	run   uint32
	place int32
}

// seat is a room that a socket is in; index is where in its members.
type roomSlot struct {
	room  *room
	index int32
}

func newPartition(id int, position int64, sockets *registry, local *presence.LocalUsers, logger *slog.Logger) *partition {
	return &partition{
		id: id, registry: sockets, local: local, logger: logger, position: position,
		rooms: map[domain.ID]*room{}, changes: changes{since: position},
	}
}

// take hands on a run of events. The sockets are written to outside the lock:
// those who attach or leave meanwhile do not wait for it. It returns how many
// sockets were written to, and how many frames they got together.
func (p *partition) dispatch(events []*eventlog.Event) (writes, frames int) {
	p.mu.Lock()
	p.batch.begin()
	for _, e := range events {
		p.route(e)
	}
	p.position = events[len(events)-1].Position
	if p.moved != nil {
		close(p.moved)
		p.moved = nil
	}
	p.mu.Unlock()
	p.batch.flush()
	return len(p.batch.shares), p.batch.frames
}

// hand puts an event into the batch for all who are to get it. One who is
// added is in the room for the event that adds him, one who is removed for
// the event that removes him.
func (p *partition) route(e *eventlog.Event) {
	c, ok := changeOf(e, p.logger)
	if ok {
		p.changes.add(c)
		if c.is != removed {
			p.registry.each(c.user, func(s *socket) { p.join(s, c.conversation, c.reader) })
		}
	}
	if r := p.rooms[e.Stream]; r != nil {
		from, to := p.batch.encode(e.Frame)
		for i := range r.members {
			p.batch.add(&r.members[i].socket.attachments[p.id], r.members[i].socket.conn, from, to)
		}
	} else if ofUser(e) {
		p.routeToUser(e)
	}
	if ok && c.is == removed {
		p.registry.each(c.user, func(s *socket) { p.leave(s, c.conversation) })
	}
}

// handUser puts an event of a user's own stream into the batch for that
// user's sockets: there are few such events and no rooms for them.
func (p *partition) routeToUser(e *eventlog.Event) {
	p.block(e)
	var from, to int32
	p.registry.each(e.Stream, func(s *socket) {
		if d := &s.attachments[p.id]; d.attached {
			if to == 0 {
				from, to = p.batch.encode(e.Frame)
			}
			p.batch.add(d, s.conn, from, to)
		}
	})
}

// block keeps up with whom users have blocked.
func (p *partition) block(e *eventlog.Event) {
	if !strings.HasSuffix(e.Type, "blocked") {
		return
	}
	decoded, err := e.Decode()
	if err != nil {
		p.logger.Error("block is unreadable", "partition", e.Partition, "position", e.Position, "error", err)
	}
	switch b := decoded.(type) {
	case domain.UserBlocked:
		p.local.SetBlocked(e.Stream, b.UserID, true)
	case domain.UserUnblocked:
		p.local.SetBlocked(e.Stream, b.UserID, false)
	}
}

// join puts an attached socket into a room, or changes what it may do there;
// p.mu is held.
func (p *partition) join(s *socket, conversation domain.ID, reader bool) {
	d := &s.attachments[p.id]
	if !d.attached {
		return
	}
	if i := d.find(conversation); i >= 0 {
		d.slots[i].room.members[d.slots[i].index].reader = reader
		return
	}
	r := p.rooms[conversation]
	if r == nil {
		r = &room{conversation: conversation}
		p.rooms[conversation] = r
	}
	d.slots = append(d.slots, roomSlot{room: r, index: int32(len(r.members))})
	r.members = append(r.members, member{socket: s, slot: int32(len(d.slots) - 1), reader: reader})
}

// leave takes a socket out of a room; p.mu is held.
func (p *partition) leave(s *socket, conversation domain.ID) {
	d := &s.attachments[p.id]
	if i := d.find(conversation); i >= 0 {
		p.removeSlot(d, i)
	}
}

// find returns which of the desk's seats is in the room; -1 for none.
func (d *attachment) find(conversation domain.ID) int {
	for i := range d.slots {
		if d.slots[i].room.conversation == conversation {
			return i
		}
	}
	return -1
}

// unseat removes a seat and its member. The last of each takes the freed
// place, so that neither list has holes and neither is searched.
func (p *partition) removeSlot(d *attachment, i int) {
	s := d.slots[i]
	r := s.room
	last := len(r.members) - 1
	moved := r.members[last]
	r.members[s.index] = moved
	moved.socket.attachments[p.id].slots[moved.slot].index = s.index
	r.members[last] = member{}
	r.members = r.members[:last]
	if last == 0 {
		delete(p.rooms, r.conversation)
	}

	end := len(d.slots) - 1
	if i != end {
		d.slots[i] = d.slots[end]
		d.slots[i].room.members[d.slots[i].index].slot = int32(i)
	}
	d.slots[end] = roomSlot{}
	d.slots = d.slots[:end]
}

// attach takes a socket in: it is in the rooms of the user's conversations as
// of the partition's position, which it returns, and every later event reaches
// it. known is brought up to there. When changes are forgotten that known
// lacks, it returns up to where (since) known must be brought first.
func (p *partition) attach(s *socket, generation uint32, known *memberships) (cut, since int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known.positions[p.id] < p.changes.since {
		return 0, p.changes.since
	}
	for _, c := range p.changes.after(known.positions[p.id]) {
		if c.user == s.user {
			known.apply(p.id, c)
		}
	}
	known.positions[p.id] = p.position
	if s.gone.Load() {
		return p.position, 0 // its end has detached it already
	}
	d := &s.attachments[p.id]
	d.attached, d.generation = true, generation
	for _, st := range known.in(p.id) {
		if st.spans.current() {
			p.join(s, st.id, st.spans.reader())
		}
	}
	return p.position, 0
}

// detach takes a socket out of the partition.
func (p *partition) detach(s *socket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := &s.attachments[p.id]
	d.attached = false
	for len(d.slots) > 0 {
		p.removeSlot(d, len(d.slots)-1)
	}
	d.slots = nil
}

// standing reports whether a socket is in a conversation, and whether it may
// write there.
func (p *partition) standing(s *socket, conversation domain.ID) (inside, writes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := &s.attachments[p.id]
	i := d.find(conversation)
	if i < 0 {
		return false, false
	}
	return true, !d.slots[i].room.members[d.slots[i].index].reader
}

// appendMembers appends the sockets that are in a conversation.
func (p *partition) appendMembers(sockets []*socket, conversation domain.ID) []*socket {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.rooms[conversation]; r != nil {
		for i := range r.members {
			sockets = append(sockets, r.members[i].socket)
		}
	}
	return sockets
}

// at returns up to where events have been handed on.
func (p *partition) at() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.position
}

// reach waits until the partition is at a position.
func (p *partition) reach(ctx context.Context, wanted int64) error {
	for {
		p.mu.Lock()
		if p.position >= wanted {
			p.mu.Unlock()
			return nil
		}
		if p.moved == nil {
			p.moved = make(chan struct{})
		}
		moved := p.moved
		p.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
