package harness

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// OpenSocket opens a socket of the user at a node.
func OpenSocket(t *testing.T, base string, user *Client) *websocket.Conn {
	t.Helper()
	var ws *websocket.Conn
	var err error
	require.Eventually(t, func() bool {
		var answer *http.Response
		ws, answer, err = websocket.Dial(t.Context(), base+"/v1/stream", &websocket.DialOptions{
			Subprotocols: []string{"ping.v1.json"},
			HTTPHeader:   http.Header{"Authorization": {"Bearer " + user.Token}},
		})
		return answer == nil || answer.StatusCode != http.StatusServiceUnavailable // a node has to catch up first
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, err)
	t.Cleanup(func() { _ = ws.CloseNow() }) // the server may have closed it
	return ws
}

// AwaitFrame reads frames until one has these values.
func AwaitFrame(t *testing.T, ws *websocket.Conn, want map[string]string) map[string]any {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		_, content, err := ws.Read(ctx)
		require.NoError(t, err, "no frame has %v", want)
		var frame map[string]any
		require.NoError(t, json.Unmarshal(content, &frame))
		matches := true
		for key, value := range want {
			matches = matches && frame[key] == value
		}
		if matches {
			return frame
		}
	}
}

// CloseStatus reads a stream up to its end.
func CloseStatus(t *testing.T, ws *websocket.Conn) websocket.StatusCode {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		if _, _, err := ws.Read(ctx); err != nil {
			require.NoError(t, ctx.Err())
			return websocket.CloseStatus(err)
		}
	}
}

// MetricsOf reads the metrics of a node.
func MetricsOf(t *testing.T, base string) string {
	t.Helper()
	response, err := http.Get(base + "/metrics")
	require.NoError(t, err)
	defer response.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(content)
}

// Fetch returns the body at a URL that needs no token.
func Fetch(t *testing.T, url string) []byte {
	t.Helper()
	response, err := http.Get(url)
	require.NoError(t, err)
	defer http.DefaultClient.CloseIdleConnections()
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return content
}
