package web

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"

	"ping/internal/limits"
)

// limitKey is the key of an operation's Metadata under which its action is.
const limitKey = "limit"

// Limited makes an operation count as an action of internal/limits. It counts for its caller, or for the client's
// address if the operation has no caller.
func Limited(op huma.Operation, action string) huma.Operation {
	return withMetadata(op, limitKey, action)
}

// checkLimit panics at startup on an unknown action.
func checkLimit(op *huma.Operation) {
	action, limited := op.Metadata[limitKey]
	if name, _ := action.(string); limited && !slices.Contains(limits.Actions, name) {
		panic(fmt.Sprintf("operation %s: there is no action %q", op.OperationID, action))
	}
}

// Limit installs the rate limits of every operation that is Limited. Call it after Authenticate and before operations
// are registered. The client's address is taken from X-Forwarded-For as far as the given proxies have written it.
// Without limits nothing is installed.
func Limit(api huma.API, limiter *limits.Limiter, proxies []*net.IPNet) {
	if limiter.Off() {
		return
	}
	policies := policiesOf(limiter.Rates())
	address := addressBehind(proxies)
	api.UseMiddleware(func(ctx huma.Context, next func(huma.Context)) {
		action, limited := ctx.Operation().Metadata[limitKey].(string)
		if !limited {
			next(ctx)
			return
		}
		request := humaecho.Unwrap(ctx)
		var decision limits.Decision
		if caller := CallerFrom(ctx.Context()); !caller.UserID.IsZero() {
			decision = limiter.Take(ctx.Context(), action, string(caller.UserID[:]))
		} else {
			decision = limiter.Take(ctx.Context(), action, address(request.Request()))
		}
		if decision.Rate.Count > 0 {
			policies[action].write(request.Response().Header(), decision)
		}
		if !decision.Allowed {
			// WriteErr itself reports a failed write: the client disconnected.
			_ = huma.WriteErr(api, ctx, http.StatusTooManyRequests, "", rateLimited(decision))
			return
		}
		next(ctx)
	})
}

// LimitLogin returns the limit of logins to one account, from whichever addresses. Its refusal has Retry-After; the
// RateLimit-… headers of a login are those of the address.
func LimitLogin(limiter *limits.Limiter) func(ctx context.Context, email string) error {
	return func(ctx context.Context, email string) error {
		if decision := limiter.Take(ctx, limits.Login, email); !decision.Allowed {
			return rateLimited(decision)
		}
		return nil
	}
}

func rateLimited(d limits.Decision) *Error {
	e := newError(ErrRateLimited, nil)
	e.header.Set("Retry-After", strconv.Itoa(max(1, seconds(d.RetryAfter))))
	return e
}

// policy is the constant part of the RateLimit-… headers of an action.
type policy struct{ limit, policy []string }

func policiesOf(rates limits.Rates) map[string]policy {
	policies := map[string]policy{}
	for action, rate := range rates {
		count := strconv.Itoa(rate.Count)
		policies[action] = policy{[]string{count}, []string{fmt.Sprintf("%s;w=%d", count, seconds(rate.Unit))}}
	}
	return policies
}

// write sets the headers of the IETF draft "RateLimit header fields for HTTP", in the version that is in common use.
func (p policy) write(header http.Header, d limits.Decision) {
	header["Ratelimit-Limit"], header["Ratelimit-Policy"] = p.limit, p.policy
	header["Ratelimit-Remaining"] = []string{strconv.Itoa(d.Remaining)}
	header["Ratelimit-Reset"] = []string{strconv.Itoa(seconds(d.Reset))}
}

// seconds rounds up: a client that waits that long has waited long enough.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// addressBehind returns a function that extracts the client's address. An IPv6 client usually has a whole /64 to
// itself, so addresses of one /64 share a limit.
func addressBehind(proxies []*net.IPNet) func(*http.Request) string {
	trusted := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, proxy := range proxies {
		trusted = append(trusted, echo.TrustIPRange(proxy))
	}
	extract := echo.ExtractIPFromXFFHeader(trusted...)
	return func(r *http.Request) string {
		text := extract(r)
		address, err := netip.ParseAddr(text)
		if err != nil {
			return text
		}
		address = address.Unmap().WithZone("")
		if address.Is6() {
			return netip.PrefixFrom(address, 64).Masked().String()
		}
		return address.String()
	}
}
