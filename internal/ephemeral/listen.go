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
	// minRetry is the delay before the first retry of a subscription; it doubles
	// up to maxRetry.
	minRetry = 250 * time.Millisecond
	maxRetry = 2 * time.Second
	// subscribing bounds the start of a subscription.
	subscribing = 3 * time.Second
)

// quiet is how long a connection may be silent before Redis is pinged, and how long
// the answer may take. Tests shorten it.
var quiet = 5 * time.Second

// Listen receives what is published, until ctx ends. It calls received with each
// message, in order within a shard and from one goroutine per shard. It calls began
// whenever the subscription of a shard starts, including the first time: earlier
// messages were not received. Each shard has its own connection, because in a
// cluster each may be on another server.
func (s *Store) Listen(ctx context.Context, received func(Message), began func()) {
	var shards sync.WaitGroup
	for shard := range Shards {
		shards.Go(func() {
			again := minRetry
			for ctx.Err() == nil {
				err := s.listen(ctx, slot(shard), received, func() {
					again = minRetry
					began()
				})
				if ctx.Err() != nil {
					return
				}
				s.logger.Debug("ephemeral subscription failed; retrying", "shard", shard, "error", err)
				select {
				case <-ctx.Done():
				case <-time.After(again/2 + rand.N(again)): // spreads the retries of shards and nodes
				}
				again = min(2*again, maxRetry)
			}
		})
	}
	shards.Wait()
}

var errSilent = errors.New("redis does not answer a ping")

// listen receives from one channel until an error.
func (s *Store) listen(ctx context.Context, channel string, received func(Message), began func()) error {
	sub := s.rdb.SSubscribe(ctx)
	defer sub.Close()
	bounded, cancel := context.WithTimeout(ctx, subscribing)
	defer cancel()
	if err := sub.SSubscribe(bounded, channel); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = sub.Close() })() // ends a wait; the error would be that it is closed
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
				received(m)
			} else {
				s.logger.Warn("ephemeral message is unreadable", "error", err)
			}
		}
	}
}
