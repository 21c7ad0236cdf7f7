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

// Lease is a presence lease: a user's state on this node, and the life of the lease.
type Lease struct {
	User  domain.ID
	State State
	Life  time.Duration
}

// RenewLeases renews a node's presence leases for users of a shard. It returns those whose
// published state differs.
func (s *Store) RenewLeases(ctx context.Context, shard int, node string, leases []Lease) (changed []Presence, err error) {
	for some := range slices.Chunk(leases, run) {
		keys := []string{slot(shard) + ":presence:due"}
		args := []any{node, seenFor.Milliseconds()}
		for _, lease := range some {
			keys = append(keys, presenceKey(lease.User))
			args = append(args, lease.User.String(), int(lease.State), lease.Life.Milliseconds())
		}
		got, err := s.run(ctx, shard, presenceRenewScript, keys, args...)
		if err != nil {
			return nil, err
		}
		list, _ := got.([]any)
		for i := 0; i+2 < len(list); i += 3 {
			user, err := domain.ParseID(fmt.Sprint(list[i]))
			if err != nil {
				return nil, fmt.Errorf("renew presence leases: %w", err)
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

// Presence reads the presence of users, in their order.
func (s *Store) Presence(ctx context.Context, users []domain.ID) ([]Presence, error) {
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

// DueUsers returns users of a shard to check: a lease may have expired, or the state was
// not published.
func (s *Store) DueUsers(ctx context.Context, shard int) ([]domain.ID, error) {
	got, err := s.run(ctx, shard, presenceDueScript, []string{slot(shard) + ":presence:due"}, run)
	if err != nil {
		return nil, err
	}
	list, _ := got.([]any)
	users := make([]domain.ID, 0, len(list))
	for _, text := range list {
		user, err := domain.ParseID(fmt.Sprint(text))
		if err != nil {
			return nil, fmt.Errorf("find users with due presence: %w", err)
		}
		users = append(users, user)
	}
	return users, nil
}

// Transition is a change of a user's presence and its audience: the members of
// conversations, except the users that they have blocked.
type Transition struct {
	Presence
	Conversations, Blocked []domain.ID
}

// PublishPresence publishes the presence of users of a shard, unless it has changed meanwhile or
// was published.
func (s *Store) PublishPresence(ctx context.Context, shard int, transitions []Transition) error {
	of := slot(shard)
	for some := range slices.Chunk(transitions, run) {
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
