package faults

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"ping/internal/devservices"
	"ping/internal/e2e/harness"
	"ping/internal/limits"
	"ping/internal/node"
	"ping/internal/postgres"
	"ping/internal/testkit"
	"ping/migrations"
)

// proof is a running system with all that it writes in one folder. There is no
// tracing in Ping: what would be in a trace is in no place but these.
type proof struct {
	t        *testing.T
	dir      string
	cfg      node.Config
	postgres *devservices.Postgres
	nats     *devservices.NATS
	redis    *devservices.Redis
	pool     *pgxpool.Pool
	rdb      *redis.Client
	log      *testkit.Log // of the nodes, the embedded NATS, and what prints by package log
	bases    [2]string    // the sender's node, and the receiver's
	stops    []func()

	ada, bob, eve *harness.Client
	group, direct string // paths of conversations
	stream        *websocket.Conn
}

// newProof starts the parts as production has them: Postgres writes whole pages
// to its log and waits for the disk, JetStream is on disk. The nodes log all
// that they can.
func newProof(t *testing.T) *proof {
	t.Helper()
	p := &proof{t: t, dir: t.TempDir(), log: &testkit.Log{}}
	require.NoError(t, os.Chmod(p.dir, 0o711)) // Postgres may run as another user
	logger := slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	log.SetOutput(p.log)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	var err error
	p.postgres, err = devservices.StartPostgres(t.Context(), filepath.Join(p.dir, "postgres"), devservices.PostgresConfig{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.postgres.Stop() }) // the test has ended it, unless it failed
	p.nats, err = devservices.StartNATS(filepath.Join(p.dir, "nats"), logger)
	require.NoError(t, err)
	t.Cleanup(func() { p.nats.Stop() })
	p.startRedis()
	p.cfg = node.Config{
		DatabaseURL: p.postgres.URL(devservices.PostgresDatabase), RedisURL: p.redis.URL(), NATSURL: p.nats.ClientURL(),
		JWTSecret: strings.Repeat("s", node.MinSecret), Drain: 100 * time.Millisecond, DatabaseConns: 12,
	}
	p.cfg.Limits, err = limits.Parse("send=1000/s")
	require.NoError(t, err)
	_, err = migrations.Up(t.Context(), p.cfg.DatabaseURL)
	require.NoError(t, err)
	p.pool, err = postgres.NewPool(t.Context(), p.cfg.DatabaseURL, 0)
	require.NoError(t, err)
	t.Cleanup(p.pool.Close)
	options, err := redis.ParseURL(p.cfg.RedisURL)
	require.NoError(t, err)
	p.rdb = redis.NewClient(options)
	t.Cleanup(func() { _ = p.rdb.Close() }) // nothing is lost with it
	for i := range p.bases {
		_, base, stop := harness.RunNodeLogging(t, harness.World{Config: p.cfg}, logger)
		p.bases[i], p.stops = base, append(p.stops, stop)
	}
	p.people()
	return p
}

func (p *proof) startRedis() {
	p.t.Helper()
	server, err := devservices.StartRedis(p.t.Context(), filepath.Join(p.dir, "redis"))
	require.NoError(p.t, err)
	p.redis = server
	p.t.Cleanup(func() { _ = server.Stop() }) // it may have ended
}

// people lets Ada and Bob be in a group, listens as Bob at the other node, and
// lets Eve, who is in no group, block Ada.
func (p *proof) people() {
	t := p.t
	p.ada, p.bob, p.eve = harness.Register(t, p.bases[0], "ada"), harness.Register(t, p.bases[0], "bob"), harness.Register(t, p.bases[0], "eve")
	create := func(kind string, with *harness.Client) string {
		body := map[string]any{"kind": kind, "members": []string{with.ID}}
		if kind == "group" {
			body["name"] = "crew"
		}
		created := p.ada.Call(t, "POST", "/v1/conversations", body)
		require.Equal(t, http.StatusCreated, created.Status, created.Body)
		return "/v1/conversations/" + harness.Text(t, created.Body, "id")
	}
	p.group, p.direct = create("group", p.bob), create("direct", p.eve)
	require.Equal(t, http.StatusNoContent, p.eve.Call(t, "PUT", "/v1/users/me/blocks/"+p.ada.ID, nil).Status)
	p.stream = harness.OpenSocket(t, p.bases[1], p.bob)
	harness.AwaitFrame(t, p.stream, map[string]string{"type": "ready"})
}

// stealth sends a text to a conversation, and requires a status.
func (p *proof) stealth(by *harness.Client, conversation, body string, status int, seconds int, key string) harness.Answer {
	p.t.Helper()
	header := []string{}
	if key != "" {
		header = append(header, "Idempotency-Key", key)
	}
	a := by.Call(p.t, "POST", conversation+"/stealth", map[string]any{"body": body, "ttl_seconds": seconds}, header...)
	require.Equal(p.t, status, a.Status, a.Body)
	return a
}

