package client

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// Config tunes a client. The zero value of each field means its default.
type Config struct {
	// MinBackoff bounds the delay after the first failure; the bound doubles with
	// each further failure. Default: 250 ms.
	MinBackoff time.Duration
	// MaxBackoff is the greatest bound. Default: 30 s.
	MaxBackoff time.Duration
}

// Handler has the functions that a client calls. All but Session are called by
// one goroutine, in order. A nil function is not called.
type Handler struct {
	// Event receives each event of the user's conversations, once and in order.
	Event func(Event)
	// State receives each change of the connection's state, and the cause of
	// Disconnected.
	State func(State, error)
	// Reset reports that the server's log was restored from a backup. All events
	// follow from the first one on: drop what the app has.
	Reset func()
	// Skipped reports events that cannot be read, because the user is no longer a
	// member. For the user's own id: read GET /v1/users/me.
	Skipped func(id string, fromSeq, toSeq int64)
	// Ephemeral receives what is not in the log: typing, presence and stealth
	// messages, and errors that Typing and Presence caused.
	Ephemeral func(Ephemeral)
	// Session receives the session whenever it has changed: store it before
	// anything else, like the one of LogIn or SessionOf.
	Session func(Session)
}

// State is the state of the connection.
type State int

const (
	Disconnected State = iota // it broke; the client will reconnect
	Connected                 // it is open; missed events arrive
	Resumed                   // all missed events have arrived; events arrive as they happen
)

func (s State) String() string { return [...]string{"disconnected", "connected", "resumed"}[s] }

// Client is one device of a user. It is safe for concurrent use.
type Client struct {
	server  string
	handler Handler
	cfg     Config
	http    *http.Client

	refreshing chan struct{} // a semaphore: one goroutine at a time looks at the token
	journal    *journal      // used by Run's goroutine alone

	mu       sync.Mutex
	session  Session
	queues   map[string][]*Sending // messages to send, in order, by conversation
	sends    func(conversation string)
	end      context.CancelCauseFunc
	online   chan struct{} // closed when a connection opens
	conn     *connection   // the open one
	resumed  bool          // the replay of conn is complete
	presence string        // what the app set for this device; "" means online

	presenceMu sync.Mutex // held while presence is written, so that the last frame has the newest state
}

// New makes a client of a server such as "https://chat.example.org". The session
// is that of LogIn or SessionOf, or the last one that Handler.Session received.
// The client does nothing until Run.
func New(server string, session Session, handler Handler, cfg Config) *Client {
	if cfg.MinBackoff == 0 {
		cfg.MinBackoff = 250 * time.Millisecond
	}
	if cfg.MaxBackoff == 0 {
		cfg.MaxBackoff = 30 * time.Second
	}
	return &Client{
		server: server, handler: handler.complete(), cfg: cfg, http: newHTTP(), session: session,
		refreshing: make(chan struct{}, 1), journal: newJournal(), queues: map[string][]*Sending{},
		end: func(error) {}, online: make(chan struct{}),
	}
}

// newHTTP returns a client with its own connections, so that all can be closed.
// It follows no redirect, which would turn a write into a read.
func newHTTP() *http.Client {
	return &http.Client{
		Transport:     http.DefaultTransport.(*http.Transport).Clone(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (h Handler) complete() Handler {
	if h.Event == nil {
		h.Event = func(Event) {}
	}
	if h.State == nil {
		h.State = func(State, error) {}
	}
	if h.Reset == nil {
		h.Reset = func() {}
	}
	if h.Skipped == nil {
		h.Skipped = func(string, int64, int64) {}
	}
	if h.Ephemeral == nil {
		h.Ephemeral = func(Ephemeral) {}
	}
	if h.Session == nil {
		h.Session = func(Session) {}
	}
	return h
}

// Run keeps a connection open and sends queued messages, until ctx ends (nil) or
// the server forbids to reconnect (*Ended). It may be called again after it has
// returned.
func (c *Client) Run(ctx context.Context) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	var senders sync.WaitGroup
	c.mu.Lock()
	c.end = end
	c.sends = func(conversation string) { senders.Go(func() { c.sendAll(ctx, conversation) }) }
	for conversation := range c.queues {
		c.sends(conversation)
	}
	c.mu.Unlock()

	c.keepOpen(ctx)
	end(nil)
	c.mu.Lock()
	c.sends = nil
	c.mu.Unlock()
	senders.Wait()
	c.http.CloseIdleConnections()
	var ended *Ended
	if errors.As(context.Cause(ctx), &ended) {
		return ended
	}
	return nil
}

// keepOpen opens one connection after another.
func (c *Client) keepOpen(ctx context.Context) {
	for failures := 0; ; failures++ {
		conn := &connection{client: c}
		err := conn.run(ctx)
		if ctx.Err() != nil {
			return
		}
		if ended := endOf(err); ended != nil {
			c.end(ended)
			return
		}
		// A connection that ends right after it has resumed counts as a failure.
		if !conn.resumed.IsZero() && time.Since(conn.resumed) > c.cfg.bound(failures) {
			failures = 0
		}
		c.handler.State(Disconnected, err)
		// online does not wake this wait, because it is closed only after it.
		if !sleep(ctx, conn.after+c.cfg.jitter(failures), nil) {
			return
		}
	}
}
