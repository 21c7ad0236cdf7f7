package realtime

import (
	"runtime"
	"time"
)

// Config tunes a Hub. The zero value of each field means its default.
type Config struct {
	// Origins lists the origins of pages, such as "https://chat.example.com", that
	// may open a socket in addition to those of the server's own host. "*" allows
	// all. Default: none. Requests without Origin are not from pages.
	Origins []string
	// Heartbeat is how often the server pings; a client that is silent for twice as
	// long is disconnected. Default: 25 s, below the idle limit of common proxies.
	Heartbeat time.Duration
	// ResumeWait is how long a `resume` is awaited that the request did not
	// announce. Default: 500 ms.
	ResumeWait time.Duration
	// MaxReplay bounds the events of one conversation that a resume replays;
	// otherwise a `gap` is sent. Default: 1,000.
	MaxReplay int
	// MaxPending bounds the bytes that wait for one client. Default: 1 MiB.
	MaxPending int
	// MaxStarting bounds the sockets of a node that start or replay at the same
	// time; others wait. Default: 16 per processor.
	MaxStarting int
	// MaxWaiting bounds the sockets that wait to start; further clients are told to
	// reconnect, spread over BusySpread. Defaults: 1,000, which takes about a second,
	// and 5 s.
	MaxWaiting int
	BusySpread time.Duration
	// CloseGrace is how long a client has to read what was sent before the close,
	// until the connection is cut. Default: 5 s.
	CloseGrace time.Duration
	// PresenceBeat is how often a node renews its presence leases, and PresenceLife
	// how long they last: the users of a node that dies are offline within that time.
	// Defaults: 10 s and 30 s.
	PresenceBeat, PresenceLife time.Duration
	// PresenceGrace is how long a user stays online after their last socket has
	// closed. Default: 10 s.
	PresenceGrace time.Duration
	// DrainSpread is the time over which Drain spreads the reconnects of clients.
	// Default: 5 s.
	DrainSpread time.Duration
}

func (c Config) withDefaults() Config {
	setDefault(&c.Heartbeat, 25*time.Second)
	setDefault(&c.ResumeWait, 500*time.Millisecond)
	setDefault(&c.MaxReplay, 1000)
	setDefault(&c.MaxPending, 1<<20)
	setDefault(&c.MaxStarting, 16*runtime.GOMAXPROCS(0))
	setDefault(&c.MaxWaiting, 1000)
	setDefault(&c.BusySpread, 5*time.Second)
	setDefault(&c.CloseGrace, 5*time.Second)
	setDefault(&c.PresenceBeat, 10*time.Second)
	setDefault(&c.PresenceLife, 30*time.Second)
	setDefault(&c.PresenceGrace, 10*time.Second)
	setDefault(&c.DrainSpread, 5*time.Second)
	return c
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}
