package web

import (
	"context"
	"errors"
	"net/http"

	"ping/domain"
	"ping/internal/ephemeral"
	"ping/internal/eventlog"
)

// The refusals that are not the domain's. Codes are part of the contract.
var (
	ErrUnauthenticated = &domain.Error{Code: "unauthenticated", Message: "Send a valid access token: Authorization: Bearer <token>."}
	ErrKeyInvalid      = &domain.Error{Code: "idempotency_key_invalid", Message: "Idempotency-Key has 1-128 visible ASCII characters and is sent once."}
	// ErrBusy asks to come back: the work is bounded and the bound is reached.
	ErrBusy = &domain.Error{Code: "busy", Message: "The server is busy; try again shortly."}

	errNotFound         = &domain.Error{Code: "not_found", Message: "There is nothing at this path; see /docs."}
	errMethodNotAllowed = &domain.Error{Code: "method_not_allowed", Message: "This path has other methods; see the Allow header."}
	errUnavailable      = &domain.Error{Code: "unavailable", Message: "This took too long; its outcome is unknown. Retry with the same Idempotency-Key."}
	errClientGone       = &domain.Error{Code: "client_gone", Message: "The request was cancelled before it was answered."}
	errKeyReused        = &domain.Error{Code: "idempotency_key_reused", Message: "This Idempotency-Key was used with another request; make a new key for each request."}
	errOverloaded       = &domain.Error{Code: "overloaded", Message: "Too many requests are waiting; nothing was done. Try again shortly."}
	errShuttingDown     = &domain.Error{Code: "shutting_down", Message: "This node is shutting down; retry with the same Idempotency-Key."}
	errRateLimited      = &domain.Error{Code: "rate_limited", Message: "This was done too often; nothing was done now. Wait as many seconds as Retry-After says, then try again."}
	errInternal         = &domain.Error{Code: "internal", Message: "Something went wrong here; it is not your request. Name the X-Request-Id when you report it."}
)

// statusClientGone is what proxies call a request whose client went away.
// Nobody reads the answer; the number is for the access log.
const statusClientGone = 499

// statuses is the one table from a stable code to its HTTP status.
var statuses = map[string]int{
	"validation":              http.StatusUnprocessableEntity,
	"idempotency_key_invalid": http.StatusBadRequest,
	"position_invalid":        http.StatusBadRequest,
	"subprotocol_required":    http.StatusBadRequest,

	"unauthenticated":       http.StatusUnauthorized,
	"invalid_credentials":   http.StatusUnauthorized,
	"refresh_token_invalid": http.StatusUnauthorized,
	"ticket_invalid":        http.StatusUnauthorized,
	"origin_not_allowed":    http.StatusForbidden,
	"forbidden":             http.StatusForbidden,
	"blocked":               http.StatusForbidden,
	"user_erased":           http.StatusForbidden,

	"not_found":              http.StatusNotFound,
	"conversation_not_found": http.StatusNotFound,
	"user_not_found":         http.StatusNotFound,
	"message_not_found":      http.StatusNotFound,
	"member_not_found":       http.StatusNotFound,
	"method_not_allowed":     http.StatusMethodNotAllowed,

	"email_taken":            http.StatusConflict,
	"idempotency_key_reused": http.StatusConflict,
	"handle_taken":           http.StatusConflict,
	"message_deleted":        http.StatusConflict,
	"last_owner":             http.StatusConflict,

	"request_timeout":        http.StatusRequestTimeout,
	"body_too_large":         http.StatusRequestEntityTooLarge,
	"unsupported_media_type": http.StatusUnsupportedMediaType,
	"upgrade_required":       http.StatusUpgradeRequired,

	"direct_is_fixed":    http.StatusUnprocessableEntity,
	"direct_with_self":   http.StatusUnprocessableEntity,
	"direct_needs_one":   http.StatusUnprocessableEntity,
	"conversation_kind":  http.StatusUnprocessableEntity,
	"name_invalid":       http.StatusUnprocessableEntity,
	"name_on_direct":     http.StatusUnprocessableEntity,
	"too_many_members":   http.StatusUnprocessableEntity,
	"role_invalid":       http.StatusUnprocessableEntity,
	"body_empty":         http.StatusUnprocessableEntity,
	"body_too_long":      http.StatusUnprocessableEntity,
	"body_invalid":       http.StatusUnprocessableEntity,
	"seq_invalid":        http.StatusUnprocessableEntity,
	"email_invalid":      http.StatusUnprocessableEntity,
	"password_invalid":   http.StatusUnprocessableEntity,
	"cursor_invalid":     http.StatusUnprocessableEntity,
	"topic_invalid":      http.StatusUnprocessableEntity,
	"handle_invalid":     http.StatusUnprocessableEntity,
	"bio_invalid":        http.StatusUnprocessableEntity,
	"avatar_url_invalid": http.StatusUnprocessableEntity,
	"emoji_invalid":      http.StatusUnprocessableEntity,
	"block_self":         http.StatusUnprocessableEntity,
	"too_many_blocked":   http.StatusUnprocessableEntity,
	"too_many_reactions": http.StatusUnprocessableEntity,
	"search_too_broad":   http.StatusUnprocessableEntity,
	"too_many_stealth":   http.StatusUnprocessableEntity,

	"rate_limited":  http.StatusTooManyRequests,
	"client_gone":   statusClientGone,
	"internal":      http.StatusInternalServerError,
	"behind":        http.StatusServiceUnavailable,
	"busy":          http.StatusServiceUnavailable,
	"overloaded":    http.StatusServiceUnavailable,
	"shutting_down": http.StatusServiceUnavailable,
	"unavailable":   http.StatusServiceUnavailable,

	"ephemeral_unavailable": http.StatusServiceUnavailable,
	"tickets_unavailable":   http.StatusServiceUnavailable,
}

// Problem turns any error into its answer. An error that has a code in the
// table, or that this package made, keeps it; an unknown one becomes 500
// `internal` and carries its cause to the one place that logs it.
func Problem(err error) error { return problem(err) }

func problem(err error) *Error {
	var made *Error
	if errors.As(err, &made) {
		return made
	}
	var refusal *domain.Error
	switch {
	case errors.As(err, &refusal):
	case errors.Is(err, eventlog.ErrKeyReused), errors.Is(err, ephemeral.ErrKeyReused):
		refusal = errKeyReused
	case errors.Is(err, eventlog.ErrOverloaded):
		refusal = errOverloaded
	case errors.Is(err, eventlog.ErrClosed):
		refusal = errShuttingDown
	case errors.Is(err, eventlog.ErrUnavailable):
		refusal = errUnavailable
	case errors.Is(err, context.Canceled):
		refusal = errClientGone
	case errors.Is(err, context.DeadlineExceeded):
		refusal = errUnavailable
	default:
		return newError(errInternal, err)
	}
	if statuses[refusal.Code] == 0 {
		return newError(errInternal, err)
	}
	return newError(refusal, nil)
}
