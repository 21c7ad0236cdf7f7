package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/urfave/cli/v3"

	"ping/internal/erasure"
	"ping/internal/limits"
)

// Config is all that can be set of a node.
type Config struct {
	DatabaseURL string
	RedisURL    string
	NATSURL     string
	JWTSecret   string

	Addr        string // where clients connect, host:port
	MetricsAddr string // where /metrics is served; "" means at Addr
	PprofAddr   string // where profiles are served; "" means nowhere
	Origins     []string
	Proxies     []*net.IPNet  // whose X-Forwarded-For is believed
	Drain       time.Duration // how long clients are given to leave at the end

	DatabaseConns int
	StateCache    int          // MiB
	Limits        limits.Rates // nil: off
	LogLevel      slog.Level

	Erasure erasure.Config // no setting: nobody has a reason to change it
}

// A setting is one flag with its environment variable. All are read as text, so
// that every bad one can be named at once.
type setting struct {
	name, env, fallback, category, usage string
	// read checks the text and puts it into the config.
	read func(cfg *Config, text string) error
}

const (
	categoryParts  = "What Ping runs on"
	categoryServer = "Serving"
	categoryTuning = "Tuning and watching"
)

// minSecret is the fewest bytes a key for access tokens may have: those of the
// hash that signs them.
const minSecret = 32

// privateNetworks are those that no client reaches a node from, unless a proxy
// is in front of it or both are at home.
const privateNetworks = "127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7"

var settings = []setting{
	{"database-url", "DATABASE_URL", "", categoryParts, "where Postgres is, `postgres://…`", func(cfg *Config, text string) error {
		cfg.DatabaseURL = text
		_, err := pgxpool.ParseConfig(text)
		return required(text, err)
	}},
	{"redis-url", "REDIS_URL", "", categoryParts, "where Redis 7 or newer is, `redis://…`, rediss:// or unix://; a cluster: redis://host:port?addr=host:port, with an addr for each further node", func(cfg *Config, text string) error {
		cfg.RedisURL = text
		return required(text, checkRedis(text))
	}},
	{"nats-url", "NATS_URL", "", categoryParts, "where NATS with JetStream is, `nats://…`, several with commas", func(cfg *Config, text string) error {
		cfg.NATSURL = text
		return required(text, checkNATS(text))
	}},
	{"jwt-secret", "JWT_SECRET", "", categoryParts, "the `secret` that signs access tokens, at least 32 bytes, the same for all nodes; set it in the environment, where other users cannot see it", func(cfg *Config, text string) error {
		cfg.JWTSecret = text
		if text != "" && len(text) < minSecret {
			return fmt.Errorf("has %d bytes, at least %d are needed", len(text), minSecret)
		}
		return required(text, nil)
	}},
	{"addr", "PING_ADDR", "127.0.0.1:8080", categoryServer, "the `host:port` that clients connect to", func(cfg *Config, text string) error {
		cfg.Addr = text
		if text == "" {
			return errNotSet
		}
		return checkAddr(text)
	}},
	{"metrics-addr", "PING_METRICS_ADDR", "127.0.0.1:8081", categoryServer, "the `host:port` of /metrics; empty: the one that clients connect to", func(cfg *Config, text string) error {
		cfg.MetricsAddr = text
		return checkAddr(text)
	}},
	{"origins", "PING_ORIGINS", "", categoryServer, "other sites whose pages may open a stream, `https://host`, several with commas, or *", readOrigins},
	{"proxies", "PING_PROXIES", privateNetworks, categoryServer, "the `networks` of proxies, whose X-Forwarded-For tells a client's address: CIDRs with commas; empty: none", readProxies},
	{"drain", "PING_DRAIN", "5s", categoryServer, "the `time` over which clients are sent elsewhere when the node ends", func(cfg *Config, text string) (err error) {
		if cfg.Drain, err = time.ParseDuration(text); err != nil || cfg.Drain < 0 {
			return fmt.Errorf("is %q, not a time such as 5s", text)
		}
		return nil
	}},
	{"database-conns", "PING_DATABASE_CONNS", "32", categoryTuning, "the most `connections` to Postgres, at least 12", func(cfg *Config, text string) (err error) {
		if cfg.DatabaseConns, err = strconv.Atoi(text); err != nil || cfg.DatabaseConns < 12 || cfg.DatabaseConns > 10_000 {
			return fmt.Errorf("is %q, not a number from 12 to 10000", text)
		}
		return nil
	}},
	{"state-cache", "PING_STATE_CACHE", "256", categoryTuning, "the most `MiB` of memory for what commands are decided on, at least 1; a group takes about 64 bytes a member", func(cfg *Config, text string) (err error) {
		if cfg.StateCache, err = strconv.Atoi(text); err != nil || cfg.StateCache < 1 || cfg.StateCache > 1_000_000 {
			return fmt.Errorf("is %q, not a number from 1 to 1000000", text)
		}
		return nil
	}},
	{"limits", "PING_LIMITS", limits.Defaults, categoryTuning, "how often a user or an address may do something, `action=count/unit` with commas, the unit s, m or h; or off", func(cfg *Config, text string) (err error) {
		cfg.Limits, err = limits.Parse(text)
		return err
	}},
	{"log-level", "PING_LOG_LEVEL", "info", categoryTuning, "the least `level` to log: debug, info, warn or error", func(cfg *Config, text string) error {
		if cfg.LogLevel.UnmarshalText([]byte(text)) != nil {
			return fmt.Errorf("is %q, not debug, info, warn or error", text)
		}
		return nil
	}},
	{"pprof-addr", "PING_PPROF_ADDR", "", categoryTuning, "the `host:port` of Go's profiles (/debug/pprof/); empty: off. Keep it private", func(cfg *Config, text string) error {
		cfg.PprofAddr = text
		return checkAddr(text)
	}},
}

