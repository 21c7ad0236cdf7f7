package web

import (
	"context"
	"errors"
	"net/http"

	"ping/domain"
	"ping/internal/ephemeral"
	"ping/internal/eventlog"
)

// The refusals of HTTP itself. Codes are part of the contract.
var (
	ErrUnauthenticated = &domain.Error{Kind: domain.Unauthenticated, Code: "unauthenticated", Message: "Send a valid access token: Authorization: Bearer <token>."}
	ErrKeyInvalid      = &domain.Error{Kind: domain.InvalidRequest, Code: "idempotency_key_invalid", Message: "Idempotency-Key has 1-128 visible ASCII characters and is sent once."}
	// ErrUpgradeRequired refuses a plain request to the WebSocket.
	ErrUpgradeRequired = &domain.Error{Kind: domain.InvalidRequest, Code: "upgrade_required", Message: "This is a WebSocket: send an upgrade request, version 13, over HTTP/1.1."}
	// ErrBusy asks the client to retry: the work is bounded and the bound is reached.
	ErrBusy        = &domain.Error{Kind: domain.Unavailable, Code: "busy", Message: "The server is busy; retry shortly."}
	ErrRateLimited = &domain.Error{Kind: domain.TooMany, Code: "rate_limited", Message: "Rate limit exceeded; nothing was done. Retry after the number of seconds in Retry-After."}

	errValidation       = &domain.Error{Kind: domain.Unprocessable, Code: "validation", Message: "The request does not match the contract; errors lists each field."}
	errNotFound         = &domain.Error{Kind: domain.NotFound, Code: "not_found", Message: "There is nothing at this path; see /docs."}
	errMethodNotAllowed = &domain.Error{Kind: domain.InvalidRequest, Code: "method_not_allowed", Message: "This path has other methods; see the Allow header."}
	errRequestTimeout   = &domain.Error{Kind: domain.InvalidRequest, Code: "request_timeout", Message: "The request's body did not arrive in time."}
	errBodyTooLarge     = &domain.Error{Kind: domain.InvalidRequest, Code: "body_too_large", Message: "The request's body is larger than 64 KiB."}
	errMediaType        = &domain.Error{Kind: domain.InvalidRequest, Code: "unsupported_media_type", Message: "Send JSON: Content-Type: application/json."}
	errKeyReused        = &domain.Error{Kind: domain.Conflict, Code: "idempotency_key_reused", Message: "This Idempotency-Key was used with another request; make a new key for each request."}
	errUnavailable      = &domain.Error{Kind: domain.Unavailable, Code: "unavailable", Message: "This took too long; its outcome is unknown. Retry with the same Idempotency-Key."}
	errOverloaded       = &domain.Error{Kind: domain.Unavailable, Code: "overloaded", Message: "Too many requests are waiting; nothing was done. Retry shortly."}
	errShuttingDown     = &domain.Error{Kind: domain.Unavailable, Code: "shutting_down", Message: "This node is shutting down; retry with the same Idempotency-Key."}
	errClientClosed     = &domain.Error{Kind: domain.Unavailable, Code: "client_gone", Message: "The request was cancelled before it was answered."}
	errInternal         = &domain.Error{Kind: domain.Internal, Code: "internal", Message: "The server failed; your request is not the cause. Quote the X-Request-Id when you report it."}
)

// statusClientClosed is the number that proxies log for a request whose client disconnected. No client reads it.
const statusClientClosed = 499

// statuses maps each kind of refusal to its HTTP status.
var statuses = map[domain.ErrorKind]int{
	domain.InvalidRequest:  http.StatusBadRequest,
	domain.Unauthenticated: http.StatusUnauthorized,
	domain.Forbidden:       http.StatusForbidden,
	domain.NotFound:        http.StatusNotFound,
	domain.Conflict:        http.StatusConflict,
	domain.Unprocessable:   http.StatusUnprocessableEntity,
	domain.TooMany:         http.StatusTooManyRequests,
	domain.Internal:        http.StatusInternalServerError,
	domain.Unavailable:     http.StatusServiceUnavailable,
}

// httpStatuses are the refusals for which HTTP has a status that is more exact than that of their kind.
var httpStatuses = map[*domain.Error]int{
	errMethodNotAllowed: http.StatusMethodNotAllowed,
	errRequestTimeout:   http.StatusRequestTimeout,
	errBodyTooLarge:     http.StatusRequestEntityTooLarge,
	errMediaType:        http.StatusUnsupportedMediaType,
	ErrUpgradeRequired:  http.StatusUpgradeRequired,
	errClientClosed:     statusClientClosed,
}

// statusOf returns the HTTP status of a refusal; 0 for one without a kind.
func statusOf(refusal *domain.Error) int {
	if status, ok := httpStatuses[refusal]; ok {
		return status
	}
	return statuses[refusal.Kind]
}

// Problem turns any error into its answer. A refusal keeps its code; an unknown error becomes 500 `internal` and
// carries its cause to the one place that logs it.
func Problem(err error) error { return problem(err) }

func problem(err error) *Error {
	var answered *Error
	if errors.As(err, &answered) {
		return answered
	}
	refusal := refusalOf(err)
	if refusal == nil || statusOf(refusal) == 0 {
		return newError(errInternal, err)
	}
	return newError(refusal, nil)
}

// refusalOf returns the refusal that an error is or means; nil if it is a fault.
func refusalOf(err error) *domain.Error {
	var refusal *domain.Error
	switch {
	case errors.As(err, &refusal):
		return refusal
	case errors.Is(err, eventlog.ErrKeyReused), errors.Is(err, ephemeral.ErrKeyReused):
		return errKeyReused
	case errors.Is(err, eventlog.ErrOverloaded):
		return errOverloaded
	case errors.Is(err, eventlog.ErrClosed):
		return errShuttingDown
	case errors.Is(err, eventlog.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return errUnavailable
	case errors.Is(err, context.Canceled):
		return errClientClosed
	}
	return nil
}
