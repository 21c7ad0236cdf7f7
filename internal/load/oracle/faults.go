package oracle

import (
	"fmt"
	"sync"
)

// Fault is a kind of defect. Each makes the verdict a failure.
type Fault int

// The faults.
const (
	Lost       Fault = iota // acknowledged and not in history, or in history and not on a socket
	Doubled                 // in history or on a socket more than once
	Disordered              // not in the order in which it was sent or recorded
	Gapped                  // a seq without an event
	Altered                 // not as it was sent
	Foreign                 // never sent, or refused, and there nevertheless
	Broken                  // against the protocol

	// Of a run with a mix: not what the acknowledged actions make it.
	WrongEdits
	WrongDeletions
	WrongReactions
	WrongPins
	WrongMentions
	WrongMembers
	WrongInboxes // the read marker or unread counts that a user is shown

	// Of an idle run.
	ClosedIdle // a socket that did nothing was closed

	// Of a run with stealth messages.
	StealthLost    // not on a member's socket
	StealthDoubled // it, or its end, on a socket more than once
	StealthAltered // not as it was sent
	GoneMissing    // a socket was not told of its end, or late
	GoneEarly      // or before it
	Leaked         // it is in history, in the log, or listed after its end
	FaultKinds     // how many there are
)

var faultNames = [FaultKinds]string{
	"lost", "doubled", "out of order", "gaps in seq", "altered", "never sent", "protocol errors",
	"wrong edits", "wrong deletions", "wrong reactions", "wrong pins", "wrong mentions", "wrong members", "wrong inboxes",
	"closed while idle",
	"stealth lost", "stealth doubled", "stealth altered", "stealth_gone missing or late", "stealth_gone early", "stealth kept",
}

func (f Fault) String() string { return faultNames[f] }

// OfMix reports whether only a run with a mix can have the fault.
func (f Fault) OfMix() bool { return f >= WrongEdits && f <= WrongInboxes }

// OfIdle reports whether only an idle run can have the fault.
func (f Fault) OfIdle() bool { return f == ClosedIdle }

// OfStealth reports whether only a run with stealth messages can have the fault.
func (f Fault) OfStealth() bool { return f >= StealthLost }

// maxExamples bounds how many examples per fault are kept.
const maxExamples = 5

// Faults counts defects and keeps the first few as examples. An example names
// ids, never a body. It is safe for concurrent use.
type Faults struct {
	mu       sync.Mutex
	counts   [FaultKinds]int64
	examples [FaultKinds][]string
}

// Report counts a fault; the text is its example.
func (f *Faults) Report(kind Fault, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts[kind]++
	if len(f.examples[kind]) < maxExamples {
		f.examples[kind] = append(f.examples[kind], fmt.Sprintf(format, args...))
	}
}

// Of returns how often a fault was reported, with examples.
func (f *Faults) Of(kind Fault) (count int64, examples []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[kind], f.examples[kind]
}
