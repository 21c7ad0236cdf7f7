// Package readapi answers the queries of the contract from the read models,
// and a conversation's own log from the log.
//
// Every list is paged by key on an index, so any page costs the same, and what
// is added meanwhile neither repeats nor hides an item of a later page. Each
// operation waits for Ping-Min-Position in the read models that it reads, and
// no others.
package readapi
