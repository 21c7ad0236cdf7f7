// Package oracle records what a run asked for, what servers acknowledged and
// what sockets received, and judges it: whether every acknowledged message is
// there once, as it was sent, and in order, on every socket and in history. It
// touches no network: it is given facts, and reports faults.
//
// # What is kept for the verdict
//
// A run has millions of deliveries, so they are not kept. A delivery is checked
// when it arrives: a conversation's events must reach a socket with consecutive
// seqs, and an event's id must be the one that the first socket received at
// that seq. For this each subscription keeps one number, and each conversation
// 16 bytes per seq (see seqTable). When history also has that id at that seq,
// every socket has received every message once and in order. Each acknowledged
// message costs another 32 bytes (see Ack).
//
// # Outcomes that are not known
//
// A send that never got a definite answer may have happened. Its message may be
// in history once, or not at all; either is right. A message that was refused
// must not be there. The same holds for every action: both its effect and the
// lack of it are right, and no later action refers to that message.
//
// # The model of a mix
//
// Members and Messages are the model of what a run with a mix did in a
// conversation. Per message it costs nothing, except for those that are not as
// they were sent. Answers to leaves and joins carry no seq; the sockets tell at
// which seqs they happened, and their number is compared with what was
// acknowledged. From this follows who was mentioned, how far each member has
// read, and what each socket may receive: everything up to the member.removed,
// then nothing before the member.added, without a gap on either side.
//
// # Stealth messages
//
// They have no seq, and no resume replays them, so they are kept one by one
// until the end, with what each socket was told: 24 bytes per member. A socket
// is excused from what fell into a time in which it may have missed it: from two
// seconds before its connection was found lost until it has resumed, while it
// did not read, and before an ephemeral_gap. A gap is right where a connection
// begins. A later one is right only if a dependency was unavailable, which some
// failed call of the run shows: else it is a fault, and so is a socket closed
// for an internal error. A socket may learn of a stealth message's end up to six
// seconds late: a server looks for expired ones every five seconds at least. It
// must not learn of it early, by the wall clock, which server and tool share on
// one machine. A conversation's log may hold nothing but messages after the
// conversation was made, and no ended stealth message may be listed.
//
// # Concurrency
//
// Acknowledgements, unknown outcomes, Members and Messages are safe for
// concurrent use. Everything about sockets and stealth messages is used by one
// goroutine at a time: the caller that reads the sockets excludes the others.
package oracle
