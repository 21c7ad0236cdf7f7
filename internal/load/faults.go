package load

import (
	"fmt"
	"sync"
)

// fault is a sort of wrong. Each makes the verdict a failure.
type fault int

const (
	lost       fault = iota // acknowledged and not in history, or in history and not on a socket
	doubled                 // in history or on a socket more than once
	disordered              // not in the order in which it was sent or recorded
	gapped                  // a seq that is no event's
	altered                 // not as it was sent
	foreign                 // never sent, or refused, and there nevertheless
	broken                  // against the protocol

	// Of a run with a mix: not what the acknowledged actions make it.
	wrongEdits
	wrongDeletions
	wrongReactions
	wrongPins
	wrongMentions
	wrongMembers
	wrongInboxes // what a user is told to have read, or to be unread

	// Of an idle run.
	closedIdle // a socket that did nothing was closed

	// Of a run with stealth messages.
	stealthLost    // not on a member's socket
	stealthDoubled // it, or its end, on a socket more than once
	stealthAltered // not as it was sent
	goneMissing    // a socket was not told of its end, or late
	goneEarly      // or before it
	leaked         // it is in history, in the log, or listed after its end
	faultKinds
)

var faultNames = [faultKinds]string{"lost", "doubled", "out of order", "gaps in seq", "altered", "never sent", "protocol errors",
	"wrong edits", "wrong deletions", "wrong reactions", "wrong pins", "wrong mentions", "wrong members", "wrong inboxes",
	"closed while idle", "stealth lost", "stealth doubled", "stealth altered", "stealth_gone missing or late", "stealth_gone early", "stealth kept"}

// ofMix reports whether the fault is one that only a run with a mix can have.
func (f fault) ofMix() bool { return f >= wrongEdits && f <= wrongInboxes }

func (f fault) String() string { return faultNames[f] }

// maxOffenders bounds how many of a sort are named.
const maxOffenders = 5

// faults counts what is wrong and names the first few, by ids, never by what
// was said.
type faults struct {
	mu     sync.Mutex
	counts [faultKinds]int64
	named  [faultKinds][]string
}

func (f *faults) report(kind fault, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts[kind]++
	if len(f.named[kind]) < maxOffenders {
		f.named[kind] = append(f.named[kind], fmt.Sprintf(format, args...))
	}
}

func (f *faults) total() (n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.counts {
		n += c
	}
	return n
}
