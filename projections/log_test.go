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
// events are interleaved: members come, go, come back, change roles, write and
// say all that can be said of messages, also what only a race of two nodes lets
// through, such as an edit of what was deleted. It ends as any log may: with
// people erased, whose texts are or are not overwritten.
func drawLog(t *rapid.T) *writer {
	d := &drawing{T: t, writer: newWriter(), members: map[domain.ID]map[domain.ID]bool{}, sent: map[domain.ID][]recorded{}, erased: map[domain.ID]bool{}}
	for i := range rapid.IntRange(2, 6).Draw(t, "users") {
		u := named("user", i)
		d.users = append(d.users, u)
		d.append(u, u, domain.UserRegistered{DisplayName: fmt.Sprintf("User %d", i)})
	}
	for range rapid.IntRange(5, 120).Draw(t, "events") {
		d.event()
	}
	return d.writer
}

// drawing is a log that is being drawn.
type drawing struct {
	*rapid.T
	*writer
	users   []domain.ID
	all     []domain.ID // conversations
	members map[domain.ID]map[domain.ID]bool
	sent    map[domain.ID][]recorded
	erased  map[domain.ID]bool
}

func pick[T any](d *drawing, what string, from ...T) T {
	return rapid.SampledFrom(from).Draw(d.T, what)
}

func (d *drawing) event() {
	if len(d.all) == 0 || (len(d.all) < 6 && rapid.IntRange(0, 19).Draw(d.T, "create") == 0) {
		id := d.group(len(d.all), d.users[0], d.users[1])
		d.all = append(d.all, id)
		d.members[id] = map[domain.ID]bool{d.users[0]: true, d.users[1]: true}
		return
	}
	c, u := pick(d, "conversation", d.all...), pick(d, "user", d.users...)
	switch in := d.members[c]; {
	case d.erased[u]:
	case rapid.IntRange(0, 9).Draw(d.T, "of the user") == 0:
		d.ofUser(u)
	case !in[u]:
		in[u] = true
		d.append(c, d.users[0], domain.MemberAdded{UserID: u, Role: domain.RoleMember})
	case len(d.sent[c]) > 0 && rapid.Bool().Draw(d.T, "of a message"):
		d.ofMessage(c, u)
	default:
		d.ofMember(c, u)
	}
}

func (d *drawing) ofMember(c, u domain.ID) {
	switch pick(d, "action", "send", "send", "send", "send", "read", "read", "leave", "role", "rename") {
	case "send":
		sent := domain.MessageSent{Body: fmt.Sprintf("message %d", len(d.events))}
		if rapid.Bool().Draw(d.T, "mentions") {
			sent.Mentions = rapid.SliceOfNDistinct(rapid.SampledFrom(d.users), 1, 2, func(id domain.ID) domain.ID { return id }).Draw(d.T, "mentioned")
		}
		d.sent[c] = append(d.sent[c], d.append(c, u, sent))
	case "read":
		d.append(c, u, domain.ReadAdvanced{Seq: rapid.Int64Range(1, d.versions[c]+3).Draw(d.T, "seq")})
	case "role":
		d.append(c, d.users[0], domain.MemberRoleChanged{UserID: u, Role: pick(d, "role", domain.RoleReader, domain.RoleAdmin)})
	case "leave":
		delete(d.members[c], u)
		d.append(c, u, domain.MemberRemoved{UserID: u})
	case "rename":
		d.append(c, u, domain.ConversationRenamed{Name: d.text("name"), Topic: d.text("topic")})
	}
}

func (d *drawing) ofMessage(c, u domain.ID) {
	of := pick(d, "message", d.sent[c]...)
	ref := domain.MessageRef{MessageID: of.id, MessageSeq: of.version}
	emoji := pick(d, "emoji", "👍", "🎉")
	d.append(c, u, pick[domain.Event](d, "said",
		domain.MessageEdited{MessageRef: ref, Body: fmt.Sprintf("edited %d", len(d.events))},
		domain.MessageDeleted{MessageRef: ref},
		domain.MessagePinned{MessageRef: ref}, domain.MessageUnpinned{MessageRef: ref},
		domain.ReactionAdded{MessageRef: ref, Emoji: emoji}, domain.ReactionAdded{MessageRef: ref, Emoji: emoji},
		domain.ReactionRemoved{MessageRef: ref, Emoji: emoji},
	))
}

// ofUser changes the profile or the blocks of a user, or erases them.
func (d *drawing) ofUser(u domain.ID) {
	other := pick(d, "other", d.users...)
	switch pick(d, "change", "profile", "profile", "block", "unblock", "erase") {
	case "profile":
		d.append(u, u, domain.ProfileChanged{DisplayName: d.text("display name"), Handle: d.text("handle"), Bio: d.text("bio"), AvatarURL: d.text("avatar")})
	case "block":
		d.append(u, u, domain.UserBlocked{UserID: other})
	case "unblock":
		d.append(u, u, domain.UserUnblocked{UserID: other})
	case "erase":
		if u != d.users[0] { // the first user adds members and changes roles
			d.erase(u)
		}
	}
}

// erase appends the events of an erasure and overwrites some of the user's texts,
// since a rebuild may start at any time.
func (d *drawing) erase(u domain.ID) {
	d.erased[u] = true
	d.append(u, u, domain.UserErased{})
	for _, c := range d.all {
		if d.members[c][u] {
			delete(d.members[c], u)
			d.append(c, u, domain.MemberRemoved{UserID: u})
		}
		d.append(c, u, domain.MemberErased{UserID: u})
	}
	for i, e := range d.events {
		if redacted, personal := domain.Redact(e.event); personal && e.actor == u && rapid.Bool().Draw(d.T, "overwritten") {
			d.events[i].event = redacted
		}
	}
}

func (d *drawing) text(what string) *string {
	if rapid.Bool().Draw(d.T, what+" stays") {
		return nil
	}
	text := pick(d, what, "", "one", "two", "three")
	if text == "" && what != "name" && what != "display name" {
		return &text
	}
	text += fmt.Sprintf(" %d", len(d.events))
	return &text
}
