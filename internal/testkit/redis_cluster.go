package testkit

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"ping/internal/devservices"
)

// clusterMasters is how many servers a cluster has, the fewest that can agree.
const clusterMasters = 3

// RedisClusterURL returns the URL of a new Redis Cluster of three masters on
// loopback, stopped when the test ends. Lines of redis.conf may say how they
// differ.
func RedisClusterURL(t testing.TB, lines ...string) string {
	t.Helper()
	ports := freePorts(t, 2*clusterMasters)
	var addrs []string
	var nodes []*redis.Client
	for i := range clusterMasters {
		port, bus := ports[2*i], ports[2*i+1]
		server, err := devservices.StartRedis(context.Background(), filepath.Join(t.TempDir(), fmt.Sprint(i)), append([]string{
			"bind 127.0.0.1", fmt.Sprint("port ", port), fmt.Sprint("cluster-port ", bus),
			"cluster-enabled yes", "cluster-node-timeout 2000", "databases 1",
		}, lines...)...)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, server.Stop()) })
		addrs = append(addrs, fmt.Sprint("127.0.0.1:", port))
		node := redis.NewClient(&redis.Options{Addr: addrs[i]})
		t.Cleanup(func() { _ = node.Close() }) // nothing is lost with it
		nodes = append(nodes, node)
	}
	joinCluster(t, nodes, ports)
	return "redis://" + addrs[0] + "?" + url.Values{"addr": addrs[1:]}.Encode()
}

// joinCluster lets servers know each other, and shares all slots among them.
func joinCluster(t testing.TB, nodes []*redis.Client, ports []int) {
	t.Helper()
	const slots = 16384
	ctx := t.Context()
	for i, node := range nodes {
		require.NoError(t, node.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err())
		require.NoError(t, node.ClusterAddSlotsRange(ctx, i*slots/len(nodes), (i+1)*slots/len(nodes)-1).Err())
		if i > 0 {
			require.NoError(t, nodes[0].Do(ctx, "CLUSTER", "MEET", "127.0.0.1", ports[2*i], ports[2*i+1]).Err())
		}
	}
	for _, node := range nodes {
		require.Eventually(t, func() bool {
			info := node.ClusterInfo(ctx).Val()
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprint("cluster_known_nodes:", len(nodes)))
		}, 30*time.Second, 10*time.Millisecond)
	}
}

// freePorts returns loopback ports that nobody listened on just now, all
// different.
func freePorts(t testing.TB, n int) (ports []int) {
	t.Helper()
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer listener.Close() // at the end: they are to differ
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports
}
