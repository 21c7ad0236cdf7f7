package client

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func added(seq int64, user string) *Event {
	return &Event{At: "0:1", ConversationID: "c", Seq: seq, Type: "member.added", Data: []byte(`{"user_id":"` + user + `"}`)}
}

func removed(seq int64, user string) *Event {
	e := added(seq, user)
	e.Type = "member.removed"
	return e
}

func TestMissing(t *testing.T) {
	none := span{}
	for name, c := range map[string]struct {
		progress progress
		next     int64
		added    bool
		want     span
	}{
		"nothing before the next":          {progress{last: 5}, 6, false, none},
		"nothing before one that was seen": {progress{last: 5}, 3, false, none},
		"a jump":                           {progress{last: 5}, 9, false, span{6, 8}},
		"a jump before an event that adds a member again": {progress{last: 5}, 9, true, span{6, 8}},
		"nothing while the user was no member":            {progress{last: 5, removed: true}, 9, true, none},
		"a jump of a former member who is not added":      {progress{last: 5, removed: true}, 9, false, span{6, 8}},
		"a gap":                                  {progress{last: 5, gaps: []span{{6, 8}}}, 9, false, span{6, 8}},
		"nothing of a gap after the next":        {progress{last: 5, gaps: []span{{9, 20}}}, 6, false, none},
		"a jump before a gap":                    {progress{last: 5, gaps: []span{{9, 20}}}, 21, false, span{6, 8}},
		"a gap of a former member":               {progress{last: 5, removed: true, gaps: []span{{9, 20}}}, 21, false, span{9, 20}},
		"the rest of a gap":                      {progress{last: 12, gaps: []span{{9, 20}}}, 21, false, span{13, 20}},
		"nothing of a gap that was replayed":     {progress{last: 12, gaps: []span{{9, 20}}}, 13, false, none},
		"the first of two gaps":                  {progress{last: 5, gaps: []span{{6, 8}, {9, 20}}}, 21, false, span{6, 8}},
		"the second gap when the first was seen": {progress{last: 8, gaps: []span{{6, 8}, {9, 20}}}, 21, false, span{9, 20}},
	} {
		t.Run(name, func(t *testing.T) {
			got, found := c.progress.missing(c.next, c.added)
			require.Equal(t, c.want, got)
			require.Equal(t, c.want != none, found)
		})
	}
}

func TestJournal(t *testing.T) {
	t.Run("notes when its own user is removed and added", func(t *testing.T) {
		j := newJournal()
		j.user = "ada"
		j.begin([]head{{"c", 5}})
		for _, step := range []struct {
			event   *Event
			removed bool
		}{{removed(6, "bob"), false}, {removed(7, "ada"), true}, {added(9, "bob"), true}, {added(10, "ada"), false}} {
			j.record(step.event)
			require.Equal(t, step.removed, j.progress["c"].removed)
			require.Equal(t, step.event.Seq, j.progress["c"].last)
		}
	})
	t.Run("resumes from the last position of each partition", func(t *testing.T) {
		j := newJournal()
		require.Empty(t, j.resumePoint())
		j.advance("0:1", "7:5")
		j.advance("7:6")
		require.ElementsMatch(t, []string{"0:1", "7:6"}, j.resumePoint())
	})
	t.Run("continues from where it began, not from later versions", func(t *testing.T) {
		j := newJournal()
		j.begin([]head{{"c", 5}})
		j.begin([]head{{"c", 9}})
		require.EqualValues(t, 5, j.progress["c"].last)
	})
}

// TestAnyReplay draws which versions arrive as events and which as gaps: each is
// delivered once and in order.
func TestAnyReplay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const until = 30
		p := &progress{last: 3}
		var delivered, want []int64
		var events []int64
		for seq := int64(4); seq <= until; seq++ {
			want = append(want, seq)
			if rapid.Bool().Draw(t, "in a gap") {
				p.gaps = append(p.gaps, span{seq, seq})
			} else {
				events = append(events, seq)
			}
			if rapid.IntRange(0, 9).Draw(t, "twice") == 0 {
				events = append(events, max(4, seq-2))
			}
		}
		read := func(next int64) {
			for {
				s, found := p.missing(next, false)
				if !found {
					return
				}
				for seq := s.from; seq <= s.to; seq++ {
					delivered = append(delivered, seq)
					p.last = seq
				}
			}
		}
		for _, seq := range events {
			read(seq)
			if seq > p.last {
				delivered = append(delivered, seq)
				p.last = seq
			}
		}
		read(until + 1)
		require.Equal(t, want, delivered)
	})
}
