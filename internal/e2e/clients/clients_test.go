package clients

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/internal/auth"
	"ping/internal/e2e/harness"
	pingclient "ping/realtime/client"
)

// testClients is what each client must do, against real nodes.
func testClients(t *testing.T, start startDevice) {
	t.Run("has the log however connections are cut", func(t *testing.T) { testCuts(t, start) })
	t.Run("reads what is not replayed", func(t *testing.T) { testGaps(t, start) })
	t.Run("outlives its access token", func(t *testing.T) { testTokens(t, start) })
	t.Run("ends with its session", func(t *testing.T) { testEnds(t, start) })
	t.Run("follows a server that is hard to have otherwise", func(t *testing.T) { testScripts(t, start) })
	t.Run("does what its app asks for, whenever", func(t *testing.T) { testApps(t, start) })
	t.Run("sends and receives typing and presence", func(t *testing.T) { testSeen(t, start) })
}

// testCuts: however connections are cut, each client's view of a conversation is
// what its user may see of the log, once and in order, and what it sent is
// there once and in order.
func testCuts(t *testing.T, start startDevice) {
	p := newParty(t, start)
	for range 400 {
		p.step(t)
	}
	for cuts := p.cutter.cuts.Load(); p.cutter.cuts.Load() < max(cuts, 100); {
		p.step(t)
	}
	p.cutter.calm.Store(true)
	for _, d := range p.devices {
		d.awaitSettled(t)
	}
	for _, group := range p.groups {
		p.speak(t, group)
	}
	p.requireViews(t)
	t.Logf("%d cuts", p.cutter.cuts.Load())
}

// testGaps: what the server does not replay is read over HTTP, in its place.
func testGaps(t *testing.T, start startDevice) {
	p := newParty(t, start)
	const ada, bob, cem = 0, 1, 2
	group := p.groups[0] // with Ada and Bob
	p.cutter.refuse(true)
	p.toggle(t, group, bob)
	p.speak(t, group) // not for Bob, whose replay has a short stretch, and a long one after it
	p.toggle(t, group, bob)
	p.toggle(t, group, cem)
	for range 1010 {
		p.speak(t, group)
	}
	p.toggle(t, group, ada) // she may not read what she has missed
	p.cutter.refuse(false)
	cuts := p.cutter.cuts.Load()
	require.Eventually(t, func() bool { return p.cutter.cuts.Load() > cuts+10 }, time.Minute, time.Millisecond)
	p.cutter.calm.Store(true)

	events := p.log(t, group)
	for _, i := range []int{bob, cem} {
		d := p.devices[i]
		want := visible(events, d.user.ID, p.begun[group])
		d.await(t, "it has seen as many events as there are", func() bool { return len(d.views[group]) >= len(want) })
		require.Equal(t, want, d.views[group])
		require.Zero(t, d.skipped[group])
	}
	end := events[len(events)-1]
	require.Equal(t, "member.removed", end.Event)
	d := p.devices[ada]
	d.await(t, "it was told what it cannot have", func() bool { return d.skipped[group] == end.Seq })
	p.toggle(t, group, ada)
	p.speak(t, group)
	want := visible(p.log(t, group), d.user.ID, end.Seq)
	d.await(t, "it goes on where its user is back", func() bool { return len(d.views[group]) >= len(want) })
	require.Equal(t, want, d.views[group][len(d.views[group])-len(want):])
}

// testTokens: a stream is extended before its token expires; where that was not
// done in time, the client comes back with a new one.
func testTokens(t *testing.T, start startDevice) {
	w := harness.NewWorld(t)
	base := harness.StartNode(t, w)
	begin := func(t *testing.T, name string, early bool) (*device, pingclient.Session) {
		d := newDevice(harness.Register(t, base, name))
		session, err := pingclient.LogIn(t.Context(), base, name+"@example.org", harness.Password)
		require.NoError(t, err)
		session.AccessToken = expiring(t, w, session.AccessToken)
		if early {
			session.RefreshAt = time.Now().Add(time.Second)
		}
		start(t, base, session, d)
		d.await(t, "it is connected", func() bool { return d.resumed == 1 })
		return d, session
	}
	inTime, session := begin(t, "ada", true)
	late, _ := begin(t, "bob", false)
	raw := harness.OpenSocket(t, base, &harness.Client{Base: base, Token: session.AccessToken})
	require.EqualValues(t, 4002, harness.CloseStatus(t, raw), "the token of the one in time has expired")
	late.await(t, "it has come back", func() bool { return late.resumed == 2 })

	for _, d := range []*device{inTime, late} {
		created := d.user.Call(t, "POST", "/v1/conversations", map[string]any{"kind": "group", "name": "alone", "members": []string{}})
		require.Equal(t, http.StatusCreated, created.Status, created.Body)
		group := harness.Text(t, created.Body, "id")
		d.say(group)
		d.await(t, "it hears of its own message", func() bool { return len(d.views[group]) == 2 })
	}
	require.Equal(t, 1, inTime.resumed, "its stream went on")
}

