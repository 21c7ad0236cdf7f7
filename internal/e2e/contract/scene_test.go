package contract

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/auth"
	"ping/internal/e2e/harness"
	"ping/internal/node"
)

// standing is what a caller is to a conversation.
type standing string

const (
	outsider standing = "outsider"
	reader   standing = "reader"
	member   standing = "member"
	admin    standing = "admin"
	owner    standing = "owner"
	blocked  standing = "blocked" // a member of a direct conversation, blocked by the other
	blocker  standing = "blocker" // the one who has blocked the other
	former   standing = "former member"
)

// direct reports whether the conversation has two members and no roles.
func (s standing) direct() bool { return s == blocked || s == blocker }

// cast are the users of one node.
type cast struct {
	secret string // of access tokens
	n      *node.Node
	base   string
	http   *http.Client
	// seen is the last position written in each partition: what reads wait for.
	seen    map[string]string
	stopped bool // the read models are: nobody waits for what is not coming

	caller, boss, target, newcomer, hermit, bore *harness.Client
	elsewhere                                    string // a message of the caller in another conversation
	scenes, users                                int
}

func newCast(t *testing.T) *cast {
	t.Helper()
	w := harness.NewWorld(t)
	n, base := harness.RunNode(t, w)
	s := &cast{n: n, secret: w.Config.JWTSecret, base: base, http: &http.Client{Transport: &http.Transport{}}, seen: map[string]string{}}
	t.Cleanup(s.http.CloseIdleConnections)
	return s
}

// hire registers the users of the scenes.
func (s *cast) hire(t *testing.T) {
	t.Helper()
	for _, user := range []**harness.Client{&s.caller, &s.boss, &s.target, &s.newcomer, &s.hermit, &s.bore} {
		*user = s.register(t)
	}
	s.write(t, s.hermit, "PUT /v1/users/me/blocks/"+s.caller.ID, "")
	s.write(t, s.caller, "PUT /v1/users/me/blocks/"+s.bore.ID, "")
	own := s.group(t, s.caller, "elsewhere")
	s.elsewhere = s.send(t, s.caller, own, "elsewhere")
}

// reply is what came back over HTTP.
type reply struct {
	status int
	header http.Header
	raw    string
}

// ask sends a request, such as "GET /v1/users/me", that includes all writes, and
// retries when told to.
func (s *cast) ask(t *testing.T, token, what, body string, header ...string) reply {
	t.Helper()
	for again := 0; ; again++ {
		r := s.askOnce(t, token, what, body, header...)
		if r.status != http.StatusServiceUnavailable || r.problem().Code != "behind" || again == 10 {
			return r
		}
	}
}

