// Package scenario puts load on a running Ping server through its public
// contract and proves afterwards that no message was lost, doubled or put out of
// order; of a run with a mix, also that everything else that was done is there.
// It drives: package workload says what is to be done, package wire does it,
// package oracle judges it, package measure takes and prints the figures.
//
// A run goes through these phases, each bounded in time:
//
//  1. prepare: users are registered, groups are created, and one socket per
//     member is opened (a user in several groups has one socket).
//  2. send: messages are sent over HTTP, each with an Idempotency-Key; with a
//     mix, other actions too. A call that fails without a definite answer is
//     retried with the same key, so a server that is killed and restarted is
//     survived. A message counts as acknowledged when a 2xx answer was read.
//  3. settle: every socket gets time to catch up with the last acknowledged
//     message of each of its conversations.
//  4. read back: the whole history of each conversation is paged through; with
//     a mix, also its members, and each user's inbox and unread totals.
//  5. judge: what was acknowledged, what history holds and what each socket
//     received are compared.
//
// Only the start is not retried: a server that cannot be reached then is named
// at once. A run that is interrupted has no verdict and shows no figures.
//
// # Read markers
//
// A server may hold the markers of one user in one conversation back for up to
// a second. So a marker does not delay its sender: a member has one under way,
// and where all have, the action is a message.
//
// # Sockets that do nothing, that are lost together, or that do not read
//
// An idle run (idle.go) measures the server's own process: its resident memory,
// and what Go says is in use of it. At most 64 sockets connect at a time, so it
// does not measure a crowd. The storm does (storm.go): all connections are cut
// while nothing is read, and any number reconnect together. A server may ask
// each to come back later, by reconnect and a code, and is obeyed; the time
// until the last has resumed includes that, and may be a minute. How slow
// acknowledgements are meanwhile is a figure, not a verdict.
//
// A slow socket (slow.go) has a small receive buffer and is left unread, so that
// what it is sent waits in the server. The server cannot always tell it why it
// was closed: the code is behind what was not read. So sockets that read 4001
// are counted apart from those that found their connection cut. A socket that
// was not closed is a fault when more was due to it than hello's
// limits.pending_bytes and what the kernel may hold. What arrives late because
// the socket did not read counts neither in latency nor in the rate.
package scenario
