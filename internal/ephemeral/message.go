package ephemeral

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"ping/domain"
)

// Kind is what a message is about.
type Kind byte

// The kinds of messages.
const (
	KindStealth  Kind = 's' // a stealth message, or that one is gone
	KindTyping   Kind = 't'
	KindPresence Kind = 'p'
)

// Message is what nodes tell each other: a frame, and whom it is for.
type Message struct {
	Kind Kind
	// From is whose typing or presence it is; zero for stealth messages.
	From domain.ID
	// Conversations are those whose members get the frame.
	Conversations []domain.ID
	// Except are users who do not get it: whom From has blocked.
	Except []domain.ID
	// After is where a stealth message's conversation stood in its partition of
	// the log when it was decided who may send it: who is a member is known to
	// who has come so far. 0: it does not matter.
	After int64
	// Frame is what goes to sockets, as JSON.
	Frame []byte
}

var errMessage = errors.New("this is no message of the ephemeral lane")

// encode writes a message as two lines, which scripts can make too: the kind
// and the ids, then the frame.
//
//	p 0190…,0190… 0190… 0190…
//	{"type":"presence",…}
//
// The fields are kind, conversations, from, except ("-" is none) and, where it
// matters, after.
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

// decode reads a message. What it does not know is an error: a newer node may
// say more.
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
