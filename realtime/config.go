package realtime

import (
	"runtime"
	"time"
)

// Config tunes a Hub. The zero value of each field means its default.
type Config struct {
	// Origins lists, such as "https://chat.example.com", the origins of pages
	// that may open a stream beside those of the server's own host. "*" allows
	// all. Default: none. Requests without Origin are not from pages.
	Origins []string
	// Heartbeat is how often the server pings; a client silent for twice as
	// long is gone. Default: 25 s, below the idle limit of common proxies.
	Heartbeat time.Duration
	// ResumeWait is how long a stream waits for a `resume` that the request
	// has not announced. Default: 500 ms.
	ResumeWait time.Duration
	// MaxReplay bounds the events of one conversation that a resume replays;
	// more are told by `gap`. Default: 1,000.
	MaxReplay int
	// MaxPending bounds the bytes that wait for one client. Default: 1 MiB.
	MaxPending int
	// MaxStarting bounds the streams of a node that start or replay at the same
	// time; others wait their turn. Default: 16 a processor.
	MaxStarting int
	// MaxWaiting bounds those who wait for their turn; others are told to come
	// back, spread over BusySpread. Defaults: 1,000, which takes about a second,
	// and 5 s.
	MaxWaiting int
	BusySpread time.Duration
	// CloseGrace is how long a closed stream waits for what it has sent to be
	// read, before the connection is cut. Default: 5 s.
	CloseGrace time.Duration
	// PresenceBeat is how often a node says who is there, and PresenceLife for
	// how long that counts: when it dies, its users are offline within that.
	// Defaults: 10 s and 30 s.
	PresenceBeat, PresenceLife time.Duration
	// PresenceGrace is how long a user whose last stream ended may take to come
	// back before he is offline. Default: 10 s.
	PresenceGrace time.Duration
	// DrainSpread is the time over which Drain asks clients to come back.
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
