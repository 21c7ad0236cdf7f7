package oracle

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/load/workload"
)

// someSocket is the only one of a run; its user is in someGroup.
func someSocket() (*Socket, *Subscription, *Faults) {
	r := recordOf(&workload.User{ID: someID})
	s := r.Sockets[0]
	return s, s.Subscription(someGroup.String()), r.Faults
}

func TestSocket(t *testing.T) {
	message := func(seq int64) Event { return eventAt(seq, "message.sent") }

	t.Run("begins a conversation that ready did not list at its first event", func(t *testing.T) {
		s, sub, f := someSocket()
		s.Receive(message(5))
		require.Zero(t, f.total())
		require.False(t, sub.Has(4))
		require.True(t, sub.Has(5))
	})
	t.Run("removes a late event from a span of missing ones", func(t *testing.T) {
		s, sub, f := someSocket()
		s.Receive(message(1))
		s.Receive(message(7))
		require.Equal(t, []span{{2, 6}}, sub.missing)
		s.Receive(message(4))
		require.ElementsMatch(t, []span{{2, 3}, {5, 6}}, sub.missing)
		s.Receive(message(2))
		s.Receive(message(3))
		require.Equal(t, []span{{5, 6}}, sub.missing)
		require.EqualValues(t, 3, f.counts[Disordered])
		require.True(t, sub.Has(3))
		require.False(t, sub.Has(5))
	})
	t.Run("reports an event of a conversation of which the user is no member", func(t *testing.T) {
		s, _, f := someSocket()
		e := message(1)
		e.Conversation = []byte(someID.String())
		_, fresh := s.Receive(e)
		require.False(t, fresh)
		require.EqualValues(t, 1, f.counts[Foreign])
	})
	t.Run("tells when the sending of a message began, once it is acknowledged", func(t *testing.T) {
		s, sub, _ := someSocket()
		start, fresh := s.Receive(message(1))
		require.True(t, fresh)
		require.Zero(t, start.Load())
		sub.conversation.Acknowledged(0, Ack{messageID(1), 1, 0}, 2_000_000)
		require.EqualValues(t, 2_000_000, start.Load())
	})
}

func TestLeaving(t *testing.T) {
	receive := func(s *Socket, seq int64, name string, who domain.ID) {
		e := eventAt(seq, name)
		e.Member = who
		s.Receive(e)
	}
	t.Run("ends at the removal and begins at the join", func(t *testing.T) {
		s, sub, f := someSocket()
		receive(s, 1, "message.sent", domain.ID{})
		receive(s, 2, memberRemoved, someGroup) // another member
		require.False(t, sub.left.Load())
		receive(s, 3, memberRemoved, someID)
		require.True(t, sub.left.Load())
		require.False(t, sub.owes(4))
		receive(s, 7, memberAdded, someID)
		receive(s, 8, "message.sent", domain.ID{})
		require.Zero(t, f.total(), "%v", f.examples)
		require.Equal(t, []span{{4, 6}}, sub.absent)
		require.True(t, sub.Has(3))
		require.False(t, sub.Has(5))
		require.False(t, sub.owes(5))
		require.True(t, sub.Has(7))
		require.Equal(t, []move{{2, someGroup, false}, {3, someID, false}, {7, someID, true}}, sub.conversation.moves)
	})
	for name, e := range map[string]struct {
		seq  int64
		name string
		who  domain.ID
	}{
		"a message":                 {4, "message.sent", domain.ID{}},
		"the join of another user":  {4, memberAdded, someGroup},
		"a join before the removal": {3, memberAdded, someID},
	} {
		t.Run("allows nothing else, such as "+name, func(t *testing.T) {
			s, sub, f := someSocket()
			receive(s, 3, memberRemoved, someID)
			receive(s, e.seq, e.name, e.who)
			require.EqualValues(t, 1, f.counts[Foreign], "%v", f.examples)
			require.True(t, sub.left.Load())
		})
	}
	t.Run("is compared with when the user was a member", func(t *testing.T) {
		s, sub, _ := someSocket()
		c := sub.conversation
		s.record.ModelActions()
		c.Members.all[0].spans = []span{{0, 3}, {7, 1<<63 - 1}}
		for n, absent := range map[int64][]span{0: {{4, 6}}, 1: nil, 2: {{4, 5}}} {
			c.faults = &Faults{}
			sub.absent = absent
			c.judgeAbsence(sub)
			require.Equal(t, min(n, 1), c.faults.counts[WrongMembers], fmt.Sprint(absent))
		}
	})
}
