package load

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

// scene is a run of five messages into a group of two that went well: what
// each part of the tool saw. Tests make one thing wrong in it.
type scene struct {
	users        []*user
	conversation *conversation
	line         *line
	history      []stored
	frames       [2][]event // what each user's socket receives, in order
	ready        int64      // the group's seq that `ready` told
}

func messageID(seq int64) domain.ID { return domain.DerivedID([]byte{byte(seq)}) }

func at(seq int64, name string) event {
	return event{partition: 3, position: 100 + seq, conversation: []byte(someGroup.String()), seq: seq, name: []byte(name), id: messageID(seq)}
}

// newScene: seq 1-3 made the group, 4-8 are messages.
func newScene() *scene {
	s := &scene{users: []*user{{number: 0, id: someID}, {number: 1}}, ready: 3}
	s.conversation = &conversation{id: someGroup, idText: someGroup.String(), members: s.users}
	s.line = &line{conversation: s.conversation, ordered: true}
	s.conversation.lines = []*line{s.line}
	for seq := int64(4); seq <= 8; seq++ {
		d := digest(someID, fmt.Sprint("message ", seq), domain.ID{})
		s.line.acks = append(s.line.acks, ack{messageID(seq), seq, d})
		s.history = append(s.history, stored{id: messageID(seq), seq: seq, digest: d})
		for i := range s.frames {
			s.frames[i] = append(s.frames[i], at(seq, "message.sent"))
		}
	}
	return s
}

// extra appends a message that history holds, and that sockets received, and
// returns its digest.
func (s *scene) extra(body string) uint64 {
	seq := s.history[len(s.history)-1].seq + 1
	d := digest(someID, body, domain.ID{})
	s.history = append(s.history, stored{id: messageID(seq), seq: seq, digest: d})
	for i := range s.frames {
		s.frames[i] = append(s.frames[i], at(seq, "message.sent"))
	}
	return d
}

// judge plays the scene and returns what is wrong.
func (s *scene) judge() *faults {
	f := &faults{}
	h := &sockets{faults: f, counts: newCounts(), latency: newHistogram()}
	for i, u := range s.users {
		socket := &socket{hub: h, user: u, subscriptions: map[string]*subscription{}, ready: make(chan struct{})}
		sub := &subscription{conversation: s.conversation, socket: socket}
		socket.subscriptions[s.conversation.idText] = sub
		s.conversation.subscriptions = append(s.conversation.subscriptions, sub)
		socket.message(fmt.Appendf(nil, `{"type":"ready","conversations":[{"id":%q,"seq":%d}],"at":["3:103"]}`, someGroup, s.ready), 1)
		for _, e := range s.frames[i] {
			socket.message(eventFrame(e.partition, e.position, someGroup, e.seq, string(e.name), e.id, ""), 1)
		}
	}
	judge(&plan{conversations: []*conversation{s.conversation}}, map[*conversation][]stored{s.conversation: s.history}, f)
	return f
}

