package ephemeral

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// listenAgain is the pause before listening is tried again; it doubles up
	// to listenRarely.
	listenAgain  = 250 * time.Millisecond
	listenRarely = 2 * time.Second
	// subscribing bounds the begin of listening.
	subscribing = 3 * time.Second
)

// quiet is how long nothing may be heard before Redis is asked whether it is
// there, and again before it counts as gone. Tests shorten it.
var quiet = 5 * time.Second

// Listen hears what is published, until ctx ends. heard is called with each
// message, in order within a shard and from one goroutine a shard. began is
// called whenever a shard is listened to from now on, the first time too: what
// was published before was not heard. Each shard has a connection of its own,
// because in a cluster each may be on another server.
func (s *Store) Listen(ctx context.Context, heard func(Message), began func()) {
	var shards sync.WaitGroup
	for shard := range Shards {
		shards.Go(func() {
			again := listenAgain
			for ctx.Err() == nil {
				err := s.listen(ctx, slot(shard), heard, func() {
					again = listenAgain
					began()
				})
				if ctx.Err() != nil {
					return
				}
				s.logger.Debug("ephemeral lane is not heard", "shard", shard, "error", err)
				select {
				case <-ctx.Done():
				case <-time.After(again/2 + rand.N(again)): // not all shards of all nodes at once
				}
				again = min(2*again, listenRarely)
			}
		})
	}
	shards.Wait()
}

var errSilent = errors.New("redis is silent")

// listen hears one channel until something fails.
func (s *Store) listen(ctx context.Context, channel string, heard func(Message), began func()) error {
	sub := s.rdb.SSubscribe(ctx)
	defer sub.Close()
	bounded, cancel := context.WithTimeout(ctx, subscribing)
	defer cancel()
	if err := sub.SSubscribe(bounded, channel); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = sub.Close() })() // ends a wait; its error would be that it is closed
	asked := false
	for {
		got, err := sub.ReceiveTimeout(ctx, quiet)
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout() && !asked:
			asked = true
			if err := sub.Ping(ctx); err != nil {
				return err
			}
			continue
		case err != nil && asked:
			return errors.Join(errSilent, err)
		case err != nil:
			return err
		}
		asked = false
		switch got := got.(type) {
		case *redis.Subscription:
			if got.Kind != "ssubscribe" {
				return fmt.Errorf("redis ended the subscription: %s", got.Kind) // its slot moves
			}
			began()
		case *redis.Message:
			if m, err := decode(got.Payload); err == nil {
				heard(m)
			} else {
				s.logger.Warn("ephemeral message is unreadable", "error", err)
			}
		}
	}
}
