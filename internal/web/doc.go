// Package web is what all HTTP handlers share: the server, its errors, authentication, idempotency keys, rate limits,
// the shapes of the public contract and its documentation at /docs.
//
// Handlers return errors as they are. A domain.Error becomes an RFC 9457 problem whose status follows from the error's
// kind, by the table in status.go. Any other error is a fault of the server: it is logged once, with its cause, and
// answered as 500 `internal` without a detail.
package web
