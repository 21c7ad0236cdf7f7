// Package eventlog is the log: what happened, in order, once.
//
// The truth is in Postgres (schema log, migrations/0001_log.sql). NATS
// JetStream holds a mirror of it. This page is the protocol between the two and
// all the nodes: what is ordered by what, what state there is, and what happens
// when any part of it fails. The files follow the way of an event: command,
// lane, state, plan (the append), feed, pump and mirror, tail.
//
// # Words
//
// A stream is one aggregate: a conversation or a user. An event has a version
// in its stream (1, 2, 3…). A partition holds the streams that hash to it; an
// event has a position in its partition (1, 2, 3…). A head is the position of a
// partition's last event. The epoch is which incarnation of the log this is. A
// node is a process with a Log. A tip is the position up to which a node has
// seen a partition, with nothing missing before it.
//
// # Append
//
// A command goes to the lane of its stream's partition: one goroutine that
// takes all that waits, gives each command the state of its stream, decides
// them one after another, and stores all their events by one call of the SQL
// function log.append, which is a transaction of its own. What comes in
// meanwhile is the next batch. There is no timer: a lone command does not wait,
// and the busier the node, the larger and cheaper its batches.
//
// log.append first updates the heads of its partitions, in ascending order. A
// head's row lock is the partition's write lock: it is held until commit, with
// no round trip in between. From this all order follows:
//
//   - Positions are gapless and in commit order. Who sees position n sees all
//     before it: no other transaction can hold a smaller one that is still to
//     commit.
//   - Versions are gapless: a stream lives in one partition.
//   - recorded_at never goes back within a partition, even if the clock does.
//   - Writers wait for each other, in a line, never in a circle.
//
// # Knowledge
//
// A decision is made on a state that stands for some version K of the stream,
// perhaps an old one: the lane caches states, and other nodes write too. A
// stream's guard is the version of its last decisive event, one that changes
// what is allowed. log.append accepts a stream's events only if guard <= K: then
// K lacks nothing that matters, and the events take the next versions. So nodes
// that send to the same hot group never conflict, and a removal beats every
// message that was decided without knowing of it.
//
// The other way round, old knowledge never refuses anyone: a refusal, or a
// success that changes nothing, counts only on a state that was loaded or
// refreshed after the command arrived.
//
// A state holds the decisive events up to K, all of them and none beyond. So it
// is refreshed by those after K alone: an outsider who is refused by a group of
// thousands costs a look at an index. Within a batch a state runs ahead of the
// log: it takes in the decisive events of commands that are not yet stored, for
// those after them. When the append is accepted they are behind K. When it is
// refused, nothing of the batch is stored; such states are dropped, the others
// go back to their K to be refreshed, and the batch is decided again. When its
// outcome is unknown, all of the lane's states are dropped.
//
// What a lane keeps is bounded in bytes. An aggregate says how large its states
// are, which is asked whenever one was read or changed; the states used longest
// ago make room.
//
// # Exactly once
//
// An event carries the id of its command, derived from the actor and his key.
// (stream, command) is unique in the log, for ever, on all nodes. A command that
// comes again is refused by that index; the lane then reads what it did the
// first time and answers that. With another fingerprint the answer is
// ErrKeyReused. A command that succeeded without an event leaves a receipt
// instead. A refused command leaves nothing: a retry is decided anew.
//
// When the connection breaks under an append, its outcome is unknown. The lane
// appends again with the same command ids, and so finds out.
//
// # Mirror
//
// JetStream has one stream a partition and epoch, PING_E<epoch>_P<pp>, in which
// a message's sequence is the event's position. Nobody leads. Every node runs a
// pump a partition. It publishes what its node appended, as a chain: up to 256
// messages without waiting, each of which carries the position before it as the
// expected last sequence, the last of which asks for an acknowledgement. The
// server stores each only if its predecessor is the last it has. So the
// acknowledgement of the last proves all, disorder and duplicates are refused,
// and whoever is refused asks where the mirror stands and goes on from there.
//
// The states of a pump are the mirror's last position as it knows it, and two
// kinds of event that follow: its own, which it publishes, and others', which
// it takes as done when it hears them being published. It is wrong about the
// latter when their publisher was refused or died; so it publishes them all the
// same (forced) once a chain of its own is refused, a grace of 5 ms has passed
// without their being heard, or the sweep, twice a second, finds the mirror
// short. Two pumps that do the same do no harm.
//
// # Failures
//
//   - A node dies between commit and publish: others have the events from
//     Postgres within half a second (they compare heads) and publish them; if
//     there is no other, its next start does.
//   - The mirror lost its tail, or a stream, or its disk: the sweep, or the next
//     chain, finds it short and publishes from Postgres; a lost stream is created
//     with the first sequence that keeps sequence == position.
//   - A message in the mirror is deleted: its sequence is not filled again.
//     Readers find another sequence than the next, and read Postgres.
//   - NATS is away: commands are accepted as before; nodes see each other's
//     events by comparing heads, 20 times a second; pumps catch up afterwards.
//   - Postgres is away: lanes retry for 10 s, then answer ErrUnavailable, and
//     callers retry with their keys.
//   - Postgres was restored from a backup, so the mirror is ahead or has other
//     events: Open and the pumps refuse with ErrMirrorAhead. BumpEpoch begins a
//     new mirror; nodes that still run in the old epoch end with ErrEpochChanged.
//
// # Reading
//
// A feed is what a node has lately seen of a partition: a contiguous run in
// memory, fed by the local lane at commit, by other nodes' publishes (core NATS:
// only committed events are ever published, so it does not matter whether
// JetStream stores that copy), and by Postgres where neither told in time. What
// comes early waits until the gap before it is filled.
//
// A Tail reads a partition from any position: from the feed where it reaches
// back so far, else from JetStream, else from Postgres. It checks that each
// event is the one after the last, whichever source it came from.
//
// # Erasure
//
// What a person wrote is the one thing in the log that changes. Redact overwrites
// the payloads of his events in a stream, and the hashes of his requests; ids,
// versions, positions and times stay, so that nobody else's history has a gap.
// It is called after member.erased, or user.erased, is in the stream: both are
// decisive, so by the guard nothing of his can follow, on any node. The events
// that it overwrites are thus never the last of their partition.
//
// Copies are left in two places: in JetStream, and in the memory of nodes, from
// where a pump would publish them again when the mirror loses its tail. Other
// nodes are not told; they find out, and until they have, they publish nothing
// from memory:
//
//   - The transaction that overwrites also raises log.meta.redactions. Each node
//     reads that number together with the heads, twice a second. When it has
//     changed, the feeds let go of every event up to those heads, and keep none
//     of them that comes in late: readers go to Postgres, pumps too.
//   - A pump publishes from memory only if the last such look began less than
//     Config.MaxMemoryAge ago (5 s). A node that cannot see Postgres has nothing new to
//     publish anyway. By the same rule Recent hands out events, which streams
//     replay to who was away for a short while.
//
// So 2 MaxMemoryAge after the transaction (AwaitForgotten) no node publishes what was
// overwritten, and DeleteMirrored may delete it from JetStream, securely: the server
// writes over the bytes, which takes it about 20 ms a message. Where they are
// more than a hundred, the partition's mirror is emptied instead. It refuses
// while the mirror is behind the events, which are then still to be published,
// as they are now in Postgres. What remains is a message that was on its way for
// longer than MaxMemoryAge, in a connection that hung; for it all is looked at a second
// time, a minute later (internal/erasure). The holes are like any others:
// readers fill them from Postgres, pumps never do.
//
// The mirror of an earlier epoch may hold events that Postgres has lost, and
// nobody can tell whose: DropOldMirrors deletes it as a whole.
//
// States in the cache of a lane may hold a profile until they are pushed out.
// They are never written anywhere, and the guard refuses what is decided on them.
//
// # Bytes
//
// An event's frame is encoded once, at the append, and is the same on the
// mirror, on sockets and in the events API. Postgres keeps the payload as json,
// which preserves bytes, and times to the microsecond, so an event read back
// encodes to the same frame again.
package eventlog
