package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"ping/domain"
)

// TicketLife is how long a ticket waits to be used.
const TicketLife = 30 * time.Second

// patience is how long Redis is waited for.
const patience = 500 * time.Millisecond

// ErrTicketInvalid refuses a ticket that was used, has expired or never was.
var ErrTicketInvalid = &domain.Error{Kind: domain.Unauthenticated, Code: "ticket_invalid", Message: "This ticket was used or has expired; ask for a new one."}

// ErrTicketsUnavailable says that Redis, where tickets are, does not answer.
var ErrTicketsUnavailable = &domain.Error{Kind: domain.Unavailable, Code: "tickets_unavailable",
	Message: "Tickets are temporarily unavailable. Retry, or authenticate with the Authorization header."}

// Tickets authenticate browsers, whose WebSockets cannot send a header. A ticket is
// part of a URL, which ends up in logs; so it is valid once, for TicketLife.
type Tickets struct{ rdb redis.UniversalClient }

// NewTickets keeps tickets in Redis.
func NewTickets(rdb redis.UniversalClient) *Tickets { return &Tickets{rdb: rdb} }

// Issue makes a ticket for the bearer of claims.
func (t *Tickets) Issue(ctx context.Context, claims Claims) (string, error) {
	ticket := NewSecret()
	value, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode ticket: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := t.rdb.Set(ctx, ticketKey(ticket), value, TicketLife).Err(); err != nil {
		return "", unavailable(ctx, "store ticket", err)
	}
	return ticket, nil
}

// Redeem takes a ticket, once: of two who try at the same time one gets the
// claims and the other ErrTicketInvalid.
func (t *Tickets) Redeem(ctx context.Context, ticket string) (Claims, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	value, err := t.rdb.GetDel(ctx, ticketKey(ticket)).Bytes()
	if errors.Is(err, redis.Nil) {
		return Claims{}, ErrTicketInvalid
	}
	if err != nil {
		return Claims{}, unavailable(ctx, "take ticket", err)
	}
	var claims Claims
	if err := json.Unmarshal(value, &claims); err != nil {
		return Claims{}, fmt.Errorf("decode ticket: %w", err)
	}
	return claims, nil
}

// unavailable is Redis's error, unless it is the caller who has gone.
func unavailable(ctx context.Context, what string, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: %w: %w", what, ErrTicketsUnavailable, err)
}

// ticketKey hides the ticket from readers of Redis's keys.
func ticketKey(ticket string) string {
	sum := sha256.Sum256([]byte(ticket))
	return "ping:ticket:" + hex.EncodeToString(sum[:])
}

// NewSecret makes 256 random bits, as 43 characters that a URL can hold.
func NewSecret() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
