package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/load/measure"
	"ping/internal/load/wire"
)

// fake is a test server that speaks as much of the public contract as the tool
// uses, in memory and in one partition. It can be wrong on purpose, which the
// tool has to report. Hooks run with mu held.
type fake struct {
	t   *testing.T
	url string

	mu     sync.Mutex
	tokens map[string]domain.ID // access and refresh tokens
	names  map[string]domain.ID
	groups map[domain.ID]*fakeGroup
	log    []fakeEvent // the position is the index plus 1
	grown  chan struct{}
	made   int // ids and tokens
	sends  int // attempts to send
	keys   map[string]string
	fakeMix
	fakeStealth

	// onSend may answer an attempt to send in place of the fake; n counts from 1.
	onSend func(w http.ResponseWriter, n int) (answered bool)
	// onStored may hide the answer to a message that was stored.
	onStored func(w http.ResponseWriter, n int) (hidden bool)
	// onFrame returns the frames to send in place of one; nil among them closes
	// the socket.
	onFrame func(user domain.ID, e fakeEvent) [][]byte
	// onResume returns the frames that answer a resume in place of a replay; nil
	// among them closes the socket as busy.
	onResume func(user domain.ID) [][]byte
	// onHistory changes what history holds, newest first.
	onHistory func(messages []map[string]any) []map[string]any
	// patience bounds how long a frame may wait for a client that does not read,
	// before the socket is cut; 0 is without bound.
	patience time.Duration
	// closeCode is the code that a nil frame closes the socket with; 0 is none.
	closeCode websocket.StatusCode
	// pending is what limits.pending_bytes tells; 0 tells none.
	pending int
	// maxReplay is how many events a resume replays before it tells gaps.
	maxReplay int
}

type fakeGroup struct {
	id      domain.ID
	members []domain.ID // the first owns it
	events  []fakeEvent
	history []map[string]any
	read    map[domain.ID]int64
}

type fakeEvent struct {
	group     *fakeGroup
	seq       int64
	frame     []byte
	name      string
	about     domain.ID   // who was added or removed
	to        []domain.ID // who may see it
	ephemeral bool        // no resume replays it
}

func newFake(t *testing.T) *fake {
	f := &fake{
		t: t, tokens: map[string]domain.ID{}, names: map[string]domain.ID{}, groups: map[domain.ID]*fakeGroup{},
		grown: make(chan struct{}), keys: map[string]string{}, maxReplay: 1 << 30,
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/auth/{what}", f.auth)
	mux.HandleFunc("POST /v1/conversations", f.signedIn(f.create))
	mux.HandleFunc("POST /v1/conversations/{id}/messages", f.signedIn(f.send))
	mux.HandleFunc("GET /v1/conversations/{id}/messages", f.signedIn(f.messages))
	mux.HandleFunc("GET /v1/conversations/{id}/events", f.signedIn(f.events))
	mux.HandleFunc("GET /v1/stream", f.stream)
	f.serveMix(mux)
	f.serveStealth(mux)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

func (f *fake) id() domain.ID {
	f.made++
	return domain.DerivedID([]byte(strconv.Itoa(f.made)))
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may have disconnected
}

func refuse(w http.ResponseWriter, status int, code string) {
	answerJSON(w, status, map[string]any{"status": status, "code": code})
}

func (f *fake) auth(w http.ResponseWriter, r *http.Request) {
	var in map[string]string
	_ = json.NewDecoder(r.Body).Decode(&in)
	f.mu.Lock()
	defer f.mu.Unlock()
	user, known := f.names[in["email"]]
	switch r.PathValue("what") {
	case "register":
		if known {
			refuse(w, http.StatusConflict, "email_taken")
			return
		}
		user = f.id()
		f.names[in["email"]] = user
	case "refresh":
		user, known = f.tokens[in["refresh_token"]]
		delete(f.tokens, in["refresh_token"])
		fallthrough
	default:
		if !known {
			refuse(w, http.StatusUnauthorized, "unauthenticated")
			return
		}
	}
	access, refresh := "a"+f.id().String(), "r"+f.id().String()
	f.tokens[access], f.tokens[refresh] = user, user
	answerJSON(w, http.StatusCreated, map[string]any{"user": map[string]any{"id": user}, "access_token": access, "refresh_token": refresh, "expires_in": 900})
}

func (f *fake) caller(r *http.Request) (domain.ID, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	user, ok := f.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	return user, ok
}

func (f *fake) signedIn(next func(http.ResponseWriter, *http.Request, domain.ID)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, ok := f.caller(r)
		if !ok {
			refuse(w, http.StatusUnauthorized, "unauthenticated")
			return
		}
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		f.mu.Lock()
		defer f.mu.Unlock()
		next(w, r, user)
	}
}

// append adds an event to a group and wakes the sockets.
func (f *fake) append(g *fakeGroup, name string, id domain.ID, body string) fakeEvent {
	return f.appendWith(g, name, id, domain.ID{}, map[string]any{"body": body})
}

func (f *fake) appendWith(g *fakeGroup, name string, id, about domain.ID, fields map[string]any) fakeEvent {
	seq := int64(len(g.events) + 1)
	e := fakeEvent{g, seq, frameWith(0, int64(len(f.log)+1), g.id, seq, name, id, fields), name, about, slices.Clone(g.members), false}
	g.events, f.log = append(g.events, e), append(f.log, e)
	close(f.grown)
	f.grown = make(chan struct{})
	return e
}

func (f *fake) position(w http.ResponseWriter) {
	w.Header().Set("Ping-Position", fmt.Sprintf("0:%d", len(f.log)))
}

func (f *fake) create(w http.ResponseWriter, r *http.Request, user domain.ID) {
	var in struct{ Members []domain.ID }
	_ = json.NewDecoder(r.Body).Decode(&in)
	g := &fakeGroup{id: f.id(), members: append([]domain.ID{user}, in.Members...), read: map[domain.ID]int64{}}
	f.groups[g.id] = g
	f.append(g, "conversation.created", f.id(), "")
	for _, m := range g.members {
		g.read[m] = f.append(g, "member.added", f.id(), "").seq
	}
	f.position(w)
	answerJSON(w, http.StatusCreated, map[string]any{"id": g.id})
}

func (f *fake) send(w http.ResponseWriter, r *http.Request, user domain.ID) {
	f.sends++
	n := f.sends
	if f.onSend != nil && f.onSend(w, n) {
		return
	}
	var in struct {
		Body    string
		ReplyTo *domain.ID `json:"reply_to"`
	}
	_ = json.NewDecoder(r.Body).Decode(&in)
	if strings.TrimSpace(in.Body) == "" {
		refuse(w, http.StatusUnprocessableEntity, "body_empty")
		return
	}
	key := r.Header.Get("Idempotency-Key")
	group, _ := domain.ParseID(r.PathValue("id"))
	answer, replayed := f.keys[key]
	if !replayed {
		answer = f.store(f.groups[group], user, in.Body, in.ReplyTo)
		f.keys[key] = answer
	}
	if f.onStored != nil && f.onStored(w, n) {
		return
	}
	f.position(w)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, answer) // the client may have disconnected
}

