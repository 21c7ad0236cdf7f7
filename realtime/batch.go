package realtime

import (
	"math"

	"ping/internal/transport"
)

// batch is what each socket receives of a run of events. Each event's message is
// encoded once into messages; a socket's share is a list of pieces of it, in order,
// and adjacent pieces are merged. All memory is reused for the next run.
type batch struct {
	run      uint32
	messages []byte
	shares   []share
	pieces   []piece
	gathered []byte
	frames   int // of all sockets together
}

// share is the pieces of one socket, linked from first to last.
type share struct {
	conn        *transport.Conn
	generation  uint32
	first, last int32
}

// piece is messages[from:to]; next is the index of the one after it, or -1.
type piece struct{ from, to, next int32 }

// begin starts a run.
func (b *batch) begin() {
	if b.run++; b.run == 0 {
		b.run = 1 // 0 is for an attachment that was in no run
	}
	clear(b.shares) // else it would keep closed sockets alive
	b.messages, b.shares, b.pieces = b.messages[:0], b.shares[:0], b.pieces[:0]
	b.frames = 0
}

// encode appends an event's message and returns its piece.
func (b *batch) encode(frame []byte) (from, to int32) {
	if len(b.messages)+len(frame) > math.MaxInt32-16 {
		panic("a run of events has more than 2 GiB") // a run is at most 512 frames of at most some 100 KiB
	}
	start := len(b.messages)
	b.messages = transport.AppendText(b.messages, frame)
	return int32(start), int32(len(b.messages))
}

// add appends a piece to a socket's share.
func (b *batch) add(d *attachment, c *transport.Conn, from, to int32) {
	b.frames++
	next := int32(len(b.pieces))
	if d.run != b.run {
		d.run, d.place = b.run, int32(len(b.shares))
		b.shares = append(b.shares, share{conn: c, generation: d.generation, first: next, last: next})
		b.pieces = append(b.pieces, piece{from, to, -1})
		return
	}
	s := &b.shares[d.place]
	if last := &b.pieces[s.last]; last.to == from {
		last.to = to
		return
	}
	b.pieces[s.last].next = next
	s.last = next
	b.pieces = append(b.pieces, piece{from, to, -1})
}

// flush writes each socket's share with one call.
func (b *batch) flush() {
	for i := range b.shares {
		s := &b.shares[i]
		p := b.pieces[s.first]
		messages := b.messages[p.from:p.to]
		if p.next >= 0 {
			b.gathered = append(b.gathered[:0], messages...)
			for p.next >= 0 {
				p = b.pieces[p.next]
				b.gathered = append(b.gathered, b.messages[p.from:p.to]...)
			}
			messages = b.gathered
		}
		s.conn.SendLive(s.generation, messages)
	}
}
