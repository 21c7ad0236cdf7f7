package readapi_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/ephemeral"
	"ping/internal/eventlog"
	"ping/internal/web"
)

func TestListStealth(t *testing.T) {
	s := newSystem(t)
	ann, bob, eve := s.user("Ann"), s.user("Bob"), s.user("Eve")
	crew := s.group("crew", ann, bob)
	path := "/v1/conversations/" + crew.String() + "/stealth"
	require.Empty(t, read[web.Page[ephemeral.Stealth]](s, bob, path).Items)
	var want []string
	for i := range 7 {
		now := time.Now().UTC().Truncate(time.Millisecond)
		m := ephemeral.Stealth{ID: eventlog.NewID(), ConversationID: crew, AuthorID: ann, Body: fmt.Sprint("psst ", i), SentAt: now, ExpiresAt: now.Add(time.Hour)}
		_, _, err := s.ephemeral.Post(t.Context(), m, 0, "", nil)
		require.NoError(t, err)
		want = append(want, m.Body)
	}
	slices.Reverse(want)

	t.Run("lists those that exist, newest first, in pages", func(t *testing.T) {
		for _, limit := range []int{1, 3, 7, 200} {
			var got []string
			for cursor := ""; ; {
				p := read[web.Page[ephemeral.Stealth]](s, bob, fmt.Sprintf("%s?limit=%d%s", path, limit, cursor))
				for _, m := range p.Items {
					got = append(got, m.Body)
				}
				if p.Next == nil {
					break
				}
				cursor = "&cursor=" + *p.Next
			}
			require.Equal(t, want, got)
		}
	})
	t.Run("refuses outsiders, and a cursor of another list", func(t *testing.T) {
		require.Equal(t, "conversation_not_found", s.refused(eve, path, 404))
		require.Equal(t, "cursor_invalid", s.refused(ann, path+"?cursor=made-up", 422))
	})
}

func TestListPresence(t *testing.T) {
	s := newSystem(t)
	ann, bob, cat, eve := s.user("Ann"), s.user("Bob"), s.user("Cat"), s.user("Eve")
	crew := s.group("crew", ann, bob, cat)
	path := "/v1/conversations/" + crew.String() + "/presence"
	for user, state := range map[domain.ID]ephemeral.State{ann: ephemeral.Online, bob: ephemeral.Away, eve: ephemeral.Online} {
		for shard, words := range ephemeral.ByShard([]ephemeral.Lease{{User: user, State: state, Life: time.Hour}}, func(w ephemeral.Lease) domain.ID { return w.User }) {
			_, err := s.ephemeral.RenewLeases(t.Context(), shard, "node", words)
			require.NoError(t, err)
		}
	}
	states := func(by domain.ID) map[domain.ID]string {
		t.Helper()
		found := map[domain.ID]string{}
		for cursor := ""; ; {
			p := read[web.Page[ephemeral.Presence]](s, by, path+"?limit=2"+cursor)
			for _, seen := range p.Items {
				found[seen.UserID] = seen.State.String()
			}
			if p.Next == nil {
				return found
			}
			cursor = "&cursor=" + *p.Next
		}
	}
	t.Run("lists the presence of every member", func(t *testing.T) {
		require.Equal(t, map[domain.ID]string{ann: "online", bob: "away", cat: "offline"}, states(cat))
		require.Equal(t, "conversation_not_found", s.refused(eve, path, 404))
		require.Equal(t, "cursor_invalid", s.refused(ann, path+"?cursor=made-up", 422))
	})
	t.Run("shows users offline across a block, in both directions", func(t *testing.T) {
		s.block(ann, bob, true)
		require.Equal(t, map[domain.ID]string{ann: "online", bob: "offline", cat: "offline"}, states(ann))
		require.Equal(t, map[domain.ID]string{ann: "offline", bob: "away", cat: "offline"}, states(bob))
		require.Equal(t, "online", states(cat)[ann])
	})
}
