package harness

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// Client calls a node as one user.
type Client struct {
	Base  string
	Token string
	ID    string
}

// Answer is the response of a node.
type Answer struct {
	Status int
	Header http.Header
	Body   map[string]any
}

// Call sends a request as the user; header has names and values in turn.
func (c *Client) Call(t *testing.T, method, path string, body any, header ...string) Answer {
	t.Helper()
	var content bytes.Buffer
	if body != nil {
		require.NoError(t, json.NewEncoder(&content).Encode(body))
	}
	request, err := http.NewRequestWithContext(t.Context(), method, c.Base+path, &content)
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Close = true // no connection is left for the leak check to find
	if c.Token != "" {
		request.Header.Set("Authorization", "Bearer "+c.Token)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	a := Answer{Status: response.StatusCode, Header: response.Header}
	if response.Header.Get("Content-Type") != "" {
		require.NoError(t, json.NewDecoder(response.Body).Decode(&a.Body))
	}
	return a
}

// Password is the password of all users.
const Password = "correct horse battery"

// Register registers a user at a node and returns their client.
func Register(t *testing.T, base, name string) *Client {
	t.Helper()
	c := &Client{Base: base}
	a := c.Call(t, "POST", "/v1/auth/register",
		map[string]string{"email": name + "@example.org", "password": Password, "display_name": name})
	require.Equal(t, http.StatusCreated, a.Status, a.Body)
	c.Use(t, a)
	return c
}

// LogIn returns a client for a registered user.
func LogIn(t *testing.T, base, name string) *Client {
	t.Helper()
	c := &Client{Base: base}
	a := c.Call(t, "POST", "/v1/auth/login", map[string]string{"email": name + "@example.org", "password": Password})
	require.Equal(t, http.StatusOK, a.Status, a.Body)
	c.Use(t, a)
	return c
}

// Use makes the client act in a session that a node answered.
func (c *Client) Use(t *testing.T, session Answer) {
	t.Helper()
	c.Token = Text(t, session.Body, "access_token")
	c.ID = Text(t, session.Body, "user", "id")
}

// Text returns a string from within a JSON object.
func Text(t *testing.T, object map[string]any, path ...string) string {
	t.Helper()
	var value any = object
	for _, key := range path {
		inner, ok := value.(map[string]any)
		require.True(t, ok, "%v has no %v", object, path)
		value = inner[key]
	}
	found, ok := value.(string)
	require.True(t, ok, "%v at %v is not a string", object, path)
	return found
}
