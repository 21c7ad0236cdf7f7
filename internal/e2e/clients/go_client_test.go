package clients

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	pingclient "ping/realtime/client"
)

// startGoClient starts the Go client.
func startGoClient(t *testing.T, server string, session pingclient.Session, d *device) {
	c := pingclient.New(server, session, pingclient.Handler{
		Event: func(e pingclient.Event) {
			if e.ConversationID != "" {
				d.handed(e.ConversationID, e.Seq, e.ID, e.Type)
			}
		},
		State: func(s pingclient.State, _ error) {
			switch s {
			case pingclient.Connected:
				d.note(func() { d.connected++ })
			case pingclient.Resumed:
				d.note(func() { d.resumed++ })
			}
		},
		Reset:     func() { d.note(func() { d.resets++ }) },
		Skipped:   func(id string, _, to int64) { d.note(func() { d.skipped[id] = to }) },
		Ephemeral: func(e pingclient.Ephemeral) { d.note(func() { d.ephemeral = append(d.ephemeral, toldOf(e)) }) },
	}, pingclient.Config{MinBackoff: 5 * time.Millisecond, MaxBackoff: 200 * time.Millisecond})
	var running, settling sync.WaitGroup
	d.start = func() {
		ctx, cancel := context.WithCancel(context.Background())
		running.Go(func() {
			var ended *pingclient.Ended
			if errors.As(c.Run(ctx), &ended) {
				d.note(func() { d.ends = append(d.ends, ended.Code) })
			}
		})
		d.stop = func() {
			cancel()
			running.Wait()
		}
	}
	d.start()
	over := make(chan struct{})
	t.Cleanup(func() {
		d.stop()
		close(over)
		settling.Wait()
	})
	d.typing, d.presence = c.Typing, c.Presence
	d.unsent = func() (bodies []string) {
		for _, draft := range c.Unsent() {
			bodies = append(bodies, draft.Body)
		}
		return bodies
	}
	d.send = func(conversation, body string) {
		sending := c.Send(pingclient.Draft{ConversationID: conversation, Body: body})
		settling.Go(func() {
			select {
			case <-sending.Done():
			case <-over:
				return
			}
			message, err := sending.Result()
			outcome := message.ID
			var refused *pingclient.Refusal
			if errors.As(err, &refused) {
				outcome = refused.Code
			}
			d.note(func() { d.settled[body] = outcome })
		})
	}
}

func TestGoClient(t *testing.T) { testClients(t, startGoClient) }
