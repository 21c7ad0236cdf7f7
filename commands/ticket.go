package commands

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"ping/internal/auth"
	"ping/internal/web"
)

type ticketOutput struct {
	Body struct {
		Ticket    string `json:"ticket" doc:"For GET /v1/stream?ticket=…; valid once."`
		ExpiresIn int    `json:"expires_in" doc:"Seconds until the ticket expires." example:"30"`
	}
}

func ticketOperation() huma.Operation {
	return operation(http.MethodPost, "/v1/auth/ticket", "create-ticket", "Create a WebSocket ticket", http.StatusCreated, "auth",
		auth.ErrTicketsUnavailable)
}

// ticket makes what a browser opens its WebSocket with.
func (c *sessions) ticket(ctx context.Context, _ *web.Action) (*ticketOutput, error) {
	ticket, err := c.Tickets.Issue(ctx, auth.Claims(web.CallerFrom(ctx)))
	if err != nil {
		return nil, err
	}
	out := &ticketOutput{}
	out.Body.Ticket, out.Body.ExpiresIn = ticket, int(auth.TicketLife/time.Second)
	return out, nil
}
