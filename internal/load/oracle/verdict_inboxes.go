package oracle

import (
	"slices"

	"ping/domain"
)

// Inbox is what the server shows a user of their conversations.
type Inbox struct {
	Entries map[domain.ID]*Entry
	Unread  Unread
	// Roles are the members' roles, in the conversations that the user owns.
	Roles map[domain.ID]map[domain.ID]string
}

// Entry is a conversation in an inbox.
type Entry struct {
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

// Unread is what a badge shows.
type Unread struct {
	UnreadCount    int64 `json:"unread_count"`
	UnreadMentions int64 `json:"unread_mentions"`
	Conversations  int64 `json:"conversations"`
}

// add adds what is unread in one conversation.
func (u *Unread) add(of Unread) {
	u.UnreadCount += of.UnreadCount
	u.UnreadMentions += of.UnreadMentions
	if of.UnreadCount > 0 {
		u.Conversations++
	}
}

// JudgeInboxes compares what the server shows each user, by number, of their
// conversations and of the members with what was done. It follows Judge.
func (r *Record) JudgeInboxes(inboxes []*Inbox) {
	totals := make([]Unread, len(inboxes))
	for _, c := range r.Conversations {
		roles, mentions := inboxes[c.Members.Owner().User.Number].Roles[c.plan.ID], c.mentions()
		for i, m := range c.Members.all {
			role := ""
			if m.present() {
				role = "member"
				if i == 0 {
					role = "owner"
				}
			}
			n := m.User.Number
			if roles[m.User.ID] != role {
				c.faults.Report(WrongMembers, "user %d is %q in the list of members of %s; it should be %q", n, roles[m.User.ID], c.text, role)
			}
			totals[n].add(c.judgeEntry(m, role, mentions[m.User.ID], inboxes[n].Entries[c.plan.ID]))
		}
		if n := c.Members.present(); len(roles) != n {
			c.faults.Report(WrongMembers, "%s lists %d members; it should be %d", c.text, len(roles), n)
		}
	}
	for n, inbox := range inboxes {
		if inbox.Unread != totals[n] {
			r.Faults.Report(WrongInboxes, "user %d is shown %+v; it should be %+v", n, inbox.Unread, totals[n])
		}
	}
}

// mentions returns the seqs of the messages that mention each user. Where the
// outcome of a message is unknown, history is believed.
func (c *Conversation) mentions() map[domain.ID][]int64 {
	seqs := map[domain.ID][]int64{}
	for _, m := range c.history {
		var users []domain.ID
		if want := c.Messages.changed[m.ID]; want != nil && !want.unknownDeleted {
			if !want.deleted {
				users = want.mentions()
			}
		} else if m.Shown != nil {
			users = m.Shown.Mentions
		}
		for _, u := range users {
			seqs[u] = append(seqs[u], m.Seq)
		}
	}
	return seqs
}

// judgeEntry compares a conversation in a member's inbox with what it should
// show, and returns what is unread in it.
func (c *Conversation) judgeEntry(m *Member, role string, mentions []int64, e *Entry) (u Unread) {
	number := m.User.Number
	if e == nil || role == "" {
		if (e == nil) != (role == "") {
			c.faults.Report(WrongMembers, "%s is in the inbox of user %d: %t", c.text, number, e != nil)
		}
		return u
	}
	read := c.readSeq(m, e.ReadSeq)
	for _, h := range c.history {
		if h.Seq > read {
			u.UnreadCount++
		}
	}
	for _, seq := range mentions {
		if seq > read {
			u.UnreadMentions++
		}
	}
	compare := func(what string, got, want int64) {
		if got != want {
			c.faults.Report(WrongInboxes, "user %d, %s: %s is %d; it should be %d", number, c.text, what, got, want)
		}
	}
	compare("read_seq", e.ReadSeq, read)
	compare("unread_count", e.UnreadCount, u.UnreadCount)
	compare("unread_mentions", e.UnreadMentions, u.UnreadMentions)
	compare("last_seq", e.LastSeq, c.head)
	if n := len(c.history); n > 0 && (e.LastMessage == nil || e.LastMessage.ID != c.history[n-1].ID) {
		c.faults.Report(WrongInboxes, "user %d, %s: last_message is not %s", number, c.text, c.history[n-1].ID)
	}
	if n := c.Members.present(); e.Role != role || e.MemberCount != n {
		c.faults.Report(WrongMembers, "user %d, %s: role %q and member_count %d; it should be %q and %d",
			number, c.text, e.Role, e.MemberCount, role, n)
	}
	return u
}

// readSeq is how far a member has read: their last marker or message, or where
// they joined. shown is what the server says, which counts where either is right.
func (c *Conversation) readSeq(m *Member, shown int64) int64 {
	read := max(m.wrote, m.read, m.lastJoin())
	if shown <= read {
		return read
	}
	unknownSent := m.unknownSent && slices.ContainsFunc(c.history, func(h Stored) bool { return h.Seq == shown })
	asMade := read == 0 && shown <= c.created() // they joined when the group was made
	if unknownSent || asMade || slices.Contains(m.unknownRead, shown) {
		return shown
	}
	return read
}