// bodies are texts with a marker in them, at different places among what is
// escaped in one encoding or another. The long one has nothing that repeats, so
// that nothing that compresses can hide the marker.
func bodies(marker string) []string {
	noise := rand.Text() + rand.Text() + rand.Text() + rand.Text()
	for len(noise) < 3500 {
		noise += rand.Text()
	}
	return []string{
		"plain " + marker,
		"upper " + strings.ToUpper(marker),
		"quoted \"" + marker + "\"\n\\tab\t" + marker + "\\",
		"héllo 🦓 ünïcode " + marker + " 🦓 \u2028<&>",
		noise[:1700] + marker + noise[1700:] + marker,
	}
}

// everyWay lets a marked text go every way that there is.
func (p *proof) everyWay(marker string) {
	t := p.t
	for i, body := range bodies(marker) {
		sent := p.stealth(p.ada, p.group, body, http.StatusCreated, 600, fmt.Sprint("key-", i))
		frame := harness.AwaitFrame(t, p.stream, map[string]string{"type": "stealth", "id": harness.Text(t, sent.Body, "id")})
		require.Equal(t, body, frame["body"])
		again := p.stealth(p.ada, p.group, body, http.StatusCreated, 600, fmt.Sprint("key-", i))
		require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
		p.stealth(p.ada, p.group, body+" "+marker, http.StatusConflict, 600, fmt.Sprint("key-", i))
		p.stealth(p.eve, p.group, body, http.StatusNotFound, 60, "")
		p.stealth(p.ada, p.direct, body, http.StatusForbidden, 60, "")
		p.stealth(p.ada, p.group, body, http.StatusUnprocessableEntity, 86_401, "")
		p.stealth(p.ada, p.group, body+strings.Repeat(" "+marker, 200), http.StatusUnprocessableEntity, 60, "")
		p.stealth(p.ada, p.group, body+strings.Repeat(" "+marker, 4000), http.StatusRequestEntityTooLarge, 60, "")
	}
	broken, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.bases[0]+p.group+"/stealth", strings.NewReader(`{"body":"`+marker+`","ttl`))
	require.NoError(t, err)
	broken.Close = true
	broken.Header.Set("Authorization", "Bearer "+p.ada.Token)
	broken.Header.Set("Content-Type", "application/json")
	answered, err := http.DefaultClient.Do(broken)
	require.NoError(t, err)
	require.NoError(t, answered.Body.Close())
	require.Equal(t, http.StatusBadRequest, answered.StatusCode)

	reader := &harness.Client{Base: p.bases[1], Token: p.bob.Token}
	listed := reader.Call(t, "GET", p.group+"/stealth", nil)
	require.Equal(t, http.StatusOK, listed.Status, listed.Body)
	require.Len(t, listed.Body["items"], len(bodies(marker)))
	require.NotEmpty(t, p.inRedis(marker), "this test would find it there")
	for _, item := range listed.Body["items"].([]any) {
		id := harness.Text(t, item.(map[string]any), "id")
		require.Equal(t, http.StatusNoContent, p.ada.Call(t, "DELETE", p.group+"/stealth/"+id, nil).Status)
		harness.AwaitFrame(t, p.stream, map[string]string{"type": "stealth_gone", "id": id, "reason": "withdrawn"})
	}
	brief := p.stealth(p.ada, p.group, "brief "+marker, http.StatusCreated, 1, "")
	harness.AwaitFrame(t, p.stream, map[string]string{"type": "stealth_gone", "id": harness.Text(t, brief.Body, "id"), "reason": "expired"})
}

// withoutRedis sends a marked text that nothing takes.
func (p *proof) withoutRedis(marker string) {
	t := p.t
	before := len(p.log.String())
	require.NoError(t, p.redis.Stop())
	for range 3 {
		p.stealth(p.ada, p.group, "lost "+marker, http.StatusServiceUnavailable, 60, "lost")
	}
	lines := p.log.Since(before, "stealth messages, typing and presence are unavailable")
	require.LessOrEqual(t, len(lines), len(p.bases), "once a node")
	require.NotEmpty(t, lines)
	p.startRedis()
	require.Eventually(t, func() bool {
		a := p.ada.Call(t, "POST", p.group+"/stealth", map[string]any{"body": "found " + marker, "ttl_seconds": 1}, "Idempotency-Key", "found")
		return a.Status == http.StatusCreated
	}, 20*time.Second, 20*time.Millisecond)
	require.Eventually(t, func() bool { return len(p.inRedis(marker)) == 0 }, 20*time.Second, 20*time.Millisecond)
}

