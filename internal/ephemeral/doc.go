// Package ephemeral is the lane of what is not to last: stealth messages,
// typing and presence. All of it is in Redis and nowhere else; nothing here
// goes to Postgres, to JetStream, to a log, a metric or a disk.
//
// # Shards
//
// Everything is in one of 16 shards, chosen by the id of a conversation or of
// a user. The keys of shard 7 and its channel have the hash tag {e07}, so a
// script that stores and publishes touches one slot of a Redis Cluster:
//
//	ping:{e07}                                channel, by sharded pub/sub
//	ping:{e07}:stealth:<conversation>         sorted set: messages alive, by when they expire
//	ping:{e07}:stealth:<conversation>:<id>    string with a TTL: the author, and the message as JSON
//	ping:{e07}:stealth:due                    sorted set: all that expires in the shard
//	ping:{e07}:key:<hash>                     string with a TTL: what was answered under an Idempotency-Key
//	ping:{e07}:presence:<user>                hash: a field a node that has the user, "told", "seen"
//	ping:{e07}:presence:due                   sorted set: users, by when their state may change by itself
//
// Every node listens to all shards, as it follows all partitions of the log,
// and hands what it hears to the sockets it is for: who is in a conversation is
// known there. So nothing is subscribed to when a socket comes or goes.
//
// # Stealth messages
//
// One script stores a message and publishes it, so it is heard exactly if it
// is there. Redis's own TTL takes the text away on time, whatever else fails.
// That it is gone is told by whichever node first asks for what is due: it
// takes a message off the list and publishes stealth_gone in one script, so
// each is told once, also when nodes die. All times but sent_at and expires_at,
// which are the sending node's, are by the clock of Redis.
//
// A retry under the same Idempotency-Key finds what the first attempt was
// answered, without the text, which the retry has: a keyed hash tells that it is
// the same. That is kept for an hour beyond the message.
//
// # Presence
//
// A node says every Beat which users it has, in one script a shard; each time
// counts for Life. So when a node dies, its users are offline within Life, unless
// another node has them. When a user's last socket closes, the node lets him
// go after Grace: who comes back before that, to any node, was never away. A
// user's state is the best of his nodes': online, away, offline.
//
// What others were last told is in the hash too. A state that differs from it
// is due at once, for any node: the one that has the user, or the one that
// finds it due, reads whom it concerns and publishes, in a script that checks
// that the state is still so and that nobody told it before. So a change is told
// although a node dies in between, and flapping within a moment is not told.
//
// # When Redis is away
//
// Every call gives up within half a second: callers answer ErrUnavailable. From
// then on one call at a time finds out whether Redis is back, four times a
// second, and all others are refused at once: a Redis that hangs holds up
// nobody. In a cluster that is so for each shard by itself. An outage is logged
// once, at its begin and at its end.
//
// Who listens asks a connection that was silent for 5 s whether it is alive, and
// gives it up after 5 s more; he tries to listen again after a quarter of a
// second, later every 2 s, not all shards at the same time. A node that could not
// listen for a while tells its sockets so afterwards (see Listen), since nobody
// knows what was said meanwhile. Presence comes back with the next Beat.
//
// # What Redis writes to disk
//
// Nothing here can keep Redis from writing what it holds to its disk, but
// CheckServers finds out whether it does and says so when a node starts. It
// reads INFO and CONFIG GET; a Redis that refuses these may do what it likes.
// What it cannot see is a machine that swaps.
package ephemeral
