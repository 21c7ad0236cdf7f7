package scenario

import (
	"context"
	"strings"
	"sync/atomic"

	"ping/domain"
	"ping/internal/load/oracle"
	"ping/internal/load/wire"
)

// message is a message of the contract.
type message struct {
	ID        domain.ID              `json:"id"`
	Seq       int64                  `json:"seq"`
	Author    domain.ID              `json:"author_id"`
	Body      string                 `json:"body"`
	ReplyTo   domain.ID              `json:"reply_to"`
	Mentions  []domain.ID            `json:"mentions"`
	Reactions []oracle.ShownReaction `json:"reactions"`
	EditedAt  *string                `json:"edited_at"`
	DeletedAt *string                `json:"deleted_at"`
	Pinned    bool                   `json:"pinned"`
}

// stored is what the verdict needs of the message.
func (m *message) stored() oracle.Stored {
	s := oracle.Stored{ID: m.ID, Seq: m.Seq, Digest: oracle.Digest(m.Author, m.Body, m.ReplyTo)}
	if m.EditedAt != nil || m.DeletedAt != nil || m.Pinned || len(m.Mentions) > 0 || len(m.Reactions) > 0 {
		s.Shown = &oracle.Shown{Edited: m.EditedAt != nil, Deleted: m.DeletedAt != nil, Pinned: m.Pinned, Mentions: m.Mentions, Reactions: m.Reactions}
	}
	return s
}

// historyReaders is how many conversations are read back at the same time.
const historyReaders = 4

// readHistories reads all messages of all conversations, each as its first
// member. read counts messages.
func (r *run) readHistories(ctx context.Context, read *atomic.Int64) error {
	var conversations atomic.Int64
	return r.concurrently(ctx, len(r.groups), historyReaders, &conversations, func(ctx context.Context, c *wire.Caller, i int) error {
		g := r.groups[i]
		var all []oracle.Stored
		err := wire.Pages(ctx, c, r.accounts[g.Members[0].Number], g.path+"/messages", "before", g.minPosition(),
			func(m *message) { all = append(all, m.stored()) })
		if err != nil {
			return err
		}
		g.record.ReadBack(all)
		read.Add(int64(len(all)))
		return nil
	})
}

// readInboxes reads what each user, by number, is shown of their conversations.
// It also learns the seq of each conversation's last event.
func (r *run) readInboxes(ctx context.Context, asked *atomic.Int64) ([]*oracle.Inbox, error) {
	groupsOf := make([][]*group, len(r.accounts))
	for _, g := range r.groups {
		for _, u := range g.Members {
			groupsOf[u.Number] = append(groupsOf[u.Number], g)
		}
	}
	inboxes := make([]*oracle.Inbox, len(r.accounts))
	err := r.concurrently(ctx, len(r.accounts), setupWorkers(), asked, func(ctx context.Context, c *wire.Caller, i int) error {
		var err error
		inboxes[i], err = readInbox(ctx, c, r.accounts[i], groupsOf[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, g := range r.groups {
		if e := inboxes[g.Members[0].Number].Entries[g.ID]; e != nil {
			g.record.ReadHead(e.LastSeq)
		}
	}
	return inboxes, nil
}

// readInbox reads all that a user is shown, when the read models include what
// was acknowledged in their groups.
func readInbox(ctx context.Context, c *wire.Caller, a *wire.Account, groups []*group) (*oracle.Inbox, error) {
	at := minPositions(groups)
	inbox := &oracle.Inbox{Entries: map[domain.ID]*oracle.Entry{}, Roles: map[domain.ID]map[domain.ID]string{}}
	err := wire.Pages(ctx, c, a, "/v1/conversations", "cursor", at, func(e *oracle.Entry) { inbox.Entries[e.ID] = e })
	if err != nil {
		return nil, err
	}
	if err := c.Get(ctx, a, "/v1/users/me/unread", at, &inbox.Unread); err != nil {
		return nil, err
	}
	for _, g := range groups {
		if g.Members[0] != a.User {
			continue
		}
		roles := map[domain.ID]string{}
		inbox.Roles[g.ID] = roles
		err := wire.Pages(ctx, c, a, g.path+"/members", "cursor", g.minPosition(), func(m *member) { roles[m.User] = m.Role })
		if err != nil {
			return nil, err
		}
	}
	return inbox, nil
}

// member is a member in a conversation's list.
type member struct {
	User domain.ID `json:"user_id"`
	Role string    `json:"role"`
}

// minPositions is the last position that an answer told, per partition of the
// groups.
func minPositions(groups []*group) string {
	last := map[int32]*group{}
	for _, g := range groups {
		if p := g.partition.Load(); last[p] == nil || g.position.Load() > last[p].position.Load() {
			last[p] = g
		}
	}
	positions := make([]string, 0, len(last))
	for _, g := range last {
		if at := g.minPosition(); at != "" {
			positions = append(positions, at)
		}
	}
	return strings.Join(positions, ",")
}
