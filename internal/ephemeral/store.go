package ephemeral

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"ping/domain"
)

const (
	// Shards is how many shards there are; all nodes have the same.
	Shards = 16
	// TypingLife is for how long one who types is seen typing unless he says so
	// again.
	TypingLife = 6 * time.Second
	// patience is how long a call waits for Redis.
	patience = 500 * time.Millisecond
)

// ErrUnavailable says that Redis does not answer. Whether the call had an
// effect is not known.
var ErrUnavailable = &domain.Error{Kind: domain.Unavailable, Code: "ephemeral_unavailable",
	Message: "Stealth messages, typing and presence are away for the moment; messages are not affected. Try again with the same Idempotency-Key."}

// Store is the lane, in Redis. It is safe for concurrent use.
type Store struct {
	rdb    redis.UniversalClient
	secret []byte
	logger *slog.Logger
	outage *outage
}

// New makes a store in Redis 7 or newer, alone or a cluster. The secret, which
// all nodes share, keeps what is left of a message from being guessed by who
// can read Redis.
func New(rdb redis.UniversalClient, secret string, logger *slog.Logger) *Store {
	_, cluster := rdb.(*redis.ClusterClient)
	return &Store{rdb: rdb, secret: []byte(secret), logger: logger, outage: newOutage(cluster, logger)}
}

//go:embed lua/post.lua
var postLua string

//go:embed lua/withdraw.lua
var withdrawLua string

//go:embed lua/alive.lua
var aliveLua string

//go:embed lua/expire.lua
var expireLua string

//go:embed lua/presence.lua
var presenceLua string

//go:embed lua/beat.lua
var beatLua string

//go:embed lua/look.lua
var lookLua string

//go:embed lua/due.lua
var dueLua string

//go:embed lua/tell.lua
var tellLua string

//go:embed lua/forget.lua
var forgetLua string

var (
	postScript     = redis.NewScript(postLua)
	withdrawScript = redis.NewScript(withdrawLua)
	aliveScript    = redis.NewScript(aliveLua)
	expireScript   = redis.NewScript(expireLua)
	beatScript     = redis.NewScript(presenceLua + beatLua)
	lookScript     = redis.NewScript(presenceLua + lookLua)
	dueScript      = redis.NewScript(dueLua)
	tellScript     = redis.NewScript(presenceLua + tellLua)
	forgetScript   = redis.NewScript(forgetLua)
)

// ShardOf chooses the shard of a conversation or a user. The last byte of an
// id is random, or of a hash.
func ShardOf(id domain.ID) int { return int(id[len(id)-1]) % Shards }

// slot is what the names of a shard's keys begin with; the channel is just it.
func slot(shard int) string { return fmt.Sprintf("ping:{e%02d}", shard) }

// Away reports whether Redis, or a part of a cluster, did not answer the last
// time.
func (s *Store) Away() bool { return s.outage.here() }

// run runs a script of a shard.
func (s *Store) run(ctx context.Context, shard int, script *redis.Script, keys []string, args ...any) (any, error) {
	return call(s, ctx, shard, func(ctx context.Context) (any, error) { return script.Run(ctx, s.rdb, keys, args...).Result() })
}

// call asks Redis for something of a shard, for as long as patience lasts.
func call[T any](s *Store, ctx context.Context, shard int, ask func(ctx context.Context) (T, error)) (answer T, err error) {
	if !s.outage.mayAsk(shard) {
		return answer, ErrUnavailable
	}
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer, err = ask(bounded)
	switch {
	case err == nil:
		s.outage.answered(shard)
		return answer, nil
	case ctx.Err() != nil:
		return answer, ctx.Err() // the caller's own end says nothing about Redis
	}
	if refused, full := refusal(err); refused {
		s.outage.answered(shard)
		if full {
			return answer, ErrUnavailable
		}
		return answer, fmt.Errorf("ask redis: %w", err)
	}
	s.outage.failed(shard, err)
	return answer, ErrUnavailable
}

// refusal reports whether Redis is there and refuses this one call, and whether
// that is because it is full: it may take the next.
func refusal(err error) (refused, full bool) {
	var reply redis.Error
	if !errors.As(err, &reply) {
		return false, false
	}
	kind, _, _ := strings.Cut(reply.Error(), " ")
	return kind == "OOM" || kind == "ERR" || kind == "WRONGTYPE", kind == "OOM"
}

// Typing tells the members of a conversation that one of them is writing, or
// not any more. Those whom he has blocked are not told.
func (s *Store) Typing(ctx context.Context, conversation, user domain.ID, on bool, blocked []domain.ID) error {
	frame := TypingFrame{Type: "typing", ConversationID: conversation, UserID: user, On: on}
	if on {
		frame.ExpiresInMS = TypingLife.Milliseconds()
	}
	m := Message{Kind: KindTyping, From: user, Conversations: []domain.ID{conversation}, Except: blocked, Frame: encode(frame)}
	shard := ShardOf(conversation)
	_, err := call(s, ctx, shard, func(ctx context.Context) (int64, error) {
		return s.rdb.SPublish(ctx, slot(shard), m.encode()).Result()
	})
	return err
}
