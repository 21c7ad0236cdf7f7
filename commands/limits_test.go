package commands_test

import (
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/web"
)

// limited starts a node with limits, that believes loopback to be a proxy.
func limited(t *testing.T, rates string, proxies ...string) *node {
	t.Helper()
	s := newSystem(t)
	s.limits = rates
	for _, proxy := range proxies {
		_, network, err := net.ParseCIDR(proxy)
		require.NoError(t, err)
		s.proxies = append(s.proxies, network)
	}
	return s.start()
}

// from is a request that a proxy says came from an address, or over several.
func from(addresses string, r request) request {
	r.header = http.Header{"X-Forwarded-For": {addresses}}
	return r
}

func loginAnyone() request { return loginRequest(newEmail(), password) }

// tooOften checks a refusal, and returns how long to wait.
func (a answer) tooOften() int {
	a.t.Helper()
	a.refused(http.StatusTooManyRequests, "rate_limited")
	require.Len(a.t, a.header.Values("Retry-After"), 1)
	wait, err := strconv.Atoi(a.header.Get("Retry-After"))
	require.NoError(a.t, err)
	require.GreaterOrEqual(a.t, wait, 1)
	return wait
}

func (a answer) rateLimit(name string) string {
	a.t.Helper()
	require.Len(a.t, a.header.Values("RateLimit-"+name), 1, name)
	return a.header.Get("RateLimit-" + name)
}

const loopback = "127.0.0.0/8"

func TestLimits(t *testing.T) {
	t.Run("of logins by address, with what clients are told", func(t *testing.T) {
		n := limited(t, "login=3/h", loopback)
		for left := 2; left >= 0; left-- {
			a := n.do(t, from("203.0.113.9", loginAnyone())).refused(401, "invalid_credentials")
			require.Equal(t, "3", a.rateLimit("Limit"))
			require.Equal(t, "3;w=3600", a.rateLimit("Policy"))
			require.Equal(t, strconv.Itoa(left), a.rateLimit("Remaining"))
			reset, err := strconv.Atoi(a.rateLimit("Reset"))
			require.NoError(t, err)
			require.InDelta(t, 1200*(3-left), reset, 60)
		}
		a := n.do(t, from("203.0.113.9", loginAnyone()))
		require.InDelta(t, 1200, a.tooOften(), 60)
		require.Equal(t, "0", a.rateLimit("Remaining"))
		require.Equal(t, "3", a.rateLimit("Limit"))
		n.do(t, from("203.0.113.10", loginAnyone())).is(401)
	})
	t.Run("of registrations by address, over all nodes", func(t *testing.T) {
		one := limited(t, "register=4/h")
		other := one.system.start()
		made := 0
		for _, a := range atOnce(12, func(i int) answer { return []*node{one, other}[i%2].do(t, registration(newEmail(), "Ada")) }) {
			if a.status == http.StatusCreated {
				made++
			} else {
				a.tooOften()
			}
		}
		require.Equal(t, 4, made)
	})
	t.Run("of logins to one account, from wherever, known or not", func(t *testing.T) {
		n := limited(t, "login=3/h", loopback)
		ada := n.person(t, "Ada")
		for _, email := range []string{ada.Email, newEmail()} {
			for i := range 6 {
				login := from("203.0.113."+strconv.Itoa(int(email[0])%100+i), loginRequest(email, "another horse"))
				if i%2 == 1 {
					login.body.(map[string]any)["email"] = strings.ToUpper(email)
				}
				a := n.do(t, login)
				if i < 3 {
					a.refused(401, "invalid_credentials")
				} else {
					require.InDelta(t, 1200, a.tooOften(), 60)
				}
				a.rateLimit("Limit")
			}
		}
		n.do(t, from("198.51.100.1", loginRequest(ada.Email, password))).tooOften()
	})
	t.Run("of all that reaches others, by user", func(t *testing.T) {
		n := limited(t, "send=4/h")
		ada, bob := n.person(t, "Ada"), n.person(t, "Bob")
		crew := n.group(t, ada, bob)
		n.do(t, sendRequest(ada, crew, "k", "hello")).is(http.StatusCreated)
		n.do(t, sendRequest(ada, crew, "k", "hello")).is(http.StatusCreated)
		n.do(t, request{method: "PUT", path: "/v1/conversations/" + crew.String() + "/read", token: ada.Token,
			body: map[string]any{"seq": 4}}).is(http.StatusOK)
		n.do(t, sendRequest(ada, crew, "", "hello")).tooOften()
		n.do(t, createRequest(ada, "group", "crew")).tooOften()
		require.NotContains(t, n.events(t, crew)[4:], domain.MessageSent{}.Type(), "nothing was done")
		n.do(t, sendRequest(bob, crew, "", "hello")).is(http.StatusCreated)
		n.do(t, request{method: "POST", path: "/v1/auth/ticket", token: ada.Token}).is(http.StatusCreated)
	})
	t.Run("are told to none whose token is bad", func(t *testing.T) {
		n := limited(t, "send=1/h")
		for range 3 {
			n.do(t, sendRequest(person{Token: "x"}, domain.ID(uuid.New()), "", "hello")).refused(401, "unauthenticated")
		}
	})
	t.Run("are off without a word", func(t *testing.T) {
		n := limited(t, "off")
		for range 40 {
			a := n.do(t, loginAnyone()).is(401)
			require.Empty(t, a.header.Values("RateLimit-Limit"))
		}
	})
	t.Run("keep no e-mail and no address in Redis", func(t *testing.T) {
		n := limited(t, "login=3/h", loopback)
		email := newEmail()
		n.do(t, from("203.0.113.9", loginRequest(email, password))).is(401)
		keys := n.system.redis.Keys(t.Context(), "ping:limit:login:*").Val()
		require.Len(t, keys, 2)
		for _, key := range keys {
			require.NotContains(t, key, email)
			require.NotContains(t, key, "203")
		}
	})
}

