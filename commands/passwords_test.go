package commands

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"ping/internal/web"
)

func TestPasswords(t *testing.T) {
	const cost = 8 // some 20 ms, which no noise hides
	p, err := newPasswords(cost)
	require.NoError(t, err)
	ctx := context.Background()
	hash, err := p.hash(ctx, "correct horse")
	require.NoError(t, err)

	t.Run("matches its password alone", func(t *testing.T) {
		for password, matches := range map[string]bool{"correct horse": true, "Correct horse": false, "correct horse ": false, "": false} {
			match, err := p.match(ctx, hash, password)
			require.NoError(t, err)
			require.Equal(t, matches, match, password)
		}
	})
	t.Run("nobody's account takes as long and matches nothing", func(t *testing.T) {
		took := func(hash string) time.Duration {
			times := make([]time.Duration, 5)
			for i := range times {
				began := time.Now()
				match, err := p.match(ctx, hash, "another horse")
				require.NoError(t, err)
				require.False(t, match)
				times[i] = time.Since(began)
			}
			return slices.Min(times)
		}
		somebody, nobody := took(hash), took("")
		require.Less(t, nobody, 3*somebody)
		require.Less(t, somebody, 3*nobody)
	})
	t.Run("refuses a cost that bcrypt does not know", func(t *testing.T) {
		_, err := newPasswords(40)
		require.ErrorContains(t, err, "bcrypt cost 40")
	})
}

func TestPasswordsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &passwords{slots: make(chan struct{}, 1)}
		done, err := p.turn(t.Context())
		require.NoError(t, err)

		began := time.Now()
		_, err = p.turn(t.Context())
		require.ErrorIs(t, err, web.ErrBusy)
		require.Equal(t, passwordPatience, time.Since(began))

		waited := make(chan error)
		go func() {
			again, err := p.turn(t.Context())
			if err == nil {
				again()
			}
			waited <- err
		}()
		synctest.Wait()
		done()
		require.NoError(t, <-waited, "who waits gets the turn that is given back")
	})
}
