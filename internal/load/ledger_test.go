package load

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

// ledgerOf has an owner and n-1 others, and one acknowledged message of the
// second member.
func ledgerOf(n int) (*ledger, *message) {
	var users []*user
	for i := range n {
		users = append(users, &user{number: i, id: domain.DerivedID([]byte("user"), []byte{byte(i)})})
	}
	l := newLedger(users)
	m := &message{id: messageID(20), seq: 20, author: l.members[min(1, n-1)]}
	l.sent(m)
	return l, m
}

func TestClaims(t *testing.T) {
	t.Run("let_a_member_act_once_at_a_time_on_a_message", func(t *testing.T) {
		l, m := ledgerOf(2)
		require.Same(t, m, l.editable())
		require.Nil(t, l.editable())
		require.Nil(t, l.deletable())
		got, by := l.reactable(0)
		for got == nil { // the author was drawn, who is busy
			got, by = l.reactable(0)
		}
		require.Same(t, l.owner(), by)
		l.edited(m, 7, done)
		l.reacted(m, by, 0, done)
		require.Same(t, m, l.deletable())
	})
	t.Run("leave_what_is_deleted_alone", func(t *testing.T) {
		l, m := ledgerOf(2)
		require.Same(t, m, l.deletable())
		require.Nil(t, l.pinnable())
		require.Zero(t, l.parent())
		l.removed(m, done)
		got, _ := l.reactable(0)
		require.Nil(t, got)
		require.Same(t, m, l.changed[m.id])
	})
	t.Run("leave_what_is_uncertain_alone", func(t *testing.T) {
		l, m := ledgerOf(2)
		require.Same(t, m, l.pinnable())
		l.pinnedIs(m, true, unknown)
		require.Nil(t, l.editable())
		require.True(t, l.changed[m.id].pinPerhaps)
	})
	t.Run("let_nobody_leave_who_acts_and_nobody_act_who_leaves", func(t *testing.T) {
		l, m := ledgerOf(2)
		require.Same(t, m, l.editable())
		require.Nil(t, l.leaver(), "the owner stays, and the other is busy")
		l.edited(m, 7, done)
		other := l.leaver()
		require.Same(t, l.members[1], other)
		require.Nil(t, l.editable())
		require.Nil(t, l.leaver())
		require.Same(t, l.owner(), l.anyone())
		l.left(other, done)
		l.joined(other, done)
		require.Same(t, m, l.editable())
	})
	t.Run("have_one_marker_of_a_member_under_way", func(t *testing.T) {
		l, _ := ledgerOf(1)
		require.Same(t, l.owner(), l.marker())
		require.Nil(t, l.marker())
		l.marked(l.owner(), 9, done)
		l.marked(l.marker(), 5, done)
		require.EqualValues(t, 9, l.owner().read)
	})
	t.Run("remember_only_what_is_not_as_it_was_sent", func(t *testing.T) {
		l, m := ledgerOf(2)
		require.Empty(t, l.changed)
		_, by := l.reactable(3)
		l.reacted(m, by, 3, done)
		require.Len(t, l.changed, 1)
		_, by, emoji := l.reaction()
		require.Equal(t, 3, emoji)
		l.unreacted(m, by, emoji, done)
		require.Empty(t, l.changed)
		for i := range 2 * maxRecent {
			l.sent(&message{id: messageID(int64(i)), author: l.owner()})
		}
		require.Len(t, l.recent, maxRecent)
	})
}

