package oracle

import (
	"sync"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"

	"ping/domain"
)

// slot is what is known about one seq of a conversation.
type slot struct {
	// start is when the first attempt to send this message began, in
	// nanoseconds of the run; 0 until it is acknowledged. Frames often arrive
	// before the answer does.
	start atomic.Int64
	// mark identifies the event that sockets received here; 0 when none did.
	mark atomic.Uint64
}

const (
	chunkBits = 10
	// maxSeq keeps a broken server from growing the table without bound.
	maxSeq = 1 << 30
)

type chunk [1 << chunkBits]slot

// seqTable holds a slot per seq of a conversation. Senders and the reader of
// the sockets use it concurrently; a lookup takes no lock.
type seqTable struct {
	mu     sync.Mutex
	chunks atomic.Pointer[[]*chunk]
}

// slot returns the slot of seq, or nil when seq is out of range.
func (t *seqTable) slot(seq int64) *slot {
	if seq < 1 || seq > maxSeq {
		return nil
	}
	i := int(seq >> chunkBits)
	if chunks := t.chunks.Load(); chunks != nil && i < len(*chunks) && (*chunks)[i] != nil {
		return &(*chunks)[i][seq&(1<<chunkBits-1)]
	}
	return &t.grow(i)[seq&(1<<chunkBits-1)]
}

func (t *seqTable) grow(i int) *chunk {
	t.mu.Lock()
	defer t.mu.Unlock()
	var old []*chunk
	if p := t.chunks.Load(); p != nil {
		old = *p
	}
	if i < len(old) && old[i] != nil {
		return old[i]
	}
	// Readers may hold the old slice, so it is never written to.
	chunks := make([]*chunk, max(i+1, len(old)))
	copy(chunks, old)
	chunks[i] = new(chunk)
	t.chunks.Store(&chunks)
	return chunks[i]
}

// markOf identifies an event by its id; the lowest bit is set for a message,
// which history must hold.
func markOf(id domain.ID, message bool) uint64 {
	mark := xxhash.Sum64(id[:]) | 1
	if !message {
		mark &^= 1
		if mark == 0 {
			mark = 2 // 0 means that no socket received it
		}
	}
	return mark
}

func isMessage(mark uint64) bool { return mark&1 != 0 }
