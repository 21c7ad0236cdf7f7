package readapi_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/web"
	"ping/readapi"
)

// list is one of the lists, which changes while a test pages through it.
type list struct {
	// page returns the keys of a page, in order.
	page func(limit int, cursor string) (keys []string, next *string)
	// change makes a random change and returns the keys of the items that it moved or removed.
	change func(*rapid.T) (moved []string)
}

// checkPaging pages through a list from its beginning while it changes: items that were there all the time are returned
// exactly once and in order, and no item is returned twice.
func (l list) checkPaging(t *rapid.T) {
	stable, next := l.page(200, "")
	require.Nil(t, next)
	limit := rapid.IntRange(1, 4).Draw(t, "limit")
	got := []string{}
	for cursor := ""; ; {
		keys, next := l.page(limit, cursor)
		require.LessOrEqual(t, len(keys), limit)
		got = append(got, keys...)
		if next == nil {
			break
		}
		cursor = *next
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			moved := l.change(t)
			stable = slices.DeleteFunc(stable, func(key string) bool { return slices.Contains(moved, key) })
		}
		if len(got) > 300 {
			t.Fatalf("the pages have no end: %v", got)
		}
	}
	seen := map[string]bool{}
	for _, key := range got {
		require.False(t, seen[key], "%s is returned twice", key)
		seen[key] = true
	}
	require.Equal(t, stable, slices.DeleteFunc(got, func(key string) bool { return !slices.Contains(stable, key) }))
}

// pageOf reads a page of a list with a cursor.
func pageOf[T any](s *system, user domain.ID, path string, key func(T) string) func(int, string) ([]string, *string) {
	return func(limit int, cursor string) ([]string, *string) {
		path := fmt.Sprintf("%s?limit=%d", path, limit)
		if cursor != "" {
			path += "&cursor=" + cursor
		}
		p := read[web.Page[T]](s, user, path)
		keys := []string{}
		for _, item := range p.Items {
			keys = append(keys, key(item))
		}
		return keys, p.Next
	}
}

// historyPage reads a page of history in a direction.
func historyPage(s *system, user domain.ID, path, direction, start string) func(int, string) ([]string, *string) {
	return func(limit int, cursor string) ([]string, *string) {
		path := fmt.Sprintf("%s?limit=%d", path, limit)
		if cursor == "" {
			cursor = start
		}
		if cursor != "" {
			path += "&" + direction + "=" + cursor
		}
		p := read[readapi.MessagePage](s, user, path)
		keys := []string{}
		for _, m := range p.Items {
			keys = append(keys, strconv.FormatInt(m.Seq, 10))
		}
		if direction == "after" { // a page is newest first in both directions
			slices.Reverse(keys)
		}
		return keys, p.Next
	}
}

// history is a conversation with messages, some of them pinned.
type history struct {
	s    *system
	ada  domain.ID
	id   domain.ID
	sent []*eventlog.Event
}

func newHistory(t *rapid.T, s *system, members ...domain.ID) *history {
	c := &history{s: s, ada: eventlog.NewID()}
	c.id = s.group("The crew", append([]domain.ID{c.ada}, members...)...)
	for range rapid.IntRange(0, 10).Draw(t, "messages") {
		c.send()
	}
	return c
}

func (c *history) send() { c.sent = append(c.sent, c.s.send(c.id, c.ada, "hello", domain.ID{})) }

func (c *history) path(below string) string { return "/v1/conversations/" + c.id.String() + below }

// change makes a random change to the messages and returns the seqs that are pinned, unpinned or deleted.
func (c *history) change(t *rapid.T) []string {
	what := rapid.SampledFrom([]string{"send", "edit", "delete", "pin", "unpin", "react"}).Draw(t, "change")
	if what == "send" || len(c.sent) == 0 {
		c.send()
		return nil
	}
	e := rapid.SampledFrom(c.sent).Draw(t, "message")
	if c.s.message(c.s.log, c.id, e.ID).Deleted {
		return nil
	}
	switch what {
	case "edit":
		c.s.edit(e, c.ada, strconv.Itoa(rapid.Int().Draw(t, "body")))
		return nil // it keeps its place in the history and among the pins
	case "react":
		c.s.react(e, c.ada, "👍", rapid.Bool().Draw(t, "on"))
		return nil
	case "delete":
		c.s.delete(e, c.ada)
	case "pin":
		c.s.pin(e, c.ada, true)
	case "unpin":
		c.s.pin(e, c.ada, false)
	}
	return []string{strconv.FormatInt(e.Version, 10)}
}

