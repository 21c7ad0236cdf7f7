package workload

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDeck(t *testing.T) {
	deal := func() (all []Action) {
		d := NewDeck()
		for range 1000 {
			all = append(all, d.Draw())
		}
		return all
	}
	deck := deal()
	require.Equal(t, deck, deal(), "every run deals the same")
	for _, r := range realistic {
		n := 0
		for _, a := range deck {
			if a == r.action {
				n++
			}
		}
		require.Equal(t, r.times, n, r.action)
	}
}