// flags turns the settings named, or all when none are, into flags. Another
// fallback than the usual may be given by the setting's name.
func flags(fallbacks map[string]string, names ...string) []cli.Flag {
	var all []cli.Flag
	for _, s := range settings {
		if len(names) > 0 && !slices.Contains(names, s.name) {
			continue
		}
		fallback, other := fallbacks[s.name]
		if !other {
			fallback = s.fallback
		}
		all = append(all, &cli.StringFlag{
			Name: s.name, Category: s.category, Usage: s.usage, Value: fallback,
			Sources: cli.EnvVars(s.env), HideDefault: fallback == "",
		})
	}
	return all
}

// readConfig reads the settings named, or all when none are. Its error names
// every bad one.
func readConfig(text func(name string) string, names ...string) (Config, error) {
	var cfg Config
	var bad []error
	for _, s := range settings {
		if len(names) > 0 && !slices.Contains(names, s.name) {
			continue
		}
		if err := s.read(&cfg, strings.TrimSpace(text(s.name))); err != nil {
			bad = append(bad, fmt.Errorf("  %s (--%s) %w", s.env, s.name, err))
		}
	}
	if len(bad) > 0 {
		return Config{}, fmt.Errorf("bad settings:\n%w", errors.Join(bad...))
	}
	return cfg, nil
}

var errNotSet = errors.New("is not set")

// required prefers "is not set" to whatever else is wrong with an empty text.
// What a URL's parser says may quote the URL, and with it a password: the reason
// alone is kept.
func required(text string, err error) error {
	if text == "" {
		return errNotSet
	}
	var quoting *url.Error
	if errors.As(err, &quoting) {
		err = quoting.Err
	}
	if err != nil {
		return fmt.Errorf("is not valid: %w", err)
	}
	return nil
}

func checkNATS(text string) error {
	for one := range strings.SplitSeq(text, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil {
			return err
		}
		switch u.Scheme {
		case "nats", "tls", "ws", "wss":
		default:
			return fmt.Errorf("its scheme is %q, not nats, tls, ws or wss", u.Scheme)
		}
		if u.Host == "" {
			return errors.New("it names no host")
		}
	}
	return nil
}

// checkAddr checks a host:port to listen on; an empty one is none.
func checkAddr(addr string) error {
	if addr == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return errors.New("is not host:port")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("has port %q, which is not a number from 0 to 65535", port)
	}
	return nil
}

func readOrigins(cfg *Config, text string) error {
	if text == "" {
		return nil
	}
	for origin := range strings.SplitSeq(text, ",") {
		origin = strings.TrimSpace(origin)
		if u, err := url.Parse(origin); origin != "*" && (err != nil || u.Host == "" || u.Scheme+"://"+u.Host != origin) {
			return fmt.Errorf("has %q, which is not scheme://host", origin)
		}
		cfg.Origins = append(cfg.Origins, origin)
	}
	return nil
}

func readProxies(cfg *Config, text string) error {
	if text == "" {
		return nil
	}
	for network := range strings.SplitSeq(text, ",") {
		_, parsed, err := net.ParseCIDR(strings.TrimSpace(network))
		if err != nil {
			return fmt.Errorf("has %q, which is not a network such as 10.0.0.0/8", network)
		}
		cfg.Proxies = append(cfg.Proxies, parsed)
	}
	return nil
}
