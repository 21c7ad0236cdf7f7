package oracle

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/load/workload"
)

// scenario is a run of five messages into a group of two that went well: what
// was acknowledged, stored and received. Each test makes one thing wrong in it.
type scenario struct {
	record       *Record
	conversation *Conversation
	line         *line
	history      []Stored
	frames       [2][]frame // what each user's socket receives, in order
	ready        int64      // the group's seq that ready told
}

// frame is an event with its position in the partition.
type frame struct {
	Event
	position int64
}

var (
	someID    = domain.DerivedID([]byte("message"))
	someGroup = domain.DerivedID([]byte("group"))
)

func messageID(seq int64) domain.ID { return domain.DerivedID([]byte{byte(seq)}) }

func eventAt(seq int64, name string) Event {
	return Event{Conversation: []byte(someGroup.String()), Seq: seq, Name: []byte(name), ID: messageID(seq), InOrder: true}
}

// recordOf begins the record of one group with these members and an ordered line.
func recordOf(users ...*workload.User) *Record {
	c := &workload.Conversation{ID: someGroup, Members: users}
	c.Lines = []*workload.Line{{Conversation: c, Ordered: true}}
	return NewRecord(&workload.Plan{Users: users, Conversations: []*workload.Conversation{c}}, &Faults{})
}

// newScenario: seq 1-3 made the group, 4-8 are messages.
func newScenario() *scenario {
	s := &scenario{record: recordOf(&workload.User{Number: 0, ID: someID}, &workload.User{Number: 1}), ready: 3}
	s.conversation = s.record.Conversations[0]
	s.line = s.conversation.lines[0]
	for seq := int64(4); seq <= 8; seq++ {
		d := Digest(someID, fmt.Sprint("message ", seq), domain.ID{})
		s.line.acks = append(s.line.acks, Ack{messageID(seq), seq, d})
		s.store(seq, d)
	}
	return s
}

// store adds a message to history and to what sockets receive.
func (s *scenario) store(seq int64, digest uint64) {
	s.history = append(s.history, Stored{ID: messageID(seq), Seq: seq, Digest: digest})
	for i := range s.frames {
		s.frames[i] = append(s.frames[i], frame{eventAt(seq, "message.sent"), 100 + seq})
	}
}

// extra adds a message that was not acknowledged, and returns its digest.
func (s *scenario) extra(body string) uint64 {
	d := Digest(someID, body, domain.ID{})
	s.store(s.history[len(s.history)-1].Seq+1, d)
	return d
}

// judge plays the scenario and returns what is wrong.
func (s *scenario) judge() *Faults {
	for i, socket := range s.record.Sockets {
		socket.StartAt(someGroup.String(), s.ready)
		position := int64(103)
		for _, f := range s.frames[i] {
			f.InOrder = f.position > position
			position = max(position, f.position)
			socket.Receive(f.Event)
		}
	}
	s.conversation.history = s.history
	s.record.Judge()
	return s.record.Faults
}

