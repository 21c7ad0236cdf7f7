package load

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

func (f *fake) mixed() Config {
	cfg := f.config()
	cfg.Mix, cfg.Messages = mixRealistic, 1500
	return cfg
}

func TestDeck(t *testing.T) {
	deck := newDeck()
	require.Len(t, deck, 1000)
	require.Equal(t, deck, newDeck(), "every run deals the same")
	for _, r := range realistic {
		n := 0
		for _, a := range deck {
			if a == r.action {
				n++
			}
		}
		require.Equal(t, r.times, n, r.action)
	}
}

func TestRunMix(t *testing.T) {
	t.Run("passes_a_server_that_keeps_its_promises", func(t *testing.T) {
		f := newFake(t)
		figures, err := f.run(t.Context(), f.mixed())
		requirePassed(t, figures, err)
		require.Equal(t, mixRealistic, figures.Mix)
		total := int64(0)
		for _, a := range figures.Actions {
			require.Positive(t, a.Done, a.Action)
			require.Positive(t, a.Ack.P99, a.Action)
			total += a.Done
		}
		joins := figures.Actions[actJoin].Done
		require.EqualValues(t, 1500+joins, total)
		require.Equal(t, joins, figures.Actions[actLeave].Done)
		require.Zero(t, figures.Refused)
	})
	t.Run("does_again_with_the_same_key_and_resumes_what_it_cuts", func(t *testing.T) {
		f := newFake(t)
		f.onAct = func(w http.ResponseWriter, n int, _ string) bool {
			if n%13 == 0 {
				refuse(w, http.StatusServiceUnavailable, "overloaded")
			}
			return n%13 == 0
		}
		f.onActed = func(w http.ResponseWriter, n int) bool { return n%9 == 0 && cut(w) }
		cfg := f.mixed()
		cfg.Disconnects = 20
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.Positive(t, figures.Retries)
		require.EqualValues(t, 20, figures.Cuts)
	})
	t.Run("goes_on_while_the_server_holds_a_marker", func(t *testing.T) {
		f := newFake(t)
		enough := make(chan struct{})
		f.onSend = func(_ http.ResponseWriter, n int) bool {
			if n == 800 {
				close(enough)
			}
			return false
		}
		f.onRead = func() { <-enough }
		figures, err := f.run(t.Context(), f.mixed())
		requirePassed(t, figures, err)
		require.Positive(t, figures.Actions[actRead].Done)
	})
	t.Run("keeps_to_a_schedule", func(t *testing.T) {
		f := newFake(t)
		cfg := f.mixed()
		cfg.Rate, cfg.Messages, cfg.Duration = 1000, 0, 500*time.Millisecond
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.NotNil(t, figures.Lateness)
	})
	t.Run("has_groups_of_one_and_senders_with_several", func(t *testing.T) {
		f := newFake(t)
		cfg := f.mixed()
		cfg.Members, cfg.Senders, cfg.Groups = 1, 2, 5
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.Zero(t, figures.Actions[actLeave].Done)
		require.Zero(t, figures.Actions[actMention].Done)
	})
	t.Run("allows_both_where_an_outcome_is_not_known", func(t *testing.T) {
		f := newFake(t)
		f.onActed = func(w http.ResponseWriter, n int) bool {
			if n > 60 && n%10 == 0 { // done, but the tool cannot know
				refuse(w, http.StatusConflict, "undecided")
				return true
			}
			return false
		}
		figures, _ := f.run(t.Context(), f.mixed())
		require.Positive(t, figures.Unknown)
		for kind := range faultKinds {
			if kind != broken { // a refusal of what is allowed is told
				require.Zero(t, figures.Faults[kind.String()], "%s: %v", kind, figures.Offenders)
			}
		}
	})
}

// first returns a spoiler of history that spoils the first message that suits.
func first(suits func(m map[string]any) bool, spoil func(m map[string]any)) func(*fake) {
	return func(f *fake) {
		f.onHistory = func(all []map[string]any) []map[string]any {
			if i := slices.IndexFunc(all, suits); i >= 0 {
				spoil(all[i])
			}
			return all
		}
	}
}

