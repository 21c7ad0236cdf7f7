package realtime

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/realtime/contract"
	"ping/realtime/protocol"
)

func TestAsyncAPIIsServed(t *testing.T) {
	n := newWorld(t).start(Config{})
	response, err := http.Get(strings.TrimSuffix(n.url, "/v1/stream") + "/asyncapi.json")
	require.NoError(t, err)
	defer http.DefaultClient.CloseIdleConnections()
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	made, err := contract.Document()
	require.NoError(t, err)
	require.Equal(t, string(made), string(content))
	require.Equal(t, "application/vnd.aai.asyncapi+json;version=3.0.0", response.Header.Get("Content-Type"))
}

// TestClientFramesAreKnown checks that the server knows every frame type that
// the contract lists for clients.
func TestClientFramesAreKnown(t *testing.T) {
	n := newWorld(t).start(Config{})
	for typ := range contract.ClientFrames {
		c := n.open(newID())
		c.write(map[string]any{"type": typ, "id": "first"})
		c.write(map[string]any{"type": "ping", "id": "then"})
		known := true
		for {
			f, err := c.read(waitAtMost(t))
			if err != nil {
				break // a resume is too late
			}
			known = known && f.Code != protocol.ErrTypeUnknown.Code
			if f.Re == "then" {
				break
			}
		}
		require.True(t, known, typ)
	}
}
