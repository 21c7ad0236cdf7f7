// Package ephemeral is the ephemeral store: stealth messages, typing and presence.
// All of it is in Redis alone; nothing goes to Postgres, JetStream, log lines,
// metrics or disks.
//
// # Shards
//
// Everything is in one of 16 shards, chosen by the id of a conversation or of
// a user. The keys of shard 7 and its channel have the hash tag {e07}, so a
// script that stores and publishes touches one slot of a Redis Cluster:
//
//	ping:{e07}                                channel, by sharded pub/sub
//	ping:{e07}:stealth:<conversation>         sorted set: unexpired messages, by expiry
//	ping:{e07}:stealth:<conversation>:<id>    string with a TTL: the author, and the message as JSON
//	ping:{e07}:stealth:due                    sorted set: all messages of the shard, by expiry
//	ping:{e07}:key:<hash>                     string with a TTL: the answer to an Idempotency-Key
//	ping:{e07}:presence:<user>                hash: a field per node that has the user, "told", "seen"
//	ping:{e07}:presence:due                   sorted set: users, by when a lease expires
//
// Every node subscribes to all shards, as it follows all partitions of the log, and
// passes messages to its sockets: it knows the members of conversations. So opening
// and closing sockets changes no subscription.
//
// # Stealth messages
//
// One script stores a message and publishes it, so it is delivered exactly if it is
// stored. The TTL of Redis removes the text on time, whatever else fails. The first
// node that asks for due messages removes a message from the list and publishes
// stealth_gone in one script, so it is published once, even if nodes die. All times
// except sent_at and expires_at, which are those of the sending node, are by the
// clock of Redis.
//
// A retry under the same Idempotency-Key finds the answer to the first attempt,
// without the text, which the retry has; a keyed hash verifies that it is the same.
// The answer is kept for an hour after the message expires.
//
// # Presence
//
// A node renews a lease per user that it has, in one script per shard. When a node
// dies, its leases expire, and its users are offline unless another node has them.
// When a user's last socket closes, the lease lasts for a grace period: a user who
// reconnects before its end, to any node, was never offline. A user's state is the
// highest of their nodes: online, away, offline.
//
// The hash also has the published state ("told"). A state that differs from it is
// due at once, for any node: the node that has the user, or the one that finds it
// due, reads the audience and publishes the state, in a script that checks that it
// is still true and not published yet. So a change is published even if a node dies
// in between, and short flapping is not.
//
// # When Redis is unavailable
//
// Every call fails within half a second with ErrUnavailable. After that, one call at
// a time probes Redis, four times per second, and all others are refused at once: a
// Redis that hangs delays nothing. In a cluster this holds per shard. An outage is
// logged at its start and at its end.
//
// A subscriber pings a connection that was silent for 5 s and closes it after 5 s
// more. It retries after a quarter of a second, later every 2 s, spread over shards.
// A node that was not subscribed for a while tells its sockets so afterwards (see
// Listen), since it does not know what it missed. Presence returns with the next
// renewal.
//
// # What Redis writes to disk
//
// Nothing here can prevent Redis from writing to its disk, but CheckServers detects
// it and logs a warning when a node starts. It reads INFO and CONFIG GET, which a
// Redis may refuse. It cannot detect a machine that swaps.
package ephemeral
