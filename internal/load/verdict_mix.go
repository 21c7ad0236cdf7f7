package load

import (
	"slices"

	"ping/domain"
)

// judgeMessage compares a message in history with how it was sent and with what
// was done to it since.
func (l *ledger) judgeMessage(c *conversation, a ack, m stored, f *faults) {
	did, has := l.changed[a.id], m.shown
	if did == nil {
		did = &message{}
	}
	if has == nil {
		has = &shown{}
	}
	what := name(c, m.id, m.seq)
	switch {
	case has.deleted && !did.deleted && !did.deletedPerhaps:
		f.report(wrongDeletions, "%s is a tombstone, and nobody deleted it", what)
	case did.deleted && !has.deleted:
		f.report(wrongDeletions, "%s was deleted, and is there", what)
	case has.deleted:
		if m.digest != digest(did.author.user.id, "", did.replyTo) || has.edited || has.pinned || len(has.mentions)+len(has.reactions) > 0 {
			f.report(wrongDeletions, "%s was deleted, and something of it is there", what)
		}
	default:
		judgeBody(did, a, m, has, what, f)
		if has.pinned != did.pinned && !did.pinPerhaps {
			f.report(wrongPins, "%s is pinned: %t; it should be %t", what, has.pinned, did.pinned)
		}
		if !slices.Equal(has.mentions, did.mentions()) {
			f.report(wrongMentions, "%s mentions %d users; it should be %d, or others", what, len(has.mentions), len(did.mentions()))
		}
		if !did.reactionsAre(has.reactions, l.owner()) {
			f.report(wrongReactions, "reactions on %s are not those made", what)
		}
	}
}

// judgeBody compares the body and whether it counts as edited.
func judgeBody(did *message, a ack, m stored, has *shown, what string, f *faults) {
	want := a.digest
	if did.edit != 0 {
		want = did.edit
	}
	edited := did.edit != 0
	switch {
	case m.digest == want && has.edited == edited:
	case did.editPerhaps != 0 && m.digest == did.editPerhaps && has.edited:
	case edited || has.edited:
		f.report(wrongEdits, "%s is not as it was last edited", what)
	default:
		f.report(altered, "body, author or reply_to of %s is not as sent", what)
	}
}

// mentions are the users that a message mentions: whom its body names, if he
// was a member then.
func (m *message) mentions() []domain.ID {
	if m.mention == nil || !m.mention.wasMember(m.seq) {
		return nil
	}
	return []domain.ID{m.mention.user.id}
}

// reactionsAre compares the reactions that a reader is shown with those made.
func (m *message) reactionsAre(all []shownReaction, reader *member) bool {
	for i, emoji := range emojis {
		least, most, mine, perhapsMine := 0, 0, false, false
		for _, r := range m.reactions {
			if r.emoji != i {
				continue
			}
			most++
			if !r.perhaps {
				least++
			}
			if r.by == reader {
				mine, perhapsMine = !r.perhaps, r.perhaps
			}
		}
		var has shownReaction
		if at := slices.IndexFunc(all, func(r shownReaction) bool { return r.Emoji == emoji }); at >= 0 {
			has = all[at]
			all = slices.Delete(slices.Clone(all), at, at+1)
			if has.Count < 1 {
				return false
			}
		}
		if has.Count < least || has.Count > most || has.Mine != mine && !perhapsMine {
			return false
		}
	}
	return len(all) == 0 // no emoji twice, and no other
}

