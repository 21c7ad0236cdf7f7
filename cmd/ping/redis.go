package main

import (
	"context"
	"errors"
	"net/url"

	"github.com/redis/go-redis/v9"
)

// newRedis makes a client of the Redis at a URL. Who asks it something says how
// long he waits, and asks again himself.
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

// errRedisURL does not say more: the reason may quote a password.
var errRedisURL = errors.New("connect to Redis: its URL is not valid")

// checkRedis checks the URL of a Redis.
func checkRedis(text string) error {
	if isCluster(text) {
		_, err := redis.ParseClusterURL(text)
		return err
	}
	_, err := redis.ParseURL(text)
	return err
}

// isCluster tells a cluster by the further nodes that its URL names; one is
// enough for the client to find the others.
func isCluster(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Query().Has("addr")
}

// quietRedis keeps the Redis client from writing to standard error about each
// attempt that fails: who asked for something logs, once, that it failed. It
// is a variable of that package, so it is set once a process.
func quietRedis() { redis.SetLogger(noLog{}) }

type noLog struct{}

func (noLog) Printf(context.Context, string, ...any) {}