// TestJudgeMessage: where an outcome is not known, both are right, and nothing else.
func TestJudgeMessage(t *testing.T) {
	body := func(s string) uint64 { return digest(domain.DerivedID([]byte("user"), []byte{1}), s, domain.ID{}) }
	sent := ack{messageID(20), 20, body("sent")}
	as := func(s string, has *shown) stored { return stored{messageID(20), 20, body(s), has} }
	thumb := func(n int, mine bool) *shown { return &shown{reactions: []shownReaction{{emojis[0], n, mine}}} }

	for name, c := range map[string]struct {
		did   func(l *ledger, m *message)
		right []stored
		wrong map[fault]stored
	}{
		"as_sent": {
			func(*ledger, *message) {},
			[]stored{as("sent", nil), as("sent", &shown{})},
			map[fault]stored{altered: as("else", nil), wrongEdits: as("sent", &shown{edited: true}), wrongPins: as("sent", &shown{pinned: true})},
		},
		"edited": {
			func(_ *ledger, m *message) { m.edit = body("edit") },
			[]stored{as("edit", &shown{edited: true})},
			map[fault]stored{wrongEdits: as("sent", nil), wrongDeletions: as("", &shown{deleted: true})},
		},
		"perhaps_edited": {
			func(_ *ledger, m *message) { m.editPerhaps = body("edit") },
			[]stored{as("edit", &shown{edited: true}), as("sent", nil)},
			map[fault]stored{wrongEdits: as("else", &shown{edited: true}), altered: as("edit", nil)},
		},
		"perhaps_deleted": {
			func(_ *ledger, m *message) { m.deletedPerhaps, m.pinned = true, true },
			[]stored{as("", &shown{deleted: true}), as("sent", &shown{pinned: true})},
			map[fault]stored{wrongDeletions: as("sent", &shown{deleted: true}), wrongPins: as("sent", nil)},
		},
		"perhaps_pinned": {
			func(_ *ledger, m *message) { m.pinPerhaps = true },
			[]stored{as("sent", &shown{pinned: true}), as("sent", nil)},
			map[fault]stored{altered: as("else", nil)},
		},
		"with_a_reaction_of_the_reader_and_perhaps_another": {
			func(l *ledger, m *message) {
				m.reactions = []reaction{{by: l.owner()}, {by: l.members[1], perhaps: true}}
			},
			[]stored{as("sent", thumb(1, true)), as("sent", thumb(2, true))},
			map[fault]stored{wrongReactions: as("sent", thumb(2, false))},
		},
		"with_perhaps_a_reaction_of_the_reader": {
			func(l *ledger, m *message) { m.reactions = []reaction{{by: l.owner(), perhaps: true}} },
			[]stored{as("sent", thumb(1, true)), as("sent", nil)},
			map[fault]stored{wrongReactions: as("sent", thumb(2, true))},
		},
		"that_mentions_a_member": {
			func(l *ledger, m *message) { m.mention = l.members[2] },
			[]stored{as("sent", &shown{mentions: []domain.ID{domain.DerivedID([]byte("user"), []byte{2})}})},
			map[fault]stored{wrongMentions: as("sent", nil)},
		},
		"that_mentions_who_was_away": {
			func(l *ledger, m *message) { m.mention, l.members[2].spans = l.members[2], []span{{0, 19}, {22, 30}} },
			[]stored{as("sent", nil)},
			map[fault]stored{wrongMentions: as("sent", &shown{mentions: []domain.ID{domain.DerivedID([]byte("user"), []byte{2})}})},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, m := ledgerOf(3)
			l.members[2].spans = []span{{0, 100}}
			c.did(l, m)
			l.keep(m)
			judged := func(has stored) *faults {
				f := &faults{}
				l.judgeMessage(&conversation{}, sent, has, f)
				return f
			}
			for i, has := range c.right {
				require.Zero(t, judged(has).total(), "%d: %v", i, judged(has).named)
			}
			for kind, has := range c.wrong {
				want := [faultKinds]int64{}
				want[kind] = 1
				require.Equal(t, want, judged(has).counts, "%s: %v", kind, judged(has).named)
			}
		})
	}
}

func TestFollow(t *testing.T) {
	newGroup := func() (*conversation, *member) {
		l, _ := ledgerOf(2)
		c := &conversation{ledger: l}
		for _, m := range l.members {
			c.members = append(c.members, m.user)
		}
		return c, l.members[1]
	}
	t.Run("tells_when_who_was_a_member", func(t *testing.T) {
		c, m := newGroup()
		m.leaves, m.joins = 2, 1
		c.moves = []move{{3, m.user.id, true}, {14, m.user.id, true}, {10, m.user.id, false}, {30, m.user.id, false}}
		f := &faults{}
		c.ledger.follow(c, f)
		require.Zero(t, f.total(), "%v", f.named)
		require.Equal(t, []span{{0, 10}, {14, 30}}, m.spans)
		require.False(t, m.present())
		require.True(t, m.wasMember(10))
		require.False(t, m.wasMember(11))
		require.True(t, m.wasMember(14))
		require.Equal(t, 1, c.ledger.present())
	})
	for name, spoil := range map[string]func(c *conversation, m *member){
		"a_leave_is_lost":      func(_ *conversation, m *member) { m.leaves = 1 },
		"nobody_asked_for_one": func(c *conversation, m *member) { c.moves = []move{{10, m.user.id, false}} },
		"a_member_joins":       func(c *conversation, m *member) { m.joins = 1; c.moves = []move{{10, m.user.id, true}} },
		"a_stranger_joins":     func(c *conversation, _ *member) { c.moves = []move{{10, someID, true}} },
		"more_leave_than_may":  func(c *conversation, m *member) { m.leavesPerhaps = 1; m.joins = 2; c.moves = moves(m, 10, 20) },
	} {
		t.Run("finds_when_"+name, func(t *testing.T) {
			c, m := newGroup()
			spoil(c, m)
			f := &faults{}
			c.ledger.follow(c, f)
			require.Positive(t, f.counts[wrongMembers])
		})
	}
	t.Run("allows_a_leave_of_unknown_outcome", func(t *testing.T) {
		for n := range 2 {
			c, m := newGroup()
			m.leavesPerhaps = 1
			c.moves = moves(m, 10)[:n]
			f := &faults{}
			c.ledger.follow(c, f)
			require.Zero(t, f.total(), "%v", f.named)
			require.Equal(t, n == 0, m.present())
		}
	})
}

