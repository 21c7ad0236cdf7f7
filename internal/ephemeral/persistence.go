package ephemeral

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxCheckPause is the maximum delay between two attempts to check a server.
const maxCheckPause = 10 * time.Second

// minRedis is the first major version of Redis with sharded pub/sub.
const minRedis = 7

// CheckServers logs a warning for each server of Redis that writes to disk or is
// too old. It returns when all servers have answered, or when ctx ends.
func (s *Store) CheckServers(ctx context.Context) error {
	checked := &sync.Map{} // addresses of servers
	for again := minRetry; s.checkServers(ctx, checked) != nil; again = min(2*again, maxCheckPause) {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(again):
		}
	}
	return nil
}

// checkServers checks those that were not checked yet, in a cluster including the
// replicas, which have their own disks.
func (s *Store) checkServers(ctx context.Context, checked *sync.Map) error {
	ctx, cancel := context.WithTimeout(ctx, subscribing)
	defer cancel()
	check := func(ctx context.Context, server *redis.Client) error {
		found, err := inspect(ctx, server)
		if err != nil {
			return err
		}
		addr := server.Options().Addr
		if _, again := checked.LoadOrStore(addr, true); !again {
			s.warn(addr, found)
		}
		return nil
	}
	if cluster, ok := s.rdb.(*redis.ClusterClient); ok {
		return cluster.ForEachShard(ctx, check)
	}
	if server, ok := s.rdb.(*redis.Client); ok {
		return check(ctx, server)
	}
	return nil
}

// inspection is what a server reports about itself.
type inspection struct {
	version   string
	snapshots string // when it saves them, in the form of redis.conf; "" means never
	appends   bool   // it writes an append-only file
	silent    bool   // it does not report everything
}

// inspect queries a server. Managed ones often refuse CONFIG GET.
func inspect(ctx context.Context, server *redis.Client) (found inspection, err error) {
	about, err := server.Info(ctx, "server").Result()
	if err != nil && !refused(err) {
		return found, err
	}
	found.version = field(about, "redis_version")
	about, err = server.Info(ctx, "persistence").Result()
	if err != nil && !refused(err) {
		return found, err
	}
	appends := field(about, "aof_enabled")
	settings, err := server.ConfigGet(ctx, "save").Result()
	if err != nil && !refused(err) {
		return found, err
	}
	found.snapshots, found.appends = settings["save"], appends == "1"
	_, told := settings["save"]
	found.silent = !told || appends == ""
	return found, nil
}

// refused reports whether a server answered that it does not permit the command.
func refused(err error) bool {
	var answer redis.Error
	return errors.As(err, &answer) && (strings.HasPrefix(answer.Error(), "ERR ") || strings.HasPrefix(answer.Error(), "NOPERM "))
}

// field returns a field of the output of INFO.
func field(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// warn logs what is wrong with a server and how to correct it.
func (s *Store) warn(addr string, found inspection) {
	if major, _, _ := strings.Cut(found.version, "."); major != "" {
		if n, err := strconv.Atoi(major); err == nil && n < minRedis {
			s.logger.Warn("redis is too old for stealth messages, typing and presence: they need sharded pub/sub, which Redis 7 has",
				"server", addr, "version", found.version)
		}
	}
	switch {
	case found.snapshots != "" || found.appends:
		s.logger.Warn(`redis writes to its disk, so the text of stealth messages gets into its files and their backups. `+
			`Turn that off in redis.conf: save "" for snapshots, appendonly no for the append-only file`,
			"server", addr, "snapshots", found.snapshots, "append_only_file", found.appends)
	case found.silent:
		s.logger.Info(`redis does not report whether it writes to its disk, where the text of stealth messages must not be: `+
			`make sure that it has save "" and appendonly no`, "server", addr)
	}
}