func (s *cast) askOnce(t *testing.T, token, what, body string, header ...string) reply {
	t.Helper()
	method, path, _ := strings.Cut(what, " ")
	request, err := http.NewRequestWithContext(t.Context(), method, s.base+path, strings.NewReader(body))
	require.NoError(t, err)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if len(s.seen) > 0 && !s.stopped {
		positions := slices.Collect(maps.Values(s.seen))
		request.Header.Set("Ping-Min-Position", strings.Join(positions, ","))
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := s.http.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	r := reply{status: response.StatusCode, header: response.Header}
	if r.status != http.StatusSwitchingProtocols { // what follows is no answer then
		raw, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		r.raw = string(raw)
	}
	if at := r.header.Get("Ping-Position"); at != "" {
		partition, _, _ := strings.Cut(at, ":")
		s.seen[partition] = at
	}
	return r
}

// problem is the body of a refusal; zero when it is none.
func (r reply) problem() (p struct{ Code string }) {
	_ = json.Unmarshal([]byte(r.raw), &p)
	return p
}

// summary is the status, and the code of a refusal.
func (r reply) summary() string {
	return strings.TrimSpace(strconv.Itoa(r.status) + " " + r.problem().Code)
}

// write does what must succeed, and returns the id of what it made.
func (s *cast) write(t *testing.T, by *harness.Client, what, body string) (id string) {
	t.Helper()
	r := s.ask(t, by.Token, what, body)
	require.Less(t, r.status, 300, "%s: %s", what, r.raw)
	var made struct{ ID string }
	if r.raw != "" {
		require.NoError(t, json.Unmarshal([]byte(r.raw), &made))
	}
	return made.ID
}

func (s *cast) register(t *testing.T) *harness.Client {
	t.Helper()
	s.users++
	name := "user" + strconv.Itoa(s.users)
	r := s.ask(t, "", "POST /v1/auth/register", `{"email":"`+name+`@example.org","password":"`+harness.Password+`","display_name":"`+name+`"}`)
	require.Equal(t, http.StatusCreated, r.status, r.raw)
	c := &harness.Client{Base: s.base}
	var session harness.Answer
	require.NoError(t, json.Unmarshal([]byte(r.raw), &session.Body))
	c.Use(t, session)
	return c
}

func (s *cast) group(t *testing.T, by *harness.Client, name string, others ...*harness.Client) string {
	t.Helper()
	members := []string{}
	for _, o := range others {
		members = append(members, `"`+o.ID+`"`)
	}
	return s.write(t, by, "POST /v1/conversations", `{"kind":"group","name":"`+name+`","members":[`+strings.Join(members, ",")+`]}`)
}

func (s *cast) send(t *testing.T, by *harness.Client, conversation, body string) string {
	t.Helper()
	return s.write(t, by, "POST /v1/conversations/"+conversation+"/messages", `{"body":"`+body+`"}`)
}

// expiredToken is one of the caller's that was good an hour ago.
func (s *cast) expiredToken(t *testing.T) string {
	t.Helper()
	tokens, err := auth.NewTokens([]byte(s.secret), func() time.Time { return time.Now().Add(-time.Hour) })
	require.NoError(t, err)
	user, err := domain.ParseID(s.caller.ID)
	require.NoError(t, err)
	token, _ := tokens.Issue(user, user)
	return token
}

// scene is a conversation, seen by a caller of some standing.
type scene struct {
	conversation string
	peer         *harness.Client // of a direct conversation
	// names are what a request says of the scene, such as $own.
	names map[string]string
	// secrets are what nobody may learn from a refusal.
	secrets []string
}

// newScene makes a new conversation; in a direct one, whose members are always the
// same, it makes new messages.
func (s *cast) newScene(t *testing.T, as standing) *scene {
	t.Helper()
	s.scenes++
	name := "secret name " + strconv.Itoa(s.scenes)
	body := "secret body " + strconv.Itoa(s.scenes)
	sc := &scene{}
	var own, others string
	if as.direct() {
		own, others = s.setDirect(t, sc, as, body)
	} else {
		own, others = s.setGroup(t, sc, as, name, body)
	}
	sc.secrets = []string{sc.conversation, own, others, name, body, s.boss.ID, s.target.ID}
	sc.names = map[string]string{
		"$conversation": sc.conversation, "$own": own, "$others": others, "$elsewhere": s.elsewhere,
		"$boss": s.boss.ID, "$target": s.target.ID, "$self": s.caller.ID, "$newcomer": s.newcomer.ID,
		"$nobody": "00000000-0000-7000-8000-000000000000",
	}
	return sc
}

// setGroup makes a group with the target, a plain member, and the boss: its
// owner, or an admin when the caller is that.
func (s *cast) setGroup(t *testing.T, sc *scene, as standing, name, body string) (own, others string) {
	t.Helper()
	head := s.boss
	switch as {
	case owner:
		head = s.caller
		sc.conversation = s.group(t, head, name, s.boss, s.target)
		s.write(t, head, "PATCH /v1/conversations/"+sc.conversation+"/members/"+s.boss.ID, `{"role":"admin"}`)
	case outsider:
		sc.conversation = s.group(t, head, name, s.target)
	default:
		sc.conversation = s.group(t, head, name, s.target, s.caller)
	}
	others = s.send(t, s.target, sc.conversation, body)
	own = others
	if as != outsider {
		own = s.send(t, s.caller, sc.conversation, body)
	}
	place := "/v1/conversations/" + sc.conversation + "/members/" + s.caller.ID
	switch as {
	case reader, admin:
		s.write(t, head, "PATCH "+place, `{"role":"`+string(as)+`"}`)
	case former:
		s.write(t, head, "DELETE "+place, "")
	}
	return own, others
}

// setDirect lets the two write to each other before the block is there again.
func (s *cast) setDirect(t *testing.T, sc *scene, as standing, body string) (own, others string) {
	t.Helper()
	by, of := s.hermit, s.caller
	sc.peer = s.hermit
	if as == blocker {
		by, of = s.caller, s.bore
		sc.peer = s.bore
	}
	block := " /v1/users/me/blocks/" + of.ID
	s.write(t, by, "DELETE"+block, "")
	sc.conversation = s.write(t, s.caller, "POST /v1/conversations", `{"kind":"direct","members":["`+sc.peer.ID+`"]}`)
	own = s.send(t, s.caller, sc.conversation, body)
	others = s.send(t, sc.peer, sc.conversation, body)
	s.write(t, by, "PUT"+block, "")
	return own, others
}

// stranger registers a user that shares no conversation with the caller, with the
// block of the caller's standing.
func (s *cast) stranger(t *testing.T, as standing) string {
	t.Helper()
	stranger := s.register(t)
	switch as {
	case blocked:
		s.write(t, stranger, "PUT /v1/users/me/blocks/"+s.caller.ID, "")
	case blocker:
		s.write(t, s.caller, "PUT /v1/users/me/blocks/"+stranger.ID, "")
	}
	return stranger.ID
}

// events counts all events of the log.
func (s *cast) events(t *testing.T) (n int64) {
	t.Helper()
	require.NoError(t, s.n.Pool.QueryRow(t.Context(), `SELECT count(*) FROM log.events`).Scan(&n))
	return n
}
