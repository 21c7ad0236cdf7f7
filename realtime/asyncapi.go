package realtime

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
)

// object is a JSON object of the document.
type object map[string]any

func reference(path string) object { return object{"$ref": path} }

// asyncAPI is the stream's contract as AsyncAPI 3.0, made at first use.
var asyncAPI = sync.OnceValues(func() ([]byte, error) { return json.Marshal(asyncDocument()) })

func serveAsyncAPI(c echo.Context) error {
	document, err := asyncAPI()
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, "application/vnd.aai.asyncapi+json;version=3.0.0", document)
}

// asyncDocument makes the contract from the structs of the frames and the
// lists of codes.
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
		"info":               object{"title": "Ping: the stream", "version": "1", "description": asyncDescription},
		"defaultContentType": "application/json",
		"channels": object{"stream": object{
			"address": "/v1/stream", "title": "The stream of one device",
			"description":     asyncChannelDescription,
			"messages":        inChannel,
			"bindings":        object{"ws": handshake()},
			"x-subprotocol":   Subprotocol,
			"x-close-codes":   closeCodes(),
			"x-http-refusals": upgradeCodes(),
		}},
		"operations": object{
			"sendFrame": object{"action": "send", "channel": channel, "security": security,
				"summary": "Frames of the server.", "messages": sent},
			"receiveFrame": object{"action": "receive", "channel": channel, "security": security,
				"summary": "Frames of the client.", "messages": received},
			"receivePing": object{"action": "receive", "channel": channel, "security": security,
				"summary":  "A ping is answered.",
				"messages": []object{reference("#/channels/stream/messages/client.ping")},
				"reply":    object{"channel": channel, "messages": []object{reference("#/channels/stream/messages/pong")}}},
		},
		"components": object{
			"messages": d.messages,
			"schemas":  d.allSchemas(),
			"correlationIds": object{
				"id": object{"description": "The client's own; what answers the frame has it as re.", "location": "$message.payload#/id"},
				"re": object{"description": "The id of the client's frame.", "location": "$message.payload#/re"},
			},
			"securitySchemes": object{
				"bearer": object{"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "The access token, in the upgrade request."},
				"ticket": object{"type": "httpApiKey", "in": "query", "name": "ticket", "description": "For browsers: that of POST /v1/auth/ticket, good for one use within 30 s."},
			},
		},
	}
}

const asyncDescription = "One WebSocket a device, which carries what happens in all of its user's conversations. " +
	"How frames follow one another, and what a client keeps, is told in realtime/doc.go of the source; HTTP is at /openapi.json. " +
	"Clients ignore types and fields that they do not know."

const asyncChannelDescription = "A WebSocket with the subprotocol " + Subprotocol + "; every frame is one JSON object in a text message. " +
	"After the close codes 4000-4499, and when the connection breaks without a code, a client reconnects with backoff and jitter and resumes; " +
	"after all others it does not. Before the upgrade, refusals are application/problem+json."

// asyncMaker gathers the document's messages and schemas.
type asyncMaker struct {
	schemas  huma.Registry
	extra    map[string]*huma.Schema // those without a struct
	messages object
}

// server describes the frames of the server and returns references to them.
func (d *asyncMaker) server() []object {
	for typ, f := range serverFrames {
		d.describe(typ, typ, f)
	}
	d.schemas.Map()["ErrorFrame"].Properties["code"].Enum = refusalCodes()
	d.describeEvents()
	return d.inChannel(func(key string) bool { return true })
}

// client describes the frames of a client. Some types go both ways, so their
// keys are of their own.
func (d *asyncMaker) client() []object {
	for typ, f := range clientFrames {
		d.describe("client."+typ, typ, f)
	}
	return d.inChannel(func(key string) bool { return strings.HasPrefix(key, "client.") && key != "client.ping" })
}

// inChannel refers to the messages that were described so far.
func (d *asyncMaker) inChannel(which func(key string) bool) (references []object) {
	for _, key := range slices.Sorted(maps.Keys(d.messages)) {
		if which(key) {
			references = append(references, reference("#/channels/stream/messages/"+key))
		}
	}
	return references
}

func (d *asyncMaker) describe(key, typ string, f described) {
	payload := d.schemas.Schema(reflect.TypeOf(f.frame), true, "")
	schema := d.schemas.SchemaFromRef(payload.Ref)
	schema.Description = f.summary
	m := object{"name": typ, "summary": f.summary, "payload": payload}
	for _, field := range []string{"id", "re"} {
		if property := schema.Properties[field]; property != nil && property.MaxLength != nil {
			m["correlationId"] = reference("#/components/correlationIds/" + field)
		}
	}
	tellPositions(schema)
	m["examples"] = []object{{"name": typ, "payload": web.ExampleOf(d.schemas, schema)}}
	d.messages[key] = m
}