func TestVerdict(t *testing.T) {
	require.Zero(t, newScenario().judge().total(), "nothing is wrong")

	for name, c := range map[string]struct {
		spoil func(s *scenario)
		want  map[Fault]int64
	}{
		"history lacks a message": {
			func(s *scenario) { s.history = slices.Delete(s.history, 2, 3) },
			map[Fault]int64{Lost: 1},
		},
		"history and sockets lack an acknowledged message": {
			func(s *scenario) {
				s.history = slices.Delete(s.history, 4, 5)
				s.frames[0], s.frames[1] = s.frames[0][:4], s.frames[1][:4]
			},
			map[Fault]int64{Lost: 1},
		},
		"history holds a message twice": {
			func(s *scenario) { s.history = slices.Insert(s.history, 2, s.history[2]) },
			map[Fault]int64{Doubled: 2}, // the id, and the seq
		},
		"a retry was stored again": {
			func(s *scenario) { s.extra("message 6") },
			map[Fault]int64{Doubled: 1},
		},
		"history holds what nobody sent": {
			func(s *scenario) { s.extra("nobody's") },
			map[Fault]int64{Foreign: 1},
		},
		"an unknown outcome is there twice": {
			func(s *scenario) { s.conversation.Undecided(s.extra("perhaps")); s.extra("perhaps") },
			map[Fault]int64{Foreign: 1},
		},
		"a body was altered": {
			func(s *scenario) { s.history[1].Digest = Digest(someID, "message 5 ", domain.ID{}) },
			map[Fault]int64{Altered: 1},
		},
		"an author was altered": {
			func(s *scenario) { s.history[1].Digest = Digest(someGroup, "message 5", domain.ID{}) },
			map[Fault]int64{Altered: 1},
		},
		"a reply was altered": {
			func(s *scenario) { s.history[1].Digest = Digest(someID, "message 5", someID) },
			map[Fault]int64{Altered: 1},
		},
		"a seq is not the acknowledged one": {
			func(s *scenario) { s.line.acks[4].Seq = 9 },
			map[Fault]int64{Altered: 1},
		},
		"two sends got the same message": {
			func(s *scenario) { s.line.acks[1] = s.line.acks[0] },
			map[Fault]int64{Altered: 1, Disordered: 1, Foreign: 1},
		},
		"history is not in the order of sending": {
			func(s *scenario) { s.line.acks[1], s.line.acks[2] = s.line.acks[2], s.line.acks[1] },
			map[Fault]int64{Disordered: 1},
		},
		"a seq is no events": {
			func(s *scenario) {
				s.history[4].Seq, s.line.acks[4].Seq = 9, 9
				for i := range s.frames {
					s.frames[i][4].Seq = 9
				}
			},
			map[Fault]int64{Gapped: 3}, // in history, and on each socket
		},
		"a socket lacks a message": {
			func(s *scenario) { s.frames[1] = slices.Delete(s.frames[1], 2, 3) },
			map[Fault]int64{Lost: 1},
		},
		"a socket lacks the last messages": {
			func(s *scenario) { s.frames[1] = s.frames[1][:3] },
			map[Fault]int64{Lost: 2},
		},
		"a socket received nothing": {
			func(s *scenario) { s.frames[1] = nil },
			map[Fault]int64{Lost: 5},
		},
		"ready was ahead of the messages": {
			func(s *scenario) { s.ready = 4; s.frames[0], s.frames[1] = s.frames[0][1:], s.frames[1][1:] },
			map[Fault]int64{Lost: 2},
		},
		"a socket received a message twice": {
			func(s *scenario) { s.frames[0] = slices.Insert(s.frames[0], 3, s.frames[0][1]) },
			map[Fault]int64{Doubled: 1},
		},
		"a socket received messages swapped": {
			func(s *scenario) {
				f := s.frames[0]
				f[1], f[2] = f[2], f[1]
				f[1].position, f[2].position = f[2].position, f[1].position
			},
			map[Fault]int64{Disordered: 1},
		},
		"a socket received a position late": {
			func(s *scenario) { s.frames[0][2].position = 50 },
			map[Fault]int64{Disordered: 1},
		},
		"a socket received another id": {
			func(s *scenario) { s.frames[1][2].ID = someGroup },
			map[Fault]int64{Altered: 1},
		},
		"all sockets received another id": {
			func(s *scenario) { s.frames[0][2].ID, s.frames[1][2].ID = someGroup, someGroup },
			map[Fault]int64{Altered: 1},
		},
		"sockets received what history lacks": {
			func(s *scenario) { s.extra("vanished"); s.history = s.history[:5] },
			map[Fault]int64{Lost: 1},
		},
	} {
		t.Run("finds when "+name, func(t *testing.T) {
			s := newScenario()
			c.spoil(s)
			f := s.judge()
			want := [FaultKinds]int64{}
			for kind, n := range c.want {
				want[kind] = n
			}
			require.Equal(t, want, f.counts, "%v", f.examples)
			for kind := range c.want {
				require.NotEmpty(t, f.examples[kind])
			}
		})
	}

	for name, arrange := range map[string]func(s *scenario){
		"a message of unknown outcome that is there":     func(s *scenario) { s.conversation.Undecided(s.extra("perhaps")) },
		"a message of unknown outcome that is not there": func(s *scenario) { s.conversation.Undecided(1) },
		"the same body sent twice": func(s *scenario) {
			d := s.extra("message 4")
			s.line.acks = append(s.line.acks, Ack{messageID(9), 9, d})
		},
		"overlapping sends in any order": func(s *scenario) {
			s.line.ordered = false
			slices.Reverse(s.line.acks)
		},
		"events that are not messages": func(s *scenario) {
			s.extra("after another event")
			s.history = slices.Delete(s.history, 4, 5)
			s.line.acks[4].ID, s.line.acks[4].Seq = messageID(9), 9
			s.line.acks[4].Digest = s.history[4].Digest
			for i := range s.frames {
				s.frames[i][4].Name = []byte("member.added")
			}
		},
	} {
		t.Run("accepts "+name, func(t *testing.T) {
			s := newScenario()
			arrange(s)
			f := s.judge()
			require.Zero(t, f.total(), "%v", f.examples)
		})
	}
}

func (f *Faults) total() (n int64) {
	for _, c := range f.counts {
		n += c
	}
	return n
}
