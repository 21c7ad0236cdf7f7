package scenario

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"ping/internal/load/workload"
)

// Config is what a run is to do. Check says what is wrong with it.
type Config struct {
	// URLs are the servers' base addresses, such as http://127.0.0.1:8080. Users
	// are spread over them and move on to the next when theirs fails.
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
	// MetricsURLs are where the servers tell their memory; without, it is
	// measured only from outside.
	MetricsURLs []string

	// Groups and Members are the size of a generated load: how many groups, and
	// how many members per group.
	Groups, Members int
	// BodySize is the length of generated bodies in bytes.
	BodySize int
	// Mix is what senders do: "sends", which "" is too, or "realistic". With the
	// latter, Rate, Duration and Messages refer to actions of all kinds.
	Mix string

	// Senders is how many senders there are; with a corpus, how many of its
	// conversations are sent at the same time.
	Senders int
	// Window is how many sends per sender may be outstanding. Above 1 the order
	// of a sender's messages is not defined.
	Window int
	// Rate is the number of messages per second in all, on a fixed schedule; 0 is
	// a closed loop: a sender's next message follows the last answer.
	Rate float64
	// Duration and Messages end the sending, whichever comes first; 0 means no
	// such bound.
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
	// RetryFor bounds how long one message is retried.
	RetryFor time.Duration
	// Settle bounds each wait for sockets and history to catch up.
	Settle time.Duration

	// ServerPIDs are the server processes to measure, with their children;
	// without, the processes that listen on the ports of URLs are measured.
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

// mixed reports whether senders do more than send messages.
func (c Config) mixed() bool { return c.Mix == workload.MixRealistic }

// check collects what is wrong with a configuration.
type check struct{ problems []error }

func (p *check) wrong(format string, args ...any) {
	p.problems = append(p.problems, fmt.Errorf(format, args...))
}

func (p *check) between(name string, value, low, high int) {
	if value < low || value > high {
		p.wrong("--%s is %d; it must be from %d to %d", name, value, low, high)
	}
}

// Check returns everything that is wrong with the configuration.
func (c Config) Check() error {
	p := &check{}
	if len(c.URLs) == 0 {
		p.wrong("--url is missing")
	}
	for _, u := range c.URLs {
		if err := checkURL(u, c.AllowRemote); err != nil {
			p.wrong("--url %s: %w", u, err)
		}
	}
	p.between("senders", c.Senders, 1, 10_000)
	p.between("window", c.Window, 1, 1000)
	p.between("messages", c.Messages, 0, maxMessages)
	p.between("disconnects", c.Disconnects, 0, 1_000_000)
	if c.RetryFor <= 0 || c.Settle <= 0 || c.Duration < 0 {
		p.wrong("--retry-for and --settle must be longer than 0, --duration must not be negative")
	}
	if c.Mix != "" && c.Mix != workload.MixSends && !c.mixed() {
		p.wrong("--mix is %q; it must be %s or %s", c.Mix, workload.MixSends, workload.MixRealistic)
	}
	if c.Idle != 0 {
		c.checkIdle(p)
		return errors.Join(p.problems...)
	}
	if c.Slow < 0 || c.Slow > 0 && c.Storm {
		p.wrong("--slow must not be negative, nor be used with --storm: a socket that does not read cannot resume")
	}
	if c.Stealth && (c.mixed() || c.Corpus != "") {
		p.wrong("--stealth needs a generated load without --mix: its members stay")
	}
	if c.Corpus != "" {
		c.checkCorpus(p)
	} else {
		c.checkGenerated(p)
	}
	return errors.Join(p.problems...)
}

func (c Config) checkIdle(p *check) {
	p.between("idle", c.Idle, 1, maxUsers)
	p.between("users", c.Users, 1, c.Idle)
	if c.Quiet <= 0 {
		p.wrong("--quiet must be longer than 0")
	}
	if c.Corpus != "" || c.mixed() || c.Rate != 0 || c.Disconnects != 0 || c.Storm || c.Slow != 0 || c.Stealth {
		p.wrong("--idle is a load of its own, without --corpus, --mix, --rate, --disconnects, --storm, --slow, --stealth")
	}
}

func (c Config) checkCorpus(p *check) {
	if c.mixed() {
		p.wrong("--mix needs a generated load: a corpus holds only messages")
	}
	p.between("users", c.Users, 1, maxUsers)
	if c.Storm || c.Slow != 0 {
		p.wrong("--storm and --slow need a generated load")
	}
	p.between("limit", c.Limit, 0, maxMessages)
	p.between("conversations", c.Conversations, 0, 1_000_000)
	if c.Rate != 0 {
		p.wrong("--rate needs a generated load: a corpus is sent in a closed loop, as fast as answers arrive")
	}
	if c.Window != 1 {
		p.wrong("--window needs a generated load: in a corpus, each message waits for the one before it")
	}
}

func (c Config) checkGenerated(p *check) {
	p.between("groups", c.Groups, 1, 10_000)
	p.between("members", c.Members, 1, 20_000)
	p.between("body-size", c.BodySize, workload.MinBody, maxBody)
	if high := c.Groups * (c.Members - 1); c.Slow > high {
		p.wrong("--slow is %d; at most %d sockets can be slow: the first member of each group reads on", c.Slow, high)
	}
	if users := c.Groups * c.Members; users > maxUsers {
		p.wrong("--groups times --members is %d; at most %d", users, maxUsers)
	}
	if c.Rate < 0 || c.Rate > 1_000_000 {
		p.wrong("--rate is %g; it must be from 0 to 1,000,000", c.Rate)
	}
	if c.Duration == 0 && c.Messages == 0 {
		p.wrong("--duration or --messages has to end the sending")
	}
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

// plan makes the plan of the configuration.
func (c Config) plan() (*workload.Plan, error) {
	switch {
	case c.Idle > 0:
		return workload.Idle{Sockets: c.Idle, Users: c.Users}.Plan(), nil
	case c.Corpus == "":
		return workload.Generated{Groups: c.Groups, Members: c.Members, Senders: c.Senders, Window: c.Window, Messages: c.Messages}.Plan(), nil
	}
	p, err := workload.Corpus{File: c.Corpus, Conversations: c.Conversations, Limit: c.Limit, Users: c.Users}.Plan()
	if err == nil && c.Messages > 0 {
		p.Messages = min(p.Messages, c.Messages)
	}
	return p, err
}
