package readapi_test

import (
	"flag"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/web"
	"ping/readapi"
)

// checkFew checks a property a few times, because each check on real services is slow.
func checkFew(t *testing.T, property func(*rapid.T)) {
	t.Helper()
	checks := flag.Lookup("rapid.checks")
	if before := checks.Value.String(); before == checks.DefValue {
		require.NoError(t, checks.Value.Set("20"))
		defer func() { _ = checks.Value.Set(before) }() // it was valid before
	}
	rapid.Check(t, property)
}

// readState is the naive model's state of one user in one conversation.
type readState struct {
	member           bool
	read             int64
	unread, mentions int64
}

// readStates folds a conversation's log event by event, once per user.
func (s *system) readStates(conversation domain.ID, users []domain.ID) map[domain.ID]readState {
	s.t.Helper()
	events, err := s.log.ReadStream(s.t.Context(), conversation, 0, 10_000)
	require.NoError(s.t, err)
	states := map[domain.ID]readState{}
	for _, user := range users {
		var state readState
		deleted := map[int64]bool{}
		for _, e := range events {
			decoded, err := domain.DecodeEvent(e.Type, e.Schema, e.Payload)
			require.NoError(s.t, err)
			switch d := decoded.(type) {
			case domain.MemberAdded:
				if d.UserID == user {
					state.member, state.read = true, e.Version
				}
			case domain.MemberRemoved:
				state.member = state.member && d.UserID != user
			case domain.MessageSent:
				if e.Actor == user {
					state.read = e.Version
				}
			case domain.ReadAdvanced:
				if e.Actor == user {
					state.read = max(state.read, d.Seq)
				}
			case domain.MessageDeleted:
				deleted[d.MessageSeq] = true
			}
		}
		for _, e := range events {
			if e.Type != "message.sent" || e.Version <= state.read {
				continue
			}
			state.unread++
			decoded, err := domain.DecodeEvent(e.Type, e.Schema, e.Payload)
			require.NoError(s.t, err)
			if slices.Contains(decoded.(domain.MessageSent).Mentions, user) && !deleted[e.Version] {
				state.mentions++
			}
		}
		states[user] = state
	}
	return states
}

// checkReadStates compares what each user reads with the model.
func (s *system) checkReadStates(t *rapid.T, conversations, users []domain.ID) {
	totals := map[domain.ID]readapi.Unread{}
	for _, id := range conversations {
		for user, want := range s.readStates(id, users) {
			path := "/v1/conversations/" + id.String()
			if !want.member {
				s.refused(user, path, 404)
				continue
			}
			c := read[web.Conversation](s, user, path)
			require.Equal(t, want, readState{true, c.ReadSeq, c.UnreadCount, c.UnreadMentions})
			total := totals[user]
			total.UnreadCount += want.unread
			total.UnreadMentions += want.mentions
			if want.unread > 0 {
				total.Conversations++
			}
			totals[user] = total
		}
	}
	for _, user := range users {
		require.Equal(t, totals[user], read[readapi.Unread](s, user, "/v1/users/me/unread"))
		var sum readapi.Unread
		for _, c := range read[web.Page[web.Conversation]](s, user, "/v1/conversations").Items {
			sum.UnreadCount += c.UnreadCount
			sum.UnreadMentions += c.UnreadMentions
			if c.UnreadCount > 0 {
				sum.Conversations++
			}
		}
		require.Equal(t, totals[user], sum, "the inbox has the same totals")
	}
}

// TestReadState: after any sequence of writes, unread counts equal those of a naive model of the log.
func TestReadState(t *testing.T) {
	s := newSystem(t)
	checkFew(t, func(t *rapid.T) {
		owner := eventlog.NewID() // never leaves
		users := []domain.ID{owner, eventlog.NewID(), eventlog.NewID(), eventlog.NewID()}
		conversations := []domain.ID{s.group("one", users[:3]...), s.group("two", users...)}
		sent := map[domain.ID][]*eventlog.Event{}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			id := rapid.SampledFrom(conversations).Draw(t, "conversation")
			user := rapid.SampledFrom(users).Draw(t, "user")
			what := rapid.SampledFrom([]string{"send", "send", "mention", "mention", "read", "read", "join", "leave", "delete"}).Draw(t, "write")
			if !s.isMember(id, user) && what != "join" {
				continue
			}
			switch what {
			case "send":
				sent[id] = append(sent[id], s.send(id, user, "hello", domain.ID{}))
			case "mention":
				sent[id] = append(sent[id], s.mention(id, user, rapid.SliceOfNDistinct(rapid.SampledFrom(users), 1, 3, rapid.ID).Draw(t, "mentioned")...))
			case "read":
				s.mark(id, user, rapid.Int64Range(1, s.version(id)).Draw(t, "seq"))
			case "join":
				s.add(id, owner, user)
			case "leave":
				if user != owner {
					s.remove(id, user, user)
				}
			case "delete":
				if len(sent[id]) > 0 {
					s.delete(rapid.SampledFrom(sent[id]).Draw(t, "message"), owner)
				}
			}
		}
		s.checkReadStates(t, conversations, users)
	})
}

// isMember reports whether a user is in a conversation, according to the log.
func (s *system) isMember(conversation, user domain.ID) bool {
	return s.readStates(conversation, []domain.ID{user})[user].member
}

// version returns the version of a conversation's last event.
func (s *system) version(conversation domain.ID) int64 {
	s.t.Helper()
	events, err := s.log.ReadStream(s.t.Context(), conversation, 0, 10_000)
	require.NoError(s.t, err)
	return events[len(events)-1].Version
}
