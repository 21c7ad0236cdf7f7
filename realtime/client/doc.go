// Package client is a client of Ping to copy into a program. It depends on the
// standard library, a WebSocket library and a source of random ids, and on
// nothing else of Ping. It speaks the protocol of docs/protocol.md.
//
//	session, err := client.LogIn(ctx, server, email, password)
//	c := client.New(server, session, client.Handler{Event: show}, client.Config{})
//	go c.Run(ctx)
//	sending := c.Send(client.Draft{ConversationID: id, Body: "Good morning!"})
//
// # Guarantees
//
// Handler.Event receives each event of each conversation once, in the order of
// seq, from where the client started, including what happened while it was
// disconnected. Read earlier events over HTTP after the state became Resumed for
// the first time. The client keeps its progress in memory: a program that is
// restarted starts at the present.
//
// Messages are sent in the order of Send, one at a time per conversation, and are
// in the history once, however often the connection breaks. A program that ends
// stores Unsent, and passes it to Send at its next start. A program whose client
// has ended (*Ended) does the same with a new client after a login: the old
// client never completes what it has queued.
//
// A refused message does not affect the others. A message for which the server
// fails at every attempt (500) is never refused, and later messages of its
// conversation wait: end Run, and pass the rest of Unsent to a new client. There
// is one exception to what a refusal means: if the answer was lost and the user
// was removed from the conversation before the retry, the message is stored
// although it was refused with conversation_not_found.
//
// # Goroutines
//
// Run owns all goroutines. One handles the connection and calls the handler. It has
// a reader, which detects a silent server, and a goroutine that refreshes the
// token. Each conversation that has messages to send has one more.
//
// A slow handler delays later handlers and the reader, which then answers no ping.
// A handler that takes longer than two heartbeats (hello states their length) can
// therefore lose the connection. The client then resumes and misses nothing, but
// slow work belongs in a goroutine of the app.
//
// A jump in the seq of a conversation, or a gap that the server reports, is read
// over HTTP before later events are delivered (journal.go says when a jump is not
// a gap). The resume point moves when events have been delivered.
package client
