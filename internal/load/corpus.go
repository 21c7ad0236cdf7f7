package load

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

// utterance is one message of a corpus, as it will be sent.
type utterance struct {
	author *user
	body   string
	parent int // index in the script of what it answers; -1 for none
}

// entry is one line of a corpus.
type entry struct {
	Conversation string `json:"conversation"`
	Line         int    `json:"line"`
	Kind         string `json:"kind"`
	User         string `json:"user"`
	Text         string `json:"text"`
	ReplyTo      *int   `json:"reply_to"`
}

// The kinds of entries. A nick change is not said by anyone and not sent.
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

// corpusPlan reads the file of --corpus into a plan: a group and a sender for
// each conversation. Nicks are mapped onto a bounded pool of users by a hash,
// because every registration costs the server a password hash; the text stays
// as it is. All of it is held in memory.
func corpusPlan(cfg Config) (*plan, error) {
	file, err := os.Open(cfg.Corpus)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := plainText(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", cfg.Corpus, err)
	}
	p, err := readCorpus(text, cfg)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", cfg.Corpus, err)
	}
	return p, nil
}

// plainText undoes gzip, which it tells by its first two bytes.
func plainText(r io.Reader) (io.Reader, error) {
	buffered := bufio.NewReaderSize(r, 1<<16)
	if magic, _ := buffered.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return gzip.NewReader(buffered)
	}
	return buffered, nil
}

// corpusReader builds a plan line by line.
type corpusReader struct {
	cfg     Config
	plan    *plan
	byName  map[string]*sender
	places  map[*sender]map[int]int // line → index in the script
	pool    []*user                 // by hash; nil where nobody has spoken yet
	members map[*sender]map[*user]bool
}

func readCorpus(r io.Reader, cfg Config) (*plan, error) {
	c := &corpusReader{
		cfg: cfg, plan: &plan{}, byName: map[string]*sender{},
		places: map[*sender]map[int]int{}, pool: make([]*user, cfg.Users), members: map[*sender]map[*user]bool{},
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
		if cfg.Limit > 0 && c.plan.messages == cfg.Limit {
			break
		}
		if e.Kind != kindNick {
			c.add(e)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if c.plan.messages == 0 {
		return nil, errors.New("there is no message in it")
	}
	return c.plan, nil
}

// add appends an entry to its conversation's script, if that is to be sent.
func (c *corpusReader) add(e entry) {
	s := c.byName[e.Conversation]
	if s == nil {
		if c.cfg.Conversations > 0 && len(c.plan.senders) == c.cfg.Conversations {
			return
		}
		s = &sender{number: len(c.plan.senders), window: 1}
		group := &conversation{name: fmt.Sprintf("Load group %d", s.number+1)}
		s.join(group)
		c.byName[e.Conversation], c.places[s], c.members[s] = s, map[int]int{}, map[*user]bool{}
		c.plan.senders = append(c.plan.senders, s)
		c.plan.conversations = append(c.plan.conversations, group)
	}
	author := c.user(e.User)
	if group := s.lines[0].conversation; !c.members[s][author] {
		c.members[s][author] = true
		group.members = append(group.members, author)
	}
	parent := -1
	if e.ReplyTo != nil {
		// A parent comes earlier in the file; what answers itself, a later
		// line, a nick change or a line that is not there has no parent.
		if i, ok := c.places[s][*e.ReplyTo]; ok {
			parent = i
		} else {
			c.plan.unlinked++
		}
	}
	c.places[s][e.Line] = len(s.script)
	s.script = append(s.script, utterance{author: author, body: e.Text, parent: parent})
	c.plan.messages++
}

// user returns who speaks for a nick.
func (c *corpusReader) user(nick string) *user {
	place := xxhash.Sum64String(nick) % uint64(len(c.pool))
	if c.pool[place] == nil {
		c.pool[place] = &user{number: len(c.plan.users)}
		c.plan.users = append(c.plan.users, c.pool[place])
	}
	return c.pool[place]
}