func TestVerdict(t *testing.T) {
	require.Zero(t, newScene().judge().total(), "nothing is wrong")

	for name, c := range map[string]struct {
		spoil func(s *scene)
		want  map[fault]int64
	}{
		"history_lacks_a_message": {
			func(s *scene) { s.history = slices.Delete(s.history, 2, 3) },
			map[fault]int64{lost: 1},
		},
		"history_and_sockets_lack_an_acknowledged_message": {
			func(s *scene) {
				s.history = slices.Delete(s.history, 4, 5)
				s.frames[0], s.frames[1] = s.frames[0][:4], s.frames[1][:4]
			},
			map[fault]int64{lost: 1},
		},
		"history_holds_a_message_twice": {
			func(s *scene) { s.history = slices.Insert(s.history, 2, s.history[2]) },
			map[fault]int64{doubled: 2}, // the id, and the seq
		},
		"a_retry_was_stored_again": {
			func(s *scene) { s.extra("message 6") },
			map[fault]int64{doubled: 1},
		},
		"history_holds_what_nobody_sent": {
			func(s *scene) { s.extra("nobody's") },
			map[fault]int64{foreign: 1},
		},
		"an_unknown_outcome_is_there_twice": {
			func(s *scene) { s.conversation.undecided(s.extra("perhaps")); s.extra("perhaps") },
			map[fault]int64{foreign: 1},
		},
		"a_body_was_altered": {
			func(s *scene) { s.history[1].digest = digest(someID, "message 5 ", domain.ID{}) },
			map[fault]int64{altered: 1},
		},
		"an_author_was_altered": {
			func(s *scene) { s.history[1].digest = digest(someGroup, "message 5", domain.ID{}) },
			map[fault]int64{altered: 1},
		},
		"a_reply_was_altered": {
			func(s *scene) { s.history[1].digest = digest(someID, "message 5", someID) },
			map[fault]int64{altered: 1},
		},
		"a_seq_is_not_the_acknowledged_one": {
			func(s *scene) { s.line.acks[4].seq = 9 },
			map[fault]int64{altered: 1},
		},
		"two_sends_got_the_same_message": {
			func(s *scene) { s.line.acks[1] = s.line.acks[0] },
			map[fault]int64{altered: 1, disordered: 1, foreign: 1},
		},
		"history_is_not_in_the_order_of_sending": {
			func(s *scene) { s.line.acks[1], s.line.acks[2] = s.line.acks[2], s.line.acks[1] },
			map[fault]int64{disordered: 1},
		},
		"a_seq_is_no_events": {
			func(s *scene) {
				s.history[4].seq, s.line.acks[4].seq = 9, 9
				for i := range s.frames {
					s.frames[i][4].seq = 9
				}
			},
			map[fault]int64{gapped: 3}, // in history, and on each socket
		},
		"a_socket_lacks_a_message": {
			func(s *scene) { s.frames[1] = slices.Delete(s.frames[1], 2, 3) },
			map[fault]int64{lost: 1},
		},
		"a_socket_lacks_the_last_messages": {
			func(s *scene) { s.frames[1] = s.frames[1][:3] },
			map[fault]int64{lost: 2},
		},
		"a_socket_received_nothing": {
			func(s *scene) { s.frames[1] = nil },
			map[fault]int64{lost: 5},
		},
		"ready_was_ahead_of_the_messages": {
			func(s *scene) { s.ready = 4; s.frames[0], s.frames[1] = s.frames[0][1:], s.frames[1][1:] },
			map[fault]int64{lost: 2},
		},
		"a_socket_received_a_message_twice": {
			func(s *scene) { s.frames[0] = slices.Insert(s.frames[0], 3, s.frames[0][1]) },
			map[fault]int64{doubled: 1},
		},
		"a_socket_received_messages_swapped": {
			func(s *scene) {
				f := s.frames[0]
				f[1], f[2] = f[2], f[1]
				f[1].position, f[2].position = f[2].position, f[1].position
			},
			map[fault]int64{disordered: 1},
		},
		"a_socket_received_a_position_late": {
			func(s *scene) { s.frames[0][2].position = 50 },
			map[fault]int64{disordered: 1},
		},
		"a_socket_received_another_id": {
			func(s *scene) { s.frames[1][2].id = someGroup },
			map[fault]int64{altered: 1},
		},
		"all_sockets_received_another_id": {
			func(s *scene) { s.frames[0][2].id, s.frames[1][2].id = someGroup, someGroup },
			map[fault]int64{altered: 1},
		},
		"sockets_received_what_history_lacks": {
			func(s *scene) { s.extra("vanished"); s.history = s.history[:5] },
			map[fault]int64{lost: 1},
		},
	} {
		t.Run("finds_when_"+name, func(t *testing.T) {
			s := newScene()
			c.spoil(s)
			f := s.judge()
			want := [faultKinds]int64{}
			for kind, n := range c.want {
				want[kind] = n
			}
			require.Equal(t, want, f.counts, "%v", f.named)
			for kind := range c.want {
				require.NotEmpty(t, f.named[kind])
			}
		})
	}

	for name, arrange := range map[string]func(s *scene){
		"a_message_of_unknown_outcome_that_is_there":     func(s *scene) { s.conversation.undecided(s.extra("perhaps")) },
		"a_message_of_unknown_outcome_that_is_not_there": func(s *scene) { s.conversation.undecided(1) },
		"the_same_body_sent_twice": func(s *scene) {
			d := s.extra("message 4")
			s.line.acks = append(s.line.acks, ack{messageID(9), 9, d})
		},
		"overlapping_sends_in_any_order": func(s *scene) {
			s.line.ordered = false
			slices.Reverse(s.line.acks)
		},
		"events_that_are_not_messages": func(s *scene) {
			s.extra("after another event")
			s.history = slices.Delete(s.history, 4, 5)
			s.line.acks[4].id, s.line.acks[4].seq = messageID(9), 9
			s.line.acks[4].digest = s.history[4].digest
			for i := range s.frames {
				s.frames[i][4].name = []byte("member.added")
			}
		},
	} {
		t.Run("accepts_"+name, func(t *testing.T) {
			s := newScene()
			arrange(s)
			f := s.judge()
			require.Zero(t, f.total(), "%v", f.named)
		})
	}
}

