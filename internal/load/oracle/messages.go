package oracle

import (
	"math/rand/v2"
	"slices"

	"ping/domain"
)

// Messages is what actions made of a conversation's messages, in a run with a
// mix. A member has at most one action under way per message, and a message is
// deleted when nobody acts on it, nor will afterwards. An action with an
// unknown outcome is kept as a possibility, and ends all actions on its message.
type Messages struct {
	members *Members   // whose lock guards this too
	recent  []*Message // the latest ones, which actions refer to; oldest first
	pinned  []*Message // also old ones
	pins    int        // how often a pin or an unpin was due
	// changed are the messages that are not just as they were sent. The others
	// are known by their acknowledgements alone.
	changed map[domain.ID]*Message
}

// Message is an acknowledged message, as later actions have left it.
type Message struct {
	ID      domain.ID
	Seq     int64
	Author  *Member
	ReplyTo domain.ID
	Mention *Member   // the member that its body names; nil for none
	acting  []*Member // whose actions on it are under way

	edit           uint64 // the digest with the last body; 0 when it was not edited
	unknownEdit    uint64
	deleted        bool
	unknownDeleted bool
	pinned         bool
	unknownPin     bool
	reactions      []reaction
}

// Pinned reports whether the message is pinned. Only the action that has
// reserved it for a pin may ask.
func (m *Message) Pinned() bool { return m.pinned }

// reaction is a member's on a message.
type reaction struct {
	by      *Member
	emoji   int  // index into workload.Emojis
	unknown bool // it may be there or not
}

// maxRecent is how many messages of a conversation actions refer to.
const maxRecent = 32

func newMessages(m *Members) *Messages {
	return &Messages{members: m, changed: map[domain.ID]*Message{}}
}

// Sent makes an acknowledged message one of the recent ones.
func (l *Messages) Sent(m *Message) {
	l.members.mu.Lock()
	defer l.members.mu.Unlock()
	m.Author.wrote = max(m.Author.wrote, m.Seq)
	l.keep(m)
	if len(l.recent) == maxRecent {
		l.recent = slices.Delete(l.recent, 0, 1)
	}
	l.recent = append(l.recent, m)
}

// Parent returns the id of a recent message to reply to; zero for none.
func (l *Messages) Parent() domain.ID {
	l.members.mu.Lock()
	defer l.members.mu.Unlock()
	if len(l.recent) == 0 {
		return domain.ID{}
	}
	return l.recent[rand.IntN(len(l.recent))].ID
}

// plain reports whether a message is as it was sent, and mentions nobody.
func (m *Message) plain() bool {
	return m.Mention == nil && m.edit == 0 && m.unknownEdit == 0 && !m.deleted && !m.unknownDeleted &&
		!m.pinned && !m.unknownPin && len(m.reactions) == 0
}

// keep remembers a message for the verdict if there is anything to remember.
func (l *Messages) keep(m *Message) {
	if m.plain() {
		delete(l.changed, m.ID)
	} else {
		l.changed[m.ID] = m
	}
}

// retire ends all actions on a message.
func (l *Messages) retire(m *Message) {
	l.recent, l.pinned = without(l.recent, m), without(l.pinned, m)
}

func without(list []*Message, m *Message) []*Message {
	if i := slices.Index(list, m); i >= 0 {
		list = slices.Delete(list, i, i+1)
	}
	return list
}

// reserve finds a message in a list on which the member that choose returns may
// act, and makes that the member's only action on it; nil for none.
func reserve(list []*Message, choose func(*Message) *Member) (*Message, *Member) {
	if len(list) == 0 {
		return nil, nil
	}
	first := rand.IntN(len(list))
	for i := range list {
		m := list[(first+i)%len(list)]
		if by := choose(m); by != nil && !by.absent && !slices.Contains(m.acting, by) {
			m.acting = append(m.acting, by)
			by.acting++
			return m, by
		}
	}
	return nil, nil
}

// settle ends an action on a message that was reserved for it.
func (l *Messages) settle(m *Message, by *Member, o Outcome) {
	i := slices.Index(m.acting, by)
	m.acting = slices.Delete(m.acting, i, i+1)
	by.acting--
	if o == Unknown {
		l.retire(m)
	}
	l.keep(m)
}
