// Package readapi answers the queries of the contract from the read models. The events of a conversation come from the
// log.
//
// Every list except the inbox is paged by key on an index: each page costs the same, and what is added in the meantime
// neither repeats nor hides an item of a later page. The inbox is ordered by activity, which changes: a conversation in
// which something is sent in the meantime moves to the front, where a client with an open WebSocket has it already. A
// page of the inbox reads all conversations of the user, at a few microseconds each. An index by activity would instead
// cost one row per member with each message.
//
// Each operation waits for Ping-Min-Position in the read models that it reads, and in no others.
package readapi
