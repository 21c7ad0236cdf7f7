package identity

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"ping/internal/web"
)

func TestPasswords(t *testing.T) {
	p, err := NewPasswords(bcrypt.MinCost)
	require.NoError(t, err)
	ctx := context.Background()
	hash, err := p.Hash(ctx, "correct horse")
	require.NoError(t, err)

	t.Run("matches only its password", func(t *testing.T) {
		for password, matches := range map[string]bool{"correct horse": true, "Correct horse": false, "correct horse ": false, "": false} {
			match, err := p.Match(ctx, hash, password)
			require.NoError(t, err)
			require.Equal(t, matches, match, password)
		}
	})
	t.Run("refuses a cost that bcrypt does not know", func(t *testing.T) {
		_, err := NewPasswords(40)
		require.ErrorContains(t, err, "bcrypt cost 40")
	})
}

// TestCrowdIsBounded checks that however many users log in or register, only as
// many hash as there are slots.
func TestCrowdIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slots, crowd = 2, 20
		running, finish := 0, make(chan struct{})
		var mu sync.Mutex
		p := &Passwords{slots: make(chan struct{}, slots), unknown: []byte("x")}
		p.Compare = func([]byte, []byte) error {
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
				_, err := p.Match(t.Context(), []string{"", "somebody's"}[i%2], "correct horse")
				require.NoError(t, err)
			})
		}
		for left := crowd; left > 0; left-- {
			synctest.Wait() // until all run or wait
			require.Equal(t, min(slots, left), running)
			finish <- struct{}{}
		}
		wg.Wait()
	})
}

func TestPasswordsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Passwords{slots: make(chan struct{}, 1)}
		done, err := p.acquire(t.Context())
		require.NoError(t, err)

		began := time.Now()
		_, err = p.acquire(t.Context())
		require.ErrorIs(t, err, web.ErrBusy)
		require.Equal(t, passwordPatience, time.Since(began))

		waited := make(chan error)
		go func() {
			release, err := p.acquire(t.Context())
			if err == nil {
				release()
			}
			waited <- err
		}()
		synctest.Wait()
		done()
		require.NoError(t, <-waited, "a waiter acquires the released slot")
	})
}
