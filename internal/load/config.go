package load

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"runtime"
	"time"
)

// Config is what a run is to do. Check says what is wrong with it.
type Config struct {
	// URLs are the servers' base addresses, such as http://127.0.0.1:8080.
	// Users are spread over them and move on to the next when theirs fails.
	URLs []string
	// AllowRemote permits servers that are not on this machine.
	AllowRemote bool

	// Corpus names a JSON Lines file, plain or gzip; "" generates the load.
	Corpus string
	// Conversations bounds how many of the corpus are sent; 0 sends all.
	Conversations int
	// Limit bounds how many messages of the corpus are sent; 0 sends all.
	Limit int
	// Users is how many users the corpus's nicks are mapped onto, or how many
	// share the sockets of Idle.
	Users int

	// Idle is how many sockets are opened to do nothing; 0 runs another load.
	Idle int
	// Quiet is how long they are watched doing nothing.
	Quiet time.Duration
	// MetricsURLs are where the servers tell their memory; none measures it from
	// outside alone.
	MetricsURLs []string

	// Groups and Members give the size of a generated load: how many groups,
	// and how many members each of them has.
	Groups, Members int
	// BodySize is the length of generated bodies in bytes.
	BodySize int
	// Mix is what senders do: "sends", which "" is too, or "realistic". With the
	// latter, Rate, Duration and Messages are about actions of all sorts.
	Mix string

	// Senders is how many senders there are; with a corpus, how many of its
	// conversations are sent at the same time.
	Senders int
	// Window is how many sends of one sender may be outstanding. Above 1 the
	// order of a sender's messages is not defined.
	Window int
	// Rate is the number of messages a second in all, on a fixed schedule;
	// 0 is a closed loop: a sender's next message follows the last answer.
	Rate float64
	// Duration and Messages end the sending, whichever comes first; 0 means
	// no such bound.
	Duration time.Duration
	Messages int

	// Disconnects is how many sockets are cut during the run.
	Disconnects int
	// Storm cuts all sockets at once in the middle of the sending.
	Storm bool
	// Slow is how many sockets stop reading for most of the sending.
	Slow int
	// Stealth makes some of the messages stealth messages.
	Stealth bool
	// RetryFor bounds how long one message is tried again.
	RetryFor time.Duration
	// Settle bounds each wait for sockets and history to catch up.
	Settle time.Duration

	// ServerPIDs are the server processes to measure, with their children;
	// none measures whoever listens on the ports of URLs.
	ServerPIDs []int
	// JSON names a file for the figures; "" writes none.
	JSON string
}

// The bounds of what one run can hold in memory or do to a machine.
const (
	maxUsers    = 50_000
	maxMessages = 50_000_000
	maxBody     = 4000
)

// Check returns everything that is wrong with the configuration.
func (c Config) Check() error {
	var problems []error
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	between := func(name string, value, least, most int) {
		if value < least || value > most {
			wrong("--%s is %d; it goes from %d to %d", name, value, least, most)
		}
	}
	if len(c.URLs) == 0 {
		wrong("--url is missing")
	}
	for _, u := range c.URLs {
		if err := checkURL(u, c.AllowRemote); err != nil {
			wrong("--url %s: %w", u, err)
		}
	}
	between("senders", c.Senders, 1, 10_000)
	between("window", c.Window, 1, 1000)
	between("messages", c.Messages, 0, maxMessages)
	between("disconnects", c.Disconnects, 0, 1_000_000)
	if c.RetryFor <= 0 || c.Settle <= 0 || c.Duration < 0 {
		wrong("--retry-for and --settle are longer than 0, --duration is not negative")
	}
	if c.Mix != "" && c.Mix != mixSends && c.Mix != mixRealistic {
		wrong("--mix is %q; it is %s or %s", c.Mix, mixSends, mixRealistic)
	}
	if c.Idle != 0 {
		between("idle", c.Idle, 1, maxUsers)
		between("users", c.Users, 1, c.Idle)
		if c.Quiet <= 0 || c.Corpus != "" || c.Mix == mixRealistic || c.Rate != 0 || c.Disconnects != 0 || c.Storm || c.Slow != 0 || c.Stealth {
			wrong("--idle is a load of its own: it takes none of --corpus, --mix, --rate, --disconnects, --storm, --slow, --stealth; and --quiet is longer than 0")
		}
		return errors.Join(problems...)
	}
	if c.Slow < 0 || c.Slow > 0 && c.Storm {
		wrong("--slow is not negative, and goes without --storm: a socket that does not read cannot resume")
	}
	if c.Stealth && (c.Mix == mixRealistic || c.Corpus != "") {
		wrong("--stealth is for a generated load without --mix: its members stay")
	}
	if c.Corpus != "" {
		if c.Mix == mixRealistic {
			wrong("--mix is for a generated load: a corpus holds nothing but messages")
		}
		between("users", c.Users, 1, maxUsers)
		if c.Storm || c.Slow != 0 {
			wrong("--storm and --slow are for a generated load")
		}
		between("limit", c.Limit, 0, maxMessages)
		between("conversations", c.Conversations, 0, 1_000_000)
		if c.Rate != 0 {
			wrong("--rate is for a generated load: a corpus is sent in a closed loop, as fast as answers come")
		}
		if c.Window != 1 {
			wrong("--window is for a generated load: in a corpus, each message waits for the one before it")
		}
		return errors.Join(problems...)
	}
	between("groups", c.Groups, 1, 10_000)
	between("members", c.Members, 1, 20_000)
	between("body-size", c.BodySize, minBody, maxBody)
	if c.Slow > c.Groups*(c.Members-1) {
		wrong("--slow is %d; at most all members but the first of each group, who reads on", c.Slow)
	}
	if users := c.Groups * c.Members; users > maxUsers {
		wrong("--groups times --members is %d; at most %d", users, maxUsers)
	}
	if c.Rate < 0 || c.Rate > 1_000_000 {
		wrong("--rate is %g; it goes up to 1,000,000", c.Rate)
	}
	if c.Duration == 0 && c.Messages == 0 {
		wrong("--duration or --messages has to end the sending")
	}
	return errors.Join(problems...)
}

// checkURL accepts the address of a server that the tool may put load on.
func checkURL(raw string, remote bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return err
	case u.Scheme != "http" || u.Host == "":
		return errors.New("an address such as http://127.0.0.1:8080 is needed; TLS is not supported")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.User != nil:
		return errors.New("only scheme, host and port are used")
	case remote || u.Hostname() == "localhost":
		return nil
	}
	if ip := net.ParseIP(u.Hostname()); ip == nil || !ip.IsLoopback() {
		return errors.New("this is not a loopback address; --allow-remote permits load on another machine")
	}
	return nil
}

// setupWorkers is how many registrations and group creations run at once: the
// server's password hashing takes a core each, so more would only wait.
func setupWorkers() int { return 2 * runtime.NumCPU() }