func (f *fake) store(g *fakeGroup, user domain.ID, body string, replyTo *domain.ID) (answer string) {
	id := f.id()
	e := f.append(g, "message.sent", id, body)
	g.history = append(g.history, map[string]any{"id": id, "seq": e.seq, "author_id": user, "body": body, "reply_to": replyTo,
		"sent": body, "mentions": f.mentioned(g, body)})
	g.read[user] = e.seq
	return fmt.Sprintf(`{"id":%q,"conversation_id":%q,"seq":%d,"author_id":%q}`, id, g.id, e.seq, user)
}

// messages pages newest first; its cursors are indexes.
func (f *fake) messages(w http.ResponseWriter, r *http.Request, user domain.ID) {
	group, _ := domain.ParseID(r.PathValue("id"))
	all := make([]map[string]any, 0, len(f.groups[group].history))
	for _, m := range f.groups[group].history {
		all = append(all, f.seenBy(user, m))
	}
	slices.Reverse(all)
	if f.onHistory != nil {
		all = f.onHistory(all)
	}
	from, _ := strconv.Atoi(r.URL.Query().Get("before"))
	to := min(from+7, len(all)) // small pages, so that there are several
	page := map[string]any{"items": all[from:to], "next": nil}
	if to < len(all) {
		page["next"] = strconv.Itoa(to)
	}
	answerJSON(w, http.StatusOK, page)
}

func (f *fake) events(w http.ResponseWriter, r *http.Request, _ domain.ID) {
	group, _ := domain.ParseID(r.PathValue("id"))
	after, _ := strconv.Atoi(r.URL.Query().Get("after"))
	events := f.groups[group].events
	items := []json.RawMessage{}
	for _, e := range events[min(after, len(events)):min(after+9, len(events))] {
		items = append(items, e.frame)
	}
	answerJSON(w, http.StatusOK, map[string]any{"items": items, "next": nil})
}

func (f *fake) stream(w http.ResponseWriter, r *http.Request) {
	user, ok := f.caller(r)
	if !ok {
		refuse(w, http.StatusUnauthorized, "unauthenticated")
		return
	}
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"ping.v1.json"}})
	if err != nil {
		return
	}
	defer c.CloseNow()
	// Hijacked connections outlive the request's context, so reading ends it.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	write := func(b []byte) bool {
		if string(b) == string(closeAsSlow) {
			_ = c.Close(4001, "slow") // the client may have disconnected
			return false
		}
		writing := ctx
		if f.patience > 0 {
			var end context.CancelFunc
			writing, end = context.WithTimeout(ctx, f.patience)
			defer end()
		}
		return c.Write(writing, websocket.MessageText, b) == nil
	}
	limits := "{}"
	if f.pending > 0 {
		limits = fmt.Sprintf(`{"pending_bytes":%d}`, f.pending)
	}
	if !write([]byte(`{"type":"hello","session_id":"x","epoch":1,"heartbeat_ms":60000,"limits":` + limits + `}`)) {
		return
	}
	resumeAt := -1
	if r.URL.Query().Get("resume") == "1" {
		if resumeAt, err = readResume(ctx, c); err != nil {
			return
		}
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		defer cancel()
		for {
			if _, _, err := c.Read(ctx); err != nil {
				return
			}
		}
	})
	if resumeAt < 0 || !f.refusesResume(c, user, write) {
		f.follow(ctx, c, user, resumeAt, write)
	}
	cancel()
	reading.Wait()
}

