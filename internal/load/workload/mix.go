package workload

import (
	"math/rand/v2"
	"sync/atomic"
)

// The mixes of a generated load.
const (
	MixSends     = "sends"     // messages only
	MixRealistic = "realistic" // what members of a busy group do, see realistic
)

// Action is something that members do in a group.
type Action int

// The actions of a mix.
const (
	Send Action = iota
	Reply
	Mention
	React
	Unreact
	Read
	Edit
	Delete
	Leave
	Join // by the owner, after a leave
	Pin
	Unpin
	Actions // how many there are
)

var actionNames = [Actions]string{
	"send", "reply", "mention", "react", "unreact", "read", "edit", "delete", "leave", "join", "pin", "unpin",
}

func (a Action) String() string { return actionNames[a] }

// realistic is how often each action comes in 1,000. A leave is followed by a
// join; a pin becomes an unpin when the message is pinned.
var realistic = [...]struct {
	action Action
	times  int
}{
	{Send, 525}, {Reply, 175}, {React, 120}, {Read, 100}, {Edit, 30},
	{Unreact, 20}, {Delete, 10}, {Leave, 10}, {Pin, 5}, {Mention, 5},
}

// Deck deals the actions of the realistic mix in an order that is the same in
// every run, so that each thousand has the proportions. It is safe for
// concurrent use.
type Deck struct {
	actions []Action
	drawn   atomic.Int64
}

// NewDeck returns a deck from which nothing was drawn.
func NewDeck() *Deck {
	d := &Deck{}
	for _, r := range realistic {
		for range r.times {
			d.actions = append(d.actions, r.action)
		}
	}
	order := rand.New(rand.NewPCG(1, 2))
	order.Shuffle(len(d.actions), func(i, j int) { d.actions[i], d.actions[j] = d.actions[j], d.actions[i] })
	return d
}

// Draw returns the next action; after the last the deck begins again.
func (d *Deck) Draw() Action { return d.actions[int(d.drawn.Add(1)-1)%len(d.actions)] }

// Emojis are what members react with; some consist of several code points.
var Emojis = [...]string{"👍", "❤️", "😂", "🎉", "👍🏽", "👨‍👩‍👧"}
