package oracle

import (
	"math/rand/v2"
	"sync"

	"ping/internal/load/workload"
)

// Outcome is what became of a request.
type Outcome int

// The outcomes.
const (
	Done    Outcome = iota // acknowledged
	Refused                // by a definite answer
	Unknown                // it may have happened
)

// Members are a conversation's members and what they do in it, in a run with a
// mix. The first one is the owner and never leaves.
//
// So that the model is exact, no two actions under way may decide about the
// same thing: a member who leaves does nothing else in the conversation until
// they are back, and has at most one read marker under way.
type Members struct {
	mu  sync.Mutex // also guards Messages: an action reserves a member and a message together
	all []*Member
}

// Member is a user's part in a conversation.
type Member struct {
	User    *workload.User
	acting  int  // actions under way
	absent  bool // left, or about to leave
	marking bool // a read marker is under way

	wrote       int64   // the highest seq of an acknowledged message of theirs
	read        int64   // the highest acknowledged marker
	unknownRead []int64 // markers with an unknown outcome
	unknownSent bool    // a message has an unknown outcome

	leaves, joins               int
	unknownLeaves, unknownJoins int

	spans []span // of the seqs at which they are a member; see follow
}

// newModel begins the model of a conversation.
func newModel(users []*workload.User) (*Members, *Messages) {
	m := &Members{}
	for _, u := range users {
		m.all = append(m.all, &Member{User: u})
	}
	return m, newMessages(m)
}

// Owner is the member that created the conversation.
func (m *Members) Owner() *Member { return m.all[0] }

// find returns a suitable member, starting anywhere in the list; nil for none.
func (m *Members) find(suits func(*Member) bool) *Member {
	first := rand.IntN(len(m.all))
	for i := range m.all {
		if one := m.all[(first+i)%len(m.all)]; !one.absent && suits(one) {
			return one
		}
	}
	return nil
}

// Acquire returns a present member, who stays until they are released.
func (m *Members) Acquire() *Member {
	m.mu.Lock()
	defer m.mu.Unlock()
	one := m.find(func(*Member) bool { return true })
	one.acting++
	return one
}

// Release ends what Acquire began.
func (m *Members) Release(one *Member) {
	m.mu.Lock()
	one.acting--
	m.mu.Unlock()
}

// Other returns a member to mention, who may leave at any moment; nil for none.
func (m *Members) Other(than *Member) *Member {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.find(func(one *Member) bool { return one != than })
}

// SentUnknown notes that a message of a member has an unknown outcome.
func (m *Members) SentUnknown(by *Member) {
	m.mu.Lock()
	by.unknownSent = true
	m.mu.Unlock()
}

// ReserveMarker returns a member without a read marker under way; nil for none.
func (m *Members) ReserveMarker() *Member {
	m.mu.Lock()
	defer m.mu.Unlock()
	one := m.find(func(one *Member) bool { return !one.marking })
	if one != nil {
		one.marking = true
		one.acting++
	}
	return one
}

// Marked settles the read marker of a member that was reserved for it.
func (m *Members) Marked(one *Member, seq int64, o Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	one.marking = false
	one.acting--
	switch o {
	case Done:
		one.read = max(one.read, seq)
	case Unknown:
		one.unknownRead = append(one.unknownRead, seq)
	}
}

// ReserveLeave returns a member who does nothing now, and will not until they
// are back; nil for none.
func (m *Members) ReserveLeave() *Member {
	m.mu.Lock()
	defer m.mu.Unlock()
	one := m.find(func(one *Member) bool { return one != m.Owner() && one.acting == 0 })
	if one != nil {
		one.absent = true
	}
	return one
}

// Left settles the leave of a member that was reserved for it.
func (m *Members) Left(one *Member, o Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch o {
	case Done:
		one.leaves++
	case Refused:
		one.absent = false
	case Unknown:
		one.unknownLeaves++
	}
}

// Joined settles the join of a member who had left.
func (m *Members) Joined(one *Member, o Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch o {
	case Done:
		one.joins++
		one.absent = false
	case Unknown:
		one.unknownJoins++
	}
}
