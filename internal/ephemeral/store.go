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
	// Shards is the number of shards, the same on all nodes.
	Shards = 16
	// TypingLife is how long a user is shown as typing after the last typing frame.
	TypingLife = 6 * time.Second
	// patience is how long a call waits for Redis.
	patience = 500 * time.Millisecond
)

// ErrUnavailable says that Redis does not answer. The outcome of the call is
// unknown.
var ErrUnavailable = &domain.Error{Kind: domain.Unavailable, Code: "ephemeral_unavailable",
	Message: "Stealth messages, typing and presence are temporarily unavailable; messages are not affected. Retry with the same Idempotency-Key."}

// Store is the ephemeral store. It is safe for concurrent use.
type Store struct {
	rdb    redis.UniversalClient
	secret []byte
	logger *slog.Logger
	outage *outage
}

// New makes a store in Redis 7 or newer, a single server or a cluster. The secret,
// which all nodes share, prevents readers of Redis from guessing texts by their
// hashes.
func New(rdb redis.UniversalClient, secret string, logger *slog.Logger) *Store {
	_, cluster := rdb.(*redis.ClusterClient)
	return &Store{rdb: rdb, secret: []byte(secret), logger: logger, outage: newOutage(cluster, logger)}
}

//go:embed lua/stealth_post.lua
var stealthPostLua string

//go:embed lua/stealth_withdraw.lua
var stealthWithdrawLua string

//go:embed lua/stealth_list.lua
var stealthListLua string

//go:embed lua/stealth_expire.lua
var stealthExpireLua string

//go:embed lua/presence.lua
var presenceLua string

//go:embed lua/presence_renew.lua
var presenceRenewLua string

//go:embed lua/presence_get.lua
var presenceGetLua string

//go:embed lua/presence_due.lua
var presenceDueLua string

//go:embed lua/presence_publish.lua
var presencePublishLua string

//go:embed lua/presence_forget.lua
var presenceForgetLua string

var (
	stealthPostScript     = redis.NewScript(stealthPostLua)
	stealthWithdrawScript = redis.NewScript(stealthWithdrawLua)
	stealthListScript     = redis.NewScript(stealthListLua)
	stealthExpireScript   = redis.NewScript(stealthExpireLua)
	presenceRenewScript   = redis.NewScript(presenceLua + presenceRenewLua)
	presenceGetScript     = redis.NewScript(presenceLua + presenceGetLua)
	presenceDueScript     = redis.NewScript(presenceDueLua)
	presencePublishScript = redis.NewScript(presenceLua + presencePublishLua)
	presenceForgetScript  = redis.NewScript(presenceForgetLua)
)

// ShardOf returns the shard of a conversation or a user. The last byte of an id is
// random or part of a hash.
func ShardOf(id domain.ID) int { return int(id[len(id)-1]) % Shards }

// slot is the prefix of a shard's keys, and the name of its channel.
func slot(shard int) string { return fmt.Sprintf("ping:{e%02d}", shard) }

// Away reports whether Redis, or a part of a cluster, is unavailable.
func (s *Store) Away() bool { return s.outage.here() }

// run runs a script of a shard.
func (s *Store) run(ctx context.Context, shard int, script *redis.Script, keys []string, args ...any) (any, error) {
	return call(s, ctx, shard, func(ctx context.Context) (any, error) { return script.Run(ctx, s.rdb, keys, args...).Result() })
}

// call sends a command for a shard to Redis, with the timeout patience.
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
		return answer, ctx.Err() // the caller's cancellation says nothing about Redis
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

// refusal reports whether Redis answered and refused this call, and whether it did
// because its memory is full.
func refusal(err error) (refused, full bool) {
	var reply redis.Error
	if !errors.As(err, &reply) {
		return false, false
	}
	kind, _, _ := strings.Cut(reply.Error(), " ")
	return kind == "OOM" || kind == "ERR" || kind == "WRONGTYPE", kind == "OOM"
}

// Typing publishes to the members of a conversation that one of them is typing or
// stopped, except to the users that they have blocked.
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
