// Package erasure takes a person out of everything that Ping stores, once he
// has asked for it. What he asked is a row in identity.erasures, written in the
// transaction that deletes his credentials, and with them his sessions and his
// handle. From then on it happens, whatever becomes of the node that took it.
//
// # What is done
//
// A pass over an erasure is these steps, each of which may be repeated:
//
//  1. user.erased in the user's stream, member.erased in each conversation that
//     he is or ever was in. Both are decisive, so nothing of his can follow,
//     also not what another node decides at the same moment. Read models blank
//     what they have of him when they apply them.
//  2. His events in those streams are overwritten in Postgres: the envelope
//     stays, with its version and its position, and the payload has nothing in
//     it that he wrote or is called by (domain.Redact). His stealth messages
//     that are alive are withdrawn, and Redis forgets when he was seen.
//  3. All nodes forget the events that they hold in memory. That takes some
//     seconds, see Erasure in internal/eventlog/doc.go.
//  4. The messages at those positions are overwritten and deleted in JetStream.
//
// There are two passes. The first begins at once. The second begins a minute
// after it (Config.Settle), for commands that knew him as a user when the first
// one passed, such as a conversation that another was creating with him. Then
// the erasure is finished. The row stays: an id and some times.
//
// # Who does it
//
// Each node runs an Eraser; one at a time works, the one that holds an advisory
// lock, on all erasures that are due. It is woken when its node takes a request,
// and looks every few seconds for what others took. When it dies, its lock ends
// with its connection, and the next look of another node, or its own next
// start, begins the pass again.
//
// # Failures
//
//   - NATS is away, or the mirror is behind: steps 1 and 2 are done, the pass is
//     not complete and is tried again, with pauses up to a minute.
//   - A conversation cannot be decided on by this version: the others are done,
//     and the pass is tried again, here and on newer nodes.
//   - Redis is away: all else is done, and the pass is tried again, so that his
//     stealth messages go as soon as it answers. That ends a day after the
//     request (Config.Fleeting): the last of them has expired by then.
//   - Postgres is away: nothing is done, nothing is lost.
package erasure
