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
	"ping/internal/wait"
	"ping/realtime/protocol"
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

// present says what changes here, and tells what changed by itself, until ctx
// ends.
func (h *Hub) present(ctx context.Context) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-h.people.woken:
			if wait.Sleep(ctx, presencePause) {
				err = h.sayChanged(ctx)
			}
		case <-look.C:
			err = h.tellDue(ctx)
		}
		h.logUntold(ctx, err)
	}
}

// beat says again and again who is here, until ctx ends; so does it when Redis
// may have forgotten, and until it has heard.
func (h *Hub) beat(ctx context.Context) error {
	beat := time.NewTicker(h.cfg.PresenceBeat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-beat.C:
		case <-h.word.due:
		}
		if err := h.say(ctx, h.people.all()); err != nil {
			h.logUntold(ctx, err)
			time.AfterFunc(lookEvery, func() { signal(h.word.due) })
		}
	}
}

func (h *Hub) logUntold(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil && !errors.Is(err, ephemeral.ErrUnavailable) {
		h.logger.Warn("presence is not told, and will be", "error", err)
	}
}

// word is how a node's word for its users stands.
type word struct {
	due chan struct{} // told when it is to be given before its time
	mu  sync.Mutex    // one at a time: an older word may not come after a newer one
	// since is, by shard, when Redis took it again after it had not; zero while
	// it does not. Guarded by mu.
	since [ephemeral.Shards]time.Time
}

func newWord() *word {
	w := &word{due: make(chan struct{}, 1)}
	for shard := range w.since {
		w.since[shard] = time.Now().Add(-time.Hour)
	}
	return w
}

// taken notes whether a shard took the word; w.mu is held.
func (w *word) taken(shard int, err error) {
	switch {
	case err != nil:
		w.since[shard] = time.Time{}
	case w.since[shard].IsZero():
		w.since[shard] = time.Now()
	}
}

// stands reports whether what a shard says of users can be believed: after an
// outage all words have lapsed, and each node needs a moment to give its own.
func (w *word) stands(shard int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.since[shard].IsZero() && time.Since(w.since[shard]) > 3*lookEvery
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
	if err != nil {
		return err
	}
	for _, user := range h.people.learn(strangers, blocked) {
		h.users.each(user, func(s *socket) { s.conn.SendEphemeral(ephemeralGap()) })
	}
	return nil
}

// say gives this node's word for some users, and tells those of whom others
// know something else.
func (h *Hub) say(ctx context.Context, users map[domain.ID]ephemeral.State) error {
	all, err := h.giveWord(ctx, users)
	return errors.Join(err, h.tell(ctx, all))
}

// giveWord gives this node's word for some users. It returns those of whom
// others know something else; a shard that fails keeps none of the others back.
func (h *Hub) giveWord(ctx context.Context, users map[domain.ID]ephemeral.State) (all []ephemeral.Presence, err error) {
	h.word.mu.Lock()
	defer h.word.mu.Unlock()
	words := h.people.words(users, h.cfg)
	for shard, of := range ephemeral.ByShard(words, func(w ephemeral.Word) domain.ID { return w.User }) {
		if len(of) == 0 {
			continue
		}
		changed, failed := h.ephemeral.Beat(ctx, shard, h.node, of)
		h.word.taken(shard, failed)
		all, err = append(all, changed...), errors.Join(err, failed)
	}
	return all, err
}

// tellDue tells what has changed by itself: users of nodes that died, and of
// those who left and did not come back. Each node looks; one tells.
func (h *Hub) tellDue(ctx context.Context) error {
	var errs []error
	for _, shard := range rand.Perm(ephemeral.Shards) {
		if !h.word.stands(shard) {
			continue
		}
		due, err := h.ephemeral.Due(ctx, shard)
		if err == nil {
			var seen []ephemeral.Presence
			if seen, err = h.ephemeral.Look(ctx, due); err == nil {
				err = h.tell(ctx, seen)
			}
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
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
	var errs []error
	for shard, of := range ephemeral.ByShard(all, func(s ephemeral.Sighting) domain.ID { return s.UserID }) {
		errs = append(errs, h.ephemeral.Tell(ctx, shard, of))
	}
	return errors.Join(errs...)
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
	rows, _ := h.pool.Query(ctx, audienceSQL, ids, protocol.PresenceMembers)
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
		if !wait.Sleep(ctx, presencePause) {
			return nil
		}
		began := time.Now()
		h.handOn(h.sightings.take())
		wait.Sleep(ctx, rest*time.Since(began))
	}
}
