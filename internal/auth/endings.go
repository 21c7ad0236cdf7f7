package auth

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"ping/domain"
)

// endingsChannel carries the ids of sessions as they end.
const endingsChannel = "ping:session-ended"

// Endings tell every node when a session ends, so that its sockets close at
// once. They are a courtesy and not the guard: a node that misses one still
// refuses the session when its access token expires.
type Endings struct{ rdb redis.UniversalClient }

// NewEndings tells and hears over Redis.
func NewEndings(rdb redis.UniversalClient) *Endings { return &Endings{rdb: rdb} }

// Tell says that a session has ended.
func (e *Endings) Tell(ctx context.Context, session domain.ID) error {
	if err := e.rdb.Publish(ctx, endingsChannel, session.String()).Err(); err != nil {
		return fmt.Errorf("tell that a session ended: %w", err)
	}
	return nil
}

// Listen calls ended for each session that ends, until ctx does. A lost
// connection to Redis is made anew; what is said meanwhile is missed. ready,
// when not nil, is closed once the subscription stands.
func (e *Endings) Listen(ctx context.Context, ready chan<- struct{}, ended func(session domain.ID)) {
	sub := e.rdb.Subscribe(ctx, endingsChannel)
	defer sub.Close()
	if _, err := sub.Receive(ctx); err == nil && ready != nil {
		close(ready)
	}
	messages := sub.Channel()
	for {
		select {
		case <-ctx.Done():
			return
		case m, ok := <-messages:
			if !ok {
				return
			}
			if session, err := domain.ParseID(m.Payload); err == nil {
				ended(session)
			}
		}
	}
}