// testSeen: other users see a user typing and going away, also on another node.
func testSeen(t *testing.T, start startDevice) {
	w := harness.NewWorld(t)
	bases := []string{harness.StartNode(t, w), harness.StartNode(t, w)}
	var devices []*device
	for i, name := range []string{"ada", "bob"} {
		d := newDevice(harness.Register(t, bases[i], name))
		session, err := pingclient.LogIn(t.Context(), bases[i], name+"@example.org", harness.Password)
		require.NoError(t, err)
		start(t, bases[i], session, d)
		d.await(t, "it is connected", func() bool { return d.resumed == 1 })
		devices = append(devices, d)
	}
	ada, bob := devices[0], devices[1]
	created := ada.user.Call(t, "POST", "/v1/conversations", map[string]any{"kind": "group", "name": "two", "members": []string{bob.user.ID}})
	require.Equal(t, http.StatusCreated, created.Status, created.Body)
	group := harness.Text(t, created.Body, "id")
	for _, d := range devices {
		d.await(t, "it hears of the group", func() bool { return len(d.views[group]) > 0 })
	}
	// The audience of presence is read from the inbox.
	known := bob.user.Call(t, "GET", "/v1/conversations/"+group, nil, "Ping-Min-Position", created.Header.Get("Ping-Position"))
	require.Equal(t, http.StatusOK, known.Status, known.Body)

	types, away := "typing "+group+" "+ada.user.ID+" ", "presence  "+ada.user.ID+" false away"
	// Repeated, since nodes publish it only after they have read the blocks.
	require.Eventually(t, func() bool {
		ada.typing(group, true)
		bob.mu.Lock()
		defer bob.mu.Unlock()
		return slices.Contains(bob.ephemeral, types+"true ")
	}, 20*time.Second, 200*time.Millisecond)
	ada.typing(group, false)
	ada.presence("away")
	bob.await(t, "Ada types no more, and is away", func() bool {
		return slices.Contains(bob.ephemeral, types+"false ") && slices.Contains(bob.ephemeral, away)
	})
}

// expiring makes a token like the given one that is good for some seconds only.
func expiring(t *testing.T, w harness.World, token string) string {
	t.Helper()
	real, err := auth.NewTokens([]byte(w.Config.JWTSecret), time.Now)
	require.NoError(t, err)
	claims, err := real.Verify(token)
	require.NoError(t, err)
	early, err := auth.NewTokens([]byte(w.Config.JWTSecret), func() time.Time { return time.Now().Add(6*time.Second - time.Until(claims.ExpiresAt)) })
	require.NoError(t, err)
	short, _ := early.Issue(claims.UserID, claims.SessionID)
	return short
}

// testEnds: a client whose session is over says so and does not come back.
func testEnds(t *testing.T, start startDevice) {
	base := harness.StartNode(t, harness.NewWorld(t))
	proxy := startCutter(t, newSeed(t), base)
	proxy.calm.Store(true)
	begin := func(name string) (d *device, logOut func()) {
		d = newDevice(harness.Register(t, base, name))
		session, err := pingclient.LogIn(t.Context(), base, name+"@example.org", harness.Password)
		require.NoError(t, err)
		start(t, proxy.url, session, d)
		d.await(t, "it is connected", func() bool { return d.resumed == 1 })
		return d, func() {
			by := &harness.Client{Base: base, Token: session.AccessToken}
			require.Equal(t, http.StatusNoContent, by.Call(t, "POST", "/v1/auth/logout", nil).Status)
		}
	}
	ended := func(d *device, code int) {
		d.await(t, "it has ended", func() bool { return len(d.ends) > 0 })
		require.Equal(t, []int{code}, d.ends)
	}
	t.Run("while it is connected", func(t *testing.T) {
		d, logOut := begin("ada")
		logOut()
		ended(d, 4501)
	})
	t.Run("while it is disconnected", func(t *testing.T) {
		d, logOut := begin("bob")
		proxy.refuse(true)
		logOut()
		proxy.refuse(false)
		ended(d, http.StatusUnauthorized)
	})
}
