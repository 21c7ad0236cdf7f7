package commands

import (
	"context"
	"time"

	"ping/internal/auth"
	"ping/internal/web"
)

type ticketOutput struct {
	Body struct {
		Ticket    string `json:"ticket" doc:"For GET /v1/stream?ticket=…; valid once."`
		ExpiresIn int    `json:"expires_in" doc:"Seconds until the ticket expires." example:"30"`
	}
}

// ticket makes what a browser opens its WebSocket with.
func (c *commands) ticket(ctx context.Context, _ *web.Action) (*ticketOutput, error) {
	ticket, err := c.Tickets.Issue(ctx, auth.Claims(web.CallerFrom(ctx)))
	if err != nil {
		return nil, err
	}
	out := &ticketOutput{}
	out.Body.Ticket, out.Body.ExpiresIn = ticket, int(auth.TicketLife/time.Second)
	return out, nil
}
