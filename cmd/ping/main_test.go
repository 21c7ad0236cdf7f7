package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/internal/node"
	"ping/internal/testkit"
)

// runMain in the environment makes this test binary the program itself, for the
// tests that need it as a process.
const runMain = "PING_TEST_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runMain) != "" {
		main()
		os.Exit(0)
	}
	node.QuietRedis()
	testkit.Main(m)
}

// client calls a node as one user.
type client struct {
	base  string
	token string
	id    string
}

// answer is what a node answered.
type answer struct {
	status int
	header http.Header
	body   map[string]any
}

func (c *client) call(t *testing.T, method, path string, body any, header ...string) answer {
	t.Helper()
	var content bytes.Buffer
	if body != nil {
		require.NoError(t, json.NewEncoder(&content).Encode(body))
	}
	request, err := http.NewRequestWithContext(t.Context(), method, c.base+path, &content)
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Close = true // no connection is left for the leak check to find
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	a := answer{status: response.StatusCode, header: response.Header}
	if response.Header.Get("Content-Type") != "" {
		require.NoError(t, json.NewDecoder(response.Body).Decode(&a.body))
	}
	return a
}

const password = "correct horse battery"

// register makes a user at a node and returns a client for him.
func register(t *testing.T, base, name string) *client {
	t.Helper()
	c := &client{base: base}
	a := c.call(t, "POST", "/v1/auth/register",
		map[string]string{"email": name + "@example.org", "password": password, "display_name": name})
	require.Equal(t, http.StatusCreated, a.status, a.body)
	c.use(t, a)
	return c
}

// logIn returns a client for a user that is registered.
func logIn(t *testing.T, base, name string) *client {
	t.Helper()
	c := &client{base: base}
	a := c.call(t, "POST", "/v1/auth/login", map[string]string{"email": name + "@example.org", "password": password})
	require.Equal(t, http.StatusOK, a.status, a.body)
	c.use(t, a)
	return c
}

func (c *client) use(t *testing.T, session answer) {
	t.Helper()
	c.token = text(t, session.body, "access_token")
	c.id = text(t, session.body, "user", "id")
}

// text returns a string from within a JSON object.
func text(t *testing.T, object map[string]any, path ...string) string {
	t.Helper()
	var value any = object
	for _, key := range path {
		inner, ok := value.(map[string]any)
		require.True(t, ok, "%v has no %v", object, path)
		value = inner[key]
	}
	found, ok := value.(string)
	require.True(t, ok, fmt.Sprintf("%v at %v is no string", object, path))
	return found
}
