package eventlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"ping/domain"
)

// ErrMirrorAhead: JetStream holds events that Postgres does not, or others in
// their places: Postgres was restored from a backup, or the two belong to
// different logs. Nothing is accepted until the epoch is bumped.
var ErrMirrorAhead = errors.New("the JetStream mirror does not belong to this state of the Postgres log; " +
	"if Postgres was restored from a backup, run `ping epoch bump`, which begins a new mirror")

// Headers of a mirrored event, beside those that NATS defines.
const (
	headerEventID     = "Ping-Event-Id"
	headerStream      = "Ping-Stream"
	headerSchema      = "Ping-Schema"
	headerCommandID   = "Ping-Command-Id"
	headerCorrelation = "Ping-Correlation-Id"
	headerCausation   = "Ping-Causation-Id"
)

// mirrorMaxAge is how long JetStream keeps events. It is a cache: Postgres
// keeps all.
const mirrorMaxAge = 7 * 24 * time.Hour

// mirrorRefill is how many of the last events a lost stream is given back;
// older ones are read from Postgres.
const mirrorRefill = 100_000

// Connect opens a connection for a Log, for nobody else: what this process
// publishes does not come back to it, and nothing is buffered while NATS is
// away, so a publish fails at once and is made good from Postgres. It succeeds
// also when NATS cannot be reached yet, and connects as soon as it can.
func Connect(url string, opts ...nats.Option) (*nats.Conn, error) {
	nc, err := nats.Connect(url, append([]nats.Option{
		nats.Name("ping log"),
		nats.NoEcho(),
		nats.ReconnectBufSize(-1),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(200 * time.Millisecond),
	}, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	return nc, nil
}

// mirror is the copy of the log in JetStream: one stream a partition and
// epoch, in which a message's sequence is the event's position.
type mirror struct {
	nc    *nats.Conn
	js    jetstream.JetStream
	epoch int
}

func newMirror(nc *nats.Conn, epoch int) (*mirror, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	return &mirror{nc: nc, js: js, epoch: epoch}, nil
}

func (m *mirror) streamName(partition int) string {
	return fmt.Sprintf("PING_E%d_P%02d", m.epoch, partition)
}

func (m *mirror) subjectPrefix(partition int) string {
	return fmt.Sprintf("ping.e%d.p%02d.", m.epoch, partition)
}

// create makes a partition's stream so that its first message has sequence
// first. Another node may have been quicker; that is as good.
func (m *mirror) create(ctx context.Context, partition int, first int64) error {
	_, err := m.js.CreateStream(ctx, jetstream.StreamConfig{
		Name:        m.streamName(partition),
		Description: "Mirror of a partition of the Ping log: sequence = position.",
		Subjects:    []string{m.subjectPrefix(partition) + ">"},
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardOld,
		MaxAge:      mirrorMaxAge,
		FirstSeq:    uint64(first),
		AllowDirect: true,
	})
	if err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return fmt.Errorf("create stream %s: %w", m.streamName(partition), err)
	}
	return nil
}

// lastSequence returns the mirror's last position of a partition; ok is false
// when the stream does not exist.
func (m *mirror) lastSequence(ctx context.Context, partition int) (last int64, ok bool, err error) {
	stream, err := m.js.Stream(ctx, m.streamName(partition))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("read stream %s: %w", m.streamName(partition), err)
	}
	return int64(stream.CachedInfo().State.LastSeq), true, nil
}

// eventIDAt returns the id of the event that the mirror holds at a position;
// the zero ID when it holds none there.
func (m *mirror) eventIDAt(ctx context.Context, partition int, position int64) (domain.ID, error) {
	stream, err := m.js.Stream(ctx, m.streamName(partition))
	if err != nil {
		return domain.ID{}, fmt.Errorf("read stream %s: %w", m.streamName(partition), err)
	}
	msg, err := stream.GetMsg(ctx, uint64(position))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return domain.ID{}, nil
	}
	if err != nil {
		return domain.ID{}, fmt.Errorf("read %s at %d: %w", m.streamName(partition), position, err)
	}
	return domain.ParseID(msg.Header.Get(headerEventID))
}

// publish sends events that follow one another, without waiting: each is
// stored only if its predecessor was. prove tells what became of them.
func (m *mirror) publish(partition int, events []*Event) error {
	name, prefix := m.streamName(partition), m.subjectPrefix(partition)
	for _, e := range events {
		if err := m.nc.PublishMsg(encodeMessage(name, prefix, e)); err != nil {
			return fmt.Errorf("publish %s: %w", At{partition, e.Position}, err)
		}
	}
	return nil
}

// prove publishes one event and waits for its acknowledgement, which proves
// that it and all before it are stored. It returns errWrongSequence when the
// mirror stood elsewhere.
func (m *mirror) prove(ctx context.Context, partition int, e *Event) error {
	msg := encodeMessage(m.streamName(partition), m.subjectPrefix(partition), e)
	ack, err := m.js.PublishMsg(ctx, msg, jetstream.WithRetryAttempts(0))
	var api *jetstream.APIError
	switch {
	case errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence:
		return errWrongSequence
	case err != nil:
		return fmt.Errorf("publish %s: %w", At{partition, e.Position}, err)
	case int64(ack.Sequence) != e.Position:
		return fmt.Errorf("%w: %s was stored at sequence %d", ErrMirrorAhead, At{partition, e.Position}, ack.Sequence)
	}
	return nil
}

var errWrongSequence = errors.New("the mirror stands elsewhere")

// encodeMessage makes an event's message. No Nats-Msg-Id: a repeated id would
// be acknowledged with an old sequence.
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
// the rest of the envelope from the headers.
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
