package realtime

import "time"

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
	// time; others wait their turn. Default: 32.
	MaxStarting int
	// CloseGrace is how long a closed stream waits for what it has sent to be
	// read, before the connection is cut. Default: 5 s.
	CloseGrace time.Duration
	// DrainSpread is the time over which Drain asks clients to come back.
	// Default: 5 s.
	DrainSpread time.Duration
}

func (c Config) withDefaults() Config {
	setDefault(&c.Heartbeat, 25*time.Second)
	setDefault(&c.ResumeWait, 500*time.Millisecond)
	setDefault(&c.MaxReplay, 1000)
	setDefault(&c.MaxPending, 1<<20)
	setDefault(&c.MaxStarting, 32)
	setDefault(&c.CloseGrace, 5*time.Second)
	setDefault(&c.DrainSpread, 5*time.Second)
	return c
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// Limits that are part of the protocol or follow from it.
const (
	// maxFrame bounds a client's frame, in bytes; a larger one is refused.
	maxFrame = 4 << 10
	// maxMessage bounds what is read of a client's message before the
	// connection is closed with 1009 (message too big).
	maxMessage = 64 << 10
	// maxRefusals is how many frames are refused before the stream is closed;
	// the count begins anew after refusalsForgotten without one.
	maxRefusals       = 5
	refusalsForgotten = time.Minute
	// maxReference bounds a client frame's id, in bytes.
	maxReference = 64
	// announcedWait is how long an announced `resume` is waited for.
	announcedWait = 10 * time.Second
	// hubWait is how long a stream waits for this node's tail to reach a
	// position that the client or the read models have seen already.
	hubWait = 2 * time.Second
	// readBuffer is what each stream has for reading, in bytes: enough for most
	// frames of clients and for any control message, which gorilla asks for.
	readBuffer = 256
	// sendBuffer is the kernel's buffer for one client, in bytes. The default
	// grows to megabytes, in which a stalled client hides.
	sendBuffer = 64 << 10
	// writeWait is how long one write to a client that does not read may take.
	writeWait = 15 * time.Second
	// replayPage bounds the events that one read of a replay takes.
	replayPage = 256
	// maxChanges bounds the membership changes remembered a partition.
	maxChanges = 4096
)
