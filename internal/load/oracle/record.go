package oracle

import (
	"ping/internal/load/workload"
)

// Record is what is known about a run until it is judged.
type Record struct {
	Faults        *Faults
	Conversations []*Conversation // by their number in the plan
	Sockets       []*Socket

	// unprovoked are what a server may do only while a dependency of it is
	// unavailable: they are faults unless some call failed.
	unprovoked []string
}

// NewRecord begins the record of a plan whose users and conversations have
// their ids. Socket i is of user i modulo their number, and receives what that
// user's conversations hold.
func NewRecord(p *workload.Plan, f *Faults) *Record {
	r := &Record{Faults: f}
	byUser := make([][]*Socket, len(p.Users))
	for i := range p.Sockets() {
		n := i % len(p.Users)
		s := &Socket{User: p.Users[n], record: r, subscriptions: map[string]*Subscription{}}
		byUser[n] = append(byUser[n], s)
		r.Sockets = append(r.Sockets, s)
	}
	for _, c := range p.Conversations {
		record := newConversation(c, f)
		r.Conversations = append(r.Conversations, record)
		for _, u := range c.Members {
			for _, s := range byUser[u.Number] {
				s.subscribe(record)
			}
		}
	}
	return r
}

// ModelActions keeps a model of the actions of a mix from now on.
func (r *Record) ModelActions() {
	for _, c := range r.Conversations {
		c.Members, c.Messages = newModel(c.plan.Members)
	}
}

// ExpectOnlyMessages makes every event but a message a fault, from the making
// of a conversation on. Stealth messages leave none in the log.
func (r *Record) ExpectOnlyMessages() {
	for _, c := range r.Conversations {
		c.messagesOnly = true
	}
}

// Subscriptions is how many pairs of a socket and a conversation there are.
func (r *Record) Subscriptions() (n int64) {
	for _, c := range r.Conversations {
		n += int64(len(c.subscriptions))
	}
	return n
}

// Behind is how many of them have not received all up to their conversation's
// end. It is safe for concurrent use.
func (r *Record) Behind(end func(*Conversation) int64) (n int64) {
	for _, c := range r.Conversations {
		seq := end(c)
		for _, s := range c.subscriptions {
			if s.last.Load() < seq && !s.left.Load() {
				n++
			}
		}
	}
	return n
}

// JudgeUnprovoked reports what a server did that only an unavailable dependency
// explains, unless one was: outages is how many calls of the run failed so.
func (r *Record) JudgeUnprovoked(outages int64) {
	if outages > 0 {
		return
	}
	for _, what := range r.unprovoked {
		r.Faults.Report(Broken, "%s", what)
	}
}
