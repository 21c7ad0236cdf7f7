// Package web is the plumbing that all HTTP handlers share: the server, its
// errors, authentication, idempotency and the shapes of the public contract.
//
// Handlers return errors as they are: this package turns each into an RFC
// 9457 problem with a stable code, by the one table in status.go. What the
// table does not know is a fault of ours: it is logged once, with its cause,
// and answered as 500 `internal` without a detail.
package web