func TestClientAddress(t *testing.T) {
	// exhaust uses the one login per hour of the address that the node attributes to
	// the request.
	exhaust := func(t *testing.T, n *node, addresses string) { n.do(t, from(addresses, loginAnyone())).is(401) }

	t.Run("is not what a client other than a proxy claims", func(t *testing.T) {
		n := limited(t, "login=1/h", "10.0.0.0/8") // and loopback, which the test comes from, is none
		exhaust(t, n, "203.0.113.1")
		for _, lie := range []string{"203.0.113.2", "10.0.0.1", "203.0.113.3, 10.0.0.1", "?", ""} {
			n.do(t, from(lie, loginAnyone())).tooOften()
		}
	})
	t.Run("is what the last proxy says, not what the client told it", func(t *testing.T) {
		n := limited(t, "login=1/h", loopback, "10.0.0.0/8")
		exhaust(t, n, "198.51.100.1, 203.0.113.1")
		for _, chain := range []string{"203.0.113.1", "198.51.100.2, 203.0.113.1", "?, 203.0.113.1", "1.1.1.1, 203.0.113.1, 10.0.0.1", "::ffff:203.0.113.1"} {
			n.do(t, from(chain, loginAnyone())).tooOften()
		}
		exhaust(t, n, "203.0.113.2")
	})
	t.Run("counts by /64 when it is IPv6", func(t *testing.T) {
		n := limited(t, "login=1/h", loopback)
		exhaust(t, n, "2001:db8:0:1::1")
		n.do(t, from("2001:db8:0:1:ffff:ffff:ffff:ffff", loginAnyone())).tooOften()
		exhaust(t, n, "2001:db8:0:2::1")
	})
}

// TestMessagesGoOnWithoutRedis: limits fail open.
func TestMessagesGoOnWithoutRedis(t *testing.T) {
	s := newSystem(t)
	s.limits = "send=4/h"
	s.redis = redis.NewClient(&redis.Options{Network: "unix", Addr: filepath.Join(t.TempDir(), "nobody.sock")})
	t.Cleanup(func() { require.NoError(t, s.redis.Close()) })
	n := s.start()
	ada := n.person(t, "Ada")
	crew := n.group(t, ada)
	for i := range 20 {
		m := into[web.Message](n.do(t, sendRequest(ada, crew, "", "hello "+strconv.Itoa(i))).is(http.StatusCreated))
		require.NotZero(t, m.Seq)
	}
}
