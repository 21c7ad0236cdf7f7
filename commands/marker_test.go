package commands_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

func readRequest(by person, conversation domain.ID, seq any) request {
	return request{method: "PUT", path: "/v1/conversations/" + conversation.String() + "/read", token: by.Token, body: map[string]any{"seq": seq}}
}

// markers are the seqs of the read markers in a conversation's log.
func (n *node) markers(t testing.TB, conversation domain.ID) (seqs []string) {
	t.Helper()
	events, err := n.log.ReadStream(t.Context(), conversation, 0, 1000)
	require.NoError(t, err)
	for _, e := range events {
		if e.Type == (domain.ReadAdvanced{}).Type() {
			seqs = append(seqs, string(e.Payload))
		}
	}
	return seqs
}

func TestReadMarkers(t *testing.T) {
	s := newSystem(t)
	s.markers = time.Millisecond
	n, other := s.start(), s.start()
	ann, bob := n.person(t, "ann"), n.person(t, "bob")
	crew := n.group(t, ann, bob)
	for range 5 {
		n.send(t, ann, crew, "hello") // 4-8
	}
	t.Run("never go back, on whichever node", func(t *testing.T) {
		n.once(t, crew, readRequest(bob, crew, 6), readRequest(bob, crew, 7))
		for _, node := range []*node{n, other} {
			for _, seq := range []int{5, 6, 1} {
				require.JSONEq(t, string(node.do(t, readRequest(bob, crew, seq)).is(http.StatusOK).body), string(node.do(t, readRequest(bob, crew, seq)).body))
			}
		}
		other.do(t, readRequest(bob, crew, 7)).is(http.StatusOK)
		n.do(t, readRequest(bob, crew, 6)).is(http.StatusOK)
		require.Equal(t, []string{`{"seq":6}`, `{"seq":7}`}, n.markers(t, crew))
	})
	t.Run("of one are not those of another", func(t *testing.T) {
		n.do(t, readRequest(ann, crew, 4)).is(http.StatusOK)
		require.Equal(t, `{"seq":4}`, lastOf(n.markers(t, crew)))
	})
	t.Run("with the key of another request are refused", func(t *testing.T) {
		a, b := readRequest(bob, crew, 8), readRequest(bob, crew, 8)
		a.key, b.key = "k", "k"
		n.do(t, a).is(http.StatusOK)
		require.True(t, other.do(t, b).is(http.StatusOK).replayed())
		b.body = map[string]any{"seq": 7}
		n.do(t, b).refused(409, "idempotency_key_reused")
	})
}

// TestManyReadMarkers: someone scrolls over many messages at once.
func TestManyReadMarkers(t *testing.T) {
	s := newSystem(t)
	s.markers = 500 * time.Millisecond
	n := s.start()
	ann, bob := n.person(t, "ann"), n.person(t, "bob")
	crew := n.group(t, ann, bob)
	const sent = 40
	for range sent {
		n.send(t, ann, crew, "hello")
	}
	last := len(n.events(t, crew))
	for i, a := range atOnce(sent, func(i int) answer { return n.do(t, readRequest(bob, crew, last-i)) }) {
		require.Equal(t, http.StatusOK, a.status, "%d: %s", i, a.body)
	}
	marked := n.markers(t, crew)
	require.LessOrEqual(t, len(marked), 2)
	require.Contains(t, marked, `{"seq":`+strconv.Itoa(last)+`}`, "the greatest counts")
}
