package clients

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/internal/e2e/harness"
	pingclient "ping/realtime/client"
)

// device is a client of the kind under test, and what it has told its app.
type device struct {
	user *harness.Client
	send func(conversation, body string)
	// typing, presence and start have no effect yet when they return; stop and
	// unsent have, also what came before them.
	typing      func(conversation string, on bool)
	presence    func(state string)
	start, stop func()
	unsent      func() (bodies []string)

	mu        sync.Mutex
	connected int
	views     map[string][]string // by conversation: its events, in the order of delivery
	skipped   map[string]int64    // by conversation: up to where events could not be had
	resumed   int
	resets    int
	ephemeral []string
	ends      []int               // the codes that the client ended with
	queued    map[string][]string // by conversation: what was sent, in order
	settled   map[string]string   // by body: the message's id, or the code of a refusal
	kept      chan []string       // what a driver has told to be unsent
	changed   chan struct{}       // holds something when any of it has changed
}

// startDevice starts a client of the kind under test for a user, and ends it
// with the test.
type startDevice func(t *testing.T, server string, session pingclient.Session, d *device)

func newDevice(user *harness.Client) *device {
	return &device{
		user: user, views: map[string][]string{}, skipped: map[string]int64{}, queued: map[string][]string{}, settled: map[string]string{},
		kept: make(chan []string, 1), changed: make(chan struct{}, 1),
	}
}

// note changes what is known of the device.
func (d *device) note(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// await waits until what is known of the device is so.
func (d *device) await(t *testing.T, what string, so func() bool) {
	t.Helper()
	timeout := time.After(time.Minute)
	for {
		d.mu.Lock()
		done := so()
		d.mu.Unlock()
		if done {
			return
		}
		select {
		case <-d.changed:
		case <-timeout:
			d.mu.Lock()
			defer d.mu.Unlock()
			require.Fail(t, "it never came to this: "+what, "%v", d)
		}
	}
}

func (d *device) handed(conversation string, seq int64, id, event string) {
	d.note(func() { d.views[conversation] = append(d.views[conversation], fmt.Sprint(seq, " ", event, " ", id)) })
}

// say sends a message that no other has the body of.
func (d *device) say(conversation string) {
	d.mu.Lock()
	body := fmt.Sprintf("%s says %d", d.user.ID, len(d.queued[conversation]))
	body += " in " + conversation
	d.queued[conversation] = append(d.queued[conversation], body)
	d.mu.Unlock()
	d.send(conversation, body)
}

// awaitSettled waits until all that was sent was answered.
func (d *device) awaitSettled(t *testing.T) {
	t.Helper()
	d.await(t, "all is sent", func() bool {
		sum := 0
		for _, bodies := range d.queued {
			sum += len(bodies)
		}
		return len(d.settled) == sum
	})
}

// requireSent checks that what a device sent to a conversation is there once
// and in order, but for what was refused.
func (d *device) requireSent(t *testing.T, conversation string, events []entry) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	ids := map[string]string{}
	var found []string
	for _, e := range events {
		if e.Event == "message.sent" && e.ActorID == d.user.ID {
			found = append(found, e.Data.Body)
			ids[e.Data.Body] = e.ID
		}
	}
	var expected []string
	for _, body := range d.queued[conversation] {
		// A message whose answer was lost is refused when its sender was removed
		// before it came again, and is there all the same.
		if d.settled[body] != "conversation_not_found" {
			require.Equal(t, ids[body], d.settled[body])
			expected = append(expected, body)
		} else if ids[body] != "" {
			expected = append(expected, body)
		}
	}
	require.Equal(t, expected, found)
}
