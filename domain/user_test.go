package domain_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

func TestRegisterUser(t *testing.T) {
	t.Run("trims the name", func(t *testing.T) {
		events, err := domain.NewUser().Register(domain.RegisterUser{DisplayName: " Ada "})
		require.NoError(t, err)
		require.Equal(t, []domain.Event{domain.UserRegistered{DisplayName: "Ada"}}, events)
	})
	t.Run("leaves a user as he is", func(t *testing.T) {
		u := domain.NewUser()
		u.Evolve(domain.UserRegistered{DisplayName: "Ada"})
		require.Equal(t, "Ada", u.DisplayName)
		events, err := u.Register(domain.RegisterUser{DisplayName: "Bea"})
		require.NoError(t, err)
		require.Empty(t, events)
	})
	t.Run("refuses a name that is none", func(t *testing.T) {
		for _, name := range []string{"", "  ", "a\nb", "a\xff"} {
			require.ErrorIs(t, domain.RegisterUser{DisplayName: name}.Check(), domain.ErrNameInvalid)
			_, err := domain.NewUser().Register(domain.RegisterUser{DisplayName: name})
			require.ErrorIs(t, err, domain.ErrNameInvalid)
		}
	})
}
