package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"ping/domain"
)

// ErrMirrorAhead: JetStream holds events that Postgres does not, or others at
// their positions: Postgres was restored from a backup, or the two belong to
// different logs. Nothing is accepted until the epoch is bumped.
var ErrMirrorAhead = errors.New("the JetStream mirror does not belong to this state of the Postgres log; " +
	"if Postgres was restored from a backup, run `ping epoch bump`, which begins a new mirror")

const (
	// mirrorMaxAge is how long JetStream keeps events. It is a buffer: Postgres
	// keeps all.
	mirrorMaxAge = 7 * 24 * time.Hour
	// mirrorRefill is how many of the last events a lost JetStream stream gets
	// back; older ones are read from Postgres.
	mirrorRefill = 100_000
)

// Connect opens a connection for a Log, which must be its only user: what this
// process publishes does not come back to it, and nothing is buffered while NATS
// is unreachable, so a publish fails at once and is repaired from Postgres.
// Connect succeeds also when NATS cannot be reached yet, and the connection is
// made as soon as it can be.
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

// mirror is the copy of the log in JetStream: one JetStream stream per partition
// and epoch, in which a message's sequence is the event's position.
type mirror struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	meta   meta
	reader *Reader
}

func newMirror(nc *nats.Conn, m meta, reader *Reader) (*mirror, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	return &mirror{nc: nc, js: js, meta: m, reader: reader}, nil
}

func (m *mirror) streamName(partition int) string {
	return fmt.Sprintf("PING_E%d_P%02d", m.meta.epoch, partition)
}

func (m *mirror) subjectPrefix(partition int) string {
	return fmt.Sprintf("ping.e%d.p%02d.", m.meta.epoch, partition)
}

// subscribe calls handle with each event that another node publishes.
func (m *mirror) subscribe(handle nats.MsgHandler) (*nats.Subscription, error) {
	published, err := m.nc.Subscribe(fmt.Sprintf("ping.e%d.>", m.meta.epoch), handle)
	if err != nil {
		return nil, err
	}
	if err := published.SetPendingLimits(-1, -1); err != nil {
		_ = published.Unsubscribe()
		return nil, err
	}
	return published, nil
}

// create makes a partition's JetStream stream so that its first message has
// sequence first. Another node may have created it already, which is as good.
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
// when the JetStream stream does not exist.
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

// publish sends consecutive events without waiting: each is stored only if its
// predecessor was. prove finds out whether they were.
func (m *mirror) publish(partition int, events []*Event) error {
	name, prefix := m.streamName(partition), m.subjectPrefix(partition)
	for _, e := range events {
		if err := m.nc.PublishMsg(encodeMessage(name, prefix, e)); err != nil {
			return fmt.Errorf("publish %s: %w", At{partition, e.Position}, err)
		}
	}
	return nil
}

var errWrongSequence = errors.New("the mirror is at another position")

// prove publishes one event and waits for its acknowledgement, which proves
// that it and all before it are stored. It returns errWrongSequence when the
// mirror's last position was not the one before the event.
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

// check refuses a mirror of another log before any command is accepted.
func (m *mirror) check(ctx context.Context, logger *slog.Logger) error {
	if !m.nc.IsConnected() {
		logger.Warn("NATS is unreachable; events are accepted and will be mirrored when it returns")
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	for partition := range m.meta.partitions {
		last, _, err := m.lastSequence(ctx, partition)
		if err == nil {
			err = m.verify(ctx, partition, last)
		}
		if errors.Is(err, ErrMirrorAhead) {
			return err
		}
		if err != nil {
			logger.Warn("mirror not checked; the log works without it until it answers", "error", err)
			return nil
		}
	}
	return nil
}

// verify makes sure that the mirror's last event of a partition is the log's
// event at that position. last must have been read before Postgres is read: the
// log only grows.
func (m *mirror) verify(ctx context.Context, partition int, last int64) error {
	if last == 0 {
		return nil
	}
	events, err := m.reader.readPartition(ctx, partition, last-1, last, 1)
	if err != nil {
		return err
	}
	if len(events) == 0 {
		return fmt.Errorf("%w: the mirror of partition %d is at %d, the log is not", ErrMirrorAhead, partition, last)
	}
	id, err := m.eventIDAt(ctx, partition, last)
	if err != nil {
		return err
	}
	if !id.IsZero() && id != events[0].ID {
		return fmt.Errorf("%w: they hold different events at %s", ErrMirrorAhead, At{partition, last})
	}
	return nil
}