func reactionsOf(m map[string]any) []map[string]any { return m["reactions"].([]map[string]any) }

// TestRunMixFails: servers that break a promise, each in one way.
func TestRunMixFails(t *testing.T) {
	edited := func(m map[string]any) bool { return m["edited_at"] != nil }
	deleted := func(m map[string]any) bool { return m["deleted_at"] != nil }
	pinned := func(m map[string]any) bool { return m["pinned"] == true }
	alive := func(m map[string]any) bool { return m["deleted_at"] == nil && m["pinned"] != true }
	mentions := func(m map[string]any) bool { return len(m["mentions"].([]domain.ID)) > 0 }
	reacted := func(m map[string]any) bool { return len(reactionsOf(m)) > 0 }
	mine := func(m map[string]any) bool {
		return slices.ContainsFunc(reactionsOf(m), func(r map[string]any) bool { return r["mine"] == true })
	}
	entries := func(spoil func(e map[string]any)) func(*fake) {
		return func(f *fake) {
			f.onInbox = func(all []map[string]any) {
				for _, e := range all {
					spoil(e)
				}
			}
		}
	}
	// instead answers the first few attempts to do something in place of the server.
	instead := func(what string, status, times int) func(*fake) {
		return func(f *fake) {
			n := 0
			f.onAct = func(w http.ResponseWriter, _ int, is string) bool {
				if is != what || n == times {
					return false
				}
				n++
				answerJSON(w, status, map[string]any{"code": "no"})
				return true
			}
		}
	}
	const message = "/v1/conversations/{id}/messages/{message}"

	for name, c := range map[string]struct {
		spoil func(f *fake)
		want  fault
	}{
		"an_edit_is_lost":                  {first(edited, func(m map[string]any) { m["body"], m["edited_at"] = m["sent"], nil }), wrongEdits},
		"an_edit_is_not_told":              {first(edited, func(m map[string]any) { m["edited_at"] = nil }), wrongEdits},
		"an_edit_is_told_of_what_was_sent": {first(alive, func(m map[string]any) { m["body"], m["edited_at"] = m["sent"], time.Now() }), wrongEdits},
		"an_old_edit_wins":                 {first(edited, func(m map[string]any) { m["body"] = "an older one" }), wrongEdits},
		"a_tombstone_is_resurrected":       {first(deleted, func(m map[string]any) { m["body"], m["deleted_at"] = m["sent"], nil }), wrongDeletions},
		"a_tombstone_has_a_body":           {first(deleted, func(m map[string]any) { m["body"] = m["sent"] }), wrongDeletions},
		"a_tombstone_has_a_reaction": {first(deleted, func(m map[string]any) {
			m["reactions"] = []map[string]any{{"emoji": emojis[0], "count": 1, "mine": false}}
		}), wrongDeletions},
		"a_message_is_deleted_by_nobody": {first(alive, func(m map[string]any) { m["body"], m["deleted_at"] = "", time.Now() }), wrongDeletions},
		"a_reaction_is_lost":             {first(reacted, func(m map[string]any) { m["reactions"] = reactionsOf(m)[1:] }), wrongReactions},
		"a_reaction_is_doubled":          {first(reacted, func(m map[string]any) { reactionsOf(m)[0]["count"] = reactionsOf(m)[0]["count"].(int) + 1 }), wrongReactions},
		"an_emoji_comes_twice": {first(reacted, func(m map[string]any) {
			m["reactions"] = append(reactionsOf(m), reactionsOf(m)[0])
		}), wrongReactions},
		"a_reaction_is_not_mine": {first(mine, func(m map[string]any) {
			for _, r := range reactionsOf(m) {
				r["mine"] = false
			}
		}), wrongReactions},
		"a_reaction_comes_from_nowhere": {first(alive, func(m map[string]any) {
			m["reactions"] = append(reactionsOf(m), map[string]any{"emoji": "🦄", "count": 1, "mine": false})
		}), wrongReactions},
		"a_pin_is_lost":             {first(pinned, func(m map[string]any) { m["pinned"] = false }), wrongPins},
		"an_unpinned_one_is_pinned": {first(alive, func(m map[string]any) { m["pinned"] = true }), wrongPins},
		"a_mention_is_lost":         {first(mentions, func(m map[string]any) { m["mentions"] = []domain.ID{} }), wrongMentions},
		"a_mention_is_of_another":   {first(mentions, func(m map[string]any) { m["mentions"] = []domain.ID{someID} }), wrongMentions},
		"an_unread_count_is_wrong":  {entries(func(e map[string]any) { e["unread_count"] = e["unread_count"].(int64) + 1 }), wrongInboxes},
		"an_unread_mention_is_lost": {entries(func(e map[string]any) { e["unread_mentions"] = e["unread_mentions"].(int64) + 1 }), wrongInboxes},
		"a_marker_is_lost":          {entries(func(e map[string]any) { e["read_seq"] = e["read_seq"].(int64) - 1 }), wrongInboxes},
		"a_last_message_is_wrong":   {entries(func(e map[string]any) { e["last_message"] = map[string]any{"id": someID} }), wrongInboxes},
		"a_member_count_is_wrong":   {entries(func(e map[string]any) { e["member_count"] = 3 }), wrongMembers},
		"a_role_is_wrong":           {entries(func(e map[string]any) { e["role"] = "admin" }), wrongMembers},
		"a_total_is_wrong":          {func(f *fake) { f.onUnread = func(total map[string]any) { total["conversations"] = 5 } }, wrongInboxes},
		"a_member_is_missing":       {func(f *fake) { f.onMembers = func(m []map[string]any) []map[string]any { return m[:len(m)-1] } }, wrongMembers},
		"a_stranger_is_a_member": {func(f *fake) {
			f.onMembers = func(m []map[string]any) []map[string]any { return append(m, map[string]any{"user_id": someID}) }
		}, wrongMembers},
		"what_is_allowed_is_refused":   {instead("PATCH "+message, http.StatusForbidden, 1), broken},
		"an_edit_is_answered_by_air":   {instead("PATCH "+message, http.StatusOK, 1), broken},
		"a_deletion_is_not_done":       {instead("DELETE "+message, http.StatusOK, 1), wrongDeletions},
		"a_reaction_is_not_done":       {instead("PUT "+message+"/reactions/{emoji}", http.StatusOK, 50), wrongReactions},
		"a_leave_is_not_done":          {instead("DELETE /v1/conversations/{id}/members/{u}", http.StatusOK, 1), wrongMembers},
		"a_join_is_not_done":           {instead("POST /v1/conversations/{id}/members", http.StatusOK, 1), wrongMembers},
		"who_has_left_goes_on_hearing": {func(f *fake) { f.leaks = true }, foreign},
		"a_frame_of_an_edit_is_lost":   {dropping(func(e fakeEvent, _ domain.ID) bool { return e.name == "message.edited" }), gapped},
		"who_is_back_is_not_told":      {dropping(func(e fakeEvent, user domain.ID) bool { return e.name == memberAdded && e.about == user }), foreign},
	} {
		t.Run("when_"+name, func(t *testing.T) {
			f := newFake(t)
			c.spoil(f)
			cfg := f.mixed()
			cfg.Messages = 800
			figures, err := f.run(t.Context(), cfg)
			require.ErrorIs(t, err, ErrFailed)
			require.Equal(t, failed, figures.Verdict)
			require.Positive(t, figures.Faults[c.want.String()], "%v", figures.Offenders)
			require.NotEmpty(t, figures.Offenders[c.want.String()])
		})
	}
}

// dropping keeps some events from their sockets.
func dropping(drops func(e fakeEvent, user domain.ID) bool) func(*fake) {
	return func(f *fake) {
		f.onFrame = func(user domain.ID, e fakeEvent) [][]byte {
			if drops(e, user) {
				return nil
			}
			return [][]byte{e.frame}
		}
	}
}
