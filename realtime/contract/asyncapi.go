// Package contract makes the AsyncAPI document of the socket protocol from the
// structs and lists of package protocol, and describes the upgrade request for
// the OpenAPI document.
package contract

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"ping/internal/web"
	"ping/realtime/protocol"
)

// object is a JSON object of the document.
type object map[string]any

func reference(path string) object { return object{"$ref": path} }

// Document returns the AsyncAPI 3.0 document as JSON. It is made at first use.
var Document = sync.OnceValues(func() ([]byte, error) { return json.Marshal(asyncDocument()) })

// Serve answers a request for the document.
func Serve(c echo.Context) error {
	document, err := Document()
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, "application/vnd.aai.asyncapi+json;version=3.0.0", document)
}

// asyncDocument makes the document from the structs of the frames and the lists
// of codes.
func asyncDocument() object {
	d := asyncMaker{schemas: web.Schemas(), messages: object{}, extra: map[string]*huma.Schema{}}
	sent, received := d.server(), d.client()
	inChannel := object{}
	for key := range d.messages {
		inChannel[key] = reference("#/components/messages/" + key)
	}
	channel := reference("#/channels/stream")
	security := []object{reference("#/components/securitySchemes/bearer"), reference("#/components/securitySchemes/ticket")}
	return object{
		"asyncapi":           "3.0.0",
		"info":               object{"title": "Ping: the socket protocol", "version": "1", "description": asyncDescription},
		"defaultContentType": "application/json",
		"channels": object{"stream": object{
			"address": "/v1/stream", "title": "The socket of one device",
			"description":     asyncChannelDescription,
			"messages":        inChannel,
			"bindings":        object{"ws": handshake()},
			"x-subprotocol":   protocol.Subprotocol,
			"x-close-codes":   closeCodes(),
			"x-http-refusals": upgradeCodes(),
		}},
		"operations": object{
			"sendFrame": object{"action": "send", "channel": channel, "security": security,
				"summary": "Frames that the server sends.", "messages": sent},
			"receiveFrame": object{"action": "receive", "channel": channel, "security": security,
				"summary": "Frames that the server receives.", "messages": received},
			"receivePing": object{"action": "receive", "channel": channel, "security": security,
				"summary":  "A ping and its answer.",
				"messages": []object{reference("#/channels/stream/messages/client.ping")},
				"reply":    object{"channel": channel, "messages": []object{reference("#/channels/stream/messages/pong")}}},
		},
		"components": object{
			"messages": d.messages,
			"schemas":  d.allSchemas(),
			"correlationIds": object{
				"id": object{"description": "Chosen by the client. The answer to the frame has it as re.", "location": "$message.payload#/id"},
				"re": object{"description": "The id of the client's frame.", "location": "$message.payload#/re"},
			},
			"securitySchemes": object{
				"bearer": object{"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "The access token, in the upgrade request."},
				"ticket": object{"type": "httpApiKey", "in": "query", "name": "ticket", "description": "For browsers: a ticket of POST /v1/auth/ticket, valid for one use within 30 s."},
			},
		},
	}
}

const asyncDescription = "One WebSocket per device carries everything that happens in all of its user's conversations. " +
	"The order of frames and what a client has to keep are described at /docs/protocol; the HTTP API is at /openapi.json. " +
	"Clients ignore types and fields that they do not know."

const asyncChannelDescription = "A WebSocket with the subprotocol " + protocol.Subprotocol + "; every frame is one JSON object in a text message. " +
	"After the close codes 4000-4499, and when the connection breaks without a code, a client reconnects with backoff and jitter and resumes; " +
	"after all others it does not. Before the upgrade, refusals are application/problem+json."

// asyncMaker collects the messages and schemas of the document.
type asyncMaker struct {
	schemas  huma.Registry
	extra    map[string]*huma.Schema // those without a struct
	messages object
}

// server describes the frames of the server and returns references to them.
func (d *asyncMaker) server() []object {
	for typ, f := range ServerFrames {
		d.describe(typ, typ, f)
	}
	d.schemas.Map()["ErrorFrame"].Properties["code"].Enum = refusalCodes()
	d.describeEvents()
	return d.inChannel(func(key string) bool { return true })
}

// client describes the frames of a client. Some types are sent both ways, so
// the keys of a client's frames have a prefix.
func (d *asyncMaker) client() []object {
	for typ, f := range ClientFrames {
		d.describe("client."+typ, typ, f)
	}
	return d.inChannel(func(key string) bool { return strings.HasPrefix(key, "client.") && key != "client.ping" })
}

// inChannel returns references to the messages described so far.
func (d *asyncMaker) inChannel(which func(key string) bool) (references []object) {
	for _, key := range slices.Sorted(maps.Keys(d.messages)) {
		if which(key) {
			references = append(references, reference("#/channels/stream/messages/"+key))
		}
	}
	return references
}

func (d *asyncMaker) describe(key, typ string, f Frame) {
	payload := d.schemas.Schema(reflect.TypeOf(f.Zero), true, "")
	schema := d.schemas.SchemaFromRef(payload.Ref)
	schema.Description = f.Summary
	m := object{"name": typ, "summary": f.Summary, "payload": payload}
	for _, field := range []string{"id", "re"} {
		if property := schema.Properties[field]; property != nil && property.MaxLength != nil {
			m["correlationId"] = reference("#/components/correlationIds/" + field)
		}
	}
	describePositions(schema)
	if f.adjust != nil {
		f.adjust(schema)
	}
	m["examples"] = []object{{"name": typ, "payload": web.ExampleOf(d.schemas, schema)}}
	d.messages[key] = m
}

// describeEvents describes the frame `event`: one schema per type of event,
// discriminated by the field `event`.
func (d *asyncMaker) describeEvents() {
	typ := &huma.Schema{Type: huma.TypeString, Enum: []any{"event"}}
	name := &huma.Schema{Type: huma.TypeString}
	all := &huma.Schema{
		Type: huma.TypeObject, Description: "A durable event, in the order of seq in a conversation.",
		Properties: map[string]*huma.Schema{"type": typ, "event": name}, Required: []string{"type", "event"},
		Extensions: map[string]any{"discriminator": "event"},
	}
	var examples []object
	for _, e := range DurableEvents {
		key := e.Event.Type()
		one := d.eventSchema(e)
		d.extra[key] = one
		all.OneOf = append(all.OneOf, &huma.Schema{Ref: "#/components/schemas/" + key})
		name.Enum = append(name.Enum, key)
		examples = append(examples, object{"name": key, "payload": web.ExampleOf(d.schemas, one)})
	}
	d.extra["Event"] = all
	d.messages["event"] = object{"name": "event", "summary": all.Description, "payload": reference("#/components/schemas/Event"), "examples": examples}
}

func (d *asyncMaker) eventSchema(e DurableEvent) *huma.Schema {
	s := huma.SchemaFromType(d.schemas, reflect.TypeFor[eventFrame]())
	s.Description = e.Summary
	s.Properties["event"].Enum = []any{e.Event.Type()}
	s.Properties["data"] = d.schemas.Schema(reflect.TypeOf(e.Event), true, "")
	if strings.HasPrefix(e.Event.Type(), "user.") {
		s.Properties["user_id"] = s.Properties["conversation_id"]
		delete(s.Properties, "conversation_id")
		s.Required[slices.Index(s.Required, "conversation_id")] = "user_id"
	}
	describePositions(s)
	return s
}

// allSchemas returns the schemas that the messages refer to. They permit fields
// that are added later.
func (d *asyncMaker) allSchemas() map[string]*huma.Schema {
	all := maps.Clone(d.schemas.Map())
	maps.Copy(all, d.extra)
	for _, s := range all {
		s.AdditionalProperties = nil
		for _, property := range s.Properties {
			property.Nullable = property.Nullable && property.Type != huma.TypeArray // no frame has a null list
		}
	}
	return all
}

// describePositions says of a frame's `at` what positions look like.
func describePositions(s *huma.Schema) {
	at := s.Properties["at"]
	if at == nil {
		return
	}
	if at.Type == huma.TypeArray {
		at = at.Items
	}
	at.Pattern, at.Examples = `^\d{1,3}:\d{1,19}$`, []any{"7:1042"}
}

// adjustGap says that a gap has one of two ids.
func adjustGap(s *huma.Schema) {
	s.OneOf = []*huma.Schema{{Required: []string{"conversation_id"}}, {Required: []string{"user_id"}}}
	s.Examples = []any{object{"type": "gap", "conversation_id": "0190b5a0-7c1e-7d3a-9f55-3c1d2e4f5a6b", "from_seq": 4, "to_seq": 2004}}
}

// handshake describes the upgrade request.
func handshake() object {
	return object{
		"bindingVersion": "0.1.0", "method": http.MethodGet,
		"query": object{"type": "object", "properties": object{
			"ticket": object{"type": "string", "description": "Replaces the access token where no header can be sent."},
			"resume": object{"type": "string", "enum": []string{"0", "1"}, "description": "1: the first frame will be a resume; 0: it will not."},
		}},
		"headers": object{"type": "object", "required": []string{"Sec-WebSocket-Protocol"}, "properties": object{
			"Authorization":          object{"type": "string", "description": "Bearer and the access token, unless there is a ticket."},
			"Sec-WebSocket-Protocol": object{"type": "string", "enum": []string{protocol.Subprotocol}},
			"Origin":                 object{"type": "string", "description": "For pages: the server's own origin or an allowed one."},
		}},
	}
}

func closeCodes() (codes []object) {
	for _, code := range slices.Sorted(maps.Keys(protocol.CloseReasons)) {
		why := protocol.CloseReasons[code]
		codes = append(codes, object{"code": int(code), "name": why.Name, "reason": why.Reason, "reconnect": code.Reconnect()})
	}
	return codes
}

func refusalCodes() (codes []any) {
	for _, why := range protocol.Refusals {
		codes = append(codes, why.Code)
	}
	return codes
}

func upgradeCodes() (codes []object) {
	for _, why := range UpgradeRefusals {
		codes = append(codes, object{"code": why.Code, "message": why.Message})
	}
	return codes
}
