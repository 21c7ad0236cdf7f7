package auth_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/internal/auth"
	"ping/internal/testkit"
)

func TestTickets(t *testing.T) {
	ctx := context.Background()
	rdb := testkit.Redis(t)
	tickets := auth.NewTickets(rdb)
	claims := auth.Claims{UserID: newID(), SessionID: newID(), ExpiresAt: time.Now().Add(time.Minute).UTC().Truncate(time.Second)}

	t.Run("are good for one use", func(t *testing.T) {
		ticket, err := tickets.Issue(ctx, claims)
		require.NoError(t, err)
		redeemed, err := tickets.Redeem(ctx, ticket)
		require.NoError(t, err)
		require.Equal(t, claims, redeemed)
		_, err = tickets.Redeem(ctx, ticket)
		require.ErrorIs(t, err, auth.ErrTicketInvalid)
	})
	t.Run("are good for one of many at once", func(t *testing.T) {
		ticket, err := tickets.Issue(ctx, claims)
		require.NoError(t, err)
		var taken atomic.Int64
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if _, err := tickets.Redeem(ctx, ticket); err == nil {
					taken.Add(1)
				}
			})
		}
		wg.Wait()
		require.Equal(t, int64(1), taken.Load())
	})
	t.Run("expire, and are not written down", func(t *testing.T) {
		ticket, err := tickets.Issue(ctx, claims)
		require.NoError(t, err)
		keys, err := rdb.Keys(ctx, "*").Result()
		require.NoError(t, err)
		require.Len(t, keys, 1)
		require.NotContains(t, keys[0], ticket)
		life, err := rdb.TTL(ctx, keys[0]).Result()
		require.NoError(t, err)
		require.LessOrEqual(t, life, auth.TicketLife)
		require.Positive(t, life)
	})
	t.Run("that never were are refused", func(t *testing.T) {
		for _, ticket := range []string{"", "x", "\x00", auth.NewSecret()} {
			_, err := tickets.Redeem(ctx, ticket)
			require.ErrorIs(t, err, auth.ErrTicketInvalid)
		}
	})
}
