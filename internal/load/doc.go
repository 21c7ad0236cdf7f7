// Package load puts load on a running Ping server through its public contract
// and proves afterwards that no message was lost, doubled or put out of order;
// of a run with a mix, also that everything else that was done is so.
//
// A run goes through these phases, each bounded in time:
//
//  1. prepare: users are registered, groups are created, and one socket is
//     opened for each member (a user in several groups has one socket).
//  2. send: messages are sent over HTTP, each with an Idempotency-Key; with a
//     mix, other actions are done among them, see below. What fails without a
//     definite answer is sent again with the same key, so a server that is
//     killed and restarted is survived. A message counts as acknowledged when a
//     2xx answer for it was read.
//  3. settle: every socket gets time to catch up with the last acknowledged
//     message of each of its conversations.
//  4. read back: the whole history of each conversation is paged through; with
//     a mix, also its members, and each user's inbox and unread totals.
//  5. judge: what was acknowledged, what history holds and what each socket
//     received are compared.
//
// # What is kept for the verdict
//
// A run has millions of deliveries, so they are not kept. A delivery is
// checked as it comes in: a conversation's events must reach a socket with
// consecutive seqs, and an event's id must be the one that the first socket
// saw at that seq. For this each socket keeps one number a conversation, and
// each conversation keeps 16 bytes a seq (see seqTable). When history also
// has that id at that seq, every socket has received every message once and
// in order. Each acknowledged message costs another 32 bytes (see ack).
//
// # Order
//
// A line is a run of messages into one conversation, each sent only after the
// answer to the one before was read. History must hold the messages of a line
// in that order. With a window above 1 a sender's messages overlap, and
// nothing but each message's own seq is defined.
//
// # The realistic mix
//
// Of every 1,000 actions, dealt in the same order in every run: 525 plain
// messages, 175 replies, 5 messages that mention a member, 120 reactions, 20
// reactions taken back, 100 read markers, 30 edits and 10 deletions of one's
// own, 10 leaves, each followed by being added again by the owner, and 5 pins,
// of which every third is an unpin. A member of the sender's group who is
// chosen at random does it; pins and adding are the owner's. Messages among the
// last 32 are acted on. What finds nothing to act on is a message instead.
//
// A server may hold the markers of one user in one conversation back for up to
// a second. So a marker holds its sender up for nothing: a member has one under
// way, and where all have, the action is a message.
//
// Each conversation has a model of what was done, the ledger, which says under
// what rules it is exact. Per message it costs nothing, except for those that
// are not as they were sent. Leaves and joins are answered without a seq; the
// stream tells at which they happened, and their number is compared with what
// was acknowledged. With them it is known who was mentioned, who has read how
// far, and what each socket may receive: everything up to the member.removed,
// then nothing before the member.added, and that in all gaplessly. Everything
// that is asked for is allowed by the contract, so a refusal is a fault too.
//
// # Outcomes that are not known
//
// A send that never got a definite answer may have happened. Its message may
// be in history once, or not at all; either is right. A message that was
// refused must not be there. So it is with every action: both its effect and
// the lack of it are right, and nobody acts on that message any more.
//
// # Sockets that do nothing, all at once, or that do not read
//
// An idle run (idle.go) is about the server's own process: what the kernel says
// it has in memory, and what Go says is in use of it. Its 64 sockets at a time
// are each awaited until ready, so it does not measure a crowd at the door.
// That is the storm (storm.go): all connections are cut while nothing is read,
// and nothing bounds how many come back together. A server may ask each to come
// back later, by `reconnect` and a code, and is obeyed; the time until the last
// has resumed includes it, and may be a minute. How slow acknowledgements are
// meanwhile is a figure and no verdict. A slow socket (slow.go) has a small
// receive buffer and is left unread, so that what it is sent waits in the
// server. A server that cuts it cannot always tell it why: the code is behind
// what it did not read. So those that read 4001 are counted apart from those
// that found themselves cut. One that is not cut is a fault when more was due
// to it than hello's limits.pending_bytes and what the kernel may hold. What is
// late because it did not read counts neither in latency nor in the rate.
//
// # Stealth messages
//
// They have no seq, and no resume brings them back, so they are kept one by one
// until the end, with what each socket was told: 24 bytes a member. A socket
// is excused for what fell into a time in which it may have missed it: from
// two seconds before its connection was found lost until it has resumed, while
// it did not read, and before an ephemeral_gap. A gap is right where a stream
// begins; a later one only if something was away from the server, and so some
// call of the run failed or was answered by 5xx: else it is a fault, and so is
// a stream that is closed for an internal error. That a message is gone is late
// after six seconds: a server asks for what has expired every five at the least.
// Whether that is early is seen by the wall clock, which server and tool share
// when they are on one machine. Nothing but messages may be in a conversation's
// log after it was made, and when all stealth messages are gone none is listed.
//
// # Latency
//
// The time of an acknowledgement and of a delivery count from the start of
// the first attempt; in an open loop from the moment that the schedule gave
// for it, however late the send really began. So a server that stalls is
// charged for everything that had to wait.
//
// # Sockets
//
// One goroutine reads all sockets: on Linux through an epoll instance of its
// own, so that a delivery costs one read and no goroutine switch. The tool
// shares the machine with the server under test, and at 100,000 deliveries a
// second this is what decides how much of the machine is left for the server.
package load
