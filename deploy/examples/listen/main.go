// Command listen logs a user in, opens his stream and prints its frames, one a
// line. When the connection breaks it reconnects and resumes, so that nothing
// is missed. It is the shortest client that is still right: a good place to
// begin one's own from. The protocol is described in realtime/doc.go.
//
//	PASSWORD=… go run ./deploy/examples/listen bob@example.org
//
// PING is where the server is, http://127.0.0.1:8080 unless it is set.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) != 2 || os.Getenv("PASSWORD") == "" {
		fmt.Fprintln(os.Stderr, "usage: PASSWORD=… listen EMAIL")
		os.Exit(2)
	}
	c := &client{
		server: cmp.Or(os.Getenv("PING"), "http://127.0.0.1:8080"),
		email:  os.Args[1], password: os.Getenv("PASSWORD"), seen: map[string]string{},
	}
	if err := c.listen(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "listen:", err)
		os.Exit(1)
	}
}

// client is one user's stream, and how far it has come.
type client struct {
	server, email, password string

	epoch int               // of the log that the positions are in
	seen  map[string]string // partition to the last position, "7" to "7:1042"
	after time.Duration     // when to come back, where the server has said so
}

// errRefused is an answer that another try would not change.
var errRefused = errors.New("refused")

// listen follows the stream over as many connections as it takes.
func (c *client) listen(ctx context.Context) error {
	for failures := 0; ; failures++ {
		before := maps.Clone(c.seen)
		err := c.follow(ctx)
		code := websocket.CloseStatus(err)
		if errors.Is(err, errRefused) || (code >= 4500 && code < 5000) || ctx.Err() != nil {
			return err
		}
		if !maps.Equal(before, c.seen) {
			failures = 0
		}
		// The pause doubles up to 8 s, and is drawn at random: clients that were
		// cut together must not all come back together.
		pause := c.after + rand.N(250*time.Millisecond<<min(failures, 5))
		c.after = 0
		fmt.Fprintf(os.Stderr, "listen: %v; again in %s\n", err, pause.Round(time.Millisecond))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// follow opens one connection and reads it to its end.
func (c *client) follow(ctx context.Context) error {
	token, err := c.logIn(ctx)
	if err != nil {
		return err
	}
	resume := "?resume=0"
	if len(c.seen) > 0 {
		resume = "?resume=1"
	}
	ws, _, err := websocket.Dial(ctx, c.server+"/v1/stream"+resume, &websocket.DialOptions{
		Subprotocols: []string{"ping.v1.json"},
		HTTPHeader:   http.Header{"Authorization": {"Bearer " + token}},
	})
	if err != nil {
		return err
	}
	defer ws.CloseNow()
	ws.SetReadLimit(-1) // `ready` grows with the user's conversations
	if len(c.seen) > 0 {
		at := slices.Collect(maps.Values(c.seen))
		if err := wsjson.Write(ctx, ws, map[string]any{"type": "resume", "at": at, "epoch": c.epoch}); err != nil {
			return err
		}
	}
	epoch := 0
	for {
		_, text, err := ws.Read(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", text)
		var frame struct {
			Type    string    `json:"type"`
			At      positions `json:"at"`
			Epoch   int       `json:"epoch"`
			AfterMS int64     `json:"after_ms"`
		}
		if err := json.Unmarshal(text, &frame); err != nil {
			return err
		}
		switch frame.Type {
		case "hello":
			epoch = frame.Epoch
		case "ready":
			c.epoch = epoch // of the positions from here on
		case "reconnect":
			c.after = time.Duration(frame.AfterMS) * time.Millisecond
		}
		for _, at := range frame.At {
			partition, _, _ := strings.Cut(at, ":")
			c.seen[partition] = at
		}
	}
}

// positions are a frame's `at`: one of them in an event, else one a partition.
type positions []string

func (p *positions) UnmarshalJSON(content []byte) error {
	if bytes.HasPrefix(content, []byte{'"'}) {
		*p = make(positions, 1)
		return json.Unmarshal(content, &(*p)[0])
	}
	return json.Unmarshal(content, (*[]string)(p))
}

// logIn returns a new access token. A client that stays for longer keeps its
// refresh token instead of the password, and extends the stream with `refresh`.
func (c *client) logIn(ctx context.Context) (token string, err error) {
	body, err := json.Marshal(map[string]string{"email": c.email, "password": c.password})
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.server+"/v1/auth/login", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
		Detail      string `json:"detail"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return "", fmt.Errorf("log in: %s: %w", response.Status, err)
	}
	switch {
	case response.StatusCode == http.StatusOK:
		return answer.AccessToken, nil
	case response.StatusCode < 500:
		return "", fmt.Errorf("log in: %w: %s", errRefused, answer.Detail)
	default:
		return "", fmt.Errorf("log in: %s", answer.Detail)
	}
}
