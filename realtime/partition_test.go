package realtime

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"ping/domain"
	"ping/realtime/presence"
)

// TestRooms compares the rooms with a naive model after any sequence
// of joins, leaves and detachments: no list has a hole or a stale place.
func TestRooms(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p := newPartition(0, 0, newRegistry(), presence.NewLocalUsers(), slog.New(slog.DiscardHandler))
		sockets := make([]*socket, 5)
		model := map[*socket]map[domain.ID]bool{} // the rooms, and where it may not write
		for i := range sockets {
			sockets[i] = &socket{attachments: make([]attachment, 1)}
			sockets[i].attachments[0].attached = true
			model[sockets[i]] = map[domain.ID]bool{}
		}
		for range rapid.IntRange(0, 60).Draw(r, "steps") {
			s := rapid.SampledFrom(sockets).Draw(r, "socket")
			id := domain.ID{rapid.Byte().Draw(r, "room") % 5}
			switch rapid.IntRange(0, 4).Draw(r, "act") {
			case 0, 1:
				reader := rapid.Bool().Draw(r, "reader")
				p.join(s, id, reader)
				model[s][id] = reader
			case 2, 3:
				p.leave(s, id)
				delete(model[s], id)
			default:
				p.detach(s)
				s.attachments[0].attached = true
				clear(model[s])
			}
			checkRooms(r, p, model)
		}
	})
}

func checkRooms(t require.TestingT, p *partition, model map[*socket]map[domain.ID]bool) {
	members := 0
	for id, room := range p.rooms {
		require.NotEmpty(t, room.sockets)
		for i, m := range room.sockets {
			require.Contains(t, model[m.socket], id)
			inside, writes := p.standing(m.socket, id)
			require.True(t, inside)
			require.Equal(t, !model[m.socket][id], writes)
			seat := m.socket.attachments[0].slots[m.slot]
			require.Same(t, room, seat.room)
			require.EqualValues(t, i, seat.index)
			members++
		}
	}
	for s, rooms := range model {
		require.Len(t, s.attachments[0].slots, len(rooms))
		members -= len(rooms)
	}
	require.Zero(t, members)
}

func TestChanges(t *testing.T) {
	c := changes{since: 10}
	for i := range maxChanges + 1 {
		c.add(change{position: int64(11 + 2*i)})
	}
	require.EqualValues(t, 11+2*(maxChanges/2-1), c.since, "the older half is forgotten")
	for after, count := range map[int64]int{0: 2049, 1: 2049, 2: 2048, 3: 2048, 4: 2047} {
		require.Len(t, c.after(c.since+after), count)
	}
	require.Empty(t, c.after(int64(11+2*maxChanges)))
}
