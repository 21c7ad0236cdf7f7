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
	// FirstPause bounds the pause after a first failure; the bound doubles with
	// each further one. Default: 250 ms.
	FirstPause time.Duration
	// LongestPause is what it doubles up to. Default: 30 s.
	LongestPause time.Duration
}

// Handler is what a client calls. All but Session are called by one goroutine,
// in order. What is nil is not called.
type Handler struct {
	// Event takes each event of the user's conversations, once and in order.
	Event func(Event)
	// State takes each change of the stream's state, and why it is Disconnected.
	State func(State, error)
	// Reset tells that the server's log was restored from a backup. All events
	// follow anew from the first one: drop what you have.
	Reset func()
	// Skipped tells of events that cannot be had, because the user is not in the
	// conversation any more. For the user's own id: read GET /v1/users/me.
	Skipped func(id string, fromSeq, toSeq int64)
	// Ephemeral takes what is not in the log: who types and is there, messages
	// that vanish, and errors about what was told by Typing and Presence.
	Ephemeral func(Ephemeral)
	// Session takes the session whenever it has changed: keep it before anything
	// else, as the one of LogIn or SessionOf was.
	Session func(Session)
}

// State is that of the stream.
type State int

const (
	Disconnected State = iota // it broke; the client is about to try again
	Connected                 // it is open, and what was missed is coming
	Resumed                   // all that was missed has come; events come as they happen
)

func (s State) String() string { return [...]string{"disconnected", "connected", "resumed"}[s] }

// Client is one device of a user. Its methods may be called by any goroutine.
type Client struct {
	server  string
	handler Handler
	cfg     Config
	http    *http.Client

	refreshing chan struct{} // holds something while a goroutine looks at the token
	journal    *journal      // used by Run's goroutine alone

	mu       sync.Mutex
	session  Session
	queues   map[string][]*Sending // by conversation: what is to be sent, in order
	sends    func(conversation string)
	end      context.CancelCauseFunc
	online   chan struct{} // closed when the stream is open again
	stream   *stream       // the open one
	resumed  bool          // and all that was missed has come over it
	presence string        // what the app said of this device; "" means online

	presenting sync.Mutex // held while presence is written, so that the last word is the newest
}

// New makes a client of a server, such as "https://chat.example.org". The
// session is one of LogIn or SessionOf, or what Handler.Session was last given.
// It does nothing until Run.
func New(server string, session Session, handler Handler, cfg Config) *Client {
	if cfg.FirstPause == 0 {
		cfg.FirstPause = 250 * time.Millisecond
	}
	if cfg.LongestPause == 0 {
		cfg.LongestPause = 30 * time.Second
	}
	return &Client{
		server: server, handler: handler.complete(), cfg: cfg, http: newHTTP(), session: session,
		refreshing: make(chan struct{}, 1), journal: newJournal(), queues: map[string][]*Sending{},
		end: func(error) {}, online: make(chan struct{}),
	}
}

// newHTTP makes connections of its own, so that they can all be closed. It
// follows no redirect: what is written would be read in its place, and lost.
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

// Run keeps the stream open and sends what is queued, until ctx ends (nil) or
// the server says not to come back (*Ended). Call it again to go on, but not
// twice at a time.
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

// keepOpen opens one stream after another.
func (c *Client) keepOpen(ctx context.Context) {
	for failures := 0; ; failures++ {
		s := &stream{client: c}
		err := s.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if ended := endOf(err); ended != nil {
			c.end(ended)
			return
		}
		// One that ends as soon as it has resumed has failed too.
		if !s.resumed.IsZero() && time.Since(s.resumed) > c.cfg.bound(failures) {
			failures = 0
		}
		c.handler.State(Disconnected, err)
		// It is not woken by online: that is what it is about to bring about.
		if !sleep(ctx, s.after+c.cfg.jitter(failures), nil) {
			return
		}
	}
}
