package commands_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"ping/domain"
	"ping/internal/web"
)

func newEmail() string { return uuid.NewString() + "@example.org" }

func loginRequest(email, password string) request {
	return request{method: "POST", path: "/v1/auth/login", body: map[string]any{"email": email, "password": password}}
}

func TestRegister(t *testing.T) {
	n := newSystem(t).start()

	t.Run("answers a session that works", func(t *testing.T) {
		a := n.do(t, registration(newEmail(), " Ada ")).is(http.StatusCreated)
		s := into[web.Session](a)
		require.Equal(t, "Ada", s.User.DisplayName)
		require.Equal(t, 900, s.ExpiresIn)
		require.NotEmpty(t, s.RefreshToken)
		claims, err := n.tokens.Verify(s.AccessToken)
		require.NoError(t, err)
		require.Equal(t, s.User.ID, claims.UserID)
		require.Equal(t, []string{"user.registered"}, n.events(t, s.User.ID))
		require.Equal(t, n.log.PartitionOf(s.User.ID), a.position().Partition)
	})
	t.Run("keeps secrets out of the log", func(t *testing.T) {
		email := newEmail()
		s := into[web.Session](n.do(t, registration(email, "Ada")).is(http.StatusCreated))
		events, err := n.log.ReadStream(context.Background(), s.User.ID, 0, 10)
		require.NoError(t, err)
		require.JSONEq(t, `{"display_name":"Ada"}`, string(events[0].Payload))
		require.NotContains(t, string(events[0].Frame), email)
	})
	t.Run("refuses an address that is taken, in any case", func(t *testing.T) {
		email := newEmail()
		n.do(t, registration(email, "Ada")).is(http.StatusCreated)
		n.do(t, registration(email, "Ada")).refused(409, "email_taken")
		n.do(t, registration(strings.ToUpper(email), "Bea")).refused(409, "email_taken")
	})
	t.Run("many at once for one address make one user", func(t *testing.T) {
		email := newEmail()
		answers := atOnce(8, func(i int) answer {
			r := registration(email, "Ada")
			r.body.(map[string]any)["password"] = "password " + string(rune('a'+i))
			return n.do(t, r)
		})
		made := 0
		for _, a := range answers {
			if a.status == http.StatusCreated {
				made++
			} else {
				a.refused(409, "email_taken")
			}
		}
		require.Equal(t, 1, made)
	})

	bad := map[string]struct {
		field, value, code string
	}{
		"no address":              {"email", "ada", "email_invalid"},
		"an address with a name":  {"email", "Ada <ada@example.org>", "email_invalid"},
		"an address with a NUL":   {"email", "\"a\x00\"@example.org", "email_invalid"},
		"an address that is huge": {"email", strings.Repeat("a", 250) + "@b.org", "email_invalid"},
		"a password of 7 bytes":   {"password", "seven77", "password_invalid"},
		"a password of 73 bytes":  {"password", strings.Repeat("p", 73), "password_invalid"},
		"36 characters, 74 bytes": {"password", strings.Repeat("ö", 37), "password_invalid"},
		"an empty name":           {"display_name", " ", "name_invalid"},
		"a name of two lines":     {"display_name", "A\nda", "name_invalid"},
	}
	for name, b := range bad {
		t.Run("refuses "+name, func(t *testing.T) {
			r := registration(newEmail(), "Ada")
			r.body.(map[string]any)[b.field] = b.value
			a := n.do(t, r).refused(422, b.code)
			require.NotContains(t, string(a.body), password)
		})
	}
	t.Run("does not repeat a password that it refuses", func(t *testing.T) {
		r := registration(newEmail(), "Ada")
		r.body.(map[string]any)["extra"] = "x"
		require.NotContains(t, string(n.do(t, r).refused(422, "validation").body), password)
		r.body = `{"password":"` + password + `",`
		require.NotContains(t, string(n.do(t, r).refused(400, "validation").body), password)
	})
}

func TestRegisterRetry(t *testing.T) {
	n := newSystem(t).start()
	email := newEmail()
	r := registration(email, "Ada")
	r.key = "register-1"
	first := into[web.Session](n.do(t, r).is(http.StatusCreated))

	t.Run("answers a session of the same user", func(t *testing.T) {
		a := n.do(t, r).is(http.StatusCreated)
		require.True(t, a.replayed())
		require.Equal(t, first.User, into[web.Session](a).User)
		require.Equal(t, []string{"user.registered"}, n.events(t, first.User.ID))
	})
	t.Run("refuses the key with another body", func(t *testing.T) {
		for field, value := range map[string]string{"password": "another password", "display_name": "Bea"} {
			other := registration(email, "Ada")
			other.key = r.key
			other.body.(map[string]any)[field] = value
			n.do(t, other).refused(409, "idempotency_key_reused")
		}
	})
	t.Run("refuses another key", func(t *testing.T) {
		other := registration(email, "Ada")
		other.key = "register-2"
		n.do(t, other).refused(409, "email_taken")
	})
}

