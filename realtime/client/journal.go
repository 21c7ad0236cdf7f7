package client

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// journal is how far the client has come, over all its connections.
type journal struct {
	user   string            // whose client it is
	epoch  int               // of the log that the positions are in
	at     map[string]string // partition to the last position, "7" to "7:1042"
	places map[string]*place // by conversation, and the user's own stream by his id
}

// place is how far a conversation has come.
type place struct {
	last int64 // the seq of the last event that was handed on, or is known not to be
	// out is that the user was removed. What happens until he is added again is
	// not his to see, so a jump of seq up to there is no hole.
	out  bool
	gaps []span // what the server will not replay, in order, until it was read
}

// span is a stretch of seqs, both ends within.
type span struct{ from, to int64 }

func newJournal() *journal {
	return &journal{at: map[string]string{}, places: map[string]*place{}}
}

// resumePoint is the `at` of a resume; empty for a client that begins.
func (j *journal) resumePoint() []string { return slices.AppendSeq([]string{}, maps.Values(j.at)) }

// advance moves the resume point.
func (j *journal) advance(at ...string) {
	for _, position := range at {
		partition, _, _ := strings.Cut(position, ":")
		j.at[partition] = position
	}
}

// begin notes where conversations stand that are not known yet: what comes
// before is history.
func (j *journal) begin(heads []head) {
	for _, h := range heads {
		if j.places[h.ID] == nil {
			j.places[h.ID] = &place{last: h.Seq}
		}
	}
}

// tell notes a gap. It is read later: a gap is told before the events of its
// partition, also before those that lie before it.
func (j *journal) tell(stream string, gap span) {
	p := j.places[stream]
	if p == nil {
		p = &place{out: true} // he was added meanwhile
		j.places[stream] = p
	}
	p.gaps = append(p.gaps, gap)
	slices.SortFunc(p.gaps, func(a, b span) int { return int(a.from - b.from) })
}

// missing returns the first stretch that has to be read before the event with
// the seq next may be handed on; added says that it adds the user.
func (p *place) missing(next int64, added bool) (span, bool) {
	for len(p.gaps) > 0 && p.gaps[0].to <= p.last {
		p.gaps = p.gaps[1:] // it was read, and told twice
	}
	told := len(p.gaps) > 0 && p.gaps[0].from < next
	until := next - 1
	if told {
		until = p.gaps[0].from - 1
	}
	switch {
	case p.last < until && !(p.out && (told || added)):
		return span{p.last + 1, until}, true // a hole
	case told && p.last < next-1:
		return span{max(p.gaps[0].from, p.last+1), min(p.gaps[0].to, next-1)}, true
	}
	return span{}, false
}

// note moves the place of an event's conversation to that event.
func (j *journal) note(e *Event) {
	p := j.places[e.stream()]
	p.last = e.Seq
	switch {
	case j.concerns(e, "member.added"):
		p.out = false
	case j.concerns(e, "member.removed"):
		p.out = true
	}
}

// place returns where the conversation of an event stands. One that is not
// known begins with it.
func (j *journal) place(e *Event) *place {
	p := j.places[e.stream()]
	if p == nil {
		p = &place{last: e.Seq - 1}
		j.places[e.stream()] = p
	}
	return p
}

// concerns reports whether an event is of a type and about the user himself.
func (j *journal) concerns(e *Event, kind string) bool {
	if e.Type != kind {
		return false
	}
	var data struct {
		UserID string `json:"user_id"`
	}
	return json.Unmarshal(e.Data, &data) == nil && data.UserID == j.user
}
