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
		place place
		next  int64
		added bool
		want  span
	}{
		"nothing before the next":          {place{last: 5}, 6, false, none},
		"nothing before one that was seen": {place{last: 5}, 3, false, none},
		"a hole":                           {place{last: 5}, 9, false, span{6, 8}},
		"a hole also where the user is added for a 2nd time": {place{last: 5}, 9, true, span{6, 8}},
		"nothing while the user was out":                     {place{last: 5, out: true}, 9, true, none},
		"a hole when he was out and is not added":            {place{last: 5, out: true}, 9, false, span{6, 8}},
		"what was told":                                      {place{last: 5, gaps: []span{{6, 8}}}, 9, false, span{6, 8}},
		"what was told, after all before it":                 {place{last: 5, gaps: []span{{9, 20}}}, 6, false, none},
		"a hole before what was told":                        {place{last: 5, gaps: []span{{9, 20}}}, 21, false, span{6, 8}},
		"what was told after he was out":                     {place{last: 5, out: true, gaps: []span{{9, 20}}}, 21, false, span{9, 20}},
		"the rest of what was told":                          {place{last: 12, gaps: []span{{9, 20}}}, 21, false, span{13, 20}},
		"nothing of what was told and replayed all the same": {place{last: 12, gaps: []span{{9, 20}}}, 13, false, none},
		"the first of two":                                   {place{last: 5, gaps: []span{{6, 8}, {9, 20}}}, 21, false, span{6, 8}},
		"the second when the first was seen":                 {place{last: 8, gaps: []span{{6, 8}, {9, 20}}}, 21, false, span{9, 20}},
	} {
		t.Run(name, func(t *testing.T) {
			got, any := c.place.missing(c.next, c.added)
			require.Equal(t, c.want, got)
			require.Equal(t, c.want != none, any)
		})
	}
}

func TestJournal(t *testing.T) {
	t.Run("knows when its user is out, and only he", func(t *testing.T) {
		j := newJournal()
		j.user = "ada"
		j.begin([]head{{"c", 5}})
		for _, step := range []struct {
			event *Event
			out   bool
		}{{removed(6, "bob"), false}, {removed(7, "ada"), true}, {added(9, "bob"), true}, {added(10, "ada"), false}} {
			j.note(step.event)
			require.Equal(t, step.out, j.places["c"].out)
			require.Equal(t, step.event.Seq, j.places["c"].last)
		}
	})
	t.Run("resumes from the last position of each partition", func(t *testing.T) {
		j := newJournal()
		require.Empty(t, j.resumePoint())
		j.advance("0:1", "7:5")
		j.advance("7:6")
		require.ElementsMatch(t, []string{"0:1", "7:6"}, j.resumePoint())
	})
	t.Run("goes on from where it began, not from later heads", func(t *testing.T) {
		j := newJournal()
		j.begin([]head{{"c", 5}})
		j.begin([]head{{"c", 9}})
		require.EqualValues(t, 5, j.places["c"].last)
	})
}

// TestAnyReplay: whatever part of a stretch comes as events and whatever part is
// told by gaps, each event is handed on once and in order.
func TestAnyReplay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const until = 30
		p := &place{last: 3}
		var handed, want []int64
		var events []int64
		gap := false
		for seq := int64(4); seq <= until; seq++ {
			want = append(want, seq)
			if gap = rapid.Bool().Draw(t, "in a gap"); gap {
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
				s, any := p.missing(next, false)
				if !any {
					return
				}
				for seq := s.from; seq <= s.to; seq++ {
					handed = append(handed, seq)
					p.last = seq
				}
			}
		}
		for _, seq := range events {
			read(seq)
			if seq > p.last {
				handed = append(handed, seq)
				p.last = seq
			}
		}
		read(until + 1)
		require.Equal(t, want, handed)
	})
}
