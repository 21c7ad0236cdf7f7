// Package realtime serves the stream: one WebSocket a device, which carries
// what happens in all of its user's conversations. This is the document of the
// protocol; a client can be written from it. What frames look like is also at
// GET /asyncapi.json, as AsyncAPI 3.0, made from the structs of the frames.
//
// # Opening
//
// GET /v1/stream over HTTP/1.1 with an upgrade request that offers the
// subprotocol `ping.v1.json`. A server authenticates with `Authorization: Bearer
// <access token>`; a browser, whose WebSocket cannot send a header, with
// ?ticket=<ticket> of POST /v1/auth/ticket, which is good for one use within
// 30 s. A token in the URL is not read. A page's Origin must be the server's
// own or a listed one. What is refused is answered before the upgrade, as
// problem+json: 401 unauthenticated or ticket_invalid, 403 origin_not_allowed,
// 400 subprotocol_required, 426 upgrade_required, 503 shutting_down, busy or
// tickets_unavailable.
//
// # Frames
//
// Every frame is a JSON object in a text message, with a `type`. A client
// ignores types and fields that it does not know. Frames of the server:
//
//	hello      session_id, epoch, heartbeat_ms, limits: at once, first
//	ready      user_id, conversations [{id, seq}], at ["0:17", …]
//	event      at "7:1042", conversation_id, seq, event, id, actor_id, recorded_at, data
//	resumed    replayed, at: the replay is done
//	gap        conversation_id, from_seq, to_seq: events not replayed
//	reconnect  after_ms, reason: come back after that long; the close follows
//	error      code, message, re, retry_after_ms: a frame of the client was not accepted
//	pong       re
//
// and those of what is not kept, see below:
//
//	stealth        conversation_id, id, author_id, body, sent_at, expires_at
//	stealth_gone   conversation_id, id, reason
//	typing         conversation_id, user_id, on, expires_in_ms
//	presence       user_id, state, last_seen
//	ephemeral_gap  after_ms
//
// Frames of the client, each with an `id` of its own (at most 64 bytes) if it
// likes, which comes back as `re`:
//
//	resume   at, epoch: the first frame, or never
//	refresh  access_token: extends the stream; no answer but an error
//	typing   conversation_id, on: the user is writing there; no answer but an error
//	presence state: how this device is to be seen; no answer but an error
//	ping     answered by pong
//
// In an event or a gap of the user's own stream (profile changes, so that the
// user's other devices hear of them), user_id stands in place of
// conversation_id.
//
// # Positions, and what a client keeps
//
// The log has a fixed number of partitions. An event is in one of them, at a
// position: `at` is partition:position. A conversation is wholly in one
// partition, and its events have `seq` 1, 2, 3… without gaps.
//
// A client keeps, for each partition, the last `at` that it was given, in
// whichever frame: ready, event or resumed. At every moment these are its
// resume point: all that it may see up to there was sent to it, or told by a
// gap. That holds also in the middle of a replay, because within a partition
// frames come in the order of their positions.
//
// # Beginning and resuming
//
// After hello the server waits for the client's first frame: a stream begins
// with `resume`, or without. How long it waits, the request says:
//
//	?resume=1  a resume will come: up to 10 s, then the stream is closed (4003)
//	?resume=0  none will come: not at all
//	neither    limits.resume_wait_ms, or until another frame comes
//
// A client that resumes says ?resume=1, since how long its first frame takes
// is not in its hands. A resume later than that closes the stream with 4003:
// events were sent already that would be out of order.
//
// Without resume: `ready`, whose `at` is where the stream begins and whose
// conversations are those of the user then, each with the seq of its last
// event; then events as they happen. A resume with an empty `at` is the same
// and is answered by `resumed`.
//
// With resume {"at": ["0:17", …], "epoch": 1}: `ready`, whose `at` is the
// client's own, and whose conversations are as of now; then every event
// that the client missed, each once; then `resumed`, whose `at` is where the
// replay ended; then events as they happen. Partitions that the client leaves
// out stand at 0: it has seen nothing of them. How long ago it left, from which
// node, and whether that node still lives, makes no difference: the log is
// read. Where a conversation has more than limits.replay_events to replay,
// none of them is: a `gap` tells which are missing, to be read at
// GET /v1/conversations/{id}/events, and events go on after to_seq. Who was in
// a conversation more than once is told so for each of these times. Gaps come
// before all events of the replay, so a client can read them at its leisure. What
// it reads over HTTP may lag behind the stream: it sends the `at` that it stands
// at as Ping-Min-Position.
//
// Positions that mean nothing here are answered by `error` (epoch_changed: the
// log was restored from a backup; position_unknown: beyond its end;
// resume_invalid: not positions), then by `ready`, whose `at` is the log's very
// beginning, by a gap for everything in each conversation, and by `resumed`,
// whose `at` is where the stream is. So nothing is missed without a word.
//
// # What events say
//
// A client that applies the events of a conversation in the order of their seq
// has the conversation as it is. A message's id is that of its message.sent;
// what is said of it later names it by message_id and message_seq, and sets a
// state, so that hearing it twice changes nothing:
//
//	message.edited                     its body
//	message.pinned, message.unpinned   whether it is pinned
//	reaction.added, reaction.removed   whether the actor has that emoji on it
//	message.deleted                    it is a tombstone for good: drop the body, and pass over
//	                                   whatever else is said of it, also later
//	member.erased                      so are all messages of user_id before it
//	read.advanced                      how far the actor has read: the greatest counts, and who
//	                                   sends has read up to there
//
// The data of a message whose author was erased has an empty body and `erased`.
//
// # What is not kept
//
// Stealth messages, typing and presence are not in the log: their frames have
// neither seq nor at, and no resume brings them back. They come between the
// events of a conversation in no particular order with these.
//
// A stealth message is there until expires_at, or until its author withdraws
// it: then comes stealth_gone, whose reason is `expired` or `withdrawn`. A
// client drops it at expires_at in any case. Those alive are listed by GET
// /v1/conversations/{id}/stealth: a client reads that after ready, whenever its
// stream begins or resumes, and may then be told of one twice, under the same
// id.
//
// It is sent to those who are members when it is sent. Who is added later finds
// it in the list, and reads that after his own member.added.
//
// A client sends typing every 3 s while its user is writing, with `on`, and
// once without when he stops; sending a message needs none. The other members
// see him typing for expires_in_ms, or until a typing without `on`, or a
// message of his, comes. Who may not write in a conversation may not type
// there: `error` conversation_not_found or forbidden. Typing and presence of a
// stream are told twice a second at most; more is answered by rate_limited.
//
// Presence is told of a user to those who share a conversation with him that
// has at most limits.presence_members members. His state is the best of his
// devices': online, away, offline. A stream begins as online; its client says
// away when its user has left the device, and offline to be there unseen. Who
// closes his last stream is offline some seconds later, with last_seen; if he
// comes back before that, nobody is told. A client that wants to be away, or not
// to be seen, says so right behind its resume. A change is told when it happens, so
// a client reads GET /v1/conversations/{id}/presence for what it shows first.
// Neither typing nor presence is ever told across a block, either way; a
// client that is slow may miss some of both.
//
// While Redis is away, typing and presence are answered by `error`
// ephemeral_unavailable with retry_after_ms, and nothing of this section comes.
// When this node hears again, ephemeral_gap says that something may have been
// missed: after after_ms a client reads both lists again.
//
// # Membership
//
// A stream needs no subscriptions. Who is added to a conversation gets its
// events from the member.added that adds him; who is removed, up to the
// member.removed that removes him; also when it happened while he was away.
//
// # Staying and ending
//
// The server pings every heartbeat_ms, by WebSocket; a client that has not
// answered for twice as long is gone. A browser answers by itself and can send
// `ping` to find out whether the server is there.
//
// A stream ends with its access token (4002) unless `refresh` brings a newer one
// of the same user; with its session (4501), which is that of its newest token;
// when its user is erased (4502); and when too much waits for a client that does
// not read (4001): first it misses typing and presence, but nothing else. When a
// node ends, or too many streams begin on it at once, it sends `reconnect`, whose
// reason is restart or busy, and closes (4000, 4005): a client comes back after
// after_ms, which is another time for each. A token of what has ended is refused,
// on every node: before the upgrade by 401 unauthenticated, in `refresh` by the
// error token_invalid. Frames that are not accepted are answered by `error`; the
// fifth within a minute of one another closes (4500), but for those that only say
// that something is not so any more: conversation_not_found, forbidden,
// ephemeral_unavailable and rate_limited of typing and presence. A frame has at
// most 4 KiB; a message over 64 KiB closes with 1009, text that is not UTF-8 with
// 1007. The codes of `error` are in errors.go, those of closing in
// close_codes.go: after 4000-4499, and when the connection breaks without a code,
// a client reconnects, with backoff and jitter, and resumes; after 4500-4999 it
// does not.
//
// A client sends at most limits.frames_per_second, or twice as many at once;
// the next is not read and is answered by rate_limited. Who sends more bytes
// than such frames may have, whatever they are, is closed at once. Compression is
// never agreed to.
//
// # How it is made
//
// The Hub follows each partition of the log with one goroutine. A partition
// has the rooms of its conversations, so its one lock orders who is in a room
// against which events have been handed on.
//
// A stream starts in rounds, see catchUp. It reads the user's memberships
// together with the positions at which the read model has them and with where
// the conversations end, in one query, which those who start together share; waits until
// this node has come to those positions and to the client's, and attaches to
// each partition: under the lock the memberships are brought up to the
// partition's position from the changes that it remembers (or, further back,
// from the log), the socket enters the rooms, and that position is the cut-off.
// From then on live events are held back by the connection. What lies between
// the client and the cut-off is taken from what the node remembers of the log,
// its last 2,048 events of a partition, or read from it, and then what was held
// back is released. If that became too much, it was dropped, and another round goes
// on from the cut-off. Thus every event is either at or below the cut-off and
// replayed, or above it and live, whatever happens at the same time; and a
// read model that lags, or is not there, makes the start slower, not wrong.
//
// Writing: a run of events is encoded into one buffer; each socket's share is
// pieces of it, written by one non-blocking system call. What the kernel does not
// take is pending, and a goroutine waits for the client: it ends when all is
// written. Too much pending closes the stream; a durable frame is never dropped
// on a stream that lives on. When writing takes much of the node's time,
// partitions pause between runs for up to 20 ms, so that more frames share a
// write (pacer).
//
// An idle socket has one goroutine, no timer but its expiry, and no buffer for
// writing: the goroutine that reads pings as well, because each heartbeat ends a
// wait of conn.Read. A library for the life cycle of sockets (melody), whose
// second goroutine did that, made it 20.7 KB of the node's memory in place of
// 11.2, for a user in 20 conversations: 4 of these are the stack and 4.3 live
// on the heap.
package realtime
