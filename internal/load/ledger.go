package load

import (
	"math/rand/v2"
	"slices"
	"sync"

	"ping/domain"
)

// ledger is what the tool did in a conversation beside sending, of a run with
// a mix: the model that the server's read models are compared with.
//
// So that it is exact, no two actions under way may decide about one thing. A
// member acts once at a time on one message, and a message is deleted when
// nobody acts on it and nobody does afterwards; who leaves does nothing else in
// the conversation until he is back. What ended without a definite answer is
// kept as a possibility, and nobody acts on that message any more.
type ledger struct {
	mu      sync.Mutex
	members []*member
	recent  []*message // the last ones that are acted on, oldest first
	pinned  []*message // also long ago
	pins    int        // how often something was to be pinned or unpinned
	// changed are the messages that are not just as they were sent. Of the
	// others there are only the acks.
	changed map[domain.ID]*message
}

// member is someone's part in a conversation.
type member struct {
	user    *user
	acting  int  // actions under way
	away    bool // left, or about to
	marking bool // a read marker is under way

	wrote       int64   // the greatest seq of his acknowledged messages
	read        int64   // the greatest acknowledged marker
	readPerhaps []int64 // markers whose outcome is not known
	sentPerhaps bool    // so is that of a message

	leaves, joins               int
	leavesPerhaps, joinsPerhaps int

	spans []span // of the seqs at which he is a member; see follow
}

// message is an acknowledged message, as later actions have left it.
type message struct {
	id      domain.ID
	seq     int64
	author  *member
	replyTo domain.ID
	mention *member   // whom its body names; nil for nobody
	acting  []*member // whose actions on it are under way

	edit           uint64 // the digest with the last body; 0 when it was not edited
	editPerhaps    uint64
	deleted        bool
	deletedPerhaps bool
	pinned         bool
	pinPerhaps     bool
	reactions      []reaction
}

// reaction is a member's on a message.
type reaction struct {
	by      *member
	emoji   int  // index into emojis
	perhaps bool // it may be there or not
}

// maxRecent is how many messages of a conversation are acted on: the last ones.
const maxRecent = 32

func newLedger(users []*user) *ledger {
	l := &ledger{changed: map[domain.ID]*message{}}
	for _, u := range users {
		l.members = append(l.members, &member{user: u})
	}
	return l
}

// owner never leaves.
func (l *ledger) owner() *member { return l.members[0] }

// find returns a member that suits, from anywhere in the list; nil for none.
func (l *ledger) find(suits func(*member) bool) *member {
	first := rand.IntN(len(l.members))
	for i := range l.members {
		if m := l.members[(first+i)%len(l.members)]; !m.away && suits(m) {
			return m
		}
	}
	return nil
}

// anyone returns a member who is there, and stays until he is released.
func (l *ledger) anyone() *member {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.find(func(*member) bool { return true })
	m.acting++
	return m
}

// other returns a member to mention, who may leave at any moment.
func (l *ledger) other(than *member) *member {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.find(func(m *member) bool { return m != than })
}

func (l *ledger) released(m *member) {
	l.mu.Lock()
	m.acting--
	l.mu.Unlock()
}

// marker returns a member who has no read marker under way.
func (l *ledger) marker() *member {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.find(func(m *member) bool { return !m.marking })
	if m != nil {
		m.marking = true
		m.acting++
	}
	return m
}

func (l *ledger) marked(m *member, seq int64, o outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m.marking = false
	m.acting--
	switch o {
	case done:
		m.read = max(m.read, seq)
	case unknown:
		m.readPerhaps = append(m.readPerhaps, seq)
	}
}

// leaver returns a member who does nothing now, and will not until he is back.
func (l *ledger) leaver() *member {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.find(func(m *member) bool { return m != l.owner() && m.acting == 0 })
	if m != nil {
		m.away = true
	}
	return m
}

func (l *ledger) left(m *member, o outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch o {
	case done:
		m.leaves++
	case refused:
		m.away = false
	case unknown:
		m.leavesPerhaps++
	}
}

func (l *ledger) joined(m *member, o outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch o {
	case done:
		m.joins++
		m.away = false
	case unknown:
		m.joinsPerhaps++
	}
}

// sent makes an acknowledged message one of the recent.
func (l *ledger) sent(m *message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m.author.wrote = max(m.author.wrote, m.seq)
	l.keep(m)
	if len(l.recent) == maxRecent {
		l.recent = slices.Delete(l.recent, 0, 1)
	}
	l.recent = append(l.recent, m)
}

func (l *ledger) perhapsSent(by *member) {
	l.mu.Lock()
	by.sentPerhaps = true
	l.mu.Unlock()
}

// plain reports whether a message is as it was sent, and mentions nobody.
func (m *message) plain() bool {
	return m.mention == nil && m.edit == 0 && m.editPerhaps == 0 && !m.deleted && !m.deletedPerhaps &&
		!m.pinned && !m.pinPerhaps && len(m.reactions) == 0
}

// keep remembers a message for the verdict if there is anything to remember.
func (l *ledger) keep(m *message) {
	if m.plain() {
		delete(l.changed, m.id)
	} else {
		l.changed[m.id] = m
	}
}

// retire takes a message off those that are acted on.
func (l *ledger) retire(m *message) {
	l.recent, l.pinned = without(l.recent, m), without(l.pinned, m)
}

func without(list []*message, m *message) []*message {
	if i := slices.Index(list, m); i >= 0 {
		list = slices.Delete(list, i, i+1)
	}
	return list
}

// parent returns a recent message's id, to be answered; zero for none.
func (l *ledger) parent() domain.ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.recent) == 0 {
		return domain.ID{}
	}
	return l.recent[rand.IntN(len(l.recent))].id
}

// claim finds a message in a list that someone may act on, who is chosen by
// suits, and makes his action the only one of his on it; nil for none.
func claim(list []*message, suits func(*message) *member) (*message, *member) {
	if len(list) == 0 {
		return nil, nil
	}
	first := rand.IntN(len(list))
	for i := range list {
		m := list[(first+i)%len(list)]
		if by := suits(m); by != nil && !by.away && !slices.Contains(m.acting, by) {
			m.acting = append(m.acting, by)
			by.acting++
			return m, by
		}
	}
	return nil, nil
}

// ended ends an action on a message, after which it may be another.
func (l *ledger) ended(m *message, by *member, o outcome) {
	i := slices.Index(m.acting, by)
	m.acting = slices.Delete(m.acting, i, i+1)
	by.acting--
	if o == unknown {
		l.retire(m)
	}
	l.keep(m)
}