func TestPagingIsStable(t *testing.T) {
	s := newSystem(t)
	check := func(name string, prepare func(*rapid.T) list) {
		t.Run(name, func(t *testing.T) {
			s.t = t
			checkFew(t, func(t *rapid.T) { prepare(t).checkPaging(t) })
		})
	}
	check("older history", func(t *rapid.T) list {
		c := newHistory(t, s)
		return list{historyPage(s, c.ada, c.path("/messages"), "before", ""), c.changeInPlace}
	})
	check("newer history", func(t *rapid.T) list {
		c := newHistory(t, s)
		c.send()
		start := read[readapi.MessagePage](s, c.ada, c.path("/messages?limit=1&around="+strconv.FormatInt(c.sent[0].Version, 10))).Previous
		return list{historyPage(s, c.ada, c.path("/messages"), "after", *start), c.changeInPlace}
	})
	check("pins", func(t *rapid.T) list {
		c := newHistory(t, s)
		for _, e := range c.sent {
			s.pin(e, c.ada, true)
		}
		return list{pageOf(s, c.ada, c.path("/pins"), func(m web.Message) string { return strconv.FormatInt(m.Seq, 10) }), c.change}
	})
	check("members", func(t *rapid.T) list {
		users := []domain.ID{}
		for range 12 {
			users = append(users, eventlog.NewID())
		}
		first := rapid.IntRange(0, len(users)).Draw(t, "members")
		c := newHistory(t, s, rapid.Permutation(users).Draw(t, "users")[:first]...)
		change := func(t *rapid.T) []string {
			user := rapid.SampledFrom(users).Draw(t, "user")
			if rapid.Bool().Draw(t, "joins") {
				s.add(c.id, c.ada, user)
				return nil
			}
			s.must(c.id, c.ada, func(state *domain.Conversation, _ int64) ([]domain.Event, error) {
				return state.RemoveMember(domain.RemoveMember{Actor: c.ada, UserID: user})
			})
			return []string{user.String()}
		}
		return list{pageOf(s, c.ada, c.path("/members"), func(m readapi.ListedMember) string { return m.UserID.String() }), change}
	})
	check("inbox", func(t *rapid.T) list {
		ada, bob := eventlog.NewID(), eventlog.NewID()
		groups := []domain.ID{}
		for range rapid.IntRange(0, 8).Draw(t, "groups") {
			groups = append(groups, s.group("a group", bob, ada))
		}
		change := func(t *rapid.T) []string {
			what := rapid.SampledFrom([]string{"new", "send", "leave", "rename"}).Draw(t, "change")
			if what == "new" || len(groups) == 0 {
				groups = append(groups, s.group("a new one", bob, ada))
				return nil
			}
			i := rapid.IntRange(0, len(groups)-1).Draw(t, "group")
			switch id := groups[i]; what {
			case "send":
				s.send(id, bob, "up", domain.ID{})
				return []string{id.String()}
			case "leave":
				s.remove(id, ada, ada)
				groups = slices.Delete(groups, i, i+1)
				return []string{id.String()}
			default:
				topic := strconv.Itoa(rapid.Int().Draw(t, "topic"))
				s.must(id, bob, func(c *domain.Conversation, _ int64) ([]domain.Event, error) {
					return c.Rename(domain.RenameConversation{Actor: bob, Topic: &topic})
				})
				return nil // a rename is not activity
			}
		}
		return list{pageOf(s, ada, "/v1/conversations", func(c web.Conversation) string { return c.ID.String() }), change}
	})
}

// changeInPlace makes a random change, none of which moves a message in the history.
func (c *history) changeInPlace(t *rapid.T) []string {
	c.change(t)
	return nil
}
