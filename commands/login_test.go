package commands

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"ping/internal/eventlog"
	"ping/internal/identity"
	"ping/internal/testkit"
)

// TestLoginTakesEquallyLong counts the work of bcrypt, which is most of the time of
// a login: its duration must not tell which addresses are known.
func TestLoginTakesEquallyLong(t *testing.T) {
	p, err := identity.NewPasswords(bcrypt.MinCost)
	require.NoError(t, err)
	var costs []int
	p.Compare = func(hash, password []byte) error {
		cost, err := bcrypt.Cost(hash)
		require.NoError(t, err)
		costs = append(costs, cost)
		return bcrypt.CompareHashAndPassword(hash, password)
	}
	c := &sessions{
		core:      &core{Deps: Deps{Identities: identity.NewStore(testkit.Pool(t)), LimitLogin: func(context.Context, string) error { return nil }}},
		passwords: p,
	}
	hash, err := p.Hash(t.Context(), "correct horse")
	require.NoError(t, err)
	added, err := c.Identities.Add(t.Context(), "ada@example.org", identity.Credentials{UserID: eventlog.NewID(), PasswordHash: hash, DisplayName: "Ada"})
	require.NoError(t, err)
	require.True(t, added)

	for _, password := range []string{"another horse", "short", strings.Repeat("x", 73)} {
		worked := map[string][]int{}
		for _, email := range []string{"ada@example.org", "nobody@example.org", "no address"} {
			costs = nil
			in := &loginInput{}
			in.Body.Email, in.Body.Password = email, password
			_, err := c.login(t.Context(), in)
			require.Equal(t, identity.ErrInvalidCredentials, err)
			worked[email] = costs
		}
		require.Equal(t, worked["ada@example.org"], worked["nobody@example.org"], password)
		require.Equal(t, worked["ada@example.org"], worked["no address"], password)
		if password == "another horse" {
			require.Equal(t, []int{bcrypt.MinCost}, worked["nobody@example.org"])
		}
	}
}
