package oracle

import (
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/load/workload"
)

func usersOf(n int) (users []*workload.User) {
	for i := range n {
		users = append(users, &workload.User{Number: i, ID: domain.DerivedID([]byte("user"), []byte{byte(i)})})
	}
	return users
}

// modelOf has an owner and n-1 others, and one acknowledged message of the
// second member.
func modelOf(n int) (*Conversation, *Message) {
	r := recordOf(usersOf(n)...)
	r.ModelActions()
	c := r.Conversations[0]
	m := &Message{ID: messageID(20), Seq: 20, Author: c.Members.all[min(1, n-1)]}
	c.Messages.Sent(m)
	return c, m
}

func TestReservations(t *testing.T) {
	t.Run("let a member act once at a time on a message", func(t *testing.T) {
		c, m := modelOf(2)
		require.Same(t, m, c.Messages.ReserveEdit())
		require.Nil(t, c.Messages.ReserveEdit())
		require.Nil(t, c.Messages.ReserveDelete())
		got, by := c.Messages.ReserveReact(0)
		for got == nil { // the author was drawn, and is busy
			got, by = c.Messages.ReserveReact(0)
		}
		require.Same(t, c.Members.Owner(), by)
		c.Messages.Edited(m, 7, Done)
		c.Messages.Reacted(m, by, 0, Done)
		require.Same(t, m, c.Messages.ReserveDelete())
	})
	t.Run("end with a deletion", func(t *testing.T) {
		c, m := modelOf(2)
		require.Same(t, m, c.Messages.ReserveDelete())
		require.Nil(t, c.Messages.ReservePin())
		require.Zero(t, c.Messages.Parent())
		c.Messages.Deleted(m, Done)
		got, _ := c.Messages.ReserveReact(0)
		require.Nil(t, got)
		require.Same(t, m, c.Messages.changed[m.ID])
	})
	t.Run("end with an unknown outcome", func(t *testing.T) {
		c, m := modelOf(2)
		require.Same(t, m, c.Messages.ReservePin())
		c.Messages.SetPinned(m, true, Unknown)
		require.Nil(t, c.Messages.ReserveEdit())
		require.True(t, c.Messages.changed[m.ID].unknownPin)
	})
	t.Run("keep a member who acts from leaving and one who leaves from acting", func(t *testing.T) {
		c, m := modelOf(2)
		require.Same(t, m, c.Messages.ReserveEdit())
		require.Nil(t, c.Members.ReserveLeave(), "the owner stays, and the other is busy")
		c.Messages.Edited(m, 7, Done)
		other := c.Members.ReserveLeave()
		require.Same(t, c.Members.all[1], other)
		require.Nil(t, c.Messages.ReserveEdit())
		require.Nil(t, c.Members.ReserveLeave())
		require.Same(t, c.Members.Owner(), c.Members.Acquire())
		c.Members.Left(other, Done)
		c.Members.Joined(other, Done)
		require.Same(t, m, c.Messages.ReserveEdit())
	})
	t.Run("have one marker of a member under way", func(t *testing.T) {
		c, _ := modelOf(1)
		require.Same(t, c.Members.Owner(), c.Members.ReserveMarker())
		require.Nil(t, c.Members.ReserveMarker())
		c.Members.Marked(c.Members.Owner(), 9, Done)
		c.Members.Marked(c.Members.ReserveMarker(), 5, Done)
		require.EqualValues(t, 9, c.Members.Owner().read)
	})
	t.Run("remember only what is not as it was sent", func(t *testing.T) {
		c, m := modelOf(2)
		require.Empty(t, c.Messages.changed)
		_, by := c.Messages.ReserveReact(3)
		c.Messages.Reacted(m, by, 3, Done)
		require.Len(t, c.Messages.changed, 1)
		_, by, emoji := c.Messages.ReserveUnreact()
		require.Equal(t, 3, emoji)
		c.Messages.Unreacted(m, by, emoji, Done)
		require.Empty(t, c.Messages.changed)
		for i := range 2 * maxRecent {
			c.Messages.Sent(&Message{ID: messageID(int64(i)), Author: c.Members.Owner()})
		}
		require.Len(t, c.Messages.recent, maxRecent)
	})
}

