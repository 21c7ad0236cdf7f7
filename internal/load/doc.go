// Package load puts load on a running Ping server through its public contract
// and proves afterwards that no message was lost, doubled or put out of order.
//
// A run goes through these phases, each bounded in time:
//
//  1. prepare: users are registered, groups are created, and one socket is
//     opened for each member (a user in several groups has one socket).
//  2. send: messages are sent over HTTP, each with an Idempotency-Key. What
//     fails without a definite answer is sent again with the same key, so a
//     server that is killed and restarted is survived. A message counts as
//     acknowledged when a 2xx answer for it was read.
//  3. settle: every socket gets time to catch up with the last acknowledged
//     message of each of its conversations.
//  4. read back: the whole history of each conversation is paged through.
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
// # Outcomes that are not known
//
// A send that never got a definite answer may have happened. Its message may
// be in history once, or not at all; either is right. A message that was
// refused must not be there.
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
