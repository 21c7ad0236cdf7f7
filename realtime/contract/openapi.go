package contract

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"ping/internal/auth"
	"ping/internal/web"
	"ping/realtime/protocol"
)

// Describe adds the upgrade request to the OpenAPI document. The AsyncAPI
// document describes what follows it.
func Describe(api *huma.OpenAPI) {
	text := &huma.Schema{Type: huma.TypeString}
	api.AddOperation(new(web.Refuses(huma.Operation{
		Method: http.MethodGet, Path: "/v1/stream", OperationID: "open-stream", Tags: []string{"stream"}, Security: web.Bearer,
		Summary: "Open the stream: a WebSocket with the subprotocol " + protocol.Subprotocol,
		Parameters: []*huma.Param{
			{Name: "ticket", In: "query", Schema: text, Description: "In place of the access token, where no header can be sent: that of POST /v1/auth/ticket."},
			{Name: "resume", In: "query", Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"0", "1"}},
				Description: "1: the first frame will be a resume; 0: it will not."},
			{Name: "Sec-WebSocket-Protocol", In: "header", Required: true, Schema: text, Example: protocol.Subprotocol},
		},
		Responses: map[string]*huma.Response{"101": {Description: "The stream begins."}},
	}, web.ErrUpgradeRequired, protocol.ErrSubprotocol, protocol.ErrOrigin, protocol.ErrShuttingDown, web.ErrBusy, auth.ErrTicketInvalid, auth.ErrTicketsUnavailable)))
}
