package ephemeral

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"ping/domain"
)

// Kind is the kind of a message.
type Kind byte

// The kinds of messages.
const (
	KindStealth  Kind = 's' // a stealth message, or its end
	KindTyping   Kind = 't'
	KindPresence Kind = 'p'
)

// Message is what nodes publish to each other: a frame and its recipients.
type Message struct {
	Kind Kind
	// From is the user who types or whose presence changed; zero for stealth messages.
	From domain.ID
	// Conversations are those whose members receive the frame.
	Conversations []domain.ID
	// Except are users who do not receive it: those that From has blocked.
	Except []domain.ID
	// After is the position in the partition of a stealth message's conversation
	// on which its decision was made: a node knows the members once its tip is
	// there. 0 means any.
	After int64
	// Frame is sent to sockets, as JSON.
	Frame []byte
}

var errMessage = errors.New("not a message of the ephemeral store")

// encode writes a message as two lines, which scripts can write too: the kind and
// the ids, then the frame.
//
//	p 0190…,0190… 0190… 0190…
//	{"type":"presence",…}
//
// The fields are kind, conversations, from, except ("-" means none) and, if it is
// set, after.
func (m Message) encode() []byte {
	var b bytes.Buffer
	b.Grow(37*(len(m.Conversations)+len(m.Except)+1) + len(m.Frame) + 8)
	b.WriteByte(byte(m.Kind))
	b.WriteByte(' ')
	writeIDs(&b, m.Conversations)
	b.WriteByte(' ')
	if m.From.IsZero() {
		writeIDs(&b, nil)
	} else {
		writeIDs(&b, []domain.ID{m.From})
	}
	b.WriteByte(' ')
	writeIDs(&b, m.Except)
	if m.After > 0 {
		fmt.Fprintf(&b, " %d", m.After)
	}
	b.WriteByte('\n')
	b.Write(m.Frame)
	return b.Bytes()
}

func writeIDs(b *bytes.Buffer, ids []domain.ID) {
	if len(ids) == 0 {
		b.WriteByte('-')
	}
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		text, _ := id.AppendText(b.AvailableBuffer()) // never fails
		b.Write(text)
	}
}

// decode reads a message. Unknown content is an error: a newer node may publish
// other messages.
func decode(text string) (m Message, err error) {
	head, frame, ok := strings.Cut(text, "\n")
	fields := strings.Split(head, " ")
	if !ok || len(fields) < 4 || len(fields) > 5 || frame == "" {
		return m, errMessage
	}
	switch fields[0] {
	case string(KindStealth), string(KindTyping), string(KindPresence):
		m.Kind, m.Frame = Kind(fields[0][0]), []byte(frame)
	default:
		return m, errMessage
	}
	if len(fields) == 5 {
		if m.After, err = strconv.ParseInt(fields[4], 10, 64); err != nil || m.After < 1 {
			return m, errMessage
		}
	}
	if m.Conversations, err = readIDs(fields[1]); err != nil {
		return m, err
	}
	from, err := readIDs(fields[2])
	if err != nil || len(from) > 1 {
		return m, errMessage
	}
	if len(from) == 1 {
		m.From = from[0]
	}
	m.Except, err = readIDs(fields[3])
	return m, err
}

func readIDs(field string) (ids []domain.ID, err error) {
	if field == "-" {
		return nil, nil
	}
	for text := range strings.SplitSeq(field, ",") {
		id, err := domain.ParseID(text)
		if err != nil {
			return nil, errMessage
		}
		ids = append(ids, id)
	}
	return ids, nil
}
