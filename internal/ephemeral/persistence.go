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

// checkRarely is the longest pause between two attempts to check a server.
const checkRarely = 10 * time.Second

// oldestRedis is the oldest major version of Redis with sharded pub/sub.
const oldestRedis = 7

// CheckServers warns of each server of Redis that writes to disk what is to be
// nowhere, or is too old. It returns when all have been checked, which takes
// until they answer, or when ctx ends.
func (s *Store) CheckServers(ctx context.Context) error {
	checked := &sync.Map{} // addresses of servers
	for again := listenAgain; s.checkServers(ctx, checked) != nil; again = min(2*again, checkRarely) {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(again):
		}
	}
	return nil
}

// checkServers checks those that were not checked yet: in a cluster the
// replicas too, which have disks of their own.
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

// inspection is what a server tells of itself.
type inspection struct {
	version   string
	snapshots string // when it saves them, as redis.conf says it; "" is never
	appends   bool   // to its append-only file
	silent    bool   // it does not tell all of it
}

// inspect asks a server. Managed ones often refuse CONFIG, also to tell.
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

// refused reports whether a server has answered that it does not do that.
func refused(err error) bool {
	var answer redis.Error
	return errors.As(err, &answer) && (strings.HasPrefix(answer.Error(), "ERR ") || strings.HasPrefix(answer.Error(), "NOPERM "))
}

// field reads a field of what INFO answers, a line each.
func field(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// warn says plainly what is wrong with a server and how it is put right.
func (s *Store) warn(addr string, found inspection) {
	if major, _, _ := strings.Cut(found.version, "."); major != "" {
		if n, err := strconv.Atoi(major); err == nil && n < oldestRedis {
			s.logger.Warn("redis is too old for stealth messages, typing and presence, which do not work: they need sharded pub/sub, of Redis 7",
				"server", addr, "version", found.version)
		}
	}
	switch {
	case found.snapshots != "" || found.appends:
		s.logger.Warn(`redis writes to its disk, and so the text of stealth messages, which is to be nowhere, gets into its files and their backups. `+
			`Turn that off in redis.conf: save "" against snapshots, appendonly no against the append-only file`,
			"server", addr, "snapshots", found.snapshots, "append_only_file", found.appends)
	case found.silent:
		s.logger.Info(`redis does not tell whether it writes to its disk, where the text of stealth messages is not to be: `+
			`make sure that it has save "" and appendonly no`, "server", addr)
	}
}
