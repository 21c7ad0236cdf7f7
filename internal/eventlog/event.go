package eventlog

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"ping/domain"
)

// Event is a recorded event: the envelope that the log gave it and the payload
// that the domain decided. Events are shared by all readers of a process and
// are never changed.
type Event struct {
	ID         domain.ID // UUIDv7
	Type       string    // such as "message.sent"
	Schema     int       // version of the payload's shape
	Stream     domain.ID // the aggregate: a conversation or a user
	Version    int64     // 1, 2, 3… within the stream; the API's seq
	Epoch      int
	Partition  int
	Position   int64     // 1, 2, 3… within the partition
	RecordedAt time.Time // UTC, microseconds; never goes back in a partition
	Actor      domain.ID
	CommandID  domain.ID // of the command it belongs to
	// CorrelationID and CausationID are zero when the command named none.
	CorrelationID domain.ID
	CausationID   domain.ID
	Payload       []byte // JSON, the bytes as they were appended

	// Frame is the event as clients see it: the same bytes on the mirror, on
	// sockets and in the events API. It leaves out the command's ids, which
	// concern only its sender and the server.
	Frame []byte

	origin  origin
	decoded atomic.Value // the domain.Event of Payload, once it is known
}

// Decode returns Payload as the domain event that was decided. The node that
// decided it decodes nothing; others decode at first use. The result is shared:
// do not change it. An event that this version does not know is
// domain.ErrUnknownEvent.
//
// The decoded form lives as long as its Event: when memory is invalidated after
// an erasure, both go together.
func (e *Event) Decode() (domain.Event, error) {
	if known, ok := e.decoded.Load().(domain.Event); ok {
		return known, nil
	}
	decoded, err := domain.DecodeEvent(e.Type, e.Schema, e.Payload)
	if err != nil {
		return nil, err
	}
	if sent, ok := decoded.(domain.MessageSent); ok {
		sent.MessageID = e.ID // the payload does not repeat it
		decoded = sent
	}
	e.decoded.Store(decoded)
	return decoded, nil
}

// userStream reports whether an event of this type is in a user's stream;
// all others are in a conversation's.
func userStream(typ string) bool { return strings.HasPrefix(typ, "user.") }

// recordedAtFormat writes a recorded_at with all of Postgres's microseconds,
// so that an event read back encodes to the bytes it had when appended.
const recordedAtFormat = "2006-01-02T15:04:05.000000Z"

// encodeFrame sets e.Frame. Ids, positions and event types need no escaping and
// are written as they are.
func (e *Event) encodeFrame() {
	b := make([]byte, 0, 320+len(e.Payload))
	b = append(b, `{"type":"event","at":"`...)
	b = strconv.AppendInt(b, int64(e.Partition), 10)
	b = append(b, ':')
	b = strconv.AppendInt(b, e.Position, 10)
	if userStream(e.Type) {
		b = append(b, `","user_id":"`...)
	} else {
		b = append(b, `","conversation_id":"`...)
	}
	b, _ = e.Stream.AppendText(b)
	b = append(b, `","seq":`...)
	b = strconv.AppendInt(b, e.Version, 10)
	b = append(b, `,"event":"`...)
	b = append(b, e.Type...)
	b = append(b, `","id":"`...)
	b, _ = e.ID.AppendText(b)
	b = append(b, `","actor_id":"`...)
	b, _ = e.Actor.AppendText(b)
	b = append(b, `","recorded_at":"`...)
	b = e.RecordedAt.UTC().AppendFormat(b, recordedAtFormat)
	b = append(b, `","data":`...)
	b = append(b, e.Payload...)
	e.Frame = append(b, '}')
}

// At is a position in the log: a partition and a position in it. Clients see its
// text form, such as "7:1042", in Ping-Position and in frames.
type At struct {
	Partition int
	Position  int64
}

func (a At) String() string {
	return strconv.Itoa(a.Partition) + ":" + strconv.FormatInt(a.Position, 10)
}

// ParseAt reads what At.String writes. It accepts any partition from 0 to 255:
// the caller checks whether the log has it.
func ParseAt(s string) (At, error) {
	p, pos, ok := strings.Cut(s, ":")
	partition, err1 := strconv.ParseUint(p, 10, 8)
	position, err2 := strconv.ParseInt(pos, 10, 64)
	if !ok || err1 != nil || err2 != nil || position < 0 {
		return At{}, fmt.Errorf("%q is not a position such as 7:1042", s)
	}
	return At{Partition: int(partition), Position: position}, nil
}

// origin says how this node learnt of an event. Its publisher needs to know that
// to decide whether it or another node publishes the event.
type origin uint8

const (
	read      origin = iota // read from Postgres or the mirror
	appended                // appended here: this node publishes it
	published               // received while another node published it
)
