package realtime

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"ping/domain"
	"ping/internal/ephemeral"
)

const (
	// presencePause gathers changes of presence before they are said, so that
	// many are said at once and what flaps is not.
	presencePause = 200 * time.Millisecond
	// lookEvery is how often a node asks for states that changed by themselves.
	lookEvery = time.Second
	// presenceBound bounds one round of saying.
	presenceBound = 5 * time.Second
)

// present says who is here, as it changes and again and again, until ctx ends.
func (h *Hub) present(ctx context.Context) error {
	beat, look := time.NewTicker(h.cfg.PresenceBeat), time.NewTicker(lookEvery)
	defer beat.Stop()
	defer look.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-h.people.woken:
			if pause(ctx, presencePause) {
				err = h.sayChanged(ctx)
			}
		case <-beat.C:
			err = h.say(ctx, h.people.all())
		case <-look.C:
			err = h.tellDue(ctx)
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, ephemeral.ErrUnavailable) {
			h.logger.Warn("presence is not told, and will be", "error", err)
		}
	}
}

// sayChanged says what has changed here. What fails is said with the next beat,
// but for those who have left: their word ends by itself.
func (h *Hub) sayChanged(ctx context.Context) error {
	changed, strangers := h.people.take()
	if err := h.meet(ctx, strangers); err != nil {
		h.people.put(changed, strangers)
		h.people.wakeLater(ctx)
		return err
	}
	return h.say(ctx, changed)
}

// meet finds out whom some users have blocked.
func (h *Hub) meet(ctx context.Context, strangers []domain.ID) error {
	if len(strangers) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, presenceBound)
	defer cancel()
	blocked, err := h.log.BlockedBy(ctx, strangers...)
	if err == nil {
		h.people.learn(strangers, blocked)
	}
	return err
}

// say gives this node's word for some users, and tells those of whom others
// know something else.
func (h *Hub) say(ctx context.Context, users map[domain.ID]ephemeral.State) error {
	words := h.people.words(users, h.cfg)
	var all []ephemeral.Presence
	for shard, of := range ephemeral.ByShard(words, func(w ephemeral.Word) domain.ID { return w.User }) {
		if len(of) == 0 {
			continue
		}
		changed, err := h.ephemeral.Beat(ctx, shard, h.node, of)
		if err != nil {
			return err
		}
		all = append(all, changed...)
	}
	return h.tell(ctx, all)
}

// tellDue tells what has changed by itself: users of nodes that died, and of
// those who left and did not come back. Each node looks; one tells.
func (h *Hub) tellDue(ctx context.Context) error {
	for _, shard := range rand.Perm(ephemeral.Shards) {
		due, err := h.ephemeral.Due(ctx, shard)
		if err != nil {
			return err
		}
		seen, err := h.ephemeral.Look(ctx, due)
		if err == nil {
			err = h.tell(ctx, seen)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tell tells how users are seen to whom it concerns.
func (h *Hub) tell(ctx context.Context, seen []ephemeral.Presence) error {
	if len(seen) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, presenceBound)
	defer cancel()
	users := make([]domain.ID, len(seen))
	for i, p := range seen {
		users[i] = p.UserID
	}
	conversations, err := h.audience(ctx, users)
	if err != nil {
		return err
	}
	blocked, err := h.log.BlockedBy(ctx, users...)
	if err != nil {
		return err
	}
	all := make([]ephemeral.Sighting, len(seen))
	for i, p := range seen {
		all[i] = ephemeral.Sighting{Presence: p, Conversations: conversations[p.UserID], Blocked: blocked[p.UserID]}
	}
	for shard, of := range ephemeral.ByShard(all, func(s ephemeral.Sighting) domain.ID { return s.UserID }) {
		if err := h.ephemeral.Tell(ctx, shard, of); err != nil {
			return err
		}
	}
	return nil
}

// A large group would hear all the time who comes and goes.
const audienceSQL = `
SELECT m.user_id, m.conversation_id
  FROM inbox.members m
  JOIN inbox.conversations c ON c.id = m.conversation_id
 WHERE m.user_id = ANY($1) AND m.removed_seq IS NULL AND c.member_count <= $2`

// audience returns the conversations whose members are told of users.
func (h *Hub) audience(ctx context.Context, users []domain.ID) (map[domain.ID][]domain.ID, error) {
	ids := make([][16]byte, len(users))
	for i, user := range users {
		ids[i] = user
	}
	rows, _ := h.pool.Query(ctx, audienceSQL, ids, presenceMembers)
	found := map[domain.ID][]domain.ID{}
	var user, conversation [16]byte
	_, err := pgx.ForEachRow(rows, []any{&user, &conversation}, func() error {
		found[user] = append(found[user], conversation)
		return nil
	})
	if err != nil && !noInbox(err) {
		return nil, fmt.Errorf("read whom presence concerns: %w", err)
	}
	return found, nil
}

// sightings gathers the presence that is heard, so that each socket is written
// to once for many users, and of each user the last state alone.
type sightings struct {
	mu      sync.Mutex
	pending map[domain.ID]ephemeral.Message
	woken   chan struct{}
}

func newSightings() *sightings {
	return &sightings{pending: map[domain.ID]ephemeral.Message{}, woken: make(chan struct{}, 1)}
}

func (s *sightings) add(m ephemeral.Message) {
	s.mu.Lock()
	s.pending[m.From] = m
	s.mu.Unlock()
	signal(s.woken)
}

func (s *sightings) take() []ephemeral.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := make([]ephemeral.Message, 0, len(s.pending))
	for _, m := range s.pending {
		taken = append(taken, m)
	}
	s.pending = map[domain.ID]ephemeral.Message{}
	return taken
}

// see hands on presence until ctx ends. It takes a tenth of the time at most:
// when thousands come at once, they are told less often.
func (h *Hub) see(ctx context.Context) error {
	const rest = 9
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.sightings.woken:
		}
		if !pause(ctx, presencePause) {
			return nil
		}
		began := time.Now()
		h.handOn(h.sightings.take())
		pause(ctx, rest*time.Since(began))
	}
}
