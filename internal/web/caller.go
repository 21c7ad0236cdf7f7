package web

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"ping/domain"
	"ping/internal/auth"
)

// Caller identifies the user and session of a request.
type Caller struct {
	UserID    domain.ID
	SessionID domain.ID
	ExpiresAt time.Time // of the access token
}

// callerContext carries the caller in one allocation.
type callerContext struct {
	context.Context
	caller Caller
}

type callerKey struct{}

func (c *callerContext) Value(key any) any {
	if key == (callerKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// CallerFrom returns the caller of a request. It is zero outside operations with Security: web.Bearer.
func CallerFrom(ctx context.Context) Caller {
	if c, ok := ctx.Value(callerKey{}).(*callerContext); ok {
		return c.caller
	}
	return Caller{}
}

// Bearer is the Security of an operation that needs a caller.
var Bearer = []map[string][]string{{"bearer": {}}}

// Authenticate installs the check of access tokens for every operation with Security. Call it before operations are
// registered.
func Authenticate(api huma.API, tokens *auth.Tokens) {
	api.UseMiddleware(func(ctx huma.Context, next func(huma.Context)) {
		if len(ctx.Operation().Security) == 0 {
			next(ctx)
			return
		}
		claims, err := tokens.Verify(bearerToken(ctx.Header("Authorization")))
		if err != nil {
			// WriteErr itself reports a failed write: the client disconnected.
			_ = huma.WriteErr(api, ctx, http.StatusUnauthorized, "", newError(ErrUnauthenticated, nil))
			return
		}
		next(huma.WithContext(ctx, &callerContext{Context: ctx.Context(), caller: Caller(claims)}))
	})
}

// BearerToken returns the token of the Authorization header, or "".
func BearerToken(r *http.Request) string { return bearerToken(r.Header.Get("Authorization")) }

func bearerToken(header string) string {
	const scheme = "Bearer "
	if len(header) < len(scheme) || !strings.EqualFold(header[:len(scheme)], scheme) {
		return ""
	}
	return header[len(scheme):]
}
