package client

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSessionOf(t *testing.T) {
	s, err := SessionOf([]byte(`{"user":{"id":"u"},"access_token":"a","refresh_token":"r","expires_in":900}`))
	require.NoError(t, err)
	require.Equal(t, []string{"a", "r"}, []string{s.AccessToken, s.RefreshToken})
	require.NotEmpty(t, s.RefreshKey)
	require.WithinDuration(t, time.Now().Add(12*time.Minute), s.RefreshAt, time.Minute)
	for _, bad := range []string{``, `{}`, `{"access_token":"a"}`, `{"code":"invalid_credentials"}`} {
		_, err := SessionOf([]byte(bad))
		require.Error(t, err, bad)
	}
}
