package web

import (
	"errors"
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"ping/domain"
)

// Error is the body of every answer that is not a success: an RFC 9457 problem, extended with a code for programs.
type Error struct {
	Title  string       `json:"title" doc:"The name of the HTTP status." example:"Not Found"`
	Status int          `json:"status" doc:"The HTTP status." example:"404"`
	Detail string       `json:"detail" doc:"What happened and what to do, for people." example:"There is no such conversation, or you are not in it."`
	Code   string       `json:"code" doc:"What happened, for programs; never changes." example:"conversation_not_found"`
	Errors []FieldError `json:"errors,omitempty" doc:"What is wrong with the request, per field."`

	cause  error // to be logged; only of a 500
	header http.Header
}

// FieldError says what is wrong with one part of a request. It does not repeat the value, which may be a password.
type FieldError struct {
	Location string `json:"location" doc:"The path of the field, such as body.members[2] or query.limit." example:"body.reply_to"`
	Message  string `json:"message" doc:"What is wrong with it." example:"expected string to be RFC 4122 uuid"`
}

func (e *Error) Error() string {
	if e.cause != nil {
		return e.Code + ": " + e.cause.Error()
	}
	return e.Code + ": " + e.Detail
}

// GetStatus returns the answer's HTTP status.
func (e *Error) GetStatus() int { return e.Status }

// GetHeaders returns the answer's headers besides the content type.
func (e *Error) GetHeaders() http.Header { return e.header }

// ContentType returns that of a problem, whatever the client prefers.
func (e *Error) ContentType(string) string { return "application/problem+json" }

// newError makes the answer for a refusal.
func newError(refusal *domain.Error, cause error) *Error {
	status := statusOf(refusal)
	e := &Error{Title: title(status), Status: status, Detail: refusal.Message, Code: refusal.Code, cause: cause}
	switch status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		e.header = http.Header{"Retry-After": {"1"}}
	case http.StatusUnauthorized:
		e.header = http.Header{"Www-Authenticate": {`Bearer realm="ping"`}}
	}
	return e
}

func title(status int) string {
	if status == statusClientClosed {
		return "Client Closed Request"
	}
	return http.StatusText(status)
}

// setUpHuma gives huma's own errors (validation, body too large…) the form of Error, and makes the case of field names
// matter. These are variables of the package huma, so they are set once per process.
var setUpHuma = sync.OnceFunc(func() {
	huma.ValidateStrictCasing = true
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return fromHuma(status, message, errs)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
		e := fromHuma(status, message, errs)
		for name, values := range e.header {
			ctx.SetHeader(name, values[0])
		}
		return e
	}
})

// fromHuma makes the answer for an error of huma's. With status 500 huma passes on what a handler returned, which has
// an answer of its own.
func fromHuma(status int, message string, errs []error) *Error {
	for _, err := range errs {
		if answered, ok := errors.AsType[*Error](err); ok {
			return answered
		}
	}
	if status == http.StatusInternalServerError {
		switch {
		case message == "cannot read request body":
			return newError(errClientClosed, nil)
		case len(errs) > 0:
			return problem(errs[0])
		}
	}
	if refusal := ofStatus[status]; refusal != nil {
		return newError(refusal, nil)
	}
	e := &Error{Title: title(status), Status: status, Detail: message, Code: errValidation.Code}
	for _, err := range errs {
		if d, ok := err.(huma.ErrorDetailer); ok {
			detail := d.ErrorDetail()
			e.Errors = append(e.Errors, FieldError{Location: detail.Location, Message: detail.Message})
		} else if err != nil {
			e.Errors = append(e.Errors, FieldError{Message: err.Error()})
		}
	}
	return e
}

// ofStatus are the refusals for the statuses with which huma and echo answer by themselves.
var ofStatus = map[int]*domain.Error{
	http.StatusInternalServerError:   errInternal,
	http.StatusNotFound:              errNotFound,
	http.StatusMethodNotAllowed:      errMethodNotAllowed,
	http.StatusRequestTimeout:        errRequestTimeout,
	http.StatusRequestEntityTooLarge: errBodyTooLarge,
	http.StatusUnsupportedMediaType:  errMediaType,
}