// TestJudgeMessage: where an outcome is not known, both are right, and nothing else.
func TestJudgeMessage(t *testing.T) {
	body := func(s string) uint64 { return Digest(domain.DerivedID([]byte("user"), []byte{1}), s, domain.ID{}) }
	sent := Ack{messageID(20), 20, body("sent")}
	as := func(s string, has *Shown) Stored { return Stored{messageID(20), 20, body(s), has} }
	thumb := func(n int, mine bool) *Shown {
		return &Shown{Reactions: []ShownReaction{{workload.Emojis[0], n, mine}}}
	}

	for name, w := range map[string]struct {
		did   func(c *Conversation, m *Message)
		right []Stored
		wrong map[Fault]Stored
	}{
		"as sent": {
			func(*Conversation, *Message) {},
			[]Stored{as("sent", nil), as("sent", &Shown{})},
			map[Fault]Stored{Altered: as("else", nil), WrongEdits: as("sent", &Shown{Edited: true}), WrongPins: as("sent", &Shown{Pinned: true})},
		},
		"edited": {
			func(_ *Conversation, m *Message) { m.edit = body("edit") },
			[]Stored{as("edit", &Shown{Edited: true})},
			map[Fault]Stored{WrongEdits: as("sent", nil), WrongDeletions: as("", &Shown{Deleted: true})},
		},
		"maybe edited": {
			func(_ *Conversation, m *Message) { m.unknownEdit = body("edit") },
			[]Stored{as("edit", &Shown{Edited: true}), as("sent", nil)},
			map[Fault]Stored{WrongEdits: as("else", &Shown{Edited: true}), Altered: as("edit", nil)},
		},
		"maybe deleted": {
			func(_ *Conversation, m *Message) { m.unknownDeleted, m.pinned = true, true },
			[]Stored{as("", &Shown{Deleted: true}), as("sent", &Shown{Pinned: true})},
			map[Fault]Stored{WrongDeletions: as("sent", &Shown{Deleted: true}), WrongPins: as("sent", nil)},
		},
		"maybe pinned": {
			func(_ *Conversation, m *Message) { m.unknownPin = true },
			[]Stored{as("sent", &Shown{Pinned: true}), as("sent", nil)},
			map[Fault]Stored{Altered: as("else", nil)},
		},
		"with a reaction of the reader and maybe another": {
			func(c *Conversation, m *Message) {
				m.reactions = []reaction{{by: c.Members.Owner()}, {by: c.Members.all[1], unknown: true}}
			},
			[]Stored{as("sent", thumb(1, true)), as("sent", thumb(2, true))},
			map[Fault]Stored{WrongReactions: as("sent", thumb(2, false))},
		},
		"with maybe a reaction of the reader": {
			func(c *Conversation, m *Message) { m.reactions = []reaction{{by: c.Members.Owner(), unknown: true}} },
			[]Stored{as("sent", thumb(1, true)), as("sent", nil)},
			map[Fault]Stored{WrongReactions: as("sent", thumb(2, true))},
		},
		"that mentions a member": {
			func(c *Conversation, m *Message) { m.Mention = c.Members.all[2] },
			[]Stored{as("sent", &Shown{Mentions: []domain.ID{domain.DerivedID([]byte("user"), []byte{2})}})},
			map[Fault]Stored{WrongMentions: as("sent", nil)},
		},
		"that mentions a user who was no member": {
			func(c *Conversation, m *Message) {
				m.Mention, c.Members.all[2].spans = c.Members.all[2], []span{{0, 19}, {22, 30}}
			},
			[]Stored{as("sent", nil)},
			map[Fault]Stored{WrongMentions: as("sent", &Shown{Mentions: []domain.ID{domain.DerivedID([]byte("user"), []byte{2})}})},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, m := modelOf(3)
			c.Members.all[2].spans = []span{{0, 100}}
			w.did(c, m)
			c.Messages.keep(m)
			judged := func(has Stored) *Faults {
				c.faults = &Faults{}
				(&historyVerdict{Conversation: c}).judgeMessage(sent, has)
				return c.faults
			}
			for i, has := range w.right {
				require.Zero(t, judged(has).total(), "%d: %v", i, judged(has).examples)
			}
			for kind, has := range w.wrong {
				want := [FaultKinds]int64{}
				want[kind] = 1
				require.Equal(t, want, judged(has).counts, "%s: %v", kind, judged(has).examples)
			}
		})
	}
}

