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

// partition dispatches the events of one partition of the log to the sockets of this
// node. Its lock orders attachments against events: a socket that attaches at a
// position receives every event after it, and none before it.
type partition struct {
	id       int
	registry *registry
	local    *presence.LocalUsers
	logger   *slog.Logger

	mu       sync.Mutex
	position int64 // all events up to it have been dispatched
	rooms    map[domain.ID]*room
	changes  changes
	moved    chan struct{} // closed when position moves; nil without waiters

	batch batch // used by dispatch alone
}

// room has the sockets of a conversation's members.
type room struct {
	conversation domain.ID
	sockets      []roomSocket
}

// roomSocket is a socket in a room, and the index of the room's slot in its attachment.
type roomSocket struct {
	socket *socket
	slot   int32
	reader bool // may not write
}

// attachment is a partition's per-socket state: guarded by the partition's lock, and
// stored with the socket.
type attachment struct {
	attached   bool
	generation uint32 // of the live buffer, see transport.Conn
	slots      []roomSlot
	// During a run of events: the number of the run, and the index of this socket in
	// its batch.
	run   uint32
	place int32
}

// roomSlot is a room that a socket is in, and its index in the room's sockets.
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

// dispatch sends a run of events. It writes to sockets outside the lock, so that
// sockets attach and leave meanwhile. It returns the numbers of writes and of frames.
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

// route adds an event to the batch for its recipients. The event that adds or removes
// a member is sent to that member too.
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
		for i := range r.sockets {
			p.batch.add(&r.sockets[i].socket.attachments[p.id], r.sockets[i].socket.conn, from, to)
		}
	} else if ofUser(e) {
		p.routeToUser(e)
	}
	if ok && c.is == removed {
		p.registry.each(c.user, func(s *socket) { p.leave(s, c.conversation) })
	}
}

// routeToUser adds an event of a user's own stream to the batch for the sockets of that
// user. Such events are few, so they have no rooms.
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

// block applies changes of block lists.
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

// join adds an attached socket to a room, or changes its rights there; p.mu is held.
func (p *partition) join(s *socket, conversation domain.ID, reader bool) {
	d := &s.attachments[p.id]
	if !d.attached {
		return
	}
	if i := d.find(conversation); i >= 0 {
		d.slots[i].room.sockets[d.slots[i].index].reader = reader
		return
	}
	r := p.rooms[conversation]
	if r == nil {
		r = &room{conversation: conversation}
		p.rooms[conversation] = r
	}
	d.slots = append(d.slots, roomSlot{room: r, index: int32(len(r.sockets))})
	r.sockets = append(r.sockets, roomSocket{socket: s, slot: int32(len(d.slots) - 1), reader: reader})
}

// leave removes a socket from a room; p.mu is held.
func (p *partition) leave(s *socket, conversation domain.ID) {
	d := &s.attachments[p.id]
	if i := d.find(conversation); i >= 0 {
		p.removeSlot(d, i)
	}
}

// find returns the index of the room's slot; -1 if there is none.
func (d *attachment) find(conversation domain.ID) int {
	for i := range d.slots {
		if d.slots[i].room.conversation == conversation {
			return i
		}
	}
	return -1
}

// removeSlot removes a slot and its member. The last entry of each list moves to the
// free index, so that neither list has holes and neither is searched.
func (p *partition) removeSlot(d *attachment, i int) {
	s := d.slots[i]
	r := s.room
	last := len(r.sockets) - 1
	moved := r.sockets[last]
	r.sockets[s.index] = moved
	moved.socket.attachments[p.id].slots[moved.slot].index = s.index
	r.sockets[last] = roomSocket{}
	r.sockets = r.sockets[:last]
	if last == 0 {
		delete(p.rooms, r.conversation)
	}

	end := len(d.slots) - 1
	if i != end {
		d.slots[i] = d.slots[end]
		d.slots[i].room.sockets[d.slots[i].index].slot = int32(i)
	}
	d.slots[end] = roomSlot{}
	d.slots = d.slots[:end]
}

// attach adds a socket to the rooms of the user's conversations as of the partition's
// position, which it returns; the socket receives every later event. It applies the
// remembered changes to known. If older changes are missing in known, it returns in
// since the position up to which they have to be applied first.
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
		return p.position, 0 // the socket has ended and was detached
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

// detach removes a socket from the partition.
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

// standing reports whether the user of a socket is a member of a conversation, and
// may write there.
func (p *partition) standing(s *socket, conversation domain.ID) (inside, writes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := &s.attachments[p.id]
	i := d.find(conversation)
	if i < 0 {
		return false, false
	}
	return true, !d.slots[i].room.sockets[d.slots[i].index].reader
}

// appendSockets appends the sockets in a conversation's room.
func (p *partition) appendSockets(sockets []*socket, conversation domain.ID) []*socket {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.rooms[conversation]; r != nil {
		for i := range r.sockets {
			sockets = append(sockets, r.sockets[i].socket)
		}
	}
	return sockets
}

// at returns the position up to which events have been dispatched.
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
