package workload

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGenerated(t *testing.T) {
	memberships := func(p *Plan) map[*User]int {
		n := map[*User]int{}
		for _, c := range p.Conversations {
			for _, u := range c.Members {
				n[u]++
			}
		}
		return n
	}
	t.Run("spreads senders over groups", func(t *testing.T) {
		p := Generated{Groups: 50, Members: 10, Senders: 64, Window: 1}.Plan()
		require.Len(t, p.Users, 500)
		require.Len(t, p.Conversations, 50)
		sending := map[*User]bool{}
		for _, s := range p.Senders {
			require.Len(t, s.Lines, 1)
			require.Contains(t, s.Lines[0].Conversation.Members, s.User)
			require.False(t, sending[s.User], "each sender is a member of its own")
			sending[s.User] = true
		}
		for u, n := range memberships(p) {
			require.Equal(t, 1, n, "user %d", u.Number)
		}
	})
	t.Run("gives few senders several groups", func(t *testing.T) {
		p := Generated{Groups: 10, Members: 3, Senders: 4, Window: 1}.Plan()
		require.Len(t, p.Users, 4+10*2)
		for _, c := range p.Conversations {
			require.Len(t, c.Members, 3)
			require.Len(t, c.Lines, 1)
		}
		require.Len(t, p.Senders[0].Lines, 3)
		require.Len(t, p.Senders[3].Lines, 2)
	})
	t.Run("lets a user be several senders when there are more of them", func(t *testing.T) {
		p := Generated{Groups: 1, Members: 2, Senders: 5, Window: 8}.Plan()
		require.Len(t, p.Users, 2)
		require.Same(t, p.Senders[1].User, p.Senders[3].User)
		require.False(t, p.Senders[0].Lines[0].Ordered)
	})
	t.Run("makes one big group", func(t *testing.T) {
		p := Generated{Groups: 1, Members: 500, Senders: 1, Window: 8}.Plan()
		require.Len(t, p.Conversations[0].Members, 500)
	})
}

func TestAppendBody(t *testing.T) {
	for _, size := range []int{MinBody, 25, 80, 4000} {
		b := AppendBody(nil, 9999, 50_000_000, size)
		require.Len(t, b, size)
	}
	require.NotEqual(t, AppendBody(nil, 1, 11, 80), AppendBody(nil, 11, 1, 80))
}