func TestSocket(t *testing.T) {
	newSocket := func() (*socket, *faults) {
		f := &faults{}
		h := &sockets{faults: f, counts: newCounts(), latency: newHistogram()}
		s := &socket{hub: h, user: &user{}, subscriptions: map[string]*subscription{}, ready: make(chan struct{})}
		c := &conversation{id: someGroup, idText: someGroup.String()}
		s.subscriptions[c.idText] = &subscription{conversation: c, socket: s}
		return s, f
	}
	message := func(seq int64) []byte {
		return eventFrame(2, 10+seq, someGroup, seq, "message.sent", messageID(seq), "")
	}

	t.Run("resumes_from_the_last_position_of_each_partition", func(t *testing.T) {
		s, _ := newSocket()
		s.message([]byte(`{"type":"hello","epoch":3,"heartbeat_ms":25000}`), 1)
		s.message([]byte(`{"type":"ready","conversations":[],"at":["0:5","1:0","2:10"]}`), 1)
		s.message(message(1), 1)
		s.message(message(2), 1)
		require.JSONEq(t, `{"type":"resume","epoch":3,"at":["0:5","1:0","2:12"]}`, string(s.resume()))
		s.message([]byte(`{"type":"resumed","replayed":0,"at":["0:9"]}`), 1)
		s.message([]byte(`{"type":"ready","conversations":[],"at":["0:99"]}`), 1)
		require.JSONEq(t, `{"type":"resume","epoch":3,"at":["0:9","1:0","2:12"]}`, string(s.resume()), "a later ready is not what was seen")
	})
	t.Run("begins_a_conversation_that_ready_did_not_list_at_its_first_event", func(t *testing.T) {
		s, f := newSocket()
		s.message([]byte(`{"type":"ready","conversations":[],"at":[]}`), 1)
		s.message(message(5), 1)
		require.Zero(t, f.total())
		require.False(t, s.subscriptions[someGroup.String()].has(4))
		require.True(t, s.subscriptions[someGroup.String()].has(5))
	})
	t.Run("takes_a_late_event_off_a_span_of_missing_ones", func(t *testing.T) {
		s, f := newSocket()
		sub := s.subscriptions[someGroup.String()]
		s.message(message(1), 1)
		s.message(message(7), 1)
		require.Equal(t, []span{{2, 6}}, sub.missing)
		s.deliver(mustScan(t, message(4)), 1, false)
		require.ElementsMatch(t, []span{{2, 3}, {5, 6}}, sub.missing)
		s.deliver(mustScan(t, message(2)), 1, false)
		s.deliver(mustScan(t, message(3)), 1, false)
		require.Equal(t, []span{{5, 6}}, sub.missing)
		require.EqualValues(t, 3, f.counts[disordered])
		require.True(t, sub.has(3))
		require.False(t, sub.has(5))
	})
	t.Run("reports_an_event_of_a_conversation_that_is_not_the_users", func(t *testing.T) {
		s, f := newSocket()
		s.message(eventFrame(2, 11, someID, 1, "message.sent", messageID(1), ""), 1)
		require.EqualValues(t, 1, f.counts[foreign])
	})
	t.Run("joins_fragments", func(t *testing.T) {
		s, f := newSocket()
		whole := message(1)
		b := append(wire(0x01, whole[:50]), wire(0x89, []byte("x"))...)
		b = append(append(b, wire(0x00, whole[50:99])...), wire(0x80, whole[99:])...)
		rest, n := s.feed(b, 1)
		require.Empty(t, rest)
		require.Equal(t, goOn, n)
		require.Zero(t, f.total())
		require.EqualValues(t, 1, s.hub.deliveries.Load())
	})
	t.Run("stops_at_a_gap_and_keeps_what_follows", func(t *testing.T) {
		s, _ := newSocket()
		b := wire(0x81, fmt.Appendf(nil, `{"type":"gap","conversation_id":%q,"from_seq":1,"to_seq":4}`, someGroup))
		rest, n := s.feed(append(b, wire(0x81, message(5))...), 1)
		require.Equal(t, readGap, n)
		require.Equal(t, wire(0x81, message(5)), rest)
		require.Equal(t, span{1, 4}, s.gaps[0].span)
	})
	t.Run("reports_what_is_against_the_protocol", func(t *testing.T) {
		for name, b := range map[string][]byte{
			"masked":  {0x81, 0x80, 0, 0, 0, 0},
			"binary":  wire(0x82, []byte("x")),
			"no JSON": wire(0x81, []byte("x")),
			"barred":  wire(0x88, []byte{4501 >> 8, 4501 & 0xff}),
			"late":    wire(0x88, []byte{4003 >> 8, 4003 & 0xff}),
			"unknown": wire(0x81, []byte(`{"type":"error","code":"position_unknown","message":""}`)),
			"epoch":   wire(0x81, []byte(`{"type":"error","code":"epoch_changed","message":""}`)),
			"invalid": wire(0x81, []byte(`{"type":"error","code":"resume_invalid","message":""}`)),
		} {
			s, f := newSocket()
			s.feed(b, 1)
			require.EqualValues(t, 1, f.counts[broken], name)
		}
	})
	t.Run("measures_a_frame_that_comes_before_its_acknowledgement", func(t *testing.T) {
		s, _ := newSocket()
		c := s.subscriptions[someGroup.String()].conversation
		s.message(message(1), 5_000_000)
		require.Zero(t, s.hub.latency.figures())
		(&line{conversation: c}).acknowledged(ack{messageID(1), 1, 0}, 2_000_000)
		s.hub.settleArrivals(9_000_000)
		require.InDelta(t, 3, s.hub.latency.figures().Max, 0.01)
	})
}

func mustScan(t *testing.T, b []byte) event {
	e, ok := scanEvent(b)
	require.True(t, ok)
	return e
}