// inRedis returns the keys that hold a text, whatever their type.
func (p *proof) inRedis(marker string) (keys []string) {
	t := p.t
	t.Helper()
	for all := p.rdb.Scan(t.Context(), 0, "*", 1000).Iterator(); all.Next(t.Context()); {
		dumped, err := p.rdb.Dump(t.Context(), all.Val()).Result()
		if errors.Is(err, redis.Nil) { // it has expired meanwhile
			continue
		}
		require.NoError(t, err)
		// What is dumped may be compressed; what it is of is read too.
		value, _ := p.rdb.Get(t.Context(), all.Val()).Result() // not all are strings
		if holds(strings.NewReader(all.Val()+dumped+value), needles(marker)) {
			keys = append(keys, all.Val())
		}
	}
	return keys
}

// everywhere returns where a text is in the running system, but for its files.
func (p *proof) everywhere(marker string) (places []string) {
	t := p.t
	t.Helper()
	places = append(testkit.Marked(t, p.pool, p.cfg.NATSURL, marker), p.inRedis(marker)...)
	for i, base := range p.bases {
		if holds(strings.NewReader(harness.MetricsOf(t, base)), needles(marker)) {
			places = append(places, fmt.Sprint("metrics of node ", i))
		}
	}
	if holds(strings.NewReader(p.log.String()), needles(marker)) {
		places = append(places, "log")
	}
	// What a connection last ran, of which parameters are no part.
	var running int
	require.NoError(t, p.pool.QueryRow(t.Context(),
		`SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND position(lower($1) IN lower(query)) > 0`, marker).Scan(&running))
	if running > 0 {
		places = append(places, "pg_stat_activity")
	}
	return places
}

// settle writes all that Postgres has to its disk.
func (p *proof) settle() {
	t := p.t
	for _, statement := range []string{"CHECKPOINT", "SELECT pg_switch_wal()", "CHECKPOINT"} {
		_, err := p.pool.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
}

// end ends the nodes and the parts, so that all files are written.
func (p *proof) end() {
	for _, stop := range p.stops {
		stop()
	}
	p.pool.Close()
	require.NoError(p.t, p.postgres.Stop())
	p.nats.Stop()
	require.NoError(p.t, p.redis.Stop())
}

// marker is a text that is nowhere else. Its length is a multiple of three, so
// that base64 of what follows it does not depend on it.
func marker() string { return "m" + strings.ToLower(rand.Text())[:23] }

// TestStealthIsNowhere sends stealth messages every way through a running
// system, and looks for their text in all that it has written. The text of
// messages, sent the same ways, is the control: the same search finds it.
func TestStealthIsNowhere(t *testing.T) {
	p := newProof(t)
	secret, control := marker(), marker()
	for i, body := range bodies(control) {
		sent := p.ada.Call(t, "POST", p.group+"/messages", map[string]string{"body": body}, "Idempotency-Key", fmt.Sprint("control-", i))
		require.Equal(t, http.StatusCreated, sent.Status, sent.Body)
		harness.AwaitFrame(t, p.stream, map[string]string{"type": "event", "id": harness.Text(t, sent.Body, "id")})
	}
	p.everyWay(secret)
	p.withoutRedis(secret)
	awaitReadModels(t, p.pool)
	p.settle()

	require.Empty(t, p.everywhere(secret))
	found := strings.Join(p.everywhere(control), "\n")
	for _, place := range []string{"log.events", "timeline.", "PING_E1_"} {
		require.Contains(t, found, place, "this test would find it")
	}
	require.True(t, holds(strings.NewReader(harness.MetricsOf(t, p.bases[0])), needles("ping_streams")), "this test would find it")
	require.True(t, holds(strings.NewReader(p.log.String()), needles("redis does not answer")), "this test would find it")
	require.NotEmpty(t, p.log.Since(0, "level=DEBUG"), "the nodes log all that they can")
	require.NotEmpty(t, p.log.Since(0, "stealth"), "requests are logged")

	p.end()
	require.Empty(t, filesWith(t, p.dir, secret))
	found = strings.Join(filesWith(t, p.dir, control), "\n")
	for _, place := range []string{"postgres/data/pg_wal/", "postgres/data/base/", "nats/jetstream/"} {
		require.Contains(t, found, place, "this test would find it")
	}
	require.NotEmpty(t, filesWith(t, p.dir, "redis is starting"), "the logs of the parts are among them")
	for _, pattern := range []string{"*.rdb", "appendonlydir", "*.aof"} {
		saved, err := filepath.Glob(filepath.Join(p.dir, "redis", pattern))
		require.NoError(t, err)
		require.Empty(t, saved)
	}
}