// judgeAccounts compares what the server tells each user of his conversations,
// and of who is in them, with what was done.
func judgeAccounts(p *plan, histories map[*conversation][]stored, accounts map[*user]*account, f *faults) {
	totals := map[*user]unread{}
	for _, c := range p.conversations {
		roles, readings := accounts[c.members[0]].roles[c.id], c.ledger.mentioned(histories[c])
		for i, m := range c.ledger.members {
			role := ""
			if m.present() {
				role = "member"
				if i == 0 {
					role = "owner"
				}
			}
			if roles[m.user.id] != role {
				f.report(wrongMembers, "user %d is %q in the list of members of %s; it should be %q", m.user.number, roles[m.user.id], c.idText, role)
			}
			total := totals[m.user]
			total.add(judgeEntry(c, m, role, histories[c], readings[m.user.id], accounts[m.user].entries[c.id], f))
			totals[m.user] = total
		}
		if here := c.ledger.present(); len(roles) != here {
			f.report(wrongMembers, "%s lists %d members; it should be %d", c.idText, len(roles), here)
		}
	}
	for _, u := range p.users {
		if got := accounts[u].unread; got != totals[u] {
			f.report(wrongInboxes, "user %d is told %+v; it should be %+v", u.number, got, totals[u])
		}
	}
}

func (l *ledger) present() (n int) {
	for _, m := range l.members {
		if m.present() {
			n++
		}
	}
	return n
}

// mentioned returns the seqs of the messages that mention each user. Where it
// is not known what became of a message, history is believed.
func (l *ledger) mentioned(history []stored) map[domain.ID][]int64 {
	seqs := map[domain.ID][]int64{}
	for _, m := range history {
		var users []domain.ID
		if did := l.changed[m.id]; did != nil && !did.deletedPerhaps {
			if !did.deleted {
				users = did.mentions()
			}
		} else if m.shown != nil {
			users = m.shown.mentions
		}
		for _, u := range users {
			seqs[u] = append(seqs[u], m.seq)
		}
	}
	return seqs
}

// judgeEntry compares a conversation in a user's inbox with what it should say,
// and returns what is unread of it.
func judgeEntry(c *conversation, m *member, role string, history []stored, mentions []int64, e *entryOf, f *faults) (u unread) {
	if e == nil || role == "" {
		if (e == nil) != (role == "") {
			f.report(wrongMembers, "%s is in the inbox of user %d: %t", c.idText, m.user.number, e != nil)
		}
		return u
	}
	read := m.readSeq(c, history, e.ReadSeq)
	for _, h := range history {
		if h.seq > read {
			u.UnreadCount++
		}
	}
	for _, seq := range mentions {
		if seq > read {
			u.UnreadMentions++
		}
	}
	wrong := func(what string, got, want int64) {
		if got != want {
			f.report(wrongInboxes, "user %d, %s: %s is %d; it should be %d", m.user.number, c.idText, what, got, want)
		}
	}
	wrong("read_seq", e.ReadSeq, read)
	wrong("unread_count", e.UnreadCount, u.UnreadCount)
	wrong("unread_mentions", e.UnreadMentions, u.UnreadMentions)
	wrong("last_seq", e.LastSeq, c.head)
	if n := len(history); n > 0 && (e.LastMessage == nil || e.LastMessage.ID != history[n-1].id) {
		f.report(wrongInboxes, "user %d, %s: last_message is not %s", m.user.number, c.idText, history[n-1].id)
	}
	if e.Role != role || e.MemberCount != c.ledger.present() {
		f.report(wrongMembers, "user %d, %s: role %q and member_count %d; it should be %q and %d",
			m.user.number, c.idText, e.Role, e.MemberCount, role, c.ledger.present())
	}
	return u
}

// readSeq is up to where a member has read: his last marker or message, or
// where he joined. told is what the server says, which counts where it may.
func (m *member) readSeq(c *conversation, history []stored, told int64) int64 {
	read := max(m.wrote, m.read, m.joinedLast())
	if told <= read {
		return read
	}
	perhapsSent := m.sentPerhaps && slices.ContainsFunc(history, func(h stored) bool { return h.seq == told })
	asMade := read == 0 && told <= c.created() // he joined when the group was made
	if perhapsSent || asMade || slices.Contains(m.readPerhaps, told) {
		return told
	}
	return read
}
