package auth_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/auth"
)

var secret = bytes.Repeat([]byte("s"), auth.MinSecret)

// clock is a time that a test sets.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newTokens(t testing.TB, secret []byte) (*auth.Tokens, *clock) {
	c := &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	tokens, err := auth.NewTokens(secret, c.Now)
	require.NoError(t, err)
	return tokens, c
}

func newID() domain.ID { return domain.ID(uuid.New()) }

func TestTokens(t *testing.T) {
	tokens, clock := newTokens(t, secret)
	user, session := newID(), newID()
	token, life := tokens.Issue(user, session)
	require.Equal(t, 15*time.Minute, life)

	t.Run("says who bears it, also from the cache and on another node", func(t *testing.T) {
		other, _ := newTokens(t, secret)
		for _, node := range []*auth.Tokens{tokens, tokens, other} {
			claims, err := node.Verify(token)
			require.NoError(t, err)
			require.Equal(t, user, claims.UserID)
			require.Equal(t, session, claims.SessionID)
			require.True(t, clock.now.Add(life).Equal(claims.ExpiresAt))
		}
	})
	t.Run("expires, also when it is in the cache", func(t *testing.T) {
		fresh, clock := newTokens(t, secret)
		token, _ := fresh.Issue(user, session)
		_, err := fresh.Verify(token)
		require.NoError(t, err)
		clock.now = clock.now.Add(life + 4*time.Second)
		_, err = fresh.Verify(token)
		require.NoError(t, err, "clocks may be a little apart")
		clock.now = clock.now.Add(2 * time.Second)
		for range 2 {
			_, err = fresh.Verify(token)
			require.ErrorIs(t, err, auth.ErrTokenInvalid)
		}
	})
	t.Run("of another secret is refused", func(t *testing.T) {
		other, _ := newTokens(t, bytes.Repeat([]byte("x"), auth.MinSecret))
		_, err := other.Verify(token)
		require.ErrorIs(t, err, auth.ErrTokenInvalid)
	})
	t.Run("changed anywhere is refused", func(t *testing.T) {
		for i := range len(token) - 1 { // some bits of the last character are padding
			changed := []byte(token)
			changed[i] ^= 1
			_, err := tokens.Verify(string(changed))
			require.ErrorIs(t, err, auth.ErrTokenInvalid, "byte %d", i)
		}
	})
	t.Run("refuses a short secret", func(t *testing.T) {
		_, err := auth.NewTokens(secret[1:], clock.Now)
		require.ErrorContains(t, err, "31 bytes")
	})
}

// TestForgedTokens tries what has fooled verifiers of JWTs.
func TestForgedTokens(t *testing.T) {
	tokens, clock := newTokens(t, secret)
	good := func() jwt.MapClaims {
		return jwt.MapClaims{"iss": "ping", "sub": newID().String(), "sid": newID().String(),
			"iat": clock.now.Unix(), "exp": clock.now.Add(time.Minute).Unix()}
	}
	sign := func(method jwt.SigningMethod, claims jwt.MapClaims, key any) string {
		token, err := jwt.NewWithClaims(method, claims).SignedString(key)
		require.NoError(t, err)
		return token
	}
	without := func(name string) jwt.MapClaims { c := good(); delete(c, name); return c }
	with := func(name string, value any) jwt.MapClaims { c := good(); c[name] = value; return c }
	_, err := tokens.Verify(sign(jwt.SigningMethodHS256, good(), secret))
	require.NoError(t, err)

	unsigned := strings.Split(sign(jwt.SigningMethodHS256, good(), secret), ".")
	for name, token := range map[string]string{
		"empty":             "",
		"no JWT":            "a.b.c",
		"no signature":      unsigned[0] + "." + unsigned[1] + ".",
		"alg none":          sign(jwt.SigningMethodNone, good(), jwt.UnsafeAllowNoneSignatureType),
		"alg none, by hand": base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"None"}`)) + "." + unsigned[1] + ".",
		"another HMAC":      sign(jwt.SigningMethodHS512, good(), secret),
		"no expiry":         sign(jwt.SigningMethodHS256, without("exp"), secret),
		"expired":           sign(jwt.SigningMethodHS256, with("exp", clock.now.Add(-time.Minute).Unix()), secret),
		"another issuer":    sign(jwt.SigningMethodHS256, with("iss", "pong"), secret),
		"no issuer":         sign(jwt.SigningMethodHS256, without("iss"), secret),
		"no user":           sign(jwt.SigningMethodHS256, without("sub"), secret),
		"no session":        sign(jwt.SigningMethodHS256, without("sid"), secret),
		"a user not an id":  sign(jwt.SigningMethodHS256, with("sub", "root"), secret),
		"not yet good":      sign(jwt.SigningMethodHS256, with("nbf", clock.now.Add(time.Hour).Unix()), secret),
	} {
		_, err := tokens.Verify(token)
		require.ErrorIs(t, err, auth.ErrTokenInvalid, name)
	}
}

func TestDeriveSecret(t *testing.T) {
	tokens, _ := newTokens(t, secret)
	other, _ := newTokens(t, bytes.Repeat([]byte("x"), auth.MinSecret))
	require.Equal(t, tokens.DeriveSecret("a", "b"), tokens.DeriveSecret("a", "b"))
	require.NotEqual(t, tokens.DeriveSecret("a", "b"), other.DeriveSecret("a", "b"))
	require.NotEqual(t, tokens.DeriveSecret("ab", "c"), tokens.DeriveSecret("a", "bc"))
	require.Len(t, tokens.DeriveSecret("a"), 43)
	require.Len(t, auth.NewSecret(), 43)
	require.NotEqual(t, auth.NewSecret(), auth.NewSecret())
}

func FuzzVerify(f *testing.F) {
	tokens, _ := newTokens(f, secret)
	token, _ := tokens.Issue(newID(), newID())
	f.Add(token)
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := tokens.Verify(s); err == nil && s != token {
			// Padding bits of the signature's last character may differ.
			require.Equal(t, token[:len(token)-1], fmt.Sprintf("%.*s", len(token)-1, s))
		}
	})
}

// BenchmarkVerify verifies a token that is in the cache, as most are.
func BenchmarkVerify(b *testing.B) {
	for _, ended := range []int{0, 10_000} {
		b.Run(fmt.Sprintf("%d have ended", ended), func(b *testing.B) {
			tokens, _ := newTokens(b, secret)
			for range ended {
				tokens.EndSession(newID())
			}
			token, _ := tokens.Issue(newID(), newID())
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tokens.Verify(token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
