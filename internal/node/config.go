package node

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

	"ping/internal/erasure"
	"ping/internal/limits"
)

// Config is the configuration of a node.
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

	StartTimeout  time.Duration // how long to wait for Postgres at the start
	DatabaseConns int
	StateCache    int          // MiB
	Limits        limits.Rates // nil: off
	LogLevel      slog.Level

	Erasure erasure.Config // no setting: nobody has a reason to change it
}

// Setting is one flag with its environment variable. All are read as text, so
// that one error can name every invalid one.
type Setting struct {
	Name, Env, Default, Category, Usage string
	// read checks the text and puts it into the config.
	read func(cfg *Config, text string) error
}

// Categories of settings, for help texts.
const (
	CategoryEngines = "What Ping runs on"
	CategoryServing = "Serving"
	CategoryTuning  = "Tuning and watching"
)

// MinSecret is the minimum length of the secret for access tokens, in bytes: that
// of the hash that signs them.
const MinSecret = 32

// privateNetworks are the default for trusted proxies: a client on the internet
// reaches a node from such an address only through a proxy.
const privateNetworks = "127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7"

// Settings lists all settings of a node.
var Settings = []Setting{
	{"database-url", "DATABASE_URL", "", CategoryEngines, "where Postgres is, `postgres://…`", func(cfg *Config, text string) error {
		cfg.DatabaseURL = text
		_, err := pgxpool.ParseConfig(text)
		return required(text, err)
	}},
	{"redis-url", "REDIS_URL", "", CategoryEngines, "where Redis 7 or newer is, `redis://…`, rediss:// or unix://; a cluster: redis://host:port?addr=host:port, with an addr for each further node", func(cfg *Config, text string) error {
		cfg.RedisURL = text
		return required(text, checkRedis(text))
	}},
	{"nats-url", "NATS_URL", "", CategoryEngines, "where NATS with JetStream is, `nats://…`, several with commas", func(cfg *Config, text string) error {
		cfg.NATSURL = text
		return required(text, checkNATS(text))
	}},
	{"jwt-secret", "JWT_SECRET", "", CategoryEngines, "the `secret` that signs access tokens, at least 32 bytes, the same for all nodes; set it in the environment, where other users cannot see it", func(cfg *Config, text string) error {
		cfg.JWTSecret = text
		if text != "" && len(text) < MinSecret {
			return fmt.Errorf("has %d bytes, at least %d are needed", len(text), MinSecret)
		}
		return required(text, nil)
	}},
	{"addr", "PING_ADDR", "127.0.0.1:8080", CategoryServing, "the `host:port` that clients connect to", func(cfg *Config, text string) error {
		cfg.Addr = text
		if text == "" {
			return errNotSet
		}
		return checkAddr(text)
	}},
	{"metrics-addr", "PING_METRICS_ADDR", "127.0.0.1:8081", CategoryServing, "the `host:port` of /metrics; empty: the one that clients connect to", func(cfg *Config, text string) error {
		cfg.MetricsAddr = text
		return checkAddr(text)
	}},
	{"origins", "PING_ORIGINS", "", CategoryServing, "other sites whose pages may open a stream, `https://host`, several with commas, or *", readOrigins},
	{"proxies", "PING_PROXIES", privateNetworks, CategoryServing, "the `networks` of proxies, whose X-Forwarded-For tells a client's address: CIDRs with commas; empty: none", readProxies},
	{"drain", "PING_DRAIN", "5s", CategoryServing, "the `time` over which clients are sent elsewhere when the node ends", func(cfg *Config, text string) (err error) {
		if cfg.Drain, err = time.ParseDuration(text); err != nil || cfg.Drain < 0 {
			return fmt.Errorf("is %q, not a time such as 5s", text)
		}
		return nil
	}},
	{"start-timeout", "PING_START_TIMEOUT", "60s", CategoryServing, "the `time` to wait for Postgres at the start", func(cfg *Config, text string) (err error) {
		if cfg.StartTimeout, err = time.ParseDuration(text); err != nil || cfg.StartTimeout < 0 {
			return fmt.Errorf("is %q, not a time such as 60s", text)
		}
		return nil
	}},
	{"database-conns", "PING_DATABASE_CONNS", "32", CategoryTuning, "the most `connections` to Postgres, at least 12", func(cfg *Config, text string) (err error) {
		if cfg.DatabaseConns, err = strconv.Atoi(text); err != nil || cfg.DatabaseConns < 12 || cfg.DatabaseConns > 10_000 {
			return fmt.Errorf("is %q, not a number from 12 to 10000", text)
		}
		return nil
	}},
	{"state-cache", "PING_STATE_CACHE", "256", CategoryTuning, "the most `MiB` of memory for what commands are decided on, at least 1; a group takes about 64 bytes a member", func(cfg *Config, text string) (err error) {
		if cfg.StateCache, err = strconv.Atoi(text); err != nil || cfg.StateCache < 1 || cfg.StateCache > 1_000_000 {
			return fmt.Errorf("is %q, not a number from 1 to 1000000", text)
		}
		return nil
	}},
	{"limits", "PING_LIMITS", limits.Defaults, CategoryTuning, "how often a user or an address may do something, `action=count/unit` with commas, the unit s, m or h; or off", func(cfg *Config, text string) (err error) {
		cfg.Limits, err = limits.Parse(text)
		return err
	}},
	{"log-level", "PING_LOG_LEVEL", "info", CategoryTuning, "the least `level` to log: debug, info, warn or error", func(cfg *Config, text string) error {
		if cfg.LogLevel.UnmarshalText([]byte(text)) != nil {
			return fmt.Errorf("is %q, not debug, info, warn or error", text)
		}
		return nil
	}},
	{"pprof-addr", "PING_PPROF_ADDR", "", CategoryTuning, "the `host:port` of Go's profiles (/debug/pprof/); empty: off. Keep it private", func(cfg *Config, text string) error {
		cfg.PprofAddr = text
		return checkAddr(text)
	}},
}

// ReadConfig reads the named settings, or all when no name is given. Its error
// names every invalid one.
func ReadConfig(text func(name string) string, names ...string) (Config, error) {
	var cfg Config
	var bad []error
	for _, s := range Settings {
		if len(names) > 0 && !slices.Contains(names, s.Name) {
			continue
		}
		if err := s.read(&cfg, strings.TrimSpace(text(s.Name))); err != nil {
			bad = append(bad, fmt.Errorf("  %s (--%s) %w", s.Env, s.Name, err))
		}
	}
	if len(bad) > 0 {
		return Config{}, fmt.Errorf("invalid settings:\n%w", errors.Join(bad...))
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
