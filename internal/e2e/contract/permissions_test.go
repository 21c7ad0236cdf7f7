package contract

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/internal/e2e/harness"
	"ping/internal/ephemeral"
	"ping/internal/eventlog"
)

// standings are the columns of the table that differ from each other.
var standings = []standing{outsider, reader, member, admin, owner, blocked, blocker, former}

// answers are what callers of each standing are answered: a status, and the
// code of a refusal. Of a direct conversation, which has no roles, blocked and
// blocker are answered the same.
type answers struct{ outsider, reader, member, admin, owner, blocked, former string }

func (a answers) of(s standing) string {
	return map[standing]string{
		outsider: a.outsider, reader: a.reader, member: a.member, admin: a.admin, owner: a.owner,
		blocked: a.blocked, blocker: a.blocked, former: a.former,
	}[s]
}

const (
	hidden    = "404 conversation_not_found"
	forbidden = "403 forbidden"
	noSend    = "403 blocked"
	noRoles   = "422 direct_is_fixed"
	noToken   = "401 unauthenticated"
)

// The rules that hold for many routes.
func everyone(ok string) answers { return answers{ok, ok, ok, ok, ok, ok, ok} }
func insiders(ok string) answers { return answers{hidden, ok, ok, ok, ok, ok, hidden} }
func writers(ok string) answers  { return answers{hidden, forbidden, ok, ok, ok, noSend, hidden} }
func admins(ok, direct string) answers {
	return answers{hidden, forbidden, forbidden, ok, ok, direct, hidden}
}
func owners(ok, direct string) answers {
	return answers{hidden, forbidden, forbidden, forbidden, ok, direct, hidden}
}

// row is one request to a route. Names that begin with $ are of the scene.
type row struct {
	route string
	// about replaces {user_id} or {message_id} of the route.
	about string
	query string
	body  string
	// open: no token is needed, and all callers have the same answer.
	open bool
	// last: the caller's session ends with it, so each asks as a new user.
	last   bool
	header []string
	answers
}

func TestPermissions(t *testing.T) {
	t.Parallel() // it waits for most of its time
	s := newCast(t)
	s.hire(t)
	secured, served := documented(t, s), s.served()
	for route := range secured {
		require.True(t, served[route], "%s is documented and not served", route)
	}
	rows := map[string]bool{}
	for _, r := range permissions {
		rows[r.route] = true
	}
	for route := range served {
		require.True(t, rows[route], "%s has no row in permissions: who may do it?", route)
	}
	gone := s.register(t)
	erase(t, s, gone)
	expired := s.expiredToken(t)
	scenes := map[standing]*scene{}
	for _, r := range permissions {
		require.True(t, served[r.route], "%s: this row is about a route that is not there", r.route)
		if security, ok := secured[r.route]; ok {
			require.Equal(t, !r.open, security, "%s: whether it needs a token", r.route)
		}
		t.Run(r.name(), func(t *testing.T) {
			for _, as := range standings {
				sc := s.sceneOf(t, scenes, as)
				if !strings.HasPrefix(r.route, http.MethodGet) && r.of(as) < "400" {
					delete(scenes, as) // what it does is no premise of the next
				}
				s.check(t, r, as, sc, s.tokenFor(t, r), r.of(as))
			}
			without := noToken
			if r.open {
				without = r.outsider
			}
			inside := s.sceneOf(t, scenes, owner)
			s.check(t, r, "no token", inside, "", without)
			s.check(t, r, "expired token", inside, expired, without)
			s.check(t, r, "erased user", inside, gone.Token, without)
		})
	}
}

// served returns the routes of the node, written as in the contract.
func (s *cast) served() map[string]bool {
	served := map[string]bool{}
	for _, r := range s.n.Web.Echo.Routes() {
		served[r.Method+" "+pathParameter.ReplaceAllString(r.Path, "{$1}")] = true
	}
	return served
}

var pathParameter = regexp.MustCompile(`:(\w+)`)

