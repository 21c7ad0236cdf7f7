package eventlog_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/testkit"
)

func TestMain(m *testing.M) {
	if os.Getenv(writerEnv) != "" {
		// This is a child process of a test: see processes_test.go.
		if err := writeAsChild(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	testkit.Main(m)
}

// node is a running Log that can be stopped before its test ends.
type node struct {
	*eventlog.Log
	stop func() error
}

// open starts a node on a database and a NATS server.
func open(t testing.TB, pool *pgxpool.Pool, natsURL string, configs ...eventlog.Config) *node {
	t.Helper()
	n, err := tryOpen(t, pool, natsURL, configs...)
	require.NoError(t, err)
	return n
}

func tryOpen(t testing.TB, pool *pgxpool.Pool, natsURL string, configs ...eventlog.Config) (*node, error) {
	t.Helper()
	var cfg eventlog.Config
	if len(configs) > 0 {
		cfg = configs[0]
	}
	nc, err := eventlog.Connect(natsURL)
	require.NoError(t, err)
	l, err := eventlog.Open(context.Background(), pool, nc, cfg, testkit.Logger(t))
	if err != nil {
		nc.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	stopped := false
	stop := func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		err := <-ended
		nc.Close()
		return err
	}
	t.Cleanup(func() { _ = stop() }) // a test that checks the error has stopped it already
	return &node{Log: l, stop: stop}, nil
}

func (n *node) do(ctx context.Context, cmd eventlog.Command, decide func(*domain.Conversation, int64) ([]domain.Event, error)) (eventlog.Result, error) {
	return eventlog.Execute(ctx, n.Log, eventlog.Conversations, cmd, decide)
}

// createGroup makes a group of the owner and others.
func (n *node) createGroup(t testing.TB, id, owner domain.ID, others ...domain.ID) eventlog.Result {
	t.Helper()
	res, err := n.do(t.Context(), eventlog.Command{Stream: id, Actor: owner}, func(c *domain.Conversation, _ int64) ([]domain.Event, error) {
		return c.Create(domain.CreateConversation{Actor: owner, Kind: domain.Group, Name: "group", Members: others})
	})
	require.NoError(t, err)
	return res
}

// createLargeGroup makes a group with more members than its creation allows.
func (n *node) createLargeGroup(t testing.TB, id, owner domain.ID, members int) []domain.ID {
	t.Helper()
	n.createGroup(t, id, owner)
	others, added := make([]domain.ID, members-1), make([]domain.Event, members-1)
	for i := range others {
		others[i] = eventlog.NewID()
		added[i] = domain.MemberAdded{UserID: others[i], Role: domain.RoleMember}
	}
	for some := range slices.Chunk(added, 1000) {
		_, err := n.do(t.Context(), eventlog.Command{Stream: id, Actor: owner}, func(*domain.Conversation, int64) ([]domain.Event, error) {
			return some, nil
		})
		require.NoError(t, err)
	}
	return others
}

// send sends a message under a key and a new message id.
func (n *node) send(ctx context.Context, group, author domain.ID, key, body string) (eventlog.Result, error) {
	cmd := eventlog.Command{Stream: group, Key: key, Fingerprint: eventlog.Fingerprint([]byte(body)), Actor: author}
	message := domain.SendMessage{Actor: author, MessageID: eventlog.NewID(), Body: body}
	return n.do(ctx, cmd, func(c *domain.Conversation, _ int64) ([]domain.Event, error) { return c.SendMessage(message) })
}

func (n *node) mustSend(t testing.TB, group, author domain.ID, body string) *eventlog.Event {
	t.Helper()
	res, err := n.send(t.Context(), group, author, uuid.NewString(), body)
	require.NoError(t, err)
	require.Len(t, res.Events, 1)
	return res.Events[0]
}

func (n *node) removeMember(t testing.TB, group, actor, member domain.ID) {
	t.Helper()
	_, err := n.do(t.Context(), eventlog.Command{Stream: group, Actor: actor}, func(c *domain.Conversation, _ int64) ([]domain.Event, error) {
		return c.RemoveMember(domain.RemoveMember{Actor: actor, UserID: member})
	})
	require.NoError(t, err)
}

func (n *node) addMember(ctx context.Context, group, actor, member domain.ID, key string) (eventlog.Result, error) {
	return n.do(ctx, eventlog.Command{Stream: group, Key: key, Actor: actor}, func(c *domain.Conversation, _ int64) ([]domain.Event, error) {
		return c.AddMember(domain.AddMember{Actor: actor, UserID: member, Role: domain.RoleMember})
	})
}

// requireSoundLog checks the invariants of the log: positions and versions are
// gapless, times do not go back, and heads are the last positions. It returns the
// events in the order of their positions.
func requireSoundLog(t testing.TB, pool *pgxpool.Pool) []*eventlog.Event {
	t.Helper()
	// Rows are read by ForEachRow, which closes them when a check fails: an open
	// connection would make the pool wait for it at the end of the test.
	rows, _ := pool.Query(t.Context(), `
SELECT partition, position, stream, version, recorded_at, id FROM log.events ORDER BY partition, position`)
	positions, versions := map[int]int64{}, map[domain.ID]int64{}
	times := map[int]int64{}
	var events []*eventlog.Event
	var row eventlog.Event
	_, err := pgx.ForEachRow(rows, []any{&row.Partition, &row.Position, &row.Stream, &row.Version, &row.RecordedAt, &row.ID}, func() error {
		e := &eventlog.Event{ID: row.ID, Stream: row.Stream, Version: row.Version, Partition: row.Partition, Position: row.Position, RecordedAt: row.RecordedAt}
		positions[e.Partition]++
		versions[e.Stream]++
		require.Equal(t, positions[e.Partition], e.Position, "positions of partition %d are gapless", e.Partition)
		require.Equal(t, versions[e.Stream], e.Version, "versions of %s are gapless and in the order of positions", e.Stream)
		require.GreaterOrEqual(t, e.RecordedAt.UnixMicro(), times[e.Partition], "times do not go back")
		times[e.Partition] = e.RecordedAt.UnixMicro()
		events = append(events, e)
		return nil
	})
	require.NoError(t, err)
	rows, _ = pool.Query(t.Context(), `SELECT partition, position FROM log.heads`)
	var partition int
	var head int64
	_, err = pgx.ForEachRow(rows, []any{&partition, &head}, func() error {
		require.Equal(t, positions[partition], head, "head of partition %d", partition)
		return nil
	})
	require.NoError(t, err)
	return events
}
