package oracle

import (
	"slices"

	"ping/domain"
	"ping/internal/load/workload"
)

// judgeMessage compares a message in history with how it was sent and with the
// actions on it.
func (v *historyVerdict) judgeMessage(a Ack, m Stored) {
	want, has := v.Messages.changed[a.ID], m.Shown
	if want == nil {
		want = &Message{}
	}
	if has == nil {
		has = &Shown{}
	}
	what := v.name(m.ID, m.Seq)
	switch {
	case has.Deleted && !want.deleted && !want.unknownDeleted:
		v.faults.Report(WrongDeletions, "%s is a tombstone, but was not deleted", what)
	case want.deleted && !has.Deleted:
		v.faults.Report(WrongDeletions, "%s was deleted, but is still there", what)
	case has.Deleted:
		if m.Digest != Digest(want.Author.User.ID, "", want.ReplyTo) || has.Edited || has.Pinned || len(has.Mentions)+len(has.Reactions) > 0 {
			v.faults.Report(WrongDeletions, "%s was deleted, but part of it is still there", what)
		}
	default:
		v.judgeBody(want, a, m, has, what)
		if has.Pinned != want.pinned && !want.unknownPin {
			v.faults.Report(WrongPins, "%s is pinned: %t; it should be %t", what, has.Pinned, want.pinned)
		}
		if !slices.Equal(has.Mentions, want.mentions()) {
			v.faults.Report(WrongMentions, "%s mentions %d users; it should mention %d, or other ones", what, len(has.Mentions), len(want.mentions()))
		}
		if !want.reactionsAre(has.Reactions, v.Members.Owner()) {
			v.faults.Report(WrongReactions, "the reactions on %s are not those that were made", what)
		}
	}
}

// judgeBody compares the body and whether it counts as edited.
func (v *historyVerdict) judgeBody(want *Message, a Ack, m Stored, has *Shown, what string) {
	digest, edited := a.Digest, want.edit != 0
	if edited {
		digest = want.edit
	}
	switch {
	case m.Digest == digest && has.Edited == edited:
	case want.unknownEdit != 0 && m.Digest == want.unknownEdit && has.Edited:
	case edited || has.Edited:
		v.faults.Report(WrongEdits, "%s is not as it was last edited", what)
	default:
		v.faults.Report(Altered, "body, author or reply_to of %s is not as sent", what)
	}
}

// mentions are the users that a message mentions: the one that its body names,
// if they were a member then.
func (m *Message) mentions() []domain.ID {
	if m.Mention == nil || !m.Mention.wasMember(m.Seq) {
		return nil
	}
	return []domain.ID{m.Mention.User.ID}
}

// reactionsAre compares the reactions that a reader is shown with those made.
func (m *Message) reactionsAre(all []ShownReaction, reader *Member) bool {
	for i, emoji := range workload.Emojis {
		sure, possible, mine, unknownMine := 0, 0, false, false
		for _, r := range m.reactions {
			if r.emoji != i {
				continue
			}
			possible++
			if !r.unknown {
				sure++
			}
			if r.by == reader {
				mine, unknownMine = !r.unknown, r.unknown
			}
		}
		var has ShownReaction
		if at := slices.IndexFunc(all, func(r ShownReaction) bool { return r.Emoji == emoji }); at >= 0 {
			has = all[at]
			all = slices.Delete(slices.Clone(all), at, at+1)
			if has.Count < 1 {
				return false
			}
		}
		if has.Count < sure || has.Count > possible || has.Mine != mine && !unknownMine {
			return false
		}
	}
	return len(all) == 0 // no emoji twice, and no other one
}