// TestRegisterHeals leaves the rows as a crash would have, and goes on.
func TestRegisterHeals(t *testing.T) {
	s := newSystem(t)
	n := s.start()
	ctx := context.Background()

	// beforeEvent is a crash after the credentials were stored.
	beforeEvent := func(t *testing.T) (email string, id domain.ID) {
		email, id = newEmail(), domain.ID(uuid.New())
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		require.NoError(t, err)
		_, err = s.pool.Exec(ctx, `INSERT INTO identity.credentials (user_id, email, password_hash, display_name) VALUES ($1, $2, $3, 'Ada')`,
			[16]byte(id), email, string(hash))
		require.NoError(t, err)
		return email, id
	}
	// afterEvent is a crash before it was noted that the event is there.
	afterEvent := func(t *testing.T) (email string, id domain.ID) {
		email = newEmail()
		id = into[web.Session](n.do(t, registration(email, "Ada")).is(http.StatusCreated)).User.ID
		_, err := s.pool.Exec(ctx, `UPDATE identity.credentials SET registered_at = NULL, display_name = 'Ada' WHERE user_id = $1`, [16]byte(id))
		require.NoError(t, err)
		return email, id
	}
	healed := func(t *testing.T, a answer, id domain.ID, name string) {
		t.Helper()
		session := into[web.Session](a)
		require.Equal(t, web.User{ID: id, DisplayName: name}, session.User)
		require.Equal(t, []string{"user.registered"}, n.events(t, id))
		var registered bool
		require.NoError(t, s.pool.QueryRow(ctx, `SELECT registered_at IS NOT NULL FROM identity.credentials WHERE user_id = $1`, [16]byte(id)).Scan(&registered))
		require.True(t, registered)
	}
	for name, crash := range map[string]func(*testing.T) (string, domain.ID){"before the event": beforeEvent, "after the event": afterEvent} {
		t.Run(name+" by registering again", func(t *testing.T) {
			email, id := crash(t)
			healed(t, n.do(t, registration(email, "Ada")).is(http.StatusCreated), id, "Ada")
			n.do(t, registration(email, "Ada")).refused(409, "email_taken")
		})
		t.Run(name+" by logging in", func(t *testing.T) {
			email, id := crash(t)
			healed(t, n.do(t, loginRequest(email, password)).is(http.StatusOK), id, "Ada")
		})
		t.Run(name+" not for another's password", func(t *testing.T) {
			email, _ := crash(t)
			r := registration(email, "Eve")
			r.body.(map[string]any)["password"] = "another password"
			n.do(t, r).refused(409, "email_taken")
			n.do(t, loginRequest(email, "another password")).refused(401, "invalid_credentials")
		})
	}
	t.Run("before the event the new name stands, after it the old one", func(t *testing.T) {
		email, id := beforeEvent(t)
		healed(t, n.do(t, registration(email, "Adele")).is(http.StatusCreated), id, "Adele")
		email, id = afterEvent(t)
		healed(t, n.do(t, registration(email, "Adele")).is(http.StatusCreated), id, "Ada")
	})
	t.Run("who is half registered is no user yet", func(t *testing.T) {
		_, id := beforeEvent(t)
		n.do(t, createRequest(n.person(t, "ann"), "direct", "", id)).refused(404, "user_not_found")
	})
}

func TestLogin(t *testing.T) {
	n := newSystem(t).start()
	ada := n.person(t, "Ada")

	t.Run("answers a session of the user, with any case of the address", func(t *testing.T) {
		a := n.do(t, loginRequest(strings.ToUpper(ada.Email), password)).is(http.StatusOK)
		s := into[web.Session](a)
		require.Equal(t, web.User{ID: ada.ID, DisplayName: "Ada"}, s.User)
		require.NotEqual(t, ada.Refresh, s.RefreshToken)
		require.Equal(t, n.log.PartitionOf(ada.ID), a.position().Partition)
		require.Positive(t, a.position().Position)
	})
	t.Run("says the same of a wrong password and of an unknown address", func(t *testing.T) {
		wrong := n.do(t, loginRequest(ada.Email, "wrong password")).refused(401, "invalid_credentials")
		unknown := n.do(t, loginRequest(newEmail(), password)).refused(401, "invalid_credentials")
		require.Equal(t, string(wrong.body), string(unknown.body))
		n.do(t, loginRequest("no address", password)).refused(401, "invalid_credentials")
	})
	t.Run("compares all of a long password", func(t *testing.T) {
		r := registration(newEmail(), "Long")
		long := strings.Repeat("p", 72)
		r.body.(map[string]any)["password"] = long
		n.do(t, r).is(http.StatusCreated)
		email := r.body.(map[string]any)["email"].(string)
		n.do(t, loginRequest(email, long)).is(http.StatusOK)
		n.do(t, loginRequest(email, long+"x")).refused(401, "invalid_credentials")
	})
}
