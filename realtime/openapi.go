package realtime

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"ping/internal/auth"
	"ping/internal/web"
)

// Describe adds the stream to the HTTP contract: how to open it. What follows
// the upgrade is this package's own document.
func Describe(api *huma.OpenAPI) {
	text := &huma.Schema{Type: huma.TypeString}
	api.AddOperation(new(web.Refuses(huma.Operation{
		Method: http.MethodGet, Path: "/v1/stream", OperationID: "open-stream", Tags: []string{"stream"}, Security: web.Bearer,
		Summary: "Open the stream: a WebSocket with the subprotocol " + Subprotocol,
		Parameters: []*huma.Param{
			{Name: "ticket", In: "query", Schema: text, Description: "In place of the access token, where no header can be sent: that of POST /v1/auth/ticket."},
			{Name: "resume", In: "query", Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"0", "1"}},
				Description: "1: the first frame will be a resume; 0: it will not."},
			{Name: "Sec-WebSocket-Protocol", In: "header", Required: true, Schema: text, Example: Subprotocol},
		},
		Responses: map[string]*huma.Response{"101": {Description: "The stream begins."}},
	}, web.ErrUpgradeRequired, errSubprotocol, errOrigin, errShuttingDown, web.ErrBusy, auth.ErrTicketInvalid, auth.ErrTicketsUnavailable)))
}
