package projections

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"ping/domain"
)

// partitions of the logs that these tests write; few, so that each has a lot.
const partitions = 4

// writer makes a valid log: what the domain's deciders would have appended.
// All it makes depends on its seed alone.
type writer struct {
	heads    []int64 // by partition
	versions map[domain.ID]int64
	events   []recorded
}

// recorded is a row of log.events.
type recorded struct {
	partition  int16
	position   int64
	stream     domain.ID
	version    int64
	id         domain.ID
	event      domain.Event
	recordedAt time.Time
	actor      domain.ID
}

func newWriter() *writer { return newWriterOf(partitions) }

func newWriterOf(partitions int) *writer {
	return &writer{heads: make([]int64, partitions), versions: map[domain.ID]int64{}}
}

func (w *writer) partitionOf(stream domain.ID) int16 {
	h := fnv.New32a()
	h.Write(stream[:])
	return int16(h.Sum32() % uint32(len(w.heads)))
}

func (w *writer) append(stream, actor domain.ID, e domain.Event) recorded {
	p := w.partitionOf(stream)
	w.heads[p]++
	w.versions[stream]++
	r := recorded{
		partition: p, position: w.heads[p], stream: stream, version: w.versions[stream],
		id: named("event", len(w.events)), event: e, actor: actor,
		recordedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(len(w.events)) * time.Millisecond),
	}
	w.events = append(w.events, r)
	return r
}

func named(kind string, n int) domain.ID {
	return domain.DerivedID([]byte(kind), fmt.Append(nil, n))
}

// store writes the log into an empty database.
func (w *writer) store(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	ctx := context.Background()
	require.NoError(t, pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"log", "events"}, []string{
			"partition", "position", "stream", "version", "id", "type", "schema", "decisive", "recorded_at",
			"actor", "command_id", "ordinal", "command_size", "fingerprint", "payload",
		}, pgx.CopyFromSlice(len(w.events), func(i int) ([]any, error) {
			e := w.events[i]
			payload, err := json.Marshal(e.event)
			return []any{
				e.partition, e.position, uuid.UUID(e.stream), e.version, uuid.UUID(e.id), e.event.Type(), 1, e.event.Decisive(),
				e.recordedAt, uuid.UUID(e.actor), uuid.UUID(e.id), 0, 1, 0, string(payload),
			}, err
		}))
		if err != nil {
			return err
		}
		for p, head := range w.heads {
			if _, err := tx.Exec(ctx, `INSERT INTO log.heads (partition, position) VALUES ($1, $2)`, p, head); err != nil {
				return err
			}
		}
		return nil
	}))
}

// raw is an event whose payload is what it says, valid or not.
type raw struct{ typ, payload string }

func (r raw) Type() string                 { return r.typ }
func (raw) Decisive() bool                 { return false }
func (r raw) MarshalJSON() ([]byte, error) { return []byte(r.payload), nil }

// group begins a conversation of the users and returns its id.
func (w *writer) group(n int, users ...domain.ID) domain.ID {
	id := named("conversation", n)
	w.append(id, users[0], domain.ConversationCreated{Kind: domain.Group, Name: fmt.Sprintf("group %d", n)})
	for i, u := range users {
		role := domain.RoleMember
		if i == 0 {
			role = domain.RoleOwner
		}
		w.append(id, users[0], domain.MemberAdded{UserID: u, Role: role})
	}
	return id
}

// drawLog makes a log of some users and conversations in which all kinds of
// events are interleaved: members come, go, come back, change roles, send, and
// mark as read what is a message and what is not.
func drawLog(t *rapid.T) *writer {
	w := newWriter()
	users := make([]domain.ID, rapid.IntRange(2, 6).Draw(t, "users"))
	for i := range users {
		users[i] = named("user", i)
		w.append(users[i], users[i], domain.UserRegistered{DisplayName: fmt.Sprintf("User %d", i)})
	}
	type conversation struct {
		id      domain.ID
		members map[domain.ID]bool
	}
	var all []conversation
	for range rapid.IntRange(5, 120).Draw(t, "events") {
		action := rapid.SampledFrom([]string{"create", "send", "send", "send", "send", "read", "read", "join", "leave", "role"}).Draw(t, "action")
		if len(all) == 0 || (action == "create" && len(all) < 6) {
			id := w.group(len(all), users[0], users[1])
			all = append(all, conversation{id, map[domain.ID]bool{users[0]: true, users[1]: true}})
			continue
		}
		c := all[rapid.IntRange(0, len(all)-1).Draw(t, "conversation")]
		u := users[rapid.IntRange(0, len(users)-1).Draw(t, "user")]
		switch {
		case action == "join" && !c.members[u]:
			c.members[u] = true
			w.append(c.id, users[0], domain.MemberAdded{UserID: u, Role: domain.RoleMember})
		case !c.members[u]:
		case action == "send":
			w.append(c.id, u, domain.MessageSent{Body: fmt.Sprintf("message %d", len(w.events))})
		case action == "read":
			w.append(c.id, u, domain.ReadAdvanced{Seq: rapid.Int64Range(1, w.versions[c.id]+3).Draw(t, "seq")})
		case action == "role":
			w.append(c.id, users[0], domain.MemberRoleChanged{UserID: u, Role: rapid.SampledFrom([]domain.Role{domain.RoleReader, domain.RoleAdmin}).Draw(t, "role")})
		case action == "leave":
			delete(c.members, u)
			w.append(c.id, u, domain.MemberRemoved{UserID: u})
		}
	}
	return w
}
