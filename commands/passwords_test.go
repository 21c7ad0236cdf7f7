package commands

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"ping/internal/eventlog"
	"ping/internal/testkit"
	"ping/internal/web"
)

func TestPasswords(t *testing.T) {
	p, err := newPasswords(bcrypt.MinCost)
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
	t.Run("refuses a cost that bcrypt does not know", func(t *testing.T) {
		_, err := newPasswords(40)
		require.ErrorContains(t, err, "bcrypt cost 40")
	})
}

// TestLoginWorksTheSameForAll counts bcrypt's work, which is most of the time
// that a login takes: who measures it cannot tell which addresses are known.
func TestLoginWorksTheSameForAll(t *testing.T) {
	p, err := newPasswords(bcrypt.MinCost)
	require.NoError(t, err)
	var costs []int
	p.compare = func(hash, password []byte) error {
		cost, err := bcrypt.Cost(hash)
		require.NoError(t, err)
		costs = append(costs, cost)
		return bcrypt.CompareHashAndPassword(hash, password)
	}
	c := &commands{
		identities: &identities{pool: testkit.Pool(t)}, passwords: p,
		limitLogin: func(context.Context, string) error { return nil },
	}
	hash, err := p.hash(t.Context(), "correct horse")
	require.NoError(t, err)
	added, err := c.identities.add(t.Context(), "ada@example.org", credentials{UserID: eventlog.NewID(), PasswordHash: hash, DisplayName: "Ada"})
	require.NoError(t, err)
	require.True(t, added)

	for _, password := range []string{"another horse", "short", strings.Repeat("x", maxPassword+1)} {
		worked := map[string][]int{}
		for _, email := range []string{"ada@example.org", "nobody@example.org", "no address"} {
			costs = nil
			in := &loginInput{}
			in.Body.Email, in.Body.Password = email, password
			_, err := c.login(t.Context(), in)
			require.Equal(t, errInvalidCredentials, err)
			worked[email] = costs
		}
		require.Equal(t, worked["ada@example.org"], worked["nobody@example.org"], password)
		require.Equal(t, worked["ada@example.org"], worked["no address"], password)
		if password == "another horse" {
			require.Equal(t, []int{bcrypt.MinCost}, worked["nobody@example.org"])
		}
	}
}

// TestCrowdTakesTheSlotsAlone: however many log in or register, no more than
// the slots are at work.
func TestCrowdTakesTheSlotsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slots, crowd = 2, 20
		running, finish := 0, make(chan struct{})
		var mu sync.Mutex
		p := &passwords{slots: make(chan struct{}, slots), nobody: []byte("x")}
		p.compare = func([]byte, []byte) error {
			mu.Lock()
			running++
			mu.Unlock()
			<-finish
			mu.Lock()
			running--
			mu.Unlock()
			return nil
		}
		var wg sync.WaitGroup
		for i := range crowd {
			wg.Go(func() {
				_, err := p.match(t.Context(), []string{"", "somebody's"}[i%2], "correct horse")
				require.NoError(t, err)
			})
		}
		for left := crowd; left > 0; left-- {
			synctest.Wait() // until all work or wait
			require.Equal(t, min(slots, left), running)
			finish <- struct{}{}
		}
		wg.Wait()
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
