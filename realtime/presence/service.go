package presence

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"ping/domain"
	"ping/internal/ephemeral"
	"ping/internal/eventlog"
	"ping/internal/wait"
)

const (
	// publishPause collects changes of presence before they are published, so
	// that many are published at once and a short change is not.
	publishPause = 200 * time.Millisecond
	// pollInterval is how often a node looks for leases that have expired.
	pollInterval = time.Second
	// publishTimeout bounds one round of publishing.
	publishTimeout = 5 * time.Second
)

// Config tunes a Service. All fields are required.
type Config struct {
	Heartbeat time.Duration // between two renewals of all leases
	Life      time.Duration // of a lease
	Grace     time.Duration // of the lease of a user whose last socket closed
}

// Service publishes the presence of users.
type Service struct {
	// Local are the users of this node.
	Local *LocalUsers

	log     *eventlog.Log
	pool    *pgxpool.Pool
	store   *ephemeral.Store
	cfg     Config
	sendGap func(user domain.ID)
	logger  *slog.Logger
	leases  *leaseState
}

// New makes a service. node is the name of this node among all. sendGap tells the
// sockets of a user that ephemeral frames were missed.
func New(log *eventlog.Log, pool *pgxpool.Pool, store *ephemeral.Store, node string, cfg Config, sendGap func(user domain.ID), logger *slog.Logger) *Service {
	return &Service{
		Local: NewLocalUsers(), log: log, pool: pool, store: store, cfg: cfg, sendGap: sendGap, logger: logger,
		leases: newLeaseState(node),
	}
}

// RunTransitions publishes what changes on this node, and what changed because a
// lease expired, until ctx ends.
func (s *Service) RunTransitions(ctx context.Context) error {
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-s.Local.woken:
			if wait.Sleep(ctx, publishPause) {
				err = s.publishChanges(ctx)
			}
		case <-poll.C:
			err = s.publishDue(ctx)
		}
		s.logError(ctx, err)
	}
}

// RunHeartbeat renews the leases of all local users until ctx ends: with each
// heartbeat, and when Redis may have lost them (RenewSoon).
func (s *Service) RunHeartbeat(ctx context.Context) error {
	heartbeat := time.NewTicker(s.cfg.Heartbeat)
	defer heartbeat.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-heartbeat.C:
		case <-s.leases.due:
		}
		if err := s.announce(ctx, s.Local.all()); err != nil {
			s.logError(ctx, err)
			time.AfterFunc(pollInterval, s.RenewSoon)
		}
	}
}

// RenewSoon renews all leases before the next heartbeat.
func (s *Service) RenewSoon() {
	select {
	case s.leases.due <- struct{}{}:
	default:
	}
}

func (s *Service) logError(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil && !errors.Is(err, ephemeral.ErrUnavailable) {
		s.logger.Warn("presence not published; retrying", "error", err)
	}
}

// publishChanges publishes what has changed on this node. A failure is retried
// with the next heartbeat, except for users who have left: their leases expire.
func (s *Service) publishChanges(ctx context.Context) error {
	changed, unresolved := s.Local.takeChanges()
	if err := s.loadBlocks(ctx, unresolved); err != nil {
		s.Local.returnChanges(changed, unresolved)
		time.AfterFunc(pollInterval, func() {
			if ctx.Err() == nil {
				s.Local.wake()
			}
		})
		return err
	}
	return s.announce(ctx, changed)
}

// loadBlocks loads the block lists of users.
func (s *Service) loadBlocks(ctx context.Context, users []domain.ID) error {
	if len(users) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	blocked, err := s.log.BlockedBy(ctx, users...)
	if err != nil {
		return err
	}
	for _, user := range s.Local.resolveBlocks(users, blocked) {
		s.sendGap(user)
	}
	return nil
}

// announce renews the leases of users and publishes those whose published state
// differs.
func (s *Service) announce(ctx context.Context, users map[domain.ID]ephemeral.State) error {
	changed, err := s.leases.renew(ctx, s.store, func() []ephemeral.Lease { return s.Local.leases(users, s.cfg) })
	return errors.Join(err, s.publishTransitions(ctx, changed))
}

// publishDue publishes what has changed because leases expired: users of nodes
// that died, and users who left and did not return. Each node polls; one publishes.
func (s *Service) publishDue(ctx context.Context) error {
	var errs []error
	for _, shard := range rand.Perm(ephemeral.Shards) {
		if !s.leases.trusts(shard) {
			continue
		}
		due, err := s.store.DueUsers(ctx, shard)
		if err == nil {
			var found []ephemeral.Presence
			if found, err = s.store.Presence(ctx, due); err == nil {
				err = s.publishTransitions(ctx, found)
			}
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// publishTransitions publishes the presence of users to their audiences.
func (s *Service) publishTransitions(ctx context.Context, found []ephemeral.Presence) error {
	if len(found) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	users := make([]domain.ID, len(found))
	for i, p := range found {
		users[i] = p.UserID
	}
	conversations, err := s.audience(ctx, users)
	if err != nil {
		return err
	}
	blocked, err := s.log.BlockedBy(ctx, users...)
	if err != nil {
		return err
	}
	all := make([]ephemeral.Transition, len(found))
	for i, p := range found {
		all[i] = ephemeral.Transition{Presence: p, Conversations: conversations[p.UserID], Blocked: blocked[p.UserID]}
	}
	var errs []error
	for shard, some := range ephemeral.ByShard(all, func(t ephemeral.Transition) domain.ID { return t.UserID }) {
		errs = append(errs, s.store.PublishPresence(ctx, shard, some))
	}
	return errors.Join(errs...)
}
