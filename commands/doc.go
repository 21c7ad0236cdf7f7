// Package commands holds everything that changes something: one file per command.
// A command checks its request, has the domain decide in the lane of the stream,
// and answers from the resulting events. So a retry under the same Idempotency-Key,
// which results in the same events, has the same answer.
//
// Decisions never use a read model. What a decision needs in addition to the
// stream's state (is this a user? is that a message of this conversation?) comes
// from the log or from the schema identity.
//
// # Identities
//
// E-mail addresses, password hashes and refresh tokens are secrets and never enter
// the log; they are rows in the schema identity. A registration therefore writes to
// two places: first the credentials, with registered_at null, then user.registered
// in the user's stream, then registered_at. A crash in between leaves credentials
// without a user; the next registration or login with the same address and the right
// password completes the registration, under the same command id.
//
// A login starts a session: a family of refresh tokens, each valid for one exchange.
// A token that is used twice is held by two parties, one of which is a thief, so the
// session ends. The exception is a retry of the exchange under its Idempotency-Key,
// before the new token was used: it has the same answer, because a client may lose
// an answer.
//
// # Erasure
//
// A user who has requested erasure has no credentials any more: they can neither
// create a conversation nor be added to one. The rest is in internal/erasure.
package commands