// describeEvents describes `event`: one schema for each that the log may hold,
// told apart by `event`.
func (d *asyncMaker) describeEvents() {
	typ := &huma.Schema{Type: huma.TypeString, Enum: []any{"event"}}
	name := &huma.Schema{Type: huma.TypeString}
	all := &huma.Schema{
		Type: huma.TypeObject, Description: "What has happened, for good; in the order of seq in a conversation.",
		Properties: map[string]*huma.Schema{"type": typ, "event": name}, Required: []string{"type", "event"},
		Extensions: map[string]any{"discriminator": "event"},
	}
	var examples []object
	for _, e := range durableEvents {
		key := e.event.Type()
		one := d.eventSchema(e)
		d.extra[key] = one
		all.OneOf = append(all.OneOf, &huma.Schema{Ref: "#/components/schemas/" + key})
		name.Enum = append(name.Enum, key)
		examples = append(examples, object{"name": key, "payload": web.ExampleOf(d.schemas, one)})
	}
	d.extra["Event"] = all
	d.messages["event"] = object{"name": "event", "summary": all.Description, "payload": reference("#/components/schemas/Event"), "examples": examples}
}

func (d *asyncMaker) eventSchema(e describedEvent) *huma.Schema {
	s := huma.SchemaFromType(d.schemas, reflect.TypeFor[eventFrame]())
	s.Description = e.summary
	s.Properties["event"].Enum = []any{e.event.Type()}
	s.Properties["data"] = d.schemas.Schema(reflect.TypeOf(e.event), true, "")
	if strings.HasPrefix(e.event.Type(), "user.") {
		s.Properties["user_id"] = s.Properties["conversation_id"]
		delete(s.Properties, "conversation_id")
		s.Required[slices.Index(s.Required, "conversation_id")] = "user_id"
	}
	tellPositions(s)
	return s
}

// allSchemas returns what the messages refer to, open to what is added later.
func (d *asyncMaker) allSchemas() map[string]*huma.Schema {
	all := maps.Clone(d.schemas.Map())
	maps.Copy(all, d.extra)
	for _, s := range all {
		s.AdditionalProperties = nil
		for _, property := range s.Properties {
			property.Nullable = property.Nullable && property.Type != huma.TypeArray // no frame has a list that is null
		}
	}
	return all
}

// tellPositions says of a frame's `at` what positions look like.
func tellPositions(s *huma.Schema) {
	at := s.Properties["at"]
	if at == nil {
		return
	}
	if at.Type == huma.TypeArray {
		at = at.Items
	}
	at.Pattern, at.Examples = `^\d{1,3}:\d{1,19}$`, []any{"7:1042"}
}

// TransformSchema says that a gap is of one of two kinds.
func (gapFrame) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.OneOf = []*huma.Schema{{Required: []string{"conversation_id"}}, {Required: []string{"user_id"}}}
	s.Examples = []any{object{"type": "gap", "conversation_id": "0190b5a0-7c1e-7d3a-9f55-3c1d2e4f5a6b", "from_seq": 4, "to_seq": 2004}}
	return s
}

// handshake describes the upgrade request.
func handshake() object {
	return object{
		"bindingVersion": "0.1.0", "method": http.MethodGet,
		"query": object{"type": "object", "properties": object{
			"ticket": object{"type": "string", "description": "In place of the access token, where no header can be sent."},
			"resume": object{"type": "string", "enum": []string{"0", "1"}, "description": "1: the first frame will be a resume; 0: it will not."},
		}},
		"headers": object{"type": "object", "required": []string{"Sec-WebSocket-Protocol"}, "properties": object{
			"Authorization":          object{"type": "string", "description": "Bearer and the access token, unless there is a ticket."},
			"Sec-WebSocket-Protocol": object{"type": "string", "enum": []string{Subprotocol}},
			"Origin":                 object{"type": "string", "description": "Of a page: the server's own origin or a listed one."},
		}},
	}
}

func closeCodes() (codes []object) {
	for _, code := range slices.Sorted(maps.Keys(closeReasons)) {
		why := closeReasons[code]
		codes = append(codes, object{"code": int(code), "name": why.name, "reason": why.reason, "reconnect": code.Reconnect()})
	}
	return codes
}

func refusalCodes() (codes []any) {
	for _, why := range refusals {
		codes = append(codes, why.Code)
	}
	return codes
}

func upgradeCodes() (codes []object) {
	for _, why := range upgradeRefusals {
		codes = append(codes, object{"code": why.Code, "message": why.Message})
	}
	return codes
}