// documented returns the operations of the contract as it is served, and
// whether each needs a token. Each takes in all parts of its path.
func documented(t *testing.T, s *cast) map[string]bool {
	t.Helper()
	var contract struct {
		Paths map[string]map[string]struct {
			Security   []any
			Parameters []struct{ Name string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(s.ask(t, "", "GET /openapi.json", "").raw), &contract))
	secured := map[string]bool{}
	for path, methods := range contract.Paths {
		for method, operation := range methods {
			secured[strings.ToUpper(method)+" "+path] = len(operation.Security) > 0
			untaken := path
			for _, p := range operation.Parameters {
				untaken = strings.Replace(untaken, "{"+p.Name+"}", "", 1)
			}
			require.NotContains(t, untaken, "{", "%s %s ignores a part of its path", method, path)
		}
	}
	require.NotEmpty(t, secured)
	return secured
}

// erase erases a user over the API.
func erase(t *testing.T, s *cast, user *harness.Client) {
	t.Helper()
	r := s.ask(t, user.Token, "DELETE /v1/users/me", `{"password":"`+harness.Password+`"}`)
	require.Equal(t, http.StatusAccepted, r.status, r.raw)
}

func (r row) name() string {
	return strings.Trim(strings.Join([]string{r.route, r.about, r.query, r.body}, " "), " ")
}

// tokenFor is the caller's, or a new user's when it will not be good afterwards.
func (s *cast) tokenFor(t *testing.T, r row) string {
	t.Helper()
	if r.last {
		return s.register(t).Token
	}
	return s.caller.Token
}

func (s *cast) sceneOf(t *testing.T, scenes map[standing]*scene, as standing) *scene {
	t.Helper()
	if scenes[as] == nil {
		scenes[as] = s.newScene(t, as)
	}
	return scenes[as]
}

// check asks and compares; a refusal has to leave no event and tell nothing.
func (s *cast) check(t *testing.T, r row, as standing, sc *scene, token, want string) {
	t.Helper()
	what, body := s.requestOf(t, r, as, sc)
	before := s.events(t)
	got := s.ask(t, token, what, body, r.header...)
	if answered := got.summary(); answered != want {
		t.Errorf("%s is answered %s, not %s: %s", as, answered, want, got.raw)
		return
	}
	if got.status < 400 {
		return
	}
	require.Equal(t, before, s.events(t), "%s: what was refused left an event", as)
	require.Equal(t, "application/problem+json", got.header.Get("Content-Type"), as)
	require.Empty(t, got.header.Get("ETag"), as)
	require.Empty(t, got.header.Get("Ping-Position"), as)
	for _, secret := range sc.secrets {
		require.NotContains(t, got.raw, secret, "%s: a refusal tells what is inside", as)
	}
}

// requestOf fills in the names of a row.
func (s *cast) requestOf(t *testing.T, r row, as standing, sc *scene) (what, body string) {
	t.Helper()
	names := []string{"{conversation_id}", sc.conversation, "{emoji}", "%F0%9F%91%8D"}
	fill := strings.Join([]string{r.about, r.query, r.body}, " ")
	add := func(name string, value func() string) {
		if strings.Contains(fill, name) {
			names = append(names, name, value())
		}
	}
	add("$stranger", func() string { return s.stranger(t, as) })
	add("$email", func() string { s.users++; return "someone" + strconv.Itoa(s.users) + "@example.org" })
	add("$psst", func() string { return s.stealth(t, s.caller.ID, sc.conversation) })
	add("$theirs", func() string { return s.stealth(t, s.boss.ID, sc.conversation) })
	add("$refresh", func() string { return s.refreshToken(t) })
	for name, value := range sc.names {
		add(name, func() string { return value })
	}
	about := strings.NewReplacer(names...).Replace(r.about)
	names = append(names, "{user_id}", about, "{message_id}", about, "{stealth_id}", about)
	if r.query != "" {
		r.route += "?" + r.query
	}
	filled := strings.NewReplacer(names...)
	return filled.Replace(r.route), filled.Replace(r.body)
}

// stealth is the id of a stealth message of somebody's who may or may not send
// one: it is put there beneath the rules.
func (s *cast) stealth(t *testing.T, author, conversation string) string {
	t.Helper()
	m := ephemeral.Stealth{ID: eventlog.NewID(), Body: "psst", SentAt: time.Now(), ExpiresAt: time.Now().Add(time.Minute)}
	require.NoError(t, m.AuthorID.UnmarshalText([]byte(author)))
	require.NoError(t, m.ConversationID.UnmarshalText([]byte(conversation)))
	_, _, err := s.n.Ephemeral.Post(t.Context(), m, 0, "", nil)
	require.NoError(t, err)
	return m.ID.String()
}

// refreshToken is one that nobody has used.
func (s *cast) refreshToken(t *testing.T) string {
	t.Helper()
	r := s.ask(t, "", "POST /v1/auth/login", `{"email":"user1@example.org","password":"`+harness.Password+`"}`)
	var session struct {
		RefreshToken string `json:"refresh_token"`
	}
	require.NoError(t, json.Unmarshal([]byte(r.raw), &session))
	return session.RefreshToken
}