func TestFollow(t *testing.T) {
	newGroup := func() (*Conversation, *Member) {
		c, _ := modelOf(2)
		return c, c.Members.all[1]
	}
	t.Run("tells when each user was a member", func(t *testing.T) {
		c, m := newGroup()
		m.leaves, m.joins = 2, 1
		c.moves = []move{{3, m.User.ID, true}, {14, m.User.ID, true}, {10, m.User.ID, false}, {30, m.User.ID, false}}
		c.follow()
		require.Zero(t, c.faults.total(), "%v", c.faults.examples)
		require.Equal(t, []span{{0, 10}, {14, 30}}, m.spans)
		require.False(t, m.present())
		require.True(t, m.wasMember(10))
		require.False(t, m.wasMember(11))
		require.True(t, m.wasMember(14))
		require.Equal(t, 1, c.Members.present())
	})
	for name, spoil := range map[string]func(c *Conversation, m *Member){
		"a leave is lost":                      func(_ *Conversation, m *Member) { m.leaves = 1 },
		"a leave was not requested":            func(c *Conversation, m *Member) { c.moves = []move{{10, m.User.ID, false}} },
		"a member joins":                       func(c *Conversation, m *Member) { m.joins = 1; c.moves = []move{{10, m.User.ID, true}} },
		"another user joins":                   func(c *Conversation, _ *Member) { c.moves = []move{{10, someID, true}} },
		"there are more leaves than requested": func(c *Conversation, m *Member) { m.unknownLeaves = 1; m.joins = 2; c.moves = moves(m, 10, 20) },
	} {
		t.Run("finds when "+name, func(t *testing.T) {
			c, m := newGroup()
			spoil(c, m)
			c.follow()
			require.Positive(t, c.faults.counts[WrongMembers])
		})
	}
	t.Run("allows a leave of unknown outcome", func(t *testing.T) {
		for n := range 2 {
			c, m := newGroup()
			m.unknownLeaves = 1
			c.moves = moves(m, 10)[:n]
			c.follow()
			require.Zero(t, c.faults.total(), "%v", c.faults.examples)
			require.Equal(t, n == 0, m.present())
		}
	})
}

// moves are leaves at the given seqs, each followed by a join.
func moves(m *Member, seqs ...int64) (all []move) {
	for _, seq := range seqs {
		all = append(all, move{seq, m.User.ID, false}, move{seq + 1, m.User.ID, true})
	}
	return all
}

func TestReadSeq(t *testing.T) {
	c := &Conversation{plan: &workload.Conversation{Members: make([]*workload.User, 4)}, history: []Stored{{Seq: 40}}}
	for name, w := range map[string]struct {
		m          Member
		told, want int64
	}{
		"is the last marker":            {Member{read: 30, wrote: 20}, 30, 30},
		"is the last own message":       {Member{read: 30, wrote: 35}, 30, 35},
		"is where they rejoined":        {Member{read: 30, spans: []span{{0, 31}, {37, 90}}}, 37, 37},
		"is where they joined at first": {Member{}, 4, 4},
		"is not beyond that":            {Member{}, 6, 0},
		"may be an unknown marker":      {Member{read: 30, unknownRead: []int64{38}}, 38, 38},
		"need not be an unknown marker": {Member{read: 30, unknownRead: []int64{38}}, 30, 30},
		"may be an unknown message":     {Member{read: 30, unknownSent: true}, 40, 40},
		"is not what is no message":     {Member{read: 30, unknownSent: true}, 39, 30},
		"does not go back":              {Member{read: 30}, 29, 30},
		"does not go ahead of a marker": {Member{read: 30}, 31, 30},
	} {
		t.Run(name, func(t *testing.T) {
			if w.m.spans == nil {
				w.m.spans = []span{{0, 90}}
			}
			require.Equal(t, w.want, c.readSeq(&w.m, w.told))
		})
	}
}
