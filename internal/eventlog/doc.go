// Package eventlog is the log: every event, in order, once.
//
// The log is in Postgres (schema log: migrations/, and the functions in sql/).
// An event reaches its readers through memory, not through a broker:
//
//	Execute -> lane -> log.append (commit)
//	                     |
//	                     +-> this node's memory +-> Tail -> sockets
//	                                            +-> publisher -> NATS +-> other nodes' memory -> Tail -> sockets
//	                                                                  +-> JetStream (the mirror)
//
// JetStream is the deep buffer behind the nodes' memory: readers that are far
// behind read it. Postgres answers what neither has. Projections read Postgres
// alone; memory only wakes them.
//
// This page is the protocol between Postgres, NATS and all the nodes: what is
// ordered by what, what state there is, and what happens when any part fails.
// The files follow an event: command, execute, writer, lane, state, plan, append
// and event, memory and recent, publisher, mirror and nats_message, tail.
//
// # Words
//
// A stream is one aggregate: a conversation or a user. An event has a version
// in its stream (1, 2, 3…). A partition holds the streams that hash to it; an
// event has a position in its partition (1, 2, 3…). A head is the position of a
// partition's last event in Postgres. A tip is the position up to which a node
// has seen a partition, with nothing missing before it. The epoch is which
// incarnation of the log this is. A node is a process with a Log. JetStream's
// own streams are called JetStream streams.
//
// # Parts
//
// A Log wires parts with one job each: writer (the lanes, which append), memory
// (the recent events and tips of all partitions), mirror with a publisher per
// partition (JetStream), Reader and Lookups (queries), and Redactor (erasure).
//
// # Append
//
// A command goes to the lane of its stream's partition: one goroutine that
// takes all waiting commands, gives each the state of its stream, decides them
// one after another, and stores all their events by one call of the SQL function
// log.append, which is a transaction of its own. Commands that arrive meanwhile
// are the next batch. There is no timer: a lone command does not wait, and the
// busier the node, the larger and cheaper its batches.
//
// log.append first updates the heads of its partitions, in ascending order. A
// head's row lock is the partition's write lock: it is held until commit, with
// no round trip in between. From this all order follows:
//
//   - Positions are gapless and in commit order. A reader that sees position n
//     sees all before it: no other transaction can hold a smaller one that is
//     still to commit.
//   - Versions are gapless: a stream lives in one partition.
//   - recorded_at never goes back within a partition, even if the clock does.
//   - Writers wait for each other in a line, never in a circle.
//
// # States and the guard
//
// A decision is made on a state that covers the stream up to some version K,
// perhaps an old one: the lane caches states, and other nodes write too. A
// stream's guard is the version of its last decisive event, one that changes
// what is allowed. log.append accepts a stream's events only if guard <= K: then
// the state lacks nothing that matters, and the events take the next versions.
// So nodes that send to the same hot group never conflict, and a removal beats
// every message that was decided without knowing of it.
//
// A stale state never refuses anyone either: a refusal, or a success that
// changes nothing, is final only on a state that was loaded or refreshed after
// the command arrived. Inspect, which reads a state and appends nothing, always
// has it refreshed first.
//
// A state holds the decisive events up to K, all of them and none beyond. So it
// is refreshed from the events after K alone: refusing an outsider of a group of
// thousands costs one index probe. Within a batch a state runs ahead of the log:
// it takes in the decisive events of commands that are not stored yet, for the
// commands after them. When the append is accepted, K covers them. When it is
// refused, nothing of the batch is stored; such states are dropped, the others
// go back to their K to be refreshed, and the batch is decided again. When its
// outcome is unknown, all of the lane's states are dropped.
//
// What a lane caches is bounded in bytes. An aggregate estimates how large its
// states are whenever one was read or changed; the least recently used states
// are evicted.
//
// # Exactly once
//
// An event carries the id of its command, derived from the actor and their
// idempotency key. (stream, command) is unique in the log, for ever, on all
// nodes. That index refuses a command that comes again; the lane then reads what
// the command did the first time and answers that. With another fingerprint the
// answer is ErrKeyReused. A command that succeeded without an event leaves a
// receipt instead. A refused command leaves nothing: a retry is decided again.
//
// When the connection breaks during an append, its outcome is unknown. The lane
// appends again with the same command ids, and so finds out.
//
// # Mirror
//
// JetStream has one JetStream stream per partition and epoch,
// PING_E<epoch>_P<pp>, in which a message's sequence is the event's position.
// There is no leader. Every node runs a publisher per partition. It publishes
// what its node appended, as a chain: up to 256 messages without waiting. Each
// carries the position before it as the expected last sequence, and the last
// asks for an acknowledgement. The server stores each only if its predecessor is
// the last message it has. So the acknowledgement of the last proves all,
// disorder and duplicates are refused, and a refused publisher asks for the
// mirror's last position and continues from there.
//
// The state of a publisher is the mirror's last position as it knows it, and two
// kinds of event that follow: those of its own node, which it publishes, and
// those of others, which it counts as done when it receives their publish. It is
// wrong about the latter when their publisher was refused or died. So it
// publishes them as well (forced) after a chain of its own is refused, after a
// grace of 5 ms without receiving them, or when the sweep, twice a second, finds
// the mirror short. Two publishers that publish the same events do no harm.
//
// # Failures
//
//   - A node dies between commit and publish: others get the events from
//     Postgres within half a second (they compare heads) and publish them; if
//     there is no other node, its next start does.
//   - The mirror lost its tail, or a JetStream stream, or its disk: the sweep, or
//     the next chain, finds it short and publishes from Postgres; a lost
//     JetStream stream is created with the first sequence that keeps
//     sequence == position.
//   - A message in the mirror is deleted: its sequence is not filled again.
//     Readers find a sequence other than the next, and read Postgres.
//   - NATS is unavailable: commands are accepted as before; nodes see each
//     other's events by comparing heads, 20 times a second; publishers catch up
//     afterwards.
//   - Postgres is unavailable: lanes retry for 10 s, then answer ErrUnavailable,
//     and callers retry with their keys.
//   - Postgres was restored from a backup, so the mirror is ahead or has other
//     events: Open and the publishers refuse with ErrMirrorAhead. BumpEpoch
//     begins a new mirror; nodes that still run in the old epoch end with
//     ErrEpochChanged.
//
// # Reading
//
// Memory holds what a node has recently seen of each partition: a contiguous run
// of events. The local lane adds to it at commit, and other nodes' publishes do
// (core NATS: only committed events are ever published, so it does not matter
// whether JetStream stores that copy). Postgres does when neither delivered an
// event in time. Events that come early wait until the gap before them is
// filled.
//
// A Tail reads a partition from any position: from memory where it reaches back
// far enough, else from JetStream, else from Postgres. It checks that each event
// is the one after the last, whichever source it came from.
//
// # Erasure
//
// What a person wrote is the only thing in the log that changes. Redact
// overwrites the payloads of their events in a stream, and the hashes of their
// requests; ids, versions, positions and times stay, so that other users'
// history has no gap. It is called after member.erased, or user.erased, is in
// the stream: both are decisive, so by the guard no event of theirs can follow,
// on any node. So the events that it overwrites are never the last of their
// partition.
//
// Copies remain in two places: in JetStream, and in the memory of nodes, from
// where a publisher would publish them again when the mirror loses its tail.
// Other nodes are not notified; they find out, and until they have, they publish
// nothing from memory:
//
//   - The transaction that overwrites also raises log.meta.redactions. Each node
//     reads that number together with the heads, twice a second. When it has
//     changed, memory drops every event up to those heads, and keeps none of them
//     that arrives later: readers and publishers read Postgres instead. An
//     event's decoded form is part of it and is dropped with it.
//   - A publisher publishes from memory only if the last such check began less
//     than Config.MaxMemoryAge ago (5 s). A node that cannot read Postgres has
//     nothing new to publish anyway. The same rule applies to Recent, from which
//     sockets replay to clients that were disconnected for a short while.
//
// So 2 MaxMemoryAge after the transaction (AwaitForgotten) no node publishes what
// was overwritten, and DeleteMirrored may delete it from JetStream, securely: the
// server writes over the bytes, which takes it about 20 ms per message. If there
// are more than a hundred, the partition's mirror is emptied instead.
// DeleteMirrored refuses while the mirror is behind the events: they are still to
// be published then, as they are now in Postgres. What remains is a message that
// was in flight for longer than MaxMemoryAge, in a connection that hung; for it a
// second pass a minute later checks everything again (internal/erasure). The
// holes are like any others: readers fill them from Postgres, publishers never
// do.
//
// The mirror of an earlier epoch may hold events that Postgres has lost, and
// nothing can tell whose: DropOldMirrors deletes it as a whole.
//
// States in the cache of a lane may hold a profile until they are evicted. They
// are never written anywhere, and the guard refuses what is decided on them.
//
// # Bytes
//
// An event's frame is encoded once, at the append, and is the same on the
// mirror, on sockets and in the events API. Postgres keeps the payload as json,
// which preserves bytes, and times to the microsecond, so an event read back
// encodes to the same frame again.
package eventlog