// moves are leaves at the given seqs, each followed by coming back.
func moves(m *member, seqs ...int64) (all []move) {
	for _, seq := range seqs {
		all = append(all, move{seq, m.user.id, false}, move{seq + 1, m.user.id, true})
	}
	return all
}

func TestReadSeq(t *testing.T) {
	c := &conversation{members: make([]*user, 4)}
	history := []stored{{seq: 40}}
	for name, w := range map[string]struct {
		m          member
		told, want int64
	}{
		"is_the_last_marker":            {member{read: 30, wrote: 20}, 30, 30},
		"is_the_last_own_message":       {member{read: 30, wrote: 35}, 30, 35},
		"is_where_he_came_back":         {member{read: 30, spans: []span{{0, 31}, {37, 90}}}, 37, 37},
		"is_where_he_joined_at_first":   {member{}, 4, 4},
		"is_not_beyond_that":            {member{}, 6, 0},
		"may_be_an_unknown_marker":      {member{read: 30, readPerhaps: []int64{38}}, 38, 38},
		"need_not_be_an_unknown_marker": {member{read: 30, readPerhaps: []int64{38}}, 30, 30},
		"may_be_an_unknown_message":     {member{read: 30, sentPerhaps: true}, 40, 40},
		"is_not_what_is_no_message":     {member{read: 30, sentPerhaps: true}, 39, 30},
		"does_not_go_back":              {member{read: 30}, 29, 30},
		"does_not_go_ahead_of_a_marker": {member{read: 30}, 31, 30},
	} {
		t.Run(name, func(t *testing.T) {
			if w.m.spans == nil {
				w.m.spans = []span{{0, 90}}
			}
			require.Equal(t, w.want, w.m.readSeq(c, history, w.told))
		})
	}
}

func TestLeaving(t *testing.T) {
	newSocket := func() (*socket, *subscription, *faults) {
		f := &faults{}
		h := &sockets{faults: f, counts: newCounts(), latency: newHistogram()}
		s := &socket{hub: h, user: &user{id: someID}, subscriptions: map[string]*subscription{}, ready: make(chan struct{})}
		c := &conversation{id: someGroup, idText: someGroup.String()}
		sub := &subscription{conversation: c, socket: s}
		s.subscriptions[c.idText] = sub
		return s, sub, f
	}
	hear := func(s *socket, seq int64, name string, who domain.ID) {
		s.message(frameWith(2, 10+seq, someGroup, seq, name, messageID(seq), map[string]any{"user_id": who}), 1)
	}
	t.Run("ends_at_the_removal_and_begins_at_the_joining", func(t *testing.T) {
		s, sub, f := newSocket()
		hear(s, 1, "message.sent", domain.ID{})
		hear(s, 2, memberRemoved, someGroup) // another
		require.False(t, sub.left.Load())
		hear(s, 3, memberRemoved, someID)
		require.True(t, sub.left.Load())
		require.False(t, sub.owes(4))
		hear(s, 7, memberAdded, someID)
		hear(s, 8, "message.sent", domain.ID{})
		require.Zero(t, f.total(), "%v", f.named)
		require.Equal(t, []span{{4, 6}}, sub.away)
		require.True(t, sub.has(3))
		require.False(t, sub.has(5))
		require.False(t, sub.owes(5))
		require.True(t, sub.has(7))
		require.Equal(t, []move{{2, someGroup, false}, {3, someID, false}, {7, someID, true}}, sub.conversation.moves)
	})
	for name, e := range map[string]struct {
		seq  int64
		name string
		who  domain.ID
	}{
		"a_message":            {4, "message.sent", domain.ID{}},
		"another_who_is_added": {4, memberAdded, someGroup},
		"what_was_before":      {3, memberAdded, someID},
	} {
		t.Run("allows_nothing_else_such_as_"+name, func(t *testing.T) {
			s, sub, f := newSocket()
			hear(s, 3, memberRemoved, someID)
			hear(s, e.seq, e.name, e.who)
			require.EqualValues(t, 1, f.counts[foreign], "%v", f.named)
			require.True(t, sub.left.Load())
		})
	}
	t.Run("is_compared_with_when_he_was_a_member", func(t *testing.T) {
		s, sub, _ := newSocket()
		m := &member{user: s.user, spans: []span{{0, 3}, {7, 1<<63 - 1}}}
		sub.conversation.ledger = &ledger{members: []*member{m}}
		for n, away := range map[int64][]span{0: {{4, 6}}, 1: nil, 2: {{4, 5}}} {
			f := &faults{}
			sub.away = away
			judgeAway(sub, f)
			require.Equal(t, min(n, 1), f.counts[wrongMembers], fmt.Sprint(away))
		}
	})
}
