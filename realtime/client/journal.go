package client

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// journal is what the client has received so far, over all its connections.
type journal struct {
	user     string               // the client's user
	epoch    int                  // of the log that the positions belong to
	at       map[string]string    // partition to last position, "7" to "7:1042"
	progress map[string]*progress // by conversation, and by the user's id for their own stream
}

// progress is what was received of a conversation.
type progress struct {
	last int64 // version of the last event that was delivered or skipped
	// removed is set while the user is not a member. What happens until they are
	// added is not theirs to see, so a jump of versions up to there is no gap.
	removed bool
	gaps    []span // what the server does not replay and was not read yet, in order
}

// span is a range of versions; both ends belong to it.
type span struct{ from, to int64 }

func newJournal() *journal {
	return &journal{at: map[string]string{}, progress: map[string]*progress{}}
}

// resumePoint returns the `at` of a resume; it is empty for a new client.
func (j *journal) resumePoint() []string { return slices.AppendSeq([]string{}, maps.Values(j.at)) }

// advance moves the resume point.
func (j *journal) advance(at ...string) {
	for _, position := range at {
		partition, _, _ := strings.Cut(position, ":")
		j.at[partition] = position
	}
}

// begin starts conversations that are not known yet at their present version:
// earlier events are history.
func (j *journal) begin(heads []head) {
	for _, h := range heads {
		if j.progress[h.ID] == nil {
			j.progress[h.ID] = &progress{last: h.Seq}
		}
	}
}

// addGap notes a gap to be read later. The server sends a gap before the events
// of its partition, including those that precede the gap.
func (j *journal) addGap(stream string, gap span) {
	p := j.progress[stream]
	if p == nil {
		p = &progress{removed: true} // the user was added meanwhile
		j.progress[stream] = p
	}
	p.gaps = append(p.gaps, gap)
	slices.SortFunc(p.gaps, func(a, b span) int { return int(a.from - b.from) })
}

// missing returns the first span that has to be read before the event with the
// version next may be delivered; added says that this event adds the user.
func (p *progress) missing(next int64, added bool) (_ span, found bool) {
	for len(p.gaps) > 0 && p.gaps[0].to <= p.last {
		p.gaps = p.gaps[1:] // it was read, and sent twice
	}
	gap := len(p.gaps) > 0 && p.gaps[0].from < next
	until := next - 1
	if gap {
		until = p.gaps[0].from - 1
	}
	switch {
	case p.last < until && (!p.removed || !gap && !added):
		return span{p.last + 1, until}, true // versions jump
	case gap && p.last < next-1:
		return span{max(p.gaps[0].from, p.last+1), min(p.gaps[0].to, next-1)}, true
	}
	return span{}, false
}

// record notes that an event was delivered.
func (j *journal) record(e *Event) {
	p := j.progress[e.stream()]
	p.last = e.Seq
	switch {
	case j.concerns(e, "member.added"):
		p.removed = false
	case j.concerns(e, "member.removed"):
		p.removed = true
	}
}

// progressOf returns the progress of an event's conversation. One that is not
// known yet starts with this event.
func (j *journal) progressOf(e *Event) *progress {
	p := j.progress[e.stream()]
	if p == nil {
		p = &progress{last: e.Seq - 1}
		j.progress[e.stream()] = p
	}
	return p
}

// concerns reports whether an event has the type kind and names the user.
func (j *journal) concerns(e *Event, kind string) bool {
	if e.Type != kind {
		return false
	}
	var data struct {
		UserID string `json:"user_id"`
	}
	return json.Unmarshal(e.Data, &data) == nil && data.UserID == j.user
}
