package wire

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/load/workload"
)

// received is a Receiver that keeps what arrives. Only someGroup is subscribed.
type received struct {
	events     []int64 // seqs
	violations []string
	heads      map[string]int64
	closed     int
}

func (r *received) Ready(heads map[string]int64) { r.heads = heads }
func (r *received) Event(e Event, inOrder bool, _ int64) {
	if !inOrder {
		r.Violation("seq %d is out of order", e.Seq)
	}
	r.events = append(r.events, e.Seq)
}
func (r *received) Has(string, int64) bool      { return false }
func (r *received) Subscribed(text string) bool { return text == someGroup.String() }
func (r *received) Violation(format string, args ...any) {
	r.violations = append(r.violations, fmt.Sprintf(format, args...))
}
func (r *received) Closed(code int)                 { r.closed = code }
func (r *received) Began(int64, bool)               {}
func (r *received) Ephemeral(string, []byte, int64) {}
func (r *received) Lost(int64)                      {}
func (r *received) ReadDone(int64)                  {}

func newSocket() (*Socket, *received) {
	r := &received{}
	h := &Sockets{counts: NewCounts(), clock: workload.StartClock()}
	return &Socket{hub: h, Account: &Account{User: &workload.User{}}, Receiver: r, ready: make(chan struct{})}, r
}

func messageID(seq int64) domain.ID { return domain.DerivedID([]byte{byte(seq)}) }

func TestSocket(t *testing.T) {
	message := func(seq int64) []byte {
		return eventFrame(2, 10+seq, someGroup, seq, "message.sent", messageID(seq), "")
	}

	t.Run("resumes from the last position of each partition", func(t *testing.T) {
		s, r := newSocket()
		s.message([]byte(`{"type":"hello","epoch":3,"heartbeat_ms":25000}`), 1)
		s.message([]byte(`{"type":"ready","conversations":[],"at":["0:5","1:0","2:10"]}`), 1)
		s.message(message(1), 1)
		s.message(message(2), 1)
		require.JSONEq(t, `{"type":"resume","epoch":3,"at":["0:5","1:0","2:12"]}`, string(s.resume()))
		s.message([]byte(`{"type":"resumed","replayed":0,"at":["0:9"]}`), 1)
		s.message([]byte(`{"type":"ready","conversations":[],"at":["0:99"]}`), 1)
		require.JSONEq(t, `{"type":"resume","epoch":3,"at":["0:9","1:0","2:12"]}`, string(s.resume()), "a later ready is no received position")
		require.Empty(t, r.violations)
	})
	t.Run("tells where conversations stand at the first ready", func(t *testing.T) {
		s, r := newSocket()
		s.message(fmt.Appendf(nil, `{"type":"ready","conversations":[{"id":%q,"seq":3}],"at":["3:103"]}`, someGroup), 1)
		require.Equal(t, map[string]int64{someGroup.String(): 3}, r.heads)
	})
	t.Run("tells when a position is not ahead", func(t *testing.T) {
		s, r := newSocket()
		s.message(message(2), 1)
		s.message(message(1), 1)
		require.Equal(t, []int64{2, 1}, r.events)
		require.Equal(t, []string{"seq 1 is out of order"}, r.violations)
	})
	t.Run("joins fragments", func(t *testing.T) {
		s, r := newSocket()
		whole := message(1)
		b := append(serverFrameBytes(0x01, whole[:50]), serverFrameBytes(0x89, []byte("x"))...)
		b = append(append(b, serverFrameBytes(0x00, whole[50:99])...), serverFrameBytes(0x80, whole[99:])...)
		rest, n := s.feed(b, 1)
		require.Empty(t, rest)
		require.Equal(t, readOn, n)
		require.Empty(t, r.violations)
		require.Equal(t, []int64{1}, r.events)
	})
	t.Run("stops at a gap and keeps what follows", func(t *testing.T) {
		s, _ := newSocket()
		b := serverFrameBytes(0x81, fmt.Appendf(nil, `{"type":"gap","conversation_id":%q,"from_seq":1,"to_seq":4}`, someGroup))
		rest, n := s.feed(append(b, serverFrameBytes(0x81, message(5))...), 1)
		require.Equal(t, readGap, n)
		require.Equal(t, serverFrameBytes(0x81, message(5)), rest)
		require.Equal(t, []gap{{someGroup.String(), 1, 4}}, s.gaps)
	})
	t.Run("ignores a gap of a conversation that is not the user's", func(t *testing.T) {
		s, _ := newSocket()
		_, n := s.feed(serverFrameBytes(0x81, fmt.Appendf(nil, `{"type":"gap","conversation_id":%q,"from_seq":1,"to_seq":4}`, someID)), 1)
		require.Equal(t, readOn, n)
	})
	for name, b := range map[string][]byte{
		"masked frame":     {0x81, 0x80, 0, 0, 0, 0},
		"binary frame":     serverFrameBytes(0x82, []byte("x")),
		"no JSON":          serverFrameBytes(0x81, []byte("x")),
		"terminal code":    serverFrameBytes(0x88, []byte{4501 >> 8, 4501 & 0xff}),
		"late resume":      serverFrameBytes(0x88, []byte{4003 >> 8, 4003 & 0xff}),
		"unknown position": serverFrameBytes(0x81, []byte(`{"type":"error","code":"position_unknown","message":""}`)),
		"changed epoch":    serverFrameBytes(0x81, []byte(`{"type":"error","code":"epoch_changed","message":""}`)),
		"invalid resume":   serverFrameBytes(0x81, []byte(`{"type":"error","code":"resume_invalid","message":""}`)),
	} {
		t.Run("reports what is against the protocol: "+name, func(t *testing.T) {
			s, r := newSocket()
			s.feed(b, 1)
			require.Len(t, r.violations, 1)
		})
	}
	t.Run("does not reconnect after a terminal code", func(t *testing.T) {
		s, r := newSocket()
		s.feed(serverFrameBytes(0x88, []byte{4501 >> 8, 4501 & 0xff}), 1)
		require.True(t, s.terminal)
		require.Equal(t, 4501, r.closed)
	})
}

func TestReach(t *testing.T) {
	api := NewAPI([]string{"http://127.0.0.1:1"}, 1, time.Minute)
	began := time.Now()
	require.EqualError(t, api.Reach(t.Context()), "cannot reach http://127.0.0.1:1: connection refused; is the server running there?")
	require.Less(t, time.Since(began), 5*time.Second, "it is not retried")
}
