package eventlog

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"ping/domain"
)

// Headers of a mirrored event, besides those that NATS defines.
const (
	headerEventID     = "Ping-Event-Id"
	headerStream      = "Ping-Stream"
	headerSchema      = "Ping-Schema"
	headerCommandID   = "Ping-Command-Id"
	headerCorrelation = "Ping-Correlation-Id"
	headerCausation   = "Ping-Causation-Id"
)

// encodeMessage makes an event's message. It has no Nats-Msg-Id: a repeated id
// would be acknowledged with an old sequence.
func encodeMessage(streamName, subjectPrefix string, e *Event) *nats.Msg {
	h := nats.Header{
		nats.ExpectedLastSeqHdr: {strconv.FormatInt(e.Position-1, 10)},
		nats.ExpectedStreamHdr:  {streamName},
		headerEventID:           {e.ID.String()},
		headerStream:            {e.Stream.String()},
		headerSchema:            {strconv.Itoa(e.Schema)},
		headerCommandID:         {e.CommandID.String()},
	}
	if !e.CorrelationID.IsZero() {
		h[headerCorrelation] = []string{e.CorrelationID.String()}
	}
	if !e.CausationID.IsZero() {
		h[headerCausation] = []string{e.CausationID.String()}
	}
	return &nats.Msg{Subject: subjectPrefix + e.Type, Header: h, Data: e.Frame}
}

// decodeMessage makes the event of a message: the frame as it was published,
// and the rest of the envelope from the headers.
func decodeMessage(epoch int, header nats.Header, data []byte) (*Event, error) {
	var frame struct {
		At           string          `json:"at"`
		User         domain.ID       `json:"user_id"`
		Conversation domain.ID       `json:"conversation_id"`
		Seq          int64           `json:"seq"`
		Event        string          `json:"event"`
		ID           domain.ID       `json:"id"`
		Actor        domain.ID       `json:"actor_id"`
		RecordedAt   time.Time       `json:"recorded_at"`
		Data         json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(data, &frame); err != nil {
		return nil, fmt.Errorf("decode mirrored event: %w", err)
	}
	at, err := ParseAt(frame.At)
	if err != nil {
		return nil, fmt.Errorf("decode mirrored event: %w", err)
	}
	schema, err := strconv.Atoi(header.Get(headerSchema))
	if err != nil {
		return nil, fmt.Errorf("decode mirrored event %s: schema: %w", at, err)
	}
	e := &Event{
		ID: frame.ID, Type: frame.Event, Schema: schema, Stream: frame.Conversation, Version: frame.Seq,
		Epoch: epoch, Partition: at.Partition, Position: at.Position, RecordedAt: frame.RecordedAt.UTC(),
		Actor: frame.Actor, Payload: frame.Data, Frame: data,
	}
	if userStream(e.Type) {
		e.Stream = frame.User
	}
	for name, id := range map[string]*domain.ID{headerCommandID: &e.CommandID, headerCorrelation: &e.CorrelationID, headerCausation: &e.CausationID} {
		if text := header.Get(name); text != "" {
			if *id, err = domain.ParseID(text); err != nil {
				return nil, fmt.Errorf("decode mirrored event %s: %w", at, err)
			}
		}
	}
	return e, nil
}
