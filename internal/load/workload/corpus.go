package workload

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cespare/xxhash/v2"
)

// Corpus is a load of recorded conversations.
type Corpus struct {
	File string // JSON Lines, plain or gzip
	// Conversations and Limit bound how many conversations and messages are
	// sent; 0 sends all.
	Conversations, Limit int
	Users                int // that the nicks are mapped onto
}

// Utterance is one message of a corpus, as it will be sent.
type Utterance struct {
	Author *User
	Body   string
	Parent int // index in the script of the message that this one replies to; -1 for none
}

// entry is one line of a corpus file.
type entry struct {
	Conversation string `json:"conversation"`
	Line         int    `json:"line"`
	Kind         string `json:"kind"`
	User         string `json:"user"`
	Text         string `json:"text"`
	ReplyTo      *int   `json:"reply_to"`
}

// The kinds of entries. A nick change has no author and is not sent.
const (
	kindMessage = "message"
	kindAction  = "action"
	kindNick    = "nick"
)

// maxEntry bounds a line of a corpus file, in bytes.
const maxEntry = 1 << 20

// decodeEntry reads a line of a corpus file.
func decodeEntry(b []byte) (entry, error) {
	var e entry
	if err := json.Unmarshal(b, &e); err != nil {
		return entry{}, err
	}
	switch {
	case e.Conversation == "":
		return entry{}, errors.New("conversation is missing")
	case e.Line < 0:
		return entry{}, errors.New("line is negative")
	case e.Kind != kindMessage && e.Kind != kindAction && e.Kind != kindNick:
		return entry{}, fmt.Errorf("kind %q is none of message, action, nick", e.Kind)
	case e.User == "" && e.Kind != kindNick:
		return entry{}, errors.New("user is missing")
	}
	return e, nil
}

// Plan reads the file into a plan: a group and a sender per conversation. Nicks
// are mapped onto a bounded pool of users by a hash, because every registration
// costs the server a password hash; the text is sent as it is. The whole corpus
// is held in memory.
func (c Corpus) Plan() (*Plan, error) {
	file, err := os.Open(c.File)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := plainText(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", c.File, err)
	}
	p, err := c.read(text)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", c.File, err)
	}
	return p, nil
}

// plainText undoes gzip, which it recognizes by its first two bytes.
func plainText(r io.Reader) (io.Reader, error) {
	buffered := bufio.NewReaderSize(r, 1<<16)
	if magic, _ := buffered.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return gzip.NewReader(buffered)
	}
	return buffered, nil
}

// corpusReader builds a plan line by line.
type corpusReader struct {
	Corpus
	plan    *Plan
	byName  map[string]*Sender
	indexes map[*Sender]map[int]int // line of the file → index in the script
	pool    []*User                 // by hash; nil where no nick has been mapped yet
	members map[*Sender]map[*User]bool
}

func (c Corpus) read(r io.Reader) (*Plan, error) {
	reader := &corpusReader{
		Corpus: c, plan: &Plan{}, byName: map[string]*Sender{},
		indexes: map[*Sender]map[int]int{}, pool: make([]*User, c.Users), members: map[*Sender]map[*User]bool{},
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 1<<16), maxEntry)
	for number := 1; lines.Scan(); number++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		e, err := decodeEntry(lines.Bytes())
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if c.Limit > 0 && reader.plan.Messages == c.Limit {
			break
		}
		if e.Kind != kindNick {
			reader.add(e)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if reader.plan.Messages == 0 {
		return nil, errors.New("the file holds no message")
	}
	return reader.plan, nil
}

// add appends an entry to its conversation's script, unless that conversation
// is beyond the bound.
func (c *corpusReader) add(e entry) {
	s := c.byName[e.Conversation]
	if s == nil {
		if c.Conversations > 0 && len(c.plan.Senders) == c.Conversations {
			return
		}
		s = c.newSender(e.Conversation)
	}
	author := c.user(e.User)
	if group := s.Lines[0].Conversation; !c.members[s][author] {
		c.members[s][author] = true
		group.Members = append(group.Members, author)
	}
	parent := -1
	if e.ReplyTo != nil {
		// A parent comes earlier in the file: a reply to itself, to a later line,
		// to a nick change or to a line that does not exist has no parent.
		if i, ok := c.indexes[s][*e.ReplyTo]; ok {
			parent = i
		} else {
			c.plan.Unlinked++
		}
	}
	c.indexes[s][e.Line] = len(s.Script)
	s.Script = append(s.Script, Utterance{Author: author, Body: e.Text, Parent: parent})
	c.plan.Messages++
}

func (c *corpusReader) newSender(conversation string) *Sender {
	s := &Sender{Number: len(c.plan.Senders), Window: 1}
	s.join(c.plan.newConversation(fmt.Sprintf("Load group %d", s.Number+1)))
	c.plan.Senders = append(c.plan.Senders, s)
	c.byName[conversation], c.indexes[s], c.members[s] = s, map[int]int{}, map[*User]bool{}
	return s
}

// user returns the user that a nick is mapped onto.
func (c *corpusReader) user(nick string) *User {
	i := xxhash.Sum64String(nick) % uint64(len(c.pool))
	if c.pool[i] == nil {
		c.pool[i] = c.plan.newUser()
	}
	return c.pool[i]
}
