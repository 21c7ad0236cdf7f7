// Package readapi answers the queries of the contract from the read models,
// and a conversation's own log from the log.
//
// Every list but the inbox is paged by key on an index, so any page costs the
// same, and what is added meanwhile neither repeats nor hides an item of a later
// page. The inbox is ordered by activity, which moves: a conversation in which
// something is sent meanwhile goes to the front, where a client that listens to
// the stream has it already. A page of it looks at all conversations of the
// user, a few microseconds each: an index by activity would cost a row a member
// with each message.
//
// Each operation waits for Ping-Min-Position in the read models that it reads,
// and no others.
package readapi
