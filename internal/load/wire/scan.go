package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/buger/jsonparser"

	"ping/domain"
)

// Event is what the tool needs of a durable event's frame. Conversation and
// Name share memory with the frame.
type Event struct {
	Partition    int
	Position     int64
	Conversation []byte // the id as text; empty for an event of a user's stream
	Seq          int64
	Name         []byte // such as message.sent
	ID           domain.ID
	Member       domain.ID // who was added or removed, of member.added and member.removed
}

// changesMembers reports whether an event is one by which a socket begins or
// ceases to receive a conversation.
func changesMembers(name []byte) bool {
	return string(name) == "member.added" || string(name) == "member.removed"
}

// scanner reads known text from the beginning of a byte slice. Once something
// did not match, it stays failed.
type scanner struct {
	rest []byte
	bad  bool
}

func (c *scanner) expect(text string) {
	if c.bad || len(c.rest) < len(text) || string(c.rest[:len(text)]) != text {
		c.bad = true
		return
	}
	c.rest = c.rest[len(text):]
}

func (c *scanner) number() int64 {
	n, i := int64(0), 0
	for i < len(c.rest) && i < 18 && c.rest[i]-'0' < 10 {
		n = n*10 + int64(c.rest[i]-'0')
		i++
	}
	if i == 0 {
		c.bad = true
	}
	c.rest = c.rest[i:]
	return n
}

func (c *scanner) take(n int) []byte {
	if c.bad || len(c.rest) < n {
		c.bad = true
		return nil
	}
	taken := c.rest[:n]
	c.rest = c.rest[n:]
	return taken
}

// word reads up to the next quote; text with an escape, or with bytes that may
// not be UTF-8, is no word.
func (c *scanner) word() []byte {
	for i, b := range c.rest {
		if b == '"' {
			return c.take(i)
		}
		if b == '\\' || b < ' ' || b >= utf8.RuneSelf {
			break
		}
	}
	c.bad = true
	return nil
}

func (c *scanner) uuid() (id domain.ID) {
	if text := c.take(36); text != nil && !parseUUID(text, &id) {
		c.bad = true
	}
	return id
}

// scanEvent reads a frame in the layout that servers write. ok is false for
// another layout, and when a field beyond the first ones is needed: decodeEvent
// reads any layout. It is written by hand because it runs once per delivery.
func scanEvent(b []byte) (e Event, ok bool) {
	c := scanner{rest: b}
	c.expect(`{"type":"event","at":"`)
	e.Partition = int(c.number())
	c.expect(`:`)
	e.Position = c.number()
	c.expect(`","conversation_id":"`)
	e.Conversation = c.take(36)
	c.expect(`","seq":`)
	e.Seq = c.number()
	c.expect(`,"event":"`)
	e.Name = c.word()
	c.expect(`","id":"`)
	e.ID = c.uuid()
	c.expect(`"`)
	return e, !c.bad && !changesMembers(e.Name)
}

// decodeEvent reads a durable event's frame in any JSON layout.
func decodeEvent(b []byte) (Event, error) {
	var f struct {
		At           string          `json:"at"`
		Conversation string          `json:"conversation_id"`
		Seq          int64           `json:"seq"`
		Event        string          `json:"event"`
		ID           domain.ID       `json:"id"`
		Data         json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return Event{}, fmt.Errorf("decode event: %w", err)
	}
	partition, position, err := ParsePosition(f.At)
	if err != nil {
		return Event{}, err
	}
	e := Event{Partition: partition, Position: position, Conversation: []byte(f.Conversation),
		Seq: f.Seq, Name: []byte(f.Event), ID: f.ID}
	if changesMembers(e.Name) {
		var data struct {
			User domain.ID `json:"user_id"`
		}
		if err := json.Unmarshal(f.Data, &data); err != nil {
			return Event{}, fmt.Errorf("decode %s: %w", f.Event, err)
		}
		e.Member = data.User
	}
	return e, nil
}

// maxPartitions is the maximum that a log can have.
const maxPartitions = 256

// ParsePosition reads a position such as 7:1042.
func ParsePosition(at string) (partition int, position int64, err error) {
	left, right, ok := strings.Cut(at, ":")
	p, err1 := strconv.ParseUint(left, 10, 8)
	n, err2 := strconv.ParseInt(right, 10, 64)
	if !ok || err1 != nil || err2 != nil || n < 0 {
		return 0, 0, fmt.Errorf("%q is not a position", at)
	}
	return int(p), n, nil
}

// answer is what the tool needs of the answer to a send.
type answer struct {
	id  domain.ID
	seq int64
}

var errNoMessage = errors.New("the answer to a send is not a message")

// readAnswer reads a message object.
func readAnswer(b []byte) (a answer, err error) {
	id, _, _, err := jsonparser.Get(b, "id")
	if err != nil {
		return answer{}, fmt.Errorf("%w: id: %w", errNoMessage, err)
	}
	if a.seq, err = jsonparser.GetInt(b, "seq"); err != nil {
		return answer{}, fmt.Errorf("%w: seq: %w", errNoMessage, err)
	}
	if !parseUUID(id, &a.id) || a.seq < 1 {
		return answer{}, errNoMessage
	}
	return a, nil
}

// hexValue holds the value of each hexadecimal digit, 0xff for other bytes.
var hexValue = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i := range 16 {
		t["0123456789abcdef"[i]], t["0123456789ABCDEF"[i]] = byte(i), byte(i)
	}
	return t
}()

// uuidDigits are the offsets of the sixteen pairs of digits in a UUID's text.
var uuidDigits = [16]int{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34}

// parseUUID reads the 36 bytes of a UUID's text. It is domain.ParseID without
// an error value, which would be an allocation per frame.
func parseUUID(text []byte, id *domain.ID) bool {
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return false
	}
	for i, at := range uuidDigits {
		high, low := hexValue[text[at]], hexValue[text[at+1]]
		if high > 15 || low > 15 {
			return false
		}
		id[i] = high<<4 | low
	}
	return true
}
