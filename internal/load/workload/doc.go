// Package workload says what a run does: its users and conversations, and which
// sender sends what, in which order and at which time. It knows nothing about
// servers: it neither sends anything nor records an answer.
//
// A plan comes from one of three sources: a corpus file (Corpus), numbers
// (Generated), or a number of idle sockets (Idle).
//
// # Order
//
// A line is a run of messages into one conversation, each sent only after the
// answer to the one before was read. History must hold the messages of a line
// in that order. With a window above 1 a sender's messages overlap, and only
// each message's own seq is defined.
//
// # The realistic mix
//
// Of every 1,000 actions, dealt in the same order in every run: 525 plain
// messages, 175 replies, 5 messages that mention a member, 120 reactions, 20
// removals of a reaction, 100 read markers, 30 edits and 10 deletions of the
// member's own messages, 10 leaves, each followed by a join through the owner,
// and 5 pins, of which every third is an unpin. A random member of the sender's
// group performs the action; pins and joins are the owner's. Actions refer to
// the last 32 messages. An action that has no target becomes a message.
package workload
