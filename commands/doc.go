// Package commands holds everything that changes something: one file per command.
// A command checks its request, has the domain decide in the lane of the stream,
// and answers from the resulting events. So a retry under the same Idempotency-Key,
// which results in the same events, has the same answer.
//
// Decisions never lean on a read model. What a decision needs beyond the
// stream's state (is this a user? is that a message of this conversation?)
// comes from the log or from the identities beside it.
//
// # Identities
//
// E-mail addresses, password hashes and refresh tokens are secrets and never
// enter the log; they are rows in the schema identity. Registering therefore
// writes two places: first the credentials, with registered_at null, then
// user.registered in the user's stream, then registered_at. A crash between
// them leaves credentials that own nobody; the next registration or login with
// the same address and the right password finishes the work, under a command
// id that is the same each time.
//
// A login begins a session: a family of refresh tokens, each good for one
// exchange. A used token that comes again means that two hold it, and one is a
// thief: the family ends. The one exception is a retry of the exchange itself,
// under its Idempotency-Key and before the new token was used: it gets the
// same new token, because a client may lose an answer.
//
// # Erasure
//
// Who has asked to be erased has no credentials from then on: he can neither
// begin a conversation nor be added to one. The rest is in internal/erasure.
package commands