// tellGap is the frame that tells of a gap in ephemeral frames.
var tellGap = []byte(`{"type":"ephemeral_gap","after_ms":5}`)

// closeAsSlow closes the socket in place of a frame.
var closeAsSlow = []byte("close as slow")

// refusesResume answers a resume as onResume says.
func (f *fake) refusesResume(c *websocket.Conn, user domain.ID, write func([]byte) bool) (closed bool) {
	if f.onResume == nil {
		return false
	}
	f.mu.Lock()
	frames := f.onResume(user)
	f.mu.Unlock()
	for _, b := range frames {
		if b == nil {
			_ = c.Close(4005, "busy") // the client may have disconnected
			return true
		}
		write(b)
	}
	return false
}

func readResume(ctx context.Context, c *websocket.Conn) (at int, err error) {
	_, b, err := c.Read(ctx)
	if err != nil {
		return 0, err
	}
	var in struct{ At []string }
	if err := json.Unmarshal(b, &in); err != nil {
		return 0, err
	}
	_, n, err := wire.ParsePosition(in.At[0])
	return int(n), err
}

// follow writes ready, and then the log from resumeAt, or from now if below 0.
func (f *fake) follow(ctx context.Context, c *websocket.Conn, user domain.ID, resumeAt int, write func([]byte) bool) {
	f.mu.Lock()
	next := len(f.log)
	head := next
	var heads, gaps []string
	for _, g := range f.groups {
		if !slices.Contains(g.members, user) {
			continue
		}
		heads = append(heads, fmt.Sprintf(`{"id":%q,"seq":%d}`, g.id, len(g.events)))
		from := int64(0)
		for p := resumeAt; p >= 0 && p < len(f.log) && from == 0; p++ {
			if f.log[p].group == g && !f.log[p].ephemeral {
				from = f.log[p].seq
			}
		}
		if from > 0 {
			gaps = append(gaps, fmt.Sprintf(`{"type":"gap","conversation_id":%q,"from_seq":%d,"to_seq":%d}`, g.id, from, len(g.events)))
		}
	}
	ready := fmt.Sprintf(`{"type":"ready","user_id":%q,"conversations":[%s],"at":["0:%d"]}`, user, strings.Join(heads, ","), next)
	f.mu.Unlock()
	if !write([]byte(ready)) {
		return
	}
	if resumeAt >= 0 && next-resumeAt > f.maxReplay {
		for _, gap := range gaps {
			if !write([]byte(gap)) {
				return
			}
		}
	} else if resumeAt >= 0 {
		next = resumeAt
	}
	for live := resumeAt < 0; ctx.Err() == nil; {
		f.mu.Lock()
		events, grown := f.log[next:], f.grown
		var frames [][]byte
		for i, e := range events {
			if e.ephemeral && next+i < head {
				continue
			}
			if slices.Contains(e.to, user) || f.leaks {
				frames = append(frames, f.framesOf(user, e)...)
			}
		}
		f.mu.Unlock()
		next += len(events)
		for _, b := range frames {
			if b == nil && f.closeCode != 0 {
				_ = c.Close(f.closeCode, "") // the client may have disconnected
			}
			if b == nil || !write(b) {
				return
			}
		}
		if !live {
			live = true
			if !write(fmt.Appendf(nil, `{"type":"resumed","replayed":%d,"at":["0:%d"]}`, len(frames), next)) {
				return
			}
		}
		select {
		case <-grown:
		case <-ctx.Done():
		}
	}
}

func (f *fake) framesOf(user domain.ID, e fakeEvent) [][]byte {
	if f.onFrame != nil {
		return f.onFrame(user, e)
	}
	return [][]byte{e.frame}
}

// config is a short run against the fake.
func (f *fake) config() Config {
	return Config{
		URLs: []string{f.url}, Groups: 3, Members: 4, Senders: 5, Window: 1, Messages: 300, BodySize: 40,
		RetryFor: 20 * time.Second, Settle: 300 * time.Millisecond, ServerPIDs: []int{1 << 30},
	}
}

func (f *fake) run(ctx context.Context, cfg Config) (measure.Figures, error) {
	return Run(ctx, cfg, f.t.Output())
}

// cut ends the connection of a request, without an answer.
func cut(w http.ResponseWriter) bool {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		conn.Close()
	}
	return true
}

func requirePassed(t *testing.T, figures measure.Figures, err error) {
	t.Helper()
	require.NoError(t, err)
	require.Equal(t, measure.Passed, figures.Verdict)
	require.EqualValues(t, figures.Accepted, figures.History)
}
