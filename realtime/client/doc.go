// Package client is a client of Ping to copy into one's own program: it needs
// the standard library, a WebSocket library and a source of random ids, and
// nothing else of Ping. The protocol that it speaks is in realtime/doc.go.
//
//	session, err := client.LogIn(ctx, server, email, password)
//	c := client.New(server, session, client.Handler{Event: show}, client.Config{})
//	go c.Run(ctx)
//	sending := c.Send(client.Draft{ConversationID: id, Body: "Good morning!"})
//
// # What it promises
//
// Each event of each conversation is handed to Handler.Event once, in the order
// of seq, from where the client began; also what happened while it was away.
// Read what was before over HTTP, after the state became Resumed for the first
// time. What the client has is in memory: a program that is started anew begins
// anew.
//
// Messages that are sent go out in the order of Send, one at a time in each
// conversation, and are in the history once, however often the connection
// breaks. A program that ends keeps Unsent, and gives it to Send when it is
// back. So does one whose client has ended (*Ended): what it has queued is never
// done, so log in again and give Unsent to a new client. A message that is
// refused is refused alone. One that the server fails on each time it comes (500)
// is never refused, and those behind it in its conversation wait: end Run, and
// give a new client the rest of Unsent. One exception to what a refusal says: if
// an answer was lost and the user was removed from the conversation before the
// message was sent again, it is there although it was refused with
// conversation_not_found.
//
// # How it is made
//
// Run owns all goroutines. One handles the stream and calls the handler. It has
// a reader, which notices when the server falls silent, and a keeper of the
// token. Each conversation that has messages to send has one more.
//
// A handler that takes its time delays those behind it, and the reader, which
// waits with the next frame and answers no ping meanwhile. One that takes longer
// than two heartbeats (hello tells how long one is) may so lose the stream. The
// client then resumes, and nothing is missed; but let what takes long be done by
// a goroutine of the app's.
//
// A hole in the seq of a conversation and a gap that the server tells of are
// read over HTTP before what follows is handed on (journal.go, which says when a
// jump is no hole). The resume point moves when events have been handed on.
package client
