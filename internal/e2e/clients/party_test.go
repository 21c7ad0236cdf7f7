package clients

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/internal/e2e/harness"
	pingclient "ping/realtime/client"
)

// party is the fixture of a test of clients: three users with a device each behind
// a cutter, and a host whose connection is never cut.
type party struct {
	random  *rand.Rand
	cutter  *cutter
	host    *harness.Client
	devices []*device
	groups  []string
	members map[string][]bool // by group, whether each device is in it
	begun   map[string]int64  // by group, the seq that the devices begin after
	written map[string]string // by group, the position of what the host did last
}

// newSeed returns where randomness starts, and logs how to repeat it.
func newSeed(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if given, err := strconv.ParseUint(os.Getenv("PING_TEST_SEED"), 10, 64); err == nil {
		seed = given
	}
	t.Logf("repeat the draws with PING_TEST_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func newParty(t *testing.T, start startDevice) *party {
	t.Helper()
	w := harness.NewWorld(t)
	bases := []string{harness.StartNode(t, w), harness.StartNode(t, w)}
	random := newSeed(t)
	p := &party{
		random: random, cutter: startCutter(t, rand.New(rand.NewPCG(random.Uint64(), 0)), bases...),
		host: harness.Register(t, bases[0], "host"), members: map[string][]bool{}, begun: map[string]int64{}, written: map[string]string{},
	}
	for _, name := range []string{"ada", "bob", "cem"} {
		p.devices = append(p.devices, newDevice(harness.Register(t, bases[0], name)))
	}
	p.gather(t, []bool{true, true, false})
	for range 5 {
		p.speak(t, p.groups[0])
	}
	events := p.log(t, p.groups[0])
	p.begun[p.groups[0]] = events[len(events)-1].Seq
	for i, d := range p.devices {
		name := []string{"ada", "bob", "cem"}[i]
		session, err := pingclient.LogIn(t.Context(), bases[0], name+"@example.org", harness.Password)
		require.NoError(t, err)
		session.RefreshAt = time.Time{} // so that answers with new tokens are lost too
		start(t, p.cutter.url, session, d)
	}
	for _, d := range p.devices {
		d.await(t, "it is connected", func() bool { return d.resumed > 0 })
	}
	return p
}

// gather makes a group of the host's with some of the devices' users.
func (p *party) gather(t *testing.T, members []bool) {
	t.Helper()
	ids := []string{}
	for i, in := range members {
		if in {
			ids = append(ids, p.devices[i].user.ID)
		}
	}
	a := p.host.Call(t, "POST", "/v1/conversations", map[string]any{"kind": "group", "name": "party", "members": ids})
	require.Equal(t, http.StatusCreated, a.Status, a.Body)
	group := harness.Text(t, a.Body, "id")
	p.groups = append(p.groups, group)
	p.members[group], p.written[group] = members, a.Header.Get("Ping-Position")
}

func (p *party) speak(t *testing.T, group string) {
	t.Helper()
	a := p.host.Call(t, "POST", "/v1/conversations/"+group+"/messages", map[string]string{"body": "welcome"})
	require.Equal(t, http.StatusCreated, a.Status, a.Body)
	p.written[group] = a.Header.Get("Ping-Position")
}

// toggle removes the user of a device from a group, or adds them.
func (p *party) toggle(t *testing.T, group string, i int) {
	t.Helper()
	path, user := "/v1/conversations/"+group+"/members", p.devices[i].user.ID
	var a harness.Answer
	if p.members[group][i] {
		a = p.host.Call(t, "DELETE", path+"/"+user, nil)
	} else {
		a = p.host.Call(t, "POST", path, map[string]string{"user_id": user})
	}
	require.Less(t, a.Status, 300, a.Body)
	p.members[group][i] = !p.members[group][i]
}

// step lets something happen.
func (p *party) step(t *testing.T) {
	t.Helper()
	group := p.groups[p.random.IntN(len(p.groups))]
	switch n := p.random.IntN(12); {
	case n == 0 && len(p.groups) < 5:
		p.gather(t, []bool{p.random.IntN(2) == 0, p.random.IntN(2) == 0, p.random.IntN(2) == 0})
	case n < 3:
		p.toggle(t, group, p.random.IntN(len(p.devices)))
	case n < 5:
		p.speak(t, group)
	default:
		// Also into a group of which the user is no member: that is refused, and
		// later messages are sent.
		p.devices[p.random.IntN(len(p.devices))].say(group)
	}
}

// requireViews waits until each device has seen what its user may see, and
// checks that it has seen that and nothing else.
func (p *party) requireViews(t *testing.T) {
	t.Helper()
	for _, group := range p.groups {
		events := p.log(t, group)
		for _, d := range p.devices {
			want := visible(events, d.user.ID, p.begun[group])
			d.await(t, "it has seen as many events as there are", func() bool { return len(d.views[group]) >= len(want) })
			d.mu.Lock()
			require.Equal(t, want, d.views[group])
			d.mu.Unlock()
			d.requireSent(t, group, events)
		}
	}
}

// entry is an event as GET …/events tells it.
type entry struct {
	ConversationID string `json:"conversation_id"`
	Seq            int64
	Event, ID      string
	ActorID        string `json:"actor_id"`
	Data           struct {
		Body   string
		UserID string `json:"user_id"`
	}
}

// log reads the whole log of a group, as one sees it who was always in it.
func (p *party) log(t *testing.T, group string) (events []entry) {
	t.Helper()
	for {
		path := fmt.Sprintf("/v1/conversations/%s/events?limit=200&after=%d", group, len(events))
		a := p.host.Call(t, "GET", path, nil, "Ping-Min-Position", p.written[group])
		require.Equal(t, http.StatusOK, a.Status, a.Body)
		encoded, err := json.Marshal(a.Body["items"])
		require.NoError(t, err)
		var page []entry
		require.NoError(t, json.Unmarshal(encoded, &page))
		if len(page) == 0 {
			return events
		}
		events = append(events, page...)
	}
}

// visible returns the events that a user may receive on a socket that started after
// the seq begun: from each one that adds them to the one that removes them.
func visible(events []entry, user string, begun int64) (view []string) {
	member := false
	for _, e := range events {
		if e.Event == "member.added" && e.Data.UserID == user {
			member = true
		}
		if member && e.Seq > begun {
			view = append(view, fmt.Sprint(e.Seq, " ", e.Event, " ", e.ID))
		}
		if e.Event == "member.removed" && e.Data.UserID == user {
			member = false
		}
	}
	return view
}
