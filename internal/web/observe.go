package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"
)

const requestIDHeader = "X-Request-Id"

// A generated request id is a random prefix per process and a count: unique enough to find a log line, and cheap.
var (
	requestPrefix = rand.Text()[:10] + "-"
	requestCount  atomic.Uint64
)

// observe gives each request an id, recovers from panics and, at debug level, writes the access log. It is one
// middleware because echo rebuilds its chain per request.
func observe(logger *slog.Logger) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) (err error) {
			request, response := c.Request(), c.Response()
			id := request.Header.Get(requestIDHeader)
			if !visible(id) {
				id = requestPrefix + strconv.FormatUint(requestCount.Add(1), 36)
			}
			response.Header()[requestIDHeader] = []string{id}
			if logger.Enabled(request.Context(), slog.LevelDebug) {
				defer logAccess(logger, c, id, time.Now())
			}
			defer func() {
				if r := recover(); r != nil {
					err = panicked(logger, c, r)
				}
			}()
			return next(c)
		}
	}
}

func logAccess(logger *slog.Logger, c echo.Context, id string, began time.Time) {
	// The route and not the path: the ids of users stay out of the log.
	logger.Debug("request", "method", c.Request().Method, "route", c.Path(), "status", c.Response().Status,
		"bytes", c.Response().Size, "took", time.Since(began), "request_id", id)
}

// panicked answers a panic with 500. http.ErrAbortHandler, by which a handler drops its connection, is passed on.
func panicked(logger *slog.Logger, c echo.Context, r any) error {
	if r == http.ErrAbortHandler { //nolint:errorlint // a recovered value, not an error
		panic(r)
	}
	if err, ok := r.(error); ok && errors.Is(c.Request().Context().Err(), context.Canceled) && errors.Is(err, context.Canceled) {
		return nil // the client disconnected while its answer was written
	}
	logger.Error("request panicked", "panic", fmt.Sprint(r), "method", c.Request().Method, "route", c.Path(),
		"request_id", c.Response().Header().Get(requestIDHeader), "stack", string(debug.Stack()))
	return newError(errInternal, nil)
}

// logFaults logs the cause of each 500 that a huma operation answers.
func logFaults(logger *slog.Logger) huma.Transformer {
	return func(ctx huma.Context, _ string, v any) (any, error) {
		if e, ok := v.(*Error); ok && e.cause != nil {
			logFault(logger, humaecho.Unwrap(ctx), e)
		}
		return v, nil
	}
}

func logFault(logger *slog.Logger, c echo.Context, e *Error) {
	logger.Error("request failed", "error", e.cause, "method", c.Request().Method, "route", c.Path(),
		"request_id", c.Response().Header().Get(requestIDHeader))
}

// errorHandler answers the errors that no huma operation has answered: unknown routes, panics, and the errors of
// handlers that are registered on echo.
func errorHandler(logger *slog.Logger) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		var e *Error
		var echoError *echo.HTTPError
		if errors.As(err, &echoError) && !errors.As(err, &e) {
			e = fromEcho(echoError)
		} else {
			e = problem(err)
		}
		if e.cause != nil {
			logFault(logger, c, e)
		}
		if c.Response().Committed {
			return
		}
		for name, values := range e.header {
			c.Response().Header()[name] = values
		}
		c.Response().Header().Set("Content-Type", e.ContentType(""))
		c.Response().WriteHeader(e.Status)
		if c.Request().Method != http.MethodHead {
			// A failed write means that the client disconnected.
			_ = jsonFormat.Marshal(c.Response(), e)
		}
	}
}

func fromEcho(err *echo.HTTPError) *Error {
	if err.Code == http.StatusInternalServerError {
		return newError(errInternal, err)
	}
	return fromHuma(err.Code, fmt.Sprint(err.Message), nil)
}

// visible reports whether s has 1-128 visible ASCII characters.
func visible(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
