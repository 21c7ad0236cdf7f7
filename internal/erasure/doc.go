// Package erasure removes a person from everything that Ping stores, at their
// request. The request is a row in identity.erasures, written in the transaction
// that deletes their credentials, sessions and handle. From then on the erasure
// happens, whatever happens to the node that took the request.
//
// # What is done
//
// A pass over an erasure is these steps, each of which may be repeated:
//
//  1. user.erased is appended to the user's stream, and member.erased to each
//     conversation of which they are or were a member. Both are decisive, so no
//     event of theirs can follow, not even one that another node decides at the
//     same moment. Read models erase their data when they apply them.
//  2. Their events in those streams are overwritten in Postgres: the envelope stays,
//     with its version and position, and the payload loses their texts and names
//     (domain.Redact). Their stealth messages are withdrawn, and the time when they
//     were last seen is deleted from Redis.
//  3. All nodes drop the events that they hold in memory. That takes some seconds,
//     see Erasure in internal/eventlog/doc.go.
//  4. The messages at those positions are overwritten and deleted in JetStream.
//
// There are two passes. The first starts at once. The second starts a minute after
// it (Config.Settle), for commands that were under way during the first, such as a
// conversation that another user was creating with the person. Then the erasure is
// finished. The row stays: an id and some times.
//
// # Which node does it
//
// Each node runs an Eraser. One at a time works on all erasures that are due: the one
// that holds an advisory lock. It is woken when its node takes a request, and polls
// every few seconds for those of other nodes. When it dies, its lock ends with its
// connection, and the next poll of another node, or its own next start, restarts the
// pass.
//
// # Failures
//
//   - NATS is unavailable, or the mirror lags: steps 1 and 2 are done, and the pass is
//     retried, with a backoff of up to a minute.
//   - This version cannot decide on a conversation: the others are done, and the pass
//     is retried, here and on newer nodes.
//   - Redis is unavailable: everything else is done, and the pass is retried, so that
//     stealth messages are withdrawn once Redis answers. That ends a day after the
//     request (Config.Fleeting), when the last of them has expired.
//   - Postgres is unavailable: nothing is done, and nothing is lost.
package erasure
