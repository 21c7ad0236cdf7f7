package oracle

import (
	"cmp"
	"slices"

	"ping/domain"
)

// Stored is a message as history holds it.
type Stored struct {
	ID     domain.ID
	Seq    int64
	Digest uint64
	Shown  *Shown // nil for a message that is as it was sent, and mentions nobody
}

// Shown is what history says of a message beyond what was sent.
type Shown struct {
	Edited, Deleted, Pinned bool
	Mentions                []domain.ID
	Reactions               []ShownReaction
}

// ShownReaction is one emoji on a message, as history shows it to a reader.
type ShownReaction struct {
	Emoji string `json:"emoji"`
	Count int    `json:"count"`
	Mine  bool   `json:"mine"`
}

// ReadBack takes the conversation's whole history, in the order in which it was
// read, and reports where that is not newest first.
func (c *Conversation) ReadBack(history []Stored) {
	for i, m := range history {
		if i > 0 && m.Seq >= history[i-1].Seq {
			c.faults.Report(Disordered, "history holds %s after seq %d", c.name(m.ID, m.Seq), history[i-1].Seq)
		}
	}
	slices.SortStableFunc(history, func(a, b Stored) int { return cmp.Compare(a.Seq, b.Seq) })
	c.history = history
}
