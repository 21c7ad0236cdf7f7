package load

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"ping/domain"
)

// account is what the server tells a user of his conversations.
type account struct {
	entries map[domain.ID]*entryOf
	unread  unread
	// roles are those of the members, of the conversations that he owns.
	roles map[domain.ID]map[domain.ID]string
}

// entryOf is a conversation in an inbox.
type entryOf struct {
	ID             domain.ID `json:"id"`
	Role           string    `json:"role"`
	MemberCount    int       `json:"member_count"`
	LastSeq        int64     `json:"last_seq"`
	ReadSeq        int64     `json:"read_seq"`
	UnreadCount    int64     `json:"unread_count"`
	UnreadMentions int64     `json:"unread_mentions"`
	LastMessage    *struct {
		ID domain.ID `json:"id"`
	} `json:"last_message"`
}

// unread is what a badge shows.
type unread struct {
	UnreadCount    int64 `json:"unread_count"`
	UnreadMentions int64 `json:"unread_mentions"`
	Conversations  int64 `json:"conversations"`
}

// add adds what is unread of one conversation.
func (u *unread) add(of unread) {
	u.UnreadCount += of.UnreadCount
	u.UnreadMentions += of.UnreadMentions
	if of.UnreadCount > 0 {
		u.Conversations++
	}
}

// readAccounts asks as each user. It also learns each conversation's head.
func readAccounts(ctx context.Context, a *api, p *plan, asked *atomic.Int64) (map[*user]*account, error) {
	of := map[*user][]*conversation{}
	for _, c := range p.conversations {
		for _, u := range c.members {
			of[u] = append(of[u], c)
		}
	}
	accounts := make([]*account, len(p.users))
	err := each(ctx, a, len(p.users), asked, func(ctx context.Context, c *courier, i int) error {
		var err error
		accounts[i], err = p.users[i].account(ctx, c, of[p.users[i]])
		return err
	})
	if err != nil {
		return nil, err
	}
	all := make(map[*user]*account, len(accounts))
	for i, a := range accounts {
		all[p.users[i]] = a
	}
	for _, c := range p.conversations {
		if e := all[c.members[0]].entries[c.id]; e != nil {
			c.head = e.LastSeq
		}
	}
	return all, nil
}

// account reads all that the user is told, when the read models have seen what
// was acknowledged in his conversations.
func (u *user) account(ctx context.Context, from *courier, of []*conversation) (*account, error) {
	at := minPositions(of)
	a := &account{entries: map[domain.ID]*entryOf{}, roles: map[domain.ID]map[domain.ID]string{}}
	err := pages(ctx, from, u, "/v1/conversations", at, func(e *entryOf) { a.entries[e.ID] = e })
	if err != nil {
		return nil, err
	}
	if err := u.get(ctx, from, "/v1/users/me/unread", at, &a.unread); err != nil {
		return nil, err
	}
	for _, c := range of {
		if c.members[0] != u {
			continue
		}
		roles := map[domain.ID]string{}
		a.roles[c.id] = roles
		err := pages(ctx, from, u, "/v1/conversations/"+c.idText+"/members", c.minPosition(), func(m *memberOf) { roles[m.User] = m.Role })
		if err != nil {
			return nil, err
		}
	}
	return a, nil
}

// minPositions is the last position that an acknowledgement told, of each
// partition with one of the conversations.
func minPositions(of []*conversation) string {
	last := map[int32]*conversation{}
	for _, c := range of {
		if p := c.partition.Load(); last[p] == nil || c.position.Load() > last[p].position.Load() {
			last[p] = c
		}
	}
	positions := make([]string, 0, len(last))
	for _, c := range last {
		if at := c.minPosition(); at != "" {
			positions = append(positions, at)
		}
	}
	return strings.Join(positions, ",")
}

// memberOf is a member in a conversation's list.
type memberOf struct {
	User domain.ID `json:"user_id"`
	Role string    `json:"role"`
}

// pages reads a list to its end.
func pages[T any](ctx context.Context, from *courier, as *user, path, minPosition string, take func(*T)) error {
	for cursor := ""; ; {
		query := "?limit=" + strconv.Itoa(pageSize)
		if cursor != "" {
			query += "&cursor=" + url.QueryEscape(cursor)
		}
		var page struct {
			Items []T     `json:"items"`
			Next  *string `json:"next"`
		}
		if err := as.get(ctx, from, path+query, minPosition, &page); err != nil {
			return err
		}
		for i := range page.Items {
			take(&page.Items[i])
		}
		if page.Next == nil {
			return nil
		}
		if *page.Next == cursor || len(page.Items) == 0 {
			return fmt.Errorf("read %s: the pages do not end", path)
		}
		cursor = *page.Next
	}
}
