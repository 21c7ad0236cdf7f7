package node

import (
	"context"
	"errors"
	"net/url"

	"github.com/redis/go-redis/v9"
)

// newRedis makes a client for the Redis at a URL. Callers bound each request by
// its context and retry themselves.
func newRedis(text string) (redis.UniversalClient, error) {
	if isCluster(text) {
		options, err := redis.ParseClusterURL(text)
		if err != nil {
			return nil, errRedisURL
		}
		options.ContextTimeoutEnabled, options.DialerRetries = true, 1
		return redis.NewClusterClient(options), nil
	}
	options, err := redis.ParseURL(text)
	if err != nil {
		return nil, errRedisURL
	}
	options.ContextTimeoutEnabled, options.DialerRetries = true, 1
	return redis.NewClient(options), nil
}

// errRedisURL gives no reason, because the reason may quote a password.
var errRedisURL = errors.New("connect to Redis: the URL is invalid")

// checkRedis checks the URL of a Redis.
func checkRedis(text string) error {
	if isCluster(text) {
		_, err := redis.ParseClusterURL(text)
		return err
	}
	_, err := redis.ParseURL(text)
	return err
}

// isCluster recognises a cluster by the further nodes that its URL names. The
// client finds the others from one of them.
func isCluster(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Query().Has("addr")
}

// QuietRedis keeps the Redis client from writing to standard error about each
// failed attempt: the callers log failures, each once. The logger is a variable
// of that package, so this is called once per process.
func QuietRedis() { redis.SetLogger(noLog{}) }

type noLog struct{}

func (noLog) Printf(context.Context, string, ...any) {}
