package ephemeral

import (
	"context"
	"fmt"
	"slices"
	"time"

	"ping/domain"
)

const (
	// seenFor is how long the time when a user was last seen is kept.
	seenFor = 30 * 24 * time.Hour
	// run bounds the users per script, which blocks Redis for a millisecond or two.
	run = 100
)

// Word is a presence lease: a user's state on this node, and the life of the lease.
type Word struct {
	User  domain.ID
	State State
	Life  time.Duration
}

// Beat renews a node's presence leases for users of a shard. It returns those whose
// published state differs.
func (s *Store) Beat(ctx context.Context, shard int, node string, words []Word) (changed []Presence, err error) {
	for some := range slices.Chunk(words, run) {
		keys := []string{slot(shard) + ":presence:due"}
		args := []any{node, seenFor.Milliseconds()}
		for _, w := range some {
			keys = append(keys, presenceKey(w.User))
			args = append(args, w.User.String(), int(w.State), w.Life.Milliseconds())
		}
		got, err := s.run(ctx, shard, presenceRenewScript, keys, args...)
		if err != nil {
			return nil, err
		}
		list, _ := got.([]any)
		for i := 0; i+2 < len(list); i += 3 {
			user, err := domain.ParseID(fmt.Sprint(list[i]))
			if err != nil {
				return nil, fmt.Errorf("say who is there: %w", err)
			}
			changed = append(changed, presence(user, list[i+1], list[i+2]))
		}
	}
	return changed, nil
}

// presence reads a state and a time as scripts return them.
func presence(user domain.ID, state, seen any) Presence {
	p := Presence{UserID: user}
	if n, ok := state.(int64); ok && n >= 0 && n <= int64(Online) {
		p.State = State(n)
	}
	if ms, ok := seen.(int64); ok && ms > 0 && p.State == Offline {
		at := time.UnixMilli(ms).UTC()
		p.LastSeen = &at
	}
	return p
}

// ByShard groups users, or data of users, by shard.
func ByShard[T any](all []T, user func(T) domain.ID) (shards [Shards][]T) {
	for _, one := range all {
		shard := ShardOf(user(one))
		shards[shard] = append(shards[shard], one)
	}
	return shards
}

// Look reads the presence of users, in their order.
func (s *Store) Look(ctx context.Context, users []domain.ID) ([]Presence, error) {
	byUser := make(map[domain.ID]Presence, len(users))
	for shard, of := range ByShard(users, func(id domain.ID) domain.ID { return id }) {
		if len(of) == 0 {
			continue
		}
		keys := make([]string, len(of))
		for i, user := range of {
			keys[i] = presenceKey(user)
		}
		got, err := s.run(ctx, shard, presenceGetScript, keys)
		if err != nil {
			return nil, err
		}
		list, _ := got.([]any)
		for i, user := range of {
			if 3*i+2 < len(list) {
				byUser[user] = presence(user, list[3*i], list[3*i+1])
			}
		}
	}
	found := make([]Presence, len(users))
	for i, user := range users {
		found[i] = byUser[user]
	}
	return found, nil
}

// Due returns users of a shard to check: a lease may have expired, or the state was
// not published.
func (s *Store) Due(ctx context.Context, shard int) ([]domain.ID, error) {
	got, err := s.run(ctx, shard, presenceDueScript, []string{slot(shard) + ":presence:due"}, run)
	if err != nil {
		return nil, err
	}
	list, _ := got.([]any)
	users := make([]domain.ID, 0, len(list))
	for _, text := range list {
		user, err := domain.ParseID(fmt.Sprint(text))
		if err != nil {
			return nil, fmt.Errorf("find who is due: %w", err)
		}
		users = append(users, user)
	}
	return users, nil
}

// Sighting is the presence of a user and its audience: the members of
// conversations, except the users that they have blocked.
type Sighting struct {
	Presence
	Conversations, Blocked []domain.ID
}

// Tell publishes the presence of users of a shard, unless it has changed meanwhile or
// was published.
func (s *Store) Tell(ctx context.Context, shard int, seen []Sighting) error {
	of := slot(shard)
	for some := range slices.Chunk(seen, run) {
		keys, args := []string{of + ":presence:due", of}, []any{}
		for _, one := range some {
			m := Message{Kind: KindPresence, From: one.UserID, Conversations: one.Conversations, Except: one.Blocked,
				Frame: encode(PresenceFrame{"presence", one.Presence})}
			keys = append(keys, presenceKey(one.UserID))
			args = append(args, one.UserID.String(), int(one.State), m.encode())
		}
		if _, err := s.run(ctx, shard, presencePublishScript, keys, args...); err != nil {
			return err
		}
	}
	return nil
}

// ForgetPresence deletes when and where a user was seen. If a state other than
// offline was published, a node publishes offline; the rest expires within a
// minute.
func (s *Store) ForgetPresence(ctx context.Context, user domain.ID) error {
	shard := ShardOf(user)
	_, err := s.run(ctx, shard, presenceForgetScript, []string{slot(shard) + ":presence:due", presenceKey(user)}, user.String(), time.Minute.Milliseconds())
	return err
}

func presenceKey(user domain.ID) string {
	return slot(ShardOf(user)) + ":presence:" + user.String()
}
