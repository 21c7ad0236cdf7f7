package scenario

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/load/measure"
	"ping/internal/load/oracle"
	"ping/internal/load/workload"
)

func (f *fake) mixed() Config {
	cfg := f.config()
	cfg.Mix, cfg.Messages = workload.MixRealistic, 1500
	return cfg
}

func TestRunMix(t *testing.T) {
	t.Run("passes a server that keeps its promises", func(t *testing.T) {
		f := newFake(t)
		figures, err := f.run(t.Context(), f.mixed())
		requirePassed(t, figures, err)
		require.Equal(t, workload.MixRealistic, figures.Mix)
		total := int64(0)
		for _, a := range figures.Actions {
			require.Positive(t, a.Done, a.Action)
			require.Positive(t, a.Ack.P99, a.Action)
			total += a.Done
		}
		joins := figures.Actions[workload.Join].Done
		require.EqualValues(t, 1500+joins, total)
		require.Equal(t, joins, figures.Actions[workload.Leave].Done)
		require.Zero(t, figures.Refused)
	})
	t.Run("retries with the same key and resumes what it cuts", func(t *testing.T) {
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
	t.Run("continues while the server holds a marker", func(t *testing.T) {
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
		require.Positive(t, figures.Actions[workload.Read].Done)
	})
	t.Run("keeps to a schedule", func(t *testing.T) {
		f := newFake(t)
		cfg := f.mixed()
		cfg.Rate, cfg.Messages, cfg.Duration = 1000, 0, 500*time.Millisecond
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.NotNil(t, figures.Lateness)
	})
	t.Run("supports groups of one and senders with several groups", func(t *testing.T) {
		f := newFake(t)
		cfg := f.mixed()
		cfg.Members, cfg.Senders, cfg.Groups = 1, 2, 5
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.Zero(t, figures.Actions[workload.Leave].Done)
		require.Zero(t, figures.Actions[workload.Mention].Done)
	})
	t.Run("allows both where an outcome is unknown", func(t *testing.T) {
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
		for kind := range oracle.FaultKinds {
			if kind != oracle.Broken { // a refusal of what is allowed is a fault
				require.Zero(t, figures.Faults[kind.String()], "%s: %v", kind, figures.Examples)
			}
		}
	})
}

// first spoils the first message of history that suits.
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
	// instead answers the first few attempts at an action in place of the server.
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
		want  oracle.Fault
	}{
		"an edit is lost":                  {first(edited, func(m map[string]any) { m["body"], m["edited_at"] = m["sent"], nil }), oracle.WrongEdits},
		"an edit is not told":              {first(edited, func(m map[string]any) { m["edited_at"] = nil }), oracle.WrongEdits},
		"an edit is told of what was sent": {first(alive, func(m map[string]any) { m["body"], m["edited_at"] = m["sent"], time.Now() }), oracle.WrongEdits},
		"an old edit wins":                 {first(edited, func(m map[string]any) { m["body"] = "an older one" }), oracle.WrongEdits},
		"a tombstone is resurrected":       {first(deleted, func(m map[string]any) { m["body"], m["deleted_at"] = m["sent"], nil }), oracle.WrongDeletions},
		"a tombstone has a body":           {first(deleted, func(m map[string]any) { m["body"] = m["sent"] }), oracle.WrongDeletions},
		"a tombstone has a reaction": {first(deleted, func(m map[string]any) {
			m["reactions"] = []map[string]any{{"emoji": workload.Emojis[0], "count": 1, "mine": false}}
		}), oracle.WrongDeletions},
		"a message that was not deleted is a tombstone": {first(alive, func(m map[string]any) { m["body"], m["deleted_at"] = "", time.Now() }), oracle.WrongDeletions},
		"a reaction is lost":                            {first(reacted, func(m map[string]any) { m["reactions"] = reactionsOf(m)[1:] }), oracle.WrongReactions},
		"a reaction is doubled":                         {first(reacted, func(m map[string]any) { reactionsOf(m)[0]["count"] = reactionsOf(m)[0]["count"].(int) + 1 }), oracle.WrongReactions},
		"an emoji comes twice": {first(reacted, func(m map[string]any) {
			m["reactions"] = append(reactionsOf(m), reactionsOf(m)[0])
		}), oracle.WrongReactions},
		"a reaction is not mine": {first(mine, func(m map[string]any) {
			for _, r := range reactionsOf(m) {
				r["mine"] = false
			}
		}), oracle.WrongReactions},
		"a reaction was not made": {first(alive, func(m map[string]any) {
			m["reactions"] = append(reactionsOf(m), map[string]any{"emoji": "🦄", "count": 1, "mine": false})
		}), oracle.WrongReactions},
		"a pin is lost":                 {first(pinned, func(m map[string]any) { m["pinned"] = false }), oracle.WrongPins},
		"an unpinned message is pinned": {first(alive, func(m map[string]any) { m["pinned"] = true }), oracle.WrongPins},
		"a mention is lost":             {first(mentions, func(m map[string]any) { m["mentions"] = []domain.ID{} }), oracle.WrongMentions},
		"a mention is of another":       {first(mentions, func(m map[string]any) { m["mentions"] = []domain.ID{someID} }), oracle.WrongMentions},
		"an unread count is wrong":      {entries(func(e map[string]any) { e["unread_count"] = e["unread_count"].(int64) + 1 }), oracle.WrongInboxes},
		"an unread mention is lost":     {entries(func(e map[string]any) { e["unread_mentions"] = e["unread_mentions"].(int64) + 1 }), oracle.WrongInboxes},
		"a read marker is lost":         {entries(func(e map[string]any) { e["read_seq"] = e["read_seq"].(int64) - 1 }), oracle.WrongInboxes},
		"a last message is wrong":       {entries(func(e map[string]any) { e["last_message"] = map[string]any{"id": someID} }), oracle.WrongInboxes},
		"a member count is wrong":       {entries(func(e map[string]any) { e["member_count"] = 3 }), oracle.WrongMembers},
		"a role is wrong":               {entries(func(e map[string]any) { e["role"] = "admin" }), oracle.WrongMembers},
		"a total is wrong":              {func(f *fake) { f.onUnread = func(total map[string]any) { total["conversations"] = 5 } }, oracle.WrongInboxes},
		"a member is missing":           {func(f *fake) { f.onMembers = func(m []map[string]any) []map[string]any { return m[:len(m)-1] } }, oracle.WrongMembers},
		"a stranger is a member": {func(f *fake) {
			f.onMembers = func(m []map[string]any) []map[string]any { return append(m, map[string]any{"user_id": someID}) }
		}, oracle.WrongMembers},
		"an allowed action is refused":          {instead("PATCH "+message, http.StatusForbidden, 1), oracle.Broken},
		"an edit is answered without a message": {instead("PATCH "+message, http.StatusOK, 1), oracle.Broken},
		"a deletion is not done":                {instead("DELETE "+message, http.StatusOK, 1), oracle.WrongDeletions},
		"a reaction is not done":                {instead("PUT "+message+"/reactions/{emoji}", http.StatusOK, 50), oracle.WrongReactions},
		"a leave is not done":                   {instead("DELETE /v1/conversations/{id}/members/{u}", http.StatusOK, 1), oracle.WrongMembers},
		"a join is not done":                    {instead("POST /v1/conversations/{id}/members", http.StatusOK, 1), oracle.WrongMembers},
		"a member who has left receives events": {func(f *fake) { f.leaks = true }, oracle.Foreign},
		"a frame of an edit is lost":            {dropping(func(e fakeEvent, _ domain.ID) bool { return e.name == "message.edited" }), oracle.Gapped},
		"a member who rejoins is not told":      {dropping(func(e fakeEvent, user domain.ID) bool { return e.name == "member.added" && e.about == user }), oracle.Foreign},
	} {
		t.Run("when "+name, func(t *testing.T) {
			f := newFake(t)
			c.spoil(f)
			cfg := f.mixed()
			cfg.Messages = 800
			figures, err := f.run(t.Context(), cfg)
			require.ErrorIs(t, err, ErrFailed)
			require.Equal(t, measure.Failed, figures.Verdict)
			require.Positive(t, figures.Faults[c.want.String()], "%v", figures.Examples)
			require.NotEmpty(t, figures.Examples[c.want.String()])
		})
	}
}

// dropping withholds some events from their sockets.
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
